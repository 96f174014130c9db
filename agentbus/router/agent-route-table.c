/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdatomic.h>

#include "agent-route-table-private.h"
#include "agent-signal-queue-private.h"
#include "agent-string-hash-private.h"
#include "agent-utf8-private.h"

/**
 * AgentRouteTable:
 *
 * Says which router an actor is assigned to.
 *
 * An actor is known from the first time the table hears of it, with [method@AgentBus.RouteTable.assign] or
 * [method@AgentBus.RouteTable.unassign], until [method@AgentBus.RouteTable.remove]. It has a router or none. A router is
 * the name of a subscriber, which need not be there yet.
 *
 * ```c
 * g_autoptr (AgentRouteTable) routes = agent_route_table_new ();
 * g_autofree char *router = NULL;
 *
 * agent_route_table_assign (routes, "actor-7", "worker-1");
 * agent_route_table_move_all (routes, "worker-1", "worker-2");
 * router = agent_route_table_lookup (routes, "actor-7");
 * g_print ("%s\n", router); // prints: worker-2
 * ```
 *
 * All functions may be called from any thread. A [class@AgentBus.RouterDispatcher] that uses the table hands over what
 * it has parked before the function that changed the route returns.
 *
 * ## From Python
 *
 * ```python
 * routes = AgentBus.RouteTable()
 * routes.assign('actor-7', 'worker-1')
 * print(routes.move_all('worker-1', 'worker-2'), 'moved')  # prints: 1 moved
 * print(routes.lookup('actor-7'))  # prints: worker-2
 * ```
 *
 * With the [overrides](overrides.html) the table is a mapping, and an actor without a router has `None`:
 *
 * ```python
 * # With the overrides.
 * routes = AgentBus.RouteTable()
 * routes['actor-7'] = 'worker-1'
 * routes['actor-8'] = None
 * del routes['actor-7']
 * print('actor-8' in routes, routes['actor-8'])  # prints: True None
 * ```
 *
 * ## From JavaScript
 *
 * ```js
 * const routes = new AgentBus.RouteTable();
 *
 * routes.connect('changed', (_routes, actor, router) => {
 *     print(actor, 'is with', router); // prints: actor-7 is with worker-1
 * });
 * routes.assign('actor-7', 'worker-1');
 * print(routes.contains('actor-8')); // prints: false
 * ```
 *
 * Since: 0.1
 */
struct _AgentRouteTable
{
  GObject parent_instance;

  AgentSignalQueue *signals;

  GMutex          lock;
  GHashTable     *routers; /* (lock) actor → GRefString (nullable) */
  GPtrArray      *watches; /* (lock) of Watch (owned); never changed, but replaced */
  guint           last_id; /* (lock) */
  _Atomic guint64 n_changes;
};

typedef struct
{
  gint           ref_count; /* (atomic) */
  guint          id;
  AgentRouteFunc func;
  gpointer       data;
  GDestroyNotify destroy;
} Watch;

/* What the signal tells. */
typedef struct
{
  char *actor;
  char *router; /* (nullable) */
} Change;

enum
{
  PROP_0,
  PROP_N_ACTORS,
  N_PROPS
};

enum
{
  CHANGED,
  N_SIGNALS
};

static GParamSpec *props[N_PROPS];
static guint       signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (AgentRouteTable, agent_route_table, G_TYPE_OBJECT)

static void
watch_unref (gpointer data)
{
  Watch *watch = data;

  if (!g_atomic_int_dec_and_test (&watch->ref_count))
    return;

  watch->destroy (watch->data);
  g_free (watch);
}

static void
change_free (gpointer data)
{
  Change *change = data;

  g_free (change->actor);
  g_free (change->router);
  g_free (change);
}

static void
emit_changed (GObject *object,
              gpointer event)
{
  Change *change = event;

  g_signal_emit (object, signals[CHANGED], 0, change->actor, change->router);
}

/* --- Telling --- */

static GPtrArray *
ref_watches (AgentRouteTable *self)
{
  GPtrArray *watches;

  g_mutex_lock (&self->lock);
  watches = g_ptr_array_ref (self->watches);
  g_mutex_unlock (&self->lock);

  return watches;
}

/* Without anybody to hear it, news would only pile up where the context is not iterated. */
static void
tell (AgentRouteTable *self,
      GPtrArray       *watches,
      const char      *actor,
      const char      *router)
{
  for (guint i = 0; i < watches->len; i++)
    {
      Watch *watch = watches->pdata[i];

      watch->func (watch->data, actor);
    }

  if (g_signal_handler_find (self, G_SIGNAL_MATCH_ID, signals[CHANGED], 0, NULL, NULL, NULL) != 0)
    {
      Change *change = g_new (Change, 1);

      change->actor = g_strdup (actor);
      change->router = g_strdup (router);
      _agent_signal_queue_add (self->signals, change);
    }
}

