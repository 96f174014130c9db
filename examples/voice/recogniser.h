/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <agentbus/agentbus.h>

G_BEGIN_DECLS

#define VOICE_TYPE_RECOGNISER (recogniser_get_type ())

/* Turns the frames of an utterance into a "heard" message for the assistant, with the text. */
G_DECLARE_FINAL_TYPE (Recogniser, recogniser, VOICE, RECOGNISER, AgentSubscriber)

AgentSubscriber *recogniser_new (GMainContext *context) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
