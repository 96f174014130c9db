/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <unistd.h>

#include "bus/agent-transport-private.h"
#include "test-dbus.h"

/*
 * What the transport over D-Bus carries, on a message bus and without: packets of all kinds, in order, to one and to all.
 */

#define N_PACKETS 2000

/* Two nodes that know each other. */
typedef struct
{
  TestDaemon *daemon; /* (nullable) */
  char       *address;
  TestNode   *a;
  TestNode   *b;
} Pair;

static void
pair_init (Pair    *self,
           gboolean on_bus)
{
  self->daemon = on_bus ? test_daemon_new () : NULL;
  self->address = test_dup_address ();
  self->a = on_bus ? test_member_new (self->daemon, "a") : test_peer_new (self->address, AGENT_DBUS_ROLE_SERVER, "a");
  self->b = on_bus ? test_member_new (self->daemon, "b") : test_peer_new (self->address, AGENT_DBUS_ROLE_CLIENT, "b");
  test_open (self->a);
  test_open (self->b);
  test_meet (self->b, self->a);
}

static void
pair_clear (Pair *self)
{
  test_node_free (self->a);
  test_node_free (self->b);
  g_clear_pointer (&self->daemon, test_daemon_free);
  g_free (self->address);
}

/* Runs a case on a message bus and without. */
static void
pair_run (gconstpointer data)
{
  void (*func) (Pair * pair) = *(void (*const *) (Pair *)) data;
  Pair pair;

  if (!test_daemon_is_there ())
    return;

  pair_init (&pair, TRUE);
  func (&pair);
  pair_clear (&pair);

  pair_init (&pair, FALSE);
  func (&pair);
  pair_clear (&pair);
}

static void
pair_send_numbers (TestNode   *node,
                   const char *target)
{
  for (guint i = 0; i < N_PACKETS; i++)
    {
      g_autofree char *text = g_strdup_printf ("%u", i);
      g_autoptr (GError) error = NULL;

      test_node_send (node, target, text, &error);
      g_assert_no_error (error);
    }
}

static void
pair_expect_numbers (TestNode   *node,
                     const char *source)
{
  for (guint i = 0; i < N_PACKETS; i++)
    {
      g_autofree char *line = g_strdup_printf ("data %s %u", source, i);

      test_node_expect (node, line);
    }
}

static void
test_in_order (Pair *pair)
{
  pair_send_numbers (pair->a, "b");
  pair_send_numbers (pair->b, "a");
  pair_expect_numbers (pair->b, "a");
  pair_expect_numbers (pair->a, "b");
}

static void
test_unknown_node (Pair *pair)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (test_node_send (pair->a, "c", "x", &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND);
  test_node_presence (pair->a, "c", "x");
  test_node_send_control (pair->a, "c", 1, "x");
  test_node_expect (pair->a, "failed c 7 1");
}

/* Packets are answered in the order in which they were handed over. */
static void
test_control (Pair *pair)
{
  for (guint i = 0; i < 100; i++)
    {
      g_autofree char *text = g_strdup_printf ("%u", i);

      test_node_send_control (pair->a, "b", i, text);
    }
  for (guint i = 0; i < 100; i++)
    {
      g_autofree char *came = g_strdup_printf ("control a %u", i);
      g_autofree char *done = g_strdup_printf ("done b 7 %u", i);

      test_node_expect (pair->b, came);
      test_node_expect (pair->a, done);
    }
}

static void
test_presence (Pair *pair)
{
  test_node_presence (pair->a, "b", "one");
  test_node_presence (pair->a, NULL, "all");
  test_node_expect (pair->b, "presence a one");
  test_node_expect (pair->b, "presence a all");
}

/* What was sent before the end arrives before the end. */
static void
test_gone_when_closed (Pair *pair)
{
  pair_send_numbers (pair->b, "a");
  test_node_send_control (pair->b, "a", 1, "last");
  test_node_close (pair->b, NULL);
  pair_expect_numbers (pair->a, "b");
  test_node_expect (pair->a, "control b last");
  test_node_expect (pair->a, "gone b");
  g_assert_true (test_node_has (pair->b, "done a 7 1") || test_node_has (pair->b, "failed a 7 1"));
  test_node_expect (pair->b, "state closed");
}

static void
test_opened_again (Pair *pair)
{
  test_node_close (pair->b, NULL);
  test_node_wait (pair->b, "state closed");
  test_node_wait (pair->a, "gone b");
  test_open (pair->b);
  test_meet (pair->b, pair->a);
  test_node_send (pair->a, "b", "again", NULL);
  test_node_expect (pair->b, "data a again");
}

