/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-patient-private.h"
#include "actor/agent-task-group-private.h"
#include "actor/agent-task-private.h"
#include "agent-bus-error.h"
#include "base/agent-clock-private.h"
#include "base/agent-utf8-private.h"

/**
 * AgentTaskGroup:
 *
 * Several tasks of an [class@AgentBus.Actor] that belong together: one request to many, or several to several.
 *
 * As soon as one of its tasks fails, or is cancelled, the group cancels all others, and
 * [method@AgentBus.TaskGroup.wait_finish] has the error of that one. With [property@AgentBus.TaskGroup:collect] all tasks go
 * on to their ends instead. [property@AgentBus.TaskGroup:timeout] is one deadline for all of them.
 *
 * Each task has a name in its group: its target. If another task of the group has that name already, it is the task name, and
 * if that is taken too, or there is none, the id of the task. Results come one by one as
 * [signal@AgentBus.TaskGroup::result], detailed by that name, and are kept: [method@AgentBus.TaskGroup.lookup].
 *
 * ```c
 * static void
 * on_request (AgentActor *worker, AgentJob *job, gpointer user_data)
 * {
 *   const char *name = agent_subscriber_get_name (AGENT_SUBSCRIBER (worker));
 *
 *   agent_job_complete (job, g_variant_new_printf ("%s agrees", name));
 * }
 *
 * static void
 * on_waited (GObject *source, GAsyncResult *result, gpointer user_data)
 * {
 *   AgentTaskGroup *group = AGENT_TASK_GROUP (source);
 *   AgentTask *task = agent_task_group_lookup (group, "bob");
 *   GVariant *response = agent_task_get_response (task);
 *
 *   g_assert_true (agent_task_group_wait_finish (group, result, NULL));
 *   // prints: bob agrees
 *   g_print ("%s\n", g_variant_get_string (response, NULL));
 * }
 *
 * g_autoptr (AgentActor) boss = agent_actor_new ("boss");
 * g_autoptr (AgentActor) alice = agent_actor_new ("alice");
 * g_autoptr (AgentActor) bob = agent_actor_new ("bob");
 * g_autoptr (AgentTaskGroup) group = agent_task_group_new (boss);
 * const char *const everybody[] = { "alice", "bob", NULL };
 *
 * g_signal_connect (alice, "task-request", G_CALLBACK (on_request), NULL);
 * g_signal_connect (bob, "task-request", G_CALLBACK (on_request), NULL);
 * agent_bus_subscribe (bus, AGENT_SUBSCRIBER (boss), &error);
 * agent_bus_subscribe (bus, AGENT_SUBSCRIBER (alice), &error);
 * agent_bus_subscribe (bus, AGENT_SUBSCRIBER (bob), &error);
 * agent_task_group_set_timeout (group, 5000);
 * agent_task_group_request_many (group, everybody, "vote", NULL);
 * agent_task_group_wait_async (group, NULL, on_waited, NULL);
 * ```
 *
 * Signals are emitted in the context of the actor. The functions may be called from any thread. The group keeps its tasks;
 * dropping the group cancels those that are open. Who waits for it keeps it. It keeps its actor, too: an actor that has a
 * group of its own in a field drops it when it has ended, see [signal@AgentBus.Actor::ended].
 *
 * ## From Python
 *
 * ```python
 * def on_request(worker, job):
 *     job.complete(GLib.Variant('s', f'{worker.get_name()} agrees'))
 *
 * def on_result(group, task):
 *     print(task.get_response().unpack())  # prints: bob agrees
 *
 * boss, bob = AgentBus.Actor.new('boss'), AgentBus.Actor.new('bob')
 * bob.connect('task-request', on_request)
 * bus.subscribe(boss)
 * bus.subscribe(bob)
 * group = AgentBus.TaskGroup.new(boss)
 * group.connect('result::bob', on_result)
 * group.request_many(['bob'], 'vote', None)
 * ```
 *
 * ## From JavaScript
 *
 * ```js
 * const [boss, bob] = [AgentBus.Actor.new('boss'), AgentBus.Actor.new('bob')];
 *
 * bob.connect('task-request', (_worker, job) => {
 *     job.complete(GLib.Variant.new_string('bob agrees'));
 * });
 * bus.subscribe(boss);
 * bus.subscribe(bob);
 *
 * const group = AgentBus.TaskGroup.new(boss);
 *
 * group.connect('result::bob', (_group, task) => {
 *     print(task.get_response().unpack()); // prints: bob agrees
 * });
 * group.request_many(['bob'], 'vote', null);
 * ```
 *
 * Since: 0.1
 */

