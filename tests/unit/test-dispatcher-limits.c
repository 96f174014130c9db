/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "router/agent-parking-private.h"
#include "router/agent-router-dispatcher-private.h"
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
  g_assert_nonnull (strstr (f->log->str, ": 1 so far"));
  g_assert_nonnull (strstr (f->log->str, ": 100 so far"));
  g_assert_nonnull (strstr (f->log->str, ": 200 so far"));
  g_string_truncate (f->log, 0);
}

/* One turn of the timer serves some of them: between two, others have theirs. */
static void
test_expiry_in_pieces (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);

  test_clock_freeze ();
  for (guint i = 0; i < 1000; i++)
    test_dispatch (d, test_with_ttl (test_data ("test", "x", i), 10));
  test_clock_advance (10000);
  test_iterate (f);
  g_assert_cmpuint (test_statistic (d, "expired"), >, 0);
  g_assert_cmpuint (test_statistic (d, "expired"), <=, 256);
  test_drain (f);
  g_assert_cmpuint (d->n_expired, ==, 1000);
  g_assert_true (g_str_has_prefix (d->expired->str, "0 1 2 3 4 "));
  g_string_truncate (f->log, 0);
}

/* Nobody iterates the context of the dispatcher while a limit runs out. Who hands the rest over sees it. */
static void
test_past_its_limit_when_assigned (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestThread) thread = test_thread_new ();
  g_autoptr (TestRecorder) source = test_router_subscribe_in (f, thread->context, "test", 0);
  g_autoptr (TestRecorder) a = test_router_subscribe_in (f, thread->context, "a", 0);

  test_clock_freeze ();
  agent_route_table_unassign (d->routes, "x");
  agent_router_dispatcher_set_timeout (d->dispatcher, AGENT_MESSAGE_TYPE_TASK_UPDATE, 100);
  test_dispatch (d, test_with_error_reply (test_data ("test", "x", 1)));
  test_dispatch (d, test_with_ttl (test_data ("test", "x", 2), 1000));
  test_dispatch (d, test_with_error_reply (test_data ("test", "x", 3)));
  test_clock_advance (500000);
  test_assign (d, "x", "a");
  test_thread_sync (thread);
  test_assert_got (a, "2");
  test_assert_got (source, "1 3");
  g_assert_cmpuint (test_statistic (d, "expired"), ==, 2);
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  test_drain (f);
  g_assert_cmpstr (d->expired->str, ==, "1 3");
  g_assert_cmpuint (d->waited, ==, 500);
  g_assert_cmpuint (d->n_attempts, ==, 1);
  test_expect_log (f, "expired after 500 ms");
  test_stop (f);
}

/* The router subscribes, or has room again. */
static void
test_past_its_limit_at_the_router (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestThread) thread = test_thread_new ();
  g_autoptr (TestRecorder) a = NULL;
  TestGate gate;

  test_gate_init (&gate);
  test_clock_freeze ();
  test_assign (d, "x", "a");
  test_dispatch (d, test_with_ttl (test_data ("test", "x", 1), 100));
  test_dispatch_numbers (d, "x", 2, 2);
  test_clock_advance (100000);
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
  test_gate_wait (&gate);
  test_dispatch_numbers (d, "x", 3, 3);
  test_dispatch (d, test_with_ttl (test_data ("test", "x", 4), 100));
  test_dispatch_numbers (d, "x", 5, 5);
  test_clock_advance (100000);
  test_gate_open (&gate);
  while (test_n_parked (d) > 0)
    g_thread_yield ();
  test_thread_sync (thread);
  test_assert_got (a, "2 3 5");
  g_assert_cmpuint (test_statistic (d, "expired"), ==, 2);
  test_drain (f);
  g_assert_cmpstr (d->expired->str, ==, "1 4");
  test_expect_log (f, "expired");
  test_stop (f);
  test_gate_clear (&gate);
}

