/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <unistd.h>

#include "test-dbus.h"
#include "test-tools.h"
#include "transport/agent-dbus-inbox-private.h"

/*
 * A reader that is slow, or does not read at all: the sender is told to wait, what waits is bounded, and others go on.
 */

#define PACKET_SIZE (64 * 1024)

/* What the sockets on the way may take. */
#define SOCKETS_MAX (2 * 1024 * 1024)

/* How much waits when there is no room, and that all of it arrives. */
static void
flow_check (TestNode    *a,
            TestNode    *b,
            TestProcess *reader)
{
  g_autoptr (GBytes) packet = test_bytes (PACKET_SIZE);
  g_autoptr (GBytes) last = g_bytes_new_static ("last", 4);
  guint n, before = g_atomic_int_get (&b->n_packets);

  test_process_stop (reader);
  n = test_fill (a, "b", packet);
  g_assert_cmpuint (n * PACKET_SIZE, >=, AGENT_DBUS_OUTBOX_MAX - PACKET_SIZE);
  g_assert_cmpuint (n * PACKET_SIZE, <=, AGENT_DBUS_OUTBOX_MAX + SOCKETS_MAX);
  g_assert_false (test_node_has (a, "ready"));

  test_process_cont (reader);
  test_node_wait (a, "ready");
  test_send_many (a, "b", packet, 100);
  test_send_many (a, "b", last, 1);
  test_node_wait (b, "data a last");
  g_assert_cmpuint (g_atomic_int_get (&b->n_packets) - before, ==, n + 101);
}

static void
test_stopped_daemon (void)
{
  g_autoptr (TestDaemon) daemon = NULL;
  g_autoptr (TestNode) a = NULL;
  g_autoptr (TestNode) b = NULL;

  if (!test_open_two (&daemon, &a, &b))
    return;

  for (guint i = 0; i < 3; i++)
    flow_check (a, b, daemon->process);
}

/* There is room again, but presence does not wait for it, and is not kept. */
static void
test_presence_without_room (void)
{
  g_autoptr (TestDaemon) daemon = NULL;
  g_autoptr (TestNode) a = NULL;
  g_autoptr (TestNode) b = NULL;
  g_autoptr (GBytes) packet = test_bytes (PACKET_SIZE);

  if (!test_open_two (&daemon, &a, &b))
    return;

  test_process_stop (daemon->process);
  test_fill (a, "b", packet);
  test_node_presence (a, "b", "x");
  test_process_cont (daemon->process);
  test_node_wait (a, "ready");
  test_node_presence (a, "b", "y");
  test_node_wait_part (b, "presence a");
  g_assert_false (test_node_has (b, "presence a x"));
  b->n_read--;
  test_node_expect (b, "presence a y");
}

static void
flow_connect (TestNode    **a,
              TestProcess **slow,
              TestNode    **c)
{
  g_autofree char *address = test_dup_address ();

  *a = test_open (test_peer_new (address, AGENT_DBUS_ROLE_SERVER, "a"));
  *slow = test_remote_new (address, AGENT_DBUS_ROLE_CLIENT, "slow");
  *c = test_open (test_peer_new (address, AGENT_DBUS_ROLE_CLIENT, "c"));
  test_meet (*a, *c);
  test_greet (*c, *a);
}

