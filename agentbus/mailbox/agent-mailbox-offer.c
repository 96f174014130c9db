/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "base/agent-debug-private.h"
#include "mailbox/agent-mailbox-private.h"

/* How a watch hands a message over: the mailbox takes it, or the watch keeps it and waits. */

/* A message that is not first in line waits behind the messages that wait for room already. A message that is larger than
 * the bytes that may be queued gets in when no other message is queued. */
static gboolean
offer_has_room_locked (AgentMailbox *self,
                       gsize         size,
                       gboolean      first_in_line)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_DATA];

  if (!first_in_line && (atomic_load (&self->schedule.watched) & AGENT_WATCH_ROOM) != 0)
    return FALSE;
  if (_agent_channel_queue_has_room_locked (queue, size))
    return TRUE;

  /* See _agent_schedule_is_watched(). */
  _agent_schedule_watch (&self->schedule, AGENT_WATCH_ROOM);
  atomic_thread_fence (memory_order_seq_cst);
  return _agent_channel_queue_has_room_locked (queue, size) || _agent_channel_queue_get_length_locked (queue) == 0;
}

/* The age limit of the subscriber counts from the moment when the message enters its channel, and the message may have
 * waited before that. No other thread reads the field before the message is in. */
void
_agent_mailbox_note_delay (AgentMailbox *self,
                           AgentMessage *message)
{
  gint64 delay;

  if (self->max_age == 0 || message->channel != AGENT_CHANNEL_DATA)
    return;

  delay = (_agent_clock_now () - message->sent_at + 999) / 1000;
  message->delay = (guint) CLAMP (delay, 0, G_MAXUINT);
}

/* @cancel: (inout) (transfer full) (nullable): moved into @offer */
static void
offer_accept_locked (AgentMailbox  *self,
                     AgentMessage  *message,
                     gsize          size,
                     AgentMessage **cancel,
                     AgentOffer    *offer)
{
  AgentChannelQueue *queue = &self->queues[message->channel];

  if (*cancel != NULL)
    atomic_fetch_add (&self->n_cancels, 1);
  _agent_channel_queue_push_locked (queue, message, size);
  offer->position = queue->n_kept_in;
  /* The message may have been sent long ago. */
  offer->wake = !queue->scheduled && _agent_channel_queue_claim_token_locked (queue, _agent_clock_now ());
  offer->cancel = g_steal_pointer (cancel);
}

/* Like a push, but @message stays the caller's if it is not accepted, no message gives way to it, and none is counted as
 * dropped. If there is no room, the watches are told as soon as there may be. May be called with locks held.
 *
 * @first_in_line: whether no message before this one waits for room
 * @offer: (out): pass it to end_offer() after unlocking */
AgentOfferResult
_agent_mailbox_offer (AgentMailbox *self,
                      AgentMessage *message,
                      gboolean      first_in_line,
                      AgentOffer   *offer)
{
  AgentChannelQueue *queue = &self->queues[message->channel];
  gsize              size = _agent_channel_queue_measure (queue, message);
  AgentMessage      *cancel = _agent_message_is_cancel (message) ? agent_message_ref (message) : NULL;
  AgentOfferResult   result = AGENT_OFFER_ACCEPTED;

  if (_agent_debug_is_on (AGENT_DEBUG_MESSAGES))
    _agent_message_trace (message, "is offered to", self->name);

  _agent_mailbox_note_delay (self, message);
  _agent_channel_queue_lock (queue);
  if (queue->closed)
    result = AGENT_OFFER_CLOSED;
  else if (message->channel == AGENT_CHANNEL_DATA && !offer_has_room_locked (self, size, first_in_line))
    result = AGENT_OFFER_FULL;
  else
    offer_accept_locked (self, message, size, &cancel, offer);
  _agent_channel_queue_unlock (queue);

  /* This is not the last reference, for the caller has one as well. */
  g_clear_pointer (&cancel, agent_message_unref);
  return result;
}

/* Does what is left to do for an accepted message. With no lock held. */
void
_agent_mailbox_end_offer (AgentMailbox *self,
                          AgentChannel  channel,
                          AgentOffer   *offer)
{
  if (channel == AGENT_CHANNEL_SYSTEM)
    _agent_mailbox_add_system (self, offer->wake, offer->cancel);
  else if (offer->wake)
    _agent_delivery_source_add_data (self->source, &self->schedule);
  g_clear_pointer (&offer->cancel, agent_message_unref);
}