/* What came back from a router too late for anybody else. */
static void
test_past_its_limit_when_returned (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (GMainContext) slow = g_main_context_new ();
  g_autoptr (TestRecorder) a = test_router_subscribe_in (f, slow, "a", 0);
  g_autoptr (TestRecorder) b = test_router_subscribe_in (f, slow, "b", 0);

  test_clock_freeze ();
  agent_router_dispatcher_set_timeout (d->dispatcher, AGENT_MESSAGE_TYPE_TASK_UPDATE, 100);
  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 1);
  test_dispatch (d, test_with_ttl (test_data ("test", "x", 2), 1000));
  test_clock_advance (100000);
  test_assign (d, "x", "b");
  agent_bus_unsubscribe (f->bus, "a");
  test_iterate_all (slow);
  test_assert_got (b, "2");
  g_assert_cmpuint (test_statistic (d, "expired"), ==, 1);
  test_drain (f);
  test_expect_log (f, "expired");
}

/* It has expired, whatever else ends it. */
static void
test_past_its_limit_when_removed (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);

  test_clock_freeze ();
  test_dispatch (d, test_with_ttl (test_data ("test", "x", 1), 100));
  test_dispatch_number (d, "x", 2);
  test_clock_advance (100000);
  agent_route_table_remove (d->routes, "x");
  test_drain (f);
  g_assert_cmpstr (d->expired->str, ==, "1");
  g_assert_cmpstr (d->lost->str, ==, "2");
  test_expect_log (f, "expired");
}

/* Nor does it keep the others out. */
static void
test_past_its_limit_takes_no_room (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new_with_capacities (f, 4, 2);

  test_clock_freeze ();
  test_dispatch (d, test_with_ttl (test_data ("test", "x", 1), 100));
  test_dispatch (d, test_with_ttl (test_data ("test", "x", 2), 200));
  test_dispatch_numbers (d, "y", 3, 4);
  test_dispatch_refused (d, test_data ("test", "z", 5), AGENT_BUS_ERROR_FULL);
  test_clock_advance (100000);
  g_assert_cmpint (test_dispatch_number (d, "x", 6), ==, AGENT_DISPATCH_RESULT_PARKED);
  test_dispatch_refused (d, test_data ("test", "z", 7), AGENT_BUS_ERROR_FULL);
  test_clock_advance (100000);
  g_assert_cmpint (test_dispatch_number (d, "z", 8), ==, AGENT_DISPATCH_RESULT_PARKED);
  g_assert_cmpuint (test_statistic (d, "expired"), ==, 2);
  test_drain (f);
  g_assert_cmpstr (d->expired->str, ==, "1 2");
  test_expect_log (f, "expired");
}

/* Of two that wait in a lane, the first one came back. The end of the second one leaves it where it is. */
static void
test_expired_behind_a_returned_one (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (GMainContext) slow = g_main_context_new ();
  g_autoptr (TestRecorder) a = test_router_subscribe_in (f, slow, "a", 1);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  test_clock_freeze ();
  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 1);
  test_dispatch (d, test_with_ttl (test_data ("test", "x", 2), 50));
  agent_bus_unsubscribe (f->bus, "a");
  test_iterate_all (slow);
  test_pass (f, 50);
  g_assert_cmpstr (d->expired->str, ==, "2");
  g_assert_cmpuint (test_n_parked (d), ==, 1);
  test_assign (d, "x", "b");
  test_drain (f);
  test_assert_got (b, "1");
  test_expect_log (f, "expired");
}

/* How long a message was parked is not how long it waited in the channel: a router's limit is for that only. */
static void
test_parked_time_is_no_age (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (GMainContext) slow = g_main_context_new ();
  g_autoptr (TestRecorder) a = NULL;
  g_autoptr (TestRecorder) b = NULL;

  test_clock_freeze ();
  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 1);
  test_pass (f, 1000);
  a = test_router_subscribe (
      f, test_recorder_new_full (NULL, NULL, "name", "a", "main-context", slow, "max-age", 500, NULL));
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  test_clock_advance (400000);
  test_iterate_all (slow);
  test_assert_got (a, "1");

  /* Nor is the time in the channel of a router that gave it back. */
  test_dispatch_number (d, "x", 2);
  test_clock_advance (400000);
  test_assign (d, "x", "b");
  agent_bus_unsubscribe (f->bus, "a");
  test_iterate_all (slow);
  b = test_router_subscribe (f, test_recorder_new_full (NULL, NULL, "name", "b", "max-age", 500, NULL));
  test_clock_advance (400000);
  test_drain (f);
  test_assert_got (b, "2");
}

