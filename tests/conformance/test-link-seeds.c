/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-actors.h"
#include "test-hub.h"
#include "test-world.h"

/*
 * Two nodes on an engine that loses, repeats and turns round packets, blocks, and cannot be reached now and then, all from a seed. As
 * long as none of the nodes gives the other one up, control is exact, and each data message is delivered or counted. Each request
 * has one answer in any case.
 *
 * AGENTBUS_SEEDS says how many seeds are tried, and AGENTBUS_SEED which one is the first.
 */

#define N_ROUNDS 100

/* A way from one node to the other one. */
typedef struct
{
  TestRecorder *from;
  TestRecorder *to;
  guint         node; /* of @from */
  guint         n_sent[2];
} Way;

typedef struct
{
  TestWorld  *world;
  TestHub    *hub;
  GRand      *rand;
  Way         ways[2];
  AgentActor *boss;   /* at node "a" */
  AgentActor *worker; /* at node "b" */
  GPtrArray  *jobs;
  GPtrArray  *tasks;
  guint       n_finished;
  guint       n_answered; /* how many of @jobs */
} Storm;

static void
storm_set_faults (Storm *self)
{
  for (AgentTraffic traffic = AGENT_TRAFFIC_DATA; traffic <= AGENT_TRAFFIC_CONTROL; traffic++)
    {
      const TestFaults faults = {
        .lose = (guint) g_rand_int_range (self->rand, 0, 200),
        .duplicate = (guint) g_rand_int_range (self->rand, 0, 200),
        .reorder = (guint) g_rand_int_range (self->rand, 0, 200),
      };

      test_hub_set_faults (self->hub, traffic, &faults);
    }
}

static void
storm_init_way (Storm      *self,
                Way        *way,
                guint       node,
                const char *from,
                const char *to)
{
  way->node = node;
  way->from = test_world_add (self->world, node, from);
  way->to = test_world_add (self->world, 1 - node, to);
}

static void
storm_init (Storm       *self,
            TestFixture *f,
            guint32      seed)
{
  *self = (Storm){ .world = test_world_new (f, &test_engine_hub, 2), .rand = g_rand_new_with_seed (seed) };
  self->hub = self->world->of_engine;
  storm_init_way (self, &self->ways[0], 0, "a-from", "b-to");
  storm_init_way (self, &self->ways[1], 1, "b-from", "a-to");
  self->boss = agent_actor_new ("boss");
  self->worker = agent_actor_new ("worker");
  self->jobs = test_jobs_new (self->worker);
  self->tasks = g_ptr_array_new_with_free_func (g_object_unref);
  agent_actor_set_max_jobs (self->worker, N_ROUNDS);
  test_world_join (self->world, 0, self->boss);
  test_world_join (self->world, 1, self->worker);
}

static void
storm_clear (Storm *self)
{
  test_jobs_free (self->worker, self->jobs);
  g_ptr_array_unref (self->tasks);
  test_world_free (self->world);
  for (guint i = 0; i < 2; i++)
    {
      g_object_unref (self->ways[i].from);
      g_object_unref (self->ways[i].to);
    }
  g_object_unref (self->boss);
  g_object_unref (self->worker);
  g_rand_free (self->rand);
}

static void
way_send (Way         *self,
          TestWorld   *world,
          AgentChannel channel)
{
  const char *source = agent_subscriber_get_name (AGENT_SUBSCRIBER (self->from));
  const char *target = agent_subscriber_get_name (AGENT_SUBSCRIBER (self->to));

  test_world_send (world, self->node, test_world_message (channel, source, target, self->n_sent[channel]++));
}

static void
storm_on_finished (AgentTask *task,
                   gpointer   user_data)
{
  ((Storm *) user_data)->n_finished++;
}

static void
storm_request (Storm *self)
{
  AgentTask *task = agent_actor_request (self->boss, "worker", NULL, NULL);

  g_signal_connect (task, "finished", G_CALLBACK (storm_on_finished), self);
  g_ptr_array_add (self->tasks, task);
  if (g_rand_int_range (self->rand, 0, 10) == 0)
    agent_task_cancel (task, NULL);
}

static void
storm_answer (Storm *self)
{
  while (self->n_answered < self->jobs->len)
    agent_job_complete (self->jobs->pdata[self->n_answered++], NULL);
}

