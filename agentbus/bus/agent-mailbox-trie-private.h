/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "mailbox/agent-mailbox-private.h"

G_BEGIN_DECLS

/*
 * Mailboxes by name, as an immutable trie over the bits of the names' hashes. To add or to remove a mailbox makes a new
 * trie. It shares all nodes of the old one but those on the way to that mailbox, so this costs O(log n). A thread that has
 * the old trie may go on using it.
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