/* --- Limits of room --- */

static AgentMessage *
make_large (const char *actor)
{
  return agent_message_new_routed (
      AGENT_MESSAGE_TYPE_SEND_TRAJECTORY, "test", actor, g_variant_new_string ("more than ten bytes"));
}

/* More than may ever wait in the channel goes through when nothing else does. */
static void
test_larger_than_the_router_takes (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_router_subscribe (
      f, test_recorder_new_full (NULL, NULL, "name", "a", "max-bytes", G_GUINT64_CONSTANT (10), NULL));

  test_clock_freeze ();
  test_assign (d, "x", "a");
  g_assert_cmpint (test_dispatch (d, make_large ("x")), ==, AGENT_DISPATCH_RESULT_DELIVERED);
  g_assert_cmpint (test_dispatch (d, make_large ("x")), ==, AGENT_DISPATCH_RESULT_PARKED);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 2);
}

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

/* --- Routers that leave --- */

static guint
count_mailboxes (TestDispatch *d)
{
  AgentParking *parking = _agent_router_dispatcher_get_parking (d->dispatcher);
  guint         n = 0;

  for (guint i = 0; i < AGENT_PARKING_N_SHARDS; i++)
    n += g_hash_table_size (parking->shards[i].by_mailbox);
  return n;
}

/* Lanes are found by the router that their last message went to, and let go of it when it has left: more of them than are
 * worked off at once. */
static void
test_left_router_is_forgotten (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_router_new_small (f, "a", 100000);

  test_clock_freeze ();
  g_assert_cmpuint (count_mailboxes (d), ==, 0);
  for (guint i = 0; i < 10000; i++)
    {
      char actor[16];

      g_snprintf (actor, sizeof actor, "%u", i);
      agent_route_table_assign (d->routes, actor, "a");
      agent_router_dispatcher_dispatch (d->dispatcher, test_data ("test", actor, i), NULL);
    }
  g_assert_cmpuint (count_mailboxes (d), ==, AGENT_PARKING_N_SHARDS);
  test_drain (f);
  g_assert_true (test_unsubscribe (f, "a", NULL));
  g_assert_cmpuint (count_mailboxes (d), ==, 0);
  g_assert_cmpuint (test_recorder_count (a), ==, 10000);
}

/* --- Shares --- */

typedef struct
{
  guint n[2];
} Shares;

static void
count_share (TestRecorder *recorder,
             AgentMessage *message,
             gpointer      user_data)
{
  Shares *self = user_data;

  self->n[g_strcmp0 (agent_message_get_target (message), "y") == 0]++;
}

static void
dispatch_many (TestDispatch *d,
               const char   *actor,
               guint         n)
{
  for (guint i = 0; i < n; i++)
    agent_router_dispatcher_dispatch (d->dispatcher, test_data ("test", actor, i), NULL);
}

/* Two dispatchers that have much for one router share its room. */
static void
check_shares (TestFixture *f,
              guint        capacity,
              guint        n)
{
  g_autoptr (AgentRouteTable) routes = agent_route_table_new ();
  g_autoptr (TestDispatch) d = test_dispatch_new_full (f, f->bus, routes);
  g_autoptr (TestDispatch) e = test_dispatch_new_full (f, f->bus, routes);
  g_autoptr (TestRecorder) a = NULL;
  Shares shares = { { 0, 0 } };

  test_clock_freeze ();
  agent_route_table_assign (routes, "x", "a");
  agent_route_table_assign (routes, "y", "a");
  dispatch_many (d, "x", n);
  dispatch_many (e, "y", n);
  a = test_router_subscribe (
      f, test_recorder_new_full (count_share, &shares, "name", "a", "capacity", capacity, NULL));
  while (shares.n[0] + shares.n[1] < n)
    test_iterate (f);
  g_assert_cmpuint (100 * shares.n[0] / (shares.n[0] + shares.n[1]), >=, 40);
  g_assert_cmpuint (100 * shares.n[0] / (shares.n[0] + shares.n[1]), <=, 60);
  test_drain (f);
  g_assert_cmpuint (shares.n[0] + shares.n[1], ==, 2 * n);
  g_assert_true (test_unsubscribe (f, "a", NULL));
}

