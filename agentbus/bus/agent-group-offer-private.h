/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-bus-private.h"

G_BEGIN_DECLS

/*
 * How a message is offered to a group by a sender that keeps it if nobody accepts it.
 *
 * The function may be called in any thread, with no lock held.
 */

gboolean _agent_group_offer (AgentBus     *bus,
                             AgentMessage *offered,
                             AgentSender  *sender,
                             AgentUnsent  *unsent,
                             GError      **error);

G_END_DECLS
