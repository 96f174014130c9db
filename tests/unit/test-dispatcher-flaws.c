/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include "test-router.h"

/*
 * What the dispatcher that this one follows gets wrong: one test for each flaw, short and direct. The numbers are those
 * of the list of flaws.
 */

/* DF1: what waited was kept by actor, one message each: the second one replaced the first. */
static void
test_df1 (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  test_dispatch_numbers (d, "x", 1, 10);
  g_assert_cmpuint (test_n_parked (d), ==, 10);
  test_assign (d, "x", "a");
  test_drain (f);
  test_assert_got (a, "1 2 3 4 5 6 7 8 9 10");
}

/* DF2: a message was taken out to be tried again, and put back over a newer one. */
static void
test_df2 (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = NULL;

  test_clock_freeze ();
  test_assign (d, "x", "a");
  for (guint i = 1; i <= 5; i++)
    {
      test_dispatch_number (d, "x", i);
      test_pass (f, 100 * i);
    }
  g_assert_cmpuint (test_statistic (d, "retries"), >, 0);
  g_assert_cmpuint (test_n_parked (d), ==, 5);
  a = test_router_new_small (f, "a", 1);
  test_drain (f);
  test_assert_got (a, "1 2 3 4 5");
}

/* DF3: who was too old was noted by actor: a younger message to the same one expired in its place. */
static void
test_df3 (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  test_clock_freeze ();
  test_dispatch_number (d, "x", 1);
  test_pass (f, 20000);
  test_dispatch_number (d, "x", 2);
  test_pass (f, 10000);
  g_assert_cmpstr (d->expired->str, ==, "1");
  g_assert_cmpuint (d->waited, ==, 30000);
  test_assign (d, "x", "a");
  test_drain (f);
  test_assert_got (a, "2");
  test_expect_log (f, "expired");
}

/* DF4: what was sent after the assignment overtook what had waited for it. */
static void
test_df4 (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  test_clock_freeze ();
  test_dispatch_number (d, "x", 1);
  test_assign (d, "x", "a");
  g_assert_cmpint (test_dispatch_number (d, "x", 2), ==, AGENT_DISPATCH_RESULT_DELIVERED);
  test_drain (f);
  test_assert_got (a, "1 2");
}

/* DF5: one full router held up all others. */
static void
test_df5 (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (GMainContext) stuck = g_main_context_new ();
  g_autoptr (TestRecorder) a = test_router_subscribe_in (f, stuck, "a", 1);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  test_assign (d, "x", "a");
  test_assign (d, "y", "b");
  test_dispatch_numbers (d, "x", 1, 10);
  g_assert_cmpint (test_dispatch_number (d, "y", 11), ==, AGENT_DISPATCH_RESULT_DELIVERED);
  test_drain (f);
  test_assert_got (b, "11");
  test_iterate_all (stuck);
}

/* DF6: a lock on the routers was held while one of them was waited for: who added or removed another one got stuck. */
static void
test_df6 (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestThread) thread = test_thread_new ();
  g_autoptr (TestRecorder) a = NULL;
  g_autoptr (TestRecorder) b = NULL;
  TestGate gate;

  test_gate_init (&gate);
  a = test_router_subscribe (f,
                             test_recorder_new_full (test_gate_handler,
                                                     &gate,
                                                     "name",
                                                     "a",
                                                     "main-context",
                                                     thread->context,
                                                     "capacity",
                                                     1,
                                                     NULL));
  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 1);
  test_gate_wait (&gate);
  test_dispatch_numbers (d, "x", 2, 5);
  b = test_recorder_subscribe (f, "b", NULL, NULL);
  test_assign (d, "y", "b");
  test_dispatch_number (d, "y", 6);
  test_drain (f);
  test_assert_got (b, "6");
  g_assert_true (test_unsubscribe (f, "b", NULL));
  test_gate_open (&gate);
  test_stop (f);
  test_gate_clear (&gate);
}

/* DF7: for want of its router a message was lost when it was new, and kept when it was tried again. */
static void
test_df7 (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = NULL;

  test_clock_freeze ();
  test_dispatch_number (d, "x", 1);
  test_assign (d, "x", "a");
  g_assert_cmpint (test_dispatch_number (d, "x", 2), ==, AGENT_DISPATCH_RESULT_PARKED);
  test_pass (f, 100);
  g_assert_cmpuint (test_n_parked (d), ==, 2);
  a = test_recorder_subscribe (f, "a", NULL, NULL);
  test_drain (f);
  test_assert_got (a, "1 2");
}

