/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <stdatomic.h>

#include "base/agent-signal-queue-private.h"
#include "base/agent-watch-list-private.h"
#include "router/agent-route-index-private.h"
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

  /* (nullable): called before and after an actor gets another id, in the thread of the change. Nobody finds a route meanwhile
   * if begin_rename() takes the lock for that: then end_rename() releases it. @done: whether the actor has the new id now.
   * There is one rename of a table at a time. */
  void (*begin_rename) (gpointer    data,
                        const char *actor,
                        const char *new_id);
  void (*end_rename)   (gpointer    data,
                        const char *actor,
                        const char *new_id,
                        gboolean    done);
} AgentRouteWatchFuncs;

/* How many actors are changed or visited while the lock is held once. */
#define AGENT_ROUTE_TABLE_PIECE 256

/* The functions are in two files: what a table is, and what changes one actor (agent-route-table.c); and what lists or changes
 * many of them (agent-route-table-batch.c). */
struct _AgentRouteTable
{
  GObject           parent_instance;

  AgentSignalQueue *signals;
  AgentWatchList    watches;
  GMutex            rename_lock; /* held while an actor gets another id: nothing of the application runs meanwhile */
  GMutex            walk_lock;   /* held while all actors are visited, taken before @lock */

  GMutex            lock;
  AgentRouteIndex   index;       /* (lock) */
  _Atomic guint64   n_changes;
};

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
guint    _agent_route_table_unassign_all (AgentRouteTable            *self,
                                          const char                 *router);

/* Between its files. In a batch, the changes are told by one signal at the end; the watches are told of each. */
gboolean _agent_route_table_set_locked   (AgentRouteTable            *self,
                                          const char                 *actor,
                                          const char                 *router,
                                          gboolean                    in_batch);
gboolean _agent_route_table_forget_locked
                                         (AgentRouteTable            *self,
                                          const char                 *actor,
                                          gboolean                    in_batch);
void     _agent_route_table_tell         (AgentRouteTable            *self,
                                          const char                 *actor);
void     _agent_route_table_note_batch   (AgentRouteTable            *self,
                                          GPtrArray                  *actors);

G_END_DECLS
