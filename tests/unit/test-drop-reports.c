/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-bus-private.h"
#include "test-support.h"

/*
 * How drops are told: one emission per subscriber and reason in an iteration, with the sum and the last message, and
 * a line in the log now and then. The clock stands still, so that an iteration does all there is to do.
 */

static TestRecorder *
subscribe_bounded (TestFixture *f,
                   const char  *name,
                   guint        capacity)
{
  TestRecorder *self = test_recorder_new_full (NULL, NULL, "name", name, "capacity", capacity, NULL);
  g_autoptr (GError) error = NULL;

  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (self), &error);
  g_assert_no_error (error);
  return self;
}

static void
send_range (TestFixture *f,
            const char  *target,
            guint        first,
            guint        last)
{
  for (guint i = first; i <= last; i++)
    agent_bus_send (f->bus, test_data ("test", target, i));
}

/* Before anything is sent there may be nothing left from subscribing. */
static void
settle (TestFixture *f)
{
  test_clock_freeze ();
  test_drain (f);
}

/* --- What the signal told: "subscriber:reason:n:last", with a "/" after each iteration that told something --- */

static void
append_drop (AgentBus        *bus,
             AgentSubscriber *subscriber,
             AgentDropReason  reason,
             guint64          n,
             AgentMessage    *last,
             gpointer         user_data)
{
  g_string_append_printf (user_data,
                          "%s:%s:%" G_GUINT64_FORMAT ":%s ",
                          subscriber != NULL ? agent_subscriber_get_name (subscriber) : "-",
                          agent_drop_reason_to_string (reason),
                          n,
                          agent_message_get_task_id (last));
}

static GString *
listen (TestFixture *f)
{
  GString *told = g_string_new (NULL);

  g_signal_connect (f->bus, "dropped", G_CALLBACK (append_drop), told);
  return told;
}

static void
assert_told (TestFixture *f,
             GString     *told,
             const char  *expected)
{
  gsize n = 0;

  while (g_main_context_iteration (f->context, FALSE))
    {
      if (told->len > n)
        g_string_append (told, "/ ");
      n = told->len;
    }
  g_assert_cmpstr (told->str, ==, expected);
  g_string_truncate (told, 0);
}

static void
stop_listening (TestFixture *f,
                GString     *told)
{
  g_signal_handlers_disconnect_by_data (f->bus, told);
  g_string_free (told, TRUE);
}

/* All that the signal told is all that the ledger has. */
static void
assert_sums (TestFixture *f)
{
  TestLedger ledger;

  test_drain (f);
  ledger = test_ledger (f->bus);
  for (guint reason = 0; reason < G_N_ELEMENTS (ledger.dropped); reason++)
    g_assert_cmpuint (f->dropped[reason], ==, ledger.dropped[reason]);
  test_assert_balanced (f->bus);
}

static void
test_one_emission (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_bounded (f, "a", 1);
  GString *told = listen (f);

  settle (f);
  send_range (f, "a", 1, 1001);
  assert_told (f, told, "a:full:1000:1001 / ");
  assert_told (f, told, "");
  assert_sums (f);
  test_expect_log (f, "1000 messages");
  stop_listening (f, told);
}

/* Where the bus's context is not iterated, a flood of drops takes no more memory than the first. */
static void
test_flood_is_one_notice (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_bounded (f, "a", 1);
  guint n_refs;

  send_range (f, "a", 1, 2);
  n_refs = G_OBJECT (a)->ref_count;
  send_range (f, "a", 3, 1000);
  g_assert_cmpuint (G_OBJECT (a)->ref_count, ==, n_refs);
  test_drain (f);
  g_assert_cmpuint (G_OBJECT (a)->ref_count, ==, n_refs);
  g_assert_cmpuint (f->n_dropped_emissions, ==, 1);
  test_expect_log (f, "999 messages");
}

static void
test_one_emission_per_iteration (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_bounded (f, "a", 1);
  GString *told = listen (f);

  settle (f);
  send_range (f, "a", 1, 3);
  assert_told (f, told, "a:full:2:3 / ");
  send_range (f, "a", 4, 9);
  assert_told (f, told, "a:full:5:9 / ");
  assert_sums (f);
  test_expect_log (f, "'a' is full: 2 messages");
  stop_listening (f, told);
}

