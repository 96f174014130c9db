/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-error.h"
#include "base/agent-clock-private.h"
#include "base/agent-string-hash-private.h"
#include "router/agent-parking-private.h"
#include "router/agent-route-table-private.h"

/* How long a message waits for its actor, in milliseconds, when nothing else is said. */
static guint
get_default_timeout (AgentMessageType type)
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

static void
parking_free_station (gpointer data)
{
  AgentStation *station = data;

  g_assert (_agent_station_is_empty (station));

  g_free (station->name);
  g_free (station);
}

/* @owner is taken, and given back to @owner_unref with the last reference. */
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

  self->ref_count = 1;
  self->bus = g_object_ref (bus);
  self->routes = g_object_ref (routes);
  self->capacity = capacity;
  self->actor_capacity = actor_capacity;
  self->park_unknown = TRUE;
  self->funcs = funcs;
  self->owner = owner;
  self->owner_unref = owner_unref;
  for (guint type = 0; type < AGENT_N_MESSAGE_TYPES; type++)
    self->timeouts[type] = get_default_timeout (type);

  for (guint i = 0; i < AGENT_PARKING_N_SHARDS; i++)
    _agent_shard_init (&self->shards[i]);

  g_mutex_init (&self->lock);
  _agent_deadline_heap_init (&self->expiries);
  _agent_deadline_heap_init (&self->retries);
  _agent_retry_schedule_init (&self->schedule, &self->retries);
  self->stations = g_hash_table_new_full (_agent_string_hash_func, g_str_equal, NULL, parking_free_station);
  self->next_time = G_MAXINT64;

  return self;
}

AgentParking *
_agent_parking_ref (AgentParking *self)
{
  g_atomic_int_inc (&self->ref_count);
  return self;
}

/* Wants everything dropped before. */
void
_agent_parking_unref (AgentParking *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;

  for (guint i = 0; i < AGENT_PARKING_N_SHARDS; i++)
    _agent_shard_clear (&self->shards[i]);
  _agent_retry_schedule_clear (&self->schedule);
  _agent_deadline_heap_clear (&self->expiries);
  _agent_deadline_heap_clear (&self->retries);
  g_hash_table_unref (self->stations);
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
  /* The tables of the shards use the low bits. */
  return &self->shards[(hash >> 32) % AGENT_PARKING_N_SHARDS];
}

/* With the shard's lock held: what the route table says by now. */
void
_agent_parking_read_route (AgentParking *self,
                           AgentLane    *lane)
{
  g_clear_pointer (&lane->router, _agent_name_unref);
  lane->known = _agent_route_table_find (self->routes, lane->key.actor, &lane->router);
  lane->generation = 0;
}

/* With the shard's lock held: (transfer none). It is made if there is none. */
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

/* With the shard's lock held. A lane to an actor that nobody knows is kept only while something waits in it. */
void
_agent_parking_tend_lane (AgentParking *self,
                          AgentShard   *shard,
                          AgentLane    *lane)
{
  if (!lane->known && !lane->removed && g_atomic_int_get (&lane->n_parked) == 0)
    _agent_shard_remove (shard, lane);
}

/* --- Handing over --- */

/* (transfer none) (nullable) It stays as long as the thread asks for no other snapshot. */
static AgentMailbox *
find_mailbox (AgentParking *self,
              AgentLane    *lane,
              AgentSender  *sender)
{
  AgentSnapshot *snapshot = _agent_sender_get_snapshot (sender, self->bus->directory);
  guint64        generation = _agent_snapshot_get_generation (snapshot);

  if (lane->generation != generation)
    {
      guint64 hash = _agent_string_hash (lane->router, strlen (lane->router));

      lane->mailbox = _agent_snapshot_lookup (snapshot, lane->router, hash);
      lane->generation = generation;
    }

  return lane->mailbox;
}

static gboolean
is_turn (AgentLane    *lane,
         AgentMailbox *mailbox)
{
  return lane->last_mailbox == mailbox || lane->last_mailbox == NULL ||
         _agent_mailbox_has_handled (lane->last_mailbox, lane->key.channel, lane->last_position);
}

/* Better with no lock held, but those of the parking may be. */
static void
parking_wake (AgentHandOver *state)
{
  if (state->mailbox == NULL)
    return;

  _agent_mailbox_end_offer (state->mailbox, state->channel, &state->offer);
  if (state->keeps)
    _agent_mailbox_unref (state->mailbox);
  state->mailbox = NULL;
  state->offer = (AgentOffer){ .wake = FALSE };
}

