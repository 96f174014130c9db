/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How long it takes to start many agents, which announce themselves, until a registry knows all of them; and to end them. */

#include "config.h"

#include "bench-harness.h"
#include "bus/agent-subscriber-private.h"

#define N_AGENTS 100000

static void
presence_on_appeared (AgentRegistry *registry,
                      AgentPeer     *peer,
                      gpointer       user_data)
{
  (*(guint *) user_data)++;
}

static AgentSubscriber *
presence_new_agent (guint number)
{
  g_autofree char *name = g_strdup_printf ("agent-%u", number);
  AgentSubscriber *agent = agent_subscriber_new (name);
  g_autoptr (AgentInfo) info = agent_info_new (name, "runner", NULL, TRUE, FALSE, 0);

  _agent_subscriber_set_info (agent, info);
  return agent;
}

static void
presence_start (AgentBus  *bus,
                GPtrArray *agents,
                guint      n)
{
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < n; i++)
    {
      g_ptr_array_add (agents, presence_new_agent (i));
      if (!agent_bus_subscribe (bus, agents->pdata[i], &error))
        g_error ("%s", error->message);
    }
}

static void
presence_end (AgentBus  *bus,
              GPtrArray *agents)
{
  for (guint i = 0; i < agents->len; i++)
    agent_bus_unsubscribe (bus, agent_subscriber_get_name (agents->pdata[i]));
}

static void
bench_announce (const char *name,
                guint       n)
{
  double start[BENCH_REPEATS];
  double cpu[BENCH_REPEATS];
  double end[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      g_autoptr (AgentBus) bus = agent_bus_new ();
      g_autoptr (AgentRegistry) registry = agent_registry_new (bus);
      g_autoptr (GPtrArray) agents = g_ptr_array_new_with_free_func (g_object_unref);
      guint  n_appeared = 0;
      double from = bench_now ();
      double from_cpu = bench_cpu ();

      g_signal_connect (registry, "appeared", G_CALLBACK (presence_on_appeared), &n_appeared);
      presence_start (bus, agents, n);
      while (n_appeared < n)
        g_main_context_iteration (NULL, TRUE);
      start[r] = bench_now () - from;
      cpu[r] = bench_cpu () - from_cpu;

      from = bench_now ();
      presence_end (bus, agents);
      while (g_list_model_get_n_items (G_LIST_MODEL (registry)) > 0)
        g_main_context_iteration (NULL, TRUE);
      end[r] = bench_now () - from;

      g_clear_object (&registry);
      while (g_main_context_iteration (NULL, FALSE))
        ;
    }

  bench_print_median (name, "s_to_start", start, bench_repeats (), "s");
  bench_print_median (name, "cpu_s_to_start", cpu, bench_repeats (), "s");
  bench_print_median (name, "s_to_end", end, bench_repeats (), "s");
}

static const BenchScenario scenarios[] = {
  { "bus_announce_10000", bench_announce, N_AGENTS / 10 },
  { "bus_announce_100000", bench_announce, N_AGENTS },
};

int
main (int    argc,
      char **argv)
{
  return bench_main (argc, argv, scenarios, G_N_ELEMENTS (scenarios));
}
