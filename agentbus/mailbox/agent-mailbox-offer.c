/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "base/agent-debug-private.h"
#include "mailbox/agent-mailbox-private.h"

/* How a message is handed over that the mailbox takes or leaves: if there is no room, its owner keeps it, and may wait. */

/* A reliable message that no watch wants back goes in above the limits, as with a push. */
static gboolean
offer_needs_room (AgentMessage *message)
{
  return _agent_message_get_way (message) == AGENT_CHANNEL_DATA &&
         (message->origin != 0 || !message->reliable);
}

/* A message that is larger than the bytes that may be queued gets in when no other message is queued. */
static gboolean
offer_fits_locked (AgentChannelQueue *queue,
                   gsize              size)
{
  return _agent_channel_queue_has_reserved_room_locked (queue, size) || _agent_channel_queue_get_length_locked (queue) == 0;
}

static gboolean
offer_waits_locked (AgentMailbox *self,
                    gsize         size)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_DATA];

  if (_agent_channel_queue_has_reserved_room_locked (queue, size))
    return FALSE;

  /* See _agent_schedule_is_watched(). */
  _agent_schedule_watch (&self->schedule, AGENT_WATCH_ROOM);
  atomic_thread_fence (memory_order_seq_cst);
  return !offer_fits_locked (queue, size);
}

static gboolean
offer_has_room_locked (AgentMailbox   *self,
                       gsize           size,
                       AgentOfferPlace place)
{
  switch (place)
    {
    case AGENT_OFFER_DIRECT:
      return _agent_channel_queue_has_room_locked (&self->queues[AGENT_CHANNEL_DATA], size);
    case AGENT_OFFER_BEHIND:
      return (atomic_load (&self->schedule.watched) & AGENT_WATCH_ROOM) == 0 && !offer_waits_locked (self, size);
    case AGENT_OFFER_FIRST:
      return !offer_waits_locked (self, size);
    default:
      g_assert_not_reached ();
    }
}

/* The age limit of the subscriber counts from the moment when the message enters its channel, and the message may have
 * waited before that. No other thread reads the field before the message is in; but a copy for monitors has it already, since
 * many of them get the same one. */
void
_agent_mailbox_note_delay (AgentMailbox *self,
                           AgentMessage *message)
{
  gint64 delay;

  if (atomic_load (&self->max_age) == 0 || message->channel != AGENT_CHANNEL_DATA || _agent_message_has_fate (message))
    return;

  delay = (_agent_clock_now () - message->sent_at + 999) / 1000;
  message->delay = (guint) CLAMP (delay, 0, G_MAXUINT);
}

/* @last_seq: (nullable): the number of the last message, if @message has none yet
 * @cancel: (inout) (transfer full) (nullable): moved into @offer */
static void
offer_accept_locked (AgentMailbox    *self,
                     AgentChannel     channel,
                     AgentMessage    *message,
                     gsize            size,
                     _Atomic guint64 *last_seq,
                     AgentMessage   **cancel,
                     AgentOffer      *offer)
{
  AgentChannelQueue *queue = &self->queues[channel];
  gboolean           gap;

  if (last_seq != NULL)
    message->seq = atomic_fetch_add_explicit (last_seq, 1, memory_order_relaxed) + 1;
  if (*cancel != NULL)
    {
      atomic_fetch_add (&self->n_cancels, 1);
      _agent_mailbox_remember_cancel (self, *cancel);
    }
  if (G_UNLIKELY (_agent_message_may_be_spent (message)))
    _agent_channel_queue_set_mark (queue, AGENT_QUEUE_SPENT);
  gap = channel == AGENT_CHANNEL_DATA && _agent_mailbox_put_refused_locked (self, message);
  _agent_channel_queue_push_locked (queue, message, size, gap);
  offer->queue = AGENT_OFFER_TO_MAIN;
  offer->position = queue->n_kept_in;
  /* The message may have been sent long ago. */
  offer->wake = !queue->scheduled && _agent_channel_queue_claim_token_locked (queue, _agent_clock_now ());
  offer->found = 0;
  if (_agent_channel_queue_has_to_look_locked (queue, size))
    offer->found = _agent_channel_queue_look_locked (queue, size);
  offer->cancel = g_steal_pointer (cancel);
}

