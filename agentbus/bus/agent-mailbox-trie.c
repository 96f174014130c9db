/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-string-hash-private.h"
#include "bus/agent-mailbox-trie-private.h"

/* Each node has a place for each value of four bits of the hash. */
#define N_BITS 4
#define N_PLACES (1 << N_BITS)

/* When all bits are used up, the node is a list. Its places have mailboxes, but the last one may have another such node. */
#define HASH_BITS 64

#define MAILBOX_TAG ((guintptr) 1)

struct _AgentMailboxTrie
{
  gatomicrefcount   ref_count;
  AgentMailboxTrie *places[N_PLACES];
};

static inline gboolean
trie_is_mailbox (AgentMailboxTrie *self)
{
  return ((guintptr) self & MAILBOX_TAG) != 0;
}

static inline AgentMailbox *
trie_get_mailbox (AgentMailboxTrie *self)
{
  return (AgentMailbox *) ((guintptr) self & ~MAILBOX_TAG);
}

static inline AgentMailboxTrie *
trie_from_mailbox (AgentMailbox *mailbox)
{
  return (AgentMailboxTrie *) ((guintptr) mailbox | MAILBOX_TAG);
}

/* @self: (nullable) */
AgentMailboxTrie *
_agent_mailbox_trie_ref (AgentMailboxTrie *self)
{
  if (trie_is_mailbox (self))
    _agent_mailbox_ref (trie_get_mailbox (self));
  else if (self != NULL)
    g_atomic_ref_count_inc (&self->ref_count);

  return self;
}

/* @self: (nullable)
 *
 * May be called with any lock held: a mailbox that is not on the bus any more holds nothing that belongs to the
 * application. */
void
_agent_mailbox_trie_unref (AgentMailboxTrie *self)
{
  if (trie_is_mailbox (self))
    {
      _agent_mailbox_unref (trie_get_mailbox (self));
      return;
    }
  if (self == NULL || !g_atomic_ref_count_dec (&self->ref_count))
    return;

  for (guint i = 0; i < N_PLACES; i++)
    _agent_mailbox_trie_unref (self->places[i]);
  g_free (self);
}

static AgentMailboxTrie *
trie_new_node (void)
{
  AgentMailboxTrie *node = g_new0 (AgentMailboxTrie, 1);

  g_atomic_ref_count_init (&node->ref_count);
  return node;
}

/* Takes @self and returns a node to change: (transfer full). It is @self if nobody else has it, and otherwise a copy. */
static AgentMailboxTrie *
trie_own_node (AgentMailboxTrie *self)
{
  AgentMailboxTrie *copy;

  if (g_atomic_ref_count_compare (&self->ref_count, 1))
    return self;

  copy = trie_new_node ();
  for (guint i = 0; i < N_PLACES; i++)
    copy->places[i] = _agent_mailbox_trie_ref (self->places[i]);
  _agent_mailbox_trie_unref (self);

  return copy;
}

static inline guint
trie_get_place (guint64 hash,
                guint   shift)
{
  return (hash >> shift) % N_PLACES;
}

/* Finds @content in a node that is a list. Returns its place, or the last place if @content is not in any other. */
static guint
trie_find_in_list (AgentMailboxTrie *node,
                   AgentMailboxTrie *content)
{
  guint i = 0;

  while (i < N_PLACES - 1 && node->places[i] != content)
    i++;

  return i;
}

static AgentMailboxTrie *
trie_add (AgentMailboxTrie *self,
          AgentMailbox     *mailbox,
          guint             shift);

/* Precondition: the caller has the only reference on @node. */
static void
trie_add_to_node (AgentMailboxTrie *node,
                  AgentMailbox     *mailbox,
                  guint             shift)
{
  guint i = shift < HASH_BITS ? trie_get_place (mailbox->hash, shift) : trie_find_in_list (node, NULL);

  node->places[i] = trie_add (node->places[i], mailbox, shift + N_BITS);
}

/* Takes @self. Returns it with @mailbox: (transfer full). */
static AgentMailboxTrie *
trie_add (AgentMailboxTrie *self,
          AgentMailbox     *mailbox,
          guint             shift)
{
  AgentMailboxTrie *node;

  if (self == NULL)
    return trie_from_mailbox (_agent_mailbox_ref (mailbox));

  if (trie_is_mailbox (self))
    {
      node = trie_new_node ();
      trie_add_to_node (node, trie_get_mailbox (self), shift);
      _agent_mailbox_trie_unref (self);
    }
  else
    {
      node = trie_own_node (self);
    }

  trie_add_to_node (node, mailbox, shift);
  return node;
}

