/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Several senders at once, each a thread. */

#include "config.h"

#include "bench-bus.h"

#define MAX_SENDERS 4

typedef struct
{
  BenchSetup *setup;
  char        source[16];
  guint       n;
  gint       *gate; /* (atomic) */
} Sender;

/* To one subscriber after the other. */
static gpointer
sender_run (gpointer user_data)
{
  Sender *self = user_data;
  char  **names = (char **) self->setup->names->pdata;
  guint   n_names = self->setup->names->len;
  guint   next = 0;

  while (!g_atomic_int_get (self->gate))
    g_thread_yield ();
  for (guint i = 0; i < self->n; i++)
    {
      agent_bus_send (self->setup->bus, bench_data (self->source, names[next]));
      next = next + 1 < n_names ? next + 1 : 0;
    }

  return NULL;
}

/* Releases all senders together; returns when that was, and when the last one was through. */
static double
run_senders (BenchSetup *setup,
             guint       n_senders,
             guint       n_each,
             double     *end)
{
  Sender   senders[MAX_SENDERS];
  GThread *threads[MAX_SENDERS];
  gint     gate = FALSE;
  double   start;

  for (guint i = 0; i < n_senders; i++)
    {
      senders[i] = (Sender){ .setup = setup, .n = n_each, .gate = &gate };
      g_snprintf (senders[i].source, sizeof senders[i].source, "producer%u", i);
      threads[i] = g_thread_new ("sender", sender_run, &senders[i]);
    }

  start = bench_now ();
  g_atomic_int_set (&gate, TRUE);
  for (guint i = 0; i < n_senders; i++)
    g_thread_join (threads[i]);
  *end = bench_now ();
  return start;
}

/* --- Throughput --- */

/* @n messages of all senders together. */
static void
run_to_many (const char *name,
             guint       n_senders,
             guint       n_subscribers,
             guint       n)
{
  double rate[BENCH_REPEATS];
  double sent[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      BenchSetup *setup = bench_setup_new_with_threads (BENCH_ROOM, n_subscribers, 0, n_subscribers);
      double      t0;
      double      t1;

      bench_setup_warm_up (setup);
      t0 = run_senders (setup, n_senders, n / n_senders, &t1);
      rate[r] = n / (bench_setup_wait (setup, n) - t0);
      sent[r] = n / (t1 - t0);
      g_assert_cmpuint (bench_setup_get_dropped (setup), ==, 0);
      bench_setup_free (setup);
    }

  bench_print_median (name, "delivered_per_s", rate, bench_repeats (), "msg/s");
  bench_print_median (name, "sent_per_s", sent, bench_repeats (), "msg/s");
}

void
bench_bus_four_to_one (const char *name,
                       guint       n)
{
  run_to_many (name, 4, 1, n);
}

/* Two digits: senders, subscribers. */
void
bench_bus_many_to_many (const char *name,
                        guint       n_senders_and_subscribers)
{
  run_to_many (name, n_senders_and_subscribers / 10, n_senders_and_subscribers % 10, 500000);
}

/* --- Order --- */

static double
count_late (const guint64 *seqs,
            guint          n,
            double        *worst)
{
  guint64 top = 0;
  guint   n_late = 0;

  *worst = 0;
  for (guint i = 0; i < n; i++)
    {
      if (seqs[i] < top)
        {
          n_late++;
          *worst = MAX (*worst, top - seqs[i]);
        }
      top = MAX (top, seqs[i]);
    }

  return n_late;
}

void
bench_bus_seq_order (const char *name,
                     guint       n)
{
  double late[BENCH_REPEATS];
  double lag[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      BenchSetup   *setup = bench_setup_new (BENCH_ROOM, 1, 0);
      BenchCounter *counter = bench_setup_get_counter (setup, 0);
      double        end;

      counter->seqs = g_new0 (guint64, n);
      run_senders (setup, MAX_SENDERS, n / MAX_SENDERS, &end);
      bench_setup_wait (setup, n);
      late[r] = count_late (counter->seqs, n, &lag[r]);
      bench_setup_free (setup);
    }

  bench_print (name, "messages", n, "messages");
  bench_print_median (name, "late_messages", late, bench_repeats (), "count");
  bench_print_median (name, "max_seq_behind", lag, bench_repeats (), "seq");
}
