/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-task-private.h"
#include "message/agent-message-private.h"
#include "test-actors.h"

/*
 * Requests of actors: those that belong to a job, those that wait for their target, those to groups and to the actors of a
 * dispatcher, and cancels that nearly come too late.
 */

typedef struct
{
  TestFixture *f;
  AgentActor  *boss;
  AgentActor  *worker;
  AgentActor  *helper;
  GPtrArray   *jobs;  /* of the worker */
  GPtrArray   *works; /* of the helper */
} Team;

static Team
team_new (TestFixture *f)
{
  Team self = { f, test_actor_new (f, "boss"), test_actor_new (f, "worker"), test_actor_new (f, "helper") };

  self.jobs = test_jobs_new (self.worker);
  self.works = test_jobs_new (self.helper);
  return self;
}

static void
team_clear (Team *self)
{
  g_ptr_array_unref (self->jobs);
  g_ptr_array_unref (self->works);
  g_signal_handlers_disconnect_matched (
      self->worker, G_SIGNAL_MATCH_FUNC, 0, 0, NULL, (gpointer) test_jobs_on_request, NULL);
  g_signal_handlers_disconnect_matched (
      self->helper, G_SIGNAL_MATCH_FUNC, 0, 0, NULL, (gpointer) test_jobs_on_request, NULL);
  test_stop (self->f);
  g_assert_finalize_object (self->boss);
  g_assert_finalize_object (self->worker);
  g_assert_finalize_object (self->helper);
  test_assert_balanced (self->f->bus);
}

/* Frees the list of jobs first, so that none is left. */
static AgentJob *
team_get_job (Team *self,
              guint index)
{
  test_drain (self->f);
  g_assert_cmpuint (self->jobs->len, >, index);
  return self->jobs->pdata[index];
}

static AgentMessage *
new_request (const char        *target,
             guint              ttl,
             AgentConversation *conversation)
{
  AgentMessage *message = agent_message_new_task_request ("?", target, "?", NULL, NULL);

  agent_message_set_ttl (message, ttl);
  if (conversation != NULL)
    agent_message_set_conversation (message, conversation);
  return message;
}

/* --- Inside of a job --- */

static void
on_request_of_helper (AgentActor *worker,
                      AgentJob   *job,
                      gpointer    user_data)
{
  AgentTask **task = user_data;

  *task = agent_actor_request (worker, "helper", NULL, NULL);
}

static void
test_inherits (TestFixture *f)
{
  Team team = team_new (f);
  g_autoptr (AgentConversation) conversation = agent_conversation_new (NULL);
  AgentTask *inner = NULL;
  AgentTask *outer;
  AgentJob  *work;
  GPtrArray *works;

  test_clock_freeze ();
  g_signal_connect (team.worker, "task-request", G_CALLBACK (on_request_of_helper), &inner);
  outer = agent_actor_request_full (team.boss, new_request ("worker", 1000, conversation), NULL);
  test_clock_advance (400 * 1000);
  team_get_job (&team, 0);
  g_assert_cmpuint (team.works->len, ==, 1);
  work = team.works->pdata[0];
  g_assert_cmpint (agent_job_get_remaining_time (work), ==, 600);
  g_assert_cmpuint (agent_task_get_timeout (inner), ==, 600);
  g_assert_true (agent_message_get_conversation (agent_job_get_message (work)) == conversation);

  agent_task_cancel (outer, NULL);
  test_task_assert_cancelled (f, outer);
  test_task_assert_cancelled (f, inner);
  g_assert_true (agent_job_is_cancelled (work));
  g_assert_true (g_cancellable_is_cancelled (agent_job_get_cancellable (work)));
  works = team.works;
  g_assert_cmpuint (works->len, ==, 1);
  team_clear (&team);
}

