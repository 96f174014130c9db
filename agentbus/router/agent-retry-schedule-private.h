/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "router/agent-deadline-heap-private.h"
#include "router/agent-retry-policy.h"

G_BEGIN_DECLS

/*
 * Says when parked messages are tried again. Messages that were parked within a tenth of the first delay are a batch: they
 * are tried together, so that a hundred thousand messages need a few deadlines only. A new batch takes the deadline of
 * another one if that is at most a tenth of the batch's delay earlier.
 *
 * The messages of a batch that wait in one lane are a run, and the cost of an attempt goes by the number of runs. Whoever
 * makes an attempt asks for one run after the other, and may give others the lock between two of them.
 *
 * A schedule knows no main loop and no lock: whoever has the heap locks it.
 */

#define AGENT_RETRY_N_LEVELS 32

struct _AgentRetryBatch
{
  AgentDeadline deadline;
  guint         n_attempts; /* retries so far */
  guint         n_messages;
  gint64        opened_at;
  GQueue        runs;       /* of AgentRetryRun: those that were asked for in this attempt are behind the others */
};

struct _AgentRetryRun
{
  AgentRetryBatch *batch;
  AgentLane       *lane;
  guint            n_messages;
  guint            n_tried;    /* how many attempts count for these messages */
  guint            attempt;    /* the last attempt in which somebody asked for the run */
  GList            batch_link;
};

struct _AgentRetrySchedule
{
  AgentDeadlineHeap *heap;
  AgentRetryPolicy  *policy;
  GRand             *rand;
  AgentRetryBatch   *open;                       /* (nullable) the batch that the next message joins */
  gint64             times[AGENT_RETRY_N_LEVELS]; /* the last deadline that a batch got, by the number of attempts */
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
