/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-bus-show-private.h"

/* How a message is sent to one subscription, whose subscriber may be leaving, so that its name is not known any more. */

static guint
send_to_mailbox (AgentBus     *self,
                 AgentMailbox *mailbox,
                 AgentMessage *message,
                 AgentSender  *sender)
{
  gboolean monitored = _agent_bus_is_monitored (self);
  guint    n_accepted;

  _agent_bus_stamp (self, message, sender);
  if (monitored)
    agent_message_ref (message);
  n_accepted = _agent_mailbox_push (mailbox, message, sender);
  if (monitored)
    _agent_bus_show_pushed (self, message, n_accepted, sender);

  return n_accepted;
}

/* Takes @message. The caller has a reference to the mailbox, and calls _agent_sender_collect() with no lock held. */
guint
_agent_bus_send_to_mailbox_uncollected (AgentBus     *self,
                                        AgentMailbox *mailbox,
                                        AgentMessage *message,
                                        AgentSender  *sender)
{
  guint n_accepted;

  message = _agent_message_take_unsent (message);
  if (!self->total_order)
    return send_to_mailbox (self, mailbox, message, sender);

  g_mutex_lock (&self->order_lock);
  n_accepted = send_to_mailbox (self, mailbox, message, sender);
  g_mutex_unlock (&self->order_lock);
  return n_accepted;
}
