/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "mailbox/agent-mailbox-private.h"

G_BEGIN_DECLS

/* How one message is taken out of the mailbox, or turns out to be too old, stale or cancelled. For the thread that serves, which does this
 * with each message. */

gboolean _agent_mailbox_is_too_old (AgentMailbox   *self,
                                    AgentMessage   *message);
gboolean _agent_mailbox_ask_spent  (AgentMailbox    *self,
                                    AgentMessage    *message,
                                    AgentDropReason *reason);
void     _agent_mailbox_drop_spent (AgentMailbox   *self,
                                    AgentMessage   *message,
                                    AgentDropReason reason);

/* Relaxed: a message that is taken out while the age limit changes may fall under either. */
static inline guint
_agent_mailbox_get_max_age (AgentMailbox *self)
{
  return atomic_load_explicit (&self->max_age, memory_order_relaxed);
}

/* Whether the message must not be delivered any more: it is too old, or stale. */
static inline gboolean
_agent_mailbox_is_expired (AgentMailbox *self,
                           AgentMessage *message)
{
  if (G_UNLIKELY (_agent_message_is_stale (message)))
    return TRUE;

  return (message->ttl != 0 || _agent_mailbox_get_max_age (self) != 0) && _agent_mailbox_is_too_old (self, message);
}

/* Why a message is not delivered that is_expired(). To be asked once: it may get stale meanwhile, and what is counted as missed
 * has to be what is counted as expired. */
static inline AgentDropReason
_agent_mailbox_get_spent_reason (AgentMessage *message)
{
  return _agent_message_is_stale (message) ? AGENT_DROP_REASON_STALE : AGENT_DROP_REASON_EXPIRED;
}

/* Whether the message, whose turn it is, may be one of those that are not simply delivered. Most have nothing of the kind, and
 * are asked this only. Relaxed: a cancellation that this thread has taken out is seen, as its sender has set the flag before.
 *
 * @checks: AGENT_CHECK_ flags to look for */
static inline gboolean
_agent_mailbox_has_to_check (AgentMailbox *self,
                             AgentMessage *message,
                             guint         checks)
{
  return G_UNLIKELY (message->epoch != NULL || message->ttl != 0 ||
                     (atomic_load_explicit (&self->checks, memory_order_relaxed) & checks) != 0);
}

/* Whether the message, whose turn it is, must not be delivered: it is too old, stale, or a request that was cancelled.
 *
 * @reason: (out): why, in that case */
static inline gboolean
_agent_mailbox_is_spent (AgentMailbox    *self,
                         AgentMessage    *message,
                         AgentDropReason *reason)
{
  return _agent_mailbox_has_to_check (self, message, AGENT_CHECK_AGE | AGENT_CHECK_CANCELS) &&
         _agent_mailbox_ask_spent (self, message, reason);
}

/* The next message of @channel: (transfer full) (nullable). */
static inline AgentMessage *
_agent_mailbox_pop (AgentMailbox *self,
                    AgentChannel  channel)
{
  AgentMessage *message = _agent_channel_queue_pop (&self->queues[channel]);

  if (G_UNLIKELY (self->queues[channel].gap))
    _agent_mailbox_take_gap (self, message);
  if (channel == AGENT_CHANNEL_SYSTEM && message != NULL && _agent_message_is_cancel (message))
    atomic_fetch_sub (&self->n_cancels, 1);
  return message;
}

/* @message is about to be delivered. */
static inline void
_agent_mailbox_count_delivered (AgentMailbox *self,
                                AgentMessage *message)
{
  /* Relaxed: only the thread that serves writes it, and the source's lock orders one such thread after the other. */
  guint64 n_delivered = atomic_load_explicit (&self->n_delivered, memory_order_relaxed);

  atomic_store_explicit (&self->n_delivered, n_delivered + 1, memory_order_release);
  if (G_UNLIKELY (self->missed))
    _agent_mailbox_tell_missed (self, _agent_message_get_way (message));
}

G_END_DECLS
