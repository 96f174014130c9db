/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <agentbus/agentbus.h>

G_BEGIN_DECLS

#define VOICE_TYPE_ASSISTANT (assistant_get_type ())

/* Answers what the user said (the task "answer"), and stops speaking when the user speaks. */
G_DECLARE_FINAL_TYPE (Assistant, assistant, VOICE, ASSISTANT, AgentActor)

AgentSubscriber *assistant_new (GMainContext *context) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
