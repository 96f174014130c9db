/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-private.h"
#include "agent-bus-report-private.h"
#include "agent-clock-private.h"
#include "agent-ending-private.h"
#include "agent-mailbox-private.h"
#include "agent-subscriber-private.h"

/**
 * AgentBus:
 *
 * Fans messages out to subscribers, each in its own context.
 *
 * A bus can be used as soon as it is made, from any thread:
 *
 * ```c
 * g_autoptr (AgentBus) bus = agent_bus_new ();
 * g_autoptr (AgentSubscriber) worker = agent_subscriber_new ("worker");
 *
 * g_signal_connect (worker, "message::task-request", G_CALLBACK (on_request), NULL);
 * agent_bus_subscribe (bus, worker, &error);
 * agent_bus_send (bus, agent_message_new_task_request ("ui", "worker", "42", "sum", NULL));
 * ```
 *
 * [method@AgentBus.Bus.send] never waits for a subscriber. What cannot be delivered is dropped, counted and told
 * by [signal@AgentBus.Bus::dropped]; [method@AgentBus.Bus.get_statistics] has the ledger, which always balances:
 * what was offered is what was delivered, what is queued and what was dropped.
 *
 * All signals are emitted in the bus's own context: the one that was the thread default where the bus was made.
 * Iterate it to hear of losses; the bus does not need it for anything else.
 *
 * Since: 0.1
 */

struct _AgentBus
{
  GObject         parent_instance;

  guint           capacity;
  gboolean        total_order;
  gint            shutdown_timeout; /* (atomic) ms */
  GMainContext   *context;
  AgentDirectory *directory;
  AgentBusReport *report;

  GMutex          order_lock;       /* held while a message is stamped and queued, with total order */
  _Atomic guint64 last_seq;
  _Atomic guint64 n_unstamped;      /* messages sent while the bus was stopped */
};

enum
{
  PROP_0,
  PROP_CAPACITY,
  PROP_TOTAL_ORDER,
  PROP_SHUTDOWN_TIMEOUT,
  PROP_RUNNING,
  PROP_N_SUBSCRIBERS,
  N_PROPS
};

static GParamSpec *props[N_PROPS];
static guint       signals[AGENT_BUS_N_SIGNALS];

G_DEFINE_FINAL_TYPE (AgentBus, agent_bus, G_TYPE_OBJECT)

void
_agent_bus_emit (AgentBus      *self,
                 AgentBusSignal signal,
                 ...)
{
  va_list args;

  va_start (args, signal);
  g_signal_emit_valist (self, signals[signal], 0, args);
  va_end (args);
}

gboolean
_agent_bus_has_handlers (AgentBus      *self,
                         AgentBusSignal signal)
{
  return g_signal_handler_find (self, G_SIGNAL_MATCH_ID, signals[signal], 0, NULL, NULL, NULL) != 0;
}

/* --- GObject --- */

static void
agent_bus_constructed (GObject *object)
{
  AgentBus *self = AGENT_BUS (object);

  G_OBJECT_CLASS (agent_bus_parent_class)->constructed (object);

  self->context = g_main_context_ref_thread_default ();
  self->report = _agent_bus_report_new (self, self->context);
}

static void
agent_bus_dispose (GObject *object)
{
  AgentBus             *self = AGENT_BUS (object);
  g_autoptr (GPtrArray) mailboxes = _agent_directory_close (self->directory);

  for (guint i = 0; i < mailboxes->len; i++)
    _agent_mailbox_abandon (mailboxes->pdata[i]);
  _agent_sender_forget (_agent_sender_get (), self->directory);
  _agent_bus_report_close (self->report);

  G_OBJECT_CLASS (agent_bus_parent_class)->dispose (object);
}

