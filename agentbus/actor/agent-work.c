/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-open-tasks-private.h"
#include "actor/agent-patient-private.h"
#include "actor/agent-task-ledger-private.h"
#include "actor/agent-work-private.h"
#include "agent-bus-error.h"
#include "base/agent-clock-private.h"
#include "base/agent-container-private.h"
#include "bus/agent-bus-private.h"
#include "message/agent-task-id-private.h"

/* A chunk that waits until others are read. */
typedef struct
{
  GVariant     *payload; /* (owned) */
  AgentPatient *patient; /* (owned) */
} WaitingChunk;

/* What is left to do when the lock is free again. */
typedef struct
{
  AgentBus    *bus; /* (owned) (nullable) of the request, also when the actor has left it. NULL: it is gone */
  AgentSender *sender;
  GPtrArray   *sent; /* (owned) (nullable) the AgentPatients of chunks that were sent */
} Sending;

/* An AgentEpochOverFunc, called with the lock of the conversation held. */
static void
work_on_epoch_over (AgentEpochWatch *watch)
{
  AgentWork *self = AGENT_CONTAINER_OF (watch, AgentWork, epoch_watch);

  _agent_hand_request_cancel (self->hand);
  _agent_work_trip_later (self);
}

/* The requester of @request, if it is in this process and on this bus: (transfer full) (nullable). What has come from another node
 * is answered by messages to that node, also if both are in one process: only so it knows that the request has ended. */
static AgentRequester *
work_lookup_requester (AgentMessage *request)
{
  return request->remote ? NULL : _agent_open_tasks_lookup (agent_message_get_task_id (request));
}

/* The requester may leave the bus while it waits, for a job of its own. Then nobody finds it by its name. */
static AgentMailbox *
work_ref_requester (AgentMessage *request)
{
  g_autoptr (AgentRequester) requester = work_lookup_requester (request);

  return requester != NULL && requester->mailbox != NULL ? _agent_mailbox_ref (requester->mailbox) : NULL;
}

