/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport/agent-dbus-line-private.h"

#include "base/agent-cancel-source-private.h"
#include "base/agent-clock-private.h"
#include "transport/agent-dbus-inbox-private.h"
#include "transport/agent-dbus-packet-private.h"

/* How long a method call may take, in milliseconds. */
#define CALL_PATIENCE 5000

/* A line that is full and has written nothing for so long is stalled. In microseconds. */
#define STALL_TIME (G_TIME_SPAN_SECOND)

struct _AgentDBusLine
{
  GDBusConnection          *connection; /* (owned) */
  char                     *path;       /* of the bus in all processes */
  char                     *name;       /* of the peer, for people */
  gboolean                  is_shared;
  AgentDBusInbox           *inbox;   /* (owned) */
  AgentDBusCalls           *calls;   /* (owned) */
  GMainContext             *context; /* (owned) */
  guint                     filter;
  gulong                    on_closed;  /* if it is shared */
  gboolean                  is_watched; /* if it is not: there is a call that ends when it is closed */
  const AgentDBusLineFuncs *funcs;
  gpointer                  data;
  guint                     n_failed; /* calls that could not be sent have numbers of their own */
  AgentDBusCalls           *failed;   /* (owned) these calls */

  /* While the line is being closed */
  guint             n_waiting;  /* for how many operations it waits */
  gboolean          is_hung_up; /* nothing is written any more */
  GSource          *cancelled;  /* (owned) (nullable) */
  AgentDBusDoneFunc done;
  gpointer          done_data;
};

/* --- From the inbox --- */

static void
dbus_line_on_message (gpointer      data,
                      GDBusMessage *message)
{
  AgentDBusLine   *self = data;
  GDBusMessageType type = g_dbus_message_get_message_type (message);

  if (type == G_DBUS_MESSAGE_TYPE_METHOD_RETURN || type == G_DBUS_MESSAGE_TYPE_ERROR)
    _agent_dbus_calls_answer (self->calls, message);
  else
    self->funcs->message (self->data, self, message);
}

static void
dbus_line_on_room (gpointer data)
{
  AgentDBusLine *self = data;

  self->funcs->room (self->data);
}

static void
dbus_line_on_closed (gpointer    data,
                     const char *reason)
{
  AgentDBusLine *self = data;

  self->funcs->closed (self->data, self, reason);
}

static const AgentDBusInboxFuncs line_inbox_funcs = {
  .message = dbus_line_on_message,
  .room = dbus_line_on_room,
  .closed = dbus_line_on_closed,
};

/* In the context of the owner of a connection that is shared. */
static void
dbus_line_on_connection_closed (GDBusConnection *connection,
                                gboolean         remote_peer_vanished,
                                GError          *error,
                                AgentDBusInbox  *inbox)
{
  _agent_dbus_inbox_add_closed (inbox, error != NULL ? error->message : "it was closed");
}

static void
dbus_line_unref_inbox (gpointer  inbox,
                       GClosure *closure)
{
  _agent_dbus_inbox_unref (inbox);
}

/* --- Its life --- */

static char *
dbus_line_new_name (GDBusConnection *connection)
{
  static gint   n_lines;
  GCredentials *credentials = g_dbus_connection_get_peer_credentials (connection);
  pid_t         process = credentials != NULL ? g_credentials_get_unix_pid (credentials, NULL) : -1;
  gint          number = g_atomic_int_add (&n_lines, 1) + 1;

  if (process == -1)
    return g_strdup_printf ("connection %d", number);

  return g_strdup_printf ("connection %d of process %d", number, (int) process);
}

static void dbus_line_step (AgentDBusLine *self);

static void
dbus_line_on_watched (GObject      *object,
                      GAsyncResult *result,
                      gpointer      user_data)
{
  AgentDBusLine *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusMessage) reply =
      g_dbus_connection_send_message_with_reply_finish (G_DBUS_CONNECTION (object), result, &error);

  self->is_watched = FALSE;
  if (self->done != NULL)
    dbus_line_step (self);
  else
    _agent_dbus_inbox_add_closed (self->inbox, error != NULL ? error->message : "it was closed");
}

/* GDBus tells that a connection is closed in the context in which it was made. That of a connection which a GDBusServer has
 * accepted is the default one, which may belong to the application, or to nobody. But it also ends the calls that have no
 * reply, each in the context of the caller. So there is a call whose reply the inbox takes away from GDBus. */
static void
dbus_line_watch_by_call (AgentDBusLine *self)
{
  g_autoptr (GDBusMessage) ping = NULL;

  ping = g_dbus_message_new_method_call (_agent_dbus_line_is_on_bus (self) ? "org.freedesktop.DBus" : NULL,
                                         "/org/freedesktop/DBus",
                                         "org.freedesktop.DBus.Peer",
                                         "Ping");
  self->is_watched = TRUE;
  g_dbus_connection_send_message_with_reply (
      self->connection, ping, G_DBUS_SEND_MESSAGE_FLAGS_NONE, G_MAXINT, NULL, NULL, dbus_line_on_watched, self);
}

