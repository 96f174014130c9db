/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "message/agent-message-private.h"
#include "test-support.h"

/*
 * Who is on a bus and who gets what: properties, subscribing, targets, stamps, stop and start.
 */

static TestRecorder *
subscribe (TestFixture *f,
           const char  *name)
{
  return test_recorder_subscribe (f, name, NULL, NULL);
}

static void
assert_refused (AgentBus     *bus,
                TestRecorder *recorder,
                gint          code)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (agent_bus_subscribe (bus, AGENT_SUBSCRIBER (recorder), &error));
  g_assert_error (error, AGENT_BUS_ERROR, code);
}

static void
assert_accepted (AgentBus     *bus,
                 TestRecorder *recorder)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (agent_bus_subscribe (bus, AGENT_SUBSCRIBER (recorder), &error));
  g_assert_no_error (error);
}

static void
unsubscribe (TestFixture *f,
             const char  *name)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (test_unsubscribe (f, name, &error));
  g_assert_no_error (error);
}

static void
assert_got (TestRecorder *recorder,
            const char   *expected)
{
  g_autofree char *text = test_recorder_dup_task_ids (recorder);

  g_assert_cmpstr (text, ==, expected);
}

static AgentMessage *
nth (TestRecorder *recorder,
     guint         n)
{
  g_assert_cmpuint (n, <, test_recorder_count (recorder));
  return recorder->messages->pdata[n];
}

static void
on_started (GObject      *object,
            GAsyncResult *result,
            gpointer      user_data)
{
  g_autoptr (GError) error = NULL;
  gboolean *done = user_data;

  g_assert_true (agent_bus_start_finish (AGENT_BUS (object), result, &error));
  g_assert_no_error (error);
  *done = TRUE;
}

static void
start (TestFixture *f)
{
  gboolean done = FALSE;

  agent_bus_start_async (f->bus, NULL, on_started, &done);
  test_run_until (f, &done);
}

/* --- Properties --- */

static void
test_defaults (TestFixture *f)
{
  guint    capacity = 0;
  guint    timeout = 0;
  guint    n_subscribers = 1;
  gboolean total_order = TRUE;
  gboolean running = FALSE;

  g_object_get (f->bus,
                "capacity",
                &capacity,
                "total-order",
                &total_order,
                "shutdown-timeout",
                &timeout,
                "running",
                &running,
                "n-subscribers",
                &n_subscribers,
                NULL);
  g_assert_cmpuint (capacity, ==, 256);
  g_assert_false (total_order);
  g_assert_cmpuint (timeout, ==, 2000);
  g_assert_true (running);
  g_assert_cmpuint (n_subscribers, ==, 0);
}

static void
test_getters (TestFixture *f)
{
  g_autoptr (AgentBus) bus =
      g_object_new (AGENT_TYPE_BUS, "capacity", 7, "total-order", TRUE, "shutdown-timeout", 50, NULL);

  g_assert_cmpuint (agent_bus_get_capacity (bus), ==, 7);
  g_assert_true (agent_bus_get_total_order (bus));
  g_assert_cmpuint (agent_bus_get_shutdown_timeout (bus), ==, 50);
  g_assert_true (agent_bus_is_running (bus));
  g_assert_cmpuint (agent_bus_get_n_subscribers (bus), ==, 0);
}

static void
test_capacity_zero_becomes_one (TestFixture *f)
{
  g_autoptr (AgentBus) one = agent_bus_new_with_capacity (0);
  g_autoptr (AgentBus) other = g_object_new (AGENT_TYPE_BUS, "capacity", 0, NULL);
  g_autoptr (TestRecorder) a = test_recorder_new ("a", NULL, NULL);

  g_assert_cmpuint (agent_bus_get_capacity (one), ==, 1);
  g_assert_cmpuint (agent_bus_get_capacity (other), ==, 1);

  assert_accepted (one, a);
  g_assert_cmpuint (agent_bus_send (one, test_data ("test", "a", 1)), ==, 1);
  g_assert_cmpuint (agent_bus_send (one, test_data ("test", "a", 2)), ==, 0);
}

static guint
count_accepted (AgentBus   *bus,
                const char *target,
                guint       n)
{
  guint n_accepted = 0;

  for (guint i = 1; i <= n; i++)
    n_accepted += agent_bus_send (bus, test_data ("test", target, i));
  return n_accepted;
}

static void
test_capacity_is_256 (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");

  g_assert_cmpuint (count_accepted (f->bus, "a", 300), ==, 256);
  test_drain (f);
  test_expect_log (f, "44 messages");
}

