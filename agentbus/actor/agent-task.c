/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-open-tasks-private.h"
#include "actor/agent-patient-private.h"
#include "actor/agent-task-ledger-private.h"
#include "actor/agent-task-private.h"
#include "actor/agent-work-private.h"
#include "agent-bus-error.h"
#include "base/agent-clock-private.h"
#include "base/agent-container-private.h"
#include "base/agent-utf8-private.h"
#include "bus/agent-bus.h"
#include "message/agent-task-id-private.h"

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
 * All functions may be called from any thread.
 *
 * Since: 0.1
 */

/* What a task keeps that waits for somebody of the name of its target. Made and freed in the actor's context. */
typedef struct
{
  AgentBus *bus; /* (owned) */
  guint     watch;
} TaskWait;

/* Who wants to know of the end, besides the application. */
typedef struct
{
  AgentTaskEndFunc func;
  gpointer         data; /* (owned) */
  GDestroyNotify   destroy;
} TaskWatch;

struct _AgentTask
{
  GObject parent_instance;

  AgentRequester         requester;
  AgentActor            *actor;      /* (owned) the requester */
  AgentMessage          *request;    /* (owned) */
  AgentRouterDispatcher *dispatcher; /* (lock) (owned) (nullable) that has accepted the request; NULL if it is on the bus */
  AgentAppointment       appointment;
  AgentEpochWatch        epoch_watch;
  GList                  link;     /* (actor's lock) */
  TaskWait              *wait;     /* (context's thread) (owned) (nullable) */
  guint                  n_chunks; /* (context's thread; written with the lock) how many have come, or are known to be lost */
  guint                  n_read;   /* (lock) how many have been read */

  GMutex           lock;
  AgentTaskSeries *series;          /* (owned) (nullable) where it is counted; constant once it is open */
  AgentWork       *parent;          /* (lock) (owned) (nullable) the job of the requester in which it was requested */
  AgentWork       *worker;          /* (lock) (owned) (nullable) who works on it in this process */
  AgentMessage    *answer;          /* (lock) (owned) (nullable) */
  GError          *error;           /* (lock) (owned) (nullable) */
  GSList          *waiting;         /* (lock) (owned) the AgentPatients of wait_async() */
  GSList          *watches;         /* (lock) (owned) of TaskWatch (owned) */
  gint64           made_at;         /* µs */
  guint            n_missed;        /* (lock) */
  gint             is_stale;        /* (atomic) the conversation has gone on */
  guint            timeout;         /* (lock) ms, 0 for none */
  guint            wait_for_target; /* ms, constant */
  guint8           status;          /* (lock) an AgentTaskStatus */
  guint8           ended;           /* (lock) */
  guint8           told;            /* (lock) `finished` has been emitted */

  guint8 was_sent;      /* (lock) somebody has accepted the request */
  guint8 is_sending;    /* (lock) somebody is being asked whether he accepts it */
  guint8 has_cancel;    /* (lock) the worker has to be told that the task has ended, as soon as the request is sent */
  guint8 waits;         /* (lock) for somebody of the name of its target */
  guint8 is_watched;    /* (lock) the worker wants to know when chunks are read */
  guint8 reads_by_hand; /* (lock) mark_read() says what is read */
};

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

enum
{
  UPDATE,
  CHUNK,
  FINISHED,
  N_SIGNALS
};

static GParamSpec *props[N_PROPS];
static guint       signals[N_SIGNALS];

G_DEFINE_FINAL_TYPE (AgentTask, agent_task, G_TYPE_OBJECT)

static void
task_move_appointment (AgentTask *self,
                       gint64     time)
{
  _agent_agenda_move (_agent_actor_get_core (self->actor)->agenda, &self->appointment, time);
}

/* --- The end --- */

static AgentOutcome
task_get_outcome (AgentTaskStatus status,
                  const GError   *error)
{
  if (status == AGENT_TASK_STATUS_COMPLETED)
    return AGENT_OUTCOME_COMPLETED;
  if (status == AGENT_TASK_STATUS_CANCELLED)
    return AGENT_OUTCOME_CANCELLED;
  if (error == NULL || error->domain != AGENT_BUS_ERROR)
    return AGENT_OUTCOME_FAILED;

  switch (error->code)
    {
    case AGENT_BUS_ERROR_TIMED_OUT:
      return AGENT_OUTCOME_TIMED_OUT;
    case AGENT_BUS_ERROR_NOT_FOUND:
      return AGENT_OUTCOME_NOT_FOUND;
    case AGENT_BUS_ERROR_FULL:
      return AGENT_OUTCOME_FULL;
    case AGENT_BUS_ERROR_CLOSED:
      return AGENT_OUTCOME_CLOSED;
    default:
      return AGENT_OUTCOME_FAILED;
    }
}

