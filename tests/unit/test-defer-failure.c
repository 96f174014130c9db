/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-tools.h"

/* Deferred deliveries that fail, are forgotten, or are not handled as they should be. */

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
keep_all (TestRecorder *recorder,
          AgentMessage *message,
          gpointer      user_data)
{
  g_ptr_array_add (user_data, agent_subscriber_defer (AGENT_SUBSCRIBER (recorder)));
}

static gpointer
fail_in_thread (gpointer data)
{
  agent_delivery_fail_message (data, "in a thread");
  return NULL;
}

/* --- Failures --- */

typedef struct
{
  guint            n;
  AgentSubscriber *subscriber;
  AgentMessage    *message;
  GError          *error;
  GThread         *thread;
} Failures;

static void
on_failed (AgentBus        *bus,
           AgentSubscriber *subscriber,
           AgentMessage    *message,
           const GError    *error,
           gpointer         user_data)
{
  Failures *self = user_data;

  self->n++;
  self->thread = g_thread_self ();
  g_set_object (&self->subscriber, subscriber);
  g_clear_pointer (&self->message, agent_message_unref);
  self->message = agent_message_ref (message);
  g_clear_error (&self->error);
  self->error = g_error_copy (error);
}

static void
failures_clear (Failures *self)
{
  g_clear_object (&self->subscriber);
  g_clear_pointer (&self->message, agent_message_unref);
  g_clear_error (&self->error);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Failures, failures_clear)

static void
assert_failed_once (TestFixture  *f,
                    Failures     *failures,
                    TestRecorder *recorder,
                    const char   *text)
{
  test_drain (f);
  g_assert_cmpuint (failures->n, ==, 1);
  g_assert_true (failures->subscriber == AGENT_SUBSCRIBER (recorder));
  g_assert_true (failures->message == recorder->messages->pdata[0]);
  g_assert_cmpstr (failures->error->message, ==, text);
  g_assert_true (failures->thread == g_thread_self ());
  g_assert_cmpuint (test_ledger (f->bus).failed, ==, 1);
  test_assert_balanced (f->bus);
}

static void
test_fail (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  g_autoptr (GError) error = g_error_new (G_IO_ERROR, G_IO_ERROR_NO_SPACE, "No ink");
  g_auto (Failures) failures = {
    0,
  };

  g_signal_connect (f->bus, "failed", G_CALLBACK (on_failed), &failures);
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  agent_delivery_fail (delivery, error);
  g_assert_cmpuint (failures.n, ==, 0);

  assert_failed_once (f, &failures, a, "No ink");
  g_assert_error (failures.error, G_IO_ERROR, G_IO_ERROR_NO_SPACE);
  g_assert_cmpuint (test_ledger_of (f->bus, "a").failed, ==, 1);
  g_assert_cmpuint (test_ledger_of (f->bus, "a").delivered, ==, 2);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 2");
}

static void
fail_at_once (TestRecorder *recorder,
              AgentMessage *message,
              gpointer      user_data)
{
  g_autoptr (AgentDelivery) delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));

  agent_delivery_fail_message (delivery, "No paper");
}

/* A handler that fails, and that fails every time, does not stop its subscriber. */
static void
test_fail_message_in_the_handler (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", fail_at_once, NULL);
  g_auto (Failures) failures = {
    0,
  };

  g_signal_connect (f->bus, "failed", G_CALLBACK (on_failed), &failures);
  for (guint i = 1; i <= 3; i++)
    agent_bus_send (f->bus, test_data ("test", "a", i));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 2 3");
  g_assert_cmpuint (failures.n, ==, 3);
  g_assert_error (failures.error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_FAILED);
  g_assert_cmpstr (failures.error->message, ==, "No paper");
  g_assert_cmpuint (test_ledger_of (f->bus, "a").failed, ==, 3);
  test_assert_balanced (f->bus);
}

static void
test_fail_from_a_thread (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  g_auto (Failures) failures = {
    0,
  };

  g_signal_connect (f->bus, "failed", G_CALLBACK (on_failed), &failures);
  test_run_in_thread (fail_in_thread, delivery);
  g_assert_cmpuint (failures.n, ==, 0);
  assert_failed_once (f, &failures, a, "in a thread");
}

/* It is counted also when nobody listens. */
static void
test_fail_unheard (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);

  agent_delivery_fail_message (delivery, "No toner");
  test_drain (f);
  g_assert_cmpuint (test_ledger (f->bus).failed, ==, 1);
  g_assert_cmpuint (test_ledger_of (f->bus, "a").failed, ==, 1);
}

/* The subscriber has left, and the total is right all the same; who has the name now is not to blame. */
static void
test_fail_after_timed_out (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  g_autoptr (TestRecorder) successor = NULL;
  g_auto (Failures) failures = {
    0,
  };

  g_signal_connect (f->bus, "failed", G_CALLBACK (on_failed), &failures);
  time_out (f);
  successor = test_recorder_subscribe (f, "a", NULL, NULL);
  agent_delivery_fail_message (delivery, "Too late");

  assert_failed_once (f, &failures, a, "Too late");
  g_assert_cmpuint (test_ledger_of (f->bus, "a").failed, ==, 0);
}

