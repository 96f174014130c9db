/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "transport/agent-dbus-port-private.h"

G_BEGIN_DECLS

/*
 * A node that is connected to one other node, an AgentDBusServer, without a message bus.
 *
 * In the thread of the transport.
 */

/* Returns: (transfer full) */
AgentDBusPort *_agent_dbus_client_new (AgentDBusHub *hub,
                                       const char   *address);

G_END_DECLS
