/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <unistd.h>

#include "test-dbus.h"
#include "transport/agent-dbus-packet-private.h"

/*
 * Connections that are no node, or behave as none does: what they send is refused, told, and harmless.
 */

#define PATH "/org/agentbus/Bus/test"

/* A connection that knows what nodes say to each other. */
static GDBusConnection *
stranger_new (const char *address,
              gboolean    on_bus)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *connection = g_dbus_connection_new_for_address_sync (
      address,
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
          (on_bus ? G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION : G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING),
      NULL,
      NULL,
      &error);

  g_assert_no_error (error);
  g_dbus_connection_start_message_processing (connection);
  return connection;
}

static void
stranger_send (GDBusConnection *self,
               const char      *destination,
               const char      *member,
               GVariant        *body)
{
  g_autoptr (GError) error = NULL;

  g_dbus_connection_emit_signal (self, destination, PATH, AGENT_DBUS_INTERFACE, member, body, &error);
  g_assert_no_error (error);
}

/* Returns: (transfer full) (nullable): the error, if there was one */
static GError *
stranger_call (GDBusConnection *self,
               const char      *destination,
               const char      *member,
               GVariant        *body)
{
  GError *error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_sync (
      self, destination, PATH, AGENT_DBUS_INTERFACE, member, body, NULL, G_DBUS_CALL_FLAGS_NONE, 10000, NULL, &error);

  return error;
}

static void
stranger_expect_error (GDBusConnection *self,
                       const char      *destination,
                       const char      *member,
                       GVariant        *body)
{
  g_autoptr (GError) error = stranger_call (self, destination, member, body);

  g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED);
}

static void
stranger_own (GDBusConnection *self,
              const char      *name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_sync (self,
                                                            "org.freedesktop.DBus",
                                                            "/org/freedesktop/DBus",
                                                            "org.freedesktop.DBus",
                                                            "RequestName",
                                                            g_variant_new ("(su)", name, 4u),
                                                            NULL,
                                                            G_DBUS_CALL_FLAGS_NONE,
                                                            -1,
                                                            NULL,
                                                            &error);
  g_assert_no_error (error);
}

static GVariant *
stranger_bytes (const char *text)
{
  return g_variant_new ("(@ay)", g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, text, strlen (text), 1));
}

/* --- On a message bus --- */

typedef struct
{
  TestDaemon      *daemon;
  TestNode        *a;
  GDBusConnection *stranger;
  const char      *name; /* of the stranger */
} Bus;

#define A "org.agentbus.Bus.test.a"

static void
bus_run (gconstpointer data)
{
  void (*func) (Bus * bus) = *(void (*const *) (Bus *)) data;
  Bus bus;

  if (!test_daemon_is_there ())
    return;

  bus.daemon = test_daemon_new ();
  bus.a = test_open (test_member_new (bus.daemon, "a"));
  bus.stranger = stranger_new (bus.daemon->address, TRUE);
  bus.name = g_dbus_connection_get_unique_name (bus.stranger);
  func (&bus);
  g_assert_cmpuint (bus.a->refusals->len, ==, 0);
  g_dbus_connection_close_sync (bus.stranger, NULL, NULL);
  g_object_unref (bus.stranger);
  test_node_free (bus.a);
  test_daemon_free (bus.daemon);
}

/* It owns no name of the bus, also if it owns another one. */
static void
test_no_name (Bus *bus)
{
  stranger_send (bus->stranger, A, "Data", stranger_bytes ("x"));
  test_node_expect_refusal (bus->a, bus->name);
  stranger_send (bus->stranger, A, "Presence", stranger_bytes ("x"));
  test_node_expect_refusal (bus->a, bus->name);
  stranger_expect_error (bus->stranger, A, "Control", stranger_bytes ("x"));
  test_node_expect_refusal (bus->a, bus->name);
  stranger_own (bus->stranger, "org.agentbus.Bus.other.b");
  stranger_send (bus->stranger, A, "Data", stranger_bytes ("x"));
  test_node_expect_refusal (bus->a, bus->name);
  g_assert_cmpint (bus->a->n_packets, ==, 0);
}

