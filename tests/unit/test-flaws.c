/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include "bus/agent-bus-private.h"
#include "bus/agent-directory-private.h"
#include "mailbox/agent-mailbox-private.h"
#include "test-actors.h"

/*
 * What the bus that this one follows gets wrong: one test for each flaw, short and direct. The numbers are those of
 * the list of flaws; BF32 is in test-allocations.c.
 *
 * The linker puts the __wrap functions here in the place of those that the library compares names with.
 */

static AgentMessage *
test_end (const char *target)
{
  return agent_message_new_end ("test", target, NULL);
}

static TestRecorder *
subscribe_full (TestFixture  *f,
                TestRecorder *recorder)
{
  g_autoptr (GError) error = NULL;

  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (recorder), &error);
  g_assert_no_error (error);
  return recorder;
}

/* BF1: a task request or the end of a stream was dropped like any other data when the channel was full. */
static void
test_bf1 (TestFixture *f)
{
  g_autoptr (TestRecorder) a =
      subscribe_full (f, test_recorder_new_full (NULL, NULL, "name", "a", "capacity", 2, NULL));

  for (guint i = 1; i <= 5; i++)
    {
      AgentMessage *message = test_data ("test", "a", i);

      agent_message_set_reliable (message, i >= 4);
      g_assert_cmpuint (agent_bus_send (f->bus, message), ==, i != 3);
    }

  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 2 4 5");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_FULL], ==, 1);
  test_expect_log (f, "'a' is full");
}

/* BF1: a request that was lost left its requester waiting for ever. */
static void
test_bf1_request (TestFixture *f)
{
  g_autoptr (AgentActor) boss = test_actor_new (f, "boss");
  g_autoptr (AgentActor) worker =
      test_actor_join (f, g_object_new (AGENT_TYPE_ACTOR, "name", "worker", "capacity", 2, NULL));
  g_autoptr (GPtrArray) jobs = test_jobs_new (worker);
  AgentTask *tasks[5];

  for (guint i = 0; i < G_N_ELEMENTS (tasks); i++)
    tasks[i] = agent_actor_request (boss, "worker", NULL, NULL);

  /* The sender knows at once that there is no room. What comes later takes no place from what was accepted. */
  for (guint i = 0; i < G_N_ELEMENTS (tasks); i++)
    g_assert_cmpint (agent_task_has_finished (tasks[i]), ==, i >= 2);
  for (guint i = 2; i < G_N_ELEMENTS (tasks); i++)
    test_task_assert_failed (f, tasks[i], AGENT_BUS_ERROR_FULL);
  for (guint i = 0; i < 2; i++)
    {
      test_drain (f);
      agent_job_complete (jobs->pdata[i], NULL);
    }
  g_ptr_array_set_size (jobs, 0);
  for (guint i = 0; i < 2; i++)
    test_task_assert_completed (f, tasks[i]);
}

/* BF2: a TASK_CANCEL overtook the request that it was to cancel, found nothing, and the request was worked on. */
static void
test_bf2 (TestFixture *f)
{
  g_autoptr (AgentActor) boss = test_actor_new (f, "boss");
  g_autoptr (AgentActor) worker = test_actor_new (f, "worker");
  g_autoptr (GPtrArray) jobs = test_jobs_new (worker);
  AgentTask *idle = agent_actor_request (boss, "worker", NULL, NULL);
  AgentTask *first;
  AgentTask *queued;

  agent_task_cancel (idle, NULL);
  test_task_assert_cancelled (f, idle);
  g_assert_cmpuint (jobs->len, ==, 0);

  first = agent_actor_request (boss, "worker", NULL, NULL);
  queued = agent_actor_request (boss, "worker", NULL, NULL);
  test_drain (f);
  agent_task_cancel (queued, NULL);
  agent_job_complete (jobs->pdata[0], NULL);
  test_task_assert_completed (f, first);
  test_task_assert_cancelled (f, queued);
  g_assert_cmpuint (jobs->len, ==, 1);
  g_ptr_array_set_size (jobs, 0);
}

/* The same for a worker that is a plain subscriber and busy with something else, and for one that is no actor's at all. */
static void
test_bf2_plain (TestFixture *f)
{
  g_autoptr (AgentActor) boss = test_actor_new (f, "boss");
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) worker = test_recorder_subscribe (f, "worker", test_keep_first, &delivery);
  AgentTask *task;

  agent_bus_send (f->bus, test_data ("test", "worker", 1));
  test_drain (f);
  task = agent_actor_request (boss, "worker", NULL, NULL);
  agent_task_cancel (task, NULL);
  agent_bus_send (f->bus, agent_message_new_task_request ("ui", "worker", "2", NULL, NULL));
  agent_bus_send (f->bus, agent_message_new_task_cancel ("ui", "worker", "2", NULL));
  test_drain (f);
  agent_delivery_complete (delivery);
  test_task_assert_cancelled (f, task);
  for (guint i = 0; i < worker->messages->len; i++)
    g_assert_cmpint (agent_message_get_message_type (worker->messages->pdata[i]), !=, AGENT_MESSAGE_TYPE_TASK_REQUEST);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_CANCELLED], ==, 2);
}