/* Decides the end: TRUE for the first call only. Takes @error.
 *
 * @answer: (nullable) */
static gboolean
task_decide (AgentTask      *self,
             AgentTaskStatus status,
             GError         *error,
             AgentMessage   *answer)
{
  AgentOutcome outcome = task_get_outcome (status, error);
  AgentWork   *parent = NULL;
  AgentWork   *worker = NULL;
  gboolean     waited = FALSE;
  gboolean     first;

  g_mutex_lock (&self->lock);
  first = !self->ended;
  if (first)
    {
      self->ended = TRUE;
      self->status = status;
      self->error = g_steal_pointer (&error);
      self->answer = answer != NULL ? agent_message_ref (answer) : NULL;
      parent = g_steal_pointer (&self->parent);
      worker = g_steal_pointer (&self->worker);
      waited = self->waits;
      self->waits = FALSE;
    }
  g_mutex_unlock (&self->lock);

  g_clear_error (&error);
  if (!first)
    return FALSE;

  _agent_open_tasks_remove (&self->requester);
  if (self->epoch_watch.of != NULL)
    _agent_epoch_unwatch (&self->epoch_watch);
  _agent_actor_forget_task (self->actor, &self->link, outcome);
  if (self->series != NULL)
    _agent_task_series_end_task (self->series, outcome);
  if (waited)
    _agent_actor_count_waited (self->actor);
  if (parent != NULL)
    _agent_work_forget_child (parent, &self->requester);
  if (worker != NULL && answer == NULL)
    _agent_work_cancel (worker);
  if (worker != NULL)
    _agent_work_stop_waiting (worker);
  g_clear_pointer (&parent, _agent_work_unref);
  g_clear_pointer (&worker, _agent_work_unref);
  return TRUE;
}

/* Takes @patient. */
static void
task_return_waiting (AgentTask    *self,
                     AgentPatient *patient)
{
  g_autoptr (GTask) waiting = _agent_patient_end (patient);
  GVariant *response;

  if (waiting == NULL)
    return;
  if (self->error != NULL)
    {
      g_task_return_error (waiting, g_error_copy (self->error));
      return;
    }

  response = agent_task_get_response (self);
  g_task_return_pointer (waiting, response != NULL ? g_variant_ref (response) : NULL, (GDestroyNotify) g_variant_unref);
}

static void
task_stop_waiting_for_target (AgentTask *self)
{
  TaskWait *wait = g_steal_pointer (&self->wait);

  if (wait == NULL)
    return;

  agent_bus_unwatch_name (wait->bus, wait->watch);
  g_object_unref (wait->bus);
  g_free (wait);
}

static void
task_free_watch (gpointer data)
{
  TaskWatch *watch = data;

  watch->destroy (watch->data);
  g_free (watch);
}

/* The end is decided and is told now, in the actor's context. The caller has a reference to the task. */
static void
task_tell_end (AgentTask *self)
{
  GSList *waiting;
  GSList *watches;

  task_stop_waiting_for_target (self);
  g_object_notify_by_pspec (G_OBJECT (self), props[PROP_STATUS]);
  g_signal_emit (self, signals[FINISHED], 0);

  g_mutex_lock (&self->lock);
  self->told = TRUE;
  waiting = g_slist_reverse (g_steal_pointer (&self->waiting));
  watches = g_slist_reverse (g_steal_pointer (&self->watches));
  g_mutex_unlock (&self->lock);

  for (GSList *l = watches; l != NULL; l = l->next)
    ((TaskWatch *) l->data)->func (self, ((TaskWatch *) l->data)->data);
  g_slist_free_full (watches, task_free_watch);
  for (GSList *l = waiting; l != NULL; l = l->next)
    task_return_waiting (self, l->data);
  g_slist_free (waiting);
}

/* Ends the task. The end is told as soon as the actor's context is iterated. Takes @error: (nullable). TRUE for the first
 * call only. */
gboolean
_agent_task_end (AgentTask      *self,
                 AgentTaskStatus status,
                 GError         *error)
{
  if (!task_decide (self, status, error, NULL))
    return FALSE;

  task_move_appointment (self, AGENT_AGENDA_NOW);
  return TRUE;
}

