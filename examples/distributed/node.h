/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <agentbus/agentbus.h>

G_BEGIN_DECLS

/*
 * A process that is a node of several: its bus has a transport. A clerk is subscribed there, who is asked for the figures of the
 * bus by the program that has started all nodes, the conductor.
 */
typedef struct _Node Node;

Node        *node_open       (const char *id,
                              const char *address,
                              GError    **error) G_GNUC_WARN_UNUSED_RESULT;
AgentRunner *node_new_runner (Node       *self) G_GNUC_WARN_UNUSED_RESULT;
int          node_serve      (Node       *self,
                              int         status);
void         node_close      (Node       *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Node, node_close)

G_END_DECLS
