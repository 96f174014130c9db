/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-cancel-source-private.h"
#include "base/agent-source-private.h"
#include "base/agent-waiting-private.h"

/*
 * @name: static
 * @timeout: milliseconds from now
 * @fallback: where the deadline is kept without a task
 * @task: (transfer full) (nullable): who waits
 *
 * There is one reference then, and the memory goes with the last one, by g_free(). The waiting has to be ended before.
 */
void
_agent_waiting_init (AgentWaiting            *self,
                     const AgentWaitingFuncs *funcs,
                     const char              *name,
                     guint                    timeout,
                     GMainContext            *fallback,
                     GTask                   *task)
{
  g_atomic_ref_count_init (&self->ref_count);
  self->funcs = funcs;
  self->name = name;
  self->timeout = timeout;
  self->due = g_get_monotonic_time () + (gint64) timeout * 1000;
  self->fallback = g_main_context_ref (fallback);
  self->task = task;
  g_mutex_init (&self->lock);
}

AgentWaiting *
_agent_waiting_ref (AgentWaiting *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_agent_waiting_unref (AgentWaiting *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_assert (self->timer == NULL && self->cancelled == NULL && self->task == NULL);

  self->funcs->clear (self);
  g_main_context_unref (self->fallback);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* (transfer full) */
static GSource *
waiting_attach (AgentWaiting *self,
                GMainContext *context,
                GSource      *source,
                const char   *name,
                GSourceFunc   callback)
{
  g_source_set_static_name (source, name);
  g_source_set_callback (source, callback, _agent_waiting_ref (self), (GDestroyNotify) _agent_waiting_unref);
  g_source_attach (source, context);
  return source;
}

static gboolean
waiting_on_timeout (gpointer user_data)
{
  AgentWaiting *self = user_data;

  self->funcs->timed_out (self);
  return G_SOURCE_REMOVE;
}

static void
waiting_start_timer_locked (AgentWaiting *self,
                            GMainContext *context)
{
  gint64 left = self->due - g_get_monotonic_time ();

  self->context = g_main_context_ref (context);
  self->timer = waiting_attach (self,
                                context,
                                g_timeout_source_new (CLAMP ((left + 999) / 1000, 0, self->timeout)),
                                self->name,
                                waiting_on_timeout);
}

/* Nobody has a reason to iterate the context of the task any more. */
static void
waiting_move_timer (AgentWaiting *self)
{
  GSource      *timer = NULL;
  GMainContext *context = NULL;

  g_mutex_lock (&self->lock);
  if (!self->over && self->context != self->fallback)
    {
      timer = g_steal_pointer (&self->timer);
      context = g_steal_pointer (&self->context);
      waiting_start_timer_locked (self, self->fallback);
    }
  g_mutex_unlock (&self->lock);

  _agent_source_clear (&timer);
  g_clear_pointer (&context, g_main_context_unref);
}

static gboolean
waiting_on_cancelled (gpointer user_data)
{
  AgentWaiting *self = user_data;
  GSource      *source;
  g_autoptr (GTask) task = NULL;

  g_mutex_lock (&self->lock);
  source = g_steal_pointer (&self->cancelled);
  task = g_steal_pointer (&self->task);
  g_mutex_unlock (&self->lock);

  _agent_cancel_source_clear (&source);
  waiting_move_timer (self);
  if (task != NULL)
    g_task_return_error_if_cancelled (task);
  return G_SOURCE_REMOVE;
}

/* From now on the deadline may come, and the task may be cancelled. Nobody may have called end() before. */
void
_agent_waiting_start (AgentWaiting *self)
{
  GCancellable *cancellable;

  g_mutex_lock (&self->lock);
  g_assert (!self->over && self->timer == NULL);
  cancellable = self->task != NULL ? g_task_get_cancellable (self->task) : NULL;
  waiting_start_timer_locked (self, self->task != NULL ? g_task_get_context (self->task) : self->fallback);
  if (cancellable != NULL)
    self->cancelled = waiting_attach (self,
                                      self->context,
                                      _agent_cancel_source_new (cancellable),
                                      "[agentbus] cancelled",
                                      waiting_on_cancelled);
  g_mutex_unlock (&self->lock);
}

/*
 * @task: (out) (transfer full) (nullable): the caller returns from it, with no lock held. NULL if nobody waits any more.
 *
 * Returns TRUE once: the caller is the one who ends the waiting. After that the deadline does not come any more.
 */
gboolean
_agent_waiting_end (AgentWaiting *self,
                    GTask       **task)
{
  GSource      *timer;
  GMainContext *context;
  GSource      *cancelled;
  gboolean      first;

  g_mutex_lock (&self->lock);
  first = !self->over;
  self->over = TRUE;
  timer = g_steal_pointer (&self->timer);
  context = g_steal_pointer (&self->context);
  cancelled = g_steal_pointer (&self->cancelled);
  *task = g_steal_pointer (&self->task);
  g_mutex_unlock (&self->lock);

  _agent_source_clear (&timer);
  _agent_cancel_source_clear (&cancelled);
  g_clear_pointer (&context, g_main_context_unref);
  return first;
}
