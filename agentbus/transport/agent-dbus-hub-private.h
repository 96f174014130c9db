/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-transport.h"
#include "transport/agent-dbus-nodes-private.h"

G_BEGIN_DECLS

/*
 * What a transport over D-Bus does with packets, whatever it is connected to: it sends them to the nodes that are known, and
 * hands over those that have come in, if it is proven which node has sent them. Who is known, and over which connection, is
 * said by the three types that connect: AgentDBusMember, AgentDBusServer and AgentDBusClient.
 *
 * All functions are called in the thread of the transport.
 */
typedef struct _AgentDBusHub AgentDBusHub;

AgentDBusHub   *_agent_dbus_hub_new           (AgentTransport   *transport);
void            _agent_dbus_hub_free          (AgentDBusHub     *self);
void            _agent_dbus_hub_end           (AgentDBusHub     *self);
AgentTransport *_agent_dbus_hub_get_transport (AgentDBusHub     *self);
AgentDBusNodes *_agent_dbus_hub_get_nodes     (AgentDBusHub     *self);
const char     *_agent_dbus_hub_get_path      (AgentDBusHub     *self);

/* For those that connect */
void            _agent_dbus_hub_set_up        (AgentDBusHub     *self);
void            _agent_dbus_hub_set_lost      (AgentDBusHub     *self);
void            _agent_dbus_hub_skip_stalled  (AgentDBusHub     *self);
void            _agent_dbus_hub_remove        (AgentDBusHub     *self,
                                               const char       *node,
                                               const char       *reason);
void            _agent_dbus_hub_take          (AgentDBusHub     *self,
                                               AgentDBusLine    *line,
                                               GDBusMessage     *message);
void            _agent_dbus_hub_room          (AgentDBusHub     *self);
void            _agent_dbus_hub_refuse        (AgentDBusHub     *self,
                                               const char       *source,
                                               const char       *text);

/* For the transport */
gboolean        _agent_dbus_hub_send_data     (AgentDBusHub     *self,
                                               const char       *node,
                                               GBytes           *packet,
                                               GError          **error);
void            _agent_dbus_hub_send_control  (AgentDBusHub     *self,
                                               const char       *node,
                                               guint64           session,
                                               guint64           number,
                                               GBytes           *packet);
void            _agent_dbus_hub_send_presence (AgentDBusHub     *self,
                                               const char       *node,
                                               GBytes           *packet);

G_END_DECLS
