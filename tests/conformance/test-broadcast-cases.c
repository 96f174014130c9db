/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-cases.h"

/* What is for everybody who takes it, and monitors. */

#define N_MESSAGES 50

static TestRecorder *
broadcast_join (TestWorld  *world,
                guint       node,
                const char *name,
                const char *accepted,
                const char *pattern)
{
  const char   *accepts[] = { accepted, NULL };
  TestRecorder *recorder = test_recorder_new_full (
      NULL, NULL, "name", name, "accepts", accepted != NULL && *accepted == '*' ? NULL : accepts, NULL);

  if (pattern != NULL)
    g_assert_true (agent_subscriber_add_topic (AGENT_SUBSCRIBER (recorder), pattern, NULL));
  test_world_join (world, node, recorder);
  return recorder;
}

static void
broadcast_send (TestWorld  *world,
                guint       node,
                const char *name,
                const char *topic,
                const char *source)
{
  AgentMessage *message =
      agent_message_new_custom (name, AGENT_CHANNEL_DATA, source, NULL, g_variant_new_uint32 (0));

  if (topic != NULL)
    agent_message_set_topic (message, topic);
  test_world_send (world, node, message);
}

static guint
broadcast_count (TestRecorder *recorder,
                 const char   *name)
{
  guint n = 0;

  for (guint i = 0; i < recorder->messages->len; i++)
    n += g_str_equal (agent_message_get_name (recorder->messages->pdata[i]), name);

  return n;
}

/* The sender's broadcasts come through to who takes everything, once each; the last one shows that all before it have come. */
static void
broadcast_wait_end (TestWorld    *world,
                    TestRecorder *recorder,
                    guint         n)
{
  test_world_wait (world, broadcast_count (recorder, "last") == n);
}

/* Each subscriber of each node gets each broadcast once. */
static void
test_all (TestWorld *world)
{
  g_autoptr (TestRecorder) x = broadcast_join (world, 0, "x", "*", NULL);
  TestRecorder *all[4];

  for (guint i = 0; i < 4; i++)
    {
      const char name[] = { '0' + i, '\0' };

      all[i] = broadcast_join (world, i % 3, name, "*", NULL);
    }
  /* The interest of a node comes after its names. */
  while (broadcast_count (all[0], "start") == 0 || broadcast_count (all[1], "start") == 0 ||
         broadcast_count (all[2], "start") == 0)
    {
      broadcast_send (world, 0, "start", NULL, "x");
      test_world_turn (world);
    }
  for (guint i = 0; i < N_MESSAGES; i++)
    broadcast_send (world, 0, "news", NULL, "x");
  broadcast_send (world, 0, "last", NULL, "x");
  for (guint i = 0; i < 4; i++)
    {
      broadcast_wait_end (world, all[i], 1);
      g_assert_cmpuint (broadcast_count (all[i], "news"), ==, N_MESSAGES);
    }
  g_assert_cmpuint (broadcast_count (x, "news"), ==, 0);
  for (guint i = 0; i < 4; i++)
    g_clear_object (&all[i]);
}

/* Who accepts some names gets these, although others of its node take more. */
static void
test_accepts (TestWorld *world)
{
  g_autoptr (TestRecorder) x = broadcast_join (world, 0, "x", "none", NULL);
  g_autoptr (TestRecorder) a = broadcast_join (world, 1, "a", "a", NULL);
  g_autoptr (TestRecorder) b = broadcast_join (world, 1, "b", "b", NULL);
  const char *const more[] = { "a", "b", "last", NULL };

  while (broadcast_count (a, "a") == 0 || broadcast_count (b, "b") == 0)
    {
      broadcast_send (world, 0, "a", NULL, "x");
      broadcast_send (world, 0, "b", NULL, "x");
      broadcast_send (world, 0, "c", NULL, "x");
      test_world_turn (world);
    }
  g_assert_cmpuint (broadcast_count (a, "b") + broadcast_count (a, "c"), ==, 0);
  g_assert_cmpuint (broadcast_count (b, "a") + broadcast_count (b, "c"), ==, 0);

  agent_subscriber_set_accepts (AGENT_SUBSCRIBER (a), more);
  while (broadcast_count (a, "last") == 0)
    {
      broadcast_send (world, 0, "last", NULL, "x");
      test_world_turn (world);
    }
}

