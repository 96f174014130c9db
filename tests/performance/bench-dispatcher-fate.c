/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* When and whether messages come that cannot go at once. */

#include "config.h"

#include "bench-dispatcher.h"

/* --- From assignment to delivery --- */

#define N_TRIALS 200
#define TRIAL_STEP 0.011 /* seconds from one trial to the next */

static void
sleep_until (double time)
{
  double left = time - bench_now ();

  if (left > 0)
    g_usleep ((gulong) (left * G_USEC_PER_SEC));
}

/* Trial after trial is dispatched, and assigned @wait_ms later. */
static void
run_trials (BenchDispatcher *setup,
            BenchCounter    *router,
            guint            wait_ms,
            guint64         *latencies)
{
  double start = bench_now ();
  double assigned_at[N_TRIALS];
  guint  n_dispatched = 0;
  guint  n_assigned = 0;

  while (n_assigned < N_TRIALS)
    {
      double next_dispatch = start + n_dispatched * TRIAL_STEP;
      double next_assign = start + n_assigned * TRIAL_STEP + wait_ms / 1e3;

      if (n_dispatched < N_TRIALS && next_dispatch <= next_assign)
        {
          sleep_until (next_dispatch);
          bench_dispatcher_send (setup, AGENT_MESSAGE_TYPE_MODEL_UPDATE, n_dispatched++);
          continue;
        }
      sleep_until (next_assign);
      assigned_at[n_assigned] = bench_now ();
      agent_route_table_assign (setup->routes, setup->actors[n_assigned++], "router-0");
    }

  bench_setup_wait (setup->base, N_TRIALS);
  for (guint i = 0; i < N_TRIALS; i++)
    latencies[i] = (guint64) ((router->times[i] - assigned_at[i]) * 1e6);
}

void
bench_dispatcher_assign_latency (const char *name,
                                 guint       wait_ms)
{
  double p50[BENCH_REPEATS];
  double max[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      BenchDispatcher *setup = bench_dispatcher_new (N_TRIALS);
      BenchCounter    *router = bench_dispatcher_add_router (setup, "router-0");
      guint64          latencies[N_TRIALS];

      router->times = g_new0 (double, N_TRIALS);
      run_trials (setup, router, wait_ms, latencies);
      bench_sort (latencies, N_TRIALS);
      p50[r] = bench_percentile (latencies, N_TRIALS, 50) / 1e3;
      max[r] = bench_percentile (latencies, N_TRIALS, 100) / 1e3;
      bench_dispatcher_free (setup);
    }

  bench_print_median (name, "latency_p50", p50, bench_repeats (), "ms");
  bench_print_median (name, "latency_max", max, bench_repeats (), "ms");
}

/* --- What becomes of messages --- */

static gboolean
is_rising (BenchCounter *router)
{
  for (guint64 i = 1; i < router->n; i++)
    {
      if (router->seqs[i] <= router->seqs[i - 1])
        return FALSE;
    }

  return TRUE;
}

void
bench_dispatcher_lost_same_actor (const char *name,
                                  guint       n)
{
  double arrived[BENCH_REPEATS];
  double in_order = 0;

  for (guint r = 0; r < bench_repeats (); r++)
    {
      BenchDispatcher *setup = bench_dispatcher_new (1);
      BenchCounter    *router = bench_dispatcher_add_router (setup, "router-0");

      router->seqs = g_new0 (guint64, n);
      for (guint i = 0; i < n; i++)
        bench_dispatcher_send (setup, AGENT_MESSAGE_TYPE_MODEL_UPDATE, 0);
      agent_route_table_assign (setup->routes, setup->actors[0], "router-0");
      arrived[r] = bench_dispatcher_collect (setup, n, 3);
      in_order += is_rising (router);
      bench_dispatcher_free (setup);
    }

  bench_print (name, "sent", n, "messages");
  bench_print_median (name, "arrived", arrived, bench_repeats (), "messages");
  bench_print (name, "in_order", in_order, "of 5 repetitions");
}

