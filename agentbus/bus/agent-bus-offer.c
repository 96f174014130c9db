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

/* --- For a watch that hands messages over itself --- */

/* Has @funcs called with @data when something happens to a mailbox of the bus, until the watch is removed. @destroy is
 * called after the last call. Returns the id of the watch. If a message has this id as its origin, and its mailbox closes
 * before it is handled, the watch gets the message back. */
guint
_agent_bus_add_watch (AgentBus                     *self,
                      const AgentMailboxWatchFuncs *funcs,
                      gpointer                      data,
                      GDestroyNotify                destroy)
{
  return _agent_watch_list_add (&self->owner->base.watches, funcs, data, destroy);
}

/* A call that is under way may still come. */
void
_agent_bus_remove_watch (AgentBus *self,
                         guint     id)
{
  _agent_watch_list_remove (&self->owner->base.watches, id);
}

/* Stamps a message, which may have to wait for its mailbox and is immutable from now on. Takes @message. Returns the
 * message to offer: (transfer full). */
AgentMessage *
_agent_bus_accept (AgentBus     *self,
                   AgentMessage *message,
                   guint         origin,
                   AgentSender  *sender)
{
  message = _agent_message_take_unsent (message);
  message->origin = origin;

  if (self->total_order)
    g_mutex_lock (&self->order_lock);
  _agent_bus_stamp (self, message, sender);
  if (self->total_order)
    g_mutex_unlock (&self->order_lock);

  return message;
}

/* Called with the order lock held, which orders the relaxed accesses here.
 *
 * If other senders have sent messages meanwhile, those have higher numbers. So a copy with the highest number is offered.
 * When it is accepted, it takes the place of @message. */
static AgentOfferResult
offer_in_order (AgentBus       *self,
                AgentMailbox   *mailbox,
                AgentMessage  **message,
                AgentOfferPlace place,
                AgentOffer     *offer,
                AgentSender    *sender)
{
  guint64          last_seq = atomic_load_explicit (&self->last_seq, memory_order_relaxed);
  AgentMessage    *copy;
  AgentOfferResult result;

  if ((*message)->seq == last_seq)
    return _agent_bus_offer_to (self, mailbox, *message, place, NULL, offer);

  copy = _agent_message_copy_numbered (*message, last_seq + 1);
  result = _agent_bus_offer_to (self, mailbox, copy, place, NULL, offer);
  if (result != AGENT_OFFER_ACCEPTED)
    {
      agent_message_unref (copy);
      return result;
    }

  atomic_store_explicit (&self->last_seq, last_seq + 1, memory_order_relaxed);
  self->n_restamped++;
  _agent_sender_unref_later (sender, *message);
  *message = copy;
  return result;
}

/* As _agent_bus_offer(). Not inline: who needs none of this pays nothing for it. */
static G_NO_INLINE AgentOfferResult
offer_prepared (AgentBus       *self,
                AgentMailbox   *mailbox,
                AgentMessage  **message,
                AgentOfferPlace place,
                AgentOffer     *offer,
                AgentSender    *sender)
{
  AgentOfferResult result;

  _agent_mailbox_prepare_offer (mailbox, *message, sender);
  if (!self->total_order)
    return _agent_bus_offer_to (self, mailbox, *message, place, NULL, offer);

  g_mutex_lock (&self->order_lock);
  result = offer_in_order (self, mailbox, message, place, offer, sender);
  g_mutex_unlock (&self->order_lock);

  return result;
}

/* Offers a message that accept() has returned to a mailbox. The mailbox takes the reference if it accepts the message.
 *
 * @message: (inout): another message may take its place
 * @first_in_line: whether no message before it waits for room
 * @offer: (out): pass it to _agent_mailbox_end_offer() after unlocking */
AgentOfferResult
_agent_bus_offer (AgentBus      *self,
                  AgentMailbox  *mailbox,
                  AgentMessage **message,
                  gboolean       first_in_line,
                  AgentOffer    *offer,
                  AgentSender   *sender)
{
  AgentOfferPlace place = first_in_line ? AGENT_OFFER_FIRST : AGENT_OFFER_BEHIND;

  if (G_UNLIKELY (self->total_order) || _agent_mailbox_may_have_spent (mailbox))
    return offer_prepared (self, mailbox, message, place, offer, sender);

  return _agent_bus_offer_to (self, mailbox, *message, place, NULL, offer);
}
