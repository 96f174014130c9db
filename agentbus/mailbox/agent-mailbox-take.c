/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "mailbox/agent-mailbox-take-private.h"

/* The age limit of a subscriber applies to data only, and the ttl of a message to both channels. The ttl counts from the
 * sending, and the limit from the moment when the message enters the channel. */
gboolean
_agent_mailbox_is_too_old (AgentMailbox *self,
                           AgentMessage *message)
{
  guint  max_age = _agent_message_get_way (message) == AGENT_CHANNEL_DATA ? _agent_mailbox_get_max_age (self) : 0;
  gint64 now;

  if (message->ttl == 0 && max_age == 0)
    return FALSE;

  now = _agent_clock_now ();
  return _agent_message_has_expired (message, now) ||
         (max_age != 0 && now - message->sent_at >= ((gint64) max_age + message->delay) * 1000);
}

/* See is_spent(). */
gboolean
_agent_mailbox_ask_spent (AgentMailbox    *self,
                          AgentMessage    *message,
                          AgentDropReason *reason)
{
  if (_agent_message_is_stale (message))
    *reason = AGENT_DROP_REASON_STALE;
  else if (_agent_mailbox_is_too_old (self, message))
    *reason = AGENT_DROP_REASON_EXPIRED;
  else if (_agent_mailbox_has_cancelled (self, message))
    *reason = AGENT_DROP_REASON_CANCELLED;
  else
    return FALSE;

  return TRUE;
}

/* Takes @message, whose turn it was, and counts it as dropped for @reason. With no lock held. */
void
_agent_mailbox_drop_spent (AgentMailbox   *self,
                           AgentMessage   *message,
                           AgentDropReason reason)
{
  gboolean      to_report = FALSE;
  AgentMessage *previous = NULL;

  _agent_mailbox_owner_tell_loss (self->owner, message, self->name, reason);
  _agent_mailbox_count_drops (self, reason, 1, message, &previous, &to_report);
  _agent_mailbox_report_drops (self, to_report);
  g_clear_pointer (&previous, agent_message_unref);
}
