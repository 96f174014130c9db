/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Those who want to be told when something happens to an object.
 *
 * The list is an immutable array that a change replaces. Whoever tells the watches takes a reference on the array first, and
 * calls them with no lock held. So a watch may be called once more after it has been removed, if that call was under way.
 *
 * All functions may be called in any thread.
 */

typedef struct
{
  gatomicrefcount ref_count;
  guint           id;      /* not 0, and different from that of any other watch in the process */
  gconstpointer   funcs;   /* what to call: known to the list's owner */
  gpointer        data;
  GDestroyNotify  destroy; /* called with @data after the last call */
} AgentWatch;

typedef struct
{
  GMutex     lock;
  GPtrArray *watches; /* (lock) (nullable) of AgentWatch (owned) */
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
