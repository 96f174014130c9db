/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-tools.h"

/* All leave at once, under one deadline: a bus that stops, starts again, or is simply dropped. */

#define N_STUCK 100

static AgentMessage *
test_end (const char *target)
{
  return agent_message_new_end ("test", target, NULL);
}

static void
assert_stopped (TestFixture  *f,
                GAsyncResult *result)
{
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (result);
  g_assert_true (agent_bus_stop_finish (f->bus, result, &error));
  g_assert_no_error (error);
}

static void
assert_timed_out (TestFixture  *f,
                  GAsyncResult *result)
{
  g_autoptr (GError) error = NULL;

  g_assert_nonnull (result);
  g_assert_false (agent_bus_stop_finish (f->bus, result, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
}

static void
start (TestFixture *f)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_bus_start_async (f->bus, NULL, test_keep_result, &result);
  test_wait_result (f, &result);
  g_assert_true (agent_bus_start_finish (f->bus, result, &error));
  g_assert_no_error (error);
}

static guint
count_lines (TestFixture *f)
{
  guint n = 0;

  for (const char *c = f->log->str; *c != '\0'; c++)
    n += *c == '\n';

  g_string_truncate (f->log, 0);
  return n;
}

/* --- Stop --- */

static void
test_all_leave (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_send (f->bus, test_data ("test", NULL, 1));
  agent_bus_send (f->bus, test_end (NULL));
  agent_bus_stop_async (f->bus, NULL, test_keep_result, &result);
  g_assert_false (agent_bus_is_running (f->bus));
  g_assert_cmpuint (agent_bus_get_n_subscribers (f->bus), ==, 0);
  g_assert_null (agent_bus_lookup (f->bus, "a"));

  test_drain (f);
  assert_stopped (f, result);
  g_assert_cmpstr (test_recorder_text (a), ==, "end");
  g_assert_cmpstr (test_recorder_text (b), ==, "end");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 2);
  test_assert_balanced (f->bus);
}

static void
test_sends_are_closed (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_stop_async (f->bus, NULL, test_keep_result, &result);
  g_assert_cmpuint (agent_bus_send (f->bus, test_cancel ("test", "a")), ==, 0);
  test_drain (f);
  assert_stopped (f, result);
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", "a", 1)), ==, 0);
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", NULL, 2)), ==, 0);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 0);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_CLOSED], ==, 3);
  g_assert_cmpuint (test_ledger (f->bus).sent, ==, 3);
  test_assert_balanced (f->bus);
}

static void
test_nobody_there (TestFixture *f)
{
  test_stop (f);
  g_assert_false (agent_bus_is_running (f->bus));
  test_stop (f);
}

static void
test_waits_for_those_in_hand (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_stop_async (f->bus, NULL, test_keep_result, &result);
  test_drain (f);
  g_assert_null (result);
  agent_delivery_complete (delivery);
  test_drain (f);
  assert_stopped (f, result);
}

/* Those that are on their way out already belong to it, too. */
static void
test_waits_for_those_that_leave (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  g_autoptr (GAsyncResult) left = NULL;
  g_autoptr (GAsyncResult) stopped = NULL;

  agent_bus_unsubscribe_async (f->bus, "a", NULL, test_keep_result, &left);
  agent_bus_stop_async (f->bus, NULL, test_keep_result, &stopped);
  test_drain (f);
  g_assert_null (left);
  g_assert_null (stopped);
  agent_delivery_complete (delivery);
  test_drain (f);
  assert_stopped (f, stopped);
  g_assert_true (agent_bus_unsubscribe_finish (f->bus, left, NULL));
}

typedef struct
{
  TestFixture  *fixture;
  GAsyncResult *result;
} Stopper;

static void
stop_once (TestRecorder *recorder,
           AgentMessage *message,
           gpointer      user_data)
{
  Stopper *self = user_data;

  if (agent_bus_is_running (self->fixture->bus))
    agent_bus_stop_async (self->fixture->bus, NULL, test_keep_result, &self->result);
}

