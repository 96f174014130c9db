/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-exit-signals-private.h"
#include "actor/agent-patient-private.h"
#include "actor/agent-runner-private.h"
#include "agent-bus-error.h"
#include "base/agent-utf8-private.h"
#include "bus/agent-bus-private.h"
#include "bus/agent-subscriber-private.h"
#include "mailbox/agent-sender-private.h"

/**
 * AgentRunner:
 *
 * Hosts actors, and ends them when the program is to end.
 *
 * [method@AgentBus.Runner.run] iterates the runner's context until all its actors have ended: by themselves, by
 * [method@AgentBus.Runner.quit], or because of a signal. The first SIGINT or SIGTERM ends the actors as trees: those whose
 * parent is not hosted by the runner are ended, and their children before them, see [method@AgentBus.Actor.end_async]. The
 * second one cancels all that have not ended, and a third one does what it does without a runner. An actor that did not
 * end within the [property@AgentBus.Bus:shutdown-timeout] of the bus is reported by its name with a warning and
 * [signal@AgentBus.Runner::stuck].
 *
 * ```c
 * static void
 * on_request (AgentActor *worker, AgentJob *job, gpointer user_data)
 * {
 *   agent_job_complete (job, NULL);
 * }
 *
 * static void
 * on_finished (AgentTask *task, gpointer user_data)
 * {
 *   agent_runner_quit (user_data, 3);
 * }
 *
 * g_autoptr (AgentRunner) runner = agent_runner_new ("office");
 * g_autoptr (AgentActor) boss = agent_actor_new ("boss");
 * g_autoptr (AgentActor) worker = agent_actor_new ("worker");
 * g_autoptr (AgentTask) task = NULL;
 *
 * g_signal_connect (worker, "task-request", G_CALLBACK (on_request), NULL);
 * agent_runner_add (runner, boss, &error);
 * agent_runner_add (runner, worker, &error);
 * task = agent_actor_request (boss, "worker", "work", NULL);
 * g_signal_connect (task, "finished", G_CALLBACK (on_finished), runner);
 * g_print ("%d\n", agent_runner_run (runner)); // prints: 3
 * ```
 *
 * A program that has a main loop of its own, such as a [class@Gio.Application], does not call [method@AgentBus.Runner.run], and
 * ends the actors with [method@AgentBus.Runner.end_async].
 *
 * All functions but [method@AgentBus.Runner.run] may be called from any thread.
 *
 * ## From Python
 *
 * ```python
 * def on_request(worker, job):
 *     job.complete(None)
 *     runner.quit(3)
 *
 * runner = AgentBus.Runner.new('office')
 * boss, worker = AgentBus.Actor.new('boss'), AgentBus.Actor.new('worker')
 * worker.connect('task-request', on_request)
 * runner.add(boss)
 * runner.add(worker)
 * task = boss.request('worker', 'work', None)
 * print(runner.run())  # prints: 3
 * ```
 *
 * ## From JavaScript
 *
 * ```js
 * const runner = AgentBus.Runner.new('office');
 * const boss = AgentBus.Actor.new('boss');
 * const worker = AgentBus.Actor.new('worker');
 *
 * worker.connect('task-request', (_worker, job) => {
 *     job.complete(null);
 *     runner.quit(3);
 * });
 * runner.add(boss);
 * runner.add(worker);
 * boss.request('worker', 'work', null);
 * print(runner.run()); // prints: 3
 * ```
 *
 * Since: 0.1
 */

enum
{
  PROP_0,
  PROP_NAME,
  PROP_BUS,
  PROP_MAIN_CONTEXT,
  N_PROPS
};

static GParamSpec *props[N_PROPS];

G_DEFINE_FINAL_TYPE (AgentRunner, agent_runner, G_TYPE_OBJECT)

/* --- Its actors --- */

/* What an actor has of its runner: the runner may be dropped before. */
typedef struct
{
  GWeakRef runner;
} RunnerLink;