enum
{
  PROP_0,
  PROP_ACTOR,
  PROP_COLLECT,
  PROP_TIMEOUT,
  PROP_N_OPEN,
  PROP_ERROR,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (AgentTaskGroup, agent_task_group, G_TYPE_OBJECT)

/* --- GObject --- */

static void
agent_task_group_dispose (GObject *object)
{
  _agent_task_group_cancel_open (AGENT_TASK_GROUP (object), "The group of the task was dropped");

  G_OBJECT_CLASS (agent_task_group_parent_class)->dispose (object);
}

static void
agent_task_group_finalize (GObject *object)
{
  AgentTaskGroup *self = AGENT_TASK_GROUP (object);

  _agent_task_group_clear_members (self);
  g_clear_error (&self->error);
  g_clear_object (&self->actor);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (agent_task_group_parent_class)->finalize (object);
}

static void
agent_task_group_get_property (GObject    *object,
                               guint       prop_id,
                               GValue     *value,
                               GParamSpec *pspec)
{
  AgentTaskGroup *self = AGENT_TASK_GROUP (object);

  switch (prop_id)
    {
    case PROP_ACTOR:
      g_value_set_object (value, agent_task_group_get_actor (self));
      break;
    case PROP_COLLECT:
      g_value_set_boolean (value, agent_task_group_get_collect (self));
      break;
    case PROP_TIMEOUT:
      g_value_set_uint (value, agent_task_group_get_timeout (self));
      break;
    case PROP_N_OPEN:
      g_value_set_uint (value, agent_task_group_get_n_open (self));
      break;
    case PROP_ERROR:
      g_value_set_boxed (value, agent_task_group_get_error (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
agent_task_group_set_property (GObject      *object,
                               guint         prop_id,
                               const GValue *value,
                               GParamSpec   *pspec)
{
  AgentTaskGroup *self = AGENT_TASK_GROUP (object);

  switch (prop_id)
    {
    case PROP_ACTOR:
      self->actor = g_value_dup_object (value);
      break;
    case PROP_COLLECT:
      agent_task_group_set_collect (self, g_value_get_boolean (value));
      break;
    case PROP_TIMEOUT:
      agent_task_group_set_timeout (self, g_value_get_uint (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
task_group_install_properties (GObjectClass *object_class)
{
  const GParamFlags readable = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;
  const GParamFlags writable =
      G_PARAM_READWRITE | G_PARAM_CONSTRUCT | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS;

  /**
   * AgentTaskGroup:actor: (getter get_actor)
   *
   * The actor that requests the tasks.
   *
   * Since: 0.1
   */
  props[PROP_ACTOR] = g_param_spec_object ("actor",
                                           NULL,
                                           NULL,
                                           AGENT_TYPE_ACTOR,
                                           G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS);

  /**
   * AgentTaskGroup:collect: (getter get_collect) (setter set_collect)
   *
   * %TRUE if all tasks go on when one has failed, or %FALSE if the first failure cancels all others.
   *
   * Since: 0.1
   */
  props[PROP_COLLECT] = g_param_spec_boolean ("collect", NULL, NULL, FALSE, writable);

  /**
   * AgentTaskGroup:timeout: (getter get_timeout) (setter set_timeout)
   *
   * How many milliseconds after the group was made all its tasks have failed with %AGENT_BUS_ERROR_TIMED_OUT, or 0 for never.
   *
   * May be set while tasks are open. A task that has a shorter time of its own keeps it.
   *
   * Since: 0.1
   */
  props[PROP_TIMEOUT] = g_param_spec_uint ("timeout", NULL, NULL, 0, G_MAXUINT, 0, writable);

  /**
   * AgentTaskGroup:n-open: (getter get_n_open)
   *
   * How many tasks are open: [signal@AgentBus.TaskGroup::result] has not told of them. Changes are not notified.
   *
   * Since: 0.1
   */
  props[PROP_N_OPEN] = g_param_spec_uint ("n-open", NULL, NULL, 0, G_MAXUINT, 0, readable);

  /**
   * AgentTaskGroup:error: (getter get_error)
   *
   * Why the first task that was not completed has failed, or why the group was cancelled, or %NULL. Changes are not notified.
   *
   * Since: 0.1
   */
  props[PROP_ERROR] = g_param_spec_boxed ("error", NULL, NULL, G_TYPE_ERROR, readable);

  g_object_class_install_properties (object_class, N_PROPS, props);
}

static void
agent_task_group_class_init (AgentTaskGroupClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = agent_task_group_dispose;
  object_class->finalize = agent_task_group_finalize;
  object_class->get_property = agent_task_group_get_property;
  object_class->set_property = agent_task_group_set_property;
  task_group_install_properties (object_class);
  _agent_task_group_install_signals (G_TYPE_FROM_CLASS (klass));
}

static void
agent_task_group_init (AgentTaskGroup *self)
{
  g_mutex_init (&self->lock);
  self->made_at = _agent_clock_now ();
  _agent_task_group_init_members (self);
}

/* --- Public --- */

/**
 * agent_task_group_new:
 * @actor: the actor that requests the tasks
 *
 * Makes a group without tasks.
 *
 * Returns: (transfer full): a new group
 *
 * Since: 0.1
 */
AgentTaskGroup *
agent_task_group_new (AgentActor *actor)
{
  g_return_val_if_fail (AGENT_IS_ACTOR (actor), NULL);

  return g_object_new (AGENT_TYPE_TASK_GROUP, "actor", actor, NULL);
}

/**
 * agent_task_group_get_actor: (get-property actor)
 * @self: a group
 *
 * Gets the actor that requests the tasks.
 *
 * Returns: (transfer none): an actor
 *
 * Since: 0.1
 */
AgentActor *
agent_task_group_get_actor (AgentTaskGroup *self)
{
  g_return_val_if_fail (AGENT_IS_TASK_GROUP (self), NULL);

  return self->actor;
}

/**
 * agent_task_group_get_collect: (get-property collect)
 * @self: a group
 *
 * Gets whether all tasks go on when one has failed.
 *
 * Returns: %TRUE if they do, or %FALSE if the first failure cancels all others
 *
 * Since: 0.1
 */
gboolean
agent_task_group_get_collect (AgentTaskGroup *self)
{
  gboolean collect;

  g_return_val_if_fail (AGENT_IS_TASK_GROUP (self), FALSE);

  g_mutex_lock (&self->lock);
  collect = self->collect;
  g_mutex_unlock (&self->lock);

  return collect;
}

/**
 * agent_task_group_set_collect: (set-property collect)
 * @self: a group
 * @collect: whether all tasks go on when one has failed
 *
 * Sets what a failure does. It holds for the failures after that.
 *
 * Since: 0.1
 */
void
agent_task_group_set_collect (AgentTaskGroup *self,
                              gboolean        collect)
{
  gboolean changed;

  g_return_if_fail (AGENT_IS_TASK_GROUP (self));

  collect = !!collect;
  g_mutex_lock (&self->lock);
  changed = self->collect != collect;
  self->collect = collect;
  g_mutex_unlock (&self->lock);

  if (changed)
    g_object_notify_by_pspec (G_OBJECT (self), props[PROP_COLLECT]);
}

/**
 * agent_task_group_get_timeout: (get-property timeout)
 * @self: a group
 *
 * Gets how long the tasks of the group may take.
 *
 * Returns: a time in milliseconds since the group was made, or 0 for any
 *
 * Since: 0.1
 */
guint
agent_task_group_get_timeout (AgentTaskGroup *self)
{
  guint timeout;

  g_return_val_if_fail (AGENT_IS_TASK_GROUP (self), 0);

  g_mutex_lock (&self->lock);
  timeout = self->timeout;
  g_mutex_unlock (&self->lock);

  return timeout;
}

/**
 * agent_task_group_set_timeout: (set-property timeout)
 * @self: a group
 * @timeout: a time in milliseconds since the group was made, or 0 for any
 *
 * Sets how long the tasks of the group may take: those that are open, and those that are added later.
 *
 * Since: 0.1
 */
void
agent_task_group_set_timeout (AgentTaskGroup *self,
                              guint           timeout)
{
  gboolean changed;

  g_return_if_fail (AGENT_IS_TASK_GROUP (self));

  g_mutex_lock (&self->lock);
  changed = self->timeout != timeout;
  self->timeout = timeout;
  g_mutex_unlock (&self->lock);
  if (!changed)
    return;

  _agent_task_group_limit_all (self);
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_TIMEOUT]);
}

/**
 * agent_task_group_get_n_open: (get-property n-open)
 * @self: a group
 *
 * Gets how many tasks of the group are open.
 *
 * Returns: a number of tasks
 *
 * Since: 0.1
 */
guint
agent_task_group_get_n_open (AgentTaskGroup *self)
{
  guint n_open;

  g_return_val_if_fail (AGENT_IS_TASK_GROUP (self), 0);

  g_mutex_lock (&self->lock);
  n_open = self->n_open;
  g_mutex_unlock (&self->lock);

  return n_open;
}

/**
 * agent_task_group_get_error: (get-property error)
 * @self: a group
 *
 * Gets why the first task that was not completed has failed, or why the group was cancelled.
 *
 * Returns: (transfer none) (nullable): the error, or %NULL if there is none so far
 *
 * Since: 0.1
 */
const GError *
agent_task_group_get_error (AgentTaskGroup *self)
{
  const GError *error;

  g_return_val_if_fail (AGENT_IS_TASK_GROUP (self), NULL);

  g_mutex_lock (&self->lock);
  error = self->error;
  g_mutex_unlock (&self->lock);

  return error;
}

/**
 * agent_task_group_has_failed:
 * @self: a group
 *
 * Gets whether the group has cancelled its tasks, because one of them has failed or because it was cancelled itself. It cancels
 * whatever is added then.
 *
 * With [property@AgentBus.TaskGroup:collect], failures of tasks do not have the group fail.
 *
 * Returns: whether the group has failed
 *
 * Since: 0.1
 */
gboolean
agent_task_group_has_failed (AgentTaskGroup *self)
{
  gboolean is_over;

  g_return_val_if_fail (AGENT_IS_TASK_GROUP (self), FALSE);

  g_mutex_lock (&self->lock);
  is_over = self->is_over;
  g_mutex_unlock (&self->lock);

  return is_over;
}

/* The group keeps the task. Takes @request. */
static AgentTask *
task_group_request_full (AgentTaskGroup *self,
                         AgentMessage   *request,
                         AgentJob       *job)
{
  guint own_timeout = agent_message_get_ttl (request);
  guint left = _agent_task_group_get_time_left (self);
  guint ttl = own_timeout == 0 || (left != 0 && left < own_timeout) ? left : own_timeout;
  g_autoptr (AgentTask) task = NULL;

  agent_message_set_ttl (request, ttl);
  task = agent_actor_request_full (self->actor, request, job);

  /* The time of the job may be shorter. */
  if (agent_task_get_timeout (task) != ttl)
    own_timeout = agent_task_get_timeout (task);
  _agent_task_group_take (self, task, own_timeout);
  return task;
}

static AgentTask *
task_group_request (AgentTaskGroup *self,
                    const char     *target,
                    const char     *task_name,
                    GVariant       *payload)
{
  const char *source = agent_subscriber_get_name (AGENT_SUBSCRIBER (self->actor));

  return task_group_request_full (
      self, agent_message_new_task_request (source, target, "new", task_name, payload), NULL);
}

/**
 * agent_task_group_request:
 * @self: a group
 * @target: the name of a worker, of a group, or of an actor of the [property@AgentBus.Actor:dispatcher]
 * @task_name: (nullable): what is requested, or %NULL for what the worker does by default
 * @payload: (nullable): what the worker needs for it, of any type; a floating reference is sunk
 *
 * Has the actor request something, as [method@AgentBus.Actor.request] does, and adds the task to the group.
 *
 * If the group has failed or was cancelled, the task is cancelled at once.
 *
 * Returns: (transfer none): the task, which the group keeps
 *
 * Since: 0.1
 */
AgentTask *
agent_task_group_request (AgentTaskGroup *self,
                          const char     *target,
                          const char     *task_name,
                          GVariant       *payload)
{
  g_return_val_if_fail (AGENT_IS_TASK_GROUP (self) && self->actor != NULL, NULL);
  g_return_val_if_fail (target != NULL && *target != '\0', NULL);
  g_return_val_if_fail (_agent_utf8_is_string (target), NULL);
  g_return_val_if_fail (task_name == NULL || _agent_utf8_is_string (task_name), NULL);

  return task_group_request (self, target, task_name, payload);
}

/**
 * agent_task_group_request_full:
 * @self: a group
 * @request: (transfer full): a `task-request` message that is not sent yet, with a target
 * @job: (nullable): the job of the actor in which it is requested, or %NULL
 *
 * Has the actor request something with all options of a message, as [method@AgentBus.Actor.request_full] does, and adds the task
 * to the group.
 *
 * Returns: (transfer none): the task, which the group keeps
 *
 * Since: 0.1
 */
AgentTask *
agent_task_group_request_full (AgentTaskGroup *self,
                               AgentMessage   *request,
                               AgentJob       *job)
{
  g_return_val_if_fail (AGENT_IS_TASK_GROUP (self) && self->actor != NULL, NULL);
  g_return_val_if_fail (request != NULL, NULL);
  g_return_val_if_fail (agent_message_get_message_type (request) == AGENT_MESSAGE_TYPE_TASK_REQUEST, NULL);
  g_return_val_if_fail (agent_message_get_target (request) != NULL, NULL);
  g_return_val_if_fail (job == NULL || AGENT_IS_JOB (job), NULL);

  return task_group_request_full (self, request, job);
}

/**
 * agent_task_group_request_many:
 * @self: a group
 * @targets: (array zero-terminated=1): the names of those who get the request
 * @task_name: (nullable): what is requested, or %NULL for what the workers do by default
 * @payload: (nullable): what the workers need for it, of any type; a floating reference is sunk
 *
 * Has the actor request the same of each of several, as [method@AgentBus.TaskGroup.request] does.
 *
 * Since: 0.1
 */
void
agent_task_group_request_many (AgentTaskGroup    *self,
                               const char *const *targets,
                               const char        *task_name,
                               GVariant          *payload)
{
  g_return_if_fail (AGENT_IS_TASK_GROUP (self) && self->actor != NULL);
  g_return_if_fail (targets != NULL);
  for (guint i = 0; targets[i] != NULL; i++)
    g_return_if_fail (*targets[i] != '\0' && _agent_utf8_is_string (targets[i]));
  g_return_if_fail (task_name == NULL || _agent_utf8_is_string (task_name));

  if (payload != NULL)
    g_variant_ref_sink (payload);
  for (guint i = 0; targets[i] != NULL; i++)
    task_group_request (self, targets[i], task_name, payload);
  g_clear_pointer (&payload, g_variant_unref);
}

/**
 * agent_task_group_add:
 * @self: a group
 * @task: a task of the same actor, that is not in the group
 *
 * Adds a task that was requested before, for example with [method@AgentBus.Actor.request_full].
 *
 * It may have ended. If the group has failed or was cancelled, the task is cancelled at once.
 *
 * Since: 0.1
 */
void
agent_task_group_add (AgentTaskGroup *self,
                      AgentTask      *task)
{
  g_return_if_fail (AGENT_IS_TASK_GROUP (self));
  g_return_if_fail (AGENT_IS_TASK (task));
  g_return_if_fail (_agent_task_get_actor (task) == self->actor);

  if (!_agent_task_group_take (self, task, agent_task_get_timeout (task)))
    g_critical ("Task %s is in the group already", agent_task_get_id (task));
}

/**
 * agent_task_group_list_tasks:
 * @self: a group
 *
 * Lists all tasks of the group, those that have ended and those that have not, in the order in which they were added.
 *
 * Returns: (transfer container) (element-type AgentTask): each an [class@AgentBus.Task]
 *
 * Since: 0.1
 */
GPtrArray *
agent_task_group_list_tasks (AgentTaskGroup *self)
{
  GPtrArray *tasks;

  g_return_val_if_fail (AGENT_IS_TASK_GROUP (self), NULL);

  tasks = g_ptr_array_new_with_free_func (g_object_unref);
  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->members->len; i++)
    g_ptr_array_add (tasks, g_object_ref (((AgentTaskMember *) self->members->pdata[i])->task));
  g_mutex_unlock (&self->lock);

  return tasks;
}

/**
 * agent_task_group_list_names:
 * @self: a group
 *
 * Lists the names of all tasks of the group, in the order in which they were added.
 *
 * Returns: (transfer full): a name for each task
 *
 * Since: 0.1
 */
GStrv
agent_task_group_list_names (AgentTaskGroup *self)
{
  g_autoptr (GStrvBuilder) names = NULL;

  g_return_val_if_fail (AGENT_IS_TASK_GROUP (self), NULL);

  names = g_strv_builder_new ();
  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->members->len; i++)
    g_strv_builder_add (names, ((AgentTaskMember *) self->members->pdata[i])->name);
  g_mutex_unlock (&self->lock);

  return g_strv_builder_end (names);
}

/**
 * agent_task_group_lookup:
 * @self: a group
 * @name: the name of a task in the group: its target, or else its task name or its id
 *
 * Gets the task with this name.
 *
 * Returns: (transfer none) (nullable): the task, which the group keeps, or %NULL if there is none
 *
 * Since: 0.1
 */
AgentTask *
agent_task_group_lookup (AgentTaskGroup *self,
                         const char     *name)
{
  AgentTaskMember *member;

  g_return_val_if_fail (AGENT_IS_TASK_GROUP (self), NULL);
  g_return_val_if_fail (name != NULL, NULL);

  g_mutex_lock (&self->lock);
  member = g_hash_table_lookup (self->names, name);
  g_mutex_unlock (&self->lock);

  return member != NULL ? member->task : NULL;
}

/**
 * agent_task_group_cancel:
 * @self: a group
 * @reason: (nullable): why
 *
 * Cancels all tasks of the group that are open, and those that are added after that.
 *
 * Since: 0.1
 */
void
agent_task_group_cancel (AgentTaskGroup *self,
                         const char     *reason)
{
  g_return_if_fail (AGENT_IS_TASK_GROUP (self));
  g_return_if_fail (reason == NULL || _agent_utf8_is_string (reason));

  g_mutex_lock (&self->lock);
  self->is_over = TRUE;
  if (self->error == NULL)
    self->error = g_error_new_literal (
        AGENT_BUS_ERROR, AGENT_BUS_ERROR_CANCELLED, reason != NULL ? reason : "The group was cancelled");
  g_mutex_unlock (&self->lock);

  _agent_task_group_cancel_open (self, reason);
}

/**
 * agent_task_group_wait_async:
 * @self: a group
 * @cancellable: (nullable): ends the wait, not the tasks
 * @callback: (scope async) (closure user_data): called when no task of the group is open
 * @user_data: (nullable): data for @callback
 *
 * Waits until no task of the group is open, and keeps the group as long. May be called any number of times.
 *
 * Since: 0.1
 */
void
agent_task_group_wait_async (AgentTaskGroup     *self,
                             GCancellable       *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer            user_data)
{
  GTask   *task;
  gboolean is_busy;

  g_return_if_fail (AGENT_IS_TASK_GROUP (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, agent_task_group_wait_async);

  g_mutex_lock (&self->lock);
  is_busy = self->is_busy;
  if (is_busy)
    self->waiting = g_slist_prepend (self->waiting, _agent_patient_new (g_object_ref (task)));
  g_mutex_unlock (&self->lock);

  if (!is_busy)
    _agent_task_group_return (self, task);
  g_object_unref (task);
}

/**
 * agent_task_group_wait_finish:
 * @self: a group
 * @result: the result
 * @error: where an error goes
 *
 * Gets the result of [method@AgentBus.TaskGroup.wait_async].
 *
 * With [property@AgentBus.TaskGroup:collect], tasks that have failed are no error: each has its own.
 *
 * Returns: %TRUE, or %FALSE with the error of the first task that was not completed, %AGENT_BUS_ERROR_CANCELLED if the
 *   group was cancelled before that, or %G_IO_ERROR_CANCELLED if the wait was cancelled
 *
 * Since: 0.1
 */
gboolean
agent_task_group_wait_finish (AgentTaskGroup *self,
                              GAsyncResult   *result,
                              GError        **error)
{
  g_return_val_if_fail (AGENT_IS_TASK_GROUP (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
