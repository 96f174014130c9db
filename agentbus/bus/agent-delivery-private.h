/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-bus-types-private.h"
#include "bus/agent-delivery.h"

G_BEGIN_DECLS

AgentDelivery *_agent_delivery_new            (AgentMailbox    *mailbox,
                                               AgentSubscriber *subscriber,
                                               AgentMessage    *message);
void           _agent_delivery_request_cancel (AgentDelivery   *self);
AgentMessage  *_agent_delivery_take_loss      (AgentDelivery   *self);

G_END_DECLS