static void
runner_free_link (gpointer  data,
                  GClosure *closure)
{
  RunnerLink *link = data;

  g_weak_ref_clear (&link->runner);
  g_free (link);
}

/* TRUE: it was the last one, and run() returns. */
static gboolean
runner_remove (AgentRunner *self,
               AgentActor  *actor)
{
  gboolean last;

  g_mutex_lock (&self->lock);
  last = g_ptr_array_remove (self->actors, actor) && self->actors->len == 0 && self->loop != NULL;
  g_mutex_unlock (&self->lock);

  return last;
}

/* In the actor's context. */
static void
runner_on_ended (AgentActor *actor,
                 const char *reason,
                 gpointer    user_data)
{
  RunnerLink *link = user_data;
  g_autoptr (AgentRunner) self = g_weak_ref_get (&link->runner);

  g_object_ref (actor);
  if (self != NULL && runner_remove (self, actor))
    _agent_runner_begin_end (self, NULL);
  g_signal_handlers_disconnect_by_func (actor, runner_on_ended, link);
  g_object_unref (actor);
}

static gulong
runner_watch (AgentRunner *self,
              AgentActor  *actor)
{
  RunnerLink *link = g_new0 (RunnerLink, 1);

  g_weak_ref_init (&link->runner, self);
  return g_signal_connect_data (actor, "ended", G_CALLBACK (runner_on_ended), link, runner_free_link, G_CONNECT_AFTER);
}

/* FALSE: the runner ends. */
static gboolean
runner_insert (AgentRunner *self,
               AgentActor  *actor,
               GError     **error)
{
  gboolean is_ending;

  g_mutex_lock (&self->lock);
  is_ending = self->is_ending;
  if (!is_ending)
    g_ptr_array_add (self->actors, g_object_ref (actor));
  self->had_actors |= !is_ending;
  g_mutex_unlock (&self->lock);

  if (is_ending)
    g_set_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED, "Runner '%s' ends", self->name);
  return !is_ending;
}

/* --- Running --- */

/* Tells those who know actors of other programs by what their runners say. */
static void
runner_announce (AgentRunner *self)
{
  g_autoptr (GPtrArray) actors = _agent_runner_copy_actors (self);
  g_autoptr (GPtrArray) infos = g_ptr_array_new_with_free_func ((GDestroyNotify) agent_info_unref);
  AgentSender *sender = _agent_sender_get ();

  for (guint i = 0; i < actors->len; i++)
    g_ptr_array_add (infos, _agent_subscriber_dup_info (actors->pdata[i]));
  _agent_bus_announce_message (
      self->bus, agent_message_new_agent_registry (self->name, NULL, self->name, infos), sender);
  _agent_sender_collect (sender);
}

/* An AgentExitSignalFunc. */
static void
runner_on_exit_signal (const char *name,
                       guint       n,
                       gpointer    user_data)
{
  if (n == 1)
    _agent_runner_begin_end (user_data, name);
  else
    _agent_runner_cancel (user_data, name);
}

/* FALSE: all its actors have ended before. */
static gboolean
runner_begin_loop (AgentRunner *self)
{
  gboolean has_work;

  g_mutex_lock (&self->lock);
  self->loop = g_main_loop_new (self->context, FALSE);
  has_work = self->actors->len > 0 || !self->had_actors || self->is_ending;
  g_mutex_unlock (&self->lock);

  return has_work;
}

/* Returns the exit status. */
static int
runner_end_loop (AgentRunner *self)
{
  int exit_status;

  g_mutex_lock (&self->lock);
  g_clear_pointer (&self->loop, g_main_loop_unref);
  exit_status = self->exit_status;
  self->exit_status = 0;
  g_mutex_unlock (&self->lock);

  return exit_status;
}

/* --- GObject --- */