/* A signal of its own that says somebody else has got a name. */
static void
test_false_news (Bus *bus)
{
  g_autoptr (GError) error = NULL;

  g_dbus_connection_emit_signal (bus->stranger,
                                 A,
                                 "/org/freedesktop/DBus",
                                 "org.freedesktop.DBus",
                                 "NameOwnerChanged",
                                 g_variant_new ("(sss)", "org.agentbus.Bus.test.b", "", bus->name),
                                 &error);
  g_assert_no_error (error);
  stranger_send (bus->stranger, A, "Data", stranger_bytes ("x"));
  test_node_expect_refusal (bus->a, bus->name);
  g_assert_cmpint (bus->a->n_packets, ==, 0);
}

/* A node, which is known by its name, but says nonsense. */
static void
test_nonsense (Bus *bus)
{
  stranger_own (bus->stranger, "org.agentbus.Bus.test.b");
  stranger_send (bus->stranger, A, "Data", stranger_bytes ("x"));
  test_node_wait (bus->a, "data b x");

  stranger_send (bus->stranger, A, "Data", g_variant_new ("(s)", "x"));
  test_node_expect_refusal (bus->a, "b message “Data”");
  stranger_send (bus->stranger, A, "Data", NULL);
  test_node_expect_refusal (bus->a, "b message “Data”");
  stranger_send (bus->stranger, A, "Data", g_variant_new ("(@ayu)", g_variant_new_bytestring ("x"), 1));
  test_node_expect_refusal (bus->a, "b message “Data”");
  stranger_send (bus->stranger, A, "Control", stranger_bytes ("x"));
  test_node_expect_refusal (bus->a, "b message “Control”");
  stranger_send (bus->stranger, A, "Nothing", stranger_bytes ("x"));
  test_node_expect_refusal (bus->a, "b message “Nothing”");
  stranger_expect_error (bus->stranger, A, "Control", g_variant_new ("(ss)", "x", "y"));
  test_node_expect_refusal (bus->a, "b message “Control”");
  stranger_expect_error (bus->stranger, A, "Data", stranger_bytes ("x"));
  test_node_expect_refusal (bus->a, "b message “Data”");
  stranger_expect_error (bus->stranger, A, "Hello", g_variant_new ("(ss)", "test", "c"));
  test_node_expect_refusal (bus->a, "b message “Hello”");

  g_assert_null (stranger_call (bus->stranger, A, "Control", stranger_bytes ("y")));
  test_node_expect (bus->a, "control b y");
}

/* Names that no node has, and a second name. */
static void
test_false_names (Bus *bus)
{
  stranger_own (bus->stranger, "org.agentbus.Bus.test._62");
  test_node_expect_refusal (bus->a, "org.agentbus.Bus.test._62");
  stranger_send (bus->stranger, A, "Data", stranger_bytes ("x"));
  test_node_expect_refusal (bus->a, bus->name);

  stranger_own (bus->stranger, "org.agentbus.Bus.test.b");
  stranger_own (bus->stranger, "org.agentbus.Bus.test.c");
  test_node_expect_refusal (bus->a, "org.agentbus.Bus.test.c");
  stranger_send (bus->stranger, A, "Data", stranger_bytes ("x"));
  test_node_wait (bus->a, "data b x");
}

/* The signal has room for some refusals in each second only. */
static void
test_flood (Bus *bus)
{
  for (guint i = 0; i < 1000; i++)
    stranger_send (bus->stranger, A, "Data", stranger_bytes ("x"));
  stranger_expect_error (bus->stranger, A, "Control", stranger_bytes ("x"));
  stranger_own (bus->stranger, "org.agentbus.Bus.test.b");
  stranger_send (bus->stranger, A, "Data", stranger_bytes ("x"));
  test_node_wait (bus->a, "data b x");
  test_node_sync (bus->a);
  while (g_main_context_iteration (bus->a->context, FALSE))
    ;
  g_assert_cmpuint (bus->a->refusals->len, >=, 16);
  g_assert_cmpuint (bus->a->refusals->len, <, 500);
  g_ptr_array_set_size (bus->a->refusals, 0);
}

/* --- Without a message bus --- */

typedef struct
{
  char     *address;
  TestNode *a; /* listens */
  TestNode *b;
} Peers;

