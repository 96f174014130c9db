/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-actors.h"
#include "test-world.h"

/*
 * Nodes of different versions: one speaks as a later version of the library would, and the others as this one does. What may be read
 * is read, and what may not is refused and told, with every engine.
 */

#define N_ROUNDS 8

static const TestEngine *const engines[] = {
  &test_engine_hub,
  &test_engine_dbus,
#ifdef WITH_NATS
  &test_engine_nats,
#endif
  NULL,
};

/* What is refused: the name of the message, and what is told of it. */
static const struct
{
  const char *name;
  const char *told;
} refusals[] = {
  { "later-major", "b: A message: Version 2 of the envelope is not known\n" },
  { "earlier-major", "b: A message: Version 0 of the envelope is not known\n" },
  { "later-extension", "b: A message: The envelope needs extension 128, which is not known\n" },
  { "later-field", "b: A message: " },
  { "later-type", "b: A message: The type of the message is not known\n" },
};

/* --- What each case does --- */

/* The node leaves, and comes again in another dialect. */
static void
versions_replace (TestWorld         *world,
                  guint              node,
                  const TestDialect *dialect)
{
  test_world_stop (world, node, AGENT_LEAVE_FLAGS_NONE);
  world->nodes[node].dialect = dialect;
  test_world_open (world, node);
}

static void
versions_send_named (TestWorld   *world,
                     AgentChannel channel,
                     const char  *name)
{
  test_world_send (world, 1, agent_message_new_custom (name, channel, "t", "x", g_variant_new_uint32 (0)));
}

/* The numbers from 0 to @n have come on @channel, in this order and nothing else. */
static gboolean
versions_are_complete (TestRecorder *recorder,
                       AgentChannel  channel,
                       guint         n)
{
  guint next = 0;

  for (guint i = 0; i < recorder->messages->len; i++)
    {
      AgentMessage *message = recorder->messages->pdata[i];

      if (agent_message_get_channel (message) == channel && agent_message_get_target (message) != NULL)
        g_assert_cmpuint (test_world_number (message), ==, next++);
    }

  g_assert_cmpuint (next, <=, n);
  return next == n;
}

/* Control and data go from @from to @to, which has got @n of each before. */
static void
versions_send (TestWorld    *world,
               guint         node,
               TestRecorder *from,
               TestRecorder *to,
               guint         n)
{
  const char *source = agent_subscriber_get_name (AGENT_SUBSCRIBER (from));
  const char *target = agent_subscriber_get_name (AGENT_SUBSCRIBER (to));

  test_world_send (world, node, test_world_message (AGENT_CHANNEL_SYSTEM, source, target, n));
  test_world_send (world, node, test_world_message (AGENT_CHANNEL_DATA, source, target, n));
}

static void
versions_wait (TestWorld    *world,
               TestRecorder *recorder,
               guint         n)
{
  test_world_wait (world, versions_are_complete (recorder, AGENT_CHANNEL_SYSTEM, n));
  test_world_wait (world, versions_are_complete (recorder, AGENT_CHANNEL_DATA, n));
}

static guint
versions_count_told (TestWorld  *world,
                     guint       node,
                     const char *text)
{
  guint n = 0;

  for (const char *at = strstr (world->nodes[node].refused->str, text); at != NULL; at = strstr (at + 1, text))
    n++;
  return n;
}

/* The worker answers a request of the boss. */
static void
versions_ask (TestWorld  *world,
              AgentActor *boss,
              AgentActor *worker,
              GPtrArray  *jobs)
{
  guint      n = jobs->len;
  AgentTask *task = agent_actor_request (boss, agent_subscriber_get_name (AGENT_SUBSCRIBER (worker)), "any", NULL);

  test_world_wait (world, jobs->len == n + 1);
  agent_job_complete (jobs->pdata[n], NULL);
  test_world_wait (world, agent_task_has_finished (task));
  test_task_assert_completed (world->fixture, task);
}

/* --- A later version with the same number of the packet --- */

/* What an older node does not know is left out, or refused and told; all that is around it comes, and goes the other way. */
static void
test_messages (TestFixture      *f,
               const TestEngine *engine)
{
  TestWorld *world = test_world_new (f, engine, 2);
  g_autoptr (TestRecorder) x = NULL;
  g_autoptr (TestRecorder) t = NULL;

  versions_replace (world, 1, &test_dialect_later);
  x = test_world_add (world, 0, "x");
  t = test_world_add (world, 1, "t");
  for (guint i = 0; i < N_ROUNDS; i++)
    {
      for (guint j = 0; j < G_N_ELEMENTS (refusals); j++)
        {
          versions_send_named (world, AGENT_CHANNEL_SYSTEM, refusals[j].name);
          versions_send_named (world, AGENT_CHANNEL_DATA, refusals[j].name);
        }
      versions_send_named (world, AGENT_CHANNEL_SYSTEM, "later-kind");
      versions_send_named (world, AGENT_CHANNEL_DATA, "later-kind");
      versions_send_named (world, AGENT_CHANNEL_SYSTEM, "later-interest");
      versions_send (world, 1, t, x, i);
      versions_send (world, 0, x, t, i);
    }

  versions_wait (world, x, N_ROUNDS);
  versions_wait (world, t, N_ROUNDS);
  for (guint j = 0; j < G_N_ELEMENTS (refusals); j++)
    test_world_wait (world, versions_count_told (world, 0, refusals[j].told) >= 2 * N_ROUNDS);
  g_assert_cmpuint (versions_count_told (world, 0, "\n"), ==, 2 * N_ROUNDS * G_N_ELEMENTS (refusals));
  g_assert_cmpuint (test_world_figure (world, 0, "refused"), ==, 2 * N_ROUNDS * G_N_ELEMENTS (refusals));
  g_assert_cmpstr (world->nodes[1].refused->str, ==, "");
  for (guint node = 0; node < 2; node++)
    {
      g_assert_cmpuint (test_world_figure (world, node, "data-lost"), ==, 0);
      g_assert_cmpuint (test_world_figure (world, node, "control-lost"), ==, 0);
    }
  g_assert_cmpstr (world->nodes[0].events->str, ==, "+b-b+b");
  test_world_free (world);
}

