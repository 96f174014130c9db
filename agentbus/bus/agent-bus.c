/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-plural-private.h"
#include "bus/agent-bus-private.h"
#include "bus/agent-monitors-private.h"
#include "bus/agent-transport.h"
#include "bus/agent-room-private.h"

/**
 * AgentBus:
 *
 * Fans messages out to subscribers, each in its own context.
 *
 * A bus can be used as soon as it is made, from any thread:
 *
 * ```c
 * static void
 * on_request (AgentSubscriber *worker,
 *             AgentMessage    *message,
 *             gpointer         user_data)
 * {
 *   g_print ("%s\n", agent_message_get_task_name (message)); // prints: sum
 * }
 *
 * g_autoptr (AgentBus) bus = agent_bus_new ();
 * g_autoptr (AgentSubscriber) worker = agent_subscriber_new ("worker");
 *
 * g_signal_connect (worker, "message::task-request",
 *                   G_CALLBACK (on_request), NULL);
 * agent_bus_subscribe (bus, worker, &error);
 * agent_bus_send (bus, agent_message_new_task_request ("ui", "worker", "42",
 *                                                      "sum", NULL));
 * ```
 *
 * [method@AgentBus.Bus.send] never waits for a subscriber. A message that cannot be delivered is dropped and counted, and
 * [signal@AgentBus.Bus::dropped] tells of it. [method@AgentBus.Bus.get_statistics] has the ledger, which always balances:
 * the number of messages offered is the sum of those delivered, queued and dropped.
 *
 * All signals are emitted in the bus's own context: the one that was the thread default where the bus was made.
 * Iterate it to hear of losses. The bus does not need it for anything else.
 *
 * ## From Python
 *
 * ```python
 * def on_request(worker, message):
 *     print(message.get_task_name())  # prints: sum
 *
 * bus = AgentBus.Bus()
 * worker = AgentBus.Subscriber(name='worker')
 * worker.connect('message::task-request', on_request)
 * bus.subscribe(worker)
 * bus.send(AgentBus.Message.new_task_request('ui', 'worker', '42', 'sum', None))
 * ```
 *
 * With the [overrides](overrides.html) a bus can be stopped at the end of a block, and its figures are a dictionary:
 *
 * ```python
 * # With the overrides.
 * worker = AgentBus.Subscriber(name='worker')
 * worker.on('cancel', lambda message: print(message.reason))  # prints: enough
 *
 * with AgentBus.Bus() as bus:
 *     bus.subscribe(worker)
 *     bus.send(AgentBus.Message.cancel('ui', 'worker', 'enough'))
 *
 * print(bus.statistics['delivered'])  # prints: 1
 * ```
 *
 * ## From JavaScript
 *
 * ```js
 * const bus = new AgentBus.Bus();
 * const worker = new AgentBus.Subscriber({name: 'worker'});
 *
 * worker.connect('message::task-request', (_worker, message) => {
 *     print(message.get_task_name()); // prints: sum
 * });
 * bus.subscribe(worker);
 * bus.send(AgentBus.Message.new_task_request(
 *     'ui', 'worker', '42', 'sum', null));
 * ```
 *
 * With the overrides [method@AgentBus.Bus.stop_async] returns a promise, also under the name `stop`:
 *
 * ```js
 * // With the overrides.
 * const worker = new AgentBus.Subscriber({name: 'worker'});
 *
 * worker.on('cancel', message => print(message.reason)); // prints: enough
 * bus.subscribe(worker);
 * bus.send(AgentBus.Message.cancel('ui', 'worker', {reason: 'enough'}));
 * await bus.stop();
 * print(bus.statistics.delivered); // prints: 1
 * ```
 *
 * Since: 0.1
 */

