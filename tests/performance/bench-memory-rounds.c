/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What comes and goes: how often memory is allocated for it, and what is left of it. */

#include "config.h"

#include "counting-malloc.h"
#include "bench-memory.h"

/* --- Allocations --- */

#define N_ROUNDS 1000
#define BURST 100

/* Sends @n messages, which are handled then. */
typedef void (*SendFunc) (BenchSetup *setup,
                          guint       n);

static void
send_plain (BenchSetup *setup,
            guint       n)
{
  for (guint i = 0; i < n; i++)
    agent_bus_send (setup->bus, bench_data ("producer", "agent-0"));
}

static void
send_with_payload (BenchSetup *setup,
                   guint       n)
{
  for (guint i = 0; i < n; i++)
    agent_bus_send (setup->bus,
                    agent_message_new_task_update ("producer", "agent-0", "t", bench_memory_make_payload ()));
}

static void
send_with_text (BenchSetup *setup,
                guint       n)
{
  for (guint i = 0; i < n; i++)
    {
      AgentMessage *message = agent_message_new_task_update ("producer", "agent-0", "t", NULL);

      agent_message_set_payload_json (message, "{\"text\":\"what was said\",\"confidence\":0.5,\"final\":true}", NULL);
      agent_bus_send (setup->bus, message);
    }
}

static void
send_to_all (BenchSetup *setup,
             guint       n)
{
  for (guint i = 0; i < n; i++)
    agent_bus_send (setup->bus, bench_data ("producer", NULL));
}

/* In one thread: @n_rounds rounds of @burst messages, each of which @n_receivers get. */
static void
run_rounds (BenchSetup *setup,
            SendFunc    send,
            guint       n_rounds,
            guint       burst,
            guint       n_receivers)
{
  guint64 n = bench_setup_sum (setup);

  for (guint i = 0; i < n_rounds; i++)
    {
      send (setup, burst);
      n += (guint64) burst * n_receivers;
      bench_setup_iterate (setup, n);
    }
}

/* In the long run: what is needed once, such as room for messages that wait, does not count. */
static void
print_allocations (const char *name,
                   const char *figure,
                   SendFunc    send,
                   guint       burst,
                   guint       n_receivers)
{
  BenchSetup *setup = bench_setup_new_with_threads (BENCH_ROOM, 10, 0, 0);
  guint64     before;

  run_rounds (setup, send, BURST, burst, n_receivers);
  before = counting_malloc_n_allocations ();
  run_rounds (setup, send, N_ROUNDS, burst, n_receivers);
  bench_print (name, figure, (double) (counting_malloc_n_allocations () - before) / N_ROUNDS / burst, "allocations");
  bench_setup_free (setup);
}

static void
print_threaded_allocations (const char *name,
                            guint       n)
{
  BenchSetup *setup = bench_setup_new (BENCH_ROOM, 1, 0);
  guint64     before;
  double      made;

  bench_setup_warm_up (setup);
  send_plain (setup, n);
  bench_setup_wait (setup, n);
  before = counting_malloc_n_allocations ();
  send_plain (setup, n);
  bench_setup_wait (setup, 2 * (guint64) n);
  made = counting_malloc_n_allocations () - before;
  bench_print (name, "per_send_to_another_thread", made / n, "allocations");
  bench_setup_free (setup);
}

static void
print_dispatch_allocations (const char *name,
                            guint       n)
{
  BenchDispatcher *setup = bench_dispatcher_new_assigned (1, 1);
  guint64          before;

  for (guint i = 0; i < n; i++)
    bench_dispatcher_send (setup, AGENT_MESSAGE_TYPE_REQUEST_INFERENCE, 0);
  bench_setup_wait (setup->base, n);
  before = counting_malloc_n_allocations ();
  for (guint i = 0; i < n; i++)
    bench_dispatcher_send (setup, AGENT_MESSAGE_TYPE_REQUEST_INFERENCE, 0);
  bench_setup_wait (setup->base, 2 * (guint64) n);
  bench_print (name, "per_dispatch", (double) (counting_malloc_n_allocations () - before) / n, "allocations");

  agent_route_table_unassign (setup->routes, setup->actors[0]);
  before = counting_malloc_n_allocations ();
  for (guint i = 0; i < n; i++)
    bench_dispatcher_send (setup, AGENT_MESSAGE_TYPE_MODEL_UPDATE, 0);
  bench_print (name, "per_parked", (double) (counting_malloc_n_allocations () - before) / n, "allocations");
  bench_dispatcher_free (setup);
}

