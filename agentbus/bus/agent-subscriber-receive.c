/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-error.h"
#include "base/agent-source-private.h"
#include "bus/agent-subscriber-private.h"

static gboolean
receive_is_in_context (AgentSubscriber *self)
{
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();

  return context == agent_subscriber_get_main_context (self);
}

static void
receive_begin (AgentSubscriber    *self,
               GCancellable       *cancellable,
               GAsyncReadyCallback callback,
               gpointer            user_data,
               gpointer            tag,
               gboolean            in_hand)
{
  GTask        *task = g_task_new (self, cancellable, callback, user_data);
  AgentMailbox *mailbox = _agent_subscription_ref_mailbox (_agent_subscriber_get_subscription (self));

  g_task_set_source_tag (task, tag);
  if (mailbox == NULL)
    {
      g_task_return_error (task, _agent_mailbox_new_closed_error (agent_subscriber_get_name (self)));
      g_object_unref (task);
      return;
    }

  _agent_mailbox_receive_async (mailbox, task, in_hand);
  _agent_mailbox_unref (mailbox);
}

/**
 * agent_subscriber_receive_async:
 * @self: a subscriber
 * @cancellable: (nullable): a cancellable
 * @callback: (scope async) (closure user_data): called when there is a message
 * @user_data: data for @callback
 *
 * Receives the next message, instead of having a handler called for it.
 *
 * System messages come first, as with handlers. If this is called several times, the calls are served in their order.
 * While a call waits, the handlers get nothing. Messages can be received also while a delivery is deferred.
 *
 * The message is taken out of its channel when @callback is called, so a call that was cancelled has taken nothing. The call
 * fails with %AGENT_BUS_ERROR_CLOSED when the subscriber is on no bus, or leaves it.
 *
 * The message counts as handled. To say later what became of it, use
 * [method@AgentBus.Subscriber.receive_delivery_async].
 *
 * This has to be called in the subscriber's context: [property@AgentBus.Subscriber:main-context] is the default context of
 * the thread.
 *
 * ```c
 * static void
 * on_received (GObject      *source,
 *              GAsyncResult *result,
 *              gpointer      user_data)
 * {
 *   AgentSubscriber *inbox = AGENT_SUBSCRIBER (source);
 *   g_autoptr (AgentMessage) message =
 *       agent_subscriber_receive_finish (inbox, result, NULL);
 *
 *   // prints: activate
 *   g_print ("%s\n", agent_message_get_name (message));
 * }
 *
 * g_autoptr (AgentSubscriber) inbox = agent_subscriber_new ("inbox");
 *
 * agent_bus_subscribe (bus, inbox, &error);
 * agent_subscriber_receive_async (inbox, NULL, on_received, NULL);
 * agent_bus_send (bus, agent_message_new_activate ("ui", "inbox", NULL));
 * ```
 *
 * Since: 0.1
 */
void
agent_subscriber_receive_async (AgentSubscriber    *self,
                                GCancellable       *cancellable,
                                GAsyncReadyCallback callback,
                                gpointer            user_data)
{
  g_return_if_fail (AGENT_IS_SUBSCRIBER (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));
  g_return_if_fail (receive_is_in_context (self));

  receive_begin (self, cancellable, callback, user_data, agent_subscriber_receive_async, FALSE);
}

/**
 * agent_subscriber_receive_finish:
 * @self: a subscriber
 * @result: what the callback got
 * @error: where an error goes
 *
 * Finishes what [method@AgentBus.Subscriber.receive_async] has started.
 *
 * Returns: (transfer full): the message, or %NULL with @error set
 *
 * Since: 0.1
 */
