/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-support.h"

/*
 * Receiving instead of being called: who gets which message, what a cancelled call has taken, how it goes together with
 * handlers, deferred deliveries and pauses, and how it ends.
 */

/* What one call came to. */
typedef struct
{
  gboolean       over;
  AgentMessage  *message;  /* (owned) (nullable) */
  AgentDelivery *delivery; /* (owned) (nullable) */
  GError        *error;    /* (owned) (nullable) */
} Result;

static void
on_received (GObject      *source,
             GAsyncResult *result,
             gpointer      user_data)
{
  Result *self = user_data;

  self->message = agent_subscriber_receive_finish (AGENT_SUBSCRIBER (source), result, &self->error);
  self->over = TRUE;
}

static void
on_delivery (GObject      *source,
             GAsyncResult *result,
             gpointer      user_data)
{
  Result *self = user_data;

  self->delivery = agent_subscriber_receive_delivery_finish (AGENT_SUBSCRIBER (source), result, &self->error);
  self->over = TRUE;
}

static void
result_clear (Result *self)
{
  g_clear_pointer (&self->message, agent_message_unref);
  g_clear_object (&self->delivery);
  g_clear_error (&self->error);
  self->over = FALSE;
}

static void
assert_got (Result *self,
            guint   number)
{
  g_assert_no_error (self->error);
  g_assert_true (self->over);
  g_assert_cmpuint (test_number (self->message), ==, number);
  result_clear (self);
}

static void
assert_closed (Result *self)
{
  g_assert_true (self->over);
  g_assert_error (self->error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED);
  result_clear (self);
}

static void
receive (AgentSubscriber *subscriber,
         GCancellable    *cancellable,
         Result          *result)
{
  agent_subscriber_receive_async (subscriber, cancellable, on_received, result);
}

static void
send_number (TestFixture *f,
             guint        number)
{
  agent_bus_send (f->bus, test_data ("test", "a", number));
}

static AgentSubscriber *
subscribe (TestFixture *f)
{
  AgentSubscriber *a = agent_subscriber_new ("a");

  g_assert_true (agent_bus_subscribe (f->bus, a, NULL));
  return a;
}

/* --- What comes --- */

static void
test_waits (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f);
  Result result = { FALSE };

  receive (a, NULL, &result);
  test_drain (f);
  g_assert_false (result.over);
  send_number (f, 1);
  test_drain (f);
  assert_got (&result, 1);
  g_assert_cmpuint (agent_subscriber_get_n_delivered (a), ==, 1);
}

static void
test_is_there (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f);
  Result result = { FALSE };

  send_number (f, 1);
  send_number (f, 2);
  test_drain (f);
  receive (a, NULL, &result);
  test_drain (f);
  assert_got (&result, 1);
  g_assert_cmpuint (agent_subscriber_get_n_queued (a), ==, 1);
  receive (a, NULL, &result);
  test_drain (f);
  assert_got (&result, 2);
}

static void
test_system_first (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f);
  Result results[2] = { { FALSE } };

  agent_subscriber_set_paused (a, TRUE);
  send_number (f, 1);
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  test_drain (f);
  receive (a, NULL, &results[0]);
  receive (a, NULL, &results[1]);
  test_drain (f);
  g_assert_cmpstr (agent_message_get_name (results[0].message), ==, "cancel");
  result_clear (&results[0]);
  assert_got (&results[1], 1);
}

static void
test_in_order (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f);
  Result results[100] = { { FALSE } };

  for (guint i = 0; i < 100; i++)
    receive (a, NULL, &results[i]);
  for (guint i = 0; i < 100; i++)
    send_number (f, i);
  test_drain (f);
  for (guint i = 0; i < 100; i++)
    assert_got (&results[i], i);
}

/* One call after the other, each in the callback of the one before. */
typedef struct
{
  AgentSubscriber *subscriber;
  guint            n;
  gboolean         over;
} Chain;

static void
on_chain (GObject      *source,
          GAsyncResult *result,
          gpointer      user_data)
{
  Chain *self = user_data;
  g_autoptr (AgentMessage) message = agent_subscriber_receive_finish (AGENT_SUBSCRIBER (source), result, NULL);

  if (message == NULL)
    {
      self->over = TRUE;
      return;
    }
  g_assert_cmpuint (test_number (message), ==, self->n++);
  agent_subscriber_receive_async (self->subscriber, NULL, on_chain, self);
}

