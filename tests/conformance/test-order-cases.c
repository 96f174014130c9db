/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-cases.h"

/* In which order messages come. */

#define N_MESSAGES 300

/* What @recorder has got on @channel from @source is 0, 1, 2 … without a gap. Returns how many they are. */
static guint
order_check (TestRecorder *recorder,
             AgentChannel  channel,
             const char   *source)
{
  guint next = 0;

  for (guint i = 0; i < recorder->messages->len; i++)
    {
      AgentMessage *message = recorder->messages->pdata[i];

      if (agent_message_get_channel (message) == channel && g_str_equal (agent_message_get_source (message), source))
        g_assert_cmpuint (test_world_number (message), ==, next++);
    }

  return next;
}

/* Two sources at different nodes send to one target by turns. */
static void
order_send_both (TestWorld   *world,
                 AgentChannel channel)
{
  for (guint i = 0; i < N_MESSAGES; i++)
    {
      g_assert_cmpuint (test_world_send (world, 0, test_world_message (channel, "x", "t", i)), ==, 1);
      g_assert_cmpuint (test_world_send (world, 2, test_world_message (channel, "y", "t", i)), ==, 1);
    }
}

static void
order_run (TestWorld *world,
           gboolean   data,
           gboolean   control)
{
  g_autoptr (TestRecorder) x = test_world_add (world, 0, "x");
  g_autoptr (TestRecorder) y = test_world_add (world, 2, "y");
  g_autoptr (TestRecorder) t = test_world_add (world, 1, "t");
  guint n = 2 * N_MESSAGES * (data + control);

  if (data)
    order_send_both (world, AGENT_CHANNEL_DATA);
  if (control)
    order_send_both (world, AGENT_CHANNEL_SYSTEM);
  test_world_wait (world, test_recorder_count (t) >= n);

  g_assert_cmpuint (test_recorder_count (t), ==, n);
  g_assert_cmpuint (order_check (t, AGENT_CHANNEL_DATA, "x"), ==, data ? N_MESSAGES : 0);
  g_assert_cmpuint (order_check (t, AGENT_CHANNEL_DATA, "y"), ==, data ? N_MESSAGES : 0);
  g_assert_cmpuint (order_check (t, AGENT_CHANNEL_SYSTEM, "x"), ==, control ? N_MESSAGES : 0);
  g_assert_cmpuint (order_check (t, AGENT_CHANNEL_SYSTEM, "y"), ==, control ? N_MESSAGES : 0);
}

static void
test_order_data (TestWorld *world)
{
  order_run (world, TRUE, FALSE);
}

static void
test_control (TestWorld *world)
{
  order_run (world, FALSE, TRUE);
}

static void
test_mixed (TestWorld *world)
{
  order_run (world, TRUE, TRUE);
}

static void
test_reliable (TestWorld *world)
{
  g_autoptr (TestRecorder) x = test_world_add (world, 0, "x");
  g_autoptr (TestRecorder) t = test_world_add (world, 1, "t");

  for (guint i = 0; i < N_MESSAGES; i++)
    {
      AgentMessage *message = test_world_message (AGENT_CHANNEL_DATA, "x", "t", i);

      agent_message_set_reliable (message, TRUE);
      test_world_send (world, 0, message);
    }
  test_world_wait (world, test_recorder_count (t) >= N_MESSAGES);
  g_assert_cmpuint (order_check (t, AGENT_CHANNEL_DATA, "x"), ==, N_MESSAGES);
}

/* What waits at the receiver comes in the order of the channels. */
static void
test_priority (TestWorld *world)
{
  g_autoptr (TestRecorder) x = test_world_add (world, 0, "x");
  g_autoptr (AgentDelivery) first = NULL;
  g_autoptr (TestRecorder) t = test_recorder_new ("t", test_keep_first, &first);

  test_world_join (world, 1, t);
  test_world_send (world, 0, test_world_message (AGENT_CHANNEL_DATA, "x", "t", 0));
  test_world_wait (world, first != NULL);
  for (guint i = 1; i <= 20; i++)
    test_world_send (world, 0, test_world_message (AGENT_CHANNEL_DATA, "x", "t", i));
  test_world_send (world, 0, test_world_message (AGENT_CHANNEL_SYSTEM, "x", "t", 100));
  test_world_wait (world, agent_subscriber_get_n_queued (AGENT_SUBSCRIBER (t)) >= 21);

  agent_delivery_complete (first);
  test_world_wait (world, test_recorder_count (t) == 22);
  g_assert_cmpuint (test_world_number (t->messages->pdata[1]), ==, 100);
  for (guint i = 1; i <= 20; i++)
    g_assert_cmpuint (test_world_number (t->messages->pdata[i + 1]), ==, i);
}

