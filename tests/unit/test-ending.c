/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-tools.h"

/*
 * One subscriber leaves: the name is free and sends stop reaching it at once, the handler in flight may finish,
 * queued system messages come, queued data does not, and then it is over; or it takes too long.
 */

static TestRecorder *
subscribe_in (TestFixture  *f,
              GMainContext *context,
              TestHandler   handler,
              gpointer      user_data)
{
  TestRecorder *a =
      test_recorder_new_full (handler, user_data, "name", "a", "main-context", context, NULL);
  g_autoptr (GError) error = NULL;

  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), &error);
  g_assert_no_error (error);
  return a;
}

static AgentMessage *
test_end (const char *target)
{
  return agent_message_new_end ("test", target, NULL);
}

static void
assert_unsubscribed (TestFixture  *f,
                     GAsyncResult *result)
{
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (result);
  g_assert_true (agent_bus_unsubscribe_finish (f->bus, result, &error));
  g_assert_no_error (error);
}

static void
assert_timed_out (TestFixture  *f,
                  GAsyncResult *result)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (agent_bus_unsubscribe_finish (f->bus, result, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
  test_expect_log (f, "'a' did not leave");
}

static void
on_unsubscribed (AgentBus   *bus,
                 const char *name,
                 gpointer    user_data)
{
  GString *names = user_data;

  g_string_append (names, name);
}

/* --- In time --- */

static void
test_name_is_free_at_once (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) successor = NULL;

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_end ("a"));
  agent_bus_unsubscribe (f->bus, "a");
  g_assert_null (agent_bus_lookup (f->bus, "a"));
  g_assert_false (agent_bus_get_dropped (f->bus, "a", NULL));
  g_assert_cmpuint (agent_bus_get_n_subscribers (f->bus), ==, 0);

  successor = test_recorder_subscribe (f, "a", NULL, NULL);
  g_assert_cmpuint (agent_bus_get_n_subscribers (f->bus), ==, 1);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "end");
  g_assert_cmpstr (test_recorder_text (successor), ==, "");
}

static void
test_sends_stop_reaching_it (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", NULL, 1)), ==, 2);
  agent_bus_unsubscribe (f->bus, "a");
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", NULL, 2)), ==, 1);
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", "a", 3)), ==, 0);
  g_assert_cmpuint (agent_bus_send (f->bus, test_end ("a")), ==, 0);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "");
  g_assert_cmpstr (test_recorder_text (b), ==, "1 2");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_NO_TARGET], ==, 2);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 1);
  test_assert_balanced (f->bus);
}

static void
test_handler_in_flight_may_finish (TestFixture *f)
{
  g_autoptr (TestThread) thread = test_thread_new ();
  g_autoptr (TestRecorder) a = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  TestGate gate;

  test_gate_init (&gate);
  a = subscribe_in (f, thread->context, test_gate_handler, &gate);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_gate_wait (&gate);

  agent_bus_unsubscribe_async (f->bus, "a", NULL, test_keep_result, &result);
  test_drain (f);
  g_assert_null (result);
  g_assert_null (agent_bus_lookup (f->bus, "a"));

  test_gate_open (&gate);
  test_wait_result (f, &result);
  assert_unsubscribed (f, result);
  g_assert_false (a->in_handler);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");
  test_gate_clear (&gate);
}

static void
test_deferred_may_finish (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", test_keep_first, &delivery);
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  agent_bus_unsubscribe_async (f->bus, "a", NULL, test_keep_result, &result);
  test_drain (f);
  g_assert_null (result);

  agent_delivery_complete (delivery);
  test_drain (f);
  assert_unsubscribed (f, result);
}

static void
assert_it_is_over (GObject      *object,
                   GAsyncResult *result,
                   gpointer      user_data)
{
  TestRecorder *a = user_data;
  g_autoptr (AgentBus) bus = agent_subscriber_dup_bus (AGENT_SUBSCRIBER (a));

  g_assert_true (agent_bus_unsubscribe_finish (AGENT_BUS (object), result, NULL));
  g_assert_null (bus);
  g_assert_cmpstr (test_recorder_text (a), ==, "end cancel");
  a->user_data = NULL;
}

