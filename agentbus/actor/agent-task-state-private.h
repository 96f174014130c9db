/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "actor/agent-actor-core-private.h"
#include "actor/agent-patient-private.h"
#include "actor/agent-requester-private.h"
#include "actor/agent-task-private.h"
#include "actor/agent-task-signals-private.h"
#include "actor/agent-work-private.h"

G_BEGIN_DECLS

/*
 * What a task is made of, for its files: how it ends (agent-task-end.c), how it is sent (-send.c), what is heard of it
 * (-answer.c), and what the application sees (agent-task.c). Each of them uses only those that stand before it in this order.
 */

/* What a task keeps that waits for somebody of the name of its target. Made and freed in the actor's context. Nobody waits on a
 * bus that the application has dropped, so it does not keep the bus. */
typedef struct
{
  GWeakRef bus;
  guint    watch;
} AgentTaskWait;

/* Who wants to know of the end, besides the application. */
typedef struct
{
  AgentTaskEndFunc func;
  gpointer         data; /* (owned) */
  GDestroyNotify   destroy;
} AgentTaskWatch;

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
  AgentTaskWait         *wait;     /* (context's thread) (owned) (nullable) */
  guint                  n_chunks; /* (context's thread; written with the lock) how many have come, or are known to be lost */
  guint                  n_read;   /* (lock) how many have been read */

  GMutex        lock;
  AgentTaskSeries *series;       /* (owned) (nullable) where it is counted; constant once it is open */
  AgentWork    *parent;          /* (lock) (owned) (nullable) the job of the requester in which it was requested */
  AgentWork    *worker;          /* (lock) (owned) (nullable) who works on it in this process */
  AgentMessage *answer;          /* (lock) (owned) (nullable) */
  GError       *error;           /* (lock) (owned) (nullable) */
  GSList       *waiting;         /* (lock) (owned) the AgentPatients of wait_async() */
  GSList       *watches;         /* (lock) (owned) of AgentTaskWatch (owned) */
  gint64        made_at;         /* µs */
  guint         n_missed;        /* (lock) */
  gint          is_stale;        /* (atomic) the conversation has gone on */
  guint         timeout;         /* (lock) ms, 0 for none */
  guint         wait_for_target; /* ms, constant */
  guint8        status;          /* (lock) an AgentTaskStatus */

  /* (lock) Bits, since there may be very many open tasks. */
  guint8 ended         : 1;
  guint8 told          : 1; /* `finished` has been emitted */
  guint8 was_sent      : 1; /* somebody has accepted the request */
  guint8 is_sending    : 1; /* somebody is being asked whether he accepts it */
  guint8 has_cancel    : 1; /* the worker has to be told that the task has ended, as soon as the request is sent */
  guint8 waits         : 1; /* for somebody of the name of its target */
  guint8 is_watched    : 1; /* the worker wants to know when chunks are read */
  guint8 reads_by_hand : 1; /* mark_read() says what is read */
};

static inline gboolean
_agent_task_has_ended (AgentTask *self)
{
  gboolean ended;

  g_mutex_lock (&self->lock);
  ended = self->ended;
  g_mutex_unlock (&self->lock);

  return ended;
}

static inline guint
_agent_task_read_timeout (AgentTask *self)
{
  guint timeout;

  g_mutex_lock (&self->lock);
  timeout = self->timeout;
  g_mutex_unlock (&self->lock);

  return timeout;
}

/* What the worker has answered: (transfer none) (nullable). It never changes. */
static inline AgentMessage *
_agent_task_peek_answer (AgentTask *self)
{
  AgentMessage *answer;

  g_mutex_lock (&self->lock);
  answer = self->answer;
  g_mutex_unlock (&self->lock);

  return answer;
}

/* (transfer none) (nullable) */
static inline GVariant *
_agent_task_peek_response (AgentTask *self)
{
  AgentMessage *answer = _agent_task_peek_answer (self);

  return answer != NULL ? agent_message_get_payload (answer) : NULL;
}

static inline void
_agent_task_move_appointment (AgentTask *self,
                              gint64     time)
{
  _agent_agenda_move (_agent_actor_get_core (self->actor)->agenda, &self->appointment, time);
}

/* The end */
gboolean _agent_task_decide (AgentTask      *self, AgentTaskStatus status, GError         *error, AgentMessage   *answer);
void _agent_task_return_waiting (AgentTask    *self, AgentPatient *patient);
void _agent_task_stop_waiting_for_target (AgentTask *self);
void _agent_task_free_watch (gpointer data);
void _agent_task_tell_end (AgentTask *self);
void _agent_task_tell_end_now (AgentTask *self);
void _agent_task_end_by_answer (AgentTask      *self, AgentTaskStatus status, GError         *error, AgentMessage   *answer);

/* Sending */
void _agent_task_tell_worker (AgentTask    *self, AgentMessage *message);
void _agent_task_cancel_worker (AgentTask  *self, const char *reason);
void _agent_task_cancel (AgentTask  *self, const char *reason);

/* What is heard of it */
void _agent_task_note_read (AgentTask *self, guint      n);

G_END_DECLS