static void
test_fail_while_leaving (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (TestRecorder) successor = NULL;
  g_auto (Failures) failures = {
    0,
  };

  g_signal_connect (f->bus, "failed", G_CALLBACK (on_failed), &failures);
  agent_bus_unsubscribe_async (f->bus, "a", NULL, test_keep_result, &result);
  successor = test_recorder_subscribe (f, "a", NULL, NULL);
  agent_delivery_fail_message (delivery, "On the way out");
  g_assert_cmpuint (test_ledger (f->bus).failed, ==, 1);

  assert_failed_once (f, &failures, a, "On the way out");
  g_assert_nonnull (result);
  g_assert_cmpuint (test_ledger_of (f->bus, "a").failed, ==, 0);
}

static void
test_fail_after_the_bus_is_gone (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);

  agent_bus_send (f->bus, test_data ("test", "a", 2));
  test_assert_dies (g_steal_pointer (&f->bus));
  agent_delivery_fail_message (delivery, "Nobody is there");
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");
}

/* --- Forgotten --- */

static void
test_forgotten (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);

  agent_bus_send (f->bus, test_data ("test", "a", 2));
  test_assert_dies (delivery);
  test_expect_log (f, "A delivery to 'a' was dropped");
  test_drain (f);
  delivery = NULL;
  g_assert_cmpstr (test_recorder_text (a), ==, "1 2");
  g_assert_cmpuint (test_ledger (f->bus).failed, ==, 0);
}

static void
forget_at_once (TestRecorder *recorder,
                AgentMessage *message,
                gpointer      user_data)
{
  g_object_unref (agent_subscriber_defer (AGENT_SUBSCRIBER (recorder)));
}

static void
test_forgotten_in_the_handler (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", forget_at_once, NULL);

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 2");
  test_expect_log (f, "A delivery to 'a' was dropped");
}

static gpointer
unref_in_thread (gpointer data)
{
  g_object_unref (data);
  return NULL;
}

/* Also a leaving subscriber goes on, and so leaves. */
static void
test_forgotten_while_leaving (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_unsubscribe_async (f->bus, "a", NULL, test_keep_result, &result);
  test_run_in_thread (unref_in_thread, g_steal_pointer (&delivery));
  test_expect_log (f, "A delivery to 'a' was dropped");
  test_wait_result (f, &result);
  g_assert_true (agent_bus_unsubscribe_finish (f->bus, result, NULL));
}

/* Nobody waits for it any more: no warning. The fixture would see it. */
static void
test_forgotten_after_timed_out (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);

  time_out (f);
  test_assert_dies (g_steal_pointer (&delivery));
}

/* --- Misuse --- */

static void
test_complete_twice (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  g_auto (Failures) failures = {
    0,
  };

  g_signal_connect (f->bus, "failed", G_CALLBACK (on_failed), &failures);
  agent_delivery_complete (delivery);
  g_test_expect_message ("AgentBus", G_LOG_LEVEL_CRITICAL, "The delivery to 'a' was completed or failed already");
  agent_delivery_complete (delivery);
  g_test_expect_message ("AgentBus", G_LOG_LEVEL_CRITICAL, "The delivery to 'a' was completed or failed already");
  agent_delivery_fail_message (delivery, "After the fact");
  g_test_assert_expected_messages ();

  test_drain (f);
  g_assert_cmpuint (failures.n, ==, 0);
  g_assert_cmpuint (test_ledger (f->bus).failed, ==, 0);
}

static void
test_complete_after_fail (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  g_auto (Failures) failures = {
    0,
  };

  g_signal_connect (f->bus, "failed", G_CALLBACK (on_failed), &failures);
  agent_delivery_fail_message (delivery, "Once");
  g_test_expect_message ("AgentBus", G_LOG_LEVEL_CRITICAL, "The delivery to 'a' was completed or failed already");
  agent_delivery_fail_message (delivery, "Twice");
  g_test_expect_message ("AgentBus", G_LOG_LEVEL_CRITICAL, "The delivery to 'a' was completed or failed already");
  agent_delivery_complete (delivery);
  g_test_assert_expected_messages ();

  assert_failed_once (f, &failures, a, "Once");
}

/* A completion too much does not let the next message go, either. */
static void
test_complete_twice_holds_the_next (TestFixture *f)
{
  g_autoptr (GPtrArray) deliveries = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", keep_all, deliveries);

  for (guint i = 1; i <= 3; i++)
    agent_bus_send (f->bus, test_data ("test", "a", i));
  test_drain (f);
  agent_delivery_complete (deliveries->pdata[0]);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 2");

  g_test_expect_message ("AgentBus", G_LOG_LEVEL_CRITICAL, "The delivery to 'a' was completed or failed already");
  agent_delivery_complete (deliveries->pdata[0]);
  g_test_assert_expected_messages ();
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 2");
  agent_delivery_complete (deliveries->pdata[1]);
  test_drain (f);
  agent_delivery_complete (deliveries->pdata[2]);
}

