/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-actor-private.h"
#include "actor/agent-task-ledger-private.h"
#include "actor/agent-actor-signals-private.h"
#include "actor/agent-job-private.h"
#include "base/agent-utf8-private.h"

/**
 * AgentActor:
 *
 * A subscriber with a life, that does tasks and has others do tasks.
 *
 * A subscriber handles messages. An actor also keeps the rules of the messages that belong together:
 *
 * - It announces itself when it is subscribed, is activated and deactivated, and ends with its children first.
 * - Who requests something of it gets exactly one answer, whatever happens: see [signal@AgentBus.Actor::task-request] and
 *   [class@AgentBus.Job].
 * - What it requests of others ends exactly once: see [method@AgentBus.Actor.request] and [class@AgentBus.Task].
 *
 * The messages `activate`, `deactivate`, `end`, `cancel`, `task-cancel`, `task-update-request` and `task-request`, and the
 * answers to its own requests, are for these rules and never come to [signal@AgentBus.Subscriber::message]. The rules are
 * served also while a handler has deferred its message, so a handler may wait for the answer to a request.
 *
 * ```c
 * static void
 * on_request (AgentActor *worker,
 *             AgentJob   *job,
 *             gpointer    user_data)
 * {
 *   agent_job_complete (job, g_variant_new_string ("done"));
 * }
 *
 * static void
 * on_finished (AgentTask *task,
 *              gpointer   user_data)
 * {
 *   GVariant *response = agent_task_get_response (task);
 *
 *   g_print ("%s\n", g_variant_get_string (response, NULL)); // prints: done
 * }
 *
 * g_autoptr (AgentActor) boss = agent_actor_new ("boss");
 * g_autoptr (AgentActor) worker = agent_actor_new ("worker");
 * g_autoptr (AgentTask) task = NULL;
 *
 * g_signal_connect (worker, "task-request", G_CALLBACK (on_request), NULL);
 * agent_bus_subscribe (bus, AGENT_SUBSCRIBER (boss), &error);
 * agent_bus_subscribe (bus, AGENT_SUBSCRIBER (worker), &error);
 * task = agent_actor_request (boss, "worker", "work", NULL);
 * g_signal_connect (task, "finished", G_CALLBACK (on_finished), NULL);
 * ```
 *
 * Signals are emitted in the actor's [property@AgentBus.Subscriber:main-context]. The functions may be called from any thread.
 *
 * ## From Python
 *
 * ```python
 * def on_request(worker, job):
 *     job.complete(GLib.Variant('s', 'done'))
 *
 * def on_finished(task):
 *     print(task.get_response().unpack())  # prints: done
 *
 * boss, worker = AgentBus.Actor.new('boss'), AgentBus.Actor.new('worker')
 * worker.connect('task-request', on_request)
 * bus.subscribe(boss)
 * bus.subscribe(worker)
 * boss.request('worker', 'work', None).connect('finished', on_finished)
 * ```
 *
 * With the [overrides](overrides.html) this is `await boss.request('worker', 'work')`.
 *
 * ## From JavaScript
 *
 * ```js
 * const boss = AgentBus.Actor.new('boss');
 * const worker = AgentBus.Actor.new('worker');
 *
 * worker.connect('task-request', (_worker, job) => {
 *     job.complete(GLib.Variant.new_string('done'));
 * });
 * bus.subscribe(boss);
 * bus.subscribe(worker);
 * boss.request('worker', 'work', null).connect('finished', task => {
 *     print(task.get_response().unpack()); // prints: done
 * });
 * ```
 *
 * Since: 0.1
 */

#define DEFAULT_MAX_JOBS 1
#define DEFAULT_MAX_PENDING 4096