/* A worker that drains does what it has accepted, also if it needs somebody else for that. */
static void
test_inner_request_of_who_drains (TestFixture *f)
{
  Team       team = team_new (f);
  AgentTask *inner = NULL;
  AgentTask *outer;

  g_signal_connect (team.worker, "task-request", G_CALLBACK (on_request_of_helper), &inner);
  outer = agent_actor_request (team.boss, "worker", NULL, NULL);
  team_get_job (&team, 0);
  agent_bus_unsubscribe_full_async (f->bus, "worker", AGENT_LEAVE_FLAGS_DRAIN, NULL, NULL, NULL);
  test_drain (f);
  agent_job_complete (team.works->pdata[0], NULL);
  test_task_assert_completed (f, inner);
  agent_job_complete (team.jobs->pdata[0], NULL);
  test_task_assert_completed (f, outer);
  team_clear (&team);
}

/* The second request is not of the job, and goes on without it. */
static void
test_inherits_only_in_the_handler (TestFixture *f)
{
  Team       team = team_new (f);
  AgentTask *outer = agent_actor_request (team.boss, "worker", NULL, NULL);
  AgentTask *inner;

  team_get_job (&team, 0);
  inner = agent_actor_request (team.worker, "helper", NULL, NULL);
  test_drain (f);
  agent_task_cancel (outer, NULL);
  test_task_assert_cancelled (f, outer);
  g_assert_false (agent_task_has_finished (inner));
  agent_job_complete (team.works->pdata[0], NULL);
  test_task_assert_completed (f, inner);
  team_clear (&team);
}

static void
test_too_late_for_the_job (TestFixture *f)
{
  Team       team = team_new (f);
  AgentTask *outer = agent_actor_request (team.boss, "worker", NULL, NULL);
  AgentJob  *job = team_get_job (&team, 0);
  AgentTask *inner;

  agent_task_cancel (outer, NULL);
  test_task_assert_cancelled (f, outer);
  inner = agent_actor_request_full (team.worker, new_request ("helper", 0, NULL), job);
  test_task_assert_cancelled (f, inner);
  g_assert_cmpuint (team.works->len, ==, 0);
  team_clear (&team);
}

/* --- Another thread cancels what is just being requested --- */

typedef struct
{
  Team      *team;
  AgentJob  *job;
  GPtrArray *tasks;
  gint       go;
} Rush;

static gpointer
request_in_job (gpointer data)
{
  Rush *self = data;

  while (!g_atomic_int_get (&self->go))
    g_thread_yield ();
  for (guint i = 0; i < 4; i++)
    g_ptr_array_add (self->tasks,
                     agent_actor_request_full (self->team->worker, new_request ("helper", 0, NULL), self->job));
  return NULL;
}

static void
rush_play (Team *team)
{
  AgentTask *outer = agent_actor_request (team->boss, "worker", NULL, NULL);
  Rush       rush = { team, NULL, g_ptr_array_new (), FALSE };
  GThread   *thread;

  rush.job = team_get_job (team, 0);
  thread = g_thread_new ("requests", request_in_job, &rush);
  agent_task_cancel (outer, NULL);
  g_atomic_int_set (&rush.go, TRUE);
  test_drain (team->f);
  g_thread_join (thread);
  for (guint i = 0; i < rush.tasks->len; i++)
    test_task_assert_cancelled (team->f, rush.tasks->pdata[i]);
  test_task_assert_cancelled (team->f, outer);
  g_ptr_array_unref (rush.tasks);
  g_ptr_array_set_size (team->jobs, 0);
  g_ptr_array_set_size (team->works, 0);
  test_drain (team->f);
  g_assert_cmpuint (agent_actor_get_n_tasks (team->worker), ==, 0);
  g_assert_cmpuint (agent_actor_get_n_jobs (team->helper), ==, 0);
}

static void
test_cancelled_while_it_is_requested (TestFixture *f)
{
  Team team = team_new (f);

  agent_actor_set_max_jobs (team.helper, 0);
  for (guint i = 0; i < 200; i++)
    rush_play (&team);
  team_clear (&team);
}

