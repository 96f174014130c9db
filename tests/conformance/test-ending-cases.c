/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-cases.h"

/* What becomes of messages when who should get them leaves. */

#define N_MESSAGES 200

static guint64
ending_get_total (TestWorld  *world,
                  guint       node,
                  const char *key)
{
  TestLedger ledger = test_ledger (world->nodes[node].bus);
  guint64    dropped = 0;

  if (g_str_equal (key, "delivered"))
    return ledger.delivered;
  for (guint i = 0; i < TEST_N_DROP_REASONS; i++)
    dropped += ledger.dropped[i];
  return dropped;
}

static void
ending_leave (TestWorld      *world,
              guint           node,
              const char     *name,
              AgentLeaveFlags flags)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_bus_unsubscribe_full_async (world->nodes[node].bus, name, flags, NULL, test_keep_result, &result);
  test_wait_result (world->fixture, &result);
  g_assert_true (agent_bus_unsubscribe_full_finish (world->nodes[node].bus, result, &error));
  g_assert_no_error (error);
}

static void
ending_send (TestWorld *world,
             guint      n)
{
  for (guint i = 0; i < n; i++)
    test_world_send (world, 0, test_world_message (AGENT_CHANNEL_DATA, "x", "t", i));
}

/* @t has its first message in hand, and the others wait there. */
static TestRecorder *
ending_fill (TestWorld      *world,
             AgentDelivery **first)
{
  TestRecorder *t = test_recorder_new ("t", test_keep_first, first);

  test_world_join (world, 1, t);
  ending_send (world, N_MESSAGES);
  test_world_wait (world,
                   *first != NULL && agent_subscriber_get_n_queued (AGENT_SUBSCRIBER (t)) == N_MESSAGES - 1);
  return t;
}

static void
test_discard (TestWorld *world)
{
  g_autoptr (TestRecorder) x = test_world_add (world, 0, "x");
  g_autoptr (AgentDelivery) first = NULL;
  g_autoptr (TestRecorder) t = ending_fill (world, &first);

  agent_bus_unsubscribe (world->nodes[1].bus, "t");
  agent_delivery_complete (first);
  test_world_wait_no_name (world, "t");
  test_world_wait (world, ending_get_total (world, 1, "dropped") == N_MESSAGES - 1);
  g_assert_cmpuint (test_recorder_count (t), ==, 1);
  g_assert_cmpuint (test_world_send (world, 0, test_world_message (AGENT_CHANNEL_DATA, "x", "t", 0)), ==, 0);
}

static void
test_drain_leave (TestWorld *world)
{
  g_autoptr (TestRecorder) x = test_world_add (world, 0, "x");
  g_autoptr (AgentDelivery) first = NULL;
  g_autoptr (TestRecorder) t = ending_fill (world, &first);

  agent_delivery_complete (first);
  ending_leave (world, 1, "t", AGENT_LEAVE_FLAGS_DRAIN);
  g_assert_cmpuint (test_recorder_count (t), ==, N_MESSAGES);
  test_world_wait_no_name (world, "t");
}

/* It leaves while messages come: each is handled, or counted at one of the two buses. */
static void
test_leave_while_sending (TestWorld *world)
{
  g_autoptr (TestRecorder) x = test_world_add (world, 0, "x");
  g_autoptr (TestRecorder) t = test_world_add (world, 1, "t");
  guint64 sent = 0;
  guint64 before = ending_get_total (world, 0, "dropped") +
                   (test_world_is_connected (world) ? ending_get_total (world, 1, "dropped") : 0);

  for (guint i = 0; i < N_MESSAGES; i++)
    {
      test_world_send (world, 0, test_world_message (AGENT_CHANNEL_DATA, "x", "t", i));
      sent++;
      if (i == N_MESSAGES / 2)
        agent_bus_unsubscribe (world->nodes[1].bus, "t");
      if (i % 16 == 0)
        test_iterate (world->fixture);
    }
  test_world_wait_no_name (world, "t");
  test_world_wait (world,
                   test_recorder_count (t) + ending_get_total (world, 0, "dropped") - before +
                           (test_world_is_connected (world) ? ending_get_total (world, 1, "dropped") : 0) +
                           test_world_figure (world, 1, "data-lost") + world->nodes[0].lost[AGENT_TRAFFIC_DATA] ==
                       sent);
}

