/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Subscribers that are slow, or near. */

#include "config.h"

#include "bench-bus.h"

/* --- Overload --- */

typedef struct
{
  BenchCounter *counter;
  guint64       seen;
  double        since;
} Stillness;

/* What has come once nothing has come for 100 ms. */
static gboolean
is_still (gpointer user_data)
{
  Stillness *self = user_data;
  guint64    n = atomic_load (&self->counter->n);

  if (n != self->seen)
    {
      self->seen = n;
      self->since = bench_now ();
    }

  return bench_now () - self->since > 0.1;
}

void
bench_bus_overload (const char *name,
                    guint       n)
{
  double ns[BENCH_REPEATS];
  double delivered[BENCH_REPEATS];
  double dropped[BENCH_REPEATS];
  double lost[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      BenchSetup *setup = bench_setup_new (AGENT_BUS_DEFAULT_CAPACITY, 1, 1e-6);
      Stillness   still = { setup->counters->pdata[0], G_MAXUINT64, 0 };
      double      t0 = bench_now ();
      double      t1;

      for (guint i = 0; i < n; i++)
        agent_bus_send (setup->bus, bench_data ("producer", "agent-0"));
      t1 = bench_now ();
      bench_wait_until (is_still, &still, 1000);
      ns[r] = (t1 - t0) / n * 1e9;
      delivered[r] = still.seen;
      dropped[r] = bench_setup_get_dropped (setup);
      lost[r] = n - delivered[r] - dropped[r];
      bench_setup_free (setup);
    }

  bench_print (name, "sent", n, "messages");
  bench_print_median (name, "ns_per_send", ns, bench_repeats (), "ns");
  bench_print_median (name, "delivered", delivered, bench_repeats (), "messages");
  bench_print_median (name, "dropped", dropped, bench_repeats (), "messages");
  bench_print_median (name, "lost", lost, bench_repeats (), "messages");
}

/* --- In one's own context --- */

/* One thread sends @burst messages and handles them, in turn. */
void
bench_bus_own_context (const char *name,
                       guint       burst)
{
  const guint n = 500000;
  double      rate[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      BenchSetup *setup = bench_setup_new_with_threads (BENCH_ROOM, 1, 0, 0);
      double      start = bench_now ();

      for (guint sent = 0; sent < n; sent += burst)
        {
          for (guint i = 0; i < burst; i++)
            agent_bus_send (setup->bus, bench_data ("producer", "agent-0"));
          bench_setup_iterate (setup, sent + burst);
        }
      rate[r] = n / (bench_now () - start);
      bench_setup_free (setup);
    }

  bench_print_median (name, "delivered_per_s", rate, bench_repeats (), "msg/s");
}
