/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "router/agent-parking-private.h"
#include "router/agent-router-dispatcher-private.h"
#include "test-router.h"

/*
 * Messages to actors: handed over at once, parked, in their order whatever happens to routes and routers, expired, and
 * dropped. The clock stands still where retries are not what is tested, so that nothing but an event can deliver.
 */

/* --- At once --- */

static void
test_direct (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  AgentMessage *message;

  test_clock_freeze ();
  test_assign (d, "x", "a");
  g_assert_cmpint (test_dispatch_number (d, "x", 1), ==, AGENT_DISPATCH_RESULT_DELIVERED);
  g_assert_cmpint (test_dispatch_number (d, "x", 2), ==, AGENT_DISPATCH_RESULT_DELIVERED);
  g_assert_cmpuint (test_recorder_count (a), ==, 0); /* never inside the call */
  test_drain (f);
  test_assert_got (a, "1 2");
  message = a->messages->pdata[0];
  g_assert_cmpstr (agent_message_get_target (message), ==, "x");
  g_assert_cmpuint (agent_message_get_seq (message), >, 0);
  g_assert_cmpint (agent_message_get_sent_at (message), >, 0);
  g_assert_cmpuint (test_statistic (d, "dispatched"), ==, 2);
  g_assert_cmpuint (test_ledger_of (f->bus, "a").delivered, ==, 2);
  test_assert_balanced (f->bus);
}

static void
test_dispatched_twice (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  AgentMessage *message = test_data ("test", "x", 1);

  test_assign (d, "x", "a");
  test_dispatch (d, agent_message_ref (message));
  test_dispatch (d, message);
  test_drain (f);
  test_assert_got (a, "1 1");
  g_assert_cmpuint (agent_message_get_seq (a->messages->pdata[0]), <, agent_message_get_seq (a->messages->pdata[1]));
}

/* --- Parked --- */

static void
test_parked (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  guint n_parked = 0;

  test_clock_freeze ();
  g_assert_cmpint (test_dispatch_number (d, "x", 1), ==, AGENT_DISPATCH_RESULT_PARKED);
  agent_route_table_unassign (d->routes, "y");
  g_assert_cmpint (test_dispatch_number (d, "y", 2), ==, AGENT_DISPATCH_RESULT_PARKED);
  g_object_get (d->dispatcher, "n-parked", &n_parked, NULL);
  g_assert_cmpuint (n_parked, ==, 2);
  g_assert_cmpuint (test_statistic (d, "parked"), ==, 2);
  g_assert_cmpuint (test_statistic (d, "dispatched"), ==, 0);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 0);
}

/* In the very iteration that follows, and with no timer. */
static void
test_parked_then_assigned (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  test_clock_freeze ();
  test_dispatch_numbers (d, "x", 1, 3);
  test_assign (d, "x", "a");
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  test_iterate (f);
  test_assert_got (a, "1 2 3");
  g_assert_cmpuint (test_statistic (d, "retries"), ==, 0);

  /* Those that have waited stay counted, and the next one does not wait. */
  test_dispatch_number (d, "x", 4);
  g_assert_cmpuint (test_statistic (d, "waited"), ==, 3);
  g_assert_cmpuint (test_statistic (d, "accepted"), ==, 4);
}

static void
test_missing_router (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = NULL;

  test_clock_freeze ();
  test_assign (d, "x", "a");
  g_assert_cmpint (test_dispatch_number (d, "x", 1), ==, AGENT_DISPATCH_RESULT_PARKED);
  g_assert_cmpint (test_dispatch_number (d, "x", 2), ==, AGENT_DISPATCH_RESULT_PARKED);
  a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  g_assert_cmpint (test_dispatch_number (d, "x", 3), ==, AGENT_DISPATCH_RESULT_DELIVERED);
  test_drain (f);
  test_assert_got (a, "1 2 3");
}

static AgentMessage *
make_numbered (AgentChannel channel,
               const char  *actor,
               guint        number)
{
  return agent_message_new_custom ("step", channel, "test", actor, g_variant_new_uint32 (number));
}

/* One event does not hand over all that is parked: the router has room, and yet the next message has to wait behind. */
static void
check_order_parked_and_direct (TestFixture *f,
                               AgentChannel channel)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_router_new_small (f, "a", 100000);
  guint n = 0;

  test_clock_freeze ();
  while (n < 3000)
    g_assert_cmpint (test_dispatch (d, make_numbered (channel, "x", n++)), ==, AGENT_DISPATCH_RESULT_PARKED);
  test_assign (d, "x", "a");
  g_assert_cmpuint (test_n_parked (d), >, 0);
  g_assert_cmpint (test_dispatch (d, make_numbered (channel, "x", n++)), ==, AGENT_DISPATCH_RESULT_PARKED);
  test_drain (f);
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  g_assert_cmpint (test_dispatch (d, make_numbered (channel, "x", n++)), ==, AGENT_DISPATCH_RESULT_DELIVERED);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, n);
  for (guint i = 0; i < n; i++)
    g_assert_cmpuint (g_variant_get_uint32 (agent_message_get_payload (a->messages->pdata[i])), ==, i);
  g_assert_true (test_unsubscribe (f, "a", NULL));
}

/* Two messages to one actor do not replace each other, and those that need not wait do not overtake. */
static void
test_order_parked_and_direct (TestFixture *f)
{
  check_order_parked_and_direct (f, AGENT_CHANNEL_DATA);
  check_order_parked_and_direct (f, AGENT_CHANNEL_SYSTEM);
}

static void
test_full_router (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_router_new_small (f, "a", 2);

  test_clock_freeze ();
  test_assign (d, "x", "a");
  for (guint i = 1; i <= 5; i++)
    g_assert_cmpint (test_dispatch_number (d, "x", i),
                     ==,
                     i <= 2 ? AGENT_DISPATCH_RESULT_DELIVERED : AGENT_DISPATCH_RESULT_PARKED);
  g_assert_cmpuint (test_n_parked (d), ==, 3);
  test_drain (f);
  test_assert_got (a, "1 2 3 4 5");
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  g_assert_cmpuint (test_statistic (d, "retries"), ==, 0);
  g_assert_cmpuint (test_ledger (f->bus).dropped[AGENT_DROP_REASON_FULL], ==, 0);
}

/* More than one event hands over. */
static void
test_long_backlog (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_router_subscribe (
      f, test_recorder_new_full (NULL, NULL, "name", "a", "capacity", 100000, NULL));

  test_clock_freeze ();
  for (guint i = 0; i < 5000; i++)
    test_dispatch_number (d, i % 2 == 0 ? "x" : "y", i / 2);
  test_assign (d, "x", "a");
  test_assign (d, "y", "a");
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 5000);
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  for (guint i = 0, n[2] = {
                        0,
                    };
       i < 5000;
       i++)
    {
      AgentMessage *message = a->messages->pdata[i];

      g_assert_cmpuint (test_number (message), ==, n[*agent_message_get_target (message) - 'x']++);
    }
}

