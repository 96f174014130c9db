/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#if !defined(AGENT_INSIDE) && !defined(AGENT_COMPILATION)
#error "Only <agentbus/agentbus.h> can be included directly."
#endif

#include <agentbus/agent-types.h>

G_BEGIN_DECLS

#define AGENT_TYPE_CONVERSATION (agent_conversation_get_type ())

AGENT_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (AgentConversation, agent_conversation, AGENT, CONVERSATION, GObject)

AGENT_AVAILABLE_IN_0_1
AgentConversation *agent_conversation_new       (const char        *id) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
const char        *agent_conversation_get_id    (AgentConversation *self);
AGENT_AVAILABLE_IN_0_1
guint64            agent_conversation_get_epoch (AgentConversation *self);
AGENT_AVAILABLE_IN_0_1
guint64            agent_conversation_advance   (AgentConversation *self);

G_END_DECLS
