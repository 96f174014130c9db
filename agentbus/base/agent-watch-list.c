/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdatomic.h>

#include "base/agent-watch-list-private.h"

static _Atomic guint watch_list_last_id;

static AgentWatch *
watch_list_new_watch (gconstpointer  funcs,
                      gpointer       data,
                      GDestroyNotify destroy)
{
  AgentWatch *watch = g_new (AgentWatch, 1);

  g_atomic_ref_count_init (&watch->ref_count);
  watch->id = atomic_fetch_add (&watch_list_last_id, 1) % G_MAXUINT + 1;
  watch->funcs = funcs;
  watch->data = data;
  watch->destroy = destroy;

  return watch;
}

static void
watch_list_unref_watch (gpointer data)
{
  AgentWatch *watch = data;

  if (!g_atomic_ref_count_dec (&watch->ref_count))
    return;

  watch->destroy (watch->data);
  g_free (watch);
}

void
_agent_watch_list_init (AgentWatchList *self)
{
  g_mutex_init (&self->lock);
  self->watches = NULL;
}

void
_agent_watch_list_clear (AgentWatchList *self)
{
  g_clear_pointer (&self->watches, g_ptr_array_unref);
  g_mutex_clear (&self->lock);
}

/* @but: the id of the watch to leave out, or 0. Returns: (transfer full) */
static GPtrArray *
watch_list_copy_locked (AgentWatchList *self,
                        guint           but)
{
  GPtrArray *copy = g_ptr_array_new_with_free_func (watch_list_unref_watch);

  for (guint i = 0; self->watches != NULL && i < self->watches->len; i++)
    {
      AgentWatch *watch = self->watches->pdata[i];

      if (watch->id == but)
        continue;
      g_atomic_ref_count_inc (&watch->ref_count);
      g_ptr_array_add (copy, watch);
    }

  return copy;
}

/* @watches: (transfer full). Returns: (transfer full) (nullable): the array that was replaced. The caller unrefs it
 * after unlocking, as that may call a destroy notify of the application. */
static GPtrArray *
watch_list_replace_locked (AgentWatchList *self,
                           GPtrArray      *watches)
{
  GPtrArray *before = self->watches;

  self->watches = watches->len > 0 ? watches : NULL;
  if (self->watches == NULL)
    g_ptr_array_unref (watches);

  return before;
}

/* Returns the id of the new watch. */
guint
_agent_watch_list_add (AgentWatchList *self,
                       gconstpointer   funcs,
                       gpointer        data,
                       GDestroyNotify  destroy)
{
  AgentWatch *watch = watch_list_new_watch (funcs, data, destroy);
  guint       id = watch->id;
  GPtrArray  *watches;
  GPtrArray  *before;

  g_mutex_lock (&self->lock);
  watches = watch_list_copy_locked (self, 0);
  g_ptr_array_add (watches, watch);
  before = watch_list_replace_locked (self, watches);
  g_mutex_unlock (&self->lock);

  g_clear_pointer (&before, g_ptr_array_unref);
  return id;
}

void
_agent_watch_list_remove (AgentWatchList *self,
                          guint           id)
{
  GPtrArray *before;

  g_mutex_lock (&self->lock);
  before = watch_list_replace_locked (self, watch_list_copy_locked (self, id));
  g_mutex_unlock (&self->lock);

  g_clear_pointer (&before, g_ptr_array_unref);
}

/* Returns: (transfer full) (nullable): the watches, or NULL if there are none. */
GPtrArray *
_agent_watch_list_ref (AgentWatchList *self)
{
  GPtrArray *watches;

  g_mutex_lock (&self->lock);
  watches = self->watches != NULL ? g_ptr_array_ref (self->watches) : NULL;
  g_mutex_unlock (&self->lock);

  return watches;
}
