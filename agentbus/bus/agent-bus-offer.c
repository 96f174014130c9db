/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-error.h"
#include "bus/agent-bus-show-private.h"

/* How a message is offered that the sender keeps if it is not accepted. */

/* Returns the message to offer: (transfer full). It is @message, or a copy of it if that was sent before. */
AgentMessage *
_agent_bus_begin_offer (AgentMessage *message,
                        AgentSender  *sender)
{
  AgentMessage *offered = _agent_message_take_unsent (agent_message_ref (message));

  offered->sent_at = _agent_clock_stamp (&sender->clock);
  return offered;
}

/* @offered, which begin_offer() has returned, is not sent after all: it may be changed again. Takes @offered. */
void
_agent_bus_cancel_offer (AgentMessage *offered)
{
  offered->sent_at = 0;
  offered->delay = 0;
  offered->grouped = FALSE;
  g_atomic_int_set (&offered->sent, FALSE);
  agent_message_unref (offered);
}

/* The message gets its number when it is accepted: that is its place in the order. Takes @offered if it is accepted. */
AgentOfferResult
_agent_bus_offer_unnumbered (AgentBus       *self,
                             AgentMailbox   *mailbox,
                             AgentMessage   *offered,
                             AgentOfferPlace place,
                             AgentOffer     *offer)
{
  AgentOfferResult result;

  if (!self->total_order)
    return _agent_bus_offer_to (self, mailbox, offered, place, &self->last_seq, offer);

  g_mutex_lock (&self->order_lock);
  result = _agent_bus_offer_to (self, mailbox, offered, place, &self->last_seq, offer);
  g_mutex_unlock (&self->order_lock);

  return result;
}

/* Offers a message that does not wait. If older messages give way to new ones at @mailbox, they do. Takes @offered if it is
 * accepted. With no lock held. */
AgentOfferResult
_agent_bus_offer_now (AgentBus     *self,
                      AgentMailbox *mailbox,
                      AgentMessage *offered,
                      AgentSender  *sender)
{
  AgentChannel     channel = offered->channel;
  guint            found = 0;
  AgentOfferResult result;
  AgentOffer       offer;

  do
    result = _agent_bus_offer_unnumbered (self, mailbox, offered, AGENT_OFFER_DIRECT, &offer);
  while (result == AGENT_OFFER_FULL && _agent_mailbox_make_room (mailbox, offered, &found, sender));

  if (result == AGENT_OFFER_ACCEPTED)
    {
      offer.found |= found;
      _agent_mailbox_end_offer (mailbox, channel, &offer);
    }
  return result;
}

/* Why @mailbox has not accepted a message. */
GError *
_agent_bus_new_offer_error (AgentMailbox    *mailbox,
                            AgentOfferResult result)
{
  const char *name = _agent_mailbox_get_name (mailbox);

  if (result == AGENT_OFFER_FULL)
    return g_error_new (AGENT_BUS_ERROR, AGENT_BUS_ERROR_FULL, "The data channel of '%s' is full", name);

  return g_error_new (AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED, "Subscriber '%s' is leaving the bus", name);
}

/* @mailbox has not accepted @offered, or has taken it. Takes @offered in any case. Returns whether the message was sent.
 *
 * @unsent: (out) (optional): what is to wait, if @mailbox has no room. Then @error is not set. */
gboolean
_agent_bus_conclude_offer (AgentMailbox    *mailbox,
                           AgentMessage    *offered,
                           AgentOfferResult result,
                           AgentUnsent     *unsent,
                           GError         **error)
{
  if (result == AGENT_OFFER_ACCEPTED)
    return TRUE;

  if (result == AGENT_OFFER_FULL && unsent != NULL)
    {
      unsent->mailbox = _agent_mailbox_ref (mailbox);
      unsent->offered = offered;
      return FALSE;
    }

  _agent_bus_cancel_offer (offered);
  g_propagate_error (error, _agent_bus_new_offer_error (mailbox, result));
  return FALSE;
}

void
_agent_bus_set_no_target (const char *target,
                          GError    **error)
{
  g_set_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_NOT_FOUND, "There is no subscriber '%s' to send to", target);
}