static GPtrArray *
copy_watches (GPtrArray *watches,
              guint      but)
{
  GPtrArray *copy = g_ptr_array_new_with_free_func (watch_unref);

  for (guint i = 0; i < watches->len; i++)
    {
      Watch *watch = watches->pdata[i];

      if (watch->id == but)
        continue;
      g_atomic_int_inc (&watch->ref_count);
      g_ptr_array_add (copy, watch);
    }

  return copy;
}

/* Returns what remove_watch() wants. @destroy is called when the last call is over. */
guint
_agent_route_table_add_watch (AgentRouteTable *self,
                              AgentRouteFunc   func,
                              gpointer         data,
                              GDestroyNotify   destroy)
{
  Watch     *watch = g_new0 (Watch, 1);
  GPtrArray *old;
  guint      id;

  watch->ref_count = 1;
  watch->func = func;
  watch->data = data;
  watch->destroy = destroy;

  g_mutex_lock (&self->lock);
  id = watch->id = ++self->last_id;
  old = self->watches;
  self->watches = copy_watches (old, 0);
  g_ptr_array_add (self->watches, watch);
  g_mutex_unlock (&self->lock);

  g_ptr_array_unref (old);
  return id;
}

/* A call that is under way may still come. */
void
_agent_route_table_remove_watch (AgentRouteTable *self,
                                 guint            id)
{
  GPtrArray *old;

  g_mutex_lock (&self->lock);
  old = self->watches;
  self->watches = copy_watches (old, id);
  g_mutex_unlock (&self->lock);

  g_ptr_array_unref (old);
}

/* FALSE: the actor is not known. @router: (transfer full) (nullable), a GRefString. */
gboolean
_agent_route_table_find (AgentRouteTable *self,
                         const char      *actor,
                         char           **router)
{
  gpointer value = NULL;
  gboolean known;

  g_mutex_lock (&self->lock);
  known = g_hash_table_lookup_extended (self->routers, actor, NULL, &value);
  *router = value != NULL ? g_ref_string_acquire (value) : NULL;
  g_mutex_unlock (&self->lock);

  return known;
}

/* It rises with each change. */
guint64
_agent_route_table_get_n_changes (AgentRouteTable *self)
{
  return atomic_load (&self->n_changes);
}

/* --- GObject --- */

static void
ref_string_clear (gpointer string)
{
  if (string != NULL)
    g_ref_string_release (string);
}

static void
agent_route_table_constructed (GObject *object)
{
  AgentRouteTable *self = AGENT_ROUTE_TABLE (object);
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();

  G_OBJECT_CLASS (agent_route_table_parent_class)->constructed (object);

  self->signals = _agent_signal_queue_new (object, context, "[agentbus] routes", emit_changed, change_free);
}

static void
agent_route_table_dispose (GObject *object)
{
  AgentRouteTable *self = AGENT_ROUTE_TABLE (object);

  _agent_signal_queue_close (self->signals);

  G_OBJECT_CLASS (agent_route_table_parent_class)->dispose (object);
}

static void
agent_route_table_finalize (GObject *object)
{
  AgentRouteTable *self = AGENT_ROUTE_TABLE (object);

  g_clear_pointer (&self->signals, _agent_signal_queue_unref);
  g_clear_pointer (&self->watches, g_ptr_array_unref);
  g_clear_pointer (&self->routers, g_hash_table_unref);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (agent_route_table_parent_class)->finalize (object);
}

