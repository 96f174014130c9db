/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How many messages get through. */

#include "config.h"

#include "bench-bus.h"

typedef struct
{
  guint    capacity;
  guint    n_subscribers;
  guint    n_sends;
  gboolean to_all; /* or to one after the other */
  guint64  n_deliveries;
} Stream;

/* @rate: deliveries a second. @ns: of a send. */
static void
time_stream (const Stream *self,
             double       *rate,
             double       *ns)
{
  BenchSetup *setup = bench_setup_new (self->capacity, self->n_subscribers, 0);
  char      **names = (char **) setup->names->pdata;
  double      start;
  double      sent;

  bench_setup_warm_up (setup);
  start = bench_now ();
  for (guint i = 0; i < self->n_sends; i++)
    agent_bus_send (setup->bus, bench_data ("producer", self->to_all ? NULL : names[i % self->n_subscribers]));
  sent = bench_now ();
  *rate = self->n_deliveries / (bench_setup_wait (setup, self->n_deliveries) - start);
  *ns = (sent - start) / self->n_sends * 1e9;
  g_assert_cmpuint (bench_setup_get_dropped (setup), ==, 0);
  bench_setup_free (setup);
}

static void
run_stream (const char   *name,
            const Stream *stream,
            const char   *figure)
{
  double rate[BENCH_REPEATS];
  double ns[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    time_stream (stream, &rate[r], &ns[r]);

  bench_print_median (name, figure, rate, bench_repeats (), "msg/s");
  bench_print_median (name, "ns_per_send", ns, bench_repeats (), "ns");
}

/* --- One to one --- */

void
bench_bus_one_to_one (const char *name,
                      guint       n)
{
  const Stream stream = { BENCH_ROOM, 1, n, FALSE, n };

  run_stream (name, &stream, "delivered_per_s");
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
  const guint  n_sends = 4000000 / n;
  const Stream stream = { n_sends + 1024, n, n_sends, TRUE, (guint64) n_sends * n };

  bench_print (name, "deliveries", stream.n_deliveries, "messages");
  run_stream (name, &stream, "deliveries_per_s");
}

/* --- Targeted --- */

void
bench_bus_targeted (const char *name,
                    guint       n)
{
  const guint  n_messages = 1000000;
  const Stream stream = { BENCH_ROOM, n, n_messages, FALSE, n_messages };

  bench_print (name, "messages", n_messages, "messages");
  run_stream (name, &stream, "delivered_per_s");
}

/* --- Payloads --- */

#define WINDOW 256 /* messages under way at most: large ones do not all fit into the memory */
#define MAX_FRAMES 200000
#define MAX_BYTES (1u << 30)

/* A frame has its own copy of @content, or all have @shared. */
static AgentFrame *
stream_make_frame (gconstpointer content,
                   guint         size,
                   GBytes       *shared)
{
  return shared != NULL ? agent_frame_new ("audio", shared, NULL)
                        : agent_frame_new_copy ("audio", content, size, NULL);
}

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
      g_autoptr (AgentFrame) frame = stream_make_frame (content, size, shared);

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
