/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The same question asked with what GLib has. */

#include "config.h"

#include <gio/gio.h>
#include <sys/socket.h>

#include "bench-tasks.h"

/* --- GTask --- */

static void
gtask_on_ready (GObject      *object,
                GAsyncResult *result,
                gpointer      user_data)
{
  if (!g_task_propagate_boolean (G_TASK (result), NULL))
    g_error ("A GTask has failed");
  bench_asker_take_answer (user_data);
}

static gboolean
gtask_return (gpointer user_data)
{
  g_task_return_boolean (user_data, TRUE);
  return G_SOURCE_REMOVE;
}

static void
gtask_ask (BenchAsker *self)
{
  GTask   *task = g_task_new (NULL, NULL, gtask_on_ready, self);
  GSource *idle = g_idle_source_new ();

  g_source_set_priority (idle, G_PRIORITY_DEFAULT);
  g_source_set_callback (idle, gtask_return, task, g_object_unref);
  g_source_attach (idle, self->answering->context);
  g_source_unref (idle);
}

static void
gtask_do_nothing (BenchAsker *self)
{
}

void
bench_tasks_gtask (const char *name,
                   guint       n_threads)
{
  const BenchAsker way = { .ask = gtask_ask, .make = gtask_do_nothing, .free = gtask_do_nothing };

  bench_asker_measure (name, &way, n_threads, 50000);
}

/* --- GDBus, from one end of a pair of sockets to the other --- */

#define OBJECT "/worker"
#define INTERFACE "org.example.Worker"

static const char interface_xml[] = "<node><interface name='" INTERFACE "'><method name='Do'/></interface></node>";

typedef struct
{
  GDBusConnection *asking;
  GDBusConnection *answering;
  int              fds[2];
  GDBusNodeInfo   *info;
} DBusPair;

static GDBusConnection *
dbus_connect (int                  fd,
              GDBusConnectionFlags flags,
              const char          *guid)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocket) socket = g_socket_new_from_fd (fd, &error);
  g_autoptr (GSocketConnection) stream = NULL;
  GDBusConnection *connection;

  g_assert_no_error (error);
  stream = g_socket_connection_factory_create_connection (socket);
  connection = g_dbus_connection_new_sync (G_IO_STREAM (stream), guid, flags, NULL, NULL, &error);
  g_assert_no_error (error);

  return connection;
}

/* Each end waits for the other, so they connect in two threads. */
static gpointer
dbus_connect_answering (gpointer data)
{
  g_autofree char *guid = g_dbus_generate_guid ();

  return dbus_connect (
      GPOINTER_TO_INT (data),
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER | G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_ALLOW_ANONYMOUS,
      guid);
}

static void
dbus_on_call (GDBusConnection       *connection,
              const char            *sender,
              const char            *object_path,
              const char            *interface_name,
              const char            *method_name,
              GVariant              *parameters,
              GDBusMethodInvocation *invocation,
              gpointer               user_data)
{
  g_dbus_method_invocation_return_value (invocation, NULL);
}

static gboolean
dbus_register (gpointer user_data)
{
  static const GDBusInterfaceVTable table = { .method_call = dbus_on_call };
  DBusPair                         *pair = user_data;

  if (g_dbus_connection_register_object (
          pair->answering, OBJECT, pair->info->interfaces[0], &table, NULL, NULL, NULL) == 0)
    g_error ("The object is not registered");
  return G_SOURCE_REMOVE;
}

/* The object is called in the context in which it is registered. */
static void
dbus_make (BenchAsker *self)
{
  DBusPair *pair = g_new0 (DBusPair, 1);
  GThread  *thread;

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair->fds) != 0)
    g_error ("There are no sockets");
  thread = g_thread_new ("answering", dbus_connect_answering, GINT_TO_POINTER (pair->fds[1]));
  pair->asking = dbus_connect (pair->fds[0], G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL);
  pair->answering = g_thread_join (thread);
  pair->info = g_dbus_node_info_new_for_xml (interface_xml, NULL);
  self->data = pair;

  g_main_context_invoke (self->answering->context, dbus_register, pair);
  test_thread_sync (self->answering);
}

static void
dbus_free (BenchAsker *self)
{
  DBusPair *pair = self->data;

  g_dbus_connection_close_sync (pair->asking, NULL, NULL);
  g_dbus_connection_close_sync (pair->answering, NULL, NULL);
  g_object_unref (pair->asking);
  g_object_unref (pair->answering);
  g_dbus_node_info_unref (pair->info);
  g_free (pair);
}

static void
dbus_on_answer (GObject      *object,
                GAsyncResult *result,
                gpointer      user_data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value = g_dbus_connection_call_finish (G_DBUS_CONNECTION (object), result, &error);

  g_assert_no_error (error);
  bench_asker_take_answer (user_data);
}

static void
dbus_ask (BenchAsker *self)
{
  DBusPair *pair = self->data;

  g_dbus_connection_call (pair->asking,
                          NULL,
                          OBJECT,
                          INTERFACE,
                          "Do",
                          NULL,
                          NULL,
                          G_DBUS_CALL_FLAGS_NONE,
                          -1,
                          NULL,
                          dbus_on_answer,
                          self);
}

void
bench_tasks_gdbus (const char *name,
                   guint       n_threads)
{
  const BenchAsker way = { .ask = dbus_ask, .make = dbus_make, .free = dbus_free };

  bench_asker_measure (name, &way, n_threads, 3000);
}
