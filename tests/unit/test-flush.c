/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-tools.h"

/* Waiting until all that is queued now is handled, and for nothing else. */

static void
begin_flush (TestFixture   *f,
             const char    *name,
             GAsyncResult **result)
{
  agent_bus_flush_async (f->bus, name, NULL, test_keep_result, result);
}

static void
assert_flushed (TestFixture   *f,
                GAsyncResult **result)
{
  g_autoptr (GError) error = NULL;

  test_wait_result (f, result);
  g_assert_true (agent_bus_flush_finish (f->bus, *result, &error));
  g_assert_no_error (error);
  g_clear_object (result);
}

static void
assert_failed (TestFixture   *f,
               GAsyncResult **result,
               GQuark         domain,
               gint           code)
{
  g_autoptr (GError) error = NULL;

  test_wait_result (f, result);
  g_assert_false (agent_bus_flush_finish (f->bus, *result, &error));
  g_assert_error (error, domain, code);
  g_clear_object (result);
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
test_one (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (GAsyncResult) result = NULL;

  send_numbers (f, 1, 3);
  begin_flush (f, "a", &result);
  g_assert_null (result);
  assert_flushed (f, &result);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 2 3");
}

static void
test_idle (TestFixture *f)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (TestRecorder) a = test_recorder_new_full (NULL, NULL, "name", "a", "main-context", context, NULL);
  g_autoptr (GAsyncResult) result = NULL;

  begin_flush (f, NULL, &result);
  assert_flushed (f, &result);
  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  begin_flush (f, "a", &result);
  assert_flushed (f, &result);
}

static void
test_all (TestFixture *f)
{
  g_autoptr (TestThread) thread = test_thread_new ();
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  TestGate gate;

  test_gate_init (&gate);
  b = test_recorder_new_full (
      test_gate_handler, &gate, "name", "b", "main-context", thread->context, NULL);
  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (b), NULL));
  agent_bus_send (f->bus, test_data ("test", NULL, 1));
  test_gate_wait (&gate);
  begin_flush (f, NULL, &result);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");
  g_assert_null (result);
  test_gate_open (&gate);
  assert_flushed (f, &result);
  g_assert_false (b->in_handler);
  test_gate_clear (&gate);
}

/* What comes later is not waited for, and the hand of a later message is not either. */
static void
test_later_messages (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = agent_subscriber_new ("a");
  g_autoptr (GAsyncResult) result = NULL;

  g_assert_true (agent_bus_subscribe (f->bus, a, NULL));
  send_numbers (f, 1, 2);
  begin_flush (f, "a", &result);
  send_numbers (f, 3, 4);
  agent_message_unref (agent_subscriber_receive (a, 0, NULL, NULL));
  test_drain (f);
  g_assert_null (result);
  agent_message_unref (agent_subscriber_receive (a, 0, NULL, NULL));
  assert_flushed (f, &result);
  g_assert_cmpuint (agent_subscriber_get_n_queued (a), ==, 2);
}

static void
keep_all (TestRecorder *recorder,
          AgentMessage *message,
          gpointer      user_data)
{
  GPtrArray *deliveries = user_data;

  g_ptr_array_add (deliveries, agent_subscriber_defer (AGENT_SUBSCRIBER (recorder)));
}

/* The message in hand counts, too. */
static void
test_deferred (TestFixture *f)
{
  g_autoptr (GPtrArray) deliveries = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", keep_all, deliveries);
  g_autoptr (GAsyncResult) result = NULL;

  send_numbers (f, 1, 2);
  test_drain (f);
  begin_flush (f, "a", &result);
  send_numbers (f, 3, 3);
  for (guint i = 0; i < 2; i++)
    {
      test_drain (f);
      g_assert_null (result);
      agent_delivery_complete (deliveries->pdata[i]);
    }
  assert_flushed (f, &result);
  test_drain (f);
  g_assert_cmpuint (deliveries->len, ==, 3);
  agent_delivery_complete (deliveries->pdata[2]);
}

static void
on_delivery (GObject      *source,
             GAsyncResult *result,
             gpointer      user_data)
{
  AgentDelivery **place = user_data;

  *place = agent_subscriber_receive_delivery_finish (AGENT_SUBSCRIBER (source), result, NULL);
  g_assert_nonnull (*place);
}

static AgentDelivery *
receive_delivery (TestFixture     *f,
                  AgentSubscriber *subscriber)
{
  AgentDelivery *delivery = NULL;

  agent_subscriber_receive_delivery_async (subscriber, NULL, on_delivery, &delivery);
  while (delivery == NULL)
    g_main_context_iteration (f->context, TRUE);

  return delivery;
}

/* Somebody who always has a message in hand is flushed all the same. */
static void
test_never_without_a_hand (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = agent_subscriber_new ("a");
  g_autoptr (AgentDelivery) first = NULL;
  g_autoptr (AgentDelivery) second = NULL;
  g_autoptr (GAsyncResult) result = NULL;

  g_assert_true (agent_bus_subscribe (f->bus, a, NULL));
  send_numbers (f, 1, 1);
  begin_flush (f, "a", &result);
  send_numbers (f, 2, 2);
  first = receive_delivery (f, a);
  second = receive_delivery (f, a);
  test_drain (f);
  g_assert_null (result);
  agent_delivery_complete (first);
  assert_flushed (f, &result);
  agent_delivery_complete (second);
}

static void
send_many (TestFixture *f,
           guint        n,
           gboolean     reliable)
{
  for (guint i = 1; i <= n; i++)
    {
      AgentMessage *message = test_data ("test", "a", i);

      agent_message_set_reliable (message, reliable);
      agent_bus_send (f->bus, message);
    }
}