/* The same if the task may still be in the agenda. */
static void
task_tell_end_now (AgentTask *self)
{
  _agent_agenda_remove (_agent_actor_get_core (self->actor)->agenda, &self->appointment);
  task_tell_end (self);
}

/* The worker has ended the task. In the actor's context, outside of any call of the application, so that the end is told at
 * once. Takes @error. The caller has a reference to the task. */
static void
task_end_by_answer (AgentTask      *self,
                    AgentTaskStatus status,
                    GError         *error,
                    AgentMessage   *answer)
{
  if (task_decide (self, status, error, answer))
    task_tell_end_now (self);
}

/* --- Sending --- */

/* (transfer full) (nullable) */
static AgentRouterDispatcher *
task_dup_dispatcher (AgentTask *self)
{
  AgentRouterDispatcher *dispatcher;

  g_mutex_lock (&self->lock);
  dispatcher = self->dispatcher != NULL ? g_object_ref (self->dispatcher) : NULL;
  g_mutex_unlock (&self->lock);

  return dispatcher;
}

/* Tells the worker something, without waiting for room: @message goes in above all limits, the same way as the request. Takes
 * @message. */
static void
task_tell_worker (AgentTask    *self,
                  AgentMessage *message)
{
  g_autoptr (AgentBus) bus = agent_subscriber_dup_bus (AGENT_SUBSCRIBER (self->actor));
  g_autoptr (AgentRouterDispatcher) dispatcher = task_dup_dispatcher (self);

  agent_message_set_cause (message, self->request);
  if (dispatcher != NULL)
    {
      agent_router_dispatcher_dispatch (dispatcher, message, NULL);
      return;
    }

  if (bus != NULL)
    agent_bus_try_send (bus, message, NULL);
  agent_message_unref (message);
}

static void
task_send_cancel (AgentTask  *self,
                  const char *reason)
{
  task_tell_worker (self,
                    agent_message_new_task_cancel (agent_subscriber_get_name (AGENT_SUBSCRIBER (self->actor)),
                                                   agent_task_get_target (self),
                                                   agent_task_get_id (self),
                                                   reason));
}

/* A cancel has to come after the request that it cancels. So if that is being sent in this moment, in another thread, it is the
 * other thread that sends the cancel. */
static void
task_cancel_worker (AgentTask  *self,
                    const char *reason)
{
  gboolean was_sent;

  g_mutex_lock (&self->lock);
  was_sent = self->was_sent;
  self->has_cancel = self->is_sending;
  g_mutex_unlock (&self->lock);

  if (was_sent)
    task_send_cancel (self, reason);
}

/* FALSE: the task has ended, and is not sent any more. */
static gboolean
task_begin_sending (AgentTask *self)
{
  gboolean goes_on;

  g_mutex_lock (&self->lock);
  goes_on = !self->ended;
  self->is_sending = goes_on;
  g_mutex_unlock (&self->lock);

  return goes_on;
}

static void
task_end_sending (AgentTask *self,
                  gboolean   was_sent)
{
  gboolean has_cancel;

  g_mutex_lock (&self->lock);
  self->is_sending = FALSE;
  self->was_sent = was_sent;
  has_cancel = self->has_cancel;
  g_mutex_unlock (&self->lock);

  if (was_sent && has_cancel)
    task_send_cancel (self, NULL);
}

/* The errors of a dispatcher that say that nobody is there. */
static gboolean
task_is_nobody_there (const GError *error)
{
  return g_error_matches (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_NOT_FOUND) ||
         g_error_matches (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_ROUTER_NOT_FOUND) ||
         g_error_matches (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_ACTOR_NOT_ASSIGNED);
}

/* Takes @dispatcher. */
static gboolean
task_try_dispatch (AgentTask             *self,
                   AgentRouterDispatcher *dispatcher,
                   GError               **error)
{
  if (agent_router_dispatcher_dispatch (dispatcher, agent_message_ref (self->request), error) ==
      AGENT_DISPATCH_RESULT_REFUSED)
    {
      g_object_unref (dispatcher);
      return FALSE;
    }

  g_mutex_lock (&self->lock);
  self->dispatcher = dispatcher;
  g_mutex_unlock (&self->lock);
  return TRUE;
}