static guint
find_number (TestRecorder *recorder,
             guint         number)
{
  for (guint i = 0; i < test_recorder_count (recorder); i++)
    if (test_number (recorder->messages->pdata[i]) == number)
      return i;

  return G_MAXUINT;
}

/* What waits for one actor does not have what waits for another one expire. */
static void
check_actors_take_turns (TestFixture *f,
                         guint        capacity)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_router_new_small (f, "a", capacity);

  test_clock_freeze ();
  test_assign (d, "long", "a");
  test_assign (d, "short", "a");
  test_dispatch_numbers (d, "long", 1, 1000);
  test_dispatch_number (d, "short", 1001);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 1001);
  g_assert_cmpuint (find_number (a, 1001), <, 500);
}

static void
test_actors_take_turns (TestFixture *f)
{
  check_actors_take_turns (f, 100);
}

static void
test_actors_take_turns_at_a_small_router (TestFixture *f)
{
  check_actors_take_turns (f, 8);
}

static void
dispatch_to_somebody_new (TestRecorder *recorder,
                          AgentMessage *message,
                          gpointer      user_data)
{
  guint n = test_recorder_count (recorder);
  char  actor[16];

  if (n >= 300)
    return;

  g_snprintf (actor, sizeof actor, "new-%u", n);
  test_assign (user_data, actor, "a");
  test_dispatch_number (user_data, actor, n);
}

/* Who comes later does not take the room that others wait for. */
static void
test_waiting_actor_is_not_passed_over (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_router_subscribe (
      f, test_recorder_new_full (dispatch_to_somebody_new, d, "name", "a", "capacity", 1, NULL));

  test_clock_freeze ();
  test_assign (d, "x", "a");
  test_dispatch_numbers (d, "x", 1000, 1001);
  g_assert_cmpuint (test_n_parked (d), ==, 1);
  test_drain (f);
  g_assert_cmpuint (find_number (a, 1001), <, 10);
}

static void
test_other_routers_do_not_wait (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (GMainContext) stuck = g_main_context_new ();
  g_autoptr (TestRecorder) a = test_router_subscribe (
      f, test_recorder_new_full (NULL, NULL, "name", "a", "main-context", stuck, "capacity", 1, NULL));
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  test_clock_freeze ();
  test_assign (d, "x", "a");
  test_assign (d, "y", "b");
  test_dispatch_numbers (d, "x", 1, 3);
  g_assert_cmpint (test_dispatch_number (d, "y", 4), ==, AGENT_DISPATCH_RESULT_DELIVERED);
  test_drain (f);
  test_assert_got (b, "4");
  g_assert_cmpuint (test_n_parked (d), ==, 2);

  test_iterate_all (stuck);
  test_assert_got (a, "1 2 3");
  g_assert_cmpuint (test_n_parked (d), ==, 0);
}

/* --- Priority --- */

static void
dispatch_mixed (TestDispatch *d)
{
  test_dispatch (d, test_routed (AGENT_MESSAGE_TYPE_REQUEST_INFERENCE, "x"));
  test_dispatch (d, test_routed (AGENT_MESSAGE_TYPE_SEND_TRAJECTORY, "x"));
  test_dispatch (d, test_routed (AGENT_MESSAGE_TYPE_MODEL_UPDATE, "x"));
  test_dispatch (d, test_routed (AGENT_MESSAGE_TYPE_SHUTDOWN, "x"));
}

static void
test_control_overtakes_queued (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  test_assign (d, "x", "a");
  dispatch_mixed (d);
  test_drain (f);
  test_assert_got (a, "model-update shutdown request-inference send-trajectory");
}

static void
test_control_overtakes_parked (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = NULL;

  test_assign (d, "x", "a");
  dispatch_mixed (d);
  g_assert_cmpuint (test_n_parked (d), ==, 4);
  a = test_recorder_subscribe (f, "a", NULL, NULL);
  test_drain (f);
  test_assert_got (a, "model-update shutdown request-inference send-trajectory");
}

/* A full data channel has room for control messages. */
static void
test_control_at_a_full_router (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_router_new_small (f, "a", 1);

  test_assign (d, "x", "a");
  test_dispatch_numbers (d, "x", 1, 3);
  g_assert_cmpint (test_dispatch (d, test_routed (AGENT_MESSAGE_TYPE_SHUTDOWN, "x")),
                   ==,
                   AGENT_DISPATCH_RESULT_DELIVERED);
  test_drain (f);
  test_assert_got (a, "shutdown 1 2 3");
}

/* --- Expiry --- */

static const struct
{
  AgentMessageType type;
  guint            timeout;
} unusual_timeouts[] = {
  { AGENT_MESSAGE_TYPE_REQUEST_INFERENCE, 10000 },
  { AGENT_MESSAGE_TYPE_REQUEST_INFERENCE_BATCH, 10000 },
  { AGENT_MESSAGE_TYPE_MODEL_VERSION, 15000 },
  { AGENT_MESSAGE_TYPE_FLAG_LAST_INFERENCE, 20000 },
  { AGENT_MESSAGE_TYPE_MODEL_UPDATE, 60000 },
  { AGENT_MESSAGE_TYPE_SHUTDOWN, 60000 },
};

static guint
get_expected_timeout (AgentMessageType type)
{
  for (guint i = 0; i < G_N_ELEMENTS (unusual_timeouts); i++)
    if (unusual_timeouts[i].type == type)
      return unusual_timeouts[i].timeout;

  return 30000;
}

static void
test_default_timeouts (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);

  g_assert_cmpuint (AGENT_MESSAGE_TYPE_CUSTOM, ==, 26);
  g_assert_cmpuint (AGENT_MESSAGE_TYPE_HAND_OFF, ==, 27);
  for (AgentMessageType type = 0; type <= AGENT_MESSAGE_TYPE_HAND_OFF; type++)
    g_assert_cmpuint (agent_router_dispatcher_get_timeout (d->dispatcher, type), ==, get_expected_timeout (type));
}

static void
test_set_timeout (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);

  for (AgentMessageType type = 0; type <= AGENT_MESSAGE_TYPE_HAND_OFF; type++)
    agent_router_dispatcher_set_timeout (d->dispatcher, type, 100 + type);
  for (AgentMessageType type = 0; type <= AGENT_MESSAGE_TYPE_HAND_OFF; type++)
    g_assert_cmpuint (agent_router_dispatcher_get_timeout (d->dispatcher, type), ==, 100 + type);
}