static void
agent_bus_finalize (GObject *object)
{
  AgentBus *self = AGENT_BUS (object);

  g_clear_pointer (&self->report, _agent_bus_report_unref);
  g_clear_pointer (&self->directory, _agent_directory_unref);
  g_clear_pointer (&self->context, g_main_context_unref);
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
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
install_properties (GObjectClass *object_class)
{
  /**
   * AgentBus:capacity: (getter get_capacity)
   *
   * Most messages that may wait in the data channel of a subscriber that sets no capacity of its own. 0 becomes 1.
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
   * Without it the order is kept for each sender. With it senders wait for one another, though never for a
   * subscriber.
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
   * Whether the bus takes subscribers and messages.
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
   * How many subscribers are on the bus. Not notified: look when you want to know.
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

  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
install_signals (AgentBusClass *klass)
{
  GType type = G_TYPE_FROM_CLASS (klass);

  /**
   * AgentBus::subscribed:
   * @self: the bus
   * @subscriber: who
   *
   * Somebody has subscribed. Emitted in the bus's context.
   *
   * Since: 0.1
   */
  signals[AGENT_BUS_SIGNAL_SUBSCRIBED] =
    g_signal_new ("subscribed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, AGENT_TYPE_SUBSCRIBER);

  /**
   * AgentBus::unsubscribed:
   * @self: the bus
   * @name: the name the subscriber had
   *
   * A subscriber has left for good: none of its handlers runs any more. Emitted in the bus's context.
   *
   * Since: 0.1
   */
  signals[AGENT_BUS_SIGNAL_UNSUBSCRIBED] =
    g_signal_new ("unsubscribed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);

  /**
   * AgentBus::dropped:
   * @self: the bus
   * @subscriber: (nullable): for whom the messages were; %NULL if they came to nobody
   * @reason: why they were not delivered
   * @n: how many
   * @last: the last of them
   *
   * Messages were dropped.
   *
   * Drops are added up: there is one emission per subscriber and reason in an iteration of the bus's context,
   * however many drops there were. The sum of all @n is what the statistics say.
   *
   * Since: 0.1
   */
  signals[AGENT_BUS_SIGNAL_DROPPED] = g_signal_new ("dropped",
                                                    type,
                                                    G_SIGNAL_RUN_LAST,
                                                    0,
                                                    NULL,
                                                    NULL,
                                                    NULL,
                                                    G_TYPE_NONE,
                                                    4,
                                                    AGENT_TYPE_SUBSCRIBER,
                                                    AGENT_TYPE_DROP_REASON,
                                                    G_TYPE_UINT,
                                                    AGENT_TYPE_MESSAGE);

  /**
   * AgentBus::failed:
   * @self: the bus
   * @subscriber: whose handler
   * @message: the message it could not handle
   * @reason: what it said
   *
   * A handler has failed; its subscriber goes on. Emitted in the bus's context.
   *
   * Since: 0.1
   */
  signals[AGENT_BUS_SIGNAL_FAILED] = g_signal_new ("failed",
                                                   type,
                                                   G_SIGNAL_RUN_LAST,
                                                   0,
                                                   NULL,
                                                   NULL,
                                                   NULL,
                                                   G_TYPE_NONE,
                                                   3,
                                                   AGENT_TYPE_SUBSCRIBER,
                                                   AGENT_TYPE_MESSAGE,
                                                   G_TYPE_STRING);
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

  install_properties (object_class);
  install_signals (klass);
}

static void
agent_bus_init (AgentBus *self)
{
  g_mutex_init (&self->order_lock);
  self->directory = _agent_directory_new ();
}

/* --- Public --- */

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
 * @capacity: most data messages that may wait for a subscriber; 0 becomes 1
 *
 * The same as [ctor@AgentBus.Bus.new], with another capacity.
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
 * Sets how long subscribers may take to leave, for what begins after this.
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
 * Gets how many subscribers are on the bus, those that are leaving not counted.
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

/* --- Coming and going --- */

/**
 * agent_bus_subscribe:
 * @self: a bus
 * @subscriber: a subscriber that is on no bus
 * @error: return location for an error
 *
 * Puts a subscriber on the bus: it gets what is sent from now on.
 *
 * May be called from any thread. The bus keeps a reference to the subscriber.
 *
 * Fails with %AGENT_BUS_ERROR_EXISTS if the name is in use or the subscriber has not left its last bus yet, and
 * with %AGENT_BUS_ERROR_CLOSED if the bus is stopped.
 *
 * Returns: whether it is subscribed
 *
 * Since: 0.1
 */
gboolean
agent_bus_subscribe (AgentBus        *self,
                     AgentSubscriber *subscriber,
                     GError         **error)
{
  AgentMailbox *mailbox;
  gboolean      added;

  g_return_val_if_fail (AGENT_IS_BUS (self), FALSE);
  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (subscriber), FALSE);
  g_return_val_if_fail (agent_subscriber_get_name (subscriber) != NULL, FALSE);
  g_return_val_if_fail (*agent_subscriber_get_name (subscriber) != '\0', FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  mailbox = _agent_mailbox_new (subscriber, self->capacity, self->directory, self->report);
  added = _agent_subscriber_claim (subscriber, self, mailbox, error);
  if (added && !_agent_directory_add (self->directory, mailbox, error))
    {
      _agent_subscriber_unclaim (subscriber);
      added = FALSE;
    }
  _agent_mailbox_unref (mailbox);

  if (added)
    _agent_bus_report_subscribed (self->report, subscriber);
  return added;
}

static void
end_mailboxes (AgentBus  *self,
               GPtrArray *mailboxes,
               GTask     *task)
{
  for (guint i = 0; i < mailboxes->len; i++)
    _agent_mailbox_close (mailboxes->pdata[i]);

  _agent_ending_begin (mailboxes, agent_bus_get_shutdown_timeout (self), task);
}

/* FALSE: there is no such subscriber, and @task is untouched. */
static gboolean
end_by_name (AgentBus   *self,
             const char *name,
             GTask      *task)
{
  AgentMailbox *mailbox = _agent_directory_remove (self->directory, name);
  GPtrArray    *mailboxes;

  if (mailbox == NULL)
    return FALSE;

  mailboxes = g_ptr_array_new_with_free_func ((GDestroyNotify) _agent_mailbox_unref);
  g_ptr_array_add (mailboxes, mailbox);
  end_mailboxes (self, mailboxes, task);
  return TRUE;
}

/**
 * agent_bus_unsubscribe:
 * @self: a bus
 * @name: the name of a subscriber
 *
 * Takes a subscriber off the bus, as [method@AgentBus.Bus.unsubscribe_async] does, without waiting for the end.
 *
 * May be called from any thread, also from the subscriber's own handler. Does nothing if there is no such
 * subscriber.
 *
 * Since: 0.1
 */
void
agent_bus_unsubscribe (AgentBus   *self,
                       const char *name)
{
  g_return_if_fail (AGENT_IS_BUS (self));
  g_return_if_fail (name != NULL);

  end_by_name (self, name, NULL);
}

/**
 * agent_bus_unsubscribe_async:
 * @self: a bus
 * @name: the name of a subscriber
 * @cancellable: (nullable): ends the waiting; the subscriber leaves all the same
 * @callback: (scope async) (nullable): called when the subscriber has left
 * @user_data: data for @callback
 *
 * Takes a subscriber off the bus.
 *
 * At once, the name is free and nothing more comes in. A handler that runs, or a delivery that was deferred, may
 * finish; system messages that are queued are delivered; queued data is discarded and counted. Then the
 * operation is through: no handler of the subscription runs any more.
 *
 * If that takes longer than [property@AgentBus.Bus:shutdown-timeout], what is left is discarded and counted, and
 * the operation fails with %AGENT_BUS_ERROR_TIMED_OUT. A handler that hangs at that moment cannot be taken back, but
 * no other begins.
 *
 * May be called from any thread, also from the subscriber's own handler. Iterate the calling thread's default
 * context, which keeps the deadline too, to get the result.
 *
 * Since: 0.1
 */
void
agent_bus_unsubscribe_async (AgentBus           *self,
                             const char         *name,
                             GCancellable       *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer            user_data)
{
  GTask *task;

  g_return_if_fail (AGENT_IS_BUS (self));
  g_return_if_fail (name != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, agent_bus_unsubscribe_async);

  if (!end_by_name (self, name, task))
    {
      g_task_return_new_error (task,
                               AGENT_BUS_ERROR,
                               AGENT_BUS_ERROR_NOT_FOUND,
                               "There is no subscriber named '%s'",
                               name);
      g_object_unref (task);
    }
}

/**
 * agent_bus_unsubscribe_finish:
 * @self: a bus
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends [method@AgentBus.Bus.unsubscribe_async].
 *
 * Fails with %AGENT_BUS_ERROR_NOT_FOUND if there was no such subscriber, with %AGENT_BUS_ERROR_TIMED_OUT if it took
 * too long to leave.
 *
 * Returns: whether the subscriber left in time
 *
 * Since: 0.1
 */
gboolean
agent_bus_unsubscribe_finish (AgentBus     *self,
                              GAsyncResult *result,
                              GError      **error)
{
  g_return_val_if_fail (AGENT_IS_BUS (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * agent_bus_lookup:
 * @self: a bus
 * @name: a name
 *
 * Finds a subscriber by its name. May be called from any thread.
 *
 * Returns: (transfer full) (nullable): the subscriber, or %NULL
 *
 * Since: 0.1
 */
AgentSubscriber *
agent_bus_lookup (AgentBus   *self,
                  const char *name)
{
  AgentMailbox    *mailbox;
  AgentSubscriber *subscriber;

  g_return_val_if_fail (AGENT_IS_BUS (self), NULL);
  g_return_val_if_fail (name != NULL, NULL);

  mailbox = _agent_directory_lookup (self->directory, name);
  if (mailbox == NULL)
    return NULL;

  subscriber = _agent_mailbox_dup_subscriber (mailbox);
  _agent_mailbox_unref (mailbox);
  return subscriber;
}

/**
 * agent_bus_start_async:
 * @self: a bus
 * @cancellable: (nullable): a cancellable
 * @callback: (scope async) (nullable): called when the bus runs
 * @user_data: data for @callback
 *
 * Makes a stopped bus usable again. A new bus runs from the start.
 *
 * Since: 0.1
 */
void
agent_bus_start_async (AgentBus           *self,
                       GCancellable       *cancellable,
                       GAsyncReadyCallback callback,
                       gpointer            user_data)
{
  g_autoptr (GTask) task = NULL;

  g_return_if_fail (AGENT_IS_BUS (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, agent_bus_start_async);
  _agent_directory_open (self->directory);
  g_task_return_boolean (task, TRUE);
}

/**
 * agent_bus_start_finish:
 * @self: a bus
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends [method@AgentBus.Bus.start_async].
 *
 * Returns: whether the bus runs
 *
 * Since: 0.1
 */
gboolean
agent_bus_start_finish (AgentBus     *self,
                        GAsyncResult *result,
                        GError      **error)
{
  g_return_val_if_fail (AGENT_IS_BUS (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * agent_bus_stop_async:
 * @self: a bus
 * @cancellable: (nullable): ends the waiting; the bus stops all the same
 * @callback: (scope async) (nullable): called when all subscribers have left
 * @user_data: data for @callback
 *
 * Takes all subscribers off the bus at once, as [method@AgentBus.Bus.unsubscribe_async] does with one, under one
 * deadline for all.
 *
 * From then on subscribing fails, and what is sent is dropped with the reason %AGENT_DROP_REASON_CLOSED, until
 * [method@AgentBus.Bus.start_async].
 *
 * May be called from any thread, also from a handler. Iterate the calling thread's default context, which keeps
 * the deadline too, to get the result.
 *
 * Since: 0.1
 */
void
agent_bus_stop_async (AgentBus           *self,
                      GCancellable       *cancellable,
                      GAsyncReadyCallback callback,
                      gpointer            user_data)
{
  GTask *task;

  g_return_if_fail (AGENT_IS_BUS (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, agent_bus_stop_async);
  end_mailboxes (self, _agent_directory_close (self->directory), task);
}

/**
 * agent_bus_stop_finish:
 * @self: a bus
 * @result: what the callback was given
 * @error: return location for an error
 *
 * Ends [method@AgentBus.Bus.stop_async].
 *
 * Fails with %AGENT_BUS_ERROR_TIMED_OUT if a subscriber took too long to leave.
 *
 * Returns: whether all left in time
 *
 * Since: 0.1
 */
gboolean
agent_bus_stop_finish (AgentBus     *self,
                       GAsyncResult *result,
                       GError      **error)
{
  g_return_val_if_fail (AGENT_IS_BUS (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/* --- Sending --- */

/* A message that was sent before stays what it was: a copy goes. Takes @message. */
static AgentMessage *
take_unsent (AgentMessage *message)
{
  AgentMessage *copy;

  if (g_atomic_int_compare_and_exchange (&message->sent, FALSE, TRUE))
    return message;

  copy = _agent_message_copy_unsent (message);
  copy->sent = TRUE;
  agent_message_unref (message);
  return copy;
}

static void
stamp (AgentBus     *self,
       AgentMessage *message)
{
  message->seq = atomic_fetch_add_explicit (&self->last_seq, 1, memory_order_relaxed) + 1;
  message->sent_at = _agent_clock_now ();
}

static guint
send_to_one (AgentBus      *self,
             AgentSnapshot *snapshot,
             AgentMessage  *message,
             AgentSender   *sender)
{
  const char   *target = agent_message_get_target (message);
  AgentMailbox *mailbox = NULL;

  if (strcmp (target, agent_message_get_source (message)) != 0)
    mailbox = _agent_snapshot_lookup (snapshot, target);
  if (mailbox != NULL)
    return _agent_mailbox_push (mailbox, message, sender);

  _agent_bus_report_drop (self->report, AGENT_DROP_REASON_NO_TARGET, message, sender);
  return 0;
}

/* One reference for each addressee is added at once. */
static guint
send_to_all (AgentBus      *self,
             AgentSnapshot *snapshot,
             AgentMessage  *message,
             AgentSender   *sender)
{
  AgentMailbox  *own = _agent_snapshot_lookup (snapshot, agent_message_get_source (message));
  guint          n_mailboxes;
  AgentMailbox **mailboxes = _agent_snapshot_get_mailboxes (snapshot, &n_mailboxes);
  guint          n_addressed = n_mailboxes - (own != NULL);
  guint          n_accepted = 0;

  if (n_addressed == 0)
    {
      _agent_bus_report_drop (self->report, AGENT_DROP_REASON_NO_TARGET, message, sender);
      return 0;
    }

  _agent_message_add_refs (message, n_addressed - 1);
  for (guint i = 0; i < n_mailboxes; i++)
    {
      if (mailboxes[i] != own)
        n_accepted += _agent_mailbox_push (mailboxes[i], message, sender);
    }

  return n_accepted;
}

static guint
refuse (AgentBus     *self,
        AgentMessage *message,
        AgentSender  *sender)
{
  atomic_fetch_add (&self->n_unstamped, 1);
  _agent_bus_report_drop (self->report, AGENT_DROP_REASON_CLOSED, message, sender);
  return 0;
}

static guint
send_unsent (AgentBus     *self,
             AgentMessage *message,
             AgentSender  *sender)
{
  AgentSnapshot *snapshot = _agent_sender_get_snapshot (sender, self->directory);

  stamp (self, message);
  if (message->target != 0)
    return send_to_one (self, snapshot, message, sender);
  return send_to_all (self, snapshot, message, sender);
}

static guint
send_in_order (AgentBus     *self,
               AgentMessage *message,
               AgentSender  *sender)
{
  guint n_accepted;

  g_mutex_lock (&self->order_lock);
  n_accepted = send_unsent (self, message, sender);
  g_mutex_unlock (&self->order_lock);

  return n_accepted;
}

/**
 * agent_bus_send:
 * @self: a bus
 * @message: (transfer full): a message
 *
 * Sends a message to its target, or to all subscribers if it has none, but never to its source.
 *
 * Never waits for a subscriber, and may be called from any thread. The message is stamped with a sequence number and
 * the time; it must not be changed any more. A message that was sent before is sent as a copy.
 *
 * What a subscriber did not accept was dropped: [signal@AgentBus.Bus::dropped] says why.
 *
 * Returns: how many subscribers accepted it
 *
 * Since: 0.1
 */
guint
agent_bus_send (AgentBus     *self,
                AgentMessage *message)
{
  AgentSender *sender;
  guint        n_accepted;

  g_return_val_if_fail (AGENT_IS_BUS (self), 0);
  g_return_val_if_fail (message != NULL, 0);

  sender = _agent_sender_get ();
  message = take_unsent (message);

  if (!_agent_directory_is_open (self->directory))
    n_accepted = refuse (self, message, sender);
  else if (self->total_order)
    n_accepted = send_in_order (self, message, sender);
  else
    n_accepted = send_unsent (self, message, sender);

  _agent_sender_collect (sender);
  return n_accepted;
}

/* --- Figures --- */

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

/**
 * agent_bus_get_statistics:
 * @self: a bus
 *
 * Gets the ledger: what became of every message, in all and for each subscriber.
 *
 * The dictionary has these entries, numbers of messages (`t`) where nothing else is said:
 *
 * - `sent`: calls of [method@AgentBus.Bus.send];
 * - `offered`: one for each subscriber a message was addressed to, one for a message that had none;
 * - `delivered`: given to a handler;
 * - `queued`: waiting, also at subscribers that are leaving;
 * - `failed`: how many of the delivered a handler failed to handle;
 * - `dropped` (`a{st}`): by the nick of the [enum@AgentBus.DropReason];
 * - `subscribers` (`a{sv}`): the same, but for `sent`, by name, for each that is subscribed.
 *
 * `offered` is always the sum of `delivered`, `queued` and all of `dropped`. The totals include those who have left.
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
  AgentLedger     total = { 0, };
  guint64         n_sent;

  g_return_val_if_fail (AGENT_IS_BUS (self), NULL);

  g_variant_builder_init (&subscribers, G_VARIANT_TYPE_VARDICT);
  _agent_directory_get_ledgers (self->directory, &total, &subscribers);
  _agent_bus_report_get_ledger (self->report, &total);

  n_sent = atomic_load (&self->last_seq) + atomic_load (&self->n_unstamped);
  g_variant_dict_insert (&dict, "sent", "t", n_sent);
  _agent_ledger_to_dict (&total, &dict);
  g_variant_dict_insert_value (&dict, "subscribers", g_variant_builder_end (&subscribers));

  return g_variant_ref_sink (g_variant_dict_end (&dict));
}