static void
agent_runner_constructed (GObject *object)
{
  AgentRunner *self = AGENT_RUNNER (object);

  G_OBJECT_CLASS (agent_runner_parent_class)->constructed (object);

  if (self->name == NULL)
    self->name = g_strdup_printf ("runner-%08x%08x", g_random_int (), g_random_int ());
  self->owns_bus = self->bus == NULL;
  if (self->owns_bus)
    self->bus = agent_bus_new ();
  if (self->context == NULL)
    self->context = g_main_context_ref_thread_default ();
}

static void
agent_runner_finalize (GObject *object)
{
  AgentRunner *self = AGENT_RUNNER (object);

  g_assert (self->loop == NULL && self->stuck == NULL);

  /* Who waits keeps the runner, so all of these were cancelled. */
  for (GSList *l = self->waits; l != NULL; l = l->next)
    {
      GTask *task = _agent_patient_end (l->data);

      g_assert (task == NULL);
    }
  g_slist_free (self->waits);

  g_clear_pointer (&self->actors, g_ptr_array_unref);
  g_clear_pointer (&self->context, g_main_context_unref);
  g_clear_pointer (&self->name, g_free);
  g_clear_pointer (&self->reason, g_free);
  g_clear_object (&self->bus);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (agent_runner_parent_class)->finalize (object);
}

