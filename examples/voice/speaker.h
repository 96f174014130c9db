/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <agentbus/agentbus.h>

G_BEGIN_DECLS

#define VOICE_TYPE_SPEAKER (speaker_get_type ())

/*
 * Turns the text of the task "speak" into frames for the loudspeaker, and has spoken when the loudspeaker has played
 * them. Reads its voice in the task "load".
 */
G_DECLARE_FINAL_TYPE (Speaker, speaker, VOICE, SPEAKER, AgentActor)

AgentSubscriber *speaker_new (GMainContext *context) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
