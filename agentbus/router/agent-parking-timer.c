/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "router/agent-parking-private.h"
#include "router/agent-route-table-private.h"

/* What is done when the first deadline has come: what is parked for too long expires, and what had to wait is tried again. */

/* How many messages of one lane are handed over before the next lane has its turn. */
#define TURN 64

/* How many deadlines of each kind one dispatch of the timer serves. */
#define MAX_DUE 256

/* --- Retries --- */

/* (transfer full) (nullable) The next lane of this round. Those that were there when it began come first. */
static AgentLane *
ref_lane_of_round (AgentParking *self,
                   guint         round)
{
  AgentLane *lane;

  g_mutex_lock (&self->lock);
  lane = g_queue_peek_head (&self->lanes);
  if (lane != NULL && lane->round != round)
    {
      lane->round = round;
      g_queue_unlink (&self->lanes, &lane->parked_link);
      g_queue_push_tail_link (&self->lanes, &lane->parked_link);
      _agent_lane_ref (lane);
    }
  else
    {
      lane = NULL;
    }
  g_mutex_unlock (&self->lock);

  return lane;
}

/* (transfer full) (nullable) The same for stations. */
static char *
dup_station_of_round (AgentParking *self,
                      guint         round)
{
  AgentStation *station;
  char         *name = NULL;

  g_mutex_lock (&self->lock);
  station = g_queue_peek_head (&self->station_list);
  if (station != NULL && station->round != round)
    {
      station->round = round;
      g_queue_unlink (&self->station_list, &station->link);
      g_queue_push_tail_link (&self->station_list, &station->link);
      name = g_strdup (station->name);
    }
  g_mutex_unlock (&self->lock);

  return name;
}

static guint
begin_round (AgentParking *self,
             guint        *round)
{
  guint next;

  g_mutex_lock (&self->lock);
  next = ++*round;
  g_mutex_unlock (&self->lock);

  return next;
}

/* If the table has not changed, no route can be other than a lane thinks. If it changes all the time, once in the longest
 * delay is enough. */
static gboolean
has_to_sweep (AgentParking *self,
              gint64        now)
{
  guint64  n_changes = _agent_route_table_get_n_changes (self->routes);
  gboolean sweep;

  g_mutex_lock (&self->lock);
  sweep = self->n_swept != n_changes &&
          now - self->swept_at >= agent_retry_policy_get_max_delay (self->schedule.policy) * G_GINT64_CONSTANT (1000) / 2;
  if (sweep)
    {
      self->n_swept = n_changes;
      self->swept_at = now;
    }
  g_mutex_unlock (&self->lock);

  return sweep;
}

static void
parking_sweep (AgentParking *self)
{
  guint      round = begin_round (self, &self->lanes_round);
  AgentLane *lane;

  while ((lane = ref_lane_of_round (self, round)) != NULL)
    {
      guint max = TURN;

      _agent_parking_flush (self, lane, NULL, TRUE, &max);
      _agent_lane_unref (lane);
    }
}

/* Tries to hand over whatever is parked, in case that nobody told us it could go. */
static void
parking_retry (AgentParking *self,
               gint64        now)
{
  guint round;
  char *name;

  if (has_to_sweep (self, now))
    parking_sweep (self);

  round = begin_round (self, &self->stations_round);
  while ((name = dup_station_of_round (self, round)) != NULL)
    {
      _agent_parking_flush_station (self, name, TRUE);
      g_free (name);
    }
}

/* --- The timer --- */

/* Counts attempts for what has nobody to go to. What waits for room in a router's channel is not tried again by the timer. */
static void
count_attempt_locked (AgentParking  *self,
                      AgentRetryRun *run)
{
  if (_agent_lane_waits_for_room (run->lane))
    return;

  run->n_tried++;
  self->n_retries += run->n_messages;
}

/* TRUE: everything in a batch has to be tried now. */
static gboolean
count_attempts_locked (AgentParking *self,
                       gint64        now)
{
  gboolean       has_to_retry = FALSE;
  AgentDeadline *deadline;
  guint          n = 0;

  while (n < MAX_DUE && (deadline = _agent_deadline_heap_peek (&self->retries)) != NULL && deadline->time <= now)
    {
      AgentRetryBatch *batch = (AgentRetryBatch *) deadline;
      AgentRetryRun   *run = _agent_retry_batch_take_untried (batch);

      if (run != NULL)
        {
          count_attempt_locked (self, run);
        }
      else
        {
          _agent_retry_schedule_attempt (&self->schedule, batch, now);
          has_to_retry = TRUE;
        }
      n++;
    }

  return has_to_retry;
}

/* Does what is due at @now, or some of it: then the next deadline lies in the past. */
void
_agent_parking_run_due (AgentParking *self,
                        gint64        now)
{
  GArray  *losses = NULL;
  gboolean has_to_retry;

  g_mutex_lock (&self->lock);
  _agent_parking_expire_locked (self, now, MAX_DUE, &losses);
  has_to_retry = count_attempts_locked (self, now);
  _agent_parking_arm_locked (self);
  g_mutex_unlock (&self->lock);

  _agent_parking_tell_losses (self, losses);
  if (has_to_retry)
    parking_retry (self, now);
  _agent_parking_settle (self);
  _agent_sender_collect (_agent_sender_get ());
}
