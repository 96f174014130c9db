/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-error.h"
#include "base/agent-utf8-private.h"
#include "router/agent-route-table-private.h"
#include "router/agent-router-dispatcher-private.h"
#include "router/agent-router-report-private.h"

/**
 * AgentRouterDispatcher:
 *
 * Gets messages to actors that may not be reachable yet, in order.
 *
 * An *actor* is an addressee by id: the target of the message. A *router* is the subscriber of the bus that its
 * [class@AgentBus.RouteTable] assigns it to. If the router is there and has room, the message goes straight into its
 * channel. If not, it is *parked* until the actor is assigned, the router subscribes, or has room again:
 *
 * ```c
 * g_autoptr (AgentRouteTable) routes = agent_route_table_new ();
 * g_autoptr (AgentRouterDispatcher) dispatcher =
 *   agent_router_dispatcher_new (bus, routes);
 * g_autoptr (AgentSubscriber) router = agent_subscriber_new ("worker-1");
 * AgentMessage *message =
 *   agent_message_new_routed (AGENT_MESSAGE_TYPE_REQUEST_INFERENCE,
 *                             "trainer", "actor-7", NULL);
 *
 * // Nobody knows actor-7 yet: parked.
 * if (agent_router_dispatcher_dispatch (dispatcher, message, &error)
 *     == AGENT_DISPATCH_RESULT_PARKED)
 *   g_print ("it waits\n"); // prints: it waits
 *
 * // Now it is with worker-1.
 * agent_bus_subscribe (bus, router, &error);
 * agent_route_table_assign (routes, "actor-7", "worker-1");
 * if (agent_router_dispatcher_get_n_parked (dispatcher) == 0)
 *   g_print ("it is on its way\n"); // prints: it is on its way
 * ```
 *
 * Messages to one actor keep their order on each channel, also when they were parked, when the actor is assigned to another
 * router, and when a router leaves the bus with messages that it did not come to handle: these come back and go to the
 * next one. An actor that changes its router is served by the new one when the old one has handled what it had.
 *
 * What is parked for too long expires, with [signal@AgentBus.RouterDispatcher::expired]. Nothing is lost in silence:
 * what was accepted was dispatched, is parked, expired, or was dropped.
 *
 * All functions may be called from any thread. The signals are emitted in the context that was the thread default where
 * the dispatcher was made. The timer for expiry and retries needs it to be iterated, nothing else does: a message whose
 * time is over is never handed over, whether the timer came or not.
 *
 * ## From Python
 *
 * ```python
 * def on_message(router, message):
 *     print('for', message.get_target())  # prints: for actor-7
 *     print(message.get_payload().unpack())  # prints: 0.5
 *
 * routes = AgentBus.RouteTable()
 * dispatcher = AgentBus.RouterDispatcher(bus=bus, route_table=routes)
 * dispatcher.dispatch(AgentBus.Message.new_routed(
 *     AgentBus.MessageType.REQUEST_INFERENCE, 'trainer', 'actor-7',
 *     GLib.Variant('d', 0.5)))
 * print(dispatcher.props.n_parked, 'parked')  # prints: 1 parked
 *
 * router = AgentBus.Subscriber(name='worker-1')
 * router.connect('message', on_message)
 * bus.subscribe(router)
 * routes.assign('actor-7', 'worker-1')
 * ```
 *
 * With the [overrides](overrides.html) each routing protocol has a constructor, and the payload is plain:
 *
 * ```python
 * # With the overrides.
 * message = AgentBus.Message.request_inference(
 *     'trainer', 'actor-7', {'angle': 0.5})
 * dispatcher.dispatch(message)
 * print(dispatcher.statistics['parked'])  # prints: 1
 * ```
 *
 * ## From JavaScript
 *
 * ```js
 * const routes = new AgentBus.RouteTable();
 * const dispatcher = new AgentBus.RouterDispatcher({bus, route_table: routes});
 *
 * dispatcher.dispatch(AgentBus.Message.new_routed(
 *     AgentBus.MessageType.REQUEST_INFERENCE, 'trainer', 'actor-7',
 *     new GLib.Variant('d', 0.5)));
 * print(dispatcher.n_parked, 'parked'); // prints: 1 parked
 *
 * const router = new AgentBus.Subscriber({name: 'worker-1'});
 *
 * router.connect('message', (_router, message) => {
 *     print(message.get_payload().deepUnpack()); // prints: 0.5
 * });
 * bus.subscribe(router);
 * routes.assign('actor-7', 'worker-1');
 * ```
 *
 * With the overrides:
 *
 * ```js
 * // With the overrides.
 * dispatcher.dispatch(AgentBus.Message.request_inference(
 *     'trainer', 'actor-7', {payload: {angle: 0.5}}));
 * print(dispatcher.statistics.parked); // prints: 1
 * ```
 *
 * Since: 0.1
 */