/* Names come first, then groups, then the actors of the dispatcher. */
static gboolean
task_try_send (AgentTask *self,
               GError   **error)
{
  g_autoptr (AgentBus) bus = agent_subscriber_dup_bus (AGENT_SUBSCRIBER (self->actor));
  AgentRouterDispatcher *dispatcher = NULL;
  g_autoptr (GError) bus_error = NULL;

  if (bus == NULL)
    {
      g_set_error (error,
                   AGENT_BUS_ERROR,
                   AGENT_BUS_ERROR_CLOSED,
                   "Actor '%s' is on no bus",
                   agent_subscriber_get_name (AGENT_SUBSCRIBER (self->actor)));
      return FALSE;
    }
  if (agent_bus_try_send (bus, self->request, &bus_error))
    return TRUE;

  if (g_error_matches (bus_error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_NOT_FOUND))
    dispatcher = _agent_actor_ref_dispatcher (self->actor);
  if (dispatcher != NULL)
    return task_try_dispatch (self, dispatcher, error);

  g_propagate_error (error, g_steal_pointer (&bus_error));
  return FALSE;
}

/* --- Waiting for the target --- */

static void task_keep_appointment (gpointer object);

/* Until when the task waits for its target. */
static gint64
task_get_wait_end (AgentTask *self)
{
  return self->made_at + self->wait_for_target * G_GINT64_CONSTANT (1000);
}

static gint64
task_get_due_locked (AgentTask *self)
{
  gint64 due = self->timeout != 0 ? self->made_at + self->timeout * G_GINT64_CONSTANT (1000) : AGENT_AGENDA_NEVER;

  return self->waits ? MIN (due, task_get_wait_end (self)) : due;
}

static gint64
task_get_due (AgentTask *self)
{
  gint64 due;

  g_mutex_lock (&self->lock);
  due = task_get_due_locked (self);
  g_mutex_unlock (&self->lock);

  return due;
}

/* FALSE: the task has ended meanwhile. */
static gboolean
task_begin_wait (AgentTask *self)
{
  gboolean waits;

  g_mutex_lock (&self->lock);
  waits = self->waits = !self->ended;
  g_mutex_unlock (&self->lock);

  return waits;
}

/* FALSE: it does not wait, for example because it has ended. */
static gboolean
task_end_wait (AgentTask *self)
{
  gboolean waited;

  g_mutex_lock (&self->lock);
  waited = self->waits;
  self->waits = FALSE;
  g_mutex_unlock (&self->lock);

  return waited;
}

/* Nobody is there: begins to wait, or ends. Takes @error. */
static void
task_wait_or_end (AgentTask *self,
                  GError    *error)
{
  gboolean is_stale;

  if (task_is_nobody_there (error) && self->wait_for_target > 0)
    {
      g_clear_error (&error);
      if (_agent_actor_count_waiting (self->actor, &error))
        {
          if (task_begin_wait (self))
            task_move_appointment (self, AGENT_AGENDA_NOW);
          else
            _agent_actor_count_waited (self->actor);
          return;
        }
    }

  is_stale = g_error_matches (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_STALE);
  _agent_task_end (self, is_stale ? AGENT_TASK_STATUS_CANCELLED : AGENT_TASK_STATUS_FAILED, error);
}

/* Whoever has been asked, the task knows only that nobody is there. */
static GError *
task_new_error (AgentTask *self,
                GError    *error)
{
  GError *not_found;

  if (!task_is_nobody_there (error))
    return error;

  not_found = g_error_new (
      AGENT_BUS_ERROR, AGENT_BUS_ERROR_NOT_FOUND, "There is no '%s' to do the task", agent_task_get_target (self));
  g_error_free (error);
  return not_found;
}

static void
task_send (AgentTask *self)
{
  GError  *error = NULL;
  gboolean was_sent;

  if (!task_begin_sending (self))
    return;

  was_sent = task_try_send (self, &error);
  task_end_sending (self, was_sent);
  if (!was_sent)
    task_wait_or_end (self, task_new_error (self, error));
}

/* An AgentBusNameFunc, in the actor's context. If the request is not accepted all the same, the task goes on to watch: what it
 * knows already, it would be told again at once by a new watch. */
static void
task_on_target_appeared (AgentBus   *bus,
                         const char *name,
                         gpointer    user_data)
{
  AgentTask *self = user_data;

  if (!task_end_wait (self))
    return;

  _agent_actor_count_waited (self->actor);
  task_move_appointment (self, AGENT_AGENDA_NOW);
  task_send (self);
}

