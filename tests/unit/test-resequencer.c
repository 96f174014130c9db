/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "link/agent-resequencer-private.h"
#include "test-support.h"

/*
 * Control packets of one node, in whichever order they come.
 */

static AgentSequence
put (AgentResequencer *self,
     guint64           number,
     guint             n_records)
{
  g_autoptr (GBytes) packet = g_bytes_new (&number, sizeof number);

  return _agent_resequencer_put (self, number, n_records, packet, 7);
}

/* The number of the packet that is taken, or 0. */
static guint64
take (AgentResequencer *self)
{
  gint64 came_at = 7;
  g_autoptr (GBytes) packet = _agent_resequencer_take (self, 9, &came_at);

  g_assert_cmpint (came_at, ==, 7);
  return packet != NULL ? *(const guint64 *) g_bytes_get_data (packet, NULL) : 0;
}

static void
test_order (void)
{
  AgentResequencer self;

  _agent_resequencer_init (&self);
  g_assert_cmpint (put (&self, 1, 2), ==, AGENT_SEQUENCE_NEXT);
  g_assert_cmpuint (take (&self), ==, 0);
  g_assert_cmpint (put (&self, 6, 1), ==, AGENT_SEQUENCE_HELD);
  g_assert_cmpint (self.since, ==, 7);
  g_assert_cmpint (put (&self, 4, 2), ==, AGENT_SEQUENCE_HELD);
  g_assert_cmpint (put (&self, 4, 2), ==, AGENT_SEQUENCE_DUPLICATE);
  g_assert_cmpint (put (&self, 1, 2), ==, AGENT_SEQUENCE_DUPLICATE);
  g_assert_cmpint (put (&self, 3, 1), ==, AGENT_SEQUENCE_NEXT);
  g_assert_cmpuint (take (&self), ==, 4);
  g_assert_cmpuint (take (&self), ==, 6);
  g_assert_cmpuint (take (&self), ==, 0);
  g_assert_cmpint (self.since, ==, 0);
  g_assert_cmpuint (self.bytes, ==, 0);
  g_assert_cmpuint (self.next, ==, 7);
  _agent_resequencer_clear (&self);
}

/* Packets that overlap, as no node sends them. */
static void
test_overlap (void)
{
  AgentResequencer self;

  _agent_resequencer_init (&self);
  g_assert_cmpint (put (&self, 3, 5), ==, AGENT_SEQUENCE_HELD);
  g_assert_cmpint (put (&self, 4, 1), ==, AGENT_SEQUENCE_HELD);
  g_assert_cmpint (put (&self, 8, 0), ==, AGENT_SEQUENCE_HELD);
  g_assert_cmpint (put (&self, 1, 2), ==, AGENT_SEQUENCE_NEXT);
  g_assert_cmpuint (take (&self), ==, 3);
  g_assert_cmpuint (take (&self), ==, 8);
  g_assert_cmpuint (take (&self), ==, 0);
  g_assert_cmpuint (self.bytes, ==, 0);
  _agent_resequencer_clear (&self);
}

static void
test_full (void)
{
  AgentResequencer self;

  _agent_resequencer_init (&self);
  for (guint64 i = 0; i < AGENT_RESEQUENCER_MAX_PACKETS; i++)
    g_assert_cmpint (put (&self, 2 + i, 1), ==, AGENT_SEQUENCE_HELD);
  g_assert_cmpint (put (&self, 2 + AGENT_RESEQUENCER_MAX_PACKETS, 1), ==, AGENT_SEQUENCE_FULL);
  g_assert_cmpint (put (&self, 1, 1), ==, AGENT_SEQUENCE_NEXT);
  g_assert_cmpuint (take (&self), ==, 2);
  _agent_resequencer_clear (&self);
}

/* Whatever the order and the repetitions, each packet is read once, in order. */
static void
test_random (void)
{
  for (guint32 seed = 1; seed <= 200; seed++)
    {
      g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
      AgentResequencer self;
      guint64          expected = 1;

      _agent_resequencer_init (&self);
      while (expected <= 60)
        {
          guint64 number = (guint64) g_rand_int_range (rand, 1, 61);

          if (put (&self, number, 1) != AGENT_SEQUENCE_NEXT)
            continue;
          g_assert_cmpuint (number, ==, expected++);
          while ((number = take (&self)) != 0)
            g_assert_cmpuint (number, ==, expected++);
        }
      g_assert_cmpuint (self.held.length, ==, 0);
      _agent_resequencer_clear (&self);
    }
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add_func ("/agentbus/resequencer/order", test_order);
  test_add_func ("/agentbus/resequencer/overlap", test_overlap);
  test_add_func ("/agentbus/resequencer/full", test_full);
  test_add_func ("/agentbus/resequencer/random", test_random);

  return g_test_run ();
}