/* --- Cancels --- */

/* A message does not reach a worker that is leaving, but a cancel does. */
static void
test_cancel_reaches_who_drains (TestFixture *f)
{
  Team       team = team_new (f);
  AgentTask *in_hand = agent_actor_request (team.boss, "worker", NULL, NULL);
  AgentTask *waits = agent_actor_request (team.boss, "worker", NULL, NULL);
  AgentJob  *job = team_get_job (&team, 0);
  AgentTask *queued = agent_actor_request (team.boss, "worker", NULL, NULL);

  agent_bus_unsubscribe_full_async (f->bus, "worker", AGENT_LEAVE_FLAGS_DRAIN, NULL, NULL, NULL);
  agent_task_cancel (in_hand, NULL);
  agent_task_cancel (waits, NULL);
  agent_task_cancel (queued, NULL);
  g_assert_true (agent_job_is_cancelled (job));
  test_drain (f);
  g_assert_true (g_cancellable_is_cancelled (agent_job_get_cancellable (job)));
  agent_job_complete (job, NULL);
  test_task_assert_cancelled (f, in_hand);
  test_task_assert_cancelled (f, waits);
  test_task_assert_cancelled (f, queued);
  g_assert_cmpuint (team.jobs->len, ==, 1);
  team_clear (&team);
}

/* The place of the first is free before the cancel of the second has come. */
static void
test_cancel_comes_first (TestFixture *f)
{
  Team          team = team_new (f);
  AgentMessage *second = agent_message_new_task_request ("plain", "worker", "2", NULL, NULL);
  AgentTask    *first = agent_actor_request (team.boss, "worker", NULL, NULL);

  team_get_job (&team, 0);
  agent_bus_send (f->bus, second);
  test_drain (f);
  agent_job_complete (team.jobs->pdata[0], NULL);
  agent_bus_send (f->bus, agent_message_new_task_cancel ("plain", "worker", "2", NULL));
  test_task_assert_completed (f, first);
  g_assert_cmpuint (team.jobs->len, ==, 1);
  team_clear (&team);
}

/* An answer is for the requester only, in its context. */
static void
test_answer_to_somebody_else (TestFixture *f)
{
  Team       team = team_new (f);
  AgentTask *task = agent_actor_request (team.boss, "worker", NULL, NULL);
  AgentJob  *job = team_get_job (&team, 0);

  agent_bus_send (f->bus,
                  agent_message_new_task_response (
                      "worker", "helper", agent_task_get_id (task), AGENT_TASK_STATUS_FAILED, NULL));
  test_drain (f);
  g_assert_false (agent_task_has_finished (task));
  agent_job_complete (job, NULL);
  test_task_assert_completed (f, task);
  team_clear (&team);
}

/* A handler that is connected without a detail does all tasks, also one whose name is known as a quark. */
static void
test_name_is_known (TestFixture *f)
{
  Team       team = team_new (f);
  AgentTask *task;

  g_quark_from_static_string ("known-name");
  task = agent_actor_request (team.boss, "worker", "known-name", NULL);
  agent_job_complete (team_get_job (&team, 0), NULL);
  test_task_assert_completed (f, task);
  team_clear (&team);
}

static void
on_detailed (AgentActor *worker,
             AgentJob   *job,
             gpointer    user_data)
{
  agent_job_complete (job, NULL);
}

