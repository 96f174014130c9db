/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <stdatomic.h>

#include "router/agent-router-types-private.h"

G_BEGIN_DECLS

/* Counts durations by how long they were. Any thread may add and read, without a lock. */

#define AGENT_HISTOGRAM_N_BUCKETS 14

struct _AgentHistogram
{
  _Atomic guint64 counts[AGENT_HISTOGRAM_N_BUCKETS]; /* the last one is for all that is longer */
  _Atomic guint64 sum;                               /* µs */
};

double _agent_histogram_get_bound (guint           bucket);
void   _agent_histogram_add       (AgentHistogram *self,
                                   gint64          usec);
void   _agent_histogram_read      (AgentHistogram *self,
                                   guint64        *counts,
                                   guint64        *sum);

G_END_DECLS
