/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The transport over D-Bus beside the signals of GDBus that it is made of: from one process to another one, over a message bus
 * of its own. Messages of 128 bytes travel one by one, and as many in a packet as a link puts into it. */

#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench-harness.h"
#include "test-daemon.h"
#include "test-sink.h"

#define N_MESSAGES 50000
#define MESSAGE_SIZE 128

/* A message in a packet has its names and numbers beside it. */
#define WIRE_SIZE 168
#define BATCH_SIZE (64 * 1024)
#define BATCH_COUNT (BATCH_SIZE / WIRE_SIZE)

#define RAW_PATH "/bench"
#define RAW_INTERFACE "org.agentbus.Bench"

/* --- GDBus alone --- */

static guint n_left; /* messages or packets that have not come yet */

static GDBusConnection *
raw_connect (const char *address)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *connection = g_dbus_connection_new_for_address_sync (
      address,
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
      NULL,
      NULL,
      &error);

  g_assert_no_error (error);
  return connection;
}

static void
raw_send (GDBusConnection *connection,
          const char      *destination,
          GBytes          *bytes)
{
  GVariant *body = g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, bytes, TRUE);

  g_dbus_connection_emit_signal (
      connection, destination, RAW_PATH, RAW_INTERFACE, "Data", g_variant_new_tuple (&body, 1), NULL);
}

static void
raw_on_signal (GDBusConnection *connection,
               const char      *sender,
               const char      *path,
               const char      *interface,
               const char      *name,
               GVariant        *body,
               gpointer         is_receiver)
{
  g_autoptr (GBytes) bytes = g_bytes_new (NULL, 0);

  if (--n_left == 0 && GPOINTER_TO_INT (is_receiver))
    raw_send (connection, sender, bytes);
}

static void
raw_listen (GDBusConnection *connection,
            gboolean         is_receiver)
{
  g_dbus_connection_signal_subscribe (connection,
                                      NULL,
                                      RAW_INTERFACE,
                                      "Data",
                                      RAW_PATH,
                                      NULL,
                                      G_DBUS_SIGNAL_FLAGS_NO_MATCH_RULE,
                                      raw_on_signal,
                                      GINT_TO_POINTER (is_receiver),
                                      NULL);
}

static void
raw_receive (const char *address)
{
  GDBusConnection *connection = raw_connect (address);

  raw_listen (connection, TRUE);
  g_print ("%s\n", g_dbus_connection_get_unique_name (connection));
}

/* Seconds */
static double
raw_time (TestDaemon  *daemon,
          TestProcess *receiver,
          GBytes      *bytes,
          guint        n)
{
  g_autoptr (GDBusConnection) connection = raw_connect (daemon->address);
  double start;

  raw_listen (connection, FALSE);
  n_left = 1;
  start = bench_now ();
  for (guint i = 0; i < n; i++)
    raw_send (connection, receiver->line, bytes);
  while (n_left > 0)
    g_main_context_iteration (NULL, TRUE);
  return bench_now () - start;
}

/* --- The transport --- */

static gboolean is_ready;

static void
ours_on_received (gpointer     transport,
                  const char  *node,
                  AgentTraffic traffic,
                  GBytes      *packet)
{
  if (--n_left == 0 && traffic == AGENT_TRAFFIC_DATA)
    _agent_transport_send_presence (transport, node, packet);
}

static void
ours_on_ready (gpointer transport)
{
  is_ready = TRUE;
}

static const AgentTransportSink ours_sink = {
  .received = ours_on_received,
  .ready = ours_on_ready,
  .control_done = test_ignore_control_done,
  .node_gone = test_ignore_node_gone,
  .state_changed = test_ignore_state,
};

static void
ours_on_result (GObject      *object,
                GAsyncResult *result,
                gpointer      user_data)
{
  g_autoptr (GError) error = NULL;

  g_task_propagate_boolean (G_TASK (result), &error);
  g_assert_no_error (error);
  *(gboolean *) user_data = TRUE;
}

