/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-tools.h"

/*
 * Handlers that go on after they have returned: the subscriber gets nothing more until they are done, whoever
 * says so, and whatever becomes of the subscriber meanwhile.
 */

/* --- Until it is complete --- */

static void
test_nothing_until_complete (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", test_keep_first, &delivery);

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");

  agent_bus_send (f->bus, test_data ("test", "a", 3));
  agent_bus_send (f->bus, agent_message_new_end ("test", "a", NULL));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");
  g_assert_cmpuint (agent_subscriber_get_n_queued (AGENT_SUBSCRIBER (a)), ==, 3);
  test_assert_balanced (f->bus);

  agent_delivery_complete (delivery);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 end 2 3");
  test_assert_balanced (f->bus);
}

/* What was already on its way in the same dispatch stays behind, too. */
static void
test_burst_stops_at_once (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", test_keep_first, &delivery);

  for (guint i = 1; i <= 100; i++)
    agent_bus_send (f->bus, test_data ("test", "a", i));
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 1);

  agent_delivery_complete (delivery);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 100);
  g_assert_cmpuint (test_number (a->messages->pdata[99]), ==, 100);
}

/* A context with nothing but held subscribers has nothing to do. */
static void
test_waiting_costs_no_wakeup (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);

  agent_bus_send (f->bus, test_data ("test", "a", 2));
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  test_drain (f);
  g_assert_false (g_main_context_pending (f->context));
  agent_bus_send (f->bus, test_data ("test", "a", 3));
  g_assert_false (g_main_context_pending (f->context));

  agent_delivery_complete (delivery);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 cancel 2 3");
}

static void
complete_at_once (TestRecorder *recorder,
                  AgentMessage *message,
                  gpointer      user_data)
{
  g_autoptr (AgentDelivery) delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));

  agent_delivery_complete (delivery);
}

static void
test_complete_in_the_handler (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", complete_at_once, NULL);

  for (guint i = 1; i <= 3; i++)
    agent_bus_send (f->bus, test_data ("test", "a", i));
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "cancel 1 2 3");
  test_assert_balanced (f->bus);
}

/* The thread that completes wakes the context up. */
static void
test_complete_from_a_thread (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  GThread *thread;

  agent_bus_send (f->bus, test_data ("test", "a", 2));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");

  thread = g_thread_new ("test-defer", test_complete, delivery);
  while (test_recorder_count (a) < 2)
    g_main_context_iteration (f->context, TRUE);
  g_thread_join (thread);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 2");
  g_assert_true (a->thread == g_thread_self ());
}

static void
complete_in_thread_before_return (TestRecorder *recorder,
                                  AgentMessage *message,
                                  gpointer      user_data)
{
  g_autoptr (AgentDelivery) delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));
  guint n = test_recorder_count (recorder);

  test_run_in_thread (test_complete, delivery);
  g_assert_cmpuint (test_recorder_count (recorder), ==, n);
}

static void
test_complete_from_a_thread_before_the_handler_returns (TestFixture *f)
{
  g_autoptr (TestRecorder) a =
      test_recorder_subscribe (f, "a", complete_in_thread_before_return, NULL);

  for (guint i = 1; i <= 3; i++)
    agent_bus_send (f->bus, test_data ("test", "a", i));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 2 3");
  test_assert_balanced (f->bus);
}

/* The subscriber's context belongs to another thread, and the test completes. */
static void
test_complete_for_another_context (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestThread) thread = test_thread_new ();
  g_autoptr (TestRecorder) a =
      test_recorder_new_full (test_keep_first, &delivery, "name", "a", "main-context", thread->context, NULL);

  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  test_thread_sync (thread);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");

  agent_delivery_complete (delivery);
  test_thread_sync (thread);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 2");
  g_assert_true (a->thread == thread->thread);
  test_stop (f);
}

static void
test_others_go_on (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  for (guint i = 2; i <= 100; i++)
    agent_bus_send (f->bus, test_data ("test", NULL, i));
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 1);
  g_assert_cmpuint (test_recorder_count (b), ==, 99);

  agent_delivery_complete (delivery);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 100);
}

