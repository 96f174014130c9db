/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "router/agent-parking-private.h"

/*
 * What is parked and can go is handed over: the messages of one lane, or those of all lanes that wait for a router.
 *
 * A batch of one lane is followed by a batch of the next, so that a long lane does not have the messages of others expire.
 */

/* How many messages one event hands over: the rest comes when the router has handled some. */
#define MAX_PER_EVENT 1024

/* How many lanes whose previous router is not through one event looks at. A router that has handled all it had has no such
 * lanes. */
#define MAX_IN_VAIN 64

/* --- One lane, with the shard's lock held --- */

/* Hands over at most @max messages, and gives up those that are due, stale or cancelled. With both locks held. Returns
 * AGENT_WAIT_NONE if the lane is empty or the batch is over. */
static AgentWait
flush_batch_locked (AgentParking  *self,
                    AgentShard    *shard,
                    AgentLane     *lane,
                    gboolean       first_in_line,
                    guint         *max,
                    AgentHandOver *hand_over)
{
  gint64       now = _agent_clock_now ();
  AgentParked *parked;

  for (; (parked = _agent_lane_get_first (lane)) != NULL && *max > 0; (*max)--)
    {
      gint64    sent_at = parked->message->sent_at;
      AgentWait wait;

      if (_agent_parked_is_lost (parked, now))
        {
          _agent_parking_lot_lose (&self->lot, parked, now, AGENT_DROP_REASON_EXPIRED, &hand_over->losses);
          continue;
        }
      if (G_UNLIKELY (_agent_shard_has_cancelled (shard, lane, parked->message)))
        {
          _agent_parking_lot_lose (&self->lot, parked, now, AGENT_DROP_REASON_CANCELLED, &hand_over->losses);
          continue;
        }

      wait = _agent_hand_over_try (hand_over, shard, lane, &parked->message, first_in_line);
      if (wait != AGENT_WAIT_NONE)
        return wait;

      shard->n_late++;
      _agent_histogram_add (&self->latency, MAX (0, now - sent_at));
      _agent_parking_lot_take (&self->lot, parked);
    }

  return AGENT_WAIT_NONE;
}

/* Puts a lane that has to wait where others look for it, before the lane is tried once more. Returns the same. */
static AgentWait
flush_or_wait_locked (AgentParking  *self,
                      AgentShard    *shard,
                      AgentLane     *lane,
                      gboolean       first_in_line,
                      guint         *max,
                      AgentHandOver *hand_over)
{
  AgentWait   wait;
  const char *name;

  do
    {
      wait = flush_batch_locked (self, shard, lane, first_in_line, max, hand_over);
      if (wait == AGENT_WAIT_NONE)
        return wait;

      name = _agent_lane_get_awaited (lane, wait);
    }
  /* A lane without a route needs no second try: only a thread with the shard's lock can give it one. */
  while (_agent_stations_enter (&self->lot.stations, lane, wait, name, FALSE) && wait != AGENT_WAIT_ROUTE);

  return wait;
}

/* The batch of a lane is over, and more is parked there: it goes behind the others that wait for its router. */
static void
flush_go_behind_locked (AgentParking *self,
                        AgentLane    *lane)
{
  AgentWait wait = lane->router != NULL ? AGENT_WAIT_NONE : AGENT_WAIT_ROUTE;

  _agent_stations_enter (&self->lot.stations, lane, wait, _agent_lane_get_awaited (lane, wait), TRUE);
}

static AgentFlushResult
flush_get_result (AgentLane *lane,
                  AgentWait  wait)
{
  if (lane->parked.length == 0)
    return AGENT_FLUSH_EMPTY;
  if (wait == AGENT_WAIT_NONE)
    return AGENT_FLUSH_MORE;

  return wait == AGENT_WAIT_ROUTER || wait == AGENT_WAIT_ROOM ? AGENT_FLUSH_BLOCKED : AGENT_FLUSH_ELSEWHERE;
}

/*
 * @first_in_line: whether the lane comes before the others that wait for its router
 * @max: (inout): how many messages may go; less by those that went or were lost
 *
 * Hands over what can go, and sees to it that the lane is found when more can.
 */