static void
test_own_capacity_wins (TestFixture *f)
{
  g_autoptr (AgentBus) bus = agent_bus_new_with_capacity (2);
  g_autoptr (TestRecorder) a = test_recorder_new ("a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_new_full (NULL, NULL, "name", "b", "capacity", 3, NULL);

  assert_accepted (bus, a);
  assert_accepted (bus, b);
  g_assert_cmpuint (count_accepted (bus, "a", 10), ==, 2);
  g_assert_cmpuint (count_accepted (bus, "b", 10), ==, 3);
}

static void
count_notify (GObject    *object,
              GParamSpec *pspec,
              gpointer    user_data)
{
  (*(guint *) user_data)++;
}

static void
test_shutdown_timeout_notifies (TestFixture *f)
{
  guint n = 0;

  g_signal_connect (f->bus, "notify::shutdown-timeout", G_CALLBACK (count_notify), &n);
  agent_bus_set_shutdown_timeout (f->bus, 2000);
  g_assert_cmpuint (n, ==, 0);
  g_object_set (f->bus, "shutdown-timeout", 10, NULL);
  g_assert_cmpuint (n, ==, 1);
  g_assert_cmpuint (agent_bus_get_shutdown_timeout (f->bus), ==, 10);
}

static void
test_subscriber_properties (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = agent_subscriber_new ("a");

  g_assert_cmpstr (agent_subscriber_get_name (a), ==, "a");
  g_assert_true (agent_subscriber_get_main_context (a) == f->context);
  g_assert_cmpuint (agent_subscriber_get_capacity (a), ==, 0);
  g_assert_cmpuint (agent_subscriber_get_max_bytes (a), ==, 0);
  g_assert_cmpuint (agent_subscriber_get_max_age (a), ==, 0);
  g_assert_cmpint (agent_subscriber_get_overflow (a), ==, AGENT_OVERFLOW_DROP_NEWEST);
  g_assert_cmpuint (agent_subscriber_get_n_queued (a), ==, 0);
  g_assert_cmpuint (agent_subscriber_get_n_delivered (a), ==, 0);
  g_assert_cmpuint (agent_subscriber_get_n_dropped (a), ==, 0);
  g_assert_null (agent_subscriber_dup_bus (a));
}

static void
test_subscriber_settings (TestFixture *f)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (GMainContext) got = NULL;
  g_autofree char *name = NULL;
  g_autoptr (TestRecorder) a = test_recorder_new_full (NULL,
                                                       NULL,
                                                       "name",
                                                       "a",
                                                       "main-context",
                                                       context,
                                                       "capacity",
                                                       3,
                                                       "max-bytes",
                                                       G_GUINT64_CONSTANT (1) << 33,
                                                       "max-age",
                                                       7,
                                                       "overflow",
                                                       AGENT_OVERFLOW_DROP_OLDEST,
                                                       NULL);
  guint         capacity;
  guint64       max_bytes;
  guint         max_age;
  AgentOverflow overflow;

  g_object_get (a,
                "name",
                &name,
                "main-context",
                &got,
                "capacity",
                &capacity,
                "max-bytes",
                &max_bytes,
                "max-age",
                &max_age,
                "overflow",
                &overflow,
                NULL);
  g_assert_cmpstr (name, ==, "a");
  g_assert_true (got == context);
  g_assert_cmpuint (capacity, ==, 3);
  g_assert_cmpuint (max_bytes, ==, G_GUINT64_CONSTANT (1) << 33);
  g_assert_cmpuint (max_age, ==, 7);
  g_assert_cmpint (overflow, ==, AGENT_OVERFLOW_DROP_OLDEST);
}

/* --- Subscribing --- */

static void
test_subscribe (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");
  g_autoptr (AgentBus) bus = agent_subscriber_dup_bus (AGENT_SUBSCRIBER (a));

  g_assert_true (bus == f->bus);
  g_assert_cmpuint (agent_bus_get_n_subscribers (f->bus), ==, 1);
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", "a", 1)), ==, 1);
  test_drain (f);
  assert_got (a, "1");
}

static void
test_subscribe_duplicate_name (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");
  g_autoptr (TestRecorder) other = test_recorder_new ("a", NULL, NULL);

  assert_refused (f->bus, other, AGENT_BUS_ERROR_EXISTS);
  g_assert_cmpuint (agent_bus_get_n_subscribers (f->bus), ==, 1);
  g_assert_null (agent_subscriber_dup_bus (AGENT_SUBSCRIBER (other)));

  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", "a", 1)), ==, 1);
  test_drain (f);
  assert_got (a, "1");
  assert_got (other, "");
}

static void
test_subscribe_name_is_free_again (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");
  g_autoptr (TestRecorder) other = test_recorder_new ("a", NULL, NULL);

  assert_refused (f->bus, other, AGENT_BUS_ERROR_EXISTS);
  unsubscribe (f, "a");
  assert_accepted (f->bus, other);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  assert_got (a, "");
  assert_got (other, "1");
}