/* One node does not read. At first the others wait for it, but not for long. */
static void
test_stalled_peer (void)
{
  TestProcess *slow;
  g_autoptr (TestNode) a = NULL;
  g_autoptr (TestNode) c = NULL;
  g_autoptr (GBytes) packet = test_bytes (PACKET_SIZE);
  g_autoptr (GError) error = NULL;

  /* Until it is let go the clock stands still, for a second must not pass while the sockets are filled. */
  test_clock_freeze ();
  flow_connect (&a, &slow, &c);
  test_process_stop (slow);
  test_fill (a, "slow", packet);
  g_assert_true (test_node_send (a, "c", "one", NULL));
  test_node_wait (c, "data a one");
  g_assert_false (test_node_has (a, "ready"));

  test_clock_advance (2 * G_TIME_SPAN_SECOND);
  test_clock_run ();
  test_node_sync (a);
  test_node_wait (a, "ready");
  g_assert_true (test_node_send (a, "c", "two", NULL));
  test_node_wait (c, "data a two");
  g_assert_false (test_node_send (a, "slow", "x", &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT);
  test_node_send_control (a, "slow", 1, "x");
  test_clock_advance (G_TIME_SPAN_SECOND);
  test_node_sync (a);
  test_node_wait (a, "failed slow 7 1");

  /* It reads again. */
  test_process_cont (slow);
  while (!test_node_send_bytes (a, "slow", packet, NULL))
    test_node_sync (a);
  test_node_send_control (a, "slow", 2, "x");
  test_node_wait (a, "done slow 7 2");
  test_process_kill (slow);
  test_node_wait (a, "gone slow");
  g_clear_pointer (&a, test_node_free);
  g_clear_pointer (&c, test_node_free);
  test_clock_release ();
}

/* The one that kept the others waiting is killed. */
static void
test_stalled_peer_killed (void)
{
  TestProcess *slow;
  g_autoptr (TestNode) a = NULL;
  g_autoptr (TestNode) c = NULL;
  g_autoptr (GBytes) packet = test_bytes (PACKET_SIZE);
  guint before;

  test_clock_freeze ();
  flow_connect (&a, &slow, &c);
  test_process_stop (slow);
  test_fill (a, "slow", packet);
  before = a->n_read;
  test_process_kill (slow);
  test_node_wait (a, "gone slow");

  /* In any order, for GDBus may have thrown away first what it could not write. */
  a->n_read = before;
  test_node_wait (a, "ready");
  g_assert_true (test_node_send (a, "c", "two", NULL));
  test_node_wait (c, "data a two");
  g_clear_pointer (&a, test_node_free);
  g_clear_pointer (&c, test_node_free);
  test_clock_release ();
}

/* --- A thread that does not read --- */

static gboolean
flow_pass (gpointer gate)
{
  test_gate_pass (gate);
  return G_SOURCE_REMOVE;
}

/* The inbox is full: data gets lost, control fails, and afterwards all goes on. */
static void
test_full_inbox (void)
{
  const guint      n = 2 * AGENT_DBUS_INBOX_MAX / PACKET_SIZE;
  g_autofree char *address = test_dup_address ();
  g_autoptr (TestNode) a = NULL;
  g_autoptr (TestNode) b = NULL;
  g_autoptr (GBytes) packet = test_bytes (PACKET_SIZE);
  g_autofree char *text = g_strnfill (PACKET_SIZE, 'x');
  TestGate         gate;
  guint            before;

  /* The call must not fail because it takes long. */
  test_clock_freeze ();
  a = test_open (test_peer_new (address, AGENT_DBUS_ROLE_SERVER, "a"));
  b = test_open (test_peer_new (address, AGENT_DBUS_ROLE_CLIENT, "b"));
  test_meet (a, b);
  before = g_atomic_int_get (&b->n_packets);
  test_gate_init (&gate);
  g_main_context_invoke (b->thread->context, flow_pass, &gate);
  test_gate_wait (&gate);
  test_send_many (a, "b", packet, n);
  test_node_send_control (a, "b", 1, text);
  test_node_wait (a, "failed b 7 1");

  test_gate_open (&gate);
  test_greet (a, b);
  g_assert_cmpuint (g_atomic_int_get (&b->n_packets) - before, >=, AGENT_DBUS_INBOX_MAX / PACKET_SIZE / 2);
  g_assert_cmpuint (g_atomic_int_get (&b->n_packets) - before, <=, AGENT_DBUS_INBOX_MAX / PACKET_SIZE + 1);
  test_node_send_control (a, "b", 2, "x");
  test_node_wait (a, "done b 7 2");
  test_gate_clear (&gate);
  g_clear_pointer (&a, test_node_free);
  g_clear_pointer (&b, test_node_free);
  test_clock_release ();
}

int
main (int    argc,
      char **argv)
{
  test_remote_run (argc, argv);
  test_init (&argc, &argv);
  alarm (100);

  g_test_add_func ("/agentbus/dbus-flow/stopped-daemon", test_stopped_daemon);
  g_test_add_func ("/agentbus/dbus-flow/presence-without-room", test_presence_without_room);
  g_test_add_func ("/agentbus/dbus-flow/stalled-peer", test_stalled_peer);
  g_test_add_func ("/agentbus/dbus-flow/stalled-peer-killed", test_stalled_peer_killed);
  g_test_add_func ("/agentbus/dbus-flow/full-inbox", test_full_inbox);

  return g_test_run ();
}
