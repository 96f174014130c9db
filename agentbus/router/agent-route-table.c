/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-error.h"
#include "base/agent-signal-private.h"
#include "base/agent-utf8-private.h"
#include "router/agent-route-table-private.h"

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

/* One emission of a signal. */
typedef struct
{
  char  *actor;  /* (nullable): NULL for a batch */
  char  *router; /* (nullable) */
  char **actors; /* (nullable) of a batch */
} RouteChange;

enum
{
  PROP_0,
  PROP_N_ACTORS,
  N_PROPS
};

enum
{
  CHANGED,
  CHANGED_MANY,
  N_SIGNALS
};

static GParamSpec *props[N_PROPS];
static guint       signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (AgentRouteTable, agent_route_table, G_TYPE_OBJECT)

static void
route_table_free_change (gpointer data)
{
  RouteChange *change = data;

  g_free (change->actor);
  g_free (change->router);
  g_strfreev (change->actors);
  g_free (change);
}

static void
route_table_emit_changed (GObject *object,
                          gpointer event)
{
  RouteChange *change = event;

  if (change->actor != NULL)
    g_signal_emit (object, signals[CHANGED], 0, change->actor, change->router);
  else
    g_signal_emit (object, signals[CHANGED_MANY], 0, change->actors);
}

/* --- Telling --- */

/* Tells the watches that the route of @actor has changed. With no lock held, after the change. */
void
_agent_route_table_tell (AgentRouteTable *self,
                         const char      *actor)
{
  g_autoptr (GPtrArray) watches = _agent_watch_list_ref (&self->watches);

  for (guint i = 0; watches != NULL && i < watches->len; i++)
    {
      AgentWatch                 *watch = watches->pdata[i];
      const AgentRouteWatchFuncs *funcs = watch->funcs;

      funcs->changed (watch->data, actor);
    }
}

/* Returns an id for remove_watch(). @destroy is called when the last call is over. */
guint
_agent_route_table_add_watch (AgentRouteTable            *self,
                              const AgentRouteWatchFuncs *funcs,
                              gpointer                    data,
                              GDestroyNotify              destroy)
{
  return _agent_watch_list_add (&self->watches, funcs, data, destroy);
}

/* A call that is under way in another thread may come after this has returned. */
void
_agent_route_table_remove_watch (AgentRouteTable *self,
                                 guint            id)
{
  _agent_watch_list_remove (&self->watches, id);
}

/*
 * @router: (out) (transfer full) (nullable): the router of @actor now
 *
 * Returns FALSE if nobody knows the actor.
 */
gboolean
_agent_route_table_find (AgentRouteTable *self,
                         const char      *actor,
                         AgentName      **router)
{
  AgentRoute *route;
  AgentName  *name;

  g_mutex_lock (&self->lock);
  route = _agent_route_index_lookup (&self->index, actor);
  name = route != NULL ? _agent_route_get_router (route) : NULL;
  *router = name != NULL ? _agent_name_ref (name) : NULL;
  g_mutex_unlock (&self->lock);

  return route != NULL;
}

/* Returns how often the table has changed. */
guint64
_agent_route_table_get_n_changes (AgentRouteTable *self)
{
  return atomic_load (&self->n_changes);
}

/* --- Changes --- */

/*
 * @router: (nullable)
 *
 * The signal is queued with the lock held, so that the signals come in the order of the changes. A change that nobody hears
 * is not queued: in a context that is not iterated the queue would only grow.
 */
static void
route_table_note_change_locked (AgentRouteTable *self,
                                const char      *actor,
                                const char      *router)
{
  RouteChange *change;

  atomic_fetch_add (&self->n_changes, 1);
  if (!_agent_signal_is_heard (self, signals[CHANGED]))
    return;

  change = g_new0 (RouteChange, 1);
  change->actor = g_strdup (actor);
  change->router = g_strdup (router);
  _agent_signal_queue_add (self->signals, change);
}

/* All changes of a batch are made. @actors: (element-type utf8): whose routes have changed. With no lock held.
 *
 * The signal may come after that of a later change of one of them: so it does not say what the routes are. */
void
_agent_route_table_note_batch (AgentRouteTable *self,
                               GPtrArray       *actors)
{
  RouteChange *change;

  if (actors->len == 0 || !_agent_signal_is_heard (self, signals[CHANGED_MANY]))
    return;

  change = g_new0 (RouteChange, 1);
  change->actors = g_new0 (char *, actors->len + 1);
  for (guint i = 0; i < actors->len; i++)
    change->actors[i] = g_strdup (actors->pdata[i]);
  _agent_signal_queue_add (self->signals, change);
}

static void
route_table_count_change_locked (AgentRouteTable *self,
                                 const char      *actor,
                                 const char      *router,
                                 gboolean         in_batch)
{
  if (in_batch)
    atomic_fetch_add (&self->n_changes, 1);
  else
    route_table_note_change_locked (self, actor, router);
}

