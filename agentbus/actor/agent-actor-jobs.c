/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-actor-signals-private.h"
#include "actor/agent-job-private.h"
#include "actor/agent-task-error-private.h"
#include "actor/agent-work-private.h"
#include "agent-bus-error.h"
#include "base/agent-clock-private.h"
#include "base/agent-container-private.h"
#include "bus/agent-subscriber-private.h"

/*
 * How an actor works: requests become jobs, several at a time, and the others wait for their turn.
 *
 * Each request that the actor has taken keeps the mailbox of the subscription from leaving until it is answered.
 */

/* What becomes of a request that has come. */
typedef enum
{
  TAKE_BEGIN,
  TAKE_WAIT,
  TAKE_FULL,
  TAKE_CLOSED,
} Take;

/* --- Answers without a job --- */

/* Answers a request for which no handler is called. Takes @error. */
static void
jobs_refuse (AgentActor     *self,
             AgentMailbox   *mailbox,
             AgentMessage   *request,
             AgentTaskStatus status,
             GError         *error)
{
  AgentWork *work = _agent_work_new (self, mailbox, request);

  _agent_work_answer (work, status, NULL, error);
  _agent_work_unref (work);
  g_error_free (error);
}

static void
jobs_refuse_unknown (AgentActor   *self,
                     AgentMailbox *mailbox,
                     AgentMessage *request)
{
  const char *name = agent_subscriber_get_name (AGENT_SUBSCRIBER (self));
  const char *task_name = agent_message_get_task_name (request);
  GError     *error;

  if (task_name != NULL)
    error = g_error_new (AGENT_BUS_ERROR, AGENT_BUS_ERROR_NOT_FOUND, "'%s' does no task '%s'", name, task_name);
  else
    error = g_error_new (AGENT_BUS_ERROR, AGENT_BUS_ERROR_NOT_FOUND, "'%s' does no task without a name", name);
  jobs_refuse (self, mailbox, request, AGENT_TASK_STATUS_FAILED, error);
}

static void
jobs_refuse_closed (AgentActor   *self,
                    AgentMailbox *mailbox,
                    AgentMessage *request)
{
  jobs_refuse (self, mailbox, request, AGENT_TASK_STATUS_FAILED, _agent_task_error_new_left (self));
}

/* --- Beginning --- */

/* TRUE: the job is among those that are worked on now. */
static gboolean
jobs_add_work (AgentActor *self,
               AgentWork  *work)
{
  AgentActorCore *core = _agent_actor_get_core (self);
  gboolean        open;

  g_mutex_lock (&core->lock);
  open = core->closed_jobs != work->mailbox;
  if (open)
    {
      _agent_work_ref (work);
      g_queue_push_tail_link (&core->jobs, &work->link);
    }
  g_mutex_unlock (&core->lock);

  if (open && work->series != NULL)
    _agent_task_series_begin_job (work->series);
  return open;
}

static void
jobs_call_handler (AgentActor *self,
                   AgentWork  *work)
{
  AgentActorCore *core = _agent_actor_get_core (self);
  AgentWork      *before = core->current;
  AgentJob       *job = _agent_job_new (work);

  g_atomic_pointer_set (&core->current, work);
  _agent_actor_emit_request (self, job, agent_job_get_task_name (job));
  g_atomic_pointer_set (&core->current, before);

  /* Answers the job if nobody has kept it. */
  g_object_unref (job);
}

static void
jobs_cancel (AgentWork *work,
             GError    *error)
{
  _agent_work_answer (work, AGENT_TASK_STATUS_CANCELLED, NULL, error);
  g_error_free (error);
}

/* Calls the handler for @work, which is among the jobs already. It is too late for that if the conversation has gone on, the
 * task or the actor's subscription has ended, since the request was taken. */
static void
jobs_call_handler_in_time (AgentActor *self,
                           AgentWork  *work)
{
  if (!_agent_work_watch_epoch (work))
    jobs_cancel (work, _agent_task_error_new_stale ());
  else if (!_agent_work_meet_task (work))
    jobs_cancel (work, _agent_task_error_new_cancelled (NULL));
  else if (!_agent_work_has_ended (work))
    jobs_call_handler (self, work);
}

static void
jobs_begin (AgentActor   *self,
            AgentMailbox *mailbox,
            AgentMessage *request)
{
  AgentWork *work = _agent_work_new (self, mailbox, request);

  work->series = _agent_actor_dup_series (self, agent_message_get_task_name (request));
  work->begun_at = _agent_clock_now ();
  if (jobs_add_work (self, work))
    jobs_call_handler_in_time (self, work);
  else
    jobs_refuse_closed (self, mailbox, request);
  _agent_work_unref (work);
}