AgentWork *
_agent_work_new (AgentActor   *actor,
                 AgentMailbox *mailbox,
                 AgentMessage *request)
{
  AgentWork *self = g_new0 (AgentWork, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->link.data = self;
  self->actor = g_object_ref (actor);
  self->mailbox = _agent_mailbox_ref (mailbox);
  self->requester = work_ref_requester (request);
  self->hand = _agent_hand_new (request);
  g_mutex_init (&self->lock);
  g_queue_init (&self->waiting);

  return self;
}

AgentWork *
_agent_work_ref (AgentWork *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_agent_work_unref (AgentWork *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  _agent_hand_unref (self->hand);
  _agent_mailbox_unref (self->mailbox);
  g_clear_pointer (&self->requester, _agent_mailbox_unref);
  g_clear_pointer (&self->children, g_ptr_array_unref);
  g_clear_pointer (&self->series, _agent_task_series_unref);
  g_mutex_clear (&self->lock);
  g_object_unref (self->actor);
  g_free (self);
}

gboolean
_agent_work_has_ended (AgentWork *self)
{
  gboolean answered;

  g_mutex_lock (&self->lock);
  answered = self->answered;
  g_mutex_unlock (&self->lock);

  return answered;
}

/* The work begins, and its requester in this process knows it from now on. FALSE: the requester does not want it any more. */
gboolean
_agent_work_meet_task (AgentWork *self)
{
  AgentMessage *request = self->hand->message;
  g_autoptr (AgentRequester) requester = work_lookup_requester (request);

  if (requester == NULL)
    return request->remote || _agent_task_id_get_number (agent_message_get_task_id (request)) == 0;
  return requester->funcs->set_worker (requester, self);
}

/* Nobody wants the answer any more. */
void
_agent_work_cancel (AgentWork *self)
{
  if (_agent_work_has_ended (self))
    return;

  _agent_hand_request_cancel (self->hand);
  _agent_work_trip_later (self);
}

/* Has the work tripped in the actor's context. May be called with the lock of a conversation held. */
void
_agent_work_trip_later (AgentWork *self)
{
  _agent_actor_trip_later (self->actor, _agent_work_ref (self), (GDestroyNotify) _agent_work_unref);
}

/* (transfer full) (nullable): NULL if the application has dropped it */
AgentJob *
_agent_work_dup_job (AgentWork *self)
{
  AgentJob *job;

  g_mutex_lock (&self->lock);
  job = self->job != NULL ? g_object_ref (self->job) : NULL;
  g_mutex_unlock (&self->lock);

  return job;
}

/* @job: (nullable): NULL when it is dropped */
void
_agent_work_set_job (AgentWork *self,
                     AgentJob  *job)
{
  g_mutex_lock (&self->lock);
  self->job = job;
  g_mutex_unlock (&self->lock);
}

/* The conversation may go on while the work is under way. The lock is held, so that nobody answers before the work watches.
 *
 * FALSE: it has gone on already. */
gboolean
_agent_work_watch_epoch (AgentWork *self)
{
  AgentEpoch *epoch = self->hand->message->epoch;
  gboolean    is_current = TRUE;

  if (epoch == NULL)
    return TRUE;

  g_mutex_lock (&self->lock);
  if (!self->answered)
    is_current = _agent_epoch_watch (epoch, &self->epoch_watch, work_on_epoch_over);
  g_mutex_unlock (&self->lock);

  return is_current;
}

/* --- Sending --- */

static Sending
work_begin_sending (AgentWork *self)
{
  AgentMailboxOwner *owner = self->mailbox->owner;
  Sending            sending = { owner->funcs->dup_bus (owner), _agent_sender_get (), NULL };

  g_mutex_lock (&self->lock);
  return sending;
}

/* Takes @patient and @error: (nullable). */
static void
work_return_chunk (AgentPatient *patient,
                   GError       *error)
{
  g_autoptr (GTask) task = _agent_patient_end (patient);

  if (task == NULL)
    g_clear_error (&error);
  else if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
}

/* What was sent may run functions of the application when it is freed, so it is freed here. */
static void
work_end_sending (AgentWork *self,
                  Sending   *sending)
{
  g_mutex_unlock (&self->lock);

  _agent_sender_collect (sending->sender);
  for (guint i = 0; sending->sent != NULL && i < sending->sent->len; i++)
    work_return_chunk (sending->sent->pdata[i], NULL);
  g_clear_pointer (&sending->sent, g_ptr_array_unref);
  g_clear_object (&sending->bus);
}

/* Takes @message, which goes in above all limits of the requester. */
static void
work_send_locked (AgentWork    *self,
                  AgentMessage *message,
                  Sending      *sending)
{
  agent_message_set_cause (message, self->hand->message);
  agent_message_set_reliable (message, TRUE);
  if (sending->bus == NULL)
    _agent_sender_unref_later (sending->sender, message);
  else if (self->requester != NULL)
    _agent_bus_send_to_mailbox_uncollected (sending->bus, self->requester, message, sending->sender);
  else
    _agent_bus_send_uncollected (sending->bus, message, sending->sender);
}

/* The number of a chunk is its label. Takes @payload. */
static void
work_send_chunk_locked (AgentWork *self,
                        GVariant  *payload,
                        Sending   *sending)
{
  AgentMessage *request = self->hand->message;
  char          number[16];

  g_snprintf (number, sizeof number, "%u", self->n_chunks++);
  work_send_locked (self,
                    _agent_message_new_from_parts (
                        &(AgentMessageParts){ .type = AGENT_MESSAGE_TYPE_TASK_STREAM_DATA,
                                              .channel = AGENT_CHANNEL_DATA,
                                              .source = agent_subscriber_get_name (AGENT_SUBSCRIBER (self->actor)),
                                              .target = agent_message_get_source (request),
                                              .task_id = agent_message_get_task_id (request),
                                              .label = number,
                                              .content = payload }),
                    sending);
}

/* The number of @chunk, or @next if it has none, or if that is over already, or higher than a worker can count. */
guint
_agent_work_get_chunk_index (AgentMessage *chunk,
                             guint         next)
{
  const char *label = _agent_message_string (chunk, chunk->label);
  guint64     index;

  if (label == NULL || next > AGENT_WORK_MAX_INDEX ||
      !g_ascii_string_to_unsigned (label, 10, next, AGENT_WORK_MAX_INDEX, &index, NULL))
    return next;
  return (guint) index;
}

/* Sends the chunks that wait for which there is room. */
static void
work_send_waiting_locked (AgentWork *self,
                          guint      max_chunks,
                          Sending   *sending)
{
  while (self->waiting.length > 0 && self->n_chunks < max_chunks)
    {
      WaitingChunk *chunk = g_queue_pop_head (&self->waiting);

      work_send_chunk_locked (self, chunk->payload, sending);
      if (sending->sent == NULL)
        sending->sent = g_ptr_array_new ();
      g_ptr_array_add (sending->sent, chunk->patient);
      g_free (chunk);
    }
}

void
_agent_work_send_waiting (AgentWork *self,
                          guint      n_read)
{
  Sending sending = work_begin_sending (self);

  if (!self->answered)
    work_send_waiting_locked (self, n_read + AGENT_WORK_MAX_UNREAD, &sending);
  work_end_sending (self, &sending);
}

/* The reader has ended: nobody reads what waits. */
void
_agent_work_stop_waiting (AgentWork *self)
{
  WaitingChunk *chunk;
  GQueue        waiting;

  g_mutex_lock (&self->lock);
  waiting = self->waiting;
  g_queue_init (&self->waiting);
  g_mutex_unlock (&self->lock);

  while ((chunk = g_queue_pop_head (&waiting)) != NULL)
    {
      work_return_chunk (
          chunk->patient,
          g_error_new_literal (AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED, "Nobody waits for the chunk any more"));
      g_variant_unref (chunk->payload);
      g_free (chunk);
    }
}

gboolean
_agent_work_update (AgentWork *self,
                    GVariant  *update)
{
  AgentMessage *request = self->hand->message;
  AgentMessage *message = agent_message_new_task_update (agent_subscriber_get_name (AGENT_SUBSCRIBER (self->actor)),
                                                         agent_message_get_source (request),
                                                         agent_message_get_task_id (request),
                                                         update);
  Sending       sending = work_begin_sending (self);
  gboolean      ended = self->answered;

  if (ended)
    _agent_sender_unref_later (sending.sender, message);
  else
    work_send_locked (self, message, &sending);
  work_end_sending (self, &sending);

  return !ended;
}

/* What waits is sent first. */
gboolean
_agent_work_send_chunk (AgentWork *self,
                        GVariant  *payload)
{
  Sending  sending;
  gboolean ended;

  payload = g_variant_ref_sink (payload);
  sending = work_begin_sending (self);
  ended = self->answered;
  if (!ended)
    {
      work_send_waiting_locked (self, G_MAXUINT, &sending);
      work_send_chunk_locked (self, payload, &sending);
    }
  work_end_sending (self, &sending);

  if (ended)
    g_variant_unref (payload);
  return !ended;
}

static void
work_wait_with_chunk_locked (AgentWork    *self,
                             GVariant     *payload,
                             AgentPatient *patient)
{
  WaitingChunk *chunk = g_new (WaitingChunk, 1);

  chunk->payload = payload;
  chunk->patient = patient;
  g_queue_push_tail (&self->waiting, chunk);
}

/* As _agent_work_send_chunk(), but waits while too many are unread. Takes @task, which returns when the chunk is sent.
 *
 * The chunk waits before the reader is asked. So either the answer tells of what was read since, or the reader finds it. */
void
_agent_work_send_chunk_task (AgentWork *self,
                             GVariant  *payload,
                             GTask     *task)
{
  g_autoptr (AgentRequester) reader = work_lookup_requester (self->hand->message);
  AgentPatient *patient = _agent_patient_new (task);
  guint         n_read;

  payload = g_variant_ref_sink (payload);
  g_mutex_lock (&self->lock);
  work_wait_with_chunk_locked (self, payload, patient);
  g_mutex_unlock (&self->lock);

  /* A reader in another process, or that is no actor, does not tell what it reads. */
  n_read = reader != NULL ? reader->funcs->watch_reading (reader, self) : G_MAXUINT - AGENT_WORK_MAX_UNREAD;
  if (n_read != G_MAXUINT && !_agent_work_has_ended (self))
    _agent_work_send_waiting (self, n_read);
  else
    _agent_work_stop_waiting (self);
}

/* --- The answer --- */

/* The actor takes the next request, and may leave. */
static void
work_leave_actor (AgentWork *self)
{
  gboolean was_job = _agent_actor_forget_job (self->actor, &self->link);

  if (was_job && self->series != NULL)
    _agent_task_series_end_job (self->series, _agent_clock_now () - self->begun_at);
  _agent_mailbox_end_work (self->mailbox);
  if (was_job)
    _agent_work_unref (self);
}

static AgentMessage *
work_new_answer (AgentWork      *self,
                 AgentTaskStatus status,
                 GVariant       *response,
                 const GError   *error)
{
  AgentMessage *request = self->hand->message;
  const char   *source = agent_subscriber_get_name (AGENT_SUBSCRIBER (self->actor));
  const char   *target = agent_message_get_source (request);
  const char   *id = agent_message_get_task_id (request);

  if (error != NULL)
    return _agent_message_new_task_failure (source, target, id, status, error);
  return agent_message_new_task_response (source, target, id, status, response);
}

/* Takes @answer, and sends it after all chunks. TRUE for the first call only. */
static gboolean
work_send_answer (AgentWork    *self,
                  AgentMessage *answer)
{
  Sending  sending = work_begin_sending (self);
  gboolean first = !self->answered;

  if (first)
    {
      work_send_waiting_locked (self, G_MAXUINT, &sending);
      self->answered = TRUE;
      work_send_locked (self, answer, &sending);
    }
  else
    {
      _agent_sender_unref_later (sending.sender, answer);
    }
  work_end_sending (self, &sending);

  if (!first)
    return FALSE;
  if (self->epoch_watch.of != NULL)
    _agent_epoch_unwatch (&self->epoch_watch);
  _agent_work_stop_waiting (self);
  work_leave_actor (self);
  return TRUE;
}

/* Sends the one answer of the work. TRUE for the first call only.
 *
 * @response: (nullable); a floating reference is sunk
 * @error: (nullable) */
gboolean
_agent_work_answer (AgentWork      *self,
                    AgentTaskStatus status,
                    GVariant       *response,
                    const GError   *error)
{
  return work_send_answer (self, work_new_answer (self, status, response, error));
}

/* As _agent_work_answer() for COMPLETED, with JSON text. FALSE with an error: the text is none, or it is not the first call. */
gboolean
_agent_work_complete_json (AgentWork  *self,
                           const char *text,
                           GError    **error)
{
  AgentMessage *answer = work_new_answer (self, AGENT_TASK_STATUS_COMPLETED, NULL, NULL);

  if (!agent_message_set_payload_json (answer, text, error))
    {
      agent_message_unref (answer);
      return FALSE;
    }
  if (!work_send_answer (self, answer))
    {
      g_set_error_literal (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED, "The job has ended already");
      return FALSE;
    }

  return TRUE;
}

/* --- The tasks that were requested in it --- */

void
_agent_work_add_child (AgentWork      *self,
                       AgentRequester *child)
{
  g_mutex_lock (&self->lock);
  if (self->children == NULL)
    self->children = g_ptr_array_new_with_free_func ((GDestroyNotify) _agent_requester_unref);
  g_ptr_array_add (self->children, _agent_requester_ref (child));
  g_mutex_unlock (&self->lock);
}

void
_agent_work_forget_child (AgentWork      *self,
                          AgentRequester *child)
{
  AgentRequester *forgotten = NULL;
  guint           index;

  g_mutex_lock (&self->lock);
  if (self->children != NULL && g_ptr_array_find (self->children, child, &index))
    forgotten = g_ptr_array_steal_index_fast (self->children, index);
  g_mutex_unlock (&self->lock);

  g_clear_pointer (&forgotten, _agent_requester_unref);
}

/* (transfer full) (nullable) */
static GPtrArray *
work_take_children (AgentWork *self)
{
  GPtrArray *children;

  g_mutex_lock (&self->lock);
  children = g_steal_pointer (&self->children);
  g_mutex_unlock (&self->lock);

  return children;
}

/* The work is cancelled: whoever has asked for the cancellable is told, and so are the workers of the tasks. */
void
_agent_work_trip (AgentWork *self)
{
  g_autoptr (GPtrArray) children = work_take_children (self);

  _agent_hand_trip (self->hand);
  for (guint i = 0; children != NULL && i < children->len; i++)
    {
      AgentRequester *child = children->pdata[i];

      child->funcs->cancel (child, AGENT_WORK_CANCELLED);
    }
}
