/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <agentbus/agentbus.h>

G_BEGIN_DECLS

#define VOICE_TYPE_LOUDSPEAKER (loudspeaker_get_type ())

/*
 * Plays audio into a WAV file. A frame takes 20 ms, and meanwhile the next frames wait on the data channel.
 * A CANCEL comes on the system channel, before all of them. The frames that it overtook are then skipped.
 *
 * It is a plain subscriber: an actor would leave at a CANCEL. It responds to "play" when all frames before it are played.
 */
G_DECLARE_FINAL_TYPE (Loudspeaker, loudspeaker, VOICE, LOUDSPEAKER, AgentSubscriber)

AgentSubscriber *loudspeaker_new (GMainContext *context,
                                  const char   *path,
                                  gint64        interval) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