/* The handler goes while the request waits. */
static void
test_handler_goes (TestFixture *f)
{
  g_autoptr (AgentActor) boss = test_actor_new (f, "boss");
  g_autoptr (AgentActor) worker = test_actor_new (f, "worker");
  g_autoptr (GPtrArray) jobs = test_jobs_new (worker);
  AgentTask *first = agent_actor_request (boss, "worker", NULL, NULL);
  AgentTask *second;

  test_drain (f);
  g_signal_handlers_disconnect_matched (
      worker, G_SIGNAL_MATCH_FUNC, 0, 0, NULL, (gpointer) test_jobs_on_request, NULL);
  g_signal_connect (worker, "task-request::done", G_CALLBACK (on_detailed), NULL);
  second = agent_actor_request (boss, "worker", "done", NULL);
  test_drain (f);
  g_signal_handlers_disconnect_by_func (worker, on_detailed, NULL);
  agent_job_complete (jobs->pdata[0], NULL);
  test_task_assert_completed (f, first);
  test_task_assert_failed (f, second, AGENT_BUS_ERROR_NOT_FOUND);
}

/* --- Waiting for the target --- */

static AgentTask *
request_of_late (Team *team)
{
  agent_actor_set_wait_for_target (team->boss, 1000);
  return agent_actor_request (team->boss, "late", NULL, NULL);
}

static void
assert_late_does_it (Team      *team,
                     AgentTask *task)
{
  AgentActor *late = test_actor_new (team->f, "late");
  g_autoptr (GPtrArray) jobs = test_jobs_new (late);

  test_drain (team->f);
  g_assert_cmpuint (jobs->len, ==, 1);
  agent_job_complete (jobs->pdata[0], NULL);
  g_ptr_array_set_size (jobs, 0);
  test_task_assert_completed (team->f, task);
  g_object_unref (late);
}

static void
test_target_appears (TestFixture *f)
{
  Team       team = team_new (f);
  AgentTask *task;

  test_clock_freeze ();
  task = request_of_late (&team);
  test_clock_advance (999 * 1000);
  test_drain (f);
  assert_late_does_it (&team, task);
  team_clear (&team);
}

static void
test_target_does_not_appear (TestFixture *f)
{
  Team       team = team_new (f);
  AgentTask *task;

  test_clock_freeze ();
  task = request_of_late (&team);
  test_drain (f);
  g_assert_false (agent_task_has_finished (task));
  test_clock_advance (1000 * 1000);
  test_task_assert_failed (f, task, AGENT_BUS_ERROR_NOT_FOUND);
  team_clear (&team);
}

/* It was set while nobody was there: who comes is seen all the same. */
static void
test_timeout_of_who_waits (TestFixture *f)
{
  Team       team = team_new (f);
  AgentTask *task;

  test_clock_freeze ();
  task = request_of_late (&team);
  agent_task_set_timeout (task, 500);
  test_clock_advance (400 * 1000);
  assert_late_does_it (&team, task);

  g_assert_true (test_unsubscribe (f, "late", NULL));
  task = request_of_late (&team);
  agent_task_set_timeout (task, 500);
  test_clock_advance (500 * 1000);
  test_task_assert_failed (f, task, AGENT_BUS_ERROR_TIMED_OUT);
  team_clear (&team);
}

/* What was set holds for requests after that. */
static void
test_wait_is_of_the_request (TestFixture *f)
{
  Team       team = team_new (f);
  AgentTask *task = request_of_late (&team);

  agent_actor_set_wait_for_target (team.boss, 0);
  test_drain (f);
  g_assert_false (agent_task_has_finished (task));
  assert_late_does_it (&team, task);
  team_clear (&team);
}

/* Its name is there, but it does not do its own tasks: it waits for a change, without asking over and over. */
static void
test_waits_for_itself (TestFixture *f)
{
  Team       team = team_new (f);
  AgentTask *task;
  guint      n = 0;

  test_clock_freeze ();
  agent_actor_set_wait_for_target (team.boss, 1000);
  task = agent_actor_request (team.boss, "boss", NULL, NULL);
  while (g_main_context_iteration (f->context, FALSE))
    g_assert_cmpuint (++n, <, 100);
  g_assert_false (agent_task_has_finished (task));
  test_clock_advance (1000 * 1000);
  test_task_assert_failed (f, task, AGENT_BUS_ERROR_NOT_FOUND);
  team_clear (&team);
}

