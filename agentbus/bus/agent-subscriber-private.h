/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-subscriber.h"
#include "bus/agent-subscription-private.h"

G_BEGIN_DECLS

AgentSubscription *_agent_subscriber_get_subscription (AgentSubscriber   *self);
AgentMailbox      *_agent_subscriber_new_mailbox      (AgentSubscriber   *self,
                                                       AgentMailboxOwner *owner,
                                                       guint              default_capacity);

static inline AgentMailbox *
_agent_subscriber_ref_mailbox (AgentSubscriber *self)
{
  return _agent_subscription_ref_mailbox (_agent_subscriber_get_subscription (self));
}

static inline gboolean
_agent_subscriber_is_paused (AgentSubscriber *self)
{
  return _agent_subscription_is_paused (_agent_subscriber_get_subscription (self));
}

static inline gboolean
_agent_subscriber_change_paused (AgentSubscriber *self,
                                 gboolean         paused)
{
  return _agent_subscription_change_paused (_agent_subscriber_get_subscription (self), paused);
}

G_END_DECLS
