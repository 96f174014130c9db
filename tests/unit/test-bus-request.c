/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-tools.h"

/*
 * Requests of those who are no actor: one answer or one error, and nothing is left on the bus.
 */

typedef struct
{
  TestFixture *f;
  AgentActor  *worker;
  GPtrArray   *jobs;
} Shop;

static void
on_keep (AgentActor *actor,
         AgentJob   *job,
         gpointer    user_data)
{
  g_ptr_array_add (user_data, g_object_ref (job));
}

static void
subscribe (AgentBus *bus,
           gpointer  subscriber)
{
  g_autoptr (GError) error = NULL;

  agent_bus_subscribe (bus, subscriber, &error);
  g_assert_no_error (error);
}

static Shop
shop_new (TestFixture *f)
{
  Shop self = { f, agent_actor_new ("worker"), g_ptr_array_new_with_free_func (g_object_unref) };

  g_signal_connect (self.worker, "task-request", G_CALLBACK (on_keep), self.jobs);
  subscribe (f->bus, self.worker);
  return self;
}

/* Nothing of a requester is left. */
static void
shop_clear (Shop *self)
{
  g_ptr_array_unref (self->jobs);
  test_drain (self->f);
  g_assert_cmpuint (agent_bus_get_n_subscribers (self->f->bus), ==, 1);
  test_stop (self->f);
  g_assert_finalize_object (self->worker);
}

static AgentJob *
shop_get_job (Shop *self,
              guint index)
{
  test_drain (self->f);
  g_assert_cmpuint (self->jobs->len, >, index);
  return self->jobs->pdata[index];
}

static void
request_full (AgentBus      *bus,
              guint          timeout,
              GCancellable  *cancellable,
              GAsyncResult **result)
{
  agent_bus_request_async (bus,
                           agent_message_new_task_request ("nobody", "worker", "1", "sum", g_variant_new_int32 (1)),
                           timeout,
                           cancellable,
                           test_keep_result,
                           result);
}

static void
request (Shop          *shop,
         GAsyncResult **result)
{
  request_full (shop->f->bus, 0, NULL, result);
}

/* Takes @result. */
static void
assert_answer (GAsyncResult *result,
               gint32        expected)
{
  g_autoptr (GObject) bus = g_async_result_get_source_object (result);
  g_autoptr (GError) error = NULL;
  g_autoptr (AgentMessage) answer = agent_bus_request_finish (AGENT_BUS (bus), result, &error);

  g_assert_no_error (error);
  g_assert_cmpint (agent_message_get_message_type (answer), ==, AGENT_MESSAGE_TYPE_TASK_RESPONSE);
  g_assert_cmpint (agent_message_get_status (answer), ==, AGENT_TASK_STATUS_COMPLETED);
  g_assert_cmpstr (agent_message_get_source (answer), ==, "worker");
  g_assert_cmpint (g_variant_get_int32 (agent_message_get_payload (answer)), ==, expected);
  g_object_unref (result);
}

/* Takes @result. */
static void
assert_fails (TestFixture  *f,
              GAsyncResult *result,
              GQuark        domain,
              int           code)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (agent_bus_request_finish (f->bus, result, &error));
  g_assert_error (error, domain, code);
  g_object_unref (result);
}

static void
test_completed (TestFixture *f)
{
  Shop          shop = shop_new (f);
  GAsyncResult *result = NULL;
  AgentJob     *job;

  request (&shop, &result);
  job = shop_get_job (&shop, 0);
  g_assert_cmpstr (agent_job_get_task_name (job), ==, "sum");
  g_assert_cmpint (g_variant_get_int32 (agent_job_get_payload (job)), ==, 1);
  g_assert_null (result);
  agent_job_complete (job, g_variant_new_int32 (42));
  test_wait_result (f, &result);
  assert_answer (result, 42);
  shop_clear (&shop);
}

static void
test_failed (TestFixture *f)
{
  Shop          shop = shop_new (f);
  GAsyncResult *result = NULL;
  g_autoptr (GError) error = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_EXISTS, "It is there already");

  request (&shop, &result);
  agent_job_fail (shop_get_job (&shop, 0), error);
  test_wait_result (f, &result);
  assert_fails (f, result, G_IO_ERROR, G_IO_ERROR_EXISTS);
  shop_clear (&shop);
}

static void
test_nobody (TestFixture *f)
{
  Shop          shop = shop_new (f);
  GAsyncResult *result = NULL;

  agent_bus_request_async (f->bus,
                           agent_message_new_task_request ("nobody", "somebody", "1", NULL, NULL),
                           0,
                           NULL,
                           test_keep_result,
                           &result);
  g_assert_null (result);
  test_wait_result (f, &result);
  assert_fails (f, result, AGENT_BUS_ERROR, AGENT_BUS_ERROR_NOT_FOUND);
  shop_clear (&shop);
}

