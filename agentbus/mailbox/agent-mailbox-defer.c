/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-container-private.h"
#include "mailbox/agent-mailbox-private.h"

/* How a message stays in hand after its handler has returned, or after it was received, until its delivery is completed. */

/* What tells the mailbox that a message in hand has become stale. */
typedef struct
{
  AgentEpochWatch watch;
  AgentMailbox   *mailbox; /* (unowned) it is there as long as it has hands */
  AgentHand      *hand;    /* (unowned) */
} HandWatch;

/* An AgentEpochOverFunc. */
static void
defer_on_epoch_over (AgentEpochWatch *watch)
{
  HandWatch      *self = AGENT_CONTAINER_OF (watch, HandWatch, watch);
  AgentReadyList *list = _agent_delivery_source_lock (self->mailbox->source);

  _agent_schedule_cancel_hand (&self->mailbox->schedule, list, self->hand);
  _agent_delivery_source_unlock (self->mailbox->source);
}

/* FALSE: the message is stale already. */
static gboolean
defer_watch_epoch (AgentMailbox *self,
                   AgentHand    *hand)
{
  AgentMessage *message = hand->message;
  HandWatch    *watch;

  if (message->epoch == NULL || message->channel != AGENT_CHANNEL_DATA || _agent_message_has_fate (message))
    return TRUE;

  watch = g_new0 (HandWatch, 1);
  watch->mailbox = self;
  watch->hand = hand;
  hand->epoch_watch = watch;

  return _agent_epoch_watch (message->epoch, &watch->watch, defer_on_epoch_over);
}

static void
defer_unwatch_epoch (AgentHand *hand)
{
  HandWatch *watch = g_steal_pointer (&hand->epoch_watch);

  if (watch == NULL)
    return;

  _agent_epoch_unwatch (&watch->watch);
  g_free (watch);
}

static gboolean
defer_has_queued_cancel_in (AgentMailbox *self,
                            AgentHand    *hand)
{
  return atomic_load (&self->n_cancels) != 0 &&
         _agent_hand_has_queued_cancel (hand, &self->queues[AGENT_CHANNEL_SYSTEM]);
}

/* A cancellation may have gone to the inbox. */
static gboolean
defer_has_queued_cancel (AgentMailbox *self,
                         AgentHand    *hand)
{
  return defer_has_queued_cancel_in (self, hand) ||
         (self->pair != NULL && defer_has_queued_cancel_in (self->pair->inbox, hand));
}

/* The message of @hand is in hand until resume(), and may have become stale already.
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

  if (!defer_watch_epoch (self, hand) || defer_has_queued_cancel (self, hand))
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
  AgentReadyList *list;

  defer_unwatch_epoch (hand);
  list = _agent_delivery_source_lock (self->source);
  _agent_schedule_resume (&self->schedule, list, hand);
  _agent_delivery_source_unlock (self->source);

  _agent_hand_unref (hand);
  _agent_mailbox_tell_progress (self);
}
