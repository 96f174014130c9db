/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-cases.h"

/* What becomes of messages when there are too many of them: each is delivered, or dropped and counted. */

#define CAPACITY 5
#define N_MESSAGES 200

typedef struct
{
  TestWorld     *world;
  TestRecorder  *x; /* at node 0 */
  TestRecorder  *t; /* at node 1; it has its first message in hand until it is told to go on */
  AgentDelivery *first;
} Flow;

static void
flow_init (Flow         *self,
           TestWorld    *world,
           AgentOverflow overflow,
           guint         capacity)
{
  self->world = world;
  self->first = NULL;
  self->x = test_world_add (world, 0, "x");
  self->t = test_recorder_new_full (
      test_keep_first, &self->first, "name", "t", "capacity", capacity, "overflow", overflow, NULL);
  test_world_join (world, 1, self->t);
  test_world_send (world, 0, test_world_message (AGENT_CHANNEL_DATA, "x", "t", 0));
  test_world_wait (world, self->first != NULL);
}

static void
flow_clear (Flow *self)
{
  g_clear_object (&self->first);
  g_object_unref (self->x);
  g_object_unref (self->t);
}

static void
flow_send (Flow *self,
           guint n)
{
  for (guint i = 1; i <= n; i++)
    test_world_send (self->world, 0, test_world_message (AGENT_CHANNEL_DATA, "x", "t", i));
}

static guint64
flow_count (Flow *self)
{
  return test_recorder_count (self->t) + agent_subscriber_get_n_queued (AGENT_SUBSCRIBER (self->t)) +
         test_world_dropped (self->world, "t") + test_world_figure (self->world, 1, "data-lost");
}

static void
flow_go_on (Flow *self)
{
  agent_delivery_complete (self->first);
  test_world_wait (self->world, agent_subscriber_get_n_queued (AGENT_SUBSCRIBER (self->t)) == 0);
}

/* The library may warn of it: not each time, since it warns of the same one only from time to time. */
static void
flow_expect_full (Flow *self)
{
  TestFixture *fixture = self->world->fixture;

  test_drain (fixture);
  if (fixture->log->len > 0)
    test_expect_log (fixture, "Data channel of 't' is full");
}

static guint
flow_number (Flow *self,
             guint index)
{
  return test_world_number (self->t->messages->pdata[index]);
}

/* The bus of the receiver counts what found no room there, and tells it. */
static void
test_full (TestWorld *world)
{
  Flow flow;

  flow_init (&flow, world, AGENT_OVERFLOW_DROP_NEWEST, CAPACITY);
  flow_send (&flow, N_MESSAGES);
  test_world_wait (world, flow_count (&flow) == N_MESSAGES + 1);
  flow_go_on (&flow);

  g_assert_cmpuint (test_recorder_count (flow.t), ==, CAPACITY + 1);
  for (guint i = 0; i <= CAPACITY; i++)
    g_assert_cmpuint (flow_number (&flow, i), ==, i);
  g_assert_cmpuint (test_world_dropped (world, "t"), ==, N_MESSAGES - CAPACITY);
  g_assert_cmpuint (agent_subscriber_get_n_dropped (AGENT_SUBSCRIBER (flow.t)), ==, N_MESSAGES - CAPACITY);
  test_world_wait (world,
                   world->nodes[test_world_is_connected (world) ? 1 : 0].dropped[AGENT_DROP_REASON_FULL] ==
                       N_MESSAGES - CAPACITY);
  flow_expect_full (&flow);
  flow_clear (&flow);
}

static void
test_drop_oldest (TestWorld *world)
{
  Flow flow;

  flow_init (&flow, world, AGENT_OVERFLOW_DROP_OLDEST, CAPACITY);
  flow_send (&flow, N_MESSAGES);
  test_world_wait (world, flow_count (&flow) == N_MESSAGES + 1);
  flow_go_on (&flow);

  g_assert_cmpuint (test_recorder_count (flow.t), ==, CAPACITY + 1);
  for (guint i = 1; i <= CAPACITY; i++)
    g_assert_cmpuint (flow_number (&flow, i), ==, N_MESSAGES - CAPACITY + i);
  flow_expect_full (&flow);
  flow_clear (&flow);
}

/* Nothing is lost on the way where there is room at both ends, and each ledger balances. */
static void
test_balance (TestWorld *world)
{
  Flow flow;

  flow_init (&flow, world, AGENT_OVERFLOW_DROP_NEWEST, 10 * N_MESSAGES);
  flow_send (&flow, 5 * N_MESSAGES);
  agent_delivery_complete (flow.first);
  test_world_wait (world, test_recorder_count (flow.t) == 5 * N_MESSAGES + 1);
  g_assert_cmpuint (test_world_dropped (world, "t"), ==, 0);
  for (guint i = 0; i < world->n_nodes; i++)
    test_assert_balanced (world->nodes[i].bus);
  if (test_world_is_connected (world))
    {
      g_assert_cmpuint (test_world_figure (world, 0, "data-sent") + test_world_figure (world, 0, "control-sent"),
                        ==,
                        5 * N_MESSAGES + 1);
      g_assert_cmpuint (test_world_figure (world, 1, "data-received") + test_world_figure (world, 1, "control-received"),
                        ==,
                        5 * N_MESSAGES + 1);
    }
  flow_clear (&flow);
}