/* One wake-up does for all that goes to a mailbox, when the locks are released. */
static void
parking_remember (AgentHandOver *state,
                  AgentLane     *lane,
                  AgentMailbox  *mailbox,
                  AgentOffer    *offer)
{
  if (state->mailbox != mailbox || state->offer.cancel != NULL)
    parking_wake (state);
  if (state->mailbox == NULL && state->keeps)
    _agent_mailbox_ref (mailbox);
  state->mailbox = mailbox;

  state->channel = lane->key.channel;
  state->offer.wake |= offer->wake;
  state->offer.cancel = offer->cancel;
}

/* With no lock held, when the lane is done with: what could not be done or told before. */
void
_agent_parking_end_hand_over (AgentParking  *self,
                              AgentHandOver *state)
{
  parking_wake (state);
  if (G_UNLIKELY (state->losses != NULL))
    _agent_parking_tell_losses (self, g_steal_pointer (&state->losses));
}

/* With the shard's lock held. AGENT_WAIT_NONE: the router has @message now. Otherwise it is still the caller's, and has to
 * wait for what is returned. */
AgentWait
_agent_parking_hand_over (AgentParking  *self,
                          AgentShard    *shard,
                          AgentLane     *lane,
                          AgentMessage **message,
                          gboolean       in_turn,
                          AgentHandOver *state)
{
  AgentMailbox    *mailbox;
  AgentOffer       offer = { .wake = FALSE };
  AgentOfferResult result;

  if (lane->router == NULL)
    return AGENT_WAIT_ROUTE;

  mailbox = find_mailbox (self, lane, state->sender);
  if (mailbox == NULL)
    return AGENT_WAIT_ROUTER;
  if (!is_turn (lane, mailbox))
    return AGENT_WAIT_TURN;

  result = _agent_bus_offer (self->bus, mailbox, message, in_turn, &offer, state->sender);
  if (result != AGENT_OFFER_ACCEPTED)
    return result == AGENT_OFFER_FULL ? AGENT_WAIT_ROOM : AGENT_WAIT_ROUTER;

  lane->last_position = offer.position;
  if (G_UNLIKELY (lane->last_mailbox != mailbox))
    _agent_shard_set_last (shard, lane, mailbox);
  if (offer.wake || offer.cancel != NULL)
    parking_remember (state, lane, mailbox, &offer);
  return AGENT_WAIT_NONE;
}

/* --- Dispatching --- */

static gboolean
parking_refuse (AgentShard   *shard,
                AgentLane    *lane,
                AgentBusError code,
                const char   *why,
                GError      **error)
{
  shard->n_refused++;
  g_set_error (error, AGENT_BUS_ERROR, code, "No message can be dispatched to '%s': %s", lane->key.actor, why);
  return FALSE;
}

/* With the shard's lock held. Whether the message may be accepted at all, as far as the lane knows. */
static gboolean
parking_check (AgentParking *self,
               AgentShard   *shard,
               AgentLane    *lane,
               GError      **error)
{
  if (g_atomic_int_get (&self->closing))
    return parking_refuse (shard, lane, AGENT_BUS_ERROR_CLOSED, "the dispatcher is stopped", error);
  if (!lane->known && !g_atomic_int_get (&self->park_unknown))
    return parking_refuse (shard, lane, AGENT_BUS_ERROR_ACTOR_NOT_ASSIGNED, "nobody knows the actor", error);

  return TRUE;
}

/* With the shard's lock held. TRUE: the router has @message. */
static gboolean
dispatch_directly (AgentParking  *self,
                   AgentShard    *shard,
                   AgentLane     *lane,
                   AgentMessage **message,
                   AgentWait     *wait,
                   AgentHandOver *state)
{
  *wait = AGENT_WAIT_ROUTER;
  if (g_atomic_int_get (&lane->n_parked) > 0)
    return FALSE;

  *wait = _agent_parking_hand_over (self, shard, lane, message, FALSE, state);
  if (*wait != AGENT_WAIT_NONE)
    return FALSE;

  shard->n_accepted++;
  shard->n_direct++;
  return TRUE;
}