static AgentTransport *
ours_open (const char *address,
           const char *id)
{
  AgentTransport *transport = g_object_new (AGENT_TYPE_DBUS_TRANSPORT, "address", address, "node-id", id, NULL);
  gboolean        done = FALSE;

  _agent_transport_set_sink (transport, &ours_sink, transport);
  _agent_transport_open_async (transport, NULL, ours_on_result, &done);
  while (!done)
    g_main_context_iteration (NULL, TRUE);
  return transport;
}

static void
ours_close (AgentTransport *transport)
{
  gboolean done = FALSE;

  _agent_transport_close_async (transport, NULL, ours_on_result, &done);
  while (!done)
    g_main_context_iteration (NULL, TRUE);
  _agent_transport_set_sink (transport, NULL, NULL);
  g_object_unref (transport);
}

static void
ours_receive (const char *address)
{
  ours_open (address, "receiver");
  g_print ("open\n");
}

static void
ours_send (AgentTransport *transport,
           GBytes         *bytes)
{
  g_autoptr (GError) error = NULL;

  is_ready = FALSE;
  if (_agent_transport_send_data (transport, "receiver", bytes, &error))
    return;

  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
  while (!is_ready)
    g_main_context_iteration (NULL, TRUE);
  ours_send (transport, bytes);
}

/* Seconds */
static double
ours_time (TestDaemon  *daemon,
           TestProcess *receiver,
           GBytes      *bytes,
           guint        n)
{
  AgentTransport *transport = ours_open (daemon->address, "sender");
  double          start;
  double          end;

  n_left = 1;
  start = bench_now ();
  for (guint i = 0; i < n; i++)
    ours_send (transport, bytes);
  while (n_left > 0)
    g_main_context_iteration (NULL, TRUE);
  end = bench_now ();
  ours_close (transport);
  return end - start;
}

/* --- Both --- */

typedef double (*DBusTime) (TestDaemon  *daemon,
                            TestProcess *receiver,
                            GBytes      *bytes,
                            guint        n);

/* Messages in a second. */
static double
dbus_rate (TestDaemon *daemon,
           const char *kind,
           DBusTime    time,
           gsize       size,
           guint       n)
{
  g_autofree char *program = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *count = g_strdup_printf ("%u", n);
  const char      *argv[] = { program, "--receive", kind, daemon->address, count, NULL };
  TestProcess     *receiver = test_process_new (argv);
  g_autoptr (GBytes) bytes = g_bytes_new_take (g_malloc0 (size), size);
  double seconds = time (daemon, receiver, bytes, n);

  test_process_kill (receiver);
  return n / seconds;
}

static void
dbus_compare (const char *name,
              guint       n)
{
  g_autoptr (TestDaemon) daemon = test_daemon_new ();
  double raw[BENCH_REPEATS], single[BENCH_REPEATS], batched[BENCH_REPEATS];
  double single_share[BENCH_REPEATS], batched_share[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      raw[r] = dbus_rate (daemon, "raw", raw_time, MESSAGE_SIZE, n);
      single[r] = dbus_rate (daemon, "ours", ours_time, WIRE_SIZE, n);
      batched[r] = BATCH_COUNT * dbus_rate (daemon, "ours", ours_time, BATCH_SIZE, n * 10 / BATCH_COUNT);
      single_share[r] = single[r] / raw[r];
      batched_share[r] = batched[r] / raw[r];
    }

  bench_print_median (name, "raw_per_second", raw, bench_repeats (), "messages");
  bench_print_median (name, "single_per_second", single, bench_repeats (), "messages");
  bench_print_median (name, "batched_per_second", batched, bench_repeats (), "messages");
  bench_print_median (name, "single_of_raw", single_share, bench_repeats (), "times");
  bench_print_median (name, "batched_of_raw", batched_share, bench_repeats (), "times");
}

static const BenchScenario scenarios[] = {
  { "dbus_signals", dbus_compare, N_MESSAGES },
};

int
main (int   argc,
      char *argv[])
{
  if (argc != 5 || strcmp (argv[1], "--receive") != 0)
    return bench_main (argc, argv, scenarios, G_N_ELEMENTS (scenarios));

  n_left = atoi (argv[4]);
  if (strcmp (argv[2], "raw") == 0)
    raw_receive (argv[3]);
  else
    ours_receive (argv[3]);
  fflush (stdout);
  while (TRUE)
    g_main_context_iteration (NULL, TRUE);
}
