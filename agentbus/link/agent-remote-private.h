/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-subscriber-private.h"

G_BEGIN_DECLS

/*
 * A subscriber of another node, as the bus of this one knows it: whoever sends to its name sends to this subscriber, which hands
 * the message over to the node. So its mailbox is where messages for that name wait: bounded, in order, with all that the bus
 * promises of any subscriber.
 *
 * There is one more for each node, which takes the broadcasts that somebody there takes.
 *
 * It belongs to the thread of the link; senders know only its mailbox.
 */
#define AGENT_TYPE_REMOTE (_agent_remote_get_type ())
G_DECLARE_FINAL_TYPE (AgentRemote, _agent_remote, AGENT, REMOTE, AgentSubscriber)

typedef struct _AgentNode AgentNode;

/* Gets each message. In the thread of the link. */
typedef void (*AgentRemoteFunc) (AgentNode    *node,
                                 AgentRemote  *remote,
                                 AgentMessage *message);

struct _AgentRemote
{
  AgentSubscriber parent_instance;

  AgentNode      *node; /* (unowned) (nullable) NULL when it has left */
  AgentRemoteFunc func;
  gsize           size; /* of what its node has told of it */
};

AgentRemote *_agent_remote_new   (AgentNode      *node,
                                  AgentRemoteFunc func,
                                  const char     *name,
                                  const char     *group,
                                  GMainContext   *context);
void         _agent_remote_mark  (AgentRemote    *self,
                                  guint         mark);
void         _agent_remote_leave (AgentRemote    *self,
                                  AgentBus       *bus);

G_END_DECLS