/* To the millisecond, once, and not one by one but each by its own type. */
static void
test_expiry_by_type (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);

  test_clock_freeze ();
  test_dispatch (d, test_routed (AGENT_MESSAGE_TYPE_SHUTDOWN, "x"));
  test_dispatch (d, test_routed (AGENT_MESSAGE_TYPE_SEND_TRAJECTORY, "x"));
  test_dispatch (d, test_routed (AGENT_MESSAGE_TYPE_FLAG_LAST_INFERENCE, "x"));
  test_dispatch (d, test_routed (AGENT_MESSAGE_TYPE_REQUEST_INFERENCE, "x"));

  test_pass (f, 9999);
  g_assert_cmpstr (d->expired->str, ==, "");
  test_pass (f, 1);
  g_assert_cmpstr (d->expired->str, ==, "request-inference");
  g_assert_cmpuint (d->waited, ==, 10000);
  test_pass (f, 10000);
  g_assert_cmpstr (d->expired->str, ==, "request-inference flag-last-inference");
  test_pass (f, 10000);
  test_pass (f, 29999);
  g_assert_cmpuint (d->n_expired, ==, 3);
  test_pass (f, 1);
  g_assert_cmpstr (d->expired->str, ==, "request-inference flag-last-inference send-trajectory shutdown");
  g_assert_cmpuint (d->waited, ==, 60000);
  test_pass (f, 100000);
  g_assert_cmpuint (d->n_expired, ==, 4);
  g_assert_cmpuint (test_statistic (d, "expired"), ==, 4);
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  test_expect_log (f, "'x' expired after 10000 ms");
}

/* The first attempt is the dispatch itself. */
static void
test_expired_attempts (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);

  test_clock_freeze ();
  test_dispatch (d, test_with_ttl (test_data ("test", "x", 1), 50));
  test_dispatch (d, test_with_ttl (test_data ("test", "x", 2), 350));
  test_pass (f, 50);
  g_assert_cmpuint (d->waited, ==, 50);
  g_assert_cmpuint (d->n_attempts, ==, 1);
  test_pass (f, 50);
  test_pass (f, 200);
  test_pass (f, 50);
  g_assert_cmpstr (d->expired->str, ==, "1 2");
  g_assert_cmpuint (d->waited, ==, 350);
  g_assert_cmpuint (d->n_attempts, ==, 3);
  g_assert_cmpuint (test_statistic (d, "retries"), ==, 2);
  test_expect_log (f, "expired after 50 ms and 1 attempt");
}

static void
test_own_ttl_wins (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  AgentMessage *patient = test_with_ttl (test_routed (AGENT_MESSAGE_TYPE_REQUEST_INFERENCE, "x"), 20000);

  test_clock_freeze ();
  test_dispatch (d, patient);
  test_dispatch (d, test_with_ttl (test_routed (AGENT_MESSAGE_TYPE_MODEL_UPDATE, "x"), 5));
  test_pass (f, 5);
  g_assert_cmpstr (d->expired->str, ==, "model-update");
  test_pass (f, 19994);
  g_assert_cmpuint (d->n_expired, ==, 1);
  test_pass (f, 1);
  g_assert_cmpstr (d->expired->str, ==, "model-update request-inference");
  test_expect_log (f, "expired after 5 ms");
}

/* What is parked keeps the timeout of when it was parked. */
static void
test_timeout_is_changed (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);

  test_clock_freeze ();
  agent_router_dispatcher_set_timeout (d->dispatcher, AGENT_MESSAGE_TYPE_TASK_UPDATE, 100);
  test_dispatch_number (d, "x", 1);
  agent_router_dispatcher_set_timeout (d->dispatcher, AGENT_MESSAGE_TYPE_TASK_UPDATE, 10);
  test_dispatch_number (d, "x", 2);
  test_pass (f, 10);
  g_assert_cmpstr (d->expired->str, ==, "2");
  test_pass (f, 89);
  g_assert_cmpstr (d->expired->str, ==, "2");
  test_pass (f, 1);
  g_assert_cmpstr (d->expired->str, ==, "2 1");
  test_expect_log (f, "expired");
}

static void
test_no_timeout (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  test_clock_freeze ();
  agent_router_dispatcher_set_timeout (d->dispatcher, AGENT_MESSAGE_TYPE_TASK_UPDATE, 0);
  test_dispatch_number (d, "x", 1);
  for (guint i = 0; i < 10; i++)
    test_pass (f, 1000000000);
  g_assert_cmpuint (test_n_parked (d), ==, 1);
  g_assert_cmpuint (d->n_expired, ==, 0);
  test_assign (d, "x", "a");
  test_drain (f);
  test_assert_got (a, "1");
}

/* The one in the middle goes, and its neighbours stay. */
static void
test_expired_in_the_middle (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  test_clock_freeze ();
  for (guint i = 1; i <= 5; i++)
    test_dispatch (d, test_with_ttl (test_data ("test", "x", i), i % 2 == 0 ? 10 : 1000));
  test_pass (f, 10);
  g_assert_cmpstr (d->expired->str, ==, "2 4");
  test_assign (d, "x", "a");
  test_drain (f);
  test_assert_got (a, "1 3 5");
  test_expect_log (f, "expired");
}

/* What expires at one moment was sent in an order, too. */
static void
test_expired_in_order (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);

  test_clock_freeze ();
  test_dispatch_numbers (d, "x", 1, 5);
  test_pass (f, 30000);
  g_assert_cmpstr (d->expired->str, ==, "1 2 3 4 5");
  test_expect_log (f, "expired");
}

static guint
count_lanes (TestDispatch *d)
{
  AgentParking *parking = _agent_router_dispatcher_get_parking (d->dispatcher);
  guint         n = 0;

  for (guint i = 0; i < AGENT_PARKING_N_SHARDS; i++)
    n += g_hash_table_size (parking->shards[i].lanes);

  return n;
}

/* Nothing is kept of an actor that was never assigned. */
static void
test_unknown_actors_are_forgotten (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);

  test_clock_freeze ();
  for (guint i = 0; i < 300; i++)
    {
      g_autofree char *actor = g_strdup_printf ("unknown-%u", i);

      test_dispatch (d, test_data ("test", actor, i));
      test_dispatch (d, agent_message_new_cancel ("test", actor, NULL));
    }
  g_assert_cmpuint (count_lanes (d), ==, 600);
  test_pass (f, 30000);
  g_assert_cmpuint (d->n_expired, ==, 600);
  g_assert_cmpuint (count_lanes (d), ==, 0);

  agent_router_dispatcher_set_park_unknown (d->dispatcher, FALSE);
  test_dispatch_refused (d, test_data ("test", "unknown", 1), AGENT_BUS_ERROR_ACTOR_NOT_ASSIGNED);
  agent_router_dispatcher_set_park_unknown (d->dispatcher, TRUE);
  agent_router_dispatcher_set_capacity (d->dispatcher, 0);
  test_dispatch_refused (d, test_data ("test", "unknown", 1), AGENT_BUS_ERROR_FULL);
  g_assert_cmpuint (count_lanes (d), ==, 0);
  test_expect_log (f, "expired");
}