static void
test_sizes (Pair *pair)
{
  g_autoptr (GBytes) none = g_bytes_new (NULL, 0);
  g_autoptr (GBytes) largest = test_bytes (_agent_transport_get_max_packet (pair->a->transport));
  g_autoptr (GBytes) too_large = test_bytes (_agent_transport_get_max_packet (pair->a->transport) + 1);
  g_autoptr (GError) error = NULL;

  g_assert_true (test_node_send_bytes (pair->a, "b", none, NULL));
  test_node_expect (pair->b, "data a ");
  g_assert_true (test_node_send_bytes (pair->a, "b", largest, NULL));
  test_node_expect (pair->b, "data a xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
  g_assert_false (test_node_send_bytes (pair->a, "b", too_large, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE);
}

/* --- Three nodes --- */

static void
test_all (void)
{
  g_autoptr (TestDaemon) daemon = NULL;
  g_autoptr (TestNode) a = NULL;
  g_autoptr (TestNode) b = NULL;
  g_autoptr (TestNode) c = NULL;

  if (!test_open_two (&daemon, &a, &b))
    return;

  c = test_open (test_member_new (daemon, "c"));
  test_meet (c, a);
  test_meet (c, b);

  test_node_presence (a, NULL, "1");
  test_node_send (a, "c", "2", NULL);
  test_node_presence (a, NULL, "3");
  test_node_expect (b, "presence a 1");
  test_node_expect (b, "presence a 3");
  test_node_expect (c, "presence a 1");
  test_node_expect (c, "data a 2");
  test_node_expect (c, "presence a 3");
}

/* Two buses on one message bus know nothing of each other. */
static void
test_other_bus (void)
{
  g_autoptr (TestDaemon) daemon = NULL;
  g_autoptr (TestNode) a = NULL;
  g_autoptr (TestNode) b = NULL;
  g_autoptr (TestNode) other = NULL;

  if (!test_daemon_is_there ())
    return;

  daemon = test_daemon_new ();
  other = test_open (test_node_new (
      g_object_new (AGENT_TYPE_DBUS_TRANSPORT, "address", daemon->address, "bus-name", "test.a", "node-id", "a", NULL)));
  a = test_open (test_member_new (daemon, "a"));
  b = test_open (test_member_new (daemon, "b"));
  test_meet (b, a);
  g_assert_false (test_node_send (other, "b", "x", NULL));
  test_node_presence (other, NULL, "x");
  test_node_presence (b, NULL, "1");
  test_node_expect (a, "presence b 1");
  g_assert_false (test_node_has (other, "presence b 1"));
}

/* Names that would mean something else in D-Bus, and the longest ones. */
static void
test_names (void)
{
  static const char *const names[] = { "a b", "..", "a.b.c", "a\r\nb", "😀", "*", "'", "0" };
  g_autoptr (TestDaemon) daemon = NULL;
  g_autoptr (GPtrArray) nodes = g_ptr_array_new_with_free_func ((GDestroyNotify) test_node_free);

  if (!test_daemon_is_there ())
    return;

  daemon = test_daemon_new ();
  for (guint i = 0; i < G_N_ELEMENTS (names) + 2; i++)
    {
      g_autofree char *longest = g_strnfill (128, i % 2 ? ' ' : 'x');
      const char      *id = i < G_N_ELEMENTS (names) ? names[i] : longest;

      g_ptr_array_add (nodes,
                       test_open (test_node_new (g_object_new (
                           AGENT_TYPE_DBUS_TRANSPORT, "address", daemon->address, "bus-name", longest, "node-id", id, NULL))));
      if (i < 2)
        continue;

      test_meet (nodes->pdata[i], nodes->pdata[i - 2]);
      test_node_send (nodes->pdata[i - 2], id, "x", NULL);
      g_autofree char *line =
          g_strdup_printf ("data %s x", agent_transport_get_node_id (((TestNode *) nodes->pdata[i - 2])->transport));
      test_node_wait (nodes->pdata[i], line);
    }
}

/* --- Opening --- */

static void
test_name_in_use (void)
{
  g_autoptr (TestDaemon) daemon = NULL;
  g_autoptr (TestNode) a = NULL;
  g_autoptr (TestNode) other = NULL;
  g_autoptr (GError) error = NULL;

  if (!test_daemon_is_there ())
    return;

  daemon = test_daemon_new ();
  a = test_open (test_member_new (daemon, "a"));
  other = test_member_new (daemon, "a");
  g_assert_false (test_node_open (other, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_EXISTS);
  test_node_wait (other, "state closed");

  test_node_close (a, NULL);
  test_node_expect (a, "state closing");
  g_clear_error (&error);
  test_node_open (other, &error);
  g_assert_no_error (error);
}

static void
test_not_reachable (void)
{
  g_autofree char *address = test_dup_address ();
  g_autoptr (TestNode) member = test_node_new (g_object_new (AGENT_TYPE_DBUS_TRANSPORT, "address", address, NULL));
  g_autoptr (TestNode) client = test_peer_new (address, AGENT_DBUS_ROLE_CLIENT, "a");
  g_autoptr (TestNode) nowhere = test_peer_new (NULL, AGENT_DBUS_ROLE_SERVER, "a");
  g_autoptr (GError) error = NULL;

  g_assert_false (test_node_open (member, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
  g_clear_error (&error);
  g_assert_false (test_node_open (client, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);
  g_clear_error (&error);
  g_assert_false (test_node_open (nowhere, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_ARGUMENT);
}

/* --- A connection of the application --- */

static void
on_closed (GDBusConnection *connection,
           gboolean         remote_peer_vanished,
           GError          *error,
           gboolean        *closed)
{
  *closed = TRUE;
}

static void
test_shared_connection (void)
{
  g_autoptr (TestDaemon) daemon = NULL;
  g_autoptr (GDBusConnection) connection = NULL;
  g_autoptr (TestNode) a = NULL;
  g_autoptr (TestNode) b = NULL;
  g_autoptr (GVariant) names = NULL;
  g_autoptr (GError) error = NULL;
  gboolean closed = FALSE;

  if (!test_daemon_is_there ())
    return;

  daemon = test_daemon_new ();
  connection = g_dbus_connection_new_for_address_sync (
      daemon->address,
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
      NULL,
      NULL,
      &error);
  g_assert_no_error (error);

  a = test_open (test_member_new (daemon, "a"));
  b = test_open (test_node_new (
      g_object_new (AGENT_TYPE_DBUS_TRANSPORT, "connection", connection, "bus-name", "test", "node-id", "b", NULL)));
  test_meet (b, a);
  test_node_send (a, "b", "1", NULL);
  test_node_expect (b, "data a 1");
  test_node_send_control (a, "b", 1, "x");
  test_node_expect (a, "done b 7 1");

  test_node_close (b, NULL);
  test_node_expect (a, "gone b");
  g_assert_false (g_dbus_connection_is_closed (connection));
  names = g_dbus_connection_call_sync (connection,
                                       "org.freedesktop.DBus",
                                       "/org/freedesktop/DBus",
                                       "org.freedesktop.DBus",
                                       "ListNames",
                                       NULL,
                                       NULL,
                                       0,
                                       -1,
                                       NULL,
                                       &error);
  g_assert_no_error (error);

  /* The daemon is gone, and nobody can open the connection again. */
  test_node_wait (b, "state closed");
  test_open (b);
  g_signal_connect (connection, "closed", G_CALLBACK (on_closed), &closed);
  test_daemon_kill (daemon);
  while (!closed)
    g_main_context_iteration (b->context, TRUE);
  test_node_wait (b, "state lost");
}

/* --- Properties --- */

static void
test_properties (void)
{
  g_autoptr (AgentTransport) session = agent_dbus_transport_new (NULL);
  g_autoptr (AgentTransport) server = agent_dbus_transport_new_for_peers ("unix:abstract=x", TRUE);
  g_autoptr (AgentTransport) client = agent_dbus_transport_new_for_peers ("unix:abstract=x", FALSE);

  g_assert_null (agent_dbus_transport_get_connection (AGENT_DBUS_TRANSPORT (session)));
  g_assert_null (agent_dbus_transport_get_address (AGENT_DBUS_TRANSPORT (session)));
  g_assert_cmpint (agent_dbus_transport_get_role (AGENT_DBUS_TRANSPORT (session)), ==, AGENT_DBUS_ROLE_MEMBER);
  g_assert_cmpstr (agent_dbus_transport_get_address (AGENT_DBUS_TRANSPORT (server)), ==, "unix:abstract=x");
  g_assert_cmpint (agent_dbus_transport_get_role (AGENT_DBUS_TRANSPORT (server)), ==, AGENT_DBUS_ROLE_SERVER);
  g_assert_cmpint (agent_dbus_transport_get_role (AGENT_DBUS_TRANSPORT (client)), ==, AGENT_DBUS_ROLE_CLIENT);
  g_assert_cmpint (agent_transport_get_capabilities (session),
                   ==,
                   AGENT_TRANSPORT_CAPABILITIES_VERIFIED_SOURCE | AGENT_TRANSPORT_CAPABILITIES_PRESENCE_EVENTS);
  g_assert_cmpint (agent_transport_get_state (session), ==, AGENT_TRANSPORT_STATE_CLOSED);
}

#define ADD_PAIR(name, func)                                                        \
  do                                                                                \
    {                                                                               \
      static void (*const function) (Pair *) = func;                                \
      g_test_add_data_func ("/agentbus/dbus-transport/" name, &function, pair_run); \
    }                                                                               \
  while (0)

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  alarm (100);

  ADD_PAIR ("in-order", test_in_order);
  ADD_PAIR ("unknown-node", test_unknown_node);
  ADD_PAIR ("control", test_control);
  ADD_PAIR ("presence", test_presence);
  ADD_PAIR ("gone-when-closed", test_gone_when_closed);
  ADD_PAIR ("opened-again", test_opened_again);
  ADD_PAIR ("sizes", test_sizes);
  g_test_add_func ("/agentbus/dbus-transport/all", test_all);
  g_test_add_func ("/agentbus/dbus-transport/other-bus", test_other_bus);
  g_test_add_func ("/agentbus/dbus-transport/names", test_names);
  g_test_add_func ("/agentbus/dbus-transport/name-in-use", test_name_in_use);
  g_test_add_func ("/agentbus/dbus-transport/not-reachable", test_not_reachable);
  g_test_add_func ("/agentbus/dbus-transport/shared-connection", test_shared_connection);
  g_test_add_func ("/agentbus/dbus-transport/properties", test_properties);

  return g_test_run ();
}
