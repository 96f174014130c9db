/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport/agent-dbus-packet-private.h"

/* What a message takes besides its body. */
#define PACKET_OVERHEAD 256

static const char *const packet_members[] = {
  [AGENT_TRAFFIC_DATA] = "Data",
  [AGENT_TRAFFIC_CONTROL] = "Control",
  [AGENT_TRAFFIC_PRESENCE] = "Presence",
};

static GDBusMessage *
packet_new_message (const char  *path,
                    const char  *destination,
                    AgentTraffic traffic)
{
  GDBusMessage *message;

  if (traffic == AGENT_TRAFFIC_CONTROL)
    return g_dbus_message_new_method_call (destination, path, AGENT_DBUS_INTERFACE, packet_members[traffic]);

  message = g_dbus_message_new_signal (path, AGENT_DBUS_INTERFACE, packet_members[traffic]);
  g_dbus_message_set_destination (message, destination);
  return message;
}

GDBusMessage *
_agent_dbus_packet_new (const char  *path,
                        const char  *destination,
                        AgentTraffic traffic,
                        GBytes      *packet)
{
  GDBusMessage *message = packet_new_message (path, destination, traffic);
  GVariant     *bytes = g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, packet, TRUE);

  g_dbus_message_set_body (message, g_variant_new_tuple (&bytes, 1));
  return message;
}

static gboolean
packet_find_traffic (GDBusMessage *message,
                     AgentTraffic *traffic)
{
  gboolean    is_call = g_dbus_message_get_message_type (message) == G_DBUS_MESSAGE_TYPE_METHOD_CALL;
  const char *member = g_dbus_message_get_member (message);

  for (guint i = 0; i < G_N_ELEMENTS (packet_members); i++)
    {
      if (is_call == (i == AGENT_TRAFFIC_CONTROL) && g_strcmp0 (member, packet_members[i]) == 0)
        {
          *traffic = i;
          return TRUE;
        }
    }

  return FALSE;
}

GBytes *
_agent_dbus_packet_read (GDBusMessage *message,
                         AgentTraffic *traffic,
                         const char  **problem)
{
  g_autoptr (GVariant) bytes = NULL;
  GVariant *body = g_dbus_message_get_body (message);

  *problem = NULL;
  if (!packet_find_traffic (message, traffic))
    *problem = "no node sends such a message";
  else if (body == NULL || !g_variant_is_of_type (body, G_VARIANT_TYPE ("(ay)")))
    *problem = "it has no packet";
  else if (g_variant_get_size (body) > AGENT_DBUS_PACKET_MAX)
    *problem = "the packet is too large";

  if (*problem != NULL)
    return NULL;

  bytes = g_variant_get_child_value (body, 0);
  return g_variant_get_data_as_bytes (bytes);
}

gboolean
_agent_dbus_packet_is_ours (GDBusMessage *message,
                            const char   *path)
{
  return g_strcmp0 (g_dbus_message_get_interface (message), AGENT_DBUS_INTERFACE) == 0 &&
         g_strcmp0 (g_dbus_message_get_path (message), path) == 0;
}

gsize
_agent_dbus_packet_measure (GDBusMessage *message)
{
  GVariant *body = g_dbus_message_get_body (message);

  return PACKET_OVERHEAD + (body != NULL ? g_variant_get_size (body) : 0);
}
