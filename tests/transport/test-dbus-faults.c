/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <unistd.h>

#include "test-dbus.h"

/*
 * What happens when a process of the bus, or the daemon of the message bus, is killed, stopped or started again.
 */

/* --- The message bus --- */

static void
test_daemon_restarted (void)
{
  g_autoptr (TestDaemon) daemon = NULL;
  g_autoptr (TestNode) a = NULL;
  g_autoptr (TestNode) b = NULL;

  if (!test_open_two (&daemon, &a, &b))
    return;

  for (guint i = 0; i < 3; i++)
    {
      g_autofree char *text = g_strdup_printf ("%u", i);
      g_autofree char *line = g_strdup_printf ("data a %u", i);
      g_autoptr (GError) error = NULL;

      test_daemon_kill (daemon);
      test_node_wait (a, "state lost");
      test_node_wait (b, "state lost");

      /* Data is kept by the caller, control fails, and nobody is said to be gone. */
      g_assert_false (test_node_send (a, "b", "x", &error));
      g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
      test_node_send_control (a, "b", 1, "x");
      test_node_expect (a, "failed b 7 1");

      test_daemon_start (daemon);
      test_node_expect (a, "state connected");
      test_node_expect (a, "ready");
      test_node_expect (b, "state connected");
      test_meet (a, b);
      g_assert_true (test_node_send (a, "b", text, NULL));
      test_node_wait (b, line);
    }
}

/* Calls that have no reply when the daemon dies. */
static void
test_daemon_killed_with_calls (void)
{
  g_autoptr (TestDaemon) daemon = NULL;
  g_autoptr (TestNode) a = NULL;
  g_autoptr (TestNode) b = NULL;

  if (!test_open_two (&daemon, &a, &b))
    return;

  test_process_stop (daemon->process);
  test_node_send_control (a, "b", 1, "x");
  test_node_send_control (a, "b", 2, "x");
  test_daemon_kill (daemon);
  test_node_wait (a, "failed b 7 1");
  test_node_wait (a, "failed b 7 2");
}

/* The close writes what was sent as long as it may, and then ends although nobody reads. */
static void
test_closed_while_stopped (void)
{
  g_autoptr (TestDaemon) daemon = NULL;
  g_autoptr (TestNode) a = NULL;
  g_autoptr (TestNode) b = NULL;
  g_autoptr (GBytes) packet = test_bytes (64 * 1024);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  if (!test_open_two (&daemon, &a, &b))
    return;

  test_process_stop (daemon->process);
  test_fill (a, "b", packet);
  test_node_send_control (a, "b", 1, "x");
  g_cancellable_cancel (cancellable);
  test_node_close (a, cancellable);
  test_node_expect (a, "state closing");
  test_node_expect (a, "failed b 7 1");
  test_node_expect (a, "state closed");
  test_process_cont (daemon->process);
}

/* While it waits for the next attempt, and while it is connecting. */
static void
test_closed_while_lost (void)
{
  g_autoptr (TestDaemon) daemon = NULL;

  if (!test_daemon_is_there ())
    return;

  daemon = test_daemon_new ();
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (TestNode) a = test_open (test_member_new (daemon, "a"));

      test_daemon_kill (daemon);
      test_node_expect (a, "state lost");
      if (i > 0)
        {
          test_daemon_start (daemon);
          if (i > 1)
            test_process_stop (daemon->process);
        }
      test_node_close (a, NULL);
      test_node_wait (a, "state closed");
      if (i == 0)
        test_daemon_start (daemon);
      test_process_cont (daemon->process);
    }
}

/* Somebody else has taken the name when the daemon is back. */
static void
test_name_taken_when_back (void)
{
  g_autoptr (TestDaemon) daemon = NULL;
  g_autoptr (TestNode) a = NULL;
  g_autoptr (GDBusConnection) thief = NULL;
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GError) error = NULL;

  if (!test_daemon_is_there ())
    return;

  daemon = test_daemon_new ();
  a = test_open (test_member_new (daemon, "a"));
  test_daemon_kill (daemon);
  test_node_expect (a, "state lost");
  test_daemon_start (daemon);
  thief = g_dbus_connection_new_for_address_sync (
      daemon->address,
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
      NULL,
      NULL,
      &error);
  g_assert_no_error (error);
  reply = g_dbus_connection_call_sync (thief,
                                       "org.freedesktop.DBus",
                                       "/org/freedesktop/DBus",
                                       "org.freedesktop.DBus",
                                       "RequestName",
                                       g_variant_new ("(su)", "org.agentbus.Bus.test.a", 4u),
                                       NULL,
                                       0,
                                       -1,
                                       NULL,
                                       &error);
  g_assert_no_error (error);

  /* Whoever was first: the node is connected in the end. */
  g_dbus_connection_close_sync (thief, NULL, NULL);
  test_node_expect (a, "state connected");
}