/* DF8: a message to a router that had just closed was lost, although its actor was about to get another one. */
static void
test_df8 (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  test_clock_freeze ();
  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 1);
  agent_bus_unsubscribe (f->bus, "a");
  g_assert_cmpint (test_dispatch_number (d, "x", 2), ==, AGENT_DISPATCH_RESULT_PARKED);
  test_drain (f);
  agent_route_table_move_all (d->routes, "a", "b");
  test_drain (f);
  test_assert_got (a, "");
  test_assert_got (b, "1 2");
}

/* DF9: delays that were to double up to a limit were measured from the start: they did neither. */
static void
test_df9 (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  const guint delays[] = { 100, 200, 400, 800, 800, 800 };

  test_clock_freeze ();
  test_dispatch_number (d, "x", 1);
  for (guint i = 0; i < G_N_ELEMENTS (delays); i++)
    {
      test_pass (f, delays[i] - 1);
      g_assert_cmpuint (test_statistic (d, "retries"), ==, i);
      test_pass (f, 1);
      g_assert_cmpuint (test_statistic (d, "retries"), ==, i + 1);
    }
}

/* DF10: a full router was tried every 50 ms, for as long as the message lived. */
static void
test_df10 (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (GMainContext) slow = g_main_context_new ();
  g_autoptr (TestRecorder) a = test_router_subscribe_in (f, slow, "a", 1);

  test_clock_freeze ();
  test_assign (d, "x", "a");
  test_dispatch_numbers (d, "x", 1, 2);
  for (guint ms = 0; ms < 2000; ms += 10)
    test_pass (f, 10);
  g_assert_cmpuint (test_statistic (d, "retries"), ==, 0);
  test_iterate_all (slow);
  test_assert_got (a, "1 2");
  g_assert_cmpuint (test_statistic (d, "retries"), ==, 0);
}

static void
set_seed (TestDispatch *d,
          guint32       seed)
{
  test_dispatch_set_jitter (d, 1, seed);
}

/* DF11: whatever was parked by the same event was tried at the same moments, by everybody. */
static void
test_df11 (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestDispatch) e = test_dispatch_new (f);
  gboolean differs = FALSE;

  test_clock_freeze ();
  set_seed (d, 1);
  set_seed (e, 2);
  test_dispatch_number (d, "x", 1);
  test_dispatch_number (e, "x", 1);
  for (guint ms = 0; ms < 2000; ms++)
    {
      test_pass (f, 1);
      differs |= test_statistic (d, "retries") != test_statistic (e, "retries");
    }
  g_assert_true (differs);
}

/* DF12: there were twenty wake-ups in a second for ever, and what could go waited for the next one. */
static void
test_df12 (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  test_drain (f);
  g_assert_cmpint (test_get_timeout (f->context), ==, -1);
  test_dispatch_number (d, "x", 1);
  test_assign (d, "x", "a");
  test_iterate (f);
  test_assert_got (a, "1");
  test_drain (f);
  g_assert_cmpint (test_get_timeout (f->context), ==, -1);
  g_assert_cmpuint (test_statistic (d, "retries"), ==, 0);
}

/* DF13: a misspelt actor was waited for like any other. */
static void
test_df13 (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);

  agent_router_dispatcher_set_park_unknown (d->dispatcher, FALSE);
  agent_route_table_unassign (d->routes, "x");
  g_assert_cmpint (test_dispatch_number (d, "x", 1), ==, AGENT_DISPATCH_RESULT_PARKED);
  test_dispatch_refused (d, test_data ("test", "X", 2), AGENT_BUS_ERROR_ACTOR_NOT_ASSIGNED);
}

