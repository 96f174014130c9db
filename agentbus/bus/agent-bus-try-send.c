/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-error.h"
#include "bus/agent-bus-show-private.h"

/* How a message is sent that the sender keeps if it is not accepted. */

/* The mailbox of the target: (nullable). It is there until the thread sends again. NULL: @error is set. */
AgentMailbox *
_agent_bus_find_target (AgentBus     *self,
                        AgentMessage *message,
                        AgentSender  *sender,
                        GError      **error)
{
  AgentSnapshot *snapshot = _agent_directory_get_snapshot (self->directory, sender);
  const char    *target = agent_message_get_target (message);
  AgentMailbox  *mailbox = NULL;

  if (target == NULL)
    g_set_error (error,
                 AGENT_BUS_ERROR,
                 AGENT_BUS_ERROR_INVALID_MESSAGE,
                 "Message '%s' has no target, so nobody can be asked whether there is room for it",
                 agent_message_get_name (message));
  else if (!_agent_directory_is_open (self->directory))
    g_set_error_literal (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED, "The bus is stopped");
  else if (g_str_equal (target, agent_message_get_source (message)) ||
           (mailbox = _agent_snapshot_lookup (snapshot, target, message->hash)) == NULL)
    g_set_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_NOT_FOUND, "There is no subscriber '%s' to send to", target);

  return mailbox;
}

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

static gboolean
try_send_to (AgentBus     *self,
             AgentMailbox *mailbox,
             AgentMessage *message,
             AgentSender  *sender,
             GError      **error)
{
  AgentMessage    *offered = _agent_bus_begin_offer (message, sender);
  AgentOfferResult result = _agent_bus_offer_now (self, mailbox, offered, sender);

  if (result != AGENT_OFFER_ACCEPTED)
    {
      _agent_bus_cancel_offer (offered);
      g_propagate_error (error, _agent_bus_new_offer_error (mailbox, result));
    }

  return result == AGENT_OFFER_ACCEPTED;
}

/**
 * agent_bus_try_send:
 * @self: a bus
 * @message: (transfer none): a message with a target
 * @error: where an error goes
 *
 * Sends a message to its target if there is room for it.
 *
 * This is [method@AgentBus.Bus.send] for a sender that wants to do something else with a message for which there is no room.
 * If it fails, nothing was sent: @message may be changed and sent again, no statistics count it, and no signal tells of it.
 *
 * It fails with %AGENT_BUS_ERROR_FULL if the data channel of the target is full, with %AGENT_BUS_ERROR_NOT_FOUND if there is no
 * such subscriber or the target is the source, and with %AGENT_BUS_ERROR_CLOSED if the bus is stopped or the target is leaving
 * it. A message without a target is %AGENT_BUS_ERROR_INVALID_MESSAGE. A system message and a
 * [reliable](method.Message.set_reliable.html) one always find room. At a subscriber with %AGENT_OVERFLOW_DROP_OLDEST, room
 * is made, and what gives way is dropped.
 *
 * Never waits for a subscriber, and may be called from any thread.
 *
 * ```c
 * g_autoptr (AgentMessage) message =
 *   agent_message_new_custom ("level", AGENT_CHANNEL_DATA, "ui", "nobody",
 *                             NULL);
 * g_autoptr (GError) error = NULL;
 *
 * if (!agent_bus_try_send (bus, message, &error))
 *   // prints: There is no subscriber 'nobody' to send to
 *   g_print ("%s\n", error->message);
 * ```
 *
 * Returns: whether the message was sent
 *
 * Since: 0.1
 */
gboolean
agent_bus_try_send (AgentBus     *self,
                    AgentMessage *message,
                    GError      **error)
{
  AgentSender  *sender;
  AgentMailbox *mailbox;
  gboolean      sent;

  g_return_val_if_fail (AGENT_IS_BUS (self), FALSE);
  g_return_val_if_fail (message != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  sender = _agent_sender_get ();
  mailbox = _agent_bus_find_target (self, message, sender, error);
  sent = mailbox != NULL && try_send_to (self, mailbox, message, sender, error);
  _agent_sender_collect (sender);

  return sent;
}