static void
test_subscribe_refused_leaves_no_trace (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");
  TestRecorder *other = test_recorder_new ("a", NULL, NULL);

  assert_refused (f->bus, other, AGENT_BUS_ERROR_EXISTS);
  g_object_add_weak_pointer (G_OBJECT (other), (gpointer *) &other);
  g_object_unref (other);
  g_assert_null (other);
  g_assert_cmpuint (test_ledger (f->bus).offered, ==, 0);
}

static void
test_subscribe_same_object_twice (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");

  assert_refused (f->bus, a, AGENT_BUS_ERROR_EXISTS);
  g_assert_cmpuint (agent_bus_get_n_subscribers (f->bus), ==, 1);
  agent_bus_send (f->bus, test_data ("test", NULL, 1));
  test_drain (f);
  assert_got (a, "1");
}

static void
test_subscribe_to_a_second_bus (TestFixture *f)
{
  g_autoptr (AgentBus) second = agent_bus_new ();
  g_autoptr (TestRecorder) a = subscribe (f, "a");

  assert_refused (second, a, AGENT_BUS_ERROR_EXISTS);
  g_assert_cmpuint (agent_bus_get_n_subscribers (second), ==, 0);

  unsubscribe (f, "a");
  assert_accepted (second, a);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (second, test_data ("test", "a", 2));
  test_drain (f);
  assert_got (a, "2");
}

static void
test_subscribe_to_a_stopped_bus (TestFixture *f)
{
  g_autoptr (AgentBus) second = agent_bus_new ();
  g_autoptr (TestRecorder) a = test_recorder_new ("a", NULL, NULL);

  test_stop (f);
  assert_refused (f->bus, a, AGENT_BUS_ERROR_CLOSED);
  g_assert_null (agent_subscriber_dup_bus (AGENT_SUBSCRIBER (a)));
  g_assert_cmpuint (agent_bus_get_n_subscribers (f->bus), ==, 0);
  assert_accepted (second, a);
}

/* The reason to give is that the bus is stopped, also for a name that was in use. */
static void
test_subscribe_old_name_to_a_stopped_bus (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");
  g_autoptr (TestRecorder) other = test_recorder_new ("a", NULL, NULL);

  test_stop (f);
  assert_refused (f->bus, other, AGENT_BUS_ERROR_CLOSED);
  assert_refused (f->bus, a, AGENT_BUS_ERROR_CLOSED);
}

static void
test_lookup (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");
  g_autoptr (TestRecorder) b = subscribe (f, "b");
  g_autoptr (AgentSubscriber) found = agent_bus_lookup (f->bus, "a");

  g_assert_true (found == AGENT_SUBSCRIBER (a));
  g_assert_null (agent_bus_lookup (f->bus, "c"));
  g_assert_null (agent_bus_lookup (f->bus, ""));
  unsubscribe (f, "a");
  g_assert_null (agent_bus_lookup (f->bus, "a"));
}

static void
test_n_subscribers (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");
  g_autoptr (TestRecorder) b = subscribe (f, "b");
  g_autoptr (TestRecorder) c = subscribe (f, "c");

  g_assert_cmpuint (agent_bus_get_n_subscribers (f->bus), ==, 3);
  agent_bus_unsubscribe (f->bus, "b");
  g_assert_cmpuint (agent_bus_get_n_subscribers (f->bus), ==, 2);
  agent_bus_unsubscribe (f->bus, "b");
  g_assert_cmpuint (agent_bus_get_n_subscribers (f->bus), ==, 2);
  test_stop (f);
  g_assert_cmpuint (agent_bus_get_n_subscribers (f->bus), ==, 0);
}

static void
test_bus_keeps_the_subscriber (TestFixture *f)
{
  TestRecorder *a = subscribe (f, "a");

  g_object_add_weak_pointer (G_OBJECT (a), (gpointer *) &a);
  g_object_unref (a);
  g_assert_nonnull (a);
  unsubscribe (f, "a");
  test_drain (f);
  g_assert_null (a);
}

/* --- The signals of who comes and goes --- */

typedef struct
{
  GString      *text;
  GMainContext *context;
} Arrivals;

static void
on_subscribed (AgentBus        *bus,
               AgentSubscriber *subscriber,
               gpointer         user_data)
{
  Arrivals *self = user_data;

  g_assert_true (g_main_context_is_owner (self->context));
  g_string_append_printf (self->text, "+%s ", agent_subscriber_get_name (subscriber));
}

static void
on_unsubscribed (AgentBus   *bus,
                 const char *name,
                 gpointer    user_data)
{
  Arrivals *self = user_data;

  g_assert_true (g_main_context_is_owner (self->context));
  g_string_append_printf (self->text, "-%s ", name);
}

