/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-error.h"
#include "base/agent-plural-private.h"
#include "base/agent-waiting-private.h"
#include "router/agent-parking-private.h"
#include "router/agent-router-stop-private.h"

struct _AgentRouterStop
{
  gatomicrefcount ref_count;
  GMainContext   *context; /* (owned) the dispatcher's */

  GMutex        lock;
  AgentParking *parking; /* (lock) (owned) (nullable) NULL once closed */
  GSList       *waiters; /* (lock) of Waiter (owned) */
};

/* One call of agent_router_dispatcher_stop_async(). */
typedef struct
{
  AgentWaiting     waiting;       /* first */
  AgentRouterStop *stop;          /* (owned) */
  guint64          n_lost_before; /* how many messages had expired or been dropped when it was called */
} Waiter;

/* @context: the dispatcher's, where the deadline of a stop that nobody waits for is kept */
AgentRouterStop *
_agent_router_stop_new (GMainContext *context)
{
  AgentRouterStop *self = g_new0 (AgentRouterStop, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->context = g_main_context_ref (context);
  g_mutex_init (&self->lock);

  return self;
}

AgentRouterStop *
_agent_router_stop_ref (AgentRouterStop *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_agent_router_stop_unref (AgentRouterStop *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_assert (self->parking == NULL && self->waiters == NULL);

  g_main_context_unref (self->context);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* Once, before anything else. */
void
_agent_router_stop_set_parking (AgentRouterStop *self,
                                AgentParking    *parking)
{
  self->parking = _agent_parking_ref (parking);
}

/* (transfer full) (nullable) */
static AgentParking *
stop_dup_parking (AgentRouterStop *self)
{
  AgentParking *parking;

  g_mutex_lock (&self->lock);
  parking = self->parking != NULL ? _agent_parking_ref (self->parking) : NULL;
  g_mutex_unlock (&self->lock);

  return parking;
}

static guint64
stop_count_lost (AgentParking *parking)
{
  AgentParkingCounts counts;
  guint64            n_lost;

  _agent_parking_get_counts (parking, &counts);
  n_lost = counts.expired;
  for (guint reason = 0; reason < AGENT_N_DROP_REASONS; reason++)
    n_lost += counts.dropped[reason];

  return n_lost;
}

/* Takes @waiter. @n_lost: how many messages were lost since it waits. */
static void
stop_end_waiter (Waiter *waiter,
                 guint64 n_lost)
{
  g_autoptr (GTask) task = NULL;

  _agent_waiting_end (&waiter->waiting, &task);
  if (task != NULL && n_lost > 0)
    g_task_return_new_error (task,
                             AGENT_BUS_ERROR,
                             AGENT_BUS_ERROR_TIMED_OUT,
                             "%" G_GUINT64_FORMAT " %s could not be handed over in time, or within %u ms",
                             n_lost,
                             _agent_plural (n_lost, "message", "messages"),
                             waiter->waiting.timeout);
  else if (task != NULL)
    g_task_return_boolean (task, TRUE);

  _agent_waiting_unref (&waiter->waiting);
}

/* (transfer full) (nullable) */
static GSList *
stop_take_waiters (AgentRouterStop *self)
{
  GSList *waiters;

  g_mutex_lock (&self->lock);
  waiters = g_steal_pointer (&self->waiters);
  g_mutex_unlock (&self->lock);

  return waiters;
}

/* Ends the stop for all that wait. Nothing is parked from then on: what a router gives back later is dropped. */
void
_agent_router_stop_end (AgentRouterStop *self)
{
  GSList       *waiters = stop_take_waiters (self);
  AgentParking *parking = stop_dup_parking (self);

  if (waiters != NULL && parking != NULL)
    _agent_parking_drop_all (parking, AGENT_DROP_REASON_CLOSED);

  for (GSList *l = waiters; l != NULL; l = l->next)
    {
      Waiter *waiter = l->data;

      stop_end_waiter (waiter, parking != NULL ? stop_count_lost (parking) - waiter->n_lost_before : 0);
    }

  g_slist_free (waiters);
  g_clear_pointer (&parking, _agent_parking_unref);
}

static void
stop_on_timeout (AgentWaiting *waiting)
{
  Waiter *waiter = (Waiter *) waiting;

  _agent_router_stop_end (waiter->stop);
}

static void
stop_clear_waiter (AgentWaiting *waiting)
{
  Waiter *waiter = (Waiter *) waiting;

  _agent_router_stop_unref (waiter->stop);
}

static const AgentWaitingFuncs stop_waiting_funcs = {
  .timed_out = stop_on_timeout,
  .clear = stop_clear_waiter,
};

/*
 * @timeout: milliseconds until what is parked is dropped
 * @task: (transfer full): who waits
 *
 * The deadline is kept in the context of @task, and in the dispatcher's once @task is cancelled.
 */
void
_agent_router_stop_begin (AgentRouterStop *self,
                          guint            timeout,
                          GTask           *task)
{
  AgentParking *parking = stop_dup_parking (self);
  Waiter       *waiter = g_new0 (Waiter, 1);

  _agent_waiting_init (&waiter->waiting, &stop_waiting_funcs, "[agentbus] stop", timeout, self->context, task);
  waiter->stop = _agent_router_stop_ref (self);
  waiter->n_lost_before = stop_count_lost (parking);

  /* A deadline that comes at once, in another thread, finds the waiter in the list. */
  g_mutex_lock (&self->lock);
  _agent_waiting_start (&waiter->waiting);
  self->waiters = g_slist_prepend (self->waiters, waiter);
  g_mutex_unlock (&self->lock);

  if (_agent_parking_close (parking))
    _agent_router_stop_end (self);
  _agent_parking_unref (parking);
}

/* The dispatcher goes. Whoever waits keeps the dispatcher: so what is left are stops whose tasks were cancelled. */
void
_agent_router_stop_close (AgentRouterStop *self)
{
  AgentParking *parking;

  g_mutex_lock (&self->lock);
  parking = g_steal_pointer (&self->parking);
  g_mutex_unlock (&self->lock);

  _agent_router_stop_end (self);
  g_clear_pointer (&parking, _agent_parking_unref);
}
