/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-error.h"
#include "base/agent-clock-private.h"
#include "router/agent-parking-private.h"

/*
 * A message comes in: it goes to its router at once, is parked, or is refused. All but the entry at the end wants the shard's
 * lock held.
 */

static gboolean
dispatch_refuse (AgentShard   *shard,
                 AgentLane    *lane,
                 AgentBusError code,
                 const char   *why,
                 GError      **error)
{
  shard->n_refused++;
  g_set_error (error, AGENT_BUS_ERROR, code, "No message can be dispatched to '%s': %s", lane->key.actor, why);
  return FALSE;
}

/* Whether a message may be accepted at all, as far as the lane knows. */
static gboolean
dispatch_check (AgentParking *self,
                AgentShard   *shard,
                AgentLane    *lane,
                GError      **error)
{
  if (_agent_parking_get_phase (self) != AGENT_PARKING_OPEN)
    return dispatch_refuse (shard, lane, AGENT_BUS_ERROR_CLOSED, "the dispatcher is stopped", error);
  if (!lane->known && !g_atomic_int_get (&self->park_unknown))
    return dispatch_refuse (shard, lane, AGENT_BUS_ERROR_ACTOR_NOT_ASSIGNED, "nobody knows the actor", error);

  return TRUE;
}

/*
 * @message: (inout): taken if this returns TRUE
 * @wait: (out): what the message has to wait for otherwise
 */
static gboolean
dispatch_directly (AgentParking  *self,
                   AgentShard    *shard,
                   AgentLane     *lane,
                   AgentMessage **message,
                   AgentWait     *wait,
                   AgentHandOver *hand_over)
{
  *wait = AGENT_WAIT_ROUTER;
  if (g_atomic_int_get (&lane->n_parked) > 0)
    return FALSE;

  *wait = _agent_hand_over_try (hand_over, shard, lane, message, FALSE);
  if (*wait != AGENT_WAIT_NONE)
    return FALSE;

  shard->n_accepted++;
  shard->n_direct++;
  return TRUE;
}

static gboolean
dispatch_has_room (AgentParking *self,
                   AgentLane    *lane,
                   AgentMessage *message)
{
  if (message->channel == AGENT_CHANNEL_SYSTEM || message->reliable)
    return TRUE;

  return (guint) g_atomic_int_get (&self->lot.n_parked) < (guint) g_atomic_int_get (&self->capacity) &&
         (self->actor_capacity == 0 || (guint) g_atomic_int_get (&lane->n_parked) < self->actor_capacity);
}

/* Messages that are due or stale give way. */
static void
dispatch_make_room (AgentParking  *self,
                    AgentLane     *lane,
                    AgentHandOver *hand_over)
{
  gint64 now = _agent_clock_now ();

  _agent_parking_lot_expire (&self->lot, now, AGENT_PARKING_PIECE, &hand_over->losses);
  _agent_parking_lot_sweep_lane (&self->lot, lane, now, AGENT_PARKING_PIECE, &hand_over->losses);
}

/* Takes @message if it returns TRUE: there is room for it, at least when messages that are lost have given way. */
static gboolean
dispatch_park (AgentParking  *self,
               AgentLane     *lane,
               AgentMessage  *message,
               AgentWait      wait,
               AgentHandOver *hand_over)
{
  gboolean parked;

  g_mutex_lock (&self->lock);
  if (!dispatch_has_room (self, lane, message))
    dispatch_make_room (self, lane, hand_over);
  parked = dispatch_has_room (self, lane, message);
  if (parked)
    {
      _agent_parking_add_locked (self, lane, message, FALSE);
      if (lane->station == NULL)
        _agent_stations_enter (&self->lot.stations, lane, wait, _agent_lane_get_awaited (lane, wait), FALSE);
    }
  _agent_parking_arm_locked (self);
  g_mutex_unlock (&self->lock);

  return parked;
}