static void
arrivals_init (Arrivals    *self,
               TestFixture *f)
{
  self->text = g_string_new (NULL);
  self->context = f->context;
  g_signal_connect (f->bus, "subscribed", G_CALLBACK (on_subscribed), self);
  g_signal_connect (f->bus, "unsubscribed", G_CALLBACK (on_unsubscribed), self);
}

static void
arrivals_clear (Arrivals    *self,
                TestFixture *f)
{
  g_signal_handlers_disconnect_by_data (f->bus, self);
  g_string_free (self->text, TRUE);
}

static void
assert_arrivals (Arrivals   *self,
                 const char *expected)
{
  g_assert_cmpstr (self->text->str, ==, expected);
  g_string_truncate (self->text, 0);
}

static void
test_signals_in_order (TestFixture *f)
{
  Arrivals arrivals;
  g_autoptr (TestRecorder) a = test_recorder_new ("a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_new ("b", NULL, NULL);

  arrivals_init (&arrivals, f);
  assert_accepted (f->bus, a);
  assert_accepted (f->bus, b);
  agent_bus_unsubscribe (f->bus, "a");
  assert_accepted (f->bus, a);
  agent_bus_unsubscribe (f->bus, "b");

  assert_arrivals (&arrivals, "");
  test_drain (f);
  assert_arrivals (&arrivals, "+a +b -a +a -b ");
  test_stop (f);
  assert_arrivals (&arrivals, "-a ");
  arrivals_clear (&arrivals, f);
}

static void
test_signals_not_for_the_refused (TestFixture *f)
{
  Arrivals arrivals;
  g_autoptr (TestRecorder) a = subscribe (f, "a");
  g_autoptr (TestRecorder) other = test_recorder_new ("a", NULL, NULL);

  arrivals_init (&arrivals, f);
  assert_refused (f->bus, other, AGENT_BUS_ERROR_EXISTS);
  agent_bus_unsubscribe (f->bus, "nobody");
  test_drain (f);
  assert_arrivals (&arrivals, "");
  arrivals_clear (&arrivals, f);
}

static gpointer
come_and_go (gpointer data)
{
  TestFixture *f = data;
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (TestRecorder) a = NULL;

  g_main_context_push_thread_default (context);
  a = test_recorder_new ("a", NULL, NULL);
  assert_accepted (f->bus, a);
  agent_bus_unsubscribe (f->bus, "a");
  while (g_main_context_iteration (context, FALSE))
    ;
  g_main_context_pop_thread_default (context);

  return NULL;
}

/* Whoever comes, and wherever. */
static void
test_signals_in_the_context_of_the_bus (TestFixture *f)
{
  Arrivals arrivals;

  arrivals_init (&arrivals, f);
  g_thread_join (g_thread_new ("test", come_and_go, f));
  assert_arrivals (&arrivals, "");
  test_drain (f);
  assert_arrivals (&arrivals, "+a -a ");
  arrivals_clear (&arrivals, f);
}

/* A bus belongs to the thread default of where it was made, not to that of who uses it. */
static void
test_signals_of_a_bus_with_another_context (TestFixture *f)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (AgentBus) bus = NULL;
  g_autoptr (TestRecorder) a = test_recorder_new ("a", NULL, NULL);
  Arrivals arrivals = { g_string_new (NULL), context };

  g_main_context_push_thread_default (context);
  bus = agent_bus_new ();
  g_main_context_pop_thread_default (context);

  g_signal_connect (bus, "subscribed", G_CALLBACK (on_subscribed), &arrivals);
  assert_accepted (bus, a);
  test_drain (f);
  assert_arrivals (&arrivals, "");
  g_main_context_iteration (context, FALSE);
  assert_arrivals (&arrivals, "+a ");
  g_string_free (arrivals.text, TRUE);
}

static void
test_unsubscribed_after_the_last_message (TestFixture *f)
{
  Arrivals arrivals;
  g_autoptr (TestRecorder) a = subscribe (f, "a");

  arrivals_init (&arrivals, f);
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  agent_bus_unsubscribe (f->bus, "a");
  while (test_recorder_count (a) == 0)
    {
      assert_arrivals (&arrivals, "");
      test_iterate (f);
    }
  test_drain (f);
  assert_arrivals (&arrivals, "-a ");
  arrivals_clear (&arrivals, f);
}

/* --- Targets --- */

static void
test_broadcast (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");
  g_autoptr (TestRecorder) b = subscribe (f, "b");
  g_autoptr (TestRecorder) c = subscribe (f, "c");

  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("a", NULL, 1)), ==, 2);
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("a", "b", 2)), ==, 1);
  test_drain (f);
  assert_got (a, "");
  assert_got (b, "1 2");
  assert_got (c, "1");
}

