/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-error.h"
#include "agent-clock-private.h"
#include "agent-parking-private.h"
#include "agent-route-table-private.h"
#include "agent-string-hash-private.h"

#define USEC_PER_MSEC 1000
#define NEVER G_MAXINT64

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
station_free (gpointer data)
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
                    const AgentParkingFuncs *funcs,
                    gpointer                 owner,
                    GDestroyNotify           owner_unref)
{
  AgentParking *self = g_new0 (AgentParking, 1);

  self->ref_count = 1;
  self->bus = g_object_ref (bus);
  self->routes = g_object_ref (routes);
  self->capacity = capacity;
  self->park_unknown = TRUE;
  self->funcs = funcs;
  self->owner = owner;
  self->owner_unref = owner_unref;
  for (guint type = 0; type < AGENT_N_MESSAGE_TYPES; type++)
    self->timeouts[type] = get_default_timeout (type);

  for (guint i = 0; i < AGENT_PARKING_N_SHARDS; i++)
    self->shards[i].lanes = g_hash_table_new_full (_agent_lane_hash,
                                                   _agent_lane_equal,
                                                   (GDestroyNotify) _agent_lane_unref,
                                                   NULL);

  g_mutex_init (&self->lock);
  _agent_deadline_heap_init (&self->heap);
  _agent_retry_schedule_init (&self->schedule, &self->heap);
  self->stations = g_hash_table_new_full (_agent_string_hash_func, g_str_equal, NULL, station_free);
  self->next_time = NEVER;

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
    g_hash_table_unref (self->shards[i].lanes);
  _agent_retry_schedule_clear (&self->schedule);
  _agent_deadline_heap_clear (&self->heap);
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

static AgentLane **
get_recent (AgentShard         *shard,
            const AgentLaneKey *key)
{
  return &shard->recent[(key->hash >> 40) % AGENT_SHARD_N_RECENT];
}

/* With the shard's lock held: (transfer none) (nullable). */
AgentLane *
_agent_parking_get_lane (AgentParking       *self,
                         AgentShard         *shard,
                         const AgentLaneKey *key,
                         gboolean            create)
{
  AgentLane **recent = get_recent (shard, key);
  AgentLane  *lane = *recent;

  if (lane != NULL && _agent_lane_equal (&lane->key, key))
    return lane;

  lane = g_hash_table_lookup (shard->lanes, key);
  if (lane == NULL && create)
    {
      lane = _agent_lane_new (key);
      _agent_parking_read_route (self, lane);
      g_hash_table_add (shard->lanes, lane);
    }
  if (lane != NULL)
    *recent = lane;

  return lane;
}

/* With the shard's lock held. A lane to an actor that nobody knows is kept only while something waits in it. */
void
_agent_parking_tend_lane (AgentParking *self,
                          AgentShard   *shard,
                          AgentLane    *lane)
{
  AgentLane **recent = get_recent (shard, &lane->key);

  if (lane->known || lane->removed || g_atomic_int_get (&lane->n_parked) > 0)
    return;

  lane->removed = TRUE;
  if (*recent == lane)
    *recent = NULL;
  g_hash_table_remove (shard->lanes, lane);
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

static void
note_last (AgentLane    *lane,
           AgentMailbox *mailbox,
           guint64       position)
{
  lane->last_position = position;
  if (lane->last_mailbox == mailbox)
    return;

  g_clear_pointer (&lane->last_mailbox, _agent_mailbox_unref);
  lane->last_mailbox = _agent_mailbox_ref (mailbox);
}

/* Better with no lock held, but those of the parking may be. */
void
_agent_parking_end_hand_over (AgentHandOver *state)
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
remember (AgentHandOver *state,
          AgentLane     *lane,
          AgentMailbox  *mailbox,
          AgentOffer    *offer)
{
  if (state->mailbox != mailbox || state->offer.cancel != NULL)
    _agent_parking_end_hand_over (state);
  if (state->mailbox == NULL && state->keeps)
    _agent_mailbox_ref (mailbox);
  state->mailbox = mailbox;

  state->channel = lane->key.channel;
  state->offer.wake |= offer->wake;
  state->offer.cancel = offer->cancel;
}

/* With the shard's lock held. AGENT_WAIT_NONE: the router has @message now. Otherwise it is still the caller's, and has to
 * wait for what is returned. */
static AgentWait
hand_over (AgentParking  *self,
           AgentLane     *lane,
           AgentMessage **message,
           gboolean       in_turn,
           AgentHandOver *state)
{
  AgentMailbox *mailbox;
  AgentOffer    offer = { .wake = FALSE };

  if (lane->router == NULL)
    return AGENT_WAIT_ROUTE;

  mailbox = find_mailbox (self, lane, state->sender);
  if (mailbox == NULL)
    return AGENT_WAIT_ROUTER;
  if (!is_turn (lane, mailbox))
    return AGENT_WAIT_TURN;
  if (_agent_bus_offer (self->bus, mailbox, message, in_turn, &offer, state->sender) != AGENT_OFFER_ACCEPTED)
    return AGENT_WAIT_ROUTER;

  note_last (lane, mailbox, offer.position);
  if (offer.wake || offer.cancel != NULL)
    remember (state, lane, mailbox, &offer);
  return AGENT_WAIT_NONE;
}

/* --- Parking --- */

/* (transfer none) */
static AgentStation *
get_station_locked (AgentParking *self,
                    const char   *name)
{
  AgentStation *station;

  if (name == NULL)
    return &self->nowhere;

  station = g_hash_table_lookup (self->stations, name);
  if (station == NULL)
    {
      station = g_new0 (AgentStation, 1);
      station->name = g_strdup (name);
      g_hash_table_insert (self->stations, station->name, station);
    }

  return station;
}

static void
tend_station_locked (AgentParking *self,
                     AgentStation *station)
{
  if (station != NULL && station->name != NULL && _agent_station_is_empty (station))
    g_hash_table_remove (self->stations, station->name);
}

/* TRUE: the lane was not there before. */
static gboolean
wait_locked (AgentParking *self,
             AgentLane    *lane,
             AgentWait     wait,
             const char   *name,
             gboolean      again)
{
  AgentStation *station = get_station_locked (self, name);
  AgentStation *before = lane->station;
  gboolean      moved = before != station || lane->wait != wait;

  if (moved || again)
    _agent_lane_wait (lane, wait, station);
  if (before != station)
    tend_station_locked (self, before);

  return moved;
}

static const char *
get_station_name (AgentLane *lane,
                  AgentWait  wait)
{
  switch (wait)
    {
    case AGENT_WAIT_ROUTER:
      return lane->router;
    case AGENT_WAIT_TURN:
      return _agent_mailbox_get_name (lane->last_mailbox);
    case AGENT_WAIT_NONE:
    case AGENT_WAIT_ROUTE:
    default:
      return NULL;
    }
}

/* The owner hears of the first deadline only if it has changed. */
void
_agent_parking_arm_locked (AgentParking *self)
{
  AgentDeadline *first = _agent_deadline_heap_peek (&self->heap);
  gint64         time = first != NULL ? first->time : NEVER;

  if (self->next_time == time)
    return;

  self->next_time = time;
  self->funcs->deadline (self->owner, time != NEVER ? time : -1);
}

static gint64
get_deadline (AgentParking *self,
              AgentMessage *message)
{
  guint timeout = message->ttl != 0 ? message->ttl : (guint) g_atomic_int_get (&self->timeouts[message->type]);

  return timeout != 0 ? message->sent_at + (gint64) timeout * USEC_PER_MSEC : NEVER;
}

/* Takes @message. */
static AgentParked *
park_locked (AgentParking *self,
             AgentMessage *message)
{
  AgentParked *parked = g_new (AgentParked, 1);

  parked->deadline.kind = AGENT_DEADLINE_EXPIRY;
  parked->deadline.time = get_deadline (self, message);
  parked->message = message;
  parked->batch = _agent_retry_schedule_join (&self->schedule, _agent_clock_now ());
  if (parked->deadline.time != NEVER)
    _agent_deadline_heap_add (&self->heap, &parked->deadline);
  g_atomic_int_inc (&self->n_parked);

  return parked;
}

/* (transfer full) With the lock of the parking held. @n_attempts: (nullable). */
AgentMessage *
_agent_parking_unpark_locked (AgentParking *self,
                              AgentParked  *parked,
                              guint        *n_attempts)
{
  AgentLane    *lane = parked->lane;
  AgentMessage *message = parked->message;

  if (n_attempts != NULL)
    *n_attempts = 1 + parked->batch->n_attempts;

  _agent_lane_take (lane, parked);
  if (parked->deadline.time != NEVER)
    _agent_deadline_heap_remove (&self->heap, &parked->deadline);
  _agent_retry_schedule_leave (&self->schedule, parked->batch);
  g_atomic_int_add (&self->n_parked, -1);
  g_free (parked);

  if (lane->first == NULL)
    {
      AgentStation *station = lane->station;

      _agent_lane_leave (lane);
      tend_station_locked (self, station);
    }

  return message;
}

/* With both locks held: AGENT_WAIT_NONE if the lane is empty or its turn is over. */
static AgentWait
flush_locked (AgentParking  *self,
              AgentShard    *shard,
              AgentLane     *lane,
              gboolean       in_turn,
              guint         *max,
              AgentHandOver *state)
{
  gint64 now = _agent_clock_now ();

  for (; lane->first != NULL && *max > 0; (*max)--)
    {
      gint64    sent_at = lane->first->message->sent_at;
      AgentWait wait = hand_over (self, lane, &lane->first->message, in_turn, state);

      if (wait != AGENT_WAIT_NONE)
        return wait;

      shard->n_late++;
      _agent_histogram_add (&self->latency, MAX (0, now - sent_at));
      _agent_parking_unpark_locked (self, lane->first, NULL);
    }

  return AGENT_WAIT_NONE;
}

/* Hands over what can go, at most @max messages, and sees to it that the lane is found when more can. If it is not @in_turn,
 * it stands behind the others that wait for the router. */
AgentFlushResult
_agent_parking_flush_lane (AgentParking  *self,
                           AgentShard    *shard,
                           AgentLane     *lane,
                           gboolean       in_turn,
                           guint         *max,
                           AgentHandOver *state)
{
  AgentFlushResult result = AGENT_FLUSH_EMPTY;
  AgentWait        wait = AGENT_WAIT_NONE;

  g_assert (state->keeps || state->mailbox == NULL);
  state->keeps = TRUE;

  g_mutex_lock (&self->lock);
  while (lane->first != NULL)
    {
      wait = flush_locked (self, shard, lane, in_turn, max, state);
      if (wait == AGENT_WAIT_NONE)
        break;
      /* Nobody can have given it a route meanwhile. */
      if (!wait_locked (self, lane, wait, get_station_name (lane, wait), FALSE) || wait == AGENT_WAIT_ROUTE)
        break;
    }

  if (lane->first != NULL && wait == AGENT_WAIT_NONE)
    {
      wait_locked (self, lane, AGENT_WAIT_ROUTER, lane->router, TRUE);
      result = AGENT_FLUSH_MORE;
    }
  else if (lane->first != NULL)
    {
      result = wait == AGENT_WAIT_ROUTER ? AGENT_FLUSH_BLOCKED : AGENT_FLUSH_ELSEWHERE;
    }
  _agent_parking_arm_locked (self);
  g_mutex_unlock (&self->lock);

  return result;
}

/* With the shard's lock held: @message, which @router did not come to handle, waits before all others. Takes it. */
void
_agent_parking_put_back (AgentParking *self,
                         AgentLane    *lane,
                         AgentMessage *message,
                         const char   *router)
{
  g_mutex_lock (&self->lock);
  _agent_lane_prepend (lane, park_locked (self, message));
  if (lane->station == NULL)
    wait_locked (self, lane, AGENT_WAIT_TURN, router, FALSE);
  _agent_parking_arm_locked (self);
  g_mutex_unlock (&self->lock);
}

/* --- Dispatching --- */

static gboolean
has_room (AgentParking *self,
          AgentMessage *message)
{
  return message->channel == AGENT_CHANNEL_SYSTEM || message->reliable ||
         (guint) g_atomic_int_get (&self->n_parked) < (guint) g_atomic_int_get (&self->capacity);
}

/* With the shard's lock held. Takes @message if it returns TRUE. */
static gboolean
park (AgentParking *self,
      AgentLane    *lane,
      AgentMessage *message,
      AgentWait     wait)
{
  gboolean parked;

  g_mutex_lock (&self->lock);
  parked = has_room (self, message);
  if (parked)
    {
      _agent_lane_append (lane, park_locked (self, message));
      if (lane->station == NULL)
        wait_locked (self, lane, wait, get_station_name (lane, wait), FALSE);
      _agent_parking_arm_locked (self);
    }
  g_mutex_unlock (&self->lock);

  return parked;
}

static gboolean
refuse (AgentShard   *shard,
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
check (AgentParking *self,
       AgentShard   *shard,
       AgentLane    *lane,
       GError      **error)
{
  if (g_atomic_int_get (&self->closing))
    return refuse (shard, lane, AGENT_BUS_ERROR_CLOSED, "the dispatcher is stopped", error);
  if (!lane->known && !g_atomic_int_get (&self->park_unknown))
    return refuse (shard, lane, AGENT_BUS_ERROR_ACTOR_NOT_ASSIGNED, "nobody knows the actor", error);

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

  *wait = hand_over (self, lane, message, FALSE, state);
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

  if (!park (self, lane, message, wait))
    {
      refuse (shard, lane, AGENT_BUS_ERROR_FULL, "too many messages are parked", error);
      return AGENT_DISPATCH_RESULT_REFUSED;
    }

  shard->n_accepted++;
  if (wait == AGENT_WAIT_ROUTE || g_atomic_int_get (&lane->n_parked) != 1)
    return AGENT_DISPATCH_RESULT_PARKED;

  /* What it waits for may have come to pass before it could be found waiting. */
  return _agent_parking_flush_lane (self, shard, lane, FALSE, &max, state) == AGENT_FLUSH_EMPTY
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
  AgentLane          *lane = _agent_parking_get_lane (self, shard, key, TRUE);
  AgentDispatchResult result = AGENT_DISPATCH_RESULT_REFUSED;
  AgentWait           wait;
  gboolean            allowed = check (self, shard, lane, error);

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

  _agent_parking_end_hand_over (&state);
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
