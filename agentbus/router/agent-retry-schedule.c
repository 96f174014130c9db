/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "router/agent-retry-schedule-private.h"

/* The part of a delay, as its reciprocal, by which a batch may be tried too early to share a deadline. */
#define SLACK 10

#define USEC_PER_MSEC 1000

void
_agent_retry_schedule_init (AgentRetrySchedule *self,
                            AgentDeadlineHeap  *heap)
{
  g_autoptr (AgentRetryPolicy) policy = agent_retry_policy_new ();

  memset (self, 0, sizeof *self);
  self->heap = heap;
  _agent_retry_schedule_set_policy (self, policy);
}

/* Wants a schedule that all messages have left. */
void
_agent_retry_schedule_clear (AgentRetrySchedule *self)
{
  g_assert (self->open == NULL);

  g_clear_pointer (&self->policy, agent_retry_policy_free);
  g_clear_pointer (&self->rand, g_rand_free);
}

/* Holds from the next attempt on. */
void
_agent_retry_schedule_set_policy (AgentRetrySchedule *self,
                                  AgentRetryPolicy   *policy)
{
  guint32 seed = agent_retry_policy_get_seed (policy);

  g_clear_pointer (&self->policy, agent_retry_policy_free);
  g_clear_pointer (&self->rand, g_rand_free);
  self->policy = agent_retry_policy_copy (policy);
  self->rand = seed != 0 ? g_rand_new_with_seed (seed) : g_rand_new ();
}

static gint64
schedule_get_delay (AgentRetrySchedule *self,
                    guint               attempt)
{
  return (gint64) agent_retry_policy_get_delay (self->policy, attempt) * USEC_PER_MSEC;
}

static void
schedule_plan (AgentRetrySchedule *self,
               AgentRetryBatch    *batch,
               gint64              now)
{
  gint64  delay = schedule_get_delay (self, batch->n_attempts);
  gint64  slack = delay / SLACK;
  double  part = agent_retry_policy_get_jitter (self->policy) * g_rand_double (self->rand);
  gint64  time = now + MAX (USEC_PER_MSEC, delay - (gint64) (delay * part));
  gint64 *last = &self->times[MIN (batch->n_attempts, AGENT_RETRY_N_LEVELS - 1)];

  if (*last <= now || *last > time || *last < time - slack)
    *last = time;

  batch->deadline.time = *last;
  _agent_deadline_heap_add (self->heap, &batch->deadline);
}

/* One more message is parked. Returns its batch: (transfer none), until the message leaves. */
AgentRetryBatch *
_agent_retry_schedule_join (AgentRetrySchedule *self,
                            gint64              now)
{
  AgentRetryBatch *batch = self->open;

  if (batch == NULL || batch->n_attempts > 0 || now - batch->opened_at > schedule_get_delay (self, 0) / SLACK)
    {
      batch = g_new0 (AgentRetryBatch, 1);
      batch->opened_at = now;
      schedule_plan (self, batch, now);
      self->open = batch;
    }

  batch->n_messages++;
  return batch;
}

/* A message of @batch is not parked any more. The last one to leave frees the batch. */
void
_agent_retry_schedule_leave (AgentRetrySchedule *self,
                             AgentRetryBatch    *batch)
{
  if (--batch->n_messages > 0)
    return;

  if (self->open == batch)
    self->open = NULL;
  _agent_deadline_heap_remove (self->heap, &batch->deadline);
  g_free (batch);
}

/* All runs of @batch have been tried: the batch gets its next deadline. */
void
_agent_retry_schedule_attempt (AgentRetrySchedule *self,
                               AgentRetryBatch    *batch,
                               gint64              now)
{
  _agent_deadline_heap_remove (self->heap, &batch->deadline);
  batch->n_attempts++;
  schedule_plan (self, batch, now);
}

/* (transfer none) (nullable): a run that nobody has asked for in this attempt */
AgentRetryRun *
_agent_retry_batch_take_untried (AgentRetryBatch *self)
{
  AgentRetryRun *run = g_queue_peek_head (&self->runs);
  guint          attempt = self->n_attempts + 1;

  if (run == NULL || run->attempt == attempt)
    return NULL;

  run->attempt = attempt;
  g_queue_unlink (&self->runs, &run->batch_link);
  g_queue_push_tail_link (&self->runs, &run->batch_link);
  return run;
}

/* (transfer none): a new run of @batch, without messages */
AgentRetryRun *
_agent_retry_run_new (AgentRetryBatch *batch,
                      AgentLane       *lane)
{
  AgentRetryRun *self = g_new0 (AgentRetryRun, 1);

  self->batch = batch;
  self->lane = lane;
  self->batch_link.data = self;
  g_queue_push_tail_link (&batch->runs, &self->batch_link);

  return self;
}

void
_agent_retry_run_free (AgentRetryRun *self)
{
  g_assert (self->n_messages == 0);

  g_queue_unlink (&self->batch->runs, &self->batch_link);
  g_free (self);
}
