/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-bus.h"
#include "base/agent-utf8-private.h"
#include "bus/agent-delivery-private.h"
#include "bus/agent-subscriber-private.h"
#include "message/agent-info.h"

/**
 * AgentSubscriber:
 *
 * A named endpoint on a bus.
 *
 * Messages are handled in the subscriber's own [property@AgentBus.Subscriber:main-context], one at a time,
 * those of the system channel first. The application has to iterate that context. By default it is the one that was
 * the thread default where the subscriber was made.
 *
 * Override [vfunc@AgentBus.Subscriber.message] or connect to [signal@AgentBus.Subscriber::message]:
 *
 * ```c
 * static void
 * on_cancel (AgentSubscriber *subscriber,
 *            AgentMessage    *message,
 *            gpointer         user_data)
 * {
 *   g_print ("%s\n", agent_message_get_reason (message)); // prints: enough
 * }
 *
 * g_autoptr (AgentSubscriber) subscriber = agent_subscriber_new ("worker");
 *
 * g_signal_connect (subscriber, "message::cancel",
 *                   G_CALLBACK (on_cancel), NULL);
 * agent_bus_subscribe (bus, subscriber, &error);
 * agent_bus_send (bus, agent_message_new_cancel ("ui", "worker", "enough"));
 * ```
 *
 * A handler that goes on with the message after it has returned takes the delivery with
 * [method@AgentBus.Subscriber.defer].
 *
 * The bus keeps a reference for as long as the subscriber is subscribed. The getters may be called from any
 * thread.
 *
 * ## From Python
 *
 * Override `do_message`:
 *
 * ```python
 * class Worker(AgentBus.Subscriber):
 *     def do_message(self, message):
 *         print('got', message.get_name())  # prints: got cancel
 *
 * bus.subscribe(Worker(name='worker', capacity=8))
 * bus.send(AgentBus.Message.new_cancel('ui', 'worker', 'enough'))
 * ```
 *
 * With the [overrides](overrides.html) a handler may be asynchronous:
 *
 * ```python
 * # With the overrides.
 * worker = AgentBus.Subscriber(name='worker')
 *
 * @worker.on('activate')
 * async def begin(message):
 *     await AgentBus.sleep(1)
 *     print(sum(message.payload))  # prints: 42
 *
 * with bus:
 *     bus.subscribe(worker)
 *     bus.send(AgentBus.Message.activate('ui', 'worker', [1, 2, 39]))
 * ```
 *
 * ## From JavaScript
 *
 * Connect to the signal, or define `on_message`. Without the overrides, a message that `vfunc_message` keeps is not alive
 * after `vfunc_message` returns.
 *
 * ```js
 * const Worker = GObject.registerClass(
 * class Worker extends AgentBus.Subscriber {
 *     on_message(message) {
 *         print('got', message.get_name()); // prints: got cancel
 *     }
 * });
 *
 * bus.subscribe(new Worker({name: 'worker', capacity: 8}));
 * bus.send(AgentBus.Message.new_cancel('ui', 'worker', 'enough'));
 * ```
 *
 * With the overrides one can loop over the messages:
 *
 * ```js
 * // With the overrides.
 * const worker = new AgentBus.Subscriber({name: 'worker'});
 *
 * bus.subscribe(worker);
 * bus.send(AgentBus.Message.task_request(
 *     'ui', 'worker', '1', {payload: [1, 2, 39]}));
 * for await (const message of worker) {
 *     print(message.payload.length); // prints: 3
 *     break;
 * }
 * ```
 *
 * ## From Vala
 *
 * The detail of the signal stands in brackets:
 *
 * ```vala
 * var worker = new AgentBus.Subscriber ("worker");
 *
 * worker.message["cancel"].connect ((message) => {
 *   print ("%s\n", message.get_reason ()); // prints: enough
 * });
 * bus.subscribe (worker);
 * bus.send (new AgentBus.Message.cancel ("ui", "worker", "enough"));
 * ```
 *
 * ## From Lua
 *
 * With the overrides `on` is a method like others, so it is called with a colon:
 *
 * ```lua
 * -- With the overrides.
 * local worker = AgentBus.Subscriber { name = 'worker' }
 *
 * worker:on('cancel', function(message)
 *    print(message.reason) -- prints: enough
 * end)
 * assert(bus:subscribe(worker))
 * bus:send(AgentBus.Message.cancel('ui', 'worker', { reason = 'enough' }))
 * ```
 *
 * Since: 0.1
 */

