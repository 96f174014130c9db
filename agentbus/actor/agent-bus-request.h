/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#if !defined(AGENT_INSIDE) && !defined(AGENT_COMPILATION)
#error "Only <agentbus/agentbus.h> can be included directly."
#endif

#include <agentbus/bus/agent-bus.h>

G_BEGIN_DECLS

AGENT_AVAILABLE_IN_0_1
void          agent_bus_request_async  (AgentBus            *self,
                                        AgentMessage        *message,
                                        guint                timeout,
                                        GCancellable        *cancellable,
                                        GAsyncReadyCallback  callback,
                                        gpointer             user_data);
AGENT_AVAILABLE_IN_0_1
AgentMessage *agent_bus_request_finish (AgentBus            *self,
                                        GAsyncResult        *result,
                                        GError             **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
