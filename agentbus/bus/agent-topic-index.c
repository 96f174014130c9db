/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-topic-index-private.h"

#include <string.h>

/* The node of a token. It knows the patterns that end here or go on from here. */
struct _AgentTopicIndex
{
  AgentTokenLeaf    leaf;  /* first; the token */
  AgentMailboxTrie *exact; /* (owned) (nullable) who has the pattern that ends here */
  AgentMailboxTrie *rest;  /* (owned) (nullable) who has the pattern that ends with `>` behind this token */
  guint             n_exact;
  guint             n_rest;
  AgentTopicIndex  *any;      /* (owned) (nullable) the node for `*` */
  AgentTokenTrie   *children; /* (owned) (nullable) the nodes for other tokens */
  char              text[];   /* of the token */
};

static const AgentToken no_token = { "", 0, 0, 0 };

static void
topic_index_free (gpointer data)
{
  AgentTopicIndex *self = data;

  _agent_mailbox_trie_unref (self->exact);
  _agent_mailbox_trie_unref (self->rest);
  _agent_topic_index_unref (self->any);
  _agent_token_trie_unref (self->children);
  g_free (self);
}

/* @self: (nullable) */
AgentTopicIndex *
_agent_topic_index_ref (AgentTopicIndex *self)
{
  if (self != NULL)
    g_atomic_ref_count_inc (&self->leaf.ref_count);

  return self;
}

/* @self: (nullable)
 *
 * May be called with any lock held: nothing in here belongs to the application. */
void
_agent_topic_index_unref (AgentTopicIndex *self)
{
  if (self != NULL)
    _agent_token_leaf_unref (&self->leaf);
}

static AgentTopicIndex *
topic_index_new (const AgentToken *token)
{
  AgentTopicIndex *self = g_malloc0 (sizeof *self + token->length);

  g_atomic_ref_count_init (&self->leaf.ref_count);
  self->leaf.free = topic_index_free;
  memcpy (self->text, token->text, token->length);
  self->leaf.token = *token;
  self->leaf.token.text = self->text;

  return self;
}

static AgentTopicIndex *
topic_index_copy (AgentTopicIndex *self)
{
  AgentTopicIndex *copy = topic_index_new (&self->leaf.token);

  copy->exact = _agent_mailbox_trie_ref (self->exact);
  copy->rest = _agent_mailbox_trie_ref (self->rest);
  copy->n_exact = self->n_exact;
  copy->n_rest = self->n_rest;
  copy->any = _agent_topic_index_ref (self->any);
  copy->children = _agent_token_trie_ref (self->children);

  return copy;
}

static void
topic_index_change_set (AgentMailboxTrie **set,
                        guint             *n,
                        AgentMailbox      *mailbox,
                        gboolean           add)
{
  *set = add ? _agent_mailbox_trie_add (*set, mailbox) : _agent_mailbox_trie_remove (*set, mailbox);
  *n += add ? 1 : -1;
}

static AgentTopicIndex *
topic_index_change (AgentTopicIndex  *self,
                    const AgentToken *token,
                    const AgentToken *rest,
                    guint             n_rest,
                    AgentMailbox     *mailbox,
                    gboolean          add);

static void
topic_index_change_any (AgentTopicIndex  *self,
                        const AgentToken *tokens,
                        guint             n_tokens,
                        AgentMailbox     *mailbox,
                        gboolean          add)
{
  AgentTopicIndex *old = self->any;

  self->any = topic_index_change (old, tokens, tokens + 1, n_tokens - 1, mailbox, add);
  _agent_topic_index_unref (old);
}

static void
topic_index_change_child (AgentTopicIndex  *self,
                          const AgentToken *tokens,
                          guint             n_tokens,
                          AgentMailbox     *mailbox,
                          gboolean          add)
{
  AgentTokenTrie  *old = self->children;
  AgentTopicIndex *child = (AgentTopicIndex *) _agent_token_trie_lookup (old, tokens);
  AgentTopicIndex *changed = topic_index_change (child, tokens, tokens + 1, n_tokens - 1, mailbox, add);

  if (changed != NULL)
    self->children = _agent_token_trie_put (old, &changed->leaf);
  else
    self->children = _agent_token_trie_remove (old, tokens);
  _agent_token_trie_unref (old);
  _agent_topic_index_unref (changed);
}