typedef struct
{
  char             *name;
  char             *group; /* (nullable) */
  GMainContext     *context;
  gint              priority;
  AgentOverflow     overflow;
  gboolean          always_emit; /* a class closure was overridden, and replaces the call of the vfunc */
  AgentSubscription subscription;

  const AgentSubscriberRules *rules; /* (nullable) */
} AgentSubscriberPrivate;

enum
{
  PROP_0,
  PROP_NAME,
  PROP_GROUP,
  PROP_MAIN_CONTEXT,
  PROP_CAPACITY,
  PROP_MAX_BYTES,
  PROP_MAX_AGE,
  PROP_OVERFLOW,
  PROP_PRIORITY,
  PROP_PAUSED,
  PROP_ACCEPTS,
  PROP_N_QUEUED,
  PROP_N_DELIVERED,
  PROP_N_DROPPED,
  PROP_BUS,
  N_PROPS
};

enum
{
  MESSAGE,
  N_SIGNALS
};

static GParamSpec *props[N_PROPS];
static guint       signals[N_SIGNALS];

G_DEFINE_TYPE_WITH_PRIVATE (AgentSubscriber, agent_subscriber, G_TYPE_OBJECT)

/* --- For the bus and the mailbox --- */

AgentSubscription *
_agent_subscriber_get_subscription (AgentSubscriber *self)
{
  AgentSubscriberPrivate *priv = agent_subscriber_get_instance_private (self);

  return &priv->subscription;
}

/* A subscription with @mailbox begins. FALSE: the one before is not over yet. */
gboolean
_agent_subscriber_claim (AgentSubscriber *self,
                         AgentMailbox    *mailbox,
                         GError         **error)
{
  AgentSubscriberPrivate *priv = agent_subscriber_get_instance_private (self);
  gboolean                claimed = _agent_subscription_claim (&priv->subscription, mailbox);

  if (!claimed)
    g_set_error (error,
                 AGENT_BUS_ERROR,
                 AGENT_BUS_ERROR_EXISTS,
                 "Subscriber '%s' is on a bus, or has not left it yet",
                 priv->name);
  return claimed;
}

/* Gives the subscriber rules, and an inbox in each subscription. Few types do so. */
void
_agent_subscriber_set_rules (AgentSubscriber            *self,
                             const AgentSubscriberRules *rules)
{
  AgentSubscriberPrivate *priv = agent_subscriber_get_instance_private (self);

  priv->rules = rules;
}

/* (transfer none) (nullable) */
const AgentSubscriberRules *
_agent_subscriber_get_rules (AgentSubscriber *self)
{
  AgentSubscriberPrivate *priv = agent_subscriber_get_instance_private (self);

  return priv->rules;
}

void
_agent_subscriber_set_info (AgentSubscriber *self,
                            AgentInfo       *info)
{
  g_return_if_fail (info == NULL || g_strcmp0 (agent_info_get_name (info), agent_subscriber_get_name (self)) == 0);

  _agent_subscription_change_info (_agent_subscriber_get_subscription (self), info);
}

/* (transfer full) (nullable) */
AgentInfo *
_agent_subscriber_dup_info (AgentSubscriber *self)
{
  return _agent_subscription_dup_info (_agent_subscriber_get_subscription (self));
}

/* From now on @mailbox is served in the context of the subscriber. */
void
_agent_subscriber_attach (AgentSubscriber *self,
                          AgentMailbox    *mailbox)
{
  AgentSubscriberPrivate *priv = agent_subscriber_get_instance_private (self);

  _agent_mailbox_attach (mailbox, priv->context, priv->priority);
}

/* Whether the subscriber has a name, and is in no group without one. */
gboolean
_agent_subscriber_is_named (AgentSubscriber *self)
{
  AgentSubscriberPrivate *priv = agent_subscriber_get_instance_private (self);

  return priv->name != NULL && *priv->name != '\0' && (priv->group == NULL || *priv->group != '\0');
}