/* With the shard's lock held. Takes @message unless it is refused. */
static AgentDispatchResult
dispatch_later (AgentParking  *self,
                AgentShard    *shard,
                AgentLane     *lane,
                AgentMessage  *message,
                AgentWait      wait,
                AgentHandOver *state,
                GError       **error)
{
  guint max = 1;

  if (!_agent_parking_park (self, lane, message, wait, state))
    {
      parking_refuse (shard, lane, AGENT_BUS_ERROR_FULL, "too many messages are parked, in all or for it", error);
      return AGENT_DISPATCH_RESULT_REFUSED;
    }

  shard->n_accepted++;
  if (wait == AGENT_WAIT_ROUTE || g_atomic_int_get (&lane->n_parked) != 1)
    return AGENT_DISPATCH_RESULT_PARKED;

  /* What it waits for may have come to pass before it could be found waiting. */
  return _agent_parking_flush_lane (self, shard, lane, FALSE, &max, state) == AGENT_FLUSH_EMPTY && state->losses == NULL
             ? AGENT_DISPATCH_RESULT_DELIVERED
             : AGENT_DISPATCH_RESULT_PARKED;
}

/* With the shard's lock held. Takes @message unless it is refused. */
static AgentDispatchResult
dispatch_in_shard (AgentParking       *self,
                   AgentShard         *shard,
                   const AgentLaneKey *key,
                   AgentMessage      **message,
                   AgentHandOver      *state,
                   GError            **error)
{
  AgentLane          *lane = _agent_parking_get_lane (self, shard, key);
  AgentDispatchResult result = AGENT_DISPATCH_RESULT_REFUSED;
  AgentWait           wait;
  gboolean            allowed = parking_check (self, shard, lane, error);

  if (allowed && dispatch_directly (self, shard, lane, message, &wait, state))
    return AGENT_DISPATCH_RESULT_DELIVERED;

  if (allowed)
    result = dispatch_later (self, shard, lane, *message, wait, state, error);
  _agent_parking_tend_lane (self, shard, lane);
  return result;
}

/* Takes @message. */
static AgentDispatchResult
refuse_without_target (AgentParking *self,
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
  AgentHandOver       state = { .sender = sender };
  const char         *actor;
  AgentLaneKey        key;
  AgentShard         *shard;
  AgentDispatchResult result;

  actor = _agent_message_string (message, message->target);
  if (actor == NULL)
    return refuse_without_target (self, message, error);

  message = _agent_bus_accept (self->bus, message, self->origin, sender);
  actor = _agent_message_string (message, message->target);
  key = (AgentLaneKey){ message->hash, actor, message->channel };
  shard = _agent_parking_get_shard (self, key.hash);

  _agent_spin_lock_lock (&shard->lock);
  result = dispatch_in_shard (self, shard, &key, &message, &state, error);
  _agent_spin_lock_unlock (&shard->lock);

  _agent_parking_end_hand_over (self, &state);
  if (result == AGENT_DISPATCH_RESULT_REFUSED)
    agent_message_unref (message);
  _agent_sender_collect (sender);
  return result;
}

/* --- Settings and figures --- */

void
_agent_parking_set_policy (AgentParking     *self,
                           AgentRetryPolicy *policy)
{
  g_mutex_lock (&self->lock);
  _agent_retry_schedule_set_policy (&self->schedule, policy);
  g_mutex_unlock (&self->lock);
}

/* (transfer full) */
AgentRetryPolicy *
_agent_parking_dup_policy (AgentParking *self)
{
  AgentRetryPolicy *policy;

  g_mutex_lock (&self->lock);
  policy = agent_retry_policy_copy (self->schedule.policy);
  g_mutex_unlock (&self->lock);

  return policy;
}

static void
add_shard_counts (AgentShard         *shard,
                  AgentParkingCounts *counts)
{
  counts->accepted += shard->n_accepted;
  counts->direct += shard->n_direct;
  counts->dispatched += shard->n_direct + shard->n_late - shard->n_returned;
  counts->returned += shard->n_returned;
  counts->refused += shard->n_refused;
}

/* All locks make one moment of it. */
void
_agent_parking_get_counts (AgentParking       *self,
                           AgentParkingCounts *counts)
{
  memset (counts, 0, sizeof *counts);

  for (guint i = 0; i < AGENT_PARKING_N_SHARDS; i++)
    _agent_spin_lock_lock (&self->shards[i].lock);
  g_mutex_lock (&self->lock);

  for (guint i = 0; i < AGENT_PARKING_N_SHARDS; i++)
    add_shard_counts (&self->shards[i], counts);
  counts->parked = g_atomic_int_get (&self->n_parked);
  counts->expired = self->n_expired;
  counts->retries = self->n_retries;
  memcpy (counts->dropped, self->n_dropped, sizeof self->n_dropped);
  _agent_histogram_read (&self->latency, counts->latency, &counts->latency_sum);
  counts->latency[0] += counts->direct;

  g_mutex_unlock (&self->lock);
  for (guint i = 0; i < AGENT_PARKING_N_SHARDS; i++)
    _agent_spin_lock_unlock (&self->shards[i].lock);
}
