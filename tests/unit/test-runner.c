/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <signal.h>

#include "test-tools.h"

/* Runners: what ends, in which order, and what run() returns. The signals are real ones. */

typedef struct
{
  TestFixture *f;
  AgentRunner *runner;
  GString     *story;
  GPtrArray   *jobs;
} Office;

static void
office_tell (Office     *self,
             const char *what)
{
  g_string_append_printf (self->story, "%s%s", self->story->len > 0 ? ", " : "", what);
}

static void
on_ended (AgentActor *actor,
          const char *reason,
          gpointer    user_data)
{
  office_tell (user_data, agent_subscriber_get_name (AGENT_SUBSCRIBER (actor)));
  if (reason != NULL)
    g_string_append_printf (((Office *) user_data)->story, " (%s)", reason);
}

static void
on_keep (AgentActor *actor,
         AgentJob   *job,
         gpointer    user_data)
{
  g_ptr_array_add (((Office *) user_data)->jobs, g_object_ref (job));
}

static void
on_stuck (AgentRunner *runner,
          const char  *name,
          gpointer     user_data)
{
  g_string_append_printf (((Office *) user_data)->story, ", %s is stuck", name);
}

static Office *
office_new (TestFixture *f)
{
  Office *self = g_new0 (Office, 1);

  self->f = f;
  self->story = g_string_new (NULL);
  self->jobs = g_ptr_array_new_with_free_func (g_object_unref);
  self->runner = g_object_new (AGENT_TYPE_RUNNER, "name", "office", "bus", f->bus, NULL);
  g_signal_connect (self->runner, "stuck", G_CALLBACK (on_stuck), self);
  return self;
}

static void
office_free (Office *self)
{
  test_stop (self->f);
  g_ptr_array_unref (self->jobs);
  if (self->runner != NULL)
    g_assert_finalize_object (self->runner);
  g_string_free (self->story, TRUE);
  g_free (self);
}

/* @parent: (nullable)
 *
 * Returns: (transfer none): the runner and the bus keep it */
static AgentActor *
office_add (Office     *self,
            const char *name,
            const char *parent)
{
  g_autoptr (AgentActor) actor = g_object_new (AGENT_TYPE_ACTOR, "name", name, "parent", parent, NULL);
  g_autoptr (GError) error = NULL;

  g_signal_connect (actor, "ended", G_CALLBACK (on_ended), self);
  g_signal_connect (actor, "task-request", G_CALLBACK (on_keep), self);
  agent_runner_add (self->runner, actor, &error);
  g_assert_no_error (error);
  return actor;
}

static void
office_assert (Office     *self,
               const char *expected)
{
  g_assert_cmpstr (self->story->str, ==, expected);
  g_string_truncate (self->story, 0);
}

static void
office_later (Office     *self,
              GSourceFunc func)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_callback (source, func, self, NULL);
  g_source_attach (source, self->f->context);
}

static gboolean
raise_sigint (gpointer user_data)
{
  g_assert_cmpint (raise (SIGINT), ==, 0);
  return G_SOURCE_REMOVE;
}

static gboolean
raise_sigterm (gpointer user_data)
{
  g_assert_cmpint (raise (SIGTERM), ==, 0);
  return G_SOURCE_REMOVE;
}

