/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-error.h"
#include "bus/agent-bus.h"
#include "base/agent-utf8-private.h"
#include "bus/agent-delivery-private.h"
#include "bus/agent-subscriber-private.h"

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
  char         *name;
  char         *group; /* (nullable) */
  GMainContext *context;
  guint         capacity;
  guint64       max_bytes;
  guint         max_age;
  AgentOverflow overflow;
  gint          paused;      /* (atomic) changed with the lock held */
  gboolean      always_emit; /* a class closure was overridden, and replaces the call of the vfunc */

  GMutex        lock;
  gboolean      claimed; /* (lock) whether the subscriber is on a bus, or is still leaving one: there is a @mailbox then */
  AgentMailbox *mailbox; /* (lock) (nullable) the mailbox of the current or the last subscription */
  AgentLedger  *earlier; /* (lock) (owned) (nullable) the sum of the ledgers of the subscriptions before that */
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
  PROP_PAUSED,
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

/* The subscriber gets @mailbox for its next subscription. Fails if the subscription before is not over yet. */
gboolean
_agent_subscriber_claim (AgentSubscriber *self,
                         AgentMailbox    *mailbox,
                         GError         **error)
{
  AgentSubscriberPrivate *priv = agent_subscriber_get_instance_private (self);
  AgentMailbox           *old = NULL;
  AgentLedger             ledger;
  gboolean                claimed;

  g_mutex_lock (&priv->lock);
  claimed = !priv->claimed;
  if (claimed)
    {
      priv->claimed = TRUE;
      old = priv->mailbox;
      priv->mailbox = _agent_mailbox_ref (mailbox);
      if (old != NULL)
        {
          _agent_mailbox_get_ledger (old, &ledger);
          if (priv->earlier == NULL)
            priv->earlier = g_new0 (AgentLedger, 1);
          _agent_ledger_add (priv->earlier, &ledger);
        }
    }
  g_mutex_unlock (&priv->lock);

  g_clear_pointer (&old, _agent_mailbox_unref);
  if (!claimed)
    g_set_error (error,
                 AGENT_BUS_ERROR,
                 AGENT_BUS_ERROR_EXISTS,
                 "Subscriber '%s' is on a bus, or has not left it yet",
                 priv->name);
  return claimed;
}

gboolean
_agent_subscriber_is_paused (AgentSubscriber *self)
{
  AgentSubscriberPrivate *priv = agent_subscriber_get_instance_private (self);

  return g_atomic_int_get (&priv->paused);
}

/* Returns whether the value has changed. */
gboolean
_agent_subscriber_change_paused (AgentSubscriber *self,
                                 gboolean         paused)
{
  AgentSubscriberPrivate *priv = agent_subscriber_get_instance_private (self);
  gboolean                changed;

  g_mutex_lock (&priv->lock);
  changed = g_atomic_int_get (&priv->paused) != paused;
  g_atomic_int_set (&priv->paused, paused);
  if (changed && priv->claimed)
    _agent_mailbox_set_paused (priv->mailbox, paused);
  g_mutex_unlock (&priv->lock);

  return changed;
}

/* The mailbox of the current subscription: (transfer full) (nullable). */
AgentMailbox *
_agent_subscriber_ref_mailbox (AgentSubscriber *self)
{
  AgentSubscriberPrivate *priv = agent_subscriber_get_instance_private (self);
  AgentMailbox           *mailbox;

  g_mutex_lock (&priv->lock);
  mailbox = priv->claimed ? _agent_mailbox_ref (priv->mailbox) : NULL;
  g_mutex_unlock (&priv->lock);

  return mailbox;
}

/* The subscription is over; its figures stay. */
void
_agent_subscriber_detach (AgentSubscriber *self)
{
  AgentSubscriberPrivate *priv = agent_subscriber_get_instance_private (self);

  g_mutex_lock (&priv->lock);
  priv->claimed = FALSE;
  g_mutex_unlock (&priv->lock);
}

