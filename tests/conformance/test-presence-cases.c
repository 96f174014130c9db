/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-actors.h"
#include "test-cases.h"

/* Who is there. */

static void
presence_count (AgentBus   *bus,
                const char *name,
                gpointer    user_data)
{
  (*(guint *) user_data)++;
}

static void
test_watch (TestWorld *world)
{
  guint appeared = 0;
  guint vanished = 0;
  guint ids[2];
  g_autoptr (TestRecorder) t = NULL;

  ids[0] = agent_bus_watch_name (world->nodes[0].bus, "t", presence_count, NULL, &appeared, NULL);
  t = test_world_add (world, 1, "t");
  test_world_wait (world, appeared == 1);
  ids[1] = agent_bus_watch_name (world->nodes[0].bus, "t", NULL, presence_count, &vanished, NULL);
  agent_bus_unsubscribe (world->nodes[1].bus, "t");
  test_world_wait (world, vanished == 1);
  g_assert_cmpuint (appeared, ==, 1);
  agent_bus_unwatch_name (world->nodes[0].bus, ids[0]);
  agent_bus_unwatch_name (world->nodes[0].bus, ids[1]);
}

/* All nodes list the same names, and nothing that the application has not named. */
static void
test_list (TestWorld *world)
{
  const char *const expected[] = { "a1", "b1", "c1", NULL };
  g_autoptr (TestRecorder) a1 = test_world_add (world, 0, "a1");
  g_autoptr (TestRecorder) b1 = test_world_add (world, 1, "b1");
  g_autoptr (TestRecorder) c1 = test_world_add (world, 2, "c1");

  for (guint i = 0; i < 3; i++)
    {
      g_auto (GStrv) names = agent_bus_list_names (world->nodes[i].bus);

      g_assert_cmpstrv (names, (char **) expected);
    }
}

static void
presence_send_and_answer (TestWorld    *world,
                          TestRecorder *x,
                          const char   *name)
{
  g_autoptr (TestRecorder) t = test_world_add (world, 1, name);
  guint before = test_recorder_count (x);

  g_assert_cmpuint (test_world_send (world, 0, test_world_message (AGENT_CHANNEL_DATA, "x", name, 1)), ==, 1);
  g_assert_cmpuint (test_world_send (world, 0, test_world_message (AGENT_CHANNEL_SYSTEM, "x", name, 2)), ==, 1);
  test_world_wait (world, test_recorder_count (t) == 2);
  test_world_send (world, 1, test_world_message (AGENT_CHANNEL_DATA, name, "x", 3));
  test_world_wait (world, test_recorder_count (x) == before + 1);
  g_assert_cmpstr (agent_message_get_source (x->messages->pdata[before]), ==, name);
  agent_bus_unsubscribe (world->nodes[1].bus, name);
  test_world_wait_no_name (world, name);
}

static void
test_odd_names (TestWorld *world)
{
  static const char *const names[] = {
    "with space",
    "dots.in.it",
    ".",
    "*",
    ">",
    "a.*.>",
    "\r\n",
    "tab\there",
    "\xF0\x9F\x98\x80",
    "%s%n",
    "/",
    "\x01",
    "$SYS",
  };
  g_autoptr (TestRecorder) x = test_world_add (world, 0, "x");
  g_autofree char *longer = g_strnfill (300, 'n');
  g_autofree char *huge = g_strnfill (70000, 'h');

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    presence_send_and_answer (world, x, names[i]);
  presence_send_and_answer (world, x, longer);
  presence_send_and_answer (world, x, huge);
}

static void
presence_set (TestWorld    *world,
              guint         node,
              TestRecorder *recorder,
              gboolean      present)
{
  g_autoptr (GAsyncResult) result = NULL;

  if (present)
    {
      g_assert_true (agent_bus_subscribe (world->nodes[node].bus, AGENT_SUBSCRIBER (recorder), NULL));
      return;
    }

  agent_bus_unsubscribe_async (world->nodes[node].bus, "t", NULL, test_keep_result, &result);
  test_wait_result (world->fixture, &result);
}

/* One that comes and goes quickly is known as it is in the end. */
static void
test_churn (TestWorld *world)
{
  g_autoptr (TestRecorder) x = test_world_add (world, 0, "x");
  g_autoptr (TestRecorder) t = test_recorder_new ("t", NULL, NULL);

  for (guint i = 0; i < 50; i++)
    {
      presence_set (world, 1, t, TRUE);
      presence_set (world, 1, t, FALSE);
    }
  presence_set (world, 1, t, TRUE);
  test_world_wait_name (world, "t");
  test_world_send (world, 1, test_world_message (AGENT_CHANNEL_SYSTEM, "t", "x", 1));
  test_world_wait (world, test_recorder_count (x) == 1);
  test_world_send (world, 0, test_world_message (AGENT_CHANNEL_SYSTEM, "x", "t", 1));
  test_world_wait (world, test_recorder_count (t) == 1);
  presence_set (world, 1, t, FALSE);
  test_world_wait_no_name (world, "t");
}

