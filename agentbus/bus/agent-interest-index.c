/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdatomic.h>

#include "bus/agent-interest-index-private.h"
#include "message/agent-topic-private.h"

struct _AgentInterestIndex
{
  gatomicrefcount           ref_count;
  guint                     n_open;
  guint                     n_choosy;  /* how many mailboxes take only some names */
  AgentMailboxTrie         *open;      /* (owned) (nullable) the mailboxes that take all names */
  _Atomic (AgentMailbox **) open_list; /* (owned) (nullable) the same as a list, unowned; NULL until the first broadcast */
  AgentTopicIndex          *by_name;   /* (owned) (nullable) the other mailboxes, by each name that they take */
};

/* @self: (nullable) */
AgentInterestIndex *
_agent_interest_index_ref (AgentInterestIndex *self)
{
  if (self != NULL)
    g_atomic_ref_count_inc (&self->ref_count);

  return self;
}

/* @self: (nullable)
 *
 * May be called with any lock held: nothing in here belongs to the application. */
void
_agent_interest_index_unref (AgentInterestIndex *self)
{
  if (self == NULL || !g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_free (atomic_load (&self->open_list));
  _agent_mailbox_trie_unref (self->open);
  _agent_topic_index_unref (self->by_name);
  g_free (self);
}

/* In a new index, all mailboxes take all names. */
static AgentInterestIndex *
interest_index_new (AgentMailboxTrie *open,
                    guint             n_open)
{
  AgentInterestIndex *self = g_new0 (AgentInterestIndex, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->open = _agent_mailbox_trie_ref (open);
  self->n_open = n_open;

  return self;
}

/* Returns an index to change: (transfer full). @self: (nullable): the index so far; without one, all of @mailboxes take
 * everything */
AgentInterestIndex *
_agent_interest_index_begin (AgentInterestIndex *self,
                             AgentMailboxTrie   *mailboxes,
                             guint               n_mailboxes)
{
  AgentInterestIndex *copy;

  if (self == NULL)
    return interest_index_new (mailboxes, n_mailboxes);

  copy = interest_index_new (self->open, self->n_open);
  copy->n_choosy = self->n_choosy;
  copy->by_name = _agent_topic_index_ref (self->by_name);
  return copy;
}

static void
interest_index_change_open (AgentInterestIndex *self,
                            AgentMailbox       *mailbox,
                            gboolean            add)
{
  AgentMailboxTrie *old = self->open;

  self->open = add ? _agent_mailbox_trie_add (old, mailbox) : _agent_mailbox_trie_remove (old, mailbox);
  self->n_open += add ? 1 : -1;
  _agent_mailbox_trie_unref (old);
}

/* For one name. */
static void
interest_index_change_topic (AgentTopicIndex **index,
                             const AgentToken *tokens,
                             guint             n_tokens,
                             AgentMailbox     *mailbox,
                             gboolean          add)
{
  AgentTopicIndex *old = *index;

  if (add)
    *index = _agent_topic_index_add (old, tokens, n_tokens, mailbox);
  else
    *index = _agent_topic_index_remove (old, tokens, n_tokens, mailbox);
  _agent_topic_index_unref (old);
}

/* @accepts: (nullable) */
void
_agent_interest_index_change_accepts (AgentInterestIndex *self,
                                      AgentMailbox       *mailbox,
                                      const char *const  *accepts,
                                      gboolean            add)
{
  AgentToken name;

  if (accepts == NULL)
    {
      interest_index_change_open (self, mailbox, add);
      return;
    }

  self->n_choosy += add ? 1 : -1;
  for (guint i = 0; accepts[i] != NULL; i++)
    {
      _agent_token_init (&name, accepts[i], strlen (accepts[i]));
      interest_index_change_topic (&self->by_name, &name, 1, mailbox, add);
    }
}

/* @interest: (nullable): when @mailbox is removed, the same as when it was added */
void
_agent_interest_index_change_member (AgentInterestIndex  *self,
                                     AgentMailbox        *mailbox,
                                     const AgentInterest *interest,
                                     gboolean             add)
{
  const char *const *accepts = interest != NULL ? (const char *const *) interest->accepts : NULL;

  _agent_interest_index_change_accepts (self, mailbox, accepts, add);
}

/* Takes @self. Returns the index: (transfer full) (nullable); NULL if all mailboxes take everything. */
AgentInterestIndex *
_agent_interest_index_end (AgentInterestIndex *self)
{
  if (self->n_choosy > 0)
    return self;

  _agent_interest_index_unref (self);
  return NULL;
}

/* If two threads make the list at the same time, the first one that is done sets it, and the other one frees its own. */
static AgentMailbox **
interest_index_make_list (AgentInterestIndex *self)
{
  AgentMailbox **list = g_new (AgentMailbox *, self->n_open);
  AgentMailbox **other = NULL;

  _agent_mailbox_trie_list (self->open, list);
  if (atomic_compare_exchange_strong (&self->open_list, &other, list))
    return list;

  g_free (list);
  return other;
}

/* The mailboxes that take all names: (transfer none). */
AgentMailbox **
_agent_interest_index_get_open (AgentInterestIndex *self,
                                guint              *n_mailboxes)
{
  AgentMailbox **list = atomic_load_explicit (&self->open_list, memory_order_acquire);

  *n_mailboxes = self->n_open;
  return list != NULL || self->n_open == 0 ? list : interest_index_make_list (self);
}

gboolean
_agent_interest_index_is_open (AgentInterestIndex *self,
                               AgentMailbox       *mailbox)
{
  return _agent_mailbox_trie_lookup (self->open, mailbox->name, mailbox->hash) == mailbox;
}

/* Finds the mailboxes that take the name of @message, but not those that take all names. */
void
_agent_interest_index_find (AgentInterestIndex *self,
                            AgentMessage       *message,
                            AgentAudience      *audience)
{
  const char *text = agent_message_get_name (message);
  AgentToken  name;

  _agent_token_init (&name, text, strlen (text));
  _agent_topic_index_find (self->by_name, &name, 1, audience);
}
