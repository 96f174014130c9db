/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdatomic.h>

#include "hammer.h"
#include "test-actors.h"

/*
 * Actors in three threads that request of one another while everything goes wrong: channels are full, workers stall, fail, drop
 * their jobs, leave and come back, conversations go on, and tasks are cancelled by anybody. The choices come from a seed, see
 * hammer_rounds() for how many seeds there are. Whatever happens, each task ends once, no job is left, and all ledgers are exact.
 */

#define N_THREADS 3
#define N_ACTORS 9
#define N_REQUESTS 200

typedef struct
{
  TestFixture       *f;
  AgentBus          *bus;
  GPtrArray         *threads; /* of TestThread (owned) */
  AgentActor        *actors[N_ACTORS];
  AgentConversation *conversation;
  GMutex             lock;
  GRand             *rand;    /* (lock) (owned) */
  GPtrArray         *stalled; /* (lock) of AgentJob (owned) */
  GPtrArray         *tasks;   /* (lock) of AgentTask (owned): all */
  gboolean           over;    /* (lock) nobody stalls, and nothing new is requested */
  _Atomic guint      n_requests;
  _Atomic guint      n_finished;
  _Atomic guint      n_leaving;
} Plan;

typedef struct
{
  Plan         *plan;
  AgentActor   *actor;
  guint         n_chunks; /* the next number that may come */
  _Atomic guint n_finished;
} Watch;

static guint
plan_choose (Plan *self,
             guint n)
{
  guint choice;

  g_mutex_lock (&self->lock);
  choice = g_rand_int_range (self->rand, 0, n);
  g_mutex_unlock (&self->lock);

  return choice;
}

static AgentActor *
plan_choose_actor (Plan *self)
{
  return self->actors[plan_choose (self, N_ACTORS)];
}

/* --- Requesters --- */

static void
on_chunk (AgentTask *task,
          guint      index,
          GVariant  *payload,
          gpointer   user_data)
{
  Watch *watch = user_data;

  g_assert_cmpuint (watch->n_finished, ==, 0);
  g_assert_cmpuint (index, ==, watch->n_chunks);
  g_assert_cmpuint (agent_task_get_n_missed (task), ==, 0);
  watch->n_chunks = index + 1;
}

static void
on_finished (AgentTask *task,
             gpointer   user_data)
{
  Watch        *watch = user_data;
  GMainContext *context = agent_subscriber_get_main_context (AGENT_SUBSCRIBER (watch->actor));

  g_assert_cmpuint (watch->n_finished++, ==, 0);
  g_assert_true (g_main_context_is_owner (context));
  g_assert_true (agent_task_has_finished (task));
  watch->plan->n_finished++;
}

static char *
plan_dup_target (Plan *self)
{
  switch (plan_choose (self, 12))
    {
    case 0:
      return g_strdup ("nobody");
    case 1:
      return g_strdup ("crew");
    default:
      return g_strdup (agent_subscriber_get_name (AGENT_SUBSCRIBER (plan_choose_actor (self))));
    }
}

static AgentMessage *
plan_new_request (Plan *self)
{
  g_autofree char *target = plan_dup_target (self);
  AgentMessage    *request = agent_message_new_task_request ("?", target, "?", NULL, NULL);

  if (plan_choose (self, 4) == 0)
    agent_message_set_ttl (request, 1 + plan_choose (self, 20));
  if (plan_choose (self, 4) == 0)
    agent_message_set_conversation (request, self->conversation);
  return request;
}

/* In the context of @actor, so that nothing is missed. The plan keeps the task.
 *
 * @job: (nullable) */