/* Requests are answered in both directions. */
static void
test_requests (TestFixture      *f,
               const TestEngine *engine)
{
  TestWorld *world = test_world_new (f, engine, 2);
  g_autoptr (AgentActor) here = agent_actor_new ("here");
  g_autoptr (AgentActor) there = agent_actor_new ("there");
  GPtrArray *jobs_here = test_jobs_new (here);
  GPtrArray *jobs_there = test_jobs_new (there);

  versions_replace (world, 1, &test_dialect_later);
  test_world_join (world, 0, here);
  test_world_join (world, 1, there);
  for (guint i = 0; i < N_ROUNDS; i++)
    {
      versions_ask (world, here, there, jobs_there);
      versions_ask (world, there, here, jobs_here);
    }
  g_assert_cmpstr (world->nodes[0].refused->str, ==, "");
  g_assert_cmpstr (world->nodes[1].refused->str, ==, "");
  test_jobs_free (here, jobs_here);
  test_jobs_free (there, jobs_there);
  test_world_free (world);
}

/* Who asks for what the other one cannot read does not hear of it. Others are answered, and in the end it is over, once. */
static void
test_unread_request (TestFixture      *f,
                     const TestEngine *engine)
{
  TestWorld  *world = test_world_new (f, engine, 2);
  AgentActor *here = agent_actor_new ("here");
  g_autoptr (AgentActor) there = agent_actor_new ("there");
  GPtrArray *jobs = test_jobs_new (here);
  AgentTask *unread;

  versions_replace (world, 1, &test_dialect_later);
  test_world_join (world, 0, here);
  test_world_join (world, 1, there);
  unread = agent_actor_request (there, "here", "later-major", NULL);
  versions_ask (world, there, here, jobs);
  test_world_wait (world, versions_count_told (world, 0, refusals[0].told) == 1);
  g_assert_cmpuint (jobs->len, ==, 1);
  g_assert_false (agent_task_has_finished (unread));

  test_jobs_free (here, jobs);
  test_world_stop (world, 0, AGENT_LEAVE_FLAGS_NONE);
  g_object_unref (here);
  test_world_wait (world, agent_task_has_finished (unread));
  test_task_assert_failed (f, unread, AGENT_BUS_ERROR_CLOSED);
  test_world_free (world);
}

/* --- Another number of the packet --- */

/* The two refuse each other and tell it, and know nothing of each other. */
static void
versions_assert_strangers (TestWorld *world,
                           guint      node)
{
  g_autofree char *told = g_strdup_printf ("%s: Version 2 of packets is not known\n", world->nodes[node].id);

  test_world_wait (world, versions_count_told (world, 0, told) > 0);
  test_world_wait (world, versions_count_told (world, node, "a: Version 2 of packets is not known\n") > 0);
  g_assert_null (strstr (world->nodes[node].events->str, "+a"));
}

/* Nodes are replaced one after the other. Those of one number go on with each other, and in the end all do. */
static void
test_packets (TestFixture      *f,
              const TestEngine *engine)
{
  TestWorld *world = test_world_new (f, engine, 3);
  g_autoptr (TestRecorder) x = test_world_add (world, 0, "x");
  g_autoptr (TestRecorder) y = test_world_add (world, 2, "y");
  g_autoptr (TestRecorder) t = test_recorder_new ("t", NULL, NULL);
  guint n = 0;

  g_string_truncate (world->nodes[1].events, 0);
  versions_replace (world, 1, &test_dialect_other_packet);
  g_assert_true (agent_bus_subscribe (world->nodes[1].bus, AGENT_SUBSCRIBER (t), NULL));
  g_string_truncate (world->nodes[1].events, 0);
  for (; n < N_ROUNDS; n++)
    {
      versions_send (world, 0, x, y, n);
      versions_send (world, 2, y, x, n);
    }
  versions_assert_strangers (world, 1);
  versions_wait (world, x, n);
  versions_wait (world, y, n);
  g_assert_false (test_world_has_name (world, 0, "t"));
  g_assert_false (test_world_has_name (world, 1, "x"));

  g_string_truncate (world->nodes[2].events, 0);
  g_clear_object (&y);
  versions_replace (world, 2, &test_dialect_other_packet);
  y = test_recorder_new ("y", NULL, NULL);
  g_assert_true (agent_bus_subscribe (world->nodes[2].bus, AGENT_SUBSCRIBER (y), NULL));
  test_world_wait (world, test_world_has_name (world, 2, "t") && test_world_has_name (world, 1, "y"));
  versions_send (world, 1, t, y, 0);
  versions_wait (world, y, 1);

  g_clear_object (&x);
  versions_replace (world, 0, &test_dialect_other_packet);
  x = test_world_add (world, 0, "x");
  test_world_wait_name (world, "t");
  versions_send (world, 1, t, x, 0);
  versions_wait (world, x, 1);
  test_world_free (world);
}

int
main (int    argc,
      char **argv)
{
  static const TestEngineCase cases[] = {
    { "messages", test_messages },
    { "requests", test_requests },
    { "unread-request", test_unread_request },
    { "packets", test_packets },
    { NULL },
  };

  test_init_slow (&argc, &argv);
  test_actors_init ();
  test_engines_add_cases ("link-versions", engines, cases);

  return g_test_run ();
}
