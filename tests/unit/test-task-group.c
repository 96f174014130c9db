/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-tools.h"

/* Groups of tasks: who fails has the others cancelled, one deadline for all, and results by name. */

static AgentActor *
new_actor (TestFixture *f,
           const char  *name)
{
  AgentActor *actor = agent_actor_new (name);
  g_autoptr (GError) error = NULL;

  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (actor), &error);
  g_assert_no_error (error);
  return actor;
}

static void
on_keep (AgentActor *actor,
         AgentJob   *job,
         gpointer    user_data)
{
  g_ptr_array_add (user_data, g_object_ref (job));
}

/* A boss with a group, and two workers whose jobs the test answers. */
typedef struct
{
  TestFixture    *f;
  AgentActor     *boss;
  AgentActor     *workers[2];
  GPtrArray      *jobs;
  AgentTaskGroup *group;
  GString        *story;
} Crew;

static const char *const worker_names[] = { "alice", "bob", NULL };

static void
story_add (Crew       *self,
           const char *what,
           AgentTask  *task)
{
  g_autofree char *status = g_enum_to_string (AGENT_TYPE_TASK_STATUS, agent_task_get_status (task));

  g_string_append_printf (
      self->story, "%s%s %s", self->story->len > 0 ? ", " : "", what, strrchr (status, '_') + 1);
}

static void
on_result (AgentTaskGroup *group,
           AgentTask      *task,
           gpointer        user_data)
{
  story_add (user_data, agent_task_get_target (task), task);
}

static void
on_finished (AgentTaskGroup *group,
             gpointer        user_data)
{
  Crew *self = user_data;

  g_assert_cmpuint (agent_task_group_get_n_open (group), ==, 0);
  g_string_append (self->story, self->story->len > 0 ? ", finished" : "finished");
}

static Crew *
crew_new (TestFixture *f)
{
  Crew *self = g_new0 (Crew, 1);

  self->f = f;
  self->boss = new_actor (f, "boss");
  self->jobs = g_ptr_array_new_with_free_func (g_object_unref);
  for (guint i = 0; i < G_N_ELEMENTS (self->workers); i++)
    {
      self->workers[i] = new_actor (f, worker_names[i]);
      agent_actor_set_max_jobs (self->workers[i], 0);
      g_signal_connect (self->workers[i], "task-request", G_CALLBACK (on_keep), self->jobs);
    }
  self->group = agent_task_group_new (self->boss);
  self->story = g_string_new (NULL);
  g_signal_connect (self->group, "result", G_CALLBACK (on_result), self);
  g_signal_connect (self->group, "finished", G_CALLBACK (on_finished), self);
  return self;
}

static void
crew_free (Crew *self)
{
  test_stop (self->f);
  g_ptr_array_unref (self->jobs);
  if (self->group != NULL)
    g_assert_finalize_object (self->group);
  g_assert_finalize_object (self->boss);
  for (guint i = 0; i < G_N_ELEMENTS (self->workers); i++)
    g_assert_finalize_object (self->workers[i]);
  g_string_free (self->story, TRUE);
  g_free (self);
}

static AgentJob *
crew_get_job (Crew *self,
              guint index)
{
  test_drain (self->f);
  g_assert_cmpuint (self->jobs->len, >, index);
  return self->jobs->pdata[index];
}

/* And forgets the story. */
static void
assert_story (Crew       *self,
              const char *expected)
{
  test_drain (self->f);
  g_assert_cmpstr (self->story->str, ==, expected);
  g_string_truncate (self->story, 0);
}

static void
crew_request_all (Crew *self)
{
  agent_task_group_request_many (self->group, worker_names, "vote", g_variant_new_int32 (1));
  crew_get_job (self, 1);
}

/* Returns whether the wait is over, and frees @result. */
static gboolean
crew_wait_finish (Crew         *self,
                  GAsyncResult *result,
                  GError      **error)
{
  gboolean success;

  g_assert_nonnull (result);
  success = agent_task_group_wait_finish (self->group, result, error);
  g_object_unref (result);
  return success;
}

