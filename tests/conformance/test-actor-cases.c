/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-message-private.h"
#include "test-actors.h"
#include "test-cases.h"

/* Requests from one node to another one: each has one answer. */

typedef struct
{
  TestWorld  *world;
  AgentActor *boss;   /* at node 0 */
  AgentActor *worker; /* at node 1 */
  GPtrArray  *jobs;   /* of the worker */
  GString    *words;  /* what a task has told: updates and chunks */
  guint       n_finished;
} Office;

static void
office_on_word (AgentTask *task,
                GVariant  *payload,
                gpointer   user_data)
{
  Office *self = user_data;

  g_string_append_printf (self->words, "%u ", g_variant_get_uint32 (payload));
}

static void
office_on_chunk (AgentTask *task,
                 guint      index,
                 GVariant  *payload,
                 gpointer   user_data)
{
  g_assert_cmpuint (index, ==, g_variant_get_uint32 (payload));
  office_on_word (task, payload, user_data);
}

static void
office_on_finished (AgentTask *task,
                    gpointer   user_data)
{
  ((Office *) user_data)->n_finished++;
}

static Office *
office_new (TestWorld *world)
{
  Office *self = g_new0 (Office, 1);

  self->world = world;
  self->words = g_string_new (NULL);
  self->boss = agent_actor_new ("boss");
  self->worker = agent_actor_new ("worker");
  self->jobs = test_jobs_new (self->worker);
  test_world_join (world, 0, self->boss);
  test_world_join (world, 1, self->worker);
  return self;
}

static void
office_free (Office *self)
{
  test_jobs_free (self->worker, self->jobs);
  g_object_unref (self->boss);
  g_object_unref (self->worker);
  g_string_free (self->words, TRUE);
  g_free (self);
}

static AgentTask *
office_request (Office *self,
                guint   number)
{
  AgentTask *task = agent_actor_request (self->boss, "worker", "count", g_variant_new_uint32 (number));

  g_signal_connect (task, "finished", G_CALLBACK (office_on_finished), self);
  return task;
}

static AgentJob *
office_get_job (Office *self,
                guint   index)
{
  test_world_wait (self->world, self->jobs->len > index);
  return self->jobs->pdata[index];
}

/* Takes @task. */
static void
office_end (Office         *self,
            AgentTask      *task,
            AgentTaskStatus status,
            gint            code)
{
  test_world_wait (self->world, agent_task_has_finished (task));
  test_task_assert (self->world->fixture, task, status, code);
}

/* Each answer goes through the bus of who has asked, also where the worker is elsewhere in the same process. */
static void
test_complete_many (TestWorld *world)
{
  static const char *const filter[] = { "task-response", NULL };
  Office                  *office = office_new (world);
  AgentTask               *tasks[100];
  g_autoptr (TestRecorder) monitor = test_recorder_new ("monitor", NULL, NULL);

  g_assert_true (agent_bus_add_monitor (world->nodes[0].bus, AGENT_SUBSCRIBER (monitor), filter, NULL));

  agent_actor_set_max_jobs (office->worker, 200);
  for (guint i = 0; i < G_N_ELEMENTS (tasks); i++)
    tasks[i] = office_request (office, i);
  for (guint i = 0; i < G_N_ELEMENTS (tasks); i++)
    {
      AgentJob *job = office_get_job (office, i);

      g_assert_cmpuint (g_variant_get_uint32 (agent_job_get_payload (job)), ==, i);
      g_assert_true (agent_job_complete (job, g_variant_new_uint32 (2 * i)));
    }
  for (guint i = 0; i < G_N_ELEMENTS (tasks); i++)
    {
      test_world_wait (world, agent_task_has_finished (tasks[i]));
      g_assert_cmpuint (g_variant_get_uint32 (agent_task_get_response (tasks[i])), ==, 2 * i);
      office_end (office, tasks[i], AGENT_TASK_STATUS_COMPLETED, -1);
    }
  g_assert_cmpuint (office->n_finished, ==, G_N_ELEMENTS (tasks));
  if (test_world_is_connected (world))
    test_world_wait (world, test_recorder_count (monitor) == G_N_ELEMENTS (tasks));
  agent_bus_remove_monitor (world->nodes[0].bus, AGENT_SUBSCRIBER (monitor));
  office_free (office);
}

static void
test_fail (TestWorld *world)
{
  Office    *office = office_new (world);
  AgentTask *task = office_request (office, 1);

  agent_job_fail_message (office_get_job (office, 0), "no");
  office_end (office, task, AGENT_TASK_STATUS_FAILED, AGENT_BUS_ERROR_FAILED);
  office_free (office);
}

/* Updates and chunks come in their order, and before the answer. */
static void
test_stream (TestWorld *world)
{
  Office    *office = office_new (world);
  AgentTask *task = office_request (office, 1);
  AgentJob  *job = office_get_job (office, 0);

  g_signal_connect (task, "chunk", G_CALLBACK (office_on_chunk), office);
  for (guint i = 0; i < 10; i++)
    g_assert_true (agent_job_send_chunk (job, g_variant_new_uint32 (i)));
  agent_job_complete (job, NULL);
  test_world_wait (world, agent_task_has_finished (task));
  g_assert_cmpstr (office->words->str, ==, "0 1 2 3 4 5 6 7 8 9 ");
  office_end (office, task, AGENT_TASK_STATUS_COMPLETED, -1);
  office_free (office);
}

