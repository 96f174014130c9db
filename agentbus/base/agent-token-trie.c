/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-token-trie-private.h"

#include <string.h>

/* Each node has a place for each value of four bits of the hash. */
#define N_BITS 4
#define N_PLACES (1 << N_BITS)

/* When all bits of the hash are used up, the bits of the text follow: no two tokens have the same text. */
#define HASH_BITS 64

#define LEAF_TAG ((guintptr) 1)

struct _AgentTokenTrie
{
  gatomicrefcount ref_count;
  AgentTokenTrie *places[N_PLACES];
};

static inline gboolean
token_trie_is_leaf (AgentTokenTrie *self)
{
  return ((guintptr) self & LEAF_TAG) != 0;
}

static inline AgentTokenLeaf *
token_trie_get_leaf (AgentTokenTrie *self)
{
  return (AgentTokenLeaf *) ((guintptr) self & ~LEAF_TAG);
}

/* Takes a reference on @leaf. */
static AgentTokenTrie *
token_trie_from_leaf (AgentTokenLeaf *leaf)
{
  g_atomic_ref_count_inc (&leaf->ref_count);
  return (AgentTokenTrie *) ((guintptr) leaf | LEAF_TAG);
}

void
_agent_token_leaf_unref (AgentTokenLeaf *self)
{
  if (g_atomic_ref_count_dec (&self->ref_count))
    self->free (self);
}

/* @self: (nullable) */
AgentTokenTrie *
_agent_token_trie_ref (AgentTokenTrie *self)
{
  if (token_trie_is_leaf (self))
    return token_trie_from_leaf (token_trie_get_leaf (self));
  if (self != NULL)
    g_atomic_ref_count_inc (&self->ref_count);

  return self;
}

/* @self: (nullable) */
void
_agent_token_trie_unref (AgentTokenTrie *self)
{
  if (token_trie_is_leaf (self))
    {
      _agent_token_leaf_unref (token_trie_get_leaf (self));
      return;
    }
  if (self == NULL || !g_atomic_ref_count_dec (&self->ref_count))
    return;

  for (guint i = 0; i < N_PLACES; i++)
    _agent_token_trie_unref (self->places[i]);
  g_free (self);
}

/* @self: (nullable): the node to copy */
static AgentTokenTrie *
token_trie_new_node (AgentTokenTrie *self)
{
  AgentTokenTrie *node = g_new0 (AgentTokenTrie, 1);

  g_atomic_ref_count_init (&node->ref_count);
  for (guint i = 0; i < N_PLACES && self != NULL; i++)
    node->places[i] = _agent_token_trie_ref (self->places[i]);

  return node;
}

static guint
token_trie_get_place_in_text (const AgentToken *token,
                              guint             bit)
{
  guint byte = bit / 8;

  return byte < token->length ? ((guchar) token->text[byte] >> bit % 8) % N_PLACES : 0;
}

static inline guint
token_trie_get_place (const AgentToken *token,
                      guint             shift)
{
  if (G_LIKELY (shift < HASH_BITS))
    return (token->hash >> shift) % N_PLACES;

  return token_trie_get_place_in_text (token, shift - HASH_BITS);
}

static inline gboolean
token_trie_equal (const AgentToken *a,
                  const AgentToken *b)
{
  return a->hash == b->hash && a->length == b->length && memcmp (a->text, b->text, a->length) == 0;
}

/* Returns a new trie: (transfer full). @self stays the caller's. */
static AgentTokenTrie *
token_trie_put (AgentTokenTrie *self,
                AgentTokenLeaf *leaf,
                guint           shift)
{
  AgentTokenTrie *node;
  AgentTokenTrie *old;
  guint           i;

  if (self == NULL)
    return token_trie_from_leaf (leaf);

  if (token_trie_is_leaf (self))
    {
      const AgentToken *other = &token_trie_get_leaf (self)->token;

      if (token_trie_equal (other, &leaf->token))
        return token_trie_from_leaf (leaf);
      node = token_trie_new_node (NULL);
      node->places[token_trie_get_place (other, shift)] = _agent_token_trie_ref (self);
    }
  else
    {
      node = token_trie_new_node (self);
    }

  i = token_trie_get_place (&leaf->token, shift);
  old = node->places[i];
  node->places[i] = token_trie_put (old, leaf, shift + N_BITS);
  _agent_token_trie_unref (old);
  return node;
}

/* Returns a new trie that has @leaf, too: (transfer full). It replaces the object with the same token, if there is one. */
AgentTokenTrie *
_agent_token_trie_put (AgentTokenTrie *self,
                       AgentTokenLeaf *leaf)
{
  return token_trie_put (self, leaf, 0);
}

/* Takes @node. Precondition: the caller has the only reference. A node without content is replaced by NULL, and a node with
 * a single object by that object. */
static AgentTokenTrie *
token_trie_simplify_node (AgentTokenTrie *node)
{
  AgentTokenTrie *content = NULL;
  guint           n = 0;

  for (guint i = 0; i < N_PLACES; i++)
    {
      if (node->places[i] == NULL)
        continue;
      content = node->places[i];
      n++;
    }

  if (n > 1 || (n == 1 && !token_trie_is_leaf (content)))
    return node;

  _agent_token_trie_ref (content);
  _agent_token_trie_unref (node);
  return content;
}

/* Returns a new trie: (transfer full) (nullable). @self stays the caller's. */
static AgentTokenTrie *
token_trie_remove (AgentTokenTrie   *self,
                   const AgentToken *token,
                   guint             shift)
{
  AgentTokenTrie *node;
  AgentTokenTrie *old;
  guint           i;

  g_assert (self != NULL);

  if (token_trie_is_leaf (self))
    return NULL;

  node = token_trie_new_node (self);
  i = token_trie_get_place (token, shift);
  old = node->places[i];
  node->places[i] = token_trie_remove (old, token, shift + N_BITS);
  _agent_token_trie_unref (old);

  return token_trie_simplify_node (node);
}

/* Returns a new trie without the object of @token: (transfer full) (nullable). Precondition: @self has one. */
AgentTokenTrie *
_agent_token_trie_remove (AgentTokenTrie   *self,
                          const AgentToken *token)
{
  return token_trie_remove (self, token, 0);
}

/* (transfer none) (nullable) */
AgentTokenLeaf *
_agent_token_trie_lookup (AgentTokenTrie   *self,
                          const AgentToken *token)
{
  for (guint shift = 0; self != NULL; shift += N_BITS)
    {
      AgentTokenLeaf *leaf = token_trie_get_leaf (self);

      if (token_trie_is_leaf (self))
        return token_trie_equal (&leaf->token, token) ? leaf : NULL;
      self = self->places[token_trie_get_place (token, shift)];
    }

  return NULL;
}
