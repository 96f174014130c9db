/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <math.h>

#include "router/agent-histogram-private.h"

/* The longest duration of each bucket, in seconds. Some are times after which messages expire by default. */
/* clang-format off */
static const double bounds[AGENT_HISTOGRAM_N_BUCKETS] = {
  0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, INFINITY,
};
/* clang-format on */

/* Returns the longest duration of @bucket, in seconds. */
double
_agent_histogram_get_bound (guint bucket)
{
  return bounds[bucket];
}

void
_agent_histogram_add (AgentHistogram *self,
                      gint64          usec)
{
  double seconds = usec / (double) G_USEC_PER_SEC;
  guint  bucket = 0;

  while (seconds > bounds[bucket])
    bucket++;

  /* The counters are relaxed, here and where they are read: nobody concludes anything from one of them for another. */
  atomic_fetch_add_explicit (&self->counts[bucket], 1, memory_order_relaxed);
  atomic_fetch_add_explicit (&self->sum, usec, memory_order_relaxed);
}

void
_agent_histogram_read (AgentHistogram *self,
                       guint64        *counts,
                       guint64        *sum)
{
  for (guint i = 0; i < AGENT_HISTOGRAM_N_BUCKETS; i++)
    counts[i] = atomic_load_explicit (&self->counts[i], memory_order_relaxed);

  *sum = atomic_load_explicit (&self->sum, memory_order_relaxed);
}
