/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-cases.h"

/* Groups whose members are at several nodes. */

#define N_MESSAGES 300
#define N_MEMBERS 4

typedef struct
{
  TestWorld    *world;
  TestRecorder *x;                  /* at node 0 */
  TestRecorder *members[N_MEMBERS]; /* two at node 1, one at each other node */
} Group;

static void
group_init (Group     *self,
            TestWorld *world)
{
  static const char *const names[] = { "m0", "m1", "m2", "m3" };

  self->world = world;
  self->x = test_world_add (world, 0, "x");
  for (guint i = 0; i < N_MEMBERS; i++)
    {
      self->members[i] = test_recorder_new_full (NULL, NULL, "name", names[i], "group", "g", NULL);
      test_world_join (world, i == 3 ? 1 : i, self->members[i]);
    }
}

static void
group_clear (Group *self)
{
  g_object_unref (self->x);
  for (guint i = 0; i < N_MEMBERS; i++)
    g_clear_object (&self->members[i]);
}

static guint
group_count (Group *self)
{
  guint n = 0;

  for (guint i = 0; i < N_MEMBERS; i++)
    n += test_recorder_count (self->members[i]);
  return n;
}

/* Each number has come to one member. */
static void
group_assert_once (Group *self)
{
  guint seen[N_MESSAGES] = { 0 };

  for (guint i = 0; i < N_MEMBERS; i++)
    {
      for (guint j = 0; j < self->members[i]->messages->len; j++)
        seen[test_world_number (self->members[i]->messages->pdata[j])]++;
    }
  for (guint i = 0; i < N_MESSAGES; i++)
    g_assert_cmpuint (seen[i], ==, 1);
}

static void
group_send (Group   *self,
            gboolean reliable)
{
  for (guint i = 0; i < N_MESSAGES; i++)
    {
      AgentMessage *message = test_world_message (AGENT_CHANNEL_DATA, "x", "g", i);

      agent_message_set_reliable (message, reliable);
      g_assert_cmpuint (test_world_send (self->world, 0, message), ==, 1);
    }
}

static void
test_data_to_one (TestWorld *world)
{
  Group group;

  group_init (&group, world);
  group_send (&group, FALSE);
  test_world_wait (world, group_count (&group) == N_MESSAGES);
  group_assert_once (&group);
  group_clear (&group);
}

static void
test_control_to_one (TestWorld *world)
{
  Group group;

  group_init (&group, world);
  group_send (&group, TRUE);
  test_world_wait (world, group_count (&group) == N_MESSAGES);
  group_assert_once (&group);
  group_clear (&group);
}

/* All members of the group are told of a cancellation: nobody knows which of them has the request. */
static void
test_task_cancel (TestWorld *world)
{
  Group group;

  group_init (&group, world);
  test_world_send (world, 0, agent_message_new_task_cancel ("x", "g", "1", NULL));
  test_world_wait (world, group_count (&group) == N_MEMBERS);
  for (guint i = 0; i < N_MEMBERS; i++)
    g_assert_cmpuint (test_recorder_count (group.members[i]), ==, 1);
  group_clear (&group);
}

/* A system message comes to every member. */
static void
test_system_to_all (TestWorld *world)
{
  Group group;

  group_init (&group, world);
  g_assert_cmpuint (test_world_send (world, 0, test_world_message (AGENT_CHANNEL_SYSTEM, "x", "g", 1)), ==, N_MEMBERS);
  test_world_wait (world, group_count (&group) == N_MEMBERS);
  for (guint i = 0; i < N_MEMBERS; i++)
    g_assert_cmpuint (test_recorder_count (group.members[i]), ==, 1);
  group_clear (&group);
}

/* A member leaves while messages wait for it: others get them, or they are told to be lost. That happens between nodes, as no node
 * passes on what has come from another one. */
static void
test_leaver (TestWorld *world)
{
  Group group;

  group_init (&group, world);
  agent_subscriber_set_paused (AGENT_SUBSCRIBER (group.members[1]), TRUE);
  group_send (&group, TRUE);
  test_world_wait (world,
                   group_count (&group) + agent_subscriber_get_n_queued (AGENT_SUBSCRIBER (group.members[1])) ==
                       N_MESSAGES);
  g_assert_cmpuint (agent_subscriber_get_n_queued (AGENT_SUBSCRIBER (group.members[1])), >, 0);
  agent_bus_unsubscribe (world->nodes[1].bus, "m1");
  test_world_wait (world, group_count (&group) + world->nodes[1].lost[AGENT_TRAFFIC_CONTROL] == N_MESSAGES);
  if (!test_world_is_connected (world))
    group_assert_once (&group);
  group_clear (&group);
}

const TestWorldCase test_group_cases[] = {
  { "group/data", 3, test_data_to_one },
  { "group/control", 3, test_control_to_one },
  { "group/system", 3, test_system_to_all },
  { "group/task-cancel", 3, test_task_cancel },
  { "group/leaver", 3, test_leaver },
  { NULL },
};
