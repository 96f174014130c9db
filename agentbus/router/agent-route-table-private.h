/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "router/agent-name-private.h"
#include "router/agent-route-table.h"

G_BEGIN_DECLS

/* Who wants to know when routes change. */
typedef struct
{
  /* Called in the thread of the change, with no lock held, once for each actor that changed. What the route is by now is
   * what find() says. Also called when an actor is removed that nobody knew: it had no route that could change, but
   * somebody may hold messages for it. */
  void (*changed) (gpointer    data,
                   const char *actor);
} AgentRouteWatchFuncs;

guint    _agent_route_table_add_watch    (AgentRouteTable            *self,
                                          const AgentRouteWatchFuncs *funcs,
                                          gpointer                    data,
                                          GDestroyNotify              destroy);
void     _agent_route_table_remove_watch (AgentRouteTable            *self,
                                          guint                       id);
gboolean _agent_route_table_find         (AgentRouteTable            *self,
                                          const char                 *actor,
                                          AgentName                 **router);
guint64  _agent_route_table_get_n_changes
                                         (AgentRouteTable            *self);

G_END_DECLS