AgentFlushResult
_agent_parking_flush_in_shard (AgentParking  *self,
                               AgentShard    *shard,
                               AgentLane     *lane,
                               gboolean       first_in_line,
                               guint         *max,
                               AgentHandOver *hand_over)
{
  AgentFlushResult result;

  if (lane->removed)
    return AGENT_FLUSH_EMPTY;

  g_assert (hand_over->keeps || hand_over->mailbox == NULL);
  hand_over->keeps = TRUE;

  g_mutex_lock (&self->lock);
  result = flush_get_result (lane, flush_or_wait_locked (self, shard, lane, first_in_line, max, hand_over));
  if (result == AGENT_FLUSH_MORE)
    flush_go_behind_locked (self, lane);
  _agent_parking_arm_locked (self);
  g_mutex_unlock (&self->lock);

  return result;
}

/* --- One lane --- */

/* Has the router @name tell of its progress, as an event in its context. Returns FALSE if there is no such router now, or if
 * a handler holds it: then nothing will come. */
static gboolean
flush_ask_router (AgentParking *self,
                  const char   *name)
{
  AgentMailbox *mailbox = _agent_directory_lookup (self->bus->directory, name);
  gboolean      comes;

  if (mailbox == NULL)
    return FALSE;

  comes = _agent_mailbox_ask_again (mailbox);
  _agent_mailbox_unref (mailbox);
  return comes;
}

/*
 * @router: (nullable): the router whose lanes are flushed now; a lane that has another one stands behind the others there,
 *   and what is left of it is flushed by that router's next event
 * @read_route: whether the lane's route may be out of date
 * @max: (inout): how many messages may go; less by those that went or were lost
 */
AgentFlushResult
_agent_parking_flush_lane (AgentParking *self,
                           AgentLane    *lane,
                           const char   *router,
                           gboolean      read_route,
                           guint        *max)
{
  AgentHandOver    hand_over = _agent_parking_new_hand_over (self, _agent_sender_get ());
  AgentShard      *shard = _agent_parking_get_shard (self, lane->key.hash);
  g_autofree char *other_router = NULL;
  AgentFlushResult result;
  gboolean         is_its_router;

  _agent_spin_lock_lock (&shard->lock);
  if (read_route)
    _agent_parking_read_route (self, lane);
  is_its_router = g_strcmp0 (lane->router, router) == 0;
  result = _agent_parking_flush_in_shard (self, shard, lane, router != NULL && is_its_router, max, &hand_over);
  if (result == AGENT_FLUSH_MORE && !is_its_router)
    other_router = g_strdup (lane->router);
  /* What blocks a lane to another router says nothing about this one. */
  if (result == AGENT_FLUSH_BLOCKED && !is_its_router)
    result = AGENT_FLUSH_ELSEWHERE;
  _agent_parking_tend_lane (self, shard, lane);
  _agent_spin_lock_unlock (&shard->lock);

  _agent_parking_end_hand_over (self, &hand_over);
  if (other_router != NULL)
    flush_ask_router (self, other_router);
  return result;
}

/* --- The lanes of a router --- */

/* (transfer full) (nullable) */
static AgentLane *
flush_ref_first_lane (AgentParking *self,
                      const char   *router,
                      AgentWait     wait,
                      AgentChannel  channel)
{
  AgentLane *lane;

  g_mutex_lock (&self->lock);
  lane = _agent_stations_get_first (&self->lot.stations, router, wait, channel);
  if (lane != NULL)
    _agent_lane_ref (lane);
  g_mutex_unlock (&self->lock);

  return lane;
}

/* Returns FALSE if the lane does not wait there any more. */
static gboolean
flush_move_behind (AgentParking *self,
                   AgentLane    *lane,
                   const char   *router,
                   AgentWait     wait)
{
  gboolean waits;

  g_mutex_lock (&self->lock);
  waits = _agent_stations_go_behind (&self->lot.stations, lane, wait, router);
  g_mutex_unlock (&self->lock);

  return waits;
}