/* It is over only when the system messages have come; data that is queued does not come, and is counted. */
static void
test_system_is_delivered_and_data_is_not (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, f);
  g_autoptr (GString) names = g_string_new (NULL);

  g_signal_connect (f->bus, "unsubscribed", G_CALLBACK (on_unsubscribed), names);
  for (guint i = 1; i <= 3; i++)
    agent_bus_send (f->bus, test_data ("test", "a", i));
  agent_bus_send (f->bus, test_end ("a"));
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  agent_bus_send (f->bus, test_data ("test", "a", 4));
  agent_bus_unsubscribe_async (f->bus, "a", NULL, assert_it_is_over, a);
  g_assert_cmpuint (test_ledger (f->bus).dropped[AGENT_DROP_REASON_DISCARDED], ==, 4);
  g_assert_cmpuint (test_ledger (f->bus).queued, ==, 2);
  test_assert_balanced (f->bus);

  test_drain (f);
  g_assert_null (a->user_data);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 4);
  g_assert_cmpuint (f->n_dropped_emissions, ==, 1);
  g_assert_cmpuint (test_ledger (f->bus).delivered, ==, 2);
  g_assert_cmpuint (agent_subscriber_get_n_dropped (AGENT_SUBSCRIBER (a)), ==, 4);
  g_assert_cmpstr (names->str, ==, "a");
  test_assert_balanced (f->bus);
}

/* Reliable data is not lost: it is handled, in its order, while the rest is discarded. */
static void
test_reliable_data_is_handled (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  for (guint i = 1; i <= 200; i++)
    {
      AgentMessage *message = test_data ("test", "a", i);

      agent_message_set_reliable (message, i % 50 == 0);
      agent_bus_send (f->bus, message);
    }
  g_assert_true (test_unsubscribe (f, "a", NULL));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "50 100 150 200");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 196);
  test_assert_balanced (f->bus);
}

/* Nothing is queued or in hand: nobody has to iterate the subscriber's context. */
static void
test_idle_subscriber_leaves_at_once (TestFixture *f)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (TestRecorder) a = subscribe_in (f, context, NULL, NULL);
  g_autoptr (AgentBus) bus = NULL;

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_unsubscribe (f->bus, "a");
  bus = agent_subscriber_dup_bus (AGENT_SUBSCRIBER (a));
  g_assert_null (bus);
  test_assert_balanced (f->bus);
  test_drain (f); /* the news of the drop names the subscriber */
  test_assert_dies (g_steal_pointer (&a));
}