/* What gives way is not waited for, and what gives way of the later ones does not stand for what has to be handled. */
static void
test_messages_give_way (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a =
      g_object_new (AGENT_TYPE_SUBSCRIBER, "name", "a", "capacity", 4, "overflow", AGENT_OVERFLOW_DROP_OLDEST, NULL);
  g_autoptr (GAsyncResult) result = NULL;

  g_assert_true (agent_bus_subscribe (f->bus, a, NULL));
  send_many (f, 2, TRUE);
  send_many (f, 2, FALSE);
  begin_flush (f, "a", &result);
  send_many (f, 10, FALSE);
  agent_message_unref (agent_subscriber_receive (a, 0, NULL, NULL));
  test_drain (f);
  g_assert_null (result);
  agent_message_unref (agent_subscriber_receive (a, 0, NULL, NULL));
  assert_flushed (f, &result);
  g_assert_cmpuint (agent_subscriber_get_n_queued (a), ==, 2);
  test_expect_log (f, "is full");
}

static void
test_paused (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (GAsyncResult) result = NULL;

  agent_subscriber_set_paused (AGENT_SUBSCRIBER (a), TRUE);
  send_numbers (f, 1, 1);
  begin_flush (f, "a", &result);
  test_drain (f);
  g_assert_null (result);
  agent_subscriber_set_paused (AGENT_SUBSCRIBER (a), FALSE);
  assert_flushed (f, &result);
}

static void
test_cancelled (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;

  agent_subscriber_set_paused (AGENT_SUBSCRIBER (a), TRUE);
  send_numbers (f, 1, 1);
  agent_bus_flush_async (f->bus, "a", cancellable, test_keep_result, &result);
  test_drain (f);
  g_assert_null (result);
  g_cancellable_cancel (cancellable);
  assert_failed (f, &result, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  agent_subscriber_set_paused (AGENT_SUBSCRIBER (a), FALSE);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");
}

static void
test_errors (TestFixture *f)
{
  g_autoptr (GAsyncResult) result = NULL;

  begin_flush (f, "a", &result);
  assert_failed (f, &result, AGENT_BUS_ERROR, AGENT_BUS_ERROR_NOT_FOUND);
  test_stop (f);
  begin_flush (f, "a", &result);
  assert_failed (f, &result, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED);
  begin_flush (f, NULL, &result);
  assert_failed (f, &result, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED);
}

static void
test_leaves (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) again = NULL;
  g_autoptr (GAsyncResult) result = NULL;

  send_numbers (f, 1, 2);
  begin_flush (f, "a", &result);
  agent_bus_unsubscribe (f->bus, "a");
  assert_failed (f, &result, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED);

  again = test_recorder_subscribe (f, "a", NULL, NULL);
  send_numbers (f, 3, 4);
  begin_flush (f, "a", &result);
  agent_bus_unsubscribe_full_async (f->bus, "a", AGENT_LEAVE_FLAGS_DRAIN, NULL, NULL, NULL);
  assert_flushed (f, &result);
  g_assert_cmpstr (test_recorder_text (again), ==, "3 4");
  test_drain (f);
}

static void
test_leaves_too_late (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  g_autoptr (GAsyncResult) result = NULL;

  begin_flush (f, NULL, &result);
  agent_bus_set_shutdown_timeout (f->bus, 1);
  agent_bus_unsubscribe (f->bus, "a");
  assert_failed (f, &result, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
  test_expect_log (f, "'a' did not leave");
  agent_delivery_complete (delivery);
}

typedef struct
{
  AgentBus *bus;
  gint      stop;
} Flood;

static gpointer
flood (gpointer data)
{
  Flood *self = data;

  while (!g_atomic_int_get (&self->stop))
    agent_bus_send (self->bus, test_data ("flood", "a", 1));

  return NULL;
}

/* It comes to an end while others go on sending. */
static void
test_flooded (TestFixture *f)
{
  g_autoptr (TestThread) thread = test_thread_new ();
  g_autoptr (TestRecorder) a =
      test_recorder_new_full (NULL, NULL, "name", "a", "main-context", thread->context, "overflow", AGENT_OVERFLOW_DROP_OLDEST, NULL);
  Flood    self = { f->bus, FALSE };
  GThread *sender;

  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  sender = g_thread_new ("flood", flood, &self);
  for (guint i = 0; i < 50; i++)
    {
      g_autoptr (GAsyncResult) result = NULL;

      begin_flush (f, i % 2 == 0 ? "a" : NULL, &result);
      assert_flushed (f, &result);
    }
  g_atomic_int_set (&self.stop, TRUE);
  g_thread_join (sender);
  test_stop (f);
  if (f->dropped[AGENT_DROP_REASON_FULL] > 0)
    test_expect_log (f, "is full");
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/flush/" name, func)

  ADD ("one", test_one);
  ADD ("idle", test_idle);
  ADD ("all", test_all);
  ADD ("later-messages", test_later_messages);
  ADD ("deferred", test_deferred);
  ADD ("never-without-a-hand", test_never_without_a_hand);
  ADD ("messages-give-way", test_messages_give_way);
  ADD ("paused", test_paused);
  ADD ("cancelled", test_cancelled);
  ADD ("errors", test_errors);
  ADD ("leaves", test_leaves);
  ADD ("leaves-too-late", test_leaves_too_late);
  ADD ("flooded", test_flooded);

  return g_test_run ();
}