static void
test_add_actor (TestFixture *f)
{
  Office     *office = office_new (f);
  AgentActor *boss = office_add (office, "boss", NULL);
  g_autoptr (AgentActor) other = agent_actor_new ("boss");
  g_autoptr (AgentRegistry) registry = agent_registry_new (f->bus);
  g_autoptr (GPtrArray) actors = agent_runner_list_actors (office->runner);
  g_autoptr (GError) error = NULL;
  g_autofree char *runner = agent_actor_dup_runner (boss);

  g_assert_cmpstr (runner, ==, "office");
  g_assert_cmpuint (actors->len, ==, 1);
  g_assert_true (actors->pdata[0] == boss);
  test_drain (f);
  g_assert_cmpstr (agent_peer_get_runner (agent_registry_lookup (registry, "boss")), ==, "office");

  g_assert_false (agent_runner_add (office->runner, other, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_EXISTS);
  g_assert_null (agent_actor_dup_runner (other));
  g_clear_pointer (&actors, g_ptr_array_unref);
  actors = agent_runner_list_actors (office->runner);
  g_assert_cmpuint (actors->len, ==, 1);

  /* One that leaves by itself is not hosted any more. */
  g_assert_true (test_unsubscribe (f, "boss", NULL));
  g_clear_pointer (&actors, g_ptr_array_unref);
  actors = agent_runner_list_actors (office->runner);
  g_assert_cmpuint (actors->len, ==, 0);
  g_clear_object (&registry);
  office_free (office);
}

/* The second time fails, and changes nothing. */
static void
test_add_twice (TestFixture *f)
{
  Office     *office = office_new (f);
  AgentActor *boss = office_add (office, "boss", NULL);
  g_autoptr (AgentRunner) other = g_object_new (AGENT_TYPE_RUNNER, "name", "other", "bus", f->bus, NULL);
  g_autoptr (GPtrArray) actors = NULL;
  g_autofree char *runner = NULL;

  g_assert_false (agent_runner_add (office->runner, boss, NULL));
  g_assert_false (agent_runner_add (other, boss, NULL));
  runner = agent_actor_dup_runner (boss);
  g_assert_cmpstr (runner, ==, "office");
  actors = agent_runner_list_actors (office->runner);
  g_assert_cmpuint (actors->len, ==, 1);
  g_clear_object (&other);
  office_free (office);
}

static void
test_names (TestFixture *f)
{
  g_autoptr (AgentRunner) one = agent_runner_new (NULL);
  g_autoptr (AgentRunner) other = agent_runner_new (NULL);

  g_assert_true (g_str_has_prefix (agent_runner_get_name (one), "runner-"));
  g_assert_cmpstr (agent_runner_get_name (one), !=, agent_runner_get_name (other));
  g_assert_true (AGENT_IS_BUS (agent_runner_get_bus (one)));
  g_assert_true (agent_runner_get_main_context (one) == f->context);
}

static void
run_until_sigint (TestFixture *f)
{
  Office          *office = office_new (f);
  struct sigaction before;
  struct sigaction after;

  office_add (office, "parent", "grand");
  office_add (office, "child", "parent");
  office_add (office, "grand", "elsewhere");
  office_add (office, "single", NULL);
  office_later (office, raise_sigint);
  sigaction (SIGINT, NULL, &before);
  g_assert_cmpint (agent_runner_run (office->runner), ==, 0);
  sigaction (SIGINT, NULL, &after);
  g_assert_true (after.sa_handler == before.sa_handler);
  test_drain (f);

  g_assert_nonnull (strstr (office->story->str, "single (SIGINT)"));
  g_assert_true (strstr (office->story->str, "child (SIGINT)") < strstr (office->story->str, "parent (SIGINT)"));
  g_assert_true (strstr (office->story->str, "parent (SIGINT)") < strstr (office->story->str, "grand (SIGINT)"));
  g_assert_cmpuint (agent_bus_get_n_subscribers (f->bus), ==, 0);
  office_free (office);
}

static void
test_sigint (TestFixture *f)
{
  run_until_sigint (f);
}

/* Who handled the signals before does so again. */
static void
on_signal (int number)
{
}

static void
test_handlers (TestFixture *f)
{
  signal (SIGINT, on_signal);
  run_until_sigint (f);
  signal (SIGINT, SIG_DFL);
}

/* Those whose parents are a circle have no root, and end all the same. */
static void
test_circle (TestFixture *f)
{
  Office *office = office_new (f);

  office_add (office, "egg", "hen");
  office_add (office, "hen", "egg");
  office_later (office, raise_sigterm);
  g_assert_cmpint (agent_runner_run (office->runner), ==, 0);
  office_assert (office, "hen (SIGTERM), egg (SIGTERM)");
  office_free (office);
}

static gboolean
is_first_over (gpointer user_data)
{
  Office *self = user_data;
  g_autoptr (AgentSubscriber) worker = agent_bus_lookup (self->f->bus, "worker");

  if (worker != NULL)
    return G_SOURCE_CONTINUE;

  g_assert_false (agent_job_is_cancelled (self->jobs->pdata[0]));
  return raise_sigterm (NULL);
}

static gboolean
raise_twice (gpointer user_data)
{
  Office *self = user_data;

  raise_sigterm (NULL);
  office_later (self, is_first_over);
  return G_SOURCE_REMOVE;
}

/* The work goes on after the first signal, and is cancelled by the second. */
static void
test_second_signal (TestFixture *f)
{
  Office     *office = office_new (f);
  AgentActor *boss = g_object_ref (office_add (office, "boss", NULL));
  g_autoptr (AgentTask) task = NULL;

  office_add (office, "worker", "boss");
  task = agent_actor_request (boss, "worker", NULL, NULL);
  test_drain (f);
  g_assert_cmpuint (office->jobs->len, ==, 1);
  office_later (office, raise_twice);
  g_assert_cmpint (agent_runner_run (office->runner), ==, 1);
  g_assert_true (agent_job_is_cancelled (office->jobs->pdata[0]));
  g_assert_error (agent_task_get_error (task), AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED);
  office_assert (office, "boss (SIGTERM), worker (SIGTERM)");
  g_object_unref (boss);
  office_free (office);
}

static void
office_add_stuck (Office *self)
{
  AgentActor *boss = office_add (self, "boss", NULL);
  AgentActor *worker = office_add (self, "worker", "boss");

  agent_bus_set_shutdown_timeout (self->f->bus, 10);
  office_add (self, "other", "boss");
  g_object_unref (agent_actor_request (boss, "worker", NULL, NULL));
  g_object_unref (agent_actor_request (worker, "boss", NULL, NULL));
  test_drain (self->f);
  g_assert_cmpuint (self->jobs->len, ==, 2);
}

/* No time is left for the boss, whose work might have ended if there were. */
static void
test_stuck (TestFixture *f)
{
  Office *office = office_new (f);

  office_add_stuck (office);
  office_later (office, raise_sigint);
  g_assert_cmpint (agent_runner_run (office->runner), ==, 1);
  g_assert_nonnull (strstr (office->story->str, "worker is stuck"));
  g_assert_null (strstr (office->story->str, "boss is stuck"));
  g_assert_null (strstr (office->story->str, "other is stuck"));
  test_expect_log (f, "'worker' of runner 'office' did not end in time");
  office_free (office);
}

static gboolean
quit_with_3 (gpointer user_data)
{
  agent_runner_quit (((Office *) user_data)->runner, 3);
  return G_SOURCE_REMOVE;
}

static void
test_quit (TestFixture *f)
{
  Office *office = office_new (f);

  office_add (office, "boss", NULL);
  office_later (office, quit_with_3);
  g_assert_cmpint (agent_runner_run (office->runner), ==, 3);
  office_assert (office, "boss");

  /* Its actors have ended. */
  g_assert_cmpint (agent_runner_run (office->runner), ==, 0);
  office_free (office);
}

static gboolean
end_boss (gpointer user_data)
{
  Office *self = user_data;
  g_autoptr (AgentMessage) message = agent_message_new_end ("test", "boss", "done");

  g_assert_true (agent_bus_try_send (self->f->bus, message, NULL));
  return G_SOURCE_REMOVE;
}

/* When the last actor has left by itself, the runner has nothing to do. */
static void
test_last (TestFixture *f)
{
  Office *office = office_new (f);

  office_add (office, "boss", NULL);
  office_later (office, end_boss);
  g_assert_cmpint (agent_runner_run (office->runner), ==, 0);
  office_assert (office, "boss (done)");
  office_free (office);
}

/* In a program that has its own main loop. */
static void
test_end_async (TestFixture *f)
{
  Office       *office = office_new (f);
  GAsyncResult *result = NULL;
  g_autoptr (AgentActor) late = agent_actor_new ("late");
  g_autoptr (GError) error = NULL;

  office_add (office, "boss", NULL);
  agent_runner_end_async (office->runner, "closing time", NULL, test_keep_result, &result);
  g_assert_false (agent_runner_add (office->runner, late, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED);
  test_wait_result (f, &result);
  g_assert_true (agent_runner_end_finish (office->runner, result, NULL));
  g_clear_object (&result);
  office_assert (office, "boss (closing time)");
  g_clear_error (&error);

  office_add_stuck (office);
  agent_runner_end_async (office->runner, NULL, NULL, test_keep_result, &result);
  test_wait_result (f, &result);
  g_assert_false (agent_runner_end_finish (office->runner, result, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
  g_assert_cmpstr (error->message, ==, "These did not end in time: 'worker'");
  g_clear_object (&result);
  test_expect_log (f, "'worker' of runner 'office' did not end in time");
  office_free (office);
}

/* A bus that the runner has made stops with it. */
static void
test_own_bus (TestFixture *f)
{
  AgentRunner *runner = agent_runner_new ("alone");
  AgentBus    *bus = g_object_ref (agent_runner_get_bus (runner));
  g_autoptr (AgentActor) boss = agent_actor_new ("boss");
  g_autoptr (AgentSubscriber) plain = test_listener_new ("plain");

  g_assert_true (agent_runner_add (runner, boss, NULL));
  g_assert_true (agent_bus_subscribe (bus, plain, NULL));
  agent_runner_quit (runner, 0);
  g_assert_cmpint (agent_runner_run (runner), ==, 0);
  g_assert_false (agent_bus_is_running (bus));
  g_assert_finalize_object (runner);
  g_assert_finalize_object (bus);
}

/* Those who know actors elsewhere by their runners are told at the start. */
static void
test_announce (TestFixture *f)
{
  Office       *office = office_new (f);
  TestRecorder *listener = test_recorder_subscribe (f, "listener", NULL, NULL);
  const char   *accepts[] = { "agent-registry", NULL };
  AgentMessage *message;

  agent_subscriber_set_accepts (AGENT_SUBSCRIBER (listener), accepts);
  office_add (office, "boss", NULL);
  office_add (office, "worker", "boss");
  office_later (office, quit_with_3);
  g_assert_cmpint (agent_runner_run (office->runner), ==, 3);
  g_assert_cmpuint (test_recorder_count (listener), ==, 1);
  message = listener->messages->pdata[0];
  g_assert_cmpstr (agent_message_get_runner (message), ==, "office");
  g_assert_cmpuint (agent_message_get_infos (message)->len, ==, 2);
  g_object_unref (listener);
  office_free (office);
}

/* --- Threads --- */

/* An actor that lives in another thread. */
static gpointer
iterate_until (gpointer loop)
{
  GMainContext *context = g_main_loop_get_context (loop);

  g_main_context_push_thread_default (context);
  g_main_loop_run (loop);
  g_main_context_pop_thread_default (context);
  return NULL;
}

static gpointer
quit_from_thread (gpointer user_data)
{
  quit_with_3 (user_data);
  return NULL;
}

static void
test_threads (TestFixture *f)
{
  Office       *office = office_new (f);
  GMainContext *context = g_main_context_new ();
  GMainLoop    *loop = g_main_loop_new (context, FALSE);
  GThread      *thread = g_thread_new ("actor", iterate_until, loop);
  GThread      *quitter;
  AgentActor   *far = g_object_new (AGENT_TYPE_ACTOR, "name", "far", "parent", "near", "main-context", context, NULL);

  g_signal_connect (far, "ended", G_CALLBACK (on_ended), office);
  office_add (office, "near", NULL);
  g_assert_true (agent_runner_add (office->runner, far, NULL));
  quitter = g_thread_new ("quitter", quit_from_thread, office);
  g_assert_cmpint (agent_runner_run (office->runner), ==, 3);
  g_thread_join (quitter);
  office_assert (office, "far, near");

  g_main_loop_quit (loop);
  g_thread_join (thread);
  g_object_unref (far);
  g_main_loop_unref (loop);
  g_main_context_unref (context);
  office_free (office);
}

int
main (int   argc,
      char *argv[])
{
  /* A shell may have started the program with these ignored. */
  signal (SIGINT, SIG_DFL);
  signal (SIGTERM, SIG_DFL);

  test_init (&argc, &argv);
  test_add ("/agentbus/runner/no-bus", test_fill_open_tasks);
  test_add ("/agentbus/runner/add", test_add_actor);
  test_add ("/agentbus/runner/add-twice", test_add_twice);
  test_add ("/agentbus/runner/names", test_names);
  test_add ("/agentbus/runner/sigint", test_sigint);
  test_add ("/agentbus/runner/handlers", test_handlers);
  test_add ("/agentbus/runner/circle", test_circle);
  test_add ("/agentbus/runner/second-signal", test_second_signal);
  test_add ("/agentbus/runner/stuck", test_stuck);
  test_add ("/agentbus/runner/quit", test_quit);
  test_add ("/agentbus/runner/last", test_last);
  test_add ("/agentbus/runner/end-async", test_end_async);
  test_add ("/agentbus/runner/own-bus", test_own_bus);
  test_add ("/agentbus/runner/announce", test_announce);
  test_add ("/agentbus/runner/threads", test_threads);

  return g_test_run ();
}
