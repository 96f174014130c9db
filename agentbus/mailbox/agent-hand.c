/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-hand-private.h"

/* How many messages are looked at while the senders of system messages wait for the queue's lock. */
#define LOOKS_PER_LOCK 64

AgentHand *
_agent_hand_new (AgentMessage *message)
{
  AgentHand *self = g_new0 (AgentHand, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->message = agent_message_ref (message);

  return self;
}

AgentHand *
_agent_hand_ref (AgentHand *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_agent_hand_unref (AgentHand *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  agent_message_unref (self->message);
  if (self->cancellable != AGENT_HAND_TRIPPED)
    g_clear_object (&self->cancellable);
  g_free (self);
}

void
_agent_hand_request_cancel (AgentHand *self)
{
  g_atomic_int_set (&self->cancelled, TRUE);
}

gboolean
_agent_hand_is_cancelled (AgentHand *self)
{
  return g_atomic_int_get (&self->cancelled);
}

/* A new cancellable takes the place of @old: NULL or AGENT_HAND_TRIPPED. It is cancelled before another thread can get it, so
 * that no callback of the application runs here. Does nothing if there is something else in that place by now. */
static void
hand_make_cancellable (AgentHand *self,
                       gpointer   old)
{
  GCancellable *cancellable = g_cancellable_new ();

  if (old == AGENT_HAND_TRIPPED)
    g_cancellable_cancel (cancellable);
  if (!g_atomic_pointer_compare_and_exchange (&self->cancellable, old, cancellable))
    g_object_unref (cancellable);
}

/* (transfer none) If two threads ask at once, the cancellable of one of them stays. */
GCancellable *
_agent_hand_get_cancellable (AgentHand *self)
{
  gpointer cancellable = g_atomic_pointer_get (&self->cancellable);

  while (cancellable == NULL || cancellable == AGENT_HAND_TRIPPED)
    {
      hand_make_cancellable (self, cancellable);
      cancellable = g_atomic_pointer_get (&self->cancellable);
    }

  return cancellable;
}

/* Cancels the cancellable, or has the one that somebody will ask for cancelled from the start. */
void
_agent_hand_trip (AgentHand *self)
{
  gpointer cancellable;

  if (g_atomic_pointer_compare_and_exchange (&self->cancellable, NULL, AGENT_HAND_TRIPPED))
    return;

  cancellable = g_atomic_pointer_get (&self->cancellable);
  if (cancellable != AGENT_HAND_TRIPPED)
    g_cancellable_cancel (cancellable);
}

/* Whether @cancel, a CANCEL or TASK_CANCEL message, is for the message in hand. */
gboolean
_agent_hand_matches (AgentHand    *self,
                     AgentMessage *cancel)
{
  AgentMessage *message = self->message;

  if (cancel->seq < message->seq)
    return FALSE;

  /* A dispatcher's cancellation is for one actor, and not for the others that its router serves. */
  if (cancel->origin != 0 && g_strcmp0 (agent_message_get_target (cancel), agent_message_get_target (message)) != 0)
    return FALSE;

  return agent_message_get_message_type (cancel) == AGENT_MESSAGE_TYPE_CANCEL ||
         g_strcmp0 (agent_message_get_task_id (cancel), agent_message_get_task_id (message)) == 0;
}

/* The message, if its source wants to hear that it came to nothing: (transfer full) (nullable). Only the first call returns
 * it, so that the source hears of it once. */
AgentMessage *
_agent_hand_take_loss (AgentHand *self)
{
  if (!_agent_message_wants_loss (self->message) || !g_atomic_int_compare_and_exchange (&self->lost, FALSE, TRUE))
    return NULL;

  return agent_message_ref (self->message);
}

typedef enum
{
  LOOK_FOUND,
  LOOK_NOT_FOUND,
  LOOK_MORE, /* the senders get the lock before the look goes on */
} LookResult;

static LookResult
hand_look_for_cancel_locked (AgentHand              *self,
                             AgentChannelQueue      *queue,
                             AgentChannelQueuePlace *place)
{
  for (guint i = 0; i < LOOKS_PER_LOCK; i++)
    {
      AgentMessage *queued = _agent_channel_queue_peek_locked (queue, place);

      if (queued == NULL)
        return LOOK_NOT_FOUND;
      if (_agent_message_is_cancel (queued) && _agent_hand_matches (self, queued))
        return LOOK_FOUND;
    }

  return LOOK_MORE;
}

/* Whether a cancellation of the message in hand is queued: the handler will not get it before the delivery is completed. The
 * calling thread is the receiver of @queue, so @place stays valid between two looks, unless the queue is emptied. */
gboolean
_agent_hand_has_queued_cancel (AgentHand         *self,
                               AgentChannelQueue *queue)
{
  AgentChannelQueuePlace place = AGENT_CHANNEL_QUEUE_START;
  LookResult             result = LOOK_MORE;

  while (result == LOOK_MORE)
    {
      _agent_channel_queue_lock (queue);
      result = queue->emptied ? LOOK_NOT_FOUND : hand_look_for_cancel_locked (self, queue, &place);
      _agent_channel_queue_unlock (queue);
    }

  return result == LOOK_FOUND;
}
