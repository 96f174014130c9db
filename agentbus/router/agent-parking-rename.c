/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdatomic.h>

#include "base/agent-clock-private.h"
#include "base/agent-string-hash-private.h"
#include "router/agent-parking-private.h"

/*
 * An actor gets another id. First, in one step in which nobody dispatches to either id, the table changes and the new lanes
 * take the place of the old ones. Then what is parked moves from the old lanes to the new ones in pieces. Until that is done,
 * the new lanes are held: nothing goes out of them.
 *
 * There is one rename at a time, which the route table sees to.
 */

/* A former lane whose messages move. */
typedef struct
{
  AgentLane *from; /* (owned) (nullable): NULL if there is nothing to move */
  AgentLane *to;   /* (owned) (nullable) */
} LaneMove;

static AgentShard *
rename_get_shard (AgentParking *self,
                  const char   *actor)
{
  return _agent_parking_get_shard (self, _agent_string_hash (actor, strlen (actor)));
}

/* Two shards are locked in the order in which they lie, as everywhere. */
static void
rename_lock_shards (AgentShard *a,
                    AgentShard *b)
{
  _agent_spin_lock_lock (&MIN (a, b)->lock);
  if (a != b)
    _agent_spin_lock_lock (&MAX (a, b)->lock);
}

static void
rename_unlock_shards (AgentShard *a,
                      AgentShard *b)
{
  _agent_spin_lock_unlock (&a->lock);
  if (a != b)
    _agent_spin_lock_unlock (&b->lock);
}

void
_agent_parking_begin_rename (gpointer    data,
                             const char *actor,
                             const char *new_id)
{
  AgentParking *self = data;

  g_mutex_lock (&self->rename_lock);
  rename_lock_shards (rename_get_shard (self, actor), rename_get_shard (self, new_id));
}

/* --- In one step, with both shards' locks held --- */

/* The next message of the new lane goes behind the last one of the old lane. A mailbox that is released has given back all it
 * had, and the lanes have forgotten it or are about to. */
static void
rename_take_last_place (AgentShard *from_shard,
                        AgentShard *to_shard,
                        AgentLane  *from,
                        AgentLane  *to)
{
  if (from->hand_off == AGENT_HAND_OFF_PENDING && to->hand_off == AGENT_HAND_OFF_NONE)
    _agent_shard_set_pending (to_shard, to, TRUE);
  if (from->hand_off == AGENT_HAND_OFF_SENT && to->hand_off != AGENT_HAND_OFF_SENT)
    _agent_shard_set_heir (to_shard, to, _agent_shard_get_heir (from_shard, from));
  if (from->last_mailbox == NULL || to->last_mailbox != NULL || _agent_mailbox_is_released (from->last_mailbox))
    return;

  to->last_position = from->last_position;
  _agent_shard_set_last (to_shard, to, from->last_mailbox);
}

static LaneMove
rename_lane (AgentParking   *self,
             const char     *actor,
             const char     *new_id,
             AgentChannel    channel,
             AgentLastPlace *place)
{
  AgentLaneKey from_key = { _agent_string_hash (actor, strlen (actor)), actor, channel };
  AgentLaneKey to_key = { _agent_string_hash (new_id, strlen (new_id)), new_id, channel };
  AgentShard  *from_shard = _agent_parking_get_shard (self, from_key.hash);
  AgentShard  *to_shard = _agent_parking_get_shard (self, to_key.hash);
  AgentLane   *from = _agent_shard_lookup (from_shard, &from_key);
  LaneMove     move = { NULL, NULL };

  if (from == NULL)
    return move;

  if (from->last_mailbox != NULL && !_agent_mailbox_is_released (from->last_mailbox))
    *place = (AgentLastPlace){ _agent_mailbox_ref (from->last_mailbox), channel, from->last_position };

  move.from = _agent_lane_ref (from);
  move.to = _agent_lane_ref (_agent_parking_get_lane (self, to_shard, &to_key));
  _agent_parking_read_route (self, move.to);
  rename_take_last_place (from_shard, to_shard, from, move.to);
  _agent_shard_move_cancels (from_shard, from, to_shard, move.to);
  move.to->held = TRUE;
  _agent_parking_part_with (self, from_shard, from);
  return move;
}

/* Messages that were sent before this moment may come back from a router with the old id. */
static void
rename_add_alias (AgentParking         *self,
                  const char           *actor,
                  const char           *new_id,
                  const AgentLastPlace *places)
{
  guint64 last_seq = atomic_load (&self->bus->last_seq);

  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    {
      if (places[channel].mailbox != NULL)
        {
          _agent_aliases_add (&self->aliases, actor, new_id, last_seq, places);
          return;
        }
    }
}

