/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-message-private.h"

/**
 * agent_message_get_fate:
 * @self: A message.
 * @n_accepted: (out) (optional): How many subscribers accepted the message, or 0 if it was dropped.
 * @reason: (out) (optional): Why it was dropped, if @n_accepted is 0. Otherwise this means nothing.
 *
 * Gets what became of a message when it was sent, if this is the copy that a monitor got.
 *
 * A broadcast may be accepted by some subscribers and dropped by others: @n_accepted tells how many accepted it. What happens
 * to a message after it was accepted is not known yet: [signal@AgentBus.Bus::dropped] tells if it is dropped later.
 *
 * The copy has all that the message has. What is made of the copy, another copy or the wire form, has no fate.
 *
 * See [method@AgentBus.Bus.add_monitor].
 *
 * Returns: %FALSE if this is not the copy of a monitor
 *
 * Since: 0.1
 */
gboolean
agent_message_get_fate (AgentMessage    *self,
                        guint           *n_accepted,
                        AgentDropReason *reason)
{
  const AgentMessageFate *fate;

  g_return_val_if_fail (self != NULL, FALSE);

  fate = _agent_message_get_fate (self);
  if (n_accepted != NULL)
    *n_accepted = fate != NULL ? fate->n_accepted : 0;
  if (reason != NULL)
    *reason = fate != NULL ? fate->reason : AGENT_DROP_REASON_FULL;

  return fate != NULL;
}