static AgentTask *
plan_request (Plan       *self,
              AgentActor *actor,
              AgentJob   *job)
{
  AgentTask *task = agent_actor_request_full (actor, plan_new_request (self), job);
  Watch     *watch = g_new0 (Watch, 1);

  watch->plan = self;
  watch->actor = actor;
  self->n_requests++;
  g_object_set_data_full (G_OBJECT (task), "watch", watch, g_free);
  g_signal_connect (task, "chunk", G_CALLBACK (on_chunk), watch);
  g_signal_connect (task, "finished", G_CALLBACK (on_finished), watch);
  g_mutex_lock (&self->lock);
  g_ptr_array_add (self->tasks, task);
  g_mutex_unlock (&self->lock);

  return task;
}

typedef struct
{
  Plan       *plan;
  AgentActor *actor;
} Errand;

static gboolean
on_time_to_request (gpointer data)
{
  Errand    *errand = data;
  AgentTask *task = plan_request (errand->plan, errand->actor, NULL);

  if (plan_choose (errand->plan, 8) == 0)
    agent_task_cancel (task, NULL);
  return G_SOURCE_REMOVE;
}

static void
plan_request_soon (Plan *self)
{
  Errand       *errand = g_new (Errand, 1);
  GSource      *source = g_idle_source_new ();
  GMainContext *context;

  errand->plan = self;
  errand->actor = plan_choose_actor (self);
  context = agent_subscriber_get_main_context (AGENT_SUBSCRIBER (errand->actor));
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, on_time_to_request, errand, g_free);
  g_source_attach (source, context);
  g_source_unref (source);
}

/* --- Workers --- */

/* TRUE: @job is with the others that stall. */
static gboolean
plan_stall (Plan     *self,
            AgentJob *job)
{
  gboolean stalls;

  g_mutex_lock (&self->lock);
  stalls = !self->over;
  if (stalls)
    g_ptr_array_add (self->stalled, g_object_ref (job));
  g_mutex_unlock (&self->lock);

  return stalls;
}

static void
job_stream (AgentJob *job,
            guint     n)
{
  for (guint i = 0; i < n; i++)
    {
      if (i % 3 == 0)
        agent_job_send_chunk (job, g_variant_new_uint32 (i));
      else
        agent_job_send_chunk_async (job, g_variant_new_uint32 (i), NULL, NULL, NULL);
    }
}

static void
job_fail (AgentJob *job)
{
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_FAILED, "On purpose");

  agent_job_fail (job, error);
}

static void
on_inner_finished (AgentTask *task,
                   gpointer   user_data)
{
  if (agent_task_get_error (task) != NULL)
    agent_job_fail (user_data, agent_task_get_error (task));
  else
    agent_job_complete (user_data, NULL);
}

static void
job_request (Plan       *plan,
             AgentActor *worker,
             AgentJob   *job)
{
  AgentTask *task = plan_request (plan, worker, job);

  /* A circle of workers would wait for itself for ever. */
  agent_task_set_timeout (task, 20);
  g_signal_connect_data (task,
                         "finished",
                         G_CALLBACK (on_inner_finished),
                         g_object_ref (job),
                         (GClosureNotify) (void (*) (void)) g_object_unref,
                         0);
}

static void
on_request (AgentActor *worker,
            AgentJob   *job,
            gpointer    user_data)
{
  Plan *plan = user_data;

  switch (plan_choose (plan, 8))
    {
    case 0:
      break; /* dropped */
    case 1:
      job_fail (job);
      break;
    case 2:
      if (!plan_stall (plan, job))
        agent_job_complete (job, NULL);
      break;
    case 3:
      job_stream (job, 50);
      agent_job_complete (job, NULL);
      break;
    case 4:
      job_stream (job, 5);
      plan_stall (plan, job);
      break;
    case 5:
      job_request (plan, worker, job);
      break;
    default:
      agent_job_complete (job, NULL);
    }
}

/* --- Faults, in the thread of the test --- */

/* (transfer full) (nullable) */
static gpointer
plan_pick (Plan      *self,
           GPtrArray *array,
           gboolean   take)
{
  gpointer object = NULL;

  g_mutex_lock (&self->lock);
  if (array->len > 0)
    {
      guint index = g_rand_int_range (self->rand, 0, array->len);

      object = take ? g_ptr_array_steal_index_fast (array, index) : g_object_ref (array->pdata[index]);
    }
  g_mutex_unlock (&self->lock);

  return object;
}

