/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-open-tasks-private.h"
#include "actor/agent-task-ledger-private.h"
#include "actor/agent-task-error-private.h"
#include "actor/agent-task-state-private.h"
#include "agent-bus-error.h"
#include "base/agent-clock-private.h"
#include "base/agent-container-private.h"
#include "bus/agent-bus.h"
#include "bus/agent-subscriber-private.h"
#include "message/agent-task-id-private.h"

/* How a task is sent, waits for its target, and is cancelled. */

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
void
_agent_task_tell_worker (AgentTask    *self,
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
  _agent_task_tell_worker (self,
                           agent_message_new_task_cancel (agent_subscriber_get_name (AGENT_SUBSCRIBER (self->actor)),
                                                          agent_message_get_target (self->request),
                                                          agent_message_get_task_id (self->request),
                                                          reason));
}

/* A cancel has to come after the request that it cancels. So if that is being sent in this moment, in another thread, it is the
 * other thread that sends the cancel. */
void
_agent_task_cancel_worker (AgentTask  *self,
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
  self->was_sent = was_sent != FALSE;
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
            _agent_task_move_appointment (self, AGENT_AGENDA_NOW);
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
      AGENT_BUS_ERROR, AGENT_BUS_ERROR_NOT_FOUND, "There is no '%s' to do the task", agent_message_get_target (self->request));
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
  _agent_task_move_appointment (self, AGENT_AGENDA_NOW);
  task_send (self);
}

static void
task_watch_target (AgentTask *self)
{
  GMainContext *context = agent_subscriber_get_main_context (AGENT_SUBSCRIBER (self->actor));
  g_autoptr (AgentBus) bus = agent_subscriber_dup_bus (AGENT_SUBSCRIBER (self->actor));

  if (bus == NULL)
    return;

  self->wait = g_new0 (AgentTaskWait, 1);
  g_weak_ref_init (&self->wait->bus, bus);
  g_main_context_push_thread_default (context);
  self->wait->watch = agent_bus_watch_name (
      bus, agent_message_get_target (self->request), task_on_target_appeared, NULL, g_object_ref (self), g_object_unref);
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
  if (_agent_task_decide (self, status, error, NULL))
    _agent_task_cancel_worker (self, reason);
  _agent_task_tell_end_now (self);
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
                         agent_message_get_target (self->request),
                         self->wait_for_target);
  else
    error = g_error_new (AGENT_BUS_ERROR,
                         AGENT_BUS_ERROR_TIMED_OUT,
                         "'%s' has not done the task within %u ms",
                         agent_message_get_target (self->request),
                         _agent_task_read_timeout (self));

  task_end_and_cancel (self, AGENT_TASK_STATUS_FAILED, error, "The time of the task is over");
}

static void
task_get_stale (AgentTask *self)
{
  task_end_and_cancel (
      self, AGENT_TASK_STATUS_CANCELLED, _agent_task_error_new_stale (), "The conversation has gone on");
}

/* The task goes on. It may have ended, become stale, or got another timeout, since it was taken out of the agenda. */
static void
task_make_appointment (AgentTask *self)
{
  AgentAgenda *agenda = _agent_actor_get_core (self->actor)->agenda;
  gint64       due = task_get_due (self);

  _agent_agenda_add (agenda, &self->appointment, self, task_keep_appointment, due);
  if (_agent_task_has_ended (self) || g_atomic_int_get (&self->is_stale) || task_get_due (self) != due)
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

  if (_agent_task_has_ended (self))
    _agent_task_tell_end (self);
  else if (g_atomic_int_get (&self->is_stale))
    task_get_stale (self);
  else if (task_get_due (self) <= _agent_clock_now ())
    task_time_out (self, waits);
  else
    {
      if (!waits)
        _agent_task_stop_waiting_for_target (self);
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

/* --- Cancelling --- */

/* Ends the task, and has the worker stop. @reason: (nullable) */
void
_agent_task_cancel (AgentTask  *self,
                    const char *reason)
{
  if (_agent_task_end (self, AGENT_TASK_STATUS_CANCELLED, _agent_task_error_new_cancelled (reason)))
    _agent_task_cancel_worker (self, reason);
}

/* --- The beginning --- */

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
  if (_agent_task_has_ended (self))
    _agent_work_forget_child (parent, &self->requester);
}

/* Whoever ends the task takes it out of the list of its actor, out of the table of open tasks and out of its parent. So it is in
 * all of them before it is sent, and in the list first: that is where it is found when the actor leaves. */
static gboolean
task_become_open (AgentTask *self,
                  AgentWork *parent)
{
  gboolean open;

  self->requester.mailbox = _agent_actor_ref_mailbox (self->actor);
  self->series =
      _agent_actor_dup_series (self->actor, agent_message_get_task_name (self->request));
  if (self->series != NULL)
    _agent_task_series_begin_task (self->series);
  open = _agent_actor_add_task (self->actor, &self->link, self->requester.mailbox);
  task_make_appointment (self);
  _agent_open_tasks_add (&self->requester);
  if (_agent_task_has_ended (self))
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
    _agent_task_cancel (self, AGENT_WORK_CANCELLED);
  else if (!task_watch_epoch (self))
    _agent_task_end (self, AGENT_TASK_STATUS_CANCELLED, _agent_task_error_new_stale ());
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

  _agent_task_cancel_worker (self, "The requester has left");
  return TRUE;
}