static void
test_topics (TestWorld *world)
{
  g_autoptr (TestRecorder) x = broadcast_join (world, 0, "x", "none", NULL);
  g_autoptr (TestRecorder) a = broadcast_join (world, 1, "a", "*", "room.*.temperature");
  g_autoptr (TestRecorder) b = broadcast_join (world, 2, "b", "*", "room.>");
  guint before;

  while (broadcast_count (a, "start") == 0 || broadcast_count (b, "start") == 0)
    {
      broadcast_send (world, 0, "start", "room.1.temperature", "x");
      test_world_turn (world);
    }
  broadcast_send (world, 0, "sound", "room.1.sound", "x");
  broadcast_send (world, 0, "other", "house.1.temperature", "x");
  broadcast_send (world, 0, "last", "room.2.temperature", "x");
  broadcast_wait_end (world, a, 1);
  broadcast_wait_end (world, b, 1);
  g_assert_cmpuint (broadcast_count (a, "sound") + broadcast_count (a, "other"), ==, 0);
  g_assert_cmpuint (broadcast_count (b, "sound"), ==, 1);
  g_assert_cmpuint (broadcast_count (b, "other"), ==, 0);

  before = broadcast_count (b, "late");
  agent_subscriber_remove_topic (AGENT_SUBSCRIBER (a), "room.*.temperature");
  broadcast_send (world, 0, "late", "room.2.temperature", "x");
  test_world_wait (world, broadcast_count (b, "late") == before + 1);
  g_assert_cmpuint (broadcast_count (a, "late"), ==, 0);
}

/* If nobody takes a broadcast anywhere, it is dropped. */
static void
test_nobody (TestWorld *world)
{
  g_autoptr (TestRecorder) x = broadcast_join (world, 0, "x", "none", NULL);
  g_autoptr (TestRecorder) a = broadcast_join (world, 1, "a", "a", NULL);
  AgentMessage *message = agent_message_new_custom ("c", AGENT_CHANNEL_DATA, "x", NULL, NULL);

  g_assert_cmpuint (test_world_send (world, 0, message), ==, 0);
  test_world_wait (world, world->nodes[0].dropped[AGENT_DROP_REASON_NO_TARGET] == 1);
}

/* A monitor sees what is sent on its bus, also what comes from another node. */
static void
test_monitor (TestWorld *world)
{
  g_autoptr (TestRecorder) x = test_world_add (world, 0, "x");
  g_autoptr (TestRecorder) t = test_world_add (world, 1, "t");
  TestRecorder            *monitors[2];
  static const char *const filter[] = { "number", NULL };

  for (guint i = 0; i < 2; i++)
    {
      monitors[i] = test_recorder_new ("monitor", NULL, NULL);
      g_assert_true (
          agent_bus_add_monitor (world->nodes[i].bus, AGENT_SUBSCRIBER (monitors[i]), filter, NULL));
    }
  for (guint i = 0; i < N_MESSAGES; i++)
    test_world_send (world, 0, test_world_message (AGENT_CHANNEL_DATA, "x", "t", i));
  test_world_wait (world, test_recorder_count (t) == N_MESSAGES);
  for (guint i = 0; i < 2; i++)
    {
      test_world_wait (world, test_recorder_count (monitors[i]) == N_MESSAGES);
      agent_bus_remove_monitor (world->nodes[i].bus, AGENT_SUBSCRIBER (monitors[i]));
    }
  for (guint i = 0; i < 2; i++)
    g_clear_object (&monitors[i]);
}

const TestWorldCase test_broadcast_cases[] = {
  { "broadcast/all", 3, test_all },
  { "broadcast/accepts", 2, test_accepts },
  { "broadcast/topics", 3, test_topics },
  { "broadcast/nobody", 2, test_nobody },
  { "broadcast/monitor", 2, test_monitor },
  { NULL },
};