/* A name that goes from one node to another one at once is known to be there. */
static void
test_move (TestWorld *world)
{
  g_autoptr (TestRecorder) x = test_world_add (world, 2, "x");
  g_autoptr (TestRecorder) t = test_world_add (world, 0, "t");

  for (guint i = 1; i <= 10; i++)
    {
      guint before = test_recorder_count (t);

      /* Or else what is told of its coming may be heard after it has left. */
      test_world_wait (world, test_world_has_name (world, i % 2, "t"));
      presence_set (world, (i + 1) % 2, t, FALSE);
      test_world_wait (world, !test_world_has_name (world, i % 2, "t"));
      presence_set (world, i % 2, t, TRUE);
      while (test_recorder_count (t) == before)
        {
          test_world_send (world, 2, test_world_message (AGENT_CHANNEL_DATA, "x", "t", i));
          test_world_turn (world);
        }
    }
}

/* If two nodes have a name, each keeps its own, and tells it. When one of them leaves, the other one's is known there, too. */
static void
test_conflict (TestWorld *world)
{
  g_autoptr (TestRecorder) x = test_world_add (world, 0, "x");
  g_autoptr (TestRecorder) first = test_recorder_new ("t", NULL, NULL);
  g_autoptr (TestRecorder) second = test_recorder_new ("t", NULL, NULL);

  if (!test_world_is_connected (world))
    return;

  /* If one node has heard of the other one's already, both begin again. */
  g_assert_true (agent_bus_subscribe (world->nodes[0].bus, AGENT_SUBSCRIBER (first), NULL));
  while (!agent_bus_subscribe (world->nodes[1].bus, AGENT_SUBSCRIBER (second), NULL))
    {
      presence_set (world, 0, first, FALSE);
      test_world_wait_no_name (world, "t");
      g_assert_true (agent_bus_subscribe (world->nodes[0].bus, AGENT_SUBSCRIBER (first), NULL));
    }
  test_world_wait (world, strstr (world->nodes[0].refused->str, "b: ") != NULL);
  test_world_wait (world, strstr (world->nodes[1].refused->str, "a: ") != NULL);
  test_world_send (world, 0, test_world_message (AGENT_CHANNEL_DATA, "x", "t", 1));
  test_world_wait (world, test_recorder_count (first) == 1);

  agent_bus_unsubscribe (world->nodes[0].bus, "t");
  test_world_wait (world, test_world_has_name (world, 0, "t"));
  while (test_recorder_count (second) == 0)
    {
      test_world_send (world, 0, test_world_message (AGENT_CHANNEL_DATA, "x", "t", 2));
      test_world_turn (world);
    }
  g_assert_cmpuint (test_recorder_count (first), ==, 1);
}

static void
presence_wait_for (TestWorld     *world,
                   AgentRegistry *registry,
                   const char    *name)
{
  const char *const names[] = { name, NULL };
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_registry_wait_for_async (registry, names, 0, NULL, test_keep_result, &result);
  test_wait_result (world->fixture, &result);
  g_assert_true (agent_registry_wait_for_finish (registry, result, &error));
  g_assert_no_error (error);
}

/* A registry lists the agents of all nodes, and says where they are. */
static void
test_registry (TestWorld *world)
{
  g_autoptr (AgentRegistry) registry = agent_registry_new (world->nodes[0].bus);
  g_autoptr (AgentActor) w = agent_actor_new ("w");
  AgentPeer *peer;

  test_world_join (world, 1, w);
  presence_wait_for (world, registry, "w");
  peer = agent_registry_lookup (registry, "w");
  g_assert_cmpstr (agent_peer_get_name (peer), ==, "w");
  g_assert_cmpstr (agent_peer_get_node (peer), ==, test_world_is_connected (world) ? "b" : NULL);
  g_assert_cmpint (agent_peer_get_state (peer), ==, AGENT_ACTOR_STATE_READY);

  agent_bus_unsubscribe (world->nodes[1].bus, "w");
  test_world_wait (world, agent_registry_lookup (registry, "w") == NULL);
}

const TestWorldCase test_presence_cases[] = {
  { "presence/watch", 2, test_watch },
  { "presence/list", 3, test_list },
  { "presence/odd-names", 2, test_odd_names },
  { "presence/churn", 2, test_churn },
  { "presence/move", 3, test_move },
  { "presence/conflict", 2, test_conflict },
  { "presence/registry", 2, test_registry },
  { NULL },
};
