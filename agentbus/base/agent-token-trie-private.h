/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Objects by token, as an immutable trie over the bits of the tokens' hashes. To put an object into the trie, or to remove
 * one, makes a new trie. It shares all nodes of the old one but those on the way to that object, so this costs O(log n). A
 * thread that has the old trie may go on using it.
 *
 * A trie is NULL (empty), an object or a node. The lowest bit of the pointer tells an object from a node. A trie holds
 * references on its objects. All functions may be called in any thread.
 */
typedef struct _AgentTokenTrie AgentTokenTrie;

/* A part of a name. The text is not followed by a 0. */
typedef struct
{
  const char *text;
  guint       length;
  char        wildcard; /* in a pattern: '*' for any token, '>' for the rest, or 0 */
  guint64     hash;
} AgentToken;

/* Each object begins with this. */
typedef struct
{
  gatomicrefcount ref_count;
  AgentToken      token;
  GDestroyNotify  free;  /* called when the last reference is gone */
} AgentTokenLeaf;

void            _agent_token_leaf_unref  (AgentTokenLeaf   *self);

AgentTokenTrie *_agent_token_trie_ref    (AgentTokenTrie   *self);
void            _agent_token_trie_unref  (AgentTokenTrie   *self);
AgentTokenTrie *_agent_token_trie_put    (AgentTokenTrie   *self,
                                          AgentTokenLeaf   *leaf);
AgentTokenTrie *_agent_token_trie_remove (AgentTokenTrie   *self,
                                          const AgentToken *token);
AgentTokenLeaf *_agent_token_trie_lookup (AgentTokenTrie   *self,
                                          const AgentToken *token);

G_END_DECLS