/* Takes @message unless it is refused. */
static AgentDispatchResult
dispatch_later (AgentParking  *self,
                AgentShard    *shard,
                AgentLane     *lane,
                AgentMessage  *message,
                AgentWait      wait,
                AgentHandOver *hand_over,
                GError       **error)
{
  guint max = 1;

  if (!dispatch_park (self, lane, message, wait, hand_over))
    {
      dispatch_refuse (shard, lane, AGENT_BUS_ERROR_FULL, "too many messages are parked, in all or for it", error);
      return AGENT_DISPATCH_RESULT_REFUSED;
    }

  shard->n_accepted++;
  if (wait == AGENT_WAIT_ROUTE || g_atomic_int_get (&lane->n_parked) != 1)
    return AGENT_DISPATCH_RESULT_PARKED;

  /* What the message waits for may have come to pass before others could find the lane waiting. */
  return _agent_parking_flush_in_shard (self, shard, lane, FALSE, &max, hand_over) == AGENT_FLUSH_EMPTY &&
                 _agent_losses_are_none (&hand_over->losses)
             ? AGENT_DISPATCH_RESULT_DELIVERED
             : AGENT_DISPATCH_RESULT_PARKED;
}

/* The request that @message cancels may be parked, or come back from a router. */
static void
dispatch_remember_cancel (AgentParking *self,
                          AgentShard   *shard,
                          AgentLane    *lane,
                          AgentMessage *message)
{
  AgentLaneKey key = { lane->key.hash, lane->key.actor, AGENT_CHANNEL_DATA };
  AgentLane   *data_lane = _agent_parking_get_lane (self, shard, &key);

  _agent_shard_remember_cancel (shard, data_lane, message);
  _agent_parking_tend_lane (self, shard, data_lane);
}

/* Takes @message unless it is refused. */
static AgentDispatchResult
dispatch_in_shard (AgentParking       *self,
                   AgentShard         *shard,
                   const AgentLaneKey *key,
                   AgentMessage      **message,
                   AgentHandOver      *hand_over,
                   GError            **error)
{
  AgentLane          *lane = _agent_parking_get_lane (self, shard, key);
  AgentDispatchResult result = AGENT_DISPATCH_RESULT_REFUSED;
  AgentWait           wait;
  gboolean            allowed = dispatch_check (self, shard, lane, error);

  if (allowed && G_UNLIKELY (_agent_message_is_task_cancel (*message)))
    dispatch_remember_cancel (self, shard, lane, *message);
  if (allowed && dispatch_directly (self, shard, lane, message, &wait, hand_over))
    return AGENT_DISPATCH_RESULT_DELIVERED;

  if (allowed)
    result = dispatch_later (self, shard, lane, *message, wait, hand_over, error);
  _agent_parking_tend_lane (self, shard, lane);
  return result;
}

/* Takes @message. */
static AgentDispatchResult
dispatch_refuse_without_target (AgentParking *self,
                                AgentMessage *message,
                                GError      **error)
{
  AgentShard *shard = &self->shards[0];

  _agent_spin_lock_lock (&shard->lock);
  shard->n_refused++;
  _agent_spin_lock_unlock (&shard->lock);

  atomic_fetch_add (&self->bus->n_unstamped, 1);
  g_set_error (error,
               AGENT_BUS_ERROR,
               AGENT_BUS_ERROR_INVALID_MESSAGE,
               "A message '%s' without a target cannot be dispatched",
               agent_message_get_name (message));
  agent_message_unref (message);
  return AGENT_DISPATCH_RESULT_REFUSED;
}

/* Takes @message, whatever comes of it. */
AgentDispatchResult
_agent_parking_dispatch (AgentParking *self,
                         AgentMessage *message,
                         GError      **error)
{
  AgentSender        *sender = _agent_sender_get ();
  AgentHandOver       hand_over = _agent_parking_new_hand_over (self, sender);
  const char         *actor;
  AgentLaneKey        key;
  AgentShard         *shard;
  AgentDispatchResult result;

  actor = _agent_message_string (message, message->target);
  if (actor == NULL)
    return dispatch_refuse_without_target (self, message, error);

  message = _agent_bus_accept (self->bus, message, self->origin, sender);
  actor = _agent_message_string (message, message->target);
  key = (AgentLaneKey){ message->hash, actor, message->channel };
  shard = _agent_parking_get_shard (self, key.hash);

  _agent_spin_lock_lock (&shard->lock);
  result = dispatch_in_shard (self, shard, &key, &message, &hand_over, error);
  _agent_spin_lock_unlock (&shard->lock);

  _agent_parking_end_hand_over (self, &hand_over);
  if (result == AGENT_DISPATCH_RESULT_REFUSED)
    agent_message_unref (message);
  _agent_sender_collect (sender);
  return result;
}