/* The same for a request that a dispatcher keeps until there is a router. */
static void
test_bf2_parked (TestFixture *f)
{
  g_autoptr (AgentActor) boss = test_actor_new (f, "boss");
  g_autoptr (AgentActor) worker = NULL;
  g_autoptr (AgentRouteTable) table = agent_route_table_new ();
  g_autoptr (AgentRouterDispatcher) dispatcher = agent_router_dispatcher_new (f->bus, table);
  g_autoptr (GPtrArray) jobs = NULL;
  AgentTask *task;

  agent_actor_set_dispatcher (boss, dispatcher);
  task = agent_actor_request (boss, "x", NULL, NULL);
  g_assert_false (agent_task_has_finished (task));
  agent_task_cancel (task, NULL);
  test_drain (f);
  worker = test_actor_new (f, "worker");
  jobs = test_jobs_new (worker);
  agent_route_table_assign (table, "x", "worker");
  test_task_assert_cancelled (f, task);
  g_assert_cmpuint (jobs->len, ==, 0);
  agent_actor_set_dispatcher (boss, NULL);
}

/* BF3: a graceful END came before the work that was queued, which was then thrown away. */
static void
test_bf3 (TestFixture *f)
{
  g_autoptr (AgentActor) boss = test_actor_new (f, "boss");
  g_autoptr (AgentActor) worker = test_actor_new (f, "worker");
  g_autoptr (GPtrArray) jobs = test_jobs_new (worker);
  AgentTask *tasks[3];

  for (guint i = 0; i < G_N_ELEMENTS (tasks); i++)
    tasks[i] = agent_actor_request (boss, "worker", NULL, NULL);
  agent_bus_send (f->bus, test_end ("worker"));
  for (guint i = 0; i < G_N_ELEMENTS (tasks); i++)
    {
      test_drain (f);
      g_assert_cmpint (agent_actor_get_state (worker), ==, AGENT_ACTOR_STATE_ENDING);
      agent_job_complete (jobs->pdata[i], NULL);
    }
  g_ptr_array_set_size (jobs, 0);
  for (guint i = 0; i < G_N_ELEMENTS (tasks); i++)
    test_task_assert_completed (f, tasks[i]);
  g_assert_cmpint (agent_actor_get_state (worker), ==, AGENT_ACTOR_STATE_ENDED);
}

static void
answer_urgently (TestRecorder *recorder,
                 AgentMessage *message,
                 gpointer      user_data)
{
  AgentBus   *bus = user_data;
  const char *source = agent_message_get_source (message);
  const char *id = agent_message_get_task_id (message);

  for (gint32 i = 0; i < 3; i++)
    agent_bus_send (bus, agent_message_new_task_stream_data ("worker", source, id, g_variant_new_int32 (i)));
  agent_bus_send (
      bus, agent_message_new_task_response_urgent ("worker", source, id, AGENT_TASK_STATUS_COMPLETED, NULL));
}

static void
count_chunk (AgentTask *task,
             guint      index,
             GVariant  *payload,
             gpointer   user_data)
{
  g_assert_false (agent_task_has_finished (task));
  g_assert_cmpuint (index, ==, (*(guint *) user_data)++);
}

/* BF4: an urgent answer overtook its own stream, whose chunks then belonged to nothing. */
static void
test_bf4 (TestFixture *f)
{
  g_autoptr (AgentActor) boss = test_actor_new (f, "boss");
  g_autoptr (TestRecorder) worker = test_recorder_subscribe (f, "worker", answer_urgently, f->bus);
  AgentTask *task = agent_actor_request (boss, "worker", NULL, NULL);
  guint      n_chunks = 0;

  g_signal_connect (task, "chunk", G_CALLBACK (count_chunk), &n_chunks);
  test_task_assert_completed (f, task);
  g_assert_cmpuint (n_chunks, ==, 3);
}

/* BF5: a CANCEL waited until the handler of the message that it was to cancel had ended by itself. */
static void
test_bf5 (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", test_keep_first, &delivery);

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  g_assert_true (agent_delivery_is_cancelled (delivery));
  test_drain (f);
  g_assert_true (g_cancellable_is_cancelled (agent_delivery_get_cancellable (delivery)));
  agent_delivery_complete (delivery);
}

static void
defer_message (AgentSubscriber *actor,
               AgentMessage    *message,
               gpointer         user_data)
{
  AgentDelivery **delivery = user_data;

  *delivery = agent_subscriber_defer (actor);
}

static void
count_cancel (AgentActor *actor,
              const char *reason,
              gpointer    user_data)
{
  (*(guint *) user_data)++;
}

