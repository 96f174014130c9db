/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-log-rule-private.h"
#include "agent-parking-private.h"
#include "agent-router-dispatcher-private.h"
#include "test-router.h"

/*
 * What is parked may not wait for ever, nor without bounds, and whoever sent it hears how it ended: limits of time and of
 * room, removals, and shares of a router's room.
 */

/* --- Limits of time --- */

static guint
count_lines (GString *log)
{
  guint n = 0;

  for (const char *c = log->str; *c != '\0'; c++)
    n += *c == '\n';
  return n;
}

/* The first time and every hundredth, as the bus does with a full channel. */
static void
test_expiry_is_logged (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);

  test_clock_freeze ();
  for (guint i = 0; i < 201; i++)
    test_dispatch (d, test_with_ttl (test_data ("test", "x", i), 10));
  test_pass (f, 10);
  g_assert_cmpuint (d->n_expired, ==, 201);
  g_assert_cmpuint (count_lines (f->log), ==, 3);
  g_assert_nonnull (strstr (f->log->str, ", the 1. so far"));
  g_assert_nonnull (strstr (f->log->str, ", the 100. so far"));
  g_assert_nonnull (strstr (f->log->str, ", the 200. so far"));
  g_string_truncate (f->log, 0);
}

/* --- Limits of room --- */

/* What one actor waits for leaves room for the others. */
static void
test_actor_capacity (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new_with_capacities (f, 5, 2);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  AgentMessage *reliable = test_data ("test", "x", 4);

  test_clock_freeze ();
  test_dispatch_numbers (d, "x", 1, 2);
  test_dispatch_refused (d, test_data ("test", "x", 3), AGENT_BUS_ERROR_FULL);
  agent_message_set_reliable (reliable, TRUE);
  g_assert_cmpint (test_dispatch (d, reliable), ==, AGENT_DISPATCH_RESULT_PARKED);
  g_assert_cmpint (test_dispatch (d, test_cancel ("test", "x")), ==, AGENT_DISPATCH_RESULT_PARKED);
  g_assert_cmpint (test_dispatch_number (d, "y", 5), ==, AGENT_DISPATCH_RESULT_PARKED);
  test_dispatch_refused (d, test_data ("test", "y", 6), AGENT_BUS_ERROR_FULL);
  test_assign (d, "x", "a");
  g_assert_cmpint (test_dispatch_number (d, "x", 7), ==, AGENT_DISPATCH_RESULT_DELIVERED);
  test_drain (f);
  test_assert_got (a, "cancel 1 2 4 7");
}

/* --- Removal --- */

/* The table does not know it, but somebody has sent it something. */
static void
test_remove_unknown (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) test = test_recorder_subscribe (f, "test", NULL, NULL);

  test_clock_freeze ();
  test_dispatch_numbers (d, "x", 1, 2);
  test_dispatch (d, test_with_error_reply (test_data ("test", "x", 3)));
  g_assert_false (agent_route_table_remove (d->routes, "x"));
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  test_drain (f);
  g_assert_cmpstr (d->lost->str, ==, "1 2 3");
  g_assert_cmpuint (d->dropped[AGENT_DROP_REASON_NO_TARGET], ==, 3);
  test_assert_got (test, "3");
  g_assert_false (agent_route_table_remove (d->routes, "x"));
  g_assert_cmpint (test_dispatch_number (d, "x", 4), ==, AGENT_DISPATCH_RESULT_PARKED);
}

typedef struct
{
  TestDispatch *dispatch;
  guint         n_dropped;
  guint         n_parked;
} Meanwhile;

/* The messages are dropped in pieces, and each piece is told before the next one: while the removal is under way, the
 * bus is sent something, and the actor too. */
static void
dispatch_meanwhile (gpointer data)
{
  Meanwhile *self = data;

  if (self->n_dropped++ == 0)
    test_dispatch_number (self->dispatch, "x", 1001);
  self->n_parked = agent_router_dispatcher_get_n_parked (self->dispatch->dispatcher);
}