/* Something happens to a node, and is over after a turn. */
static void
storm_strike (Storm *self)
{
  const char *node = g_rand_boolean (self->rand) ? "a" : "b";
  gint32      what = g_rand_int_range (self->rand, 0, 30);

  if (what == 0)
    test_hub_cut (self->hub, node, TRUE);
  else if (what == 1)
    test_hub_block (self->hub, node, TRUE);
  else if (what == 2)
    test_hub_freeze (self->hub, node, TRUE);
  test_world_turn (self->world);
  if (what == 0)
    test_hub_cut (self->hub, node, FALSE);
  else if (what == 1)
    test_hub_block (self->hub, node, FALSE);
  else if (what == 2)
    test_hub_freeze (self->hub, node, FALSE);
}

static void
storm_rage (Storm *self)
{
  for (guint i = 0; i < N_ROUNDS; i++)
    {
      for (guint w = 0; w < 2; w++)
        {
          for (gint32 n = g_rand_int_range (self->rand, 0, 4); n > 0; n--)
            way_send (&self->ways[w], self->world, g_rand_boolean (self->rand) ? AGENT_CHANNEL_DATA : AGENT_CHANNEL_SYSTEM);
        }
      if (g_rand_int_range (self->rand, 0, 4) == 0)
        storm_request (self);
      storm_strike (self);
      storm_answer (self);
    }
}

/* --- What is left --- */

/* What has come on @channel is in order and without repetition. Returns how many messages that are. */
static guint
way_check (Way         *self,
           AgentChannel channel,
           gboolean     exact)
{
  guint n = 0;
  guint next = 0;

  for (guint i = 0; i < self->to->messages->len; i++)
    {
      AgentMessage *message = self->to->messages->pdata[i];
      guint         number;

      if (agent_message_get_channel (message) != channel || !g_str_equal (agent_message_get_name (message), "number"))
        continue;

      number = test_world_number (message);
      if (exact)
        g_assert_cmpuint (number, ==, next);
      g_assert_cmpuint (number, >=, next);
      next = number + 1;
      n++;
    }

  return n;
}

static gboolean
storm_has_broken_off (Storm *self)
{
  return strchr (self->world->nodes[0].events->str, '-') != NULL ||
         strchr (self->world->nodes[1].events->str, '-') != NULL;
}

static gboolean
way_is_complete (Way       *self,
                 TestWorld *world)
{
  guint64 n_lost = test_world_figure (world, 1 - self->node, "data-lost");

  return way_check (self, AGENT_CHANNEL_SYSTEM, TRUE) == self->n_sent[AGENT_CHANNEL_SYSTEM] &&
         way_check (self, AGENT_CHANNEL_DATA, FALSE) + n_lost == self->n_sent[AGENT_CHANNEL_DATA];
}

static void
storm_calm_down (Storm *self)
{
  for (AgentTraffic traffic = AGENT_TRAFFIC_DATA; traffic <= AGENT_TRAFFIC_CONTROL; traffic++)
    test_hub_set_faults (self->hub, traffic, &(const TestFaults){ .lose = 0 });
  while (self->n_finished < self->tasks->len)
    {
      storm_answer (self);
      test_world_turn (self->world);
    }
  g_assert_cmpuint (self->n_finished, ==, self->tasks->len);

  for (guint w = 0; w < 2; w++)
    {
      test_world_wait (self->world, storm_has_broken_off (self) || way_is_complete (&self->ways[w], self->world));
      way_check (&self->ways[w], AGENT_CHANNEL_SYSTEM, !storm_has_broken_off (self));
    }
}

static void
test_seeds (TestFixture *f)
{
  const char *n_text = g_getenv ("AGENTBUS_SEEDS");
  const char *first_text = g_getenv ("AGENTBUS_SEED");
  guint       n = n_text != NULL ? (guint) atoi (n_text) : 20;
  guint       first = first_text != NULL ? (guint) atoi (first_text) : 1;
  guint       n_broken_off = 0;

  for (guint seed = first; seed < first + n; seed++)
    {
      Storm storm;

      g_test_message ("seed %u", seed);
      storm_init (&storm, f, seed);
      storm_set_faults (&storm);
      storm_rage (&storm);
      storm_calm_down (&storm);
      n_broken_off += storm_has_broken_off (&storm);
      storm_clear (&storm);
    }
  g_test_message ("%u of %u sessions were broken off", n_broken_off, n);
}

int
main (int    argc,
      char **argv)
{
  test_init_slow (&argc, &argv);
  test_actors_init ();

  test_add ("/agentbus/link-seeds/storm", test_seeds);

  return g_test_run ();
}
