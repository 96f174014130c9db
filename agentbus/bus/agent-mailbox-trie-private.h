/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "mailbox/agent-mailbox-private.h"

G_BEGIN_DECLS

/*
 * Mailboxes by name, as a trie over the bits of the names' hashes. Whoever has a reference on a trie may go on using it: it
 * never changes. To add or to remove a mailbox takes a reference, and returns one on the changed trie. The nodes on the way
 * to that mailbox are changed where they are if nobody else has them, and copied otherwise. All other nodes are shared. So a
 * change costs O(log n), and an allocation for each node only while somebody has the old trie.
 *
 * A change must not meet a thread that reads the trie without a reference of its own.
 *
 * A trie is NULL (empty), a mailbox or a node. The lowest bit of the pointer tells a mailbox from a node. A trie holds
 * references on its mailboxes.
 */
typedef struct _AgentMailboxTrie AgentMailboxTrie;

AgentMailboxTrie *_agent_mailbox_trie_ref    (AgentMailboxTrie  *self);
void              _agent_mailbox_trie_unref  (AgentMailboxTrie  *self);
AgentMailboxTrie *_agent_mailbox_trie_add    (AgentMailboxTrie  *self,
                                              AgentMailbox      *mailbox);
AgentMailboxTrie *_agent_mailbox_trie_remove (AgentMailboxTrie  *self,
                                              AgentMailbox      *mailbox);
AgentMailbox     *_agent_mailbox_trie_lookup (AgentMailboxTrie  *self,
                                              const char        *name,
                                              guint64            hash);
guint             _agent_mailbox_trie_list   (AgentMailboxTrie  *self,
                                              AgentMailbox     **mailboxes);

G_END_DECLS