/* Makes the mailbox for one subscription: (transfer full).
 *
 * @default_capacity: the capacity of the bus, for a subscriber that has none of its own */
AgentMailbox *
_agent_subscriber_new_mailbox (AgentSubscriber   *self,
                               AgentMailboxOwner *owner,
                               guint              default_capacity)
{
  AgentSubscriberPrivate *priv = agent_subscriber_get_instance_private (self);
  AgentMailboxSettings    settings = { .name = priv->name, .group = priv->group, .overflow = priv->overflow };
  AgentReceiver           receiver = { .handle = (AgentReceiverFunc) AGENT_SUBSCRIBER_GET_CLASS (self)->message,
                                       .signal = signals[MESSAGE],
                                       .always_emit = priv->always_emit };

  _agent_subscription_prepare (&priv->subscription, default_capacity, &settings);

  return _agent_mailbox_new (owner, self, &receiver, &settings);
}

/* --- GObject --- */

static void
agent_subscriber_constructed (GObject *object)
{
  AgentSubscriber        *self = AGENT_SUBSCRIBER (object);
  AgentSubscriberPrivate *priv = agent_subscriber_get_instance_private (self);

  G_OBJECT_CLASS (agent_subscriber_parent_class)->constructed (object);

  if (priv->context == NULL)
    priv->context = g_main_context_ref_thread_default ();

  /* No handler is connected yet, so a pending handler can only be an overridden class closure. It replaces the call of the
   * vfunc, so the signal always has to be emitted. */
  priv->always_emit = g_signal_has_handler_pending (self, signals[MESSAGE], 0, FALSE);
}

static void
agent_subscriber_finalize (GObject *object)
{
  AgentSubscriberPrivate *priv = agent_subscriber_get_instance_private (AGENT_SUBSCRIBER (object));

  _agent_subscription_clear_interest (&priv->subscription);
  _agent_subscription_clear (&priv->subscription);
  g_clear_pointer (&priv->context, g_main_context_unref);
  g_clear_pointer (&priv->name, g_free);
  g_clear_pointer (&priv->group, g_free);

  G_OBJECT_CLASS (agent_subscriber_parent_class)->finalize (object);
}

