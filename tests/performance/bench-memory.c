/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Memory: how much of it there is for each thing that waits, how often it is allocated, and whether it grows. The heap
 * is what was asked of malloc(); the RSS is what the process has of the machine. */

#include "config.h"

#include "counting-malloc.h"
#include "bench-memory.h"

#define N_THINGS 100000
#define N_SUBSCRIBERS 10000

GVariant *
bench_memory_make_payload (void)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "text", "s", "what was said");
  g_variant_dict_insert (&dict, "confidence", "d", 0.5);
  g_variant_dict_insert (&dict, "final", "b", TRUE);
  return g_variant_dict_end (&dict);
}

/* --- What a thing takes --- */

/* Makes @n of what it is about. */
typedef void (*MakeFunc) (BenchDispatcher *setup,
                          guint            n);

static void
queue (BenchDispatcher *setup,
       guint            n)
{
  for (guint i = 0; i < n; i++)
    agent_bus_send (setup->base->bus, bench_data ("producer", "waiting"));
}

static void
queue_with_payload (BenchDispatcher *setup,
                    guint            n)
{
  for (guint i = 0; i < n; i++)
    agent_bus_send (setup->base->bus,
                    agent_message_new_task_update ("producer", "waiting", "t", bench_memory_make_payload ()));
}

static void
park (BenchDispatcher *setup,
      guint            n)
{
  for (guint i = 0; i < n; i++)
    bench_dispatcher_send (setup, AGENT_MESSAGE_TYPE_MODEL_UPDATE, i);
}

static void
park_for_one (BenchDispatcher *setup,
              guint            n)
{
  for (guint i = 0; i < n; i++)
    bench_dispatcher_send (setup, AGENT_MESSAGE_TYPE_MODEL_UPDATE, 0);
}

static void
assign (BenchDispatcher *setup,
        guint            n)
{
  for (guint i = 0; i < n; i++)
    agent_route_table_assign (setup->routes, setup->actors[i], "router");
}

static void
add_subscriber (BenchDispatcher *setup,
                const char      *name,
                GMainContext    *context,
                guint            capacity)
{
  bench_setup_add (
      setup->base,
      g_object_new (AGENT_TYPE_SUBSCRIBER, "name", name, "main-context", context, "capacity", capacity, NULL));
}

/* Nobody answers, and nobody hears of the end. */
static void
request (BenchDispatcher *setup,
         guint            n)
{
  GMainContext *context = bench_setup_get_context (setup->base);
  AgentActor   *actor = g_object_new (AGENT_TYPE_ACTOR, "name", "asking", "main-context", context, NULL);

  bench_setup_add (setup->base, actor);
  for (guint i = 0; i < n; i++)
    g_object_unref (agent_actor_request (actor, "waiting", NULL, NULL));
}

static void
subscribe (BenchDispatcher *setup,
           guint            n)
{
  for (guint i = 0; i < n; i++)
    {
      char name[32];

      g_snprintf (name, sizeof name, "idle-%u", i);
      add_subscriber (setup, name, bench_setup_get_context (setup->base), 0);
    }
}

typedef struct
{
  const char *scenario;
  MakeFunc    make;
  guint       n;
  const char *thing;
} Thing;

static const Thing things[] = {
  { "mem_queued", queue, N_THINGS, "message" },
  { "mem_queued_with_payload", queue_with_payload, N_THINGS, "message" },
  { "mem_task", request, N_THINGS, "task" },
  { "mem_parked", park, N_THINGS, "message" },
  { "mem_parked_for_one", park_for_one, N_THINGS, "message" },
  { "mem_actor", assign, N_THINGS, "actor" },
  { "mem_subscriber", subscribe, N_SUBSCRIBERS, "subscriber" },
};

static const Thing *
find_thing (const char *scenario)
{
  for (guint i = 0; i < G_N_ELEMENTS (things); i++)
    {
      if (g_str_equal (things[i].scenario, scenario))
        return &things[i];
    }

  g_error ("%s is no thing", scenario);
}

/* In a process of its own: prints the bytes of RSS and heap of each. What exists once exists before. */
static void
measure_child (const char *scenario)
{
  const Thing     *thing = find_thing (scenario);
  BenchDispatcher *setup = bench_dispatcher_new (thing->n);
  g_autoptr (GMainContext) nobody = g_main_context_new ();
  gint64 heap;
  double rss;

  add_subscriber (setup, "waiting", nobody, BENCH_ROOM);
  agent_bus_send (setup->base->bus, bench_data ("producer", NULL));
  bench_trim ();
  rss = bench_rss ();
  heap = counting_malloc_live ();
  thing->make (setup, thing->n);
  g_print ("%g %g\n", (bench_rss () - rss) / thing->n, (double) (counting_malloc_live () - heap) / thing->n);
  bench_dispatcher_free (setup);
}

static void
measure (const char *name,
         guint       n)
{
  const char      *thing = find_thing (name)->thing;
  g_autofree char *rss_figure = g_strconcat ("rss_per_", thing, NULL);
  g_autofree char *heap_figure = g_strconcat ("heap_per_", thing, NULL);
  double           rss[BENCH_REPEATS];
  double           heap[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    rss[r] = bench_run_child (name, &heap[r]);

  bench_print_median (name, rss_figure, rss, bench_repeats (), "bytes");
  if (counting_malloc_can_count ())
    bench_print_median (name, heap_figure, heap, bench_repeats (), "bytes");
}

static const BenchScenario scenarios[] = {
  { "mem_queued", measure, 0 },
  { "mem_queued_with_payload", measure, 0 },
  { "mem_task", measure, 0 },
  { "mem_parked", measure, 0 },
  { "mem_parked_for_one", measure, 0 },
  { "mem_actor", measure, 0 },
  { "mem_subscriber", measure, 0 },
  { "mem_allocations", bench_memory_allocations, 100000 },
  { "mem_growth", bench_memory_growth, 100000 },
};

int
main (int   argc,
      char *argv[])
{
  if (argc == 3 && g_str_equal (argv[1], "--child"))
    {
      measure_child (argv[2]);
      return 0;
    }

  return bench_main (argc, argv, scenarios, G_N_ELEMENTS (scenarios));
}