static void
test_two_dispatchers_share (TestFixture *f)
{
  check_shares (f, 1, 3000);
  check_shares (f, 16, 3000);
  check_shares (f, 300, 9000);
}

/* --- Names --- */

/* Names with the same hash are not the same. */
static void
test_equal_hashes (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  AgentParking *parking = _agent_router_dispatcher_get_parking (d->dispatcher);
  AgentLaneKey  one = { 42, "one", AGENT_CHANNEL_DATA };
  AgentLaneKey  other = { 42, "other", AGENT_CHANNEL_DATA };
  AgentLaneKey  system = { 42, "one", AGENT_CHANNEL_SYSTEM };
  AgentShard   *shard = _agent_parking_get_shard (parking, 42);
  AgentLane    *lane = _agent_parking_get_lane (parking, shard, &one);

  g_assert_true (_agent_parking_get_lane (parking, shard, &other) != lane);
  g_assert_true (_agent_parking_get_lane (parking, shard, &system) != lane);
  g_assert_true (_agent_parking_get_lane (parking, shard, &one) == lane);
  g_assert_cmpuint (g_hash_table_size (shard->lanes), ==, 3);
}

/* What has no target is refused, but was sent. */
static void
test_no_target_counts_as_sent (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);

  test_dispatch_refused (d, test_data ("test", NULL, 1), AGENT_BUS_ERROR_INVALID_MESSAGE);
  g_assert_cmpuint (test_ledger (f->bus).sent, ==, 1);
  test_dispatch_number (d, "x", 2);
  g_assert_cmpuint (test_ledger (f->bus).sent, ==, 2);
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

static void
assert_inert (AgentRouterDispatcher *dispatcher)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) statistics = agent_router_dispatcher_get_statistics (dispatcher);

  g_assert_true (AGENT_IS_BUS (agent_router_dispatcher_get_bus (dispatcher)));
  g_assert_true (AGENT_IS_ROUTE_TABLE (agent_router_dispatcher_get_route_table (dispatcher)));
  g_assert_cmpuint (agent_router_dispatcher_get_n_parked (dispatcher), ==, 0);
  g_assert_cmpint (
      agent_router_dispatcher_dispatch (dispatcher, test_data ("test", "x", 1), &error), ==, AGENT_DISPATCH_RESULT_REFUSED);
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED);
}

/* A binding crashes if it gets no object. The function returns none. */
static void
assert_not_constructed (AgentBus        *bus,
                        AgentRouteTable *routes)
{
  AgentRouterDispatcher *dispatcher;

  g_test_expect_message ("AgentBus", G_LOG_LEVEL_CRITICAL, "A router dispatcher needs the properties*");
  dispatcher = construct_with (bus, routes);
  g_test_assert_expected_messages ();
  assert_inert (dispatcher);
  test_assert_dies (dispatcher);

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

/* --- What one event does not hand over --- */

static void
hold_first (TestRecorder *recorder,
            AgentMessage *message,
            gpointer      user_data)
{
  AgentDelivery **place = user_data;

  if (test_recorder_count (recorder) == 1)
    *place = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));
}

static TestRecorder *
subscribe_large (TestFixture    *f,
                 const char     *name,
                 AgentDelivery **place)
{
  TestRecorder *recorder = test_recorder_new_full (hold_first, place, "name", name, "capacity", 100000, NULL);

  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (recorder), NULL);
  return recorder;
}

/* It has room, so everything goes there, though it will not come to look for more itself; and so does what comes later. */
static void
test_router_that_is_held (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = NULL;

  test_clock_freeze ();
  test_assign (d, "x", "a");
  test_assign (d, "y", "a");
  test_dispatch_numbers (d, "x", 1, 5000);
  a = subscribe_large (f, "a", &delivery);
  g_assert_cmpuint (test_n_parked (d), >, 0);
  test_drain (f);
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  g_assert_cmpint (test_dispatch_number (d, "y", 1), ==, AGENT_DISPATCH_RESULT_DELIVERED);

  agent_delivery_complete (delivery);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 5001);
}