static void
dbus_line_watch_by_signal (AgentDBusLine *self)
{
  self->on_closed = g_signal_connect_data (self->connection,
                                           "closed",
                                           G_CALLBACK (dbus_line_on_connection_closed),
                                           _agent_dbus_inbox_ref (self->inbox),
                                           dbus_line_unref_inbox,
                                           0);
  if (g_dbus_connection_is_closed (self->connection))
    _agent_dbus_inbox_add_closed (self->inbox, "it is closed");
}

/* GDBus calls this when its thread does not use the filter any more, at once or later in the context. */
static void
dbus_line_on_filter_gone (gpointer data)
{
  dbus_line_step (data);
}

static GDBusMessage *
dbus_line_filter (GDBusConnection *connection,
                  GDBusMessage    *message,
                  gboolean         incoming,
                  gpointer         data)
{
  /* The inbox is the same from before the filter is there until it is gone. */
  return _agent_dbus_inbox_filter (connection, message, incoming, ((AgentDBusLine *) data)->inbox);
}

/* @is_shared: whether others use the connection, too. Then it is left open in the end. */
AgentDBusLine *
_agent_dbus_line_new (GDBusConnection          *connection,
                      const char               *path,
                      gboolean                  is_shared,
                      const AgentDBusLineFuncs *funcs,
                      gpointer                  data)
{
  AgentDBusLine *self = g_new0 (AgentDBusLine, 1);

  self->connection = g_object_ref (connection);
  self->path = g_strdup (path);
  self->name = dbus_line_new_name (connection);
  self->is_shared = is_shared;
  self->context = g_main_context_ref_thread_default ();
  self->calls = _agent_dbus_calls_new (self->context, CALL_PATIENCE);
  self->failed = _agent_dbus_calls_new (self->context, 0);
  self->inbox = _agent_dbus_inbox_new (self->context, path, is_shared, &line_inbox_funcs, self);
  self->funcs = funcs;
  self->data = data;
  self->filter = g_dbus_connection_add_filter (connection, dbus_line_filter, self, dbus_line_on_filter_gone);
  if (is_shared)
    dbus_line_watch_by_signal (self);
  else
    dbus_line_watch_by_call (self);

  /* For those that were told to wait for the filter. */
  if (!is_shared)
    g_dbus_connection_start_message_processing (connection);
  return self;
}

static void
dbus_line_free (AgentDBusLine *self)
{
  g_object_unref (self->connection);
  _agent_dbus_inbox_unref (self->inbox);
  _agent_dbus_calls_free (self->calls);
  _agent_dbus_calls_free (self->failed);
  g_main_context_unref (self->context);
  g_free (self->path);
  g_free (self->name);
  g_free (self);
}

/* One of the operations that the end waits for is over. */
static void
dbus_line_step (AgentDBusLine *self)
{
  AgentDBusDoneFunc done = self->done;
  gpointer          data = self->done_data;

  if (--self->n_waiting > 0)
    return;

  dbus_line_free (self);
  done (data);
}

static void
dbus_line_on_connection_hung_up (GObject      *object,
                                 GAsyncResult *result,
                                 gpointer      user_data)
{
  g_dbus_connection_close_finish (G_DBUS_CONNECTION (object), result, NULL);
  dbus_line_step (user_data);
}

/* Nothing is written any more. The calls that are open have no reply. */
static void
dbus_line_hang_up (AgentDBusLine *self)
{
  g_autoptr (GError) error = NULL;

  if (self->is_hung_up)
    return;

  self->is_hung_up = TRUE;
  _agent_cancel_source_clear (&self->cancelled);
  g_set_error_literal (&error, G_IO_ERROR, G_IO_ERROR_CLOSED, "The transport was closed");
  _agent_dbus_calls_fail (self->calls, error);
  _agent_dbus_calls_fail (self->failed, error);

  self->n_waiting += 2;
  if (!self->is_shared)
    g_dbus_connection_close (self->connection, NULL, dbus_line_on_connection_hung_up, self);
  else
    dbus_line_step (self);
  g_dbus_connection_remove_filter (self->connection, self->filter);
}

static gboolean
dbus_line_on_left (gpointer data)
{
  dbus_line_hang_up (data);
  dbus_line_step (data);
  return G_SOURCE_REMOVE;
}

/* A connection that is left open writes what it has in any case. */
static void
dbus_line_leave (AgentDBusLine *self)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, dbus_line_on_left, self, NULL);
  g_source_attach (source, self->context);
}

