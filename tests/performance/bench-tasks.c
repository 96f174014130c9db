/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a request costs beside two bare messages there and back, and beside what GLib has for asking. Who asks and who answers
 * are in one context, or in two threads. */

#include "config.h"

#include "bench-tasks.h"

#define N_TRIPS 100000

typedef struct
{
  AgentBus        *bus;
  AgentSubscriber *asking;
  AgentSubscriber *answering;
} TaskPair;

static void
pair_make (BenchAsker *self,
           GType       type)
{
  TaskPair *pair = g_new0 (TaskPair, 1);

  pair->bus = agent_bus_new ();
  pair->asking = g_object_new (type, "name", "asking", "main-context", self->asking->context, NULL);
  pair->answering = g_object_new (type, "name", "answering", "main-context", self->answering->context, NULL);
  self->data = pair;
}

static void
pair_subscribe (TaskPair *pair)
{
  bench_subscribe (pair->bus, pair->asking);
  bench_subscribe (pair->bus, pair->answering);
}

/* Nothing is under way when the objects go. */
static void
pair_free (BenchAsker *self)
{
  TaskPair *pair = self->data;

  agent_bus_unsubscribe (pair->bus, "asking");
  agent_bus_unsubscribe (pair->bus, "answering");
  test_thread_sync (self->asking);
  test_thread_sync (self->answering);
  g_object_unref (pair->asking);
  g_object_unref (pair->answering);
  g_object_unref (pair->bus);
  g_free (pair);
}

/* --- Bare messages --- */

static void
message_on_question (AgentSubscriber *subscriber,
                     AgentMessage    *message,
                     gpointer         user_data)
{
  BenchAsker *self = user_data;

  agent_bus_send (((TaskPair *) self->data)->bus, bench_data ("answering", "asking"));
}

static void
message_on_answer (AgentSubscriber *subscriber,
                   AgentMessage    *message,
                   gpointer         user_data)
{
  bench_asker_take_answer (user_data);
}

static void
message_make (BenchAsker *self)
{
  TaskPair *pair;

  pair_make (self, AGENT_TYPE_SUBSCRIBER);
  pair = self->data;
  g_signal_connect (pair->asking, "message", G_CALLBACK (message_on_answer), self);
  g_signal_connect (pair->answering, "message", G_CALLBACK (message_on_question), self);
  pair_subscribe (pair);
}

static void
message_ask (BenchAsker *self)
{
  agent_bus_send (((TaskPair *) self->data)->bus, bench_data ("asking", "answering"));
}

static void
bench_messages (const char *name,
                guint       n_threads)
{
  const BenchAsker way = { .ask = message_ask, .make = message_make, .free = pair_free };

  bench_asker_measure (name, &way, n_threads, N_TRIPS);
}

/* --- Requests --- */

static void
request_on_job (AgentActor *worker,
                AgentJob   *job,
                gpointer    user_data)
{
  agent_job_complete (job, NULL);
}

static void
request_on_finished (AgentTask *task,
                     gpointer   user_data)
{
  if (agent_task_get_status (task) != AGENT_TASK_STATUS_COMPLETED)
    g_error ("A task has failed");
  bench_asker_take_answer (user_data);
}

static void
request_make (BenchAsker *self)
{
  TaskPair *pair;

  pair_make (self, AGENT_TYPE_ACTOR);
  pair = self->data;
  g_signal_connect (pair->answering, "task-request", G_CALLBACK (request_on_job), NULL);
  pair_subscribe (pair);
}

static void
request_ask (BenchAsker *self)
{
  TaskPair *pair = self->data;
  g_autoptr (AgentTask) task = agent_actor_request (AGENT_ACTOR (pair->asking), "answering", NULL, NULL);

  g_signal_connect (task, "finished", G_CALLBACK (request_on_finished), self);
}

static void
bench_requests (const char *name,
                guint       n_threads)
{
  const BenchAsker way = { .ask = request_ask, .make = request_make, .free = pair_free };

  bench_asker_measure (name, &way, n_threads, N_TRIPS);
}

static const BenchScenario scenarios[] = {
  /* Threads. */
  { "task_messages_1", bench_messages, 1 },
  { "task_messages_2", bench_messages, 2 },
  { "task_request_1", bench_requests, 1 },
  { "task_request_2", bench_requests, 2 },
  { "task_gtask_1", bench_tasks_gtask, 1 },
  { "task_gtask_2", bench_tasks_gtask, 2 },
  { "task_gdbus_1", bench_tasks_gdbus, 1 },
  { "task_gdbus_2", bench_tasks_gdbus, 2 },
};

int
main (int   argc,
      char *argv[])
{
  return bench_main (argc, argv, scenarios, G_N_ELEMENTS (scenarios));
}
