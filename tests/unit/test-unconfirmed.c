/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "link/agent-unconfirmed-private.h"
#include "test-support.h"

/*
 * The messages that another node is not known to have.
 */

/* Messages that follow each other take no more memory than one, and each is counted. */
static void
test_one_run (void)
{
  AgentUnconfirmed self;

  _agent_unconfirmed_init (&self);
  for (guint64 i = 1; i <= 10 * AGENT_UNCONFIRMED_MAX_RUNS; i++)
    _agent_unconfirmed_add (&self, i);
  g_assert_cmpuint (self.runs.length, ==, 1);
  _agent_unconfirmed_confirm (&self, 4);
  g_assert_cmpuint (_agent_unconfirmed_count (&self), ==, 10 * AGENT_UNCONFIRMED_MAX_RUNS - 3);
  _agent_unconfirmed_clear (&self);
}

static void
test_full (void)
{
  AgentUnconfirmed self;

  _agent_unconfirmed_init (&self);
  for (guint64 i = 1; i <= AGENT_UNCONFIRMED_MAX_RUNS; i++)
    {
      g_assert_false (_agent_unconfirmed_is_full (&self));
      g_assert_true (_agent_unconfirmed_add (&self, 2 * i));
    }
  g_assert_true (_agent_unconfirmed_is_full (&self));
  _agent_unconfirmed_confirm (&self, 3);
  g_assert_false (_agent_unconfirmed_is_full (&self));
  g_assert_cmpuint (_agent_unconfirmed_count (&self), ==, AGENT_UNCONFIRMED_MAX_RUNS - 1);
  _agent_unconfirmed_clear (&self);
}

/* Whatever is added and confirmed, the number is that of a plain list. */
static void
test_random (void)
{
  for (guint32 seed = 1; seed <= 100; seed++)
    {
      g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
      AgentUnconfirmed self;
      gboolean         has_message[200] = { FALSE };
      guint            confirmed = 0;

      _agent_unconfirmed_init (&self);
      for (guint number = 0; number < G_N_ELEMENTS (has_message); number++)
        {
          guint n = 0;

          has_message[number] = g_rand_int_range (rand, 0, 3) > 0;
          if (has_message[number])
            _agent_unconfirmed_add (&self, number);
          if (g_rand_int_range (rand, 0, 10) == 0)
            confirmed = (guint) g_rand_int_range (rand, (gint32) confirmed, (gint32) number + 2);
          _agent_unconfirmed_confirm (&self, confirmed);
          for (guint i = confirmed; i <= number; i++)
            n += has_message[i];
          g_assert_cmpuint (_agent_unconfirmed_count (&self), ==, n);
        }
      _agent_unconfirmed_clear (&self);
    }
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add_func ("/agentbus/unconfirmed/one-run", test_one_run);
  test_add_func ("/agentbus/unconfirmed/full", test_full);
  test_add_func ("/agentbus/unconfirmed/random", test_random);

  return g_test_run ();
}
