/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-task-signals-private.h"

/* The signals of a task: how they are installed and emitted. */

enum
{
  UPDATE,
  CHUNK,
  FINISHED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

void
_agent_task_install_signals (AgentTaskClass *klass)
{
  /**
   * AgentTask::update:
   * @self: the task
   * @update: (nullable): what the worker says, of any type
   *
   * The worker says how far it has come, see [method@AgentBus.Job.update].
   *
   * Since: 0.1
   */
  signals[UPDATE] = g_signal_new ("update",
                                  G_TYPE_FROM_CLASS (klass),
                                  G_SIGNAL_RUN_LAST,
                                  0,
                                  NULL,
                                  NULL,
                                  g_cclosure_marshal_VOID__VARIANT,
                                  G_TYPE_NONE,
                                  1,
                                  G_TYPE_VARIANT);
  g_signal_set_va_marshaller (signals[UPDATE], G_TYPE_FROM_CLASS (klass), g_cclosure_marshal_VOID__VARIANTv);

  /**
   * AgentTask::chunk:
   * @self: the task
   * @index: the number of the chunk, from 0 on
   * @payload: the chunk, of any type
   *
   * The worker has sent a part of its answer, see [method@AgentBus.Job.send_chunk].
   *
   * All chunks come before [signal@AgentBus.Task::finished], in their order. A number that is left out was lost, see
   * [property@AgentBus.Task:n-missed].
   *
   * Since: 0.1
   */
  signals[CHUNK] = g_signal_new ("chunk",
                                 G_TYPE_FROM_CLASS (klass),
                                 G_SIGNAL_RUN_LAST,
                                 0,
                                 NULL,
                                 NULL,
                                 NULL,
                                 G_TYPE_NONE,
                                 2,
                                 G_TYPE_UINT,
                                 G_TYPE_VARIANT);

  /**
   * AgentTask::finished:
   * @self: the task
   *
   * The task has ended, once and for all.
   *
   * Since: 0.1
   */
  signals[FINISHED] = g_signal_new ("finished",
                                    G_TYPE_FROM_CLASS (klass),
                                    G_SIGNAL_RUN_LAST,
                                    0,
                                    NULL,
                                    NULL,
                                    g_cclosure_marshal_VOID__VOID,
                                    G_TYPE_NONE,
                                    0);
  g_signal_set_va_marshaller (signals[FINISHED], G_TYPE_FROM_CLASS (klass), g_cclosure_marshal_VOID__VOIDv);
}

/* --- In the context of the actor --- */

void
_agent_task_emit_update (AgentTask *self,
                         GVariant  *update)
{
  g_signal_emit (self, signals[UPDATE], 0, update);
}

void
_agent_task_emit_chunk (AgentTask *self,
                        guint      index,
                        GVariant  *payload)
{
  g_signal_emit (self, signals[CHUNK], 0, index, payload);
}

void
_agent_task_emit_finished (AgentTask *self)
{
  g_signal_emit (self, signals[FINISHED], 0);
}

void
_agent_task_notify_status (AgentTask *self)
{
  g_object_notify (G_OBJECT (self), "status");
}
