/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-tools.h"

/*
 * Tasks of actors: whatever happens, a request has one end, and its requester hears of it once, in its own context.
 */

/* What a requester hears of a task, as one line: "update", "chunk 0", "COMPLETED 42", … */
static void
story_add (GString    *story,
           const char *format,
           ...) G_GNUC_PRINTF (2, 3);

static void
story_add (GString    *story,
           const char *format,
           ...)
{
  va_list args;

  if (story->len > 0)
    g_string_append (story, ", ");
  va_start (args, format);
  g_string_append_vprintf (story, format, args);
  va_end (args);
}

static void
on_update (AgentTask *task,
           GVariant  *update,
           gpointer   user_data)
{
  story_add (user_data, "update");
}

static void
on_chunk (AgentTask *task,
          guint      index,
          GVariant  *payload,
          gpointer   user_data)
{
  story_add (user_data, "chunk %u", index);
}

static void
on_finished (AgentTask *task,
             gpointer   user_data)
{
  g_autofree char *status = g_enum_to_string (AGENT_TYPE_TASK_STATUS, agent_task_get_status (task));
  const GError    *error = agent_task_get_error (task);
  GVariant        *response = agent_task_get_response (task);

  story_add (user_data, "%s", strrchr (status, '_') + 1);
  if (error != NULL)
    g_string_append_printf (user_data, " %s/%d", g_quark_to_string (error->domain), error->code);
  else if (response != NULL)
    g_string_append_printf (user_data, " %d", g_variant_get_int32 (response));
}

static GString *
follow (AgentTask *task)
{
  GString *story = g_string_new (NULL);

  g_signal_connect (task, "update", G_CALLBACK (on_update), story);
  g_signal_connect (task, "chunk", G_CALLBACK (on_chunk), story);
  g_signal_connect (task, "finished", G_CALLBACK (on_finished), story);
  return story;
}

/* The story of @task so far. Frees @task and @story. */
static void
assert_story (TestFixture *f,
              AgentTask   *task,
              GString     *story,
              const char  *expected)
{
  test_drain (f);
  g_assert_cmpstr (story->str, ==, expected);
  g_signal_handlers_disconnect_by_data (task, story);
  g_string_free (story, TRUE);
  g_object_unref (task);
}

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

static void
on_drop (AgentActor *actor,
         AgentJob   *job,
         gpointer    user_data)
{
}

typedef struct
{
  TestFixture *f;
  AgentActor  *boss;
  AgentActor  *worker;
  GPtrArray   *jobs;
} Pair;

static Pair
pair_new (TestFixture *f)
{
  Pair self = { f, new_actor (f, "boss"), new_actor (f, "worker"), g_ptr_array_new_with_free_func (g_object_unref) };

  g_signal_connect (self.worker, "task-request", G_CALLBACK (on_keep), self.jobs);
  return self;
}

static void
pair_clear (Pair *self)
{
  test_stop (self->f);
  g_clear_pointer (&self->jobs, g_ptr_array_unref);
  g_assert_finalize_object (g_steal_pointer (&self->boss));
  g_assert_finalize_object (g_steal_pointer (&self->worker));
}

static AgentJob *
pair_get_job (Pair *self,
              guint index)
{
  test_drain (self->f);
  g_assert_cmpuint (self->jobs->len, >, index);
  return self->jobs->pdata[index];
}

/* --- Ends --- */

static void
test_completed (TestFixture *f)
{
  Pair       pair = pair_new (f);
  AgentTask *task = agent_actor_request (pair.boss, "worker", "sum", NULL);
  GString   *story = follow (task);
  AgentJob  *job = pair_get_job (&pair, 0);

  g_assert_cmpstr (agent_job_get_task_name (job), ==, "sum");
  g_assert_cmpstr (agent_job_get_requester (job), ==, "boss");
  g_assert_cmpstr (agent_job_get_id (job), ==, agent_task_get_id (task));
  g_assert_true (agent_job_update (job, NULL));
  g_assert_true (agent_job_send_chunk (job, g_variant_new_int32 (1)));
  g_assert_true (agent_job_send_chunk (job, g_variant_new_int32 (2)));
  g_assert_true (agent_job_complete (job, g_variant_new_int32 (42)));
  g_assert_false (agent_job_complete (job, g_variant_new_int32 (43)));
  g_assert_false (agent_job_send_chunk (job, g_variant_new_int32 (3)));
  assert_story (f, task, story, "update, chunk 0, chunk 1, COMPLETED 42");
  pair_clear (&pair);
}

