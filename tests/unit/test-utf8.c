/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <agentbus/agentbus.h>

#include "base/agent-utf8-private.h"
#include "message/agent-message-private.h"

#include <string.h>

#define BAD "k\xff"

#define assert_critical(text, statement)                            \
  G_STMT_START                                                      \
  {                                                                 \
    g_test_expect_message ("AgentBus", G_LOG_LEVEL_CRITICAL, text); \
    statement;                                                      \
    g_test_assert_expected_messages ();                             \
  }                                                                 \
  G_STMT_END

#define assert_refused(message) assert_critical ("*valid UTF-8*", g_assert_null (message))

static void
assert_as_glib (const char *string,
                gsize       length)
{
  g_autofree char *copy = g_memdup2 (string, length); /* for a tool that sees a step too far */

  g_assert_cmpint (_agent_utf8_is_valid (copy, length), ==, g_utf8_validate_len (string, length, NULL));
}

/* Each place of one bad byte, one character, and half of one, in each length. */
static void
test_places (void)
{
  char string[40];

  for (gsize length = 0; length < sizeof string; length++)
    {
      memset (string, 'a', sizeof string);
      assert_as_glib (string, length);
      g_assert_true (_agent_utf8_is_ascii (_agent_utf8_get_bits (string, length)));
      for (gsize at = 0; at < length; at++)
        {
          memset (string, 'a', sizeof string);
          string[at] = '\xff';
          assert_as_glib (string, length);
          g_assert_false (_agent_utf8_is_ascii (_agent_utf8_get_bits (string, length)));
          string[at] = '\xc3';
          assert_as_glib (string, length);
          string[at + 1 < length ? at + 1 : at] = '\xa9';
          assert_as_glib (string, length);
        }
    }
}

static void
test_kinds (void)
{
  static const char *strings[] = {
    "é€😀",
    "\xed\xa0\x80",
    "\xc0\xaf",
    "\xf5\x80\x80\x80",
    "\xe2\x82",
    "\x80",
    "\xf4\x8f\xbf\xbf",
    "größter Fehler",
  };

  for (guint i = 0; i < G_N_ELEMENTS (strings); i++)
    assert_as_glib (strings[i], strlen (strings[i]));
}

static void
test_messages (void)
{
  g_autoptr (AgentFrame) frame = agent_frame_new ("text", NULL, NULL);
  g_autoptr (GPtrArray) infos = g_ptr_array_new ();
  GVariant *payload = g_variant_new_string ("x");

  assert_refused (agent_message_new_cancel (BAD, "b", NULL));
  assert_refused (agent_message_new_cancel ("a", BAD, NULL));
  assert_refused (agent_message_new_cancel ("a", "b", BAD));
  assert_refused (agent_message_new_end ("a", "b", BAD));
  assert_refused (agent_message_new_agent_error ("a", "b", BAD));
  assert_refused (agent_message_new_task_cancel ("a", "b", "t", BAD));
  assert_refused (agent_message_new_task_request ("a", "b", BAD, "sum", NULL));
  assert_refused (agent_message_new_task_request ("a", "b", "t", BAD, NULL));
  assert_refused (agent_message_new_task_update ("a", "b", BAD, g_variant_ref_sink (payload)));
  assert_refused (agent_message_new_custom (BAD, AGENT_CHANNEL_DATA, "a", "b", payload));
  assert_refused (agent_message_new_routed (AGENT_MESSAGE_TYPE_SHUTDOWN, "a", BAD, NULL));
  assert_refused (agent_message_new_frame (BAD, "b", frame, AGENT_FRAME_DIRECTION_DOWNSTREAM));
  assert_refused (agent_message_new_agent_registry ("a", "b", BAD, infos));
  assert_refused (agent_message_new_activate ("a long name that ends in " BAD, "b", NULL));
  g_variant_unref (payload);
}

static void
count_free (gpointer data)
{
  ++*(gint *) data;
}