/* Nobody comes to a bus that is dropped, so a task that waits does not keep it. */
static void
test_bus_of_who_waits_is_dropped (TestFixture *f)
{
  g_autoptr (AgentActor) boss = test_actor_new (f, "boss");
  AgentTask *task;

  agent_actor_set_wait_for_target (boss, 1000);
  task = agent_actor_request (boss, "nobody", NULL, NULL);
  test_drain (f);
  g_assert_false (agent_task_has_finished (task));
  g_assert_finalize_object (g_steal_pointer (&f->bus));
  test_task_assert_failed (f, task, AGENT_BUS_ERROR_CLOSED);
}

static void
test_too_many_wait (TestFixture *f)
{
  Team       team = team_new (f);
  AgentTask *first;
  AgentTask *second;

  agent_actor_set_max_pending (team.boss, 1);
  first = request_of_late (&team);
  test_task_assert_failed (f, request_of_late (&team), AGENT_BUS_ERROR_FULL);
  agent_task_cancel (first, NULL);
  test_task_assert_cancelled (f, first);

  /* There is a place again. */
  second = request_of_late (&team);
  assert_late_does_it (&team, second);
  team_clear (&team);
}

static void
test_requester_of_who_waits_leaves (TestFixture *f)
{
  Team       team = team_new (f);
  AgentTask *task = request_of_late (&team);

  test_drain (f);
  g_assert_true (test_unsubscribe (f, "boss", NULL));
  test_task_assert_failed (f, task, AGENT_BUS_ERROR_CLOSED);
  team_clear (&team);
}

/* --- Groups and dispatchers --- */

static void
test_group (TestFixture *f)
{
  Team        team = team_new (f);
  AgentActor *members[2];
  g_autoptr (GPtrArray) jobs = g_ptr_array_new_with_free_func (g_object_unref);
  AgentTask *task;

  for (guint i = 0; i < 2; i++)
    {
      members[i] = test_actor_join (
          f, g_object_new (AGENT_TYPE_ACTOR, "name", i == 0 ? "first" : "second", "group", "members", NULL));
      test_jobs_keep (members[i], jobs);
    }
  task = agent_actor_request (team.boss, "members", NULL, NULL);
  test_drain (f);
  g_assert_cmpuint (jobs->len, ==, 1);
  agent_task_cancel (task, NULL);
  test_task_assert_cancelled (f, task);
  g_assert_true (g_cancellable_is_cancelled (agent_job_get_cancellable (jobs->pdata[0])));
  g_ptr_array_set_size (jobs, 0);

  task = agent_actor_request (team.boss, "members", NULL, NULL);
  test_drain (f);
  agent_job_complete (jobs->pdata[0], NULL);
  test_task_assert_completed (f, task);
  g_ptr_array_set_size (jobs, 0);
  for (guint i = 0; i < 2; i++)
    g_object_unref (members[i]);
  team_clear (&team);
}

static void
on_update_requested (AgentJob *job,
                     gpointer  user_data)
{
  (*(guint *) user_data)++;
}

static void
test_dispatcher (TestFixture *f)
{
  guint n_asked = 0;

  Team team = team_new (f);
  g_autoptr (AgentRouteTable) table = agent_route_table_new ();
  g_autoptr (AgentRouterDispatcher) dispatcher = agent_router_dispatcher_new (f->bus, table);
  AgentTask *task;

  agent_actor_set_dispatcher (team.boss, dispatcher);
  agent_route_table_assign (table, "alias", "worker");
  task = agent_actor_request (team.boss, "alias", NULL, NULL);
  agent_job_complete (team_get_job (&team, 0), NULL);
  test_task_assert_completed (f, task);

  /* Somebody of this name comes, but the job is with the dispatcher's. */
  task = agent_actor_request (team.boss, "alias", NULL, NULL);
  team_get_job (&team, 1);
  g_object_unref (test_actor_new (f, "alias"));
  g_signal_connect (team.jobs->pdata[1], "update-requested", G_CALLBACK (on_update_requested), &n_asked);
  agent_task_request_update (task);
  test_drain (f);
  g_assert_cmpuint (n_asked, ==, 1);
  agent_task_cancel (task, NULL);
  test_task_assert_cancelled (f, task);
  g_assert_true (agent_job_is_cancelled (team.jobs->pdata[1]));
  agent_actor_set_dispatcher (team.boss, NULL);
  team_clear (&team);
}

