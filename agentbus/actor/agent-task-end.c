/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-open-tasks-private.h"
#include "actor/agent-patient-private.h"
#include "actor/agent-task-ledger-private.h"
#include "actor/agent-task-state-private.h"
#include "agent-bus-error.h"
#include "bus/agent-bus.h"

/* How a task ends, once, and how its end is told. */

/* --- The end --- */

static AgentOutcome
task_get_outcome (AgentTaskStatus status,
                  const GError   *error)
{
  if (status == AGENT_TASK_STATUS_COMPLETED)
    return AGENT_OUTCOME_COMPLETED;
  if (status == AGENT_TASK_STATUS_CANCELLED)
    return AGENT_OUTCOME_CANCELLED;
  if (error == NULL || error->domain != AGENT_BUS_ERROR)
    return AGENT_OUTCOME_FAILED;

  switch (error->code)
    {
    case AGENT_BUS_ERROR_TIMED_OUT:
      return AGENT_OUTCOME_TIMED_OUT;
    case AGENT_BUS_ERROR_NOT_FOUND:
      return AGENT_OUTCOME_NOT_FOUND;
    case AGENT_BUS_ERROR_FULL:
      return AGENT_OUTCOME_FULL;
    case AGENT_BUS_ERROR_CLOSED:
      return AGENT_OUTCOME_CLOSED;
    default:
      return AGENT_OUTCOME_FAILED;
    }
}

/* Decides the end: TRUE for the first call only. Takes @error.
 *
 * @answer: (nullable) */
gboolean
_agent_task_decide (AgentTask      *self,
                    AgentTaskStatus status,
                    GError         *error,
                    AgentMessage   *answer)
{
  AgentOutcome outcome = task_get_outcome (status, error);
  AgentWork   *parent = NULL;
  AgentWork   *worker = NULL;
  gboolean     waited = FALSE;
  gboolean     first;

  g_mutex_lock (&self->lock);
  first = !self->ended;
  if (first)
    {
      self->ended = TRUE;
      self->status = status;
      self->error = g_steal_pointer (&error);
      self->answer = answer != NULL ? agent_message_ref (answer) : NULL;
      parent = g_steal_pointer (&self->parent);
      worker = g_steal_pointer (&self->worker);
      waited = self->waits;
      self->waits = FALSE;
    }
  g_mutex_unlock (&self->lock);

  g_clear_error (&error);
  if (!first)
    return FALSE;

  _agent_open_tasks_remove (&self->requester);
  if (self->epoch_watch.of != NULL)
    _agent_epoch_unwatch (&self->epoch_watch);
  _agent_actor_forget_task (self->actor, &self->link, outcome);
  if (self->series != NULL)
    _agent_task_series_end_task (self->series, outcome);
  if (waited)
    _agent_actor_count_waited (self->actor);
  if (parent != NULL)
    _agent_work_forget_child (parent, &self->requester);
  if (worker != NULL && answer == NULL)
    _agent_work_cancel (worker);
  if (worker != NULL)
    _agent_work_stop_waiting (worker);
  g_clear_pointer (&parent, _agent_work_unref);
  g_clear_pointer (&worker, _agent_work_unref);
  return TRUE;
}

/* Takes @patient. */
void
_agent_task_return_waiting (AgentTask    *self,
                            AgentPatient *patient)
{
  g_autoptr (GTask) waiting = _agent_patient_end (patient);
  GVariant *response;

  if (waiting == NULL)
    return;
  if (self->error != NULL)
    {
      g_task_return_error (waiting, g_error_copy (self->error));
      return;
    }

  response = _agent_task_peek_response (self);
  g_task_return_pointer (waiting, response != NULL ? g_variant_ref (response) : NULL, (GDestroyNotify) g_variant_unref);
}

void
_agent_task_stop_waiting_for_target (AgentTask *self)
{
  AgentTaskWait *wait = g_steal_pointer (&self->wait);
  AgentBus      *bus;

  if (wait == NULL)
    return;

  bus = g_weak_ref_get (&wait->bus);
  if (bus != NULL)
    agent_bus_unwatch_name (bus, wait->watch);
  g_clear_object (&bus);
  g_weak_ref_clear (&wait->bus);
  g_free (wait);
}

void
_agent_task_free_watch (gpointer data)
{
  AgentTaskWatch *watch = data;

  watch->destroy (watch->data);
  g_free (watch);
}

/* The end is decided and is told now, in the actor's context. The caller has a reference to the task. */
void
_agent_task_tell_end (AgentTask *self)
{
  GSList *waiting;
  GSList *watches;

  _agent_task_stop_waiting_for_target (self);
  _agent_task_notify_status (self);
  _agent_task_emit_finished (self);

  g_mutex_lock (&self->lock);
  self->told = TRUE;
  waiting = g_slist_reverse (g_steal_pointer (&self->waiting));
  watches = g_slist_reverse (g_steal_pointer (&self->watches));
  g_mutex_unlock (&self->lock);

  for (GSList *l = watches; l != NULL; l = l->next)
    ((AgentTaskWatch *) l->data)->func (self, ((AgentTaskWatch *) l->data)->data);
  g_slist_free_full (watches, _agent_task_free_watch);
  for (GSList *l = waiting; l != NULL; l = l->next)
    _agent_task_return_waiting (self, l->data);
  g_slist_free (waiting);
}

/* Ends the task. The end is told as soon as the actor's context is iterated. Takes @error: (nullable). TRUE for the first
 * call only. */
gboolean
_agent_task_end (AgentTask      *self,
                 AgentTaskStatus status,
                 GError         *error)
{
  if (!_agent_task_decide (self, status, error, NULL))
    return FALSE;

  _agent_task_move_appointment (self, AGENT_AGENDA_NOW);
  return TRUE;
}

/* As _agent_task_tell_end(), for a task that may still be in the agenda. */
void
_agent_task_tell_end_now (AgentTask *self)
{
  _agent_agenda_remove (_agent_actor_get_core (self->actor)->agenda, &self->appointment);
  _agent_task_tell_end (self);
}

/* The worker has ended the task. In the actor's context, outside of any call of the application, so that the end is told at
 * once. Takes @error. The caller has a reference to the task. */
void
_agent_task_end_by_answer (AgentTask      *self,
                           AgentTaskStatus status,
                           GError         *error,
                           AgentMessage   *answer)
{
  if (_agent_task_decide (self, status, error, answer))
    _agent_task_tell_end_now (self);
}

/* Calls @func once, in the actor's context, after `finished`. FALSE: that has been emitted already, and @data is not taken. */
gboolean
_agent_task_watch_end (AgentTask       *self,
                       AgentTaskEndFunc func,
                       gpointer         data,
                       GDestroyNotify   destroy)
{
  AgentTaskWatch *watch = g_new (AgentTaskWatch, 1);
  gboolean        told;

  *watch = (AgentTaskWatch){ func, data, destroy };
  g_mutex_lock (&self->lock);
  told = self->told;
  if (!told)
    self->watches = g_slist_prepend (self->watches, watch);
  g_mutex_unlock (&self->lock);

  if (told)
    g_free (watch);
  return !told;
}