/* The same for an actor: its own rules hear of it while the handler goes on. */
static void
test_bf5_actor (TestFixture *f)
{
  g_autoptr (AgentActor) actor = test_actor_new (f, "a");
  g_autoptr (AgentDelivery) delivery = NULL;
  guint n_cancelled = 0;

  g_signal_connect (actor, "message", G_CALLBACK (defer_message), &delivery);
  g_signal_connect (actor, "cancelled", G_CALLBACK (count_cancel), &n_cancelled);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  test_drain (f);
  g_assert_cmpuint (n_cancelled, ==, 1);
  g_assert_true (g_cancellable_is_cancelled (agent_delivery_get_cancellable (delivery)));
  agent_delivery_complete (delivery);
}

/* BF8: a full channel kept stale messages and lost the fresh ones. */
static void
test_bf8 (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_full (f,
                                               test_recorder_new_full (NULL,
                                                                       NULL,
                                                                       "name",
                                                                       "a",
                                                                       "capacity",
                                                                       3,
                                                                       "overflow",
                                                                       AGENT_OVERFLOW_DROP_OLDEST,
                                                                       NULL));

  for (guint i = 1; i <= 10; i++)
    g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", "a", i)), ==, 1);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "8 9 10");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_FULL], ==, 7);
  test_expect_log (f, "'a' is full");
}

/* BF9: the sender was told nothing, nobody was signalled, and the counter vanished with the subscriber. */
static void
test_bf9 (TestFixture *f)
{
  g_autoptr (TestRecorder) a =
      subscribe_full (f, test_recorder_new_full (NULL, NULL, "name", "a", "capacity", 1, NULL));

  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", "a", 1)), ==, 1);
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", "a", 2)), ==, 0);
  test_drain (f);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_FULL], ==, 1);
  test_expect_log (f, "'a' is full");

  g_assert_true (test_unsubscribe (f, "a", NULL));
  g_assert_cmpuint (test_ledger (f->bus).dropped[AGENT_DROP_REASON_FULL], ==, 1);
  subscribe_full (f, a);
  g_assert_cmpuint (test_ledger (f->bus).dropped[AGENT_DROP_REASON_FULL], ==, 1);
  g_assert_cmpuint (agent_subscriber_get_n_dropped (AGENT_SUBSCRIBER (a)), ==, 1);
}

/* BF10: what was discarded at the end, and sent to nobody or too late, was not counted. */
static void
test_bf10 (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  TestLedger ledger;

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_data ("test", "nobody", 2));
  agent_bus_send (f->bus, test_data ("a", NULL, 3));
  test_stop (f);
  agent_bus_send (f->bus, test_data ("test", "a", 4));

  ledger = test_ledger (f->bus);
  g_assert_cmpuint (ledger.sent, ==, 4);
  g_assert_cmpuint (ledger.offered, ==, 4);
  g_assert_cmpuint (ledger.dropped[AGENT_DROP_REASON_DISCARDED], ==, 1);
  g_assert_cmpuint (ledger.dropped[AGENT_DROP_REASON_NO_TARGET], ==, 2);
  g_assert_cmpuint (ledger.dropped[AGENT_DROP_REASON_CLOSED], ==, 1);
  test_assert_balanced (f->bus);
}

/* BF11: a message to an unknown target was ignored without a word. */
static void
test_bf11 (TestFixture *f)
{
  g_assert_cmpuint (agent_bus_send (f->bus, test_end ("nobody")), ==, 0);
  test_drain (f);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_NO_TARGET], ==, 1);
}

static guint n_compared;

int      __real_strcmp (const char *a, const char *b);
int      __wrap_strcmp (const char *a, const char *b);
int      __real_g_strcmp0 (const char *a, const char *b);
int      __wrap_g_strcmp0 (const char *a, const char *b);
gboolean __real_g_str_equal (gconstpointer a, gconstpointer b);
gboolean __wrap_g_str_equal (gconstpointer a, gconstpointer b);

int
__wrap_strcmp (const char *a,
               const char *b)
{
  n_compared++;
  return __real_strcmp (a, b);
}

int
__wrap_g_strcmp0 (const char *a,
                  const char *b)
{
  n_compared++;
  return __real_g_strcmp0 (a, b);
}

gboolean
__wrap_g_str_equal (gconstpointer a,
                    gconstpointer b)
{
  n_compared++;
  return __real_g_str_equal (a, b);
}

/* BF12: a message to one was compared with the names of all. */
static void
test_bf12 (TestFixture *f)
{
  g_autoptr (GPtrArray) recorders = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < 1000; i++)
    {
      g_autofree char *name = g_strdup_printf ("many-%u", i);

      g_ptr_array_add (recorders, test_recorder_subscribe (f, name, NULL, NULL));
    }
  agent_bus_send (f->bus, test_data ("test", "many-0", 0));

  n_compared = 0;
  for (guint i = 0; i < 1000; i++)
    {
      g_autofree char *name = g_strdup_printf ("many-%u", i);

      g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", name, i)), ==, 1);
      g_assert_true (agent_bus_get_dropped (f->bus, name, NULL));
    }
  g_assert_cmpuint (n_compared, <=, 20 * 1000);
}

