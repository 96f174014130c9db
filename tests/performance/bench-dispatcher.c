/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The dispatcher: how fast, how late, how large, and what becomes of messages that cannot go at once. Routers and the
 * dispatcher's own context are in one thread; the main thread dispatches. Messages are made inside the timed loop;
 * where their order counts, it is that of their sequence numbers. */

#include "config.h"

#include "bench-dispatcher.h"

#define N_PENDING 100000

static const BenchScenario scenarios[] = {
  { "disp_assigned", bench_dispatcher_assigned, 1 },
  { "disp_assigned_many", bench_dispatcher_assigned, 10000 },
  { "disp_pending_cpu_1000", bench_dispatcher_pending_cpu, 1000 },
  { "disp_pending_cpu_100000", bench_dispatcher_pending_cpu, 100000 },
  { "disp_idle_wakeups", bench_dispatcher_idle_wakeups, 1000000 },
  { "disp_assign_latency", bench_dispatcher_assign_latency, 350 },
  { "disp_assign_latency_1300", bench_dispatcher_assign_latency, 1300 },
  { "disp_lost_same_actor", bench_dispatcher_lost_same_actor, 10 },
  { "disp_head_of_line", bench_dispatcher_head_of_line, 1000 },
  { "disp_pending_memory", bench_dispatcher_pending_memory, N_PENDING },
  { "disp_router_missing", bench_dispatcher_router_missing, 1 },
  { "disp_overtake", bench_dispatcher_overtake, 1 },

  /* Assigned actors. */
  { "disp_growth_actors_10", bench_dispatcher_growth, 10 },
  { "disp_growth_actors_100", bench_dispatcher_growth, 100 },
  { "disp_growth_actors_1000", bench_dispatcher_growth, 1000 },
  { "disp_growth_actors_10000", bench_dispatcher_growth, 10000 },
  { "disp_growth_actors_100000", bench_dispatcher_growth, 100000 },

  /* Parked messages, each of another actor. */
  { "disp_growth_parked_10", bench_dispatcher_growth_parked, 10 },
  { "disp_growth_parked_100", bench_dispatcher_growth_parked, 100 },
  { "disp_growth_parked_1000", bench_dispatcher_growth_parked, 1000 },
  { "disp_growth_parked_10000", bench_dispatcher_growth_parked, 10000 },
  { "disp_growth_parked_100000", bench_dispatcher_growth_parked, 100000 },
};

int
main (int   argc,
      char *argv[])
{
  if (argc == 3 && g_str_equal (argv[1], "--child"))
    {
      bench_dispatcher_pending_child (N_PENDING);
      return 0;
    }

  return bench_main (argc, argv, scenarios, G_N_ELEMENTS (scenarios));
}
