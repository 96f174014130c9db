/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "mailbox/agent-mailbox-private.h"

/* How one message is taken out of the mailbox, or expires. For the thread that serves. */

/* The age limit of a subscriber applies to data only, and the ttl of a message to both channels. The ttl counts from the
 * sending, and the limit from the moment when the message enters the channel. */
gboolean
_agent_mailbox_is_expired (AgentMailbox *self,
                           AgentMessage *message)
{
  guint  max_age = message->channel == AGENT_CHANNEL_DATA ? self->max_age : 0;
  gint64 age;

  if (message->ttl == 0 && max_age == 0)
    return FALSE;

  age = _agent_clock_now () - message->sent_at;
  return (message->ttl != 0 && age >= message->ttl * G_GINT64_CONSTANT (1000)) ||
         (max_age != 0 && age >= ((gint64) max_age + message->delay) * 1000);
}

/* Takes @message, and counts it as expired. With no lock held. */
void
_agent_mailbox_drop_expired (AgentMailbox *self,
                             AgentMessage *message)
{
  gboolean      to_report = FALSE;
  AgentMessage *previous = NULL;

  _agent_mailbox_owner_tell_loss (self->owner, message, self->name, AGENT_DROP_REASON_EXPIRED);
  _agent_mailbox_count_drops (self, AGENT_DROP_REASON_EXPIRED, 1, message, &previous, &to_report);
  _agent_mailbox_report_drops (self, to_report);
  g_clear_pointer (&previous, agent_message_unref);
}

/* Takes @message if it is too old, and counts it as expired. */
gboolean
_agent_mailbox_expire (AgentMailbox *self,
                       AgentMessage *message)
{
  gboolean expired = _agent_mailbox_is_expired (self, message);

  if (expired)
    _agent_mailbox_drop_expired (self, message);
  return expired;
}

/* The next message of @channel: (transfer full) (nullable). For the thread that owns the subscriber's context. */
AgentMessage *
_agent_mailbox_pop (AgentMailbox *self,
                    AgentChannel  channel)
{
  AgentMessage *message = _agent_channel_queue_pop (&self->queues[channel]);

  if (message != NULL && _agent_message_is_cancel (message))
    atomic_fetch_sub (&self->n_cancels, 1);
  return message;
}

void
_agent_mailbox_count_delivered (AgentMailbox *self)
{
  /* Relaxed: only the thread that serves writes it, and the source's lock orders one such thread after the other. */
  guint64 n_delivered = atomic_load_explicit (&self->n_delivered, memory_order_relaxed);

  atomic_store_explicit (&self->n_delivered, n_delivered + 1, memory_order_release);
}
