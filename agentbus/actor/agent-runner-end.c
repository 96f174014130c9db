/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-patient-private.h"
#include "actor/agent-runner-private.h"
#include "agent-bus-error.h"
#include "base/agent-string-hash-private.h"

enum
{
  STUCK,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

/* (transfer full) */
GPtrArray *
_agent_runner_copy_actors (AgentRunner *self)
{
  GPtrArray *actors = g_ptr_array_new_with_free_func (g_object_unref);

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->actors->len; i++)
    g_ptr_array_add (actors, g_object_ref (self->actors->pdata[i]));
  g_mutex_unlock (&self->lock);

  return actors;
}

/* --- All have ended --- */

/* (transfer full) (nullable) */
static GError *
runner_new_error (AgentRunner *self)
{
  g_autofree char *names = NULL;

  if (self->stuck->len == 0)
    return g_steal_pointer (&self->error);

  g_ptr_array_add (self->stuck, NULL);
  names = g_strjoinv ("', '", (char **) self->stuck->pdata);
  return g_error_new (AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT, "These did not end in time: '%s'", names);
}

static void
runner_tell_stuck (AgentRunner *self)
{
  for (guint i = 0; i < self->stuck->len; i++)
    {
      g_warning ("'%s' of runner '%s' did not end in time", (char *) self->stuck->pdata[i], self->name);
      g_signal_emit (self, signals[STUCK], 0, self->stuck->pdata[i]);
    }
  if (self->error != NULL)
    g_warning ("The bus of runner '%s' did not stop: %s", self->name, self->error->message);
}

static void
runner_return (GSList       *waits,
               const GError *error)
{
  for (GSList *l = waits; l != NULL; l = l->next)
    {
      g_autoptr (GTask) task = _agent_patient_end (l->data);

      if (task != NULL && error != NULL)
        g_task_return_error (task, g_error_copy (error));
      else if (task != NULL)
        g_task_return_boolean (task, TRUE);
    }
}

static void
runner_finish (AgentRunner *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSList) waits = NULL;
  g_autoptr (GMainLoop) loop = NULL;

  runner_tell_stuck (self);
  error = runner_new_error (self);
  g_clear_error (&self->error);
  g_clear_pointer (&self->stuck, g_ptr_array_unref);

  g_mutex_lock (&self->lock);
  waits = g_slist_reverse (g_steal_pointer (&self->waits));
  loop = self->loop != NULL ? g_main_loop_ref (self->loop) : NULL;
  if ((error != NULL || self->is_cancelled) && self->exit_status == 0)
    self->exit_status = 1;
  self->is_ending = FALSE;
  self->is_cancelled = FALSE;
  g_clear_pointer (&self->reason, g_free);
  g_mutex_unlock (&self->lock);

  runner_return (waits, error);
  if (loop != NULL)
    g_main_loop_quit (loop);
}

/* Takes a reference to @user_data. */
static void
runner_on_stopped (GObject      *source,
                   GAsyncResult *result,
                   gpointer      user_data)
{
  g_autoptr (AgentRunner) self = user_data;

  agent_bus_stop_finish (AGENT_BUS (source), result, &self->error);
  runner_finish (self);
}

/* --- The actors end --- */

static void
runner_end_one_less (AgentRunner *self)
{
  if (--self->n_ending > 0)
    return;

  if (self->owns_bus && agent_bus_is_running (self->bus))
    agent_bus_stop_async (self->bus, NULL, runner_on_stopped, g_object_ref (self));
  else
    runner_finish (self);
}

/* Takes a reference to @user_data. */
static void
runner_on_actor_ended (GObject      *source,
                       GAsyncResult *result,
                       gpointer      user_data)
{
  g_autoptr (AgentRunner) self = user_data;
  AgentActor *actor = AGENT_ACTOR (source);

  if (!agent_actor_end_finish (actor, result, NULL) && _agent_actor_is_stuck (actor))
    g_ptr_array_add (self->stuck, g_strdup (agent_subscriber_get_name (AGENT_SUBSCRIBER (actor))));
  runner_end_one_less (self);
}