static void
agent_subscriber_get_property (GObject    *object,
                               guint       prop_id,
                               GValue     *value,
                               GParamSpec *pspec)
{
  AgentSubscriber   *self = AGENT_SUBSCRIBER (object);
  AgentSubscription *subscription = _agent_subscriber_get_subscription (self);

  switch (prop_id)
    {
    case PROP_NAME:
      g_value_set_string (value, agent_subscriber_get_name (self));
      break;
    case PROP_GROUP:
      g_value_set_string (value, agent_subscriber_get_group (self));
      break;
    case PROP_MAIN_CONTEXT:
      g_value_set_boxed (value, agent_subscriber_get_main_context (self));
      break;
    case PROP_CAPACITY:
      g_value_set_uint (value, _agent_subscription_get_limits (subscription).capacity);
      break;
    case PROP_MAX_BYTES:
      g_value_set_uint64 (value, _agent_subscription_get_limits (subscription).max_bytes);
      break;
    case PROP_MAX_AGE:
      g_value_set_uint (value, _agent_subscription_get_limits (subscription).max_age);
      break;
    case PROP_OVERFLOW:
      g_value_set_enum (value, agent_subscriber_get_overflow (self));
      break;
    case PROP_PRIORITY:
      g_value_set_int (value, agent_subscriber_get_priority (self));
      break;
    case PROP_PAUSED:
      g_value_set_boolean (value, _agent_subscription_is_paused (subscription));
      break;
    case PROP_ACCEPTS:
      g_value_take_boxed (value, agent_subscriber_dup_accepts (self));
      break;
    case PROP_N_QUEUED:
      g_value_set_uint64 (value, agent_subscriber_get_n_queued (self));
      break;
    case PROP_N_DELIVERED:
      g_value_set_uint64 (value, agent_subscriber_get_n_delivered (self));
      break;
    case PROP_N_DROPPED:
      g_value_set_uint64 (value, agent_subscriber_get_n_dropped (self));
      break;
    case PROP_BUS:
      g_value_take_object (value, agent_subscriber_dup_bus (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

/* A name that is not UTF-8 is a programmer error, and counts as no name. No bus takes a subscriber without a name. */
static char *
subscriber_dup_name (const GValue *value)
{
  const char *name = g_value_get_string (value);

  g_return_val_if_fail (name == NULL || _agent_utf8_is_string (name), NULL);

  return g_strdup (name);
}

static void
subscriber_set_limit (GObject              *object,
                      GParamSpec           *pspec,
                      AgentLimitsChangeFunc change,
                      guint64               value)
{
  AgentSubscription *subscription = _agent_subscriber_get_subscription (AGENT_SUBSCRIBER (object));

  if (_agent_subscription_change_limits (subscription, change, value))
    g_object_notify_by_pspec (object, pspec);
}

static void
agent_subscriber_set_property (GObject      *object,
                               guint         prop_id,
                               const GValue *value,
                               GParamSpec   *pspec)
{
  AgentSubscriberPrivate *priv = agent_subscriber_get_instance_private (AGENT_SUBSCRIBER (object));

  switch (prop_id)
    {
    case PROP_NAME:
      priv->name = subscriber_dup_name (value);
      break;
    case PROP_GROUP:
      priv->group = subscriber_dup_name (value);
      break;
    case PROP_MAIN_CONTEXT:
      priv->context = g_value_dup_boxed (value);
      break;
    case PROP_CAPACITY:
      subscriber_set_limit (object, pspec, _agent_limits_set_capacity, g_value_get_uint (value));
      break;
    case PROP_MAX_BYTES:
      subscriber_set_limit (object, pspec, _agent_limits_set_max_bytes, g_value_get_uint64 (value));
      break;
    case PROP_MAX_AGE:
      subscriber_set_limit (object, pspec, _agent_limits_set_max_age, g_value_get_uint (value));
      break;
    case PROP_PRIORITY:
      priv->priority = g_value_get_int (value);
      break;
    case PROP_OVERFLOW:
      priv->overflow = g_value_get_enum (value);
      break;
    case PROP_PAUSED:
      if (_agent_subscription_set_paused (&priv->subscription, g_value_get_boolean (value)))
        g_object_notify_by_pspec (object, pspec);
      break;
    case PROP_ACCEPTS:
      agent_subscriber_set_accepts (AGENT_SUBSCRIBER (object), g_value_get_boxed (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
subscriber_install_settings (GObjectClass *object_class)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;

  /**
   * AgentSubscriber:name: (getter get_name)
   *
   * The name, which no other subscriber of the same bus has.
   *
   * Since: 0.1
   */
  props[PROP_NAME] = g_param_spec_string ("name", NULL, NULL, NULL, flags);

  /**
   * AgentSubscriber:group: (getter get_group)
   *
   * The group that the subscriber is in, or %NULL.
   *
   * Data that is sent to the name of a group goes to one of its members: of two that are chosen at random, to the one with
   * fewer messages, and never to the source. System messages and `task-update-request` go to all members, and what has no
   * target reaches each of them as any subscriber. A group is there as long as it has members; on one bus, no group has the
   * name of a subscriber.
   *
   * When a member leaves, other members get the data of the group that it has not begun with.
   *
   * Since: 0.1
   */
  props[PROP_GROUP] = g_param_spec_string ("group", NULL, NULL, NULL, flags);

  /**
   * AgentSubscriber:main-context: (getter get_main_context)
   *
   * The context in which messages are handled. By default it is the thread-default context at construction.
   *
   * Since: 0.1
   */
  props[PROP_MAIN_CONTEXT] =
      g_param_spec_boxed ("main-context", NULL, NULL, G_TYPE_MAIN_CONTEXT, flags);

  /**
   * AgentSubscriber:overflow: (getter get_overflow)
   *
   * Which message is dropped when one more comes to a full data channel.
   *
   * Since: 0.1
   */
  props[PROP_OVERFLOW] = g_param_spec_enum ("overflow",
                                            NULL,
                                            NULL,
                                            AGENT_TYPE_OVERFLOW,
                                            AGENT_OVERFLOW_DROP_NEWEST,
                                            flags);

  /**
   * AgentSubscriber:priority: (getter get_priority)
   *
   * The priority at which the subscriber is served in its context: that of the source that calls its handlers, by default
   * %G_PRIORITY_DEFAULT.
   *
   * A context serves the subscribers of one priority in turn, those with system messages first. A subscriber of a lower
   * priority, which is a greater number, is served when nothing of a higher one is left: give %G_PRIORITY_DEFAULT_IDLE to one
   * that may wait until the user interface is drawn.
   *
   * Since: 0.1
   */
  props[PROP_PRIORITY] = g_param_spec_int ("priority", NULL, NULL, G_MININT, G_MAXINT, G_PRIORITY_DEFAULT, flags);
}

static void
subscriber_install_limits (GObjectClass *object_class)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_CONSTRUCT | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS;

  /**
   * AgentSubscriber:capacity: (getter get_capacity) (setter set_capacity)
   *
   * How many messages may wait in the data channel; 0 for the bus's [property@AgentBus.Bus:capacity].
   *
   * It may be changed at any time. To lower it drops nothing: what is queued stays.
   *
   * Since: 0.1
   */
  props[PROP_CAPACITY] = g_param_spec_uint ("capacity", NULL, NULL, 0, G_MAXUINT, 0, flags);

  /**
   * AgentSubscriber:max-bytes: (getter get_max_bytes) (setter set_max_bytes)
   *
   * How many bytes of payload and frame data may wait in the data channel; 0 for any number.
   *
   * A video frame is larger than a word. This property bounds the memory, and the capacity bounds the number of messages.
   * It may be changed at any time. To lower it drops nothing.
   *
   * Since: 0.1
   */
  props[PROP_MAX_BYTES] = g_param_spec_uint64 ("max-bytes", NULL, NULL, 0, G_MAXUINT64, 0, flags);

  /**
   * AgentSubscriber:max-age: (getter get_max_age) (setter set_max_age)
   *
   * How old a data message may be when it is first in line, in milliseconds; 0 for any age.
   *
   * An older message is dropped with the reason %AGENT_DROP_REASON_EXPIRED, like a message whose own time to live
   * ([method@AgentBus.Message.set_ttl]) is over. It may be changed at any time, also for what is queued.
   *
   * Since: 0.1
   */
  props[PROP_MAX_AGE] = g_param_spec_uint ("max-age", NULL, NULL, 0, G_MAXUINT, 0, flags);
}

static void
subscriber_install_paused (GObjectClass *object_class)
{
  /**
   * AgentSubscriber:paused: (getter get_paused) (setter set_paused)
   *
   * Whether the handlers get nothing for now.
   *
   * Both channels wait while this is %TRUE; the data channel is bounded as always. Messages can be received
   * ([method@AgentBus.Subscriber.receive_async]). When the subscriber leaves the bus, a pause is over.
   *
   * Since: 0.1
   */
  props[PROP_PAUSED] = g_param_spec_boolean (
      "paused", NULL, NULL, FALSE, G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);
}

static void
subscriber_install_accepts (GObjectClass *object_class)
{
  /**
   * AgentSubscriber:accepts: (getter dup_accepts) (setter set_accepts)
   *
   * The names of the messages that the subscriber takes when they are sent to all: `cancel`, `task-update`, or the name of a
   * custom message, as in the detail of [signal@AgentBus.Subscriber::message]. %NULL for all names, which is the default; an
   * empty list for none.
   *
   * A broadcast with another name is not offered to the subscriber: it takes no room, wakes nobody and is counted nowhere,
   * and it costs its sender nothing. If no subscriber takes a broadcast, it is dropped once with the reason
   * %AGENT_DROP_REASON_NO_TARGET. A message whose target is the subscriber always comes.
   *
   * May be changed at any time, in any thread. What was sent before the change stays in the queue.
   *
   * Since: 0.1
   */
  props[PROP_ACCEPTS] = g_param_spec_boxed (
      "accepts",
      NULL,
      NULL,
      G_TYPE_STRV,
      G_PARAM_READWRITE | G_PARAM_CONSTRUCT | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);
}

static void
subscriber_install_state (GObjectClass *object_class)
{
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  /**
   * AgentSubscriber:n-queued: (getter get_n_queued)
   *
   * How many messages wait. The number changes on other threads, and changes are not notified: read it when you need it.
   *
   * Since: 0.1
   */
  props[PROP_N_QUEUED] = g_param_spec_uint64 ("n-queued", NULL, NULL, 0, G_MAXUINT64, 0, flags);

  /**
   * AgentSubscriber:n-delivered: (getter get_n_delivered)
   *
   * How many messages were given to the subscriber, in all its subscriptions. Changes are not notified.
   *
   * Since: 0.1
   */
  props[PROP_N_DELIVERED] = g_param_spec_uint64 ("n-delivered", NULL, NULL, 0, G_MAXUINT64, 0, flags);

  /**
   * AgentSubscriber:n-dropped: (getter get_n_dropped)
   *
   * How many messages for the subscriber were dropped, for whatever reason, in all its subscriptions. Changes are not
   * notified: [signal@AgentBus.Bus::dropped] tells of them.
   *
   * Since: 0.1
   */
  props[PROP_N_DROPPED] = g_param_spec_uint64 ("n-dropped", NULL, NULL, 0, G_MAXUINT64, 0, flags);

  /**
   * AgentSubscriber:bus: (getter dup_bus)
   *
   * The bus of the subscriber, from the time of subscribing until the subscription is over. Changes are not notified:
   * [signal@AgentBus.Bus::subscribed] and [signal@AgentBus.Bus::unsubscribed] tell of them.
   *
   * Since: 0.1
   */
  props[PROP_BUS] = g_param_spec_object ("bus", NULL, NULL, AGENT_TYPE_BUS, flags);
}

static void
agent_subscriber_class_init (AgentSubscriberClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);


  object_class->constructed = agent_subscriber_constructed;
  object_class->finalize = agent_subscriber_finalize;
  object_class->get_property = agent_subscriber_get_property;
  object_class->set_property = agent_subscriber_set_property;

  subscriber_install_settings (object_class);
  subscriber_install_limits (object_class);
  subscriber_install_paused (object_class);
  subscriber_install_accepts (object_class);
  subscriber_install_state (object_class);
  g_object_class_install_properties (object_class, N_PROPS, props);

  /**
   * AgentSubscriberClass::message:
   * @self: the subscriber
   * @message: the message
   *
   * Handles one message.
   *
   * A subclass implements it to get all messages of the subscriber, one at a time, in the subscriber's own context. It is
   * called after the handlers that are connected to [signal@AgentBus.Subscriber::message]. To go on with the message after
   * it returns, it calls [method@AgentBus.Subscriber.defer]; to keep the message, it takes a reference with
   * [method@AgentBus.Message.ref]. The parent class has no such function to call.
   *
   * Since: 0.1
   */

  /**
   * AgentSubscriber::message:
   * @self: the subscriber
   * @message: the message
   *
   * A message has come.
   *
   * The detail is the message's name: `message::cancel`, `message::task-update`, or the name of a custom message.
   * The signal is emitted in the subscriber's own context, one message at a time. Connected handlers run before the
   * virtual function. A handler that keeps the message takes a reference with [method@AgentBus.Message.ref].
   *
   * Since: 0.1
   */
  signals[MESSAGE] = g_signal_new ("message",
                                   G_TYPE_FROM_CLASS (klass),
                                   G_SIGNAL_RUN_LAST | G_SIGNAL_DETAILED,
                                   G_STRUCT_OFFSET (AgentSubscriberClass, message),
                                   NULL,
                                   NULL,
                                   g_cclosure_marshal_VOID__BOXED,
                                   G_TYPE_NONE,
                                   1,
                                   AGENT_TYPE_MESSAGE);
  g_signal_set_va_marshaller (signals[MESSAGE],
                              G_TYPE_FROM_CLASS (klass),
                              g_cclosure_marshal_VOID__BOXEDv);
}

static void
agent_subscriber_init (AgentSubscriber *self)
{
  AgentSubscriberPrivate *priv = agent_subscriber_get_instance_private (self);

  _agent_subscription_init (&priv->subscription);
}

/* --- Public --- */

/**
 * agent_subscriber_new:
 * @name: a name that no other subscriber of the same bus has; not empty, and UTF-8
 *
 * Makes a subscriber whose messages are handled in the calling thread's default context.
 *
 * Returns: (transfer full): a new subscriber
 *
 * Since: 0.1
 */
AgentSubscriber *
agent_subscriber_new (const char *name)
{
  g_return_val_if_fail (name != NULL && *name != '\0', NULL);
  g_return_val_if_fail (_agent_utf8_is_string (name), NULL);

  return g_object_new (AGENT_TYPE_SUBSCRIBER, "name", name, NULL);
}

/**
 * agent_subscriber_get_name: (get-property name)
 * @self: a subscriber
 *
 * Gets the name.
 *
 * Returns: (transfer none) (nullable): the name; %NULL if the subscriber was made without one
 *
 * Since: 0.1
 */
const char *
agent_subscriber_get_name (AgentSubscriber *self)
{
  AgentSubscriberPrivate *priv = agent_subscriber_get_instance_private (self);

  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), NULL);

  return priv->name;
}

/**
 * agent_subscriber_get_group: (get-property group)
 * @self: a subscriber
 *
 * Gets the group that the subscriber is in.
 *
 * Returns: (transfer none) (nullable): the name of the group, or %NULL
 *
 * Since: 0.1
 */
const char *
agent_subscriber_get_group (AgentSubscriber *self)
{
  AgentSubscriberPrivate *priv = agent_subscriber_get_instance_private (self);

  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), NULL);

  return priv->group;
}

/**
 * agent_subscriber_get_main_context: (get-property main-context)
 * @self: a subscriber
 *
 * Gets the context in which messages are handled.
 *
 * Returns: (transfer none): the context
 *
 * Since: 0.1
 */
GMainContext *
agent_subscriber_get_main_context (AgentSubscriber *self)
{
  AgentSubscriberPrivate *priv = agent_subscriber_get_instance_private (self);

  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), NULL);

  return priv->context;
}