static void
task_watch_target (AgentTask *self)
{
  GMainContext *context = agent_subscriber_get_main_context (AGENT_SUBSCRIBER (self->actor));
  AgentBus     *bus = agent_subscriber_dup_bus (AGENT_SUBSCRIBER (self->actor));

  if (bus == NULL)
    return;

  self->wait = g_new0 (TaskWait, 1);
  self->wait->bus = bus;
  g_main_context_push_thread_default (context);
  self->wait->watch = agent_bus_watch_name (
      bus, agent_task_get_target (self), task_on_target_appeared, NULL, g_object_ref (self), g_object_unref);
  g_main_context_pop_thread_default (context);
}

/* --- Its appointments --- */

/* Ends the task when its appointment has come, and has the worker stop. Takes @error.
 *
 * If another thread is quicker, it finds no appointment to move, so the end is told here in any case.
 *
 * @reason: for the worker */
static void
task_end_and_cancel (AgentTask      *self,
                     AgentTaskStatus status,
                     GError         *error,
                     const char     *reason)
{
  if (task_decide (self, status, error, NULL))
    task_cancel_worker (self, reason);
  task_tell_end_now (self);
}

static void
task_time_out (AgentTask *self,
               gboolean   waits)
{
  GError *error;

  if (waits && task_get_wait_end (self) <= _agent_clock_now ())
    error = g_error_new (AGENT_BUS_ERROR,
                         AGENT_BUS_ERROR_NOT_FOUND,
                         "There is no '%s' to do the task, and none came within %u ms",
                         agent_task_get_target (self),
                         self->wait_for_target);
  else
    error = g_error_new (AGENT_BUS_ERROR,
                         AGENT_BUS_ERROR_TIMED_OUT,
                         "'%s' has not done the task within %u ms",
                         agent_task_get_target (self),
                         agent_task_get_timeout (self));

  task_end_and_cancel (self, AGENT_TASK_STATUS_FAILED, error, "The time of the task is over");
}

static GError *
task_new_stale_error (void)
{
  return g_error_new_literal (AGENT_BUS_ERROR, AGENT_BUS_ERROR_STALE, "The conversation of the task has gone on");
}

static void
task_get_stale (AgentTask *self)
{
  task_end_and_cancel (
      self, AGENT_TASK_STATUS_CANCELLED, task_new_stale_error (), "The conversation has gone on");
}

/* The task goes on. It may have ended, become stale, or got another timeout, since it was taken out of the agenda. */
static void
task_make_appointment (AgentTask *self)
{
  AgentAgenda *agenda = _agent_actor_get_core (self->actor)->agenda;
  gint64       due = task_get_due (self);

  _agent_agenda_add (agenda, &self->appointment, self, task_keep_appointment, due);
  if (agent_task_has_finished (self) || g_atomic_int_get (&self->is_stale) || task_get_due (self) != due)
    _agent_agenda_move (agenda, &self->appointment, AGENT_AGENDA_NOW);
}

/* An AgentAppointmentFunc: the task has ended in another place, or has become stale; its time is over; or it begins to wait
 * for its target. */
static void
task_keep_appointment (gpointer object)
{
  AgentTask *self = object;
  gboolean   waits;

  g_mutex_lock (&self->lock);
  waits = self->waits;
  g_mutex_unlock (&self->lock);

  if (agent_task_has_finished (self))
    task_tell_end (self);
  else if (g_atomic_int_get (&self->is_stale))
    task_get_stale (self);
  else if (task_get_due (self) <= _agent_clock_now ())
    task_time_out (self, waits);
  else
    {
      if (!waits)
        task_stop_waiting_for_target (self);
      else if (self->wait == NULL)
        task_watch_target (self);
      task_make_appointment (self);
    }
}

/* An AgentEpochOverFunc, called with the lock of the conversation held. The task is there until it has stopped watching. */
static void
task_on_epoch_over (AgentEpochWatch *watch)
{
  AgentTask   *self = AGENT_CONTAINER_OF (watch, AgentTask, epoch_watch);
  AgentAgenda *agenda = _agent_actor_get_core (self->actor)->agenda;

  g_atomic_int_set (&self->is_stale, TRUE);
  _agent_agenda_move (agenda, &self->appointment, AGENT_AGENDA_NOW);
}

/* --- For a work --- */

static gboolean
task_set_worker_locked (AgentTask  *self,
                        AgentWork  *worker,
                        AgentWork **before)
{
  if (self->ended)
    return FALSE;

  *before = self->worker;
  self->worker = _agent_work_ref (worker);
  return TRUE;
}

