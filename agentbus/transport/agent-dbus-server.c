/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport/agent-dbus-server-private.h"

#include "base/agent-clock-private.h"
#include "base/agent-timer-source-private.h"
#include "transport/agent-dbus-greeting-private.h"

/* How long a peer may take to greet, in microseconds. */
#define GREETING_PATIENCE (5 * G_TIME_SPAN_SECOND)

typedef struct
{
  AgentDBusPort     port; /* first */
  AgentDBusHub     *hub;  /* (not owned) */
  char             *address;
  GDBusServer      *server; /* (owned) (nullable) while it listens */
  gulong            on_new;
  GQueue            peers;       /* of ServerPeer (owned): those that are not being closed, the oldest one first */
  guint             n_closing;   /* lines that are being closed */
  AgentTimerSource *timer;       /* (owned) for those that do not greet */
  GCancellable     *cancellable; /* (owned) of lines that are closed because of what the peer does */
  AgentDBusDoneFunc done;        /* (nullable) set once it is to be closed */
  gpointer          done_data;
} AgentDBusServer;

/* What has connected. */
typedef struct
{
  AgentDBusServer *server;
  AgentDBusLine   *line;
  gint64           since; /* µs */
  gboolean         has_greeted;
  GList            link;
} ServerPeer;

/* --- A peer --- */

static void
dbus_server_check_done (AgentDBusServer *self)
{
  if (self->done != NULL && self->n_closing == 0)
    self->done (self->done_data);
}

static void
dbus_server_on_line_gone (gpointer data)
{
  AgentDBusServer *self = data;

  self->n_closing--;
  dbus_server_check_done (self);
}

static void
dbus_server_drop (ServerPeer   *peer,
                  GCancellable *cancellable)
{
  AgentDBusServer *self = peer->server;

  g_queue_unlink (&self->peers, &peer->link);
  self->n_closing++;
  _agent_dbus_line_close (peer->line, cancellable, dbus_server_on_line_gone, self);
  g_free (peer);
}

static void
dbus_server_welcome (ServerPeer *peer)
{
  g_autoptr (GDBusMessage) greeting = _agent_dbus_greeting_new (peer->server->hub);

  peer->has_greeted = TRUE;
  g_dbus_message_set_flags (greeting, G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED);
  _agent_dbus_line_send (peer->line, greeting, NULL);
}

static void
dbus_server_on_message (gpointer       data,
                        AgentDBusLine *line,
                        GDBusMessage  *message)
{
  ServerPeer   *peer = data;
  AgentDBusHub *hub = peer->server->hub;
  gboolean      had_greeted = peer->has_greeted;

  if (!_agent_dbus_greeting_is (message))
    _agent_dbus_hub_take (hub, line, message);
  else if (_agent_dbus_greeting_take (hub, line, message))
    dbus_server_welcome (peer);

  /* A stranger is not kept. After a packet of a node the peer may be gone, if the transport was closed. */
  if (!had_greeted && !peer->has_greeted)
    dbus_server_drop (peer, peer->server->cancellable);
}

static void
dbus_server_on_room (gpointer data)
{
  ServerPeer *peer = data;

  _agent_dbus_hub_room (peer->server->hub);
}

static void
dbus_server_on_line_closed (gpointer       data,
                            AgentDBusLine *line,
                            const char    *reason)
{
  ServerPeer          *peer = data;
  AgentDBusHub        *hub = peer->server->hub;
  const AgentDBusNode *node =
      _agent_dbus_nodes_find_source (_agent_dbus_hub_get_nodes (hub), _agent_dbus_line_get_name (line));
  g_autofree char *text = g_strdup_printf ("the connection is closed: %s", reason);

  dbus_server_drop (peer, peer->server->cancellable);
  if (node != NULL)
    _agent_dbus_hub_remove (hub, node->id, text);
}

static const AgentDBusLineFuncs server_line_funcs = {
  .message = dbus_server_on_message,
  .room = dbus_server_on_room,
  .closed = dbus_server_on_line_closed,
};

/* --- Those that do not greet --- */

static ServerPeer *
dbus_server_find_silent (AgentDBusServer *self)
{
  for (GList *link = self->peers.head; link != NULL; link = link->next)
    {
      if (!((ServerPeer *) link->data)->has_greeted)
        return link->data;
    }

  return NULL;
}