static void
test_broadcast_of_system_messages (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");
  g_autoptr (TestRecorder) b = subscribe (f, "b");

  g_assert_cmpuint (agent_bus_send (f->bus, test_cancel ("a", NULL)), ==, 1);
  test_drain (f);
  assert_got (a, "");
  assert_got (b, "cancel");
}

static void
test_broadcast_from_outside (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");
  g_autoptr (TestRecorder) b = subscribe (f, "b");

  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("nobody", NULL, 1)), ==, 2);
  test_drain (f);
  assert_got (a, "1");
  assert_got (b, "1");
}

static void
test_broadcast_to_nobody (TestFixture *f)
{
  g_autoptr (TestRecorder) a = NULL;

  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", NULL, 1)), ==, 0);
  a = subscribe (f, "a");
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("a", NULL, 2)), ==, 0);
  test_drain (f);
  assert_got (a, "");
  g_assert_cmpuint (test_ledger (f->bus).offered, ==, 2);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_NO_TARGET], ==, 2);
}

static void
test_self_targeted (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");

  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("a", "a", 1)), ==, 0);
  g_assert_cmpuint (agent_bus_send (f->bus, test_cancel ("a", "a")), ==, 0);
  test_drain (f);
  assert_got (a, "");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_NO_TARGET], ==, 2);
  g_assert_cmpuint (test_ledger_of (f->bus, "a").offered, ==, 0);
}

static void
test_unknown_target (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");

  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", "aa", 1)), ==, 0);
  g_assert_cmpuint (agent_bus_send (f->bus, test_cancel ("test", "A")), ==, 0);
  test_drain (f);
  assert_got (a, "");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_NO_TARGET], ==, 2);
}

/* Two names that have one hash cannot be found: so the message claims the hash of another one. */
static AgentMessage *
with_hash_of (AgentMessage *message,
              const char   *name)
{
  g_autoptr (AgentMessage) other = test_data ("test", name, 0);

  message->hash = other->hash;
  return message;
}

static void
test_names_of_one_hash (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");
  g_autoptr (TestRecorder) b = subscribe (f, "b");

  g_assert_cmpuint (agent_bus_send (f->bus, with_hash_of (test_data ("test", "nobody", 1), "a")), ==, 0);
  g_assert_cmpuint (agent_bus_send (f->bus, with_hash_of (test_data ("test", NULL, 2), "a")), ==, 2);
  test_drain (f);
  assert_got (a, "2");
  assert_got (b, "2");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_NO_TARGET], ==, 1);
}

static void
test_send_counts_who_accepted (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");
  g_autoptr (TestRecorder) b = test_recorder_new_full (NULL, NULL, "name", "b", "capacity", 1, NULL);

  assert_accepted (f->bus, b);
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", NULL, 1)), ==, 2);
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", NULL, 2)), ==, 1);
  g_assert_cmpuint (agent_bus_send (f->bus, test_cancel ("test", NULL)), ==, 2);
  test_drain (f);
  assert_got (a, "cancel 1 2");
  assert_got (b, "cancel 1");
  test_expect_log (f, "'b' is full");
}

/* The table of subscribers that a sender keeps is thrown away at every change. */
static void
test_changes_are_seen_by_the_next_send (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");
  g_autoptr (TestRecorder) b = test_recorder_new ("b", NULL, NULL);

  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", NULL, 1)), ==, 1);
  assert_accepted (f->bus, b);
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", NULL, 2)), ==, 2);
  agent_bus_unsubscribe (f->bus, "a");
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", NULL, 3)), ==, 1);
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", "a", 4)), ==, 0);
  test_drain (f);
  assert_got (a, "");
  assert_got (b, "2 3");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_NO_TARGET], ==, 1);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_CLOSED], ==, 0);
}

/* A thread keeps tables of four buses: more of them take turns. */
static void
test_many_buses_do_not_mix (TestFixture *f)
{
  AgentBus     *buses[9];
  TestRecorder *recorders[9];

  for (guint i = 0; i < G_N_ELEMENTS (buses); i++)
    {
      buses[i] = agent_bus_new ();
      recorders[i] = test_recorder_new ("a", NULL, NULL);
      assert_accepted (buses[i], recorders[i]);
    }
  for (guint round = 0; round < 3; round++)
    for (guint i = 0; i < G_N_ELEMENTS (buses); i++)
      g_assert_cmpuint (agent_bus_send (buses[i], test_data ("test", "a", i)), ==, 1);
  test_drain (f);

  for (guint i = 0; i < G_N_ELEMENTS (buses); i++)
    {
      g_autofree char *expected = g_strdup_printf ("%u %u %u", i, i, i);

      assert_got (recorders[i], expected);
      g_object_unref (recorders[i]);
      g_object_unref (buses[i]);
    }
}

/* --- Stamps --- */

