/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <agentbus/agentbus.h>
#include <stdatomic.h>

G_BEGIN_DECLS

/* A subscriber that counts its messages, and takes notes if it has something to write on. */

#define BENCH_TYPE_COUNTER (bench_counter_get_type ())
G_DECLARE_FINAL_TYPE (BenchCounter, bench_counter, BENCH, COUNTER, AgentSubscriber)

#define BENCH_PADDING 128 /* so that no two counters share a cache line */

struct _BenchCounter
{
  AgentSubscriber parent_instance;
  double          spin;  /* seconds that a message takes */
  guint64        *seqs;  /* (nullable) (owned) of the messages, in the order they came */
  double         *times; /* (nullable) (owned) when, by the number at the end of the target */
  char            before[BENCH_PADDING];
  _Atomic guint64 n;
  char            after[BENCH_PADDING];
};

/* @capacity: 0 for that of the bus. */
BenchCounter *bench_counter_new (const char   *name,
                                 GMainContext *context,
                                 guint         capacity,
                                 double        spin);

/* At the end of the target. */
guint         bench_get_number  (AgentMessage *message);

/* What was noted down before the message that made it @n may be read then. */
static inline guint64
bench_counter_get (BenchCounter *self)
{
  return atomic_load_explicit (&self->n, memory_order_acquire);
}

static inline void
bench_counter_reset (BenchCounter *self)
{
  atomic_store (&self->n, 0);
}

G_END_DECLS
