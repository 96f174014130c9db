/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <agentbus/agentbus.h>

G_BEGIN_DECLS

#define VOICE_TYPE_RECOGNISER (recogniser_get_type ())

/*
 * Turns the frames of an utterance into text, and requests an answer to it of the assistant. Reads its model in the
 * task "load".
 */
G_DECLARE_FINAL_TYPE (Recogniser, recogniser, VOICE, RECOGNISER, AgentActor)

AgentSubscriber *recogniser_new (GMainContext *context) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