/* The text travels as it is, and one that is no JSON is as if nothing had been said. */
static void
test_completed_with_text (TestFixture *f)
{
  const char *text = "{ \"a\": [1, 2.50] }";
  Pair        pair = pair_new (f);
  AgentTask  *task = agent_actor_request (pair.boss, "worker", "sum", NULL);
  AgentJob   *job = pair_get_job (&pair, 0);
  g_autoptr (GError) error = NULL;

  g_assert_null (agent_task_get_response_json (task));
  g_assert_false (agent_job_complete_json (job, "{", &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_MESSAGE);
  g_clear_error (&error);
  g_assert_false (agent_job_has_ended (job));
  g_assert_true (agent_job_complete_json (job, text, &error));
  g_assert_no_error (error);
  g_assert_true (agent_job_has_ended (job));
  g_assert_false (agent_job_complete_json (job, "null", &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED);

  test_drain (f);
  g_assert_cmpint (agent_task_get_status (task), ==, AGENT_TASK_STATUS_COMPLETED);
  g_assert_true (g_variant_is_of_type (agent_task_get_response (task), G_VARIANT_TYPE_VARDICT));
  g_assert_cmpstr (agent_task_get_response_json (task), ==, text);
  g_object_unref (task);
  pair_clear (&pair);
}

/* Only who has given a text finds one. */
static void
test_completed_without_text (TestFixture *f)
{
  Pair       pair = pair_new (f);
  AgentTask *task = agent_actor_request (pair.boss, "worker", "sum", NULL);

  agent_job_complete (pair_get_job (&pair, 0), g_variant_new_bytestring ("no JSON"));
  test_drain (f);
  g_assert_cmpstr (g_variant_get_bytestring (agent_task_get_response (task)), ==, "no JSON");
  g_assert_null (agent_task_get_response_json (task));
  g_object_unref (task);
  pair_clear (&pair);
}

static void
test_failed (TestFixture *f)
{
  Pair       pair = pair_new (f);
  AgentTask *task = agent_actor_request (pair.boss, "worker", NULL, NULL);
  GString   *story = follow (task);
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_EXISTS, "It is there already");

  g_assert_true (agent_job_fail (pair_get_job (&pair, 0), error));
  test_drain (f);
  g_assert_error (agent_task_get_error (task), G_IO_ERROR, G_IO_ERROR_EXISTS);
  g_assert_cmpstr (agent_task_get_error (task)->message, ==, "It is there already");
  assert_story (f, task, story, "FAILED g-io-error-quark/2");
  pair_clear (&pair);
}

static void
test_failed_with_details (TestFixture *f)
{
  Pair         pair = pair_new (f);
  AgentTask   *task = agent_actor_request (pair.boss, "worker", NULL, NULL);
  GString     *story = follow (task);
  GVariantDict details;
  const char  *type;

  g_variant_dict_init (&details, NULL);
  g_variant_dict_insert (&details, "error", "s", "ValueError: bad");
  g_variant_dict_insert (&details, "type", "s", "ValueError");
  g_assert_true (agent_job_fail_details (pair_get_job (&pair, 0), g_variant_dict_end (&details)));
  g_assert_false (agent_job_fail_details (pair_get_job (&pair, 0), g_variant_new_string ("bad")));
  test_drain (f);
  g_assert_cmpstr (agent_task_get_error (task)->message, ==, "ValueError: bad");
  g_assert_true (g_variant_lookup (agent_task_get_response (task), "type", "&s", &type));
  g_assert_cmpstr (type, ==, "ValueError");
  assert_story (f, task, story, "FAILED agent-bus-error-quark/0");
  pair_clear (&pair);
}

/* A handler without a detail does what another one has a detail for. */
static void
test_handlers (TestFixture *f)
{
  Pair       pair = pair_new (f);
  AgentTask *task;

  (void) g_quark_from_static_string ("sum");
  task = agent_actor_request (pair.boss, "worker", "sum", NULL);
  agent_job_complete (pair_get_job (&pair, 0), NULL);
  test_drain (f);
  g_assert_cmpint (agent_task_get_status (task), ==, AGENT_TASK_STATUS_COMPLETED);
  g_object_unref (task);
  pair_clear (&pair);
}

static void
on_sent (GObject      *job,
         GAsyncResult *result,
         gpointer      user_data)
{
  guint *n_sent = user_data;
  g_autoptr (GError) error = NULL;

  g_assert_true (agent_job_send_chunk_finish (AGENT_JOB (job), result, &error));
  g_assert_no_error (error);
  (*n_sent)++;
}

/* A chunk that has come is not read yet, if it is read by hand. */
static void
test_read_by_hand (TestFixture *f)
{
  Pair       pair = pair_new (f);
  AgentTask *task = agent_actor_request (pair.boss, "worker", NULL, NULL);
  AgentJob  *job = pair_get_job (&pair, 0);
  guint      n_sent = 0;

  agent_task_set_reads_by_hand (task, TRUE);
  for (guint i = 0; i < 40; i++)
    agent_job_send_chunk_async (job, g_variant_new_uint32 (i), NULL, on_sent, &n_sent);
  test_drain (f);
  g_assert_cmpuint (n_sent, ==, 32);
  agent_task_mark_read (task, 3);
  test_drain (f);
  g_assert_cmpuint (n_sent, ==, 35);
  agent_task_set_reads_by_hand (task, FALSE);
  test_drain (f);
  g_assert_cmpuint (n_sent, ==, 40);
  agent_job_complete (job, NULL);
  test_drain (f);
  g_assert_true (agent_task_has_finished (task));
  g_object_unref (task);
  pair_clear (&pair);
}

/* Frees @task. */
static void
assert_ended (TestFixture    *f,
              AgentTask      *task,
              AgentTaskStatus status,
              AgentBusError   code)
{
  test_drain (f);
  g_assert_cmpint (agent_task_get_status (task), ==, status);
  g_assert_error (agent_task_get_error (task), AGENT_BUS_ERROR, (int) code);
  g_object_unref (task);
}

static void
assert_fails (TestFixture  *f,
              AgentTask    *task,
              AgentBusError code)
{
  assert_ended (f, task, AGENT_TASK_STATUS_FAILED, code);
}

static void
assert_completed (TestFixture *f,
                  AgentTask   *task)
{
  test_drain (f);
  g_assert_cmpint (agent_task_get_status (task), ==, AGENT_TASK_STATUS_COMPLETED);
  g_object_unref (task);
}

/* The first case: its tasks are in all parts of the table of open tasks, which then have their size for the cases after it. */
static void
test_no_bus (TestFixture *f)
{
  g_autoptr (AgentActor) actor = agent_actor_new ("boss");
  g_autoptr (GPtrArray) tasks = g_ptr_array_new ();

  for (guint i = 0; i < 64; i++)
    g_ptr_array_add (tasks, agent_actor_request (actor, "worker", NULL, NULL));
  for (guint i = 0; i < tasks->len; i++)
    assert_fails (f, tasks->pdata[i], AGENT_BUS_ERROR_CLOSED);
}

static void
test_nobody (TestFixture *f)
{
  Pair pair = pair_new (f);

  assert_fails (f, agent_actor_request (pair.boss, "nobody", NULL, NULL), AGENT_BUS_ERROR_NOT_FOUND);
  assert_fails (f, agent_actor_request (pair.worker, "boss", "sum", NULL), AGENT_BUS_ERROR_NOT_FOUND);
  assert_fails (f, agent_actor_request (pair.boss, "boss", NULL, NULL), AGENT_BUS_ERROR_NOT_FOUND);
  pair_clear (&pair);
}

/* A handler without a detail does all tasks, also those that another actor does by name. */
static void
test_details (TestFixture *f)
{
  Pair       pair = pair_new (f);
  AgentTask *task;

  g_signal_connect (pair.boss, "task-request::sort", G_CALLBACK (on_drop), NULL);
  assert_fails (f, agent_actor_request (pair.worker, "boss", "sort", NULL), AGENT_BUS_ERROR_FAILED);
  assert_fails (f, agent_actor_request (pair.worker, "boss", NULL, NULL), AGENT_BUS_ERROR_NOT_FOUND);
  task = agent_actor_request (pair.boss, "worker", "sort", NULL);
  agent_job_complete (pair_get_job (&pair, 0), NULL);
  assert_completed (f, task);
  pair_clear (&pair);
}

static void
test_dropped (TestFixture *f)
{
  Pair pair = pair_new (f);

  g_signal_handlers_disconnect_by_data (pair.worker, pair.jobs);
  g_signal_connect (pair.worker, "task-request", G_CALLBACK (on_drop), NULL);
  assert_fails (f, agent_actor_request (pair.boss, "worker", NULL, NULL), AGENT_BUS_ERROR_FAILED);
  pair_clear (&pair);
}

static void
test_full (TestFixture *f)
{
  Pair       pair = pair_new (f);
  AgentTask *first;
  AgentTask *second;

  agent_actor_set_max_pending (pair.worker, 1);
  first = agent_actor_request (pair.boss, "worker", NULL, NULL);
  second = agent_actor_request (pair.boss, "worker", NULL, NULL);
  assert_fails (f, agent_actor_request (pair.boss, "worker", NULL, NULL), AGENT_BUS_ERROR_FULL);

  agent_job_complete (pair_get_job (&pair, 0), NULL);
  agent_job_complete (pair_get_job (&pair, 1), g_variant_new_int32 (2));
  assert_completed (f, first);
  assert_completed (f, second);
  pair_clear (&pair);
}

static void
test_timed_out (TestFixture *f)
{
  Pair       pair = pair_new (f);
  AgentTask *task = agent_actor_request (pair.boss, "worker", NULL, NULL);
  AgentJob  *job = pair_get_job (&pair, 0);

  test_clock_freeze ();
  agent_task_set_timeout (task, 100);
  test_clock_advance (100 * 1000);
  assert_fails (f, task, AGENT_BUS_ERROR_TIMED_OUT);
  g_assert_true (agent_job_is_cancelled (job));
  g_assert_true (g_cancellable_is_cancelled (agent_job_get_cancellable (job)));
  agent_job_complete (job, NULL);
  pair_clear (&pair);
}

static void
on_finished_iterate (AgentTask *task,
                     gpointer   user_data)
{
  AgentTask *other = g_object_get_data (G_OBJECT (task), "other");

  while (!agent_task_has_finished (other))
    g_main_context_iteration (user_data, TRUE);
}

/* The time of the first task is over, and its handler waits for the second one. */
static void
test_nested (TestFixture *f)
{
  Pair       pair = pair_new (f);
  AgentTask *first = agent_actor_request (pair.boss, "worker", NULL, NULL);
  AgentTask *second = agent_actor_request (pair.boss, "worker", NULL, NULL);

  test_clock_freeze ();
  agent_task_set_timeout (first, 100);
  agent_task_set_timeout (second, 101);
  test_drain (f);
  g_object_set_data (G_OBJECT (first), "other", second);
  g_signal_connect (first, "finished", G_CALLBACK (on_finished_iterate), f->context);
  test_clock_advance (101 * 1000);
  assert_fails (f, first, AGENT_BUS_ERROR_TIMED_OUT);
  assert_fails (f, second, AGENT_BUS_ERROR_TIMED_OUT);
  pair_clear (&pair);
}

static void
test_cancelled (TestFixture *f)
{
  Pair             pair = pair_new (f);
  AgentTask       *task = agent_actor_request (pair.boss, "worker", NULL, NULL);
  AgentTask       *queued = agent_actor_request (pair.boss, "worker", NULL, NULL);
  GString         *story = follow (task);
  GString         *story2 = follow (queued);
  AgentJob        *job = pair_get_job (&pair, 0);
  g_autofree char *cancelled = g_strdup_printf ("CANCELLED agent-bus-error-quark/%d", AGENT_BUS_ERROR_CANCELLED);

  agent_task_cancel (task, "enough");
  agent_task_cancel (queued, NULL);
  g_assert_cmpstr (story->str, ==, "");
  test_drain (f);
  g_assert_true (g_cancellable_is_cancelled (agent_job_get_cancellable (job)));
  agent_job_complete (job, NULL);
  assert_story (f, task, story, cancelled);
  assert_story (f, queued, story2, cancelled);
  g_assert_cmpuint (pair.jobs->len, ==, 1);
  pair_clear (&pair);
}

static void
test_worker_leaves (TestFixture *f)
{
  Pair       pair = pair_new (f);
  AgentTask *in_hand = agent_actor_request (pair.boss, "worker", NULL, NULL);
  AgentTask *waiting = agent_actor_request (pair.boss, "worker", NULL, NULL);
  AgentTask *queued;

  pair_get_job (&pair, 0);
  queued = agent_actor_request (pair.boss, "worker", NULL, NULL);
  g_assert_true (test_unsubscribe (f, "worker", NULL));
  g_assert_true (g_cancellable_is_cancelled (agent_job_get_cancellable (pair.jobs->pdata[0])));
  assert_fails (f, in_hand, AGENT_BUS_ERROR_CLOSED);
  assert_fails (f, waiting, AGENT_BUS_ERROR_CLOSED);
  assert_fails (f, queued, AGENT_BUS_ERROR_CLOSED);
  g_assert_cmpuint (pair.jobs->len, ==, 1);
  pair_clear (&pair);
}

static void
test_requester_leaves (TestFixture *f)
{
  Pair             pair = pair_new (f);
  AgentTask       *task = agent_actor_request (pair.boss, "worker", NULL, NULL);
  GString         *story = follow (task);
  AgentJob        *job = pair_get_job (&pair, 0);
  g_autofree char *closed = g_strdup_printf ("FAILED agent-bus-error-quark/%d", AGENT_BUS_ERROR_CLOSED);

  g_assert_true (test_unsubscribe (f, "boss", NULL));
  g_assert_cmpstr (story->str, ==, closed);
  test_drain (f);
  g_assert_true (agent_job_is_cancelled (job));
  assert_story (f, task, story, closed);
  pair_clear (&pair);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);
  test_add ("/agentbus/actor/no-bus", test_no_bus);
  test_add ("/agentbus/actor/completed", test_completed);
  test_add ("/agentbus/actor/completed-with-text", test_completed_with_text);
  test_add ("/agentbus/actor/completed-without-text", test_completed_without_text);
  test_add ("/agentbus/actor/failed", test_failed);
  test_add ("/agentbus/actor/failed-with-details", test_failed_with_details);
  test_add ("/agentbus/actor/handlers", test_handlers);
  test_add ("/agentbus/actor/read-by-hand", test_read_by_hand);
  test_add ("/agentbus/actor/nobody", test_nobody);
  test_add ("/agentbus/actor/details", test_details);
  test_add ("/agentbus/actor/dropped", test_dropped);
  test_add ("/agentbus/actor/full", test_full);
  test_add ("/agentbus/actor/timed-out", test_timed_out);
  test_add ("/agentbus/actor/nested", test_nested);
  test_add ("/agentbus/actor/cancelled", test_cancelled);
  test_add ("/agentbus/actor/worker-leaves", test_worker_leaves);
  test_add ("/agentbus/actor/requester-leaves", test_requester_leaves);

  return g_test_run ();
}
