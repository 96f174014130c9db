/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The parts with GDBus alone: signals that go to one receiver. */

#include "config.h"

#include "bench-transport-node.h"
#include "bench-transport.h"

#define RECEIVER "org.agentbus.Bench.Receiver"
#define SENDER "org.agentbus.Bench.Sender"
#define OBJECT "/bench"
#define INTERFACE "org.agentbus.Bench"
#define MEMBER "Data"

typedef struct
{
  BenchArrivals arrivals;
  guint64      *trips;
  guint         n_trips;
  double        sent_at;
} GDBusEnd;

static GDBusConnection *
gdbus_connect (const char *address,
               const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;
  GDBusConnection *connection = g_dbus_connection_new_for_address_sync (
      address,
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
      NULL,
      NULL,
      &error);

  if (connection == NULL)
    g_error ("%s", error->message);
  reply = g_dbus_connection_call_sync (connection,
                                       "org.freedesktop.DBus",
                                       "/",
                                       "org.freedesktop.DBus",
                                       "RequestName",
                                       g_variant_new ("(su)", name, 0),
                                       NULL,
                                       G_DBUS_CALL_FLAGS_NONE,
                                       -1,
                                       NULL,
                                       NULL);
  return connection;
}

static void
gdbus_send (GDBusConnection *connection,
            const char      *receiver,
            GVariant        *payload)
{
  if (!g_dbus_connection_emit_signal (
          connection, receiver, OBJECT, INTERFACE, MEMBER, g_variant_new_tuple (&payload, 1), NULL))
    g_error ("A signal was not sent");
}

static void
gdbus_listen (GDBusConnection    *connection,
              GDBusSignalCallback func,
              gpointer            data)
{
  g_dbus_connection_signal_subscribe (connection,
                                      NULL,
                                      INTERFACE,
                                      MEMBER,
                                      OBJECT,
                                      NULL,
                                      G_DBUS_SIGNAL_FLAGS_NO_MATCH_RULE,
                                      func,
                                      data,
                                      NULL);
}

/* --- The receiver --- */

static void
gdbus_on_signal (GDBusConnection *connection,
                 const char      *sender,
                 const char      *path,
                 const char      *interface,
                 const char      *name,
                 GVariant        *body,
                 gpointer         user_data)
{
  GDBusEnd *self = user_data;

  if (bench_arrivals_add (&self->arrivals))
    bench_arrivals_tell (&self->arrivals);
}

void
bench_gdbus_receive_part (const char *address,
                          guint       n,
                          const char *kind)
{
  GDBusEnd         self = { .arrivals = { .n_wanted = n } };
  GDBusConnection *connection = gdbus_connect (address, RECEIVER);

  gdbus_listen (connection, gdbus_on_signal, &self);
  bench_part_tell ("ready");
  bench_node_run ();
}

/* --- The sender --- */

/* GDBus keeps all of them until its own thread has written them. */
void
bench_gdbus_send_part (const char *address,
                       guint       n,
                       const char *kind)
{
  GDBusConnection *connection = gdbus_connect (address, SENDER);
  g_autoptr (GVariant) opaque = bench_payload_new_opaque ();

  bench_part_tell ("ready");
  bench_part_wait ();
  for (guint i = 0; i < n; i++)
    gdbus_send (connection, RECEIVER, opaque);
  g_dbus_connection_flush_sync (connection, NULL, NULL);
  bench_node_run ();
}

/* --- There and back --- */

static void
gdbus_on_question (GDBusConnection *connection,
                   const char      *sender,
                   const char      *path,
                   const char      *interface,
                   const char      *name,
                   GVariant        *body,
                   gpointer         user_data)
{
  g_autoptr (GVariant) payload = g_variant_get_child_value (body, 0);

  gdbus_send (connection, SENDER, payload);
}

void
bench_gdbus_answer_part (const char *address,
                         guint       n,
                         const char *kind)
{
  GDBusConnection *connection = gdbus_connect (address, RECEIVER);

  gdbus_listen (connection, gdbus_on_question, NULL);
  bench_part_tell ("ready");
  bench_node_run ();
}

static void
gdbus_ask (GDBusEnd        *self,
           GDBusConnection *connection)
{
  g_autoptr (GVariant) opaque = bench_payload_new_opaque ();

  self->sent_at = bench_now ();
  gdbus_send (connection, RECEIVER, opaque);
}

static void
gdbus_on_answer (GDBusConnection *connection,
                 const char      *sender,
                 const char      *path,
                 const char      *interface,
                 const char      *name,
                 GVariant        *body,
                 gpointer         user_data)
{
  GDBusEnd *self = user_data;

  self->trips[self->n_trips++] = (guint64) ((bench_now () - self->sent_at) * 1e9);
  if (self->n_trips < self->arrivals.n_wanted)
    gdbus_ask (self, connection);
  else
    bench_tell_trips (self->trips, self->n_trips);
}

void
bench_gdbus_ask_part (const char *address,
                      guint       n,
                      const char *kind)
{
  GDBusEnd         self = { .arrivals = { .n_wanted = n }, .trips = g_new (guint64, n) };
  GDBusConnection *connection = gdbus_connect (address, SENDER);

  gdbus_listen (connection, gdbus_on_answer, &self);
  bench_part_tell ("ready");
  bench_part_wait ();
  gdbus_ask (&self, connection);
  bench_node_run ();
}