/* @router: (nullable): not the one that @route has */
static void
route_table_change_locked (AgentRouteTable *self,
                           AgentRoute      *route,
                           const char      *router,
                           gboolean         in_batch)
{
  route_table_count_change_locked (self, route->id, router, in_batch);
  route->n_changes = atomic_load (&self->n_changes);
  _agent_route_index_set_router (&self->index, route, router);
}

/* --- GObject --- */

static void
agent_route_table_constructed (GObject *object)
{
  AgentRouteTable *self = AGENT_ROUTE_TABLE (object);
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();

  G_OBJECT_CLASS (agent_route_table_parent_class)->constructed (object);

  self->signals = _agent_signal_queue_new (object, context, "[agentbus] routes", route_table_emit_changed, route_table_free_change);
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
  _agent_watch_list_clear (&self->watches);
  _agent_route_index_clear (&self->index);
  g_mutex_clear (&self->lock);
  g_mutex_clear (&self->walk_lock);
  g_mutex_clear (&self->rename_lock);

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
   * How many actors are known. Changes are not notified: [signal@AgentBus.RouteTable::changed] tells of them.
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
   * Changes that are made in a batch come by [signal@AgentBus.RouteTable::changed-many] instead. Who wants to know all
   * changes connects to both signals, and hears of each change once.
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

  /**
   * AgentRouteTable::changed-many:
   * @self: a route table
   * @actors: (array zero-terminated=1): whose routes changed, each of them once
   *
   * Tells of a batch of changes, once for the whole batch: one call of [method@AgentBus.RouteTable.assign_many],
   * [method@AgentBus.RouteTable.restore], [method@AgentBus.RouteTable.rebalance] or
   * [method@AgentBus.RouterDispatcher.drain_router_async]. There is no [signal@AgentBus.RouteTable::changed] for what is told
   * here. All other functions, [method@AgentBus.RouteTable.move_all] as well, tell of each actor by itself.
   *
   * What the routes are by now is what [method@AgentBus.RouteTable.lookup] says.
   *
   * Emitted in the context that was the thread default where the table was made.
   *
   * Since: 0.1
   */
  signals[CHANGED_MANY] = g_signal_new ("changed-many",
                                        AGENT_TYPE_ROUTE_TABLE,
                                        G_SIGNAL_RUN_LAST,
                                        0,
                                        NULL,
                                        NULL,
                                        NULL,
                                        G_TYPE_NONE,
                                        1,
                                        G_TYPE_STRV);
}

