/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-bus-private.h"

G_BEGIN_DECLS

/*
 * How the monitors of a bus get to see what is sent: each message once, when it is known what becomes of it at the send. That is
 * when it is pushed or refused; if it is offered, when it is accepted; and if it was accepted by a dispatcher, but never got
 * into a channel, when it is given up.
 *
 * All functions may be called in any thread; all but show_loss() with locks of a sender held, who collects the sender later.
 */

void             _agent_bus_show           (AgentBus        *self,
                                            AgentMessage    *message,
                                            guint            n_accepted,
                                            AgentDropReason  reason,
                                            AgentSender     *sender);
void             _agent_bus_show_loss      (AgentBus        *self,
                                            AgentMessage    *message,
                                            AgentDropReason  reason);
AgentOfferResult _agent_bus_offer_monitored
                                           (AgentBus        *self,
                                            AgentMailbox    *mailbox,
                                            AgentMessage    *message,
                                            AgentOfferPlace  place,
                                            _Atomic guint64 *last_seq,
                                            AgentOffer      *offer);

static inline gboolean
_agent_bus_is_monitored (AgentBus *self)
{
  return G_UNLIKELY (g_atomic_int_get (&self->n_monitors) > 0);
}

/* Shows a message that was pushed, and that the receivers may have freed by then: takes the reference that the caller has kept. */
static inline void
_agent_bus_show_pushed (AgentBus     *self,
                        AgentMessage *message,
                        guint         n_accepted,
                        AgentSender  *sender)
{
  _agent_bus_show (self, message, n_accepted, sender->drop_reason, sender);
  _agent_sender_unref_later (sender, message);
}

/* As _agent_mailbox_offer(), but the monitors see the message if it is accepted. */
static inline AgentOfferResult
_agent_bus_offer_to (AgentBus        *self,
                     AgentMailbox    *mailbox,
                     AgentMessage    *message,
                     AgentOfferPlace  place,
                     _Atomic guint64 *last_seq,
                     AgentOffer      *offer)
{
  if (_agent_bus_is_monitored (self))
    return _agent_bus_offer_monitored (self, mailbox, message, place, last_seq, offer);

  return _agent_mailbox_offer (mailbox, message, place, last_seq, offer);
}

G_END_DECLS
