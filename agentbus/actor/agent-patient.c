/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-patient-private.h"
#include "base/agent-cancel-source-private.h"

struct _AgentPatient
{
  gatomicrefcount ref_count;
  GMutex          lock;
  GTask          *task;      /* (lock) (owned) (nullable) NULL once somebody has taken it to return from it */
  GSource        *cancelled; /* (lock) (owned) (nullable) */
};

static void
patient_unref (gpointer data)
{
  AgentPatient *self = data;

  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_mutex_clear (&self->lock);
  g_free (self);
}

/* Takes the GTask out: (transfer full) (nullable). */
static GTask *
patient_take_task (AgentPatient *self)
{
  GSource *cancelled;
  GTask   *task;

  g_mutex_lock (&self->lock);
  task = g_steal_pointer (&self->task);
  cancelled = g_steal_pointer (&self->cancelled);
  g_mutex_unlock (&self->lock);

  _agent_cancel_source_clear (&cancelled);
  return task;
}

static gboolean
patient_on_cancelled (gpointer data)
{
  g_autoptr (GTask) task = patient_take_task (data);

  if (task != NULL)
    g_task_return_error_if_cancelled (task);
  return G_SOURCE_REMOVE;
}

static void
patient_watch_cancellable (AgentPatient *self,
                           GCancellable *cancellable)
{
  g_atomic_ref_count_inc (&self->ref_count);
  g_mutex_lock (&self->lock);
  self->cancelled = _agent_cancel_source_new (cancellable);
  g_source_set_static_name (self->cancelled, "[agentbus] cancelled");
  g_source_set_callback (self->cancelled, patient_on_cancelled, self, patient_unref);
  g_source_attach (self->cancelled, g_task_get_context (self->task));
  g_mutex_unlock (&self->lock);
}

/* Takes @task. From now on it may be cancelled. */
AgentPatient *
_agent_patient_new (GTask *task)
{
  AgentPatient *self = g_new0 (AgentPatient, 1);

  g_atomic_ref_count_init (&self->ref_count);
  g_mutex_init (&self->lock);
  self->task = task;
  if (g_task_get_cancellable (task) != NULL)
    patient_watch_cancellable (self, g_task_get_cancellable (task));

  return self;
}

/* What was waited for has come. Takes @self. Returns the GTask to return from: (transfer full) (nullable): NULL if it was
 * cancelled. */
GTask *
_agent_patient_end (AgentPatient *self)
{
  GTask *task = patient_take_task (self);

  patient_unref (self);
  return task;
}