/* --- Who hears of it --- */

static void
assert_error_reply (TestRecorder *source,
                    guint         i,
                    const char   *actor,
                    const char   *task_id,
                    guint64       cause)
{
  AgentMessage *reply = source->messages->pdata[i];

  g_assert_cmpint (agent_message_get_message_type (reply), ==, AGENT_MESSAGE_TYPE_AGENT_ERROR);
  g_assert_cmpstr (agent_message_get_source (reply), ==, actor);
  g_assert_cmpuint (agent_message_get_cause (reply), ==, cause);
  g_assert_cmpstr (agent_message_get_task_id (reply), ==, task_id);
  g_assert_nonnull (agent_message_get_reason (reply));
}

static void
test_error_reply (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) test = test_recorder_subscribe (f, "test", NULL, NULL);
  g_autoptr (AgentMessage) expiring = test_with_error_reply (test_with_ttl (test_data ("test", "x", 1), 10));
  g_autoptr (AgentMessage) dropped = test_with_error_reply (test_data ("test", "y", 2));

  test_clock_freeze ();
  agent_route_table_unassign (d->routes, "y");
  test_dispatch (d, agent_message_ref (expiring));
  test_dispatch (d, agent_message_ref (dropped));
  test_dispatch (d, test_with_ttl (test_data ("test", "x", 3), 10));
  test_pass (f, 10);
  g_assert_cmpuint (test_recorder_count (test), ==, 1);
  assert_error_reply (test, 0, "x", "1", agent_message_get_seq (expiring));
  agent_route_table_remove (d->routes, "y");
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (test), ==, 2);
  assert_error_reply (test, 1, "y", "2", agent_message_get_seq (dropped));
  test_expect_log (f, "expired");
}

typedef struct
{
  TestThread            *thread;
  AgentBus              *bus;
  AgentRouteTable       *routes;
  AgentRouterDispatcher *dispatcher;
  TestGate               gate;
  guint                  n_expired;
  guint                  n_dropped;
} Elsewhere;

static void
on_expired_elsewhere (AgentRouterDispatcher *dispatcher,
                      AgentMessage          *message,
                      guint                  waited,
                      guint                  n_attempts,
                      gpointer               user_data)
{
  Elsewhere *self = user_data;

  g_assert_true (g_thread_self () == self->thread->thread);
  self->n_expired++;
  test_gate_pass (&self->gate);
}

static void
on_dropped_elsewhere (AgentRouterDispatcher *dispatcher,
                      AgentMessage          *message,
                      AgentDropReason        reason,
                      gpointer               user_data)
{
  Elsewhere *self = user_data;

  g_assert_true (g_thread_self () == self->thread->thread);
  g_assert_cmpint (reason, ==, AGENT_DROP_REASON_NO_TARGET);
  self->n_dropped++;
}

static gboolean
make_elsewhere (gpointer user_data)
{
  Elsewhere *self = user_data;

  self->dispatcher = agent_router_dispatcher_new (self->bus, self->routes);
  g_signal_connect (self->dispatcher, "expired", G_CALLBACK (on_expired_elsewhere), self);
  g_signal_connect (self->dispatcher, "dropped", G_CALLBACK (on_dropped_elsewhere), self);
  return G_SOURCE_REMOVE;
}

/* The timer is there, too: nobody iterates the context of the test. */
static void
test_signals_in_the_own_context (TestFixture *f)
{
  g_autoptr (TestThread) thread = test_thread_new ();
  g_autoptr (AgentRouteTable) routes = agent_route_table_new ();
  Elsewhere elsewhere = { .thread = thread, .bus = f->bus, .routes = routes };

  test_gate_init (&elsewhere.gate);
  g_main_context_invoke (thread->context, make_elsewhere, &elsewhere);
  test_thread_sync (thread);
  agent_route_table_unassign (routes, "x");
  agent_router_dispatcher_dispatch (elsewhere.dispatcher, test_data ("test", "x", 1), NULL);
  agent_route_table_remove (routes, "x");
  test_thread_sync (thread);
  g_assert_cmpuint (elsewhere.n_dropped, ==, 1);

  agent_router_dispatcher_dispatch (elsewhere.dispatcher, test_with_ttl (test_data ("test", "x", 2), 1), NULL);
  test_gate_wait (&elsewhere.gate);
  test_gate_open (&elsewhere.gate);
  test_thread_sync (thread);
  g_assert_cmpuint (elsewhere.n_expired, ==, 1);
  test_assert_dies (elsewhere.dispatcher);
  test_gate_clear (&elsewhere.gate);
  test_expect_log (f, "'x' expired");
}

/* --- Refused --- */

static void
test_park_unknown (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  test_clock_freeze ();
  agent_router_dispatcher_set_park_unknown (d->dispatcher, FALSE);
  test_dispatch_refused (d, test_data ("test", "x", 1), AGENT_BUS_ERROR_ACTOR_NOT_ASSIGNED);
  agent_route_table_unassign (d->routes, "x");
  g_assert_cmpint (test_dispatch_number (d, "x", 2), ==, AGENT_DISPATCH_RESULT_PARKED);
  test_assign (d, "x", "a");
  g_assert_cmpint (test_dispatch_number (d, "x", 3), ==, AGENT_DISPATCH_RESULT_DELIVERED);
  test_drain (f);
  agent_route_table_remove (d->routes, "x");
  test_dispatch_refused (d, test_data ("test", "x", 4), AGENT_BUS_ERROR_ACTOR_NOT_ASSIGNED);
  test_drain (f);
  test_assert_got (a, "2 3");
  g_assert_cmpuint (test_statistic (d, "accepted"), ==, 2);
}

static void
test_capacity (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  AgentMessage *reliable = test_data ("test", "x", 5);

  test_clock_freeze ();
  agent_router_dispatcher_set_capacity (d->dispatcher, 2);
  test_dispatch_number (d, "x", 1);
  test_dispatch_number (d, "y", 2);
  test_dispatch_refused (d, test_data ("test", "x", 3), AGENT_BUS_ERROR_FULL);
  test_dispatch_refused (d, test_data ("test", "z", 4), AGENT_BUS_ERROR_FULL);
  agent_message_set_reliable (reliable, TRUE);
  g_assert_cmpint (test_dispatch (d, reliable), ==, AGENT_DISPATCH_RESULT_PARKED);
  g_assert_cmpint (test_dispatch (d, test_cancel ("test", "x")), ==, AGENT_DISPATCH_RESULT_PARKED);
  g_assert_cmpuint (test_n_parked (d), ==, 4);

  test_assign (d, "x", "a");
  g_assert_cmpuint (test_n_parked (d), ==, 1);
  g_assert_cmpint (test_dispatch_number (d, "y", 6), ==, AGENT_DISPATCH_RESULT_PARKED);
  test_assign (d, "y", "a");
  test_drain (f);
  test_assert_got (a, "cancel 1 5 2 6");
}