static void
agent_route_table_get_property (GObject    *object,
                                guint       prop_id,
                                GValue     *value,
                                GParamSpec *pspec)
{
  AgentRouteTable *self = AGENT_ROUTE_TABLE (object);

  switch (prop_id)
    {
    case PROP_N_ACTORS:
      g_value_set_uint (value, agent_route_table_get_n_actors (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
agent_route_table_class_init (AgentRouteTableClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->constructed = agent_route_table_constructed;
  object_class->dispose = agent_route_table_dispose;
  object_class->finalize = agent_route_table_finalize;
  object_class->get_property = agent_route_table_get_property;

  /**
   * AgentRouteTable:n-actors: (getter get_n_actors)
   *
   * How many actors are known. Changes are not notified.
   *
   * Since: 0.1
   */
  props[PROP_N_ACTORS] =
      g_param_spec_uint ("n-actors", NULL, NULL, 0, G_MAXUINT, 0, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  g_object_class_install_properties (object_class, N_PROPS, props);

  /**
   * AgentRouteTable::changed:
   * @self: a route table
   * @actor: whose route changed
   * @router: (nullable): its router now, or %NULL for none
   *
   * Tells of a change, in the order of the changes of one thread.
   *
   * Emitted in the context that was the thread default where the table was made.
   *
   * Since: 0.1
   */
  signals[CHANGED] = g_signal_new ("changed",
                                   AGENT_TYPE_ROUTE_TABLE,
                                   G_SIGNAL_RUN_LAST,
                                   0,
                                   NULL,
                                   NULL,
                                   NULL,
                                   G_TYPE_NONE,
                                   2,
                                   G_TYPE_STRING,
                                   G_TYPE_STRING);
}

static void
agent_route_table_init (AgentRouteTable *self)
{
  g_mutex_init (&self->lock);
  self->routers = g_hash_table_new_full (_agent_string_hash_func, g_str_equal, g_free, ref_string_clear);
  self->watches = g_ptr_array_new_with_free_func (watch_unref);
}

/* --- API --- */

/**
 * agent_route_table_new:
 *
 * Creates an empty table.
 *
 * Returns: (transfer full): a route table
 *
 * Since: 0.1
 */
AgentRouteTable *
agent_route_table_new (void)
{
  return g_object_new (AGENT_TYPE_ROUTE_TABLE, NULL);
}

/* FALSE: it is like that already. */
static gboolean
set_route (AgentRouteTable *self,
           const char      *actor,
           const char      *router)
{
  gpointer value = NULL;
  gboolean known;
  gboolean changed;

  g_mutex_lock (&self->lock);
  known = g_hash_table_lookup_extended (self->routers, actor, NULL, &value);
  changed = !known || g_strcmp0 (value, router) != 0;
  if (changed)
    {
      g_hash_table_insert (self->routers,
                           g_strdup (actor),
                           router != NULL ? g_ref_string_new_intern (router) : NULL);
      atomic_fetch_add (&self->n_changes, 1);
    }
  g_mutex_unlock (&self->lock);

  return changed;
}

static void
set_route_and_tell (AgentRouteTable *self,
                    const char      *actor,
                    const char      *router)
{
  g_autoptr (GPtrArray) watches = NULL;

  if (!set_route (self, actor, router))
    return;

  watches = ref_watches (self);
  tell (self, watches, actor, router);
}

/**
 * agent_route_table_assign:
 * @self: a route table
 * @actor: the id of an actor
 * @router: the name of a subscriber
 *
 * Assigns an actor to a router. What is parked for the actor goes there at once, if the router is there and has room.
 *
 * An actor that had another router keeps its order: what is sent from now on reaches the new router when the old one
 * has handled what it had, or has left.
 *
 * Since: 0.1
 */
void
agent_route_table_assign (AgentRouteTable *self,
                          const char      *actor,
                          const char      *router)
{
  g_return_if_fail (AGENT_IS_ROUTE_TABLE (self));
  g_return_if_fail (actor != NULL && *actor != '\0');
  g_return_if_fail (_agent_utf8_is_string (actor));
  g_return_if_fail (router != NULL && *router != '\0');
  g_return_if_fail (_agent_utf8_is_string (router));

  set_route_and_tell (self, actor, router);
}

/**
 * agent_route_table_unassign:
 * @self: a route table
 * @actor: the id of an actor
 *
 * Takes an actor's router away. What is sent to it is parked until it gets another one.
 *
 * An actor that was not known is known from now on.
 *
 * Since: 0.1
 */
void
agent_route_table_unassign (AgentRouteTable *self,
                            const char      *actor)
{
  g_return_if_fail (AGENT_IS_ROUTE_TABLE (self));
  g_return_if_fail (actor != NULL && *actor != '\0');
  g_return_if_fail (_agent_utf8_is_string (actor));

  set_route_and_tell (self, actor, NULL);
}

/**
 * agent_route_table_remove:
 * @self: a route table
 * @actor: the id of an actor
 *
 * Forgets an actor. What is parked for it is dropped, with the reason %AGENT_DROP_REASON_NO_TARGET.
 *
 * Returns: %FALSE if the actor was not known
 *
 * Since: 0.1
 */
gboolean
agent_route_table_remove (AgentRouteTable *self,
                          const char      *actor)
{
  g_autoptr (GPtrArray) watches = NULL;
  g_autofree char *copy = NULL;
  gboolean         known;

  g_return_val_if_fail (AGENT_IS_ROUTE_TABLE (self), FALSE);
  g_return_val_if_fail (actor != NULL, FALSE);
  g_return_val_if_fail (_agent_utf8_is_string (actor), FALSE);

  /* @actor may be the table's own. */
  copy = g_strdup (actor);
  g_mutex_lock (&self->lock);
  known = g_hash_table_remove (self->routers, copy);
  if (known)
    atomic_fetch_add (&self->n_changes, 1);
  g_mutex_unlock (&self->lock);

  if (!known)
    return FALSE;

  watches = ref_watches (self);
  tell (self, watches, copy, NULL);
  return TRUE;
}

/* (transfer full) */
static GPtrArray *
move_routes (AgentRouteTable *self,
             const char      *from_router,
             const char      *to_router)
{
  GPtrArray     *actors = g_ptr_array_new_with_free_func (g_free);
  GHashTableIter iter;
  gpointer       actor;
  gpointer       router;

  g_mutex_lock (&self->lock);
  g_hash_table_iter_init (&iter, self->routers);
  while (g_hash_table_iter_next (&iter, &actor, &router))
    {
      if (g_strcmp0 (router, from_router) != 0)
        continue;

      g_hash_table_iter_replace (&iter, g_ref_string_new_intern (to_router));
      g_ptr_array_add (actors, g_strdup (actor));
    }
  atomic_fetch_add (&self->n_changes, actors->len);
  g_mutex_unlock (&self->lock);

  return actors;
}

/**
 * agent_route_table_move_all:
 * @self: a route table
 * @from_router: the name of a router
 * @to_router: the name of another router
 *
 * Assigns all actors of one router to another, as [method@AgentBus.RouteTable.assign] does with one.
 *
 * Returns: how many actors were moved
 *
 * Since: 0.1
 */
guint
agent_route_table_move_all (AgentRouteTable *self,
                            const char      *from_router,
                            const char      *to_router)
{
  g_autoptr (GPtrArray) actors = NULL;
  g_autoptr (GPtrArray) watches = NULL;

  g_return_val_if_fail (AGENT_IS_ROUTE_TABLE (self), 0);
  g_return_val_if_fail (from_router != NULL, 0);
  g_return_val_if_fail (to_router != NULL && *to_router != '\0', 0);
  g_return_val_if_fail (_agent_utf8_is_string (from_router), 0);
  g_return_val_if_fail (_agent_utf8_is_string (to_router), 0);

  if (g_str_equal (from_router, to_router))
    return 0;

  actors = move_routes (self, from_router, to_router);
  watches = ref_watches (self);
  for (guint i = 0; i < actors->len; i++)
    tell (self, watches, actors->pdata[i], to_router);

  return actors->len;
}

/**
 * agent_route_table_lookup:
 * @self: a route table
 * @actor: the id of an actor
 *
 * Finds the router of an actor.
 *
 * Returns: (transfer full) (nullable): the name of the router, or %NULL if the actor has none or is not known
 *
 * Since: 0.1
 */
char *
agent_route_table_lookup (AgentRouteTable *self,
                          const char      *actor)
{
  char *router;

  g_return_val_if_fail (AGENT_IS_ROUTE_TABLE (self), NULL);
  g_return_val_if_fail (actor != NULL, NULL);

  g_mutex_lock (&self->lock);
  router = g_strdup (g_hash_table_lookup (self->routers, actor));
  g_mutex_unlock (&self->lock);

  return router;
}

/**
 * agent_route_table_contains:
 * @self: a route table
 * @actor: the id of an actor
 *
 * Says whether an actor is known, with a router or without.
 *
 * Returns: whether it is known
 *
 * Since: 0.1
 */
gboolean
agent_route_table_contains (AgentRouteTable *self,
                            const char      *actor)
{
  gboolean known;

  g_return_val_if_fail (AGENT_IS_ROUTE_TABLE (self), FALSE);
  g_return_val_if_fail (actor != NULL, FALSE);

  g_mutex_lock (&self->lock);
  known = g_hash_table_contains (self->routers, actor);
  g_mutex_unlock (&self->lock);

  return known;
}

/**
 * agent_route_table_get_n_actors: (get-property n-actors)
 * @self: a route table
 *
 * Gets how many actors are known.
 *
 * Returns: a number of actors
 *
 * Since: 0.1
 */
guint
agent_route_table_get_n_actors (AgentRouteTable *self)
{
  guint n;

  g_return_val_if_fail (AGENT_IS_ROUTE_TABLE (self), 0);

  g_mutex_lock (&self->lock);
  n = g_hash_table_size (self->routers);
  g_mutex_unlock (&self->lock);

  return n;
}
