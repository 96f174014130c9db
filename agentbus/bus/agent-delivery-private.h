/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-delivery.h"
#include "mailbox/agent-mailbox-private.h"

G_BEGIN_DECLS

AgentDelivery *_agent_delivery_new (AgentMailbox    *mailbox,
                                    AgentSubscriber *subscriber,
                                    AgentHand       *hand);

G_END_DECLS