static void
test_chain (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f);
  Chain chain = { a, 0, FALSE };

  agent_subscriber_receive_async (a, NULL, on_chain, &chain);
  for (guint i = 0; i < 200; i++)
    send_number (f, i);
  test_drain (f);
  g_assert_cmpuint (chain.n, ==, 200);

  agent_bus_unsubscribe (f->bus, "a");
  test_drain (f);
  g_assert_true (chain.over);
}

static void
test_expired (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f);
  AgentMessage *old = test_data ("test", "a", 1);
  Result        result = { FALSE };

  test_clock_freeze ();
  agent_message_set_ttl (old, 10);
  agent_bus_send (f->bus, old);
  send_number (f, 2);
  test_clock_advance (11000);
  receive (a, NULL, &result);
  test_drain (f);
  assert_got (&result, 2);
  test_clock_release ();
}

/* --- Cancelling --- */

static void
assert_cancelled (Result *self)
{
  g_assert_true (self->over);
  g_assert_error (self->error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  result_clear (self);
}

static void
test_cancelled_takes_nothing (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Result results[2] = { { FALSE } };

  receive (a, cancellable, &results[0]);
  receive (a, NULL, &results[1]);
  g_cancellable_cancel (cancellable);
  test_drain (f);
  assert_cancelled (&results[0]);
  g_assert_false (results[1].over);

  receive (a, cancellable, &results[0]);
  send_number (f, 1);
  test_drain (f);
  assert_cancelled (&results[0]);
  assert_got (&results[1], 1);
}

/* The message and the cancellation are there at once: whichever comes first, no message is lost. */
static void
test_cancelled_beside_a_message (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Result   result = { FALSE };
  gboolean cancelled;

  receive (a, cancellable, &result);
  send_number (f, 1);
  g_cancellable_cancel (cancellable);
  test_drain (f);
  cancelled = result.message == NULL;
  g_assert_cmpuint (agent_subscriber_get_n_queued (a), ==, cancelled);
  g_assert_cmpuint (agent_subscriber_get_n_delivered (a), ==, !cancelled);
  result_clear (&result);
}

/* --- Handlers --- */

static void
count_calls (AgentSubscriber *subscriber,
             AgentMessage    *message,
             gpointer         user_data)
{
  (*(guint *) user_data)++;
}

static void
test_handlers_wait (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f);
  Result result = { FALSE };
  guint  n_calls = 0;

  g_signal_connect (a, "message", G_CALLBACK (count_calls), &n_calls);
  receive (a, NULL, &result);
  for (guint i = 1; i <= 3; i++)
    send_number (f, i);
  test_drain (f);
  assert_got (&result, 1);
  g_assert_cmpuint (n_calls, ==, 2);
}

static void
defer_first (AgentSubscriber *subscriber,
             AgentMessage    *message,
             gpointer         user_data)
{
  AgentDelivery **delivery = user_data;

  if (*delivery == NULL)
    *delivery = agent_subscriber_defer (subscriber);
}

static void
test_beside_a_deferred_delivery (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f);
  g_autoptr (AgentDelivery) delivery = NULL;
  Result result = { FALSE };

  g_signal_connect (a, "message", G_CALLBACK (defer_first), &delivery);
  for (guint i = 1; i <= 3; i++)
    send_number (f, i);
  test_drain (f);
  g_assert_cmpuint (agent_subscriber_get_n_queued (a), ==, 2);

  receive (a, NULL, &result);
  test_drain (f);
  assert_got (&result, 2);
  g_assert_cmpuint (agent_subscriber_get_n_queued (a), ==, 1);

  agent_delivery_complete (delivery);
  test_drain (f);
  g_assert_cmpuint (agent_subscriber_get_n_queued (a), ==, 0);
}

static void
receive_within (AgentSubscriber *subscriber,
                AgentMessage    *message,
                gpointer         user_data)
{
  guint *got = user_data;
  g_autoptr (AgentMessage) next = agent_subscriber_receive (subscriber, 1000, NULL, NULL);

  *got = test_number (next);
}