/**
 * agent_subscriber_get_overflow: (get-property overflow)
 * @self: a subscriber
 *
 * Gets which message is dropped when one more comes to a full data channel.
 *
 * Returns: which message is dropped
 *
 * Since: 0.1
 */
AgentOverflow
agent_subscriber_get_overflow (AgentSubscriber *self)
{
  AgentSubscriberPrivate *priv = agent_subscriber_get_instance_private (self);

  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), AGENT_OVERFLOW_DROP_NEWEST);

  return priv->overflow;
}

/**
 * agent_subscriber_dup_accepts: (get-property accepts)
 * @self: a subscriber
 *
 * Gets the names of the broadcasts that the subscriber takes. May be called from any thread.
 *
 * Returns: (transfer full) (nullable) (array zero-terminated=1): the names, each once, or %NULL for all
 *
 * Since: 0.1
 */
char **
agent_subscriber_dup_accepts (AgentSubscriber *self)
{
  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), NULL);

  return _agent_subscription_dup_accepts (_agent_subscriber_get_subscription (self));
}

/**
 * agent_subscriber_set_accepts: (set-property accepts)
 * @self: a subscriber
 * @accepts: (nullable) (array zero-terminated=1): names of messages, none of them empty; %NULL for all names
 *
 * Sets the names of the broadcasts that the subscriber takes, see [property@AgentBus.Subscriber:accepts].
 *
 * May be called from any thread, also while the subscriber is on a bus. A broadcast that is sent after this function has
 * returned goes by the new names.
 *
 * Since: 0.1
 */