static void
test_completed (TestFixture *f)
{
  Crew         *crew = crew_new (f);
  GAsyncResult *result = NULL;

  crew_request_all (crew);
  agent_task_group_wait_async (crew->group, NULL, test_keep_result, &result);
  g_assert_cmpuint (agent_task_group_get_n_open (crew->group), ==, 2);
  agent_job_complete (crew_get_job (crew, 1), g_variant_new_int32 (2));
  assert_story (crew, "bob COMPLETED");
  g_assert_null (result);

  agent_job_complete (crew_get_job (crew, 0), NULL);
  assert_story (crew, "alice COMPLETED, finished");
  g_assert_true (crew_wait_finish (crew, result, NULL));
  g_assert_null (agent_task_group_get_error (crew->group));
  g_assert_cmpint (g_variant_get_int32 (agent_task_get_response (agent_task_group_lookup (crew->group, "bob"))), ==, 2);
  crew_free (crew);
}

static void
on_named (AgentTaskGroup *group,
          AgentTask      *task,
          gpointer        user_data)
{
  *(AgentTask **) user_data = task;
}

static void
test_names (TestFixture *f)
{
  Crew            *crew = crew_new (f);
  AgentTask       *named[3] = { NULL };
  AgentTask       *tasks[4];
  g_autofree char *detailed = NULL;
  g_auto (GStrv) names = NULL;
  g_autoptr (GPtrArray) listed = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (tasks); i++)
    tasks[i] = agent_task_group_request (crew->group, "alice", i > 0 ? "sum" : NULL, NULL);
  g_signal_connect (crew->group, "result::alice", G_CALLBACK (on_named), &named[0]);
  g_signal_connect (crew->group, "result::sum", G_CALLBACK (on_named), &named[1]);
  detailed = g_strconcat ("result::", agent_task_get_id (tasks[3]), NULL);
  g_signal_connect (crew->group, detailed, G_CALLBACK (on_named), &named[2]);

  names = agent_task_group_list_names (crew->group);
  g_assert_cmpstr (names[0], ==, "alice");
  g_assert_cmpstr (names[1], ==, "sum");
  g_assert_cmpstr (names[2], ==, agent_task_get_id (tasks[2]));
  g_assert_cmpuint (g_strv_length (names), ==, G_N_ELEMENTS (tasks));
  listed = agent_task_group_list_tasks (crew->group);
  for (guint i = 0; i < G_N_ELEMENTS (tasks); i++)
    {
      g_assert_true (listed->pdata[i] == tasks[i]);
      g_assert_true (agent_task_group_lookup (crew->group, names[i]) == tasks[i]);
      agent_job_complete (crew_get_job (crew, i), NULL);
    }
  g_assert_null (agent_task_group_lookup (crew->group, "bob"));

  test_drain (f);
  g_assert_true (named[0] == tasks[0]);
  g_assert_true (named[1] == tasks[1]);
  g_assert_true (named[2] == tasks[3]);
  g_clear_pointer (&listed, g_ptr_array_unref);
  crew_free (crew);
}

static void
crew_fail (Crew *self,
           guint index)
{
  agent_job_fail_message (crew_get_job (self, index), "No");
}

