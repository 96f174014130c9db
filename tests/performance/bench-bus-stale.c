/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What it costs to pass over messages that are not delivered any more: those of an epoch that is over, beside those that
 * have expired. */

#include "config.h"

#include "bench-bus.h"

#define TTL 1 /* ms */

typedef struct
{
  double ns;           /* for each message that is passed over */
  double n_iterations; /* of the context, until all of them are */
} Skipping;

/* Queues @n messages. They are worth nothing when this returns. */
static void
send_worthless (BenchSetup *setup,
                guint       n,
                gboolean    stale)
{
  g_autoptr (AgentConversation) conversation = agent_conversation_new (NULL);

  for (guint i = 0; i < n; i++)
    {
      AgentMessage *message = bench_data ("producer", "agent-0");

      if (stale)
        agent_message_set_conversation (message, conversation);
      else
        agent_message_set_ttl (message, TTL);
      agent_bus_send (setup->bus, message);
    }

  if (stale)
    agent_conversation_advance (conversation);
  else
    g_usleep (2 * TTL * 1000);
}

static Skipping
time_skipping (guint    n,
               gboolean stale)
{
  BenchSetup *setup = bench_setup_new_with_threads (BENCH_ROOM, 1, 0, 0);
  Skipping    result = { 0 };
  double      start;

  send_worthless (setup, n, stale);
  start = bench_now ();
  while (bench_setup_get_dropped (setup) < n)
    {
      g_main_context_iteration (NULL, FALSE);
      result.n_iterations++;
    }
  result.ns = (bench_now () - start) / n * 1e9;
  g_assert_cmpuint (bench_setup_sum (setup), ==, 0);
  bench_setup_free (setup);

  return result;
}

static void
run_skipping (const char *name,
              guint       n,
              gboolean    stale)
{
  double ns[BENCH_REPEATS];
  double n_iterations[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      Skipping result = time_skipping (n, stale);

      ns[r] = result.ns;
      n_iterations[r] = result.n_iterations;
    }

  bench_print_median (name, "ns_per_message", ns, bench_repeats (), "ns");
  bench_print_median (name, "iterations", n_iterations, bench_repeats (), "calls");
}

void
bench_bus_stale (const char *name,
                 guint       n)
{
  run_skipping (name, n, TRUE);
}

void
bench_bus_expired (const char *name,
                   guint       n)
{
  run_skipping (name, n, FALSE);
}