/* --- Another node --- */

static void
test_killed_on_bus (void)
{
  g_autoptr (TestDaemon) daemon = NULL;
  g_autoptr (TestNode) a = NULL;
  TestProcess *b;

  if (!test_daemon_is_there ())
    return;

  daemon = test_daemon_new ();
  a = test_open (test_member_new (daemon, "a"));
  b = test_remote_new (daemon->address, AGENT_DBUS_ROLE_MEMBER, "b");
  test_node_wait (a, "presence b hello");
  test_node_send_control (a, "b", 1, "x");
  test_node_expect (a, "done b 7 1");
  test_process_stop (b);
  test_node_send_control (a, "b", 2, "x");
  test_process_kill (b);
  test_node_wait (a, "gone b");
  test_node_sync (a);
}

static void
test_killed_client (void)
{
  g_autofree char *address = test_dup_address ();
  g_autoptr (TestNode) a = test_open (test_peer_new (address, AGENT_DBUS_ROLE_SERVER, "a"));
  TestProcess *b = test_remote_new (address, AGENT_DBUS_ROLE_CLIENT, "b");

  test_node_wait (a, "presence b hello");
  test_process_stop (b);
  test_node_send_control (a, "b", 1, "x");
  test_process_kill (b);
  test_node_expect (a, "gone b");
  test_node_expect (a, "failed b 7 1");

  b = test_remote_new (address, AGENT_DBUS_ROLE_CLIENT, "b");
  test_node_wait (a, "presence b hello");
  test_process_kill (b);
  test_node_expect (a, "gone b");
}

/* The client comes back by itself. */
static void
test_killed_server (void)
{
  g_autofree char *address = test_dup_address ();
  TestProcess     *a = test_remote_new (address, AGENT_DBUS_ROLE_SERVER, "a");
  g_autoptr (TestNode) b = test_open (test_peer_new (address, AGENT_DBUS_ROLE_CLIENT, "b"));

  test_node_send_control (b, "a", 1, "x");
  test_node_expect (b, "done a 7 1");
  test_process_kill (a);
  test_node_expect (b, "state lost");
  test_node_expect (b, "gone a");
  a = test_remote_new (address, AGENT_DBUS_ROLE_SERVER, "a");
  test_node_expect (b, "state connected");
  test_node_send_control (b, "a", 2, "x");
  test_node_expect (b, "done a 7 2");
  test_process_kill (a);
}

/* --- A peer that does not answer --- */

static void
test_no_reply (void)
{
  g_autofree char *address = test_dup_address ();
  TestProcess     *b;
  g_autoptr (TestNode) a = NULL;

  test_clock_run ();
  a = test_open (test_peer_new (address, AGENT_DBUS_ROLE_SERVER, "a"));
  b = test_remote_new (address, AGENT_DBUS_ROLE_CLIENT, "b");
  test_node_wait (a, "presence b hello");
  test_process_stop (b);
  test_node_send_control (a, "b", 1, "x");
  test_clock_advance (4 * G_TIME_SPAN_SECOND);
  test_node_sync (a);
  g_assert_false (test_node_has (a, "failed b 7 1"));
  test_clock_advance (2 * G_TIME_SPAN_SECOND);
  test_node_sync (a);
  test_node_expect (a, "failed b 7 1");

  /* The reply comes too late. */
  test_process_cont (b);
  test_node_send_control (a, "b", 2, "x");
  test_node_expect (a, "done b 7 2");
  test_process_kill (b);
  test_node_wait (a, "gone b");
  test_node_free (g_steal_pointer (&a));
  test_clock_release ();
}

int
main (int    argc,
      char **argv)
{
  test_remote_run (argc, argv);
  test_init (&argc, &argv);
  alarm (100);

  g_test_add_func ("/agentbus/dbus-faults/daemon-restarted", test_daemon_restarted);
  g_test_add_func ("/agentbus/dbus-faults/daemon-killed-with-calls", test_daemon_killed_with_calls);
  g_test_add_func ("/agentbus/dbus-faults/closed-while-stopped", test_closed_while_stopped);
  g_test_add_func ("/agentbus/dbus-faults/closed-while-lost", test_closed_while_lost);
  g_test_add_func ("/agentbus/dbus-faults/name-taken-when-back", test_name_taken_when_back);
  g_test_add_func ("/agentbus/dbus-faults/killed-on-bus", test_killed_on_bus);
  g_test_add_func ("/agentbus/dbus-faults/killed-client", test_killed_client);
  g_test_add_func ("/agentbus/dbus-faults/killed-server", test_killed_server);
  g_test_add_func ("/agentbus/dbus-faults/no-reply", test_no_reply);

  return g_test_run ();
}
