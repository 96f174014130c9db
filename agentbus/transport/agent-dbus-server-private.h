/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "transport/agent-dbus-port-private.h"

G_BEGIN_DECLS

/*
 * A node to which any number of others connect, without a message bus, if they are processes of the same user. Each of them has
 * to greet before it sends anything else, and in good time.
 *
 * In the thread of the transport.
 */

/* Returns: (transfer full) */
AgentDBusPort *_agent_dbus_server_new (AgentDBusHub *hub,
                                       const char   *address);

G_END_DECLS
