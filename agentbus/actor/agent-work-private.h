/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "actor/agent-actor-core-private.h"
#include "actor/agent-requester-private.h"

G_BEGIN_DECLS

/*
 * The worker's side of a request: from the moment when its handler begins until its one answer is sent.
 *
 * The AgentJob of the application and the actor share it. The AgentJob may be dropped at any time, in any thread; the work is
 * then answered. Whoever answers first decides.
 *
 * All messages of a work are sent with its lock held, so that chunks keep their order, and nothing comes after the answer.
 *
 * All functions may be called in any thread, with no lock held, if nothing else is said.
 */

/* How many chunks may be unread before send_chunk_async() waits. */
#define AGENT_WORK_MAX_UNREAD 32

/* The reason of a task that is cancelled with the job in which it was requested. */
#define AGENT_WORK_CANCELLED "The job in which the task was requested was cancelled"

/* No chunk has a higher number. What is lost before it is told by a number too. */
#define AGENT_WORK_MAX_INDEX  G_MAXINT32

struct _AgentWork
{
  gatomicrefcount ref_count;
  GList           link;      /* (actor's lock) */
  AgentActor     *actor;     /* (owned) */
  AgentMailbox   *mailbox;   /* (owned) does not leave before the answer is sent */
  AgentMailbox   *requester; /* (owned) (nullable) to which the answers go, if the requester is an actor of this process */
  AgentHand      *hand;      /* (owned) has the request */
  AgentTaskSeries *series;   /* (owned) (nullable) where it is counted; constant once it is among the jobs */
  gint64          begun_at;  /* µs, the same */
  AgentEpochWatch epoch_watch;

  GMutex          lock;
  AgentJob       *job;       /* (lock) (unowned) (nullable) NULL once it is dropped */
  GPtrArray      *children;  /* (lock) (owned) (nullable) the requesters of the tasks that were requested in it and are open */
  GQueue          waiting;   /* (lock) the chunks that wait until others are read */
  guint           n_chunks;  /* (lock) how many were sent */
  gboolean        answered;  /* (lock) */
};

AgentWork *_agent_work_new             (AgentActor      *actor,
                                        AgentMailbox    *mailbox,
                                        AgentMessage    *request);
AgentWork *_agent_work_ref             (AgentWork       *self);
void       _agent_work_unref           (AgentWork       *self);
gboolean   _agent_work_has_ended       (AgentWork       *self);
AgentJob  *_agent_work_dup_job         (AgentWork       *self);
void       _agent_work_set_job         (AgentWork       *self,
                                        AgentJob        *job);

gboolean   _agent_work_watch_epoch     (AgentWork       *self);
gboolean   _agent_work_meet_task       (AgentWork       *self);
void       _agent_work_trip_later      (AgentWork       *self);
void       _agent_work_cancel          (AgentWork       *self);

/* Sending */
gboolean   _agent_work_answer          (AgentWork       *self,
                                        AgentTaskStatus  status,
                                        GVariant        *response,
                                        const GError    *error);
gboolean   _agent_work_complete_json   (AgentWork       *self,
                                        const char      *text,
                                        GError         **error);
gboolean   _agent_work_update          (AgentWork       *self,
                                        GVariant        *update);
gboolean   _agent_work_send_chunk      (AgentWork       *self,
                                        GVariant        *payload);
void       _agent_work_send_chunk_task (AgentWork       *self,
                                        GVariant        *payload,
                                        GTask           *task);

/* For the reader, which is in this process */
void       _agent_work_send_waiting    (AgentWork       *self,
                                        guint            n_read);
void       _agent_work_stop_waiting    (AgentWork       *self);
guint      _agent_work_get_chunk_index (AgentMessage    *chunk,
                                        guint            next);

/* The tasks that were requested in it */
void       _agent_work_add_child       (AgentWork       *self,
                                        AgentRequester       *child);
void       _agent_work_forget_child    (AgentWork       *self,
                                        AgentRequester       *child);

/* The actor's context */
void       _agent_work_trip            (AgentWork       *self);

G_END_DECLS