/* Nobody has what was to go into a message that was refused. */
static void
test_refused_leaves_nothing (void)
{
  gint      n_freed = 0;
  GVariant *payload =
      g_variant_new_from_data (G_VARIANT_TYPE_BYTE, "x", 1, TRUE, count_free, &n_freed);
  g_autoptr (GBytes) data = g_bytes_new_with_free_func ("x", 1, count_free, &n_freed);
  g_autoptr (AgentFrame) frame = agent_frame_new ("text", data, NULL);

  assert_refused (agent_message_new_task_update (BAD, "b", "t", payload));
  g_assert_cmpint (n_freed, ==, 1);

  assert_refused (agent_message_new_frame (BAD, "b", frame, AGENT_FRAME_DIRECTION_DOWNSTREAM));
  g_clear_pointer (&frame, agent_frame_unref);
  g_clear_pointer (&data, g_bytes_unref);
  g_assert_cmpint (n_freed, ==, 2);
}

static void
test_what_messages_carry (void)
{
  g_autoptr (AgentMessage) message = agent_message_new_cancel ("ä", "ö", "ü");

  agent_message_set_trace (message, "ß");
  assert_critical ("*trace*", agent_message_set_trace (message, BAD));
  g_assert_cmpstr (agent_message_get_trace (message), ==, "ß");
  g_assert_cmpstr (agent_message_get_reason (message), ==, "ü");

  assert_critical ("*kind*", g_assert_null (agent_frame_new (BAD, NULL, NULL)));
  assert_critical ("*name*", g_assert_null (agent_info_new (BAD, "r", "p", TRUE, FALSE, 0)));
  assert_critical ("*runner*", g_assert_null (agent_info_new ("n", BAD, "p", TRUE, FALSE, 0)));
  assert_critical ("*parent*", g_assert_null (agent_info_new ("n", "r", BAD, TRUE, FALSE, 0)));
}

/* A binding makes a subscriber by its properties. */
static void
test_subscribers (void)
{
  g_autoptr (AgentBus) bus = agent_bus_new ();
  g_autoptr (AgentSubscriber) subscriber = NULL;
  g_autoptr (GError) error = NULL;

  assert_critical ("*name*", g_assert_null (agent_subscriber_new (BAD)));
  assert_critical ("*name*", subscriber = g_object_new (AGENT_TYPE_SUBSCRIBER, "name", BAD, NULL));
  g_assert_null (agent_subscriber_get_name (subscriber));
  assert_critical ("*name*", g_assert_false (agent_bus_subscribe (bus, subscriber, &error)));
  g_assert_no_error (error);

  g_assert_null (agent_bus_lookup (bus, BAD));
  agent_bus_unsubscribe (bus, BAD);
}

static void
test_routes (void)
{
  g_autoptr (AgentRouteTable) table = agent_route_table_new ();

  assert_critical ("*actor*", agent_route_table_assign (table, BAD, "r"));
  assert_critical ("*router*", agent_route_table_assign (table, "a", BAD));
  assert_critical ("*actor*", agent_route_table_unassign (table, BAD));
  assert_critical ("*actor*", g_assert_false (agent_route_table_remove (table, BAD)));
  assert_critical ("*from_router*", g_assert_cmpuint (agent_route_table_move_all (table, BAD, "r"), ==, 0));
  assert_critical ("*to_router*", g_assert_cmpuint (agent_route_table_move_all (table, "r", BAD), ==, 0));
  g_assert_cmpuint (agent_route_table_get_n_actors (table), ==, 0);
  g_assert_false (agent_route_table_contains (table, BAD));
  g_assert_null (agent_route_table_lookup (table, BAD));
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/agentbus/utf8/places", test_places);
  g_test_add_func ("/agentbus/utf8/kinds", test_kinds);
  g_test_add_func ("/agentbus/utf8/messages", test_messages);
  g_test_add_func ("/agentbus/utf8/refused-leaves-nothing", test_refused_leaves_nothing);
  g_test_add_func ("/agentbus/utf8/what-messages-carry", test_what_messages_carry);
  g_test_add_func ("/agentbus/utf8/subscribers", test_subscribers);
  g_test_add_func ("/agentbus/utf8/routes", test_routes);

  return g_test_run ();
}