/* Who need not wait takes no room. */
static void
test_capacity_of_none (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  agent_router_dispatcher_set_capacity (d->dispatcher, 0);
  test_assign (d, "x", "a");
  g_assert_cmpint (test_dispatch_number (d, "x", 1), ==, AGENT_DISPATCH_RESULT_DELIVERED);
  test_dispatch_refused (d, test_data ("test", "y", 2), AGENT_BUS_ERROR_FULL);
  test_drain (f);
  test_assert_got (a, "1");
}

static void
test_no_target (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);

  test_dispatch_refused (d, test_data ("test", NULL, 1), AGENT_BUS_ERROR_INVALID_MESSAGE);
  g_assert_cmpint (agent_router_dispatcher_dispatch (d->dispatcher, test_data ("test", NULL, 1), NULL),
                   ==,
                   AGENT_DISPATCH_RESULT_REFUSED);
}

/* --- Routes that change --- */

static void
test_remove (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  test_clock_freeze ();
  agent_route_table_unassign (d->routes, "x");
  test_dispatch_numbers (d, "x", 1, 3);
  test_dispatch_number (d, "y", 4);
  agent_route_table_remove (d->routes, "x");
  g_assert_cmpuint (test_n_parked (d), ==, 1);
  g_assert_cmpstr (d->lost->str, ==, "");
  test_drain (f);
  g_assert_cmpstr (d->lost->str, ==, "1 2 3");
  g_assert_cmpuint (d->dropped[AGENT_DROP_REASON_NO_TARGET], ==, 3);
  g_assert_cmpuint (test_statistic_dropped (d, AGENT_DROP_REASON_NO_TARGET), ==, 3);

  test_assign (d, "x", "a");
  test_assign (d, "y", "a");
  test_drain (f);
  test_assert_got (a, "4");
}

static void
test_move_all (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  test_clock_freeze ();
  test_assign (d, "x", "a");
  test_assign (d, "y", "a");
  test_dispatch_numbers (d, "x", 1, 2);
  test_dispatch_numbers (d, "y", 3, 4);
  g_assert_cmpuint (agent_route_table_move_all (d->routes, "a", "b"), ==, 2);
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (b), ==, 4);
  g_assert_cmpuint (find_number (b, 1), <, find_number (b, 2));
  g_assert_cmpuint (find_number (b, 3), <, find_number (b, 4));
}

/* The new router waits for the old one, and for nobody else. */
static void
test_reassigned_while_queued (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (GMainContext) slow = g_main_context_new ();
  g_autoptr (TestRecorder) a = test_router_subscribe_in (f, slow, "a", 0);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  test_clock_freeze ();
  test_assign (d, "x", "a");
  test_dispatch_numbers (d, "x", 1, 2);
  test_assign (d, "x", "b");
  test_assign (d, "y", "b");
  g_assert_cmpint (test_dispatch_number (d, "x", 3), ==, AGENT_DISPATCH_RESULT_PARKED);
  g_assert_cmpint (test_dispatch_number (d, "x", 4), ==, AGENT_DISPATCH_RESULT_PARKED);
  g_assert_cmpint (test_dispatch_number (d, "y", 5), ==, AGENT_DISPATCH_RESULT_DELIVERED);
  test_drain (f);
  test_assert_got (b, "5");
  test_iterate_all (slow);
  test_assert_got (a, "1 2");
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  test_drain (f);
  test_assert_got (b, "5 3 4");
}

static void
test_reassigned_there_and_back (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (GMainContext) slow = g_main_context_new ();
  g_autoptr (TestRecorder) a = test_router_subscribe_in (f, slow, "a", 0);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  test_clock_freeze ();
  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 1);
  test_assign (d, "x", "b");
  test_dispatch_number (d, "x", 2);
  test_assign (d, "x", "a");
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  g_assert_cmpint (test_dispatch_number (d, "x", 3), ==, AGENT_DISPATCH_RESULT_DELIVERED);
  test_drain (f);
  test_iterate_all (slow);
  test_assert_got (a, "1 2 3");
  test_assert_got (b, "");
}

static void
test_reassigned_with_one_in_hand (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", test_keep_first, &delivery);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  test_clock_freeze ();
  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 1);
  test_drain (f);
  test_assign (d, "x", "b");
  g_assert_cmpint (test_dispatch_number (d, "x", 2), ==, AGENT_DISPATCH_RESULT_PARKED);
  test_drain (f);
  test_assert_got (b, "");
  agent_delivery_complete (delivery);
  test_drain (f);
  test_assert_got (a, "1");
  test_assert_got (b, "2");
}

static void
assign_many (TestDispatch *d,
             guint         n,
             const char   *router)
{
  for (guint i = 0; i < n; i++)
    {
      g_autofree char *actor = g_strdup_printf ("many-%u", i);

      if (router != NULL)
        agent_route_table_assign (d->routes, actor, router);
      else
        agent_route_table_unassign (d->routes, actor);
    }
}

static void
dispatch_many (TestDispatch *d,
               guint         n)
{
  for (guint i = 0; i < n; i++)
    {
      g_autofree char *actor = g_strdup_printf ("many-%u", i);

      agent_router_dispatcher_dispatch (d->dispatcher, test_data ("test", actor, i), NULL);
    }
}

/* That one new router is full is no reason to forget what another one could have. */
static void
test_reassigned_among_many (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (GMainContext) slow = g_main_context_new ();
  g_autoptr (GMainContext) stuck = g_main_context_new ();
  g_autoptr (TestRecorder) a = test_router_subscribe_in (f, slow, "a", 1000);
  g_autoptr (TestRecorder) b = test_router_subscribe_in (f, stuck, "b", 1);
  g_autoptr (TestRecorder) c = test_recorder_subscribe (f, "c", NULL, NULL);

  test_clock_freeze ();
  assign_many (d, 300, "a");
  dispatch_many (d, 300);
  assign_many (d, 300, "b");
  test_assign (d, "many-299", "c");
  dispatch_many (d, 300);
  test_iterate_all (slow);
  g_assert_cmpuint (test_recorder_count (a), ==, 300);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (c), ==, 1);
  test_iterate_all (stuck);
  g_assert_cmpuint (test_recorder_count (b), ==, 299);
}

/* More than one turn waits for the old router to be done. */
static void
test_reassigned_with_a_long_backlog (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", test_keep_first, &delivery);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  test_clock_freeze ();
  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 0);
  test_drain (f);
  test_assign (d, "x", "b");
  test_dispatch_numbers (d, "x", 1, 200);
  agent_delivery_complete (delivery);
  test_drain (f);
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  g_assert_cmpuint (test_recorder_count (b), ==, 200);
  for (guint i = 0; i < 200; i++)
    g_assert_cmpuint (test_number (b->messages->pdata[i]), ==, i + 1);
}

