/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "transport/agent-dbus-line-private.h"

G_BEGIN_DECLS

/*
 * The other nodes that are known, by their ids and by what proves who has sent a packet: the unique name of the sender on a
 * message bus, or the connection to a peer. A node has one source, and a source is one node.
 *
 * In one thread.
 */
typedef struct _AgentDBusNodes AgentDBusNodes;

typedef struct
{
  char          *id;
  char          *source;      /* a unique name, or the name of the line */
  char          *destination; /* (nullable) the unique name, on a message bus */
  AgentDBusLine *line;        /* (not owned) */
} AgentDBusNode;

AgentDBusNodes      *_agent_dbus_nodes_new         (void);
void                 _agent_dbus_nodes_free        (AgentDBusNodes *self);
gboolean             _agent_dbus_nodes_add         (AgentDBusNodes *self,
                                                    const char     *id,
                                                    const char     *unique_name,
                                                    AgentDBusLine  *line);
void                 _agent_dbus_nodes_remove      (AgentDBusNodes *self,
                                                    const char     *id);
void                 _agent_dbus_nodes_clear       (AgentDBusNodes *self);
const AgentDBusNode *_agent_dbus_nodes_find        (AgentDBusNodes *self,
                                                    const char     *id);
const AgentDBusNode *_agent_dbus_nodes_find_source (AgentDBusNodes *self,
                                                    const char     *source);
void                 _agent_dbus_nodes_iterate     (AgentDBusNodes *self,
                                                    GHashTableIter *iter);

G_END_DECLS
