/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-tools.h"

/*
 * Leaving without loss: no more comes in, all that is queued is handled, or received, and then the subscriber leaves; or it
 * takes too long.
 */

static void
begin_drain (TestFixture   *f,
             const char    *name,
             GAsyncResult **result)
{
  agent_bus_unsubscribe_full_async (f->bus, name, AGENT_LEAVE_FLAGS_DRAIN, NULL, test_keep_result, result);
}

static void
begin_stop (TestFixture   *f,
            GAsyncResult **result)
{
  agent_bus_stop_full_async (f->bus, AGENT_LEAVE_FLAGS_DRAIN, NULL, test_keep_result, result);
}

static void
assert_drained (TestFixture   *f,
                GAsyncResult **result)
{
  g_autoptr (GError) error = NULL;

  test_wait_result (f, result);
  g_assert_true (agent_bus_unsubscribe_full_finish (f->bus, *result, &error));
  g_assert_no_error (error);
  g_clear_object (result);
  test_drain (f); /* the signals of the bus come */
  test_assert_balanced (f->bus);
}

static void
assert_timed_out (TestFixture   *f,
                  GAsyncResult **result)
{
  g_autoptr (GError) error = NULL;

  test_wait_result (f, result);
  g_assert_false (agent_bus_unsubscribe_full_finish (f->bus, *result, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
  g_clear_object (result);
  test_expect_log (f, "'a' did not leave");
}

static void
send_numbers (TestFixture *f,
              guint        first,
              guint        last)
{
  for (guint i = first; i <= last; i++)
    agent_bus_send (f->bus, test_data ("test", "a", i));
}

static void
assert_received (AgentSubscriber *subscriber,
                 guint            number)
{
  g_autoptr (AgentMessage) message = agent_subscriber_receive (subscriber, 0, NULL, NULL);

  g_assert_nonnull (message);
  g_assert_cmpuint (test_number (message), ==, number);
}

/* --- One subscriber --- */

static void
test_all_is_handled (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (GAsyncResult) result = NULL;

  send_numbers (f, 1, 3);
  agent_bus_send (f->bus, agent_message_new_end ("test", "a", NULL));
  begin_drain (f, "a", &result);
  g_assert_null (agent_bus_lookup (f->bus, "a"));
  g_assert_cmpuint (test_ledger (f->bus).queued, ==, 4);
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", "a", 4)), ==, 0);

  assert_drained (f, &result);
  g_assert_cmpstr (test_recorder_text (a), ==, "end 1 2 3");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 0);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_NO_TARGET], ==, 1);
}

/* More than one block of a queue, and more than one batch. */
static void
test_much_is_handled (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_new_full (NULL, NULL, "name", "a", "capacity", 1000, NULL);
  g_autoptr (GAsyncResult) result = NULL;

  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  send_numbers (f, 1, 1000);
  begin_drain (f, "a", &result);
  assert_drained (f, &result);
  g_assert_cmpuint (test_recorder_count (a), ==, 1000);
}

static void
test_nothing_is_queued (TestFixture *f)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (TestRecorder) a = test_recorder_new_full (NULL, NULL, "name", "a", "main-context", context, NULL);
  g_autoptr (GAsyncResult) result = NULL;

  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  begin_drain (f, "a", &result);
  assert_drained (f, &result);
}

static void
test_unknown_name (TestFixture *f)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  begin_drain (f, "a", &result);
  test_wait_result (f, &result);
  g_assert_false (agent_bus_unsubscribe_full_finish (f->bus, result, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_NOT_FOUND);
}

static void
test_without_flags (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (GAsyncResult) result = NULL;

  send_numbers (f, 1, 3);
  agent_bus_unsubscribe_full_async (f->bus, "a", AGENT_LEAVE_FLAGS_NONE, NULL, test_keep_result, &result);
  assert_drained (f, &result);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 3);
}

/* A pause is over when the subscriber leaves. */
static void
test_paused (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (GAsyncResult) result = NULL;

  agent_subscriber_set_paused (AGENT_SUBSCRIBER (a), TRUE);
  send_numbers (f, 1, 2);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "");
  begin_drain (f, "a", &result);
  assert_drained (f, &result);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 2");
}

static void
test_deferring (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  g_autoptr (GAsyncResult) result = NULL;

  send_numbers (f, 2, 3);
  begin_drain (f, "a", &result);
  test_drain (f);
  g_assert_null (result);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");

  test_run_in_thread (test_complete, delivery);
  assert_drained (f, &result);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 2 3");
}

static void
send_to_itself (TestRecorder *recorder,
                AgentMessage *message,
                gpointer      user_data)
{
  TestFixture *f = user_data;

  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", "a", 9)), ==, 0);
}

/* What a handler sends to its own subscriber comes too late, so that the end comes. */
static void
test_sends_to_itself (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", send_to_itself, f);
  g_autoptr (GAsyncResult) result = NULL;

  send_numbers (f, 1, 2);
  begin_drain (f, "a", &result);
  assert_drained (f, &result);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 2");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_NO_TARGET], ==, 2);
}

static void
test_nobody_listens (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = agent_subscriber_new ("a");
  g_autoptr (GAsyncResult) result = NULL;

  g_assert_true (agent_bus_subscribe (f->bus, a, NULL));
  send_numbers (f, 1, 3);
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  begin_drain (f, "a", &result);
  assert_drained (f, &result);
  test_drain (f);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 4);
  test_expect_log (f, "Nobody listens");
}