static void
test_unsent_message_has_no_stamp (TestFixture *f)
{
  g_autoptr (AgentMessage) message = test_data ("test", NULL, 1);

  g_assert_cmpuint (agent_message_get_seq (message), ==, 0);
  g_assert_cmpint (agent_message_get_sent_at (message), ==, 0);
}

static void
test_seq_rises_by_one (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_data ("test", "nobody", 2));
  agent_bus_send (f->bus, test_data ("test", NULL, 3));
  test_drain (f);
  g_assert_cmpuint (agent_message_get_seq (nth (a, 0)), ==, 1);
  g_assert_cmpuint (agent_message_get_seq (nth (a, 1)), ==, 3);
}

static void
test_seq_is_per_bus (TestFixture *f)
{
  g_autoptr (AgentBus) second = agent_bus_new ();
  g_autoptr (TestRecorder) a = subscribe (f, "a");
  g_autoptr (TestRecorder) b = test_recorder_new ("b", NULL, NULL);

  assert_accepted (second, b);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (second, test_data ("test", "b", 1));
  test_drain (f);
  g_assert_cmpuint (agent_message_get_seq (nth (a, 0)), ==, 1);
  g_assert_cmpuint (agent_message_get_seq (nth (b, 0)), ==, 1);
}

/* One message is shared by all. */
static void
test_all_receivers_see_the_same (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");
  g_autoptr (TestRecorder) b = subscribe (f, "b");
  AgentMessage *message = test_data ("test", NULL, 1);

  agent_bus_send (f->bus, message);
  test_drain (f);
  g_assert_true (nth (a, 0) == message);
  g_assert_true (nth (b, 0) == message);
  g_assert_cmpuint (agent_message_get_seq (message), ==, 1);
}

static void
test_sent_at (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");
  gint64 before;

  test_clock_freeze ();
  before = _agent_clock_now ();
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_clock_advance (1234);
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  test_clock_advance (1000);
  test_drain (f);
  g_assert_cmpint (agent_message_get_sent_at (nth (a, 0)), ==, before);
  g_assert_cmpint (agent_message_get_sent_at (nth (a, 1)), ==, before + 1234);
}

static void
test_resend_sends_a_copy (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");
  g_autoptr (AgentMessage) kept = test_data ("test", "a", 1);
  gint64 sent_at;

  test_clock_freeze ();
  g_assert_cmpuint (agent_bus_send (f->bus, agent_message_ref (kept)), ==, 1);
  sent_at = agent_message_get_sent_at (kept);
  test_clock_advance (10);
  g_assert_cmpuint (agent_bus_send (f->bus, agent_message_ref (kept)), ==, 1);
  g_assert_cmpuint (agent_message_get_seq (kept), ==, 1);
  g_assert_cmpint (agent_message_get_sent_at (kept), ==, sent_at);

  test_drain (f);
  g_assert_true (nth (a, 0) == kept);
  g_assert_true (nth (a, 1) != kept);
  g_assert_cmpuint (agent_message_get_seq (nth (a, 1)), ==, 2);
  g_assert_cmpint (agent_message_get_sent_at (nth (a, 1)), ==, sent_at + 10);
}

/* A copy is as good as the original: nobody who has kept it sees it change. */
static void
test_resend_of_a_copy (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");
  g_autoptr (AgentMessage) kept = test_data ("test", "a", 1);

  agent_bus_send (f->bus, agent_message_ref (kept));
  agent_bus_send (f->bus, agent_message_ref (kept));
  test_drain (f);
  agent_bus_send (f->bus, agent_message_ref (nth (a, 1)));
  test_drain (f);
  g_assert_cmpuint (agent_message_get_seq (nth (a, 1)), ==, 2);
  g_assert_cmpuint (agent_message_get_seq (nth (a, 2)), ==, 3);
}

static void
test_resend_copies_everything (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");
  g_autoptr (AgentMessage) cause = test_data ("test", "a", 1);
  g_autoptr (AgentMessage) kept =
      agent_message_new_task_request ("test", "a", "42", "sum", g_variant_new_string ("payload"));
  AgentMessage *copy;

  agent_bus_send (f->bus, agent_message_ref (cause));
  agent_message_set_ttl (kept, 100000);
  agent_message_set_reliable (kept, TRUE);
  agent_message_set_cause (kept, cause);
  agent_bus_send (f->bus, agent_message_ref (kept));
  agent_bus_send (f->bus, agent_message_ref (kept));
  test_drain (f);

  copy = nth (a, 2);
  g_assert_cmpint (agent_message_get_message_type (copy), ==, AGENT_MESSAGE_TYPE_TASK_REQUEST);
  g_assert_cmpstr (agent_message_get_source (copy), ==, "test");
  g_assert_cmpstr (agent_message_get_target (copy), ==, "a");
  g_assert_cmpstr (agent_message_get_task_id (copy), ==, "42");
  g_assert_cmpstr (agent_message_get_task_name (copy), ==, "sum");
  g_assert_true (agent_message_get_payload (copy) == agent_message_get_payload (kept));
  g_assert_cmpuint (agent_message_get_ttl (copy), ==, 100000);
  g_assert_true (agent_message_is_reliable (copy));
  g_assert_cmpuint (agent_message_get_cause (copy), ==, 1);
}

