/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How late a CANCEL is, where much else waits. */

#include "config.h"

#include "bench-bus.h"

#define BUSY_TYPE (busy_get_type ())
G_DECLARE_FINAL_TYPE (Busy, busy, BENCH, BUSY, AgentSubscriber)

struct _Busy
{
  AgentSubscriber parent_instance;
  _Atomic guint64 n_data;
  GMutex          lock;
  GCond           cond;
  double          cancelled_at; /* (lock) */
  guint64         n_before;     /* (lock) */
};

G_DEFINE_FINAL_TYPE (Busy, busy, AGENT_TYPE_SUBSCRIBER)

static void
busy_message (AgentSubscriber *subscriber,
              AgentMessage    *message)
{
  Busy *self = (Busy *) subscriber;

  if (agent_message_get_message_type (message) != AGENT_MESSAGE_TYPE_CANCEL)
    {
      atomic_fetch_add (&self->n_data, 1);
      bench_spin (10e-6);
      return;
    }

  g_mutex_lock (&self->lock);
  self->cancelled_at = bench_now ();
  self->n_before = atomic_load (&self->n_data);
  g_cond_signal (&self->cond);
  g_mutex_unlock (&self->lock);
}

static void
busy_class_init (BusyClass *klass)
{
  AGENT_SUBSCRIBER_CLASS (klass)->message = busy_message;
}

static void
busy_init (Busy *self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
}

static double
busy_wait (Busy    *self,
           guint64 *n_before)
{
  double at;

  g_mutex_lock (&self->lock);
  while (self->cancelled_at == 0)
    g_cond_wait (&self->cond, &self->lock);
  at = self->cancelled_at;
  *n_before = self->n_before;
  self->cancelled_at = 0;
  g_mutex_unlock (&self->lock);

  return at;
}

static guint64
get_dropped (AgentBus *bus)
{
  guint64 n = 0;

  agent_bus_get_dropped (bus, "sub", &n);
  return n;
}

/* Sends data until one is dropped, then up to 100 more, so that the CANCEL meets the handler at any point. */
static void
fill (AgentBus *bus,
      guint32   more)
{
  guint64 before = get_dropped (bus);

  while (get_dropped (bus) == before)
    agent_bus_send (bus, bench_data ("producer", "sub"));
  for (guint i = 0; i < more; i++)
    agent_bus_send (bus, bench_data ("producer", "sub"));
}

/* Returns how many handlers were begun at most before a CANCEL that was sent. */
static double
run_trials (BenchSetup *setup,
            guint64    *ns,
            guint       n)
{
  Busy *busy = g_object_new (BUSY_TYPE, "name", "sub", "main-context", bench_setup_get_context (setup), NULL);
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  guint64 most = 0;

  bench_setup_add (setup, busy);
  for (guint i = 0; i < n; i++)
    {
      AgentMessage *cancel = agent_message_new_cancel ("producer", "sub", NULL);
      guint64       begun;
      guint64       n_before;
      double        start;

      g_usleep (2000);
      fill (setup->bus, g_rand_int_range (rand, 0, 100));
      begun = atomic_load (&busy->n_data);
      start = bench_now ();
      agent_bus_send (setup->bus, cancel);
      ns[i] = (busy_wait (busy, &n_before) - start) * 1e9;
      most = MAX (most, n_before - begun);
    }

  return most;
}

void
bench_bus_priority (const char *name,
                    guint       n)
{
  guint64 *ns[BENCH_REPEATS];
  double   max[BENCH_REPEATS];
  double   ahead[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      BenchSetup *setup = bench_setup_new (AGENT_BUS_DEFAULT_CAPACITY, 0, 0);

      ns[r] = g_new0 (guint64, n);
      ahead[r] = run_trials (setup, ns[r], n);
      bench_setup_free (setup);
      bench_sort (ns[r], n);
      max[r] = bench_percentile (ns[r], n, 100) / 1e3;
    }

  bench_print_percentiles (name, "cancel", ns, n, 1e3, "us");
  bench_print_median (name, "cancel_max", max, bench_repeats (), "us");
  bench_print_median (name, "data_handlers_begun_before_it_at_most", ahead, bench_repeats (), "handlers");
  for (guint r = 0; r < bench_repeats (); r++)
    g_free (ns[r]);
}
