/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "mailbox/agent-mailbox-private.h"

/*
 * The data of a group that a member holds back, while another member may still handle what came before: see AgentGrouping.
 *
 * It lies beside the channel, so that any thread can take it out again without the receiver. For the statistics it is queued.
 */

static AgentChannelQueue *
held_get_queue (AgentMailbox *self)
{
  return &self->queues[AGENT_CHANNEL_DATA];
}

/* (nullable) */
static AgentHeld *
held_peek_locked (AgentMailbox *self)
{
  AgentMailboxExtras *extras = _agent_mailbox_extras_peek (&self->extras);

  return extras != NULL ? extras->held : NULL;
}

static AgentHeld *
held_get_locked (AgentMailbox *self)
{
  AgentMailboxExtras *extras = _agent_mailbox_extras_get (&self->extras);

  if (extras->held == NULL)
    extras->held = _agent_held_new ();
  return extras->held;
}

/* Before any sender knows the mailbox, which is not attached yet.
 *
 * @inactive: whether everything waits */
void
_agent_mailbox_init_standing (AgentMailbox *self,
                              AgentStanding standing,
                              gboolean      inactive)
{
  g_assert (self->source == NULL);

  if (inactive)
    atomic_fetch_or (&self->schedule.paused, AGENT_PAUSE_INACTIVE);
  if (standing == AGENT_STANDING_ACTIVE || _agent_mailbox_get_group (self) == NULL)
    return;

  _agent_mailbox_extras_get (&self->extras)->standing = (guint8) standing;
  atomic_store (&self->grouping, AGENT_GROUPING_CLOSED);
}

/* What is queued and what is held back share the limits of the channel.
 *
 * @capacity: how many messages may be there */
gboolean
_agent_mailbox_has_room_to_hold_locked (AgentMailbox *self,
                                        gsize         size,
                                        guint         capacity)
{
  AgentChannelQueue *queue = held_get_queue (self);
  AgentHeld         *held = held_peek_locked (self);
  guint64            max_bytes = atomic_load (&queue->max_bytes);
  gsize              held_bytes = held != NULL ? held->bytes : 0;

  if (_agent_channel_queue_get_length_locked (queue) + _agent_held_get_length (held) >= capacity)
    return FALSE;

  return max_bytes == 0 || queue->bytes_in - atomic_load (&queue->bytes_out) + held_bytes + size <= max_bytes;
}

/* Takes @message, and asks for no room. */
void
_agent_mailbox_hold_back_locked (AgentMailbox *self,
                                 AgentMessage *message,
                                 gsize         size)
{
  _agent_held_add (held_get_locked (self), message, size);
}

/* A message that another member had before: takes @message. */
void
_agent_mailbox_hold_back_older_locked (AgentMailbox *self,
                                       AgentMessage *message)
{
  _agent_held_add_older (held_get_locked (self), message, _agent_channel_queue_measure (held_get_queue (self), message));
}

/* The oldest message that is held back and may give way: (transfer full) (nullable). */
AgentMessage *
_agent_mailbox_evict_held_locked (AgentMailbox *self)
{
  AgentHeld *held = held_peek_locked (self);

  return held != NULL ? _agent_held_evict (held) : NULL;
}

/* Takes @message. The sender waits for nothing, so there may be more messages than room. */
void
_agent_mailbox_add_grouped_locked (AgentMailbox *self,
                                   AgentMessage *message)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_DATA];

  if (_agent_message_may_be_spent (message))
    _agent_channel_queue_set_mark (queue, AGENT_QUEUE_SPENT);
  _agent_channel_queue_push_locked (
      queue, message, _agent_channel_queue_measure (queue, message), _agent_mailbox_put_refused_locked (self, message));
}

/* Takes out all that is held back, in its order, and counts it as moved: (transfer full).
 *
 * @closed: (out) (optional): whether the mailbox closes, so that another thread may have taken it out */
GPtrArray *
_agent_mailbox_take_held (AgentMailbox *self,
                          gboolean     *closed)
{
  AgentChannelQueue *queue = held_get_queue (self);
  GPtrArray         *messages = g_ptr_array_new_with_free_func ((GDestroyNotify) agent_message_unref);
  AgentHeld         *held;
  AgentMessage      *message;

  _agent_channel_queue_lock (queue);
  held = held_peek_locked (self);
  while (held != NULL && (message = _agent_held_take (held)) != NULL)
    g_ptr_array_add (messages, message);
  if (messages->len > 0)
    _agent_mailbox_extras_get (&self->extras)->n_moved += messages->len;
  if (closed != NULL)
    *closed = queue->closed;
  _agent_channel_queue_unlock (queue);

  return messages;
}

static void
held_push_all_locked (AgentMailbox *self)
{
  AgentHeld    *held = held_peek_locked (self);
  AgentMessage *message;

  while (held != NULL && (message = _agent_held_take (held)) != NULL)
    _agent_mailbox_add_grouped_locked (self, message);
}

/* It is the member's from now on: queues what is held back, in its order, and what comes for the group now goes behind that. In
 * any thread, with no lock held. */
void
_agent_mailbox_release_held (AgentMailbox *self)
{
  AgentChannelQueue *queue = held_get_queue (self);
  guint8             holds = AGENT_GROUPING_HOLDS;
  gboolean           wake = FALSE;
  guint              found = 0;

  _agent_channel_queue_lock (queue);
  if (!queue->closed && _agent_mailbox_get_n_held_locked (self) > 0)
    {
      held_push_all_locked (self);
      wake = _agent_channel_queue_claim_token_locked (queue, _agent_clock_now ());
      if (_agent_channel_queue_has_to_look_locked (queue, 0))
        found = _agent_channel_queue_look_locked (queue, 0);
    }
  atomic_compare_exchange_strong (&self->grouping, &holds, AGENT_GROUPING_OPEN);
  _agent_channel_queue_unlock (queue);

  if (wake)
    _agent_delivery_source_add_data (self->source, &self->schedule);
  if ((found & AGENT_LOOK_SLOW) != 0)
    _agent_mailbox_note_slow (self, AGENT_CHANNEL_DATA);
  _agent_mailbox_tell_progress (self);
}
