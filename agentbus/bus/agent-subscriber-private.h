/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-subscriber.h"
#include "bus/agent-subscription-private.h"

G_BEGIN_DECLS

AgentMailbox      *_agent_subscriber_new_mailbox      (AgentSubscriber   *self,
                                                       AgentMailboxOwner *owner,
                                                       guint              default_capacity);
AgentSubscription *_agent_subscriber_get_subscription (AgentSubscriber   *self);
gboolean           _agent_subscriber_claim            (AgentSubscriber   *self,
                                                       AgentMailbox      *mailbox,
                                                       GError           **error);

G_END_DECLS