static gboolean
jobs_has_place_locked (AgentActorCore *core)
{
  return core->max_jobs == 0 || core->jobs.length < core->max_jobs;
}

/* What becomes of @request, which has just come. If it waits, it is among those that do when this returns. */
static Take
jobs_choose (AgentActor   *self,
             AgentMailbox *mailbox,
             AgentMessage *request)
{
  AgentActorCore *core = _agent_actor_get_core (self);
  Take            take;

  g_mutex_lock (&core->lock);
  if (core->closed_jobs == mailbox)
    take = TAKE_CLOSED;
  else if (core->pending.length == 0 && jobs_has_place_locked (core))
    take = TAKE_BEGIN;
  else if (core->pending.length < core->max_pending)
    take = TAKE_WAIT;
  else
    take = TAKE_FULL;
  if (take == TAKE_WAIT)
    g_queue_push_tail (&core->pending, agent_message_ref (request));
  g_mutex_unlock (&core->lock);

  return take;
}

static void
jobs_take (AgentActor   *self,
           AgentMailbox *mailbox,
           AgentMessage *request)
{
  switch (jobs_choose (self, mailbox, request))
    {
    case TAKE_BEGIN:
      jobs_begin (self, mailbox, request);
      break;
    case TAKE_FULL:
      jobs_refuse (self,
                   mailbox,
                   request,
                   AGENT_TASK_STATUS_FAILED,
                   g_error_new (AGENT_BUS_ERROR,
                                AGENT_BUS_ERROR_FULL,
                                "%u requests wait at '%s' already",
                                _agent_actor_read (self, &_agent_actor_get_core (self)->max_pending),
                                agent_subscriber_get_name (AGENT_SUBSCRIBER (self))));
      break;
    case TAKE_CLOSED:
      jobs_refuse_closed (self, mailbox, request);
      break;
    case TAKE_WAIT:
      break;
    default:
      g_assert_not_reached ();
    }
}

/* Works on @request, or has it wait, or refuses it. */
void
_agent_actor_take_request (AgentActor   *self,
                           AgentMessage *request)
{
  AgentMailbox *mailbox = _agent_actor_ref_last_mailbox (self);

  _agent_mailbox_begin_work (mailbox);
  if (_agent_actor_does_task (self, agent_message_get_task_name (request)))
    jobs_take (self, mailbox, request);
  else
    jobs_refuse_unknown (self, mailbox, request);
  _agent_mailbox_unref (mailbox);
}

/* --- The requests that wait --- */

/* Takes out a request that waits and for which there is a place: (transfer full) (nullable). */
static AgentMessage *
jobs_take_pending (AgentActor *self)
{
  AgentActorCore *core = _agent_actor_get_core (self);
  AgentMessage   *request = NULL;

  g_mutex_lock (&core->lock);
  if (jobs_has_place_locked (core))
    request = g_queue_pop_head (&core->pending);
  g_mutex_unlock (&core->lock);

  return request;
}

/* Begins with @request, unless that has changed since it came: its time may be over, and its handler may be gone. A cancel may
 * be queued, and must come first. */
static void
jobs_begin_pending (AgentActor   *self,
                    AgentMailbox *mailbox,
                    AgentMessage *request)
{
  if (_agent_message_is_stale (request))
    jobs_refuse (self, mailbox, request, AGENT_TASK_STATUS_CANCELLED, _agent_task_error_new_stale ());
  else if (_agent_mailbox_has_cancelled (mailbox, request))
    jobs_refuse (self, mailbox, request, AGENT_TASK_STATUS_CANCELLED, _agent_task_error_new_cancelled (NULL));
  else if (_agent_message_has_expired (request, _agent_clock_now ()))
    jobs_refuse (self,
                 mailbox,
                 request,
                 AGENT_TASK_STATUS_FAILED,
                 g_error_new_literal (AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT, "The time of the task is over"));
  else if (!_agent_actor_does_task (self, agent_message_get_task_name (request)))
    jobs_refuse_unknown (self, mailbox, request);
  else
    jobs_begin (self, mailbox, request);
}

/* Begins the jobs for which there is a place now. */
void
_agent_actor_begin_jobs (AgentActor *self)
{
  AgentMailbox *mailbox = _agent_actor_ref_last_mailbox (self);
  AgentMessage *request;

  while ((request = jobs_take_pending (self)) != NULL)
    {
      jobs_begin_pending (self, mailbox, request);
      agent_message_unref (request);
    }
  g_clear_pointer (&mailbox, _agent_mailbox_unref);
}

/* --- Cancellation --- */

void
_agent_actor_trip_jobs (AgentActor *self)
{
  AgentActorCore *core = _agent_actor_get_core (self);

  g_autoptr (GPtrArray) works = NULL;

  g_mutex_lock (&core->lock);
  works = g_steal_pointer (&core->to_trip);
  g_mutex_unlock (&core->lock);

  for (guint i = 0; works != NULL && i < works->len; i++)
    _agent_work_trip (works->pdata[i]);
}

