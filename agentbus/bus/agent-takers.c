/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-takers-private.h"

/* Takes @mailboxes: (nullable). */
static AgentTakers *
takers_new (AgentMailboxTrie *mailboxes,
            guint             n_mailboxes)
{
  AgentTakers *self = g_new (AgentTakers, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->mailboxes = mailboxes;
  self->n_mailboxes = n_mailboxes;

  return self;
}

/* @mailboxes: (nullable) */
AgentTakers *
_agent_takers_new (AgentMailboxTrie *mailboxes,
                   guint             n_mailboxes)
{
  return takers_new (_agent_mailbox_trie_ref (mailboxes), n_mailboxes);
}

/* @self: (nullable) */
AgentTakers *
_agent_takers_ref (AgentTakers *self)
{
  if (self != NULL)
    g_atomic_ref_count_inc (&self->ref_count);

  return self;
}

/* @self: (nullable)
 *
 * May be called with any lock held: nothing in here belongs to the application. */
void
_agent_takers_unref (AgentTakers *self)
{
  if (self == NULL || !g_atomic_ref_count_dec (&self->ref_count))
    return;

  _agent_mailbox_trie_unref (self->mailboxes);
  g_free (self);
}

/* Precondition: @mailbox is not in the set. */
AgentTakers *
_agent_takers_with (AgentTakers  *self,
                    AgentMailbox *mailbox)
{
  AgentMailboxTrie *mailboxes = _agent_mailbox_trie_ref (self->mailboxes);

  return takers_new (_agent_mailbox_trie_add (mailboxes, mailbox), self->n_mailboxes + 1);
}

/* Precondition: @mailbox is in the set. */
AgentTakers *
_agent_takers_without (AgentTakers  *self,
                       AgentMailbox *mailbox)
{
  AgentMailboxTrie *mailboxes = _agent_mailbox_trie_ref (self->mailboxes);

  return takers_new (_agent_mailbox_trie_remove (mailboxes, mailbox), self->n_mailboxes - 1);
}