static gpointer
send_hundreds (gpointer bus)
{
  for (guint i = 0; i < 500; i++)
    agent_bus_send (bus, test_data ("test", NULL, i));

  return NULL;
}

static void
assert_rising (TestRecorder *recorder)
{
  guint64 last = 0;

  g_assert_cmpuint (test_recorder_count (recorder), ==, 2000);
  for (guint i = 0; i < recorder->messages->len; i++)
    {
      guint64 seq = agent_message_get_seq (recorder->messages->pdata[i]);

      g_assert_cmpuint (seq, ==, last + 1);
      last = seq;
    }
}

/* BF13: the sequence number was not the order in which anybody saw the messages. */
static void
test_bf13 (TestFixture *f)
{
  g_autoptr (AgentBus) bus = g_object_new (AGENT_TYPE_BUS, "total-order", TRUE, "capacity", 2000, NULL);
  g_autoptr (TestRecorder) a = test_recorder_new ("a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_new ("b", NULL, NULL);
  GThread *threads[4];

  agent_bus_subscribe (bus, AGENT_SUBSCRIBER (a), NULL);
  agent_bus_subscribe (bus, AGENT_SUBSCRIBER (b), NULL);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("test-sender", send_hundreds, bus);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  test_drain (f);
  assert_rising (a);
  assert_rising (b);
}

/* BF14: a control message was lost when it was sent to somebody found just before he left. */
static void
test_bf14 (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  AgentMailbox *mailbox = _agent_directory_lookup (f->bus->directory, "a");
  AgentSender  *sender = _agent_sender_get ();

  agent_bus_send (f->bus, test_end ("a"));
  agent_bus_unsubscribe (f->bus, "a");
  g_assert_false (_agent_mailbox_push (mailbox, test_cancel ("test", "a"), sender));
  g_assert_false (_agent_mailbox_push (mailbox, test_data ("test", "a", 1), sender));
  _agent_sender_collect (sender);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "end");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_CLOSED], ==, 2);
  test_assert_balanced (f->bus);
  _agent_mailbox_unref (mailbox);
}

/* BF14: what was sent while the bus stopped, such as late answers, was lost and not counted. */
static void
test_bf14_while_stopping (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", test_keep_first, &delivery);
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  agent_bus_stop_async (f->bus, NULL, test_keep_result, &result);
  g_assert_cmpuint (agent_bus_send (f->bus, test_end ("a")), ==, 0);
  test_drain (f);
  g_assert_null (result);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_CLOSED], ==, 1);
  test_assert_balanced (f->bus);

  agent_delivery_complete (delivery);
  test_wait_result (f, &result);
  g_assert_true (agent_bus_stop_finish (f->bus, result, NULL));
}

/* BF15: those that hung were waited for one after another, and the rest of their messages was lost silently. */
static void
test_bf15 (TestFixture *f)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (TestRecorder) a = subscribe_full (
      f, test_recorder_new_full (NULL, NULL, "name", "a", "main-context", context, NULL));
  g_autoptr (TestRecorder) b = subscribe_full (
      f, test_recorder_new_full (NULL, NULL, "name", "b", "main-context", context, NULL));
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_bus_set_shutdown_timeout (f->bus, 1);
  agent_bus_send (f->bus, test_end (NULL));
  agent_bus_stop_async (f->bus, NULL, test_keep_result, &result);
  while (f->log->len == 0)
    g_main_context_iteration (f->context, TRUE);
  g_assert_nonnull (strstr (f->log->str, "'a' did not leave"));
  test_expect_log (f, "'b' did not leave");

  test_wait_result (f, &result);
  g_assert_false (agent_bus_stop_finish (f->bus, result, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
  test_drain (f);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 2);
}

/* BF16: unsubscribe came back while the handler might still run. */
static void
test_bf16 (TestFixture *f)
{
  g_autoptr (TestThread) thread = test_thread_new ();
  g_autoptr (TestRecorder) a = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  TestGate gate;

  test_gate_init (&gate);
  a = subscribe_full (f,
                      test_recorder_new_full (test_gate_handler,
                                              &gate,
                                              "name",
                                              "a",
                                              "main-context",
                                              thread->context,
                                              NULL));
  agent_bus_send (f->bus, test_end ("a"));
  agent_bus_send (f->bus, test_end ("a"));
  test_gate_wait (&gate);
  agent_bus_unsubscribe_async (f->bus, "a", NULL, test_keep_result, &result);
  test_drain (f);
  g_assert_null (result);

  test_gate_open (&gate);
  test_wait_result (f, &result);
  g_assert_false (a->in_handler);
  g_assert_cmpuint (test_recorder_count (a), ==, 2);
  g_assert_true (agent_bus_unsubscribe_finish (f->bus, result, NULL));
  test_gate_clear (&gate);
}

typedef struct
{
  TestFixture  *fixture;
  GAsyncResult *result;
} Leaver;