static void
test_unknown_name (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (GError) error = NULL;

  agent_bus_unsubscribe (f->bus, "b");
  g_assert_false (test_unsubscribe (f, "b", &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_NOT_FOUND);
  g_assert_cmpuint (agent_bus_get_n_subscribers (f->bus), ==, 1);

  g_clear_error (&error);
  g_assert_true (test_unsubscribe (f, "a", NULL));
  g_assert_false (test_unsubscribe (f, "a", &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_NOT_FOUND);
}

/* --- From the own handler --- */

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

  if (g_strcmp0 (agent_message_get_task_id (message), "1") != 0)
    return;

  agent_bus_send (self->fixture->bus, test_end ("a"));
  agent_bus_unsubscribe_async (self->fixture->bus, "a", NULL, test_keep_result, &self->result);
  g_assert_null (agent_bus_lookup (self->fixture->bus, "a"));
}

static void
test_from_the_own_handler (TestFixture *f)
{
  Leaver leaver = { f, NULL };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", leave, &leaver);

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  test_drain (f);
  assert_unsubscribed (f, leaver.result);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 end");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 1);
  test_assert_balanced (f->bus);
  g_object_unref (leaver.result);
}

/* A handler that waits for its own end, against all advice, waits until the deadline and not for ever. */
static void
leave_and_wait (TestRecorder *recorder,
                AgentMessage *message,
                gpointer      user_data)
{
  Leaver *self = user_data;

  agent_bus_unsubscribe_async (self->fixture->bus, "a", NULL, test_keep_result, &self->result);
  test_wait_result (self->fixture, &self->result);
}

static void
test_waiting_in_the_own_handler (TestFixture *f)
{
  Leaver leaver = { f, NULL };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", leave_and_wait, &leaver);
  g_autoptr (AgentBus) bus = NULL;

  agent_bus_set_shutdown_timeout (f->bus, 1);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  assert_timed_out (f, leaver.result);
  bus = agent_subscriber_dup_bus (AGENT_SUBSCRIBER (a));
  g_assert_null (bus);
  test_assert_balanced (f->bus);
  g_object_unref (leaver.result);
}

static void
leave_other (TestRecorder *recorder,
             AgentMessage *message,
             gpointer      user_data)
{
  Leaver *self = user_data;

  agent_bus_unsubscribe_async (self->fixture->bus, "a", NULL, test_keep_result, &self->result);
}

/* Both share a context, and the one that is thrown out has messages left. */
static void
test_from_the_handler_of_another (TestFixture *f)
{
  Leaver leaver = { f, NULL };
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", leave_other, &leaver);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  agent_bus_send (f->bus, test_cancel ("test", "b"));
  agent_bus_send (f->bus, test_end ("a"));
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  assert_unsubscribed (f, leaver.result);
  g_assert_cmpstr (test_recorder_text (a), ==, "end");
  g_object_unref (leaver.result);
}

/* --- Too late --- */

static void
test_context_never_iterated (TestFixture *f)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (TestRecorder) a = subscribe_in (f, context, NULL, NULL);
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_set_shutdown_timeout (f->bus, 1);
  agent_bus_send (f->bus, test_end ("a"));
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_unsubscribe_async (f->bus, "a", NULL, test_keep_result, &result);
  test_wait_result (f, &result);
  assert_timed_out (f, result);

  while (g_main_context_iteration (context, FALSE))
    ;
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 2);
  test_assert_balanced (f->bus);
  test_assert_dies (g_steal_pointer (&a));
}

static void
test_deferred_never_completed (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", test_keep_first, &delivery);
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_set_shutdown_timeout (f->bus, 1);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  agent_bus_send (f->bus, test_end ("a"));
  agent_bus_unsubscribe_async (f->bus, "a", NULL, test_keep_result, &result);
  test_wait_result (f, &result);
  assert_timed_out (f, result);

  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 1);
  agent_delivery_complete (delivery);
  test_assert_balanced (f->bus);
}

static void
assert_not_left (TestFixture  *f,
                 TestRecorder *recorder)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (recorder), &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_EXISTS);
  g_assert_cmpuint (agent_bus_get_n_subscribers (f->bus), ==, 0);
}

/* The handler cannot be taken back, but it is the last one; and when it has returned, the subscriber is free. */
static void
test_handler_that_hangs (TestFixture *f)
{
  g_autoptr (TestThread) thread = test_thread_new ();
  g_autoptr (TestRecorder) a = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GString) names = g_string_new (NULL);
  TestGate gate;

  test_gate_init (&gate);
  agent_bus_set_shutdown_timeout (f->bus, 1);
  g_signal_connect (f->bus, "unsubscribed", G_CALLBACK (on_unsubscribed), names);
  a = subscribe_in (f, thread->context, test_gate_handler, &gate);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_gate_wait (&gate);
  agent_bus_send (f->bus, test_end ("a"));
  agent_bus_send (f->bus, test_data ("test", "a", 2));

  agent_bus_unsubscribe_async (f->bus, "a", NULL, test_keep_result, &result);
  test_wait_result (f, &result);
  assert_timed_out (f, result);
  test_assert_balanced (f->bus);
  assert_not_left (f, a);
  test_drain (f);
  g_assert_cmpstr (names->str, ==, "");

  test_gate_open (&gate);
  test_thread_sync (thread);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");
  g_assert_cmpstr (names->str, ==, "a");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 2);
  test_assert_balanced (f->bus);

  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  agent_bus_send (f->bus, test_data ("test", "a", 3));
  test_thread_sync (thread);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 3");
  test_stop (f);
  test_gate_clear (&gate);
}

