/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-task-state-private.h"
#include "base/agent-clock-private.h"
#include "message/agent-task-id-private.h"

/* How a task is made, and what those know of it that stand below it. */

static gboolean
task_set_worker_locked (AgentTask  *self,
                        AgentWork  *worker,
                        AgentWork **before)
{
  if (self->ended)
    return FALSE;

  *before = self->worker;
  self->worker = _agent_work_ref (worker);
  return TRUE;
}

/* @worker begins to work on the task, and is cancelled with it: also if it is leaving the bus, where no message reaches it any
 * more. FALSE: the task has ended. */
static gboolean
task_set_worker (AgentRequester *requester,
                 AgentWork      *worker)
{
  AgentTask *self = _agent_requester_get_object (requester);
  AgentWork *before = NULL;
  gboolean   open;

  g_mutex_lock (&self->lock);
  open = task_set_worker_locked (self, worker, &before);
  g_mutex_unlock (&self->lock);

  g_clear_pointer (&before, _agent_work_unref);
  return open;
}

/* From now on @writer, who works on the task, is told when chunks are read: returns how many are. G_MAXUINT: the task has
 * ended. */
static guint
task_watch_reading (AgentRequester *requester,
                    AgentWork      *writer)
{
  AgentTask *self = _agent_requester_get_object (requester);
  AgentWork *before = NULL;
  guint      n_read;

  g_mutex_lock (&self->lock);
  n_read = task_set_worker_locked (self, writer, &before) ? self->n_read : G_MAXUINT;
  self->is_watched = TRUE;
  g_mutex_unlock (&self->lock);

  g_clear_pointer (&before, _agent_work_unref);
  return n_read;
}

static void
task_cancel_with_parent (AgentRequester *requester,
                         const char     *reason)
{
  _agent_task_cancel (_agent_requester_get_object (requester), reason);
}

static const AgentRequesterFuncs task_requester_funcs = {
  .offset = G_STRUCT_OFFSET (AgentTask, requester),
  .set_worker = task_set_worker,
  .watch_reading = task_watch_reading,
  .cancel = task_cancel_with_parent,
};

/* A task that is not started yet. Takes @request, a request whose source is the name of the actor. */
AgentTask *
_agent_task_new (AgentActor   *actor,
                 AgentMessage *request)
{
  AgentTask *self = g_object_new (AGENT_TYPE_TASK, NULL);

  self->actor = g_object_ref (actor);
  self->request = request;
  self->requester.funcs = &task_requester_funcs;
  self->requester.number = _agent_task_id_get_number (agent_message_get_task_id (request));
  self->link.data = self;
  self->made_at = _agent_clock_now ();
  self->timeout = agent_message_get_ttl (request);
  self->wait_for_target = _agent_actor_read (actor, &_agent_actor_get_core (actor)->wait_for_target);

  return self;
}
