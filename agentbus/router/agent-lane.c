/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-string-hash-private.h"
#include "router/agent-lane-private.h"

AgentLane *
_agent_lane_new (const AgentLaneKey *key)
{
  gsize      size = strlen (key->actor) + 1;
  AgentLane *self = g_malloc0 (sizeof (AgentLane) + size);

  memcpy (self->actor, key->actor, size);
  self->key = *key;
  self->key.actor = self->actor;
  self->ref_count = 1;
  self->link.data = self;
  self->last_link.data = self;
  self->parked_link.data = self;

  return self;
}

AgentLane *
_agent_lane_ref (AgentLane *self)
{
  g_atomic_int_inc (&self->ref_count);
  return self;
}

void
_agent_lane_unref (AgentLane *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;

  g_assert (self->first == NULL && self->station == NULL && self->last_mailbox == NULL);

  g_clear_pointer (&self->router, _agent_name_unref);
  g_free (self);
}

guint
_agent_lane_hash (gconstpointer key)
{
  const AgentLaneKey *self = key;

  return (guint) self->hash;
}

gboolean
_agent_lane_equal (gconstpointer a,
                   gconstpointer b)
{
  const AgentLaneKey *one = a;
  const AgentLaneKey *other = b;

  return one->hash == other->hash && one->channel == other->channel && strcmp (one->actor, other->actor) == 0;
}

/* @neighbour: (nullable) */
static void
lane_join_run (AgentLane       *self,
               AgentParked     *parked,
               AgentParked     *neighbour,
               AgentRetryBatch *batch)
{
  if (neighbour != NULL && neighbour->run->batch == batch)
    parked->run = neighbour->run;
  else
    parked->run = _agent_retry_run_new (batch, self);
  parked->run->n_messages++;
}

static void
lane_leave_run (AgentRetryRun *run)
{
  if (--run->n_messages == 0)
    _agent_retry_run_free (run);
}

/* Also joins the run of @batch at that end of the lane, or begins one. */
void
_agent_lane_append (AgentLane       *self,
                    AgentParked     *parked,
                    AgentRetryBatch *batch)
{
  lane_join_run (self, parked, self->last, batch);
  parked->lane = self;
  parked->next = NULL;
  parked->previous = self->last;
  if (self->last != NULL)
    self->last->next = parked;
  else
    self->first = parked;
  self->last = parked;
  g_atomic_int_inc (&self->n_parked);
}

void
_agent_lane_prepend (AgentLane       *self,
                     AgentParked     *parked,
                     AgentRetryBatch *batch)
{
  lane_join_run (self, parked, self->first, batch);
  parked->lane = self;
  parked->previous = NULL;
  parked->next = self->first;
  if (self->first != NULL)
    self->first->previous = parked;
  else
    self->last = parked;
  self->first = parked;
  g_atomic_int_inc (&self->n_parked);
}

void
_agent_lane_take (AgentLane   *self,
                  AgentParked *parked)
{
  if (parked->previous != NULL)
    parked->previous->next = parked->next;
  else
    self->first = parked->next;
  if (parked->next != NULL)
    parked->next->previous = parked->previous;
  else
    self->last = parked->previous;
  lane_leave_run (g_steal_pointer (&parked->run));
  g_atomic_int_add (&self->n_parked, -1);
}

/* It has a router that is there: who waits for room is not tried by a timer. */
gboolean
_agent_lane_waits_for_room (AgentLane *self)
{
  return self->station != NULL && self->wait == AGENT_WAIT_ROUTER && self->station->is_there;
}

gboolean
_agent_station_is_empty (AgentStation *self)
{
  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    {
      if (self->waiting[channel].length > 0)
        return FALSE;
    }

  return self->trailing.length == 0;
}

/* The lanes of @channel that wait for @wait; the trailing ones of both channels are one list. */
GQueue *
_agent_station_get_list (AgentStation *self,
                         AgentWait     wait,
                         AgentChannel  channel)
{
  return wait == AGENT_WAIT_TURN ? &self->trailing : &self->waiting[channel];
}

/* It waits nowhere any more. */
void
_agent_lane_leave (AgentLane *self)
{
  if (self->station != NULL)
    g_queue_unlink (_agent_station_get_list (self->station, self->wait, self->key.channel), &self->link);

  self->station = NULL;
  self->wait = AGENT_WAIT_NONE;
}

/* Behind those that wait there already. */
void
_agent_lane_wait (AgentLane    *self,
                  AgentWait     wait,
                  AgentStation *station)
{
  _agent_lane_leave (self);
  self->station = station;
  self->wait = wait;
  g_queue_push_tail_link (_agent_station_get_list (station, wait, self->key.channel), &self->link);
}
