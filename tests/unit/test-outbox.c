/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "link/agent-outbox-private.h"
#include "test-support.h"

/*
 * The control packets for one node: which one is sent next, and what becomes of them.
 */

static void
add (AgentOutbox *outbox,
     guint64      number)
{
  _agent_outbox_add (outbox, number, 1, g_bytes_new_static ("12345678", 8), 0);
}

/* The numbers of the packets that are sent now, as "1 2 ". */
static void
assert_sent (AgentOutbox *outbox,
             const char  *expected)
{
  g_autoptr (GString) text = g_string_new (NULL);
  const AgentOutboxPacket *packet;

  while ((packet = _agent_outbox_send_next (outbox)) != NULL)
    g_string_append_printf (text, "%" G_GUINT64_FORMAT " ", packet->number);
  g_assert_cmpstr (text->str, ==, expected);
}

static AgentOutbox
outbox_new (guint window,
            guint n)
{
  AgentOutbox self;

  _agent_outbox_init (&self, window, 0);
  for (guint i = 1; i <= n; i++)
    add (&self, i);
  return self;
}

static void
test_window (void)
{
  AgentOutbox outbox = outbox_new (2, 4);

  assert_sent (&outbox, "1 2 ");
  _agent_outbox_done (&outbox, 2, TRUE);
  assert_sent (&outbox, "3 ");
  g_assert_cmpuint (_agent_outbox_count (&outbox), ==, 3);
  g_assert_cmpuint (outbox.bytes, ==, 32);
  _agent_outbox_done (&outbox, 1, TRUE);
  g_assert_cmpuint (outbox.bytes, ==, 16);
  assert_sent (&outbox, "4 ");
  _agent_outbox_done (&outbox, 3, TRUE);
  _agent_outbox_done (&outbox, 4, TRUE);
  g_assert_true (_agent_outbox_is_empty (&outbox));
  g_assert_cmpuint (outbox.bytes, ==, 0);
  _agent_outbox_clear (&outbox);
}

/* After a failure nothing is sent until what has failed is sent again. What is not answered yet is not sent twice. */
static void
test_failure (void)
{
  AgentOutbox outbox = outbox_new (10, 4);

  assert_sent (&outbox, "1 2 3 4 ");
  _agent_outbox_done (&outbox, 3, TRUE);
  _agent_outbox_done (&outbox, 2, FALSE);
  add (&outbox, 5);
  assert_sent (&outbox, "");
  _agent_outbox_resend (&outbox);
  assert_sent (&outbox, "2 5 ");
  _agent_outbox_done (&outbox, 4, FALSE);
  _agent_outbox_done (&outbox, 1, FALSE);
  assert_sent (&outbox, "");
  _agent_outbox_resend (&outbox);
  assert_sent (&outbox, "1 4 ");
  _agent_outbox_clear (&outbox);
}

/* Packets of an older session take up the window until they are answered. */
static void
test_older (void)
{
  AgentOutbox outbox;

  _agent_outbox_init (&outbox, 3, 2);
  for (guint i = 1; i <= 4; i++)
    add (&outbox, i);
  assert_sent (&outbox, "1 ");
  _agent_outbox_older_done (&outbox);
  assert_sent (&outbox, "2 ");
  _agent_outbox_older_done (&outbox);
  _agent_outbox_older_done (&outbox);
  assert_sent (&outbox, "3 ");
  g_assert_cmpuint (_agent_outbox_count_on_way (&outbox), ==, 3);
  _agent_outbox_clear (&outbox);
}

/* Answers that come twice, or for packets that nobody knows, change nothing. */
static void
test_odd_answers (void)
{
  AgentOutbox outbox = outbox_new (10, 3);

  assert_sent (&outbox, "1 2 3 ");
  _agent_outbox_done (&outbox, 7, FALSE);
  _agent_outbox_done (&outbox, 0, FALSE);
  _agent_outbox_done (&outbox, 2, TRUE);
  _agent_outbox_done (&outbox, 2, FALSE);
  _agent_outbox_done (&outbox, 1, TRUE);
  _agent_outbox_done (&outbox, 1, FALSE);
  add (&outbox, 4);
  assert_sent (&outbox, "4 ");
  g_assert_cmpuint (_agent_outbox_count (&outbox), ==, 2);
  _agent_outbox_clear (&outbox);
}

/* Any order of sending, answers and failures: each packet is taken in the end, and the window is kept. */
static void
test_random (void)
{
  for (guint32 seed = 1; seed <= 200; seed++)
    {
      g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
      AgentOutbox outbox = outbox_new (5, 0);
      g_autoptr (GArray) on_way = g_array_new (FALSE, FALSE, sizeof (guint64));
      guint64 n_added = 0;

      while (n_added < 50 || !_agent_outbox_is_empty (&outbox))
        {
          const AgentOutboxPacket *packet;

          if (n_added < 50 && g_rand_boolean (rand))
            add (&outbox, ++n_added);
          while ((packet = _agent_outbox_send_next (&outbox)) != NULL)
            g_array_append_val (on_way, packet->number);
          g_assert_cmpuint (on_way->len, <=, 5);
          g_assert_cmpuint (outbox.n_on_way, ==, on_way->len);
          if (on_way->len > 0)
            {
              guint i = (guint) g_rand_int_range (rand, 0, (gint32) on_way->len);

              _agent_outbox_done (&outbox, g_array_index (on_way, guint64, i), g_rand_int_range (rand, 0, 4) > 0);
              g_array_remove_index (on_way, i);
            }
          if (outbox.failed && g_rand_int_range (rand, 0, 3) == 0)
            _agent_outbox_resend (&outbox);
        }
      g_assert_cmpuint (outbox.bytes, ==, 0);
      _agent_outbox_clear (&outbox);
    }
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add_func ("/agentbus/outbox/window", test_window);
  test_add_func ("/agentbus/outbox/failure", test_failure);
  test_add_func ("/agentbus/outbox/older", test_older);
  test_add_func ("/agentbus/outbox/odd-answers", test_odd_answers);
  test_add_func ("/agentbus/outbox/random", test_random);

  return g_test_run ();
}