static void
test_from_a_handler (TestFixture *f)
{
  Stopper stopper = { f, NULL };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", stop_once, &stopper);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", stop_once, &stopper);

  agent_bus_send (f->bus, test_data ("test", NULL, 1));
  agent_bus_send (f->bus, test_end (NULL));
  test_drain (f);
  assert_stopped (f, stopper.result);
  g_assert_cmpstr (test_recorder_text (a), ==, "end");
  g_assert_cmpstr (test_recorder_text (b), ==, "end");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 2);
  test_assert_balanced (f->bus);
  g_object_unref (stopper.result);
}

/* --- One deadline --- */

static GPtrArray *
subscribe_stuck (TestFixture  *f,
                 GMainContext *context)
{
  GPtrArray *stuck = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < N_STUCK; i++)
    {
      char          name[16];
      TestRecorder *recorder;

      g_snprintf (name, sizeof name, "stuck-%u", i);
      recorder = test_recorder_new_full (NULL, NULL, "name", name, "main-context", context, NULL);
      g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (recorder), NULL));
      g_ptr_array_add (stuck, recorder);
    }

  agent_bus_send (f->bus, test_end (NULL));
  return stuck;
}

typedef struct
{
  TestFixture *fixture;
  guint        n_given_up; /* G_MAXUINT until it is known */
} SecondDeadline;

static gboolean
on_second_deadline (gpointer user_data)
{
  SecondDeadline *self = user_data;

  self->n_given_up = count_lines (self->fixture);
  return G_SOURCE_REMOVE;
}

/* When a second deadline would be over, all have been given up. A context has its timers in their order also when all are
 * late: so a slow machine makes no difference. */
static void
test_hundred_stuck_cost_one_deadline (TestFixture *f)
{
  const guint deadline = 20;
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GPtrArray) stuck = subscribe_stuck (f, context);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GSource) timer = NULL;
  SecondDeadline second = { f, G_MAXUINT };

  agent_bus_set_shutdown_timeout (f->bus, deadline);
  agent_bus_stop_async (f->bus, NULL, test_keep_result, &result);
  timer = g_timeout_source_new (2 * deadline);
  g_source_set_callback (timer, on_second_deadline, &second, NULL);
  g_source_attach (timer, f->context);
  while (second.n_given_up == G_MAXUINT)
    g_main_context_iteration (f->context, TRUE);
  g_assert_cmpuint (second.n_given_up, ==, N_STUCK);

  test_drain (f);
  assert_timed_out (f, result);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, N_STUCK);
  g_assert_false (g_main_context_pending (context));
  test_assert_balanced (f->bus);
}

/* One that hangs does not take the others with it. */
static void
test_others_leave_in_time (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_set_shutdown_timeout (f->bus, 20);
  agent_bus_send (f->bus, test_end (NULL));
  agent_bus_stop_async (f->bus, NULL, test_keep_result, &result);
  test_wait_result (f, &result);
  assert_timed_out (f, result);
  test_expect_log (f, "'a' did not leave");
  g_assert_cmpstr (test_recorder_text (b), ==, "end");
  test_drain (f);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 1);
  agent_delivery_complete (delivery);
}

static void
test_two_stops_at_once (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  g_autoptr (GAsyncResult) first = NULL;
  g_autoptr (GAsyncResult) second = NULL;

  agent_bus_stop_async (f->bus, NULL, test_keep_result, &first);
  agent_bus_stop_async (f->bus, NULL, test_keep_result, &second);
  test_drain (f);
  g_assert_null (first);
  g_assert_null (second);

  agent_delivery_complete (delivery);
  test_drain (f);
  assert_stopped (f, first);
  assert_stopped (f, second);
}

