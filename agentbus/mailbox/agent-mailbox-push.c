/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-mailbox-private.h"

/* How a sender pushes a message: the mailbox takes the message, or drops it or an older one, and never makes the sender
 * wait. */

typedef enum
{
  PUSH_ACCEPTED,
  PUSH_FULL,
  PUSH_CLOSED,
  PUSH_AGAIN, /* the messages that gave way were too small */
  PUSH_HELD,  /* accepted, and held back */
} PushResult;

/* How many messages give way at most while the lock is held once. With a smaller number, other senders would fill the gap
 * before a large message fits. */
#define MAX_VICTIMS 4096

/* The messages that give way. All but the last one are among the garbage of the sender, from @first on. */
typedef struct
{
  AgentSender  *sender;
  guint         first;
  guint         n;
  AgentMessage *last; /* (owned) (nullable) */
} Victims;

/* How long a mailbox may wait to be served before a hint is given, in microseconds. */
#define PATIENCE G_USEC_PER_SEC

/* Whether the source comes to @channel when its context is iterated. It is no fault of the context if a handler is running, a
 * delivery is deferred, the subscriber is paused, or nobody listens. */
static gboolean
push_waits_for_context (AgentMailbox *self,
                        AgentChannel  channel)
{
  gboolean waits;

  _agent_delivery_source_lock (self->source);
  waits = self->schedule.phase == AGENT_PHASE_OPEN && !self->schedule.serving &&
          !_agent_schedule_has_to_wait (&self->schedule, channel);
  _agent_delivery_source_unlock (self->source);

  return waits;
}

static gboolean
push_confirm_forgotten (AgentMailbox *self,
                        AgentChannel  channel,
                        gint64        now,
                        guint64      *n_queued)
{
  AgentChannelQueue *queue = &self->queues[channel];
  gboolean           forgotten;

  _agent_channel_queue_lock (queue);
  forgotten = queue->scheduled && _agent_channel_queue_is_forgotten (queue, now, PATIENCE);
  *n_queued = _agent_channel_queue_get_length_locked (queue);
  _agent_channel_queue_unlock (queue);

  return forgotten;
}

/* Called seldom, when the channel is full or has grown to a power of two. If nothing has served the mailbox for long, a hint is
 * given, once. The log is written when the send is over. */
static void
push_look_at_context (AgentMailbox *self,
                      AgentChannel  channel,
                      gint64        now,
                      AgentSender  *sender)
{
  guint64 n_queued;

  if (G_LIKELY (!_agent_channel_queue_is_forgotten (&self->queues[channel], now, PATIENCE)) ||
      _agent_mailbox_has_mark (self, AGENT_MARK_FORGOTTEN) || !push_waits_for_context (self, channel) ||
      !push_confirm_forgotten (self, channel, now, &n_queued) ||
      !_agent_mailbox_mark (self, AGENT_MARK_FORGOTTEN))
    return;

  _agent_sender_add_hint (
      sender,
      G_LOG_LEVEL_MESSAGE,
      g_strdup_printf ("'%s' has been given no message for more than a second, and %" G_GUINT64_FORMAT
                       " wait: nothing iterates its main context. Run a main loop in the thread that is to call its handlers",
                       self->name,
                       n_queued));
}

/* @found: AGENT_LOOK_ flags */
static void
push_note_found (AgentMailbox *self,
                 AgentChannel  channel,
                 guint         found,
                 gint64        now,
                 AgentSender  *sender)
{
  char *warning = NULL;

  if ((found & AGENT_LOOK_MILESTONE) != 0)
    push_look_at_context (self, channel, now, sender);
  if ((found & AGENT_LOOK_SLOW) != 0 && _agent_mailbox_note_slow (self, channel))
    warning = _agent_mailbox_dup_warning (self, channel);
  if (warning != NULL)
    _agent_sender_add_hint (sender, G_LOG_LEVEL_WARNING, warning);
}