/* CANCEL is for what its own actor has in hand, not for what another one on the same router has. */
static void
test_cancel_of_another_actor (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", test_keep_first, &delivery);

  test_assign (d, "x", "a");
  test_assign (d, "y", "a");
  test_dispatch_number (d, "x", 1);
  test_drain (f);
  test_dispatch (d, test_cancel ("test", "y"));
  test_drain (f);
  g_assert_false (agent_delivery_is_cancelled (delivery));
  agent_delivery_complete (delivery);
  test_drain (f);
  test_assert_got (a, "1 cancel");
}

static void
test_cancel_of_the_actor (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", test_keep_first, &delivery);

  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 1);
  test_drain (f);
  test_dispatch (d, test_cancel ("test", "x"));
  g_assert_true (agent_delivery_is_cancelled (delivery));
  agent_delivery_complete (delivery);
}

/* --- Routers that leave --- */

static void
test_returned_by_a_stopped_bus (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (GMainContext) slow = g_main_context_new ();
  g_autoptr (TestRecorder) a = test_router_subscribe_in (f, slow, "a", 0);
  g_autoptr (TestRecorder) b = NULL;

  test_assign (d, "x", "a");
  test_dispatch_numbers (d, "x", 1, 3);
  test_stop (f);
  g_assert_cmpint (test_dispatch_number (d, "x", 4), ==, AGENT_DISPATCH_RESULT_PARKED);
  g_assert_cmpuint (test_n_parked (d), ==, 4);
  agent_bus_start_async (f->bus, NULL, NULL, NULL);
  test_drain (f);
  b = test_recorder_subscribe (f, "a", NULL, NULL);
  test_drain (f);
  test_assert_got (b, "1 2 3 4");
}

/* What the router did not come to handle comes back, before what was parked behind it. */
static void
test_returned (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_router_new_small (f, "a", 2);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  test_clock_freeze ();
  test_assign (d, "x", "a");
  test_dispatch_numbers (d, "x", 1, 4);
  agent_bus_unsubscribe (f->bus, "a");
  g_assert_cmpuint (test_n_parked (d), ==, 4);
  g_assert_cmpuint (test_statistic (d, "returned"), ==, 2);
  g_assert_cmpuint (test_statistic (d, "dispatched"), ==, 0);
  g_assert_cmpint (test_dispatch_number (d, "x", 5), ==, AGENT_DISPATCH_RESULT_PARKED);
  test_assign (d, "x", "b");
  test_dispatch_number (d, "x", 6);
  test_drain (f);
  test_assert_got (a, "");
  test_assert_got (b, "1 2 3 4 5 6");
  g_assert_cmpuint (test_statistic (d, "dispatched"), ==, 6);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 0);
  test_assert_balanced (f->bus);
}

static TestRecorder *
subscribe_large (TestFixture *f,
                 const char  *name)
{
  return test_router_new_small (f, name, 100000);
}

/* One message each of many actors, all with another router by then. */
static void
test_returned_to_many (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = subscribe_large (f, "a");
  g_autoptr (TestRecorder) b = subscribe_large (f, "b");

  test_clock_freeze ();
  assign_many (d, 3000, "a");
  dispatch_many (d, 3000);
  assign_many (d, 3000, "b");
  agent_bus_unsubscribe (f->bus, "a");
  test_drain (f);
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  g_assert_cmpuint (test_recorder_count (b), ==, 3000);
}

/* Those that have no router now are no reason to forget the one that has. */
static void
test_returned_among_many (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = subscribe_large (f, "a");
  g_autoptr (TestRecorder) b = subscribe_large (f, "b");

  test_clock_freeze ();
  assign_many (d, 300, "a");
  dispatch_many (d, 300);
  assign_many (d, 300, NULL);
  test_assign (d, "many-0", "b");
  test_assign (d, "many-299", "b");
  agent_bus_unsubscribe (f->bus, "a");
  test_drain (f);
  g_assert_cmpuint (test_n_parked (d), ==, 298);
  g_assert_cmpuint (test_recorder_count (b), ==, 2);
}

/* Under the same name there is somebody else. */
static void
test_returned_to_the_successor (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) first = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) second = NULL;

  test_clock_freeze ();
  test_assign (d, "x", "a");
  test_dispatch_numbers (d, "x", 1, 3);
  agent_bus_unsubscribe (f->bus, "a");
  second = test_recorder_subscribe (f, "a", NULL, NULL);
  test_drain (f);
  test_assert_got (first, "");
  test_assert_got (second, "1 2 3");
}

/* What the bus itself was sent is discarded as ever. */
static void
test_only_own_messages_return (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  test_clock_freeze ();
  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 1);
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  agent_bus_unsubscribe (f->bus, "a");
  test_drain (f);
  g_assert_cmpuint (test_n_parked (d), ==, 1);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 1);
}

static void
test_two_dispatchers (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestDispatch) e = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  test_clock_freeze ();
  test_assign (d, "x", "a");
  test_assign (e, "x", "a");
  for (guint i = 1; i <= 6; i++)
    test_dispatch_number (i % 2 == 0 ? d : e, "x", i);
  agent_bus_unsubscribe (f->bus, "a");
  g_assert_cmpuint (test_statistic (d, "returned"), ==, 3);
  g_assert_cmpuint (test_statistic (e, "returned"), ==, 3);
  test_assign (d, "x", "b");
  test_drain (f);
  test_assert_got (b, "2 4 6");
  test_assign (e, "x", "b");
  test_drain (f);
  test_assert_got (b, "2 4 6 1 3 5");
}

static void
test_left_with_one_in_hand (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", test_keep_first, &delivery);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  test_clock_freeze ();
  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 1);
  test_drain (f);
  test_dispatch_number (d, "x", 2);
  test_assign (d, "x", "b");
  test_dispatch_number (d, "x", 3);
  agent_bus_unsubscribe (f->bus, "a");
  test_drain (f);
  test_assert_got (b, "");
  agent_delivery_complete (delivery);
  test_drain (f);
  test_assert_got (a, "1");
  test_assert_got (b, "2 3");
}