/* Router A takes nothing off its channel of one, since its context is not iterated. */
static BenchDispatcher *
stuck_new (guint n)
{
  BenchDispatcher *setup = bench_dispatcher_new (2);
  g_autoptr (GMainContext) nobody = g_main_context_new ();
  g_autoptr (AgentSubscriber) a =
      g_object_new (AGENT_TYPE_SUBSCRIBER, "name", "A", "main-context", nobody, "capacity", 1, NULL);

  agent_bus_subscribe (setup->base->bus, a, NULL);
  bench_dispatcher_add_router (setup, "B");
  agent_route_table_assign (setup->routes, setup->actors[0], "A");
  agent_route_table_assign (setup->routes, setup->actors[1], "B");
  for (guint i = 0; i < 3 + n; i++)
    bench_dispatcher_send (setup, AGENT_MESSAGE_TYPE_REQUEST_INFERENCE, i >= 3);

  return setup;
}

static void
on_stopped (GObject      *object,
            GAsyncResult *result,
            gpointer      user_data)
{
  agent_router_dispatcher_stop_finish (AGENT_ROUTER_DISPATCHER (object), result, NULL);
  *(gboolean *) user_data = TRUE;
}

/* Within a second, of which the deadline is half. */
static gboolean
obeys_stop (BenchDispatcher *setup)
{
  gboolean stopped = FALSE;
  double   end = bench_now () + 1;

  agent_bus_set_shutdown_timeout (setup->base->bus, 500);
  agent_router_dispatcher_stop_async (setup->dispatcher, NULL, on_stopped, &stopped);
  while (!stopped && bench_now () < end)
    g_main_context_iteration (NULL, FALSE);

  return stopped;
}

void
bench_dispatcher_head_of_line (const char *name,
                               guint       n)
{
  double arrived[BENCH_REPEATS];
  double stops[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      BenchDispatcher *setup = stuck_new (n);

      arrived[r] = bench_dispatcher_collect (setup, n, 2);
      stops[r] = obeys_stop (setup);
      bench_dispatcher_free (setup);
    }

  bench_print (name, "b_sent", n, "messages");
  bench_print_median (name, "b_arrived_in_2s", arrived, bench_repeats (), "messages");
  bench_print_median (name, "shutdown_obeyed_while_stuck", stops, bench_repeats (), "0 or 1");
}

void
bench_dispatcher_router_missing (const char *name,
                                 guint       n)
{
  double direct[BENCH_REPEATS];
  double pending[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      BenchDispatcher *setup = bench_dispatcher_new (2);
      BenchCounter    *router;

      agent_route_table_assign (setup->routes, setup->actors[0], "router-0");
      bench_dispatcher_send (setup, AGENT_MESSAGE_TYPE_MODEL_UPDATE, 0);
      bench_dispatcher_send (setup, AGENT_MESSAGE_TYPE_MODEL_UPDATE, 1);
      agent_route_table_assign (setup->routes, setup->actors[1], "router-0");
      g_usleep (100000);
      router = bench_counter_new ("router-0", bench_setup_get_context (setup->base), 0, 0);
      router->times = g_new0 (double, 2);
      bench_setup_take_counter (setup->base, router);
      bench_dispatcher_collect (setup, 2, 4);
      direct[r] = router->times[0] > 0;
      pending[r] = router->times[1] > 0;
      bench_dispatcher_free (setup);
    }

  bench_print_median (name, "assigned_then_sent_arrived", direct, bench_repeats (), "of 1");
  bench_print_median (name, "sent_then_assigned_arrived", pending, bench_repeats (), "of 1");
}

void
bench_dispatcher_overtake (const char *name,
                           guint       n)
{
  double overtaken = 0;

  for (guint r = 0; r < bench_repeats (); r++)
    {
      BenchDispatcher *setup = bench_dispatcher_new (1);
      BenchCounter    *router = bench_dispatcher_add_router (setup, "router-0");

      router->seqs = g_new0 (guint64, 2);
      bench_dispatcher_send (setup, AGENT_MESSAGE_TYPE_MODEL_UPDATE, 0);
      agent_route_table_assign (setup->routes, setup->actors[0], "router-0");
      bench_dispatcher_send (setup, AGENT_MESSAGE_TYPE_MODEL_UPDATE, 0);
      overtaken += bench_dispatcher_collect (setup, 2, 3) != 2 || !is_rising (router);
      bench_dispatcher_free (setup);
    }

  bench_print (name, "overtaken", overtaken, "of 5 repetitions");
}
