/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-string-hash-private.h"
#include "router/agent-route-index-private.h"

static void
route_group_free (gpointer data)
{
  AgentRouteGroup *group = data;

  g_assert (group->routes.length == 0);

  _agent_name_unref (group->name);
  g_free (group);
}

void
_agent_route_index_init (AgentRouteIndex *self)
{
  g_queue_init (&self->all);
  self->next = NULL;
  self->actors = g_hash_table_new_full (_agent_string_hash_func, g_str_equal, NULL, g_free);
  self->routers = g_hash_table_new_full (_agent_string_hash_func, g_str_equal, NULL, route_group_free);
}

/* (transfer none) */
static AgentRouteGroup *
route_index_get_group (AgentRouteIndex *self,
                       const char      *name)
{
  AgentRouteGroup *group = g_hash_table_lookup (self->routers, name);

  if (group == NULL)
    {
      group = g_new0 (AgentRouteGroup, 1);
      group->name = _agent_name_new (name);
      g_hash_table_insert (self->routers, group->name, group);
    }

  return group;
}

/* A router that has no actors any more is forgotten. */
static void
route_index_leave_group (AgentRouteIndex *self,
                         AgentRoute      *route)
{
  AgentRouteGroup *group = g_steal_pointer (&route->group);

  if (group == NULL)
    return;

  g_queue_unlink (&group->routes, &route->link);
  if (group->routes.length == 0)
    g_hash_table_remove (self->routers, group->name);
}

void
_agent_route_index_clear (AgentRouteIndex *self)
{
  GHashTableIter iter;
  gpointer       route;

  g_hash_table_iter_init (&iter, self->actors);
  while (g_hash_table_iter_next (&iter, NULL, &route))
    route_index_leave_group (self, route);

  g_clear_pointer (&self->actors, g_hash_table_unref);
  g_clear_pointer (&self->routers, g_hash_table_unref);
}

/* (transfer none) (nullable): NULL if nobody knows the actor */
AgentRoute *
_agent_route_index_lookup (AgentRouteIndex *self,
                           const char      *actor)
{
  return g_hash_table_lookup (self->actors, actor);
}

/* (transfer none) (nullable): the actor that has been with @router for longest */
AgentRoute *
_agent_route_index_get_first (AgentRouteIndex *self,
                              const char      *router)
{
  AgentRouteGroup *group = g_hash_table_lookup (self->routers, router);

  return group != NULL ? g_queue_peek_head (&group->routes) : NULL;
}

guint
_agent_route_index_get_size (AgentRouteIndex *self)
{
  return g_hash_table_size (self->actors);
}

/* (transfer none): a route that is in no list yet */
static AgentRoute *
route_index_new_route (AgentRouteIndex *self,
                       const char      *actor)
{
  gsize       size = strlen (actor) + 1;
  AgentRoute *route = g_malloc0 (sizeof (AgentRoute) + size);

  memcpy (route->id, actor, size);
  route->link.data = route;
  route->all_link.data = route;
  g_hash_table_insert (self->actors, route->id, route);

  return route;
}

/* (transfer none): a new actor, without a router. Nobody may know @actor yet. */
AgentRoute *
_agent_route_index_add (AgentRouteIndex *self,
                        const char      *actor)
{
  AgentRoute *route = route_index_new_route (self, actor);

  g_queue_push_head_link (&self->all, &route->all_link);
  return route;
}

/* Frees @route. Returns: (transfer none): the same route of another actor, in the same places of all lists. Nobody may know
 * @actor yet. */
AgentRoute *
_agent_route_index_rename (AgentRouteIndex *self,
                           AgentRoute      *route,
                           const char      *actor)
{
  AgentRoute *renamed = route_index_new_route (self, actor);

  renamed->n_changes = route->n_changes;
  renamed->group = route->group;
  if (route->group != NULL)
    g_queue_insert_before_link (&route->group->routes, &route->link, &renamed->link);
  g_queue_insert_before_link (&self->all, &route->all_link, &renamed->all_link);
  if (self->next == &route->all_link)
    self->next = &renamed->all_link;

  _agent_route_index_remove (self, route);
  return renamed;
}

/* @router: (nullable): not the name that @route has now, which may go here */
void
_agent_route_index_set_router (AgentRouteIndex *self,
                               AgentRoute      *route,
                               const char      *router)
{
  AgentRouteGroup *group = router != NULL ? route_index_get_group (self, router) : NULL;

  route_index_leave_group (self, route);
  if (group == NULL)
    return;

  route->group = group;
  g_queue_push_tail_link (&group->routes, &route->link);
}

/* Frees @route. */
void
_agent_route_index_remove (AgentRouteIndex *self,
                           AgentRoute      *route)
{
  route_index_leave_group (self, route);
  if (self->next == &route->all_link)
    self->next = route->all_link.next;
  g_queue_unlink (&self->all, &route->all_link);
  g_hash_table_remove (self->actors, route->id);
}

/* Ends a walk that was begun before. */
void
_agent_route_index_begin_walk (AgentRouteIndex *self)
{
  self->next = self->all.head;
}

/* (transfer none) (nullable): the actor that the walk visits next */
AgentRoute *
_agent_route_index_walk (AgentRouteIndex *self)
{
  AgentRoute *route = self->next != NULL ? self->next->data : NULL;

  if (route != NULL)
    self->next = self->next->next;

  return route;
}
