/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <gio/gio.h>

#include "agent-enums.h"

G_BEGIN_DECLS

/*
 * A packet as a message of D-Bus: data and presence are signals with a destination, control is a method call. All have one
 * argument, an array of bytes.
 *
 * All functions may be called in any thread.
 */

#define AGENT_DBUS_INTERFACE  "org.agentbus.Transport1"
#define AGENT_DBUS_PACKET_MAX (16 * 1024 * 1024) /* bytes */

/* @destination: (nullable): NULL without a message bus */
GDBusMessage *_agent_dbus_packet_new     (const char    *path,
                                          const char    *destination,
                                          AgentTraffic   traffic,
                                          GBytes        *packet);

/* Returns: (transfer full) (nullable): the packet, or NULL with @problem: (out) (transfer none): a static text */
GBytes       *_agent_dbus_packet_read    (GDBusMessage  *message,
                                          AgentTraffic  *traffic,
                                          const char   **problem);

/* Whether it is a packet, or a greeting, of the bus with that path. */
gboolean      _agent_dbus_packet_is_ours (GDBusMessage  *message,
                                          const char    *path);

/* Roughly what it takes of memory. */
gsize         _agent_dbus_packet_measure (GDBusMessage  *message);

G_END_DECLS
