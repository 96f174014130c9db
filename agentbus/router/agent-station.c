/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-string-hash-private.h"
#include "router/agent-station-private.h"

static gboolean
station_is_empty (AgentStation *self)
{
  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    {
      if (self->waiting[channel].length > 0)
        return FALSE;
    }

  return self->leaving.length == 0;
}

static void
station_free (gpointer data)
{
  AgentStation *self = data;

  g_assert (station_is_empty (self));

  g_free (self->name);
  g_free (self);
}

/* The lanes of @channel that wait for @wait. */
static GQueue *
station_get_lanes (AgentStation *self,
                   AgentWait     wait,
                   AgentChannel  channel)
{
  return wait == AGENT_WAIT_PREVIOUS ? &self->leaving : &self->waiting[channel];
}

/* What one lane has found out about its router holds for all that wait for it. */
static void
station_note_router (AgentStation *self,
                     AgentWait     wait)
{
  if (wait == AGENT_WAIT_ROUTER)
    self->is_there = FALSE;
  else if (wait == AGENT_WAIT_ROOM || wait == AGENT_WAIT_NONE)
    self->is_there = TRUE;
}

void
_agent_stations_init (AgentStations *self)
{
  memset (self, 0, sizeof *self);
  self->by_name = g_hash_table_new_full (_agent_string_hash_func, g_str_equal, NULL, station_free);
}

/* Wants every lane to have left. */
void
_agent_stations_clear (AgentStations *self)
{
  g_clear_pointer (&self->by_name, g_hash_table_unref);
}

/* (transfer none). @name: (nullable) */
static AgentStation *
stations_get (AgentStations *self,
              const char    *name)
{
  AgentStation *station;

  if (name == NULL)
    return &self->nowhere;

  station = g_hash_table_lookup (self->by_name, name);
  if (station == NULL)
    {
      station = g_new0 (AgentStation, 1);
      station->name = g_strdup (name);
      station->round = self->round;
      station->link.data = station;
      g_hash_table_insert (self->by_name, station->name, station);
      g_queue_push_tail_link (&self->list, &station->link);
    }

  return station;
}

/* Forgets @station: (nullable), if nobody waits there any more. */
static void
stations_tend (AgentStations *self,
               AgentStation  *station)
{
  if (station == NULL || station->name == NULL || !station_is_empty (station))
    return;

  g_queue_unlink (&self->list, &station->link);
  g_hash_table_remove (self->by_name, station->name);
}

static void
stations_take_out (AgentLane *lane)
{
  if (lane->station != NULL)
    g_queue_unlink (station_get_lanes (lane->station, lane->wait, lane->key.channel), &lane->link);

  lane->station = NULL;
  lane->wait = AGENT_WAIT_NONE;
}

/* The lane is the last one of those that wait there. */
static void
stations_put_last (AgentStation *station,
                   AgentLane    *lane,
                   AgentWait     wait)
{
  stations_take_out (lane);
  lane->station = station;
  lane->wait = wait;
  g_queue_push_tail_link (station_get_lanes (station, wait, lane->key.channel), &lane->link);
}

/*
 * @wait: what the lane waits for, which also says whether its router is there
 * @name: (nullable): the router to wait for
 * @behind: whether a lane that waits there already goes behind the others
 *
 * Returns TRUE if the lane did not wait there before.
 */
gboolean
_agent_stations_enter (AgentStations *self,
                       AgentLane     *lane,
                       AgentWait      wait,
                       const char    *name,
                       gboolean       behind)
{
  AgentStation *station = stations_get (self, name);
  AgentStation *before = lane->station;
  gboolean      moved;

  station_note_router (station, wait);
  if (wait == AGENT_WAIT_ROOM || wait == AGENT_WAIT_NONE)
    wait = AGENT_WAIT_ROUTER;

  moved = before != station || lane->wait != wait;
  if (moved || behind)
    stations_put_last (station, lane, wait);
  if (before != station)
    stations_tend (self, before);

  return moved;
}

/* The lane waits nowhere any more. */
void
_agent_stations_leave (AgentStations *self,
                       AgentLane     *lane)
{
  AgentStation *station = lane->station;

  stations_take_out (lane);
  stations_tend (self, station);
}

/* Returns FALSE if the lane does not wait there any more. */
gboolean
_agent_stations_go_behind (AgentStations *self,
                           AgentLane     *lane,
                           AgentWait      wait,
                           const char    *name)
{
  if (lane->station == NULL || lane->wait != wait || g_strcmp0 (lane->station->name, name) != 0)
    return FALSE;

  stations_put_last (lane->station, lane, wait);
  return TRUE;
}

/* (transfer none) (nullable): the lane that has waited for longest. @channel does not matter for AGENT_WAIT_PREVIOUS. */
AgentLane *
_agent_stations_get_first (AgentStations *self,
                           const char    *name,
                           AgentWait      wait,
                           AgentChannel   channel)
{
  AgentStation *station = g_hash_table_lookup (self->by_name, name);

  return station != NULL ? g_queue_peek_head (station_get_lanes (station, wait, channel)) : NULL;
}

/* Returns how many lanes wait until the router is through with their messages. */
guint
_agent_stations_count_leaving (AgentStations *self,
                               const char    *name)
{
  AgentStation *station = g_hash_table_lookup (self->by_name, name);

  return station != NULL ? station->leaving.length : 0;
}

/* Returns the number of a new round, for get_next(). */
guint
_agent_stations_begin_round (AgentStations *self)
{
  return ++self->round;
}

/* (transfer none) (nullable): the next station of this round; those that come after its beginning are not in it */
AgentStation *
_agent_stations_get_next (AgentStations *self,
                          guint          round)
{
  AgentStation *station = g_queue_peek_head (&self->list);

  if (station == NULL || station->round == round)
    return NULL;

  station->round = round;
  g_queue_unlink (&self->list, &station->link);
  g_queue_push_tail_link (&self->list, &station->link);
  return station;
}

/* Returns TRUE if the router that the lane waits for is there and has no room. */
gboolean
_agent_stations_lack_room (AgentLane *lane)
{
  return lane->station != NULL && lane->wait == AGENT_WAIT_ROUTER && lane->station->is_there;
}