/* The deadline is for all that is left to do, not for each message: what the slow handler did not come to is
 * counted, one by one. */
static void
test_drain_has_a_deadline (TestFixture *f)
{
  g_autoptr (TestThread) thread = test_thread_new ();
  g_autoptr (TestRecorder) a = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  TestGate gate;

  test_gate_init (&gate);
  agent_bus_set_shutdown_timeout (f->bus, 1);
  a = subscribe_in (f, thread->context, test_gate_handler, &gate);
  for (guint i = 0; i < 5; i++)
    agent_bus_send (f->bus, test_end ("a"));
  test_gate_wait (&gate);

  agent_bus_unsubscribe_async (f->bus, "a", NULL, test_keep_result, &result);
  test_wait_result (f, &result);
  assert_timed_out (f, result);
  test_gate_open (&gate);
  test_thread_sync (thread);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "end");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 4);
  test_assert_balanced (f->bus);
  test_gate_clear (&gate);
}

/* Nobody waits for it: the deadline holds all the same. */
static void
test_deadline_without_a_waiter (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", test_keep_first, &delivery);

  agent_bus_set_shutdown_timeout (f->bus, 1);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  agent_bus_unsubscribe (f->bus, "a");
  while (f->log->len == 0)
    g_main_context_iteration (f->context, TRUE);
  test_expect_log (f, "'a' did not leave");
  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  agent_delivery_complete (delivery);
}

/* --- Who does not want to wait --- */

/* A deadline that this test would not live to see. */
#define NEVER (60 * 60 * 1000)

