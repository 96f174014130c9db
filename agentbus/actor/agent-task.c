/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-patient-private.h"
#include "actor/agent-task-state-private.h"
#include "agent-bus-error.h"
#include "base/agent-utf8-private.h"
#include "bus/agent-bus.h"
#include "message/agent-message-private.h"

/**
 * AgentTask:
 *
 * A request of an [class@AgentBus.Actor], as its requester sees it.
 *
 * A task ends exactly once, whatever happens: the worker answers, fails, is not there, has no room, or leaves; the task is
 * cancelled or takes too long; its conversation goes on; or the requester itself leaves. [property@AgentBus.Task:status],
 * [property@AgentBus.Task:response] and [property@AgentBus.Task:error] say how, and
 * [signal@AgentBus.Task::finished] is the last that is heard of it. The page [Tasks](tasks.html) has a table of all ends.
 *
 * Signals are emitted in the context of the actor, never inside the function that makes or cancels the task. The actor keeps
 * the task until it has finished: who drops it cancels nothing.
 *
 * ```c
 * static void
 * on_finished (AgentTask *task, gpointer user_data)
 * {
 *   const GError *error = agent_task_get_error (task);
 *
 *   g_print ("%s\n", error->message); // prints: not so important
 * }
 *
 * g_autoptr (AgentActor) boss = agent_actor_new ("boss");
 * g_autoptr (AgentTask) task = NULL;
 *
 * agent_actor_set_wait_for_target (boss, 5000);
 * agent_bus_subscribe (bus, AGENT_SUBSCRIBER (boss), &error);
 * task = agent_actor_request (boss, "worker", "sum", NULL);
 * g_signal_connect (task, "finished", G_CALLBACK (on_finished), NULL);
 * agent_task_cancel (task, "not so important");
 * ```
 *
 * All functions may be called from any thread.
 *
 * ## From Python
 *
 * ```python
 * def on_finished(task):
 *     print(task.get_error().message)  # prints: not so important
 *
 * boss = AgentBus.Actor.new('boss')
 * boss.set_wait_for_target(5000)
 * bus.subscribe(boss)
 * task = boss.request('worker', 'sum', None)
 * task.connect('finished', on_finished)
 * task.cancel('not so important')
 * ```
 *
 * ## From JavaScript
 *
 * ```js
 * const boss = AgentBus.Actor.new('boss');
 *
 * boss.set_wait_for_target(5000);
 * bus.subscribe(boss);
 *
 * const task = boss.request('worker', 'sum', null);
 *
 * task.connect('finished', () => {
 *     print(task.get_error().message); // prints: not so important
 * });
 * task.cancel('not so important');
 * ```
 *
 * Since: 0.1
 */