/* @self: (transfer full) (nullable)
 *
 * Returns a trie that has @mailbox, too: (transfer full). Precondition: no mailbox in @self has the same name. */
AgentMailboxTrie *
_agent_mailbox_trie_add (AgentMailboxTrie *self,
                         AgentMailbox     *mailbox)
{
  return trie_add (self, mailbox, 0);
}

/* Takes @node. Precondition: the caller has the only reference. A node without content is replaced by NULL, and a node with
 * a single mailbox by that mailbox. */
static AgentMailboxTrie *
trie_simplify_node (AgentMailboxTrie *node)
{
  AgentMailboxTrie *content = NULL;
  guint             n = 0;

  for (guint i = 0; i < N_PLACES; i++)
    {
      if (node->places[i] == NULL)
        continue;
      content = node->places[i];
      n++;
    }

  if (n > 1 || (n == 1 && !trie_is_mailbox (content)))
    return node;

  _agent_mailbox_trie_ref (content);
  _agent_mailbox_trie_unref (node);
  return content;
}

/* Takes @self. Returns it without @mailbox: (transfer full) (nullable). */
static AgentMailboxTrie *
trie_remove (AgentMailboxTrie *self,
             AgentMailbox     *mailbox,
             guint             shift)
{
  AgentMailboxTrie *content = trie_from_mailbox (mailbox);
  AgentMailboxTrie *node;
  guint             i;

  if (self == content)
    {
      _agent_mailbox_trie_unref (self);
      return NULL;
    }

  g_assert (self != NULL && !trie_is_mailbox (self));

  node = trie_own_node (self);
  i = shift < HASH_BITS ? trie_get_place (mailbox->hash, shift) : trie_find_in_list (node, content);
  node->places[i] = trie_remove (node->places[i], mailbox, shift + N_BITS);

  return trie_simplify_node (node);
}

/* @self: (transfer full)
 *
 * Returns a trie without @mailbox: (transfer full) (nullable). Preconditions: @mailbox is in @self, and the caller has
 * another reference on @mailbox. */
AgentMailboxTrie *
_agent_mailbox_trie_remove (AgentMailboxTrie *self,
                            AgentMailbox     *mailbox)
{
  return trie_remove (self, mailbox, 0);
}

static inline AgentMailbox *
trie_matches (AgentMailbox *mailbox,
              const char   *name,
              guint64       hash)
{
  return mailbox->hash == hash && _agent_string_equal (mailbox->name, name) ? mailbox : NULL;
}

static AgentMailbox *
trie_lookup_in_list (AgentMailboxTrie *node,
                     const char       *name,
                     guint64           hash)
{
  AgentMailbox *found = NULL;

  for (guint i = 0; i < N_PLACES && found == NULL; i++)
    {
      if (trie_is_mailbox (node->places[i]))
        found = trie_matches (trie_get_mailbox (node->places[i]), name, hash);
      else if (node->places[i] != NULL)
        found = trie_lookup_in_list (node->places[i], name, hash);
    }

  return found;
}

/* (transfer none) (nullable) */
AgentMailbox *
_agent_mailbox_trie_lookup (AgentMailboxTrie *self,
                            const char       *name,
                            guint64           hash)
{
  for (guint shift = 0; self != NULL; shift += N_BITS)
    {
      if (trie_is_mailbox (self))
        return trie_matches (trie_get_mailbox (self), name, hash);
      if (G_UNLIKELY (shift == HASH_BITS))
        return trie_lookup_in_list (self, name, hash);
      self = self->places[trie_get_place (hash, shift)];
    }

  return NULL;
}

/* Writes all mailboxes into @mailboxes: (transfer none). Returns how many there are. */
guint
_agent_mailbox_trie_list (AgentMailboxTrie *self,
                          AgentMailbox    **mailboxes)
{
  guint n = 0;

  if (self == NULL)
    return 0;

  if (trie_is_mailbox (self))
    {
      mailboxes[0] = trie_get_mailbox (self);
      return 1;
    }

  for (guint i = 0; i < N_PLACES; i++)
    n += _agent_mailbox_trie_list (self->places[i], mailboxes + n);

  return n;
}