/* Whether another mailbox has accepted @message. */
static gboolean
push_refuse (AgentMailbox *self,
             AgentMessage *message,
             AgentSender  *sender)
{
  sender->drop_reason = AGENT_DROP_REASON_CLOSED;
  return self->owner->funcs->refused (self->owner, _agent_mailbox_get_main (self), message, sender);
}

/* @channel: one that is never full */
static inline gboolean
push_unbounded (AgentMailbox *self,
                AgentChannel  channel,
                AgentMessage *message,
                AgentSender  *sender)
{
  AgentChannelQueue *queue = &self->queues[channel];
  AgentMessage      *cancel = _agent_message_is_cancel (message) ? agent_message_ref (message) : NULL;
  gint64             now = message->sent_at;
  gboolean           claimed = FALSE;
  guint              found = 0;
  gboolean           closed;

  _agent_channel_queue_lock (queue);
  closed = queue->closed;
  if (!closed)
    {
      if (cancel != NULL)
        {
          atomic_fetch_add (&self->n_cancels, 1);
          _agent_mailbox_remember_cancel (self, cancel);
        }
      _agent_channel_queue_push_locked (queue, message, 0, FALSE);
      claimed = _agent_channel_queue_claim_token_locked (queue, now);
      if (_agent_channel_queue_has_to_look_locked (queue, 0))
        found = _agent_channel_queue_look_locked (queue, 0);
    }
  _agent_channel_queue_unlock (queue);

  _agent_sender_unref_later (sender, cancel);
  if (closed)
    return push_refuse (self, message, sender);

  if (channel == AGENT_CHANNEL_SYSTEM)
    _agent_mailbox_add_system (self, claimed, cancel);
  else if (claimed)
    _agent_delivery_source_add_data (self->source, &self->schedule);
  if (G_UNLIKELY (found != 0))
    push_note_found (self, channel, found, now, sender);
  return TRUE;
}

static gboolean
push_system (AgentMailbox *self,
             AgentMessage *message,
             AgentSender  *sender)
{
  return push_unbounded (self, AGENT_CHANNEL_SYSTEM, message, sender);
}

/* Takes @lost: (nullable), a message that found no room and whose source wants to hear of that. */
static void
push_note_loss (AgentMailbox *self,
                AgentMessage *lost,
                AgentSender  *sender)
{
  if (lost == NULL)
    return;

  _agent_sender_note_loss (sender, self->owner, lost, self->name, AGENT_DROP_REASON_FULL);
  _agent_sender_unref_later (sender, lost);
}

static void
push_add_victim (Victims      *self,
                 AgentMessage *message)
{
  _agent_sender_unref_later (self->sender, self->last);
  self->last = message;
  self->n++;
}

static PushResult
push_evict_locked (AgentMailbox *self,
                   gsize         size,
                   Victims      *victims)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_DATA];

  while (victims->n < MAX_VICTIMS)
    {
      gboolean      gap = FALSE;
      AgentMessage *next = NULL;
      AgentMessage *victim = _agent_channel_queue_evict_locked (queue, &gap, &next);

      if (victim == NULL)
        return _agent_channel_queue_will_have_room_locked (queue, size) ? PUSH_ACCEPTED : PUSH_FULL;

      _agent_mailbox_put_evicted_locked (self, victim, gap, next);
      push_add_victim (victims, victim);
      if (_agent_channel_queue_has_room_locked (queue, size))
        return PUSH_ACCEPTED;
    }

  return PUSH_AGAIN;
}

/* Inline: it is part of every push, and has a second caller. */
static inline PushResult
push_make_room_locked (AgentMailbox *self,
                       AgentMessage *message,
                       gsize         size,
                       Victims      *victims)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_DATA];

  if (queue->closed)
    return PUSH_CLOSED;
  if (message->reliable || _agent_channel_queue_has_room_locked (queue, size))
    return PUSH_ACCEPTED;

  _agent_channel_queue_note_full_locked (queue);
  if (self->overflow == AGENT_OVERFLOW_DROP_NEWEST || !_agent_channel_queue_can_make_room_locked (queue, size))
    return PUSH_FULL;

  return push_evict_locked (self, size, victims);
}

