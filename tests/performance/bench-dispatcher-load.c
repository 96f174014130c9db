/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How much it takes. */

#include "config.h"

#include "bench-dispatcher.h"

/* --- Assigned actors --- */

#define N_MESSAGES 1000000

void
bench_dispatcher_assigned (const char *name,
                           guint       n_actors)
{
  double rate[BENCH_REPEATS];
  double ns[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      BenchDispatcher *setup = bench_dispatcher_new_assigned (n_actors, n_actors == 1 ? 1 : 16);
      double           t0 = bench_now ();
      double           t1;

      for (guint i = 0; i < N_MESSAGES; i++)
        bench_dispatcher_send (setup, AGENT_MESSAGE_TYPE_REQUEST_INFERENCE, i % n_actors);
      t1 = bench_now ();
      rate[r] = N_MESSAGES / (bench_setup_wait (setup->base, N_MESSAGES) - t0);
      ns[r] = (t1 - t0) / N_MESSAGES * 1e9;
      bench_dispatcher_free (setup);
    }

  bench_print_median (name, "delivered_per_s", rate, bench_repeats (), "msg/s");
  bench_print_median (name, "ns_per_send", ns, bench_repeats (), "ns");
}

/* --- What waiting costs --- */

#define WINDOW 3.0 /* seconds */

static double
measure_window (void)
{
  double cpu = bench_cpu ();
  double start = bench_now ();

  g_usleep ((gulong) (WINDOW * G_USEC_PER_SEC));
  return (bench_cpu () - cpu) / (bench_now () - start) * 100;
}

void
bench_dispatcher_pending_cpu (const char *name,
                              guint       n)
{
  BenchDispatcher *setup = bench_dispatcher_new (n);
  double           cpu[BENCH_REPEATS];
  double           first;
  double           start = bench_now ();
  double           load;

  for (guint i = 0; i < n; i++)
    bench_dispatcher_send (setup, AGENT_MESSAGE_TYPE_MODEL_UPDATE, i);
  load = bench_now () - start;

  first = measure_window ();
  /* The retries have come to their longest delay by then. */
  g_usleep (500000);
  for (guint r = 0; r < bench_repeats (); r++)
    cpu[r] = measure_window ();

  bench_dispatcher_add_router (setup, "router-0");
  for (guint i = 0; i < n; i++)
    agent_route_table_assign (setup->routes, setup->actors[i], "router-0");

  bench_print_median (name, "cpu_percent", cpu, bench_repeats (), "% of one core");
  bench_print (name, "cpu_percent_first_3s", first, "% of one core");
  bench_print (name, "queued_per_s", n / load, "msg/s");
  bench_print (name, "still_pending_at_end", bench_dispatcher_collect (setup, n, 5), "messages");
  bench_dispatcher_free (setup);
}

static _Atomic guint n_polls;

static gint
count_poll (GPollFD *fds,
            guint    n_fds,
            gint     timeout)
{
  gint n = g_poll (fds, n_fds, timeout);

  atomic_fetch_add (&n_polls, 1);
  return n;
}

/* How often the context wakes up in three seconds in which nothing is parked, after a million messages and some that
 * were. */
void
bench_dispatcher_idle_wakeups (const char *name,
                               guint       n)
{
  BenchDispatcher *setup = bench_dispatcher_new_assigned (10, 1);
  double           wakeups[BENCH_REPEATS];

  for (guint i = 0; i < n; i++)
    bench_dispatcher_send (setup, AGENT_MESSAGE_TYPE_REQUEST_INFERENCE, i % 10);
  agent_route_table_unassign (setup->routes, setup->actors[0]);
  bench_dispatcher_send (setup, AGENT_MESSAGE_TYPE_REQUEST_INFERENCE, 0);
  agent_route_table_assign (setup->routes, setup->actors[0], "router-0");
  bench_setup_wait (setup->base, n + 1);

  g_main_context_set_poll_func (bench_setup_get_context (setup->base), count_poll);
  /* For the poll that is under way with the function of before. */
  g_main_context_wakeup (bench_setup_get_context (setup->base));
  g_usleep (100000);
  for (guint r = 0; r < bench_repeats (); r++)
    {
      guint before = atomic_load (&n_polls);

      g_usleep ((gulong) (WINDOW * G_USEC_PER_SEC));
      wakeups[r] = atomic_load (&n_polls) - before;
    }

  bench_print_median (name, "wakeups_in_3s", wakeups, bench_repeats (), "wakeups");
  bench_dispatcher_free (setup);
}

/* --- Memory --- */

