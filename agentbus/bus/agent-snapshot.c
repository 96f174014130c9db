/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdatomic.h>

#include "bus/agent-snapshot-private.h"

struct _AgentSnapshot
{
  gatomicrefcount           ref_count;
  guint                     n_mailboxes;
  guint64                   generation;
  AgentMailboxTrie         *by_name;   /* (owned) (nullable) */
  AgentInterestIndex       *interests; /* (owned) (nullable) NULL if all mailboxes take all broadcasts */
  AgentTakers              *takers;    /* (owned) (nullable) NULL if there are no agents */
  _Atomic (AgentMailbox **) list;      /* (owned) (nullable) the mailboxes, unowned; NULL until the first broadcast */
};

AgentSnapshot *
_agent_snapshot_new (AgentMailboxTrie   *mailboxes,
                     guint               n_mailboxes,
                     AgentInterestIndex *interests,
                     AgentTakers        *takers,
                     guint64             generation)
{
  AgentSnapshot *self = g_new0 (AgentSnapshot, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->n_mailboxes = n_mailboxes;
  self->generation = generation;
  self->by_name = _agent_mailbox_trie_ref (mailboxes);
  self->interests = _agent_interest_index_ref (interests);
  self->takers = _agent_takers_ref (takers);

  return self;
}

AgentSnapshot *
_agent_snapshot_ref (AgentSnapshot *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_agent_snapshot_unref (AgentSnapshot *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_free (atomic_load (&self->list));
  _agent_mailbox_trie_unref (self->by_name);
  _agent_interest_index_unref (self->interests);
  _agent_takers_unref (self->takers);
  g_free (self);
}

guint64
_agent_snapshot_get_generation (AgentSnapshot *self)
{
  return self->generation;
}

/* (transfer none) (nullable) */
AgentMailbox *
_agent_snapshot_lookup (AgentSnapshot *self,
                        const char    *name,
                        guint64        hash)
{
  return _agent_mailbox_trie_lookup (self->by_name, name, hash);
}

/* If two threads make the list at the same time, the first one that is done sets it, and the other one frees its own. */
static AgentMailbox **
snapshot_make_list (AgentSnapshot *self)
{
  AgentMailbox **list = g_new (AgentMailbox *, self->n_mailboxes);
  AgentMailbox **other = NULL;

  _agent_mailbox_trie_list (self->by_name, list);
  if (atomic_compare_exchange_strong (&self->list, &other, list))
    return list;

  g_free (list);
  return other;
}

/* (transfer none) */
AgentMailbox **
_agent_snapshot_get_mailboxes (AgentSnapshot *self,
                               guint         *n_mailboxes)
{
  AgentMailbox **list = atomic_load_explicit (&self->list, memory_order_acquire);

  *n_mailboxes = self->n_mailboxes;
  return G_LIKELY (list != NULL) ? list : snapshot_make_list (self);
}

/* (transfer none) (nullable) */
AgentInterestIndex *
_agent_snapshot_get_interests (AgentSnapshot *self)
{
  return self->interests;
}

/* Whether some subscribers are agents. */
gboolean
_agent_snapshot_has_agents (AgentSnapshot *self)
{
  return self->takers != NULL;
}

/* The mailboxes that take all names, and are not those of agents: (transfer none) (nullable). */
AgentMailboxTrie *
_agent_snapshot_get_takers (AgentSnapshot *self,
                            guint         *n_mailboxes)
{
  if (self->takers != NULL)
    {
      *n_mailboxes = self->takers->n_mailboxes;
      return self->takers->mailboxes;
    }
  if (self->interests != NULL)
    return _agent_interest_index_get_open_trie (self->interests, n_mailboxes);

  *n_mailboxes = self->n_mailboxes;
  return self->by_name;
}