static void
keep_all (TestRecorder *recorder,
          AgentMessage *message,
          gpointer      user_data)
{
  g_ptr_array_add (user_data, agent_subscriber_defer (AGENT_SUBSCRIBER (recorder)));
}

/* However many there are, at most one delivery of a subscriber is open. */
static void
test_each_message_deferred (TestFixture *f)
{
  g_autoptr (GPtrArray) deliveries = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", keep_all, deliveries);

  for (guint i = 0; i < 10; i++)
    agent_bus_send (f->bus, test_data ("test", "a", i));

  for (guint i = 0; i < 10; i++)
    {
      AgentDelivery *delivery;

      test_drain (f);
      g_assert_cmpuint (deliveries->len, ==, i + 1);
      delivery = deliveries->pdata[i];
      g_assert_cmpuint (test_number (agent_delivery_get_message (delivery)), ==, i);
      agent_delivery_complete (delivery);
    }

  test_drain (f);
  g_assert_cmpuint (deliveries->len, ==, 10);
  test_assert_balanced (f->bus);
}

static void
test_properties (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  g_autoptr (AgentMessage) message = NULL;
  g_autoptr (GCancellable) cancellable = NULL;

  g_object_get (delivery, "message", &message, "cancellable", &cancellable, NULL);
  g_assert_true (message == a->messages->pdata[0]);
  g_assert_true (message == agent_delivery_get_message (delivery));
  g_assert_true (cancellable == agent_delivery_get_cancellable (delivery));
  g_assert_false (g_cancellable_is_cancelled (cancellable));
  g_assert_false (agent_delivery_is_cancelled (delivery));
  agent_delivery_complete (delivery);
}

/* --- After the subscriber has left --- */

static void
test_complete_after_unsubscribe (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_bus_send (f->bus, agent_message_new_end ("test", "a", NULL));
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  agent_bus_unsubscribe_async (f->bus, "a", NULL, test_keep_result, &result);
  test_drain (f);
  g_assert_null (result);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");

  agent_delivery_complete (delivery);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 end");
  g_assert_nonnull (result);
  agent_bus_unsubscribe_finish (f->bus, result, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 1);
  test_assert_balanced (f->bus);
}

/* With nothing queued, it is the completion itself that brings the end, from whatever thread. */
static void
test_complete_from_a_thread_after_unsubscribe (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_bus_unsubscribe_async (f->bus, "a", NULL, test_keep_result, &result);
  test_drain (f);
  g_assert_null (result);

  test_run_in_thread (test_complete, delivery);
  test_wait_result (f, &result);
  agent_bus_unsubscribe_finish (f->bus, result, &error);
  g_assert_no_error (error);
}

static void
time_out (TestFixture *f)
{
  g_autoptr (GError) error = NULL;

  agent_bus_set_shutdown_timeout (f->bus, 1);
  test_unsubscribe (f, "a", &error);
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
  test_expect_log (f, "'a' did not leave");
}

static void
test_complete_after_timed_out (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);

  agent_bus_send (f->bus, agent_message_new_end ("test", "a", NULL));
  time_out (f);
  test_assert_balanced (f->bus);

  agent_delivery_complete (delivery);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 1);
  test_assert_balanced (f->bus);
}

/* The new subscription does not care what becomes of a delivery of the old one. */
static void
test_complete_after_subscribing_again (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  g_autoptr (GPtrArray) deliveries = g_ptr_array_new_with_free_func (g_object_unref);

  time_out (f);
  a->handler = keep_all;
  a->user_data = deliveries;
  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  agent_bus_send (f->bus, test_data ("test", "a", 3));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 2");

  agent_delivery_complete (delivery);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 2");

  agent_delivery_complete (deliveries->pdata[0]);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 2 3");
  agent_delivery_complete (deliveries->pdata[1]);
}

typedef struct
{
  TestFixture   *fixture;
  AgentDelivery *delivery;
  GAsyncResult  *result;
} Leaver;

