/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "transport/agent-dbus-port-private.h"

G_BEGIN_DECLS

/*
 * A node on a message bus. It owns a name there, and knows the other nodes by the names that they own: so the daemon of the bus
 * proves who has sent a packet, and tells at once when a node is gone.
 *
 * In the thread of the transport.
 */

/* Returns: (transfer full) */
AgentDBusPort *_agent_dbus_member_new (AgentDBusHub    *hub,
                                       GDBusConnection *connection,
                                       const char      *address);

G_END_DECLS