/* DF14: stopping lost all that waited, without a word. */
static void
test_df14 (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_bus_set_shutdown_timeout (f->bus, 5);
  test_dispatch_numbers (d, "x", 1, 2);
  test_dispatch_numbers (d, "y", 3, 4);
  agent_router_dispatcher_stop_async (d->dispatcher, NULL, test_keep_result, &result);
  test_assign (d, "x", "a");
  g_assert_false (test_finish_stop (d, &result, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
  test_drain (f);
  test_assert_got (a, "1 2");
  g_assert_cmpstr (d->lost->str, ==, "3 4");
  g_assert_cmpuint (d->dropped[AGENT_DROP_REASON_CLOSED], ==, 2);
}

/* DF15: the sender never learned that its message had expired. */
static void
test_df15 (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) sender = test_recorder_subscribe (f, "test", NULL, NULL);
  AgentMessage *message = test_data ("test", "x", 1);

  test_clock_freeze ();
  agent_message_set_error_reply (message, TRUE);
  test_dispatch (d, message);
  test_pass (f, 30000);
  test_assert_got (sender, "1");
  g_assert_cmpint (agent_message_get_message_type (sender->messages->pdata[0]), ==, AGENT_MESSAGE_TYPE_AGENT_ERROR);
  g_assert_cmpstr (d->expired->str, ==, "1");
  test_expect_log (f, "expired");
}

/* DF16: how long a message was good for went by its type, and began anew in each queue. */
static void
test_df16 (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  AgentMessage *message = test_data ("test", "x", 1);

  test_clock_freeze ();
  agent_message_set_ttl (message, 100);
  test_dispatch (d, message);
  test_pass (f, 60);
  test_assign (d, "x", "a");
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  test_clock_advance (40000);
  test_drain (f);
  test_assert_got (a, "");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_EXPIRED], ==, 1);
}

/* DF17: SHUTDOWN waited behind the data. */
static void
test_df17 (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_router_new_small (f, "a", 1);

  test_dispatch (d, test_routed (AGENT_MESSAGE_TYPE_REQUEST_INFERENCE, "x"));
  test_dispatch (d, test_routed (AGENT_MESSAGE_TYPE_SEND_TRAJECTORY, "x"));
  test_dispatch (d, test_routed (AGENT_MESSAGE_TYPE_SHUTDOWN, "x"));
  test_assign (d, "x", "a");
  test_drain (f);
  test_assert_got (a, "shutdown request-inference send-trajectory");
}

/* DF18: parking was an error, and logged as one. The fixture fails for any warning. */
static void
test_df18 (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (agent_router_dispatcher_dispatch (d->dispatcher, test_data ("test", "x", 1), &error),
                   ==,
                   AGENT_DISPATCH_RESULT_PARKED);
  g_assert_no_error (error);
}

static AgentMetrics *
new_metrics (TestDispatch *d)
{
  AgentMetrics *metrics = agent_metrics_new ();

  agent_metrics_add_dispatcher (metrics, "d", d->dispatcher);
  return metrics;
}

static void
assert_metric (AgentMetrics *metrics,
               const char   *line)
{
  g_autofree char *text = agent_metrics_to_open_metrics (metrics);
  g_autofree char *full = g_strconcat ("\n", line, "\n", NULL);

  if (strstr (text, full) == NULL)
    g_test_message ("%s", text);
  g_assert_nonnull (strstr (text, full));
}

/* DF19: the slow messages were left out of the latency, and nothing told how many waited. */
static void
test_df19 (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (AgentMetrics) metrics = new_metrics (d);

  test_clock_freeze ();
  test_dispatch_number (d, "x", 1);
  test_dispatch_number (d, "y", 2);
  test_pass (f, 2000);
  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 3);
  assert_metric (metrics, "router_messages_parked{dispatcher=\"d\"} 1");
  assert_metric (metrics, "router_messages_queued_total{dispatcher=\"d\"} 2");
  assert_metric (metrics, "router_retries_total{dispatcher=\"d\"} 2");
  assert_metric (metrics, "router_dispatch_latency_count{dispatcher=\"d\"} 2");
  assert_metric (metrics, "router_dispatch_latency_sum{dispatcher=\"d\"} 2.0");
}

/* DF20: each message paid for building the instruments that it was counted with: here nobody need be there to count. */
static void
test_df20 (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (AgentMetrics) metrics = NULL;

  test_assign (d, "x", "a");
  test_dispatch_numbers (d, "x", 1, 100);
  metrics = new_metrics (d);
  assert_metric (metrics, "router_messages_dispatched_total{dispatcher=\"d\"} 100");
}