void
agent_subscriber_set_accepts (AgentSubscriber   *self,
                              const char *const *accepts)
{
  g_return_if_fail (AGENT_IS_SUBSCRIBER (self));
  g_return_if_fail (_agent_utf8_are_names (accepts));

  if (_agent_subscription_change_accepts (_agent_subscriber_get_subscription (self), accepts))
    g_object_notify_by_pspec (G_OBJECT (self), props[PROP_ACCEPTS]);
}

/**
 * agent_subscriber_get_priority: (get-property priority)
 * @self: a subscriber
 *
 * Gets the priority at which the subscriber is served in its context.
 *
 * Returns: a priority as of a `GSource`
 *
 * Since: 0.1
 */
gint
agent_subscriber_get_priority (AgentSubscriber *self)
{
  AgentSubscriberPrivate *priv = agent_subscriber_get_instance_private (self);

  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), G_PRIORITY_DEFAULT);

  return priv->priority;
}

/**
 * agent_subscriber_get_n_queued: (get-property n-queued)
 * @self: a subscriber
 *
 * Gets how many messages wait, in both channels.
 *
 * Returns: a number of messages
 *
 * Since: 0.1
 */
guint64
agent_subscriber_get_n_queued (AgentSubscriber *self)
{
  AgentLedger ledger;

  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), 0);

  _agent_subscription_get_ledger (_agent_subscriber_get_subscription (self), &ledger);
  return ledger.queued;
}