/* @worker begins to work on the task, and is cancelled with it: also if it is leaving the bus, where no message reaches it any
 * more. FALSE: the task has ended. */
static gboolean
task_set_worker (AgentRequester *requester,
                 AgentWork      *worker)
{
  AgentTask *self = requester->object;
  AgentWork *before = NULL;
  gboolean   open;

  g_mutex_lock (&self->lock);
  open = task_set_worker_locked (self, worker, &before);
  g_mutex_unlock (&self->lock);

  g_clear_pointer (&before, _agent_work_unref);
  return open;
}

/* From now on @writer, who works on the task, is told when chunks are read: returns how many are. G_MAXUINT: the task has
 * ended. */
static guint
task_watch_reading (AgentRequester *requester,
                    AgentWork      *writer)
{
  AgentTask *self = requester->object;
  AgentWork *before = NULL;
  guint      n_read;

  g_mutex_lock (&self->lock);
  n_read = task_set_worker_locked (self, writer, &before) ? self->n_read : G_MAXUINT;
  self->is_watched = TRUE;
  g_mutex_unlock (&self->lock);

  g_clear_pointer (&before, _agent_work_unref);
  return n_read;
}

static void
task_cancel_with_parent (AgentRequester *requester,
                         const char     *reason)
{
  agent_task_cancel (requester->object, reason);
}

static const AgentRequesterFuncs task_requester_funcs = {
  .set_worker = task_set_worker,
  .watch_reading = task_watch_reading,
  .cancel = task_cancel_with_parent,
};

/* --- The beginning --- */

/* A task that is not started yet. Takes @request, a request whose source is the name of the actor. */
AgentTask *
_agent_task_new (AgentActor   *actor,
                 AgentMessage *request)
{
  AgentTask *self = g_object_new (AGENT_TYPE_TASK, NULL);

  self->actor = g_object_ref (actor);
  self->request = request;
  self->requester.funcs = &task_requester_funcs;
  self->requester.number = _agent_task_id_get_number (agent_message_get_task_id (request));
  self->requester.object = self;
  self->link.data = self;
  self->made_at = _agent_clock_now ();
  self->timeout = agent_message_get_ttl (request);
  self->wait_for_target = _agent_actor_read (actor, &_agent_actor_get_core (actor)->wait_for_target);

  return self;
}

/* The lock is held, so that nobody ends the task before it watches. FALSE: the conversation has gone on already. */
static gboolean
task_watch_epoch (AgentTask *self)
{
  AgentEpoch *epoch = self->request->epoch;
  gboolean    is_current = TRUE;

  if (epoch == NULL)
    return TRUE;

  g_mutex_lock (&self->lock);
  if (!self->ended)
    is_current = _agent_epoch_watch (epoch, &self->epoch_watch, task_on_epoch_over);
  g_mutex_unlock (&self->lock);

  return is_current;
}

/* From now on the task is cancelled with @parent, a job of the requester. It may have ended already. */
static void
task_join_parent (AgentTask *self,
                  AgentWork *parent)
{
  g_mutex_lock (&self->lock);
  if (!self->ended)
    self->parent = _agent_work_ref (parent);
  g_mutex_unlock (&self->lock);

  _agent_work_add_child (parent, &self->requester);
  if (agent_task_has_finished (self))
    _agent_work_forget_child (parent, &self->requester);
}

/* Whoever ends the task takes it out of the list of its actor, out of the table of open tasks and out of its parent. So it is in
 * all of them before it is sent, and in the list first: that is where it is found when the actor leaves. */
static gboolean
task_become_open (AgentTask *self,
                  AgentWork *parent)
{
  gboolean open;

  self->series = _agent_actor_dup_series (self->actor, agent_task_get_task_name (self));
  if (self->series != NULL)
    _agent_task_series_begin_task (self->series);
  open = _agent_actor_add_task (self->actor, &self->link);

  task_make_appointment (self);
  _agent_open_tasks_add (&self->requester);
  if (agent_task_has_finished (self))
    _agent_open_tasks_remove (&self->requester);
  if (parent != NULL)
    task_join_parent (self, parent);

  return open;
}

/* Sends the request.
 *
 * @parent: (nullable): the job of the requester that is cancelled with the task */