/* DF21: actors that nobody knew could fill the memory. */
static void
test_df21 (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);

  agent_router_dispatcher_set_capacity (d->dispatcher, 10);
  for (guint i = 0; i < 100; i++)
    {
      g_autofree char *actor = g_strdup_printf ("unknown-%u", i);

      agent_router_dispatcher_dispatch (d->dispatcher, test_data ("test", actor, i), NULL);
    }
  g_assert_cmpuint (test_n_parked (d), ==, 10);
  g_assert_cmpuint (test_statistic (d, "refused"), ==, 90);
}

static gpointer
dispatch_one (gpointer dispatch)
{
  test_dispatch_number (dispatch, "x", 1);
  return NULL;
}

/* DF22: when a sender was gone, or had missed something, the dispatcher took it for the order to stop. */
static void
test_df22 (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) sender = test_recorder_subscribe (f, "test", NULL, NULL);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  test_run_in_thread (dispatch_one, d);
  g_assert_true (test_unsubscribe (f, "test", NULL));
  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 2);
  test_drain (f);
  test_assert_got (a, "1 2");
}

/* DF23: one place said that such a message is dropped, another one that it waits. */
static void
test_df23 (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);

  g_assert_cmpint (test_dispatch_number (d, "x", 1), ==, AGENT_DISPATCH_RESULT_PARKED);
  agent_route_table_unassign (d->routes, "x");
  g_assert_cmpint (test_dispatch_number (d, "x", 2), ==, AGENT_DISPATCH_RESULT_PARKED);
  test_assign (d, "x", "nobody");
  g_assert_cmpint (test_dispatch_number (d, "x", 3), ==, AGENT_DISPATCH_RESULT_PARKED);
  g_assert_cmpuint (test_n_parked (d), ==, 3);
  g_assert_cmpuint (test_statistic (d, "accepted"), ==, 3);
  g_assert_cmpuint (test_statistic (d, "refused"), ==, 0);
}

static gboolean
sleeps (const char *name)
{
  g_autofree char *file = g_test_build_filename (G_TEST_DIST, name, NULL);

  return test_file_sleeps (file);
}

/* DF24: the tests slept, sent a single message, and did not ask what became of it. */
static void
test_df24 (TestFixture *f)
{
  if (g_getenv ("G_TEST_SRCDIR") == NULL)
    {
      g_test_skip ("G_TEST_SRCDIR is not set");
      return;
    }

  g_assert_false (sleeps ("unit/test-dispatcher.c"));
  g_assert_false (sleeps ("unit/test-dispatcher-flaws.c"));
  g_assert_false (sleeps ("unit/test-dispatcher-limits.c"));
  g_assert_false (sleeps ("unit/test-dispatcher-stop.c"));
  g_assert_false (sleeps ("unit/test-dispatcher-walk.c"));
  g_assert_false (sleeps ("unit/test-retry.c"));
  g_assert_false (sleeps ("unit/test-route-table.c"));
  g_assert_false (sleeps ("support/test-router.h"));
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/dispatcher-flaws/" name, func)
  ADD ("df1-every-message-is-kept", test_df1);
  ADD ("df2-newer-messages-are-kept", test_df2);
  ADD ("df3-each-has-its-own-age", test_df3);
  ADD ("df4-who-waits-goes-first", test_df4);
  ADD ("df5-full-router-holds-up-nobody", test_df5);
  ADD ("df6-no-lock-while-a-router-is-busy", test_df6);
  ADD ("df7-missing-router", test_df7);
  ADD ("df8-closed-router", test_df8);
  ADD ("df9-delays", test_df9);
  ADD ("df10-full-router-is-not-polled", test_df10);
  ADD ("df11-jitter", test_df11);
  ADD ("df12-no-polling", test_df12);
  ADD ("df13-unknown-is-not-unassigned", test_df13);
  ADD ("df14-stop-loses-nothing-in-silence", test_df14);
  ADD ("df15-sender-hears-of-expiry", test_df15);
  ADD ("df16-one-deadline-all-the-way", test_df16);
  ADD ("df17-control-goes-first", test_df17);
  ADD ("df18-parking-is-no-error", test_df18);
  ADD ("df19-figures-of-what-waits", test_df19);
  ADD ("df20-counting-costs-nothing", test_df20);
  ADD ("df21-unknown-actors-are-bounded", test_df21);
  ADD ("df22-sender-that-is-gone", test_df22);
  ADD ("df23-one-contract", test_df23);
  ADD ("df24-tests-do-not-sleep", test_df24);
#undef ADD

  return g_test_run ();
}
