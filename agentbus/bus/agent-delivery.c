/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-report-private.h"
#include "agent-delivery-private.h"
#include "agent-delivery-source-private.h"
#include "agent-mailbox-private.h"

/**
 * AgentDelivery:
 *
 * A message in the hand of a handler that goes on after it has returned.
 *
 * A handler gets it from [method@AgentBus.Subscriber.defer] and says when it is done with
 * [method@AgentBus.Delivery.complete], [method@AgentBus.Delivery.fail] or
 * [method@AgentBus.Delivery.fail_message]: once, from any thread, also after the subscriber has been
 * unsubscribed. Until then the subscriber gets nothing more.
 *
 * A %AGENT_MESSAGE_TYPE_CANCEL for the subscriber, or a %AGENT_MESSAGE_TYPE_TASK_CANCEL with the message's task
 * id, trips the [property@AgentBus.Delivery:cancellable] without waiting for its turn. The handler still has to
 * complete the delivery.
 *
 * A delivery that is dropped without a word logs a warning, and the subscriber goes on.
 *
 * Since: 0.1
 */

struct _AgentDelivery
{
  GObject parent_instance;

  AgentMailbox    *mailbox;
  AgentSubscriber *subscriber;
  AgentMessage    *message;
  GCancellable    *cancellable;
  gint             cancelled; /* (atomic) */
  gint             done;      /* (atomic) */
};

enum
{
  PROP_0,
  PROP_MESSAGE,
  PROP_CANCELLABLE,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (AgentDelivery, agent_delivery, G_TYPE_OBJECT)

AgentDelivery *
_agent_delivery_new (AgentMailbox    *mailbox,
                     AgentSubscriber *subscriber,
                     AgentMessage    *message)
{
  AgentDelivery *self = g_object_new (AGENT_TYPE_DELIVERY, NULL);

  self->mailbox = _agent_mailbox_ref (mailbox);
  self->subscriber = g_object_ref (subscriber);
  self->message = agent_message_ref (message);
  self->cancellable = g_cancellable_new ();

  return self;
}

/* Any thread. */
void
_agent_delivery_request_cancel (AgentDelivery *self)
{
  g_atomic_int_set (&self->cancelled, TRUE);
}

static gboolean
finish (AgentDelivery *self)
{
  return g_atomic_int_compare_and_exchange (&self->done, FALSE, TRUE);
}

static gboolean
finish_once (AgentDelivery *self)
{
  gboolean first = finish (self);

  if (!first)
    g_critical ("The delivery to '%s' was completed or failed already", _agent_mailbox_get_name (self->mailbox));
  return first;
}

static void
agent_delivery_dispose (GObject *object)
{
  AgentDelivery *self = AGENT_DELIVERY (object);

  if (self->mailbox != NULL && finish (self))
    {
      if (_agent_delivery_source_is_attached (self->mailbox->source, self->mailbox))
        g_warning ("A delivery to '%s' was dropped without complete() or fail()",
                   _agent_mailbox_get_name (self->mailbox));
      _agent_delivery_source_resume (self->mailbox->source, self->mailbox);
    }

  G_OBJECT_CLASS (agent_delivery_parent_class)->dispose (object);
}

static void
agent_delivery_finalize (GObject *object)
{
  AgentDelivery *self = AGENT_DELIVERY (object);

  g_clear_pointer (&self->mailbox, _agent_mailbox_unref);
  g_clear_pointer (&self->message, agent_message_unref);
  g_clear_object (&self->subscriber);
  g_clear_object (&self->cancellable);

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
      g_value_set_boxed (value, self->message);
      break;
    case PROP_CANCELLABLE:
      g_value_set_object (value, self->cancellable);
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
   * The message in hand.
   *
   * Since: 0.1
   */
  props[PROP_MESSAGE] = g_param_spec_boxed ("message", NULL, NULL, AGENT_TYPE_MESSAGE, flags);

  /**
   * AgentDelivery:cancellable: (getter get_cancellable)
   *
   * Cancelled when the message in hand is.
   *
   * It is tripped in the subscriber's context, so that what is connected to it runs there and nowhere else. A
   * handler that keeps that context busy asks [method@AgentBus.Delivery.is_cancelled] instead.
   *
   * Since: 0.1
   */
  props[PROP_CANCELLABLE] =
      g_param_spec_object ("cancellable", NULL, NULL, G_TYPE_CANCELLABLE, flags);

  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
agent_delivery_init (AgentDelivery *self)
{
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

  return self->message;
}

/**
 * agent_delivery_get_cancellable: (get-property cancellable)
 * @self: a delivery
 *
 * Gets what is cancelled when the message in hand is; pass it on to what the handler waits for.
 *
 * Returns: (transfer none): the cancellable
 *
 * Since: 0.1
 */
GCancellable *
agent_delivery_get_cancellable (AgentDelivery *self)
{
  g_return_val_if_fail (AGENT_IS_DELIVERY (self), NULL);

  return self->cancellable;
}

/**
 * agent_delivery_is_cancelled:
 * @self: a delivery
 *
 * Whether a cancellation of the message in hand has come.
 *
 * May be called from any thread, and is true from the moment the cancellation was sent, also while the
 * subscriber's context is busy.
 *
 * Returns: whether to give up
 *
 * Since: 0.1
 */
gboolean
agent_delivery_is_cancelled (AgentDelivery *self)
{
  g_return_val_if_fail (AGENT_IS_DELIVERY (self), FALSE);

  return g_atomic_int_get (&self->cancelled);
}

/**
 * agent_delivery_complete:
 * @self: a delivery
 *
 * Says that the message is handled: the subscriber goes on with the next one.
 *
 * May be called from any thread, once.
 *
 * Since: 0.1
 */
void
agent_delivery_complete (AgentDelivery *self)
{
  g_return_if_fail (AGENT_IS_DELIVERY (self));

  if (!finish_once (self))
    return;

  _agent_delivery_source_resume (self->mailbox->source, self->mailbox);
}

/**
 * agent_delivery_fail:
 * @self: a delivery
 * @error: (transfer none): why
 *
 * Says that the message could not be handled: it is counted, the bus emits [signal@AgentBus.Bus::failed], and
 * the subscriber goes on with the next one.
 *
 * May be called from any thread, once.
 *
 * Since: 0.1
 */
void
agent_delivery_fail (AgentDelivery *self,
                     const GError  *error)
{
  g_return_if_fail (error != NULL);

  agent_delivery_fail_message (self, error->message);
}

/**
 * agent_delivery_fail_message:
 * @self: a delivery
 * @message: why
 *
 * The same as [method@AgentBus.Delivery.fail] for those who have a text and no error.
 *
 * May be called from any thread, once.
 *
 * Since: 0.1
 */
void
agent_delivery_fail_message (AgentDelivery *self,
                             const char    *message)
{
  AgentMailbox *mailbox;

  g_return_if_fail (AGENT_IS_DELIVERY (self));
  g_return_if_fail (message != NULL);

  if (!finish_once (self))
    return;

  mailbox = self->mailbox;
  _agent_directory_count_failed (mailbox->directory, mailbox);
  _agent_bus_report_failed (mailbox->report, self->subscriber, self->message, message);
  _agent_delivery_source_resume (mailbox->source, mailbox);
}
