/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport/agent-dbus-client-private.h"

#include "transport/agent-dbus-greeting-private.h"
#include "transport/agent-dbus-uplink-private.h"

typedef struct
{
  AgentDBusPort    port;   /* first */
  AgentDBusHub    *hub;    /* (not owned) */
  AgentDBusUplink *uplink; /* (owned) */
  AgentDBusLine   *line;   /* (nullable) (not owned) since join() */
} AgentDBusClient;

static void
dbus_client_on_greeted (gpointer      data,
                        GDBusMessage *reply,
                        const GError *error)
{
  AgentDBusClient *self = data;

  /* If it went well, the greeting of the server follows. */
  if (error != NULL)
    _agent_dbus_uplink_joined (self->uplink, error);
}

static void
dbus_client_join (gpointer       owner,
                  AgentDBusLine *line)
{
  AgentDBusClient *self = owner;
  g_autoptr (GDBusMessage) greeting = _agent_dbus_greeting_new (self->hub);

  self->line = line;
  _agent_dbus_line_call (line, greeting, dbus_client_on_greeted, self);
}

static void
dbus_client_on_message (gpointer       owner,
                        AgentDBusLine *line,
                        GDBusMessage  *message)
{
  AgentDBusClient *self = owner;

  if (!_agent_dbus_greeting_is (message))
    _agent_dbus_hub_take (self->hub, line, message);
  else if (_agent_dbus_greeting_take (self->hub, line, message))
    _agent_dbus_uplink_joined (self->uplink, NULL);
}

static void
dbus_client_on_lost (gpointer    owner,
                     const char *reason)
{
  AgentDBusClient     *self = owner;
  AgentDBusNodes      *nodes = _agent_dbus_hub_get_nodes (self->hub);
  const AgentDBusNode *node = _agent_dbus_nodes_find_source (nodes, _agent_dbus_line_get_name (self->line));
  g_autofree char     *text = g_strdup_printf ("the connection is closed: %s", reason);

  if (node != NULL)
    _agent_dbus_hub_remove (self->hub, node->id, text);
}

static const AgentDBusUplinkFuncs client_uplink_funcs = {
  .join = dbus_client_join,
  .message = dbus_client_on_message,
  .lost = dbus_client_on_lost,
};

static void
dbus_client_free (AgentDBusPort *port)
{
  AgentDBusClient *self = (AgentDBusClient *) port;

  _agent_dbus_uplink_free (self->uplink);
  g_free (self);
}

static void
dbus_client_open (AgentDBusPort *port,
                  GTask         *task)
{
  AgentDBusClient *self = (AgentDBusClient *) port;

  _agent_dbus_uplink_open (self->uplink, task);
}

static void
dbus_client_close (AgentDBusPort    *port,
                   GCancellable     *cancellable,
                   AgentDBusDoneFunc done,
                   gpointer          data)
{
  AgentDBusClient *self = (AgentDBusClient *) port;

  _agent_dbus_uplink_close (self->uplink, cancellable, done, data);
}

static const AgentDBusPortFuncs client_port_funcs = {
  .open = dbus_client_open,
  .close = dbus_client_close,
  .free = dbus_client_free,
};

AgentDBusPort *
_agent_dbus_client_new (AgentDBusHub *hub,
                        const char   *address)
{
  AgentDBusClient            *self = g_new0 (AgentDBusClient, 1);
  const AgentDBusUplinkTarget target = {
    .address = address,
    /* GDBus would answer a call of the server before it has set up the connection, and fail. */
    .flags = G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_DELAY_MESSAGE_PROCESSING,
  };

  self->port.funcs = &client_port_funcs;
  self->hub = hub;
  self->uplink = _agent_dbus_uplink_new (hub, &target, &client_uplink_funcs, self);
  return &self->port;
}