void
_agent_task_start (AgentTask *self,
                   AgentWork *parent)
{
  if (!task_become_open (self, parent))
    _agent_task_close (self);
  else if (parent != NULL && _agent_hand_is_cancelled (parent->hand))
    agent_task_cancel (self, AGENT_WORK_CANCELLED);
  else if (!task_watch_epoch (self))
    _agent_task_end (self, AGENT_TASK_STATUS_CANCELLED, task_new_stale_error ());
  else
    task_send (self);
}

/* The requester leaves its bus: ends the task, and has the worker stop. TRUE: it was open. */
gboolean
_agent_task_close (AgentTask *self)
{
  if (!_agent_task_end (self,
                        AGENT_TASK_STATUS_FAILED,
                        g_error_new (AGENT_BUS_ERROR,
                                     AGENT_BUS_ERROR_CLOSED,
                                     "'%s' is not on the bus any more",
                                     agent_subscriber_get_name (AGENT_SUBSCRIBER (self->actor)))))
    return FALSE;

  task_cancel_worker (self, "The requester has left");
  return TRUE;
}

/* --- Answers --- */

static void
task_note_running (AgentTask *self)
{
  gboolean changed;

  g_mutex_lock (&self->lock);
  changed = self->status == AGENT_TASK_STATUS_PENDING;
  if (changed)
    self->status = AGENT_TASK_STATUS_RUNNING;
  g_mutex_unlock (&self->lock);

  if (changed)
    g_object_notify_by_pspec (G_OBJECT (self), props[PROP_STATUS]);
}

/* @n more chunks have been read, or all of them, if nobody reads by hand: the worker may send others. */
static void
task_note_read (AgentTask *self,
                guint      n)
{
  AgentWork *writer;
  guint      n_read;

  g_mutex_lock (&self->lock);
  n_read = self->reads_by_hand ? MIN (n, self->n_chunks - self->n_read) + self->n_read : self->n_chunks;
  writer = self->is_watched && self->worker != NULL && n_read != self->n_read ? _agent_work_ref (self->worker) : NULL;
  self->n_read = n_read;
  g_mutex_unlock (&self->lock);
  if (writer == NULL)
    return;

  _agent_work_send_waiting (writer, n_read);
  _agent_work_unref (writer);
}

/* A chunk of a worker that does not number them, such as a plain subscriber, is the next one. */
static void
task_take_chunk (AgentTask    *self,
                 AgentMessage *message)
{
  GVariant *payload = agent_message_get_payload (message);
  guint     n_missed;
  guint     index;

  if (payload == NULL)
    return;

  index = _agent_work_get_chunk_index (message, self->n_chunks);
  n_missed = index > self->n_chunks ? index - self->n_chunks : 0;
  g_mutex_lock (&self->lock);
  self->n_missed += n_missed;
  self->n_read += n_missed;
  self->n_chunks = index + 1;
  g_mutex_unlock (&self->lock);
  g_signal_emit (self, signals[CHUNK], 0, index, payload);

  task_note_read (self, 0);
}

static void
task_take_response (AgentTask    *self,
                    AgentMessage *answer)
{
  AgentTaskStatus status = agent_message_get_status (answer);

  if (status == AGENT_TASK_STATUS_COMPLETED)
    task_end_by_answer (self, status, NULL, answer);
  else if (status == AGENT_TASK_STATUS_FAILED || status == AGENT_TASK_STATUS_CANCELLED)
    task_end_by_answer (self, status, agent_message_dup_error (answer), answer);
  else
    task_note_running (self);
}

gboolean
_agent_task_is_of (AgentTask  *self,
                   AgentActor *actor)
{
  return self->actor == actor;
}

void
_agent_task_take_answer (AgentTask    *self,
                         AgentMessage *answer)
{
  switch (agent_message_get_message_type (answer))
    {
    case AGENT_MESSAGE_TYPE_TASK_RESPONSE:
    case AGENT_MESSAGE_TYPE_TASK_RESPONSE_URGENT:
      task_take_response (self, answer);
      break;
    case AGENT_MESSAGE_TYPE_TASK_UPDATE:
    case AGENT_MESSAGE_TYPE_TASK_UPDATE_URGENT:
      task_note_running (self);
      g_signal_emit (self, signals[UPDATE], 0, agent_message_get_payload (answer));
      break;
    default:
      task_note_running (self);
      task_take_chunk (self, answer);
    }
}