static void
peers_run (gconstpointer data)
{
  void (*func) (Peers * peers) = *(void (*const *) (Peers *)) data;
  Peers peers;

  peers.address = test_dup_address ();
  peers.a = test_open (test_peer_new (peers.address, AGENT_DBUS_ROLE_SERVER, "a"));
  peers.b = test_open (test_peer_new (peers.address, AGENT_DBUS_ROLE_CLIENT, "b"));
  func (&peers);
  g_assert_cmpuint (peers.a->refusals->len, ==, 0);

  /* The others are as they were. */
  test_meet (peers.a, peers.b);
  test_node_free (peers.b);
  test_node_free (peers.a);
  g_free (peers.address);
}

static void
on_stranger_closed (GDBusConnection *connection,
                    gboolean         remote_peer_vanished,
                    GError          *error,
                    gboolean        *closed)
{
  *closed = TRUE;
}

static void
stranger_wait_closed (GDBusConnection *self)
{
  gboolean closed = FALSE;

  g_signal_connect (self, "closed", G_CALLBACK (on_stranger_closed), &closed);
  while (!closed && !g_dbus_connection_is_closed (self))
    g_main_context_iteration (NULL, TRUE);
  g_signal_handlers_disconnect_by_data (self, &closed);
}

static void
peers_expect_refused_greeting (Peers      *peers,
                               GVariant   *greeting,
                               const char *part)
{
  g_autoptr (GDBusConnection) stranger = stranger_new (peers->address, FALSE);
  g_autoptr (GError) error = stranger_call (stranger, NULL, "Hello", greeting);

  g_assert_error (error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED);
  test_node_expect_refusal (peers->a, part);
  stranger_wait_closed (stranger);
}

static void
test_greetings (Peers *peers)
{
  g_autofree char *long_id = g_strnfill (129, 'x');

  peers_expect_refused_greeting (peers, g_variant_new ("(ss)", "test", "a"), "that of this node");
  peers_expect_refused_greeting (peers, g_variant_new ("(ss)", "test", "b"), "in use");
  peers_expect_refused_greeting (peers, g_variant_new ("(ss)", "other", "c"), "another bus");
  peers_expect_refused_greeting (peers, g_variant_new ("(ss)", "test", ""), "empty");
  peers_expect_refused_greeting (peers, g_variant_new ("(ss)", "test", long_id), "too long");
  peers_expect_refused_greeting (peers, g_variant_new ("(s)", "test"), "which node");
  peers_expect_refused_greeting (peers, NULL, "which node");
}

/* Anything before the greeting. */
static void
test_no_greeting (Peers *peers)
{
  g_autoptr (GDBusConnection) stranger = stranger_new (peers->address, FALSE);

  stranger_send (stranger, NULL, "Data", stranger_bytes ("x"));
  test_node_expect_refusal (peers->a, "no node of the bus");
  stranger_wait_closed (stranger);
  g_assert_cmpint (peers->a->n_packets, ==, 0);
}

/* It connects, and says nothing. */
static void
test_silence (Peers *peers)
{
  g_autoptr (GDBusConnection) stranger = NULL;

  test_clock_run ();
  stranger = stranger_new (peers->address, FALSE);
  while (peers->a->refusals->len == 0)
    {
      test_clock_advance (6 * G_TIME_SPAN_SECOND);
      test_node_sync (peers->a);
      g_main_context_iteration (peers->a->context, FALSE);
    }
  test_node_expect_refusal (peers->a, "not said which node");
  stranger_wait_closed (stranger);
  test_clock_release ();
}

static void
test_two_greetings (Peers *peers)
{
  g_autoptr (GDBusConnection) stranger = stranger_new (peers->address, FALSE);

  g_assert_null (stranger_call (stranger, NULL, "Hello", g_variant_new ("(ss)", "test", "c")));
  stranger_expect_error (stranger, NULL, "Hello", g_variant_new ("(ss)", "test", "d"));
  test_node_expect_refusal (peers->a, "already");
  stranger_send (stranger, NULL, "Data", stranger_bytes ("x"));
  test_node_wait (peers->a, "data c x");
  stranger_send (stranger, NULL, "Data", g_variant_new ("(u)", 1));
  test_node_expect_refusal (peers->a, "c message “Data”");
  g_dbus_connection_close_sync (stranger, NULL, NULL);
  test_node_wait (peers->a, "gone c");
}