void
bench_dispatcher_pending_child (guint n)
{
  BenchDispatcher *setup = bench_dispatcher_new (n + 1);
  guint64          before;
  guint64          loaded;

  bench_dispatcher_send (setup, AGENT_MESSAGE_TYPE_MODEL_UPDATE, n);
  g_usleep (100000);
  bench_trim ();
  before = bench_rss ();
  for (guint i = 0; i < n; i++)
    bench_dispatcher_send (setup, AGENT_MESSAGE_TYPE_MODEL_UPDATE, i);
  loaded = bench_rss ();
  g_usleep (4000000);

  g_print ("%g %g\n", ((double) loaded - before) / n, ((double) bench_rss () - before) / n);
  bench_dispatcher_free (setup);
}

void
bench_dispatcher_pending_memory (const char *name,
                                 guint       n)
{
  double loaded[BENCH_REPEATS];
  double settled[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    loaded[r] = bench_run_child (name, &settled[r]);

  bench_print_median (name, "rss_per_pending", loaded, bench_repeats (), "bytes");
  bench_print_median (name, "rss_per_pending_after_4s", settled, bench_repeats (), "bytes");
}

/* --- Growth --- */

#define N_SENDS 200000

static double
assign_all (BenchDispatcher *setup,
            guint            n)
{
  double start = bench_now ();

  for (guint i = 0; i < n; i++)
    agent_route_table_assign (setup->routes, setup->actors[i], "router-0");
  return (bench_now () - start) / n * 1e9;
}

/* To @n actors in turn, until the last message was delivered. */
static double
time_dispatch (BenchDispatcher *setup,
               guint            n,
               double          *delivered)
{
  guint64 before = bench_setup_sum (setup->base);
  double  start = bench_now ();
  double  end;

  for (guint i = 0; i < N_SENDS; i++)
    bench_dispatcher_send (setup, AGENT_MESSAGE_TYPE_REQUEST_INFERENCE, i % n);
  end = bench_now ();
  *delivered = (bench_setup_wait (setup->base, before + N_SENDS) - start) / N_SENDS * 1e9;
  return (end - start) / N_SENDS * 1e9;
}

void
bench_dispatcher_growth (const char *name,
                         guint       n_actors)
{
  double assign[BENCH_REPEATS];
  double send[BENCH_REPEATS];
  double delivered[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      BenchDispatcher *setup = bench_dispatcher_new (n_actors);

      bench_dispatcher_add_router (setup, "router-0");
      assign[r] = assign_all (setup, n_actors);
      send[r] = time_dispatch (setup, n_actors, &delivered[r]);
      bench_dispatcher_free (setup);
    }

  bench_print_median (name, "ns_per_assign", assign, bench_repeats (), "ns");
  bench_print_median (name, "ns_per_dispatch", send, bench_repeats (), "ns");
  bench_print_median (name, "ns_per_delivery", delivered, bench_repeats (), "ns");
}

/* One message to each actor but the first. */
static double
park_all (BenchDispatcher *setup,
          guint            n)
{
  double start = bench_now ();

  for (guint i = 1; i <= n; i++)
    bench_dispatcher_send (setup, AGENT_MESSAGE_TYPE_MODEL_UPDATE, i);
  return (bench_now () - start) / n * 1e9;
}

/* While @n messages are parked, others are dispatched past them; then the parked ones may go. */
void
bench_dispatcher_growth_parked (const char *name,
                                guint       n)
{
  double park[BENCH_REPEATS];
  double past[BENCH_REPEATS];
  double flush[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      BenchDispatcher *setup = bench_dispatcher_new (n + 1);
      double           ignored;
      double           start;
      guint64          before;

      bench_dispatcher_add_router (setup, "router-0");
      park[r] = park_all (setup, n);
      agent_route_table_assign (setup->routes, setup->actors[0], "router-0");
      past[r] = time_dispatch (setup, 1, &ignored);
      before = bench_setup_sum (setup->base);
      start = bench_now ();
      for (guint i = 1; i <= n; i++)
        agent_route_table_assign (setup->routes, setup->actors[i], "router-0");
      flush[r] = (bench_setup_wait (setup->base, before + n) - start) / n * 1e9;
      bench_dispatcher_free (setup);
    }

  bench_print_median (name, "ns_per_park", park, bench_repeats (), "ns");
  bench_print_median (name, "ns_per_dispatch_beside", past, bench_repeats (), "ns");
  bench_print_median (name, "ns_per_assign_and_flush", flush, bench_repeats (), "ns");
}
