/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bench-counter.h"
#include "bench-harness.h"

G_DEFINE_FINAL_TYPE (BenchCounter, bench_counter, AGENT_TYPE_SUBSCRIBER)

guint
bench_get_number (AgentMessage *message)
{
  return (guint) g_ascii_strtoull (strrchr (agent_message_get_target (message), '-') + 1, NULL, 10);
}

static void
bench_counter_message (AgentSubscriber *subscriber,
                       AgentMessage    *message)
{
  BenchCounter *self = (BenchCounter *) subscriber;

  if (self->spin > 0)
    bench_spin (self->spin);
  if (self->seqs != NULL)
    self->seqs[atomic_load_explicit (&self->n, memory_order_relaxed)] = agent_message_get_seq (message);
  if (self->times != NULL)
    self->times[bench_get_number (message)] = bench_now ();
  atomic_fetch_add_explicit (&self->n, 1, memory_order_release);
}

static void
bench_counter_finalize (GObject *object)
{
  BenchCounter *self = (BenchCounter *) object;

  g_free (self->seqs);
  g_free (self->times);
  G_OBJECT_CLASS (bench_counter_parent_class)->finalize (object);
}

static void
bench_counter_class_init (BenchCounterClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bench_counter_finalize;
  AGENT_SUBSCRIBER_CLASS (klass)->message = bench_counter_message;
}

static void
bench_counter_init (BenchCounter *self)
{
}

BenchCounter *
bench_counter_new (const char   *name,
                   GMainContext *context,
                   guint         capacity,
                   double        spin)
{
  BenchCounter *self =
      g_object_new (BENCH_TYPE_COUNTER, "name", name, "main-context", context, "capacity", capacity, NULL);

  self->spin = spin;
  return self;
}