static void
test_update (TestWorld *world)
{
  Office    *office = office_new (world);
  AgentTask *task = office_request (office, 1);
  AgentJob  *job = office_get_job (office, 0);

  g_signal_connect (task, "update", G_CALLBACK (office_on_word), office);
  agent_job_update (job, g_variant_new_uint32 (1));
  test_world_wait (world, g_str_equal (office->words->str, "1 "));
  agent_job_complete (job, NULL);
  office_end (office, task, AGENT_TASK_STATUS_COMPLETED, -1);
  office_free (office);
}

static void
test_cancel_job (TestWorld *world)
{
  Office    *office = office_new (world);
  AgentTask *task = office_request (office, 1);
  AgentJob  *job = office_get_job (office, 0);

  agent_task_cancel (task, "not needed");
  office_end (office, task, AGENT_TASK_STATUS_CANCELLED, AGENT_BUS_ERROR_CANCELLED);
  test_world_wait (world, agent_job_is_cancelled (job));
  office_free (office);
}

/* The cancellation comes right after the request, or overtakes it. */
static void
test_cancel_at_once (TestWorld *world)
{
  Office *office = office_new (world);

  for (guint i = 0; i < 20; i++)
    {
      AgentTask *task = office_request (office, i);

      agent_task_cancel (task, NULL);
      office_end (office, task, AGENT_TASK_STATUS_CANCELLED, AGENT_BUS_ERROR_CANCELLED);
    }
  for (guint i = 0; i < office->jobs->len; i++)
    test_world_wait (world, agent_job_is_cancelled (office->jobs->pdata[i]));
  office_free (office);
}

