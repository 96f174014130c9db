/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-mailbox-private.h"

/* How a mailbox becomes slow, and how it recovers. The functions may be called in any thread, with no lock of the mailbox
 * held. */

static guint64
flow_count_full (AgentMailbox *self)
{
  guint64 totals[AGENT_N_DROP_REASONS];

  _agent_drop_box_read (_agent_mailbox_get_drops (self), totals);
  return totals[AGENT_DROP_REASON_FULL];
}

static void
flow_change (AgentMailbox *self,
             gboolean      slow,
             guint64       n_queued)
{
  AgentFlow *flow = &_agent_mailbox_extras_get (&self->extras)->flow;

  if (_agent_flow_change (flow, slow, n_queued, flow_count_full (self)))
    self->owner->funcs->flow_changed (self->owner, self);
}

/* FALSE: the channel is slow already.
 *
 * @n_queued: (out): how many messages were queued when that was found */
static gboolean
flow_set_slow (AgentMailbox *self,
               AgentChannel  channel,
               guint64      *n_queued)
{
  AgentChannelQueue *queue = &self->queues[channel];
  gboolean           changed;

  _agent_channel_queue_lock (queue);
  changed = !_agent_channel_queue_has_mark (queue, AGENT_QUEUE_SLOW);
  _agent_channel_queue_set_mark (queue, AGENT_QUEUE_SLOW);
  *n_queued = queue->n_slow;
  _agent_channel_queue_unlock (queue);

  return changed;
}

/* Whether @channel is still slow. */
static gboolean
flow_is_still_slow (AgentMailbox *self,
                    AgentChannel  channel)
{
  AgentChannelQueue *queue = &self->queues[channel];
  gboolean           slow;

  _agent_channel_queue_lock (queue);
  slow = _agent_channel_queue_has_mark (queue, AGENT_QUEUE_SLOW);
  if (slow && _agent_channel_queue_has_recovered_locked (queue))
    {
      _agent_channel_queue_note_recovered_locked (queue);
      slow = FALSE;
    }
  _agent_channel_queue_unlock (queue);

  return slow;
}

/* Whether any channel is still slow. If so, look_for_recovery() is called again after the next messages.
 *
 * The second look is for messages that were taken while this thread had not asked to be told of that yet: see
 * _agent_schedule_is_watched(). */
static gboolean
flow_is_any_still_slow (AgentMailbox *self)
{
  gboolean slow = FALSE;

  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    {
      if (!flow_is_still_slow (self, channel))
        continue;
      _agent_schedule_watch (&self->schedule, AGENT_WATCH_SLOW);
      atomic_thread_fence (memory_order_seq_cst);
      slow |= flow_is_still_slow (self, channel);
    }

  return slow;
}

/* Whether a channel has the mark.
 *
 * @n_queued: (out): how many messages were queued there when that was found */
static gboolean
flow_has_mark (AgentMailbox *self,
               guint64      *n_queued)
{
  gboolean marked = FALSE;

  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS && !marked; channel++)
    {
      AgentChannelQueue *queue = &self->queues[channel];

      _agent_channel_queue_lock (queue);
      marked = _agent_channel_queue_has_mark (queue, AGENT_QUEUE_SLOW);
      *n_queued = queue->n_slow;
      _agent_channel_queue_unlock (queue);
    }

  return marked;
}

/* @channel has got nearly full, or has dropped messages because it is full. Returns whether that is new.
 *
 * The receiver may have taken the messages before this thread has it look after the channel. So this function looks, too. */
gboolean
_agent_mailbox_note_slow (AgentMailbox *self,
                          AgentChannel  channel)
{
  guint64 n_queued;

  if (G_LIKELY (_agent_channel_queue_has_mark (&self->queues[channel], AGENT_QUEUE_SLOW)) || !flow_set_slow (self, channel, &n_queued))
    return FALSE;

  flow_change (self, TRUE, n_queued);
  _agent_mailbox_look_for_recovery (self);
  return TRUE;
}

/* The mailbox was slow, and messages have been taken. If it is still slow, this is called again after the next ones.
 *
 * Another thread may find a channel slow again after this one has looked, and note that before this one notes that the mailbox
 * has recovered. Then the mark is there, and this thread notes it once more. */
void
_agent_mailbox_look_for_recovery (AgentMailbox *self)
{
  guint64 n_queued;

  while (!flow_is_any_still_slow (self))
    {
      flow_change (self, FALSE, 0);
      if (!flow_has_mark (self, &n_queued))
        return;
      flow_change (self, TRUE, n_queued);
    }
}

/* What to log of @channel, which has become slow: (transfer full) (nullable). Of the data channel, drops are logged. */
char *
_agent_mailbox_dup_warning (AgentMailbox *self,
                            AgentChannel  channel)
{
  if (channel == AGENT_CHANNEL_DATA || !_agent_mailbox_mark (self, AGENT_MARK_MANY))
    return NULL;

  return g_strdup_printf ("System channel of '%s' is long, and nothing bounds it: the subscriber does not keep up", self->name);
}