/* --- Chunks that wait --- */

static void
on_chunk_sent (GObject      *job,
               GAsyncResult *result,
               gpointer      user_data)
{
  GString *story = user_data;
  g_autoptr (GError) error = NULL;

  if (agent_job_send_chunk_finish (AGENT_JOB (job), result, &error))
    g_string_append_c (story, 's');
  else if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_string_append_c (story, 'c');
  else
    g_string_append_c (story, 'x');
}

static void
on_chunk (AgentTask *task,
          guint      index,
          GVariant  *payload,
          gpointer   user_data)
{
  guint *n = user_data;

  g_assert_cmpuint (index, ==, g_variant_get_uint32 (payload));
  g_assert_cmpuint (index, ==, (*n)++);
}

static void
send_chunks (AgentJob     *job,
             guint         first,
             guint         n,
             GCancellable *cancellable,
             GString      *story)
{
  for (guint i = 0; i < n; i++)
    agent_job_send_chunk_async (job, g_variant_new_uint32 (first + i), cancellable, on_chunk_sent, story);
}

typedef struct
{
  TestFixture  *f;
  GMainContext *context; /* of the reader */
  AgentActor   *reader;
  AgentActor   *worker;
  GPtrArray    *jobs;
  AgentTask    *task;
  AgentJob     *job;
  guint         n_read;
  GString      *story;
} Stream;

static void
stream_init (Stream      *self,
             TestFixture *f)
{
  *self = (Stream){ .f = f, .context = g_main_context_new (), .story = g_string_new (NULL) };
  self->reader = test_actor_join (
      f, g_object_new (AGENT_TYPE_ACTOR, "name", "reader", "main-context", self->context, NULL));
  self->worker = test_actor_new (f, "worker");
  self->jobs = test_jobs_new (self->worker);
  self->task = agent_actor_request (self->reader, "worker", NULL, NULL);
  g_signal_connect (self->task, "chunk", G_CALLBACK (on_chunk), &self->n_read);
  test_drain (f);
  self->job = self->jobs->pdata[0];
}

static void
stream_read (Stream *self)
{
  while (g_main_context_iteration (self->context, FALSE))
    ;
  test_drain (self->f);
}

static void
stream_clear (Stream *self)
{
  stream_read (self);
  g_object_unref (self->task);
  g_signal_handlers_disconnect_matched (
      self->worker, G_SIGNAL_MATCH_FUNC, 0, 0, NULL, (gpointer) test_jobs_on_request, NULL);
  g_ptr_array_unref (self->jobs);
  agent_bus_unsubscribe (self->f->bus, "reader");
  stream_read (self);
  test_stop (self->f);
  g_assert_finalize_object (self->reader);
  g_assert_finalize_object (self->worker);
  g_main_context_unref (self->context);
  g_string_free (self->story, TRUE);
}