static void
leave (TestRecorder *recorder,
       AgentMessage *message,
       gpointer      user_data)
{
  Leaver *self = user_data;

  agent_bus_unsubscribe_async (self->fixture->bus, "a", NULL, test_keep_result, &self->result);
}

/* BF17: unsubscribing from the own handler waited for itself, and then killed the handler. */
static void
test_bf17 (TestFixture *f)
{
  Leaver leaver = { f, NULL };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", leave, &leaver);

  agent_bus_set_shutdown_timeout (f->bus, G_MAXINT);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  g_assert_nonnull (leaver.result);
  g_assert_true (agent_bus_unsubscribe_finish (f->bus, leaver.result, NULL));
  g_object_unref (leaver.result);
}

static void
fail (TestRecorder *recorder,
      AgentMessage *message,
      gpointer      user_data)
{
  g_autoptr (AgentDelivery) delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));

  agent_delivery_fail_message (delivery, "Out of order");
}

static void
complete_delivery (AgentTask *task,
                   gpointer   user_data)
{
  agent_delivery_complete (user_data);
}

static void
await_own_request (AgentSubscriber *actor,
                   AgentMessage    *message,
                   gpointer         user_data)
{
  AgentTask **task = user_data;

  *task = agent_actor_request (AGENT_ACTOR (actor), "worker", NULL, NULL);
  g_signal_connect_data (*task,
                         "finished",
                         G_CALLBACK (complete_delivery),
                         agent_subscriber_defer (actor),
                         (GClosureNotify) (void (*) (void)) g_object_unref,
                         0);
}

/* The same for a handler that waits for the answer to its own request, which it kept from coming. */
static void
test_bf17_own_request (TestFixture *f)
{
  g_autoptr (AgentActor) actor = test_actor_new (f, "actor");
  g_autoptr (AgentActor) worker = test_actor_new (f, "worker");
  g_autoptr (GPtrArray) jobs = test_jobs_new (worker);
  AgentTask *first = NULL;
  AgentTask *second;

  g_signal_connect (actor, "message", G_CALLBACK (await_own_request), &first);
  agent_bus_send (f->bus, test_data ("test", "actor", 1));
  agent_bus_send (f->bus, test_data ("test", "actor", 2));
  test_drain (f);
  g_assert_cmpuint (jobs->len, ==, 1);
  g_assert_cmpuint (agent_subscriber_get_n_queued (AGENT_SUBSCRIBER (actor)), ==, 1);
  second = g_steal_pointer (&first);
  agent_job_complete (jobs->pdata[0], NULL);
  test_task_assert_completed (f, second);
  g_assert_cmpuint (jobs->len, ==, 2);
  agent_job_complete (jobs->pdata[1], NULL);
  g_ptr_array_set_size (jobs, 0);
  test_task_assert_completed (f, first);
  g_assert_true (test_unsubscribe (f, "actor", NULL));
}

/* It may leave meanwhile: the task ends, and so does the wait of the handler. */
static void
test_bf17_leaves (TestFixture *f)
{
  g_autoptr (AgentActor) actor = test_actor_new (f, "actor");
  g_autoptr (AgentActor) worker = test_actor_new (f, "worker");
  g_autoptr (GPtrArray) jobs = test_jobs_new (worker);
  AgentTask *task = NULL;

  g_signal_connect (actor, "message", G_CALLBACK (await_own_request), &task);
  agent_bus_send (f->bus, test_data ("test", "actor", 1));
  test_drain (f);
  agent_bus_unsubscribe (f->bus, "actor");
  test_task_assert_failed (f, task, AGENT_BUS_ERROR_CLOSED);
  g_assert_true (g_cancellable_is_cancelled (agent_job_get_cancellable (jobs->pdata[0])));
  g_ptr_array_set_size (jobs, 0);
  g_assert_cmpint (agent_actor_get_state (actor), ==, AGENT_ACTOR_STATE_ENDED);
}

/* BF18: a handler that failed ended its subscriber, silently, with its name taken. */
static void
test_bf18 (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", fail, NULL);

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", "a", 2)), ==, 1);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 2");
  g_assert_cmpuint (test_ledger (f->bus).failed, ==, 2);
}

/* BF19: a bus that was dropped without being stopped left its subscribers behind for ever. */
static void
test_bf19 (TestFixture *f)
{
  TestRecorder *a = test_recorder_subscribe (f, "a", NULL, NULL);

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_end ("a"));
  test_assert_dies (g_steal_pointer (&f->bus));
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 0);
  test_assert_dies (a);
}

/* BF20: one could subscribe to a stopped bus, and got nothing. */
static void
test_bf20 (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_new ("a", NULL, NULL);
  g_autoptr (GError) error = NULL;

  agent_bus_stop_async (f->bus, NULL, NULL, NULL);
  g_assert_false (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED);

  agent_bus_start_async (f->bus, NULL, NULL, NULL);
  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");
}