static void
plan_answer_stalled (Plan *self)
{
  g_autoptr (AgentJob) job = plan_pick (self, self->stalled, TRUE);

  if (job != NULL && plan_choose (self, 2) == 0)
    agent_job_complete (job, NULL);
}

static void
plan_touch_task (Plan *self)
{
  g_autoptr (AgentTask) task = plan_pick (self, self->tasks, FALSE);

  if (task == NULL)
    return;

  switch (plan_choose (self, 3))
    {
    case 0:
      agent_task_cancel (task, "by anybody");
      break;
    case 1:
      agent_task_request_update (task);
      break;
    default:
      agent_task_set_timeout (task, 1 + plan_choose (self, 30));
    }
}

static void
on_left (GObject      *bus,
         GAsyncResult *result,
         gpointer      user_data)
{
  Plan *plan = user_data;

  agent_bus_unsubscribe_full_finish (AGENT_BUS (bus), result, NULL);
  plan->n_leaving--;
}

static void
plan_remove (Plan *self)
{
  AgentActor     *actor = plan_choose_actor (self);
  AgentLeaveFlags flags = plan_choose (self, 2) == 0 ? AGENT_LEAVE_FLAGS_DRAIN : AGENT_LEAVE_FLAGS_NONE;

  self->n_leaving++;
  agent_bus_unsubscribe_full_async (
      self->bus, agent_subscriber_get_name (AGENT_SUBSCRIBER (actor)), flags, NULL, on_left, self);
}

/* It may be on the bus, or be leaving still. */
static void
plan_bring_back (Plan *self)
{
  agent_bus_subscribe (self->bus, AGENT_SUBSCRIBER (plan_choose_actor (self)), NULL);
}

static void
plan_do_something (Plan *self)
{
  switch (plan_choose (self, 12))
    {
    case 0:
      plan_remove (self);
      break;
    case 1:
    case 2:
      plan_bring_back (self);
      break;
    case 3:
      agent_conversation_advance (self->conversation);
      break;
    case 4:
    case 5:
      plan_answer_stalled (self);
      break;
    case 6:
    case 7:
      plan_touch_task (self);
      break;
    default:
      plan_request_soon (self);
    }
}

/* --- The run --- */

static AgentActor *
plan_new_actor (Plan *self,
                guint number)
{
  TestThread      *home = self->threads->pdata[number % N_THREADS];
  g_autofree char *name = g_strdup_printf ("actor-%u", number);
  AgentActor      *actor = g_object_new (AGENT_TYPE_ACTOR,
                                    "name",
                                    name,
                                    "main-context",
                                    home->context,
                                    "group",
                                    number % 4 == 0 ? "crew" : NULL,
                                    "capacity",
                                    number % 2 == 0 ? 2 : 100,
                                    "max-jobs",
                                    number % 3,
                                    "max-pending",
                                    number % 5,
                                    "wait-for-target",
                                    number % 3 == 0 ? 10 : 0,
                                    NULL);

  g_signal_connect (actor, "task-request", G_CALLBACK (on_request), self);
  return test_actor_join (self->f, actor);
}

static void
plan_iterate (Plan *self)
{
  while (g_main_context_iteration (self->f->context, FALSE))
    ;
}

static void
plan_sync (Plan *self)
{
  for (guint i = 0; i < N_THREADS; i++)
    test_thread_sync (self->threads->pdata[i]);
  plan_iterate (self);
}

static guint
plan_count_requests (Plan *self)
{
  plan_sync (self);
  return self->n_requests;
}

