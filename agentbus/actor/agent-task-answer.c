/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-task-state-private.h"

/* What is heard of a task. */

/* --- Answers --- */

static void
task_note_running (AgentTask *self)
{
  gboolean changed;

  g_mutex_lock (&self->lock);
  changed = self->status == AGENT_TASK_STATUS_PENDING;
  if (changed)
    self->status = AGENT_TASK_STATUS_RUNNING;
  g_mutex_unlock (&self->lock);

  if (changed)
    _agent_task_notify_status (self);
}

/* @n more chunks have been read, or all of them, if nobody reads by hand: the worker may send others. */
void
_agent_task_note_read (AgentTask *self,
                       guint      n)
{
  AgentWork *writer;
  guint      n_read;

  g_mutex_lock (&self->lock);
  n_read = self->reads_by_hand ? MIN (n, self->n_chunks - self->n_read) + self->n_read : self->n_chunks;
  writer = self->is_watched && self->worker != NULL && n_read != self->n_read ? _agent_work_ref (self->worker) : NULL;
  self->n_read = n_read;
  g_mutex_unlock (&self->lock);
  if (writer == NULL)
    return;

  _agent_work_send_waiting (writer, n_read);
  _agent_work_unref (writer);
}

/* A chunk of a worker that does not number them, such as a plain subscriber, is the next one. */
static void
task_take_chunk (AgentTask    *self,
                 AgentMessage *message)
{
  GVariant *payload = agent_message_get_payload (message);
  guint     n_missed;
  guint     index;

  if (payload == NULL)
    return;

  index = _agent_work_get_chunk_index (message, self->n_chunks);
  n_missed = index > self->n_chunks ? index - self->n_chunks : 0;
  g_mutex_lock (&self->lock);
  self->n_missed += n_missed;
  self->n_read += n_missed;
  self->n_chunks = index + 1;
  g_mutex_unlock (&self->lock);
  _agent_task_emit_chunk (self, index, payload);

  _agent_task_note_read (self, 0);
}

static void
task_take_response (AgentTask    *self,
                    AgentMessage *answer)
{
  AgentTaskStatus status = agent_message_get_status (answer);

  if (status == AGENT_TASK_STATUS_COMPLETED)
    _agent_task_end_by_answer (self, status, NULL, answer);
  else if (status == AGENT_TASK_STATUS_FAILED || status == AGENT_TASK_STATUS_CANCELLED)
    _agent_task_end_by_answer (self, status, agent_message_dup_error (answer), answer);
  else
    task_note_running (self);
}

void
_agent_task_take_answer (AgentTask    *self,
                         AgentMessage *answer)
{
  switch (agent_message_get_message_type (answer))
    {
    case AGENT_MESSAGE_TYPE_TASK_RESPONSE:
    case AGENT_MESSAGE_TYPE_TASK_RESPONSE_URGENT:
      task_take_response (self, answer);
      break;
    case AGENT_MESSAGE_TYPE_TASK_UPDATE:
    case AGENT_MESSAGE_TYPE_TASK_UPDATE_URGENT:
      task_note_running (self);
      _agent_task_emit_update (self, agent_message_get_payload (answer));
      break;
    default:
      task_note_running (self);
      task_take_chunk (self, answer);
    }
}