/* What is dispatched meanwhile is for another actor of that name, and does not share the end of the first. */
static void
test_remove_in_pieces (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  Meanwhile meanwhile = { .dispatch = d };

  test_clock_freeze ();
  for (guint i = 1; i <= 1000; i++)
    {
      GVariant *payload = g_variant_new_from_data (
          G_VARIANT_TYPE_BYTE, "x", 1, TRUE, dispatch_meanwhile, &meanwhile);

      test_dispatch (d, agent_message_new_routed (AGENT_MESSAGE_TYPE_SEND_TRAJECTORY, "test", "x", payload));
    }
  g_signal_handlers_disconnect_by_func (d->dispatcher, test_dispatch_on_dropped, d);
  agent_route_table_remove (d->routes, "x");
  g_assert_cmpuint (meanwhile.n_dropped, ==, 1000);
  g_assert_cmpuint (test_n_parked (d), ==, 1);
  g_assert_cmpuint (test_statistic_dropped (d, AGENT_DROP_REASON_NO_TARGET), ==, 1000);
}

/* --- Who hears of it --- */

/* Who is not there to hear of it is not sent anything, and a lost error causes no other one. */
static void
test_no_error_reply (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) test = NULL;
  AgentMessage *error = agent_message_new_agent_error ("test", "x", "text");

  agent_route_table_unassign (d->routes, "x");
  test_dispatch (d, test_with_error_reply (test_data ("test", "x", 1)));
  agent_route_table_remove (d->routes, "x");
  test = test_recorder_subscribe (f, "test", NULL, NULL);
  test_dispatch (d, test_with_error_reply (error));
  agent_route_table_remove (d->routes, "x");
  test_drain (f);
  g_assert_cmpstr (d->lost->str, ==, "1 agent-error");
  g_assert_cmpuint (test_recorder_count (test), ==, 0);
  g_assert_cmpuint (test_ledger (f->bus).sent, ==, 2);
  g_assert_cmpuint (test_ledger (f->bus).offered, ==, 0);

  test_stop (f);
  test_dispatch (d, test_with_error_reply (test_data ("test", "x", 2)));
  agent_route_table_remove (d->routes, "x");
  g_assert_cmpuint (test_ledger (f->bus).dropped[AGENT_DROP_REASON_CLOSED], ==, 0);
}

/* --- Construction --- */

static AgentRouterDispatcher *
construct_with (AgentBus        *bus,
                AgentRouteTable *routes)
{
  if (bus == NULL && routes == NULL)
    return g_object_new (AGENT_TYPE_ROUTER_DISPATCHER, NULL);
  return g_object_new (AGENT_TYPE_ROUTER_DISPATCHER, "bus", bus, "route-table", routes, NULL);
}

/* GLib has a word of its own about it. */
static void
assert_not_constructed (AgentBus        *bus,
                        AgentRouteTable *routes)
{
  g_test_expect_message ("AgentBus", G_LOG_LEVEL_CRITICAL, "*assertion*failed*");
  g_test_expect_message ("GLib-GObject", G_LOG_LEVEL_CRITICAL, "*AgentRouterDispatcher returned NULL*");
  g_assert_null (construct_with (bus, routes));
  g_test_assert_expected_messages ();

  g_test_expect_message ("AgentBus", G_LOG_LEVEL_CRITICAL, "*assertion*failed*");
  g_assert_null (agent_router_dispatcher_new (bus, routes));
  g_test_assert_expected_messages ();
}

/* Nothing half-made is left, and nobody is watched for its sake. */
static void
test_construction_without (TestFixture *f)
{
  AgentRouteTable *routes = agent_route_table_new ();

  assert_not_constructed (NULL, NULL);
  assert_not_constructed (f->bus, NULL);
  assert_not_constructed (NULL, routes);
  agent_route_table_unassign (routes, "x");
  test_assert_dies (routes);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/dispatcher-limits/" name, func)
  ADD ("expiry-is-logged", test_expiry_is_logged);
  ADD ("actor-capacity", test_actor_capacity);
  ADD ("remove-unknown", test_remove_unknown);
  ADD ("remove-in-pieces", test_remove_in_pieces);
  ADD ("no-error-reply", test_no_error_reply);
  ADD ("construction-without", test_construction_without);
#undef ADD

  return g_test_run ();
}