/* A handler receives what comes after its own message. */
static void
test_within_a_handler (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f);
  guint  got = 0;
  gulong id = g_signal_connect (a, "message", G_CALLBACK (receive_within), &got);

  send_number (f, 1);
  send_number (f, 2);
  test_drain (f);
  g_assert_cmpuint (got, ==, 2);
  g_assert_cmpuint (agent_subscriber_get_n_delivered (a), ==, 2);
  g_signal_handler_disconnect (a, id);
}

/* --- Deliveries --- */

static void
test_delivery (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f);
  Result result = { FALSE };
  guint  n_calls = 0;

  g_signal_connect (a, "message", G_CALLBACK (count_calls), &n_calls);
  agent_subscriber_receive_delivery_async (a, NULL, on_delivery, &result);
  send_number (f, 1);
  send_number (f, 2);
  test_drain (f);
  g_assert_cmpuint (test_number (agent_delivery_get_message (result.delivery)), ==, 1);
  g_assert_cmpuint (n_calls, ==, 0);

  agent_delivery_complete (result.delivery);
  test_drain (f);
  g_assert_cmpuint (n_calls, ==, 1);
  result_clear (&result);
}

static AgentMessage *
new_request (const char *task_id)
{
  return agent_message_new_task_request ("test", "a", task_id, NULL, NULL);
}

/* Each delivery has its own cancellation, in whatever order they are completed. */
static void
test_two_deliveries (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f);
  Result results[2] = { { FALSE } };
  Result cancel = { FALSE };

  for (guint i = 0; i < 2; i++)
    agent_subscriber_receive_delivery_async (a, NULL, on_delivery, &results[i]);
  agent_bus_send (f->bus, new_request ("1"));
  agent_bus_send (f->bus, new_request ("2"));
  test_drain (f);

  agent_bus_send (f->bus, agent_message_new_task_cancel ("test", "a", "2", NULL));
  g_assert_true (agent_delivery_is_cancelled (results[1].delivery));
  g_assert_false (agent_delivery_is_cancelled (results[0].delivery));
  test_drain (f);
  g_assert_true (g_cancellable_is_cancelled (agent_delivery_get_cancellable (results[1].delivery)));
  g_assert_false (g_cancellable_is_cancelled (agent_delivery_get_cancellable (results[0].delivery)));

  agent_delivery_complete (results[0].delivery);
  g_assert_cmpuint (agent_subscriber_get_n_queued (a), ==, 1);
  agent_delivery_complete (results[1].delivery);
  receive (a, NULL, &cancel);
  test_drain (f);
  g_assert_cmpstr (agent_message_get_name (cancel.message), ==, "task-cancel");

  result_clear (&cancel);
  result_clear (&results[0]);
  result_clear (&results[1]);
}

/* --- Pausing --- */

static void
test_paused (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f);
  Result result = { FALSE };
  guint  n_calls = 0;

  g_signal_connect (a, "message", G_CALLBACK (count_calls), &n_calls);
  agent_subscriber_set_paused (a, TRUE);
  for (guint i = 1; i <= 3; i++)
    send_number (f, i);
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  test_drain (f);
  g_assert_cmpuint (n_calls, ==, 0);
  g_assert_cmpuint (agent_subscriber_get_n_queued (a), ==, 4);

  receive (a, NULL, &result);
  test_drain (f);
  g_assert_cmpstr (agent_message_get_name (result.message), ==, "cancel");
  result_clear (&result);
  g_assert_cmpuint (n_calls, ==, 0);

  agent_subscriber_set_paused (a, FALSE);
  test_drain (f);
  g_assert_cmpuint (n_calls, ==, 3);
}

static void
pause_it (AgentSubscriber *subscriber,
          AgentMessage    *message,
          gpointer         user_data)
{
  agent_subscriber_set_paused (subscriber, TRUE);
}

/* After a pause that a handler makes, no handler begins. */
static void
test_paused_in_a_handler (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f);

  g_signal_connect (a, "message", G_CALLBACK (pause_it), NULL);
  for (guint i = 1; i <= 3; i++)
    send_number (f, i);
  test_drain (f);
  g_assert_cmpuint (agent_subscriber_get_n_queued (a), ==, 2);
  agent_subscriber_set_paused (a, FALSE);
  test_drain (f);
  g_assert_cmpuint (agent_subscriber_get_n_queued (a), ==, 1);
}

