/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#if !defined(AGENT_INSIDE) && !defined(AGENT_COMPILATION)
#error "Only <agentbus/agentbus.h> can be included directly."
#endif

#include <agentbus/message/agent-message.h>

G_BEGIN_DECLS

#define AGENT_TYPE_DELIVERY (agent_delivery_get_type ())

AGENT_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (AgentDelivery, agent_delivery, AGENT, DELIVERY, GObject)

AGENT_AVAILABLE_IN_0_1
AgentMessage *agent_delivery_get_message     (AgentDelivery *self);
AGENT_AVAILABLE_IN_0_1
GCancellable *agent_delivery_get_cancellable (AgentDelivery *self);
AGENT_AVAILABLE_IN_0_1
gboolean      agent_delivery_is_cancelled    (AgentDelivery *self);
AGENT_AVAILABLE_IN_0_1
void          agent_delivery_complete        (AgentDelivery *self);
AGENT_AVAILABLE_IN_0_1
void          agent_delivery_fail            (AgentDelivery *self,
                                              const GError  *error);
AGENT_AVAILABLE_IN_0_1
void          agent_delivery_fail_message    (AgentDelivery *self,
                                              const char    *message);
AGENT_AVAILABLE_IN_0_1
gboolean      agent_delivery_forward         (AgentDelivery *self,
                                              const char    *target,
                                              GError       **error);

G_END_DECLS
