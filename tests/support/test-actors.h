/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "test-tools.h"

G_BEGIN_DECLS

/* Actors of the tests: workers that keep their jobs, and what has become of a task. */

static inline AgentActor *
test_actor_join (TestFixture *fixture,
                 AgentActor  *actor)
{
  g_autoptr (GError) error = NULL;

  agent_bus_subscribe (fixture->bus, AGENT_SUBSCRIBER (actor), &error);
  g_assert_no_error (error);
  return actor;
}

static inline AgentActor *
test_actor_new (TestFixture *fixture,
                const char  *name)
{
  return test_actor_join (fixture, agent_actor_new (name));
}

static inline void
test_jobs_on_request (AgentActor *actor,
                      AgentJob   *job,
                      gpointer    user_data)
{
  g_ptr_array_add (user_data, g_object_ref (job));
}

/* Brings what is made once, and stays, to its size: the classes, which ThreadSanitizer cannot see being made by another thread,
 * and the tables of open tasks. Before any case. */
static inline void
test_actors_init (void)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (AgentActor) actor = g_object_new (AGENT_TYPE_ACTOR, "name", "first", "main-context", context, NULL);

  g_type_class_unref (g_type_class_ref (AGENT_TYPE_JOB));
  for (guint i = 0; i < 64; i++)
    g_object_unref (agent_actor_request (actor, "nobody", NULL, NULL));
  while (g_main_context_iteration (context, FALSE))
    ;
}

/* @jobs: gets the jobs of @actor */
static inline void
test_jobs_keep (AgentActor *actor,
                GPtrArray  *jobs)
{
  g_signal_connect_data (actor,
                         "task-request",
                         G_CALLBACK (test_jobs_on_request),
                         g_ptr_array_ref (jobs),
                         (GClosureNotify) (void (*) (void)) g_ptr_array_unref,
                         0);
}

/* Frees @jobs of @actor, which keeps no more of them: otherwise a request that comes late would keep the actor, which keeps it. */
static inline void
test_jobs_free (AgentActor *actor,
                GPtrArray  *jobs)
{
  g_signal_handlers_disconnect_matched (
      actor, G_SIGNAL_MATCH_FUNC, 0, 0, NULL, (gpointer) test_jobs_on_request, NULL);
  g_ptr_array_set_size (jobs, 0);
  g_ptr_array_unref (jobs);
}

static inline GPtrArray *
test_jobs_new (AgentActor *actor)
{
  GPtrArray *jobs = g_ptr_array_new_with_free_func (g_object_unref);

  test_jobs_keep (actor, jobs);
  return jobs;
}

/* Takes @task.
 *
 * @code: of AGENT_BUS_ERROR, or -1 for none */
static inline void
test_task_assert (TestFixture    *fixture,
                  AgentTask      *task,
                  AgentTaskStatus status,
                  gint            code)
{
  const GError *error;

  test_drain (fixture);
  g_assert_true (agent_task_has_finished (task));
  error = agent_task_get_error (task);
  g_assert_cmpint (agent_task_get_status (task), ==, status);
  if (code < 0)
    g_assert_no_error (error);
  else
    g_assert_error (error, AGENT_BUS_ERROR, code);
  g_object_unref (task);
}

static inline void
test_task_assert_failed (TestFixture  *fixture,
                         AgentTask    *task,
                         AgentBusError code)
{
  test_task_assert (fixture, task, AGENT_TASK_STATUS_FAILED, code);
}

static inline void
test_task_assert_cancelled (TestFixture *fixture,
                            AgentTask   *task)
{
  test_task_assert (fixture, task, AGENT_TASK_STATUS_CANCELLED, AGENT_BUS_ERROR_CANCELLED);
}

static inline void
test_task_assert_completed (TestFixture *fixture,
                            AgentTask   *task)
{
  test_task_assert (fixture, task, AGENT_TASK_STATUS_COMPLETED, -1);
}

G_END_DECLS
