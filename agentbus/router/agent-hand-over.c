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

/* One wake-up does for all messages that go to one queue of a mailbox. A message that cancels another has an end of its own. */
static void
hand_over_remember (AgentHandOver *self,
                    AgentLane     *lane,
                    AgentMailbox  *mailbox,
                    AgentOffer    *offer)
{
  if (self->mailbox != mailbox || self->offer.cancel != NULL || self->offer.queue != offer->queue)
    _agent_hand_over_wake (self);
  if (self->mailbox == NULL && self->keeps)
    _agent_mailbox_ref (mailbox);
  self->mailbox = mailbox;

  self->channel = lane->key.channel;
  self->offer.queue = offer->queue;
  self->offer.wake |= offer->wake;
  self->offer.cancel = offer->cancel;
}

/* --- The state of an actor --- */

/* (transfer none): the lane of the same actor that knows who has its state */
static AgentLane *
hand_over_get_data_lane (AgentShard *shard,
                         AgentLane  *lane)
{
  AgentLaneKey key = { lane->key.hash, lane->key.actor, AGENT_CHANNEL_DATA };
  AgentLane   *data_lane = lane->key.channel == AGENT_CHANNEL_DATA ? lane : _agent_shard_lookup (shard, &key);

  if (data_lane == NULL)
    {
      data_lane = _agent_lane_new (&key);
      data_lane->known = lane->known;
      data_lane->router = _agent_name_ref (lane->router);
      _agent_shard_add (shard, data_lane);
    }

  return data_lane;
}

/* The state is where no message of the lane went: nothing is in the way there. @mailbox: (nullable) */
static void
hand_over_set_last (AgentShard   *shard,
                    AgentLane    *lane,
                    AgentMailbox *mailbox)
{
  if (lane->last_mailbox == mailbox)
    return;

  _agent_shard_set_last (shard, lane, mailbox);
  lane->last_position = 0;
}

/* The heir has the state now, if it is there. A mailbox that is released would never be forgotten. */
static void
hand_over_inherit (AgentHandOver *self,
                   AgentShard    *shard,
                   AgentLane     *data_lane)
{
  AgentSnapshot *snapshot = _agent_directory_get_snapshot (self->bus->directory, self->sender);
  AgentName     *heir = _agent_shard_get_heir (shard, data_lane);
  AgentMailbox  *mailbox = NULL;

  if (heir != NULL)
    mailbox = _agent_snapshot_lookup (snapshot, heir, _agent_string_hash (heir, strlen (heir)));
  if (mailbox != NULL && _agent_mailbox_is_released (mailbox))
    mailbox = NULL;
  hand_over_set_last (shard, data_lane, mailbox);
  _agent_shard_forget_heir (shard, data_lane);
}

/* @router: (nullable). Returns FALSE if the router that has the state is leaving. */
static gboolean
hand_over_send_hand_off (AgentHandOver *self,
                         AgentShard    *shard,
                         AgentLane     *data_lane,
                         AgentName     *router)
{
  AgentMailbox *mailbox = data_lane->last_mailbox;
  AgentMessage *message = agent_message_new_routed (AGENT_MESSAGE_TYPE_HAND_OFF,
                                                    "agentbus",
                                                    data_lane->key.actor,
                                                    router != NULL ? g_variant_new_string (router) : NULL);
  AgentOffer    offer = { .wake = FALSE };

  agent_message_set_reliable (message, TRUE);
  message = _agent_bus_accept (self->bus, message, 0, self->sender);
  if (_agent_bus_offer (self->bus, mailbox, &message, TRUE, &offer, self->sender) != AGENT_OFFER_ACCEPTED)
    {
      agent_message_unref (message);
      return FALSE;
    }

  data_lane->last_position = offer.position;
  _agent_shard_set_heir (shard, data_lane, router);
  _agent_mailbox_end_offer (mailbox, AGENT_CHANNEL_DATA, &offer);
  return TRUE;
}

/* Whether the router that was told of the heir has handed the state off. */
static gboolean
hand_over_is_handed_off (AgentLane *data_lane)
{
  return data_lane->last_mailbox == NULL ||
         _agent_mailbox_has_handled (data_lane->last_mailbox, AGENT_CHANNEL_DATA, data_lane->last_position);
}

/* Whether the router that has the state has handled the system messages of the actor. A HAND_OFF goes with the data, and one
 * that is sent too early can be handled before a system message which another thread has just handed over. */
static gboolean
hand_over_system_is_through (AgentShard *shard,
                             AgentLane  *data_lane)
{
  AgentLaneKey key = { data_lane->key.hash, data_lane->key.actor, AGENT_CHANNEL_SYSTEM };
  AgentLane   *lane = _agent_shard_lookup (shard, &key);

  return lane == NULL || lane->last_mailbox != data_lane->last_mailbox ||
         _agent_mailbox_has_handled (lane->last_mailbox, AGENT_CHANNEL_SYSTEM, lane->last_position);
}

