/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sends that are refused when there is no room, and sends that wait for it. */

#include "config.h"

#include "bench-bus.h"

/* How many messages are sent before the context is iterated. */
#define BURST 100

typedef guint64 (*SendBurst) (BenchSetup *setup);

static guint64
send_burst (BenchSetup *setup)
{
  for (guint i = 0; i < BURST; i++)
    agent_bus_send (setup->bus, bench_data ("producer", "agent-0"));
  return BURST;
}

static guint64
try_burst (BenchSetup *setup)
{
  guint64 n_sent = 0;

  for (guint i = 0; i < BURST; i++)
    {
      g_autoptr (AgentMessage) message = bench_data ("producer", "agent-0");

      n_sent += agent_bus_try_send (setup->bus, message, NULL);
    }

  return n_sent;
}

static guint64
refused_burst (BenchSetup *setup)
{
  guint64 n_sent = 0;

  for (guint i = 0; i < BURST; i++)
    {
      g_autoptr (AgentMessage) message = bench_data ("producer", "agent-0");
      g_autoptr (GError) error = NULL;

      n_sent += agent_bus_try_send (setup->bus, message, &error);
    }

  return n_sent;
}

static void
on_sent (GObject      *source,
         GAsyncResult *result,
         gpointer      user_data)
{
  if (!agent_bus_send_finish (AGENT_BUS (source), result, NULL))
    g_error ("A message that waited for room was not sent");
}

static guint64
async_burst (BenchSetup *setup)
{
  for (guint i = 0; i < BURST; i++)
    {
      g_autoptr (AgentMessage) message = bench_data ("producer", "agent-0");

      agent_bus_send_async (setup->bus, message, NULL, on_sent, NULL);
    }

  return BURST;
}

/* Nanoseconds for each message, with its delivery. One thread does both. */
static double
time_bursts (guint     n,
             guint     capacity,
             SendBurst send)
{
  BenchSetup *setup = bench_setup_new_with_threads (capacity, 1, 0, 0);
  guint64     n_sent = 0;
  double      start;
  double      ns;

  send (setup);
  while (g_main_context_iteration (NULL, FALSE))
    continue;
  bench_setup_reset (setup);

  start = bench_now ();
  for (guint i = 0; i < n; i += BURST)
    {
      n_sent += send (setup);
      bench_setup_iterate (setup, n_sent);
    }
  ns = (bench_now () - start) / n * 1e9;
  bench_setup_free (setup);

  return ns;
}

/* With @n messages each: all find room, all but one of a hundred are refused, and all but one of a hundred wait. */
void
bench_bus_room (const char *name,
                guint       n)
{
  double sent[BENCH_REPEATS];
  double tried[BENCH_REPEATS];
  double refused[BENCH_REPEATS];
  double at_once[BENCH_REPEATS];
  double waited[BENCH_REPEATS];
  double more[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      sent[r] = time_bursts (n, BURST, send_burst);
      tried[r] = time_bursts (n, BURST, try_burst);
      refused[r] = time_bursts (n, 1, refused_burst);
      at_once[r] = time_bursts (n, BURST, async_burst);
      waited[r] = time_bursts (n, 1, async_burst);
      more[r] = waited[r] - sent[r];
    }

  bench_print_median (name, "ns_per_send", sent, bench_repeats (), "ns");
  bench_print_median (name, "ns_per_try_send", tried, bench_repeats (), "ns");
  bench_print_median (name, "ns_per_refusal", refused, bench_repeats (), "ns");
  bench_print_median (name, "ns_per_send_async_at_once", at_once, bench_repeats (), "ns");
  bench_print_median (name, "ns_per_send_async_that_waits", waited, bench_repeats (), "ns");
  bench_print_median (name, "ns_more_to_wait_than_to_send", more, bench_repeats (), "ns");
}