/* --- The end --- */

static void
test_on_no_bus (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = agent_subscriber_new ("a");
  g_autoptr (GError) error = NULL;
  Result result = { FALSE };

  receive (a, NULL, &result);
  test_drain (f);
  assert_closed (&result);

  g_assert_null (agent_subscriber_receive (a, 0, NULL, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED);
}

static void
test_leaves (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f);
  Result results[2] = { { FALSE } };

  receive (a, NULL, &results[0]);
  receive (a, NULL, &results[1]);
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  agent_bus_unsubscribe (f->bus, "a");
  test_drain (f);
  g_assert_cmpstr (agent_message_get_name (results[0].message), ==, "cancel");
  result_clear (&results[0]);
  assert_closed (&results[1]);
}

/* A pause is over when the subscriber leaves: its handlers get the system messages that are left. */
static void
test_leaves_paused (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f);
  guint n_calls = 0;

  g_signal_connect (a, "message", G_CALLBACK (count_calls), &n_calls);
  agent_subscriber_set_paused (a, TRUE);
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  test_drain (f);
  agent_bus_unsubscribe (f->bus, "a");
  test_drain (f);
  g_assert_cmpuint (n_calls, ==, 1);
}

/* Without a handler, what is left is discarded, and counted at once. */
static void
test_leaves_paused_without_handler (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f);

  agent_subscriber_set_paused (a, TRUE);
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  send_number (f, 1);
  agent_bus_unsubscribe (f->bus, "a");
  g_assert_cmpuint (agent_subscriber_get_n_dropped (a), ==, 2);
  g_assert_cmpuint (agent_subscriber_get_n_queued (a), ==, 0);
  test_drain (f);
}

static void
test_bus_goes (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = agent_subscriber_new ("a");
  AgentBus *bus = agent_bus_new ();
  Result    result = { FALSE };

  agent_bus_subscribe (bus, a, NULL);
  receive (a, NULL, &result);
  g_object_unref (bus);
  test_drain (f);
  assert_closed (&result);
}

/* --- Without a main loop --- */

static void
test_look (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f);
  g_autoptr (AgentMessage) message = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_null (agent_subscriber_receive (a, 0, NULL, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
  send_number (f, 1);
  message = agent_subscriber_receive (a, 0, NULL, NULL);
  g_assert_cmpuint (test_number (message), ==, 1);
}

/* System messages come first here, too, and what is too old is counted and skipped. */
static void
test_look_at_both_channels (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f);
  g_autoptr (AgentMessage) old = test_data ("test", "a", 1);
  g_autoptr (AgentMessage) system = NULL;
  g_autoptr (AgentMessage) data = NULL;

  test_clock_freeze ();
  agent_message_set_ttl (old, 10);
  agent_bus_send (f->bus, g_steal_pointer (&old));
  send_number (f, 2);
  agent_bus_send (f->bus, agent_message_new_activate ("test", "a", NULL));
  test_clock_advance (11000);

  system = agent_subscriber_receive (a, 0, NULL, NULL);
  g_assert_cmpstr (agent_message_get_name (system), ==, "activate");
  data = agent_subscriber_receive (a, 0, NULL, NULL);
  g_assert_cmpuint (test_number (data), ==, 2);
  g_assert_cmpuint (agent_subscriber_get_n_dropped (a), ==, 1);
  g_assert_cmpuint (agent_subscriber_get_n_delivered (a), ==, 2);
  g_assert_cmpuint (agent_subscriber_get_n_queued (a), ==, 0);
  test_clock_release ();
}

static void
on_message_look (AgentSubscriber *subscriber,
                 AgentMessage    *message,
                 gpointer         user_data)
{
  AgentMessage **next = user_data;

  if (*next == NULL)
    *next = agent_subscriber_receive (subscriber, 0, NULL, NULL);
}