static void
test_first_failure (TestFixture *f)
{
  Crew         *crew = crew_new (f);
  GAsyncResult *result = NULL;
  AgentTask    *late;
  g_autoptr (GError) error = NULL;

  crew_request_all (crew);
  agent_task_group_wait_async (crew->group, NULL, test_keep_result, &result);
  crew_fail (crew, 1);
  assert_story (crew, "bob FAILED, alice CANCELLED, finished");
  g_assert_true (agent_task_group_has_failed (crew->group));
  g_assert_true (agent_job_is_cancelled (crew_get_job (crew, 0)));
  g_assert_error (agent_task_group_get_error (crew->group), AGENT_BUS_ERROR, AGENT_BUS_ERROR_FAILED);
  g_assert_false (crew_wait_finish (crew, result, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_FAILED);
  g_assert_cmpstr (error->message, ==, "No");

  /* It takes nothing more. */
  late = agent_task_group_request (crew->group, "bob", "again", NULL);
  assert_story (crew, "bob CANCELLED, finished");
  g_assert_error (agent_task_get_error (late), AGENT_BUS_ERROR, AGENT_BUS_ERROR_CANCELLED);
  g_assert_cmpuint (crew->jobs->len, ==, 2);
  crew_free (crew);
}

static void
test_collect (TestFixture *f)
{
  Crew         *crew = crew_new (f);
  GAsyncResult *result = NULL;

  agent_task_group_set_collect (crew->group, TRUE);
  crew_request_all (crew);
  agent_task_group_wait_async (crew->group, NULL, test_keep_result, &result);
  crew_fail (crew, 1);
  assert_story (crew, "bob FAILED");
  agent_job_complete (crew_get_job (crew, 0), NULL);
  assert_story (crew, "alice COMPLETED, finished");
  g_assert_false (agent_task_group_has_failed (crew->group));
  g_assert_error (agent_task_group_get_error (crew->group), AGENT_BUS_ERROR, AGENT_BUS_ERROR_FAILED);
  g_assert_true (crew_wait_finish (crew, result, NULL));
  crew_free (crew);
}

static void
test_cancelled (TestFixture *f)
{
  Crew         *crew = crew_new (f);
  GAsyncResult *result = NULL;
  g_autoptr (GError) error = NULL;

  agent_task_group_set_collect (crew->group, TRUE);
  crew_request_all (crew);
  agent_task_group_wait_async (crew->group, NULL, test_keep_result, &result);
  agent_task_group_cancel (crew->group, "enough");
  g_assert_cmpstr (crew->story->str, ==, "");
  assert_story (crew, "alice CANCELLED, bob CANCELLED, finished");
  g_assert_false (crew_wait_finish (crew, result, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CANCELLED);
  g_assert_cmpstr (error->message, ==, "enough");
  crew_free (crew);
}

static void
test_deadline (TestFixture *f)
{
  Crew *crew = crew_new (f);

  test_clock_freeze ();
  agent_task_group_set_timeout (crew->group, 50);
  crew_request_all (crew);
  g_assert_cmpint (agent_job_get_remaining_time (crew_get_job (crew, 0)), ==, 50);
  agent_task_group_set_timeout (crew->group, 100);
  test_clock_advance (60 * 1000);
  assert_story (crew, "");
  agent_task_group_request (crew->group, "alice", "more", NULL);
  g_assert_cmpuint (agent_task_get_timeout (agent_task_group_lookup (crew->group, "more")), <=, 40);
  test_clock_advance (40 * 1000);
  test_drain (f);
  g_assert_true (g_str_has_suffix (crew->story->str, "FAILED, finished"));
  g_assert_null (strstr (crew->story->str, "CANCELLED"));
  g_string_truncate (crew->story, 0);
  g_assert_error (agent_task_group_get_error (crew->group), AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
  g_assert_true (agent_job_is_cancelled (crew_get_job (crew, 0)));
  crew_free (crew);
}

/* A task that has a shorter time of its own keeps it, and has the group fail. */
static void
test_own_deadline (TestFixture *f)
{
  Crew *crew = crew_new (f);
  g_autoptr (AgentTask) task = NULL;

  test_clock_freeze ();
  task = agent_actor_request (crew->boss, "bob", NULL, NULL);
  agent_task_set_timeout (task, 50);
  agent_task_group_set_timeout (crew->group, 100);
  agent_task_group_add (crew->group, task);
  agent_task_group_request (crew->group, "alice", NULL, NULL);
  agent_task_group_set_timeout (crew->group, 0);
  g_assert_cmpuint (agent_task_get_timeout (task), ==, 50);
  agent_task_group_set_timeout (crew->group, 40);
  g_assert_cmpuint (agent_task_get_timeout (task), ==, 40);
  agent_task_group_set_timeout (crew->group, 200);
  test_clock_advance (50 * 1000);
  assert_story (crew, "bob FAILED, alice CANCELLED, finished");
  g_clear_object (&task);
  crew_free (crew);
}

/* So does one whose message has a shorter time, and one that belongs to a job with a shorter time. */
static void
test_full_deadline (TestFixture *f)
{
  Crew         *crew = crew_new (f);
  AgentMessage *request = agent_message_new_task_request ("boss", "alice", "1", NULL, NULL);
  AgentTask    *task;

  test_clock_freeze ();
  agent_task_group_set_timeout (crew->group, 100);
  agent_message_set_ttl (request, 50);
  task = agent_task_group_request_full (crew->group, request, NULL);
  g_assert_cmpuint (agent_task_get_timeout (task), ==, 50);
  request = agent_message_new_task_request ("boss", "bob", "2", NULL, NULL);
  agent_message_set_ttl (request, 200);
  task = agent_task_group_request_full (crew->group, request, NULL);
  g_assert_cmpuint (agent_task_get_timeout (task), ==, 100);
  agent_task_group_set_timeout (crew->group, 1000);
  g_assert_cmpuint (agent_task_get_timeout (task), ==, 200);
  g_assert_cmpuint (agent_task_get_timeout (agent_task_group_lookup (crew->group, "alice")), ==, 50);
  g_assert_cmpstr (agent_task_get_id (task), !=, "2");
  crew_free (crew);
}

static void
on_ask_alice (AgentActor *bob,
              AgentJob   *job,
              gpointer    user_data)
{
  Crew *self = user_data;

  g_ptr_array_add (self->jobs, g_object_ref (job));
  agent_task_group_set_timeout (self->group, 100);
  agent_task_group_request (self->group, "alice", NULL, NULL);
}

/* A task of a group that is requested in a job has the time of the job. */
static void
test_job_deadline (TestFixture *f)
{
  Crew         *crew = crew_new (f);
  AgentMessage *request = agent_message_new_task_request ("boss", "bob", "1", NULL, NULL);
  AgentTask    *task;

  test_clock_freeze ();
  g_object_unref (crew->group);
  crew->group = agent_task_group_new (crew->workers[1]);
  g_signal_handlers_disconnect_by_data (crew->workers[1], crew->jobs);
  g_signal_connect (crew->workers[1], "task-request", G_CALLBACK (on_ask_alice), crew);
  agent_message_set_ttl (request, 50);
  g_object_unref (agent_actor_request_full (crew->boss, request, NULL));
  crew_get_job (crew, 1);
  task = agent_task_group_lookup (crew->group, "alice");
  g_assert_cmpuint (agent_task_get_timeout (task), ==, 50);
  agent_task_group_set_timeout (crew->group, 1000);
  g_assert_cmpuint (agent_task_get_timeout (task), ==, 50);
  crew_free (crew);
}

static void
test_dropped (TestFixture *f)
{
  Crew *crew = crew_new (f);

  crew_request_all (crew);
  g_assert_finalize_object (g_steal_pointer (&crew->group));
  g_assert_cmpuint (agent_actor_get_n_tasks (crew->boss), ==, 0);
  assert_story (crew, "");
  g_assert_true (agent_job_is_cancelled (crew_get_job (crew, 0)));
  g_assert_true (agent_job_is_cancelled (crew_get_job (crew, 1)));
  crew_free (crew);
}

/* Who waits keeps the group, and ends the wait at once, not the tasks. */
static void
test_wait_cancelled (TestFixture *f)
{
  Crew         *crew = crew_new (f);
  GAsyncResult *result = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  crew_request_all (crew);
  agent_task_group_wait_async (crew->group, cancellable, test_keep_result, &result);
  g_object_unref (crew->group);
  assert_story (crew, "");

  g_object_ref (crew->group);
  g_cancellable_cancel (cancellable);
  test_drain (f);
  g_assert_false (crew_wait_finish (crew, result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (agent_task_group_get_n_open (crew->group), ==, 2);
  crew_free (crew);
}

static void
test_empty (TestFixture *f)
{
  Crew         *crew = crew_new (f);
  GAsyncResult *result = NULL;

  agent_task_group_wait_async (crew->group, NULL, test_keep_result, &result);
  g_assert_null (result);
  assert_story (crew, "");
  g_assert_true (crew_wait_finish (crew, result, NULL));
  crew_free (crew);
}

/* A task that has ended before it is added is told of later, never inside add(). */
static void
test_late (TestFixture *f)
{
  Crew *crew = crew_new (f);
  g_autoptr (AgentTask) task = agent_actor_request (crew->boss, "bob", NULL, NULL);

  crew_fail (crew, 0);
  test_drain (f);
  agent_task_group_request (crew->group, "alice", NULL, NULL);
  agent_task_group_add (crew->group, task);
  g_assert_cmpstr (crew->story->str, ==, "");
  assert_story (crew, "bob FAILED, alice CANCELLED, finished");

  g_test_expect_message ("AgentBus", G_LOG_LEVEL_CRITICAL, "*is in the group already*");
  agent_task_group_add (crew->group, task);
  g_test_assert_expected_messages ();
  g_clear_object (&task);
  crew_free (crew);
}

static void
on_result_request (AgentTaskGroup *group,
                   AgentTask      *task,
                   gpointer        user_data)
{
  agent_task_group_request (group, "bob", NULL, NULL);
}

/* The group has not finished while a handler of a result goes on with it. */
static void
test_chain (TestFixture *f)
{
  Crew         *crew = crew_new (f);
  GAsyncResult *result = NULL;

  g_signal_connect (crew->group, "result::alice", G_CALLBACK (on_result_request), NULL);
  agent_task_group_request (crew->group, "alice", NULL, NULL);
  agent_task_group_wait_async (crew->group, NULL, test_keep_result, &result);
  agent_job_complete (crew_get_job (crew, 0), NULL);
  assert_story (crew, "alice COMPLETED");
  g_assert_null (result);
  agent_job_complete (crew_get_job (crew, 1), NULL);
  assert_story (crew, "bob COMPLETED, finished");
  g_assert_true (crew_wait_finish (crew, result, NULL));
  crew_free (crew);
}

static void
test_requester_leaves (TestFixture *f)
{
  Crew *crew = crew_new (f);

  crew_request_all (crew);
  g_assert_true (test_unsubscribe (f, "boss", NULL));
  test_drain (f);
  g_assert_cmpuint (agent_task_group_get_n_open (crew->group), ==, 0);
  g_assert_error (agent_task_group_get_error (crew->group), AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED);
  crew_free (crew);
}

/* --- Threads --- */

#define N_ROUNDS 300

static void
on_complete (AgentActor *actor,
             AgentJob   *job,
             gpointer    user_data)
{
  agent_job_complete (job, NULL);
}

/* A GThreadFunc: groups are made, used, changed and dropped while their tasks end in the context of the actor. */
static gpointer
hammer_groups (gpointer boss)
{
  for (guint i = 0; i < N_ROUNDS; i++)
    {
      AgentTaskGroup *group = agent_task_group_new (boss);
      g_autoptr (AgentTask) task = agent_actor_request (boss, "bob", NULL, NULL);

      agent_task_group_request_many (group, worker_names, NULL, NULL);
      agent_task_group_set_timeout (group, 60000 + i);
      agent_task_group_add (group, task);
      if (i % 3 == 0)
        agent_task_group_cancel (group, NULL);
      g_object_unref (group);
    }

  return NULL;
}

static void
test_threads (TestFixture *f)
{
  Crew    *crew = crew_new (f);
  GThread *threads[2];
  guint64  n_requests = 0;

  for (guint i = 0; i < G_N_ELEMENTS (crew->workers); i++)
    {
      g_signal_handlers_disconnect_by_data (crew->workers[i], crew->jobs);
      g_signal_connect (crew->workers[i], "task-request", G_CALLBACK (on_complete), NULL);
    }
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("group", hammer_groups, crew->boss);

  while (n_requests < 3 * N_ROUNDS * G_N_ELEMENTS (threads) || agent_actor_get_n_tasks (crew->boss) > 0)
    {
      g_autoptr (GVariant) statistics = agent_actor_get_statistics (crew->boss);

      g_variant_lookup (statistics, "requests", "t", &n_requests);
      g_main_context_iteration (f->context, FALSE);
    }
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  crew_free (crew);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);
  test_add ("/agentbus/task-group/no-bus", test_fill_open_tasks);
  test_add ("/agentbus/task-group/completed", test_completed);
  test_add ("/agentbus/task-group/names", test_names);
  test_add ("/agentbus/task-group/first-failure", test_first_failure);
  test_add ("/agentbus/task-group/collect", test_collect);
  test_add ("/agentbus/task-group/cancelled", test_cancelled);
  test_add ("/agentbus/task-group/deadline", test_deadline);
  test_add ("/agentbus/task-group/own-deadline", test_own_deadline);
  test_add ("/agentbus/task-group/full-deadline", test_full_deadline);
  test_add ("/agentbus/task-group/job-deadline", test_job_deadline);
  test_add ("/agentbus/task-group/dropped", test_dropped);
  test_add ("/agentbus/task-group/wait-cancelled", test_wait_cancelled);
  test_add ("/agentbus/task-group/empty", test_empty);
  test_add ("/agentbus/task-group/late", test_late);
  test_add ("/agentbus/task-group/chain", test_chain);
  test_add ("/agentbus/task-group/requester-leaves", test_requester_leaves);
  test_add ("/agentbus/task-group/threads", test_threads);

  return g_test_run ();
}