static gboolean
offer_has_room_to_hold_locked (AgentMailbox   *self,
                               gsize           size,
                               AgentOfferPlace place)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_DATA];

  if (place == AGENT_OFFER_DIRECT)
    return _agent_mailbox_has_room_to_hold_locked (self, size, atomic_load (&queue->capacity));
  if (place == AGENT_OFFER_BEHIND && (atomic_load (&self->schedule.watched) & AGENT_WATCH_ROOM) != 0)
    return FALSE;

  _agent_schedule_watch (&self->schedule, AGENT_WATCH_ROOM);
  return _agent_mailbox_has_room_to_hold_locked (self, size, queue->limit);
}

/* The mailbox holds back what is for its group, or refuses it. What waits for room is asked for again at the latest when that
 * changes. */
static AgentOfferResult
offer_hold_locked (AgentMailbox    *self,
                   AgentMessage    *message,
                   gsize            size,
                   AgentOfferPlace  place,
                   _Atomic guint64 *last_seq,
                   AgentOffer      *offer)
{
  if (atomic_load (&self->grouping) == AGENT_GROUPING_CLOSED)
    return AGENT_OFFER_CLOSED;
  if (offer_needs_room (message) && !offer_has_room_to_hold_locked (self, size, place))
    {
      _agent_channel_queue_note_full_locked (&self->queues[AGENT_CHANNEL_DATA]);
      return AGENT_OFFER_FULL;
    }

  *offer = (AgentOffer){ .queue = AGENT_OFFER_TO_MAIN };
  if (last_seq != NULL)
    message->seq = atomic_fetch_add_explicit (last_seq, 1, memory_order_relaxed) + 1;
  _agent_mailbox_hold_back_locked (self, message, size);
  return AGENT_OFFER_ACCEPTED;
}

/* @channel: of @self. Not inline: see offer_to_pair(). */
static G_NO_INLINE AgentOfferResult
offer_to (AgentMailbox    *self,
          AgentChannel     channel,
          AgentMessage    *message,
          AgentOfferPlace  place,
          _Atomic guint64 *last_seq,
          AgentOffer      *offer)
{
  AgentChannelQueue *queue = &self->queues[channel];
  gsize              size = _agent_channel_queue_measure (queue, message);
  AgentMessage      *cancel = _agent_message_is_cancel (message) ? agent_message_ref (message) : NULL;
  AgentOfferResult   result = AGENT_OFFER_ACCEPTED;

  if (_agent_debug_is_on (AGENT_DEBUG_MESSAGES))
    _agent_message_trace (message, "is offered to", self->name);

  if (G_UNLIKELY (atomic_load (&self->max_age) != 0))
    _agent_mailbox_note_delay (self, message);
  _agent_channel_queue_lock (queue);
  if (queue->closed)
    result = AGENT_OFFER_CLOSED;
  else if (G_UNLIKELY (!_agent_mailbox_is_open_for (self, message)))
    result = offer_hold_locked (self, message, size, place, last_seq, offer);
  else if (offer_needs_room (message) && !offer_has_room_locked (self, size, place))
    {
      _agent_channel_queue_note_full_locked (queue);
      result = AGENT_OFFER_FULL;
    }
  else
    offer_accept_locked (self, channel, message, size, last_seq, &cancel, offer);
  _agent_channel_queue_unlock (queue);

  /* This is not the last reference, for the caller has one as well. */
  g_clear_pointer (&cancel, agent_message_unref);
  return result;
}

static guint64
offer_get_inbox_position (AgentChannel channel,
                          guint64      position)
{
  return position | AGENT_POSITION_IN_INBOX | (channel == AGENT_CHANNEL_DATA ? AGENT_POSITION_OF_DATA : 0);
}

/* The subscriber has rules. Not inline: most subscribers have none, and pay nothing for this. */
static G_NO_INLINE AgentOfferResult
offer_to_pair (AgentMailbox    *self,
               AgentMessage    *message,
               AgentOfferPlace  place,
               _Atomic guint64 *last_seq,
               AgentOffer      *offer)
{
  AgentMailbox    *inbox = _agent_mailbox_divert (self, message);
  AgentChannel     channel = inbox != NULL ? _agent_mailbox_pair_get_way (message) : _agent_message_get_way (message);
  AgentOfferResult result = offer_to (inbox != NULL ? inbox : self, channel, message, place, last_seq, offer);

  if (inbox != NULL && result == AGENT_OFFER_ACCEPTED)
    {
      offer->queue = channel == AGENT_CHANNEL_DATA ? AGENT_OFFER_TO_INBOX_DATA : AGENT_OFFER_TO_INBOX_SYSTEM;
      offer->position = offer_get_inbox_position (channel, offer->position);
    }
  return result;
}

