/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-actor-core-private.h"
#include "agent-bus-error.h"
#include "bus/agent-subscriber-private.h"
#include "message/agent-info.h"

/* What an actor keeps, for all who add to it or take from it. */

gint _agent_actor_core_offset;

/* One of the numbers of the core. */
guint
_agent_actor_read (AgentActor  *self,
                   const guint *field)
{
  AgentActorCore *core = _agent_actor_get_core (self);
  guint           value;

  g_mutex_lock (&core->lock);
  value = *field;
  g_mutex_unlock (&core->lock);

  return value;
}

/* One of the flags and small numbers of the core. */
guint8
_agent_actor_read_flag (AgentActor   *self,
                        const guint8 *field)
{
  AgentActorCore *core = _agent_actor_get_core (self);
  guint8          value;

  g_mutex_lock (&core->lock);
  value = *field;
  g_mutex_unlock (&core->lock);

  return value;
}

gboolean
_agent_actor_takes_part (AgentActor *self)
{
  return _agent_actor_read_flag (self, &_agent_actor_get_core (self)->active);
}

/* The mailbox of the current subscription: (transfer full) (nullable): NULL if the actor is on no bus. */
AgentMailbox *
_agent_actor_ref_mailbox (AgentActor *self)
{
  return _agent_subscription_ref_mailbox (_agent_subscriber_get_subscription (AGENT_SUBSCRIBER (self)));
}

/* The mailbox of the current or the last subscription: (transfer full) (nullable). */
AgentMailbox *
_agent_actor_ref_last_mailbox (AgentActor *self)
{
  return _agent_subscription_ref_last_mailbox (_agent_subscriber_get_subscription (AGENT_SUBSCRIBER (self)));
}

/* (transfer full) (nullable) */
AgentRouterDispatcher *
_agent_actor_ref_dispatcher (AgentActor *self)
{
  AgentActorCore        *core = _agent_actor_get_core (self);
  AgentRouterDispatcher *dispatcher;

  g_mutex_lock (&core->lock);
  dispatcher = core->dispatcher != NULL ? g_object_ref (core->dispatcher) : NULL;
  g_mutex_unlock (&core->lock);

  return dispatcher;
}

/* Has something done in the actor's context. */
void
_agent_actor_add_chore (AgentActor *self,
                        guint       chore)
{
  AgentActorCore *core = _agent_actor_get_core (self);

  g_mutex_lock (&core->lock);
  core->to_do |= chore;
  g_mutex_unlock (&core->lock);

  _agent_agenda_add (core->agenda, &core->chores, self, core->do_chores, AGENT_AGENDA_NOW);
}

/* Tells those who want to know how the actor is. In any thread. */
void
_agent_actor_announce (AgentActor *self)
{
  AgentActorCore *core = _agent_actor_get_core (self);

  g_autoptr (AgentInfo) info = NULL;

  g_mutex_lock (&core->lock);
  info = agent_info_new (agent_subscriber_get_name (AGENT_SUBSCRIBER (self)),
                         core->runner != NULL ? core->runner : "",
                         core->parent,
                         core->active,
                         core->bridged,
                         core->started_at);
  g_mutex_unlock (&core->lock);

  _agent_subscriber_set_info (AGENT_SUBSCRIBER (self), info);
}

/* --- The open tasks --- */

/* FALSE: the actor is on no bus, or has just left it. The task is open all the same, and is to be closed.
 *
 * @mailbox: (nullable): the subscription in which it is requested */
gboolean
_agent_actor_add_task (AgentActor   *self,
                       GList        *link,
                       AgentMailbox *mailbox)
{
  AgentActorCore *core = _agent_actor_get_core (self);
  gboolean        open;

  g_mutex_lock (&core->lock);
  open = mailbox != NULL && core->closed_tasks != mailbox;
  core->n_requests++;
  g_queue_push_tail_link (&core->tasks, link);
  g_mutex_unlock (&core->lock);

  return open;
}

void
_agent_actor_forget_task (AgentActor  *self,
                          GList       *link,
                          AgentOutcome outcome)
{
  AgentActorCore *core = _agent_actor_get_core (self);

  g_mutex_lock (&core->lock);
  core->n_outcomes[outcome]++;
  g_queue_unlink (&core->tasks, link);
  g_mutex_unlock (&core->lock);
}

/* --- Where they are counted --- */

/* The series that the actor has used last, if it has the name: (transfer full) (nullable).
 *
 * @ledger: (out) (transfer full) (nullable): where another series is found */
