/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-mailbox-private.h"

/* How a mailbox becomes slow, and how it recovers. The functions may be called in any thread, with no lock of the mailbox
 * held. */

static guint64
flow_count_full (AgentMailbox *self)
{
  guint64 totals[AGENT_N_DROP_REASONS];

  _agent_drop_box_read (&self->drops, totals);
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

/* FALSE: the channel is slow already. */
static gboolean
flow_set_slow (AgentMailbox *self,
               AgentChannel  channel,
               guint64      *n_queued)
{
  AgentChannelQueue *queue = &self->queues[channel];
  gboolean           changed;

  _agent_channel_queue_lock (queue);
  changed = !atomic_exchange (&queue->slow, TRUE);
  *n_queued = _agent_channel_queue_get_length_locked (queue);
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
  slow = atomic_load (&queue->slow) && !_agent_channel_queue_has_recovered_locked (queue);
  atomic_store (&queue->slow, slow);
  _agent_channel_queue_unlock (queue);

  return slow;
}

/* @channel has got nearly full, or has dropped messages because it is full. Returns whether that is new.
 *
 * The receiver may have taken the messages before this thread has it look after the channel. So this function looks, too. */
gboolean
_agent_mailbox_note_slow (AgentMailbox *self,
                          AgentChannel  channel)
{
  guint64 n_queued;

  if (G_LIKELY (atomic_load (&self->queues[channel].slow)) || !flow_set_slow (self, channel, &n_queued))
    return FALSE;

  flow_change (self, TRUE, n_queued);
  _agent_schedule_watch (&self->schedule, AGENT_WATCH_SLOW);
  _agent_mailbox_look_for_recovery (self);
  return TRUE;
}

/* The mailbox was slow, and messages have been taken. If it is still slow, this is called again after the next ones. */
void
_agent_mailbox_look_for_recovery (AgentMailbox *self)
{
  gboolean slow = FALSE;

  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    slow |= flow_is_still_slow (self, channel);

  if (slow)
    _agent_schedule_watch (&self->schedule, AGENT_WATCH_SLOW);
  else
    flow_change (self, FALSE, 0);
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
