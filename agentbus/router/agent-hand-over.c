/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-string-hash-private.h"
#include "router/agent-hand-over-private.h"

/* (transfer none) (nullable): the router's mailbox. It stays as long as the thread asks for no other snapshot. */
static AgentMailbox *
hand_over_find_mailbox (AgentHandOver *self,
                        AgentLane     *lane)
{
  AgentSnapshot *snapshot = _agent_directory_get_snapshot (self->bus->directory, self->sender);
  guint64        generation = _agent_snapshot_get_generation (snapshot);

  if (lane->generation != generation)
    {
      guint64 hash = _agent_string_hash (lane->router, strlen (lane->router));

      lane->mailbox = _agent_snapshot_lookup (snapshot, lane->router, hash);
      lane->generation = generation;
    }

  return lane->mailbox;
}

/* Whether the previous router has handled all messages of the lane, so that the next one may go to @mailbox. */
static gboolean
hand_over_previous_is_through (AgentLane    *lane,
                               AgentMailbox *mailbox)
{
  return lane->last_mailbox == mailbox || lane->last_mailbox == NULL ||
         _agent_mailbox_has_handled (lane->last_mailbox, lane->key.channel, lane->last_position);
}

/* Ends the offers that were made so far. The router's context is woken up if one of them asks for that. */
void
_agent_hand_over_wake (AgentHandOver *self)
{
  if (self->mailbox == NULL)
    return;

  _agent_mailbox_end_offer (self->mailbox, self->channel, &self->offer);
  if (self->keeps)
    _agent_mailbox_unref (self->mailbox);
  self->mailbox = NULL;
  self->offer = (AgentOffer){ .wake = FALSE };
}

/* One wake-up does for all messages that go to a mailbox. A message that cancels another has an end of its own. */
static void
hand_over_remember (AgentHandOver *self,
                    AgentLane     *lane,
                    AgentMailbox  *mailbox,
                    AgentOffer    *offer)
{
  if (self->mailbox != mailbox || self->offer.cancel != NULL)
    _agent_hand_over_wake (self);
  if (self->mailbox == NULL && self->keeps)
    _agent_mailbox_ref (mailbox);
  self->mailbox = mailbox;

  self->channel = lane->key.channel;
  self->offer.wake |= offer->wake;
  self->offer.cancel = offer->cancel;
}

/*
 * @message: (inout): the next one of the lane
 * @first_in_line: whether the lane is the first of those that wait for the router; others stand behind who waits there
 *
 * Returns AGENT_WAIT_NONE if the router has the message now. Otherwise the message is still the caller's, and has to wait for
 * what is returned.
 */
AgentWait
_agent_hand_over_try (AgentHandOver *self,
                      AgentShard    *shard,
                      AgentLane     *lane,
                      AgentMessage **message,
                      gboolean       first_in_line)
{
  AgentMailbox    *mailbox;
  AgentOffer       offer = { .wake = FALSE };
  AgentOfferResult result;

  if (lane->router == NULL || lane->held)
    return AGENT_WAIT_ROUTE;

  mailbox = hand_over_find_mailbox (self, lane);
  if (mailbox == NULL)
    return AGENT_WAIT_ROUTER;
  if (!hand_over_previous_is_through (lane, mailbox))
    return AGENT_WAIT_PREVIOUS;

  result = _agent_bus_offer (self->bus, mailbox, message, first_in_line, &offer, self->sender);
  if (result != AGENT_OFFER_ACCEPTED)
    return result == AGENT_OFFER_FULL ? AGENT_WAIT_ROOM : AGENT_WAIT_ROUTER;

  lane->last_position = offer.position;
  if (G_UNLIKELY (lane->last_mailbox != mailbox))
    _agent_shard_set_last (shard, lane, mailbox);
  if (offer.wake || offer.cancel != NULL)
    hand_over_remember (self, lane, mailbox, &offer);
  return AGENT_WAIT_NONE;
}