static void
test_chunks_wait (TestFixture *f)
{
  Stream stream;

  stream_init (&stream, f);
  send_chunks (stream.job, 0, 40, NULL, stream.story);
  test_drain (f);
  g_assert_cmpuint (stream.story->len, ==, 32);
  g_assert_cmpuint (stream.n_read, ==, 0);
  stream_read (&stream);
  g_assert_cmpuint (stream.story->len, ==, 40);
  g_assert_cmpuint (stream.n_read, ==, 40);
  g_assert_null (strpbrk (stream.story->str, "cx"));

  /* The answer comes after what waits. */
  send_chunks (stream.job, 40, 40, NULL, stream.story);
  agent_job_complete (stream.job, NULL);
  stream_read (&stream);
  g_assert_cmpuint (stream.n_read, ==, 80);
  g_assert_cmpint (agent_task_get_status (stream.task), ==, AGENT_TASK_STATUS_COMPLETED);
  g_assert_null (strpbrk (stream.story->str, "cx"));
  send_chunks (stream.job, 80, 1, NULL, stream.story);
  test_drain (f);
  g_assert_cmpint (stream.story->str[80], ==, 'x');
  stream_clear (&stream);
}

/* Who waits does so no longer, and the chunk keeps its place. */
static void
test_chunk_wait_is_cancelled (TestFixture *f)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Stream stream;

  stream_init (&stream, f);
  send_chunks (stream.job, 0, 32, NULL, stream.story);
  send_chunks (stream.job, 32, 1, cancellable, stream.story);
  send_chunks (stream.job, 33, 1, NULL, stream.story);
  test_drain (f);
  g_cancellable_cancel (cancellable);
  test_drain (f);
  g_assert_cmpuint (stream.story->len, ==, 33);
  g_assert_cmpint (stream.story->str[32], ==, 'c');
  stream_read (&stream);
  g_assert_cmpuint (stream.n_read, ==, 34);
  agent_job_complete (stream.job, NULL);
  stream_clear (&stream);
}

static void
test_reader_of_chunks_goes (TestFixture *f)
{
  Stream stream;

  stream_init (&stream, f);
  send_chunks (stream.job, 0, 33, NULL, stream.story);
  agent_task_cancel (stream.task, NULL);
  test_drain (f);
  g_assert_cmpuint (stream.story->len, ==, 33);
  g_assert_nonnull (strchr (stream.story->str, 'x'));
  agent_job_complete (stream.job, NULL);
  stream_clear (&stream);
}

/* --- Chunks with numbers that a stranger has made up --- */

static void
send_numbered_chunk (Team       *team,
                     AgentTask  *task,
                     const char *number)
{
  agent_bus_send (team->f->bus,
                  _agent_message_new_from_parts (&(AgentMessageParts){ .type = AGENT_MESSAGE_TYPE_TASK_STREAM_DATA,
                                                                       .channel = AGENT_CHANNEL_DATA,
                                                                       .source = "worker",
                                                                       .target = "boss",
                                                                       .task_id = agent_task_get_id (task),
                                                                       .label = number,
                                                                       .content = g_variant_ref_sink (
                                                                           g_variant_new_uint32 (0)) }));
}

static void
on_any_chunk (AgentTask *task,
              guint      index,
              GVariant  *payload,
              gpointer   user_data)
{
  g_array_append_val ((GArray *) user_data, index);
}

static void
test_made_up_numbers (TestFixture *f)
{
  const char *const numbers[] = { "0", "3", "1", "-1", "x", "2147483647", "4294967294", "4294967295", "7" };
  Team              team = team_new (f);
  g_autoptr (GArray) told = g_array_new (FALSE, FALSE, sizeof (guint));
  AgentTask *task = agent_actor_request (team.boss, "worker", NULL, NULL);

  g_signal_connect (task, "chunk", G_CALLBACK (on_any_chunk), told);
  team_get_job (&team, 0);
  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    send_numbered_chunk (&team, task, numbers[i]);
  test_drain (f);
  g_assert_cmpuint (told->len, ==, G_N_ELEMENTS (numbers));
  for (guint i = 1; i < told->len; i++)
    g_assert_cmpuint (g_array_index (told, guint, i), >, g_array_index (told, guint, i - 1));
  g_assert_cmpuint (g_array_index (told, guint, 1), ==, 3);
  g_assert_cmpuint (g_array_index (told, guint, 2), ==, 4);
  agent_job_complete (team.jobs->pdata[0], NULL);
  test_task_assert_completed (f, task);
  team_clear (&team);
}

