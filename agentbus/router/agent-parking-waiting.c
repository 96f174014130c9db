/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "router/agent-parking-private.h"

/*
 * What is parked, and where its lanes wait: how messages get in, and how they get out again, into the channel of a router
 * or given up.
 */

#define USEC_PER_MSEC 1000
#define NEVER G_MAXINT64

/* --- Stations --- */

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
      station->round = self->stations_round;
      station->link.data = station;
      g_hash_table_insert (self->stations, station->name, station);
      g_queue_push_tail_link (&self->station_list, &station->link);
    }

  return station;
}

static void
tend_station_locked (AgentParking *self,
                     AgentStation *station)
{
  if (station == NULL || station->name == NULL || !_agent_station_is_empty (station))
    return;

  g_queue_unlink (&self->station_list, &station->link);
  g_hash_table_remove (self->stations, station->name);
}

/* What is found out about the router of one lane goes for all that wait for it. */
static void
note_router (AgentStation *station,
             AgentWait     wait)
{
  if (wait == AGENT_WAIT_ROUTER)
    station->is_there = FALSE;
  else if (wait == AGENT_WAIT_ROOM || wait == AGENT_WAIT_NONE)
    station->is_there = TRUE;
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
  gboolean      moved;

  note_router (station, wait);
  if (wait == AGENT_WAIT_ROOM || wait == AGENT_WAIT_NONE)
    wait = AGENT_WAIT_ROUTER;

  moved = before != station || lane->wait != wait;
  if (moved || again)
    _agent_lane_wait (lane, wait, station);
  if (before != station)
    tend_station_locked (self, before);

  return moved;
}

static void
leave_station_locked (AgentParking *self,
                      AgentLane    *lane)
{
  AgentStation *station = lane->station;

  _agent_lane_leave (lane);
  tend_station_locked (self, station);
}

static const char *
get_station_name (AgentLane *lane,
                  AgentWait  wait)
{
  switch (wait)
    {
    case AGENT_WAIT_NONE:
    case AGENT_WAIT_ROUTER:
    case AGENT_WAIT_ROOM:
      return lane->router;
    case AGENT_WAIT_TURN:
      return _agent_mailbox_get_name (lane->last_mailbox);
    case AGENT_WAIT_ROUTE:
    default:
      return NULL;
    }
}

/* --- Parked messages --- */

static gint64
get_first_time (AgentDeadlineHeap *heap)
{
  AgentDeadline *first = _agent_deadline_heap_peek (heap);

  return first != NULL ? first->time : NEVER;
}

