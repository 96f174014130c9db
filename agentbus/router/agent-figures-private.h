/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "router/agent-histogram-private.h"
#include "router/agent-router-dispatcher.h"

G_BEGIN_DECLS

/*
 * The figures of a bus or of a dispatcher at one moment, and what there is to say about each of them: its name, its help, and
 * where it stands. Plain data, read from the ledgers. What is written from it, as a variant or as text, is written by
 * others.
 *
 * A floor above this one may have more to say about a bus: it sets a source, which tells what metrics it has, and adds a sample
 * for each part of a bus of which it keeps figures.
 */

typedef enum
{
  AGENT_SUBJECT_BUS,
  AGENT_SUBJECT_DISPATCHER,
  AGENT_SUBJECT_PART, /* of a bus, as the source says */
  AGENT_N_SUBJECTS,
} AgentSubjectKind;

#define AGENT_N_PART_FIGURES 16

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
  guint64 part[AGENT_N_PART_FIGURES];         /* what is meant, the source knows */
} AgentFigures;

/* A subject at one moment. */
typedef struct
{
  AgentSubjectKind kind;
  char            *name;
  const char      *part_label; /* (nullable) a static string */
  char            *part;       /* (nullable) which part it is */
  AgentFigures     figures;
} AgentSample;

typedef enum
{
  AGENT_METRIC_COUNTER,
  AGENT_METRIC_GAUGE,
  AGENT_METRIC_COUNTERS,  /* one for each value of a label */
  AGENT_METRIC_HISTOGRAM, /* its buckets are those of the latency */
} AgentMetricKind;

typedef struct
{
  const char   *name;
  guint         n_values;
  const char *(*get_value) (guint index);
} AgentMetricLabel;

typedef struct
{
  const char             *name;
  const char             *help;
  AgentSubjectKind        subject;
  AgentMetricKind         kind;
  gsize                   offset; /* of the first figure in AgentFigures */
  const AgentMetricLabel *label;  /* (nullable) of the counters, if there are several */
} AgentMetric;

typedef struct
{
  const AgentMetric *metrics;
  guint              n_metrics;

  /* Adds a sample for each part of @bus, which is called @name. Any thread, with no lock held. */
  void             (*read) (AgentBus   *bus,
                            const char *name,
                            GPtrArray  *samples);
} AgentMetricSource;

/* Any thread. There is one source at most. */
void               _agent_metric_set_source    (const AgentMetricSource *source);
void               _agent_metric_read_parts    (AgentBus         *bus,
                                                const char       *name,
                                                GPtrArray        *samples);
const AgentMetric *_agent_metric_get           (guint             index);
const char        *_agent_subject_get_label    (AgentSubjectKind  kind);
AgentSample       *_agent_sample_new           (AgentSubjectKind  kind,
                                                const char       *name,
                                                gpointer          object);
AgentSample       *_agent_sample_new_part      (const char       *name,
                                                const char       *part_label,
                                                const char       *part);
void               _agent_sample_free          (AgentSample      *self);
const guint64     *_agent_sample_get           (const AgentSample *self,
                                                const AgentMetric *metric);
gboolean           _agent_samples_have_subject (GPtrArray        *samples,
                                                AgentSubjectKind  kind);

G_END_DECLS