/* Both end, and whoever hangs is complained of once, not once for each that waits for him. */
static void
test_two_stops_complain_once (TestFixture *f)
{
  g_autoptr (TestThread) thread = test_thread_new ();
  g_autoptr (TestRecorder) a = NULL;
  g_autoptr (GAsyncResult) first = NULL;
  g_autoptr (GAsyncResult) second = NULL;
  TestGate gate;

  test_gate_init (&gate);
  agent_bus_set_shutdown_timeout (f->bus, 1);
  a = test_recorder_new_full (test_gate_handler, &gate, "name", "a", "main-context", thread->context, NULL);
  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_gate_wait (&gate);

  agent_bus_stop_async (f->bus, NULL, test_keep_result, &first);
  agent_bus_stop_async (f->bus, NULL, test_keep_result, &second);
  test_wait_result (f, &first);
  test_wait_result (f, &second);
  assert_timed_out (f, first);
  assert_timed_out (f, second);
  g_assert_cmpuint (count_lines (f), ==, 1);

  test_gate_open (&gate);
  test_thread_sync (thread);
  test_gate_clear (&gate);
}

/* What the deadline of one stop has discarded has not left in time for another either. */
static void
test_stop_after_a_deadline (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  g_autoptr (GAsyncResult) first = NULL;
  g_autoptr (GAsyncResult) second = NULL;

  agent_bus_set_shutdown_timeout (f->bus, 1);
  agent_bus_stop_async (f->bus, NULL, test_keep_result, &first);
  agent_bus_set_shutdown_timeout (f->bus, 60 * 60 * 1000);
  agent_bus_stop_async (f->bus, NULL, test_keep_result, &second);
  test_wait_result (f, &first);
  test_wait_result (f, &second);
  assert_timed_out (f, first);
  assert_timed_out (f, second);
  g_assert_cmpuint (count_lines (f), ==, 1);
  g_string_truncate (f->log, 0);

  agent_delivery_complete (delivery);
}

static void
test_cancel_of_the_wait (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_bus_set_shutdown_timeout (f->bus, 60 * 60 * 1000);
  agent_bus_stop_async (f->bus, cancellable, test_keep_result, &result);
  test_drain (f);
  g_assert_null (result);
  g_cancellable_cancel (cancellable);
  test_drain (f);
  g_assert_nonnull (result);
  g_assert_false (agent_bus_stop_finish (f->bus, result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  g_assert_false (agent_bus_is_running (f->bus));
  agent_delivery_complete (delivery);
  test_drain (f);
  start (f);
  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
}

/* --- Subscribing and starting --- */

static void
assert_closed (TestFixture *f)
{
  g_autoptr (TestRecorder) late = test_recorder_new ("late", NULL, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (AgentBus) other = agent_bus_new ();

  g_assert_false (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (late), &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED);

  g_assert_true (agent_bus_subscribe (other, AGENT_SUBSCRIBER (late), NULL));
}

static void
test_subscribe_while_stopping (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_subscribe_with_one_in_hand (f, &delivery);
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_stop_async (f->bus, NULL, test_keep_result, &result);
  test_drain (f);
  assert_closed (f);
  agent_delivery_complete (delivery);
  test_drain (f);
  assert_stopped (f, result);
  assert_closed (f);
}

static void
test_start_again (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  gboolean running;

  test_stop (f);
  start (f);
  g_object_get (f->bus, "running", &running, NULL);
  g_assert_true (running);
  g_assert_cmpuint (agent_bus_get_n_subscribers (f->bus), ==, 0);
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", "a", 1)), ==, 0);

  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", "a", 2)), ==, 1);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "2");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_NO_TARGET], ==, 1);
  test_assert_balanced (f->bus);
  test_stop (f);
}

static void
test_start_of_a_running_bus (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  start (f);
  g_assert_cmpuint (agent_bus_get_n_subscribers (f->bus), ==, 1);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");
}

/* Who comes after the start is none of the business of the stop before it. */
static void
test_start_while_stopping (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) old = test_subscribe_with_one_in_hand (f, &delivery);
  g_autoptr (TestRecorder) new = NULL;
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_stop_async (f->bus, NULL, test_keep_result, &result);
  start (f);
  new = test_recorder_subscribe (f, "a", NULL, NULL);
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  test_drain (f);
  g_assert_null (result);
  g_assert_cmpstr (test_recorder_text (old), ==, "1");
  g_assert_cmpstr (test_recorder_text (new), ==, "2");

  agent_delivery_complete (delivery);
  test_drain (f);
  assert_stopped (f, result);
  g_assert_true (agent_bus_is_running (f->bus));
  g_assert_cmpuint (agent_bus_get_n_subscribers (f->bus), ==, 1);
}

/* --- The last reference --- */

static void
count_free (gpointer data)
{
  g_atomic_int_inc ((gint *) data);
}

/* A message that counts its own end. */
static AgentMessage *
test_mortal (const char *target,
             gint       *n_freed)
{
  return agent_message_new_task_update (
      "test",
      target,
      "1",
      g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, "", 1, TRUE, count_free, n_freed));
}

static void
test_dropped_with_messages_queued (TestFixture *f)
{
  TestRecorder *a = test_recorder_subscribe (f, "a", NULL, NULL);
  TestRecorder *b = test_recorder_subscribe (f, "b", NULL, NULL);
  gint          n_freed = 0;

  for (guint i = 0; i < 10; i++)
    agent_bus_send (f->bus, test_mortal (NULL, &n_freed));
  agent_bus_send (f->bus, test_end (NULL));
  test_assert_dies (g_steal_pointer (&f->bus));
  g_assert_cmpint (n_freed, ==, 10);

  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 0);
  g_assert_cmpuint (test_recorder_count (b), ==, 0);
  test_assert_dies (a);
  test_assert_dies (b);
}

