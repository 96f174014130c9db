/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "router/agent-deadline-heap-private.h"
#include "router/agent-retry-policy.h"

G_BEGIN_DECLS

/*
 * When what is parked is tried again. Messages that were parked within a tenth of the first delay are a batch: they are
 * tried together, so that a hundred thousand of them are a few timers. A batch also takes a time that another one has
 * already, if that is at most a tenth of its delay too early.
 *
 * The messages of a batch that wait in one lane are a run: what an attempt costs goes by the number of runs. Whoever makes
 * an attempt asks for one run after the other, so that it can let others have the lock between two of them.
 *
 * Knows no main loop and no lock: whoever has the heap has to lock it.
 */

#define AGENT_RETRY_N_LEVELS 32

struct _AgentRetryBatch
{
  AgentDeadline deadline;
  guint         n_attempts; /* retries so far */
  guint         n_messages;
  gint64        opened_at;
  GQueue        runs;       /* of AgentRetryRun; those that have been tried in this attempt are behind the others */
};

struct _AgentRetryRun
{
  AgentRetryBatch *batch;
  AgentLane       *lane;
  guint            n_messages;
  guint            n_tried;    /* how many attempts were made for these messages */
  guint            attempt;    /* the attempt that it was asked for last */
  GList            batch_link;
};

struct _AgentRetrySchedule
{
  AgentDeadlineHeap *heap;
  AgentRetryPolicy  *policy;
  GRand             *rand;
  AgentRetryBatch   *open;                       /* (nullable) whom the next message joins */
  gint64             times[AGENT_RETRY_N_LEVELS]; /* the last one given out, by the number of attempts */
};

void             _agent_retry_schedule_init       (AgentRetrySchedule *self,
                                                   AgentDeadlineHeap  *heap);
void             _agent_retry_schedule_clear      (AgentRetrySchedule *self);
void             _agent_retry_schedule_set_policy (AgentRetrySchedule *self,
                                                   AgentRetryPolicy   *policy);
AgentRetryBatch *_agent_retry_schedule_join       (AgentRetrySchedule *self,
                                                   gint64              now);
void             _agent_retry_schedule_leave      (AgentRetrySchedule *self,
                                                   AgentRetryBatch    *batch);
void             _agent_retry_schedule_attempt    (AgentRetrySchedule *self,
                                                   AgentRetryBatch    *batch,
                                                   gint64              now);

AgentRetryRun   *_agent_retry_batch_take_untried  (AgentRetryBatch    *self);

AgentRetryRun   *_agent_retry_run_new             (AgentRetryBatch    *batch,
                                                   AgentLane          *lane);
void             _agent_retry_run_free            (AgentRetryRun      *self);

G_END_DECLS