/* The time to live of the message counts if there is no timeout. */
static void
test_timed_out (TestFixture *f)
{
  Shop          shop = shop_new (f);
  AgentMessage *message = agent_message_new_task_request ("nobody", "worker", "1", NULL, NULL);
  GAsyncResult *first = NULL;
  GAsyncResult *second = NULL;

  test_clock_freeze ();
  request_full (f->bus, 100, NULL, &first);
  agent_message_set_ttl (message, 200);
  agent_bus_request_async (f->bus, message, 0, NULL, test_keep_result, &second);
  shop_get_job (&shop, 0);
  test_clock_advance (100 * 1000);
  test_drain (f);
  g_assert_null (second);
  assert_fails (f, first, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
  g_assert_true (agent_job_is_cancelled (shop.jobs->pdata[0]));
  test_clock_advance (100 * 1000);
  test_drain (f);
  assert_fails (f, second, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
  shop_clear (&shop);
}

/* While it is worked on, and before it begins. */
static void
test_cancelled (TestFixture *f)
{
  Shop          shop = shop_new (f);
  GAsyncResult *first = NULL;
  GAsyncResult *second = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  request_full (f->bus, 0, cancellable, &first);
  shop_get_job (&shop, 0);
  g_cancellable_cancel (cancellable);
  g_assert_null (first);
  test_wait_result (f, &first);
  assert_fails (f, first, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  test_drain (f);
  g_assert_true (g_cancellable_is_cancelled (agent_job_get_cancellable (shop.jobs->pdata[0])));
  agent_job_complete (shop.jobs->pdata[0], NULL);

  request_full (f->bus, 0, cancellable, &second);
  test_wait_result (f, &second);
  assert_fails (f, second, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (shop.jobs->len, ==, 1);
  shop_clear (&shop);
}

/* It is not the cancellable of the caller that was cancelled. */
static void
test_worker_cancels (TestFixture *f)
{
  Shop          shop = shop_new (f);
  GAsyncResult *result = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = g_error_new_literal (AGENT_BUS_ERROR, AGENT_BUS_ERROR_CANCELLED, "No");

  request_full (f->bus, 0, cancellable, &result);
  agent_job_fail (shop_get_job (&shop, 0), error);
  test_wait_result (f, &result);
  assert_fails (f, result, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CANCELLED);
  shop_clear (&shop);
}

static void
test_stopped (TestFixture *f)
{
  GAsyncResult *result = NULL;

  test_stop (f);
  request_full (f->bus, 0, NULL, &result);
  g_assert_null (result);
  test_wait_result (f, &result);
  assert_fails (f, result, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED);
}

static void
test_stop_while_open (TestFixture *f)
{
  Shop          shop = shop_new (f);
  GAsyncResult *result = NULL;

  request (&shop, &result);
  shop_get_job (&shop, 0);
  test_stop (f);
  test_wait_result (f, &result);
  assert_fails (f, result, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED);
  g_ptr_array_unref (shop.jobs);
  g_assert_finalize_object (shop.worker);
}

/* The request keeps the bus. */
static void
test_bus_dropped (TestFixture *f)
{
  AgentBus     *bus = agent_bus_new ();
  gpointer      place = bus;
  AgentActor   *worker = agent_actor_new ("worker");
  GPtrArray    *jobs = g_ptr_array_new_with_free_func (g_object_unref);
  GAsyncResult *result = NULL;

  g_signal_connect (worker, "task-request", G_CALLBACK (on_keep), jobs);
  subscribe (bus, worker);
  g_object_add_weak_pointer (G_OBJECT (bus), &place);
  request_full (bus, 0, NULL, &result);
  g_object_unref (bus);
  test_drain (f);
  g_assert_nonnull (place);
  g_assert_cmpuint (jobs->len, ==, 1);

  agent_job_complete (jobs->pdata[0], g_variant_new_int32 (42));
  agent_bus_unsubscribe (bus, "worker");
  test_wait_result (f, &result);
  assert_answer (result, 42);
  g_ptr_array_unref (jobs);
  test_drain (f);
  g_assert_null (place);
  g_assert_finalize_object (worker);
}

/* Requests that are open at the same time have one requester, which nobody sees in the registry. */
static void
test_several (TestFixture *f)
{
  Shop          shop = shop_new (f);
  GAsyncResult *results[3] = { NULL };
  g_autoptr (AgentRegistry) registry = agent_registry_new (f->bus);
  guint n_subscribers;

  agent_actor_set_max_jobs (shop.worker, 0);
  test_drain (f);
  n_subscribers = agent_bus_get_n_subscribers (f->bus);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    request (&shop, &results[i]);
  test_drain (f);
  g_assert_cmpuint (shop.jobs->len, ==, G_N_ELEMENTS (results));
  g_assert_cmpuint (agent_bus_get_n_subscribers (f->bus), ==, n_subscribers + 1);
  g_assert_cmpuint (g_list_model_get_n_items (G_LIST_MODEL (registry)), ==, 1);

  for (guint i = G_N_ELEMENTS (results); i-- > 0;)
    {
      agent_job_complete (shop.jobs->pdata[i], g_variant_new_int32 ((gint32) i));
      test_drain (f);
      assert_answer (results[i], (gint32) i);
    }
  test_drain (f);
  g_assert_cmpuint (agent_bus_get_n_subscribers (f->bus), ==, n_subscribers);
  g_clear_object (&registry);
  shop_clear (&shop);
}

/* Somebody has the requester end. What is open ends with it, and the next request has another one. */
static void
test_requester_ended (TestFixture *f)
{
  Shop             shop = shop_new (f);
  GAsyncResult    *first = NULL;
  GAsyncResult    *second = NULL;
  g_autofree char *name = NULL;

  agent_actor_set_max_jobs (shop.worker, 0);
  request (&shop, &first);
  name = g_strdup (agent_job_get_requester (shop_get_job (&shop, 0)));
  agent_bus_unsubscribe (f->bus, name);
  request (&shop, &second);
  test_drain (f);
  assert_fails (f, first, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED);
  agent_job_complete (shop_get_job (&shop, 1), g_variant_new_int32 (42));
  test_drain (f);
  assert_answer (second, 42);
  shop_clear (&shop);
}

/* Somebody waits in a context of his own, and iterates it no longer than he has to. The bus stops without it. */
static void
test_forgotten_context (TestFixture *f)
{
  Shop          shop = shop_new (f);
  GMainContext *context = g_main_context_new ();
  GAsyncResult *result = NULL;

  g_main_context_push_thread_default (context);
  request (&shop, &result);
  g_main_context_pop_thread_default (context);
  agent_job_complete (shop_get_job (&shop, 0), g_variant_new_int32 (42));
  while (result == NULL)
    g_main_context_iteration (context, TRUE);
  assert_answer (result, 42);
  test_clock_freeze ();
  shop_clear (&shop);
  g_main_context_unref (context);
}

typedef struct
{
  Shop         *shop;
  GAsyncResult *result;
} Nesting;

static void
on_answered (GObject      *object,
             GAsyncResult *result,
             gpointer      user_data)
{
  Nesting *self = user_data;

  g_assert_true (g_task_had_error (G_TASK (result)) == FALSE);
  agent_message_unref (agent_bus_request_finish (AGENT_BUS (object), result, NULL));
  request (self->shop, &self->result);
  test_wait_result (self->shop->f, &self->result);
}

static void
on_answer (AgentActor *actor,
           AgentJob   *job,
           gpointer    user_data)
{
  agent_job_complete (job, g_variant_new_int32 (42));
}

/* The callback of one request waits for another one. */
static void
test_nested (TestFixture *f)
{
  Shop    shop = shop_new (f);
  Nesting nesting = { &shop, NULL };

  g_signal_handlers_disconnect_by_func (shop.worker, on_keep, shop.jobs);
  g_signal_connect (shop.worker, "task-request", G_CALLBACK (on_answer), NULL);
  agent_bus_request_async (f->bus,
                           agent_message_new_task_request ("nobody", "worker", "1", NULL, NULL),
                           0,
                           NULL,
                           on_answered,
                           &nesting);
  test_clock_freeze ();
  test_drain (f);
  assert_answer (nesting.result, 42);
  shop_clear (&shop);
}

static void
plain_on_message (AgentSubscriber *subscriber,
                  AgentMessage    *message,
                  gpointer         bus)
{
  agent_bus_send (bus,
                  agent_message_new_task_response ("worker",
                                                   agent_message_get_source (message),
                                                   agent_message_get_task_id (message),
                                                   AGENT_TASK_STATUS_COMPLETED,
                                                   g_variant_new_int32 (42)));
}

/* A plain subscriber that answers the source. */
static void
test_plain_worker (TestFixture *f)
{
  g_autoptr (AgentSubscriber) worker = agent_subscriber_new ("worker");
  GAsyncResult *result = NULL;

  g_signal_connect (worker, "message::task-request", G_CALLBACK (plain_on_message), f->bus);
  subscribe (f->bus, worker);
  request_full (f->bus, 0, NULL, &result);
  test_wait_result (f, &result);
  assert_answer (result, 42);
  test_stop (f);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);
  test_add ("/agentbus/bus-request/completed", test_completed);
  test_add ("/agentbus/bus-request/failed", test_failed);
  test_add ("/agentbus/bus-request/nobody", test_nobody);
  test_add ("/agentbus/bus-request/timed-out", test_timed_out);
  test_add ("/agentbus/bus-request/cancelled", test_cancelled);
  test_add ("/agentbus/bus-request/worker-cancels", test_worker_cancels);
  test_add ("/agentbus/bus-request/stopped", test_stopped);
  test_add ("/agentbus/bus-request/stop-while-open", test_stop_while_open);
  test_add ("/agentbus/bus-request/bus-dropped", test_bus_dropped);
  test_add ("/agentbus/bus-request/several", test_several);
  test_add ("/agentbus/bus-request/requester-ended", test_requester_ended);
  test_add ("/agentbus/bus-request/forgotten-context", test_forgotten_context);
  test_add ("/agentbus/bus-request/nested", test_nested);
  test_add ("/agentbus/bus-request/plain-worker", test_plain_worker);

  return g_test_run ();
}