#define LAST_WORDS(numbers)                               \
  "A bus was dropped while it was running, with " numbers \
  ": keep a reference to it, and stop it at the end\n"

/* With its subscribers, or with messages of one that is leaving. */
static void
test_dropped_while_running_is_said (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  agent_bus_send (f->bus, test_data ("test", NULL, 1));
  agent_bus_send (f->bus, test_end ("b"));
  test_assert_dies (g_steal_pointer (&f->bus));
  g_assert_cmpstr (f->last_words->str, ==, LAST_WORDS ("2 subscribers and 3 queued messages"));

  g_string_truncate (f->last_words, 0);
  test_drain (f);
  f->bus = agent_bus_new ();
  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  agent_bus_send (f->bus, test_end ("a"));
  agent_bus_unsubscribe (f->bus, "a");
  test_assert_dies (g_steal_pointer (&f->bus));
  g_assert_cmpstr (f->last_words->str, ==, LAST_WORDS ("0 subscribers and 1 queued message"));
}

/* A bus that is stopped, or that has nobody, goes in silence. */
static void
test_dropped_when_done_is_silent (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_stop (f);
  test_assert_dies (g_steal_pointer (&f->bus));

  f->bus = agent_bus_new ();
  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  g_assert_true (test_unsubscribe (f, "a", NULL));
  test_assert_dies (g_steal_pointer (&f->bus));
  g_assert_cmpstr (f->last_words->str, ==, "");
}

/* What was dropped before, and the bus has not told yet, goes with it. */
static void
test_dropped_with_news (TestFixture *f)
{
  TestRecorder *a = test_recorder_new_full (NULL, NULL, "name", "a", "capacity", 1, NULL);
  gint          n_freed = 0;

  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  for (guint i = 0; i < 3; i++)
    agent_bus_send (f->bus, test_mortal ("a", &n_freed));
  agent_bus_send (f->bus, test_mortal ("nobody", &n_freed));
  test_assert_dies (g_steal_pointer (&f->bus));
  g_assert_cmpint (n_freed, ==, 4);
  test_drain (f);
  g_assert_cmpuint (f->n_dropped_emissions, ==, 0);
  test_assert_dies (a);
}

static void
test_dropped_with_a_deferred_delivery (TestFixture *f)
{
  AgentDelivery *delivery = NULL;
  TestRecorder  *a = test_subscribe_with_one_in_hand (f, &delivery);

  agent_bus_send (f->bus, test_end ("a"));
  test_assert_dies (g_steal_pointer (&f->bus));
  test_drain (f);
  agent_delivery_complete (delivery);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");
  test_assert_dies (delivery);
  test_assert_dies (a);
}

static void
drop_bus (TestRecorder *recorder,
          AgentMessage *message,
          gpointer      user_data)
{
  TestFixture *f = user_data;

  test_assert_dies (g_steal_pointer (&f->bus));
}