/* BF21: who took over a name might get messages of the one before. */
static void
test_bf21 (TestFixture *f)
{
  g_autoptr (TestRecorder) old = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) new = NULL;

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_end ("a"));
  agent_bus_unsubscribe (f->bus, "a");
  new = test_recorder_subscribe (f, "a", NULL, NULL);
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (old), ==, "end");
  g_assert_cmpstr (test_recorder_text (new), ==, "2");
}

/* BF22: a subscriber with a name in use was set going before anybody looked. */
static void
test_bf22 (TestFixture *f)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  TestRecorder *second =
      test_recorder_new_full (NULL, NULL, "name", "a", "main-context", context, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_false (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (second), &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_EXISTS);
  g_assert_null (agent_subscriber_dup_bus (AGENT_SUBSCRIBER (second)));
  for (guint id = 1; id < 10; id++)
    g_assert_null (g_main_context_find_source_by_id (context, id));
  test_assert_dies (second);

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");
}

static void
on_full (AgentBus        *bus,
         AgentSubscriber *subscriber,
         guint64          n,
         guint           *n_told)
{
  ++*n_told;
}

static void
on_finished (GObject      *source,
             GAsyncResult *result,
             gpointer      finished)
{
  g_assert_true (agent_bus_send_finish (AGENT_BUS (source), result, NULL));
  *(gboolean *) finished = TRUE;
}

/* BF23: a fast sender could neither know that there was no room nor wait for it. */
static void
test_bf23 (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_full (f, test_recorder_new_full (NULL, NULL, "name", "a", "capacity", 4, NULL));
  g_autoptr (AgentMessage) fifth = test_data ("test", "a", 5);
  g_autoptr (GError) error = NULL;
  guint    n_slow = 0;
  guint    n_recovered = 0;
  gboolean finished = FALSE;

  g_signal_connect (f->bus, "slow", G_CALLBACK (on_full), &n_slow);
  g_signal_connect (f->bus, "recovered", G_CALLBACK (on_full), &n_recovered);
  for (guint i = 1; i <= 4; i++)
    g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", "a", i)), ==, 1);
  g_assert_false (agent_bus_try_send (f->bus, fifth, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_FULL);
  agent_bus_send_async (f->bus, fifth, NULL, on_finished, &finished);
  g_assert_false (finished);

  test_run_until (f, &finished);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 2 3 4 5");
  g_assert_cmpuint (n_slow, ==, 1);
  g_assert_cmpuint (n_recovered, ==, 1);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_FULL], ==, 0);
}

static AgentMessage *
test_video (const char *target,
            gsize       size)
{
  g_autoptr (GBytes) data = g_bytes_new_take (g_malloc0 (size), size);
  g_autoptr (AgentFrame) frame = agent_frame_new ("video", data, NULL);

  return agent_message_new_frame ("test", target, frame, AGENT_FRAME_DIRECTION_DOWNSTREAM);
}

/* BF24: the only bound was a number of messages, the same for all subscribers; frames could take gigabytes. */
static void
test_bf24 (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_full (
      f,
      test_recorder_new_full (NULL, NULL, "name", "a", "max-bytes", G_GUINT64_CONSTANT (10000), NULL));
  g_autoptr (TestRecorder) b =
      subscribe_full (f, test_recorder_new_full (NULL, NULL, "name", "b", "capacity", 1, NULL));

  g_assert_cmpuint (agent_bus_send (f->bus, test_video (NULL, 4000)), ==, 2);
  g_assert_cmpuint (agent_bus_send (f->bus, test_video (NULL, 4000)), ==, 1);
  g_assert_cmpuint (agent_bus_send (f->bus, test_video (NULL, 4000)), ==, 0);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 2);
  g_assert_cmpuint (test_recorder_count (b), ==, 1);
  g_string_truncate (f->log, 0);
}

/* BF24: nothing bounded the age of what waits, either. */
static void
test_bf24_age (TestFixture *f)
{
  g_autoptr (TestRecorder) a =
      subscribe_full (f, test_recorder_new_full (NULL, NULL, "name", "a", "max-age", 20, NULL));

  test_clock_freeze ();
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_clock_advance (10000);
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  test_clock_advance (10000);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "2");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_EXPIRED], ==, 1);
}

static void
count_signal (AgentSubscriber *subscriber,
              AgentMessage    *message,
              gpointer         user_data)
{
  (*(guint *) user_data)++;
}

/* BF25: an application could not send anything that the library had not thought of. */
static void
test_bf25 (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  guint         n_heard = 0;
  AgentMessage *message;

  g_signal_connect (a, "message::gesture", G_CALLBACK (count_signal), &n_heard);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus,
                  agent_message_new_custom (
                      "gesture", AGENT_CHANNEL_SYSTEM, "test", "a", g_variant_new_string ("wave")));
  agent_bus_send (f->bus, agent_message_new_custom ("gaze", AGENT_CHANNEL_DATA, "test", "a", NULL));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "gesture 1 gaze");
  g_assert_cmpuint (n_heard, ==, 1);
  message = a->messages->pdata[0];
  g_assert_cmpstr (g_variant_get_string (agent_message_get_payload (message), NULL), ==, "wave");
}

