/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport/agent-dbus-greeting-private.h"

#include "transport/agent-dbus-name-private.h"
#include "transport/agent-dbus-packet-private.h"

#define GREETING_MEMBER "Hello"

/* D-Bus has no texts but UTF-8, and so has the bus. */
GDBusMessage *
_agent_dbus_greeting_new (AgentDBusHub *hub)
{
  AgentTransport *transport = _agent_dbus_hub_get_transport (hub);
  GDBusMessage   *message;

  message = g_dbus_message_new_method_call (NULL, _agent_dbus_hub_get_path (hub), AGENT_DBUS_INTERFACE, GREETING_MEMBER);
  g_dbus_message_set_body (
      message,
      g_variant_new ("(ss)", agent_transport_get_bus_name (transport), agent_transport_get_node_id (transport)));
  return message;
}

gboolean
_agent_dbus_greeting_is (GDBusMessage *message)
{
  return g_dbus_message_get_message_type (message) == G_DBUS_MESSAGE_TYPE_METHOD_CALL &&
         g_strcmp0 (g_dbus_message_get_member (message), GREETING_MEMBER) == 0;
}

/* Returns: (nullable): a static text, or NULL if the peer may be that node */
static const char *
dbus_greeting_check (AgentDBusHub  *hub,
                     AgentDBusLine *line,
                     const char    *bus_name,
                     const char    *node)
{
  AgentTransport *transport = _agent_dbus_hub_get_transport (hub);
  AgentDBusNodes *nodes = _agent_dbus_hub_get_nodes (hub);

  if (_agent_dbus_nodes_find_source (nodes, _agent_dbus_line_get_name (line)) != NULL)
    return "the peer has said already which node it is";
  if (strcmp (bus_name, agent_transport_get_bus_name (transport)) != 0)
    return "it is a node of another bus";
  if (!_agent_dbus_name_is_node (node))
    return "the id of the node is empty or too long";
  if (strcmp (node, agent_transport_get_node_id (transport)) == 0)
    return "the id is that of this node";
  if (!_agent_dbus_nodes_add (nodes, node, NULL, line))
    return "the id of the node is in use";

  return NULL;
}

gboolean
_agent_dbus_greeting_take (AgentDBusHub  *hub,
                           AgentDBusLine *line,
                           GDBusMessage  *message)
{
  GVariant        *body = g_dbus_message_get_body (message);
  const char      *problem = "it does not say which node";
  const char      *bus_name;
  const char      *node;
  g_autofree char *text = NULL;

  if (body != NULL && g_variant_is_of_type (body, G_VARIANT_TYPE ("(ss)")))
    {
      g_variant_get (body, "(&s&s)", &bus_name, &node);
      problem = dbus_greeting_check (hub, line, bus_name, node);
    }
  if (problem == NULL)
    {
      _agent_dbus_line_reply (line, message, NULL, NULL);
      return TRUE;
    }

  text = g_strdup_printf ("greeting of a node: %s", problem);
  _agent_dbus_line_reply (line, message, "org.freedesktop.DBus.Error.AccessDenied", text);
  _agent_dbus_hub_refuse (hub, _agent_dbus_line_get_name (line), text);
  return FALSE;
}