/* The subscription has not begun after all, and its mailbox is forgotten. */
void
_agent_subscriber_unclaim (AgentSubscriber *self)
{
  AgentSubscriberPrivate *priv = agent_subscriber_get_instance_private (self);
  AgentMailbox           *mailbox;

  g_mutex_lock (&priv->lock);
  mailbox = g_steal_pointer (&priv->mailbox);
  priv->claimed = FALSE;
  g_mutex_unlock (&priv->lock);

  _agent_mailbox_unref (mailbox);
}

/* The figures of all subscriptions. */
void
_agent_subscriber_get_ledger (AgentSubscriber *self,
                              AgentLedger     *ledger)
{
  AgentSubscriberPrivate *priv = agent_subscriber_get_instance_private (self);

  memset (ledger, 0, sizeof *ledger);
  g_mutex_lock (&priv->lock);
  if (priv->mailbox != NULL)
    _agent_mailbox_get_ledger (priv->mailbox, ledger);
  if (priv->earlier != NULL)
    _agent_ledger_add (ledger, priv->earlier);
  g_mutex_unlock (&priv->lock);
}

static gpointer
subscriber_new_hand (gpointer      subscriber,
                     AgentMailbox *mailbox,
                     AgentHand    *hand)
{
  return _agent_delivery_new (mailbox, subscriber, hand);
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
  AgentReceiver           receiver = { .handle = (AgentReceiverFunc) AGENT_SUBSCRIBER_GET_CLASS (self)->message,
                                       .new_hand = subscriber_new_hand,
                                       .signal = signals[MESSAGE],
                                       .always_emit = priv->always_emit };
  AgentMailboxSettings    settings = { .name = priv->name,
                                       .group = priv->group,
                                       .capacity = priv->capacity != 0 ? priv->capacity : default_capacity,
                                       .max_bytes = priv->max_bytes,
                                       .max_age = priv->max_age,
                                       .overflow = priv->overflow,
                                       .paused = g_atomic_int_get (&priv->paused) };

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

  g_clear_pointer (&priv->mailbox, _agent_mailbox_unref);
  g_clear_pointer (&priv->context, g_main_context_unref);
  g_clear_pointer (&priv->name, g_free);
  g_clear_pointer (&priv->group, g_free);
  g_clear_pointer (&priv->earlier, g_free);
  g_mutex_clear (&priv->lock);

  G_OBJECT_CLASS (agent_subscriber_parent_class)->finalize (object);
}

static void
subscriber_get_figure (AgentSubscriber *self,
                       guint            prop_id,
                       GValue          *value)
{
  AgentLedger ledger;

  _agent_subscriber_get_ledger (self, &ledger);
  if (prop_id == PROP_N_QUEUED)
    g_value_set_uint64 (value, ledger.queued);
  else if (prop_id == PROP_N_DELIVERED)
    g_value_set_uint64 (value, ledger.delivered);
  else
    g_value_set_uint64 (value, _agent_ledger_get_dropped (&ledger));
}

