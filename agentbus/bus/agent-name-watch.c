/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-source-private.h"
#include "base/agent-string-hash-private.h"
#include "bus/agent-name-watch-private.h"

struct _AgentNameWatches
{
  gatomicrefcount ref_count;
  GMutex          lock;
  GHashTable     *by_name; /* (lock) char * (owned) → GQueue (owned) of Watch */
  GHashTable     *by_id;   /* (lock) id → Watch (owned) */
  guint           last_id; /* (lock) */
  gint            n;       /* (atomic) how many watches there are; only grows with the lock held under which names change */
};

typedef struct
{
  gatomicrefcount   ref_count;
  AgentNameWatches *watches; /* (owned) */
  char             *name;    /* (owned) */
  guint             id;
  GMainContext     *context; /* (owned) */
  AgentNameFunc     func;
  gpointer          data;
  GDestroyNotify    destroy;

  /* Guarded by the lock of @watches. */
  gboolean is_there;
  gboolean next;      /* what is to be told next: whether the name is there */
  guint64  n_pending; /* how many times there is something to tell */
  GSource *source;    /* (owned) (nullable) that will tell it; NULL if there is nothing to tell */
} Watch;

AgentNameWatches *
_agent_name_watches_new (void)
{
  AgentNameWatches *self = g_new0 (AgentNameWatches, 1);

  g_atomic_ref_count_init (&self->ref_count);
  g_mutex_init (&self->lock);
  self->by_name =
      g_hash_table_new_full (_agent_string_hash_func, g_str_equal, g_free, (GDestroyNotify) g_queue_free);
  self->by_id = g_hash_table_new (NULL, NULL);

  return self;
}