static void
test_dropped_from_a_handler (TestFixture *f)
{
  TestRecorder *a = test_recorder_subscribe (f, "a", drop_bus, f);
  TestRecorder *b = test_recorder_subscribe (f, "b", NULL, NULL);

  agent_bus_send (f->bus, test_cancel ("test", "a"));
  agent_bus_send (f->bus, test_end (NULL));
  agent_bus_send (f->bus, test_data ("test", NULL, 1));
  test_drain (f);
  g_assert_null (f->bus);
  g_assert_cmpstr (test_recorder_text (a), ==, "cancel");
  g_assert_cmpstr (test_recorder_text (b), ==, "");
  test_assert_dies (a);
  test_assert_dies (b);
}

static void
drop_bus_and_defer (TestRecorder *recorder,
                    AgentMessage *message,
                    gpointer      user_data)
{
  TestFixture *f = user_data;
  g_autoptr (AgentDelivery) delivery = NULL;

  test_assert_dies (g_steal_pointer (&f->bus));
  delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));
  agent_delivery_fail_message (delivery, "The bus is gone");
}

static void
test_dropped_from_a_handler_that_defers (TestFixture *f)
{
  TestRecorder *a = test_recorder_subscribe (f, "a", drop_bus_and_defer, f);

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");
  test_assert_dies (a);
}

static void
drop_bus_in_signal (AgentBus        *bus,
                    AgentSubscriber *subscriber,
                    AgentDropReason  reason,
                    guint64          n,
                    AgentMessage    *last,
                    gpointer         user_data)
{
  g_clear_object ((AgentBus **) user_data);
}

/* In the middle of what the bus has to tell. */
static void
test_dropped_from_a_signal (TestFixture *f)
{
  TestRecorder *a = test_recorder_subscribe (f, "a", NULL, NULL);

  g_signal_connect (f->bus, "dropped", G_CALLBACK (drop_bus_in_signal), &f->bus);
  agent_bus_send (f->bus, test_data ("test", "nobody", 1));
  agent_bus_unsubscribe (f->bus, "a");
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  test_drain (f);
  g_assert_null (f->bus);
  test_assert_dies (a);
}

static void
test_dropped_while_another_thread_delivers (TestFixture *f)
{
  g_autoptr (TestThread) thread = test_thread_new ();
  TestRecorder *a;
  TestGate      gate;

  test_gate_init (&gate);
  a = test_recorder_new_full (test_gate_handler, &gate, "name", "a", "main-context", thread->context, NULL);
  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  test_gate_wait (&gate);
  test_assert_dies (g_steal_pointer (&f->bus));

  test_gate_open (&gate);
  test_thread_sync (thread);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");
  test_assert_dies (a);
  test_gate_clear (&gate);
}

static void
pass_gate (gpointer data)
{
  test_gate_pass (data);
}

static gpointer
drop_in_thread (gpointer data)
{
  g_object_unref (data);
  return NULL;
}

/* Another thread drops the bus, and is in the middle of it when the bus's context comes to tell of the last drops. */
static void
test_dropped_while_news_are_told (TestFixture *f)
{
  TestRecorder *a = test_recorder_new_full (NULL, NULL, "name", "a", "capacity", 2, NULL);
  GThread      *thread;
  TestGate      gate;
  gint          n_freed = 0;

  test_gate_init (&gate);
  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  agent_bus_send (f->bus,
                  agent_message_new_task_update (
                      "test",
                      "a",
                      "1",
                      g_variant_new_from_data (G_VARIANT_TYPE_BYTESTRING, "", 1, TRUE, pass_gate, &gate)));
  for (guint i = 0; i < 3; i++)
    agent_bus_send (f->bus, test_mortal ("a", &n_freed));
  agent_bus_send (f->bus, test_mortal ("nobody", &n_freed));

  thread = g_thread_new ("test-drop", drop_in_thread, g_steal_pointer (&f->bus));
  test_gate_wait (&gate);
  test_drain (f);
  test_gate_open (&gate);
  g_thread_join (thread);
  test_drain (f);
  test_assert_dies (a);
  g_assert_cmpint (n_freed, ==, 4);
  g_assert_cmpuint (f->n_dropped_emissions, ==, 0);
  test_gate_clear (&gate);
}