static void
forward (TestRecorder *recorder,
         AgentMessage *message,
         gpointer      user_data)
{
  g_assert_cmpuint (agent_bus_send (user_data, agent_message_ref (message)), ==, 1);
}

/* What a handler is given may be sent on; on another bus it gets that one's number. */
static void
test_forward_to_another_bus (TestFixture *f)
{
  g_autoptr (AgentBus) second = agent_bus_new ();
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", forward, second);
  g_autoptr (TestRecorder) b = test_recorder_new ("a", NULL, NULL);

  assert_accepted (second, b);
  agent_bus_send (f->bus, test_data ("test", NULL, 1));
  agent_bus_send (f->bus, test_data ("test", NULL, 2));
  agent_bus_send (second, test_data ("test", "nobody", 0));
  test_drain (f);
  assert_got (b, "1 2");
  g_assert_cmpuint (agent_message_get_seq (nth (a, 1)), ==, 2);
  g_assert_cmpuint (agent_message_get_seq (nth (b, 1)), ==, 3);
}

static void
count_freed (gpointer user_data)
{
  (*(guint *) user_data)++;
}

static AgentMessage *
new_counted (const char *target,
             guint      *n_freed)
{
  g_autoptr (GBytes) data = g_bytes_new_with_free_func ("", 1, count_freed, n_freed);
  g_autoptr (AgentFrame) frame = agent_frame_new ("test", data, NULL);

  return agent_message_new_frame ("test", target, frame, AGENT_FRAME_DIRECTION_DOWNSTREAM);
}

/* Everybody lets go of a message who is through with it, and the bus of one that it has told of. */
static void
test_send_takes_the_message (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = test_listener_new ("a");
  g_autoptr (AgentSubscriber) b = test_listener_new ("b");
  guint n_freed = 0;

  agent_bus_send (f->bus, new_counted (NULL, &n_freed));
  test_drain (f);
  g_assert_cmpuint (n_freed, ==, 1);

  agent_bus_subscribe (f->bus, a, NULL);
  agent_bus_subscribe (f->bus, b, NULL);
  agent_bus_send (f->bus, new_counted (NULL, &n_freed));
  agent_bus_send (f->bus, new_counted ("b", &n_freed));
  g_assert_cmpuint (n_freed, ==, 1);
  test_drain (f);
  g_assert_cmpuint (n_freed, ==, 3);

  agent_bus_send (f->bus, new_counted (NULL, &n_freed));
  test_stop (f);
  g_assert_cmpuint (n_freed, ==, 4);
  agent_bus_send (f->bus, new_counted (NULL, &n_freed));
  test_drain (f);
  g_assert_cmpuint (n_freed, ==, 5);
}

/* Of many that are dropped one waits to be told of, and all others are let go of at once. */
static void
test_send_lets_go_of_what_it_drops (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = g_object_new (AGENT_TYPE_SUBSCRIBER, "name", "a", "capacity", 1, NULL);
  guint n_freed = 0;

  test_listen (a);
  agent_bus_subscribe (f->bus, a, NULL);
  for (guint i = 0; i < 10; i++)
    agent_bus_send (f->bus, new_counted ("a", &n_freed));
  g_assert_cmpuint (n_freed, ==, 8);
  test_drain (f);
  g_assert_cmpuint (n_freed, ==, 10);
  test_expect_log (f, "'a' is full");
}

/* --- Stop and start --- */

static void
test_stop_state (TestFixture *f)
{
  gboolean running = TRUE;

  test_stop (f);
  g_object_get (f->bus, "running", &running, NULL);
  g_assert_false (running);
  g_assert_false (agent_bus_is_running (f->bus));
  start (f);
  g_assert_true (agent_bus_is_running (f->bus));
}

static void
test_send_after_stop (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");
  AgentMessage *last = test_cancel ("test", NULL);

  agent_message_ref (last);
  test_stop (f);
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", "a", 1)), ==, 0);
  g_assert_cmpuint (agent_bus_send (f->bus, last), ==, 0);
  test_drain (f);
  assert_got (a, "");
  g_assert_cmpuint (agent_message_get_seq (last), ==, 0);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_CLOSED], ==, 2);
  g_assert_cmpuint (test_ledger (f->bus).sent, ==, 2);
  test_assert_balanced (f->bus);
  agent_message_unref (last);
}