/* Whether the state has to move from where it is. @router: (nullable) */
static gboolean
hand_over_has_to_move (AgentLane *data_lane,
                       AgentName *router)
{
  return data_lane->last_mailbox != NULL &&
         g_strcmp0 (_agent_mailbox_get_name (data_lane->last_mailbox), router) != 0;
}

/* Has the state of the actor move to @router: (nullable), step by step. Returns AGENT_WAIT_PREVIOUS if it is on the way. */
static AgentWait
hand_over_move_state (AgentHandOver *self,
                      AgentShard    *shard,
                      AgentLane     *data_lane,
                      AgentName     *router)
{
  for (;;)
    {
      if (data_lane->hand_off == AGENT_HAND_OFF_SENT && !hand_over_is_handed_off (data_lane))
        return AGENT_WAIT_PREVIOUS;
      if (data_lane->hand_off == AGENT_HAND_OFF_SENT && g_strcmp0 (_agent_shard_get_heir (shard, data_lane), router) == 0)
        return AGENT_WAIT_NONE;
      if (data_lane->hand_off == AGENT_HAND_OFF_SENT)
        hand_over_inherit (self, shard, data_lane);

      _agent_shard_set_pending (shard, data_lane, FALSE);
      if (!hand_over_has_to_move (data_lane, router))
        return AGENT_WAIT_NONE;
      if (!hand_over_system_is_through (shard, data_lane))
        {
          _agent_shard_set_pending (shard, data_lane, TRUE);
          return AGENT_WAIT_PREVIOUS;
        }
      if (!hand_over_send_hand_off (self, shard, data_lane, router))
        return AGENT_WAIT_NONE;
    }
}

/* The route of the data channel's lane has changed. */
void
_agent_hand_over_hand_off (AgentHandOver *self,
                           AgentShard    *shard,
                           AgentLane     *lane)
{
  if (self->hands_off)
    hand_over_move_state (self, shard, lane, lane->router);
}

/* A lane that has to wait is found by the router that it waits for. */
static AgentWait
hand_over_wait_for_state (AgentHandOver *self,
                          AgentShard    *shard,
                          AgentLane     *lane)
{
  AgentLane *data_lane = hand_over_get_data_lane (shard, lane);
  AgentWait  wait = hand_over_move_state (self, shard, data_lane, lane->router);

  if (wait == AGENT_WAIT_PREVIOUS)
    hand_over_set_last (shard, lane, data_lane->last_mailbox);

  return wait;
}

/* A message of @lane went to @mailbox, which has the state from now on. */
static void
hand_over_note_state (AgentShard   *shard,
                      AgentLane    *lane,
                      AgentMailbox *mailbox)
{
  AgentLane *data_lane = hand_over_get_data_lane (shard, lane);

  hand_over_set_last (shard, data_lane, mailbox);
  _agent_shard_forget_heir (shard, data_lane);
}

/* --- A message --- */

/* What went to the router's inbox is handled before what it has in its mailbox, if anything: then that stays what is waited
 * for. */
static void
hand_over_note_position (AgentLane    *lane,
                         AgentMailbox *mailbox,
                         AgentOffer   *offer)
{
  if (G_UNLIKELY (offer->queue != AGENT_OFFER_TO_MAIN) && lane->last_mailbox == mailbox &&
      !_agent_mailbox_has_handled (mailbox, lane->key.channel, lane->last_position))
    return;

  lane->last_position = offer->position;
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
  if (G_UNLIKELY (self->hands_off) && hand_over_wait_for_state (self, shard, lane) != AGENT_WAIT_NONE)
    return AGENT_WAIT_PREVIOUS;

  mailbox = hand_over_find_mailbox (self, lane);
  if (mailbox == NULL)
    return AGENT_WAIT_ROUTER;
  if (!hand_over_previous_is_through (lane, mailbox))
    return AGENT_WAIT_PREVIOUS;

  result = _agent_bus_offer (self->bus, mailbox, message, first_in_line, &offer, self->sender);
  if (result != AGENT_OFFER_ACCEPTED)
    return result == AGENT_OFFER_FULL ? AGENT_WAIT_ROOM : AGENT_WAIT_ROUTER;

  hand_over_note_position (lane, mailbox, &offer);
  if (G_UNLIKELY (lane->last_mailbox != mailbox))
    _agent_shard_set_last (shard, lane, mailbox);
  if (G_UNLIKELY (self->hands_off))
    hand_over_note_state (shard, lane, mailbox);
  if (offer.wake || offer.cancel != NULL)
    hand_over_remember (self, lane, mailbox, &offer);
  return AGENT_WAIT_NONE;
}