static void
runner_end_actor (AgentRunner *self,
                  AgentActor  *actor,
                  const char  *reason)
{
  self->n_ending++;
  agent_actor_end_async (actor, reason, NULL, runner_on_actor_ended, g_object_ref (self));
}

static gboolean
runner_is_root (AgentActor *actor,
                GHashTable *names)
{
  const char *parent = agent_actor_get_parent (actor);

  return parent == NULL || !g_hash_table_contains (names, parent);
}

/* The roots end with their trees. The others then are under way already, and are only waited for, so that each says for itself
 * how it has ended; but for those whose parents are a circle. */
static void
runner_end_all (AgentRunner *self,
                GPtrArray   *actors,
                const char  *reason)
{
  g_autoptr (GHashTable) names = g_hash_table_new (_agent_string_hash_func, g_str_equal);

  for (guint i = 0; i < actors->len; i++)
    g_hash_table_add (names, (gpointer) agent_subscriber_get_name (actors->pdata[i]));
  for (guint i = 0; i < actors->len; i++)
    {
      if (runner_is_root (actors->pdata[i], names))
        runner_end_actor (self, actors->pdata[i], reason);
    }
  for (guint i = 0; i < actors->len; i++)
    {
      if (!runner_is_root (actors->pdata[i], names))
        runner_end_actor (self, actors->pdata[i], reason);
    }
}

/* A GSourceFunc, in the runner's context. The callbacks have to come there, whether or not it is the default of this thread. */
static gboolean
runner_end_in_context (gpointer user_data)
{
  AgentRunner *self = user_data;
  g_autoptr (GPtrArray) actors = _agent_runner_copy_actors (self);
  g_autofree char *reason = NULL;

  g_mutex_lock (&self->lock);
  reason = g_strdup (self->reason);
  g_mutex_unlock (&self->lock);

  self->stuck = g_ptr_array_new_with_free_func (g_free);
  self->n_ending = 1;
  g_main_context_push_thread_default (self->context);
  runner_end_all (self, actors, reason);
  runner_end_one_less (self);
  g_main_context_pop_thread_default (self->context);
  return G_SOURCE_REMOVE;
}

/* Nothing happens if the end is under way already.
 *
 * @reason: (nullable) */
void
_agent_runner_begin_end (AgentRunner *self,
                         const char  *reason)
{
  g_autoptr (GSource) source = NULL;
  gboolean first;

  g_mutex_lock (&self->lock);
  first = !self->is_ending;
  self->is_ending = TRUE;
  if (first)
    self->reason = g_strdup (reason);
  g_mutex_unlock (&self->lock);
  if (!first)
    return;

  source = g_idle_source_new ();
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_static_name (source, "[agentbus] end");
  g_source_set_callback (source, runner_end_in_context, g_object_ref (self), g_object_unref);
  g_source_attach (source, self->context);
}

/* The end takes too long: nothing is finished any more. */
void
_agent_runner_cancel (AgentRunner *self,
                      const char  *reason)
{
  g_autoptr (GPtrArray) actors = _agent_runner_copy_actors (self);

  g_mutex_lock (&self->lock);
  self->is_cancelled = TRUE;
  g_mutex_unlock (&self->lock);

  for (guint i = 0; i < actors->len; i++)
    _agent_actor_cancel (actors->pdata[i], reason);
}

void
_agent_runner_install_signals (GType type)
{
  /**
   * AgentRunner::stuck:
   * @self: the runner
   * @name: the name of an actor
   *
   * An actor did not end within the [property@AgentBus.Bus:shutdown-timeout] of the bus, and was abandoned. Emitted in the
   * context of the runner.
   *
   * Since: 0.1
   */
  signals[STUCK] =
      g_signal_new ("stuck", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
}
