/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "router/agent-parking-private.h"
#include "router/agent-router-dispatcher-private.h"
#include "test-router.h"

/* An actor gets another id: what is parked goes along, in order, and so does what a router gives back later. */

static void
rename_actor (TestDispatch *d,
              const char   *actor,
              const char   *new_id)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (agent_route_table_rename (d->routes, actor, new_id, &error));
  g_assert_no_error (error);
  test_dispatch_assert_balanced (d);
}

static void
assert_targets (TestRecorder *recorder,
                const char   *expected)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < recorder->messages->len; i++)
    g_string_append_printf (
        text, "%s%s", i > 0 ? " " : "", agent_message_get_target (recorder->messages->pdata[i]));
  g_assert_cmpstr (text->str, ==, expected);
}

static guint
count_aliases (TestDispatch *d)
{
  return g_atomic_int_get (&_agent_router_dispatcher_get_parking (d->dispatcher)->aliases.n);
}

static void
test_parked_goes_along (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  AgentMessage *kept = test_with_ttl (test_data ("test", "x", 1), 500);

  test_clock_freeze ();
  agent_route_table_unassign (d->routes, "x");
  test_dispatch (d, agent_message_ref (kept));
  test_dispatch_numbers (d, "x", 2, 3);
  test_dispatch (d, test_routed (AGENT_MESSAGE_TYPE_SHUTDOWN, "x"));
  rename_actor (d, "x", "y");
  g_assert_cmpuint (test_n_parked (d), ==, 4);
  test_dispatch_number (d, "y", 4);
  test_assign (d, "y", "a");
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  test_drain (f);
  test_assert_got (a, "shutdown 1 2 3 4");
  assert_targets (a, "y y y y y");

  /* Everything else is as it was. */
  g_assert_cmpuint (agent_message_get_seq (a->messages->pdata[1]), ==, agent_message_get_seq (kept));
  g_assert_cmpint (agent_message_get_sent_at (a->messages->pdata[1]), ==, agent_message_get_sent_at (kept));
  g_assert_cmpuint (agent_message_get_ttl (a->messages->pdata[1]), ==, 500);
  g_assert_cmpstr (agent_message_get_target (kept), ==, "x");
  agent_message_unref (kept);

  g_assert_cmpint (test_dispatch_number (d, "x", 5), ==, AGENT_DISPATCH_RESULT_PARKED);
  agent_route_table_remove (d->routes, "x");
  g_assert_cmpuint (test_n_parked (d), ==, 0);
}

/* More than a piece, and in front of what waits for the new id already. */
static void
test_many_go_along (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_router_new_small (f, "a", 10000);

  test_clock_freeze ();
  agent_route_table_unassign (d->routes, "x");
  test_dispatch_numbers (d, "x", 0, 999);
  test_dispatch_numbers (d, "y", 1000, 1009);
  rename_actor (d, "x", "y");
  g_assert_cmpuint (test_n_parked (d), ==, 1010);
  test_assign (d, "y", "a");
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 1010);
  for (guint i = 0; i < 1010; i++)
    g_assert_cmpuint (test_number (a->messages->pdata[i]), ==, i);
}

static void
test_limits_go_along (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);

  test_clock_freeze ();
  agent_route_table_unassign (d->routes, "x");
  test_dispatch (d, test_with_ttl (test_data ("test", "x", 1), 500));
  test_pass (f, 400);
  rename_actor (d, "x", "y");
  test_pass (f, 99);
  g_assert_cmpuint (d->n_expired, ==, 0);
  test_pass (f, 2);
  g_assert_cmpuint (d->n_expired, ==, 1);
  g_assert_cmpuint (d->waited, ==, 501);
  test_expect_log (f, "expired after");
}

/* The router has messages with the old id. Those behind them come to another router when it is through with these. */
static void
test_order_across_routers (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  test_clock_freeze ();
  test_assign (d, "x", "a");
  test_dispatch_numbers (d, "x", 1, 2);
  rename_actor (d, "x", "y");
  test_assign (d, "y", "b");
  g_assert_cmpint (test_dispatch_number (d, "y", 3), ==, AGENT_DISPATCH_RESULT_PARKED);
  test_drain (f);
  test_assert_got (a, "1 2");
  assert_targets (a, "x x");
  test_assert_got (b, "3");
}