/* There may be room among what is held back for data of the group. */
static PushResult
push_make_room_to_hold_locked (AgentMailbox *self,
                               AgentMessage *message,
                               gsize         size,
                               Victims      *victims)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_DATA];
  guint              capacity = atomic_load (&queue->capacity);

  if (queue->closed || atomic_load (&self->grouping) == AGENT_GROUPING_CLOSED)
    return PUSH_CLOSED;

  while (!message->reliable && !_agent_mailbox_has_room_to_hold_locked (self, size, capacity))
    {
      AgentMessage *victim = NULL;

      if (self->overflow == AGENT_OVERFLOW_DROP_OLDEST && _agent_channel_queue_get_length_locked (queue) < capacity)
        victim = _agent_mailbox_evict_held_locked (self);
      if (victim == NULL)
        return PUSH_FULL;
      _agent_mailbox_put_evicted_locked (self, victim, FALSE, NULL);
      push_add_victim (victims, victim);
    }

  return PUSH_HELD;
}

/* Puts the last victim into the drop box. The message that the box kept before takes its place among the victims. Returns
 * whether to report the drops.
 *
 * @lost: (out) (transfer full) (nullable): the last victim, if its source wants to hear of it */
static gboolean
push_count_victims_locked (AgentMailbox  *self,
                           Victims       *victims,
                           AgentMessage **lost)
{
  AgentMessage *previous = NULL;
  gboolean      to_report;

  if (_agent_message_wants_loss (victims->last))
    *lost = agent_message_ref (victims->last);
  if (_agent_mailbox_count_drops (
          self, AGENT_DROP_REASON_FULL, victims->n, victims->last, &previous, &to_report))
    victims->last = previous;
  _agent_mailbox_count_evicted_locked (self, victims->n);

  return to_report;
}

/* Tells the sources of the victims of their loss, and unrefs the victims, both when the send is over. With no lock of the
 * queue held. */
static void
push_unref_victims (AgentMailbox *self,
                    Victims      *victims,
                    AgentMessage *lost)
{
  AgentSender *sender = victims->sender;

  for (guint i = 0; i + 1 < victims->n; i++)
    _agent_sender_note_loss (
        sender, self->owner, sender->garbage[victims->first + i], self->name, AGENT_DROP_REASON_FULL);
  push_note_loss (self, lost, sender);
  _agent_sender_unref_later (sender, victims->last);
}

/* The messages that give way leave the queue and are counted as dropped while the lock is held once, so that the ledger
 * balances. */
static PushResult
push_data_once (AgentMailbox *self,
                AgentMessage *message,
                gsize         size,
                AgentSender  *sender)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_DATA];
  Victims            victims = { sender, sender->n_garbage, 0, NULL };
  AgentMessage      *lost = NULL;
  PushResult         result;
  gint64             now = message->sent_at;
  gboolean           to_report = FALSE;
  gboolean           claimed = FALSE;
  guint              found = 0;

  _agent_channel_queue_lock (queue);
  if (G_LIKELY (_agent_mailbox_is_open_for (self, message)))
    result = push_make_room_locked (self, message, size, &victims);
  else
    result = push_make_room_to_hold_locked (self, message, size, &victims);
  if (G_UNLIKELY (result == PUSH_HELD))
    {
      _agent_mailbox_hold_back_locked (self, message, size);
    }
  else if (result == PUSH_ACCEPTED)
    {
      if (G_UNLIKELY (_agent_message_may_be_spent (message)))
        _agent_channel_queue_set_mark (queue, AGENT_QUEUE_SPENT);
      _agent_channel_queue_push_locked (queue, message, size, _agent_mailbox_put_refused_locked (self, message));
      claimed = _agent_channel_queue_claim_token_locked (queue, now);
      if (_agent_channel_queue_has_to_look_locked (queue, size))
        found = _agent_channel_queue_look_locked (queue, size);
    }
  if (victims.n > 0)
    to_report = push_count_victims_locked (self, &victims, &lost);
  _agent_channel_queue_unlock (queue);

  if (claimed)
    _agent_delivery_source_add_data (self->source, &self->schedule);
  _agent_mailbox_report_drops (self, to_report);
  if (victims.n > 0)
    push_unref_victims (self, &victims, lost);
  if (victims.n > 0)
    found |= AGENT_LOOK_MILESTONE | AGENT_LOOK_SLOW;
  if (G_UNLIKELY (found != 0))
    push_note_found (self, AGENT_CHANNEL_DATA, found, now, sender);
  return result;
}