/* --- Waiting for a task --- */

static void
test_wait (TestFixture *f)
{
  Team team = team_new (f);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) patient = NULL;
  g_autoptr (GAsyncResult) impatient = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) response = NULL;
  AgentTask *task = agent_actor_request (team.boss, "worker", NULL, NULL);
  AgentJob  *job = team_get_job (&team, 0);

  agent_task_wait_async (task, NULL, test_keep_result, &patient);
  agent_task_wait_async (task, cancellable, test_keep_result, &impatient);
  g_cancellable_cancel (cancellable);
  test_drain (f);
  g_assert_nonnull (impatient);
  g_assert_null (agent_task_wait_finish (task, impatient, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_null (patient);

  agent_job_complete (job, g_variant_new_int32 (7));
  test_drain (f);
  response = agent_task_wait_finish (task, patient, NULL);
  g_assert_cmpint (g_variant_get_int32 (response), ==, 7);
  g_clear_object (&patient);
  g_clear_object (&impatient);
  g_object_unref (task);
  team_clear (&team);
}

/* An application, or a language that makes objects of any class, may make a task that nobody has requested. */
static void
test_task_without_request (TestFixture *f)
{
  g_autoptr (AgentTask) task = g_object_new (AGENT_TYPE_TASK, NULL);

  for (guint i = 0; i < 4; i++)
    g_test_expect_message ("AgentBus", G_LOG_LEVEL_CRITICAL, "*request != NULL*");
  agent_task_cancel (task, NULL);
  agent_task_request_update (task);
  agent_task_set_timeout (task, 1);
  agent_task_wait_async (task, NULL, NULL, NULL);
  g_test_assert_expected_messages ();
}

#define ADD(name, func) test_add ("/agentbus/actor-requests/" name, func)

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);
  test_actors_init ();
  ADD ("inherits", test_inherits);
  ADD ("inherits-only-in-the-handler", test_inherits_only_in_the_handler);
  ADD ("inner-request-of-who-drains", test_inner_request_of_who_drains);
  ADD ("too-late-for-the-job", test_too_late_for_the_job);
  ADD ("cancelled-while-it-is-requested", test_cancelled_while_it_is_requested);
  ADD ("cancel-reaches-who-drains", test_cancel_reaches_who_drains);
  ADD ("cancel-comes-first", test_cancel_comes_first);
  ADD ("answer-to-somebody-else", test_answer_to_somebody_else);
  ADD ("name-is-known", test_name_is_known);
  ADD ("handler-goes", test_handler_goes);
  ADD ("target-appears", test_target_appears);
  ADD ("target-does-not-appear", test_target_does_not_appear);
  ADD ("timeout-of-who-waits", test_timeout_of_who_waits);
  ADD ("wait-is-of-the-request", test_wait_is_of_the_request);
  ADD ("waits-for-itself", test_waits_for_itself);
  ADD ("bus-of-who-waits-is-dropped", test_bus_of_who_waits_is_dropped);
  ADD ("too-many-wait", test_too_many_wait);
  ADD ("requester-of-who-waits-leaves", test_requester_of_who_waits_leaves);
  ADD ("group", test_group);
  ADD ("dispatcher", test_dispatcher);
  ADD ("chunks-wait", test_chunks_wait);
  ADD ("chunk-wait-is-cancelled", test_chunk_wait_is_cancelled);
  ADD ("reader-of-chunks-goes", test_reader_of_chunks_goes);
  ADD ("made-up-numbers", test_made_up_numbers);
  ADD ("wait", test_wait);
  ADD ("task-without-request", test_task_without_request);

  return g_test_run ();
}