/* Like a push, but @message stays the caller's if it is not accepted, no message gives way to it, and none is counted as
 * dropped. If there is no room, the watches are told as soon as there may be. May be called with locks held.
 *
 * @place: where it stands if there is no room
 * @last_seq: (nullable): the number of the last message, if @message gets its number only when it is accepted
 * @offer: (out): pass it to end_offer() after unlocking */
AgentOfferResult
_agent_mailbox_offer (AgentMailbox    *self,
                      AgentMessage    *message,
                      AgentOfferPlace  place,
                      _Atomic guint64 *last_seq,
                      AgentOffer      *offer)
{
  if (G_UNLIKELY (self->pair != NULL))
    return offer_to_pair (self, message, place, last_seq, offer);

  return offer_to (self, _agent_message_get_way (message), message, place, last_seq, offer);
}

/* If there seems to be no room for @message, which is going to be offered, what is stale or expired at the head of the channel
 * gives way. With no lock of the mailbox held. */
void
_agent_mailbox_prepare_offer (AgentMailbox *self,
                              AgentMessage *message,
                              AgentSender  *sender)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_DATA];

  if (_agent_mailbox_may_have_spent (self) && offer_needs_room (message) &&
      (_agent_channel_queue_is_full (queue) || atomic_load_explicit (&queue->max_bytes, memory_order_relaxed) != 0))
    _agent_mailbox_purge (self, message, sender);
}

/* While the room is reserved, only offers that wait get in, and reliable messages. */
void
_agent_mailbox_reserve_room (AgentMailbox *self,
                             gboolean      reserved)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_DATA];

  _agent_channel_queue_lock (queue);
  _agent_channel_queue_reserve_locked (queue, reserved);
  _agent_channel_queue_unlock (queue);
}

static void
offer_note_slow (AgentMailbox *self,
                 AgentChannel  channel)
{
  g_autofree char *warning = NULL;

  if (_agent_mailbox_note_slow (self, channel))
    warning = _agent_mailbox_dup_warning (self, channel);
  if (warning != NULL)
    g_warning ("%s", warning);
}

/* Does what is left to do for an accepted message. With no lock held. */
void
_agent_mailbox_end_offer (AgentMailbox *self,
                          AgentChannel  channel,
                          AgentOffer   *offer)
{
  if (G_UNLIKELY (offer->queue != AGENT_OFFER_TO_MAIN))
    {
      self = self->pair->inbox;
      channel = offer->queue == AGENT_OFFER_TO_INBOX_DATA ? AGENT_CHANNEL_DATA : AGENT_CHANNEL_SYSTEM;
    }

  if (channel == AGENT_CHANNEL_SYSTEM)
    _agent_mailbox_add_system (self, offer->wake, offer->cancel);
  else if (offer->wake)
    _agent_delivery_source_add_data (self->source, &self->schedule);
  if ((offer->found & AGENT_LOOK_SLOW) != 0)
    offer_note_slow (self, channel);
  g_clear_pointer (&offer->cancel, agent_message_unref);
}

/* The position of the last message in a channel that never gives way: for has_handled(). */
guint64
_agent_mailbox_get_last_position (AgentMailbox *self,
                                  AgentChannel  channel)
{
  AgentChannelQueue *queue = &self->queues[channel];
  guint64            position;

  _agent_channel_queue_lock (queue);
  position = queue->n_kept_in;
  _agent_channel_queue_unlock (queue);

  return position;
}

/* The same for the inbox; 0 if there is none. */
guint64
_agent_mailbox_get_last_inbox_position (AgentMailbox *self,
                                        AgentChannel  channel)
{
  if (self->pair == NULL)
    return 0;

  return offer_get_inbox_position (channel, _agent_mailbox_get_last_position (self->pair->inbox, channel));
}
