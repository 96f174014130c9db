/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-mailbox-private.h"

/* How a thread that does not iterate the main context receives: it takes the next message out of the channels itself. */

/* The next message of @channel that is not too old: (transfer full) (nullable). */
static AgentMessage *
receive_now_pop (AgentMailbox *self,
                 AgentChannel  channel)
{
  AgentMessage *message;

  while ((message = _agent_mailbox_pop (self, channel)) != NULL)
    {
      if (!_agent_mailbox_expire (self, message))
        return message;
    }

  return NULL;
}

/* The next message: (transfer full) (nullable). In the thread that owns the subscriber's context. NULL: there is none, or others
 * wait for it already. */
AgentMessage *
_agent_mailbox_receive_now (AgentMailbox *self)
{
  AgentMessage *message = NULL;

  if (!_agent_mailbox_begin_receive (self))
    return NULL;

  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS && message == NULL; channel++)
    message = receive_now_pop (self, channel);
  if (message != NULL)
    _agent_mailbox_count_delivered (self);
  _agent_mailbox_end_receive (self);

  return message;
}