/* What is not even D-Bus. */
static void
test_garbage (Peers *peers)
{
  g_autoptr (GDBusConnection) stranger = stranger_new (peers->address, FALSE);
  GOutputStream   *stream = g_io_stream_get_output_stream (g_dbus_connection_get_stream (stranger));
  g_autofree char *garbage = g_strnfill (4096, 'x');

  g_assert_null (stranger_call (stranger, NULL, "Hello", g_variant_new ("(ss)", "test", "c")));
  g_assert_true (g_output_stream_write_all (stream, garbage, 4096, NULL, NULL, NULL));
  test_node_wait (peers->a, "gone c");
}

/* In the thread of GDBus. */
static GDBusMessage *
answer_greeting (GDBusConnection *connection,
                 GDBusMessage    *message,
                 gboolean         incoming,
                 gpointer         user_data)
{
  g_autoptr (GDBusMessage) reply = NULL;

  if (!incoming || g_strcmp0 (g_dbus_message_get_member (message), "Hello") != 0)
    return message;

  reply = g_dbus_message_new_method_reply (message);
  g_dbus_connection_send_message (connection, reply, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
  g_object_unref (message);
  return NULL;
}

/* The server of a client may be a stranger as well. */
static gboolean
on_new_connection (GDBusServer      *server,
                   GDBusConnection  *connection,
                   GDBusConnection **place)
{
  g_dbus_connection_add_filter (connection, answer_greeting, NULL, NULL);
  *place = g_object_ref (connection);
  return TRUE;
}

static gpointer
open_in_thread (gpointer node)
{
  g_autoptr (GError) error = NULL;

  test_node_open (node, &error);
  g_assert_no_error (error);
  return NULL;
}

static void
test_strange_server (void)
{
  g_autofree char *address = test_dup_address ();
  g_autofree char *guid = g_dbus_generate_guid ();
  g_autoptr (GDBusServer) server = g_dbus_server_new_sync (address, G_DBUS_SERVER_FLAGS_NONE, guid, NULL, NULL, NULL);
  g_autoptr (GDBusConnection) connection = NULL;
  g_autoptr (TestNode) b = test_peer_new (address, AGENT_DBUS_ROLE_CLIENT, "b");
  GThread *thread;

  g_signal_connect (server, "new-connection", G_CALLBACK (on_new_connection), &connection);
  g_dbus_server_start (server);
  thread = g_thread_new ("open", open_in_thread, b);
  while (connection == NULL)
    g_main_context_iteration (NULL, TRUE);

  stranger_send (connection, NULL, "Data", stranger_bytes ("x"));
  test_node_expect_refusal (b, "no node of the bus");
  stranger_expect_error (connection, NULL, "Hello", g_variant_new ("(ss)", "test", "b"));
  test_node_expect_refusal (b, "that of this node");
  g_assert_null (stranger_call (connection, NULL, "Hello", g_variant_new ("(ss)", "test", "a")));
  g_thread_join (thread);
  stranger_send (connection, NULL, "Data", stranger_bytes ("y"));
  test_node_wait (b, "data a y");
  g_dbus_server_stop (server);
  g_dbus_connection_close_sync (connection, NULL, NULL);
  test_node_wait (b, "gone a");
}

#define ADD(name, run, type, func)                                             \
  do                                                                           \
    {                                                                          \
      static void (*const function) (type *) = func;                           \
      g_test_add_data_func ("/agentbus/dbus-strangers/" name, &function, run); \
    }                                                                          \
  while (0)

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);
  alarm (100);

  ADD ("no-name", bus_run, Bus, test_no_name);
  ADD ("false-news", bus_run, Bus, test_false_news);
  ADD ("nonsense", bus_run, Bus, test_nonsense);
  ADD ("false-names", bus_run, Bus, test_false_names);
  ADD ("flood", bus_run, Bus, test_flood);
  ADD ("greetings", peers_run, Peers, test_greetings);
  ADD ("no-greeting", peers_run, Peers, test_no_greeting);
  ADD ("silence", peers_run, Peers, test_silence);
  ADD ("two-greetings", peers_run, Peers, test_two_greetings);
  ADD ("garbage", peers_run, Peers, test_garbage);
  g_test_add_func ("/agentbus/dbus-strangers/strange-server", test_strange_server);

  return g_test_run ();
}