enum
{
  PROP_0,
  PROP_ID,
  PROP_TARGET,
  PROP_TASK_NAME,
  PROP_STATUS,
  PROP_RESPONSE,
  PROP_ERROR,
  PROP_TIMEOUT,
  PROP_N_MISSED,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (AgentTask, agent_task, G_TYPE_OBJECT)

/* What the worker has answered: (transfer full) (nullable). */
AgentMessage *
_agent_task_dup_answer (AgentTask *self)
{
  AgentMessage *answer;

  g_mutex_lock (&self->lock);
  answer = self->answer != NULL ? agent_message_ref (self->answer) : NULL;
  g_mutex_unlock (&self->lock);

  return answer;
}

/* µs */
gint64
_agent_task_get_made_at (AgentTask *self)
{
  return self->made_at;
}

AgentActor *
_agent_task_get_actor (AgentTask *self)
{
  return self->actor;
}

/* --- GObject --- */

static void
agent_task_finalize (GObject *object)
{
  AgentTask *self = AGENT_TASK (object);

  g_clear_pointer (&self->request, agent_message_unref);
  g_clear_pointer (&self->requester.mailbox, _agent_mailbox_unref);
  g_clear_pointer (&self->answer, agent_message_unref);
  g_clear_pointer (&self->parent, _agent_work_unref);
  g_clear_pointer (&self->series, _agent_task_series_unref);
  g_clear_object (&self->dispatcher);
  g_slist_free_full (self->watches, _agent_task_free_watch);
  g_clear_error (&self->error);
  g_clear_object (&self->actor);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (agent_task_parent_class)->finalize (object);
}

static void
agent_task_get_property (GObject    *object,
                         guint       prop_id,
                         GValue     *value,
                         GParamSpec *pspec)
{
  AgentTask *self = AGENT_TASK (object);

  switch (prop_id)
    {
    case PROP_ID:
      g_value_set_string (value, agent_task_get_id (self));
      break;
    case PROP_TARGET:
      g_value_set_string (value, agent_task_get_target (self));
      break;
    case PROP_TASK_NAME:
      g_value_set_string (value, agent_task_get_task_name (self));
      break;
    case PROP_STATUS:
      g_value_set_enum (value, agent_task_get_status (self));
      break;
    case PROP_RESPONSE:
      g_value_set_variant (value, agent_task_get_response (self));
      break;
    case PROP_ERROR:
      g_value_set_boxed (value, agent_task_get_error (self));
      break;
    case PROP_TIMEOUT:
      g_value_set_uint (value, agent_task_get_timeout (self));
      break;
    case PROP_N_MISSED:
      g_value_set_uint64 (value, agent_task_get_n_missed (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
agent_task_set_property (GObject      *object,
                         guint         prop_id,
                         const GValue *value,
                         GParamSpec   *pspec)
{
  AgentTask *self = AGENT_TASK (object);

  switch (prop_id)
    {
    case PROP_TIMEOUT:
      agent_task_set_timeout (self, g_value_get_uint (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
task_install_request (GObjectClass *object_class)
{
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  /**
   * AgentTask:id: (getter get_id)
   *
   * The id, which is unlike all others: it has the form of a UUID. It never changes.
   *
   * Since: 0.1
   */
  props[PROP_ID] = g_param_spec_string ("id", NULL, NULL, NULL, flags);

  /**
   * AgentTask:target: (getter get_target)
   *
   * The name to which the request was sent: of a worker, a group, or an actor of the dispatcher. It never changes.
   *
   * Since: 0.1
   */
  props[PROP_TARGET] = g_param_spec_string ("target", NULL, NULL, NULL, flags);

  /**
   * AgentTask:task-name: (getter get_task_name)
   *
   * What is requested, or %NULL for what the worker does by default. It never changes.
   *
   * Since: 0.1
   */
  props[PROP_TASK_NAME] = g_param_spec_string ("task-name", NULL, NULL, NULL, flags);

  /**
   * AgentTask:timeout: (getter get_timeout) (setter set_timeout)
   *
   * How many milliseconds after the request the task fails with %AGENT_BUS_ERROR_TIMED_OUT, or 0 for never.
   *
   * May be set while the task runs.
   *
   * Since: 0.1
   */
  props[PROP_TIMEOUT] = g_param_spec_uint (
      "timeout", NULL, NULL, 0, G_MAXUINT, 0, G_PARAM_READWRITE | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS);
}

static void
task_install_result (GObjectClass *object_class)
{
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  /**
   * AgentTask:status: (getter get_status)
   *
   * How far the task has come.
   *
   * %AGENT_TASK_STATUS_PENDING until something is heard of the worker, then %AGENT_TASK_STATUS_RUNNING, and at the end one of
   * the three others, which never changes. Changes are notified in the context of the actor.
   *
   * Since: 0.1
   */
  props[PROP_STATUS] =
      g_param_spec_enum ("status", NULL, NULL, AGENT_TYPE_TASK_STATUS, AGENT_TASK_STATUS_PENDING, flags);

  /**
   * AgentTask:response: (getter get_response)
   *
   * What the worker has answered, or %NULL before the end, or if there is nothing. Changes are not notified, but
   * [signal@AgentBus.Task::finished] tells.
   *
   * Since: 0.1
   */
  props[PROP_RESPONSE] = g_param_spec_variant ("response", NULL, NULL, G_VARIANT_TYPE_ANY, NULL, flags);

  /**
   * AgentTask:error: (getter get_error)
   *
   * Why the task has failed or was cancelled, or %NULL. Changes are not notified, but [signal@AgentBus.Task::finished] tells.
   *
   * Since: 0.1
   */
  props[PROP_ERROR] = g_param_spec_boxed ("error", NULL, NULL, G_TYPE_ERROR, flags);

  /**
   * AgentTask:n-missed: (getter get_n_missed)
   *
   * How many chunks were lost on their way: the numbers that are missing between those that
   * [signal@AgentBus.Task::chunk] has told. Changes are not notified.
   *
   * Since: 0.1
   */
  props[PROP_N_MISSED] = g_param_spec_uint64 ("n-missed", NULL, NULL, 0, G_MAXUINT64, 0, flags);
}

static void
agent_task_class_init (AgentTaskClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->finalize = agent_task_finalize;
  object_class->get_property = agent_task_get_property;
  object_class->set_property = agent_task_set_property;

  task_install_request (object_class);
  task_install_result (object_class);
  g_object_class_install_properties (object_class, N_PROPS, props);
  _agent_task_install_signals (klass);
}

static void
agent_task_init (AgentTask *self)
{
  g_mutex_init (&self->lock);
}

/* --- Public --- */

/**
 * agent_task_get_id: (get-property id)
 * @self: a task
 *
 * Gets the id of the task.
 *
 * Returns: (transfer none): the id
 *
 * Since: 0.1
 */
const char *
agent_task_get_id (AgentTask *self)
{
  g_return_val_if_fail (AGENT_IS_TASK (self), NULL);
  g_return_val_if_fail (self->request != NULL, NULL);

  return agent_message_get_task_id (self->request);
}

/**
 * agent_task_get_target: (get-property target)
 * @self: a task
 *
 * Gets the name to which the request was sent.
 *
 * Returns: (transfer none): the name
 *
 * Since: 0.1
 */
const char *
agent_task_get_target (AgentTask *self)
{
  g_return_val_if_fail (AGENT_IS_TASK (self), NULL);
  g_return_val_if_fail (self->request != NULL, NULL);

  return agent_message_get_target (self->request);
}

/**
 * agent_task_get_task_name: (get-property task-name)
 * @self: a task
 *
 * Gets what is requested.
 *
 * Returns: (transfer none) (nullable): the name of the task, or %NULL for what the worker does by default
 *
 * Since: 0.1
 */
const char *
agent_task_get_task_name (AgentTask *self)
{
  g_return_val_if_fail (AGENT_IS_TASK (self), NULL);
  g_return_val_if_fail (self->request != NULL, NULL);

  return agent_message_get_task_name (self->request);
}

/**
 * agent_task_get_status: (get-property status)
 * @self: a task
 *
 * Gets how far the task has come.
 *
 * The end may be known here before [signal@AgentBus.Task::finished] tells it.
 *
 * Returns: the status
 *
 * Since: 0.1
 */
AgentTaskStatus
agent_task_get_status (AgentTask *self)
{
  AgentTaskStatus status;

  g_return_val_if_fail (AGENT_IS_TASK (self), AGENT_TASK_STATUS_FAILED);

  g_mutex_lock (&self->lock);
  status = self->status;
  g_mutex_unlock (&self->lock);

  return status;
}

/**
 * agent_task_has_finished:
 * @self: a task
 *
 * Gets whether the task has ended, so that its status, response and error never change any more.
 *
 * Returns: whether it has ended
 *
 * Since: 0.1
 */
gboolean
agent_task_has_finished (AgentTask *self)
{
  g_return_val_if_fail (AGENT_IS_TASK (self), TRUE);

  return _agent_task_has_ended (self);
}

/**
 * agent_task_get_response: (get-property response)
 * @self: a task
 *
 * Gets what the worker has answered.
 *
 * Returns: (transfer none) (nullable): the response, of any type, or %NULL before the end, or if there is none
 *
 * Since: 0.1
 */
GVariant *
agent_task_get_response (AgentTask *self)
{
  g_return_val_if_fail (AGENT_IS_TASK (self), NULL);

  return _agent_task_peek_response (self);
}

/**
 * agent_task_get_response_json:
 * @self: a task
 *
 * Gets what the worker has answered, as the JSON text that it has given, and converts nothing: see
 * [method@AgentBus.Job.complete_json].
 *
 * Returns: (transfer none) (nullable): the text, which lives as long as the task; or %NULL before the end, if there is no
 *   response, or if it was not given as text and only [method@AgentBus.Task.get_response] has it
 *
 * Since: 0.1
 */
const char *
agent_task_get_response_json (AgentTask *self)
{
  AgentMessage *answer;

  g_return_val_if_fail (AGENT_IS_TASK (self), NULL);

  answer = _agent_task_peek_answer (self);
  return answer != NULL ? _agent_message_get_given_json (answer) : NULL;
}

/**
 * agent_task_get_error: (get-property error)
 * @self: a task
 *
 * Gets why the task has failed or was cancelled.
 *
 * Returns: (transfer none) (nullable): the error, or %NULL before the end, or if the task is completed
 *
 * Since: 0.1
 */
const GError *
agent_task_get_error (AgentTask *self)
{
  const GError *error;

  g_return_val_if_fail (AGENT_IS_TASK (self), NULL);

  g_mutex_lock (&self->lock);
  error = self->error;
  g_mutex_unlock (&self->lock);

  return error;
}

/**
 * agent_task_get_timeout: (get-property timeout)
 * @self: a task
 *
 * Gets how long the task may take.
 *
 * Returns: a time in milliseconds from the request on, or 0 for any
 *
 * Since: 0.1
 */
guint
agent_task_get_timeout (AgentTask *self)
{
  g_return_val_if_fail (AGENT_IS_TASK (self), 0);

  return _agent_task_read_timeout (self);
}

/**
 * agent_task_set_timeout: (set-property timeout)
 * @self: a task
 * @timeout: a time in milliseconds from the request on, or 0 for any
 *
 * Sets how long the task may take. If that time is over already, the task fails soon.
 *
 * Does nothing to a task that has ended.
 *
 * Since: 0.1
 */
void
agent_task_set_timeout (AgentTask *self,
                        guint      timeout)
{
  gboolean changed;

  g_return_if_fail (AGENT_IS_TASK (self));
  g_return_if_fail (self->request != NULL);

  g_mutex_lock (&self->lock);
  changed = self->timeout != timeout && !self->ended;
  if (changed)
    self->timeout = timeout;
  g_mutex_unlock (&self->lock);
  if (!changed)
    return;

  /* The context finds out when the task is due now, whether it waits for its target, and whether it has ended meanwhile. */
  _agent_task_move_appointment (self, AGENT_AGENDA_NOW);
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_TIMEOUT]);
}

/**
 * agent_task_get_n_missed: (get-property n-missed)
 * @self: a task
 *
 * Gets how many chunks were lost on their way.
 *
 * Returns: a number of chunks
 *
 * Since: 0.1
 */
guint64
agent_task_get_n_missed (AgentTask *self)
{
  guint64 n_missed;

  g_return_val_if_fail (AGENT_IS_TASK (self), 0);

  g_mutex_lock (&self->lock);
  n_missed = self->n_missed;
  g_mutex_unlock (&self->lock);

  return n_missed;
}

/**
 * agent_task_cancel:
 * @self: a task
 * @reason: (nullable): why
 *
 * Ends the task with %AGENT_TASK_STATUS_CANCELLED, and has the worker stop.
 *
 * If the worker has not begun, it never does. If it has, its [method@AgentBus.Job.get_cancellable] is cancelled. What it
 * answers after that is not heard. Does nothing to a task that has ended.
 *
 * Since: 0.1
 */
void
agent_task_cancel (AgentTask  *self,
                   const char *reason)
{
  g_return_if_fail (AGENT_IS_TASK (self));
  g_return_if_fail (self->request != NULL);
  g_return_if_fail (reason == NULL || _agent_utf8_is_string (reason));

  _agent_task_cancel (self, reason);
}

/**
 * agent_task_request_update:
 * @self: a task
 *
 * Asks the worker how far it has come: [signal@AgentBus.Job::update-requested]. It may answer with
 * [signal@AgentBus.Task::update].
 *
 * Does nothing to a task that has ended.
 *
 * Since: 0.1
 */
void
agent_task_request_update (AgentTask *self)
{
  g_return_if_fail (AGENT_IS_TASK (self));
  g_return_if_fail (self->request != NULL);

  if (agent_task_has_finished (self))
    return;

  _agent_task_tell_worker (self,
                           agent_message_new_task_update_request (agent_subscriber_get_name (AGENT_SUBSCRIBER (self->actor)),
                                                                  agent_task_get_target (self),
                                                                  agent_task_get_id (self)));
}

/**
 * agent_task_set_reads_by_hand:
 * @self: a task
 * @by_hand: whether [method@AgentBus.Task.mark_read] says which chunks are read
 *
 * Sets when a chunk counts as read: as soon as [signal@AgentBus.Task::chunk] has been emitted, or by hand.
 *
 * A worker that calls [method@AgentBus.Job.send_chunk_async] waits while too many chunks are not read. Who keeps the chunks to
 * look at them later sets this, so that the worker is not faster than that. With %FALSE all that have come are read.
 *
 * Since: 0.1
 */
void
agent_task_set_reads_by_hand (AgentTask *self,
                              gboolean   by_hand)
{
  g_return_if_fail (AGENT_IS_TASK (self));

  g_mutex_lock (&self->lock);
  self->reads_by_hand = by_hand != FALSE;
  g_mutex_unlock (&self->lock);
  _agent_task_note_read (self, 0);
}

/**
 * agent_task_mark_read:
 * @self: a task
 * @n_chunks: how many
 *
 * Tells that so many more chunks have been read. See [method@AgentBus.Task.set_reads_by_hand].
 *
 * Since: 0.1
 */
void
agent_task_mark_read (AgentTask *self,
                      guint      n_chunks)
{
  g_return_if_fail (AGENT_IS_TASK (self));

  _agent_task_note_read (self, n_chunks);
}

/**
 * agent_task_wait_async:
 * @self: a task
 * @cancellable: (nullable): ends the wait, not the task
 * @callback: (scope async) (closure user_data): called when the task has finished
 * @user_data: (nullable): data for @callback
 *
 * Waits until the task has finished. May be called at any time, also after that, and any number of times.
 *
 * Since: 0.1
 */
void
agent_task_wait_async (AgentTask          *self,
                       GCancellable       *cancellable,
                       GAsyncReadyCallback callback,
                       gpointer            user_data)
{
  AgentPatient *patient;
  GTask        *waiting;
  gboolean      told;

  g_return_if_fail (AGENT_IS_TASK (self));
  g_return_if_fail (self->request != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  waiting = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (waiting, agent_task_wait_async);
  patient = _agent_patient_new (waiting);

  g_mutex_lock (&self->lock);
  told = self->told;
  if (!told)
    self->waiting = g_slist_prepend (self->waiting, patient);
  g_mutex_unlock (&self->lock);

  if (told)
    _agent_task_return_waiting (self, patient);
}

/**
 * agent_task_wait_finish:
 * @self: a task
 * @result: the result
 * @error: where an error goes
 *
 * Gets the result of [method@AgentBus.Task.wait_async].
 *
 * Returns: (transfer full) (nullable): what the worker has answered, of any type, which may be nothing; or %NULL with an error: that of
 *   the task ([property@AgentBus.Task:error]), or %G_IO_ERROR_CANCELLED if the wait was cancelled
 *
 * Since: 0.1
 */
GVariant *
agent_task_wait_finish (AgentTask    *self,
                        GAsyncResult *result,
                        GError      **error)
{
  g_return_val_if_fail (AGENT_IS_TASK (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