static void
test_timeout (TestWorld *world)
{
  Office    *office = office_new (world);
  AgentTask *task = office_request (office, 1);
  AgentJob  *job = office_get_job (office, 0);

  agent_task_set_timeout (task, 20);
  test_world_wait (world, agent_task_has_finished (task));
  test_world_wait (world, agent_job_is_cancelled (job));
  g_assert_error (agent_task_get_error (task), AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
  g_object_unref (task);
  office_free (office);
}

/* What a job asks for has no longer than the job itself. */
static void
test_deadline (TestWorld *world)
{
  Office       *office = office_new (world);
  AgentMessage *message = agent_message_new_task_request ("?", "worker", "?", NULL, NULL);
  AgentTask    *task;
  AgentJob     *job;
  gint          left;

  agent_message_set_ttl (message, 100000);
  task = agent_actor_request_full (office->boss, message, NULL);
  job = office_get_job (office, 0);
  left = agent_job_get_remaining_time (job);
  g_assert_cmpint (left, >, 0);
  g_assert_cmpint (left, <=, 100000);
  agent_job_complete (job, NULL);
  office_end (office, task, AGENT_TASK_STATUS_COMPLETED, -1);
  office_free (office);
}

static void
test_nobody (TestWorld *world)
{
  Office    *office = office_new (world);
  AgentTask *task = agent_actor_request (office->boss, "nobody", NULL, NULL);

  office_end (office, task, AGENT_TASK_STATUS_FAILED, AGENT_BUS_ERROR_NOT_FOUND);
  office_free (office);
}

/* A request waits for its target, which comes at another node. */
static void
test_wait_for_target (TestWorld *world)
{
  Office     *office = office_new (world);
  AgentActor *late = agent_actor_new ("late");
  GPtrArray  *jobs = test_jobs_new (late);
  AgentTask  *task;

  agent_actor_set_wait_for_target (office->boss, 100000);
  task = agent_actor_request (office->boss, "late", NULL, NULL);
  test_world_join (world, 1, late);
  test_world_wait (world, jobs->len == 1);
  agent_job_complete (jobs->pdata[0], NULL);
  office_end (office, task, AGENT_TASK_STATUS_COMPLETED, -1);
  test_jobs_free (late, jobs);
  g_object_unref (late);
  office_free (office);
}

/* The worker leaves with a request in hand and others that wait: each has an answer. */
static void
test_worker_leaves (TestWorld *world)
{
  Office    *office = office_new (world);
  AgentTask *tasks[5];

  agent_actor_set_max_jobs (office->worker, 1);
  for (guint i = 0; i < G_N_ELEMENTS (tasks); i++)
    tasks[i] = office_request (office, i);
  office_get_job (office, 0);
  agent_bus_unsubscribe (world->nodes[1].bus, "worker");
  for (guint i = 0; i < G_N_ELEMENTS (tasks); i++)
    {
      test_world_wait (world, agent_task_has_finished (tasks[i]));
      g_assert_nonnull (agent_task_get_error (tasks[i]));
      g_object_unref (tasks[i]);
    }
  g_assert_cmpuint (office->n_finished, ==, G_N_ELEMENTS (tasks));
  office_free (office);
}

static void
test_task_group (TestWorld *world)
{
  Office *office = office_new (world);
  g_autoptr (AgentTaskGroup) group = agent_task_group_new (office->boss);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_actor_set_max_jobs (office->worker, 10);
  for (guint i = 0; i < 5; i++)
    agent_task_group_request (group, "worker", NULL, NULL);
  for (guint i = 0; i < 5; i++)
    agent_job_complete (office_get_job (office, i), NULL);
  agent_task_group_wait_async (group, NULL, test_keep_result, &result);
  test_wait_result (world->fixture, &result);
  g_assert_true (agent_task_group_wait_finish (group, result, &error));
  g_assert_no_error (error);
  office_free (office);
}

/* One of the tasks fails: the others are cancelled, and so are their jobs. */
static void
test_task_group_fails (TestWorld *world)
{
  Office *office = office_new (world);
  g_autoptr (AgentTaskGroup) group = agent_task_group_new (office->boss);

  agent_actor_set_max_jobs (office->worker, 10);
  for (guint i = 0; i < 3; i++)
    agent_task_group_request (group, "worker", NULL, NULL);
  office_get_job (office, 2);
  agent_job_fail_message (office->jobs->pdata[1], "no");
  test_world_wait (world, agent_task_group_has_failed (group));
  test_world_wait (world, agent_job_is_cancelled (office->jobs->pdata[0]));
  test_world_wait (world, agent_job_is_cancelled (office->jobs->pdata[2]));
  test_world_wait (world, agent_task_group_get_n_open (group) == 0);
  office_free (office);
}

/* A request of somebody who is no actor. */
static void
test_bus_request (TestWorld *world)
{
  Office   *office = office_new (world);
  AgentBus *bus = world->nodes[0].bus;

  for (guint i = 0; i < 10; i++)
    {
      g_autoptr (GAsyncResult) result = NULL;
      g_autoptr (AgentMessage) answer = NULL;

      agent_bus_request_async (bus,
                               agent_message_new_task_request ("me", "worker", "1", "sum", g_variant_new_uint32 (i)),
                               0,
                               NULL,
                               test_keep_result,
                               &result);
      agent_job_complete (office_get_job (office, i), g_variant_new_uint32 (i));
      test_wait_result (world->fixture, &result);
      answer = agent_bus_request_finish (bus, result, NULL);
      g_assert_cmpuint (g_variant_get_uint32 (agent_message_get_payload (answer)), ==, i);
    }
  office_free (office);
}

static void
test_bus_request_times_out (TestWorld *world)
{
  Office   *office = office_new (world);
  AgentBus *bus = world->nodes[0].bus;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_bus_request_async (
      bus, agent_message_new_task_request ("me", "worker", "1", NULL, NULL), 500, NULL, test_keep_result, &result);
  office_get_job (office, 0);
  test_wait_result (world->fixture, &result);
  g_assert_null (agent_bus_request_finish (bus, result, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
  test_world_wait (world, agent_job_is_cancelled (office->jobs->pdata[0]));
  office_free (office);
}

/* What the worker says has the request as its cause, as the bus of the requester has numbered it. */
static void
test_cause (TestWorld *world)
{
  Office *office = office_new (world);
  g_autoptr (TestRecorder) x = test_world_add (world, 0, "x");
  g_autoptr (AgentMessage) request = agent_message_new_task_request ("x", "worker", "1", NULL, NULL);

  _agent_message_set_request (request);
  for (guint i = 0; i < 10; i++)
    test_world_send (world, 0, test_world_message (AGENT_CHANNEL_SYSTEM, "other", "x", i));
  test_world_wait (world, test_recorder_count (x) == 10);
  test_world_send (world, 0, agent_message_ref (request));
  office_get_job (office, 0);
  agent_job_update (office->jobs->pdata[0], g_variant_new_uint32 (1));
  agent_job_complete (office->jobs->pdata[0], NULL);
  test_world_wait (world, test_recorder_count (x) == 12);
  for (guint i = 10; i < 12; i++)
    g_assert_cmpuint (agent_message_get_cause (x->messages->pdata[i]), ==, agent_message_get_seq (request));
  office_free (office);
}

const TestWorldCase test_actor_cases[] = {
  { "actor/complete", 2, test_complete_many },
  { "actor/fail", 2, test_fail },
  { "actor/stream", 2, test_stream },
  { "actor/update", 2, test_update },
  { "actor/cancel", 2, test_cancel_job },
  { "actor/cancel-at-once", 2, test_cancel_at_once },
  { "actor/timeout", 2, test_timeout },
  { "actor/deadline", 2, test_deadline },
  { "actor/nobody", 2, test_nobody },
  { "actor/wait-for-target", 2, test_wait_for_target },
  { "actor/worker-leaves", 2, test_worker_leaves },
  { "actor/task-group", 2, test_task_group },
  { "actor/task-group-fails", 2, test_task_group_fails },
  { "actor/cause", 2, test_cause },
  { "actor/bus-request", 2, test_bus_request },
  { "actor/bus-request-times-out", 2, test_bus_request_times_out },
  { NULL },
};
