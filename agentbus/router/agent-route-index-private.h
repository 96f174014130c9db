/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "router/agent-name-private.h"
#include "router/agent-router-types-private.h"

G_BEGIN_DECLS

/*
 * Which actors there are, and which router each of them has: actors by their id, and the actors of a router by its name.
 *
 * Plain data of a route table: it knows no lock and tells nobody. Whoever has it locks it.
 *
 * A walk visits all actors, and may be interrupted: actors that are added meanwhile are not visited, and one that is renamed
 * is visited once. There is one walk at a time.
 */
typedef struct
{
  GHashTable *actors;  /* id → AgentRoute (owned) */
  GHashTable *routers; /* name → AgentRouteGroup (owned): those routers that have actors */
  GQueue      all;     /* of AgentRoute: the newest first */
  GList      *next;    /* (nullable) in @all: whom the walk visits next */
} AgentRouteIndex;

/* The actors of one router, which are found without a look at all others. */
typedef struct
{
  AgentName *name;
  GQueue     routes; /* of AgentRoute, in the order in which they came */
} AgentRouteGroup;

/* One actor. */
typedef struct
{
  AgentRouteGroup *group;     /* (nullable) that of its router */
  GList            link;      /* in the group */
  GList            all_link;  /* among all routes */
  guint64          n_changes; /* how often the table had changed when the actor came to its router, this change included */
  char             id[];
} AgentRoute;

void        _agent_route_index_init       (AgentRouteIndex *self);
void        _agent_route_index_clear      (AgentRouteIndex *self);
AgentRoute *_agent_route_index_lookup     (AgentRouteIndex *self,
                                           const char      *actor);
AgentRoute *_agent_route_index_get_first  (AgentRouteIndex *self,
                                           const char      *router);
guint       _agent_route_index_get_size   (AgentRouteIndex *self);
AgentRoute *_agent_route_index_add        (AgentRouteIndex *self,
                                           const char      *actor);
void        _agent_route_index_set_router (AgentRouteIndex *self,
                                           AgentRoute      *route,
                                           const char      *router);
AgentRoute *_agent_route_index_rename     (AgentRouteIndex *self,
                                           AgentRoute      *route,
                                           const char      *actor);
void        _agent_route_index_remove     (AgentRouteIndex *self,
                                           AgentRoute      *route);
void        _agent_route_index_begin_walk (AgentRouteIndex *self);
AgentRoute *_agent_route_index_walk       (AgentRouteIndex *self);

/* (transfer none) (nullable): the name of the actor's router */
static inline AgentName *
_agent_route_get_router (const AgentRoute *self)
{
  return self->group != NULL ? self->group->name : NULL;
}

G_END_DECLS
