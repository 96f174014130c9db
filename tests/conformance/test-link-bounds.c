/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "link/agent-unconfirmed-private.h"
#include "test-actors.h"
#include "test-stranger.h"

/*
 * What a node keeps for another one has a bound, also if the other one is lazy or tells too much.
 */

static void
stranger_is_sent (TestStranger *self,
                  guint         number)
{
  test_world_send (self->world, 0, test_world_message (AGENT_CHANNEL_SYSTEM, "x", "s", number));
}

/* It takes control and never says so. Each message comes after news of a name, so that no two of them are one run. */
static void
lazy_take (TestStranger *self,
           guint         n)
{
  AgentBus *bus = self->world->nodes[0].bus;

  for (guint i = 0; i < n; i++)
    {
      if (i % 2 == 0)
        g_object_unref (test_world_add (self->world, 0, "t"));
      else
        agent_bus_unsubscribe (bus, "t");
      stranger_is_sent (self, i);
      test_world_wait (self->world, self->n_messages == i + 1);
    }
}

static void
test_lazy (TestFixture *f)
{
  TestStranger *self = test_stranger_new (f);
  guint         n_questions;

  lazy_take (self, AGENT_UNCONFIRMED_MAX_RUNS);
  for (guint i = 0; i < 5; i++)
    stranger_is_sent (self, i);
  n_questions = self->n_questions;
  test_world_wait (self->world, self->n_questions >= n_questions + 3);
  g_assert_cmpuint (self->n_messages, ==, AGENT_UNCONFIRMED_MAX_RUNS);

  test_stranger_confirm (self);
  test_world_wait (self->world, self->n_messages == AGENT_UNCONFIRMED_MAX_RUNS + 5);
  test_stranger_say (self, AGENT_RECORD_GOODBYE, g_variant_new ("(s)", "done"));
  test_world_wait (self->world, self->world->nodes[0].lost[AGENT_TRAFFIC_CONTROL] == 5);
  test_stranger_free (self);
}

int
main (int    argc,
      char **argv)
{
  test_init_slow (&argc, &argv);
  test_actors_init ();

  test_add ("/agentbus/link-bounds/lazy", test_lazy);

  return g_test_run ();
}
