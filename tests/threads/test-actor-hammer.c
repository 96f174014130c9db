/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdatomic.h>

#include "hammer.h"
#include "test-actors.h"

/*
 * A thousand actors in four threads that request of one another. What a request asks for is in its number: an answer at once, one
 * from another thread, chunks before it, or something that the worker has to request of another one. Some tasks are cancelled
 * while they run. Each task ends once, and as it was asked for.
 */

#define N_THREADS 4
#define N_ACTORS 1000

typedef enum
{
  KIND_AT_ONCE,
  KIND_CHUNKS,
  KIND_LATER,
  KIND_NESTED,
  KIND_CANCELLED,
  KIND_FAILS,
  N_TASK_KINDS
} TaskKind;

typedef struct
{
  AgentBus     *bus;
  GPtrArray    *threads; /* of TestThread (owned) */
  GPtrArray    *actors;  /* of AgentActor (owned) */
  GAsyncQueue  *later;   /* of AgentJob (owned): answered by a thread of their own */
  _Atomic guint n_left;  /* how many requests may still begin */
  _Atomic guint n_open;
  _Atomic guint n_ended[AGENT_TASK_STATUS_CANCELLED + 1];
} Town;

typedef struct
{
  Town    *town;
  guint    number;
  guint    n_chunks;
  gint     n_finished;
  GThread *thread;
} Errand;

static void town_request (Town       *self,
                          AgentActor *actor);

static TaskKind
get_kind (guint number)
{
  return number % N_TASK_KINDS;
}

/* --- The requester --- */

static void
on_chunk (AgentTask *task,
          guint      index,
          GVariant  *payload,
          gpointer   user_data)
{
  Errand *errand = user_data;

  g_assert_cmpuint (index, ==, errand->n_chunks++);
}

static void
assert_result (AgentTask *task,
               Errand    *errand)
{
  switch (get_kind (errand->number))
    {
    case KIND_CANCELLED:
      g_assert_cmpint (agent_task_get_status (task), !=, AGENT_TASK_STATUS_FAILED);
      break;
    case KIND_FAILS:
      g_assert_error (agent_task_get_error (task), G_IO_ERROR, G_IO_ERROR_BUSY);
      break;
    case KIND_AT_ONCE:
    case KIND_CHUNKS:
    case KIND_LATER:
    case KIND_NESTED:
    case N_TASK_KINDS:
    default:
      g_assert_no_error (agent_task_get_error (task));
      g_assert_cmpuint (g_variant_get_uint32 (agent_task_get_response (task)), ==, errand->number);
      g_assert_cmpuint (errand->n_chunks, ==, get_kind (errand->number) == KIND_CHUNKS ? 3 : 0);
    }
}

static void
on_finished (AgentTask *task,
             gpointer   user_data)
{
  Errand     *errand = user_data;
  Town       *town = errand->town;
  AgentActor *actor = g_object_get_data (G_OBJECT (task), "actor");

  g_assert_cmpuint (errand->n_finished++, ==, 0);
  g_assert_true (g_main_context_is_owner (agent_subscriber_get_main_context (AGENT_SUBSCRIBER (actor))));
  assert_result (task, errand);
  town->n_ended[agent_task_get_status (task)]++;
  town_request (town, actor);
  town->n_open--;
}

static void
town_request (Town       *self,
              AgentActor *actor)
{
  guint            number = atomic_fetch_sub (&self->n_left, 1);
  Errand          *errand;
  g_autofree char *target = NULL;
  g_autoptr (AgentTask) task = NULL;

  if (number == 0 || number > G_MAXINT32)
    {
      self->n_left++;
      return;
    }

  self->n_open++;
  errand = g_new0 (Errand, 1);
  errand->town = self;
  errand->number = number;
  target = g_strdup_printf ("actor-%u", number * 2654435761u % N_ACTORS);
  if (g_str_equal (target, agent_subscriber_get_name (AGENT_SUBSCRIBER (actor))))
    target = (g_free (target), g_strdup ("spare"));
  task = agent_actor_request (actor, target, "errand", g_variant_new_uint32 (number));
  g_object_set_data_full (G_OBJECT (task), "actor", g_object_ref (actor), g_object_unref);
  g_object_set_data_full (G_OBJECT (task), "errand", errand, g_free);
  g_signal_connect (task, "chunk", G_CALLBACK (on_chunk), errand);
  g_signal_connect (task, "finished", G_CALLBACK (on_finished), errand);
  if (get_kind (number) == KIND_CANCELLED)
    agent_task_cancel (task, "never mind");
}

/* --- The worker --- */

static guint
job_get_number (AgentJob *job)
{
  return g_variant_get_uint32 (agent_job_get_payload (job));
}

static void
job_complete (AgentJob *job)
{
  agent_job_complete (job, g_variant_new_uint32 (job_get_number (job)));
}

static void
on_nested_finished (AgentTask *task,
                    gpointer   user_data)
{
  g_assert_cmpint (agent_task_get_status (task), ==, AGENT_TASK_STATUS_COMPLETED);
  job_complete (user_data);
}

/* Only of the oracle, which requests nothing, so that nobody waits for himself. */
static void
job_request_nested (AgentActor *worker,
                    AgentJob   *job)
{
  g_autoptr (AgentTask) task = agent_actor_request (worker, "oracle", NULL, NULL);

  g_signal_connect_data (task,
                         "finished",
                         G_CALLBACK (on_nested_finished),
                         g_object_ref (job),
                         (GClosureNotify) (void (*) (void)) g_object_unref,
                         0);
}

static void
job_send_chunks (AgentJob *job)
{
  for (guint i = 0; i < 3; i++)
    g_assert_true (agent_job_send_chunk (job, g_variant_new_uint32 (i)));
  job_complete (job);
}

