/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-mailbox-take-private.h"

/*
 * How a thread that does not iterate the main context receives: it takes the next message out of the channels itself.
 *
 * The source's lock is held meanwhile. A thread that serves the mailbox says so under the same lock, so only one thread at a
 * time takes messages out.
 */

/* Whether nothing is queued, without pop(), which would clear the token: then the next message would wake the context up.
 *
 * While a message gives way to a newer one, the queue may look empty. So this function waits for the sender that does so. */
static gboolean
receive_now_is_empty (AgentMailbox *self,
                      AgentChannel  channel)
{
  AgentChannelQueue *queue = &self->queues[channel];

  if (!_agent_channel_queue_is_empty (queue))
    return FALSE;
  if (channel == AGENT_CHANNEL_SYSTEM || self->overflow != AGENT_OVERFLOW_DROP_OLDEST)
    return TRUE;

  _agent_channel_queue_lock (queue);
  _agent_channel_queue_unlock (queue);
  return _agent_channel_queue_is_empty (queue);
}

/* (transfer full) (nullable) */
static AgentMessage *
receive_now_pop_locked (AgentMailbox *self)
{
  AgentMessage *message = NULL;

  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS && message == NULL; channel++)
    if (!receive_now_is_empty (self, channel))
      message = _agent_mailbox_pop (self, channel);

  return message;
}

/* Takes @expired, with no lock held. The mailbox is not released meanwhile: receive_now_take() has seen to that. */
static void
receive_now_drop (AgentMailbox   *self,
                  AgentMessage   *expired,
                  AgentDropReason reason)
{
  AgentReadyList *list;
  AgentRelease    release;

  _agent_mailbox_drop_spent (self, expired, reason);

  list = _agent_delivery_source_lock (self->source);
  release = _agent_schedule_end_return (&self->schedule, list);
  _agent_delivery_source_unlock (self->source);
  _agent_mailbox_go_on (self, release);
}

/* The next message: (transfer full) (nullable).
 *
 * @expired: (out): it is too old, stale or cancelled, and the caller has to drop it
 * @reason: (out): why, in that case */
static AgentMessage *
receive_now_take (AgentMailbox    *self,
                  gboolean         owns_context,
                  gboolean        *expired,
                  AgentDropReason *reason)
{
  AgentReadyList *list = _agent_delivery_source_lock (self->source);
  AgentMessage   *message = NULL;
  AgentRelease    release = AGENT_RELEASE_NOT_YET;

  *expired = FALSE;
  _agent_mailbox_mark (self, AGENT_MARK_PULLED);
  if (_agent_schedule_can_receive (&self->schedule, owns_context))
    message = receive_now_pop_locked (self);
  if (message != NULL)
    {
      *expired = _agent_mailbox_is_spent (self, message, reason);
      if (*expired)
        {
          _agent_mailbox_note_spent (self, message, *reason);
          _agent_schedule_begin_return (&self->schedule);
        }
      else
        {
          _agent_mailbox_count_delivered (self, message);
        }
      release = _agent_schedule_end_receive (&self->schedule, list);
    }
  _agent_delivery_source_unlock (self->source);

  if (message != NULL)
    _agent_mailbox_go_on (self, release);
  return message;
}

/* The next message: (transfer full) (nullable). In any thread. NULL: there is none, or others wait for it already, or another
 * thread may be handling one.
 *
 * @owns_context: whether this thread owns the subscriber's context. It may receive in a handler, too. */
AgentMessage *
_agent_mailbox_receive_now (AgentMailbox *self,
                            gboolean      owns_context)
{
  AgentDropReason reason = AGENT_DROP_REASON_EXPIRED;
  AgentMessage   *message;
  gboolean        expired;

  while ((message = receive_now_take (self, owns_context, &expired, &reason)) != NULL && expired)
    receive_now_drop (self, message, reason);

  return message;
}