static void
rename_lanes (AgentParking *self,
              const char   *actor,
              const char   *new_id,
              LaneMove     *moves)
{
  AgentLastPlace places[AGENT_N_CHANNELS] = { { NULL } };

  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    moves[channel] = rename_lane (self, actor, new_id, channel, &places[channel]);

  rename_add_alias (self, actor, new_id, places);
  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    g_clear_pointer (&places[channel].mailbox, _agent_mailbox_unref);
}

/* --- In pieces --- */

/* Moves the last message of the old lane to the new one, where it goes before all others. Returns what takes the place of the
 * message: its former self, to be let go of. With all locks held. */
static AgentMessage *
rename_move_last_locked (AgentParking *self,
                         LaneMove     *move,
                         AgentParked  *parked)
{
  AgentMessage *copy = _agent_message_copy_sent (parked->message, move->to->key.actor);

  /* In this order: while something is parked, the count never says that nothing is. */
  _agent_parking_add_locked (self, move->to, copy, TRUE);
  return _agent_parking_lot_take (&self->lot, parked);
}

/* The actor was removed meanwhile, or the dispatcher has stopped: the loss is told when the rename is over. */
static void
rename_lose_locked (AgentParking *self,
                    LaneMove     *move,
                    AgentParked  *parked)
{
  AgentDropReason reason = move->to->removed ? AGENT_DROP_REASON_NO_TARGET : AGENT_DROP_REASON_CLOSED;

  _agent_parking_lot_lose (&self->lot, parked, _agent_clock_now (), reason, &self->rename_losses);
}

/* Returns FALSE if nothing is left in the old lane. */
static gboolean
rename_move_piece (AgentParking *self,
                   LaneMove     *move)
{
  AgentShard  *shard = _agent_parking_get_shard (self, move->to->key.hash);
  AgentParked *parked;
  g_autoptr (GPtrArray) former = g_ptr_array_new_with_free_func ((GDestroyNotify) agent_message_unref);

  _agent_spin_lock_lock (&shard->lock);
  g_mutex_lock (&self->lock);
  for (guint n = 0; n < AGENT_PARKING_PIECE && (parked = _agent_lane_get_last (move->from)) != NULL; n++)
    {
      if (move->to->removed || _agent_parking_get_phase (self) == AGENT_PARKING_CLOSED)
        rename_lose_locked (self, move, parked);
      else
        g_ptr_array_add (former, rename_move_last_locked (self, move, parked));
    }
  _agent_parking_arm_locked (self);
  g_mutex_unlock (&self->lock);
  if (parked == NULL)
    move->to->held = FALSE;
  _agent_spin_lock_unlock (&shard->lock);

  return parked != NULL;
}

static void
rename_move (AgentParking *self,
             LaneMove     *move)
{
  if (move->from == NULL)
    return;

  while (rename_move_piece (self, move))
    ;
  _agent_lane_unref (move->from);
  _agent_lane_unref (move->to);
}

void
_agent_parking_end_rename (gpointer    data,
                           const char *actor,
                           const char *new_id,
                           gboolean    done)
{
  AgentParking *self = data;
  LaneMove      moves[AGENT_N_CHANNELS] = { { NULL } };

  if (done)
    rename_lanes (self, actor, new_id, moves);
  rename_unlock_shards (rename_get_shard (self, actor), rename_get_shard (self, new_id));

  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    rename_move (self, &moves[channel]);
  g_mutex_unlock (&self->rename_lock);
}

/* With no lock held. */
void
_agent_parking_wait_for_rename (AgentParking *self)
{
  g_mutex_lock (&self->rename_lock);
  g_mutex_unlock (&self->rename_lock);
}

/* --- After it --- */

/* Tells what was lost in a rename. With no lock held, neither one of the parking nor of the route table. */
void
_agent_parking_tell_rename_losses (AgentParking *self)
{
  AgentLosses losses;

  g_mutex_lock (&self->lock);
  losses = self->rename_losses;
  self->rename_losses = (AgentLosses){ NULL };
  g_mutex_unlock (&self->lock);

  if (!_agent_losses_are_none (&losses))
    _agent_parking_tell_losses (self, &losses);
}

/* A message that a router gives back to an actor that has another id by now is addressed anew. Takes @message, and returns the
 * one that goes on: (transfer full). */
AgentMessage *
_agent_parking_readdress (AgentMessage *message,
                          const char   *new_id)
{
  AgentMessage *copy = _agent_message_copy_sent (message, new_id);

  agent_message_unref (message);
  return copy;
}
