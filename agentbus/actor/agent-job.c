/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-job-private.h"
#include "actor/agent-work-private.h"
#include "agent-bus-error.h"
#include "base/agent-clock-private.h"
#include "base/agent-utf8-private.h"

/**
 * AgentJob:
 *
 * A request that an [class@AgentBus.Actor] works on.
 *
 * A handler of [signal@AgentBus.Actor::task-request] gets it, and answers with [method@AgentBus.Job.complete] or
 * [method@AgentBus.Job.fail], before it returns or at any time after that. A handler that goes on after it has returned keeps
 * a reference. A job that is dropped without an answer fails. So every request gets exactly one answer.
 *
 * ```c
 * static void
 * on_sum (AgentActor *worker,
 *         AgentJob   *job,
 *         gpointer    user_data)
 * {
 *   gint32 a, b;
 *
 *   g_variant_get (agent_job_get_payload (job), "(ii)", &a, &b);
 *   g_print ("%s asks\n", agent_job_get_requester (job)); // prints: boss asks
 *   agent_job_complete (job, g_variant_new_int32 (a + b));
 * }
 *
 * g_autoptr (AgentActor) boss = agent_actor_new ("boss");
 * g_autoptr (AgentActor) worker = agent_actor_new ("worker");
 * g_autoptr (AgentTask) task = NULL;
 *
 * g_signal_connect (worker, "task-request::sum", G_CALLBACK (on_sum), NULL);
 * agent_bus_subscribe (bus, AGENT_SUBSCRIBER (boss), &error);
 * agent_bus_subscribe (bus, AGENT_SUBSCRIBER (worker), &error);
 * task = agent_actor_request (boss, "worker", "sum",
 *                             g_variant_new ("(ii)", 40, 2));
 * ```
 *
 * All functions may be called from any thread.
 *
 * ## From Python
 *
 * ```python
 * def on_sum(worker, job):
 *     print(job.get_requester(), 'asks')  # prints: boss asks
 *     job.complete(GLib.Variant('i', sum(job.get_payload().unpack())))
 *
 * boss, worker = AgentBus.Actor.new('boss'), AgentBus.Actor.new('worker')
 * worker.connect('task-request::sum', on_sum)
 * bus.subscribe(boss)
 * bus.subscribe(worker)
 * boss.request('worker', 'sum', GLib.Variant('(ii)', (40, 2)))
 * ```
 *
 * ## From JavaScript
 *
 * ```js
 * const boss = AgentBus.Actor.new('boss');
 * const worker = AgentBus.Actor.new('worker');
 *
 * worker.connect('task-request::sum', (_worker, job) => {
 *     const [a, b] = job.get_payload().deepUnpack();
 *
 *     print(job.get_requester(), 'asks'); // prints: boss asks
 *     job.complete(new GLib.Variant('i', a + b));
 * });
 * bus.subscribe(boss);
 * bus.subscribe(worker);
 * boss.request('worker', 'sum', new GLib.Variant('(ii)', [40, 2]));
 * ```
 *
 * Since: 0.1
 */

struct _AgentJob
{
  GObject parent_instance;

  AgentWork *work; /* (owned) */
};

enum
{
  PROP_0,
  PROP_MESSAGE,
  PROP_ID,
  PROP_TASK_NAME,
  PROP_REQUESTER,
  PROP_PAYLOAD,
  PROP_CANCELLABLE,
  N_PROPS
};

enum
{
  UPDATE_REQUESTED,
  N_SIGNALS
};

static GParamSpec *props[N_PROPS];
static guint       signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (AgentJob, agent_job, G_TYPE_OBJECT)

/* --- For the actor --- */

AgentJob *
_agent_job_new (AgentWork *work)
{
  AgentJob *self = g_object_new (AGENT_TYPE_JOB, NULL);

  self->work = _agent_work_ref (work);
  _agent_work_set_job (work, self);

  return self;
}

AgentWork *
_agent_job_get_work (AgentJob *self)
{
  return self->work;
}

void
_agent_job_request_update (AgentJob *self)
{
  g_signal_emit (self, signals[UPDATE_REQUESTED], 0);
}

/* --- GObject --- */

static gboolean
job_answer_error (AgentJob       *self,
                  AgentTaskStatus status,
                  GQuark          domain,
                  gint            code,
                  const char     *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  g_autoptr (GError) error = g_error_new_literal (domain, code, valid);

  return _agent_work_answer (self->work, status, NULL, error);
}