static void
test_cancel_of_the_wait (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", test_keep_first, &delivery);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_bus_set_shutdown_timeout (f->bus, NEVER);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  agent_bus_unsubscribe_async (f->bus, "a", cancellable, test_keep_result, &result);
  test_drain (f);
  g_assert_null (result);

  g_cancellable_cancel (cancellable);
  test_drain (f);
  g_assert_nonnull (result);
  g_assert_false (agent_bus_unsubscribe_finish (f->bus, result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  agent_delivery_complete (delivery);
  test_drain (f);
  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
}

/* Cancelled from the start: it leaves, and the caller hears at once. */
static void
test_wait_is_cancelled_already (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", test_keep_first, &delivery);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_bus_set_shutdown_timeout (f->bus, NEVER);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  g_cancellable_cancel (cancellable);
  agent_bus_unsubscribe_async (f->bus, "a", cancellable, test_keep_result, &result);
  g_assert_null (agent_bus_lookup (f->bus, "a"));
  test_drain (f);
  g_assert_nonnull (result);
  g_assert_false (agent_bus_unsubscribe_finish (f->bus, result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  agent_delivery_complete (delivery);
}

/* Cancelling does not lift the deadline for the subscriber. */
static void
test_deadline_holds_after_cancel (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", test_keep_first, &delivery);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_set_shutdown_timeout (f->bus, 1);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  agent_bus_unsubscribe_async (f->bus, "a", cancellable, test_keep_result, &result);
  g_cancellable_cancel (cancellable);
  while (f->log->len == 0)
    g_main_context_iteration (f->context, TRUE);
  test_expect_log (f, "'a' did not leave");
  test_drain (f);
  g_assert_nonnull (result);
  g_assert_false (agent_bus_unsubscribe_finish (f->bus, result, NULL));
  agent_delivery_complete (delivery);
}

/* --- The same name and the same subscriber again --- */

static void
test_successor_under_the_same_name (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) old = test_recorder_subscribe (f, "a", test_keep_first, &delivery);
  g_autoptr (TestRecorder) new = NULL;
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  agent_bus_send (f->bus, test_end ("a"));
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  agent_bus_unsubscribe_async (f->bus, "a", NULL, test_keep_result, &result);

  new = test_recorder_subscribe (f, "a", NULL, NULL);
  agent_bus_send (f->bus, test_data ("test", "a", 3));
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (old), ==, "1");
  g_assert_cmpstr (test_recorder_text (new), ==, "cancel 3");
  g_assert_false (agent_delivery_is_cancelled (delivery));

  agent_delivery_complete (delivery);
  test_drain (f);
  assert_unsubscribed (f, result);
  g_assert_cmpstr (test_recorder_text (old), ==, "1 end");
  g_assert_cmpstr (test_recorder_text (new), ==, "cancel 3");
  g_assert_cmpuint (test_ledger_of (f->bus, "a").delivered, ==, 2);
  test_assert_balanced (f->bus);
}

/* The one that leaves does not take its successor with it. */
static void
test_second_unsubscribe_is_for_the_successor (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) old = test_recorder_subscribe (f, "a", test_keep_first, &delivery);
  g_autoptr (TestRecorder) new = NULL;
  g_autoptr (GAsyncResult) first = NULL;

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  agent_bus_unsubscribe_async (f->bus, "a", NULL, test_keep_result, &first);
  new = test_recorder_subscribe (f, "a", NULL, NULL);
  g_assert_true (test_unsubscribe (f, "a", NULL));
  g_assert_null (first);
  agent_delivery_complete (delivery);
  test_drain (f);
  assert_unsubscribed (f, first);
}

static void
test_subscribe_again_before_it_has_left (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", test_keep_first, &delivery);
  g_autoptr (AgentBus) other = agent_bus_new ();
  g_autoptr (GError) error = NULL;

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  agent_bus_unsubscribe (f->bus, "a");
  assert_not_left (f, a);
  g_assert_false (agent_bus_subscribe (other, AGENT_SUBSCRIBER (a), &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_EXISTS);

  agent_delivery_complete (delivery);
  test_drain (f);
  g_assert_true (agent_bus_subscribe (other, AGENT_SUBSCRIBER (a), NULL));
  agent_bus_send (other, test_data ("test", "a", 2));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 2");
  g_assert_cmpuint (agent_subscriber_get_n_delivered (AGENT_SUBSCRIBER (a)), ==, 2);
}

static void
subscribe_again (GObject      *object,
                 GAsyncResult *result,
                 gpointer      user_data)
{
  TestRecorder *a = user_data;

  g_assert_true (agent_bus_unsubscribe_finish (AGENT_BUS (object), result, NULL));
  g_assert_true (agent_bus_subscribe (AGENT_BUS (object), AGENT_SUBSCRIBER (a), NULL));
  a->user_data = NULL;
}

/* Over means over: the subscriber can be put on the bus again where it is told so. */
static void
test_subscribe_again_in_the_callback (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, f);

  agent_bus_send (f->bus, test_end ("a"));
  agent_bus_unsubscribe_async (f->bus, "a", NULL, subscribe_again, a);
  test_drain (f);
  g_assert_null (a->user_data);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "end 1");
  test_assert_balanced (f->bus);
}

/* --- Never after it has finished --- */

typedef struct
{
  AgentBus *bus;
  gint      stop; /* (atomic) */
} Flood;

static gpointer
flood (gpointer data)
{
  Flood *self = data;

  for (guint i = 0; !g_atomic_int_get (&self->stop); i++)
    agent_bus_send (self->bus, i % 2 == 0 ? test_data ("test", "a", i) : test_end ("a"));

  return NULL;
}

static void
count_atomically (TestRecorder *recorder,
                  AgentMessage *message,
                  gpointer      user_data)
{
  g_atomic_int_inc ((gint *) user_data);
}

static void
assert_dies (gpointer object,
             gpointer user_data)
{
  test_assert_dies (object);
}

