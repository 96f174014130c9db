/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-error.h"
#include "base/agent-clock-private.h"
#include "base/agent-utf8-private.h"
#include "bus/agent-bus-private.h"
#include "bus/agent-delivery-private.h"

#define USEC_PER_MSEC 1000

/**
 * AgentDelivery:
 *
 * A message that a handler goes on handling after it has returned.
 *
 * A handler gets it from [method@AgentBus.Subscriber.defer] and says when it is done with
 * [method@AgentBus.Delivery.complete], [method@AgentBus.Delivery.fail] or
 * [method@AgentBus.Delivery.fail_message], or passes the message on with [method@AgentBus.Delivery.forward]: once, from any thread, also after the subscriber has been
 * unsubscribed. Until then the subscriber gets nothing more.
 *
 * A %AGENT_MESSAGE_TYPE_CANCEL for the subscriber, or a %AGENT_MESSAGE_TYPE_TASK_CANCEL with the message's task
 * id, trips the [property@AgentBus.Delivery:cancellable] without waiting until it is first in line. The handler still has
 * to complete the delivery.
 *
 * If the last reference to a delivery is dropped before it is completed or failed, a warning is logged, and the subscriber
 * goes on with the next message.
 *
 * An application cannot make one. A delivery that is constructed in another way has no message, and to complete it only logs
 * a critical warning.
 *
 * ```c
 * static gboolean
 * on_done (gpointer user_data)
 * {
 *   g_autoptr (AgentDelivery) delivery = user_data;
 *   AgentMessage *message = agent_delivery_get_message (delivery);
 *
 *   g_print ("%s\n", agent_message_get_task_name (message)); // prints: sum
 *   agent_delivery_complete (delivery);
 *   return G_SOURCE_REMOVE;
 * }
 *
 * static void
 * on_request (AgentSubscriber *worker,
 *             AgentMessage    *message,
 *             gpointer         user_data)
 * {
 *   g_idle_add (on_done, agent_subscriber_defer (worker));
 * }
 *
 * g_autoptr (AgentSubscriber) worker = agent_subscriber_new ("worker");
 *
 * g_signal_connect (worker, "message::task-request",
 *                   G_CALLBACK (on_request), NULL);
 * agent_bus_subscribe (bus, worker, &error);
 * agent_bus_send (bus, agent_message_new_task_request ("ui", "worker", "42",
 *                                                      "sum", NULL));
 * ```
 *
 * ## From Python
 *
 * ```python
 * class Worker(AgentBus.Subscriber):
 *     def do_message(self, message):
 *         GLib.idle_add(self.on_done, self.defer())
 *
 *     def on_done(self, delivery):
 *         print(delivery.props.message.get_task_name())  # prints: sum
 *         delivery.complete()
 *         return GLib.SOURCE_REMOVE
 *
 * bus.subscribe(Worker(name='worker'))
 * bus.send(AgentBus.Message.new_task_request('ui', 'worker', '42', 'sum', None))
 * ```
 *
 * With the [overrides](overrides.html) an asynchronous handler does it by itself: the delivery is complete when the
 * handler has returned, and failed when it has raised.
 *
 * ```python
 * # With the overrides.
 * class Worker(AgentBus.Subscriber):
 *     async def do_message(self, message):
 *         await AgentBus.sleep(1)
 *         print(self.delivery.is_cancelled())  # prints: False
 *
 * with bus:
 *     bus.subscribe(Worker(name='worker'))
 *     bus.send(AgentBus.Message.activate('ui', 'worker'))
 * ```
 *
 * ## From JavaScript
 *
 * ```js
 * const worker = new AgentBus.Subscriber({name: 'worker'});
 *
 * bus.connect('failed', (_bus, subscriber, message, error) => {
 *     print(error.message); // prints: no such task
 * });
 * worker.connect('message', () => {
 *     const delivery = worker.defer();
 *
 *     Promise.resolve().then(() => delivery.fail_message('no such task'));
 * });
 * bus.subscribe(worker);
 * bus.send(AgentBus.Message.new_task_request(
 *     'ui', 'worker', '42', 'sum', null));
 * ```
 *
 * With the overrides the handler may be an `async` function:
 *
 * ```js
 * // With the overrides.
 * const worker = new AgentBus.Subscriber({name: 'worker'});
 *
 * worker.on('activate', async message => {
 *     const answer = await Promise.resolve(42); // in place of a long operation
 *
 *     print(message.source, 'gets', answer); // prints: ui gets 42
 * });
 * bus.subscribe(worker);
 * bus.send(AgentBus.Message.activate('ui', 'worker'));
 * await bus.stop();
 * ```
 *
 * Since: 0.1
 */