/* From now on nobody stalls, so all comes to its end. */
static void
plan_come_to_rest (Plan *self)
{
  g_mutex_lock (&self->lock);
  self->over = TRUE;
  g_mutex_unlock (&self->lock);

  while (self->n_leaving > 0 || self->n_finished < plan_count_requests (self))
    {
      g_autoptr (AgentJob) job = plan_pick (self, self->stalled, TRUE);

      if (job != NULL)
        agent_job_complete (job, NULL);
      plan_sync (self);
    }
}

static guint64
get_statistic (GVariant   *statistics,
               const char *name)
{
  guint64 value;

  g_assert_true (g_variant_lookup (statistics, name, "t", &value));
  return value;
}

static guint64
assert_at_rest (AgentActor *actor)
{
  static const char *const ways[] = { "completed", "failed", "cancelled", "timed-out", "not-found", "full", "closed" };
  g_autoptr (GVariant) statistics = agent_actor_get_statistics (actor);
  guint64 sum = 0;

  for (guint i = 0; i < G_N_ELEMENTS (ways); i++)
    sum += get_statistic (statistics, ways[i]);
  g_assert_cmpuint (get_statistic (statistics, "requests"), ==, sum);
  g_assert_cmpuint (get_statistic (statistics, "open"), ==, 0);
  g_assert_cmpuint (get_statistic (statistics, "jobs"), ==, 0);
  g_assert_cmpuint (get_statistic (statistics, "pending"), ==, 0);
  return sum;
}

static void
plan_init (Plan        *self,
           TestFixture *f,
           guint        seed)
{
  *self = (Plan){ .f = f, .bus = f->bus };
  self->threads = test_threads_new (N_THREADS);
  self->conversation = agent_conversation_new (NULL);
  self->rand = g_rand_new_with_seed (seed);
  self->stalled = g_ptr_array_new_with_free_func (g_object_unref);
  self->tasks = g_ptr_array_new_with_free_func (g_object_unref);
  g_mutex_init (&self->lock);
  for (guint i = 0; i < N_ACTORS; i++)
    self->actors[i] = plan_new_actor (self, i);
}

static void
plan_clear (Plan *self)
{
  g_ptr_array_unref (self->tasks);
  g_ptr_array_unref (self->stalled);
  for (guint i = 0; i < N_ACTORS; i++)
    g_object_unref (self->actors[i]);
  g_ptr_array_unref (self->threads);
  g_object_unref (self->conversation);
  g_rand_free (self->rand);
  g_mutex_clear (&self->lock);
}

static void
play_plan (TestFixture *f,
           guint        seed)
{
  Plan    plan;
  guint64 n_requests = 0;

  plan_init (&plan, f, seed);
  for (guint i = 0; i < N_REQUESTS * 3; i++)
    {
      plan_do_something (&plan);
      plan_iterate (&plan);
    }
  plan_come_to_rest (&plan);
  test_stop (f);
  plan_sync (&plan);
  for (guint i = 0; i < N_ACTORS; i++)
    n_requests += assert_at_rest (plan.actors[i]);
  g_assert_cmpuint (n_requests, ==, plan.n_requests);
  g_assert_cmpuint (plan.n_finished, ==, plan.n_requests);
  test_assert_balanced (f->bus);
  plan_clear (&plan);
  agent_bus_start_async (f->bus, NULL, NULL, NULL);
  test_drain (f);
  g_string_truncate (f->log, 0); /* that channels are full */
}

static void
test_faults (TestFixture *f)
{
  guint       n_seeds = hammer_rounds (100);
  const char *seed = g_getenv ("AGENTBUS_SEED");

  agent_bus_set_shutdown_timeout (f->bus, 60 * 1000);
  if (seed != NULL)
    play_plan (f, g_ascii_strtoull (seed, NULL, 10));
  for (guint i = 0; seed == NULL && i < n_seeds; i++)
    {
      g_test_message ("seed %u", i);
      play_plan (f, i);
    }
}

int
main (int   argc,
      char *argv[])
{
  test_init_slow (&argc, &argv);
  test_actors_init ();
  test_add ("/agentbus/actor-faults/plans", test_faults);

  return g_test_run ();
}