/* Somebody sends all the time, from another thread, to a subscriber in a third one. */
static void
test_nothing_after_the_end (TestFixture *f)
{
  g_autoptr (TestThread) thread = test_thread_new ();
  g_autoptr (GPtrArray) recorders = g_ptr_array_new ();
  Flood    data = { f->bus, FALSE };
  GThread *sender = g_thread_new ("test-flood", flood, &data);

  agent_bus_set_shutdown_timeout (f->bus, NEVER);
  for (guint round = 0; round < 20; round++)
    {
      gint          n_handled = 0;
      TestRecorder *a = subscribe_in (f, thread->context, count_atomically, &n_handled);
      gint          n_at_the_end;

      while (g_atomic_int_get (&n_handled) == 0)
        g_thread_yield ();
      g_assert_true (test_unsubscribe (f, "a", NULL));
      n_at_the_end = g_atomic_int_get (&n_handled);
      test_thread_sync (thread);
      g_assert_cmpint (g_atomic_int_get (&n_handled), ==, n_at_the_end);
      g_ptr_array_add (recorders, a);
    }

  g_atomic_int_set (&data.stop, TRUE);
  g_thread_join (sender);
  test_drain (f);
  g_ptr_array_foreach (recorders, assert_dies, NULL);
  test_assert_balanced (f->bus);
  g_string_truncate (f->log, 0); /* it may well have been full */
}

/* What the deadline has cut off does not come back when the delivery is completed at last. The neighbour keeps the context
 * at work. */
static void
test_nothing_after_a_deadline (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);
  g_autoptr (GError) error = NULL;

  agent_bus_send (f->bus, test_data ("test", "a", 2));
  agent_bus_send (f->bus, test_end ("a"));
  test_drain (f);
  agent_bus_set_shutdown_timeout (f->bus, 1);
  g_assert_false (test_unsubscribe (f, "a", &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
  test_expect_log (f, "'a' did not leave");

  agent_delivery_complete (delivery);
  agent_bus_send (f->bus, test_data ("test", "b", 3));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");
  g_assert_cmpstr (test_recorder_text (b), ==, "3");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 2);
  test_assert_balanced (f->bus);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/ending/" name, func)
  ADD ("name-is-free-at-once", test_name_is_free_at_once);
  ADD ("sends-stop-reaching-it", test_sends_stop_reaching_it);
  ADD ("handler-in-flight-may-finish", test_handler_in_flight_may_finish);
  ADD ("deferred-may-finish", test_deferred_may_finish);
  ADD ("system-is-delivered-and-data-is-not", test_system_is_delivered_and_data_is_not);
  ADD ("reliable-data-is-handled", test_reliable_data_is_handled);
  ADD ("idle-subscriber-leaves-at-once", test_idle_subscriber_leaves_at_once);
  ADD ("unknown-name", test_unknown_name);
  ADD ("from-the-own-handler", test_from_the_own_handler);
  ADD ("waiting-in-the-own-handler", test_waiting_in_the_own_handler);
  ADD ("from-the-handler-of-another", test_from_the_handler_of_another);
  ADD ("context-never-iterated", test_context_never_iterated);
  ADD ("deferred-never-completed", test_deferred_never_completed);
  ADD ("handler-that-hangs", test_handler_that_hangs);
  ADD ("drain-has-a-deadline", test_drain_has_a_deadline);
  ADD ("deadline-without-a-waiter", test_deadline_without_a_waiter);
  ADD ("cancel-of-the-wait", test_cancel_of_the_wait);
  ADD ("wait-is-cancelled-already", test_wait_is_cancelled_already);
  ADD ("deadline-holds-after-cancel", test_deadline_holds_after_cancel);
  ADD ("successor-under-the-same-name", test_successor_under_the_same_name);
  ADD ("second-unsubscribe-is-for-the-successor", test_second_unsubscribe_is_for_the_successor);
  ADD ("subscribe-again-before-it-has-left", test_subscribe_again_before_it_has_left);
  ADD ("subscribe-again-in-the-callback", test_subscribe_again_in_the_callback);
  ADD ("nothing-after-the-end", test_nothing_after_the_end);
  ADD ("nothing-after-a-deadline", test_nothing_after_a_deadline);
#undef ADD

  return g_test_run ();
}
