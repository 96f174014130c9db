/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdatomic.h>

#include "base/agent-signal-queue-private.h"
#include "base/agent-string-hash-private.h"
#include "base/agent-utf8-private.h"
#include "router/agent-route-table-private.h"

/* How many actors are moved while the lock is held once. */
#define PIECE 256

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
 * it has parked before the function that changed the route returns, but no more than a thousand messages: the rest
 * follows in the router's context.
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
  GHashTable     *actors;  /* (lock) id → Actor (owned) */
  GHashTable     *routers; /* (lock) name → Router (owned): those that have actors */
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

/* Whose actors are found without a look at all others. */
typedef struct
{
  AgentName *name;
  GQueue     actors; /* of Actor, in the order in which they came */
} Router;

typedef struct
{
  Router *router;    /* (nullable) */
  GList   link;      /* in the router's actors */
  guint64 n_changes; /* of the table, when it came to its router */
  char    id[];
} Actor;

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
router_free (gpointer data)
{
  Router *router = data;

  g_assert (router->actors.length == 0);

  _agent_name_unref (router->name);
  g_free (router);
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

static void
table_tell (GPtrArray  *watches,
            const char *actor)
{
  for (guint i = 0; i < watches->len; i++)
    {
      Watch *watch = watches->pdata[i];

      watch->func (watch->data, actor);
    }
}

/* A change is queued with the lock held, so that the last one that is told is the last one that was made. Without anybody
 * to hear it, news would only pile up where the context is not iterated. */
static void
note_change_locked (AgentRouteTable *self,
                    const char      *actor,
                    const char      *router)
{
  Change *change;

  atomic_fetch_add (&self->n_changes, 1);
  if (g_signal_handler_find (self, G_SIGNAL_MATCH_ID, signals[CHANGED], 0, NULL, NULL, NULL) == 0)
    return;

  change = g_new (Change, 1);
  change->actor = g_strdup (actor);
  change->router = g_strdup (router);
  _agent_signal_queue_add (self->signals, change);
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

/* FALSE: the actor is not known. @router: (transfer full) (nullable). */
gboolean
_agent_route_table_find (AgentRouteTable *self,
                         const char      *actor,
                         AgentName      **router)
{
  Actor *known;

  g_mutex_lock (&self->lock);
  known = g_hash_table_lookup (self->actors, actor);
  *router = known != NULL && known->router != NULL ? _agent_name_ref (known->router->name) : NULL;
  g_mutex_unlock (&self->lock);

  return known != NULL;
}

/* It rises with each change. */
guint64
_agent_route_table_get_n_changes (AgentRouteTable *self)
{
  return atomic_load (&self->n_changes);
}

/* --- Actors and routers --- */

/* (transfer none) */
static Router *
get_router_locked (AgentRouteTable *self,
                   const char      *name)
{
  Router *router = g_hash_table_lookup (self->routers, name);

  if (router == NULL)
    {
      router = g_new0 (Router, 1);
      router->name = _agent_name_new (name);
      g_hash_table_insert (self->routers, router->name, router);
    }

  return router;
}

/* (transfer none) */
static Actor *
add_actor_locked (AgentRouteTable *self,
                  const char      *id)
{
  gsize  size = strlen (id) + 1;
  Actor *actor = g_malloc0 (sizeof (Actor) + size);

  memcpy (actor->id, id, size);
  actor->link.data = actor;
  g_hash_table_insert (self->actors, actor->id, actor);

  return actor;
}

static void
leave_router_locked (AgentRouteTable *self,
                     Actor           *actor)
{
  Router *router = g_steal_pointer (&actor->router);

  if (router == NULL)
    return;

  g_queue_unlink (&router->actors, &actor->link);
  if (router->actors.length == 0)
    g_hash_table_remove (self->routers, router->name);
}

/* @name: (nullable) */
static void
change_router_locked (AgentRouteTable *self,
                      Actor           *actor,
                      const char      *name)
{
  Router *router = name != NULL ? get_router_locked (self, name) : NULL;

  leave_router_locked (self, actor);
  note_change_locked (self, actor->id, name);
  actor->n_changes = atomic_load (&self->n_changes);
  actor->router = router;
  if (router != NULL)
    g_queue_push_tail_link (&router->actors, &actor->link);
}

/* --- GObject --- */

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
forget_actors (AgentRouteTable *self)
{
  GHashTableIter iter;
  gpointer       actor;

  g_hash_table_iter_init (&iter, self->actors);
  while (g_hash_table_iter_next (&iter, NULL, &actor))
    leave_router_locked (self, actor);
}

static void
agent_route_table_finalize (GObject *object)
{
  AgentRouteTable *self = AGENT_ROUTE_TABLE (object);

  g_clear_pointer (&self->signals, _agent_signal_queue_unref);
  g_clear_pointer (&self->watches, g_ptr_array_unref);
  forget_actors (self);
  g_clear_pointer (&self->actors, g_hash_table_unref);
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
   * Tells of a change, in the order of the changes: the last one tells what [method@AgentBus.RouteTable.lookup] says.
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
  self->actors = g_hash_table_new_full (_agent_string_hash_func, g_str_equal, NULL, g_free);
  self->routers = g_hash_table_new_full (_agent_string_hash_func, g_str_equal, NULL, router_free);
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

static gboolean
has_router (Actor      *actor,
            const char *name)
{
  return g_strcmp0 (actor->router != NULL ? actor->router->name : NULL, name) == 0;
}

/* FALSE: it is like that already. */
static gboolean
set_route (AgentRouteTable *self,
           const char      *id,
           const char      *router)
{
  Actor   *actor;
  gboolean changed;

  g_mutex_lock (&self->lock);
  actor = g_hash_table_lookup (self->actors, id);
  changed = actor == NULL || !has_router (actor, router);
  if (changed)
    change_router_locked (self, actor != NULL ? actor : add_actor_locked (self, id), router);
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
  table_tell (watches, actor);
}

/**
 * agent_route_table_assign:
 * @self: a route table
 * @actor: the id of an actor
 * @router: the name of a subscriber
 *
 * Assigns an actor to a router. What is parked for the actor goes there at once, if the router is there and has room: up to
 * a thousand messages in the calling thread, and the rest in the router's context.
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

/* FALSE: it was not known. */
static gboolean
forget_actor (AgentRouteTable *self,
              const char      *id)
{
  Actor *actor;

  g_mutex_lock (&self->lock);
  actor = g_hash_table_lookup (self->actors, id);
  if (actor != NULL)
    {
      leave_router_locked (self, actor);
      note_change_locked (self, id, NULL);
      g_hash_table_remove (self->actors, id);
    }
  g_mutex_unlock (&self->lock);

  return actor != NULL;
}

/**
 * agent_route_table_remove:
 * @self: a route table
 * @actor: the id of an actor
 *
 * Forgets an actor. What is parked for it is dropped before this returns, with the reason %AGENT_DROP_REASON_NO_TARGET,
 * also if messages wait for an actor that the table has never heard of. What is dispatched to it after that is for an
 * unknown actor again.
 *
 * Returns: %FALSE if the table did not know the actor; [signal@AgentBus.RouteTable::changed] is not emitted then
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

  /* @actor may be the target of a message that is dropped. */
  copy = g_strdup (actor);
  known = forget_actor (self, copy);
  watches = ref_watches (self);
  table_tell (watches, copy);
  return known;
}

/* At most PIECE of the actors that were with @from_router when the table had changed @n_changes times. Returns their ids:
 * (transfer full). */
static GPtrArray *
move_some (AgentRouteTable *self,
           const char      *from_router,
           const char      *to_router,
           guint64          n_changes)
{
  GPtrArray *ids = g_ptr_array_new_with_free_func (g_free);
  Router    *router;
  Actor     *actor;

  g_mutex_lock (&self->lock);
  while (ids->len < PIECE && (router = g_hash_table_lookup (self->routers, from_router)) != NULL)
    {
      actor = g_queue_peek_head (&router->actors);
      if (actor->n_changes > n_changes)
        break;

      change_router_locked (self, actor, to_router);
      g_ptr_array_add (ids, g_strdup (actor->id));
    }
  g_mutex_unlock (&self->lock);

  return ids;
}

static guint
move_some_and_tell (AgentRouteTable *self,
                    const char      *from_router,
                    const char      *to_router,
                    guint64          n_changes)
{
  g_autoptr (GPtrArray) ids = move_some (self, from_router, to_router, n_changes);
  g_autoptr (GPtrArray) watches = ref_watches (self);

  for (guint i = 0; i < ids->len; i++)
    table_tell (watches, ids->pdata[i]);

  return ids->len;
}

/* Each change that is counted has been made. */
static guint64
get_n_changes_so_far (AgentRouteTable *self)
{
  guint64 n_changes;

  g_mutex_lock (&self->lock);
  n_changes = atomic_load (&self->n_changes);
  g_mutex_unlock (&self->lock);

  return n_changes;
}

/**
 * agent_route_table_move_all:
 * @self: a route table
 * @from_router: the name of a router
 * @to_router: the name of another router
 *
 * Assigns all actors of one router to another, as [method@AgentBus.RouteTable.assign] does with one.
 *
 * Those are moved that have @from_router when this is called. Other threads may change the table between two of them.
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
  guint64 n_changes;
  guint   n_moved = 0;
  guint   n;

  g_return_val_if_fail (AGENT_IS_ROUTE_TABLE (self), 0);
  g_return_val_if_fail (from_router != NULL, 0);
  g_return_val_if_fail (to_router != NULL && *to_router != '\0', 0);
  g_return_val_if_fail (_agent_utf8_is_string (from_router), 0);
  g_return_val_if_fail (_agent_utf8_is_string (to_router), 0);

  if (g_str_equal (from_router, to_router))
    return 0;

  n_changes = get_n_changes_so_far (self);
  do
    {
      n = move_some_and_tell (self, from_router, to_router, n_changes);
      n_moved += n;
    }
  while (n == PIECE);

  return n_moved;
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
  AgentName *router;
  char      *copy;

  g_return_val_if_fail (AGENT_IS_ROUTE_TABLE (self), NULL);
  g_return_val_if_fail (actor != NULL, NULL);

  _agent_route_table_find (self, actor, &router);
  copy = g_strdup (router);
  g_clear_pointer (&router, _agent_name_unref);

  return copy;
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
  known = g_hash_table_contains (self->actors, actor);
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
  n = g_hash_table_size (self->actors);
  g_mutex_unlock (&self->lock);

  return n;
}
