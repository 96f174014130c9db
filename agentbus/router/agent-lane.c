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
  g_atomic_ref_count_init (&self->ref_count);
  self->link.data = self;
  self->last_link.data = self;
  self->parked_link.data = self;

  return self;
}

AgentLane *
_agent_lane_ref (AgentLane *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_agent_lane_unref (AgentLane *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_assert (self->parked.length == 0 && self->station == NULL && self->last_mailbox == NULL);

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

/* (transfer none) (nullable): the name of the router that the lane waits for, or NULL if it has none to wait for */
const char *
_agent_lane_get_awaited (AgentLane *self,
                         AgentWait  wait)
{
  switch (wait)
    {
    case AGENT_WAIT_NONE:
    case AGENT_WAIT_ROUTER:
    case AGENT_WAIT_ROOM:
      return self->router;
    case AGENT_WAIT_PREVIOUS:
      return _agent_mailbox_get_name (self->last_mailbox);
    case AGENT_WAIT_ROUTE:
    default:
      return NULL;
    }
}

/* --- Parked messages --- */

/* @neighbour: (nullable): a link of the queue */
static void
lane_join_run (AgentLane       *self,
               AgentParked     *parked,
               GList           *neighbour,
               AgentRetryBatch *batch)
{
  AgentRetryRun *run = neighbour != NULL ? ((AgentParked *) neighbour->data)->run : NULL;

  parked->run = run != NULL && run->batch == batch ? run : _agent_retry_run_new (batch, self);
  parked->run->n_messages++;
}

static void
lane_leave_run (AgentRetryRun *run)
{
  if (--run->n_messages == 0)
    _agent_retry_run_free (run);
}

/* Takes @parked, which joins the run of @batch at that end of the lane, or begins one. */
void
_agent_lane_append (AgentLane       *self,
                    AgentParked     *parked,
                    AgentRetryBatch *batch)
{
  lane_join_run (self, parked, self->parked.tail, batch);
  parked->link = (GList){ .data = parked };
  g_queue_push_tail_link (&self->parked, &parked->link);
  g_atomic_int_inc (&self->n_parked);
}

/* The same at the other end: @parked goes before all others. */
void
_agent_lane_prepend (AgentLane       *self,
                     AgentParked     *parked,
                     AgentRetryBatch *batch)
{
  lane_join_run (self, parked, self->parked.head, batch);
  parked->link = (GList){ .data = parked };
  g_queue_push_head_link (&self->parked, &parked->link);
  g_atomic_int_inc (&self->n_parked);
}

/* Gives @parked back to the caller. */
void
_agent_lane_take (AgentLane   *self,
                  AgentParked *parked)
{
  /* As a rule it is the first one, which is the quicker way out. */
  if (self->parked.head == &parked->link)
    g_queue_pop_head_link (&self->parked);
  else
    g_queue_unlink (&self->parked, &parked->link);
  lane_leave_run (g_steal_pointer (&parked->run));
  g_atomic_int_add (&self->n_parked, -1);
}