static void
agent_route_table_init (AgentRouteTable *self)
{
  g_mutex_init (&self->rename_lock);
  g_mutex_init (&self->walk_lock);
  g_mutex_init (&self->lock);
  _agent_route_index_init (&self->index);
  _agent_watch_list_init (&self->watches);
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

/* Returns FALSE if it is like that already. @router: (nullable) */
gboolean
_agent_route_table_set_locked (AgentRouteTable *self,
                               const char      *actor,
                               const char      *router,
                               gboolean         in_batch)
{
  AgentRoute *route = _agent_route_index_lookup (&self->index, actor);
  gboolean    changed = route == NULL || g_strcmp0 (_agent_route_get_router (route), router) != 0;

  if (route == NULL)
    route = _agent_route_index_add (&self->index, actor);
  if (changed)
    route_table_change_locked (self, route, router, in_batch);

  return changed;
}

static void
route_table_set_and_tell (AgentRouteTable *self,
                          const char      *actor,
                          const char      *router)
{
  gboolean changed;

  g_mutex_lock (&self->lock);
  changed = _agent_route_table_set_locked (self, actor, router, FALSE);
  g_mutex_unlock (&self->lock);

  if (changed)
    _agent_route_table_tell (self, actor);
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

  route_table_set_and_tell (self, actor, router);
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

  route_table_set_and_tell (self, actor, NULL);
}

/* Returns FALSE if nobody knew the actor. */
gboolean
_agent_route_table_forget_locked (AgentRouteTable *self,
                                  const char      *actor,
                                  gboolean         in_batch)
{
  AgentRoute *route = _agent_route_index_lookup (&self->index, actor);

  if (route == NULL)
    return FALSE;

  route_table_count_change_locked (self, actor, NULL, in_batch);
  _agent_route_index_remove (&self->index, route);
  return TRUE;
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
  g_autofree char *copy = NULL;
  gboolean         known;

  g_return_val_if_fail (AGENT_IS_ROUTE_TABLE (self), FALSE);
  g_return_val_if_fail (actor != NULL, FALSE);
  g_return_val_if_fail (_agent_utf8_is_string (actor), FALSE);

  /* @actor may be the target of a message that is dropped. */
  copy = g_strdup (actor);
  g_mutex_lock (&self->lock);
  known = _agent_route_table_forget_locked (self, copy, FALSE);
  g_mutex_unlock (&self->lock);
  _agent_route_table_tell (self, copy);
  return known;
}

/* --- Another id --- */

static gboolean
route_table_refuse_rename (AgentBusError code,
                           const char   *why,
                           const char   *actor,
                           GError      **error)
{
  g_set_error (error, AGENT_BUS_ERROR, (gint) code, "The actor '%s' cannot be renamed: %s", actor, why);
  return FALSE;
}

static gboolean
route_table_rename_locked (AgentRouteTable *self,
                           const char      *actor,
                           const char      *new_id,
                           GError         **error)
{
  AgentRoute *route = _agent_route_index_lookup (&self->index, actor);
  const char *router;

  if (route == NULL)
    return route_table_refuse_rename (AGENT_BUS_ERROR_NOT_FOUND, "nobody knows it", actor, error);
  if (_agent_route_index_lookup (&self->index, new_id) != NULL)
    return route_table_refuse_rename (AGENT_BUS_ERROR_EXISTS, "another actor has that id", actor, error);

  router = _agent_route_get_router (route);
  route_table_note_change_locked (self, actor, NULL);
  route_table_note_change_locked (self, new_id, router);
  route = _agent_route_index_rename (&self->index, route, new_id);
  route->n_changes = atomic_load (&self->n_changes);
  return TRUE;
}

/* The watches have what they hold for the actor go along. With the rename lock held. */
static gboolean
route_table_rename_with_watches (AgentRouteTable *self,
                                 const char      *actor,
                                 const char      *new_id,
                                 GError         **error)
{
  g_autoptr (GPtrArray) watches = _agent_watch_list_ref (&self->watches);
  guint    n_watches = watches != NULL ? watches->len : 0;
  gboolean done;

  for (guint i = 0; i < n_watches; i++)
    {
      AgentWatch                 *watch = watches->pdata[i];
      const AgentRouteWatchFuncs *funcs = watch->funcs;

      if (funcs->begin_rename != NULL)
        funcs->begin_rename (watch->data, actor, new_id);
    }

  g_mutex_lock (&self->lock);
  done = route_table_rename_locked (self, actor, new_id, error);
  g_mutex_unlock (&self->lock);

  for (guint i = 0; i < n_watches; i++)
    {
      AgentWatch                 *watch = watches->pdata[i];
      const AgentRouteWatchFuncs *funcs = watch->funcs;

      if (funcs->end_rename != NULL)
        funcs->end_rename (watch->data, actor, new_id, done);
    }

  return done;
}

/**
 * agent_route_table_rename:
 * @self: a route table
 * @actor: the id of an actor
 * @new_id: the id that it gets
 * @error: return location for a [error@AgentBus.BusError]
 *
 * Gives an actor another id. It keeps its router.
 *
 * What is parked for the actor in a [class@AgentBus.RouterDispatcher] goes along, in order: these messages have the new id
 * as their target from now on, and their sequence numbers, limits and everything else as before. What the router has
 * already keeps the old id; if the router leaves without having handled it, it comes back and goes along as well. What is
 * dispatched to the new id comes behind all of that.
 *
 * Nobody is known by the old id any more when this returns: what is dispatched to it then is for an unknown actor.
 *
 * [signal@AgentBus.RouteTable::changed] is emitted for the old id, with no router, and then for the new one.
 *
 * Returns: %FALSE with %AGENT_BUS_ERROR_NOT_FOUND if nobody knows @actor, or with %AGENT_BUS_ERROR_EXISTS if @new_id is
 *   known already; nothing has changed then
 *
 * Since: 0.1
 */
gboolean
agent_route_table_rename (AgentRouteTable *self,
                          const char      *actor,
                          const char      *new_id,
                          GError         **error)
{
  g_autofree char *old_copy = NULL;
  g_autofree char *new_copy = NULL;
  gboolean         done;

  g_return_val_if_fail (AGENT_IS_ROUTE_TABLE (self), FALSE);
  g_return_val_if_fail (actor != NULL, FALSE);
  g_return_val_if_fail (_agent_utf8_is_string (actor), FALSE);
  g_return_val_if_fail (new_id != NULL && *new_id != '\0', FALSE);
  g_return_val_if_fail (_agent_utf8_is_string (new_id), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  /* Either may be of a message that is let go of meanwhile. */
  old_copy = g_strdup (actor);
  new_copy = g_strdup (new_id);
  g_mutex_lock (&self->rename_lock);
  done = route_table_rename_with_watches (self, old_copy, new_copy, error);
  g_mutex_unlock (&self->rename_lock);

  if (done)
    _agent_route_table_tell (self, new_copy);
  return done;
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
  known = _agent_route_index_lookup (&self->index, actor) != NULL;
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
  n = _agent_route_index_get_size (&self->index);
  g_mutex_unlock (&self->lock);

  return n;
}
