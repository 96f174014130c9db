/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The spin lock of the library beside a GMutex: threads that do what a sender does. Each of them works for a while without the
 * lock, as long as it takes to make a message, and then changes a few words with the lock held, as a push does. */

#include "config.h"

#include "base/agent-spin-lock-private.h"
#include "bench-harness.h"

#define WORK 60         /* steps of some nanoseconds, without the lock */
#define N_WORDS 6       /* that are changed with the lock held */
#define N_ROUNDS 400000 /* of all threads */

typedef struct
{
  GMutex        mutex;
  AgentSpinLock spin_lock;
  char          padding[AGENT_CACHE_LINE];
  guint64       words[N_WORDS];
  guint         n_rounds;  /* of each thread */
  gboolean      spins;
  gint          n_waiting; /* (atomic) threads that have not begun */
} Shared;

static guint64
lock_work (guint64 value)
{
  for (guint i = 0; i < WORK; i++)
    value = value * G_GUINT64_CONSTANT (6364136223846793005) + i;

  return value;
}

static void
lock_change (Shared *shared,
             guint64 value)
{
  for (guint i = 0; i < N_WORDS; i++)
    shared->words[i] += value;
}

static gpointer
lock_run (gpointer data)
{
  Shared *shared = data;
  guint64 value = GPOINTER_TO_SIZE (&shared);

  g_atomic_int_add (&shared->n_waiting, -1);
  while (g_atomic_int_get (&shared->n_waiting) > 0)
    g_thread_yield ();

  for (guint i = 0; i < shared->n_rounds; i++)
    {
      value = lock_work (value);
      if (shared->spins)
        _agent_spin_lock_lock (&shared->spin_lock);
      else
        g_mutex_lock (&shared->mutex);
      lock_change (shared, value);
      if (shared->spins)
        _agent_spin_lock_unlock (&shared->spin_lock);
      else
        g_mutex_unlock (&shared->mutex);
    }

  return NULL;
}

/* Nanoseconds for each round. */
static double
lock_time (guint    n_threads,
           gboolean spins)
{
  Shared              *shared = g_new0 (Shared, 1);
  g_autofree GThread **threads = g_new (GThread *, n_threads);
  double               start;
  double               end;

  g_mutex_init (&shared->mutex);
  shared->spins = spins;
  shared->n_rounds = N_ROUNDS / n_threads;
  shared->n_waiting = n_threads;

  start = bench_now ();
  for (guint i = 0; i < n_threads; i++)
    threads[i] = g_thread_new ("locks", lock_run, shared);
  for (guint i = 0; i < n_threads; i++)
    g_thread_join (threads[i]);
  end = bench_now ();

  g_mutex_clear (&shared->mutex);
  g_free (shared);
  return (end - start) / N_ROUNDS * 1e9;
}

static void
lock_compare (const char *name,
              guint       n_threads)
{
  double spins[BENCH_REPEATS];
  double mutexes[BENCH_REPEATS];
  double ratios[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      spins[r] = lock_time (n_threads, TRUE);
      mutexes[r] = lock_time (n_threads, FALSE);
      ratios[r] = mutexes[r] / spins[r];
    }

  bench_print_median (name, "ns_per_round_spin_lock", spins, bench_repeats (), "ns");
  bench_print_median (name, "ns_per_round_mutex", mutexes, bench_repeats (), "ns");
  bench_print_median (name, "spin_lock_ahead", ratios, bench_repeats (), "times");
}

static const BenchScenario scenarios[] = {
  { "lock_1_thread", lock_compare, 1 },
  { "lock_2_threads", lock_compare, 2 },
  { "lock_4_threads", lock_compare, 4 },
  { "lock_8_threads", lock_compare, 8 },
};

int
main (int   argc,
      char *argv[])
{
  return bench_main (argc, argv, scenarios, G_N_ELEMENTS (scenarios));
}
