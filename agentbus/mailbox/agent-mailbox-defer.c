/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-mailbox-private.h"

/* How a message stays in hand after its handler has returned, or after it was received, until its delivery is completed. */

/* The message of @hand is in hand until resume().
 *
 * A sender queues a cancellation before it looks for a hand. So either the sender finds the hand, or this function finds
 * the cancellation in the queue. */
void
_agent_mailbox_hold (AgentMailbox *self,
                     AgentHand    *hand)
{
  _agent_delivery_source_lock (self->source);
  _agent_schedule_defer (&self->schedule, hand);
  _agent_delivery_source_unlock (self->source);

  if (atomic_load (&self->n_cancels) != 0 &&
      _agent_hand_has_queued_cancel (hand, &self->queues[AGENT_CHANNEL_SYSTEM]))
    {
      _agent_hand_request_cancel (hand);
      _agent_hand_trip (hand);
    }
}

/* Called in a handler. The message stays in the returned hand until resume(): (transfer full) (nullable). NULL: no handler
 * is running, or it has deferred its message already. */
AgentHand *
_agent_mailbox_defer (AgentMailbox *self)
{
  AgentHand *hand;

  if (self->current == NULL)
    return NULL;

  hand = _agent_hand_new (self->current);
  self->current = NULL;
  _agent_mailbox_hold (self, hand);

  return hand;
}

/* The delivery of @hand is completed: the subscriber may get its next message. */
void
_agent_mailbox_resume (AgentMailbox *self,
                       AgentHand    *hand)
{
  AgentReadyList *list = _agent_delivery_source_lock (self->source);

  _agent_schedule_resume (&self->schedule, list, hand);
  _agent_delivery_source_unlock (self->source);

  _agent_hand_unref (hand);
  _agent_mailbox_tell_progress (self);
}
