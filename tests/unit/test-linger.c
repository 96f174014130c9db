/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "link/agent-linger-private.h"
#include "test-support.h"

/*
 * How long the thread of a link stays awake for an answer.
 */

/* Longer than it stays awake. */
#define LONG 1000 /* µs */

/* How many of @n messages that nobody answers it stays awake for. */
static guint
count_in_vain (AgentLinger *linger,
               guint        n)
{
  guint n_awake = 0;

  for (guint i = 0; i < n; i++)
    {
      _agent_linger_begin (linger, 1);
      if (!_agent_linger_is_on (linger))
        continue;

      n_awake++;
      g_assert_true (_agent_linger_is_over (linger, 1 + LONG));
      g_assert_false (_agent_linger_is_on (linger));
    }

  return n_awake;
}

static void
answer (AgentLinger *linger,
        guint        n)
{
  for (guint i = 0; i < n; i++)
    {
      _agent_linger_begin (linger, 1);
      g_assert_true (_agent_linger_is_on (linger));
      g_assert_false (_agent_linger_is_over (linger, 2));
      _agent_linger_answered (linger);
      g_assert_false (_agent_linger_is_on (linger));
    }
}

/* Where nobody answers, it stays awake for one message of many. */
static void
test_in_vain (void)
{
  AgentLinger linger = { 0 };

  g_assert_cmpuint (count_in_vain (&linger, 330), ==, 10);
}

static void
test_answered (void)
{
  AgentLinger linger = { 0 };

  answer (&linger, 1000);

  /* A few that are not answered do not end it. */
  g_assert_cmpuint (count_in_vain (&linger, 5), ==, 5);
  answer (&linger, 10);

  /* It forgets how good it was. */
  g_assert_cmpuint (count_in_vain (&linger, 100), <, 10);
}

/* A message that is no answer changes nothing. */
static void
test_unasked (void)
{
  AgentLinger linger = { 0 };

  for (guint i = 0; i < 100; i++)
    _agent_linger_answered (&linger);
  g_assert_cmpuint (count_in_vain (&linger, 33), ==, 1);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

  g_test_add_func ("/agentbus/linger/in-vain", test_in_vain);
  g_test_add_func ("/agentbus/linger/answered", test_answered);
  g_test_add_func ("/agentbus/linger/unasked", test_unasked);

  return g_test_run ();
}
