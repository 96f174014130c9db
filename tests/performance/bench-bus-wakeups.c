/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What wakes a thread up, in calls of the system. */

#include "config.h"

#include "bench-bus.h"
#include "bench-syscalls.h"

static gboolean
is_asleep (gpointer user_data)
{
  return bench_syscalls_n_asleep () > 0;
}

/* One burst is enough if it is long. */
static guint
get_n_bursts (guint burst)
{
  return CLAMP (100000 / burst, 1, 2000);
}

static void
send_burst (BenchSetup *setup,
            guint       burst)
{
  for (guint i = 0; i < burst; i++)
    agent_bus_send (setup->bus, bench_data ("producer", "agent-0"));
}

/* Each burst begins when the subscriber's thread sleeps, and ends when it does so again. */
static BenchSyscalls
run_bursts (BenchSetup *setup,
            guint       burst)
{
  guint         n_bursts = get_n_bursts (burst);
  BenchSyscalls before;

  bench_wait_until (is_asleep, NULL, BENCH_STEP);
  before = bench_syscalls_get ();
  for (guint64 i = 1; i <= n_bursts; i++)
    {
      send_burst (setup, burst);
      bench_setup_wait (setup, i * burst);
      bench_wait_until (is_asleep, NULL, BENCH_STEP);
    }

  return bench_syscalls_since (&before);
}

typedef enum
{
  HOLD_ASKED,
  HOLD_HELD,
  HOLD_RELEASED,
} Hold;

static gboolean
hold (gpointer user_data)
{
  _Atomic gint *state = user_data;

  atomic_store (state, HOLD_HELD);
  while (atomic_load (state) != HOLD_RELEASED)
    g_thread_yield ();
  return G_SOURCE_REMOVE;
}

static gboolean
is_held (gpointer user_data)
{
  return atomic_load ((_Atomic gint *) user_data) == HOLD_HELD;
}

/* The whole burst comes while the subscriber's thread has something else to do. */
static BenchSyscalls
run_held_burst (BenchSetup *setup,
                guint       burst)
{
  _Atomic gint  state = HOLD_ASKED;
  BenchSyscalls before;

  bench_wait_until (is_asleep, NULL, BENCH_STEP);
  g_main_context_invoke (bench_setup_get_context (setup), hold, &state);
  bench_wait_until (is_held, &state, BENCH_STEP);
  before = bench_syscalls_get ();
  send_burst (setup, burst);
  atomic_store (&state, HOLD_RELEASED);
  bench_setup_wait (setup, burst);
  bench_wait_until (is_asleep, NULL, BENCH_STEP);

  return bench_syscalls_since (&before);
}

typedef BenchSyscalls (*RunFunc) (BenchSetup *setup,
                                  guint       burst);

static void
run (const char *name,
     guint       burst,
     double      n_bursts,
     RunFunc     run_once)
{
  double writes[BENCH_REPEATS];
  double polls[BENCH_REPEATS];
  double futexes[BENCH_REPEATS];
  double each[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      BenchSetup   *setup = bench_setup_new (BENCH_ROOM, 1, 0);
      BenchSyscalls calls;

      bench_setup_warm_up (setup);
      calls = run_once (setup, burst);
      writes[r] = calls.n_writes / n_bursts;
      polls[r] = calls.n_polls / n_bursts;
      futexes[r] = calls.n_futexes / n_bursts;
      each[r] = bench_syscalls_sum (&calls) / n_bursts / burst;
      bench_setup_free (setup);
    }

  bench_print (name, "burst", burst, "messages");
  bench_print_median (name, "wakeups_per_burst", writes, bench_repeats (), "calls");
  bench_print_median (name, "polls_per_burst", polls, bench_repeats (), "calls");
  bench_print_median (name, "futexes_per_burst", futexes, bench_repeats (), "calls");
  bench_print_median (name, "calls_per_message", each, bench_repeats (), "calls");
}

void
bench_bus_wakeups (const char *name,
                   guint       burst)
{
  run (name, burst, get_n_bursts (burst), run_bursts);
}

void
bench_bus_wakeups_held (const char *name,
                        guint       burst)
{
  run (name, burst, 1, run_held_burst);
}