static void
order_answer (TestRecorder *recorder,
              AgentMessage *message,
              gpointer      user_data)
{
  guint number = test_world_number (message);

  if (number < N_MESSAGES)
    agent_bus_send (user_data,
                    test_world_message (agent_message_get_channel (message),
                                        agent_message_get_target (message),
                                        agent_message_get_source (message),
                                        number + 1));
}

/* Each message is the answer to the one before. */
static void
test_ping_pong (TestWorld *world)
{
  g_autoptr (TestRecorder) x = test_recorder_new ("x", order_answer, world->nodes[0].bus);
  g_autoptr (TestRecorder) y = test_recorder_new ("y", order_answer, world->nodes[1].bus);

  test_world_join (world, 0, x);
  test_world_join (world, 1, y);
  test_world_send (world, 0, test_world_message (AGENT_CHANNEL_DATA, "x", "y", 0));
  test_world_send (world, 0, test_world_message (AGENT_CHANNEL_SYSTEM, "x", "y", 0));
  test_world_wait (world, test_recorder_count (x) + test_recorder_count (y) == 2 * (N_MESSAGES + 1));
}

/* @message is in what @recorder has got, and says the same there. */
static void
order_assert_got (TestRecorder *recorder,
                  AgentMessage *message)
{
  for (guint i = 0; i < recorder->messages->len; i++)
    {
      AgentMessage *got = recorder->messages->pdata[i];
      GVariant     *payload = agent_message_get_payload (message);

      if (!g_str_equal (agent_message_get_name (got), agent_message_get_name (message)))
        continue;

      g_assert_cmpstr (agent_message_get_source (got), ==, agent_message_get_source (message));
      g_assert_cmpstr (agent_message_get_task_id (got), ==, agent_message_get_task_id (message));
      g_assert_cmpstr (agent_message_get_task_name (got), ==, agent_message_get_task_name (message));
      g_assert_cmpstr (agent_message_get_reason (got), ==, agent_message_get_reason (message));
      if (payload != NULL)
        g_assert_cmpvariant (agent_message_get_payload (got), payload);
      return;
    }

  g_assert_not_reached ();
}

/* A message of each kind of content arrives as it was sent. */
static void
test_content (TestWorld *world)
{
  g_autoptr (TestRecorder) x = test_world_add (world, 0, "x");
  g_autoptr (TestRecorder) t = test_world_add (world, 1, "t");
  g_autoptr (GPtrArray) sent = g_ptr_array_new_with_free_func ((GDestroyNotify) agent_message_unref);

  g_ptr_array_add (sent, agent_message_new_cancel ("x", "t", "a reason"));
  g_ptr_array_add (sent, agent_message_new_agent_error ("x", "t", "an error"));
  g_ptr_array_add (sent, agent_message_new_task_request ("x", "t", "1", "count", g_variant_new ("(si)", "a", 1)));
  g_ptr_array_add (sent,
                   agent_message_new_task_response (
                       "x", "t", "1", AGENT_TASK_STATUS_COMPLETED, g_variant_new_string ("\xF0\x9F\x98\x80")));
  g_ptr_array_add (sent, agent_message_new_custom ("c", AGENT_CHANNEL_SYSTEM, "x", "t", g_variant_new ("a{sv}", NULL)));
  for (guint i = 0; i < sent->len; i++)
    test_world_send (world, 0, agent_message_copy (sent->pdata[i]));
  test_world_wait (world, test_recorder_count (t) == sent->len);

  for (guint i = 0; i < sent->len; i++)
    order_assert_got (t, sent->pdata[i]);
}

const TestWorldCase test_order_cases[] = {
  { "order/data", 3, test_order_data },
  { "order/control", 3, test_control },
  { "order/mixed", 3, test_mixed },
  { "order/reliable", 2, test_reliable },
  { "order/priority", 2, test_priority },
  { "order/ping-pong", 2, test_ping_pong },
  { "order/content", 2, test_content },
  { NULL },
};