/* GLib has something to keep of a type as long as there is a value of it. */
static void
print_payload_allocations (const char *name)
{
  g_autoptr (GVariant) first = g_variant_ref_sink (bench_memory_make_payload ());
  guint64 before = counting_malloc_n_allocations ();

  for (guint i = 0; i < N_ROUNDS; i++)
    {
      g_autoptr (GVariant) payload = g_variant_ref_sink (bench_memory_make_payload ());
    }
  bench_print (name, "per_payload", (double) (counting_malloc_n_allocations () - before) / N_ROUNDS, "allocations");
}

/* How often memory is allocated for a message, from its constructor to its end. */
void
bench_memory_allocations (const char *name,
                          guint       n)
{
  if (!counting_malloc_can_count ())
    return;

  print_allocations (name, "per_send", send_plain, 1, 1);
  print_allocations (name, "per_send_in_bursts", send_plain, BURST, 1);
  print_allocations (name, "per_send_with_payload", send_with_payload, BURST, 1);
  print_allocations (name, "per_send_with_text", send_with_text, BURST, 1);
  print_payload_allocations (name);
  print_allocations (name, "per_send_to_10", send_to_all, BURST, 10);
  print_threaded_allocations (name, n);
  print_dispatch_allocations (name, n);
}

/* --- Growth --- */

typedef struct
{
  double rss;
  gint64 heap;
} Memory;

static Memory
get_memory (void)
{
  bench_trim ();
  return (Memory){ bench_rss (), counting_malloc_live () };
}

static void
print_growth (const char   *name,
              const char   *what,
              const Memory *before,
              guint         n)
{
  Memory           now = get_memory ();
  g_autofree char *rss_figure = g_strconcat ("rss_growth_", what, NULL);
  g_autofree char *heap_figure = g_strconcat ("heap_growth_", what, NULL);

  bench_print (name, rss_figure, (now.rss - before->rss) / n, "bytes");
  if (counting_malloc_can_count ())
    bench_print (name, heap_figure, (double) (now.heap - before->heap) / n, "bytes");
}

static void
come_and_go (BenchSetup *setup,
             guint       n)
{
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (AgentSubscriber) subscriber = agent_subscriber_new ("guest");

      bench_subscribe (setup->bus, subscriber);
      agent_bus_send (setup->bus, bench_data ("producer", "guest"));
      agent_bus_unsubscribe (setup->bus, "guest");
      while (g_main_context_iteration (NULL, FALSE))
        ;
    }
}

static void
park_and_flush (BenchDispatcher *setup,
                guint            n)
{
  guint64 before = bench_setup_sum (setup->base);

  for (guint i = 0; i < n; i++)
    {
      bench_dispatcher_send (setup, AGENT_MESSAGE_TYPE_MODEL_UPDATE, 0);
      agent_route_table_assign (setup->routes, setup->actors[0], "router-0");
      bench_setup_wait (setup->base, before + i + 1);
      agent_route_table_remove (setup->routes, setup->actors[0]);
    }
}

/* What is left of what came and went, by each. */
void
bench_memory_growth (const char *name,
                     guint       n)
{
  BenchSetup      *setup = bench_setup_new_with_threads (BENCH_ROOM, 10, 0, 0);
  BenchDispatcher *dispatcher = bench_dispatcher_new (1);
  Memory           before;

  run_rounds (setup, send_plain, 100, n / 100, 1);
  before = get_memory ();
  run_rounds (setup, send_plain, 1000, n / 100, 1);
  print_growth (name, "per_message", &before, n * 10);

  come_and_go (setup, 1000);
  before = get_memory ();
  come_and_go (setup, n / 10);
  print_growth (name, "per_subscription", &before, n / 10);

  bench_dispatcher_add_router (dispatcher, "router-0");
  park_and_flush (dispatcher, 100);
  before = get_memory ();
  park_and_flush (dispatcher, n / 20);
  print_growth (name, "per_parked_message", &before, n / 20);

  bench_dispatcher_free (dispatcher);
  bench_setup_free (setup);
}
