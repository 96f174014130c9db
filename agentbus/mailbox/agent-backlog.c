/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-backlog-private.h"

/* What is held back comes into the channel later. */
static void
backlog_measure (AgentBacklog *self,
                 AgentMailbox *mailbox)
{
  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    {
      AgentChannelQueue *queue = &mailbox->queues[channel];

      _agent_channel_queue_lock (queue);
      self->kept[channel] = queue->n_kept_in;
      self->loose[channel] = (guint) (atomic_load (&queue->n_in) - queue->n_kept_in) + queue->n_evicted;
      if (channel == AGENT_CHANNEL_DATA)
        self->holds = _agent_mailbox_get_n_held_locked (mailbox) > 0;
      _agent_channel_queue_unlock (queue);
    }
}

static AgentBacklog *
backlog_new_of_one (AgentMailbox *mailbox)
{
  AgentBacklog *self = g_new0 (AgentBacklog, 1);

  backlog_measure (self, mailbox);
  return self;
}

AgentBacklog *
_agent_backlog_new (AgentMailbox *mailbox)
{
  AgentBacklog *self = backlog_new_of_one (mailbox);

  if (mailbox->pair != NULL)
    self->inbox = backlog_new_of_one (mailbox->pair->inbox);

  return self;
}

/* With no lock held: the last reference to a message may go. */
void
_agent_backlog_free (AgentBacklog *self)
{
  g_clear_pointer (&self->inbox, _agent_backlog_free);
  g_clear_pointer (&self->hands, g_ptr_array_unref);
  g_free (self);
}

/* Whether all its messages are out of the channel. Precondition: no receiver is taking messages out.
 *
 * A message is counted in @n_kept_out before it is in @n_out, so they are read the other way round: the difference may be too
 * small for a moment, but never too large. */
static gboolean
backlog_is_out_of (AgentBacklog *self,
                   AgentMailbox *mailbox,
                   AgentChannel  channel)
{
  AgentChannelQueue *queue = &mailbox->queues[channel];
  guint64            n_kept;
  guint64            n_out;
  guint              n_loose;

  _agent_channel_queue_lock (queue);
  n_out = atomic_load (&queue->n_out);
  n_kept = atomic_load (&queue->n_kept_out);
  n_loose = (guint) (n_out - n_kept) + queue->n_evicted;
  _agent_channel_queue_unlock (queue);

  return n_kept >= self->kept[channel] && (gint) (n_loose - self->loose[channel]) >= 0;
}

static GPtrArray *
backlog_list_hands_locked (AgentMailbox *mailbox)
{
  GPtrArray *hands = g_ptr_array_new_with_free_func ((GDestroyNotify) _agent_hand_unref);

  for (AgentHand *hand = mailbox->schedule.hands; hand != NULL; hand = hand->next)
    g_ptr_array_add (hands, _agent_hand_ref (hand));

  return hands;
}

static gboolean
backlog_has_open_hand_locked (AgentBacklog *self,
                              AgentMailbox *mailbox)
{
  for (AgentHand *hand = mailbox->schedule.hands; hand != NULL; hand = hand->next)
    if (g_ptr_array_find (self->hands, hand, NULL))
      return TRUE;

  return FALSE;
}

/* What there is to say as long as the messages are not handled. */
static AgentBacklogState
backlog_get_reason_locked (AgentMailbox *mailbox)
{
  if (_agent_mailbox_has_mark (mailbox, AGENT_MARK_ABANDONED))
    return AGENT_BACKLOG_TIMED_OUT;

  return mailbox->schedule.phase >= AGENT_PHASE_FINISHED ? AGENT_BACKLOG_LOST : AGENT_BACKLOG_WAITS;
}

static AgentBacklogState
backlog_get_state_locked (AgentBacklog *self,
                          AgentMailbox *mailbox)
{
  /* What was held back when it was measured is in the channel now, or at another member. */
  if (self->holds)
    backlog_measure (self, mailbox);
  if (self->hands == NULL)
    {
      if (self->holds || mailbox->schedule.serving || mailbox->schedule.n_returning > 0 ||
          !backlog_is_out_of (self, mailbox, AGENT_CHANNEL_SYSTEM) ||
          !backlog_is_out_of (self, mailbox, AGENT_CHANNEL_DATA))
        return backlog_get_reason_locked (mailbox);
      self->hands = backlog_list_hands_locked (mailbox);
    }

  return backlog_has_open_hand_locked (self, mailbox) ? backlog_get_reason_locked (mailbox) : AGENT_BACKLOG_HANDLED;
}

static AgentBacklogState
backlog_look_locked (AgentBacklog *self,
                     AgentMailbox *mailbox)
{
  AgentBacklogState state = backlog_get_state_locked (self, mailbox);

  if (state == AGENT_BACKLOG_WAITS)
    _agent_schedule_watch (&mailbox->schedule, AGENT_WATCH_PROGRESS);
  return state;
}

/* What is lost in one of the two mailboxes is lost. */
static AgentBacklogState
backlog_add_inbox_locked (AgentBacklog     *self,
                          AgentMailbox     *mailbox,
                          AgentBacklogState state)
{
  AgentBacklogState of_inbox = backlog_look_locked (self->inbox, mailbox->pair->inbox);

  if (state == AGENT_BACKLOG_LOST || state == AGENT_BACKLOG_TIMED_OUT || of_inbox == AGENT_BACKLOG_HANDLED)
    return state;

  return of_inbox;
}

AgentBacklogState
_agent_backlog_get_state (AgentBacklog *self,
                          AgentMailbox *mailbox)
{
  AgentBacklogState state;

  _agent_delivery_source_lock (mailbox->source);
  state = backlog_look_locked (self, mailbox);
  if (self->inbox != NULL)
    state = backlog_add_inbox_locked (self, mailbox, state);
  _agent_delivery_source_unlock (mailbox->source);

  return state;
}
