/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "router/agent-parking-lot-private.h"

#define USEC_PER_MSEC 1000

void
_agent_parking_lot_init (AgentParkingLot *self)
{
  memset (self, 0, sizeof *self);
  _agent_deadline_heap_init (&self->expiries);
  _agent_deadline_heap_init (&self->retries);
  _agent_retry_schedule_init (&self->schedule, &self->retries);
  _agent_stations_init (&self->stations);
}

/* Wants an empty lot. */
void
_agent_parking_lot_clear (AgentParkingLot *self)
{
  _agent_retry_schedule_clear (&self->schedule);
  _agent_deadline_heap_clear (&self->expiries);
  _agent_deadline_heap_clear (&self->retries);
  _agent_stations_clear (&self->stations);
}

static gint64
lot_get_first_of (AgentDeadlineHeap *heap)
{
  AgentDeadline *first = _agent_deadline_heap_peek (heap);

  return first != NULL ? first->time : AGENT_PARKING_LOT_NEVER;
}

/* When something expires or is tried again next. */
gint64
_agent_parking_lot_get_first_time (AgentParkingLot *self)
{
  return MIN (lot_get_first_of (&self->expiries), lot_get_first_of (&self->retries));
}

/* --- In and out --- */

/* Takes @message, which goes behind all others of the lane, or if @before_all, before them. Wants the shard's lock too. */
void
_agent_parking_lot_add (AgentParkingLot *self,
                        AgentLane       *lane,
                        AgentMessage    *message,
                        gint64           deadline,
                        gboolean         before_all)
{
  AgentParked     *parked = g_new (AgentParked, 1);
  AgentRetryBatch *batch = _agent_retry_schedule_join (&self->schedule, _agent_clock_now ());

  parked->deadline.time = deadline;
  parked->message = message;
  if (deadline != AGENT_PARKING_LOT_NEVER)
    _agent_deadline_heap_add (&self->expiries, &parked->deadline);
  g_atomic_int_inc (&self->n_parked);

  if (lane->parked.length == 0)
    {
      lane->round = self->round;
      g_queue_push_tail_link (&self->lanes, &lane->parked_link);
    }
  if (before_all)
    _agent_lane_prepend (lane, parked, batch);
  else
    _agent_lane_append (lane, parked, batch);
}

/* Frees @parked. A lane that has nothing parked any more waits nowhere. Returns the message: (transfer full). */
AgentMessage *
_agent_parking_lot_take (AgentParkingLot *self,
                         AgentParked     *parked)
{
  AgentRetryBatch *batch = parked->run->batch;
  AgentLane       *lane = parked->run->lane;
  AgentMessage    *message = parked->message;

  _agent_lane_take (lane, parked);
  if (parked->deadline.time != AGENT_PARKING_LOT_NEVER)
    _agent_deadline_heap_remove (&self->expiries, &parked->deadline);
  _agent_retry_schedule_leave (&self->schedule, batch);
  g_atomic_int_add (&self->n_parked, -1);
  g_free (parked);

  if (lane->parked.length == 0)
    {
      g_queue_unlink (&self->lanes, &lane->parked_link);
      _agent_stations_leave (&self->stations, lane);
    }

  return message;
}

/* --- Losses --- */

/* Gives @parked up for @reason. A message that is stale, or else whose deadline has passed, is lost for that, whatever else
 * would become of it now. */
void
_agent_parking_lot_lose (AgentParkingLot *self,
                         AgentParked     *parked,
                         gint64           now,
                         AgentDropReason  reason,
                         AgentLosses     *losses)
{
  AgentLoss loss = { .lane = _agent_lane_ref (parked->run->lane), .reason = reason };

  if (_agent_message_is_stale (parked->message))
    loss.reason = AGENT_DROP_REASON_STALE;
  else if (parked->deadline.time <= now)
    loss.reason = AGENT_DROP_REASON_EXPIRED;
  if (loss.reason == AGENT_DROP_REASON_EXPIRED)
    self->n_expired++;
  else
    self->n_dropped[loss.reason]++;

  loss.waited = (guint) CLAMP ((now - parked->message->sent_at) / USEC_PER_MSEC, 0, G_MAXUINT);
  loss.n_attempts = 1 + parked->run->n_tried;
  loss.message = _agent_parking_lot_take (self, parked);
  _agent_losses_add (losses, &loss);
}