/* Who still had a reference may have got it back from the work in this moment; so this may be called twice. */
static void
agent_job_dispose (GObject *object)
{
  AgentJob *self = AGENT_JOB (object);

  if (self->work != NULL)
    {
      _agent_work_set_job (self->work, NULL);
      if (!_agent_work_has_ended (self->work))
        job_answer_error (self,
                          agent_job_is_cancelled (self) ? AGENT_TASK_STATUS_CANCELLED : AGENT_TASK_STATUS_FAILED,
                          AGENT_BUS_ERROR,
                          agent_job_is_cancelled (self) ? AGENT_BUS_ERROR_CANCELLED : AGENT_BUS_ERROR_FAILED,
                          "The worker dropped the job without an answer");
    }

  G_OBJECT_CLASS (agent_job_parent_class)->dispose (object);
}

static void
agent_job_finalize (GObject *object)
{
  AgentJob *self = AGENT_JOB (object);

  g_clear_pointer (&self->work, _agent_work_unref);

  G_OBJECT_CLASS (agent_job_parent_class)->finalize (object);
}

static void
agent_job_get_property (GObject    *object,
                        guint       prop_id,
                        GValue     *value,
                        GParamSpec *pspec)
{
  AgentJob *self = AGENT_JOB (object);

  switch (prop_id)
    {
    case PROP_MESSAGE:
      g_value_set_boxed (value, agent_job_get_message (self));
      break;
    case PROP_ID:
      g_value_set_string (value, agent_job_get_id (self));
      break;
    case PROP_TASK_NAME:
      g_value_set_string (value, agent_job_get_task_name (self));
      break;
    case PROP_REQUESTER:
      g_value_set_string (value, agent_job_get_requester (self));
      break;
    case PROP_PAYLOAD:
      g_value_set_variant (value, agent_job_get_payload (self));
      break;
    case PROP_CANCELLABLE:
      g_value_set_object (value, agent_job_get_cancellable (self));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, prop_id, pspec);
    }
}

static void
agent_job_class_init (AgentJobClass *klass)
{
  GObjectClass     *object_class = G_OBJECT_CLASS (klass);
  const GParamFlags flags = G_PARAM_READABLE | G_PARAM_STATIC_STRINGS;

  object_class->dispose = agent_job_dispose;
  object_class->finalize = agent_job_finalize;
  object_class->get_property = agent_job_get_property;

  /**
   * AgentJob:message: (getter get_message)
   *
   * The request as it has come. It never changes.
   *
   * Since: 0.1
   */
  props[PROP_MESSAGE] = g_param_spec_boxed ("message", NULL, NULL, AGENT_TYPE_MESSAGE, flags);

  /**
   * AgentJob:id: (getter get_id)
   *
   * The id of the task, as the requester knows it. It never changes.
   *
   * Since: 0.1
   */
  props[PROP_ID] = g_param_spec_string ("id", NULL, NULL, NULL, flags);

  /**
   * AgentJob:task-name: (getter get_task_name)
   *
   * What is requested, or %NULL for what the worker does by default. It never changes.
   *
   * Since: 0.1
   */
  props[PROP_TASK_NAME] = g_param_spec_string ("task-name", NULL, NULL, NULL, flags);

  /**
   * AgentJob:requester: (getter get_requester)
   *
   * The name of the requester. It never changes.
   *
   * Since: 0.1
   */
  props[PROP_REQUESTER] = g_param_spec_string ("requester", NULL, NULL, NULL, flags);

  /**
   * AgentJob:payload: (getter get_payload)
   *
   * What the requester has given, or %NULL. It never changes.
   *
   * Since: 0.1
   */
  props[PROP_PAYLOAD] = g_param_spec_variant ("payload", NULL, NULL, G_VARIANT_TYPE_ANY, NULL, flags);

  /**
   * AgentJob:cancellable: (getter get_cancellable)
   *
   * The cancellable that is cancelled in the actor's context when nobody wants the answer any more. It is always the same one.
   *
   * Since: 0.1
   */
  props[PROP_CANCELLABLE] = g_param_spec_object ("cancellable", NULL, NULL, G_TYPE_CANCELLABLE, flags);

  g_object_class_install_properties (object_class, N_PROPS, props);

  /**
   * AgentJob::update-requested:
   * @self: the job
   *
   * The requester asks how far the job has come, see [method@AgentBus.Task.request_update]. A handler may call
   * [method@AgentBus.Job.update].
   *
   * Emitted in the actor's context.
   *
   * Since: 0.1
   */
  signals[UPDATE_REQUESTED] = g_signal_new ("update-requested",
                                            G_TYPE_FROM_CLASS (klass),
                                            G_SIGNAL_RUN_LAST,
                                            0,
                                            NULL,
                                            NULL,
                                            g_cclosure_marshal_VOID__VOID,
                                            G_TYPE_NONE,
                                            0);
}