/* A router that hangs is given up with what it has in hand. */
static void
test_left_and_hangs (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", test_keep_first, &delivery);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);
  g_autoptr (GError) error = NULL;

  agent_bus_set_shutdown_timeout (f->bus, 1);
  test_assign (d, "x", "a");
  test_dispatch_numbers (d, "x", 1, 1);
  test_drain (f);
  test_dispatch_numbers (d, "x", 2, 3);
  test_assign (d, "x", "b");
  g_assert_false (test_unsubscribe (f, "a", &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
  test_drain (f);
  test_assert_got (b, "2 3");
  g_string_truncate (f->log, 0);
  agent_delivery_complete (delivery);
}

/* What comes back for an actor that is known no more has nowhere to go. */
static void
test_returned_after_remove (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  test_assign (d, "x", "a");
  test_dispatch_numbers (d, "x", 1, 2);
  agent_route_table_remove (d->routes, "x");
  agent_bus_unsubscribe (f->bus, "a");
  test_drain (f);
  g_assert_cmpuint (d->dropped[AGENT_DROP_REASON_NO_TARGET], ==, 2);
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  g_assert_cmpuint (count_lanes (d), ==, 0);
}

static void
test_returned_and_expired (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  test_clock_freeze ();
  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 1);
  test_clock_advance (20000 * G_GINT64_CONSTANT (1000));
  agent_bus_unsubscribe (f->bus, "a");
  test_pass (f, 9999);
  g_assert_cmpuint (d->n_expired, ==, 0);
  test_pass (f, 1);
  g_assert_cmpuint (d->n_expired, ==, 1);
  g_assert_cmpuint (d->waited, ==, 30000);
  test_expect_log (f, "expired after 30000 ms");
}

/* --- Routers that others send to --- */

static void
test_flooded_router (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_router_subscribe (f,
                                                      test_recorder_new_full (NULL,
                                                                              NULL,
                                                                              "name",
                                                                              "a",
                                                                              "capacity",
                                                                              4,
                                                                              "overflow",
                                                                              AGENT_OVERFLOW_DROP_OLDEST,
                                                                              NULL));
  guint n = 0;

  test_clock_freeze ();
  test_assign (d, "x", "a");
  for (guint i = 0; i < 20; i++)
    {
      test_dispatch_number (d, "x", i);
      for (guint j = 0; j < 10; j++)
        agent_bus_send (f->bus, test_data ("test", "a", 1000));
    }
  test_drain (f);
  for (guint i = 0; i < test_recorder_count (a); i++)
    if (test_number (a->messages->pdata[i]) < 1000)
      g_assert_cmpuint (test_number (a->messages->pdata[i]), ==, n++);
  g_assert_cmpuint (n, ==, 20);
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  test_assert_balanced (f->bus);
  test_expect_log (f, "'a' is full");
}

static void
dispatch_more (TestRecorder *recorder,
               AgentMessage *message,
               gpointer      user_data)
{
  TestDispatch *d = user_data;
  guint         n = test_number (message);

  if (n >= 5)
    return;

  test_dispatch_number (d, "x", n + 1);
  test_assign (d, "y", "b");
  agent_route_table_unassign (d->routes, "y");
  test_dispatch_number (d, "y", 10 + n);
}

static void
test_inside_a_handler (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", dispatch_more, d);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  test_clock_freeze ();
  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 1);
  test_drain (f);
  test_assign (d, "y", "b");
  test_drain (f);
  test_assert_got (a, "1 2 3 4 5");
  test_assert_got (b, "11 12 13 14");
}

static void
test_total_order (TestFixture *f)
{
  g_autoptr (AgentBus) bus = g_object_new (AGENT_TYPE_BUS, "total-order", TRUE, NULL);
  g_autoptr (TestDispatch) d = test_dispatch_new_full (f, bus, NULL);
  g_autoptr (TestRecorder) a = test_recorder_new ("a", NULL, NULL);

  test_clock_freeze ();
  g_assert_true (agent_bus_subscribe (bus, AGENT_SUBSCRIBER (a), NULL));
  for (guint i = 1; i <= 5; i++)
    {
      test_dispatch_number (d, "x", i);
      agent_bus_send (bus, test_data ("test", "a", 10 + i));
    }
  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 6);
  test_drain (f);
  test_assert_got (a, "11 12 13 14 15 1 2 3 4 5 6");
  for (guint i = 1; i < test_recorder_count (a); i++)
    g_assert_cmpuint (agent_message_get_seq (a->messages->pdata[i - 1]),
                      <,
                      agent_message_get_seq (a->messages->pdata[i]));
}