/**
 * agent_subscriber_get_n_delivered: (get-property n-delivered)
 * @self: a subscriber
 *
 * Gets how many messages were given to the subscriber.
 *
 * A message counts from the moment its handler begins.
 *
 * Returns: a number of messages
 *
 * Since: 0.1
 */
guint64
agent_subscriber_get_n_delivered (AgentSubscriber *self)
{
  AgentLedger ledger;

  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), 0);

  _agent_subscription_get_ledger (_agent_subscriber_get_subscription (self), &ledger);
  return ledger.delivered;
}

/**
 * agent_subscriber_get_n_dropped: (get-property n-dropped)
 * @self: a subscriber
 *
 * Gets how many messages for the subscriber were dropped, for any reason.
 *
 * [method@AgentBus.Bus.get_statistics] has the numbers by reason.
 *
 * Returns: a number of messages
 *
 * Since: 0.1
 */
guint64
agent_subscriber_get_n_dropped (AgentSubscriber *self)
{
  AgentLedger ledger;

  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), 0);

  _agent_subscription_get_ledger (_agent_subscriber_get_subscription (self), &ledger);
  return _agent_ledger_get_dropped (&ledger);
}

/**
 * agent_subscriber_dup_bus: (get-property bus)
 * @self: a subscriber
 *
 * Gets the bus that the subscriber is on.
 *
 * Returns: (transfer full) (nullable): the bus, or %NULL
 *
 * Since: 0.1
 */
