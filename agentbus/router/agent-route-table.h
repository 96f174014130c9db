/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#if !defined(AGENT_INSIDE) && !defined(AGENT_COMPILATION)
#error "Only <agentbus/agentbus.h> can be included directly."
#endif

#include <agentbus/agent-types.h>

G_BEGIN_DECLS

#define AGENT_TYPE_ROUTE_TABLE (agent_route_table_get_type ())

AGENT_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (AgentRouteTable, agent_route_table, AGENT, ROUTE_TABLE, GObject)

AGENT_AVAILABLE_IN_0_1
AgentRouteTable *agent_route_table_new          (void) G_GNUC_WARN_UNUSED_RESULT;

AGENT_AVAILABLE_IN_0_1
void             agent_route_table_assign       (AgentRouteTable    *self,
                                                 const char         *actor,
                                                 const char         *router);
AGENT_AVAILABLE_IN_0_1
void             agent_route_table_unassign     (AgentRouteTable    *self,
                                                 const char         *actor);
AGENT_AVAILABLE_IN_0_1
gboolean         agent_route_table_remove       (AgentRouteTable    *self,
                                                 const char         *actor);
AGENT_AVAILABLE_IN_0_1
guint            agent_route_table_move_all     (AgentRouteTable    *self,
                                                 const char         *from_router,
                                                 const char         *to_router);
AGENT_AVAILABLE_IN_0_1
gboolean         agent_route_table_rename       (AgentRouteTable    *self,
                                                 const char         *actor,
                                                 const char         *new_id,
                                                 GError            **error);

AGENT_AVAILABLE_IN_0_1
guint            agent_route_table_assign_many  (AgentRouteTable    *self,
                                                 const char * const *actors,
                                                 const char         *router);
AGENT_AVAILABLE_IN_0_1
GVariant        *agent_route_table_rebalance    (AgentRouteTable    *self,
                                                 const char * const *routers,
                                                 GVariant           *weights) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
GVariant        *agent_route_table_snapshot     (AgentRouteTable    *self) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
gboolean         agent_route_table_restore      (AgentRouteTable    *self,
                                                 GVariant           *snapshot,
                                                 GError            **error);

AGENT_AVAILABLE_IN_0_1
char           **agent_route_table_list_actors  (AgentRouteTable    *self,
                                                 const char         *router) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
char            *agent_route_table_lookup       (AgentRouteTable    *self,
                                                 const char         *actor) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
gboolean         agent_route_table_contains     (AgentRouteTable    *self,
                                                 const char         *actor);
AGENT_AVAILABLE_IN_0_1
guint            agent_route_table_get_n_actors (AgentRouteTable    *self);

G_END_DECLS
