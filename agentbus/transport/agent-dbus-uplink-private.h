/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "transport/agent-dbus-hub-private.h"

G_BEGIN_DECLS

/*
 * Keeps one connection up, to a message bus or to a peer: it connects, has its owner say there who it is, and does it again
 * whenever the connection gets lost, first after 20 ms and then less and less often, up to once in a second.
 *
 * In the thread of the transport.
 */
typedef struct _AgentDBusUplink AgentDBusUplink;

typedef struct
{
  /* Says over a new connection who this is. Ends with _agent_dbus_uplink_joined(), later. */
  void (*join)    (gpointer       owner,
                   AgentDBusLine *line);
  void (*message) (gpointer       owner,
                   AgentDBusLine *line,
                   GDBusMessage  *message);
  /* The connection is closed, after join(). */
  void (*lost)    (gpointer       owner,
                   const char    *reason);
} AgentDBusUplinkFuncs;

/* Where to connect to. */
typedef struct
{
  GDBusConnection      *connection; /* (nullable) one that is there, and is left open */
  const char           *address;    /* (nullable) NULL for the session bus */
  GDBusConnectionFlags  flags;
} AgentDBusUplinkTarget;

AgentDBusUplink *_agent_dbus_uplink_new    (AgentDBusHub                *hub,
                                            const AgentDBusUplinkTarget *target,
                                            const AgentDBusUplinkFuncs  *funcs,
                                            gpointer                     owner);
void             _agent_dbus_uplink_free   (AgentDBusUplink             *self);
void             _agent_dbus_uplink_open   (AgentDBusUplink             *self,
                                            GTask                       *task);
void             _agent_dbus_uplink_joined (AgentDBusUplink             *self,
                                            const GError                *error);
void             _agent_dbus_uplink_close  (AgentDBusUplink             *self,
                                            GCancellable                *cancellable,
                                            AgentDBusDoneFunc            done,
                                            gpointer                     data);

G_END_DECLS
