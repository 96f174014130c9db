/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-wait-private.h"

#include "base/agent-cancel-source-private.h"

struct _AgentWait
{
  gatomicrefcount ref_count;
  GMutex          lock;
  GTask          *task;      /* (lock) (owned) (nullable) NULL once somebody has taken it to return from it */
  GSource        *cancelled; /* (lock) (owned) (nullable) */
};

static void
wait_unref (gpointer data)
{
  AgentWait *self = data;

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_mutex_clear (&self->lock);
  g_free (self);
}

/* Returns the task, if nobody has taken it yet: (transfer full) (nullable). */
static GTask *
wait_take (AgentWait *self)
{
  GSource *cancelled;
  GTask   *task;

  g_mutex_lock (&self->lock);
  cancelled = g_steal_pointer (&self->cancelled);
  task = g_steal_pointer (&self->task);
  g_mutex_unlock (&self->lock);

  _agent_cancel_source_clear (&cancelled);
  return task;
}

static gboolean
wait_return_cancelled (gpointer user_data)
{
  g_autoptr (GTask) task = wait_take (user_data);

  if (task != NULL)
    g_task_return_error_if_cancelled (task);
  return G_SOURCE_REMOVE;
}

/* Takes @task. */
AgentWait *
_agent_wait_new (GTask *task)
{
  AgentWait    *self = g_new0 (AgentWait, 1);
  GCancellable *cancellable = g_task_get_cancellable (task);

  g_atomic_ref_count_init (&self->ref_count);
  g_mutex_init (&self->lock);
  self->task = task;
  if (cancellable == NULL)
    return self;

  g_mutex_lock (&self->lock);
  self->cancelled = _agent_cancel_source_new (cancellable);
  g_source_set_static_name (self->cancelled, "[agentbus] cancelled");
  g_atomic_ref_count_inc (&self->ref_count);
  g_source_set_callback (self->cancelled, wait_return_cancelled, self, wait_unref);
  g_source_attach (self->cancelled, g_task_get_context (task));
  g_mutex_unlock (&self->lock);
  return self;
}

/* What the task has waited for has come. Takes @self. Returns the task, from which the caller returns: (transfer full).
 * NULL: it was cancelled. */
GTask *
_agent_wait_end (AgentWait *self)
{
  GTask *task = wait_take (self);

  wait_unref (self);
  return task;
}