/* Gives up @due and, before it, those messages at the head of its lane that are lost as well: the heap does not know in what
 * order they came. At most @max messages. Returns how many. */
static guint
lot_expire_lane (AgentParkingLot *self,
                 AgentParked     *due,
                 gint64           now,
                 guint            max,
                 AgentLosses     *losses)
{
  AgentLane   *lane = due->run->lane;
  AgentParked *parked = NULL;
  guint        n;

  for (n = 0; n < max && parked != due; n++)
    {
      parked = _agent_lane_get_first (lane);
      if (!_agent_parked_is_lost (parked, now))
        parked = due;
      _agent_parking_lot_lose (self, parked, now, AGENT_DROP_REASON_EXPIRED, losses);
    }

  return n;
}

/* Gives up what is due at @now, but not more than @max messages. Returns how many. */
guint
_agent_parking_lot_expire (AgentParkingLot *self,
                           gint64           now,
                           guint            max,
                           AgentLosses     *losses)
{
  guint n = 0;

  while (n < max && lot_get_first_of (&self->expiries) <= now)
    n += lot_expire_lane (self, (AgentParked *) _agent_deadline_heap_peek (&self->expiries), now, max - n, losses);

  return n;
}

/* Gives up what is lost at the head of @lane, but not more than @max messages. */
void
_agent_parking_lot_sweep_lane (AgentParkingLot *self,
                               AgentLane       *lane,
                               gint64           now,
                               guint            max,
                               AgentLosses     *losses)
{
  AgentParked *parked;

  for (; max > 0 && (parked = _agent_lane_get_first (lane)) != NULL && _agent_parked_is_lost (parked, now); max--)
    _agent_parking_lot_lose (self, parked, now, AGENT_DROP_REASON_EXPIRED, losses);
}

/* --- Retries --- */

/* Messages that wait for room in a router's channel are not tried by the timer, so no attempt counts for them. */
static void
lot_count_attempt (AgentParkingLot *self,
                   AgentRetryRun   *run)
{
  if (_agent_stations_lack_room (run->lane))
    return;

  run->n_tried++;
  self->n_retries += run->n_messages;
}

/* Counts an attempt for what is due for one at @now, in at most @max steps. Returns TRUE if all runs of a batch are counted,
 * which the caller tries now. */
gboolean
_agent_parking_lot_count_attempts (AgentParkingLot *self,
                                   gint64           now,
                                   guint            max)
{
  gboolean       has_to_retry = FALSE;
  AgentDeadline *deadline;

  for (guint n = 0;
       n < max && (deadline = _agent_deadline_heap_peek (&self->retries)) != NULL && deadline->time <= now;
       n++)
    {
      AgentRetryBatch *batch = (AgentRetryBatch *) deadline;
      AgentRetryRun   *run = _agent_retry_batch_take_untried (batch);

      if (run != NULL)
        {
          lot_count_attempt (self, run);
        }
      else
        {
          _agent_retry_schedule_attempt (&self->schedule, batch, now);
          has_to_retry = TRUE;
        }
    }

  return has_to_retry;
}

/* Returns the number of a new round, for get_next(). */
guint
_agent_parking_lot_begin_round (AgentParkingLot *self)
{
  self->round = self->round < AGENT_LANE_MAX_ROUND ? self->round + 1 : 0;
  return self->round;
}

/* (transfer none) (nullable): the next lane of this round; those that come after its beginning are not in it */
AgentLane *
_agent_parking_lot_get_next (AgentParkingLot *self,
                             guint            round)
{
  AgentLane *lane = g_queue_peek_head (&self->lanes);

  if (lane == NULL || lane->round == round)
    return NULL;

  lane->round = round;
  g_queue_unlink (&self->lanes, &lane->parked_link);
  g_queue_push_tail_link (&self->lanes, &lane->parked_link);
  return lane;
}