/* The lanes of one channel share a router: if that is full for one of them, it is full for all. */
static void
flush_waiting (AgentParking *self,
               const char   *router,
               AgentChannel  channel,
               guint        *left)
{
  AgentFlushResult result = AGENT_FLUSH_EMPTY;
  AgentLane       *lane;

  while (*left > 0 && result != AGENT_FLUSH_BLOCKED &&
         (lane = flush_ref_first_lane (self, router, AGENT_WAIT_ROUTER, channel)) != NULL)
    {
      guint max = MIN (AGENT_PARKING_BATCH, *left);
      guint before = max;

      result = _agent_parking_flush_lane (self, lane, router, FALSE, &max);
      if (result == AGENT_FLUSH_BLOCKED && max < before)
        flush_move_behind (self, lane, router, AGENT_WAIT_ROUTER);
      *left -= MAX (1, before - max);
      _agent_lane_unref (lane);
    }
}

static guint
flush_count_leaving (AgentParking *self,
                     const char   *router)
{
  guint n;

  g_mutex_lock (&self->lock);
  n = _agent_stations_count_leaving (&self->lot.stations, router);
  g_mutex_unlock (&self->lock);

  return n;
}

/* The lanes that left @router for another one go on when @router is through with their messages. @max_in_vain: how many lanes
 * may be looked at that have to wait on. */
static void
flush_leaving (AgentParking *self,
               const char   *router,
               guint         max_in_vain,
               guint        *left)
{
  AgentLane *lane;

  for (guint n_in_vain = 0; *left > 0 && n_in_vain < max_in_vain;)
    {
      guint max = MIN (AGENT_PARKING_BATCH, *left);
      guint before = max;

      lane = flush_ref_first_lane (self, router, AGENT_WAIT_PREVIOUS, AGENT_CHANNEL_DATA);
      if (lane == NULL)
        return;

      _agent_parking_flush_lane (self, lane, NULL, FALSE, &max);
      n_in_vain += flush_move_behind (self, lane, router, AGENT_WAIT_PREVIOUS);
      *left -= before - max;
      _agent_lane_unref (lane);
    }
}

/*
 * @router: something has changed for the lanes that wait for it, or if @all, it may have
 *
 * Hands over what can go, up to a limit, and asks the router for an event for the rest. If the router is gone or held by a
 * handler, no event will come: then this goes on until nothing waits or there is no room.
 */
void
_agent_parking_flush_station (AgentParking *self,
                              const char   *router,
                              gboolean      all)
{
  guint left;

  do
    {
      left = MAX_PER_EVENT;
      for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
        flush_waiting (self, router, channel, &left);
      flush_leaving (self, router, all ? flush_count_leaving (self, router) : MAX_IN_VAIN, &left);
    }
  while (left == 0 && !flush_ask_router (self, router));

  _agent_parking_settle (self);
}

/* --- A lane whose route has changed --- */

/* What is left of the lane is handed over in the context of its router, or here if that is gone or held. */
static void
flush_rest (AgentParking *self,
            AgentLane    *lane)
{
  AgentShard      *shard = _agent_parking_get_shard (self, lane->key.hash);
  g_autofree char *router = NULL;

  _agent_spin_lock_lock (&shard->lock);
  router = g_strdup (lane->router);
  _agent_spin_lock_unlock (&shard->lock);

  if (router != NULL && !flush_ask_router (self, router))
    _agent_parking_flush_station (self, router, FALSE);
}

/* The lane has another route: hands over what can go there, up to the limit of an event, and sees to the rest. */
void
_agent_parking_flush_changed (AgentParking *self,
                              AgentLane    *lane)
{
  AgentFlushResult result = AGENT_FLUSH_MORE;

  for (guint left = MAX_PER_EVENT; left > 0 && result == AGENT_FLUSH_MORE; left -= AGENT_PARKING_PIECE)
    {
      guint max = AGENT_PARKING_PIECE;

      result = _agent_parking_flush_lane (self, lane, NULL, FALSE, &max);
    }

  if (result == AGENT_FLUSH_MORE)
    flush_rest (self, lane);
}
