/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-subscriber.h"
#include "mailbox/agent-mailbox-private.h"

G_BEGIN_DECLS

AgentMailbox *_agent_subscriber_new_mailbox (AgentSubscriber   *self,
                                             AgentMailboxOwner *owner,
                                             guint              default_capacity);
gboolean      _agent_subscriber_claim       (AgentSubscriber   *self,
                                             AgentMailbox      *mailbox,
                                             GError           **error);
void          _agent_subscriber_unclaim     (AgentSubscriber   *self);
gboolean      _agent_subscriber_is_paused   (AgentSubscriber   *self);
gboolean      _agent_subscriber_change_paused
                                            (AgentSubscriber   *self,
                                             gboolean           paused);
AgentMailbox *_agent_subscriber_ref_mailbox (AgentSubscriber   *self);
void          _agent_subscriber_detach      (AgentSubscriber   *self);
void          _agent_subscriber_get_ledger  (AgentSubscriber   *self,
                                             AgentLedger       *ledger);

G_END_DECLS
