/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-subscriber.h"
#include "bus/agent-subscription-private.h"

G_BEGIN_DECLS

/* What a derived type does by itself with what its subscriber gets. Constant, and valid as long as the program. */
typedef struct
{
  AgentMailboxRules mailbox;

  /* (nullable): called in the thread that subscribes @subscriber, before any sender knows @mailbox. */
  void (*prepare)    (gpointer      subscriber,
                      AgentMailbox *mailbox);

  /* (nullable): called in the thread that has subscribed @subscriber, with no lock held. */
  void (*subscribed) (gpointer  subscriber,
                      AgentBus *bus);
} AgentSubscriberRules;

/* The instance's beginning */
void               _agent_subscriber_set_rules        (AgentSubscriber            *self,
                                                       const AgentSubscriberRules *rules);

const AgentSubscriberRules *
                   _agent_subscriber_get_rules        (AgentSubscriber   *self);
gboolean           _agent_subscriber_is_named         (AgentSubscriber   *self);
void               _agent_subscriber_attach           (AgentSubscriber   *self,
                                                       AgentMailbox      *mailbox);
AgentMailbox      *_agent_subscriber_new_mailbox      (AgentSubscriber   *self,
                                                       AgentMailboxOwner *owner,
                                                       guint              default_capacity);
AgentSubscription *_agent_subscriber_get_subscription (AgentSubscriber   *self);
gboolean           _agent_subscriber_claim            (AgentSubscriber   *self,
                                                       AgentMailbox      *mailbox,
                                                       GError           **error);

/* Any thread. What the subscriber says of itself, if it is an agent: (nullable). While it is on a bus, each change is announced to
 * those who take AGENT_READY; agent_bus_subscribe() announces it at the start. */
void               _agent_subscriber_set_info         (AgentSubscriber   *self,
                                                       AgentInfo         *info);
AgentInfo         *_agent_subscriber_dup_info         (AgentSubscriber   *self);

G_END_DECLS
