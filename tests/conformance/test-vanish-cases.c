/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-actors.h"
#include "test-cases.h"

/* A node leaves the others while somebody waits for it. It stops in good order, or drops its bus. */

typedef void (*VanishFunc) (TestWorld *world,
                            guint      node);

static void
vanish_stop (TestWorld *world,
             guint      node)
{
  test_world_stop (world, node, AGENT_LEAVE_FLAGS_NONE);
}

/* Each request to the worker of a node that is gone has an answer, whether it was in hand there or waited. */
static void
vanish_worker (TestWorld *world,
               VanishFunc vanish)
{
  g_autoptr (AgentActor) boss = agent_actor_new ("boss");
  AgentActor *worker = agent_actor_new ("worker");
  GPtrArray  *jobs = test_jobs_new (worker);
  AgentTask  *tasks[6];

  test_world_join (world, 0, boss);
  test_world_join (world, 1, worker);
  agent_actor_set_max_jobs (worker, 2);
  for (guint i = 0; i < G_N_ELEMENTS (tasks); i++)
    tasks[i] = agent_actor_request (boss, "worker", NULL, NULL);
  test_world_wait (world, jobs->len == 2);
  if (test_world_is_connected (world))
    vanish (world, 1);
  else
    agent_bus_unsubscribe (world->nodes[1].bus, "worker");

  for (guint i = 0; i < G_N_ELEMENTS (tasks); i++)
    {
      test_world_wait (world, agent_task_has_finished (tasks[i]));
      g_assert_cmpint (agent_task_get_status (tasks[i]), !=, AGENT_TASK_STATUS_COMPLETED);
      g_assert_nonnull (agent_task_get_error (tasks[i]));
      g_object_unref (tasks[i]);
    }
  test_jobs_free (worker, jobs);
  g_object_unref (worker);
}

static void
test_worker_stops (TestWorld *world)
{
  vanish_worker (world, vanish_stop);
}

static void
test_worker_dropped (TestWorld *world)
{
  vanish_worker (world, test_world_drop);
}

/* The jobs of somebody at a node that is gone are cancelled. */
static void
vanish_requester (TestWorld *world,
                  VanishFunc vanish)
{
  AgentActor *boss = agent_actor_new ("boss");
  g_autoptr (AgentActor) worker = agent_actor_new ("worker");
  GPtrArray *jobs = test_jobs_new (worker);
  AgentTask *tasks[3];

  test_world_join (world, 0, boss);
  test_world_join (world, 1, worker);
  agent_actor_set_max_jobs (worker, 10);
  for (guint i = 0; i < G_N_ELEMENTS (tasks); i++)
    tasks[i] = agent_actor_request (boss, "worker", NULL, NULL);
  test_world_wait (world, jobs->len == G_N_ELEMENTS (tasks));
  if (test_world_is_connected (world))
    vanish (world, 0);
  else
    agent_bus_unsubscribe (world->nodes[0].bus, "boss");

  for (guint i = 0; i < G_N_ELEMENTS (tasks); i++)
    {
      test_world_wait (world, agent_job_is_cancelled (jobs->pdata[i]));
      g_object_unref (tasks[i]);
    }
  test_jobs_free (worker, jobs);
  g_object_unref (boss);
}

static void
test_requester_stops (TestWorld *world)
{
  vanish_requester (world, vanish_stop);
}

static void
test_requester_dropped (TestWorld *world)
{
  vanish_requester (world, test_world_drop);
}

/* A node that has left and comes again works as before. */
static void
test_comes_again (TestWorld *world)
{
  g_autoptr (AgentActor) boss = agent_actor_new ("boss");

  if (!test_world_is_connected (world))
    return;

  test_world_join (world, 0, boss);
  for (guint i = 0; i < 3; i++)
    {
      AgentActor *worker = agent_actor_new ("worker");
      GPtrArray  *jobs = test_jobs_new (worker);
      AgentTask  *task;

      test_world_join (world, 1, worker);
      task = agent_actor_request (boss, "worker", NULL, NULL);
      test_world_wait (world, jobs->len == 1);
      agent_job_complete (jobs->pdata[0], NULL);
      test_world_wait (world, agent_task_has_finished (task));
      test_task_assert_completed (world->fixture, task);

      test_jobs_free (worker, jobs);
      test_world_stop (world, 1, AGENT_LEAVE_FLAGS_NONE);
      g_object_unref (worker);
      test_world_wait (world, !test_world_has_name (world, 0, "worker"));
      test_world_open (world, 1);
    }
}