/* The node that sends stops without loss: all that it has sent arrives. */
static void
test_stop_drains (TestWorld *world)
{
  g_autoptr (TestRecorder) x = test_world_add (world, 0, "x");
  g_autoptr (TestRecorder) t = test_world_add (world, 1, "t");

  ending_send (world, N_MESSAGES);
  for (guint i = 0; i < N_MESSAGES; i++)
    test_world_send (world, 0, test_world_message (AGENT_CHANNEL_SYSTEM, "x", "t", i));
  test_world_stop (world, 0, AGENT_LEAVE_FLAGS_DRAIN);
  test_world_wait (world, test_recorder_count (t) == 2 * N_MESSAGES);
}

/* The node that receives stops: the others learn it, and what is sent there then is dropped. */
static void
test_stop_receiver (TestWorld *world)
{
  g_autoptr (TestRecorder) x = test_world_add (world, 0, "x");
  g_autoptr (TestRecorder) t = test_world_add (world, 1, "t");

  if (!test_world_is_connected (world))
    return;

  ending_send (world, N_MESSAGES);
  test_world_stop (world, 1, AGENT_LEAVE_FLAGS_NONE);
  test_world_wait (world, !test_world_has_name (world, 0, "t"));
  test_world_wait (world, strstr (world->nodes[0].events->str, "-b") != NULL);
  g_assert_cmpuint (test_world_send (world, 0, test_world_message (AGENT_CHANNEL_DATA, "x", "t", 0)), ==, 0);

  g_clear_object (&t);
  test_world_open (world, 1);
  t = test_world_add (world, 1, "t");
  ending_send (world, N_MESSAGES);
  test_world_wait (world, test_recorder_count (t) == N_MESSAGES);
}

/* A bus is dropped although it runs: that is told, and the others learn that its node is gone. */
static void
test_drop_bus (TestWorld *world)
{
  g_autoptr (TestRecorder) x = test_world_add (world, 0, "x");
  g_autoptr (TestRecorder) t = test_world_add (world, 1, "t");

  if (!test_world_is_connected (world))
    return;

  ending_send (world, N_MESSAGES);
  test_world_drop (world, 1);
  test_world_wait (world, !test_world_has_name (world, 0, "t"));
}

/* The same with a bus on which nobody is. */
static void
test_drop_empty_bus (TestWorld *world)
{
  if (!test_world_is_connected (world))
    return;

  test_world_drop (world, 1);
  test_world_wait (world, strstr (world->nodes[0].events->str, "-b") != NULL);
}

/* What waits for the answer of all is flushed. */
static void
test_flush (TestWorld *world)
{
  g_autoptr (TestRecorder) x = test_world_add (world, 0, "x");
  g_autoptr (TestRecorder) t = test_world_add (world, 1, "t");
  g_autoptr (GAsyncResult) result = NULL;

  ending_send (world, N_MESSAGES);
  agent_bus_flush_async (world->nodes[0].bus, NULL, NULL, test_keep_result, &result);
  test_wait_result (world->fixture, &result);
  g_assert_true (agent_bus_flush_finish (world->nodes[0].bus, result, NULL));
  test_world_wait (world, test_recorder_count (t) == N_MESSAGES);
}

const TestWorldCase test_ending_cases[] = {
  { "ending/discard", 2, test_discard },
  { "ending/drain", 2, test_drain_leave },
  { "ending/while-sending", 2, test_leave_while_sending },
  { "ending/stop-drains", 2, test_stop_drains },
  { "ending/stop-receiver", 2, test_stop_receiver },
  { "ending/drop-bus", 2, test_drop_bus },
  { "ending/drop-empty-bus", 2, test_drop_empty_bus },
  { "ending/flush", 2, test_flush },
  { NULL },
};
