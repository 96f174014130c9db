/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-bus-show-private.h"
#include "bus/agent-monitors-private.h"

/* @reason: means something only if nobody has accepted @message */
void
_agent_bus_show (AgentBus       *self,
                 AgentMessage   *message,
                 guint           n_accepted,
                 AgentDropReason reason,
                 AgentSender    *sender)
{
  _agent_monitors_show (
      g_atomic_pointer_get (&self->monitors), message, n_accepted, n_accepted == 0 ? reason : 0, sender);
}

/* A message that a dispatcher has accepted is given up. Monitors have seen it already if it was in a channel before. With no lock
 * held. */
void
_agent_bus_show_loss (AgentBus       *self,
                      AgentMessage   *message,
                      AgentDropReason reason)
{
  AgentSender *sender;

  if (!_agent_bus_is_monitored (self) || !_agent_message_mark_shown (message))
    return;

  sender = _agent_sender_get ();
  _agent_bus_show (self, message, 0, reason, sender);
  _agent_sender_collect (sender);
}

/* Once it is accepted, the receiver may handle and free the message, or it may come back and be offered once more: the monitors
 * see it only the first time. */
AgentOfferResult
_agent_bus_offer_monitored (AgentBus        *self,
                            AgentMailbox    *mailbox,
                            AgentMessage    *message,
                            AgentOfferPlace  place,
                            _Atomic guint64 *last_seq,
                            AgentOffer      *offer)
{
  AgentSender     *sender = _agent_sender_get ();
  AgentOfferResult result;

  agent_message_ref (message);
  result = _agent_mailbox_offer (mailbox, message, place, last_seq, offer);
  if (result == AGENT_OFFER_ACCEPTED && _agent_message_mark_shown (message))
    _agent_bus_show (self, message, 1, 0, sender);
  _agent_sender_unref_later (sender, message);

  return result;
}
