/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-mailbox-trie-private.h"

G_BEGIN_DECLS

/*
 * The mailboxes that take the broadcasts that tell which agents are there, although they do not name them: those of
 * subscribers that take all names, and are no agents themselves. Otherwise, to start n agents would cost n² messages.
 *
 * Such a set never changes: with() and without() make another one in O(log n). A bus has none as long as no agent is on it,
 * for then nobody is left out. All functions may be called in any thread.
 */
typedef struct
{
  gatomicrefcount   ref_count;
  guint             n_mailboxes;
  AgentMailboxTrie *mailboxes; /* (owned) (nullable) */
} AgentTakers;

AgentTakers *_agent_takers_new     (AgentMailboxTrie *mailboxes,
                                    guint             n_mailboxes);
AgentTakers *_agent_takers_ref     (AgentTakers      *self);
void         _agent_takers_unref   (AgentTakers      *self);
AgentTakers *_agent_takers_with    (AgentTakers      *self,
                                    AgentMailbox     *mailbox);
AgentTakers *_agent_takers_without (AgentTakers      *self,
                                    AgentMailbox     *mailbox);

G_END_DECLS
