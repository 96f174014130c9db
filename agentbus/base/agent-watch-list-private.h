/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * The watches of an object: functions to call when something happens to the object.
 *
 * The list is an array that never changes: a change replaces it by a new one. To call the watches, the owner takes a
 * reference on the array, and then calls them with no lock held. So a watch may still be called after it was removed,
 * by a thread that had taken its reference before.
 *
 * All functions but init() and clear() may be called in any thread.
 */

typedef struct
{
  gatomicrefcount ref_count;
  guint           id;      /* not 0, and different from that of any other watch in the process */
  gconstpointer   funcs;   /* what to call; the owner of the list knows its type */
  gpointer        data;
  GDestroyNotify  destroy; /* called with @data after the last call of the watch */
} AgentWatch;

typedef struct
{
  GMutex     lock;
  GPtrArray *watches; /* (lock) (nullable) of AgentWatch (owned); NULL if there are none */
} AgentWatchList;

void       _agent_watch_list_init   (AgentWatchList *self);
void       _agent_watch_list_clear  (AgentWatchList *self);
guint      _agent_watch_list_add    (AgentWatchList *self,
                                     gconstpointer   funcs,
                                     gpointer        data,
                                     GDestroyNotify  destroy);
void       _agent_watch_list_remove (AgentWatchList *self,
                                     guint           id);
GPtrArray *_agent_watch_list_ref    (AgentWatchList *self);

G_END_DECLS