static void
agent_job_init (AgentJob *self)
{
}

/* --- Public --- */

/**
 * agent_job_get_message: (get-property message)
 * @self: a job
 *
 * Gets the request as it has come.
 *
 * Returns: (transfer none): a message
 *
 * Since: 0.1
 */
AgentMessage *
agent_job_get_message (AgentJob *self)
{
  g_return_val_if_fail (AGENT_IS_JOB (self), NULL);

  return self->work != NULL ? self->work->hand->message : NULL;
}

/**
 * agent_job_get_id: (get-property id)
 * @self: a job
 *
 * Gets the id of the task, as the requester knows it.
 *
 * Returns: (transfer none): the id
 *
 * Since: 0.1
 */
const char *
agent_job_get_id (AgentJob *self)
{
  g_return_val_if_fail (AGENT_IS_JOB (self), NULL);
  g_return_val_if_fail (self->work != NULL, NULL);

  return agent_message_get_task_id (self->work->hand->message);
}

/**
 * agent_job_get_task_name: (get-property task-name)
 * @self: a job
 *
 * Gets what is requested.
 *
 * Returns: (transfer none) (nullable): the name of the task, or %NULL for what the worker does by default
 *
 * Since: 0.1
 */
const char *
agent_job_get_task_name (AgentJob *self)
{
  g_return_val_if_fail (AGENT_IS_JOB (self), NULL);
  g_return_val_if_fail (self->work != NULL, NULL);

  return agent_message_get_task_name (self->work->hand->message);
}

/**
 * agent_job_get_requester: (get-property requester)
 * @self: a job
 *
 * Gets who has sent the request.
 *
 * Returns: (transfer none): the name of the requester
 *
 * Since: 0.1
 */
const char *
agent_job_get_requester (AgentJob *self)
{
  g_return_val_if_fail (AGENT_IS_JOB (self), NULL);
  g_return_val_if_fail (self->work != NULL, NULL);

  return agent_message_get_source (self->work->hand->message);
}

/**
 * agent_job_get_payload: (get-property payload)
 * @self: a job
 *
 * Gets what the requester has given.
 *
 * Returns: (transfer none) (nullable): the payload, of any type, or %NULL
 *
 * Since: 0.1
 */
GVariant *
agent_job_get_payload (AgentJob *self)
{
  g_return_val_if_fail (AGENT_IS_JOB (self), NULL);
  g_return_val_if_fail (self->work != NULL, NULL);

  return agent_message_get_payload (self->work->hand->message);
}

/**
 * agent_job_get_cancellable: (get-property cancellable)
 * @self: a job
 *
 * Gets the cancellable that is cancelled when nobody wants the answer any more: the requester has cancelled the task, or has
 * left, the conversation has gone on, or the actor leaves. Pass it on to the operations that the handler waits for.
 *
 * It is made at the first call.
 *
 * Returns: (transfer none): the cancellable
 *
 * Since: 0.1
 */
GCancellable *
agent_job_get_cancellable (AgentJob *self)
{
  g_return_val_if_fail (AGENT_IS_JOB (self), NULL);

  return self->work != NULL ? _agent_hand_get_cancellable (self->work->hand) : NULL;
}

/**
 * agent_job_is_cancelled:
 * @self: a job
 *
 * Gets whether the worker should give up. It is true as soon as that is known, also while the actor's context is busy.
 *
 * Returns: whether nobody wants the answer any more
 *
 * Since: 0.1
 */
gboolean
agent_job_is_cancelled (AgentJob *self)
{
  g_return_val_if_fail (AGENT_IS_JOB (self), FALSE);
  g_return_val_if_fail (self->work != NULL, FALSE);

  return _agent_hand_is_cancelled (self->work->hand);
}

/**
 * agent_job_has_ended:
 * @self: a job
 *
 * Gets whether the answer is sent.
 *
 * Returns: whether nothing more can be sent
 *
 * Since: 0.1
 */
