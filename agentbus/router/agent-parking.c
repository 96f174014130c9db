/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "router/agent-parking-private.h"

#define USEC_PER_MSEC 1000

/* How long a message waits for its actor, in milliseconds, when nothing else is said. */
static guint
parking_get_default_timeout (AgentMessageType type)
{
  switch (type)
    {
    case AGENT_MESSAGE_TYPE_REQUEST_INFERENCE:
    case AGENT_MESSAGE_TYPE_REQUEST_INFERENCE_BATCH:
      return 10000;
    case AGENT_MESSAGE_TYPE_MODEL_VERSION:
      return 15000;
    case AGENT_MESSAGE_TYPE_FLAG_LAST_INFERENCE:
      return 20000;
    case AGENT_MESSAGE_TYPE_MODEL_UPDATE:
    case AGENT_MESSAGE_TYPE_SHUTDOWN:
      return 60000;
    default:
      return 30000;
    }
}

/* @owner: (transfer full): goes to @owner_unref with the last reference to the parking */
AgentParking *
_agent_parking_new (AgentBus                *bus,
                    AgentRouteTable         *routes,
                    guint                    capacity,
                    guint                    actor_capacity,
                    const AgentParkingFuncs *funcs,
                    gpointer                 owner,
                    GDestroyNotify           owner_unref)
{
  AgentParking *self = g_new0 (AgentParking, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->bus = g_object_ref (bus);
  self->routes = g_object_ref (routes);
  self->capacity = capacity;
  self->actor_capacity = actor_capacity;
  self->park_unknown = TRUE;
  self->funcs = funcs;
  self->owner = owner;
  self->owner_unref = owner_unref;
  for (guint type = 0; type < AGENT_N_MESSAGE_TYPES; type++)
    self->timeouts[type] = parking_get_default_timeout (type);

  for (guint i = 0; i < AGENT_PARKING_N_SHARDS; i++)
    _agent_shard_init (&self->shards[i]);

  g_mutex_init (&self->lock);
  _agent_parking_lot_init (&self->lot);
  _agent_aliases_init (&self->aliases);
  g_mutex_init (&self->rename_lock);
  self->next_time = AGENT_PARKING_LOT_NEVER;

  return self;
}

AgentParking *
_agent_parking_ref (AgentParking *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

/* Before the last reference goes, everything has to be dropped. */
void
_agent_parking_unref (AgentParking *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  for (guint i = 0; i < AGENT_PARKING_N_SHARDS; i++)
    _agent_shard_clear (&self->shards[i]);
  _agent_parking_lot_clear (&self->lot);
  _agent_aliases_clear (&self->aliases);
  g_mutex_clear (&self->rename_lock);
  g_mutex_clear (&self->lock);
  g_object_unref (self->routes);
  g_object_unref (self->bus);
  self->owner_unref (self->owner);
  g_free (self);
}

/* --- Lanes --- */

AgentShard *
_agent_parking_get_shard (AgentParking *self,
                          guint64       hash)
{
  /* The tables of the shards use the low bits of the hash. */
  return &self->shards[(hash >> 32) % AGENT_PARKING_N_SHARDS];
}

/* The lane gets the route that the table says by now. */
void
_agent_parking_read_route (AgentParking *self,
                           AgentLane    *lane)
{
  g_clear_pointer (&lane->router, _agent_name_unref);
  lane->known = _agent_route_table_find (self->routes, lane->key.actor, &lane->router);
  lane->generation = 0;
}

/* (transfer none): the lane to an actor, which is made if there is none */
AgentLane *
_agent_parking_get_lane (AgentParking       *self,
                         AgentShard         *shard,
                         const AgentLaneKey *key)
{
  AgentLane *lane = _agent_shard_lookup (shard, key);

  if (lane == NULL)
    {
      lane = _agent_lane_new (key);
      _agent_parking_read_route (self, lane);
      _agent_shard_add (shard, lane);
    }

  return lane;
}

/* Forgets a lane to an actor that nobody knows, unless something is parked in it. */
void
_agent_parking_tend_lane (AgentParking *self,
                          AgentShard   *shard,
                          AgentLane    *lane)
{
  if (!lane->known && !lane->removed && !lane->held && g_atomic_int_get (&lane->n_parked) == 0)
    _agent_shard_remove (shard, lane);
}

/* The lane leaves its shard: nobody finds it any more, and nothing goes on in it. What is parked there is only to be dropped.
 * What is dispatched to the actor from now on gets another lane. */
void
_agent_parking_part_with (AgentParking *self,
                          AgentShard   *shard,
                          AgentLane    *lane)
{
  if (lane->removed)
    return;

  g_mutex_lock (&self->lock);
  _agent_stations_leave (&self->lot.stations, lane);
  g_mutex_unlock (&self->lock);
  _agent_shard_remove (shard, lane);
}

/* --- The lot --- */

/* The owner hears of the first deadline only if it has changed. */
void
_agent_parking_arm_locked (AgentParking *self)
{
  gint64 time = _agent_parking_lot_get_first_time (&self->lot);

  if (self->next_time == time)
    return;

  self->next_time = time;
  self->funcs->deadline (self->owner, time != AGENT_PARKING_LOT_NEVER ? time : -1);
}

static gint64
parking_get_deadline (AgentParking *self,
                      AgentMessage *message)
{
  guint timeout = message->ttl != 0 ? message->ttl : (guint) g_atomic_int_get (&self->timeouts[message->type]);

  return timeout != 0 ? message->sent_at + (gint64) timeout * USEC_PER_MSEC : AGENT_PARKING_LOT_NEVER;
}

/* Takes @message, which waits in the lane behind all others, or if @before_all, before them. Wants the shard's lock too. */
void
_agent_parking_add_locked (AgentParking *self,
                           AgentLane    *lane,
                           AgentMessage *message,
                           gboolean      before_all)
{
  _agent_parking_lot_add (&self->lot, lane, message, parking_get_deadline (self, message), before_all);
}

/* --- Losses --- */

static void
parking_tend_lost_lane (AgentParking *self,
                        AgentLane    *lane)
{
  AgentShard *shard = _agent_parking_get_shard (self, lane->key.hash);

  _agent_spin_lock_lock (&shard->lock);
  _agent_parking_tend_lane (self, shard, lane);
  _agent_spin_lock_unlock (&shard->lock);
}

/* Tells the owner of all @losses, after which there are none. */
void
_agent_parking_tell_losses (AgentParking *self,
                            AgentLosses  *losses)
{
  guint      place = 0;
  AgentLane *lane;

  while ((lane = _agent_losses_get_lane (losses, &place)) != NULL)
    parking_tend_lost_lane (self, lane);

  _agent_losses_tell (losses, &self->funcs->losses, self->owner);
}

/* Does what could not be done while locks were held: wakes the router, and tells of losses. */
void
_agent_parking_end_hand_over (AgentParking  *self,
                              AgentHandOver *hand_over)
{
  _agent_hand_over_wake (hand_over);
  if (G_UNLIKELY (!_agent_losses_are_none (&hand_over->losses)))
    _agent_parking_tell_losses (self, &hand_over->losses);
}

/* Returns TRUE if there may be more in the lane. */
static gboolean
parking_drop_piece (AgentParking   *self,
                    AgentLane      *lane,
                    AgentDropReason reason)
{
  AgentLosses  losses = { NULL };
  gint64       now = _agent_clock_now ();
  AgentParked *parked;
  guint        n;

  g_mutex_lock (&self->lock);
  for (n = 0; n < AGENT_PARKING_PIECE && (parked = _agent_lane_get_first (lane)) != NULL; n++)
    _agent_parking_lot_lose (&self->lot, parked, now, reason, &losses);
  _agent_parking_arm_locked (self);
  g_mutex_unlock (&self->lock);

  _agent_parking_tell_losses (self, &losses);
  return n == AGENT_PARKING_PIECE;
}

/* Gives up all that is parked in a lane that was parted with, and so gets no more. */
void
_agent_parking_drop_lane (AgentParking   *self,
                          AgentLane      *lane,
                          AgentDropReason reason)
{
  while (parking_drop_piece (self, lane, reason))
    ;
}

/* --- The end --- */

/* Tells the owner, who may wait for that, if nothing is parked any more and nothing will be. */
void
_agent_parking_settle (AgentParking *self)
{
  if (_agent_parking_get_phase (self) != AGENT_PARKING_OPEN && g_atomic_int_get (&self->lot.n_parked) == 0)
    self->funcs->drained (self->owner);
}

/* A thread that was dispatching when the phase changed holds a shard's lock, and is through when that is free. */
static void
parking_wait_for_dispatchers (AgentParking *self)
{
  for (guint i = 0; i < AGENT_PARKING_N_SHARDS; i++)
    {
      _agent_spin_lock_lock (&self->shards[i].lock);
      _agent_spin_lock_unlock (&self->shards[i].lock);
    }
}

/* Nothing is accepted any more when this returns. Returns TRUE if nothing is parked either. */
gboolean
_agent_parking_close (AgentParking *self)
{
  g_atomic_int_compare_and_exchange (&self->phase, AGENT_PARKING_OPEN, AGENT_PARKING_CLOSING);
  parking_wait_for_dispatchers (self);

  return g_atomic_int_get (&self->lot.n_parked) == 0;
}

/* (transfer full) (nullable): a lane in which something is parked */
static AgentLane *
parking_ref_any_lane (AgentParking *self)
{
  AgentLane *lane;

  g_mutex_lock (&self->lock);
  lane = g_queue_peek_head (&self->lot.lanes);
  if (lane != NULL)
    _agent_lane_ref (lane);
  g_mutex_unlock (&self->lock);

  return lane;
}

/* Nothing is parked any more when this returns, and nothing will be. */
void
_agent_parking_drop_all (AgentParking   *self,
                         AgentDropReason reason)
{
  AgentLane *lane;

  g_atomic_int_set (&self->phase, AGENT_PARKING_CLOSED);
  parking_wait_for_dispatchers (self);

  while ((lane = parking_ref_any_lane (self)) != NULL)
    {
      AgentShard *shard = _agent_parking_get_shard (self, lane->key.hash);

      _agent_spin_lock_lock (&shard->lock);
      _agent_parking_part_with (self, shard, lane);
      _agent_spin_lock_unlock (&shard->lock);

      _agent_parking_drop_lane (self, lane, reason);
      _agent_lane_unref (lane);
    }
}

/* --- Settings and figures --- */

void
_agent_parking_set_policy (AgentParking     *self,
                           AgentRetryPolicy *policy)
{
  g_mutex_lock (&self->lock);
  _agent_retry_schedule_set_policy (&self->lot.schedule, policy);
  g_mutex_unlock (&self->lock);
}

/* (transfer full) */
AgentRetryPolicy *
_agent_parking_dup_policy (AgentParking *self)
{
  AgentRetryPolicy *policy;

  g_mutex_lock (&self->lock);
  policy = agent_retry_policy_copy (self->lot.schedule.policy);
  g_mutex_unlock (&self->lock);

  return policy;
}

static void
parking_add_shard_counts (AgentShard         *shard,
                          AgentParkingCounts *counts)
{
  counts->accepted += shard->n_accepted;
  counts->direct += shard->n_direct;
  counts->dispatched += shard->n_direct + shard->n_late - shard->n_returned;
  counts->returned += shard->n_returned;
  counts->refused += shard->n_refused;
}

/* Holds all locks at once, so that the counts are of one moment. */
void
_agent_parking_get_counts (AgentParking       *self,
                           AgentParkingCounts *counts)
{
  memset (counts, 0, sizeof *counts);

  for (guint i = 0; i < AGENT_PARKING_N_SHARDS; i++)
    _agent_spin_lock_lock (&self->shards[i].lock);
  g_mutex_lock (&self->lock);

  for (guint i = 0; i < AGENT_PARKING_N_SHARDS; i++)
    parking_add_shard_counts (&self->shards[i], counts);
  counts->parked = g_atomic_int_get (&self->lot.n_parked);
  counts->expired = self->lot.n_expired;
  counts->retries = self->lot.n_retries;
  memcpy (counts->dropped, self->lot.n_dropped, sizeof self->lot.n_dropped);
  _agent_histogram_read (&self->latency, counts->latency, &counts->latency_sum);
  counts->latency[0] += counts->direct;

  g_mutex_unlock (&self->lock);
  for (guint i = 0; i < AGENT_PARKING_N_SHARDS; i++)
    _agent_spin_lock_unlock (&self->shards[i].lock);
}
