/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-router.h"

/* A parked message whose conversation has gone on is never handed over. It is dropped when it is looked at. */

static AgentMessage *
data_in (AgentConversation *conversation,
         guint              number)
{
  AgentMessage *message = test_data ("test", "x", number);

  agent_message_set_conversation (message, conversation);
  return message;
}

static void
assert_stale (TestDispatch *d,
              const char   *lost,
              guint64       n)
{
  test_drain (d->fixture);
  g_assert_cmpstr (d->lost->str, ==, lost);
  g_assert_cmpuint (d->dropped[AGENT_DROP_REASON_STALE], ==, n);
  g_assert_cmpuint (test_statistic_dropped (d, AGENT_DROP_REASON_STALE), ==, n);
  test_dispatch_assert_balanced (d);
}

static void
test_when_the_route_comes (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (AgentConversation) conversation = agent_conversation_new (NULL);

  agent_route_table_unassign (d->routes, "x");
  for (guint i = 1; i <= 4; i++)
    test_dispatch (d, i % 2 ? data_in (conversation, i) : test_data ("test", "x", i));
  agent_conversation_advance (conversation);
  g_assert_cmpuint (test_n_parked (d), ==, 4);

  test_dispatch (d, data_in (conversation, 5));
  test_assign (d, "x", "a");
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  assert_stale (d, "1 3", 2);
  test_assert_got (a, "2 4 5");
}

static void
test_when_the_router_comes (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = NULL;
  g_autoptr (AgentConversation) conversation = agent_conversation_new (NULL);

  test_assign (d, "x", "a");
  test_dispatch (d, data_in (conversation, 1));
  test_dispatch (d, test_data ("test", "x", 2));
  agent_conversation_advance (conversation);
  a = test_recorder_subscribe (f, "a", NULL, NULL);
  assert_stale (d, "1", 1);
  test_assert_got (a, "2");
}

/* The first to be parked for an actor is looked at right away. */
static void
test_when_it_is_dispatched (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (AgentConversation) conversation = agent_conversation_new (NULL);
  AgentMessage *message = data_in (conversation, 1);

  test_assign (d, "x", "a");
  agent_conversation_advance (conversation);
  g_assert_cmpint (test_dispatch (d, message), ==, AGENT_DISPATCH_RESULT_PARKED);
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  assert_stale (d, "1", 1);
}

static void
test_when_it_expires (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (AgentConversation) conversation = agent_conversation_new (NULL);

  test_clock_freeze ();
  agent_route_table_unassign (d->routes, "x");
  test_dispatch (d, data_in (conversation, 1));
  test_dispatch (d, test_with_ttl (data_in (conversation, 2), 10));
  agent_conversation_advance (conversation);
  test_pass (f, 10);
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  assert_stale (d, "1 2", 2);
  g_assert_cmpuint (d->n_expired, ==, 0);
}

static void
test_when_it_is_tried_again (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (AgentConversation) conversation = agent_conversation_new (NULL);

  test_clock_freeze ();
  test_assign (d, "x", "a");
  test_dispatch (d, data_in (conversation, 1));
  agent_conversation_advance (conversation);
  test_pass (f, 100);
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  assert_stale (d, "1", 1);
}

static void
test_when_it_is_in_the_way (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new_with_capacities (f, 2, 0);
  g_autoptr (AgentConversation) conversation = agent_conversation_new (NULL);

  agent_route_table_unassign (d->routes, "x");
  test_dispatch (d, data_in (conversation, 1));
  test_dispatch (d, test_data ("test", "x", 2));
  test_dispatch_refused (d, test_data ("test", "x", 3), AGENT_BUS_ERROR_FULL);
  agent_conversation_advance (conversation);
  test_dispatch (d, test_data ("test", "x", 4));
  test_dispatch_refused (d, test_data ("test", "x", 5), AGENT_BUS_ERROR_FULL);
  g_assert_cmpuint (test_n_parked (d), ==, 2);
  assert_stale (d, "1", 1);
}