struct _AgentDelivery
{
  GObject parent_instance;

  AgentMailbox    *mailbox;
  AgentSubscriber *subscriber;
  AgentHand       *hand;
  guint64          n_missed;
  gint             done; /* (atomic) completed, failed or dropped */
};

enum
{
  PROP_0,
  PROP_MESSAGE,
  PROP_CANCELLABLE,
  PROP_N_MISSED,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (AgentDelivery, agent_delivery, G_TYPE_OBJECT)

/* The delivery of @hand to @subscriber. Takes @hand. */
AgentDelivery *
_agent_delivery_new (AgentMailbox    *mailbox,
                     AgentSubscriber *subscriber,
                     AgentHand       *hand)
{
  AgentDelivery *self = g_object_new (AGENT_TYPE_DELIVERY, NULL);

  self->mailbox = _agent_mailbox_ref (mailbox);
  self->subscriber = g_object_ref (subscriber);
  self->hand = hand;
  self->n_missed = _agent_mailbox_get_n_missed (mailbox);

  return self;
}

/* Tells the source of the message that the message was lost, if the source wants to hear of that. */
static void
delivery_tell_loss (AgentDelivery *self,
                    const GError  *error)
{
  AgentMailboxOwner *owner = self->mailbox->owner;
  AgentMessage      *message = _agent_hand_take_loss (self->hand);

  if (message == NULL)
    return;

  owner->funcs->lost (owner, message, _agent_mailbox_get_name (self->mailbox), error);
  agent_message_unref (message);
}

static void
delivery_tell_dropped (AgentDelivery *self)
{
  g_autoptr (GError) error = g_error_new_literal (
      AGENT_BUS_ERROR, AGENT_BUS_ERROR_FAILED, "The handler dropped the delivery without an answer");

  delivery_tell_loss (self, error);
}

/* TRUE for the first call only. */
static gboolean
delivery_end (AgentDelivery *self)
{
  return g_atomic_int_compare_and_exchange (&self->done, FALSE, TRUE);
}

static gboolean
delivery_end_once (AgentDelivery *self)
{
  gboolean first = delivery_end (self);

  if (!first)
    g_critical ("The delivery to '%s' was completed or failed already", _agent_mailbox_get_name (self->mailbox));
  return first;
}

static void
agent_delivery_dispose (GObject *object)
{
  AgentDelivery *self = AGENT_DELIVERY (object);

  if (self->mailbox != NULL && delivery_end (self))
    {
      if (!_agent_mailbox_has_left (self->mailbox))
        g_warning ("A delivery to '%s' was dropped without complete() or fail()",
                   _agent_mailbox_get_name (self->mailbox));
      delivery_tell_dropped (self);
      _agent_mailbox_resume (self->mailbox, self->hand);
    }

  G_OBJECT_CLASS (agent_delivery_parent_class)->dispose (object);
}

static void
agent_delivery_finalize (GObject *object)
{
  AgentDelivery *self = AGENT_DELIVERY (object);

  g_clear_pointer (&self->mailbox, _agent_mailbox_unref);
  g_clear_pointer (&self->hand, _agent_hand_unref);
  g_clear_object (&self->subscriber);

  G_OBJECT_CLASS (agent_delivery_parent_class)->finalize (object);
}

static void
agent_delivery_get_property (GObject    *object,
                             guint       prop_id,
                             GValue     *value,
                             GParamSpec *pspec)
{
  AgentDelivery *self = AGENT_DELIVERY (object);

  switch (prop_id)
    {
    case PROP_MESSAGE:
      g_value_set_boxed (value, agent_delivery_get_message (self));
      break;
    case PROP_CANCELLABLE:
      g_value_set_object (value, agent_delivery_get_cancellable (self));
      break;
    case PROP_N_MISSED:
      g_value_set_uint64 (value, agent_delivery_get_n_missed (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
agent_delivery_class_init (AgentDeliveryClass *klass)
{
  GObjectClass     *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  object_class->dispose = agent_delivery_dispose;
  object_class->finalize = agent_delivery_finalize;
  object_class->get_property = agent_delivery_get_property;

  /**
   * AgentDelivery:message: (getter get_message)
   *
   * The message in hand. It never changes.
   *
   * Since: 0.1
   */
  props[PROP_MESSAGE] = g_param_spec_boxed ("message", NULL, NULL, AGENT_TYPE_MESSAGE, flags);

  /**
   * AgentDelivery:cancellable: (getter get_cancellable)
   *
   * The cancellable that is cancelled when the message in hand is, or when its conversation goes on. It is always the same
   * one.
   *
   * It is tripped in the subscriber's context, so that the callbacks connected to it run there and nowhere else. A
   * handler that keeps that context busy calls [method@AgentBus.Delivery.is_cancelled] instead.
   *
   * Since: 0.1
   */
  props[PROP_CANCELLABLE] =
      g_param_spec_object ("cancellable", NULL, NULL, G_TYPE_CANCELLABLE, flags);

  /**
   * AgentDelivery:n-missed: (getter get_n_missed)
   *
   * How many data messages were lost right before the message in hand, since the data message before: see
   * [method@AgentBus.Subscriber.get_n_missed]. It never changes.
   *
   * Since: 0.1
   */
  props[PROP_N_MISSED] = g_param_spec_uint64 ("n-missed", NULL, NULL, 0, G_MAXUINT64, 0, flags);

  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
agent_delivery_init (AgentDelivery *self)
{
}

/**
 * agent_delivery_get_n_missed: (get-property n-missed)
 * @self: a delivery
 *
 * Gets how many data messages were lost right before the message in hand.
 *
 * Returns: a number of messages
 *
 * Since: 0.1
 */
guint64
agent_delivery_get_n_missed (AgentDelivery *self)
{
  g_return_val_if_fail (AGENT_IS_DELIVERY (self), 0);

  return self->n_missed;
}

/**
 * agent_delivery_get_message: (get-property message)
 * @self: a delivery
 *
 * Gets the message in hand.
 *
 * Returns: (transfer none): the message
 *
 * Since: 0.1
 */
AgentMessage *
agent_delivery_get_message (AgentDelivery *self)
{
  g_return_val_if_fail (AGENT_IS_DELIVERY (self), NULL);

  return self->hand != NULL ? self->hand->message : NULL;
}

/**
 * agent_delivery_get_cancellable: (get-property cancellable)
 * @self: a delivery
 *
 * Gets the cancellable that is cancelled when the message in hand is. Pass it on to the operations that the handler
 * waits for.
 *
 * Returns: (transfer none): the cancellable
 *
 * Since: 0.1
 */
GCancellable *
agent_delivery_get_cancellable (AgentDelivery *self)
{
  g_return_val_if_fail (AGENT_IS_DELIVERY (self), NULL);

  return self->hand != NULL ? _agent_hand_get_cancellable (self->hand) : NULL;
}

/**
 * agent_delivery_is_cancelled:
 * @self: a delivery
 *
 * Gets whether a cancellation of the message in hand has been sent, or its conversation has gone on.
 *
 * May be called from any thread. It is true from that moment on, also while the subscriber's context is busy.
 *
 * Returns: whether the handler should give up
 *
 * Since: 0.1
 */
gboolean
agent_delivery_is_cancelled (AgentDelivery *self)
{
  g_return_val_if_fail (AGENT_IS_DELIVERY (self), FALSE);
  g_return_val_if_fail (self->hand != NULL, FALSE);

  return _agent_hand_is_cancelled (self->hand);
}

/**
 * agent_delivery_complete:
 * @self: a delivery
 *
 * Says that the message is handled. The subscriber goes on with the next message.
 *
 * May be called from any thread, once.
 *
 * Since: 0.1
 */
void
agent_delivery_complete (AgentDelivery *self)
{
  g_return_if_fail (AGENT_IS_DELIVERY (self));
  g_return_if_fail (self->hand != NULL);

  if (!delivery_end_once (self))
    return;

  _agent_mailbox_resume (self->mailbox, self->hand);
}

/* Those who hear of the failure get an error of their own.
 *
 * @text: may be no valid UTF-8, since it may be that of a GError of another library */
static void
delivery_fail (AgentDelivery *self,
               GQuark         domain,
               int            code,
               const char    *text)
{
  AgentMailbox    *mailbox = self->mailbox;
  g_autofree char *valid = NULL;
  g_autoptr (GError) error = NULL;

  g_return_if_fail (self->hand != NULL);

  if (!delivery_end_once (self))
    return;

  valid = g_utf8_make_valid (text, -1);
  error = g_error_new_literal (domain, code, valid);
  mailbox->owner->funcs->failed (mailbox->owner, mailbox, self->subscriber, self->hand->message, error);
  delivery_tell_loss (self, error);
  _agent_mailbox_resume (mailbox, self->hand);
}

/**
 * agent_delivery_fail:
 * @self: a delivery
 * @error: (transfer none): why
 *
 * Says that the message could not be handled. The failure is counted, the bus emits [signal@AgentBus.Bus::failed] with a
 * copy of @error, and the subscriber goes on with the next message.
 *
 * May be called from any thread, once.
 *
 * Since: 0.1
 */
void
agent_delivery_fail (AgentDelivery *self,
                     const GError  *error)
{
  g_return_if_fail (AGENT_IS_DELIVERY (self));
  g_return_if_fail (self->hand != NULL);
  g_return_if_fail (error != NULL);

  delivery_fail (self, error->domain, error->code, error->message);
}

/**
 * agent_delivery_fail_message:
 * @self: a delivery
 * @message: why
 *
 * Does the same as [method@AgentBus.Delivery.fail] with a text in place of an error. Those who hear of the failure get
 * %AGENT_BUS_ERROR_FAILED with this text.
 *
 * May be called from any thread, once.
 *
 * Since: 0.1
 */
void
agent_delivery_fail_message (AgentDelivery *self,
                             const char    *message)
{
  g_return_if_fail (AGENT_IS_DELIVERY (self));
  g_return_if_fail (self->hand != NULL);
  g_return_if_fail (message != NULL);

  delivery_fail (self, AGENT_BUS_ERROR, AGENT_BUS_ERROR_FAILED, message);
}

/* What is left of the message's ttl. Returns FALSE if nothing is. */
static gboolean
delivery_get_ttl_left (AgentMessage *message,
                       guint        *ttl,
                       GError      **error)
{
  guint  given = _agent_message_get_options (message).ttl;
  gint64 left = message->sent_at + (gint64) given * USEC_PER_MSEC - _agent_clock_now ();

  *ttl = given != 0 && left > 0 ? (guint) ((left + USEC_PER_MSEC - 1) / USEC_PER_MSEC) : 0;
  if (given == 0 || left > 0)
    return TRUE;

  g_set_error (error,
               AGENT_BUS_ERROR,
               AGENT_BUS_ERROR_TIMED_OUT,
               "The message '%s' cannot be passed on: its time is over",
               agent_message_get_name (message));
  return FALSE;
}

static gboolean
delivery_pass_on (AgentDelivery *self,
                  const char    *target,
                  GError       **error)
{
  AgentMessage *message = self->hand->message;
  g_autoptr (AgentBus) bus = _agent_mailbox_dup_bus (self->mailbox);
  g_autoptr (AgentMessage) copy = NULL;
  guint ttl;

  if (bus == NULL)
    {
      g_set_error_literal (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED, "The bus is gone");
      return FALSE;
    }
  if (!delivery_get_ttl_left (message, &ttl, error))
    return FALSE;

  copy = agent_message_copy_full (message, NULL, target);
  agent_message_set_ttl (copy, ttl);
  if (!_agent_bus_forward (bus, copy, error))
    return FALSE;

  copy = NULL;
  return TRUE;
}

/**
 * agent_delivery_forward:
 * @self: a delivery
 * @target: the name of another subscriber
 * @error: return location for a [error@AgentBus.BusError]
 *
 * Passes the message on to another subscriber, in its place, and completes the delivery.
 *
 * The subscriber gets a copy with the same source, to which it answers as if the message had come to it at once. The copy has
 * the same cause, trace and options, and as ttl what is left of it: see [method@AgentBus.Message.copy_full]. It gets a
 * sequence number of its own.
 *
 * It is not dropped for lack of room, or because the subscriber is not there: then this returns %FALSE, the delivery is not
 * completed, and the handler may try another subscriber or fail the delivery.
 *
 * May be called from any thread, once with success.
 *
 * Returns: %TRUE if the subscriber has the message now, or %FALSE with %AGENT_BUS_ERROR_NOT_FOUND if there is no subscriber of
 *   that name, or it is the source of the message, %AGENT_BUS_ERROR_FULL if it has no room, %AGENT_BUS_ERROR_TIMED_OUT if the
 *   message's ttl is over, or %AGENT_BUS_ERROR_CLOSED if the bus is stopped
 *
 * Since: 0.1
 */
gboolean
agent_delivery_forward (AgentDelivery *self,
                        const char    *target,
                        GError       **error)
{
  g_return_val_if_fail (AGENT_IS_DELIVERY (self), FALSE);
  g_return_val_if_fail (self->hand != NULL, FALSE);
  g_return_val_if_fail (target != NULL && *target != '\0', FALSE);
  g_return_val_if_fail (_agent_utf8_is_string (target), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);
  g_return_val_if_fail (!g_atomic_int_get (&self->done), FALSE);

  if (!delivery_pass_on (self, target, error))
    return FALSE;

  if (delivery_end_once (self))
    _agent_mailbox_resume (self->mailbox, self->hand);
  return TRUE;
}