static void
test_one_emission_per_subscriber (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_bounded (f, "a", 1);
  g_autoptr (TestRecorder) b = subscribe_bounded (f, "b", 1);
  GString *told = listen (f);

  settle (f);
  send_range (f, "b", 1, 2);
  send_range (f, "a", 3, 6);
  send_range (f, "nobody", 7, 8);
  send_range (f, "b", 9, 10);
  send_range (f, "nobody", 11, 11);
  assert_told (f, told, "b:full:3:10 a:full:3:6 -:no-target:3:11 / ");
  assert_sums (f);
  test_expect_log (f, "'a' is full");
  stop_listening (f, told);
}

static void
test_one_emission_per_reason (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_bounded (f, "a", 2);
  GString *told = listen (f);

  settle (f);
  send_range (f, "a", 1, 5);
  agent_bus_unsubscribe (f->bus, "a");
  send_range (f, "a", 6, 7);
  agent_bus_stop_async (f->bus, NULL, NULL, NULL);
  send_range (f, "a", 8, 8);
  assert_told (f, told, "a:full:3:5 a:discarded:2:2 -:no-target:2:7 -:closed:1:8 / ");
  assert_sums (f);
  test_expect_log (f, "'a' is full");
  stop_listening (f, told);
}

static void
test_expired_are_told (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_bounded (f, "a", 10);
  GString *told = listen (f);

  settle (f);
  for (guint i = 1; i <= 3; i++)
    {
      AgentMessage *message = test_data ("test", "a", i);

      agent_message_set_ttl (message, 1);
      agent_bus_send (f->bus, message);
    }
  test_clock_advance (1000);
  assert_told (f, told, "a:expired:3:3 / ");
  assert_sums (f);
  stop_listening (f, told);
}

/* What is dropped for a new message is an old one. */
static void
test_last_of_drop_oldest (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_new_full (
      NULL, NULL, "name", "a", "capacity", 2, "overflow", AGENT_OVERFLOW_DROP_OLDEST, NULL);
  GString *told = listen (f);

  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL);
  settle (f);
  send_range (f, "a", 1, 6);
  assert_told (f, told, "a:full:4:4 / ");
  assert_sums (f);
  test_expect_log (f, "'a' is full");
  stop_listening (f, told);
}

/* One emission, whose number is as large as the number in the ledger. */
static void
test_more_than_32_bits (TestFixture *f)
{
  const guint64 n = G_GUINT64_CONSTANT (5000000000);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  AgentMailbox *mailbox = _agent_directory_lookup (f->bus->directory, "a");
  AgentMessage *previous = NULL;
  GString      *told = listen (f);
  gboolean      to_report;

  _agent_mailbox_count_drops (
      mailbox, AGENT_DROP_REASON_EXPIRED, n, test_data ("test", "a", 1), &previous, &to_report);
  _agent_mailbox_report_drops (mailbox, to_report);
  assert_told (f, told, "a:expired:5000000000:1 / ");
  assert_sums (f);
  _agent_mailbox_unref (mailbox);
  stop_listening (f, told);
}

static void
send_again (AgentBus        *bus,
            AgentSubscriber *subscriber,
            AgentDropReason  reason,
            guint64          n,
            AgentMessage    *last,
            gpointer         user_data)
{
  guint *n_left = user_data;

  if ((*n_left)-- > 0)
    agent_bus_send (bus, agent_message_ref (last));
}

/* What a handler of the signal drops is told in the next iteration, so that it cannot go on for ever in one. */
static void
test_drop_in_the_handler (TestFixture *f)
{
  GString *told = listen (f);
  guint    n_left = 3;

  settle (f);
  g_signal_connect (f->bus, "dropped", G_CALLBACK (send_again), &n_left);
  send_range (f, "nobody", 1, 2);
  assert_told (f, told, "-:no-target:2:2 / -:no-target:1:2 / -:no-target:1:2 / -:no-target:1:2 / ");
  assert_sums (f);
  stop_listening (f, told);
}