gboolean
agent_job_has_ended (AgentJob *self)
{
  g_return_val_if_fail (AGENT_IS_JOB (self), TRUE);
  g_return_val_if_fail (self->work != NULL, TRUE);

  return _agent_work_has_ended (self->work);
}

/**
 * agent_job_get_remaining_time:
 * @self: a job
 *
 * Gets how much of the time is left that the requester had set when it sent the request.
 *
 * Returns: a time in milliseconds, 0 if it is over, or -1 if there is no limit
 *
 * Since: 0.1
 */
gint
agent_job_get_remaining_time (AgentJob *self)
{
  AgentMessage *request;
  gint64        left;

  g_return_val_if_fail (AGENT_IS_JOB (self), -1);
  g_return_val_if_fail (self->work != NULL, -1);

  request = self->work->hand->message;
  if (request->ttl == 0)
    return -1;

  left = (request->sent_at - _agent_clock_now ()) / 1000 + request->ttl;
  return (gint) CLAMP (left, 0, G_MAXINT);
}

/**
 * agent_job_update:
 * @self: a job
 * @update: (nullable): what to say, of any type; a floating reference is sunk
 *
 * Tells the requester how far the job has come: [signal@AgentBus.Task::update].
 *
 * Returns: %FALSE if the job has ended
 *
 * Since: 0.1
 */
gboolean
agent_job_update (AgentJob *self,
                  GVariant *update)
{
  g_return_val_if_fail (AGENT_IS_JOB (self), FALSE);
  g_return_val_if_fail (self->work != NULL, FALSE);

  return _agent_work_update (self->work, update);
}

/**
 * agent_job_send_chunk:
 * @self: a job
 * @payload: a part of the answer, of any type; a floating reference is sunk
 *
 * Sends a part of the answer: [signal@AgentBus.Task::chunk].
 *
 * Never waits, and is never refused for lack of room: a worker that is faster than its requester calls
 * [method@AgentBus.Job.send_chunk_async].
 *
 * Returns: %FALSE if the job has ended
 *
 * Since: 0.1
 */
gboolean
agent_job_send_chunk (AgentJob *self,
                      GVariant *payload)
{
  g_return_val_if_fail (AGENT_IS_JOB (self), FALSE);
  g_return_val_if_fail (self->work != NULL, FALSE);
  g_return_val_if_fail (payload != NULL, FALSE);

  return _agent_work_send_chunk (self->work, payload);
}

/**
 * agent_job_send_chunk_async:
 * @self: a job
 * @payload: a part of the answer, of any type; a floating reference is sunk
 * @cancellable: (nullable): a cancellable
 * @callback: (scope async) (closure user_data): called when the chunk is sent
 * @user_data: (nullable): data for @callback
 *
 * Sends a part of the answer as [method@AgentBus.Job.send_chunk] does, but waits while 32 chunks are not read yet.
 *
 * The chunk keeps its place before all that is sent after it. @cancellable ends the wait of the caller; the chunk is sent all
 * the same. A requester that is no actor, or in another process, does not tell what it has read: then this does not wait.
 *
 * Since: 0.1
 */
void
agent_job_send_chunk_async (AgentJob           *self,
                            GVariant           *payload,
                            GCancellable       *cancellable,
                            GAsyncReadyCallback callback,
                            gpointer            user_data)
{
  GTask *task;

  g_return_if_fail (AGENT_IS_JOB (self));
  g_return_if_fail (self->work != NULL);
  g_return_if_fail (payload != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, agent_job_send_chunk_async);
  _agent_work_send_chunk_task (self->work, payload, task);
}

/**
 * agent_job_send_chunk_finish:
 * @self: a job
 * @result: the result
 * @error: where an error goes
 *
 * Gets the result of [method@AgentBus.Job.send_chunk_async].
 *
 * Returns: %TRUE if the chunk was sent, or %FALSE with %AGENT_BUS_ERROR_CLOSED if the job or the task has ended, or with
 *   %G_IO_ERROR_CANCELLED
 *
 * Since: 0.1
 */
