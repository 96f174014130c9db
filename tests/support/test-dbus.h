/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "test-daemon.h"
#include "test-node.h"
#include "test-support.h"

G_BEGIN_DECLS

/* Functions that the tests of the transport over D-Bus share. */

/* A node on a message bus, not opened yet. */
static inline TestNode *
test_member_new (TestDaemon *daemon,
                 const char *id)
{
  return test_node_new (
      g_object_new (AGENT_TYPE_DBUS_TRANSPORT, "address", daemon->address, "node-id", id, "bus-name", "test", NULL));
}

/* An address for peers that nobody else has. */
static inline char *
test_dup_address (void)
{
  g_autofree char *uuid = g_uuid_string_random ();

  return g_strconcat ("unix:abstract=agentbus-", uuid, NULL);
}

/* A node without a message bus, not opened yet. */
static inline TestNode *
test_peer_new (const char   *address,
               AgentDBusRole role,
               const char   *id)
{
  return test_node_new (g_object_new (
      AGENT_TYPE_DBUS_TRANSPORT, "address", address, "role", role, "node-id", id, "bus-name", "test", NULL));
}

static inline TestNode *
test_open (TestNode *node)
{
  g_autoptr (GError) error = NULL;

  test_node_open (node, &error);
  g_assert_no_error (error);
  test_node_expect (node, "state connecting");
  test_node_expect (node, "state connected");
  return node;
}

/* Returns when one of them knows the other one. */
static inline void
test_greet (TestNode *from,
            TestNode *to)
{
  g_autofree char *line = g_strdup_printf ("presence %s hello", agent_transport_get_node_id (from->transport));

  do
    {
      test_node_presence (from, agent_transport_get_node_id (to->transport), "hello");
      test_node_sync (to);
    }
  while (!test_node_has (to, line));
}

/* Returns when they know each other, and have nothing more to say about it. */
static inline void
test_meet (TestNode *a,
           TestNode *b)
{
  test_greet (a, b);
  test_greet (b, a);
  test_node_send (a, agent_transport_get_node_id (b->transport), "met", NULL);
  test_node_send (b, agent_transport_get_node_id (a->transport), "met", NULL);
  test_node_wait_part (a, "met");
  test_node_wait_part (b, "met");
}

/* Starts a message bus with two nodes that know each other. Returns FALSE if there is no dbus-daemon; the test is skipped. */
static inline gboolean
test_open_two (TestDaemon **daemon,
               TestNode   **a,
               TestNode   **b)
{
  if (!test_daemon_is_there ())
    return FALSE;

  *daemon = test_daemon_new ();
  *a = test_open (test_member_new (*daemon, "a"));
  *b = test_open (test_member_new (*daemon, "b"));
  test_meet (*b, *a);
  return TRUE;
}

/* Returns whether the thread in which GDBus writes waits in a poll. While packets wait to be written, it does that only if
 * nobody reads them. */
static inline gboolean
test_writer_waits (const char *thread)
{
  g_autofree char *name_path = g_strdup_printf ("/proc/self/task/%s/comm", thread);
  g_autofree char *call_path = g_strdup_printf ("/proc/self/task/%s/syscall", thread);
  g_autofree char *name = NULL;
  g_autofree char *call = NULL;

  if (!g_file_get_contents (name_path, &name, NULL, NULL) || !g_str_equal (g_strchomp (name), "gdbus") ||
      !g_file_get_contents (call_path, &call, NULL, NULL))
    return FALSE;

#ifdef SYS_poll
  if (g_ascii_strtoll (call, NULL, 10) == SYS_poll)
    return TRUE;
#endif
  return g_ascii_strtoll (call, NULL, 10) == SYS_ppoll;
}

/* Returns once GDBus has written all that the sockets take. Precondition: packets wait to be written, and nobody reads. */
static inline void
test_wait_for_writer (void)
{
  gboolean waits = FALSE;

  while (!waits)
    {
      GDir       *threads = g_dir_open ("/proc/self/task", 0, NULL);
      const char *thread;

      while (!waits && (thread = g_dir_read_name (threads)) != NULL)
        waits = test_writer_waits (thread);
      g_dir_close (threads);
      g_thread_yield ();
    }
}

/* Sends until there is no room. Returns how many packets were sent. */
static inline guint
test_fill_once (TestNode   *node,
                const char *target,
                GBytes     *packet)
{
  g_autoptr (GError) error = NULL;
  guint n = 0;

  while (test_node_send_bytes (node, target, packet, &error))
    n++;
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
  return n;
}

/* Sends until there is no room, also in the sockets. Precondition: nobody reads. Returns how many packets were sent. */
static inline guint
test_fill (TestNode   *node,
           const char *target,
           GBytes     *packet)
{
  guint n = 0;
  guint more;

  do
    {
      more = test_fill_once (node, target, packet);
      n += more;
      test_wait_for_writer ();
      test_node_sync (node);
      if (test_node_has (node, "ready"))
        test_node_wait (node, "ready");
    }
  while (more > 0);

  return n;
}

/* Sends packets of one size, and waits whenever there is no room. */
static inline void
test_send_many (TestNode   *node,
                const char *target,
                GBytes     *packet,
                guint       n)
{
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (GError) error = NULL;

      while (!test_node_send_bytes (node, target, packet, &error))
        {
          g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
          g_clear_error (&error);
          test_node_wait (node, "ready");
        }
    }
}

static inline GBytes *
test_bytes (gsize size)
{
  char *data = g_malloc (size);

  memset (data, 'x', size);
  return g_bytes_new_take (data, size);
}

/* --- A node in a process of its own --- */

/* What main() calls first: if the program was started by test_remote_new(), this is the node. */
static inline void
test_remote_run (int    argc,
                 char **argv)
{
  TestNode *node;

  if (argc != 5 || strcmp (argv[1], "--node") != 0)
    return;

  node = test_peer_new (argv[2], (AgentDBusRole) atoi (argv[3]), argv[4]);
  g_atomic_int_set (&node->is_quiet, TRUE);
  test_open (node);
  test_node_presence (node, NULL, "hello");
  test_node_sync (node);
  g_print ("open\n");
  fflush (stdout);
  while (TRUE)
    pause ();
}

static inline TestProcess *
test_remote_new (const char   *address,
                 AgentDBusRole role,
                 const char   *id)
{
  g_autofree char *program = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *role_text = g_strdup_printf ("%d", role);
  const char      *argv[] = { program, "--node", address, role_text, id, NULL };
  TestProcess     *process = test_process_new (argv);

  g_assert_cmpstr (process->line, ==, "open");
  return process;
}

G_END_DECLS