static void
job_fail (AgentJob *job)
{
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_BUSY, "On purpose");

  agent_job_fail (job, error);
}

static void
on_request (AgentActor *worker,
            AgentJob   *job,
            gpointer    user_data)
{
  Town *town = user_data;

  switch (get_kind (job_get_number (job)))
    {
    case KIND_CHUNKS:
      job_send_chunks (job);
      break;
    case KIND_LATER:
    case KIND_CANCELLED:
      g_async_queue_push (town->later, g_object_ref (job));
      break;
    case KIND_NESTED:
      job_request_nested (worker, job);
      break;
    case KIND_FAILS:
      job_fail (job);
      break;
    case KIND_AT_ONCE:
    case N_TASK_KINDS:
    default:
      job_complete (job);
    }
}

static void
on_ask_oracle (AgentActor *oracle,
               AgentJob   *job,
               gpointer    user_data)
{
  agent_job_complete (job, NULL);
}

static gpointer
answer_later (gpointer data)
{
  Town    *town = data;
  gpointer job;

  while ((job = g_async_queue_pop (town->later)) != town)
    {
      job_complete (job);
      g_object_unref (job);
    }
  return NULL;
}

/* --- The run --- */

static AgentActor *
town_add (Town       *self,
          const char *name,
          guint       thread)
{
  TestThread *home = self->threads->pdata[thread];
  AgentActor *actor = g_object_new (
      AGENT_TYPE_ACTOR, "name", name, "main-context", home->context, "max-jobs", 0, "capacity", 1000000, NULL);
  g_autoptr (GError) error = NULL;

  agent_bus_subscribe (self->bus, AGENT_SUBSCRIBER (actor), &error);
  g_assert_no_error (error);
  return actor;
}

static void
town_build (Town *self)
{
  self->threads = test_threads_new (N_THREADS);
  self->later = g_async_queue_new ();
  self->actors = g_ptr_array_new_with_free_func (g_object_unref);
  for (guint i = 0; i < N_ACTORS + 1; i++)
    {
      g_autofree char *name = i < N_ACTORS ? g_strdup_printf ("actor-%u", i) : g_strdup ("spare");

      g_ptr_array_add (self->actors, town_add (self, name, i % N_THREADS));
      g_signal_connect (self->actors->pdata[i], "task-request", G_CALLBACK (on_request), self);
    }
  g_ptr_array_add (self->actors, town_add (self, "oracle", 0));
  g_signal_connect (self->actors->pdata[N_ACTORS + 1], "task-request", G_CALLBACK (on_ask_oracle), NULL);
}

/* In the actor's context: in another one, the task could have finished before somebody listens. */
static gboolean
begin_requests (gpointer data)
{
  AgentActor *actor = data;

  town_request (g_object_get_data (G_OBJECT (actor), "town"), actor);
  return G_SOURCE_REMOVE;
}

static void
town_start (Town *self)
{
  self->n_open = 1;
  for (guint i = 0; i < N_ACTORS; i++)
    {
      TestThread *home = self->threads->pdata[i % N_THREADS];

      g_object_set_data (self->actors->pdata[i], "town", self);
      g_main_context_invoke (home->context, begin_requests, self->actors->pdata[i]);
    }
  for (guint i = 0; i < N_THREADS; i++)
    test_thread_sync (self->threads->pdata[i]);
  self->n_open--;
}

static guint64
get_statistic (GVariant   *statistics,
               const char *name)
{
  guint64 value;

  g_assert_true (g_variant_lookup (statistics, name, "t", &value));
  return value;
}

static void
assert_at_rest (AgentActor *actor)
{
  g_autoptr (GVariant) statistics = agent_actor_get_statistics (actor);

  g_assert_cmpuint (get_statistic (statistics, "open"), ==, 0);
  g_assert_cmpuint (get_statistic (statistics, "jobs"), ==, 0);
  g_assert_cmpuint (get_statistic (statistics, "pending"), ==, 0);
  g_assert_cmpuint (get_statistic (statistics, "requests"),
                    ==,
                    get_statistic (statistics, "completed") + get_statistic (statistics, "failed") +
                        get_statistic (statistics, "cancelled"));
}

static void
town_clear (Town *self)
{
  g_ptr_array_unref (self->actors);
  g_ptr_array_unref (self->threads);
  g_async_queue_unref (self->later);
}

static void
test_hammer (TestFixture *f)
{
  guint    n_requests = hammer_rounds (10000);
  Town     town = { .bus = f->bus, .n_left = n_requests };
  GThread *answers;

  town_build (&town);
  answers = g_thread_new ("answers", answer_later, &town);
  town_start (&town);
  while (town.n_open > 0)
    {
      for (guint i = 0; i < N_THREADS; i++)
        test_thread_sync (town.threads->pdata[i]);
      test_drain (f);
    }

  g_async_queue_push (town.later, &town);
  g_thread_join (answers);
  test_stop (f);
  for (guint i = 0; i < town.actors->len; i++)
    assert_at_rest (town.actors->pdata[i]);
  g_assert_cmpuint (town.n_ended[AGENT_TASK_STATUS_COMPLETED] + town.n_ended[AGENT_TASK_STATUS_FAILED] +
                        town.n_ended[AGENT_TASK_STATUS_CANCELLED],
                    ==,
                    n_requests);
  test_assert_balanced (f->bus);
  town_clear (&town);
}

int
main (int   argc,
      char *argv[])
{
  test_init_slow (&argc, &argv);
  test_actors_init ();
  test_add ("/agentbus/actor-hammer/requests", test_hammer);

  return g_test_run ();
}
