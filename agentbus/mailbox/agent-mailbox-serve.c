/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "base/agent-debug-private.h"
#include "base/agent-signal-private.h"
#include "mailbox/agent-mailbox-private.h"

/* How messages get out of the mailbox and into the handler. */

/* How many messages of one subscriber are handled before the next subscriber in the same context is served. */
#define BATCH 64

/* The age limit of a subscriber applies to data only, and the ttl of a message to both channels. The ttl counts from the
 * sending, and the limit from the moment when the message enters the channel. */
static gboolean
serve_is_expired (AgentMailbox *self,
                  AgentMessage *message)
{
  guint  max_age = message->channel == AGENT_CHANNEL_DATA ? self->max_age : 0;
  gint64 age;

  if (message->ttl == 0 && max_age == 0)
    return FALSE;

  age = _agent_clock_now () - message->sent_at;
  return (message->ttl != 0 && age >= message->ttl * G_GINT64_CONSTANT (1000)) ||
         (max_age != 0 && age >= ((gint64) max_age + message->delay) * 1000);
}

static void
serve_expire (AgentMailbox *self,
              AgentMessage *message)
{
  gboolean      to_report = FALSE;
  AgentMessage *previous = NULL;

  _agent_mailbox_owner_tell_loss (self->owner, message, self->name, AGENT_DROP_REASON_EXPIRED);
  _agent_mailbox_count_drops (self, AGENT_DROP_REASON_EXPIRED, 1, message, &previous, &to_report);
  _agent_mailbox_report_drops (self, to_report);
  g_clear_pointer (&previous, agent_message_unref);
}

/* @emit: whether to emit the signal, which calls the virtual function, too */
static inline void
serve_handle (const AgentReceiver *receiver,
              gpointer             subscriber,
              AgentMessage        *message,
              gboolean             emit)
{
  if (emit)
    g_signal_emit (subscriber, receiver->signal, _agent_message_get_detail (message), message);
  else if (receiver->handle != NULL)
    receiver->handle (subscriber, message);
}

static void
serve_deliver (AgentMailbox *self,
               gpointer      subscriber,
               AgentMessage *message,
               gboolean      emit)
{
  /* Relaxed: only the thread that serves writes it, and the source's lock orders one such thread after the other. */
  guint64 n_delivered = atomic_load_explicit (&self->n_delivered, memory_order_relaxed);

  atomic_store_explicit (&self->n_delivered, n_delivered + 1, memory_order_release);

  if (_agent_debug_is_on (AGENT_DEBUG_MESSAGES))
    _agent_message_trace (message, "is given to the handlers of", self->name);

  self->current = message;
  serve_handle (&self->receiver, subscriber, message, emit);
  self->current = NULL;

  _agent_message_drop_refs (message, 1);
}

/* Whether the batch of @channel ends before the next message: if the handler has deferred the last one or has iterated its
 * context, or if a system message has come for any mailbox of the context. */
static inline gboolean
serve_has_to_stop (AgentMailbox *self,
                   AgentChannel  channel)
{
  return (channel == AGENT_CHANNEL_DATA && _agent_delivery_source_has_system (self->source)) ||
         g_atomic_pointer_get (&self->schedule.hand) != NULL || self->schedule.nesting;
}

/* Hands out messages until there are none, until the batch or the budget is over, or until serve_has_to_stop(). TRUE: there
 * may be more. Whether the signal has handlers is asked once for the batch, since to ask costs as much as to handle a
 * message. */
gboolean
_agent_mailbox_serve (AgentMailbox *self,
                      AgentChannel  channel,
                      AgentBudget  *budget)
{
  AgentChannelQueue *queue = &self->queues[channel];
  gpointer           subscriber = _agent_drop_box_get_subscriber (&self->drops);
  gboolean           emit = self->receiver.always_emit || _agent_signal_is_heard (subscriber, self->receiver.signal);

  if (_agent_debug_is_on (AGENT_DEBUG_CONTEXTS))
    _agent_debug_print ("'%s' is served in thread %p", self->name, (gpointer) g_thread_self ());

  for (guint i = 0; i < BATCH && !_agent_budget_is_spent (budget); i++)
    {
      AgentMessage *message;

      if (serve_has_to_stop (self, channel))
        return TRUE;

      message = _agent_channel_queue_pop (queue);
      if (message == NULL)
        return FALSE;

      if (_agent_message_is_cancel (message))
        atomic_fetch_sub (&self->n_cancels, 1);
      if (serve_is_expired (self, message))
        serve_expire (self, message);
      else
        serve_deliver (self, subscriber, message, emit);
      _agent_budget_spend (budget);
    }

  return TRUE;
}

/* --- Deferred deliveries --- */

/* Called in a handler. The message stays in the returned hand until resume(): (transfer full) (nullable). NULL: no handler
 * is running, or it has deferred its message already.
 *
 * A sender queues a cancellation before it looks for a hand. So either the sender finds the hand, or this function finds
 * the cancellation in the queue. */
AgentHand *
_agent_mailbox_defer (AgentMailbox *self)
{
  AgentHand *hand;

  if (self->current == NULL)
    return NULL;

  hand = _agent_hand_new (self->current);
  self->current = NULL;
  _agent_delivery_source_lock (self->source);
  _agent_schedule_defer (&self->schedule, hand);
  _agent_delivery_source_unlock (self->source);

  if (atomic_load (&self->n_cancels) != 0 &&
      _agent_hand_has_queued_cancel (hand, &self->queues[AGENT_CHANNEL_SYSTEM]))
    {
      _agent_hand_request_cancel (hand);
      _agent_hand_trip (hand);
    }

  return hand;
}

/* The deferred delivery is completed: the subscriber gets its next message. */
void
_agent_mailbox_resume (AgentMailbox *self)
{
  AgentReadyList *list = _agent_delivery_source_lock (self->source);
  AgentHand      *hand = _agent_schedule_resume (&self->schedule, list);

  _agent_delivery_source_unlock (self->source);

  _agent_hand_unref (hand);
  _agent_mailbox_tell_progress (self);
}