static void
dbus_server_on_timer (gpointer data,
                      gint64   now)
{
  AgentDBusServer *self = data;
  ServerPeer      *peer;

  while ((peer = dbus_server_find_silent (self)) != NULL && peer->since + GREETING_PATIENCE <= now)
    {
      _agent_dbus_hub_refuse (self->hub, _agent_dbus_line_get_name (peer->line), "connection: it has not said which node it is");
      dbus_server_drop (peer, self->cancellable);
    }

  _agent_timer_source_set_time (self->timer, peer != NULL ? peer->since + GREETING_PATIENCE : -1);
}

/* --- Its life --- */

static gboolean
dbus_server_on_new_connection (GDBusServer     *server,
                               GDBusConnection *connection,
                               AgentDBusServer *self)
{
  ServerPeer *peer = g_new0 (ServerPeer, 1);

  peer->server = self;
  peer->since = _agent_clock_now ();
  peer->link.data = peer;
  g_queue_push_tail_link (&self->peers, &peer->link);
  peer->line = _agent_dbus_line_new (connection, _agent_dbus_hub_get_path (self->hub), FALSE, &server_line_funcs, peer);
  dbus_server_on_timer (self, peer->since);
  return TRUE;
}

/* It must have failed to open, or be closed. */
static void
dbus_server_free (AgentDBusPort *port)
{
  AgentDBusServer *self = (AgentDBusServer *) port;

  g_assert (self->server == NULL);

  _agent_timer_source_free (self->timer);
  g_object_unref (self->cancellable);
  g_free (self->address);
  g_free (self);
}

/* GDBus reads from those that have not proven yet who they are in threads of its own, so nobody waits for them here. */
static void
dbus_server_open (AgentDBusPort *port,
                  GTask         *task)
{
  AgentDBusServer *self = (AgentDBusServer *) port;
  g_autofree char *guid = g_dbus_generate_guid ();
  GError          *error = NULL;

  self->server = g_dbus_server_new_sync (
      self->address, G_DBUS_SERVER_FLAGS_AUTHENTICATION_REQUIRE_SAME_USER, guid, NULL, g_task_get_cancellable (task), &error);
  if (self->server == NULL)
    {
      g_task_return_error (task, error);
      return;
    }

  self->on_new =
      g_signal_connect (self->server, "new-connection", G_CALLBACK (dbus_server_on_new_connection), self);
  g_dbus_server_start (self->server);
  _agent_dbus_hub_set_up (self->hub);
  g_task_return_boolean (task, TRUE);
}

static gboolean
dbus_server_on_closed_idle (gpointer data)
{
  AgentDBusServer *self = data;

  self->n_closing--;
  dbus_server_check_done (self);
  return G_SOURCE_REMOVE;
}

/* Ends with @done, later. */
static void
dbus_server_close (AgentDBusPort    *port,
                   GCancellable     *cancellable,
                   AgentDBusDoneFunc done,
                   gpointer          data)
{
  AgentDBusServer *self = (AgentDBusServer *) port;
  g_autoptr (GSource) source = g_idle_source_new ();

  self->done = done;
  self->done_data = data;
  self->n_closing++;
  g_source_set_callback (source, dbus_server_on_closed_idle, self, NULL);
  g_source_attach (source, g_main_context_get_thread_default ());

  g_signal_handler_disconnect (self->server, self->on_new);
  g_dbus_server_stop (self->server);
  g_clear_object (&self->server);
  g_cancellable_cancel (self->cancellable);
  while (self->peers.length > 0)
    dbus_server_drop (g_queue_peek_head (&self->peers), cancellable);
}

static const AgentDBusPortFuncs server_port_funcs = {
  .open = dbus_server_open,
  .close = dbus_server_close,
  .free = dbus_server_free,
};

/* In the thread of the transport, whose context is the thread default. */
AgentDBusPort *
_agent_dbus_server_new (AgentDBusHub *hub,
                        const char   *address)
{
  AgentDBusServer *self = g_new0 (AgentDBusServer, 1);
  g_autoptr (GMainContext) context = g_main_context_ref_thread_default ();

  self->port.funcs = &server_port_funcs;
  self->hub = hub;
  self->address = g_strdup (address);
  self->cancellable = g_cancellable_new ();
  self->timer = _agent_timer_source_new (context, "[agentbus] D-Bus greetings", dbus_server_on_timer, self, NULL);
  g_queue_init (&self->peers);
  _agent_dbus_hub_skip_stalled (hub);
  return &self->port;
}
