/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "transport/agent-dbus-hub-private.h"

G_BEGIN_DECLS

/*
 * How two nodes get to know each other over a connection of their own, without a message bus: the method call Hello, with the
 * name of the bus and the id of the node, comes before all packets. After it, the connection is that node.
 *
 * In the thread of the transport.
 */

/* Returns: (transfer full): the greeting of this node */
GDBusMessage *_agent_dbus_greeting_new  (AgentDBusHub  *hub);

gboolean      _agent_dbus_greeting_is   (GDBusMessage  *message);

/* Answers a greeting. Returns whether the peer is a node now; if not, it has been refused. */
gboolean      _agent_dbus_greeting_take (AgentDBusHub  *hub,
                                         AgentDBusLine *line,
                                         GDBusMessage  *message);

G_END_DECLS
