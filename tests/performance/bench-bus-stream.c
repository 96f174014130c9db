/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How many messages get through. */

#include "config.h"

#include "bench-bus.h"

/* --- One to one --- */

void
bench_bus_one_to_one (const char *name,
                      guint       n)
{
  double rate[BENCH_REPEATS];
  double ns[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      BenchSetup *setup = bench_setup_new (BENCH_ROOM, 1, 0);
      double      t0;
      double      t1;

      bench_setup_warm_up (setup);
      t0 = bench_now ();
      for (guint i = 0; i < n; i++)
        agent_bus_send (setup->bus, bench_data ("producer", "agent-0"));
      t1 = bench_now ();
      rate[r] = n / (bench_setup_wait (setup, n) - t0);
      ns[r] = (t1 - t0) / n * 1e9;
      g_assert_cmpuint (bench_setup_get_dropped (setup), ==, 0);
      bench_setup_free (setup);
    }

  bench_print_median (name, "delivered_per_s", rate, bench_repeats (), "msg/s");
  bench_print_median (name, "ns_per_send", ns, bench_repeats (), "ns");
}

static double
time_sends (guint    n,
            gboolean prebuilt)
{
  BenchSetup   *setup = bench_setup_new (BENCH_ROOM, 1, 0);
  AgentMessage *batch[1000];
  double        spent = 0;

  bench_setup_warm_up (setup);
  for (guint i = 0; i < n; i += G_N_ELEMENTS (batch))
    {
      double start = bench_now ();

      for (guint j = 0; j < G_N_ELEMENTS (batch); j++)
        batch[j] = bench_data ("producer", "agent-0");
      if (prebuilt)
        start = bench_now ();
      for (guint j = 0; j < G_N_ELEMENTS (batch); j++)
        agent_bus_send (setup->bus, batch[j]);
      spent += bench_now () - start;
    }
  bench_setup_wait (setup, n);
  bench_setup_free (setup);

  return spent / n * 1e9;
}

void
bench_bus_one_to_one_send (const char *name,
                           guint       n)
{
  double whole[BENCH_REPEATS];
  double pure[BENCH_REPEATS];
  double build[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      double start;

      whole[r] = time_sends (n, FALSE);
      pure[r] = time_sends (n, TRUE);
      start = bench_now ();
      for (guint i = 0; i < n; i++)
        agent_message_unref (bench_data ("producer", "agent-0"));
      build[r] = (bench_now () - start) / n * 1e9;
    }

  bench_print_median (name, "ns_per_send", whole, bench_repeats (), "ns");
  bench_print_median (name, "ns_per_send_prebuilt", pure, bench_repeats (), "ns");
  bench_print_median (name, "ns_build_and_drop", build, bench_repeats (), "ns");
}

/* --- Fan-out --- */

void
bench_bus_fan_out (const char *name,
                   guint       n)
{
  guint   n_sends = 4000000 / n;
  guint64 total = (guint64) n_sends * n;
  double  rate[BENCH_REPEATS];
  double  ns[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      BenchSetup *setup = bench_setup_new (n_sends + 1024, n, 0);
      double      t0;
      double      t1;

      bench_setup_warm_up (setup);
      t0 = bench_now ();
      for (guint i = 0; i < n_sends; i++)
        agent_bus_send (setup->bus, bench_data ("producer", NULL));
      t1 = bench_now ();
      rate[r] = total / (bench_setup_wait (setup, total) - t0);
      ns[r] = (t1 - t0) / n_sends * 1e9;
      g_assert_cmpuint (bench_setup_get_dropped (setup), ==, 0);
      bench_setup_free (setup);
    }

  bench_print (name, "deliveries", total, "messages");
  bench_print_median (name, "deliveries_per_s", rate, bench_repeats (), "msg/s");
  bench_print_median (name, "ns_per_send", ns, bench_repeats (), "ns");
}

/* --- Targeted --- */

void
bench_bus_targeted (const char *name,
                    guint       n)
{
  const guint n_messages = 1000000;
  double      rate[BENCH_REPEATS];
  double      ns[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      BenchSetup *setup = bench_setup_new (BENCH_ROOM, n, 0);
      char      **names = (char **) setup->names->pdata;
      double      t0;
      double      t1;

      bench_setup_warm_up (setup);
      t0 = bench_now ();
      for (guint i = 0; i < n_messages; i++)
        agent_bus_send (setup->bus, bench_data ("producer", names[i % n]));
      t1 = bench_now ();
      rate[r] = n_messages / (bench_setup_wait (setup, n_messages) - t0);
      ns[r] = (t1 - t0) / n_messages * 1e9;
      g_assert_cmpuint (bench_setup_get_dropped (setup), ==, 0);
      bench_setup_free (setup);
    }

  bench_print (name, "messages", n_messages, "messages");
  bench_print_median (name, "delivered_per_s", rate, bench_repeats (), "msg/s");
  bench_print_median (name, "ns_per_send", ns, bench_repeats (), "ns");
}

/* --- Payloads --- */

#define WINDOW 256 /* messages under way at most: large ones do not all fit into the memory */
#define MAX_FRAMES 200000
#define MAX_BYTES (1u << 30)

/* Each message has its own copy of @content, or all have @shared. */
static double
time_frames (guint         n,
             gconstpointer content,
             guint         size,
             GBytes       *shared)
{
  BenchSetup   *setup = bench_setup_new (BENCH_ROOM, 1, 0);
  BenchCounter *counter = bench_setup_get_counter (setup, 0);
  double        start;
  double        end;

  bench_setup_warm_up (setup);
  start = bench_now ();
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (GBytes) bytes = shared != NULL ? g_bytes_ref (shared) : g_bytes_new (content, size);
      g_autoptr (AgentFrame) frame = agent_frame_new ("audio", bytes, NULL);

      agent_bus_send (setup->bus,
                      agent_message_new_frame ("producer", "agent-0", frame, AGENT_FRAME_DIRECTION_DOWNSTREAM));
      while (bench_counter_get (counter) + WINDOW < i)
        g_thread_yield ();
    }
  end = bench_setup_wait (setup, n);
  bench_setup_free (setup);

  return end - start;
}

void
bench_bus_payload (const char *name,
                   guint       size)
{
  guint              n = MIN (MAX_FRAMES, MAX_BYTES / MAX (1, size));
  g_autofree guint8 *content = g_malloc0 (MAX (1, size));
  g_autoptr (GBytes) shared = g_bytes_new (content, size);
  double rate[BENCH_REPEATS];
  double copied_rate[BENCH_REPEATS];
  double megabytes[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      rate[r] = n / time_frames (n, content, size, shared);
      copied_rate[r] = n / time_frames (n, content, size, NULL);
      megabytes[r] = copied_rate[r] * size / 1e6;
    }

  bench_print (name, "messages", n, "messages");
  bench_print_median (name, "delivered_per_s_shared", rate, bench_repeats (), "msg/s");
  bench_print_median (name, "delivered_per_s_copied", copied_rate, bench_repeats (), "msg/s");
  bench_print_median (name, "copied_per_s", megabytes, bench_repeats (), "MB/s");
}