static void
agent_runner_get_property (GObject    *object,
                           guint       prop_id,
                           GValue     *value,
                           GParamSpec *pspec)
{
  AgentRunner *self = AGENT_RUNNER (object);

  switch (prop_id)
    {
    case PROP_NAME:
      g_value_set_string (value, agent_runner_get_name (self));
      break;
    case PROP_BUS:
      g_value_set_object (value, agent_runner_get_bus (self));
      break;
    case PROP_MAIN_CONTEXT:
      g_value_set_boxed (value, agent_runner_get_main_context (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
agent_runner_set_property (GObject      *object,
                           guint         prop_id,
                           const GValue *value,
                           GParamSpec   *pspec)
{
  AgentRunner *self = AGENT_RUNNER (object);

  switch (prop_id)
    {
    case PROP_NAME:
      self->name = g_value_dup_string (value);
      break;
    case PROP_BUS:
      self->bus = g_value_dup_object (value);
      break;
    case PROP_MAIN_CONTEXT:
      self->context = g_value_dup_boxed (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
agent_runner_class_init (AgentRunnerClass *klass)
{
  const GParamFlags flags = G_PARAM_READWRITE | G_PARAM_CONSTRUCT_ONLY | G_PARAM_STATIC_STRINGS;
  GObjectClass     *object_class = G_OBJECT_CLASS (klass);

  object_class->constructed = agent_runner_constructed;
  object_class->finalize = agent_runner_finalize;
  object_class->get_property = agent_runner_get_property;
  object_class->set_property = agent_runner_set_property;

  /**
   * AgentRunner:name: (getter get_name)
   *
   * The name, which others know as that of the runner of its actors. One that no other runner has, if none is given.
   *
   * Since: 0.1
   */
  props[PROP_NAME] = g_param_spec_string ("name", NULL, NULL, NULL, flags);

  /**
   * AgentRunner:bus: (getter get_bus)
   *
   * The bus of its actors. If none is given, the runner makes one, and stops it when its actors have ended.
   *
   * Since: 0.1
   */
  props[PROP_BUS] = g_param_spec_object ("bus", NULL, NULL, AGENT_TYPE_BUS, flags);

  /**
   * AgentRunner:main-context: (getter get_main_context)
   *
   * The context that [method@AgentBus.Runner.run] iterates, or that the application iterates while the actors end. The default
   * of the thread that has made the runner, if none is given.
   *
   * Since: 0.1
   */
  props[PROP_MAIN_CONTEXT] = g_param_spec_boxed ("main-context", NULL, NULL, G_TYPE_MAIN_CONTEXT, flags);

  g_object_class_install_properties (object_class, N_PROPS, props);
  _agent_runner_install_signals (G_TYPE_FROM_CLASS (klass));
}

static void
agent_runner_init (AgentRunner *self)
{
  g_mutex_init (&self->lock);
  self->actors = g_ptr_array_new_with_free_func (g_object_unref);
}

/* --- Public --- */

/**
 * agent_runner_new:
 * @name: (nullable): a name, not empty, and UTF-8; or %NULL for one that no other runner has
 *
 * Makes a runner with a bus of its own, in the calling thread's default context.
 *
 * Returns: (transfer full): a new runner
 *
 * Since: 0.1
 */
AgentRunner *
agent_runner_new (const char *name)
{
  g_return_val_if_fail (name == NULL || (*name != '\0' && _agent_utf8_is_string (name)), NULL);

  return g_object_new (AGENT_TYPE_RUNNER, "name", name, NULL);
}

/**
 * agent_runner_get_name: (get-property name)
 * @self: a runner
 *
 * Gets the name of the runner.
 *
 * Returns: (transfer none): the name
 *
 * Since: 0.1
 */
const char *
agent_runner_get_name (AgentRunner *self)
{
  g_return_val_if_fail (AGENT_IS_RUNNER (self), NULL);

  return self->name;
}

/**
 * agent_runner_get_bus: (get-property bus)
 * @self: a runner
 *
 * Gets the bus of the actors.
 *
 * Returns: (transfer none): the bus
 *
 * Since: 0.1
 */
AgentBus *
agent_runner_get_bus (AgentRunner *self)
{
  g_return_val_if_fail (AGENT_IS_RUNNER (self), NULL);

  return self->bus;
}

/**
 * agent_runner_get_main_context: (get-property main-context)
 * @self: a runner
 *
 * Gets the context of the runner.
 *
 * Returns: (transfer none): the context
 *
 * Since: 0.1
 */
GMainContext *
agent_runner_get_main_context (AgentRunner *self)
{
  g_return_val_if_fail (AGENT_IS_RUNNER (self), NULL);

  return self->context;
}

/**
 * agent_runner_add:
 * @self: a runner
 * @actor: an actor that is on no bus
 * @error: where an error goes
 *
 * Subscribes an actor to the bus, and hosts it until it has left. Its [property@AgentBus.Actor:runner] is the name of the runner
 * then.
 *
 * Fails as [method@AgentBus.Bus.subscribe] does, and with %AGENT_BUS_ERROR_CLOSED while the runner ends its actors.
 *
 * Returns: whether the actor is hosted
 *
 * Since: 0.1
 */
gboolean
agent_runner_add (AgentRunner *self,
                  AgentActor  *actor,
                  GError     **error)
{
  g_autofree char *runner = NULL;
  gulong           handler;

  g_return_val_if_fail (AGENT_IS_RUNNER (self), FALSE);
  g_return_val_if_fail (AGENT_IS_ACTOR (actor), FALSE);

  if (!runner_insert (self, actor, error))
    return FALSE;

  handler = runner_watch (self, actor);
  runner = agent_actor_dup_runner (actor);
  _agent_actor_set_runner (actor, self->name);
  if (agent_bus_subscribe (self->bus, AGENT_SUBSCRIBER (actor), error))
    return TRUE;

  /* It may be on a bus already, and hosted by a runner, as which it stays known. */
  _agent_actor_set_runner (actor, runner);
  g_signal_handler_disconnect (actor, handler);
  runner_remove (self, actor);
  return FALSE;
}

/**
 * agent_runner_list_actors:
 * @self: a runner
 *
 * Lists the actors that the runner hosts: those that have not left.
 *
 * Returns: (transfer container) (element-type AgentActor): each an [class@AgentBus.Actor], in the order in which they were added
 *
 * Since: 0.1
 */
GPtrArray *
agent_runner_list_actors (AgentRunner *self)
{
  g_return_val_if_fail (AGENT_IS_RUNNER (self), NULL);

  return _agent_runner_copy_actors (self);
}

/**
 * agent_runner_run:
 * @self: a runner
 *
 * Iterates the runner's context until its actors have ended.
 *
 * SIGINT and SIGTERM are handled meanwhile, but for those that the program ignores. At the start, an `agent-registry` message
 * lists the actors for those who take that.
 *
 * Call it in the thread to which the context belongs, and not inside of itself.
 *
 * Returns: what [method@AgentBus.Runner.quit] was given; if that is 0 or was not called, 1 if an actor did not end in time or
 *   was cancelled by a second signal, and 0 if not
 *
 * Since: 0.1
 */
int
agent_runner_run (AgentRunner *self)
{
  int exit_status;

  g_return_val_if_fail (AGENT_IS_RUNNER (self), 1);
  g_return_val_if_fail (self->loop == NULL, 1);
  g_return_val_if_fail (g_main_context_acquire (self->context), 1);

  g_object_ref (self);
  g_main_context_push_thread_default (self->context);
  if (runner_begin_loop (self))
    {
      AgentExitSignals *signals = _agent_exit_signals_new (self->context, runner_on_exit_signal, self);

      runner_announce (self);
      g_main_loop_run (self->loop);
      _agent_exit_signals_free (signals);
    }
  g_main_context_pop_thread_default (self->context);
  g_main_context_release (self->context);
  exit_status = runner_end_loop (self);
  g_object_unref (self);

  return exit_status;
}

/**
 * agent_runner_quit:
 * @self: a runner
 * @exit_status: what [method@AgentBus.Runner.run] is to return
 *
 * Ends all actors, as the first signal does; then [method@AgentBus.Runner.run] returns.
 *
 * Since: 0.1
 */
void
agent_runner_quit (AgentRunner *self,
                   int          exit_status)
{
  g_return_if_fail (AGENT_IS_RUNNER (self));

  g_mutex_lock (&self->lock);
  self->exit_status = exit_status;
  g_mutex_unlock (&self->lock);

  _agent_runner_begin_end (self, NULL);
}

/**
 * agent_runner_end_async:
 * @self: a runner
 * @reason: (nullable): why, for [signal@AgentBus.Actor::ended]
 * @cancellable: (nullable): ends the operation; the actors end all the same
 * @callback: (scope async) (nullable) (closure user_data): called when all actors have ended
 * @user_data: (nullable): data for @callback
 *
 * Ends all actors, as the first signal does, for a program that has its own main loop.
 *
 * If the runner has made its bus, that is stopped then. The [property@AgentBus.Runner:main-context] has to be iterated.
 *
 * Since: 0.1
 */
void
agent_runner_end_async (AgentRunner        *self,
                        const char         *reason,
                        GCancellable       *cancellable,
                        GAsyncReadyCallback callback,
                        gpointer            user_data)
{
  GTask *task;

  g_return_if_fail (AGENT_IS_RUNNER (self));
  g_return_if_fail (reason == NULL || _agent_utf8_is_string (reason));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, agent_runner_end_async);

  g_mutex_lock (&self->lock);
  self->waits = g_slist_prepend (self->waits, _agent_patient_new (task));
  g_mutex_unlock (&self->lock);

  _agent_runner_begin_end (self, reason);
}

/**
 * agent_runner_end_finish:
 * @self: a runner
 * @result: the result
 * @error: where an error goes
 *
 * Gets the result of [method@AgentBus.Runner.end_async].
 *
 * Returns: %TRUE if all have ended in time, or %FALSE with %AGENT_BUS_ERROR_TIMED_OUT, whose message has the names of those
 *   that have not, or %G_IO_ERROR_CANCELLED
 *
 * Since: 0.1
 */
gboolean
agent_runner_end_finish (AgentRunner  *self,
                         GAsyncResult *result,
                         GError      **error)
{
  g_return_val_if_fail (AGENT_IS_RUNNER (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
