/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "router/agent-name-private.h"
#include "router/agent-route-table.h"

G_BEGIN_DECLS

/* Called in the thread of the change, with no lock held, once for each actor. What the route is by now, find() says. An
 * actor that was not known and is removed has no route that could change: but somebody may hold messages for it. */
typedef void (*AgentRouteFunc) (gpointer    data,
                                const char *actor);

guint    _agent_route_table_add_watch    (AgentRouteTable *self,
                                          AgentRouteFunc   func,
                                          gpointer         data,
                                          GDestroyNotify   destroy);
void     _agent_route_table_remove_watch (AgentRouteTable *self,
                                          guint            id);
gboolean _agent_route_table_find         (AgentRouteTable *self,
                                          const char      *actor,
                                          AgentName      **router);
guint64  _agent_route_table_get_n_changes (AgentRouteTable *self);

G_END_DECLS