struct _AgentRouterDispatcher
{
  GObject parent_instance;

  AgentBus          *bus;
  AgentRouteTable   *route_table;
  guint              capacity;
  guint              actor_capacity;
  AgentParking      *parking;
  AgentRouterReport *report;
  guint              bus_watch;
  guint              route_watch;
};

enum
{
  PROP_0,
  PROP_BUS,
  PROP_ROUTE_TABLE,
  PROP_RETRY_POLICY,
  PROP_CAPACITY,
  PROP_ACTOR_CAPACITY,
  PROP_PARK_UNKNOWN,
  PROP_HAND_OFF,
  PROP_N_PARKED,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (AgentRouterDispatcher, agent_router_dispatcher, G_TYPE_OBJECT)

AgentParking *
_agent_router_dispatcher_get_parking (AgentRouterDispatcher *self)
{
  return self->parking;
}

/* --- GObject --- */

/* A scripting language can leave out properties that have to be there, and PyGObject crashes if it gets no object then. So the
 * object gets a bus and a route table that nobody else knows, and is stopped at once. Returns whether nothing was left out. */
static gboolean
dispatcher_make_up_objects (AgentRouterDispatcher *self)
{
  if (self->bus != NULL && self->route_table != NULL)
    return TRUE;

  g_critical ("A router dispatcher needs the properties \"bus\" and \"route-table\": this one refuses all messages");
  if (self->bus == NULL)
    self->bus = agent_bus_new ();
  if (self->route_table == NULL)
    self->route_table = agent_route_table_new ();
  return FALSE;
}

static void
agent_router_dispatcher_constructed (GObject *object)
{
  AgentRouterDispatcher *self = AGENT_ROUTER_DISPATCHER (object);
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();
  gboolean complete = dispatcher_make_up_objects (self);

  G_OBJECT_CLASS (agent_router_dispatcher_parent_class)->constructed (object);

  self->report = _agent_router_report_new (self, self->bus, context);
  self->parking = _agent_parking_new (self->bus,
                                      self->route_table,
                                      self->capacity,
                                      self->actor_capacity,
                                      &_agent_router_report_funcs,
                                      _agent_router_report_ref (self->report),
                                      (GDestroyNotify) _agent_router_report_unref);
  _agent_router_report_start (self->report, self->parking);

  self->bus_watch = _agent_bus_add_watch (self->bus,
                                          &_agent_parking_watch_funcs,
                                          _agent_parking_ref (self->parking),
                                          (GDestroyNotify) _agent_parking_unref);
  self->parking->origin = self->bus_watch;
  self->route_watch = _agent_route_table_add_watch (self->route_table,
                                                    &_agent_parking_route_funcs,
                                                    _agent_parking_ref (self->parking),
                                                    (GDestroyNotify) _agent_parking_unref);
  if (!complete)
    _agent_parking_close (self->parking);
}

/* What is parked is dropped. There are no signals about that, for nobody is left to hear them, but the sources of the messages
 * get a reply if they asked for that. */
static void
agent_router_dispatcher_dispose (GObject *object)
{
  AgentRouterDispatcher *self = AGENT_ROUTER_DISPATCHER (object);

  if (self->bus_watch != 0)
    {
      _agent_route_table_remove_watch (self->route_table, self->route_watch);
      _agent_bus_remove_watch (self->bus, self->bus_watch);
      self->bus_watch = 0;
      _agent_router_report_close (self->report);
      _agent_parking_drop_all (self->parking, AGENT_DROP_REASON_CLOSED);
    }

  G_OBJECT_CLASS (agent_router_dispatcher_parent_class)->dispose (object);
}

static void
agent_router_dispatcher_finalize (GObject *object)
{
  AgentRouterDispatcher *self = AGENT_ROUTER_DISPATCHER (object);

  g_clear_pointer (&self->parking, _agent_parking_unref);
  g_clear_pointer (&self->report, _agent_router_report_unref);
  g_clear_object (&self->route_table);
  g_clear_object (&self->bus);

  G_OBJECT_CLASS (agent_router_dispatcher_parent_class)->finalize (object);
}

static void
agent_router_dispatcher_get_property (GObject    *object,
                                      guint       prop_id,
                                      GValue     *value,
                                      GParamSpec *pspec)
{
  AgentRouterDispatcher *self = AGENT_ROUTER_DISPATCHER (object);

  switch (prop_id)
    {
    case PROP_BUS:
      g_value_set_object (value, self->bus);
      break;
    case PROP_ROUTE_TABLE:
      g_value_set_object (value, self->route_table);
      break;
    case PROP_RETRY_POLICY:
      g_value_take_boxed (value, agent_router_dispatcher_get_retry_policy (self));
      break;
    case PROP_CAPACITY:
      g_value_set_uint (value, agent_router_dispatcher_get_capacity (self));
      break;
    case PROP_ACTOR_CAPACITY:
      g_value_set_uint (value, agent_router_dispatcher_get_actor_capacity (self));
      break;
    case PROP_PARK_UNKNOWN:
      g_value_set_boolean (value, agent_router_dispatcher_get_park_unknown (self));
      break;
    case PROP_HAND_OFF:
      g_value_set_boolean (value, agent_router_dispatcher_get_hand_off (self));
      break;
    case PROP_N_PARKED:
      g_value_set_uint (value, agent_router_dispatcher_get_n_parked (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
agent_router_dispatcher_set_property (GObject      *object,
                                      guint         prop_id,
                                      const GValue *value,
                                      GParamSpec   *pspec)
{
  AgentRouterDispatcher *self = AGENT_ROUTER_DISPATCHER (object);

  switch (prop_id)
    {
    case PROP_BUS:
      self->bus = g_value_dup_object (value);
      break;
    case PROP_ROUTE_TABLE:
      self->route_table = g_value_dup_object (value);
      break;
    case PROP_RETRY_POLICY:
      agent_router_dispatcher_set_retry_policy (self, g_value_get_boxed (value));
      break;
    case PROP_CAPACITY:
      if (self->parking != NULL)
        agent_router_dispatcher_set_capacity (self, g_value_get_uint (value));
      else
        self->capacity = g_value_get_uint (value);
      break;
    case PROP_ACTOR_CAPACITY:
      self->actor_capacity = g_value_get_uint (value);
      break;
    case PROP_PARK_UNKNOWN:
      agent_router_dispatcher_set_park_unknown (self, g_value_get_boolean (value));
      break;
    case PROP_HAND_OFF:
      agent_router_dispatcher_set_hand_off (self, g_value_get_boolean (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

#define SETTLED (G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS)
#define SETTING (G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS)

static void
dispatcher_make_properties (void)
{
  /**
   * AgentRouterDispatcher:bus: (getter get_bus)
   *
   * The bus whose subscribers are the routers. A dispatcher that is made without one logs that, and refuses all messages.
   *
   * Since: 0.1
   */
  props[PROP_BUS] = g_param_spec_object ("bus", NULL, NULL, AGENT_TYPE_BUS, SETTLED);

  /**
   * AgentRouterDispatcher:route-table: (getter get_route_table)
   *
   * Which router an actor is assigned to. A dispatcher that is made without one logs that, and refuses all messages.
   *
   * Since: 0.1
   */
  props[PROP_ROUTE_TABLE] = g_param_spec_object ("route-table", NULL, NULL, AGENT_TYPE_ROUTE_TABLE, SETTLED);

  /**
   * AgentRouterDispatcher:retry-policy: (getter get_retry_policy) (setter set_retry_policy)
   *
   * How often parked messages are tried again.
   *
   * Since: 0.1
   */
  props[PROP_RETRY_POLICY] = g_param_spec_boxed ("retry-policy", NULL, NULL, AGENT_TYPE_RETRY_POLICY, SETTING);
}

static void
dispatcher_make_limits (void)
{
  /**
   * AgentRouterDispatcher:capacity: (getter get_capacity) (setter set_capacity)
   *
   * How many messages may be parked. Any more are refused, but not those of the system channel or reliable ones.
   *
   * Since: 0.1
   */
  props[PROP_CAPACITY] = g_param_spec_uint ("capacity",
                                            NULL,
                                            NULL,
                                            0,
                                            G_MAXUINT,
                                            AGENT_ROUTER_DISPATCHER_DEFAULT_CAPACITY,
                                            SETTING | G_PARAM_CONSTRUCT);

  /**
   * AgentRouterDispatcher:actor-capacity: (getter get_actor_capacity)
   *
   * How many messages of the data channel may be parked for one actor, or 0 for any number. So one actor that nobody
   * serves cannot take all of [property@AgentBus.RouterDispatcher:capacity]. Any more are refused, but not reliable ones.
   *
   * Since: 0.1
   */
  props[PROP_ACTOR_CAPACITY] = g_param_spec_uint ("actor-capacity", NULL, NULL, 0, G_MAXUINT, 0, SETTLED);

  /**
   * AgentRouterDispatcher:park-unknown: (getter get_park_unknown) (setter set_park_unknown)
   *
   * Whether a message to an actor that the route table has never heard of is parked, as one to an actor without a
   * router is, or refused.
   *
   * Since: 0.1
   */
  props[PROP_PARK_UNKNOWN] = g_param_spec_boolean ("park-unknown", NULL, NULL, TRUE, SETTING);

  /**
   * AgentRouterDispatcher:hand-off: (getter get_hand_off) (setter set_hand_off)
   *
   * Whether a router that loses an actor is told so by a message, and may pass on what it knows of the actor.
   *
   * The message has the type %AGENT_MESSAGE_TYPE_HAND_OFF, the source "agentbus", and the actor as its target. Its payload is
   * the name of the actor's new router, or there is none if the actor has no router any more. It is reliable, and comes behind
   * the last message of the actor that the router had from this dispatcher. The new router gets its first message of the
   * actor when the old one has handled the HAND_OFF, or has completed its delivery: so what the old router sends to the new
   * one until then comes before that.
   *
   * If the actor changes its router again before that, the next router gets a HAND_OFF in its turn, when the one before is
   * through, so that the state follows the actor from one router to the next. A router that has had no message of the actor
   * gets none otherwise, and neither does one that is leaving the bus. No dispatcher counts these messages; the bus does.
   *
   * Set it before anything is dispatched.
   *
   * Since: 0.1
   */
  props[PROP_HAND_OFF] = g_param_spec_boolean ("hand-off", NULL, NULL, FALSE, SETTING);

  /**
   * AgentRouterDispatcher:n-parked: (getter get_n_parked)
   *
   * How many messages are parked. Changes are not notified.
   *
   * Since: 0.1
   */
  props[PROP_N_PARKED] =
      g_param_spec_uint ("n-parked", NULL, NULL, 0, G_MAXUINT, 0, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
}

static void
agent_router_dispatcher_class_init (AgentRouterDispatcherClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->constructed = agent_router_dispatcher_constructed;
  object_class->dispose = agent_router_dispatcher_dispose;
  object_class->finalize = agent_router_dispatcher_finalize;
  object_class->get_property = agent_router_dispatcher_get_property;
  object_class->set_property = agent_router_dispatcher_set_property;

  dispatcher_make_properties ();
  dispatcher_make_limits ();
  g_object_class_install_properties (object_class, N_PROPS, props);

  _agent_router_report_install_signals (klass);
}

static void
agent_router_dispatcher_init (AgentRouterDispatcher *self)
{
}

/* --- API --- */

/**
 * agent_router_dispatcher_new:
 * @bus: a bus
 * @route_table: a route table
 *
 * Creates a dispatcher for the subscribers of a bus. Without a bus and a route table there is none. Its signals are emitted in the calling thread's default context.
 *
 * Returns: (transfer full): a dispatcher
 *
 * Since: 0.1
 */
AgentRouterDispatcher *
agent_router_dispatcher_new (AgentBus        *bus,
                             AgentRouteTable *route_table)
{
  g_return_val_if_fail (AGENT_IS_BUS (bus), NULL);
  g_return_val_if_fail (AGENT_IS_ROUTE_TABLE (route_table), NULL);

  return g_object_new (AGENT_TYPE_ROUTER_DISPATCHER, "bus", bus, "route-table", route_table, NULL);
}

/**
 * agent_router_dispatcher_dispatch:
 * @self: a dispatcher
 * @message: (transfer full): a message with a target, the id of an actor
 * @error: return location for an error
 *
 * Hands a message over to its actor's router, or parks it until that is possible.
 *
 * Never blocks, and may be called from any thread, also from the handler of a router, for actors of its own too. The
 * message is stamped as [method@AgentBus.Bus.send] does it, and must
 * not be changed any more.
 *
 * What is refused was not accepted. That fails with %AGENT_BUS_ERROR_INVALID_MESSAGE if the message has no target, with
 * %AGENT_BUS_ERROR_FULL if [property@AgentBus.RouterDispatcher:capacity] messages are parked in all or
 * [property@AgentBus.RouterDispatcher:actor-capacity] for the actor, with
 * %AGENT_BUS_ERROR_ACTOR_NOT_ASSIGNED if nobody knows the actor and
 * [property@AgentBus.RouterDispatcher:park-unknown] is %FALSE, and with %AGENT_BUS_ERROR_CLOSED if the dispatcher is
 * stopped.
 *
 * Returns: what became of it
 *
 * Since: 0.1
 */
AgentDispatchResult
agent_router_dispatcher_dispatch (AgentRouterDispatcher *self,
                                  AgentMessage          *message,
                                  GError               **error)
{
  g_return_val_if_fail (AGENT_IS_ROUTER_DISPATCHER (self), AGENT_DISPATCH_RESULT_REFUSED);
  g_return_val_if_fail (message != NULL, AGENT_DISPATCH_RESULT_REFUSED);
  g_return_val_if_fail (error == NULL || *error == NULL, AGENT_DISPATCH_RESULT_REFUSED);

  return _agent_parking_dispatch (self->parking, message, error);
}

/**
 * agent_router_dispatcher_get_bus: (get-property bus)
 * @self: a dispatcher
 *
 * Gets the bus whose subscribers are the routers.
 *
 * Returns: (transfer none): a bus
 *
 * Since: 0.1
 */
AgentBus *
agent_router_dispatcher_get_bus (AgentRouterDispatcher *self)
{
  g_return_val_if_fail (AGENT_IS_ROUTER_DISPATCHER (self), NULL);

  return self->bus;
}

/**
 * agent_router_dispatcher_get_route_table: (get-property route-table)
 * @self: a dispatcher
 *
 * Gets the table that says which router an actor is assigned to.
 *
 * Returns: (transfer none): a route table
 *
 * Since: 0.1
 */
AgentRouteTable *
agent_router_dispatcher_get_route_table (AgentRouterDispatcher *self)
{
  g_return_val_if_fail (AGENT_IS_ROUTER_DISPATCHER (self), NULL);

  return self->route_table;
}

/**
 * agent_router_dispatcher_get_retry_policy: (get-property retry-policy)
 * @self: a dispatcher
 *
 * Gets how often parked messages are tried again.
 *
 * Returns: (transfer full): a copy of the policy
 *
 * Since: 0.1
 */
AgentRetryPolicy *
agent_router_dispatcher_get_retry_policy (AgentRouterDispatcher *self)
{
  g_return_val_if_fail (AGENT_IS_ROUTER_DISPATCHER (self), NULL);

  return _agent_parking_dup_policy (self->parking);
}

/**
 * agent_router_dispatcher_set_retry_policy: (set-property retry-policy)
 * @self: a dispatcher
 * @retry_policy: (nullable): a policy, or %NULL for the defaults
 *
 * Sets how often parked messages are tried again. A retry that has its time already keeps it.
 *
 * Since: 0.1
 */
void
agent_router_dispatcher_set_retry_policy (AgentRouterDispatcher *self,
                                          AgentRetryPolicy      *retry_policy)
{
  g_autoptr (AgentRetryPolicy) defaults = NULL;

  g_return_if_fail (AGENT_IS_ROUTER_DISPATCHER (self));

  if (retry_policy == NULL)
    retry_policy = defaults = agent_retry_policy_new ();

  _agent_parking_set_policy (self->parking, retry_policy);
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_RETRY_POLICY]);
}

/**
 * agent_router_dispatcher_get_capacity: (get-property capacity)
 * @self: a dispatcher
 *
 * Gets how many messages may be parked.
 *
 * Returns: a number of messages
 *
 * Since: 0.1
 */
guint
agent_router_dispatcher_get_capacity (AgentRouterDispatcher *self)
{
  g_return_val_if_fail (AGENT_IS_ROUTER_DISPATCHER (self), 0);

  return g_atomic_int_get (&self->parking->capacity);
}

/**
 * agent_router_dispatcher_set_capacity: (set-property capacity)
 * @self: a dispatcher
 * @capacity: a number of messages; 0 to park none
 *
 * Sets how many messages may be parked, for those to come.
 *
 * Since: 0.1
 */
void
agent_router_dispatcher_set_capacity (AgentRouterDispatcher *self,
                                      guint                  capacity)
{
  g_return_if_fail (AGENT_IS_ROUTER_DISPATCHER (self));

  if (agent_router_dispatcher_get_capacity (self) == capacity)
    return;

  g_atomic_int_set (&self->parking->capacity, capacity);
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_CAPACITY]);
}

/**
 * agent_router_dispatcher_get_actor_capacity: (get-property actor-capacity)
 * @self: a dispatcher
 *
 * Gets how many messages of the data channel may be parked for one actor.
 *
 * Returns: a number of messages, or 0 for any
 *
 * Since: 0.1
 */
guint
agent_router_dispatcher_get_actor_capacity (AgentRouterDispatcher *self)
{
  g_return_val_if_fail (AGENT_IS_ROUTER_DISPATCHER (self), 0);

  return self->actor_capacity;
}

/**
 * agent_router_dispatcher_get_park_unknown: (get-property park-unknown)
 * @self: a dispatcher
 *
 * Gets whether messages to actors that nobody knows are parked.
 *
 * Returns: %FALSE if they are refused
 *
 * Since: 0.1
 */
gboolean
agent_router_dispatcher_get_park_unknown (AgentRouterDispatcher *self)
{
  g_return_val_if_fail (AGENT_IS_ROUTER_DISPATCHER (self), FALSE);

  return g_atomic_int_get (&self->parking->park_unknown);
}

/**
 * agent_router_dispatcher_set_park_unknown: (set-property park-unknown)
 * @self: a dispatcher
 * @park_unknown: %FALSE to refuse them
 *
 * Sets whether messages to actors that nobody knows are parked, for those to come.
 *
 * Since: 0.1
 */
void
agent_router_dispatcher_set_park_unknown (AgentRouterDispatcher *self,
                                          gboolean               park_unknown)
{
  g_return_if_fail (AGENT_IS_ROUTER_DISPATCHER (self));

  if (agent_router_dispatcher_get_park_unknown (self) == (park_unknown != FALSE))
    return;

  g_atomic_int_set (&self->parking->park_unknown, park_unknown != FALSE);
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_PARK_UNKNOWN]);
}

/**
 * agent_router_dispatcher_get_hand_off: (get-property hand-off)
 * @self: a dispatcher
 *
 * Gets whether routers are told that they lose an actor.
 *
 * Returns: %TRUE if they get a HAND_OFF
 *
 * Since: 0.1
 */
gboolean
agent_router_dispatcher_get_hand_off (AgentRouterDispatcher *self)
{
  g_return_val_if_fail (AGENT_IS_ROUTER_DISPATCHER (self), FALSE);

  return g_atomic_int_get (&self->parking->hand_off);
}

/**
 * agent_router_dispatcher_set_hand_off: (set-property hand-off)
 * @self: a dispatcher
 * @hand_off: %TRUE to tell them
 *
 * Sets whether routers are told that they lose an actor, see [property@AgentBus.RouterDispatcher:hand-off].
 *
 * Since: 0.1
 */
void
agent_router_dispatcher_set_hand_off (AgentRouterDispatcher *self,
                                      gboolean               hand_off)
{
  g_return_if_fail (AGENT_IS_ROUTER_DISPATCHER (self));

  if (agent_router_dispatcher_get_hand_off (self) == (hand_off != FALSE))
    return;

  g_atomic_int_set (&self->parking->hand_off, hand_off != FALSE);
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_HAND_OFF]);
}

/**
 * agent_router_dispatcher_get_n_parked: (get-property n-parked)
 * @self: a dispatcher
 *
 * Gets how many messages are parked.
 *
 * Returns: a number of messages
 *
 * Since: 0.1
 */
guint
agent_router_dispatcher_get_n_parked (AgentRouterDispatcher *self)
{
  g_return_val_if_fail (AGENT_IS_ROUTER_DISPATCHER (self), 0);

  return g_atomic_int_get (&self->parking->lot.n_parked);
}

/**
 * agent_router_dispatcher_get_timeout:
 * @self: a dispatcher
 * @type: a type of message
 *
 * Gets how long messages of a type may be parked.
 *
 * Returns: milliseconds, or 0 for ever
 *
 * Since: 0.1
 */
guint
agent_router_dispatcher_get_timeout (AgentRouterDispatcher *self,
                                     AgentMessageType       type)
{
  g_return_val_if_fail (AGENT_IS_ROUTER_DISPATCHER (self), 0);
  g_return_val_if_fail ((guint) type < AGENT_N_MESSAGE_TYPES, 0);

  return g_atomic_int_get (&self->parking->timeouts[type]);
}

/**
 * agent_router_dispatcher_set_timeout:
 * @self: a dispatcher
 * @type: a type of message
 * @timeout: milliseconds, or 0 for ever
 *
 * Sets how long messages of a type may be parked, counted from when they were dispatched. For messages that are parked
 * from now on. A message with a ttl of its own goes by that.
 *
 * By default it is 10 seconds for `REQUEST_INFERENCE` and `REQUEST_INFERENCE_BATCH`, 15 for `MODEL_VERSION`, 20 for
 * `FLAG_LAST_INFERENCE`, 60 for `MODEL_UPDATE` and `SHUTDOWN`, and 30 for all others.
 *
 * Since: 0.1
 */
void
agent_router_dispatcher_set_timeout (AgentRouterDispatcher *self,
                                     AgentMessageType       type,
                                     guint                  timeout)
{
  g_return_if_fail (AGENT_IS_ROUTER_DISPATCHER (self));
  g_return_if_fail ((guint) type < AGENT_N_MESSAGE_TYPES);

  g_atomic_int_set (&self->parking->timeouts[type], timeout);
}

/**
 * agent_router_dispatcher_drain_router_async:
 * @self: a dispatcher
 * @router: the name of a router
 * @cancellable: (nullable): ends the waiting; the actors stay without a router
 * @callback: (scope async) (nullable): called when the router is through
 * @user_data: data for @callback
 *
 * Takes all its actors away from a router, and waits until it is through with what it has.
 *
 * In the route table the actors have no router any more when this returns, so that what is dispatched to them is parked until
 * they get another one, for example by [method@AgentBus.RouteTable.rebalance]. The router still gets what was handed over to
 * it before. When it has handled all of that, the operation ends, and the router may leave the bus without that anything
 * comes back from it. It has until the [property@AgentBus.Bus:shutdown-timeout] of the bus has passed.
 *
 * A router that is not on the bus has nothing, and is through at once. If it leaves meanwhile, what it has not handled comes
 * back and is parked, and the operation ends.
 *
 * With [property@AgentBus.RouterDispatcher:hand-off], the router gets a HAND_OFF for each actor, which names no new router. If
 * it should name one, assign the actors to others first.
 *
 * May be called from any thread. Iterate the calling thread's default context, which keeps the deadline too, to get
 * the result.
 *
 * Since: 0.1
 */
void
agent_router_dispatcher_drain_router_async (AgentRouterDispatcher *self,
                                            const char            *router,
                                            GCancellable          *cancellable,
                                            GAsyncReadyCallback    callback,
                                            gpointer               user_data)
{
  AgentMailbox *mailbox;
  GTask        *task;

  g_return_if_fail (AGENT_IS_ROUTER_DISPATCHER (self));
  g_return_if_fail (router != NULL && *router != '\0');
  g_return_if_fail (_agent_utf8_is_string (router));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, agent_router_dispatcher_drain_router_async);

  mailbox = _agent_directory_lookup (self->bus->directory, router);
  _agent_route_table_unassign_all (self->route_table, router);
  _agent_router_report_drain (self->report, mailbox, agent_bus_get_shutdown_timeout (self->bus), task);
  g_clear_pointer (&mailbox, _agent_mailbox_unref);
}

/**
 * agent_router_dispatcher_drain_router_finish:
 * @self: a dispatcher
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends [method@AgentBus.RouterDispatcher.drain_router_async].
 *
 * Fails with %AGENT_BUS_ERROR_TIMED_OUT if the router was not through in time. Its actors have no router then either.
 *
 * Returns: whether the router was through
 *
 * Since: 0.1
 */
gboolean
agent_router_dispatcher_drain_router_finish (AgentRouterDispatcher *self,
                                             GAsyncResult          *result,
                                             GError               **error)
{
  g_return_val_if_fail (AGENT_IS_ROUTER_DISPATCHER (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * agent_router_dispatcher_stop_async:
 * @self: a dispatcher
 * @cancellable: (nullable): ends the waiting; the dispatcher stops all the same
 * @callback: (scope async) (nullable): called when nothing is parked any more
 * @user_data: data for @callback
 *
 * Stops a dispatcher for good.
 *
 * From now on nothing is accepted. What is parked may still be handed over, until the
 * [property@AgentBus.Bus:shutdown-timeout] of the bus has passed. What is left then is dropped, each message with the
 * reason %AGENT_DROP_REASON_CLOSED. So is what a router gives back after that.
 *
 * Stop the dispatcher before its bus, whose subscribers are the routers.
 *
 * May be called from any thread. Iterate the calling thread's default context, which keeps the deadline too, to get
 * the result.
 *
 * Since: 0.1
 */
void
agent_router_dispatcher_stop_async (AgentRouterDispatcher *self,
                                    GCancellable          *cancellable,
                                    GAsyncReadyCallback    callback,
                                    gpointer               user_data)
{
  GTask *task;

  g_return_if_fail (AGENT_IS_ROUTER_DISPATCHER (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, agent_router_dispatcher_stop_async);
  _agent_router_report_stop (self->report, agent_bus_get_shutdown_timeout (self->bus), task);
}

/**
 * agent_router_dispatcher_stop_finish:
 * @self: a dispatcher
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends [method@AgentBus.RouterDispatcher.stop_async].
 *
 * Fails with %AGENT_BUS_ERROR_TIMED_OUT if messages expired or were dropped meanwhile.
 *
 * Returns: whether everything was handed over
 *
 * Since: 0.1
 */
gboolean
agent_router_dispatcher_stop_finish (AgentRouterDispatcher *self,
                                     GAsyncResult          *result,
                                     GError               **error)
{
  g_return_val_if_fail (AGENT_IS_ROUTER_DISPATCHER (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

static GVariant *
dispatcher_drops_to_variant (const guint64 *n_dropped)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a{st}"));
  for (guint reason = 0; reason < AGENT_N_DROP_REASONS; reason++)
    g_variant_builder_add (&builder, "{st}", agent_drop_reason_to_string (reason), n_dropped[reason]);

  return g_variant_builder_end (&builder);
}

/**
 * agent_router_dispatcher_get_statistics:
 * @self: a dispatcher
 *
 * Gets the ledger: what became of every message.
 *
 * The dictionary has these entries, numbers of messages (`t`) where nothing else is said:
 *
 * - `accepted`: dispatched or parked when they came;
 * - `dispatched`: handed over to a router, and not come back;
 * - `parked`: waiting;
 * - `expired`: waited for too long;
 * - `dropped` (`a{st}`): given up for another reason, by the nick of the [enum@AgentBus.DropReason];
 * - `refused`: not accepted;
 * - `retries`: how often one of them was tried again by the timer, since it had no router, its router was not there, or
 *   the router before had not finished. A message that waits for room in the channel of a router is not tried by the
 *   timer, for the router tells when there is room;
 * - `returned`: how often one came back from a router that left without having handled it;
 * - `waited`: those of `accepted` that were parked when they came.
 *
 * `accepted` is always the sum of `dispatched`, `parked`, `expired` and all of `dropped`.
 *
 * Returns: (transfer full): an `a{sv}`, not floating
 *
 * Since: 0.1
 */
GVariant *
agent_router_dispatcher_get_statistics (AgentRouterDispatcher *self)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  AgentParkingCounts counts;

  g_return_val_if_fail (AGENT_IS_ROUTER_DISPATCHER (self), NULL);

  _agent_parking_get_counts (self->parking, &counts);
  g_variant_dict_insert (&dict, "accepted", "t", counts.accepted);
  g_variant_dict_insert (&dict, "dispatched", "t", counts.dispatched);
  g_variant_dict_insert (&dict, "parked", "t", counts.parked);
  g_variant_dict_insert (&dict, "expired", "t", counts.expired);
  g_variant_dict_insert (&dict, "refused", "t", counts.refused);
  g_variant_dict_insert (&dict, "retries", "t", counts.retries);
  g_variant_dict_insert (&dict, "returned", "t", counts.returned);
  g_variant_dict_insert (&dict, "waited", "t", counts.accepted - counts.direct);
  g_variant_dict_insert_value (&dict, "dropped", dispatcher_drops_to_variant (counts.dropped));

  return g_variant_ref_sink (g_variant_dict_end (&dict));
}
