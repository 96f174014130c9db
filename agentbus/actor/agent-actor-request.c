/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-job-private.h"
#include "actor/agent-task-ledger-private.h"
#include "actor/agent-task-private.h"
#include "actor/agent-work-private.h"
#include "agent-bus-error.h"
#include "base/agent-clock-private.h"
#include "base/agent-utf8-private.h"
#include "bus/agent-subscriber-private.h"
#include "message/agent-task-id-private.h"

/* How an actor requests something of others, and what it keeps of that. */

/* --- The open tasks --- */

/* The actor leaves: ends all its tasks. In any thread. */
void
_agent_actor_close_tasks (AgentActor   *self,
                          AgentMailbox *mailbox)
{
  AgentActorCore  *core = _agent_actor_get_core (self);
  AgentMailbox    *before;
  AgentTaskLedger *ledger;
  AgentTaskSeries *series;

  g_autoptr (GPtrArray) tasks = g_ptr_array_new_with_free_func (g_object_unref);

  g_mutex_lock (&core->lock);
  before = core->closed_tasks;
  core->closed_tasks = _agent_mailbox_ref (mailbox);
  ledger = g_steal_pointer (&core->ledger);
  series = g_steal_pointer (&core->series);
  for (GList *l = core->tasks.head; l != NULL; l = l->next)
    g_ptr_array_add (tasks, g_object_ref (l->data));
  g_mutex_unlock (&core->lock);
  g_clear_pointer (&before, _agent_mailbox_unref);
  g_clear_pointer (&ledger, _agent_task_ledger_unref);
  g_clear_pointer (&series, _agent_task_series_unref);

  for (guint i = 0; i < tasks->len; i++)
    _agent_task_close (tasks->pdata[i]);
}

/* --- Requests --- */

/* A task inherits of the job in which it is requested: the time that is left, the conversation, and the cancellation.
 *
 * @request: not sent yet */
static void
request_inherit (AgentMessage *request,
                 AgentWork    *work)
{
  AgentMessage *cause = work->hand->message;
  gint64        left;

  agent_message_set_cause (request, cause);
  if (cause->ttl == 0)
    return;

  left = CLAMP (cause->ttl - (_agent_clock_now () - cause->sent_at) / 1000, 1, G_MAXUINT);
  if (request->ttl == 0 || request->ttl > left)
    agent_message_set_ttl (request, (guint) left);
}

/* Takes @request.
 *
 * @work: (nullable): the job in which it is requested */
static AgentTask *
request_start (AgentActor   *self,
               AgentMessage *request,
               AgentWork    *work)
{
  AgentTask *task;

  if (work != NULL)
    request_inherit (request, work);
  _agent_message_set_request (request);
  task = _agent_task_new (self, request);
  _agent_task_start (task, work);

  return task;
}

/* The job whose handler is calling: (transfer none) (nullable). If this is the context's thread, nobody changes it meanwhile. To
 * find out whether it is takes a lock of GLib, which is seldom worth while. */
static AgentWork *
request_get_current_work (AgentActor *self)
{
  AgentWork *current = g_atomic_pointer_get (&_agent_actor_get_core (self)->current);

  if (current == NULL || !g_main_context_is_owner (agent_subscriber_get_main_context (AGENT_SUBSCRIBER (self))))
    return NULL;
  return current;
}

/**
 * agent_actor_request:
 * @self: an actor
 * @target: the name of a worker, of a group, or of an actor of the [property@AgentBus.Actor:dispatcher]
 * @task_name: (nullable): what is requested, or %NULL for what the worker does by default
 * @payload: (nullable): what the worker needs for it, of any type; a floating reference is sunk
 *
 * Requests something of somebody.
 *
 * Names of the bus come first, then groups, then the dispatcher. Never waits, and never fails: the task does, soon after that.
 * If [property@AgentBus.Actor:wait-for-target] is set, the request waits for a target that is not there yet.
 *
 * In a handler of [signal@AgentBus.Actor::task-request], until it returns, the task belongs to the job: it inherits the time
 * that is left, the conversation, and the cancellation. After that, [method@AgentBus.Actor.request_full] does the same.
 *
 * Returns: (transfer full): the task
 *
 * Since: 0.1
 */