/* What is too old when its turn comes is dropped and counted. */
static void
test_ttl (TestWorld *world)
{
  Flow   flow;
  gint64 arrived_at;

  flow_init (&flow, world, AGENT_OVERFLOW_DROP_NEWEST, N_MESSAGES);
  for (guint i = 1; i <= 10; i++)
    {
      AgentMessage *message = test_world_message (AGENT_CHANNEL_DATA, "x", "t", i);

      agent_message_set_ttl (message, i % 2 == 0 ? 100000 : 60);
      test_world_send (world, 0, message);
    }
  /* What a message has spent on the way is not known there. */
  test_world_wait (world, flow_count (&flow) + world->nodes[0].lost[AGENT_TRAFFIC_DATA] == 11);
  arrived_at = g_get_monotonic_time ();
  test_world_wait (world, g_get_monotonic_time () > arrived_at + 61 * 1000);
  flow_go_on (&flow);

  test_world_wait (world, test_recorder_count (flow.t) == 6);
  for (guint i = 1; i <= 5; i++)
    g_assert_cmpuint (flow_number (&flow, i), ==, 2 * i);
  test_world_wait (world,
                   test_world_dropped (world, "t") + world->nodes[0].lost[AGENT_TRAFFIC_DATA] +
                           world->nodes[1].lost[AGENT_TRAFFIC_DATA] ==
                       5);
  flow_clear (&flow);
}

/* System messages have no bound, so none is dropped where data is. */
static void
test_system (TestWorld *world)
{
  Flow flow;

  flow_init (&flow, world, AGENT_OVERFLOW_DROP_NEWEST, CAPACITY);
  flow_send (&flow, N_MESSAGES);
  for (guint i = 1; i <= N_MESSAGES; i++)
    test_world_send (world, 0, test_world_message (AGENT_CHANNEL_SYSTEM, "x", "t", i));
  test_world_wait (world, flow_count (&flow) == 2 * N_MESSAGES + 1);
  flow_go_on (&flow);

  g_assert_cmpuint (test_recorder_count (flow.t), ==, 1 + N_MESSAGES + CAPACITY);
  for (guint i = 1; i <= N_MESSAGES; i++)
    g_assert_cmpuint (flow_number (&flow, i), ==, i);
  flow_expect_full (&flow);
  flow_clear (&flow);
}

/* What nobody can get is told to who has asked for it. */
static void
test_error_reply (TestWorld *world)
{
  Flow          flow;
  AgentMessage *message = test_world_message (AGENT_CHANNEL_DATA, "x", "t", 7);
  AgentMessage *answer;

  flow_init (&flow, world, AGENT_OVERFLOW_DROP_NEWEST, 1);
  flow_send (&flow, 1);
  test_world_wait (world, flow_count (&flow) == 2);
  agent_message_set_error_reply (message, TRUE);
  test_world_send (world, 0, message);
  test_world_wait (world, test_recorder_count (flow.x) == 1);

  answer = flow.x->messages->pdata[0];
  g_assert_cmpint (agent_message_get_message_type (answer), ==, AGENT_MESSAGE_TYPE_AGENT_ERROR);
  g_assert_true (g_str_has_suffix (agent_message_get_reason (answer), "full"));
  g_assert_cmpstr (agent_message_get_source (answer), ==, "t");
  flow_go_on (&flow);
  flow_expect_full (&flow);
  flow_clear (&flow);
}

static void
test_send_async (TestWorld *world)
{
  g_autoptr (TestRecorder) x = test_world_add (world, 0, "x");
  g_autoptr (TestRecorder) t = test_world_add (world, 1, "t");

  for (guint i = 0; i < N_MESSAGES; i++)
    {
      g_autoptr (GAsyncResult) result = NULL;
      g_autoptr (GError) error = NULL;
      g_autoptr (AgentMessage) message = test_world_message (AGENT_CHANNEL_DATA, "x", "t", i);

      agent_bus_send_async (world->nodes[0].bus, message, NULL, test_keep_result, &result);
      test_wait_result (world->fixture, &result);
      g_assert_true (agent_bus_send_finish (world->nodes[0].bus, result, &error));
      g_assert_no_error (error);
    }
  test_world_wait (world, test_recorder_count (t) == N_MESSAGES);
  for (guint i = 0; i < N_MESSAGES; i++)
    g_assert_cmpuint (test_world_number (t->messages->pdata[i]), ==, i);
}

/* One that is nearly as large as a packet can be, among small ones. */
static void
test_large (TestWorld *world)
{
  g_autoptr (TestRecorder) x = test_world_add (world, 0, "x");
  g_autoptr (TestRecorder) t = test_world_add (world, 1, "t");
  g_autofree char *text = g_strnfill (900 * 1000, 'x');

  for (guint i = 0; i < 9; i++)
    test_world_send (world,
                     0,
                     agent_message_new_custom ("text",
                                               AGENT_CHANNEL_DATA,
                                               "x",
                                               "t",
                                               g_variant_new_string (i % 3 == 1 ? text : "small")));
  test_world_wait (world, test_recorder_count (t) == 9);
  for (guint i = 0; i < 9; i++)
    g_assert_cmpstr (g_variant_get_string (agent_message_get_payload (t->messages->pdata[i]), NULL),
                     ==,
                     i % 3 == 1 ? text : "small");
}

const TestWorldCase test_flow_cases[] = {
  { "flow/full", 2, test_full },
  { "flow/drop-oldest", 2, test_drop_oldest },
  { "flow/balance", 2, test_balance },
  { "flow/ttl", 2, test_ttl },
  { "flow/system", 2, test_system },
  { "flow/error-reply", 2, test_error_reply },
  { "flow/send-async", 2, test_send_async },
  { "flow/large", 2, test_large },
  { NULL },
};
