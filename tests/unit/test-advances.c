/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "link/agent-advances-private.h"
#include "test-tools.h"

/*
 * What other nodes are told of conversations, and what they have told.
 */

static void
on_advance (gpointer    data,
            const char *id,
            guint64     epoch)
{
  g_string_append_printf (data, "%s%s/%" G_GUINT64_FORMAT, ((GString *) data)->len > 0 ? " " : "", id, epoch);
}

static void
advance (const char *id)
{
  g_autoptr (AgentConversation) conversation = agent_conversation_new (id);

  agent_conversation_advance (conversation);
}

static guint64
get_epoch (const char *id)
{
  g_autoptr (AgentConversation) conversation = agent_conversation_new (id);

  return agent_conversation_get_epoch (conversation);
}

/* Who interrupts need not keep the conversation: each interruption counts. */
static void
test_kept (TestFixture *f)
{
  g_autoptr (GString) told = g_string_new (NULL);
  AgentAdvances *advances = _agent_advances_new (f->context, on_advance, told);

  for (guint i = 0; i < 3; i++)
    {
      advance ("talk");
      test_drain (f);
    }
  g_assert_cmpstr (told->str, ==, "talk/1 talk/2 talk/3");

  _agent_advances_free (advances);
  g_assert_cmpuint (get_epoch ("talk"), ==, 0);
}

/* A node that is behind is told where the conversation is, once, however often it says what it knows. */
static void
test_behind (TestFixture *f)
{
  g_autoptr (GString) told = g_string_new (NULL);
  AgentAdvances *advances = _agent_advances_new (f->context, on_advance, told);

  _agent_advances_hear (advances, "talk", 3);
  g_assert_cmpuint (get_epoch ("talk"), ==, 3);
  _agent_advances_hear (advances, "talk", 3);
  g_assert_cmpstr (told->str, ==, "");
  for (guint i = 0; i < 100; i++)
    _agent_advances_hear (advances, "talk", 1);
  test_drain (f);
  g_assert_cmpstr (told->str, ==, "talk/3");

  _agent_advances_free (advances);
}

/* Conversations that nobody here has are forgotten when there are too many of them, or their ids are too long. */
static void
test_bounds (TestFixture *f)
{
  g_autoptr (GString) told = g_string_new (NULL);
  AgentAdvances   *advances = _agent_advances_new (f->context, on_advance, told);
  g_autofree char *long_id = g_strnfill (1024 * 1024, 'n');

  _agent_advances_hear (advances, "first", 3);
  for (guint i = 0; i < 999; i++)
    {
      g_autofree char *id = g_strdup_printf ("%u", i);

      _agent_advances_hear (advances, id, 1);
    }
  g_assert_cmpuint (get_epoch ("first"), ==, 3);
  _agent_advances_hear (advances, "last", 1);
  g_assert_cmpuint (get_epoch ("first"), ==, 0);

  for (guint i = 0; i < 3; i++)
    {
      long_id[0] = (char) ('a' + i);
      _agent_advances_hear (advances, long_id, 1);
    }
  g_assert_cmpuint (get_epoch ("last"), ==, 1);
  long_id[0] = 'z';
  _agent_advances_hear (advances, long_id, 1);
  g_assert_cmpuint (get_epoch ("last"), ==, 0);
  g_assert_cmpuint (get_epoch (long_id), ==, 1);

  _agent_advances_free (advances);
}

/* So is one that comes later. */
static void
test_list (TestFixture *f)
{
  g_autoptr (GString) told = g_string_new (NULL);
  g_autoptr (GString) listed = g_string_new (NULL);
  AgentAdvances *advances = _agent_advances_new (f->context, on_advance, told);

  _agent_advances_hear (advances, "talk", 3);
  advance ("song");
  test_drain (f);
  _agent_advances_list (advances, on_advance, listed);
  g_assert_cmpstr (listed->str, ==, "talk/3 song/1");

  _agent_advances_free (advances);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add ("/agentbus/advances/kept", test_kept);
  test_add ("/agentbus/advances/behind", test_behind);
  test_add ("/agentbus/advances/bounds", test_bounds);
  test_add ("/agentbus/advances/list", test_list);

  return g_test_run ();
}