static void
agent_subscriber_get_property (GObject    *object,
                               guint       prop_id,
                               GValue     *value,
                               GParamSpec *pspec)
{
  AgentSubscriber *self = AGENT_SUBSCRIBER (object);

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
      g_value_set_uint (value, agent_subscriber_get_capacity (self));
      break;
    case PROP_MAX_BYTES:
      g_value_set_uint64 (value, agent_subscriber_get_max_bytes (self));
      break;
    case PROP_MAX_AGE:
      g_value_set_uint (value, agent_subscriber_get_max_age (self));
      break;
    case PROP_OVERFLOW:
      g_value_set_enum (value, agent_subscriber_get_overflow (self));
      break;
    case PROP_PAUSED:
      g_value_set_boolean (value, _agent_subscriber_is_paused (self));
      break;
    case PROP_N_QUEUED:
    case PROP_N_DELIVERED:
    case PROP_N_DROPPED:
      subscriber_get_figure (self, prop_id, value);
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
      priv->capacity = g_value_get_uint (value);
      break;
    case PROP_MAX_BYTES:
      priv->max_bytes = g_value_get_uint64 (value);
      break;
    case PROP_MAX_AGE:
      priv->max_age = g_value_get_uint (value);
      break;
    case PROP_OVERFLOW:
      priv->overflow = g_value_get_enum (value);
      break;
    case PROP_PAUSED:
      if (_agent_subscriber_change_paused (AGENT_SUBSCRIBER (object), g_value_get_boolean (value)))
        g_object_notify_by_pspec (object, pspec);
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
   * AgentSubscriber:capacity: (getter get_capacity)
   *
   * How many messages may wait in the data channel; 0 for the bus's [property@AgentBus.Bus:capacity].
   *
   * Since: 0.1
   */
  props[PROP_CAPACITY] = g_param_spec_uint ("capacity", NULL, NULL, 0, G_MAXUINT, 0, flags);

  /**
   * AgentSubscriber:max-bytes: (getter get_max_bytes)
   *
   * How many bytes of payload and frame data may wait in the data channel; 0 for any number.
   *
   * A video frame is larger than a word. This property bounds the memory, and the capacity bounds the number of messages.
   *
   * Since: 0.1
   */
  props[PROP_MAX_BYTES] = g_param_spec_uint64 ("max-bytes", NULL, NULL, 0, G_MAXUINT64, 0, flags);

  /**
   * AgentSubscriber:max-age: (getter get_max_age)
   *
   * How old a data message may be when it is first in line, in milliseconds; 0 for any age.
   *
   * An older message is dropped with the reason %AGENT_DROP_REASON_EXPIRED, like a message whose own time to live
   * ([method@AgentBus.Message.set_ttl]) is over.
   *
   * Since: 0.1
   */
  props[PROP_MAX_AGE] = g_param_spec_uint ("max-age", NULL, NULL, 0, G_MAXUINT, 0, flags);

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
  subscriber_install_paused (object_class);
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

  g_mutex_init (&priv->lock);
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
 * agent_subscriber_get_capacity: (get-property capacity)
 * @self: a subscriber
 *
 * Gets how many messages may wait in the data channel.
 *
 * Returns: a number of messages; 0 for the capacity of the bus
 *
 * Since: 0.1
 */
guint
agent_subscriber_get_capacity (AgentSubscriber *self)
{
  AgentSubscriberPrivate *priv = agent_subscriber_get_instance_private (self);

  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), 0);

  return priv->capacity;
}

/**
 * agent_subscriber_get_max_bytes: (get-property max-bytes)
 * @self: a subscriber
 *
 * Gets how many bytes may wait in the data channel.
 *
 * Returns: a number of bytes; 0 for any number
 *
 * Since: 0.1
 */
guint64
agent_subscriber_get_max_bytes (AgentSubscriber *self)
{
  AgentSubscriberPrivate *priv = agent_subscriber_get_instance_private (self);

  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), 0);

  return priv->max_bytes;
}

/**
 * agent_subscriber_get_max_age: (get-property max-age)
 * @self: a subscriber
 *
 * Gets how old a data message may be when it is first in line.
 *
 * Returns: milliseconds; 0 for any age
 *
 * Since: 0.1
 */
guint
agent_subscriber_get_max_age (AgentSubscriber *self)
{
  AgentSubscriberPrivate *priv = agent_subscriber_get_instance_private (self);

  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), 0);

  return priv->max_age;
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

  mailbox = _agent_subscriber_ref_mailbox (self);
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
  g_mutex_lock (&priv->lock);
  mailbox = priv->mailbox != NULL ? _agent_mailbox_ref (priv->mailbox) : NULL;
  g_mutex_unlock (&priv->lock);

  if (mailbox != NULL)
    hand = _agent_mailbox_defer (mailbox);
  if (hand != NULL)
    delivery = _agent_delivery_new (mailbox, self, hand);
  g_clear_pointer (&mailbox, _agent_mailbox_unref);
  if (delivery == NULL)
    g_critical ("agent_subscriber_defer() wants to be called in a handler, once for a message");

  return delivery;
}
