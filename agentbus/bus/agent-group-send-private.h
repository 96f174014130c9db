/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-bus-private.h"
#include "mailbox/agent-sender-private.h"

G_BEGIN_DECLS

/* How messages get to the members of a group: from a sender, and from a member that leaves. Any thread. */

gboolean _agent_group_is_for_all
                               (AgentMessage *message);
gboolean _agent_group_send     (AgentGroups  *groups,
                                AgentMessage *message,
                                AgentSender  *sender,
                                guint        *n_accepted);
gboolean _agent_group_send_one (AgentGroups  *groups,
                                AgentMessage *message,
                                AgentSender  *sender,
                                guint        *n_accepted);
void     _agent_group_release  (AgentBus     *ordered,
                                AgentMailbox *member);
void     _agent_group_move     (AgentGroups  *groups,
                                const char   *name,
                                AgentBus     *ordered,
                                GPtrArray    *messages);

G_END_DECLS
