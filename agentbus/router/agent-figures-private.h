/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "router/agent-histogram-private.h"
#include "router/agent-router-dispatcher.h"

G_BEGIN_DECLS

/*
 * The figures of a bus or of a dispatcher at one moment, and what there is to say about each of them: its name, its help, and
 * where it stands. Plain data, read from the ledgers. What is written from it, as a variant or as text, is written by
 * others.
 */

typedef enum
{
  AGENT_SUBJECT_BUS,
  AGENT_SUBJECT_DISPATCHER,
  AGENT_N_SUBJECTS,
} AgentSubjectKind;

/* What a subject does not have is 0. */
typedef struct
{
  guint64 sent;
  guint64 delivered;
  guint64 failed;
  guint64 waiting;
  guint64 n_subscribers;
  guint64 accepted;
  guint64 dispatched;
  guint64 queued;
  guint64 expired;
  guint64 refused;
  guint64 returned;
  guint64 retries;
  guint64 parked;
  guint64 dropped[AGENT_N_DROP_REASONS];
  guint64 latency[AGENT_HISTOGRAM_N_BUCKETS]; /* not cumulative */
  double  latency_sum;                        /* seconds */
} AgentFigures;

/* A subject at one moment. */
typedef struct
{
  AgentSubjectKind kind;
  char            *name;
  AgentFigures     figures;
} AgentSample;

typedef enum
{
  AGENT_METRIC_COUNTER,
  AGENT_METRIC_GAUGE,
  AGENT_METRIC_DROPS,     /* counters by AgentDropReason */
  AGENT_METRIC_HISTOGRAM,
} AgentMetricKind;

typedef struct
{
  const char      *name;
  const char      *help;
  AgentSubjectKind subject;
  AgentMetricKind  kind;
  gsize            offset; /* of the first figure in AgentFigures */
} AgentMetric;

const AgentMetric *_agent_metric_get_all       (guint            *n_metrics);
const char        *_agent_subject_get_label    (AgentSubjectKind  kind);
AgentSample       *_agent_sample_new           (AgentSubjectKind  kind,
                                                const char       *name,
                                                gpointer          object);
void               _agent_sample_free          (AgentSample      *self);
const guint64     *_agent_sample_get           (const AgentSample *self,
                                                const AgentMetric *metric);
gboolean           _agent_samples_have_subject (GPtrArray        *samples,
                                                AgentSubjectKind  kind);

G_END_DECLS
