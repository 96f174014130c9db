/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "router/agent-parking-private.h"

/* What is done when the first deadline has come: messages that were parked for too long expire, and what had to wait is tried
 * again, in case that nobody has told the parking that it could go. */

/* How many deadlines of each kind one dispatch of the timer serves. */
#define MAX_DUE 256

/* --- The lanes, if their routes may be out of date --- */

/* If the table has not changed, no lane has a route that is out of date. If it changes all the time, half the longest delay
 * lies between two looks at all lanes. */
static gboolean
timer_has_to_sweep (AgentParking *self,
                    gint64        now)
{
  guint64  n_changes = _agent_route_table_get_n_changes (self->routes);
  gint64   interval;
  gboolean sweep;

  g_mutex_lock (&self->lock);
  interval = agent_retry_policy_get_max_delay (self->lot.schedule.policy) * G_GINT64_CONSTANT (1000) / 2;
  sweep = self->n_swept != n_changes && now - self->swept_at >= interval;
  if (sweep)
    {
      self->n_swept = n_changes;
      self->swept_at = now;
    }
  g_mutex_unlock (&self->lock);

  return sweep;
}

static guint
timer_begin_lanes (AgentParking *self)
{
  guint round;

  g_mutex_lock (&self->lock);
  round = _agent_parking_lot_begin_round (&self->lot);
  g_mutex_unlock (&self->lock);

  return round;
}

/* (transfer full) (nullable) */
static AgentLane *
timer_ref_next_lane (AgentParking *self,
                     guint         round)
{
  AgentLane *lane;

  g_mutex_lock (&self->lock);
  lane = _agent_parking_lot_get_next (&self->lot, round);
  if (lane != NULL)
    _agent_lane_ref (lane);
  g_mutex_unlock (&self->lock);

  return lane;
}

static void
timer_sweep (AgentParking *self)
{
  guint      round = timer_begin_lanes (self);
  AgentLane *lane;

  while ((lane = timer_ref_next_lane (self, round)) != NULL)
    {
      guint max = AGENT_PARKING_BATCH;

      _agent_parking_flush_lane (self, lane, NULL, TRUE, &max);
      _agent_lane_unref (lane);
    }
}

/* --- The stations --- */

static guint
timer_begin_stations (AgentParking *self)
{
  guint round;

  g_mutex_lock (&self->lock);
  round = _agent_stations_begin_round (&self->lot.stations);
  g_mutex_unlock (&self->lock);

  return round;
}

/* (transfer full) (nullable): the name of the router */
static char *
timer_dup_next_station (AgentParking *self,
                        guint         round)
{
  AgentStation *station;
  char         *name;

  g_mutex_lock (&self->lock);
  station = _agent_stations_get_next (&self->lot.stations, round);
  name = station != NULL ? g_strdup (station->name) : NULL;
  g_mutex_unlock (&self->lock);

  return name;
}

static void
timer_retry (AgentParking *self,
             gint64        now)
{
  guint round;
  char *name;

  if (timer_has_to_sweep (self, now))
    timer_sweep (self);

  round = timer_begin_stations (self);
  while ((name = timer_dup_next_station (self, round)) != NULL)
    {
      _agent_parking_flush_station (self, name, TRUE);
      g_free (name);
    }
}

/* --- The timer --- */

/* Does what is due at @now, or some of it: then the next deadline lies in the past. */
void
_agent_parking_run_due (AgentParking *self,
                        gint64        now)
{
  AgentLosses losses = { NULL };
  gboolean    has_to_retry;

  g_mutex_lock (&self->lock);
  _agent_parking_lot_expire (&self->lot, now, MAX_DUE, &losses);
  has_to_retry = _agent_parking_lot_count_attempts (&self->lot, now, MAX_DUE);
  _agent_parking_arm_locked (self);
  g_mutex_unlock (&self->lock);

  _agent_parking_tell_losses (self, &losses);
  if (has_to_retry)
    timer_retry (self, now);
  _agent_parking_settle (self);
  _agent_sender_collect (_agent_sender_get ());
}
