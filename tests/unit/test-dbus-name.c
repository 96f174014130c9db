/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <gio/gio.h>

#include "test-support.h"
#include "transport/agent-dbus-name-private.h"

/*
 * The names of nodes on a message bus: valid in D-Bus whatever the ids are, different for different ids, and readable back.
 */

static const char *const ids[] = {
  "a",
  "A",
  "-",
  "_",
  "_41",
  "_B",
  "_BQQ",
  "_HQQ",
  "0",
  "01234567-89ab-cdef-0123-456789abcdef",
  "a b",
  "a.b",
  ".",
  "..",
  "a\r\nb",
  "*",
  ">",
  "it's",
  "a/b",
  "😀",
  "\xc3\xa4\xc3\xb6\xc3\xbc",
  "\x01\x7f",
};

static char *
name_of_length (char  c,
                gsize length)
{
  char *text = g_malloc (length + 1);

  memset (text, c, length);
  text[length] = '\0';
  return text;
}

static void
name_check (const char *name_space,
            const char *id)
{
  g_autofree char *name = _agent_dbus_name_new (name_space, id);
  g_autofree char *back = _agent_dbus_name_dup_node (name_space, name);

  g_assert_true (g_dbus_is_name (name));
  g_assert_false (g_dbus_is_unique_name (name));
  g_assert_true (_agent_dbus_name_is_in (name_space, name));
  g_assert_cmpstr (back, ==, id);
}

/* All with all: of a bus and of a node. */
static void
test_ids (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (ids); i++)
    {
      g_autofree char *name_space = _agent_dbus_name_new_namespace (ids[i]);
      g_autofree char *path = _agent_dbus_name_new_path (ids[i]);

      g_assert_true (g_variant_is_object_path (path));
      for (guint j = 0; j < G_N_ELEMENTS (ids); j++)
        name_check (name_space, ids[j]);
    }
}

static void
test_lengths (void)
{
  const char chars[] = { 'a', ' ', '7', '_' };

  for (gsize length = 1; length <= 128; length++)
    {
      for (guint i = 0; i < G_N_ELEMENTS (chars); i++)
        {
          g_autofree char *id = name_of_length (chars[i], length);
          g_autofree char *name_space = _agent_dbus_name_new_namespace (id);

          name_check (name_space, id);
        }
    }
}

/* Also those that are too long to be escaped. */
static void
test_different (void)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (ids); i++)
    g_assert_true (g_hash_table_add (seen, _agent_dbus_name_new_namespace (ids[i])));

  for (gsize length = 1; length <= 128; length++)
    {
      g_autofree char *id = name_of_length (' ', length);

      g_assert_true (g_hash_table_add (seen, _agent_dbus_name_new_namespace (id)));
      g_assert_true (g_hash_table_add (seen, _agent_dbus_name_new ("x", id)));
    }
}

/* What anybody may own on a message bus, but no node does. Most would be the name of a node that has another one. */
static void
test_not_of_a_node (void)
{
  static const char *const names[] = {
    "org.agentbus.Bus.x",
    "org.agentbus.Bus.x.",
    "org.agentbus.Bus.xx.a",
    "org.agentbus.Bus.y.a",
    "org.agentbus.Bus.x._61",
    "org.agentbus.Bus.x.a.b",
    "org.agentbus.Bus.x.a_B",
    "org.agentbus.Bus.x._",
    "org.agentbus.Bus.x._0",
    "org.agentbus.Bus.x._00",
    "org.agentbus.Bus.x.a_00b",
    "org.agentbus.Bus.x._5F",
    "org.agentbus.Bus.x._ff",
    "org.agentbus.Bus.x._B",
    "org.agentbus.Bus.x._BYQ",
    "org.agentbus.Bus.x._BY",
    "org.agentbus.Bus.x._H",
    "org.freedesktop.DBus",
    ":1.1",
    "",
  };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    g_assert_null (_agent_dbus_name_dup_node ("org.agentbus.Bus.x", names[i]));
}

/* Random elements: what is the name of a node is the one that the node would have. */
static void
test_random (void)
{
  static const char chars[] = "abBH_-019f";
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);

  for (guint i = 0; i < 20000; i++)
    {
      g_autofree char *name = g_strdup ("x.................");
      g_autofree char *id = NULL;
      guint            length = g_rand_int_range (rand, 0, 15);

      for (guint j = 0; j < length; j++)
        name[2 + j] = chars[g_rand_int_range (rand, 0, sizeof chars - 1)];
      name[2 + length] = '\0';

      id = _agent_dbus_name_dup_node ("x", name);
      if (id != NULL)
        {
          g_autofree char *again = _agent_dbus_name_new ("x", id);

          g_assert_cmpstr (again, ==, name);
        }
    }
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add_func ("/agentbus/dbus-name/ids", test_ids);
  test_add_func ("/agentbus/dbus-name/lengths", test_lengths);
  test_add_func ("/agentbus/dbus-name/different", test_different);
  test_add_func ("/agentbus/dbus-name/not-of-a-node", test_not_of_a_node);
  test_add_func ("/agentbus/dbus-name/random", test_random);

  return g_test_run ();
}
