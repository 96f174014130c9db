/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-hub.h"
#include "test-world.h"

/* --- The engines that need no server --- */

const TestEngine test_engine_one = { .name = "one" };

static gpointer
hub_start (void)
{
  return test_hub_new (1);
}

static void
hub_stop (gpointer engine)
{
  test_hub_free (engine);
}

static AgentTransport *
hub_make (gpointer    engine,
          const char *node,
          guint       heartbeat)
{
  /* What the hub carries is not late, so its nodes may be quick. */
  return test_hub_add (engine, node);
}

const TestEngine test_engine_hub = {
  .name = "hub",
  .start = hub_start,
  .stop = hub_stop,
  .make = hub_make,
};

/* --- Cases for each engine --- */

typedef struct
{
  const TestEngine     *engine;
  const TestEngineCase *of_engine;
} Run;

static void
engines_run_case (TestFixture  *fixture,
                  gconstpointer data)
{
  const Run        *run = data;
  const TestEngine *engine = run->engine;
  const char       *problem = engine->get_problem != NULL ? engine->get_problem () : NULL;

  if (problem != NULL)
    g_test_skip (problem);
  else
    run->of_engine->func (fixture, engine);
}

/* Adds each case for each engine. Both lists stay, and end with an empty one. */
void
test_engines_add_cases (const char              *program,
                        const TestEngine *const *engines,
                        const TestEngineCase    *cases)
{
  for (guint i = 0; engines[i] != NULL; i++)
    {
      for (const TestEngineCase *c = cases; c->name != NULL; c++)
        {
          g_autofree char *path = g_strdup_printf ("/agentbus/%s/%s-%s", program, engines[i]->name, c->name);
          Run             *run = g_new (Run, 1);

          run->engine = engines[i];
          run->of_engine = c;
          test_add_data (path, engines_run_case, run);
        }
    }
}