/* The owner hears of the first deadline only if it has changed. */
void
_agent_parking_arm_locked (AgentParking *self)
{
  gint64 time = MIN (get_first_time (&self->expiries), get_first_time (&self->retries));

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

/* Takes @message, which goes behind all others in the lane, or before them. */
static void
park_locked (AgentParking *self,
             AgentLane    *lane,
             AgentMessage *message,
             gboolean      first)
{
  AgentParked     *parked = g_new (AgentParked, 1);
  AgentRetryBatch *batch = _agent_retry_schedule_join (&self->schedule, _agent_clock_now ());

  parked->deadline.time = get_deadline (self, message);
  parked->message = message;
  if (parked->deadline.time != NEVER)
    _agent_deadline_heap_add (&self->expiries, &parked->deadline);
  g_atomic_int_inc (&self->n_parked);

  if (lane->first == NULL)
    {
      lane->round = self->lanes_round;
      g_queue_push_tail_link (&self->lanes, &lane->parked_link);
    }
  if (first)
    _agent_lane_prepend (lane, parked, batch);
  else
    _agent_lane_append (lane, parked, batch);
}

/* (transfer full) */
static AgentMessage *
unpark_locked (AgentParking *self,
               AgentParked  *parked)
{
  AgentLane       *lane = parked->lane;
  AgentMessage    *message = parked->message;
  AgentRetryBatch *batch = parked->run->batch;

  _agent_lane_take (lane, parked);
  if (parked->deadline.time != NEVER)
    _agent_deadline_heap_remove (&self->expiries, &parked->deadline);
  _agent_retry_schedule_leave (&self->schedule, batch);
  g_atomic_int_add (&self->n_parked, -1);
  g_free (parked);

  if (lane->first == NULL)
    {
      g_queue_unlink (&self->lanes, &lane->parked_link);
      leave_station_locked (self, lane);
    }

  return message;
}

/* --- Losses --- */

static void
lost_clear (gpointer data)
{
  AgentLost *lost = data;

  _agent_lane_unref (lost->lane);
}

static GArray *
losses_new (void)
{
  GArray *array = g_array_new (FALSE, FALSE, sizeof (AgentLost));

  g_array_set_clear_func (array, lost_clear);
  return array;
}

/* A message whose time is over has expired, whatever else would become of it now. */
static void
lose_locked (AgentParking   *self,
             AgentParked    *parked,
             gint64          now,
             AgentDropReason reason,
             GArray        **losses)
{
  AgentLost lost = { .lane = _agent_lane_ref (parked->lane), .reason = reason };

  if (parked->deadline.time <= now)
    lost.reason = AGENT_DROP_REASON_EXPIRED;
  if (lost.reason == AGENT_DROP_REASON_EXPIRED)
    self->n_expired++;
  else
    self->n_dropped[lost.reason]++;

  lost.waited = (guint) CLAMP ((now - parked->message->sent_at) / USEC_PER_MSEC, 0, G_MAXUINT);
  lost.n_attempts = 1 + parked->run->n_tried;
  lost.message = unpark_locked (self, parked);
  if (*losses == NULL)
    *losses = losses_new ();
  g_array_append_val (*losses, lost);
}

/* At most @max messages. Those before @due in its lane that are due as well go first: the heap does not know in what order
 * they came. */
static guint
expire_lane_locked (AgentParking *self,
                    AgentParked  *due,
                    gint64        now,
                    guint         max,
                    GArray      **losses)
{
  AgentLane   *lane = due->lane;
  AgentParked *parked = NULL;
  guint        n;

  for (n = 0; n < max && parked != due; n++)
    {
      parked = lane->first->deadline.time <= now ? lane->first : due;
      lose_locked (self, parked, now, AGENT_DROP_REASON_EXPIRED, losses);
    }

  return n;
}

/* Gives up what is due at @now, but not more than @max messages. Returns how many. */
guint
_agent_parking_expire_locked (AgentParking *self,
                              gint64        now,
                              guint         max,
                              GArray      **losses)
{
  guint n = 0;

  while (n < max && get_first_time (&self->expiries) <= now)
    n += expire_lane_locked (self, (AgentParked *) _agent_deadline_heap_peek (&self->expiries), now, max - n, losses);

  return n;
}

static void
tend_lost_lane (AgentParking *self,
                AgentLane    *lane)
{
  AgentShard *shard = _agent_parking_get_shard (self, lane->key.hash);

  _agent_spin_lock_lock (&shard->lock);
  _agent_parking_tend_lane (self, shard, lane);
  _agent_spin_lock_unlock (&shard->lock);
}

static void
tell_lost (AgentParking *self,
           AgentLost    *lost)
{
  if (lost->reason == AGENT_DROP_REASON_EXPIRED)
    self->funcs->expired (self->owner, lost->message, lost->waited, lost->n_attempts);
  else
    self->funcs->dropped (self->owner, lost->message, lost->reason);
}

/* Takes @losses: (nullable). With no lock held. */
void
_agent_parking_tell_losses (AgentParking *self,
                            GArray       *losses)
{
  AgentLane *lane = NULL;

  if (losses == NULL)
    return;

  for (guint i = 0; i < losses->len; i++)
    {
      AgentLost *lost = &g_array_index (losses, AgentLost, i);

      if (lost->lane != lane)
        tend_lost_lane (self, lost->lane);
      lane = lost->lane;
      tell_lost (self, lost);
    }
  g_array_unref (losses);
}

/* TRUE: there may be more in the lane. */
static gboolean
drop_some (AgentParking   *self,
           AgentLane      *lane,
           AgentDropReason reason)
{
  GArray *losses = NULL;
  gint64  now = _agent_clock_now ();
  guint   n;

  g_mutex_lock (&self->lock);
  for (n = 0; n < AGENT_PARKING_PIECE && lane->first != NULL; n++)
    lose_locked (self, lane->first, now, reason, &losses);
  _agent_parking_arm_locked (self);
  g_mutex_unlock (&self->lock);

  _agent_parking_tell_losses (self, losses);
  return n == AGENT_PARKING_PIECE;
}

/* Gives up all that is parked in a lane that was parted with, and so gets no more. */
void
_agent_parking_drop_lane (AgentParking   *self,
                          AgentLane      *lane,
                          AgentDropReason reason)
{
  while (drop_some (self, lane, reason))
    ;
}

/* Nobody finds the lane any more, and nothing goes on in it: what is parked there is only to be dropped. What is dispatched
 * to the actor from now on gets another lane. */
void
_agent_parking_part_with (AgentParking *self,
                          AgentShard   *shard,
                          AgentLane    *lane)
{
  if (lane->removed)
    return;

  g_mutex_lock (&self->lock);
  leave_station_locked (self, lane);
  g_mutex_unlock (&self->lock);
  _agent_shard_remove (shard, lane);
}

/* --- Flushing --- */

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
      AgentWait wait;

      if (lane->first->deadline.time <= now)
        {
          lose_locked (self, lane->first, now, AGENT_DROP_REASON_EXPIRED, &state->losses);
          continue;
        }

      wait = _agent_parking_hand_over (self, shard, lane, &lane->first->message, in_turn, state);
      if (wait != AGENT_WAIT_NONE)
        return wait;

      shard->n_late++;
      _agent_histogram_add (&self->latency, MAX (0, now - sent_at));
      unpark_locked (self, lane->first);
    }

  return AGENT_WAIT_NONE;
}