/* BF26: a message carried neither when it was sent, nor how long it is good for, nor what it belongs to. */
static void
test_bf26 (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (AgentConversation) conversation = agent_conversation_new ("talk");
  AgentMessage *request = agent_message_new_task_request ("test", "a", "7", NULL, NULL);
  AgentMessage *update = test_data ("test", "a", 7);

  test_clock_freeze ();
  agent_message_set_trace (request, "4bf92f");
  agent_message_set_conversation (request, conversation);
  agent_bus_send (f->bus, agent_message_ref (request));
  agent_message_set_ttl (update, 50);
  agent_message_set_cause (update, request);
  agent_message_unref (request);
  test_clock_advance (1);
  agent_bus_send (f->bus, update);
  test_drain (f);

  request = a->messages->pdata[0];
  update = a->messages->pdata[1];
  g_assert_cmpuint (agent_message_get_seq (request), ==, 1);
  g_assert_cmpuint (agent_message_get_seq (update), ==, 2);
  g_assert_cmpint (agent_message_get_sent_at (update), ==, agent_message_get_sent_at (request) + 1);
  g_assert_cmpuint (agent_message_get_ttl (update), ==, 50);
  g_assert_cmpstr (agent_message_get_task_id (update), ==, agent_message_get_task_id (request));
  g_assert_cmpuint (agent_message_get_cause (update), ==, 1);
  g_assert_cmpstr (agent_message_get_trace (request), ==, "4bf92f");
  g_assert_true (agent_message_get_conversation (update) == conversation);

  /* What is not good for anything any more is not delivered. */
  agent_conversation_advance (conversation);
  agent_bus_send (f->bus, agent_message_ref (update));
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 2);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_STALE], ==, 1);
}

static void
assert_fate (AgentMessage   *message,
             guint           n_accepted,
             AgentDropReason reason)
{
  guint           n_actual;
  AgentDropReason actual;

  g_assert_true (agent_message_get_fate (message, &n_actual, &actual));
  g_assert_cmpuint (n_actual, ==, n_accepted);
  if (n_accepted == 0)
    g_assert_cmpuint (actual, ==, reason);
}

/* BF29: nobody could see what others were sent, still less what was dropped. */
static void
test_bf29 (TestFixture *f)
{
  g_autoptr (TestRecorder) monitor = test_recorder_new ("monitor", NULL, NULL);
  g_autoptr (TestRecorder) a =
      subscribe_full (f, test_recorder_new_full (NULL, NULL, "name", "a", "capacity", 1, NULL));
  g_autoptr (GError) error = NULL;

  agent_bus_add_monitor (f->bus, AGENT_SUBSCRIBER (monitor), NULL, &error);
  g_assert_no_error (error);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  agent_bus_send (f->bus, test_data ("test", "nobody", 3));

  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");
  g_assert_cmpstr (test_recorder_text (monitor), ==, "1 2 3");
  assert_fate (monitor->messages->pdata[0], 1, 0);
  assert_fate (monitor->messages->pdata[1], 0, AGENT_DROP_REASON_FULL);
  assert_fate (monitor->messages->pdata[2], 0, AGENT_DROP_REASON_NO_TARGET);
  test_assert_balanced (f->bus);
  test_expect_log (f, "'a' is full");
}

static AgentMessage *
test_about (const char *topic,
            guint       number,
            gboolean    retained)
{
  AgentMessage *message = test_data ("test", NULL, number);

  agent_message_set_topic (message, topic);
  agent_message_set_retained (message, retained);
  return message;
}

static void
add_topic (TestRecorder *recorder,
           const char   *pattern)
{
  g_autoptr (GError) error = NULL;

  agent_subscriber_add_topic (AGENT_SUBSCRIBER (recorder), pattern, &error);
  g_assert_no_error (error);
}

/* BF30: a broadcast woke every subscriber, which then had to look whether it was of interest. */
static void
test_bf30 (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  add_topic (a, "audio.>");
  add_topic (b, "video.*");
  g_assert_cmpuint (agent_bus_send (f->bus, test_about ("audio.mic.1", 1, FALSE)), ==, 1);
  g_assert_cmpuint (agent_bus_send (f->bus, test_about ("video.1", 2, FALSE)), ==, 1);
  g_assert_cmpuint (agent_subscriber_get_n_queued (AGENT_SUBSCRIBER (b)), ==, 1);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");
  g_assert_cmpstr (test_recorder_text (b), ==, "2");
}

/* BF31: who subscribed late never learnt of what had been said before, not even of the last state. */
static void
test_bf31 (TestFixture *f)
{
  g_autoptr (TestRecorder) early = test_recorder_subscribe (f, "early", NULL, NULL);
  g_autoptr (TestRecorder) late = NULL;

  add_topic (early, "state");
  agent_bus_send (f->bus, test_about ("state", 1, TRUE));
  agent_bus_send (f->bus, test_about ("state", 2, TRUE));
  late = test_recorder_subscribe (f, "late", NULL, NULL);
  add_topic (late, "state");
  agent_bus_send (f->bus, test_about ("state", 3, FALSE));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (late), ==, "2 3");
}