/* What the router has not handled comes back with the old id, after one rename or several. */
static void
test_given_back (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = NULL;

  test_clock_freeze ();
  test_assign (d, "x", "a");
  test_dispatch_numbers (d, "x", 1, 2);
  rename_actor (d, "x", "y");
  test_dispatch_number (d, "y", 3);
  rename_actor (d, "y", "z");
  test_dispatch_number (d, "z", 4);
  g_assert_true (test_unsubscribe (f, "a", NULL));
  g_assert_cmpuint (test_recorder_count (a), ==, 0);
  g_assert_cmpuint (test_n_parked (d), ==, 4);
  g_assert_cmpuint (count_aliases (d), ==, 0);
  b = test_recorder_subscribe (f, "b", NULL, NULL);
  test_assign (d, "z", "b");
  test_drain (f);
  test_assert_got (b, "1 2 3 4");
  assert_targets (b, "z z z z");
}

/* An id that is given away, used by another actor, and taken back: each message finds its own actor. */
static void
test_ids_used_again (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = NULL;

  test_clock_freeze ();
  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 1); /* for the first actor */
  rename_actor (d, "x", "y");
  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 2); /* for the second one */
  test_dispatch_number (d, "y", 3);
  rename_actor (d, "x", "z");
  rename_actor (d, "y", "x");
  rename_actor (d, "x", "y");
  test_dispatch_number (d, "z", 4);
  test_dispatch_number (d, "y", 5);
  g_assert_true (test_unsubscribe (f, "a", NULL));
  b = test_recorder_subscribe (f, "b", NULL, NULL);
  test_assign (d, "y", "b");
  test_drain (f);
  test_assert_got (b, "1 3 5");
  test_assign (d, "z", "b");
  test_drain (f);
  test_assert_got (b, "1 3 5 2 4");
}

/* A router that has handled everything gives nothing back: no alias is kept for it. */
static void
test_aliases_are_few (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  for (guint i = 0; i < 1000; i++)
    {
      char actor[16];
      char new_id[16];

      g_snprintf (actor, sizeof actor, "x-%u", i);
      g_snprintf (new_id, sizeof new_id, "y-%u", i);
      test_assign (d, actor, "a");
      test_dispatch_number (d, actor, i);
      test_drain (f);
      rename_actor (d, actor, new_id);
      agent_route_table_remove (d->routes, new_id);
    }
  g_assert_cmpuint (count_aliases (d), <=, 2);
  g_assert_cmpuint (test_recorder_count (a), ==, 1000);
}

static void
test_nothing_to_rename (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  test_clock_freeze ();
  test_dispatch_number (d, "x", 1);
  g_assert_false (agent_route_table_rename (d->routes, "x", "y", NULL));
  test_assign (d, "y", "a");
  agent_route_table_unassign (d->routes, "x");
  g_assert_false (agent_route_table_rename (d->routes, "x", "y", NULL));
  g_assert_cmpuint (test_n_parked (d), ==, 1);
  test_assign (d, "x", "a");
  test_drain (f);
  test_assert_got (a, "1");
  assert_targets (a, "x");
}

static void
test_renamed_and_stopped (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_set_shutdown_timeout (f->bus, 1);
  agent_route_table_unassign (d->routes, "x");
  test_dispatch_numbers (d, "x", 1, 3);
  agent_router_dispatcher_stop_async (d->dispatcher, NULL, test_keep_result, &result);
  rename_actor (d, "x", "y");
  g_assert_cmpuint (test_n_parked (d), ==, 3);
  g_assert_false (test_finish_stop (d, &result, NULL));
  test_drain (f);
  g_assert_cmpuint (d->dropped[AGENT_DROP_REASON_CLOSED], ==, 3);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/dispatcher-rename/" name, func)
  ADD ("parked-goes-along", test_parked_goes_along);
  ADD ("many-go-along", test_many_go_along);
  ADD ("limits-go-along", test_limits_go_along);
  ADD ("order-across-routers", test_order_across_routers);
  ADD ("given-back", test_given_back);
  ADD ("ids-used-again", test_ids_used_again);
  ADD ("aliases-are-few", test_aliases_are_few);
  ADD ("nothing-to-rename", test_nothing_to_rename);
  ADD ("renamed-and-stopped", test_renamed_and_stopped);
#undef ADD

  return g_test_run ();
}