/* An assignment hands over a bounded number at once, and the rest holds up nobody else. */
static void
test_assignment_is_bounded (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = subscribe_large (f, "a", &delivery);

  test_assign (d, "y", "a");
  test_dispatch_numbers (d, "x", 1, 5000);
  test_assign (d, "x", "a");
  g_assert_cmpuint (test_n_parked (d), ==, 5000 - 1024);
  g_assert_cmpint (test_dispatch_number (d, "y", 1), ==, AGENT_DISPATCH_RESULT_DELIVERED);
  test_drain (f);
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  agent_delivery_complete (delivery);
  test_drain (f);
}

/* Holds the 201st message. */
static void
hold_later (TestRecorder *recorder,
            AgentMessage *message,
            gpointer      user_data)
{
  AgentDelivery **place = user_data;

  if (test_recorder_count (recorder) == 201)
    *place = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));
}

static void
dispatch_to_all (TestDispatch *d,
                 guint         n_actors,
                 gboolean      assign)
{
  for (guint i = 0; i < n_actors; i++)
    {
      g_autofree char *actor = g_strdup_printf ("x%u", i);

      if (assign)
        test_assign (d, actor, "a");
      test_dispatch_number (d, actor, i);
    }
}

/* Actors that wait for what the first router holds hide those whose turn it is. As the router does not go on, only a retry
 * can find these, and has to look at all. */
static void
test_turn_behind_many (TestFixture *f)
{
  const guint n = 3000;
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (TestRecorder) a = test_recorder_new_full (
      hold_later, &delivery, "name", "a", "capacity", n, "main-context", context, NULL);
  g_autoptr (TestRecorder) b = test_recorder_new_full (NULL, NULL, "name", "b", "capacity", n, NULL);

  test_clock_freeze ();
  test_router_subscribe (f, a);
  test_router_subscribe (f, b);
  dispatch_to_all (d, n, TRUE);
  agent_route_table_move_all (d->routes, "a", "b");
  dispatch_to_all (d, n, FALSE);
  /* The first retry sees that the table has changed, and looks through all lanes. The later ones do not. */
  test_pass (f, 500);
  test_pass (f, 1000);
  while (g_main_context_iteration (context, FALSE))
    ;
  test_pass (f, 1000);
  g_assert_cmpuint (test_recorder_count (b), >=, 128);
  g_assert_cmpuint (test_recorder_count (b), <=, 200);

  agent_delivery_complete (delivery);
  g_clear_object (&delivery);
  while (g_main_context_iteration (context, FALSE))
    ;
  test_pass (f, 1000);
  g_assert_cmpuint (test_recorder_count (b), ==, n);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/dispatcher-limits/" name, func)
  ADD ("expiry-is-logged", test_expiry_is_logged);
  ADD ("expiry-in-pieces", test_expiry_in_pieces);
  ADD ("past-its-limit-when-assigned", test_past_its_limit_when_assigned);
  ADD ("past-its-limit-at-the-router", test_past_its_limit_at_the_router);
  ADD ("past-its-limit-when-returned", test_past_its_limit_when_returned);
  ADD ("past-its-limit-when-removed", test_past_its_limit_when_removed);
  ADD ("past-its-limit-takes-no-room", test_past_its_limit_takes_no_room);
  ADD ("expired-behind-a-returned-one", test_expired_behind_a_returned_one);
  ADD ("parked-time-is-no-age", test_parked_time_is_no_age);
  ADD ("larger-than-the-router-takes", test_larger_than_the_router_takes);
  ADD ("actor-capacity", test_actor_capacity);
  ADD ("remove-unknown", test_remove_unknown);
  ADD ("remove-in-pieces", test_remove_in_pieces);
  ADD ("no-error-reply", test_no_error_reply);
  ADD ("left-router-is-forgotten", test_left_router_is_forgotten);
  ADD ("two-dispatchers-share", test_two_dispatchers_share);
  ADD ("equal-hashes", test_equal_hashes);
  ADD ("no-target-counts-as-sent", test_no_target_counts_as_sent);
  ADD ("router-that-is-held", test_router_that_is_held);
  ADD ("assignment-is-bounded", test_assignment_is_bounded);
  ADD ("turn-behind-many", test_turn_behind_many);
  ADD ("construction-without", test_construction_without);
#undef ADD

  return g_test_run ();
}
