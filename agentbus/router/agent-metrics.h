/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#if !defined(AGENT_INSIDE) && !defined(AGENT_COMPILATION)
#error "Only <agentbus/agentbus.h> can be included directly."
#endif

#include <agentbus/router/agent-router-dispatcher.h>

G_BEGIN_DECLS

#define AGENT_TYPE_METRICS (agent_metrics_get_type ())

AGENT_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (AgentMetrics, agent_metrics, AGENT, METRICS, GObject)

AGENT_AVAILABLE_IN_0_1
AgentMetrics *agent_metrics_new             (void) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
void          agent_metrics_add_bus         (AgentMetrics          *self,
                                             const char            *name,
                                             AgentBus              *bus);
AGENT_AVAILABLE_IN_0_1
void          agent_metrics_add_dispatcher  (AgentMetrics          *self,
                                             const char            *name,
                                             AgentRouterDispatcher *dispatcher);
AGENT_AVAILABLE_IN_0_1
GVariant     *agent_metrics_to_variant      (AgentMetrics          *self) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
char         *agent_metrics_to_open_metrics (AgentMetrics          *self) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
char         *agent_metrics_to_prometheus   (AgentMetrics          *self) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
