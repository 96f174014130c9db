/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How many may be there. */

#include "config.h"

#include "bench-bus.h"

/* --- Subscribing --- */

static void
on_unsubscribed (GObject      *object,
                 GAsyncResult *result,
                 gpointer      user_data)
{
  g_autoptr (GError) error = NULL;

  if (!agent_bus_unsubscribe_finish (AGENT_BUS (object), result, &error))
    g_error ("%s", error->message);
  *(gboolean *) user_data = TRUE;
}

static void
unsubscribe_and_wait (AgentBus   *bus,
                      const char *name)
{
  gboolean done = FALSE;

  agent_bus_unsubscribe_async (bus, name, NULL, on_unsubscribed, &done);
  while (!done)
    g_main_context_iteration (NULL, TRUE);
}

/* Each unsubscribe is waited for, as each subscribe. */
void
bench_bus_subscribing (const char *name,
                       guint       n)
{
  double sub[BENCH_REPEATS];
  double unsub[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      TestThread *thread = test_thread_new ();
      AgentBus   *bus = agent_bus_new ();
      g_autoptr (GPtrArray) subscribers = g_ptr_array_new_with_free_func (g_object_unref);
      double start;

      for (guint i = 0; i < n; i++)
        {
          g_autofree char *own = g_strdup_printf ("agent-%u", i);

          g_ptr_array_add (subscribers, bench_counter_new (own, thread->context, 0, 0));
        }

      start = bench_now ();
      for (guint i = 0; i < n; i++)
        bench_subscribe (bus, subscribers->pdata[i]);
      sub[r] = (bench_now () - start) / n * 1e6;

      start = bench_now ();
      for (guint i = 0; i < n; i++)
        unsubscribe_and_wait (bus, agent_subscriber_get_name (subscribers->pdata[i]));
      unsub[r] = (bench_now () - start) / n * 1e6;

      g_assert_cmpuint (agent_bus_get_n_subscribers (bus), ==, 0);
      g_object_unref (bus);
      test_thread_free (thread);
    }

  bench_print_median (name, "us_per_subscribe", sub, bench_repeats (), "us");
  bench_print_median (name, "us_per_unsubscribe", unsub, bench_repeats (), "us");
}

/* --- Memory --- */

/* In a process of its own: prints the bytes per subscriber, and the same with the heap trimmed. */
void
bench_bus_idle_child (guint n)
{
  BenchSetup *setup = bench_setup_new (AGENT_BUS_DEFAULT_CAPACITY, 1, 0);
  g_autoptr (GPtrArray) subscribers = g_ptr_array_new_with_free_func (g_object_unref);
  double r0;
  double r1;
  double r2;

  for (guint i = 0; i < n; i++)
    {
      g_autofree char *own = g_strdup_printf ("idle-%u", i);

      g_ptr_array_add (subscribers, bench_counter_new (own, bench_setup_get_context (setup), 0, 0));
    }

  /* Everything that exists once. */
  agent_bus_send (setup->bus, bench_data ("producer", NULL));
  bench_setup_wait (setup, 1);
  g_usleep (100000);
  bench_trim ();

  r0 = bench_rss ();
  for (guint i = 0; i < n; i++)
    bench_subscribe (setup->bus, subscribers->pdata[i]);
  g_usleep (300000);
  r1 = bench_rss ();
  bench_trim ();
  r2 = bench_rss ();

  g_print ("%g %g\n", (r1 - r0) / n, (r2 - r0) / n);
  bench_setup_free (setup);
}

void
bench_bus_idle_memory (const char *name,
                       guint       n)
{
  double plain[BENCH_REPEATS];
  double trimmed[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    plain[r] = bench_run_child (name, &trimmed[r]);

  bench_print_median (name, "rss_per_subscriber", plain, bench_repeats (), "bytes");
  bench_print_median (name, "rss_per_subscriber_trimmed", trimmed, bench_repeats (), "bytes");
}

/* --- Growth --- */

#define N_TARGETED 200000
#define N_BROADCAST 1000000 /* deliveries */

typedef struct
{
  BenchSetup *setup;
  guint64     each;
  guint       i; /* those before it have all */
} Scan;

static gboolean
is_scanned (gpointer user_data)
{
  Scan *self = user_data;
  guint n = self->setup->counters->len;

  while (self->i < n && bench_counter_get (bench_setup_get_counter (self->setup, self->i)) >= self->each)
    self->i++;

  return self->i == n;
}

/* Looks at each counter once only, however many there are. */
static double
wait_for_each (BenchSetup *setup,
               guint       each)
{
  Scan   scan = { .setup = setup, .each = each };
  double end = bench_wait_until (is_scanned, &scan, BENCH_STEP);

  bench_setup_reset (setup);
  return end;
}

static double
time_broadcasts (BenchSetup *setup,
                 guint       n)
{
  double start = bench_now ();

  for (guint i = 0; i < n; i++)
    agent_bus_send (setup->bus, bench_data ("producer", NULL));
  return wait_for_each (setup, n) - start;
}

/* @delivered: until the last one was. */
static double
time_targeted (BenchSetup *setup,
               double     *delivered)
{
  char **names = (char **) setup->names->pdata;
  guint  n = setup->names->len;
  double start = bench_now ();
  double end;

  for (guint i = 0; i < N_TARGETED; i++)
    agent_bus_send (setup->bus, bench_data ("producer", names[i % n]));
  end = bench_now ();
  *delivered = wait_for_each (setup, N_TARGETED / n) - start;
  return end - start;
}

/* @n divides what is sent. */
void
bench_bus_growth (const char *name,
                  guint       n)
{
  double subscribe[BENCH_REPEATS];
  double send[BENCH_REPEATS];
  double targeted[BENCH_REPEATS];
  double broadcast[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      double      start = bench_now ();
      BenchSetup *setup = bench_setup_new (BENCH_ROOM, n, 0);

      subscribe[r] = (bench_now () - start) / n * 1e9;
      /* The first one makes the table. */
      time_broadcasts (setup, 1);
      send[r] = time_targeted (setup, &targeted[r]) / N_TARGETED * 1e9;
      targeted[r] = targeted[r] / N_TARGETED * 1e9;
      broadcast[r] = time_broadcasts (setup, N_BROADCAST / n) / N_BROADCAST * 1e9;
      bench_setup_free (setup);
    }

  bench_print_median (name, "ns_per_new_subscriber", subscribe, bench_repeats (), "ns");
  bench_print_median (name, "ns_per_send", send, bench_repeats (), "ns");
  bench_print_median (name, "ns_per_targeted_delivery", targeted, bench_repeats (), "ns");
  bench_print_median (name, "ns_per_broadcast_delivery", broadcast, bench_repeats (), "ns");
}
