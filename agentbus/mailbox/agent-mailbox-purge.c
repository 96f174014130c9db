/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-mailbox-take-private.h"

/*
 * How what is stale or expired at the head of a full channel gives way, before anything fresh is dropped, refused or made to
 * wait. Messages that never give way are left to the receiver.
 */

/* How many messages give way while the lock is held once. */
#define BATCH 64

typedef struct
{
  AgentMessage   *messages[BATCH]; /* (owned) */
  AgentDropReason reasons[BATCH];
  guint           n;
  gboolean        to_report;
} Purge;

static gboolean
purge_is_spent (AgentMessage *message,
                gpointer      data)
{
  return _agent_mailbox_is_expired (data, message);
}

/* What is stale is not missed.
 *
 * @gap: whether messages before it were lost
 * @next: (nullable): the message behind it */
static void
purge_count_locked (AgentMailbox *self,
                    AgentMessage *message,
                    gboolean      gap,
                    AgentMessage *next,
                    AgentSender  *sender,
                    Purge        *purge)
{
  AgentDropReason reason = _agent_mailbox_get_spent_reason (message);
  AgentMessage   *previous = NULL;
  gboolean        to_report = FALSE;

  purge->messages[purge->n] = agent_message_ref (message);
  purge->reasons[purge->n++] = reason;
  _agent_mailbox_put_purged_locked (self, message, reason, gap, next);
  if (!_agent_mailbox_count_drops (self, reason, 1, message, &previous, &to_report))
    previous = message;
  purge->to_report |= to_report;
  _agent_sender_unref_later (sender, previous);
}

static void
purge_head_locked (AgentMailbox *self,
                   AgentMessage *message,
                   AgentSender  *sender,
                   Purge        *purge)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_DATA];
  gsize              size = _agent_channel_queue_measure (queue, message);

  while (!queue->closed && purge->n < BATCH && !_agent_channel_queue_has_room_locked (queue, size))
    {
      gboolean      gap = FALSE;
      AgentMessage *next = NULL;
      AgentMessage *spent = _agent_channel_queue_evict_spent_locked (queue, purge_is_spent, self, &gap, &next);

      if (spent == NULL)
        return;
      purge_count_locked (self, spent, gap, next, sender, purge);
    }
}

static void
purge_note_losses (AgentMailbox *self,
                   Purge        *purge,
                   AgentSender  *sender)
{
  for (guint i = 0; i < purge->n; i++)
    {
      _agent_sender_note_loss (sender, self->owner, purge->messages[i], self->name, purge->reasons[i]);
      _agent_sender_unref_later (sender, purge->messages[i]);
    }
}

/* What waits for room goes first, as soon as the context is iterated. */
static void
purge_tell_who_waits (AgentMailbox *self,
                      Purge        *purge)
{
  if (purge->n > 0 && (atomic_load (&self->schedule.watched) & AGENT_WATCH_ROOM) != 0)
    _agent_mailbox_ask_again (self);
}

/* There may be no room for @message. Returns whether messages have given way. With no lock of the mailbox held. */
gboolean
_agent_mailbox_purge (AgentMailbox *self,
                      AgentMessage *message,
                      AgentSender  *sender)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_DATA];
  Purge              purge;

  if (!_agent_channel_queue_has_mark (queue, AGENT_QUEUE_SPENT))
    return FALSE;

  purge.n = 0;
  purge.to_report = FALSE;
  _agent_channel_queue_lock (queue);
  purge_head_locked (self, message, sender, &purge);
  _agent_channel_queue_unlock (queue);

  purge_note_losses (self, &purge, sender);
  _agent_mailbox_report_drops (self, purge.to_report);
  purge_tell_who_waits (self, &purge);
  return purge.n > 0;
}
