/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <agentbus/agentbus.h>

G_BEGIN_DECLS

#define VOICE_TYPE_SPEAKER (speaker_get_type ())

/*
 * Turns the text of a task into frames for the loudspeaker: TASK_STREAM_START, frames, TASK_STREAM_END.
 * The loudspeaker responds to the task when it has played them.
 */
G_DECLARE_FINAL_TYPE (Speaker, speaker, VOICE, SPEAKER, AgentSubscriber)

AgentSubscriber *speaker_new (GMainContext *context) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