AgentMessage *
agent_subscriber_receive_finish (AgentSubscriber *self,
                                 GAsyncResult    *result,
                                 GError         **error)
{
  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/**
 * agent_subscriber_receive_delivery_async:
 * @self: a subscriber
 * @cancellable: (nullable): a cancellable
 * @callback: (scope async) (closure user_data): called when there is a message
 * @user_data: data for @callback
 *
 * Receives the next message like [method@AgentBus.Subscriber.receive_async], and leaves it in hand until the delivery is
 * completed or failed.
 *
 * Until then the handlers get nothing. A %AGENT_MESSAGE_TYPE_CANCEL or %AGENT_MESSAGE_TYPE_TASK_CANCEL cancels the delivery
 * as it does with [method@AgentBus.Subscriber.defer]. More messages can be received meanwhile.
 *
 * This has to be called in the subscriber's context: [property@AgentBus.Subscriber:main-context] is the default context of
 * the thread.
 *
 * Since: 0.1
 */
void
agent_subscriber_receive_delivery_async (AgentSubscriber    *self,
                                         GCancellable       *cancellable,
                                         GAsyncReadyCallback callback,
                                         gpointer            user_data)
{
  g_return_if_fail (AGENT_IS_SUBSCRIBER (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));
  g_return_if_fail (receive_is_in_context (self));

  receive_begin (self, cancellable, callback, user_data, agent_subscriber_receive_delivery_async, TRUE);
}

/**
 * agent_subscriber_receive_delivery_finish:
 * @self: a subscriber
 * @result: what the callback got
 * @error: where an error goes
 *
 * Finishes what [method@AgentBus.Subscriber.receive_delivery_async] has started.
 *
 * Returns: (transfer full): the delivery, or %NULL with @error set
 *
 * Since: 0.1
 */
AgentDelivery *
agent_subscriber_receive_delivery_finish (AgentSubscriber *self,
                                          GAsyncResult    *result,
                                          GError         **error)
{
  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- Without a main loop --- */

/* A thread that waits in agent_subscriber_receive(). */
typedef struct
{
  GCancellable *end;     /* cancels the wait, for whatever reason */
  AgentMessage *message; /* (owned) (nullable) */
  GError       *error;   /* (owned) (nullable) */
  gboolean      timed_out;
  gboolean      over;
} Wait;

static void
receive_on_received (GObject      *source,
                     GAsyncResult *result,
                     gpointer      user_data)
{
  Wait *wait = user_data;

  wait->message = agent_subscriber_receive_finish (AGENT_SUBSCRIBER (source), result, &wait->error);
  wait->over = TRUE;
}

static gboolean
receive_on_timeout (gpointer user_data)
{
  Wait *wait = user_data;

  wait->timed_out = TRUE;
  g_cancellable_cancel (wait->end);
  return G_SOURCE_REMOVE;
}

static void
receive_on_wait_cancelled (GCancellable *cancellable,
                           gpointer      end)
{
  g_cancellable_cancel (end);
}

static GSource *
receive_add_timeout (GMainContext *context,
                     guint         timeout,
                     Wait         *wait)
{
  GSource *source = g_timeout_source_new (timeout);

  g_source_set_callback (source, receive_on_timeout, wait, NULL);
  g_source_attach (source, context);
  return source;
}

/* Iterates the context until there is a message, or until the wait is cancelled. */
static void
receive_iterate (AgentSubscriber *self,
                 gint             timeout,
                 GCancellable    *cancellable,
                 Wait            *wait)
{
  GMainContext *context = agent_subscriber_get_main_context (self);
  GSource      *timer = timeout > 0 ? receive_add_timeout (context, timeout, wait) : NULL;
  gulong        id = 0;

  if (cancellable != NULL)
    id = g_cancellable_connect (cancellable, G_CALLBACK (receive_on_wait_cancelled), wait->end, NULL);
  agent_subscriber_receive_async (self, wait->end, receive_on_received, wait);
  while (!wait->over)
    g_main_context_iteration (context, TRUE);
  g_cancellable_disconnect (cancellable, id);
  _agent_source_clear (&timer);
}

static AgentMessage *
receive_wait (AgentSubscriber *self,
              gint             timeout,
              GCancellable    *cancellable,
              GError         **error)
{
  GMainContext *context = agent_subscriber_get_main_context (self);
  g_autoptr (GCancellable) end = g_cancellable_new ();
  Wait wait = { .end = end };

  g_main_context_push_thread_default (context);
  receive_iterate (self, timeout, cancellable, &wait);
  g_main_context_pop_thread_default (context);
  if (wait.timed_out && g_error_matches (wait.error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      g_clear_error (&wait.error);
      wait.error = g_error_new (AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT, "No message came within %d ms", timeout);
    }
  if (wait.error != NULL)
    g_propagate_error (error, wait.error);

  return wait.message;
}

/* FALSE: the subscriber is on no bus.
 *
 * @message: (out) (transfer full) (nullable): the next message, if there is one that this thread may take */
static gboolean
receive_now (AgentSubscriber *self,
             gboolean         owns_context,
             AgentMessage   **message,
             GError         **error)
{
  AgentMailbox *mailbox = _agent_subscription_ref_mailbox (_agent_subscriber_get_subscription (self));

  if (mailbox == NULL)
    {
      g_propagate_error (error, _agent_mailbox_new_closed_error (agent_subscriber_get_name (self)));
      return FALSE;
    }

  *message = _agent_mailbox_receive_now (mailbox, owns_context);
  _agent_mailbox_unref (mailbox);
  return TRUE;
}

/* In the thread that owns the subscriber's context. */
static AgentMessage *
receive_in_context (AgentSubscriber *self,
                    gint             timeout,
                    GCancellable    *cancellable,
                    GError         **error)
{
  AgentMessage *message = NULL;

  if (!receive_now (self, TRUE, &message, error) || message != NULL)
    return message;
  if (timeout != 0)
    return receive_wait (self, timeout, cancellable, error);

  g_set_error_literal (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT, "There is no message");
  return NULL;
}

/**
 * agent_subscriber_receive:
 * @self: a subscriber
 * @timeout_ms: how long to wait, in milliseconds: 0 only looks, -1 waits for ever
 * @cancellable: (nullable): a cancellable
 * @error: where an error goes
 *
 * Receives the next message in a thread without a main loop. Which message that is says
 * [method@AgentBus.Subscriber.receive_async].
 *
 * No other thread may iterate the subscriber's context, [property@AgentBus.Subscriber:main-context]. While this waits, it owns
 * and iterates that context, so that what else is attached to it goes on.
 *
 * It fails with %AGENT_BUS_ERROR_TIMED_OUT if no message comes in time, with %AGENT_BUS_ERROR_CLOSED when the subscriber is on
 * no bus or leaves it, and with %G_IO_ERROR_CANCELLED.
 *
 * ```c
 * g_autoptr (AgentSubscriber) inbox = agent_subscriber_new ("inbox");
 * g_autoptr (AgentMessage) message = NULL;
 *
 * agent_bus_subscribe (bus, inbox, &error);
 * agent_bus_send (bus, agent_message_new_activate ("ui", "inbox", NULL));
 * message = agent_subscriber_receive (inbox, 1000, NULL, &error);
 * g_print ("%s\n", agent_message_get_name (message)); // prints: activate
 * ```
 *
 * Returns: (transfer full): the message, or %NULL with @error set
 *
 * Since: 0.1
 */
AgentMessage *
agent_subscriber_receive (AgentSubscriber *self,
                          gint             timeout_ms,
                          GCancellable    *cancellable,
                          GError         **error)
{
  GMainContext *context;
  AgentMessage *message = NULL;

  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), NULL);
  g_return_val_if_fail (timeout_ms >= -1, NULL);
  g_return_val_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable), NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;

  /* The context is not acquired where there is a message, because that would double the costs. */
  if (!receive_now (self, FALSE, &message, error) || message != NULL)
    return message;

  context = agent_subscriber_get_main_context (self);
  if (!g_main_context_acquire (context))
    g_return_val_if_reached (NULL);

  message = receive_in_context (self, timeout_ms, cancellable, error);
  g_main_context_release (context);

  return message;
}