static void
dbus_line_on_flushed (GObject      *object,
                      GAsyncResult *result,
                      gpointer      user_data)
{
  g_dbus_connection_flush_finish (G_DBUS_CONNECTION (object), result, NULL);
  dbus_line_hang_up (user_data);
  dbus_line_step (user_data);
}

static gboolean
dbus_line_on_cancelled (gpointer data)
{
  dbus_line_hang_up (data);
  return G_SOURCE_REMOVE;
}

static void
dbus_line_watch_cancellable (AgentDBusLine *self,
                             GCancellable  *cancellable)
{
  if (cancellable == NULL)
    return;

  self->cancelled = _agent_cancel_source_new (cancellable);
  g_source_set_callback (self->cancelled, dbus_line_on_cancelled, self, NULL);
  g_source_attach (self->cancelled, self->context);
}

/* No function of the line is called any more. What was sent is still written, as long as the cancellable allows. Calls that are
 * open then fail, later in the context, before @done is called. After that the line is freed.
 *
 * A flush cannot be cancelled, but it ends when the connection is closed. */
void
_agent_dbus_line_close (AgentDBusLine    *self,
                        GCancellable     *cancellable,
                        AgentDBusDoneFunc done,
                        gpointer          data)
{
  self->done = done;
  self->done_data = data;
  self->n_waiting = self->is_watched ? 2 : 1;
  _agent_dbus_inbox_close (self->inbox);
  if (self->is_shared)
    {
      g_signal_handler_disconnect (self->connection, self->on_closed);
      dbus_line_leave (self);
      return;
    }

  dbus_line_watch_cancellable (self, cancellable);
  g_dbus_connection_flush (self->connection, NULL, dbus_line_on_flushed, self);
}

/* --- What it is --- */

/* Returns: (transfer none): what it is called in texts for people; no two lines have the same name. */
const char *
_agent_dbus_line_get_name (AgentDBusLine *self)
{
  return self->name;
}

const char *
_agent_dbus_line_get_path (AgentDBusLine *self)
{
  return self->path;
}

gboolean
_agent_dbus_line_is_on_bus (AgentDBusLine *self)
{
  return g_dbus_connection_get_unique_name (self->connection) != NULL;
}

gboolean
_agent_dbus_line_is_shared (AgentDBusLine *self)
{
  return self->is_shared;
}

/* --- What is sent --- */

/* @serial: (out) (optional) */
static gboolean
dbus_line_send (AgentDBusLine *self,
                GDBusMessage  *message,
                guint32       *serial,
                GError       **error)
{
  gboolean is_ours = _agent_dbus_packet_is_ours (message, self->path);

  if (is_ours)
    _agent_dbus_inbox_add_sent (self->inbox, message);
  if (g_dbus_connection_send_message (self->connection, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, serial, error))
    return TRUE;

  if (is_ours)
    _agent_dbus_inbox_take_back (self->inbox, message);
  return FALSE;
}

gboolean
_agent_dbus_line_send (AgentDBusLine *self,
                       GDBusMessage  *message,
                       GError       **error)
{
  return dbus_line_send (self, message, NULL, error);
}

/* The function is called once, later, with the reply or an error. */
void
_agent_dbus_line_call (AgentDBusLine     *self,
                       GDBusMessage      *message,
                       AgentDBusReplyFunc func,
                       gpointer           data)
{
  guint32 serial = 0;

  if (dbus_line_send (self, message, &serial, NULL))
    _agent_dbus_calls_add (self->calls, serial, func, data);
  else
    _agent_dbus_calls_add (self->failed, ++self->n_failed, func, data);
}

/* @error_name: (nullable): NULL if it went well. */
void
_agent_dbus_line_reply (AgentDBusLine *self,
                        GDBusMessage  *message,
                        const char    *error_name,
                        const char    *text)
{
  g_autoptr (GDBusMessage) reply = NULL;

  if (g_dbus_message_get_message_type (message) != G_DBUS_MESSAGE_TYPE_METHOD_CALL ||
      (g_dbus_message_get_flags (message) & G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED) != 0)
    return;

  if (error_name == NULL)
    reply = g_dbus_message_new_method_reply (message);
  else
    reply = g_dbus_message_new_method_error_literal (message, error_name, text);
  g_dbus_connection_send_message (self->connection, reply, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
}

gboolean
_agent_dbus_line_is_full (AgentDBusLine *self)
{
  return _agent_dbus_inbox_is_full (self->inbox);
}

/* If it returns FALSE, room() is called once there is room. */
gboolean
_agent_dbus_line_has_room (AgentDBusLine *self)
{
  return _agent_dbus_inbox_has_room (self->inbox);
}

gboolean
_agent_dbus_line_is_stalled (AgentDBusLine *self)
{
  return _agent_dbus_inbox_is_full (self->inbox) &&
         _agent_clock_now () - _agent_dbus_inbox_get_progress (self->inbox) > STALL_TIME;
}