/* What a sender looks at before it takes the lock. Most queues have none of these marks. */
#define MARKS_TO_ASK (AGENT_QUEUE_SPENT | AGENT_QUEUE_SLOW)

/* A guess, without the lock. */
static gboolean
push_may_be_full (AgentChannelQueue *queue,
                  AgentMessage      *message)
{
  return !message->reliable &&
         (_agent_channel_queue_is_full (queue) || atomic_load_explicit (&queue->max_bytes, memory_order_relaxed) != 0);
}

/* Looks without the lock whether a slow queue is still full, since in a flood the receiver needs the lock more. */
static inline gboolean
push_sees_full (AgentMailbox *self,
                AgentMessage *message)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_DATA];

  return self->overflow == AGENT_OVERFLOW_DROP_NEWEST && !message->reliable &&
         _agent_channel_queue_has_mark (queue, AGENT_QUEUE_SLOW) && _agent_channel_queue_is_full (queue);
}

/* Counts @message as dropped. FALSE: the subscriber was released after the queue was seen to be full, and @message is still
 * the caller's. */
static gboolean
push_drop (AgentMailbox *self,
           AgentMessage *message,
           AgentSender  *sender)
{
  gboolean      to_report = FALSE;
  AgentMessage *previous = NULL;
  AgentMessage *lost = _agent_message_wants_loss (message) ? agent_message_ref (message) : NULL;

  sender->drop_reason = AGENT_DROP_REASON_FULL;
  if (!_agent_mailbox_count_drops (self, AGENT_DROP_REASON_FULL, 1, message, &previous, &to_report))
    {
      g_clear_pointer (&lost, agent_message_unref);
      return FALSE;
    }

  _agent_mailbox_note_refused (self);
  push_note_loss (self, lost, sender);
  _agent_mailbox_report_drops (self, to_report);
  _agent_sender_unref_later (sender, previous);
  return TRUE;
}

/* Whether note_found() may find anything new at a full channel. In a flood it seldom does. */
static inline gboolean
push_has_news (AgentChannelQueue *queue,
               gint64             now)
{
  return !_agent_channel_queue_has_mark (queue, AGENT_QUEUE_SLOW) ||
         _agent_channel_queue_is_forgotten (queue, now, PATIENCE);
}

/* Drops @message, which has found no room, or has come too late. Takes @message. Returns whether another mailbox has accepted
 * it. */
gboolean
_agent_mailbox_lose (AgentMailbox *self,
                     AgentMessage *message,
                     gboolean      full,
                     gint64        now,
                     AgentSender  *sender)
{
  gboolean accepted = FALSE;

  if (!full || !push_drop (self, message, sender))
    accepted = push_refuse (self, message, sender);
  if (full && G_UNLIKELY (push_has_news (&self->queues[AGENT_CHANNEL_DATA], now)))
    push_note_found (self, AGENT_CHANNEL_DATA, AGENT_LOOK_MILESTONE | AGENT_LOOK_SLOW, now, sender);
  return accepted;
}