/* --- What was missed --- */

/**
 * agent_subscriber_get_n_missed:
 * @self: a subscriber
 *
 * Gets how many data messages were lost right before the one that the subscriber was given last.
 *
 * Call it in a handler, or when a message was received. It counts what was dropped since the data message before because the
 * channel was full (%AGENT_DROP_REASON_FULL) or because it was too old (%AGENT_DROP_REASON_EXPIRED). So a subscriber learns in
 * the place where something is missing that it is. At a system message it is 0.
 *
 * [property@AgentBus.Delivery:n-missed] is the same for a delivery.
 *
 * ```c
 * static void
 * on_message (AgentSubscriber *subscriber,
 *             AgentMessage    *message,
 *             gpointer         user_data)
 * {
 *   guint64 n_missed = agent_subscriber_get_n_missed (subscriber);
 *
 *   g_print ("%" G_GUINT64_FORMAT " missing\n", n_missed); // prints: 0 missing
 * }
 *
 * g_autoptr (AgentSubscriber) subscriber = agent_subscriber_new ("meter");
 *
 * g_signal_connect (subscriber, "message", G_CALLBACK (on_message), NULL);
 * agent_bus_subscribe (bus, subscriber, &error);
 * agent_bus_send (bus, agent_message_new_custom ("level", AGENT_CHANNEL_DATA,
 *                                                "probe", "meter", NULL));
 * ```
 *
 * Returns: a number of messages
 *
 * Since: 0.1
 */
guint64
agent_subscriber_get_n_missed (AgentSubscriber *self)
{
  AgentMailbox *mailbox;
  guint64       n_missed;

  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), 0);

  mailbox = _agent_subscription_ref_last_mailbox (_agent_subscriber_get_subscription (self));
  if (mailbox == NULL)
    return 0;

  n_missed = _agent_mailbox_get_n_missed (mailbox);
  _agent_mailbox_unref (mailbox);
  return n_missed;
}

/* --- Pausing --- */

/**
 * agent_subscriber_get_paused: (get-property paused)
 * @self: a subscriber
 *
 * Gets whether the handlers get nothing for now.
 *
 * Returns: whether it is paused
 *
 * Since: 0.1
 */
gboolean
agent_subscriber_get_paused (AgentSubscriber *self)
{
  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), FALSE);

  return _agent_subscription_is_paused (_agent_subscriber_get_subscription (self));
}

/**
 * agent_subscriber_set_paused: (set-property paused)
 * @self: a subscriber
 * @paused: whether the handlers get nothing for now
 *
 * Pauses the handlers, or has them go on.
 *
 * May be called from any thread. A handler that is running goes on. If this is called in the subscriber's context, no other
 * handler begins after it.
 *
 * Since: 0.1
 */
void
agent_subscriber_set_paused (AgentSubscriber *self,
                             gboolean         paused)
{
  g_return_if_fail (AGENT_IS_SUBSCRIBER (self));

  if (_agent_subscription_set_paused (_agent_subscriber_get_subscription (self), paused != FALSE))
    g_object_notify (G_OBJECT (self), "paused");
}