typedef struct
{
  AgentBus *bus; /* (owned) */
  gint      n_sent;
  gint      n_freed;
} LastSender;

/* Sends for a while, and is the last to know the bus. */
static gpointer
send_and_drop (gpointer data)
{
  LastSender *self = data;

  for (guint i = 0; i < 2000; i++, self->n_sent++)
    agent_bus_send (self->bus, test_mortal (NULL, &self->n_freed));
  g_object_unref (self->bus);
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
test_dropped_while_messages_flow (TestFixture *f)
{
  g_autoptr (TestThread) thread = test_thread_new ();
  LastSender    sender = { f->bus, 0, 0 };
  TestRecorder *a;
  GThread      *sending;
  gpointer      bus = f->bus;
  gint          n_handled = 0;
  gint          n_at_the_end;

  a = test_recorder_new_full (count_atomically, &n_handled, "name", "a", "main-context", thread->context, NULL);
  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL);
  g_object_add_weak_pointer (G_OBJECT (f->bus), &bus);
  f->bus = NULL;
  sending = g_thread_new ("test-sender", send_and_drop, &sender);
  while (g_atomic_pointer_get (&bus) != NULL)
    g_main_context_iteration (f->context, FALSE);
  g_thread_join (sending);

  test_thread_sync (thread);
  n_at_the_end = g_atomic_int_get (&n_handled);
  test_thread_sync (thread);
  g_assert_cmpint (g_atomic_int_get (&n_handled), ==, n_at_the_end);
  test_assert_dies (a);
  g_assert_cmpint (g_atomic_int_get (&sender.n_freed), ==, sender.n_sent);
  g_string_truncate (f->log, 0); /* it may well have been full */
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/stop/" name, func)
  ADD ("all-leave", test_all_leave);
  ADD ("sends-are-closed", test_sends_are_closed);
  ADD ("nobody-there", test_nobody_there);
  ADD ("waits-for-those-in-hand", test_waits_for_those_in_hand);
  ADD ("waits-for-those-that-leave", test_waits_for_those_that_leave);
  ADD ("from-a-handler", test_from_a_handler);
  ADD ("hundred-stuck-cost-one-deadline", test_hundred_stuck_cost_one_deadline);
  ADD ("others-leave-in-time", test_others_leave_in_time);
  ADD ("two-stops-at-once", test_two_stops_at_once);
  ADD ("two-stops-complain-once", test_two_stops_complain_once);
  ADD ("stop-after-a-deadline", test_stop_after_a_deadline);
  ADD ("cancel-of-the-wait", test_cancel_of_the_wait);
  ADD ("subscribe-while-stopping", test_subscribe_while_stopping);
  ADD ("start-again", test_start_again);
  ADD ("start-of-a-running-bus", test_start_of_a_running_bus);
  ADD ("start-while-stopping", test_start_while_stopping);
  ADD ("dropped-with-messages-queued", test_dropped_with_messages_queued);
  ADD ("dropped-while-running-is-said", test_dropped_while_running_is_said);
  ADD ("dropped-when-done-is-silent", test_dropped_when_done_is_silent);
  ADD ("dropped-with-news", test_dropped_with_news);
  ADD ("dropped-with-a-deferred-delivery", test_dropped_with_a_deferred_delivery);
  ADD ("dropped-from-a-handler", test_dropped_from_a_handler);
  ADD ("dropped-from-a-handler-that-defers", test_dropped_from_a_handler_that_defers);
  ADD ("dropped-from-a-signal", test_dropped_from_a_signal);
  ADD ("dropped-while-another-thread-delivers", test_dropped_while_another_thread_delivers);
  ADD ("dropped-while-news-are-told", test_dropped_while_news_are_told);
  ADD ("dropped-while-messages-flow", test_dropped_while_messages_flow);
#undef ADD

  return g_test_run ();
}