/* Calls @func once, in the actor's context, after `finished`. FALSE: that has been emitted already, and @data is not taken. */
gboolean
_agent_task_watch_end (AgentTask       *self,
                       AgentTaskEndFunc func,
                       gpointer         data,
                       GDestroyNotify   destroy)
{
  TaskWatch *watch = g_new (TaskWatch, 1);
  gboolean   told;

  *watch = (TaskWatch){ func, data, destroy };
  g_mutex_lock (&self->lock);
  told = self->told;
  if (!told)
    self->watches = g_slist_prepend (self->watches, watch);
  g_mutex_unlock (&self->lock);

  if (told)
    g_free (watch);
  return !told;
}

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
  g_clear_pointer (&self->answer, agent_message_unref);
  g_clear_pointer (&self->parent, _agent_work_unref);
  g_clear_pointer (&self->series, _agent_task_series_unref);
  g_clear_object (&self->dispatcher);
  g_slist_free_full (self->watches, task_free_watch);
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
   * The id, which is unlike all others: it has the form of a UUID.
   *
   * Since: 0.1
   */
  props[PROP_ID] = g_param_spec_string ("id", NULL, NULL, NULL, flags);

  /**
   * AgentTask:target: (getter get_target)
   *
   * The name to which the request was sent: of a worker, a group, or an actor of the dispatcher.
   *
   * Since: 0.1
   */
  props[PROP_TARGET] = g_param_spec_string ("target", NULL, NULL, NULL, flags);

  /**
   * AgentTask:task-name: (getter get_task_name)
   *
   * What is requested, or %NULL for what the worker does by default.
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
   * What the worker has answered, or %NULL before the end, or if there is nothing.
   *
   * Since: 0.1
   */
  props[PROP_RESPONSE] = g_param_spec_variant ("response", NULL, NULL, G_VARIANT_TYPE_ANY, NULL, flags);

  /**
   * AgentTask:error: (getter get_error)
   *
   * Why the task has failed or was cancelled, or %NULL.
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

  /**
   * AgentTask::update:
   * @self: the task
   * @update: (nullable): what the worker says
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
   * @payload: the chunk
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
  gboolean ended;

  g_return_val_if_fail (AGENT_IS_TASK (self), TRUE);

  g_mutex_lock (&self->lock);
  ended = self->ended;
  g_mutex_unlock (&self->lock);

  return ended;
}

/**
 * agent_task_get_response: (get-property response)
 * @self: a task
 *
 * Gets what the worker has answered.
 *
 * Returns: (transfer none) (nullable): the response, or %NULL before the end, or if there is none
 *
 * Since: 0.1
 */
GVariant *
agent_task_get_response (AgentTask *self)
{
  AgentMessage *answer;

  g_return_val_if_fail (AGENT_IS_TASK (self), NULL);

  g_mutex_lock (&self->lock);
  answer = self->answer;
  g_mutex_unlock (&self->lock);

  return answer != NULL ? agent_message_get_payload (answer) : NULL;
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
  guint timeout;

  g_return_val_if_fail (AGENT_IS_TASK (self), 0);

  g_mutex_lock (&self->lock);
  timeout = self->timeout;
  g_mutex_unlock (&self->lock);

  return timeout;
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

  g_mutex_lock (&self->lock);
  changed = self->timeout != timeout && !self->ended;
  if (changed)
    self->timeout = timeout;
  g_mutex_unlock (&self->lock);
  if (!changed)
    return;

  /* The context finds out when the task is due now, whether it waits for its target, and whether it has ended meanwhile. */
  task_move_appointment (self, AGENT_AGENDA_NOW);
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
  g_return_if_fail (reason == NULL || _agent_utf8_is_string (reason));

  if (!_agent_task_end (self,
                        AGENT_TASK_STATUS_CANCELLED,
                        g_error_new_literal (
                            AGENT_BUS_ERROR, AGENT_BUS_ERROR_CANCELLED, reason != NULL ? reason : "The task was cancelled")))
    return;

  task_cancel_worker (self, reason);
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

  if (agent_task_has_finished (self))
    return;

  task_tell_worker (self,
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
  task_note_read (self, 0);
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

  task_note_read (self, n_chunks);
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
    task_return_waiting (self, patient);
}

/**
 * agent_task_wait_finish:
 * @self: a task
 * @result: the result
 * @error: where an error goes
 *
 * Gets the result of [method@AgentBus.Task.wait_async].
 *
 * Returns: (transfer full) (nullable): what the worker has answered, which may be nothing; or %NULL with an error: that of
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