gboolean
agent_job_send_chunk_finish (AgentJob     *self,
                             GAsyncResult *result,
                             GError      **error)
{
  g_return_val_if_fail (AGENT_IS_JOB (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * agent_job_complete:
 * @self: a job
 * @response: (nullable): the answer, of any type; a floating reference is sunk
 *
 * Answers that the job is done. Nothing can be sent after that.
 *
 * Returns: %FALSE if the job has ended already, which is no error: the actor may have left meanwhile
 *
 * Since: 0.1
 */
gboolean
agent_job_complete (AgentJob *self,
                    GVariant *response)
{
  g_return_val_if_fail (AGENT_IS_JOB (self), FALSE);
  g_return_val_if_fail (self->work != NULL, FALSE);

  return _agent_work_answer (self->work, AGENT_TASK_STATUS_COMPLETED, response, NULL);
}

/**
 * agent_job_complete_json:
 * @self: a job
 * @text: the answer, as JSON text
 * @error: where an error goes
 *
 * Answers that the job is done, with a response that is given as JSON text. Nothing can be sent after that.
 *
 * The text is only checked, and nothing is built from it, as [method@AgentBus.Message.set_payload_json] says. A requester that
 * asks [method@AgentBus.Task.get_response_json] gets the same text, and [method@AgentBus.Task.get_response] works too.
 *
 * Returns: %TRUE if the answer was sent; %FALSE with %AGENT_BUS_ERROR_INVALID_MESSAGE if @text is no JSON, and the job goes on, or
 *   with %AGENT_BUS_ERROR_CLOSED if the job has ended already
 *
 * Since: 0.1
 */
gboolean
agent_job_complete_json (AgentJob   *self,
                         const char *text,
                         GError    **error)
{
  g_return_val_if_fail (AGENT_IS_JOB (self), FALSE);
  g_return_val_if_fail (self->work != NULL, FALSE);
  g_return_val_if_fail (text != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  return _agent_work_complete_json (self->work, text, error);
}

/**
 * agent_job_fail:
 * @self: a job
 * @error: (transfer none): why
 *
 * Answers that the job has failed. The requester gets the same error.
 *
 * %G_IO_ERROR_CANCELLED and %AGENT_BUS_ERROR_CANCELLED answer that it was cancelled.
 *
 * Returns: %FALSE if the job has ended already
 *
 * Since: 0.1
 */
gboolean
agent_job_fail (AgentJob     *self,
                const GError *error)
{
  AgentTaskStatus status = AGENT_TASK_STATUS_FAILED;

  g_return_val_if_fail (AGENT_IS_JOB (self), FALSE);
  g_return_val_if_fail (self->work != NULL, FALSE);
  g_return_val_if_fail (error != NULL, FALSE);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED) ||
      g_error_matches (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CANCELLED))
    status = AGENT_TASK_STATUS_CANCELLED;
  return job_answer_error (self, status, error->domain, error->code, error->message);
}

/**
 * agent_job_fail_message:
 * @self: a job
 * @message: why
 *
 * Does the same as [method@AgentBus.Job.fail] with a text in place of an error: the requester gets
 * %AGENT_BUS_ERROR_FAILED with this text.
 *
 * Returns: %FALSE if the job has ended already
 *
 * Since: 0.1
 */
gboolean
agent_job_fail_message (AgentJob   *self,
                        const char *message)
{
  g_return_val_if_fail (AGENT_IS_JOB (self), FALSE);
  g_return_val_if_fail (self->work != NULL, FALSE);
  g_return_val_if_fail (message != NULL, FALSE);

  return job_answer_error (self, AGENT_TASK_STATUS_FAILED, AGENT_BUS_ERROR, AGENT_BUS_ERROR_FAILED, message);
}

/**
 * agent_job_fail_details:
 * @self: a job
 * @details: what is to be said of it, of any type; a floating reference is sunk
 *
 * Answers that the job has failed, and says more than an error can.
 *
 * The requester gets %AGENT_BUS_ERROR_FAILED, with the text that @details has, as
 * [method@AgentBus.Message.dup_error] finds it: a string, or the value of the key `error` or `message` of an `a{sv}`. @details
 * itself is its [property@AgentBus.Task:response]. The overrides tell of exceptions in this way: `error` is the last line of a
 * traceback, `type` the name of the exception, and `message` its text.
 *
 * Returns: %FALSE if the job has ended already
 *
 * Since: 0.1
 */
gboolean
agent_job_fail_details (AgentJob *self,
                        GVariant *details)
{
  g_return_val_if_fail (AGENT_IS_JOB (self), FALSE);
  g_return_val_if_fail (self->work != NULL, FALSE);
  g_return_val_if_fail (details != NULL, FALSE);

  return _agent_work_answer (self->work, AGENT_TASK_STATUS_FAILED, details, NULL);
}