/* The lane is put where it is looked for before it is tried once more. AGENT_WAIT_NONE as above. */
static AgentWait
flush_or_wait_locked (AgentParking  *self,
                      AgentShard    *shard,
                      AgentLane     *lane,
                      gboolean       in_turn,
                      guint         *max,
                      AgentHandOver *state)
{
  AgentWait wait;

  do
    {
      wait = flush_locked (self, shard, lane, in_turn, max, state);
      if (wait == AGENT_WAIT_NONE)
        return wait;
    }
  /* Nobody can have given it a route meanwhile. */
  while (wait_locked (self, lane, wait, get_station_name (lane, wait), FALSE) && wait != AGENT_WAIT_ROUTE);

  return wait;
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
  AgentWait        wait;

  if (lane->removed)
    return AGENT_FLUSH_EMPTY;

  g_assert (state->keeps || state->mailbox == NULL);
  state->keeps = TRUE;

  g_mutex_lock (&self->lock);
  wait = flush_or_wait_locked (self, shard, lane, in_turn, max, state);
  if (lane->first != NULL && wait == AGENT_WAIT_NONE)
    {
      wait = lane->router != NULL ? AGENT_WAIT_NONE : AGENT_WAIT_ROUTE;
      wait_locked (self, lane, wait, lane->router, TRUE);
      result = AGENT_FLUSH_MORE;
    }
  else if (lane->first != NULL)
    {
      result = wait == AGENT_WAIT_ROUTER || wait == AGENT_WAIT_ROOM ? AGENT_FLUSH_BLOCKED : AGENT_FLUSH_ELSEWHERE;
    }
  _agent_parking_arm_locked (self);
  g_mutex_unlock (&self->lock);

  return result;
}

/* --- Getting in --- */

static gboolean
has_room (AgentParking *self,
          AgentLane    *lane,
          AgentMessage *message)
{
  if (message->channel == AGENT_CHANNEL_SYSTEM || message->reliable)
    return TRUE;

  return (guint) g_atomic_int_get (&self->n_parked) < (guint) g_atomic_int_get (&self->capacity) &&
         (self->actor_capacity == 0 || (guint) g_atomic_int_get (&lane->n_parked) < self->actor_capacity);
}

/* With the shard's lock held. Takes @message if it returns TRUE. */
gboolean
_agent_parking_park (AgentParking  *self,
                     AgentLane     *lane,
                     AgentMessage  *message,
                     AgentWait      wait,
                     AgentHandOver *state)
{
  gboolean parked;

  g_mutex_lock (&self->lock);
  if (!has_room (self, lane, message))
    _agent_parking_expire_locked (self, _agent_clock_now (), AGENT_PARKING_PIECE, &state->losses);
  parked = has_room (self, lane, message);
  if (parked)
    {
      park_locked (self, lane, message, FALSE);
      if (lane->station == NULL)
        wait_locked (self, lane, wait, get_station_name (lane, wait), FALSE);
    }
  _agent_parking_arm_locked (self);
  g_mutex_unlock (&self->lock);

  return parked;
}

/* With the shard's lock held: @message, which @router did not come to handle, waits before all others. Takes it. */
void
_agent_parking_put_back (AgentParking *self,
                         AgentLane    *lane,
                         AgentMessage *message,
                         const char   *router)
{
  g_mutex_lock (&self->lock);
  park_locked (self, lane, message, TRUE);
  if (lane->station == NULL)
    wait_locked (self, lane, AGENT_WAIT_TURN, router, FALSE);
  _agent_parking_arm_locked (self);
  g_mutex_unlock (&self->lock);
}