enum
{
  PROP_0,
  PROP_CAPACITY,
  PROP_TOTAL_ORDER,
  PROP_SHUTDOWN_TIMEOUT,
  PROP_RUNNING,
  PROP_N_SUBSCRIBERS,
  PROP_TRANSPORT,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (AgentBus, agent_bus, G_TYPE_OBJECT)

static void
agent_bus_constructed (GObject *object)
{
  AgentBus *self = AGENT_BUS (object);

  G_OBJECT_CLASS (agent_bus_parent_class)->constructed (object);

  self->context = g_main_context_ref_thread_default ();
  self->directory = _agent_directory_new ();
  _agent_directory_count_by (self->directory, &self->last_seq);
  self->report = _agent_bus_report_new (self, self->context);
  self->owner = _agent_bus_owner_new (self->directory, self->report);
}

/* Bindings let go of a bus when no variable of the program names it any more, which may be long before its subscribers are
 * to end.
 *
 * @n_subscribers: how many subscribers the running bus had
 * @mailboxes: those of these subscribers, and of those that were leaving before */
static void
bus_warn_of_loss (guint      n_subscribers,
                  GPtrArray *mailboxes)
{
  guint64 n_queued = 0;

  for (guint i = 0; i < mailboxes->len; i++)
    {
      AgentLedger ledger;

      _agent_mailbox_get_ledger (mailboxes->pdata[i], &ledger);
      n_queued += ledger.queued;
    }

  if (n_subscribers > 0 || n_queued > 0)
    g_warning ("A bus was dropped while it was running, with %u %s and %" G_GUINT64_FORMAT
               " queued %s: keep a reference to it, and stop it at the end",
               n_subscribers,
               _agent_plural (n_subscribers, "subscriber", "subscribers"),
               n_queued,
               _agent_plural (n_queued, "message", "messages"));
}

static void
agent_bus_dispose (GObject *object)
{
  AgentBus *self = AGENT_BUS (object);
  gboolean  was_running = agent_bus_is_running (self);
  guint     n_subscribers = agent_bus_get_n_subscribers (self);
  g_autoptr (GPtrArray) mailboxes = _agent_directory_close (self->directory);
  AgentSender *sender = _agent_sender_get ();

  if (was_running)
    bus_warn_of_loss (n_subscribers, mailboxes);

  /* This comes first, since no signal is emitted for the subscribers that leave with the bus. */
  _agent_bus_report_close (self->report);
  if (self->link != NULL)
    self->abandon_link (g_steal_pointer (&self->link));
  for (guint i = 0; i < mailboxes->len; i++)
    _agent_mailbox_abandon (mailboxes->pdata[i]);
  _agent_name_watches_close (_agent_directory_get_name_watches (self->directory));
  g_ptr_array_unref (_agent_retained_clear (self->owner->retained));
  if (self->monitors != NULL)
    _agent_monitors_abandon (self->monitors);
  _agent_directory_forget_snapshot (self->directory, sender);
  _agent_sender_collect (sender);

  G_OBJECT_CLASS (agent_bus_parent_class)->dispose (object);
}

static void
agent_bus_finalize (GObject *object)
{
  AgentBus *self = AGENT_BUS (object);

  if (self->room != NULL)
    _agent_room_free (self->room, self);
  g_clear_pointer (&self->monitors, _agent_monitors_free);
  _agent_mailbox_owner_unref (&self->owner->base);
  g_clear_pointer (&self->context, g_main_context_unref);
  g_clear_object (&self->transport);
  g_mutex_clear (&self->order_lock);

  G_OBJECT_CLASS (agent_bus_parent_class)->finalize (object);
}

static void
agent_bus_get_property (GObject    *object,
                        guint       prop_id,
                        GValue     *value,
                        GParamSpec *pspec)
{
  AgentBus *self = AGENT_BUS (object);

  switch (prop_id)
    {
    case PROP_CAPACITY:
      g_value_set_uint (value, agent_bus_get_capacity (self));
      break;
    case PROP_TOTAL_ORDER:
      g_value_set_boolean (value, agent_bus_get_total_order (self));
      break;
    case PROP_SHUTDOWN_TIMEOUT:
      g_value_set_uint (value, agent_bus_get_shutdown_timeout (self));
      break;
    case PROP_RUNNING:
      g_value_set_boolean (value, agent_bus_is_running (self));
      break;
    case PROP_N_SUBSCRIBERS:
      g_value_set_uint (value, agent_bus_get_n_subscribers (self));
      break;
    case PROP_TRANSPORT:
      g_value_set_object (value, self->transport);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
agent_bus_set_property (GObject      *object,
                        guint         prop_id,
                        const GValue *value,
                        GParamSpec   *pspec)
{
  AgentBus *self = AGENT_BUS (object);

  switch (prop_id)
    {
    case PROP_CAPACITY:
      self->capacity = MAX (1, g_value_get_uint (value));
      break;
    case PROP_TOTAL_ORDER:
      self->total_order = g_value_get_boolean (value);
      break;
    case PROP_SHUTDOWN_TIMEOUT:
      agent_bus_set_shutdown_timeout (self, g_value_get_uint (value));
      break;
    case PROP_TRANSPORT:
      self->transport = g_value_dup_object (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
bus_install_transport (void)
{
  /**
   * AgentBus:transport: (getter get_transport)
   *
   * What connects the bus with those of other processes, or %NULL if it is alone. [method@AgentBus.Bus.start_async] opens it.
   *
   * Since: 0.2
   */
  props[PROP_TRANSPORT] = g_param_spec_object (
      "transport", NULL, NULL, AGENT_TYPE_TRANSPORT, G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);
}

static void
bus_install_properties (GObjectClass *object_class)
{
  /**
   * AgentBus:capacity: (getter get_capacity)
   *
   * How many messages may wait in the data channel of a subscriber that sets no capacity of its own. 0 becomes 1.
   *
   * Since: 0.1
   */
  props[PROP_CAPACITY] = g_param_spec_uint ("capacity",
                                            NULL,
                                            NULL,
                                            0,
                                            G_MAXUINT,
                                            AGENT_BUS_DEFAULT_CAPACITY,
                                            G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY |
                                                G_PARAM_STATIC_STRINGS);

  /**
   * AgentBus:total-order: (getter get_total_order)
   *
   * Whether every subscriber sees the messages of a channel in the order of their sequence numbers.
   *
   * Without it, the order is kept only for the messages of each sender. With it, senders wait for one another, though
   * never for a subscriber.
   *
   * Since: 0.1
   */
  props[PROP_TOTAL_ORDER] = g_param_spec_boolean ("total-order",
                                                  NULL,
                                                  NULL,
                                                  FALSE,
                                                  G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY |
                                                      G_PARAM_STATIC_STRINGS);

  /**
   * AgentBus:shutdown-timeout: (getter get_shutdown_timeout) (setter set_shutdown_timeout)
   *
   * How long subscribers may take to leave, in milliseconds.
   *
   * Since: 0.1
   */
  props[PROP_SHUTDOWN_TIMEOUT] = g_param_spec_uint ("shutdown-timeout",
                                                    NULL,
                                                    NULL,
                                                    0,
                                                    G_MAXINT,
                                                    AGENT_BUS_DEFAULT_SHUTDOWN_TIMEOUT,
                                                    G_PARAM_READWRITE | G_PARAM_CONSTRUCT |
                                                        G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);

  /**
   * AgentBus:running: (getter is_running)
   *
   * Whether the bus takes subscribers and messages. Changes are not notified: they are over when the functions that start
   * and stop the bus return.
   *
   * Since: 0.1
   */
  props[PROP_RUNNING] = g_param_spec_boolean ("running",
                                              NULL,
                                              NULL,
                                              TRUE,
                                              G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * AgentBus:n-subscribers: (getter get_n_subscribers)
   *
   * How many subscribers are on the bus. Changes are not notified: [signal@AgentBus.Bus::subscribed] and
   * [signal@AgentBus.Bus::unsubscribed] tell of them.
   *
   * Since: 0.1
   */
  props[PROP_N_SUBSCRIBERS] = g_param_spec_uint ("n-subscribers",
                                                 NULL,
                                                 NULL,
                                                 0,
                                                 G_MAXUINT,
                                                 0,
                                                 G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  bus_install_transport ();
  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
agent_bus_class_init (AgentBusClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->constructed = agent_bus_constructed;
  object_class->dispose = agent_bus_dispose;
  object_class->finalize = agent_bus_finalize;
  object_class->get_property = agent_bus_get_property;
  object_class->set_property = agent_bus_set_property;

  bus_install_properties (object_class);
  _agent_bus_report_install_signals (klass);
}

static void
agent_bus_init (AgentBus *self)
{
  g_mutex_init (&self->order_lock);
}

/**
 * agent_bus_new:
 *
 * Makes a bus whose signals are emitted in the calling thread's default context.
 *
 * Returns: (transfer full): a new bus, running
 *
 * Since: 0.1
 */
AgentBus *
agent_bus_new (void)
{
  return g_object_new (AGENT_TYPE_BUS, NULL);
}

/**
 * agent_bus_new_with_capacity:
 * @capacity: how many data messages may wait for a subscriber; 0 becomes 1
 *
 * Makes a bus as [ctor@AgentBus.Bus.new] does, with another capacity.
 *
 * Returns: (transfer full): a new bus, running
 *
 * Since: 0.1
 */
AgentBus *
agent_bus_new_with_capacity (guint capacity)
{
  return g_object_new (AGENT_TYPE_BUS, "capacity", capacity, NULL);
}

/**
 * agent_bus_get_capacity: (get-property capacity)
 * @self: a bus
 *
 * Gets how many data messages may wait for a subscriber that sets no capacity of its own.
 *
 * Returns: a number of messages, at least 1
 *
 * Since: 0.1
 */
guint
agent_bus_get_capacity (AgentBus *self)
{
  g_return_val_if_fail (AGENT_IS_BUS (self), 0);

  return self->capacity;
}

/**
 * agent_bus_get_total_order: (get-property total-order)
 * @self: a bus
 *
 * Gets whether all subscribers see messages in the order of their sequence numbers.
 *
 * Returns: whether there is one order for all
 *
 * Since: 0.1
 */
gboolean
agent_bus_get_total_order (AgentBus *self)
{
  g_return_val_if_fail (AGENT_IS_BUS (self), FALSE);

  return self->total_order;
}

/**
 * agent_bus_get_transport:
 * @self: a bus
 *
 * Gets what connects the bus with those of other processes. May be called in any thread.
 *
 * Returns: (transfer none) (nullable): the transport, or %NULL
 *
 * Since: 0.2
 */
AgentTransport *
agent_bus_get_transport (AgentBus *self)
{
  g_return_val_if_fail (AGENT_IS_BUS (self), NULL);

  return self->transport;
}

/**
 * agent_bus_get_shutdown_timeout: (get-property shutdown-timeout)
 * @self: a bus
 *
 * Gets how long subscribers may take to leave.
 *
 * Returns: milliseconds
 *
 * Since: 0.1
 */
guint
agent_bus_get_shutdown_timeout (AgentBus *self)
{
  g_return_val_if_fail (AGENT_IS_BUS (self), 0);

  return g_atomic_int_get (&self->shutdown_timeout);
}

/**
 * agent_bus_set_shutdown_timeout: (set-property shutdown-timeout)
 * @self: a bus
 * @timeout: milliseconds, at most %G_MAXINT
 *
 * Sets how long subscribers may take to leave. It holds for operations that begin after this call.
 *
 * Since: 0.1
 */
void
agent_bus_set_shutdown_timeout (AgentBus *self,
                                guint     timeout)
{
  g_return_if_fail (AGENT_IS_BUS (self));
  g_return_if_fail (timeout <= G_MAXINT);

  if (agent_bus_get_shutdown_timeout (self) == timeout)
    return;

  g_atomic_int_set (&self->shutdown_timeout, timeout);
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_SHUTDOWN_TIMEOUT]);
}

/**
 * agent_bus_is_running: (get-property running)
 * @self: a bus
 *
 * Gets whether the bus takes subscribers and messages.
 *
 * Returns: %FALSE once it is being stopped
 *
 * Since: 0.1
 */
gboolean
agent_bus_is_running (AgentBus *self)
{
  g_return_val_if_fail (AGENT_IS_BUS (self), FALSE);

  return _agent_directory_is_open (self->directory);
}

/**
 * agent_bus_get_n_subscribers: (get-property n-subscribers)
 * @self: a bus
 *
 * Gets how many subscribers are on the bus. Subscribers that are leaving are not counted.
 *
 * Returns: a number of subscribers
 *
 * Since: 0.1
 */
guint
agent_bus_get_n_subscribers (AgentBus *self)
{
  g_return_val_if_fail (AGENT_IS_BUS (self), 0);

  return _agent_directory_get_size (self->directory);
}

/**
 * agent_bus_get_dropped:
 * @self: a bus
 * @name: the name of a subscriber
 * @n_dropped: (out) (optional): how many messages for it were dropped since it subscribed, for whatever reason
 *
 * Gets how much a subscriber has lost. May be called from any thread.
 *
 * Returns: %FALSE if there is no such subscriber
 *
 * Since: 0.1
 */
gboolean
agent_bus_get_dropped (AgentBus   *self,
                       const char *name,
                       guint64    *n_dropped)
{
  AgentMailbox *mailbox;
  AgentLedger   ledger;

  g_return_val_if_fail (AGENT_IS_BUS (self), FALSE);
  g_return_val_if_fail (name != NULL, FALSE);

  mailbox = _agent_directory_lookup (self->directory, name);
  if (mailbox == NULL)
    return FALSE;

  _agent_mailbox_get_ledger (mailbox, &ledger);
  _agent_mailbox_unref (mailbox);
  if (n_dropped != NULL)
    *n_dropped = _agent_ledger_get_dropped (&ledger);
  return TRUE;
}

static guint64
bus_get_n_sent (AgentBus *self)
{
  guint64 n;

  /* When a message gets a number without a send, the two numbers change together, under this lock. */
  g_mutex_lock (&self->order_lock);
  n = atomic_load (&self->last_seq) - self->n_restamped;
  g_mutex_unlock (&self->order_lock);

  return n + atomic_load (&self->n_unstamped);
}

/* Adds up the figures of the whole bus, those of the subscribers of other processes, and those of each subscriber if @by_name is
 * not NULL. Returns how many messages were sent. */
guint64
_agent_bus_get_ledger (AgentBus        *self,
                       AgentLedger     *total,
                       AgentLedger     *remote,
                       GVariantBuilder *by_name)
{
  memset (total, 0, sizeof *total);
  memset (remote, 0, sizeof *remote);
  _agent_directory_get_ledgers (self->directory, total, remote, by_name);
  _agent_bus_report_get_ledger (self->report, total);

  return bus_get_n_sent (self);
}

static void
bus_add_remote_statistics (AgentBus          *self,
                           const AgentLedger *remote,
                           GVariantDict      *dict)
{
  g_auto (GVariantDict) of_remote = G_VARIANT_DICT_INIT (NULL);
  g_autoptr (GVariant) of_transport = agent_transport_get_statistics (self->transport);

  _agent_ledger_to_dict (remote, &of_remote);
  g_variant_dict_insert_value (dict, "remote", g_variant_dict_end (&of_remote));
  g_variant_dict_insert_value (dict, "transport", of_transport);
}

/**
 * agent_bus_get_statistics:
 * @self: a bus
 *
 * Gets the ledger: what became of every message, in all and for each subscriber.
 *
 * The dictionary has these entries. They are numbers of messages (`t`) where nothing else is said:
 *
 * - `sent`: calls of [method@AgentBus.Bus.send], and of [method@AgentBus.RouterDispatcher.dispatch] for this bus;
 * - `offered`: one for each subscriber that a message was addressed to, and one for a message that came to none;
 * - `delivered`: messages that were given to a handler;
 * - `queued`: messages that are waiting, also for subscribers that are leaving;
 * - `failed`: how many of the delivered messages a handler failed to handle;
 * - `dropped` (`a{st}`): by the nick of the [enum@AgentBus.DropReason];
 * - `subscribers` (`a{sv}`): by name, the same entries without `sent` for each subscriber that is on the bus. When the bus
 *   is stopped, for each subscriber that has left since the bus was started, but for 1000 names at most: so the last figures
 *   can be read after the end.
 *
 * - `remote` (`a{sv}`): only if the bus has a transport: the same entries without `sent` for all subscribers of other processes,
 *   which are part of the totals. What is `delivered` to them was handed over to the transport;
 * - `transport` (`a{sv}`): the same condition: what [method@AgentBus.Transport.get_statistics] says.
 *
 * `offered` is always the sum of `delivered`, `queued` and all of `dropped`. The totals include the subscribers that have
 * left. The entries of a subscriber have `moved` besides, which is part of the sum there: what it gave to other members of
 * its group when it left. That is counted where it went to, so the totals have it once.
 *
 * ```c
 * g_autoptr (GVariant) statistics = NULL;
 * guint64 n_sent = 0;
 *
 * agent_bus_send (bus, agent_message_new_activate ("ui", "worker", NULL));
 * statistics = agent_bus_get_statistics (bus);
 * g_variant_lookup (statistics, "sent", "t", &n_sent);
 * g_print ("%" G_GUINT64_FORMAT "\n", n_sent); // prints: 1
 * ```
 *
 * May be called from any thread.
 *
 * Returns: (transfer full): an `a{sv}`, not floating
 *
 * Since: 0.1
 */
GVariant *
agent_bus_get_statistics (AgentBus *self)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  GVariantBuilder subscribers;
  AgentLedger     total;
  AgentLedger     remote;
  guint64         n_sent;

  g_return_val_if_fail (AGENT_IS_BUS (self), NULL);

  g_variant_builder_init (&subscribers, G_VARIANT_TYPE_VARDICT);
  n_sent = _agent_bus_get_ledger (self, &total, &remote, &subscribers);
  g_variant_dict_insert (&dict, "sent", "t", n_sent);
  _agent_ledger_to_dict (&total, &dict);
  g_variant_dict_insert_value (&dict, "subscribers", g_variant_builder_end (&subscribers));
  if (self->transport != NULL)
    bus_add_remote_statistics (self, &remote, &dict);

  return g_variant_ref_sink (g_variant_dict_end (&dict));
}