static gboolean
jobs_is_same_task (AgentMessage *request,
                   AgentMessage *message)
{
  return g_str_equal (agent_message_get_source (request), agent_message_get_source (message)) &&
         g_str_equal (agent_message_get_task_id (request), agent_message_get_task_id (message));
}

/* The job to which @message belongs: (transfer full) (nullable). */
static AgentWork *
jobs_find_work (AgentActor   *self,
                AgentMessage *message)
{
  AgentActorCore *core = _agent_actor_get_core (self);
  AgentWork      *found = NULL;

  g_mutex_lock (&core->lock);
  for (GList *l = core->jobs.head; l != NULL && found == NULL; l = l->next)
    {
      AgentWork *work = l->data;

      if (jobs_is_same_task (work->hand->message, message))
        found = _agent_work_ref (work);
    }
  g_mutex_unlock (&core->lock);

  return found;
}

/* Takes out the request that waits to which @message belongs: (transfer full) (nullable). */
static AgentMessage *
jobs_steal_pending (AgentActor   *self,
                    AgentMessage *message)
{
  AgentActorCore *core = _agent_actor_get_core (self);
  AgentMessage   *found = NULL;

  g_mutex_lock (&core->lock);
  for (GList *l = core->pending.head; l != NULL && found == NULL; l = l->next)
    {
      if (jobs_is_same_task (l->data, message))
        {
          found = l->data;
          g_queue_delete_link (&core->pending, l);
          break;
        }
    }
  g_mutex_unlock (&core->lock);

  return found;
}

static void
jobs_cancel_pending (AgentActor   *self,
                     AgentMessage *request,
                     const char   *reason)
{
  AgentMailbox *mailbox = _agent_actor_ref_last_mailbox (self);

  jobs_refuse (self, mailbox, request, AGENT_TASK_STATUS_CANCELLED, _agent_task_error_new_cancelled (reason));
  _agent_mailbox_unref (mailbox);
}

/* @cancel: a TASK_CANCEL. A request that is still in the channel is looked at when its turn comes. */
void
_agent_actor_cancel_job (AgentActor   *self,
                         AgentMessage *cancel)
{
  AgentWork    *work = jobs_find_work (self, cancel);
  AgentMessage *request;

  if (work != NULL)
    {
      _agent_hand_request_cancel (work->hand);
      _agent_work_trip (work);
      _agent_work_unref (work);
      return;
    }

  request = jobs_steal_pending (self, cancel);
  if (request == NULL)
    return;
  jobs_cancel_pending (self, request, agent_message_get_reason (cancel));
  agent_message_unref (request);
}

/* @message: a TASK_UPDATE_REQUEST */
void
_agent_actor_ask_job (AgentActor   *self,
                      AgentMessage *message)
{
  AgentWork *work = jobs_find_work (self, message);
  AgentJob  *job = work != NULL ? _agent_work_dup_job (work) : NULL;

  if (job != NULL)
    _agent_job_request_update (job);
  g_clear_object (&job);
  g_clear_pointer (&work, _agent_work_unref);
}

/* --- Leaving --- */

/* The actor leaves, and does not finish its work: all that have requested something of it get their answer now. In any
 * thread. */
void
_agent_actor_close_jobs (AgentActor   *self,
                         AgentMailbox *mailbox)
{
  AgentActorCore *core = _agent_actor_get_core (self);
  GError         *error = _agent_task_error_new_left (self);
  AgentMailbox   *before;
  GQueue          pending;

  g_autoptr (GPtrArray) works = g_ptr_array_new_with_free_func ((GDestroyNotify) _agent_work_unref);

  g_mutex_lock (&core->lock);
  before = core->closed_jobs;
  core->closed_jobs = _agent_mailbox_ref (mailbox);
  for (GList *l = core->jobs.head; l != NULL; l = l->next)
    g_ptr_array_add (works, _agent_work_ref (l->data));
  pending = core->pending;
  g_queue_init (&core->pending);
  g_mutex_unlock (&core->lock);
  g_clear_pointer (&before, _agent_mailbox_unref);

  for (guint i = 0; i < works->len; i++)
    {
      AgentWork *work = works->pdata[i];

      _agent_hand_request_cancel (work->hand);
      _agent_work_trip_later (work);
      _agent_work_answer (work, AGENT_TASK_STATUS_FAILED, NULL, error);
    }
  for (AgentMessage *request; (request = g_queue_pop_head (&pending)) != NULL;)
    {
      jobs_refuse_closed (self, mailbox, request);
      agent_message_unref (request);
    }
  g_error_free (error);
}