static void
leave_and_defer (TestRecorder *recorder,
                 AgentMessage *message,
                 gpointer      user_data)
{
  Leaver *self = user_data;

  agent_bus_unsubscribe_async (self->fixture->bus, "a", NULL, test_keep_result, &self->result);
  self->delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));
}

static void
test_defer_after_unsubscribe_in_the_handler (TestFixture *f)
{
  Leaver leaver = { f, NULL, NULL };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", leave_and_defer, &leaver);
  g_autoptr (GError) error = NULL;

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  g_assert_nonnull (leaver.delivery);
  g_assert_null (leaver.result);

  agent_delivery_complete (leaver.delivery);
  test_drain (f);
  g_assert_nonnull (leaver.result);
  agent_bus_unsubscribe_finish (f->bus, leaver.result, &error);
  g_assert_no_error (error);
  test_assert_dies (leaver.delivery);
  g_object_unref (leaver.result);
}

/* --- Lifetimes --- */

static void
test_everything_dies (TestFixture *f)
{
  AgentDelivery *delivery = NULL;
  TestRecorder  *a = test_subscribe_with_one_in_hand (f, &delivery);
  GCancellable  *cancellable = g_object_ref (agent_delivery_get_cancellable (delivery));

  agent_bus_send (f->bus, test_cancel ("test", "a"));
  test_drain (f);
  agent_delivery_complete (delivery);
  test_drain (f);
  test_stop (f);

  test_assert_dies (delivery);
  test_assert_dies (cancellable);
  test_assert_dies (a);
  test_assert_dies (g_steal_pointer (&f->bus));
}

/* The delivery, of all things, is the last to go. It keeps its subscriber, and nobody is warned. */
static void
test_delivery_outlives_the_bus (TestFixture *f)
{
  AgentDelivery *delivery = NULL;
  TestRecorder  *a = test_subscribe_with_one_in_hand (f, &delivery);
  gpointer       place = a;

  agent_bus_send (f->bus, test_data ("test", "a", 2));
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  test_assert_dies (g_steal_pointer (&f->bus));
  g_object_add_weak_pointer (G_OBJECT (a), &place);
  g_object_unref (a);
  g_assert_nonnull (place);
  g_assert_cmpuint (test_number (agent_delivery_get_message (delivery)), ==, 1);

  test_assert_dies (delivery);
  g_assert_null (place);
}

static void
test_complete_after_the_bus_is_gone (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);

  agent_bus_send (f->bus, test_data ("test", "a", 2));
  test_assert_dies (g_steal_pointer (&f->bus));
  test_run_in_thread (test_complete, delivery);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/defer/" name, func)
  ADD ("nothing-until-complete", test_nothing_until_complete);
  ADD ("burst-stops-at-once", test_burst_stops_at_once);
  ADD ("waiting-costs-no-wakeup", test_waiting_costs_no_wakeup);
  ADD ("complete-in-the-handler", test_complete_in_the_handler);
  ADD ("complete-from-a-thread", test_complete_from_a_thread);
  ADD ("complete-from-a-thread-before-the-handler-returns",
       test_complete_from_a_thread_before_the_handler_returns);
  ADD ("complete-for-another-context", test_complete_for_another_context);
  ADD ("others-go-on", test_others_go_on);
  ADD ("each-message-deferred", test_each_message_deferred);
  ADD ("properties", test_properties);
  ADD ("complete-after-unsubscribe", test_complete_after_unsubscribe);
  ADD ("complete-from-a-thread-after-unsubscribe", test_complete_from_a_thread_after_unsubscribe);
  ADD ("complete-after-timed-out", test_complete_after_timed_out);
  ADD ("complete-after-subscribing-again", test_complete_after_subscribing_again);
  ADD ("defer-after-unsubscribe-in-the-handler", test_defer_after_unsubscribe_in_the_handler);
  ADD ("everything-dies", test_everything_dies);
  ADD ("delivery-outlives-the-bus", test_delivery_outlives_the_bus);
  ADD ("complete-after-the-bus-is-gone", test_complete_after_the_bus_is_gone);
#undef ADD

  return g_test_run ();
}