/* Whoever takes the last system message of a subscriber that is leaving ends the subscription. */
static void
test_look_while_leaving (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f);
  g_autoptr (AgentMessage) message = NULL;
  g_autoptr (GError) error = NULL;

  g_signal_connect (a, "message", G_CALLBACK (on_message_look), NULL);
  agent_bus_send (f->bus, agent_message_new_activate ("test", "a", NULL));
  agent_bus_unsubscribe_async (f->bus, "a", NULL, NULL, NULL);
  message = agent_subscriber_receive (a, 0, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (agent_message_get_name (message), ==, "activate");
  g_assert_null (agent_subscriber_receive (a, 0, NULL, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED);
  test_drain (f);
}

static void
test_look_in_a_handler (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f);
  g_autoptr (AgentMessage) next = NULL;

  g_signal_connect (a, "message", G_CALLBACK (on_message_look), &next);
  send_number (f, 1);
  send_number (f, 2);
  test_drain (f);
  g_assert_cmpuint (test_number (next), ==, 2);
  g_assert_cmpuint (agent_subscriber_get_n_delivered (a), ==, 2);
}

static void
test_times_out (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f);
  g_autoptr (AgentMessage) message = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_null (agent_subscriber_receive (a, 1, NULL, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
  send_number (f, 1);
  message = agent_subscriber_receive (a, -1, NULL, NULL);
  g_assert_cmpuint (test_number (message), ==, 1);
}

static void
test_cancelled_in_a_thread (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (cancellable);
  g_assert_null (agent_subscriber_receive (a, -1, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

#define N_MESSAGES 2000

typedef struct
{
  AgentBus        *bus;
  AgentSubscriber *subscriber;
} Job;

/* Receives all, and then waits until the subscriber leaves. */
static gpointer
receive_all (gpointer data)
{
  Job *job = data;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < N_MESSAGES; i++)
    {
      g_autoptr (AgentMessage) message = agent_subscriber_receive (job->subscriber, -1, NULL, &error);

      g_assert_no_error (error);
      g_assert_cmpuint (test_number (message), ==, i);
    }
  agent_bus_unsubscribe (job->bus, "t");
  g_assert_null (agent_subscriber_receive (job->subscriber, -1, NULL, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED);

  return NULL;
}

static void
test_thread (TestFixture *f)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (AgentSubscriber) t = g_object_new (
      AGENT_TYPE_SUBSCRIBER, "name", "t", "main-context", context, "capacity", N_MESSAGES, NULL);
  Job      job = { f->bus, t };
  GThread *thread;

  agent_bus_subscribe (f->bus, t, NULL);
  thread = g_thread_new ("receives", receive_all, &job);
  for (guint i = 0; i < N_MESSAGES; i++)
    agent_bus_send (f->bus, test_data ("test", "t", i));
  g_thread_join (thread);
  test_drain (f);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, function) test_add ("/agentbus/receive/" name, function)

  ADD ("waits", test_waits);
  ADD ("is-there", test_is_there);
  ADD ("system-first", test_system_first);
  ADD ("in-order", test_in_order);
  ADD ("chain", test_chain);
  ADD ("expired", test_expired);
  ADD ("cancelled-takes-nothing", test_cancelled_takes_nothing);
  ADD ("cancelled-beside-a-message", test_cancelled_beside_a_message);
  ADD ("handlers-wait", test_handlers_wait);
  ADD ("beside-a-deferred-delivery", test_beside_a_deferred_delivery);
  ADD ("within-a-handler", test_within_a_handler);
  ADD ("delivery", test_delivery);
  ADD ("two-deliveries", test_two_deliveries);
  ADD ("paused", test_paused);
  ADD ("paused-in-a-handler", test_paused_in_a_handler);
  ADD ("on-no-bus", test_on_no_bus);
  ADD ("leaves", test_leaves);
  ADD ("leaves-paused", test_leaves_paused);
  ADD ("leaves-paused-without-handler", test_leaves_paused_without_handler);
  ADD ("bus-goes", test_bus_goes);
  ADD ("look", test_look);
  ADD ("look-at-both-channels", test_look_at_both_channels);
  ADD ("look-while-leaving", test_look_while_leaving);
  ADD ("look-in-a-handler", test_look_in_a_handler);
  ADD ("times-out", test_times_out);
  ADD ("cancelled-in-a-thread", test_cancelled_in_a_thread);
  ADD ("thread", test_thread);

  return g_test_run ();
}