/* BF33: losses were only logged, the first and every hundredth: nobody heard of the 98 in between. */
static void
test_bf33 (TestFixture *f)
{
  g_autoptr (TestRecorder) a =
      subscribe_full (f, test_recorder_new_full (NULL, NULL, "name", "a", "capacity", 1, NULL));

  for (guint i = 0; i < 100; i++)
    agent_bus_send (f->bus, test_data ("test", "a", i));
  test_drain (f);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_FULL], ==, 99);
  g_assert_cmpuint (f->n_dropped_emissions, ==, 1);
  test_expect_log (f, "'a' is full: 99 messages");

  agent_bus_send (f->bus, test_data ("test", "a", 100));
  test_drain (f);
  agent_bus_send (f->bus, test_data ("test", "a", 101));
  for (guint i = 0; i < 50; i++)
    agent_bus_send (f->bus, test_data ("test", "a", i));
  test_drain (f);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_FULL], ==, 149);
  g_assert_cmpuint (f->n_dropped_emissions, ==, 2);
  test_expect_log (f, "149 messages");
}

static guint
count_naps (const char *folder)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, folder, NULL);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;
  guint       n = 0;

  g_assert_nonnull (dir);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *file = g_build_filename (path, name, NULL);

      if (g_str_has_suffix (name, ".c") || g_str_has_suffix (name, ".h"))
        n += test_file_sleeps (file);
    }

  return n;
}

/* BF34: the tests slept, and hoped that it was long enough. */
static void
test_bf34 (TestFixture *f)
{
  if (g_getenv ("G_TEST_SRCDIR") == NULL)
    {
      g_test_skip ("G_TEST_SRCDIR is not set");
      return;
    }

  g_assert_cmpuint (count_naps ("unit"), ==, 0);
  g_assert_cmpuint (count_naps ("threads"), ==, 0);
  g_assert_cmpuint (count_naps ("support"), ==, 0);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);
  test_actors_init ();

#define ADD(name, func) test_add ("/agentbus/flaws/" name, func)
  ADD ("bf1-reliable-data-is-not-dropped", test_bf1);
  ADD ("bf1-request-is-refused-at-once", test_bf1_request);
  ADD ("bf2-cancel-finds-its-request", test_bf2);
  ADD ("bf2-cancel-finds-a-plain-request", test_bf2_plain);
  ADD ("bf2-cancel-finds-a-parked-request", test_bf2_parked);
  ADD ("bf3-end-comes-after-the-work", test_bf3);
  ADD ("bf4-answer-comes-after-its-chunks", test_bf4);
  ADD ("bf5-cancel-does-not-wait", test_bf5);
  ADD ("bf5-actor-hears-of-the-cancel", test_bf5_actor);
  ADD ("bf8-fresh-messages-are-kept", test_bf8);
  ADD ("bf9-loss-is-told", test_bf9);
  ADD ("bf10-every-loss-is-counted", test_bf10);
  ADD ("bf11-unknown-target-is-told", test_bf11);
  ADD ("bf12-target-is-looked-up", test_bf12);
  ADD ("bf13-total-order", test_bf13);
  ADD ("bf14-late-control-message", test_bf14);
  ADD ("bf14-sent-while-stopping", test_bf14_while_stopping);
  ADD ("bf15-one-deadline", test_bf15);
  ADD ("bf16-no-handler-after-unsubscribe", test_bf16);
  ADD ("bf17-unsubscribe-in-the-own-handler", test_bf17);
  ADD ("bf17-handler-awaits-its-own-request", test_bf17_own_request);
  ADD ("bf17-leaves-while-it-awaits", test_bf17_leaves);
  ADD ("bf18-failed-handler-goes-on", test_bf18);
  ADD ("bf19-dropped-bus-leaks-nothing", test_bf19);
  ADD ("bf20-stopped-bus-takes-nobody", test_bf20);
  ADD ("bf21-successor-gets-its-own-messages", test_bf21);
  ADD ("bf22-name-is-checked-first", test_bf22);
  ADD ("bf23-sender-may-wait", test_bf23);
  ADD ("bf24-limits-for-each-subscriber", test_bf24);
  ADD ("bf24-limit-of-age", test_bf24_age);
  ADD ("bf25-custom-messages", test_bf25);
  ADD ("bf26-envelope", test_bf26);
  ADD ("bf29-monitor-sees-all", test_bf29);
  ADD ("bf30-topics", test_bf30);
  ADD ("bf31-last-state-for-who-comes-late", test_bf31);
  ADD ("bf33-every-drop-is-told", test_bf33);
  ADD ("bf34-tests-do-not-sleep", test_bf34);
#undef ADD

  return g_test_run ();
}