static AgentTaskSeries *
core_dup_last_series (AgentActorCore   *core,
                      const char       *task_name,
                      AgentTaskLedger **ledger)
{
  AgentTaskSeries *series = NULL;

  g_mutex_lock (&core->lock);
  *ledger = NULL;
  if (core->series != NULL && _agent_task_series_is_called (core->series, task_name))
    series = _agent_task_series_ref (core->series);
  else if (core->ledger != NULL)
    *ledger = _agent_task_ledger_ref (core->ledger);
  g_mutex_unlock (&core->lock);

  return series;
}

/* An actor that is not ready may get another bus next. */
static void
core_keep_series (AgentActorCore  *core,
                  AgentTaskLedger *ledger,
                  AgentTaskSeries *series)
{
  AgentTaskSeries *before = NULL;

  g_mutex_lock (&core->lock);
  if (core->state == AGENT_ACTOR_STATE_READY)
    {
      if (core->ledger == NULL)
        core->ledger = _agent_task_ledger_ref (ledger);
      before = core->series;
      core->series = _agent_task_series_ref (series);
    }
  g_mutex_unlock (&core->lock);

  g_clear_pointer (&before, _agent_task_series_unref);
}

/* The ledger of the bus on which the actor is now: (transfer full) (nullable). */
static AgentTaskLedger *
core_find_ledger (AgentActor *self)
{
  g_autoptr (AgentBus) bus = agent_subscriber_dup_bus (AGENT_SUBSCRIBER (self));

  return bus != NULL ? _agent_task_ledger_get (bus) : NULL;
}

/* Where tasks of this name, which the actor requests or does, are counted: (transfer full) (nullable). NULL: the actor is on no
 * bus. Most actors have the same task again and again: only for another one do they take the lock of the bus's ledger. */
AgentTaskSeries *
_agent_actor_dup_series (AgentActor *self,
                         const char *task_name)
{
  AgentActorCore  *core = _agent_actor_get_core (self);
  AgentTaskLedger *ledger;
  AgentTaskSeries *series = core_dup_last_series (core, task_name, &ledger);

  if (series != NULL)
    return series;
  if (ledger == NULL)
    ledger = core_find_ledger (self);
  if (ledger == NULL)
    return NULL;

  series = _agent_task_ledger_get_series (ledger, task_name);
  core_keep_series (core, ledger, series);
  _agent_task_ledger_unref (ledger);
  return series;
}

/* --- The tasks that wait for their targets --- */

/* FALSE: as many tasks wait for their targets as may. */
gboolean
_agent_actor_count_waiting (AgentActor *self,
                            GError    **error)
{
  AgentActorCore *core = _agent_actor_get_core (self);
  gboolean        may_wait;
  guint           n_waiting;

  g_mutex_lock (&core->lock);
  n_waiting = core->n_waiting;
  may_wait = n_waiting < core->max_pending;
  core->n_waiting += may_wait;
  g_mutex_unlock (&core->lock);

  if (!may_wait)
    g_set_error (error,
                 AGENT_BUS_ERROR,
                 AGENT_BUS_ERROR_FULL,
                 "%u tasks of '%s' wait for somebody already",
                 n_waiting,
                 agent_subscriber_get_name (AGENT_SUBSCRIBER (self)));
  return may_wait;
}

void
_agent_actor_count_waited (AgentActor *self)
{
  AgentActorCore *core = _agent_actor_get_core (self);

  g_mutex_lock (&core->lock);
  core->n_waiting--;
  g_mutex_unlock (&core->lock);
}

/* --- Its jobs --- */

/* A job is answered, in any thread. FALSE: it was none, as no handler was called for it. */
gboolean
_agent_actor_forget_job (AgentActor *self,
                         GList      *link)
{
  AgentActorCore *core = _agent_actor_get_core (self);
  gboolean        was_job;
  gboolean        more;
  gboolean        hands_over;

  g_mutex_lock (&core->lock);
  was_job = link->prev != NULL || core->jobs.head == link;
  if (was_job)
    g_queue_unlink (&core->jobs, link);
  more = core->pending.length > 0;
  hands_over = core->role != NULL;
  g_mutex_unlock (&core->lock);

  if (hands_over)
    _agent_actor_add_chore (self, AGENT_CHORE_ROLE);
  if (was_job && more)
    _agent_actor_add_chore (self, AGENT_CHORE_JOBS);
  return was_job;
}

/* Has a work tripped in the actor's context. Takes @work. */
void
_agent_actor_trip_later (AgentActor    *self,
                         gpointer       work,
                         GDestroyNotify work_free)
{
  AgentActorCore *core = _agent_actor_get_core (self);

  g_mutex_lock (&core->lock);
  if (core->to_trip == NULL)
    core->to_trip = g_ptr_array_new_with_free_func (work_free);
  g_ptr_array_add (core->to_trip, work);
  g_mutex_unlock (&core->lock);

  _agent_actor_add_chore (self, AGENT_CHORE_TRIP);
}
