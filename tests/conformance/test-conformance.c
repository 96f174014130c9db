/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-actors.h"
#include "test-cases.h"

/*
 * The same cases for every engine: what the bus, the dispatcher and the actors promise holds however the nodes are connected.
 */

static const TestEngine *const engines[] = {
  &test_engine_one,
  &test_engine_hub,
  &test_engine_dbus,
#ifdef WITH_NATS
  &test_engine_nats,
#endif
};

static const TestWorldCase *const all_cases[] = {
  test_order_cases,
  test_flow_cases,
  test_ending_cases,
  test_presence_cases,
  test_broadcast_cases,
  test_group_cases,
  test_router_cases,
  test_actor_cases,
  test_vanish_cases,
};

typedef struct
{
  const TestEngine    *engine;
  const TestWorldCase *of_world;
} Run;

static void
run_case (TestFixture  *fixture,
          gconstpointer data)
{
  const Run *run = data;
  TestWorld *world = test_world_new (fixture, run->engine, run->of_world->n_nodes);

  run->of_world->func (world);
  test_world_free (world);
}

static void
run_skip (TestFixture  *fixture,
          gconstpointer data)
{
  const Run *run = data;

  g_test_skip (run->engine->get_problem ());
}

static void
add_case (const TestEngine    *engine,
          const TestWorldCase *of_world)
{
  g_autofree char *path = g_strdup_printf ("/%s/%s", engine->name, of_world->path);
  Run             *run = g_new (Run, 1);
  gboolean         works = engine->get_problem == NULL || engine->get_problem () == NULL;

  run->engine = engine;
  run->of_world = of_world;
  test_add_data (path, works ? run_case : run_skip, run);
}

int
main (int    argc,
      char **argv)
{
  test_init_slow (&argc, &argv);
  test_actors_init ();

  for (guint i = 0; i < G_N_ELEMENTS (engines); i++)
    {
      if (argc > 1 && !g_str_equal (argv[1], engines[i]->name))
        continue;
      for (guint j = 0; j < G_N_ELEMENTS (all_cases); j++)
        {
          for (const TestWorldCase *c = all_cases[j]; c->path != NULL; c++)
            add_case (engines[i], c);
        }
    }

  return g_test_run ();
}
