/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-mailbox-private.h"

/*
 * How a subscriber learns what it has missed: with each data message, how many data messages before it were lost because the
 * channel was full or they expired.
 *
 * A message behind a gap has a tag in its slot, so that the others cost nothing. How many were lost there, the message says
 * itself if nobody else has a reference to it, since the receiver then need not take the lock. Otherwise the gaps say it, and
 * what was added later.
 */

static AgentGaps *
missed_get_gaps (AgentMailbox *self)
{
  return &_agent_mailbox_extras_get (&self->extras)->gaps;
}

/* --- Senders --- */

/* A message was refused, for lack of room. With no lock held. */
void
_agent_mailbox_note_refused (AgentMailbox *self)
{
  _agent_channel_queue_set_mark (&self->queues[AGENT_CHANNEL_DATA], AGENT_QUEUE_GAP);
}

/* @n messages were lost before @message, which is not pushed yet. */
static void
missed_put_locked (AgentMailbox *self,
                   AgentMessage *message,
                   guint64       n)
{
  if (G_LIKELY (n <= G_MAXUINT && g_atomic_int_get (&message->ref_count) == 1))
    {
      message->n_lost = (guint) n;
      return;
    }

  _agent_channel_queue_set_mark (&self->queues[AGENT_CHANNEL_DATA], AGENT_QUEUE_WAIT);
  _agent_gaps_add (missed_get_gaps (self), message, n);
}

/* @message is about to be pushed, and the mark is set: what was refused since the last push belongs before this message.
 * Returns whether it was anything.
 *
 * A sender counts a message as dropped before it sets the mark. So what is not counted here has the mark set once more. */
gboolean
_agent_mailbox_put_all_refused_locked (AgentMailbox *self,
                                       AgentMessage *message)
{
  AgentGaps *gaps = missed_get_gaps (self);
  guint64    totals[AGENT_N_DROP_REASONS];
  guint64    n_refused;
  guint64    n;

  _agent_channel_queue_clear_mark (&self->queues[AGENT_CHANNEL_DATA], AGENT_QUEUE_GAP);
  _agent_drop_box_read (&self->drops, totals);
  n_refused = totals[AGENT_DROP_REASON_FULL] - gaps->n_counted;
  n = n_refused - gaps->n_refused + gaps->n_waiting;
  gaps->n_refused = n_refused;
  gaps->n_waiting = 0;

  if (n > 0)
    missed_put_locked (self, message, n);
  return n > 0;
}

/* What the message itself says. Whoever has taken it out of its channel calls this, so that another channel does not take it
 * for its own. */
static guint
missed_take_own (AgentMessage *message)
{
  guint n = message->n_lost;

  if (n > 0)
    message->n_lost = 0;
  return n;
}

/* @message is taken out of a channel that will tell nobody any more what was lost. */
void
_agent_mailbox_forget_gap (AgentMessage *message)
{
  missed_take_own (message);
}

/* @message leaves the queue, and @n messages are missed for it.
 *
 * @gap: whether messages before it were lost
 * @next: (nullable): the message behind it, which has the tag of a gap */
static void
missed_move_gap_locked (AgentMailbox *self,
                        AgentMessage *message,
                        guint64       n,
                        gboolean      gap,
                        AgentMessage *next)
{
  AgentGaps *gaps = missed_get_gaps (self);

  if (gap)
    n += missed_take_own (message) + _agent_gaps_take (gaps, message);
  if (n == 0)
    return;

  if (next != NULL)
    {
      _agent_gaps_add (gaps, next, n);
    }
  else
    {
      gaps->n_waiting += n;
      _agent_channel_queue_set_mark (&self->queues[AGENT_CHANNEL_DATA], AGENT_QUEUE_GAP);
    }
}

/* @from is taken back, and had the tag of a gap: what was lost before it, was lost before the next message that stays. An
 * AgentGapFunc.
 *
 * @to: (nullable): that message, if it is queued already */
void
_agent_mailbox_move_gap_locked (gpointer      mailbox,
                                AgentMessage *from,
                                AgentMessage *to)
{
  missed_move_gap_locked (mailbox, from, 0, TRUE, to);
}

/* @message has given way: see missed_move_gap_locked(). */
void
_agent_mailbox_put_evicted_locked (AgentMailbox *self,
                                   AgentMessage *message,
                                   gboolean      gap,
                                   AgentMessage *next)
{
  missed_move_gap_locked (self, message, 1, gap, next);
}

/* The same for one that was stale or expired. The ledger takes it for one that the receiver has taken out, so it is counted. */
void
_agent_mailbox_put_purged_locked (AgentMailbox   *self,
                                  AgentMessage   *message,
                                  AgentDropReason reason,
                                  gboolean        gap,
                                  AgentMessage   *next)
{
  missed_move_gap_locked (self, message, reason == AGENT_DROP_REASON_EXPIRED ? 1 : 0, gap, next);
  missed_get_gaps (self)->n_purged++;
}

/* @n messages that have given way were counted as dropped. */
void
_agent_mailbox_count_evicted_locked (AgentMailbox *self,
                                     guint         n)
{
  missed_get_gaps (self)->n_counted += n;
}

/* --- The thread that takes messages out --- */

/* @message was taken out, with the tag of a gap.
 *
 * Sequentially consistent: see AgentChannelQueue. */
void
_agent_mailbox_take_gap (AgentMailbox *self,
                         AgentMessage *message)
{
  AgentMailboxExtras *extras = _agent_mailbox_extras_get (&self->extras);
  AgentChannelQueue  *queue = &self->queues[AGENT_CHANNEL_DATA];

  queue->gap = FALSE;
  extras->n_missed_next += missed_take_own (message);
  if ((atomic_load (&queue->marks) & AGENT_QUEUE_WAIT) != 0)
    {
      _agent_channel_queue_lock (queue);
      extras->n_missed_next += _agent_gaps_take (&extras->gaps, message);
      _agent_channel_queue_unlock (queue);
    }
  self->missed = TRUE;
}

/* @message, which was taken out, is not delivered. Only what has expired is missed: nobody wants what is stale or cancelled. */
void
_agent_mailbox_note_spent (AgentMailbox   *self,
                           AgentMessage   *message,
                           AgentDropReason reason)
{
  if (_agent_message_get_way (message) != AGENT_CHANNEL_DATA || reason != AGENT_DROP_REASON_EXPIRED)
    return;

  _agent_mailbox_extras_get (&self->extras)->n_missed_next++;
  self->missed = TRUE;
}

/* A message of @channel is about to be delivered. Called if something was missed for this one or the one before. */
void
_agent_mailbox_tell_missed (AgentMailbox *self,
                            AgentChannel  channel)
{
  AgentMailboxExtras *extras = _agent_mailbox_extras_get (&self->extras);
  guint64             n_missed = channel == AGENT_CHANNEL_DATA ? extras->n_missed_next : 0;

  /* Relaxed: whoever reads it was given the message. */
  atomic_store_explicit (&extras->n_missed, n_missed, memory_order_relaxed);
  extras->n_missed_next -= n_missed;
  self->missed = n_missed > 0 || extras->n_missed_next > 0;
}

/* How many data messages were lost since the data message before, at the message that was delivered last. */
guint64
_agent_mailbox_get_n_missed (AgentMailbox *self)
{
  AgentMailboxExtras *extras = _agent_mailbox_extras_peek (&self->extras);

  return extras != NULL ? atomic_load_explicit (&extras->n_missed, memory_order_relaxed) : 0;
}