static void
assert_defer_is_critical (TestRecorder *recorder)
{
  g_test_expect_message ("AgentBus", G_LOG_LEVEL_CRITICAL, "*agent_subscriber_defer*");
  g_assert_null (agent_subscriber_defer (AGENT_SUBSCRIBER (recorder)));
  g_test_assert_expected_messages ();
}

/* As scripts do it by mistake. */
static void
test_made_by_hand (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = g_object_new (AGENT_TYPE_DELIVERY, NULL);
  g_autoptr (GError) error = g_error_new_literal (AGENT_BUS_ERROR, AGENT_BUS_ERROR_FAILED, "Failed");

  g_assert_null (agent_delivery_get_message (delivery));
  g_assert_null (agent_delivery_get_cancellable (delivery));
  for (guint i = 0; i < 4; i++)
    g_test_expect_message ("AgentBus", G_LOG_LEVEL_CRITICAL, "*self->hand != NULL*");
  g_assert_false (agent_delivery_is_cancelled (delivery));
  agent_delivery_complete (delivery);
  agent_delivery_fail (delivery, error);
  agent_delivery_fail_message (delivery, "Failed");
  g_test_assert_expected_messages ();
}

static void
test_defer_outside_a_handler (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_new ("a", NULL, NULL);

  g_assert_true (g_main_context_acquire (f->context));
  assert_defer_is_critical (a);
  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL);
  assert_defer_is_critical (a);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  assert_defer_is_critical (a);
  test_drain (f);
  assert_defer_is_critical (a);
  g_main_context_release (f->context);
}

static void
defer_twice (TestRecorder *recorder,
             AgentMessage *message,
             gpointer      user_data)
{
  g_autoptr (AgentDelivery) delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));

  assert_defer_is_critical (recorder);
  agent_delivery_complete (delivery);
}

static void
test_defer_twice (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", defer_twice, NULL);

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 2");
}

static void
defer_after_fail (TestRecorder *recorder,
                  AgentMessage *message,
                  gpointer      user_data)
{
  fail_at_once (recorder, message, NULL);
  assert_defer_is_critical (recorder);
}

/* One message has one delivery: otherwise it could fail more often than it was delivered. */
static void
test_defer_again_after_the_end (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", defer_after_fail, NULL);

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 2");
  g_assert_cmpuint (test_ledger (f->bus).failed, ==, 2);
  test_assert_balanced (f->bus);
}

static void
defer_another (TestRecorder *recorder,
               AgentMessage *message,
               gpointer      user_data)
{
  assert_defer_is_critical (user_data);
}

static void
test_defer_in_the_handler_of_another (TestFixture *f)
{
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", defer_another, b);

  agent_bus_send (f->bus, test_data ("test", NULL, 1));
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 1);
  g_assert_cmpuint (test_recorder_count (b), ==, 1);
}

static gpointer
defer_in_thread (gpointer data)
{
  assert_defer_is_critical (data);
  return NULL;
}

static void
defer_from_thread (TestRecorder *recorder,
                   AgentMessage *message,
                   gpointer      user_data)
{
  test_run_in_thread (defer_in_thread, recorder);
}

static void
test_defer_from_a_thread (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", defer_from_thread, NULL);

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 1);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/defer-failure/" name, func)
  ADD ("fail", test_fail);
  ADD ("fail-message-in-the-handler", test_fail_message_in_the_handler);
  ADD ("fail-from-a-thread", test_fail_from_a_thread);
  ADD ("fail-unheard", test_fail_unheard);
  ADD ("fail-after-timed-out", test_fail_after_timed_out);
  ADD ("fail-while-leaving", test_fail_while_leaving);
  ADD ("fail-after-the-bus-is-gone", test_fail_after_the_bus_is_gone);
  ADD ("forgotten", test_forgotten);
  ADD ("forgotten-in-the-handler", test_forgotten_in_the_handler);
  ADD ("forgotten-while-leaving", test_forgotten_while_leaving);
  ADD ("forgotten-after-timed-out", test_forgotten_after_timed_out);
  ADD ("complete-twice", test_complete_twice);
  ADD ("complete-after-fail", test_complete_after_fail);
  ADD ("complete-twice-holds-the-next", test_complete_twice_holds_the_next);
  ADD ("made-by-hand", test_made_by_hand);
  ADD ("defer-outside-a-handler", test_defer_outside_a_handler);
  ADD ("defer-twice", test_defer_twice);
  ADD ("defer-again-after-the-end", test_defer_again_after_the_end);
  ADD ("defer-in-the-handler-of-another", test_defer_in_the_handler_of_another);
  ADD ("defer-from-a-thread", test_defer_from_a_thread);
#undef ADD

  return g_test_run ();
}
