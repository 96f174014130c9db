/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#if !defined(AGENT_INSIDE) && !defined(AGENT_COMPILATION)
#error "Only <agentbus/agentbus.h> can be included directly."
#endif

#include <agentbus/bus/agent-bus.h>
#include <agentbus/router/agent-retry-policy.h>
#include <agentbus/router/agent-route-table.h>

G_BEGIN_DECLS

#define AGENT_TYPE_ROUTER_DISPATCHER (agent_router_dispatcher_get_type ())

/**
 * AGENT_ROUTER_DISPATCHER_DEFAULT_CAPACITY:
 *
 * How many messages a dispatcher parks at most when nothing else is said.
 *
 * Since: 0.1
 */
#define AGENT_ROUTER_DISPATCHER_DEFAULT_CAPACITY 65536

AGENT_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (AgentRouterDispatcher, agent_router_dispatcher, AGENT, ROUTER_DISPATCHER, GObject)

AGENT_AVAILABLE_IN_0_1
AgentRouterDispatcher *agent_router_dispatcher_new              (AgentBus              *bus,
                                                                 AgentRouteTable       *route_table) G_GNUC_WARN_UNUSED_RESULT;

AGENT_AVAILABLE_IN_0_1
AgentDispatchResult    agent_router_dispatcher_dispatch         (AgentRouterDispatcher *self,
                                                                 AgentMessage          *message,
                                                                 GError               **error);

AGENT_AVAILABLE_IN_0_1
AgentBus              *agent_router_dispatcher_get_bus          (AgentRouterDispatcher *self);
AGENT_AVAILABLE_IN_0_1
AgentRouteTable       *agent_router_dispatcher_get_route_table  (AgentRouterDispatcher *self);
AGENT_AVAILABLE_IN_0_1
AgentRetryPolicy      *agent_router_dispatcher_get_retry_policy (AgentRouterDispatcher *self) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
void                   agent_router_dispatcher_set_retry_policy (AgentRouterDispatcher *self,
                                                                 AgentRetryPolicy      *retry_policy);
AGENT_AVAILABLE_IN_0_1
guint                  agent_router_dispatcher_get_capacity     (AgentRouterDispatcher *self);
AGENT_AVAILABLE_IN_0_1
void                   agent_router_dispatcher_set_capacity     (AgentRouterDispatcher *self,
                                                                 guint                  capacity);
AGENT_AVAILABLE_IN_0_1
guint                  agent_router_dispatcher_get_actor_capacity
                                                                (AgentRouterDispatcher *self);
AGENT_AVAILABLE_IN_0_1
gboolean               agent_router_dispatcher_get_park_unknown (AgentRouterDispatcher *self);
AGENT_AVAILABLE_IN_0_1
void                   agent_router_dispatcher_set_park_unknown (AgentRouterDispatcher *self,
                                                                 gboolean               park_unknown);
AGENT_AVAILABLE_IN_0_1
gboolean               agent_router_dispatcher_get_hand_off     (AgentRouterDispatcher *self);
AGENT_AVAILABLE_IN_0_1
void                   agent_router_dispatcher_set_hand_off     (AgentRouterDispatcher *self,
                                                                 gboolean               hand_off);
AGENT_AVAILABLE_IN_0_1
guint                  agent_router_dispatcher_get_n_parked     (AgentRouterDispatcher *self);
AGENT_AVAILABLE_IN_0_1
guint                  agent_router_dispatcher_get_timeout      (AgentRouterDispatcher *self,
                                                                 AgentMessageType       type);
AGENT_AVAILABLE_IN_0_1
void                   agent_router_dispatcher_set_timeout      (AgentRouterDispatcher *self,
                                                                 AgentMessageType       type,
                                                                 guint                  timeout);

AGENT_AVAILABLE_IN_0_1
void                   agent_router_dispatcher_drain_router_async
                                                                (AgentRouterDispatcher *self,
                                                                 const char            *router,
                                                                 GCancellable          *cancellable,
                                                                 GAsyncReadyCallback    callback,
                                                                 gpointer               user_data);
AGENT_AVAILABLE_IN_0_1
gboolean               agent_router_dispatcher_drain_router_finish
                                                                (AgentRouterDispatcher *self,
                                                                 GAsyncResult          *result,
                                                                 GError               **error);

AGENT_AVAILABLE_IN_0_1
void                   agent_router_dispatcher_stop_async       (AgentRouterDispatcher *self,
                                                                 GCancellable          *cancellable,
                                                                 GAsyncReadyCallback    callback,
                                                                 gpointer               user_data);
AGENT_AVAILABLE_IN_0_1
gboolean               agent_router_dispatcher_stop_finish      (AgentRouterDispatcher *self,
                                                                 GAsyncResult          *result,
                                                                 GError               **error);

AGENT_AVAILABLE_IN_0_1
GVariant              *agent_router_dispatcher_get_statistics   (AgentRouterDispatcher *self) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
