/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-bus-types-private.h"
#include "bus/agent-bus.h"

G_BEGIN_DECLS

gboolean _agent_subscriber_claim        (AgentSubscriber *self,
                                         AgentMailbox    *mailbox,
                                         GError         **error);
void     _agent_subscriber_unclaim      (AgentSubscriber *self);
void     _agent_subscriber_detach       (AgentSubscriber *self);
gboolean _agent_subscriber_has_handlers (AgentSubscriber *self);
void     _agent_subscriber_deliver      (AgentSubscriber *self,
                                         AgentMessage    *message,
                                         gboolean         emit);

G_END_DECLS