AgentBus *
agent_subscriber_dup_bus (AgentSubscriber *self)
{
  AgentMailbox *mailbox;
  AgentBus     *bus;

  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), NULL);

  mailbox = _agent_subscription_ref_mailbox (_agent_subscriber_get_subscription (self));
  if (mailbox == NULL)
    return NULL;

  bus = _agent_mailbox_dup_bus (mailbox);
  _agent_mailbox_unref (mailbox);
  return bus;
}

/**
 * agent_subscriber_defer:
 * @self: a subscriber
 *
 * Takes the delivery of the message in hand, for a handler that goes on after it has returned.
 *
 * Call it in a handler, at most once for a message. The subscriber gets no more messages until
 * [method@AgentBus.Delivery.complete] or [method@AgentBus.Delivery.fail] is called on the delivery. So messages are
 * handled one at a time also by asynchronous handlers.
 *
 * [class@AgentBus.Delivery] has examples.
 *
 * Returns: (transfer full) (nullable): the delivery, or %NULL if no handler is running or has deferred the message already,
 *     which is a programming error
 *
 * Since: 0.1
 */
AgentDelivery *
agent_subscriber_defer (AgentSubscriber *self)
{
  AgentSubscriberPrivate *priv = agent_subscriber_get_instance_private (self);
  AgentMailbox           *mailbox;
  AgentHand              *hand = NULL;
  AgentDelivery          *delivery = NULL;

  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), NULL);
  g_return_val_if_fail (g_main_context_is_owner (priv->context), NULL);

  /* If no handler is running, another thread may be subscribing the subscriber at this moment. */
  mailbox = _agent_subscription_ref_last_mailbox (&priv->subscription);

  if (mailbox != NULL)
    hand = _agent_mailbox_defer (mailbox);
  if (hand != NULL)
    delivery = _agent_delivery_new (mailbox, self, hand);
  g_clear_pointer (&mailbox, _agent_mailbox_unref);
  if (delivery == NULL)
    g_critical ("agent_subscriber_defer() wants to be called in a handler, once for a message");

  return delivery;
}