AgentTask *
agent_actor_request (AgentActor *self,
                     const char *target,
                     const char *task_name,
                     GVariant   *payload)
{
  char          id[AGENT_TASK_ID_SIZE];
  AgentMessage *request;

  g_return_val_if_fail (AGENT_IS_ACTOR (self), NULL);
  g_return_val_if_fail (target != NULL && *target != '\0', NULL);
  g_return_val_if_fail (_agent_utf8_is_string (target), NULL);
  g_return_val_if_fail (task_name == NULL || _agent_utf8_is_string (task_name), NULL);

  _agent_task_id_next (id);
  request = agent_message_new_task_request (
      agent_subscriber_get_name (AGENT_SUBSCRIBER (self)), target, id, task_name, payload);

  return request_start (self, request, request_get_current_work (self));
}

/**
 * agent_actor_request_full:
 * @self: an actor
 * @request: (transfer full): a `task-request` message that is not sent yet, with a target
 * @job: (nullable): the job of the actor in which it is requested, or %NULL
 *
 * Requests something of somebody with all options of a message.
 *
 * The task gets an id of its own in place of that of @request, and the actor as its source. The ttl of the message
 * ([method@AgentBus.Message.set_ttl]) is the [property@AgentBus.Task:timeout] of the task. Conversation, trace and payload of the
 * message stay.
 *
 * With @job the task inherits the time that is left, the conversation, and the cancellation of the job, as
 * [method@AgentBus.Actor.request] says.
 *
 * Returns: (transfer full): the task
 *
 * Since: 0.1
 */
AgentTask *
agent_actor_request_full (AgentActor   *self,
                          AgentMessage *request,
                          AgentJob     *job)
{
  char          id[AGENT_TASK_ID_SIZE];
  AgentMessage *copy;

  g_return_val_if_fail (AGENT_IS_ACTOR (self), NULL);
  g_return_val_if_fail (request != NULL, NULL);
  g_return_val_if_fail (agent_message_get_message_type (request) == AGENT_MESSAGE_TYPE_TASK_REQUEST, NULL);
  g_return_val_if_fail (agent_message_get_target (request) != NULL, NULL);
  g_return_val_if_fail (job == NULL || AGENT_IS_JOB (job), NULL);

  _agent_task_id_next (id);
  copy = _agent_message_copy_as_task (request, agent_subscriber_get_name (AGENT_SUBSCRIBER (self)), id);
  agent_message_unref (request);

  return request_start (self, copy, job != NULL ? _agent_job_get_work (job) : request_get_current_work (self));
}

/**
 * agent_actor_get_statistics:
 * @self: an actor
 *
 * Counts the tasks that the actor has requested.
 *
 * The dictionary has `requests`, `open`, and one number for each way to end: `completed`, `failed`, `cancelled`, `timed-out`,
 * `not-found`, `full` and `closed`, all of type `t`. At any time `requests` is the sum of all others. It also has
 * `jobs`, how many jobs are worked on, and `pending`, how many requests wait for one to end.
 *
 * Returns: (transfer full): the numbers, of type `a{sv}`
 *
 * Since: 0.1
 */
GVariant *
agent_actor_get_statistics (AgentActor *self)
{
  AgentActorCore *core;
  GVariantDict    dict;

  g_return_val_if_fail (AGENT_IS_ACTOR (self), NULL);

  core = _agent_actor_get_core (self);
  g_variant_dict_init (&dict, NULL);
  g_mutex_lock (&core->lock);
  g_variant_dict_insert (&dict, "requests", "t", core->n_requests);
  g_variant_dict_insert (&dict, "open", "t", (guint64) core->tasks.length);
  for (guint i = 0; i < AGENT_N_OUTCOMES; i++)
    g_variant_dict_insert (&dict, _agent_outcome_to_string (i), "t", core->n_outcomes[i]);
  g_variant_dict_insert (&dict, "jobs", "t", (guint64) core->jobs.length);
  g_variant_dict_insert (&dict, "pending", "t", (guint64) core->pending.length);
  g_mutex_unlock (&core->lock);

  return g_variant_ref_sink (g_variant_dict_end (&dict));
}
