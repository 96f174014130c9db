/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#if !defined(AGENT_INSIDE) && !defined(AGENT_COMPILATION)
#error "Only <agentbus/agentbus.h> can be included directly."
#endif

#include <agentbus/bus/agent-transport.h>

G_BEGIN_DECLS

#define AGENT_TYPE_DBUS_TRANSPORT (agent_dbus_transport_get_type ())
AGENT_AVAILABLE_IN_0_2
G_DECLARE_FINAL_TYPE (AgentDBusTransport, agent_dbus_transport, AGENT, DBUS_TRANSPORT, AgentTransport)

AGENT_AVAILABLE_IN_0_2
AgentTransport  *agent_dbus_transport_new            (GDBusConnection    *connection) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_2
AgentTransport  *agent_dbus_transport_new_for_peers  (const char         *address,
                                                      gboolean            listen) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_2
GDBusConnection *agent_dbus_transport_get_connection (AgentDBusTransport *self);
AGENT_AVAILABLE_IN_0_2
const char      *agent_dbus_transport_get_address    (AgentDBusTransport *self);
AGENT_AVAILABLE_IN_0_2
AgentDBusRole    agent_dbus_transport_get_role       (AgentDBusTransport *self);

G_END_DECLS