enum
{
  PROP_0,
  PROP_PARENT,
  PROP_RUNNER,
  PROP_ACTIVE,
  PROP_BRIDGED,
  PROP_STATE,
  PROP_KEEP_FRAMES,
  PROP_MAX_JOBS,
  PROP_MAX_PENDING,
  PROP_WAIT_FOR_TARGET,
  PROP_DISPATCHER,
  PROP_N_JOBS,
  PROP_N_TASKS,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

typedef AgentActorCore AgentActorPrivate;

G_DEFINE_TYPE_WITH_PRIVATE (AgentActor, agent_actor, AGENT_TYPE_SUBSCRIBER)

/* --- GObject --- */

static void
agent_actor_constructed (GObject *object)
{
  AgentActor     *self = AGENT_ACTOR (object);
  AgentActorCore *core = _agent_actor_get_core (self);

  G_OBJECT_CLASS (agent_actor_parent_class)->constructed (object);

  core->agenda = _agent_agenda_get (agent_subscriber_get_main_context (AGENT_SUBSCRIBER (self)));
  core->started_at = g_get_real_time ();
  if (agent_subscriber_get_name (AGENT_SUBSCRIBER (self)) != NULL)
    _agent_actor_announce (self);
}

static void
agent_actor_finalize (GObject *object)
{
  AgentActorCore *core = _agent_actor_get_core (AGENT_ACTOR (object));

  g_assert (core->jobs.length == 0 && core->pending.length == 0 && core->tasks.length == 0);

  _agent_agenda_put (core->agenda);
  g_clear_object (&core->dispatcher);
  g_clear_pointer (&core->ledger, _agent_task_ledger_unref);
  g_clear_pointer (&core->series, _agent_task_series_unref);
  g_clear_pointer (&core->closing, _agent_mailbox_unref);
  g_clear_pointer (&core->gone, _agent_mailbox_unref);
  g_clear_pointer (&core->closed_jobs, _agent_mailbox_unref);
  g_clear_pointer (&core->closed_tasks, _agent_mailbox_unref);
  g_clear_pointer (&core->to_trip, g_ptr_array_unref);
  g_clear_pointer (&core->parent, g_free);
  g_clear_pointer (&core->runner, g_free);
  g_clear_pointer (&core->reason, g_free);
  g_mutex_clear (&core->lock);

  G_OBJECT_CLASS (agent_actor_parent_class)->finalize (object);
}

static void
agent_actor_get_property (GObject    *object,
                          guint       prop_id,
                          GValue     *value,
                          GParamSpec *pspec)
{
  AgentActor *self = AGENT_ACTOR (object);

  switch (prop_id)
    {
    case PROP_PARENT:
      g_value_set_string (value, agent_actor_get_parent (self));
      break;
    case PROP_RUNNER:
      g_value_take_string (value, agent_actor_dup_runner (self));
      break;
    case PROP_ACTIVE:
      g_value_set_boolean (value, agent_actor_is_active (self));
      break;
    case PROP_BRIDGED:
      g_value_set_boolean (value, agent_actor_is_bridged (self));
      break;
    case PROP_STATE:
      g_value_set_enum (value, agent_actor_get_state (self));
      break;
    case PROP_KEEP_FRAMES:
      g_value_set_boolean (value, agent_actor_get_keep_frames (self));
      break;
    case PROP_MAX_JOBS:
      g_value_set_uint (value, agent_actor_get_max_jobs (self));
      break;
    case PROP_MAX_PENDING:
      g_value_set_uint (value, agent_actor_get_max_pending (self));
      break;
    case PROP_WAIT_FOR_TARGET:
      g_value_set_uint (value, agent_actor_get_wait_for_target (self));
      break;
    case PROP_DISPATCHER:
      g_value_take_object (value, agent_actor_dup_dispatcher (self));
      break;
    case PROP_N_JOBS:
      g_value_set_uint (value, agent_actor_get_n_jobs (self));
      break;
    case PROP_N_TASKS:
      g_value_set_uint (value, agent_actor_get_n_tasks (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
agent_actor_set_property (GObject      *object,
                          guint         prop_id,
                          const GValue *value,
                          GParamSpec   *pspec)
{
  AgentActor     *self = AGENT_ACTOR (object);
  AgentActorCore *core = _agent_actor_get_core (self);

  switch (prop_id)
    {
    case PROP_PARENT:
      core->parent = g_value_dup_string (value);
      break;
    case PROP_RUNNER:
      core->runner = g_value_dup_string (value);
      break;
    case PROP_ACTIVE:
      core->active = g_value_get_boolean (value);
      break;
    case PROP_BRIDGED:
      core->bridged = g_value_get_boolean (value);
      break;
    case PROP_KEEP_FRAMES:
      core->keep_frames = g_value_get_boolean (value);
      break;
    case PROP_MAX_JOBS:
      agent_actor_set_max_jobs (self, g_value_get_uint (value));
      break;
    case PROP_MAX_PENDING:
      agent_actor_set_max_pending (self, g_value_get_uint (value));
      break;
    case PROP_WAIT_FOR_TARGET:
      agent_actor_set_wait_for_target (self, g_value_get_uint (value));
      break;
    case PROP_DISPATCHER:
      agent_actor_set_dispatcher (self, g_value_get_object (value));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
actor_install_life (GObjectClass *object_class)
{
  const GParamFlags constant = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;

  /**
   * AgentActor:parent: (getter get_parent)
   *
   * The name of the actor that this one belongs to, or %NULL. When the parent ends, its children end first.
   *
   * Since: 0.1
   */
  props[PROP_PARENT] = g_param_spec_string ("parent", NULL, NULL, NULL, constant);

  /**
   * AgentActor:runner: (getter dup_runner)
   *
   * The name of the runner that hosts the actor, or %NULL.
   *
   * Since: 0.1
   */
  props[PROP_RUNNER] = g_param_spec_string ("runner", NULL, NULL, NULL, constant);

  /**
   * AgentActor:active: (getter is_active)
   *
   * Whether the actor takes part: an actor that does not gets no frames.
   *
   * It is changed by the messages `activate` and `deactivate`. Given at construction, it says how the actor begins. Changes
   * are notified in the actor's context.
   *
   * Since: 0.1
   */
  props[PROP_ACTIVE] = g_param_spec_boolean ("active", NULL, NULL, TRUE, constant);

  /**
   * AgentActor:bridged: (getter is_bridged)
   *
   * Whether the actor forwards the frames of a pipeline. The library only announces it to others.
   *
   * Since: 0.1
   */
  props[PROP_BRIDGED] = g_param_spec_boolean ("bridged", NULL, NULL, FALSE, constant);

  /**
   * AgentActor:keep-frames: (getter get_keep_frames)
   *
   * What becomes of frames that come while the actor is not active: %FALSE if they are dropped, with the reason
   * %AGENT_DROP_REASON_INACTIVE, or %TRUE if everything but the actor's control waits in its channel until it is active.
   *
   * Since: 0.1
   */
  props[PROP_KEEP_FRAMES] = g_param_spec_boolean ("keep-frames", NULL, NULL, FALSE, constant);

  /**
   * AgentActor:state: (getter get_state)
   *
   * How far the life of the actor has come. Changes are notified in the actor's context.
   *
   * Since: 0.1
   */
  props[PROP_STATE] = g_param_spec_enum ("state",
                                         NULL,
                                         NULL,
                                         AGENT_TYPE_ACTOR_STATE,
                                         AGENT_ACTOR_STATE_NEW,
                                         G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
}

static void
actor_install_work (GObjectClass *object_class)
{
  const GParamFlags flags =
      G_PARAM_READWRITE | G_PARAM_CONSTRUCT | G_PARAM_EXPLICIT_NOTIFY | G_PARAM_STATIC_STRINGS;

  /**
   * AgentActor:max-jobs: (getter get_max_jobs) (setter set_max_jobs)
   *
   * How many jobs the actor works on at a time, or 0 for any number.
   *
   * Since: 0.1
   */
  props[PROP_MAX_JOBS] = g_param_spec_uint ("max-jobs", NULL, NULL, 0, G_MAXUINT, DEFAULT_MAX_JOBS, flags);

  /**
   * AgentActor:max-pending: (getter get_max_pending) (setter set_max_pending)
   *
   * How many requests wait for a job to end, and how many of the actor's own tasks wait for their target. More than that fail
   * with %AGENT_BUS_ERROR_FULL at once.
   *
   * Since: 0.1
   */
  props[PROP_MAX_PENDING] = g_param_spec_uint ("max-pending", NULL, NULL, 0, G_MAXUINT, DEFAULT_MAX_PENDING, flags);

  /**
   * AgentActor:wait-for-target: (getter get_wait_for_target) (setter set_wait_for_target)
   *
   * How many milliseconds a request waits for somebody who is not there yet; 0 to fail with %AGENT_BUS_ERROR_NOT_FOUND at
   * once.
   *
   * Since: 0.1
   */
  props[PROP_WAIT_FOR_TARGET] = g_param_spec_uint ("wait-for-target", NULL, NULL, 0, G_MAXUINT, 0, flags);

  /**
   * AgentActor:dispatcher: (getter dup_dispatcher) (setter set_dispatcher)
   *
   * The dispatcher that gets the requests whose target is neither a subscriber nor a group of the bus, or %NULL.
   *
   * Since: 0.1
   */
  props[PROP_DISPATCHER] = g_param_spec_object ("dispatcher", NULL, NULL, AGENT_TYPE_ROUTER_DISPATCHER, flags);

  /**
   * AgentActor:n-jobs: (getter get_n_jobs)
   *
   * How many jobs the actor works on. Changes are not notified.
   *
   * Since: 0.1
   */
  props[PROP_N_JOBS] =
      g_param_spec_uint ("n-jobs", NULL, NULL, 0, G_MAXUINT, 0, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);

  /**
   * AgentActor:n-tasks: (getter get_n_tasks)
   *
   * How many tasks of the actor are open. Changes are not notified.
   *
   * Since: 0.1
   */
  props[PROP_N_TASKS] =
      g_param_spec_uint ("n-tasks", NULL, NULL, 0, G_MAXUINT, 0, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS);
}

static void
agent_actor_class_init (AgentActorClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  _agent_actor_core_offset = g_type_class_get_instance_private_offset (klass);

  object_class->constructed = agent_actor_constructed;
  object_class->finalize = agent_actor_finalize;
  object_class->get_property = agent_actor_get_property;
  object_class->set_property = agent_actor_set_property;

  _agent_task_ledger_add_metrics ();

  actor_install_life (object_class);
  actor_install_work (object_class);
  g_object_class_install_properties (object_class, N_PROPS, props);
  _agent_actor_install_signals (klass);
}

static void
agent_actor_init (AgentActor *self)
{
  AgentActorCore *core = _agent_actor_get_core (self);

  g_mutex_init (&core->lock);
  g_queue_init (&core->jobs);
  g_queue_init (&core->pending);
  g_queue_init (&core->tasks);
  core->state = AGENT_ACTOR_STATE_NEW;
  core->do_chores = _agent_actor_do_chores;
  _agent_actor_set_rules (self);
}

/* --- Public --- */

/**
 * agent_actor_new:
 * @name: a name that no other subscriber of the same bus has; not empty, and UTF-8
 *
 * Makes an actor that lives in the calling thread's default context.
 *
 * Returns: (transfer full): a new actor
 *
 * Since: 0.1
 */
AgentActor *
agent_actor_new (const char *name)
{
  g_return_val_if_fail (name != NULL && *name != '\0', NULL);
  g_return_val_if_fail (_agent_utf8_is_string (name), NULL);

  return g_object_new (AGENT_TYPE_ACTOR, "name", name, NULL);
}

/**
 * agent_actor_get_parent: (get-property parent)
 * @self: an actor
 *
 * Gets the name of the actor that this one belongs to.
 *
 * Returns: (transfer none) (nullable): a name, or %NULL
 *
 * Since: 0.1
 */
const char *
agent_actor_get_parent (AgentActor *self)
{
  g_return_val_if_fail (AGENT_IS_ACTOR (self), NULL);

  return _agent_actor_get_core (self)->parent;
}

/**
 * agent_actor_dup_runner: (get-property runner)
 * @self: an actor
 *
 * Gets the name of the runner that hosts the actor.
 *
 * Returns: (transfer full) (nullable): a name, or %NULL
 *
 * Since: 0.1
 */
char *
agent_actor_dup_runner (AgentActor *self)
{
  AgentActorCore *core;
  char           *runner;

  g_return_val_if_fail (AGENT_IS_ACTOR (self), NULL);

  core = _agent_actor_get_core (self);
  g_mutex_lock (&core->lock);
  runner = g_strdup (core->runner);
  g_mutex_unlock (&core->lock);

  return runner;
}

/* @runner: (nullable) */
void
_agent_actor_set_runner (AgentActor *self,
                         const char *runner)
{
  AgentActorCore  *core = _agent_actor_get_core (self);
  g_autofree char *before = NULL;

  g_mutex_lock (&core->lock);
  before = core->runner;
  core->runner = g_strdup (runner);
  g_mutex_unlock (&core->lock);

  _agent_actor_announce (self);
  if (g_strcmp0 (before, runner) != 0)
    g_object_notify_by_pspec (G_OBJECT (self), props[PROP_RUNNER]);
}

/**
 * agent_actor_is_active: (get-property active)
 * @self: an actor
 *
 * Gets whether the actor takes part.
 *
 * Returns: whether it gets frames
 *
 * Since: 0.1
 */
gboolean
agent_actor_is_active (AgentActor *self)
{
  g_return_val_if_fail (AGENT_IS_ACTOR (self), FALSE);

  return _agent_actor_takes_part (self);
}

/**
 * agent_actor_is_bridged: (get-property bridged)
 * @self: an actor
 *
 * Gets whether the actor forwards the frames of a pipeline.
 *
 * Returns: whether it says that it does
 *
 * Since: 0.1
 */
gboolean
agent_actor_is_bridged (AgentActor *self)
{
  g_return_val_if_fail (AGENT_IS_ACTOR (self), FALSE);

  return _agent_actor_get_core (self)->bridged;
}

/**
 * agent_actor_get_keep_frames: (get-property keep-frames)
 * @self: an actor
 *
 * Gets what becomes of frames that come while the actor is not active.
 *
 * Returns: whether they wait until it is
 *
 * Since: 0.1
 */
gboolean
agent_actor_get_keep_frames (AgentActor *self)
{
  g_return_val_if_fail (AGENT_IS_ACTOR (self), FALSE);

  return _agent_actor_get_core (self)->keep_frames;
}

/**
 * agent_actor_get_state: (get-property state)
 * @self: an actor
 *
 * Gets how far the life of the actor has come.
 *
 * Returns: the state
 *
 * Since: 0.1
 */
AgentActorState
agent_actor_get_state (AgentActor *self)
{
  g_return_val_if_fail (AGENT_IS_ACTOR (self), AGENT_ACTOR_STATE_ENDED);

  return _agent_actor_read_flag (self, &_agent_actor_get_core (self)->state);
}

static void
actor_set_uint (AgentActor *self,
                guint      *field,
                guint       value,
                guint       prop_id)
{
  AgentActorCore *core = _agent_actor_get_core (self);
  gboolean        changed;

  g_mutex_lock (&core->lock);
  changed = *field != value;
  *field = value;
  g_mutex_unlock (&core->lock);

  if (changed)
    g_object_notify_by_pspec (G_OBJECT (self), props[prop_id]);
}

/**
 * agent_actor_get_max_jobs: (get-property max-jobs)
 * @self: an actor
 *
 * Gets how many jobs the actor works on at a time.
 *
 * Returns: a number of jobs, or 0 for any number
 *
 * Since: 0.1
 */
guint
agent_actor_get_max_jobs (AgentActor *self)
{
  g_return_val_if_fail (AGENT_IS_ACTOR (self), 0);

  return _agent_actor_read (self, &_agent_actor_get_core (self)->max_jobs);
}

/**
 * agent_actor_set_max_jobs: (set-property max-jobs)
 * @self: an actor
 * @max_jobs: a number of jobs, or 0 for any number
 *
 * Sets how many jobs the actor works on at a time. Jobs that are under way go on.
 *
 * Since: 0.1
 */
void
agent_actor_set_max_jobs (AgentActor *self,
                          guint       max_jobs)
{
  AgentActorCore *core;

  g_return_if_fail (AGENT_IS_ACTOR (self));

  core = _agent_actor_get_core (self);
  actor_set_uint (self, &core->max_jobs, max_jobs, PROP_MAX_JOBS);
  if (core->agenda != NULL)
    _agent_actor_add_chore (self, AGENT_CHORE_JOBS);
}

/**
 * agent_actor_get_max_pending: (get-property max-pending)
 * @self: an actor
 *
 * Gets how many requests wait for a job to end.
 *
 * Returns: a number of requests
 *
 * Since: 0.1
 */
guint
agent_actor_get_max_pending (AgentActor *self)
{
  g_return_val_if_fail (AGENT_IS_ACTOR (self), 0);

  return _agent_actor_read (self, &_agent_actor_get_core (self)->max_pending);
}

/**
 * agent_actor_set_max_pending: (set-property max-pending)
 * @self: an actor
 * @max_pending: a number of requests
 *
 * Sets how many requests wait for a job to end. Those that wait already stay.
 *
 * Since: 0.1
 */
void
agent_actor_set_max_pending (AgentActor *self,
                             guint       max_pending)
{
  g_return_if_fail (AGENT_IS_ACTOR (self));

  actor_set_uint (self, &_agent_actor_get_core (self)->max_pending, max_pending, PROP_MAX_PENDING);
}

/**
 * agent_actor_get_wait_for_target: (get-property wait-for-target)
 * @self: an actor
 *
 * Gets how long a request waits for somebody who is not there yet.
 *
 * Returns: a time in milliseconds
 *
 * Since: 0.1
 */
guint
agent_actor_get_wait_for_target (AgentActor *self)
{
  g_return_val_if_fail (AGENT_IS_ACTOR (self), 0);

  return _agent_actor_read (self, &_agent_actor_get_core (self)->wait_for_target);
}

/**
 * agent_actor_set_wait_for_target: (set-property wait-for-target)
 * @self: an actor
 * @wait_for_target: a time in milliseconds, or 0 to wait for nobody
 *
 * Sets how long a request waits for somebody who is not there yet. It holds for requests that are made after that.
 *
 * Since: 0.1
 */
void
agent_actor_set_wait_for_target (AgentActor *self,
                                 guint       wait_for_target)
{
  g_return_if_fail (AGENT_IS_ACTOR (self));

  actor_set_uint (self, &_agent_actor_get_core (self)->wait_for_target, wait_for_target, PROP_WAIT_FOR_TARGET);
}

/**
 * agent_actor_dup_dispatcher: (get-property dispatcher)
 * @self: an actor
 *
 * Gets the dispatcher that gets the requests whose target is not on the bus.
 *
 * Returns: (transfer full) (nullable): a dispatcher, or %NULL
 *
 * Since: 0.1
 */
AgentRouterDispatcher *
agent_actor_dup_dispatcher (AgentActor *self)
{
  g_return_val_if_fail (AGENT_IS_ACTOR (self), NULL);

  return _agent_actor_ref_dispatcher (self);
}

/**
 * agent_actor_set_dispatcher: (set-property dispatcher)
 * @self: an actor
 * @dispatcher: (nullable): a dispatcher, or %NULL
 *
 * Sets the dispatcher that gets the requests whose target is not on the bus.
 *
 * Since: 0.1
 */
void
agent_actor_set_dispatcher (AgentActor            *self,
                            AgentRouterDispatcher *dispatcher)
{
  AgentActorCore *core;
  gpointer        old;

  g_return_if_fail (AGENT_IS_ACTOR (self));
  g_return_if_fail (dispatcher == NULL || AGENT_IS_ROUTER_DISPATCHER (dispatcher));

  core = _agent_actor_get_core (self);
  if (dispatcher != NULL)
    g_object_ref (dispatcher);
  g_mutex_lock (&core->lock);
  old = core->dispatcher;
  core->dispatcher = dispatcher;
  g_mutex_unlock (&core->lock);

  if (old != (gpointer) dispatcher)
    g_object_notify_by_pspec (G_OBJECT (self), props[PROP_DISPATCHER]);
  g_clear_object (&old);
}

/**
 * agent_actor_get_n_jobs: (get-property n-jobs)
 * @self: an actor
 *
 * Gets how many jobs the actor works on.
 *
 * Returns: a number of jobs that are not answered
 *
 * Since: 0.1
 */
guint
agent_actor_get_n_jobs (AgentActor *self)
{
  g_return_val_if_fail (AGENT_IS_ACTOR (self), 0);

  return _agent_actor_read (self, &_agent_actor_get_core (self)->jobs.length);
}

/**
 * agent_actor_get_n_tasks: (get-property n-tasks)
 * @self: an actor
 *
 * Gets how many tasks of the actor are open.
 *
 * Returns: a number of tasks that have not ended
 *
 * Since: 0.1
 */
guint
agent_actor_get_n_tasks (AgentActor *self)
{
  g_return_val_if_fail (AGENT_IS_ACTOR (self), 0);

  return _agent_actor_read (self, &_agent_actor_get_core (self)->tasks.length);
}