/* Nobody comes back by itself, but all may. */
static void
test_start_after_stop (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  test_stop (f);
  start (f);
  g_assert_cmpuint (agent_bus_get_n_subscribers (f->bus), ==, 0);
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", "a", 2)), ==, 0);

  assert_accepted (f->bus, a);
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", "a", 3)), ==, 1);
  test_drain (f);
  assert_got (a, "1 3");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_NO_TARGET], ==, 1);
  g_assert_cmpuint (agent_message_get_seq (nth (a, 1)), ==, 3);
}

static void
test_start_while_running (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");

  start (f);
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", "a", 1)), ==, 1);
  test_drain (f);
  assert_got (a, "1");
}

static void
test_stop_while_stopped (TestFixture *f)
{
  test_stop (f);
  test_stop (f);
  g_assert_false (agent_bus_is_running (f->bus));
}

#define ADD(name, func) test_add ("/agentbus/bus/" name, func)

static void
add_members (void)
{
  ADD ("defaults", test_defaults);
  ADD ("getters", test_getters);
  ADD ("capacity-zero-becomes-one", test_capacity_zero_becomes_one);
  ADD ("capacity-is-256", test_capacity_is_256);
  ADD ("own-capacity-wins", test_own_capacity_wins);
  ADD ("shutdown-timeout-notifies", test_shutdown_timeout_notifies);
  ADD ("subscriber-properties", test_subscriber_properties);
  ADD ("subscriber-settings", test_subscriber_settings);
  ADD ("subscribe", test_subscribe);
  ADD ("subscribe-duplicate-name", test_subscribe_duplicate_name);
  ADD ("subscribe-name-is-free-again", test_subscribe_name_is_free_again);
  ADD ("subscribe-refused-leaves-no-trace", test_subscribe_refused_leaves_no_trace);
  ADD ("subscribe-same-object-twice", test_subscribe_same_object_twice);
  ADD ("subscribe-to-a-second-bus", test_subscribe_to_a_second_bus);
  ADD ("subscribe-to-a-stopped-bus", test_subscribe_to_a_stopped_bus);
  ADD ("subscribe-old-name-to-a-stopped-bus", test_subscribe_old_name_to_a_stopped_bus);
  ADD ("lookup", test_lookup);
  ADD ("n-subscribers", test_n_subscribers);
  ADD ("bus-keeps-the-subscriber", test_bus_keeps_the_subscriber);
  ADD ("signals-in-order", test_signals_in_order);
  ADD ("signals-not-for-the-refused", test_signals_not_for_the_refused);
  ADD ("signals-in-the-context-of-the-bus", test_signals_in_the_context_of_the_bus);
  ADD ("signals-of-a-bus-with-another-context", test_signals_of_a_bus_with_another_context);
  ADD ("unsubscribed-after-the-last-message", test_unsubscribed_after_the_last_message);
}

static void
add_sending (void)
{
  ADD ("broadcast", test_broadcast);
  ADD ("broadcast-of-system-messages", test_broadcast_of_system_messages);
  ADD ("broadcast-from-outside", test_broadcast_from_outside);
  ADD ("broadcast-to-nobody", test_broadcast_to_nobody);
  ADD ("self-targeted", test_self_targeted);
  ADD ("unknown-target", test_unknown_target);
  ADD ("names-of-one-hash", test_names_of_one_hash);
  ADD ("send-counts-who-accepted", test_send_counts_who_accepted);
  ADD ("changes-are-seen-by-the-next-send", test_changes_are_seen_by_the_next_send);
  ADD ("many-buses-do-not-mix", test_many_buses_do_not_mix);
  ADD ("unsent-message-has-no-stamp", test_unsent_message_has_no_stamp);
  ADD ("seq-rises-by-one", test_seq_rises_by_one);
  ADD ("seq-is-per-bus", test_seq_is_per_bus);
  ADD ("all-receivers-see-the-same", test_all_receivers_see_the_same);
  ADD ("sent-at", test_sent_at);
  ADD ("resend-sends-a-copy", test_resend_sends_a_copy);
  ADD ("resend-of-a-copy", test_resend_of_a_copy);
  ADD ("resend-copies-everything", test_resend_copies_everything);
  ADD ("forward-to-another-bus", test_forward_to_another_bus);
  ADD ("send-takes-the-message", test_send_takes_the_message);
  ADD ("send-lets-go-of-what-it-drops", test_send_lets_go_of_what_it_drops);
}

static void
add_states (void)
{
  ADD ("stop-state", test_stop_state);
  ADD ("send-after-stop", test_send_after_stop);
  ADD ("start-after-stop", test_start_after_stop);
  ADD ("start-while-running", test_start_while_running);
  ADD ("stop-while-stopped", test_stop_while_stopped);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

  add_members ();
  add_sending ();
  add_states ();

  return g_test_run ();
}