/* What is stale at the head of the router's channel gives way, whoever has sent it. */
static void
test_when_it_is_in_the_routers_way (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (AgentConversation) conversation = agent_conversation_new (NULL);
  g_autoptr (TestRecorder) a = test_recorder_new_full (NULL, NULL, "name", "a", "capacity", 2, NULL);
  AgentMessage *message = test_data ("test", "a", 1);

  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  test_assign (d, "x", "a");
  agent_message_set_conversation (message, conversation);
  agent_bus_send (f->bus, message);
  test_dispatch (d, data_in (conversation, 2));
  agent_conversation_advance (conversation);
  g_assert_cmpint (test_dispatch (d, test_data ("test", "x", 3)), ==, AGENT_DISPATCH_RESULT_DELIVERED);
  test_drain (f);
  test_assert_got (a, "3");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_STALE], ==, 2);
  test_assert_balanced (f->bus);
}

static void
test_when_it_would_be_lost_anyway (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (AgentConversation) conversation = agent_conversation_new (NULL);

  agent_route_table_unassign (d->routes, "x");
  test_dispatch (d, data_in (conversation, 1));
  test_dispatch (d, test_data ("test", "x", 2));
  agent_conversation_advance (conversation);
  agent_route_table_remove (d->routes, "x");
  assert_stale (d, "1 2", 1);
  g_assert_cmpuint (d->dropped[AGENT_DROP_REASON_NO_TARGET], ==, 1);
}

/* What a router gives back when it leaves goes to nobody else. */
static void
test_when_it_comes_back (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);
  g_autoptr (AgentConversation) conversation = agent_conversation_new (NULL);

  test_assign (d, "x", "a");
  test_dispatch (d, data_in (conversation, 1));
  test_dispatch (d, test_data ("test", "x", 2));
  agent_conversation_advance (conversation);
  g_assert_true (test_unsubscribe (f, "a", NULL));
  test_assign (d, "x", "b");
  assert_stale (d, "1", 1);
  test_assert_got (a, "");
  test_assert_got (b, "2");
}

/* Nobody knows the actor any more, but that is not why. */
static void
test_when_it_comes_back_in_vain (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (AgentConversation) conversation = agent_conversation_new (NULL);

  test_assign (d, "x", "a");
  test_dispatch (d, data_in (conversation, 1));
  test_dispatch (d, test_data ("test", "x", 2));
  agent_conversation_advance (conversation);
  agent_route_table_remove (d->routes, "x");
  g_assert_true (test_unsubscribe (f, "a", NULL));
  assert_stale (d, "1 2", 1);
  g_assert_cmpuint (d->dropped[AGENT_DROP_REASON_NO_TARGET], ==, 1);
}

/* What was handed over belongs to the bus. */
static void
test_at_the_router (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (AgentConversation) conversation = agent_conversation_new (NULL);

  test_assign (d, "x", "a");
  g_assert_cmpint (test_dispatch (d, data_in (conversation, 1)), ==, AGENT_DISPATCH_RESULT_DELIVERED);
  agent_conversation_advance (conversation);
  assert_stale (d, "", 0);
  test_assert_got (a, "");
  g_assert_cmpuint (test_ledger (f->bus).dropped[AGENT_DROP_REASON_STALE], ==, 1);
  g_assert_cmpuint (test_statistic (d, "dispatched"), ==, 1);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/dispatcher-stale/" name, func)
  ADD ("when-the-route-comes", test_when_the_route_comes);
  ADD ("when-the-router-comes", test_when_the_router_comes);
  ADD ("when-it-is-dispatched", test_when_it_is_dispatched);
  ADD ("when-it-expires", test_when_it_expires);
  ADD ("when-it-is-tried-again", test_when_it_is_tried_again);
  ADD ("when-it-is-in-the-way", test_when_it_is_in_the_way);
  ADD ("when-it-is-in-the-routers-way", test_when_it_is_in_the_routers_way);
  ADD ("when-it-would-be-lost-anyway", test_when_it_would_be_lost_anyway);
  ADD ("when-it-comes-back", test_when_it_comes_back);
  ADD ("when-it-comes-back-in-vain", test_when_it_comes_back_in_vain);
  ADD ("at-the-router", test_at_the_router);
#undef ADD

  return g_test_run ();
}