/* The server of the engine is killed and comes again: control that was sent meanwhile arrives, once each and in order. */
static void
test_server_killed (TestWorld *world)
{
  g_autoptr (TestRecorder) x = test_world_add (world, 0, "x");
  g_autoptr (TestRecorder) t = test_world_add (world, 1, "t");
  guint next = 0;

  if (world->engine->kill == NULL)
    return;

  for (guint round = 0; round < 3; round++)
    {
      for (guint i = 0; i < 100; i++)
        test_world_send (world, 0, test_world_message (AGENT_CHANNEL_SYSTEM, "x", "t", next++));
      world->engine->kill (world->of_engine);
      for (guint i = 0; i < 100; i++)
        test_world_send (world, 0, test_world_message (AGENT_CHANNEL_SYSTEM, "x", "t", next++));
      world->engine->restart (world->of_engine);
      test_world_wait (world, test_recorder_count (t) >= next);
    }
  g_assert_cmpuint (test_recorder_count (t), ==, next);
  for (guint i = 0; i < next; i++)
    g_assert_cmpuint (test_world_number (t->messages->pdata[i]), ==, i);
}

/* A node leaves while the server of the engine is away, so it cannot say so. What is sent to it until it is taken for gone is lost
 * with it: nothing of that is refused. */
static void
test_gone_while_server_is_away (TestWorld *world)
{
  g_autoptr (TestRecorder) x = test_world_add (world, 0, "x");
  g_autoptr (TestRecorder) t = test_world_add (world, 1, "t");
  guint next = 0;

  if (world->engine->kill == NULL)
    return;

  world->engine->kill (world->of_engine);
  test_world_drop (world, 1);
  world->engine->restart (world->of_engine);
  while (test_world_has_name (world, 0, "t"))
    {
      test_world_send (world, 0, test_world_message (AGENT_CHANNEL_DATA, "x", "t", next++));
      test_world_turn (world);
    }
  test_world_wait (world, strstr (world->nodes[0].events->str, "-b") != NULL);
  g_assert_cmpstr (world->nodes[0].refused->str, ==, "");
  g_assert_cmpuint (test_world_figure (world, 0, "refused"), ==, 0);
}

/* The server is stopped for a while without ending. */
static void
test_server_frozen (TestWorld *world)
{
  g_autoptr (TestRecorder) x = test_world_add (world, 0, "x");
  g_autoptr (TestRecorder) t = test_world_add (world, 1, "t");

  if (world->engine->freeze == NULL)
    return;

  world->engine->freeze (world->of_engine, TRUE);
  for (guint i = 0; i < 100; i++)
    test_world_send (world, 0, test_world_message (AGENT_CHANNEL_SYSTEM, "x", "t", i));
  world->engine->freeze (world->of_engine, FALSE);
  test_world_wait (world, test_recorder_count (t) == 100);
  for (guint i = 0; i < 100; i++)
    g_assert_cmpuint (test_world_number (t->messages->pdata[i]), ==, i);
}

const TestWorldCase test_vanish_cases[] = {
  { "vanish/worker-stops", 2, test_worker_stops },
  { "vanish/worker-dropped", 2, test_worker_dropped },
  { "vanish/requester-stops", 2, test_requester_stops },
  { "vanish/requester-dropped", 2, test_requester_dropped },
  { "vanish/comes-again", 2, test_comes_again },
  { "vanish/server-killed", 2, test_server_killed },
  { "vanish/gone-while-server-is-away", 2, test_gone_while_server_is_away },
  { "vanish/server-frozen", 2, test_server_frozen },
  { NULL },
};