typedef struct
{
  TestFixture *f;
  guint        depth;
  guint        n_calls;
} Nested;

static void
drop_and_iterate (AgentBus        *bus,
                  AgentSubscriber *subscriber,
                  AgentDropReason  reason,
                  guint64          n,
                  AgentMessage    *last,
                  gpointer         user_data)
{
  Nested *self = user_data;

  g_assert_cmpuint (self->depth, ==, 0);
  self->depth++;
  if (self->n_calls++ == 0)
    {
      agent_bus_send (bus, test_data ("test", "nobody", 2));
      test_drain (self->f);
    }
  self->depth--;
}

/* A handler that iterates the context hears of nothing more until it has returned. */
static void
test_handler_iterates_the_context (TestFixture *f)
{
  Nested nested = { f, 0, 0 };
  gulong id = g_signal_connect (f->bus, "dropped", G_CALLBACK (drop_and_iterate), &nested);

  send_range (f, "nobody", 1, 1);
  test_drain (f);
  g_assert_cmpuint (nested.n_calls, ==, 2);
  assert_sums (f);
  g_signal_handler_disconnect (f->bus, id);
}

static void
send_to_both (AgentBus        *bus,
              AgentSubscriber *subscriber,
              AgentDropReason  reason,
              guint64          n,
              AgentMessage    *last,
              gpointer         user_data)
{
  gboolean *done = user_data;

  if (*done)
    return;

  *done = TRUE;
  agent_bus_send (bus, test_data ("test", NULL, 7));
}

/* The handler of the first emission makes both drop once more: the second has not been told yet and takes it along. */
static void
test_drop_for_another_in_the_handler (TestFixture *f)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (TestRecorder) a = NULL;
  g_autoptr (TestRecorder) b = NULL;
  GString *told = listen (f);
  gboolean done = FALSE;

  g_main_context_push_thread_default (context);
  a = subscribe_bounded (f, "a", 1);
  b = subscribe_bounded (f, "b", 1);
  g_main_context_pop_thread_default (context);

  settle (f);
  g_signal_connect (f->bus, "dropped", G_CALLBACK (send_to_both), &done);
  send_range (f, "a", 1, 2);
  send_range (f, "b", 3, 4);
  assert_told (f, told, "a:full:1:2 b:full:2:7 / a:full:1:7 / ");
  assert_sums (f);
  test_expect_log (f, "'a' is full");
  stop_listening (f, told);
}

/* It goes by the subscription: a successor of the same name is told of by itself. */
static void
test_told_of_the_one_it_was_for (TestFixture *f)
{
  g_autoptr (TestRecorder) old = subscribe_bounded (f, "a", 1);
  g_autoptr (TestRecorder) new = NULL;
  GString *told = listen (f);

  settle (f);
  send_range (f, "a", 1, 2);
  agent_bus_unsubscribe (f->bus, "a");
  new = subscribe_bounded (f, "a", 1);
  send_range (f, "a", 3, 5);
  assert_told (f, told, "a:full:1:2 a:discarded:1:1 a:full:2:5 / ");
  assert_sums (f);
  g_assert_cmpuint (agent_subscriber_get_n_dropped (AGENT_SUBSCRIBER (old)), ==, 2);
  g_assert_cmpuint (agent_subscriber_get_n_dropped (AGENT_SUBSCRIBER (new)), ==, 2);
  test_expect_log (f, "'a' is full");
  stop_listening (f, told);
}

typedef struct
{
  AgentBus *bus;
  guint     n;
} Flood;

static gpointer
send_flood (gpointer data)
{
  Flood *self = data;

  for (guint i = 1; i <= self->n; i++)
    {
      agent_bus_send (self->bus, test_data ("test", "a", i));
      agent_bus_send (self->bus, test_data ("test", "nobody", i));
    }
  return NULL;
}

/* Threads drop while the context tells: nothing is told twice, and nothing is forgotten. */
static void
test_sums_with_threads (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_bounded (f, "a", 1);
  Flood    flood = { f->bus, 5000 };
  GThread *threads[3];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("flood", send_flood, &flood);
  for (guint i = 0; i < 1000; i++)
    test_iterate (f);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);

  assert_sums (f);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_NO_TARGET], ==, 15000);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_FULL] + test_recorder_count (a), ==, 15000);
  g_string_truncate (f->log, 0);
}

