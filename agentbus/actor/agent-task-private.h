/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "actor/agent-actor-private.h"
#include "actor/agent-task.h"

G_BEGIN_DECLS

/*
 * The requester's side of a request.
 *
 * A task is open from the request until its one end. Any thread may end it: who comes first decides, and nobody after that
 * changes anything. The table of what ends it:
 *
 *   a response COMPLETED                                      → COMPLETED
 *   a response FAILED, with its error                         → FAILED
 *   a response CANCELLED                                      → CANCELLED
 *   cancel()                                                  → CANCELLED, error CANCELLED
 *   the conversation goes on                                  → CANCELLED, error STALE
 *   the timeout                                               → FAILED, error TIMED_OUT
 *   nobody there, nobody came in time, no such handler        → FAILED, error NOT_FOUND
 *   no room                                                   → FAILED, error FULL
 *   the worker, the requester or the bus is gone              → FAILED, error CLOSED
 *
 * After the end, the actor's context emits `finished`, once. As long as the task is open, or that has not happened yet, the
 * task is in the agenda of the context, which keeps it alive.
 */

/* Something that the library does when a task has ended, in the actor's context. */
typedef void (*AgentTaskEndFunc) (AgentTask *task,
                                  gpointer   data);

/* The actor's context: takes the answer of a worker. */
void       _agent_task_take_answer (AgentTask       *self,
                                    AgentMessage    *answer);

/* Any thread, with no lock held */
AgentTask *_agent_task_new         (AgentActor      *actor,
                                    AgentMessage    *request);
void       _agent_task_start       (AgentTask       *self,
                                    AgentWork       *parent);
gboolean   _agent_task_end         (AgentTask       *self,
                                    AgentTaskStatus  status,
                                    GError          *error);
gboolean   _agent_task_close       (AgentTask       *self);
gint64     _agent_task_get_made_at (AgentTask       *self);
AgentMessage *
           _agent_task_dup_answer  (AgentTask       *self);
AgentActor *
           _agent_task_get_actor   (AgentTask       *self);
gboolean   _agent_task_watch_end   (AgentTask       *self,
                                    AgentTaskEndFunc func,
                                    gpointer         data,
                                    GDestroyNotify   destroy);

G_END_DECLS