/* The copy with the higher number comes back as well. */
static void
test_returned_in_total_order (TestFixture *f)
{
  g_autoptr (AgentBus) bus = g_object_new (AGENT_TYPE_BUS, "total-order", TRUE, NULL);
  g_autoptr (TestDispatch) d = test_dispatch_new_full (f, bus, NULL);
  g_autoptr (TestRecorder) a = test_recorder_new ("a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_new ("b", NULL, NULL);

  test_clock_freeze ();
  g_assert_true (agent_bus_subscribe (bus, AGENT_SUBSCRIBER (a), NULL));
  test_dispatch_numbers (d, "x", 1, 3);
  test_assign (d, "x", "a");
  agent_bus_unsubscribe (bus, "a");
  g_assert_cmpuint (test_statistic (d, "returned"), ==, 3);
  g_assert_true (agent_bus_subscribe (bus, AGENT_SUBSCRIBER (b), NULL));
  test_assign (d, "x", "b");
  test_drain (f);
  test_assert_got (b, "1 2 3");
}

/* --- Properties --- */

static void
test_retry_policy (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (AgentRetryPolicy) policy = agent_retry_policy_new ();
  g_autoptr (AgentRetryPolicy) own = NULL;
  g_autoptr (AgentRetryPolicy) defaults = NULL;

  agent_retry_policy_set_initial_delay (policy, 7);
  g_object_set (d->dispatcher, "retry-policy", policy, NULL);
  agent_retry_policy_set_initial_delay (policy, 8);
  g_object_get (d->dispatcher, "retry-policy", &own, NULL);
  g_assert_cmpuint (agent_retry_policy_get_initial_delay (own), ==, 7);
  agent_router_dispatcher_set_retry_policy (d->dispatcher, NULL);
  defaults = agent_router_dispatcher_get_retry_policy (d->dispatcher);
  g_assert_cmpuint (agent_retry_policy_get_initial_delay (defaults), ==, 100);
}

static void
count_notify (GObject    *object,
              GParamSpec *pspec,
              gpointer    user_data)
{
  (*(guint *) user_data)++;
}

static void
test_notify (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  guint n_capacity = 0;
  guint n_park_unknown = 0;
  guint n_policy = 0;

  g_signal_connect (d->dispatcher, "notify::capacity", G_CALLBACK (count_notify), &n_capacity);
  g_signal_connect (d->dispatcher, "notify::park-unknown", G_CALLBACK (count_notify), &n_park_unknown);
  g_signal_connect (d->dispatcher, "notify::retry-policy", G_CALLBACK (count_notify), &n_policy);
  g_object_set (d->dispatcher, "capacity", AGENT_ROUTER_DISPATCHER_DEFAULT_CAPACITY, "park-unknown", TRUE, NULL);
  g_assert_cmpuint (n_capacity + n_park_unknown, ==, 0);
  g_object_set (d->dispatcher, "capacity", 5, "park-unknown", FALSE, NULL);
  agent_router_dispatcher_set_capacity (d->dispatcher, 5);
  agent_router_dispatcher_set_park_unknown (d->dispatcher, 0);
  agent_router_dispatcher_set_retry_policy (d->dispatcher, NULL);
  g_assert_cmpuint (n_capacity, ==, 1);
  g_assert_cmpuint (n_park_unknown, ==, 1);
  g_assert_cmpuint (n_policy, ==, 1);
  g_assert_cmpuint (agent_router_dispatcher_get_capacity (d->dispatcher), ==, 5);
  g_assert_false (agent_router_dispatcher_get_park_unknown (d->dispatcher));
}

static void
test_construction (TestFixture *f)
{
  g_autoptr (AgentRouteTable) routes = agent_route_table_new ();
  AgentRouterDispatcher *plain = agent_router_dispatcher_new (f->bus, routes);
  AgentRouterDispatcher *full = g_object_new (AGENT_TYPE_ROUTER_DISPATCHER,
                                              "bus",
                                              f->bus,
                                              "route-table",
                                              routes,
                                              "capacity",
                                              3,
                                              "actor-capacity",
                                              2,
                                              "park-unknown",
                                              FALSE,
                                              NULL);
  guint                  actor_capacity = 0;

  g_assert_cmpuint (agent_router_dispatcher_get_capacity (plain), ==, AGENT_ROUTER_DISPATCHER_DEFAULT_CAPACITY);
  g_assert_cmpuint (agent_router_dispatcher_get_actor_capacity (plain), ==, 0);
  g_assert_true (agent_router_dispatcher_get_park_unknown (plain));
  g_assert_true (agent_router_dispatcher_get_bus (full) == f->bus);
  g_assert_true (agent_router_dispatcher_get_route_table (full) == routes);
  g_assert_cmpuint (agent_router_dispatcher_get_capacity (full), ==, 3);
  g_object_get (full, "actor-capacity", &actor_capacity, NULL);
  g_assert_cmpuint (actor_capacity, ==, 2);
  g_assert_false (agent_router_dispatcher_get_park_unknown (full));
  test_assert_dies (plain);
  test_assert_dies (full);
}

/* --- Idle --- */

/* The timer runs only while something is parked. */
static void
test_idle_costs_nothing (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  test_drain (f);
  g_assert_cmpint (test_get_timeout (f->context), ==, -1);
  test_assign (d, "x", "a");
  test_dispatch_numbers (d, "x", 1, 100);
  test_drain (f);
  g_assert_cmpint (test_get_timeout (f->context), ==, -1);
  test_dispatch_numbers (d, "y", 101, 200);
  g_assert_cmpint (test_get_timeout (f->context), >=, 0);
  test_assign (d, "y", "a");
  test_drain (f);
  g_assert_cmpint (test_get_timeout (f->context), ==, -1);
  test_dispatch_number (d, "z", 201);
  agent_route_table_unassign (d->routes, "z");
  agent_route_table_remove (d->routes, "z");
  test_drain (f);
  g_assert_cmpint (test_get_timeout (f->context), ==, -1);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/dispatcher/" name, func)
  ADD ("direct", test_direct);
  ADD ("dispatched-twice", test_dispatched_twice);
  ADD ("parked", test_parked);
  ADD ("parked-then-assigned", test_parked_then_assigned);
  ADD ("missing-router", test_missing_router);
  ADD ("order-parked-and-direct", test_order_parked_and_direct);
  ADD ("full-router", test_full_router);
  ADD ("long-backlog", test_long_backlog);
  ADD ("actors-take-turns", test_actors_take_turns);
  ADD ("actors-take-turns-at-a-small-router", test_actors_take_turns_at_a_small_router);
  ADD ("waiting-actor-is-not-passed-over", test_waiting_actor_is_not_passed_over);
  ADD ("other-routers-do-not-wait", test_other_routers_do_not_wait);
  ADD ("control-overtakes-queued", test_control_overtakes_queued);
  ADD ("control-overtakes-parked", test_control_overtakes_parked);
  ADD ("control-at-a-full-router", test_control_at_a_full_router);
  ADD ("default-timeouts", test_default_timeouts);
  ADD ("set-timeout", test_set_timeout);
  ADD ("expiry-by-type", test_expiry_by_type);
  ADD ("expired-attempts", test_expired_attempts);
  ADD ("own-ttl-wins", test_own_ttl_wins);
  ADD ("timeout-is-changed", test_timeout_is_changed);
  ADD ("no-timeout", test_no_timeout);
  ADD ("expired-in-the-middle", test_expired_in_the_middle);
  ADD ("expired-in-order", test_expired_in_order);
  ADD ("unknown-actors-are-forgotten", test_unknown_actors_are_forgotten);
  ADD ("error-reply", test_error_reply);
  ADD ("signals-in-the-own-context", test_signals_in_the_own_context);
  ADD ("park-unknown", test_park_unknown);
  ADD ("capacity", test_capacity);
  ADD ("capacity-of-none", test_capacity_of_none);
  ADD ("no-target", test_no_target);
  ADD ("remove", test_remove);
  ADD ("move-all", test_move_all);
  ADD ("reassigned-while-queued", test_reassigned_while_queued);
  ADD ("reassigned-there-and-back", test_reassigned_there_and_back);
  ADD ("reassigned-with-one-in-hand", test_reassigned_with_one_in_hand);
  ADD ("reassigned-among-many", test_reassigned_among_many);
  ADD ("reassigned-with-a-long-backlog", test_reassigned_with_a_long_backlog);
  ADD ("cancel-of-another-actor", test_cancel_of_another_actor);
  ADD ("cancel-of-the-actor", test_cancel_of_the_actor);
  ADD ("returned", test_returned);
  ADD ("returned-by-a-stopped-bus", test_returned_by_a_stopped_bus);
  ADD ("returned-to-many", test_returned_to_many);
  ADD ("returned-among-many", test_returned_among_many);
  ADD ("returned-to-the-successor", test_returned_to_the_successor);
  ADD ("only-own-messages-return", test_only_own_messages_return);
  ADD ("two-dispatchers", test_two_dispatchers);
  ADD ("left-with-one-in-hand", test_left_with_one_in_hand);
  ADD ("left-and-hangs", test_left_and_hangs);
  ADD ("returned-after-remove", test_returned_after_remove);
  ADD ("returned-and-expired", test_returned_and_expired);
  ADD ("flooded-router", test_flooded_router);
  ADD ("inside-a-handler", test_inside_a_handler);
  ADD ("total-order", test_total_order);
  ADD ("returned-in-total-order", test_returned_in_total_order);
  ADD ("retry-policy", test_retry_policy);
  ADD ("notify", test_notify);
  ADD ("construction", test_construction);
  ADD ("idle-costs-nothing", test_idle_costs_nothing);
#undef ADD

  return g_test_run ();
}