/* Not inline: who finds the queue full does not pay for what this function saves on the stack. */
static G_NO_INLINE gboolean
push_to_queue (AgentMailbox *self,
               AgentMessage *message,
               AgentSender  *sender)
{
  gint64     now = message->sent_at;
  gsize      size = _agent_channel_queue_measure (&self->queues[AGENT_CHANNEL_DATA], message);
  PushResult result;

  do
    result = push_data_once (self, message, size, sender);
  while (result == PUSH_AGAIN);

  if (G_LIKELY (result == PUSH_ACCEPTED || result == PUSH_HELD))
    return TRUE;
  return _agent_mailbox_lose (self, message, result == PUSH_FULL, now, sender);
}

/* Not inline: see push_to_queue(). */
static G_NO_INLINE gboolean
push_data_marked (AgentMailbox *self,
                  AgentMessage *message,
                  AgentSender  *sender)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_DATA];

  if (_agent_mailbox_may_have_spent (self) && push_may_be_full (queue, message))
    _agent_mailbox_purge (self, message, sender);
  if (push_sees_full (self, message))
    return _agent_mailbox_lose (self, message, TRUE, message->sent_at, sender);

  return push_to_queue (self, message, sender);
}

static inline gboolean
push_data (AgentMailbox *self,
           AgentMessage *message,
           AgentSender  *sender)
{
  if (_agent_channel_queue_has_mark (&self->queues[AGENT_CHANNEL_DATA], MARKS_TO_ASK))
    return push_data_marked (self, message, sender);

  return push_to_queue (self, message, sender);
}

/* Not for the inbox. */
static inline gboolean
push_to_main (AgentMailbox *self,
              AgentMessage *message,
              AgentSender  *sender)
{
  if (message->channel == AGENT_CHANNEL_SYSTEM)
    return push_system (self, message, sender);

  return push_data (self, message, sender);
}

/* The subscriber has rules. Not inline: see push_to_queue(). */
static G_NO_INLINE gboolean
push_to_pair (AgentMailbox *self,
              AgentMessage *message,
              AgentSender  *sender)
{
  AgentMailbox *inbox = _agent_mailbox_divert (self, message);

  if (inbox != NULL)
    return push_unbounded (inbox, _agent_mailbox_pair_get_way (message), message, sender);

  return push_to_main (self, message, sender);
}

/* Takes @message in any case. TRUE: the message was accepted. */
gboolean
_agent_mailbox_push (AgentMailbox *self,
                     AgentMessage *message,
                     AgentSender  *sender)
{
  if (G_UNLIKELY (self->pair != NULL))
    return push_to_pair (self, message, sender);

  return push_to_main (self, message, sender);
}

/* Has older messages give way to @message, which is going to be offered. FALSE: none may. With no lock held.
 *
 * @found: (inout): AGENT_LOOK_ flags, for the offer when it is accepted: before that, the channel may be empty */
gboolean
_agent_mailbox_make_room (AgentMailbox *self,
                          AgentMessage *message,
                          guint        *found,
                          AgentSender  *sender)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_DATA];
  Victims            victims = { sender, sender->n_garbage, 0, NULL };
  AgentMessage      *lost = NULL;
  PushResult         result;
  gboolean           to_report = FALSE;

  if (_agent_mailbox_purge (self, message, sender))
    return TRUE;

  _agent_channel_queue_lock (queue);
  if (G_LIKELY (_agent_mailbox_is_open_for (self, message)))
    result = push_make_room_locked (self, message, _agent_channel_queue_measure (queue, message), &victims);
  else
    result = push_make_room_to_hold_locked (self, message, _agent_channel_queue_measure (queue, message), &victims);
  if (victims.n > 0)
    to_report = push_count_victims_locked (self, &victims, &lost);
  _agent_channel_queue_unlock (queue);

  _agent_mailbox_report_drops (self, to_report);
  if (victims.n > 0)
    {
      push_unref_victims (self, &victims, lost);
      *found |= AGENT_LOOK_SLOW;
    }
  return result != PUSH_FULL;
}