/* --- The log --- */

#define LINE(name, n) "Data channel of '" name "' is full: " n " dropped so far\n"

static void
assert_log (TestFixture *f,
            const char  *expected)
{
  test_drain (f);
  g_assert_cmpstr (f->log->str, ==, expected);
  g_string_truncate (f->log, 0);
}

/* "a" does not handle what it has, so that each further message is dropped. */
static TestRecorder *
subscribe_full (TestFixture  *f,
                GMainContext *context)
{
  TestRecorder *a;

  g_main_context_push_thread_default (context);
  a = subscribe_bounded (f, "a", 1);
  g_main_context_pop_thread_default (context);
  send_range (f, "a", 0, 0);
  return a;
}

static void
test_log_of_each_hundred (TestFixture *f)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (TestRecorder) a = subscribe_full (f, context);

  for (guint i = 1; i <= 300; i++)
    {
      g_autofree char *line = g_strdup_printf (LINE ("a", "%u %s"), i, i == 1 ? "message" : "messages");

      send_range (f, "a", i, i);
      assert_log (f, i == 1 || i % 100 == 0 ? line : "");
    }
}

static void
test_log_of_250_at_once (TestFixture *f)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (TestRecorder) a = subscribe_full (f, context);

  send_range (f, "a", 1, 250);
  assert_log (f, LINE ("a", "250 messages"));
  send_range (f, "a", 251, 299);
  assert_log (f, "");
  send_range (f, "a", 300, 302);
  assert_log (f, LINE ("a", "302 messages"));
}

static void
test_log_of_each_subscriber (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_bounded (f, "a", 1);
  g_autoptr (TestRecorder) b = subscribe_bounded (f, "b", 1);

  settle (f);
  send_range (f, "b", 1, 3);
  send_range (f, "a", 1, 4);
  assert_log (f, LINE ("b", "2 messages") LINE ("a", "3 messages"));
}

/* Only a full channel is something to warn of. */
static void
test_log_of_nothing_else (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_bounded (f, "a", 10);
  AgentMessage *message = test_data ("test", "a", 1);

  settle (f);
  agent_message_set_ttl (message, 1);
  agent_bus_send (f->bus, message);
  test_clock_advance (1000);
  test_drain (f);
  send_range (f, "nobody", 1, 200);
  send_range (f, "a", 1, 5);
  test_stop (f);
  send_range (f, "a", 1, 200);
  test_drain (f);
  assert_sums (f);
  g_assert_cmpuint (f->n_dropped_emissions, ==, 4);
  assert_log (f, "");
}

#define ADD(name, func) test_add ("/agentbus/drop-reports/" name, func)

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

  ADD ("one-emission", test_one_emission);
  ADD ("more-than-32-bits", test_more_than_32_bits);
  ADD ("flood-is-one-notice", test_flood_is_one_notice);
  ADD ("one-emission-per-iteration", test_one_emission_per_iteration);
  ADD ("one-emission-per-subscriber", test_one_emission_per_subscriber);
  ADD ("one-emission-per-reason", test_one_emission_per_reason);
  ADD ("expired-are-told", test_expired_are_told);
  ADD ("last-of-drop-oldest", test_last_of_drop_oldest);
  ADD ("drop-in-the-handler", test_drop_in_the_handler);
  ADD ("handler-iterates-the-context", test_handler_iterates_the_context);
  ADD ("drop-for-another-in-the-handler", test_drop_for_another_in_the_handler);
  ADD ("told-of-the-one-it-was-for", test_told_of_the_one_it_was_for);
  ADD ("sums-with-threads", test_sums_with_threads);
  ADD ("log-of-each-hundred", test_log_of_each_hundred);
  ADD ("log-of-250-at-once", test_log_of_250_at_once);
  ADD ("log-of-each-subscriber", test_log_of_each_subscriber);
  ADD ("log-of-nothing-else", test_log_of_nothing_else);

  return g_test_run ();
}