AgentNameWatches *
_agent_name_watches_ref (AgentNameWatches *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_agent_name_watches_unref (AgentNameWatches *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_assert (g_hash_table_size (self->by_id) == 0);

  g_hash_table_unref (self->by_id);
  g_hash_table_unref (self->by_name);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* --- One watch --- */

static Watch *
watch_ref (Watch *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

static void
watch_unref (gpointer data)
{
  Watch *self = data;

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  _agent_name_watches_unref (self->watches);
  g_main_context_unref (self->context);
  g_free (self->name);
  g_free (self);
}

/* @destroy: called after the last dispatch, or with the context */
static GSource *
watch_attach (Watch         *self,
              GSourceFunc    func,
              GDestroyNotify destroy)
{
  GSource *source = g_idle_source_new ();

  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_static_name (source, "[agentbus] watch of a name");
  g_source_set_callback (source, func, watch_ref (self), destroy);
  g_source_attach (source, self->context);
  return source;
}

/* FALSE: there is nothing to tell.
 *
 * @more: (out): whether there is more to tell after this */
static gboolean
watch_take (Watch    *self,
            gboolean *state,
            gboolean *more)
{
  GSource *source = NULL;
  gboolean any;

  g_mutex_lock (&self->watches->lock);
  any = self->n_pending > 0;
  *state = self->next;
  if (any)
    {
      self->next = !self->next;
      self->n_pending--;
    }
  *more = self->n_pending > 0;
  if (!*more)
    source = g_steal_pointer (&self->source);
  g_mutex_unlock (&self->watches->lock);

  g_clear_pointer (&source, g_source_unref);
  return any;
}

/* Tells one thing in each dispatch, so that other sources of the context go on. */
static gboolean
watch_tell (gpointer data)
{
  Watch   *self = data;
  gboolean state;
  gboolean more;

  if (!watch_take (self, &state, &more))
    return G_SOURCE_REMOVE;

  self->func (self->data, self->name, state);
  return more ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

static void
watch_add_pending_locked (Watch *self)
{
  self->n_pending++;
  if (self->source == NULL)
    self->source = watch_attach (self, watch_tell, watch_unref);
}

static void
watch_set_state_locked (Watch   *self,
                        gboolean is_there)
{
  if (self->is_there == is_there)
    return;

  self->is_there = is_there;
  watch_add_pending_locked (self);
}

static gboolean
watch_on_removed (gpointer data)
{
  return G_SOURCE_REMOVE;
}

static void
watch_destroy_data (gpointer data)
{
  Watch *self = data;

  if (self->destroy != NULL)
    self->destroy (self->data);
  watch_unref (self);
}

/* Takes @self, which is in no table any more. The data belongs to the application, so it is freed in its context, behind
 * a call that may be under way. */
static void
watch_end (Watch *self)
{
  GSource *source;

  g_mutex_lock (&self->watches->lock);
  self->n_pending = 0;
  source = g_steal_pointer (&self->source);
  g_mutex_unlock (&self->watches->lock);

  _agent_source_clear (&source);
  g_source_unref (watch_attach (self, watch_on_removed, watch_destroy_data));
  watch_unref (self);
}

/* --- All of them --- */

static guint
name_watches_next_id_locked (AgentNameWatches *self)
{
  do
    self->last_id++;
  while (self->last_id == 0 || g_hash_table_contains (self->by_id, GUINT_TO_POINTER (self->last_id)));

  return self->last_id;
}

static void
name_watches_insert_locked (AgentNameWatches *self,
                            Watch            *watch)
{
  GQueue *queue = g_hash_table_lookup (self->by_name, watch->name);

  if (queue == NULL)
    {
      queue = g_queue_new ();
      g_hash_table_insert (self->by_name, g_strdup (watch->name), queue);
    }
  g_queue_push_tail (queue, watch);
  g_hash_table_insert (self->by_id, GUINT_TO_POINTER (watch->id), watch);
  g_atomic_int_inc (&self->n);
}

static void
name_watches_remove_locked (AgentNameWatches *self,
                            Watch            *watch)
{
  GQueue *queue = g_hash_table_lookup (self->by_name, watch->name);

  g_hash_table_remove (self->by_id, GUINT_TO_POINTER (watch->id));
  g_atomic_int_add (&self->n, -1);
  g_queue_remove (queue, watch);
  if (queue->length == 0)
    g_hash_table_remove (self->by_name, watch->name);
}

/* Called with the lock held under which names change.
 *
 * @is_there: the state of @name now, which is told first
 * @destroy: (nullable)
 *
 * Returns the id of the watch, which is not 0. */
guint
_agent_name_watches_add (AgentNameWatches *self,
                         const char       *name,
                         gboolean          is_there,
                         AgentNameFunc     func,
                         gpointer          data,
                         GDestroyNotify    destroy)
{
  Watch *watch = g_new0 (Watch, 1);
  guint  id;

  g_atomic_ref_count_init (&watch->ref_count);
  watch->watches = _agent_name_watches_ref (self);
  watch->name = g_strdup (name);
  watch->context = g_main_context_ref_thread_default ();
  watch->func = func;
  watch->data = data;
  watch->destroy = destroy;
  watch->is_there = is_there;
  watch->next = is_there;

  g_mutex_lock (&self->lock);
  id = watch->id = name_watches_next_id_locked (self);
  name_watches_insert_locked (self, watch);
  watch_add_pending_locked (watch);
  g_mutex_unlock (&self->lock);

  return id;
}

/* FALSE: there is no such watch. When it is called in the context of the watch, that is not called any more. */
gboolean
_agent_name_watches_remove (AgentNameWatches *self,
                            guint             id)
{
  Watch *watch;

  g_mutex_lock (&self->lock);
  watch = g_hash_table_lookup (self->by_id, GUINT_TO_POINTER (id));
  if (watch != NULL)
    name_watches_remove_locked (self, watch);
  g_mutex_unlock (&self->lock);

  if (watch != NULL)
    watch_end (watch);
  return watch != NULL;
}

static void
name_watches_note (AgentNameWatches *self,
                   const char       *name,
                   gboolean          is_there)
{
  GQueue *queue;

  if (g_atomic_int_get (&self->n) == 0)
    return;

  g_mutex_lock (&self->lock);
  queue = g_hash_table_lookup (self->by_name, name);
  for (GList *l = queue != NULL ? queue->head : NULL; l != NULL; l = l->next)
    watch_set_state_locked (l->data, is_there);
  g_mutex_unlock (&self->lock);
}

void
_agent_name_watches_appeared (AgentNameWatches *self,
                              const char       *name)
{
  name_watches_note (self, name, TRUE);
}

void
_agent_name_watches_vanished (AgentNameWatches *self,
                              const char       *name)
{
  name_watches_note (self, name, FALSE);
}

void
_agent_name_watches_all_vanished (AgentNameWatches *self)
{
  GHashTableIter iter;
  gpointer       watch;

  g_mutex_lock (&self->lock);
  g_hash_table_iter_init (&iter, self->by_id);
  while (g_hash_table_iter_next (&iter, NULL, &watch))
    watch_set_state_locked (watch, FALSE);
  g_mutex_unlock (&self->lock);
}

/* (transfer none) (nullable) */
static Watch *
name_watches_get_any (AgentNameWatches *self)
{
  GHashTableIter iter;
  gpointer       watch = NULL;

  g_mutex_lock (&self->lock);
  g_hash_table_iter_init (&iter, self->by_id);
  if (g_hash_table_iter_next (&iter, NULL, &watch))
    name_watches_remove_locked (self, watch);
  g_mutex_unlock (&self->lock);

  return watch;
}

/* Removes all watches: the bus is gone. */
void
_agent_name_watches_close (AgentNameWatches *self)
{
  Watch *watch;

  while ((watch = name_watches_get_any (self)) != NULL)
    watch_end (watch);
}