/* Returns the node of @token with or without @mailbox at the end of @rest: (transfer full) (nullable). @self: (nullable)
 * stays the caller's. */
static AgentTopicIndex *
topic_index_change (AgentTopicIndex  *self,
                    const AgentToken *token,
                    const AgentToken *rest,
                    guint             n_rest,
                    AgentMailbox     *mailbox,
                    gboolean          add)
{
  AgentTopicIndex *node = self != NULL ? topic_index_copy (self) : topic_index_new (token);

  if (n_rest == 0)
    topic_index_change_set (&node->exact, &node->n_exact, mailbox, add);
  else if (rest->wildcard == '>')
    topic_index_change_set (&node->rest, &node->n_rest, mailbox, add);
  else if (rest->wildcard == '*')
    topic_index_change_any (node, rest, n_rest, mailbox, add);
  else
    topic_index_change_child (node, rest, n_rest, mailbox, add);

  if (node->exact != NULL || node->rest != NULL || node->any != NULL || node->children != NULL)
    return node;

  _agent_topic_index_unref (node);
  return NULL;
}

/* Returns a new index: (transfer full). Precondition: @mailbox does not have the pattern yet. */
AgentTopicIndex *
_agent_topic_index_add (AgentTopicIndex  *self,
                        const AgentToken *tokens,
                        guint             n_tokens,
                        AgentMailbox     *mailbox)
{
  return topic_index_change (self, &no_token, tokens, n_tokens, mailbox, TRUE);
}

/* Returns a new index: (transfer full) (nullable). Precondition: @mailbox has the pattern. */
AgentTopicIndex *
_agent_topic_index_remove (AgentTopicIndex  *self,
                           const AgentToken *tokens,
                           guint             n_tokens,
                           AgentMailbox     *mailbox)
{
  return topic_index_change (self, &no_token, tokens, n_tokens, mailbox, FALSE);
}

/* Adds the mailboxes that have a pattern for the topic to @audience, once for each of their patterns. */
void
_agent_topic_index_find (AgentTopicIndex  *self,
                         const AgentToken *tokens,
                         guint             n_tokens,
                         AgentAudience    *audience)
{
  for (; self != NULL && n_tokens > 0; tokens++, n_tokens--)
    {
      _agent_audience_add (audience, self->rest, self->n_rest);
      if (self->any != NULL)
        _agent_topic_index_find (self->any, tokens + 1, n_tokens - 1, audience);
      self = (AgentTopicIndex *) _agent_token_trie_lookup (self->children, tokens);
    }

  if (self != NULL)
    _agent_audience_add (audience, self->exact, self->n_exact);
}

static gboolean
topic_index_is_in (AgentMailboxTrie *set,
                   AgentMailbox     *mailbox)
{
  return _agent_mailbox_trie_lookup (set, mailbox->name, mailbox->hash) == mailbox;
}

/* Whether @mailbox has a pattern for the topic. */
gboolean
_agent_topic_index_finds (AgentTopicIndex  *self,
                          const AgentToken *tokens,
                          guint             n_tokens,
                          AgentMailbox     *mailbox)
{
  for (; self != NULL && n_tokens > 0; tokens++, n_tokens--)
    {
      if (topic_index_is_in (self->rest, mailbox) ||
          _agent_topic_index_finds (self->any, tokens + 1, n_tokens - 1, mailbox))
        return TRUE;
      self = (AgentTopicIndex *) _agent_token_trie_lookup (self->children, tokens);
    }

  return self != NULL && topic_index_is_in (self->exact, mailbox);
}

/* Whether @mailbox has the pattern that is just this token. */
gboolean
_agent_topic_index_has (AgentTopicIndex  *self,
                        const AgentToken *token,
                        AgentMailbox     *mailbox)
{
  AgentTopicIndex *child;

  if (self == NULL)
    return FALSE;

  child = (AgentTopicIndex *) _agent_token_trie_lookup (self->children, token);
  return child != NULL && topic_index_is_in (child->exact, mailbox);
}