/* Somebody who receives gets the rest, also between two calls. */
static void
test_received (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = agent_subscriber_new ("a");
  g_autoptr (AgentMessage) cancel = NULL;
  g_autoptr (GAsyncResult) result = NULL;

  g_assert_true (agent_bus_subscribe (f->bus, a, NULL));
  send_numbers (f, 1, 3);
  assert_received (a, 1);
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  begin_drain (f, "a", &result);
  test_drain (f);
  g_assert_null (result);

  cancel = agent_subscriber_receive (a, 0, NULL, NULL);
  g_assert_nonnull (cancel);
  g_assert_cmpint (agent_message_get_message_type (cancel), ==, AGENT_MESSAGE_TYPE_CANCEL);
  assert_received (a, 2);
  test_drain (f);
  g_assert_null (result);
  assert_received (a, 3);
  assert_drained (f, &result);
  g_assert_null (agent_subscriber_receive (a, 0, NULL, NULL));
}

/* Reliable data waits for who receives, also without a drain. */
static void
test_reliable_is_received (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = agent_subscriber_new ("a");
  g_autoptr (GAsyncResult) result = NULL;
  AgentMessage *message = test_data ("test", "a", 3);

  g_assert_true (agent_bus_subscribe (f->bus, a, NULL));
  send_numbers (f, 1, 2);
  agent_message_set_reliable (message, TRUE);
  agent_bus_send (f->bus, message);
  assert_received (a, 1);
  agent_bus_unsubscribe_async (f->bus, "a", NULL, test_keep_result, &result);
  test_drain (f);
  g_assert_null (result);
  assert_received (a, 3);
  assert_drained (f, &result);
}

static void
test_deadline (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  g_autoptr (GAsyncResult) result = NULL;

  send_numbers (f, 2, 3);
  agent_bus_set_shutdown_timeout (f->bus, 1);
  begin_drain (f, "a", &result);
  assert_timed_out (f, &result);
  test_drain (f);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 2);
  agent_delivery_complete (delivery);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");
  test_assert_balanced (f->bus);
}

/* A plain stop does not wait for what a drain before it has left. */
static void
test_stop_cuts_it_short (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GAsyncResult) stopped = NULL;

  send_numbers (f, 2, 3);
  begin_drain (f, "a", &result);
  agent_bus_stop_async (f->bus, NULL, test_keep_result, &stopped);
  g_assert_cmpuint (test_ledger (f->bus).queued, ==, 0);
  agent_delivery_complete (delivery);
  assert_drained (f, &result);
  test_wait_result (f, &stopped);
  g_assert_true (agent_bus_stop_finish (f->bus, stopped, NULL));
  g_assert_cmpstr (test_recorder_text (a), ==, "1");
}

/* --- The bus --- */

static void
test_bus_stops (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_bus_send (f->bus, test_data ("test", NULL, 1));
  agent_bus_send (f->bus, test_data ("test", NULL, 2));
  begin_stop (f, &result);
  g_assert_false (agent_bus_is_running (f->bus));
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", NULL, 3)), ==, 0);
  test_wait_result (f, &result);
  g_assert_true (agent_bus_stop_full_finish (f->bus, result, &error));
  g_assert_no_error (error);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 2");
  g_assert_cmpstr (test_recorder_text (b), ==, "1 2");
  test_assert_balanced (f->bus);
}

typedef struct
{
  AgentBus *bus;
  gint      n_sent; /* (atomic) how many messages were accepted */
} Flood;

static gpointer
flood (gpointer data)
{
  Flood *self = data;

  for (guint i = 1; i <= 5000; i++)
    g_atomic_int_add (&self->n_sent, (gint) agent_bus_send (self->bus, test_data ("flood", "a", i)));

  return NULL;
}

/* Whatever was accepted is handled, however the stop and the senders meet. */
static void
test_races (TestFixture *f)
{
  for (guint round = 0; round < 20; round++)
    {
      g_autoptr (TestThread) place = test_thread_new ();
      g_autoptr (TestRecorder) a = test_recorder_new_full (
          NULL, NULL, "name", "a", "main-context", place->context, "capacity", 100000, NULL);
      g_autoptr (GAsyncResult) result = NULL;
      Flood    self = { f->bus, 0 };
      GThread *thread;

      g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
      thread = g_thread_new ("flood", flood, &self);
      while (g_atomic_int_get (&self.n_sent) < (gint) (50 * round))
        g_thread_yield ();
      begin_drain (f, "a", &result);
      g_thread_join (thread);
      assert_drained (f, &result);
      g_assert_cmpuint (test_recorder_count (a), ==, (guint) self.n_sent);
    }
  test_drain (f);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/drain/" name, func)

  ADD ("all-is-handled", test_all_is_handled);
  ADD ("much-is-handled", test_much_is_handled);
  ADD ("nothing-is-queued", test_nothing_is_queued);
  ADD ("unknown-name", test_unknown_name);
  ADD ("without-flags", test_without_flags);
  ADD ("paused", test_paused);
  ADD ("deferring", test_deferring);
  ADD ("sends-to-itself", test_sends_to_itself);
  ADD ("nobody-listens", test_nobody_listens);
  ADD ("received", test_received);
  ADD ("reliable-is-received", test_reliable_is_received);
  ADD ("deadline", test_deadline);
  ADD ("stop-cuts-it-short", test_stop_cuts_it_short);
  ADD ("bus-stops", test_bus_stops);
  ADD ("races", test_races);

  return g_test_run ();
}
