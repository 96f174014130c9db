/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdatomic.h>

#include "base/agent-string-hash-private.h"
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
  AgentTopicIndex          *by_topic;  /* (owned) (nullable) the mailboxes that have patterns */
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
  _agent_topic_index_unref (self->by_topic);
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
  copy->by_topic = _agent_topic_index_ref (self->by_topic);
  return copy;
}

static void
interest_index_change_open (AgentInterestIndex *self,
                            AgentMailbox       *mailbox,
                            gboolean            add)
{
  self->open = add ? _agent_mailbox_trie_add (self->open, mailbox) : _agent_mailbox_trie_remove (self->open, mailbox);
  self->n_open += add ? 1 : -1;
}

/* For one name or one pattern, in one of the two indexes. */
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

static void
interest_index_change_name (AgentInterestIndex *self,
                            AgentMailbox       *mailbox,
                            const char         *text,
                            gboolean            add)
{
  AgentToken name;

  _agent_token_init (&name, text, strlen (text));
  interest_index_change_topic (&self->by_name, &name, 1, mailbox, add);
}

/* @accepts: (nullable) */
static void
interest_index_change_accepts (AgentInterestIndex *self,
                                      AgentMailbox       *mailbox,
                                      const char *const  *accepts,
                                      gboolean            add)
{
  if (accepts == NULL)
    {
      interest_index_change_open (self, mailbox, add);
      return;
    }

  self->n_choosy += add ? 1 : -1;
  for (guint i = 0; accepts[i] != NULL; i++)
    interest_index_change_name (self, mailbox, accepts[i], add);
}

/* Of the names of @accepts, those that are not in @others. */
static void
interest_index_change_difference (AgentInterestIndex *self,
                                  AgentMailbox       *mailbox,
                                  const char *const  *accepts,
                                  const char *const  *others,
                                  gboolean            add)
{
  g_autoptr (GHashTable) set = g_hash_table_new (_agent_string_hash_func, g_str_equal);

  for (guint i = 0; others[i] != NULL; i++)
    g_hash_table_add (set, (gpointer) others[i]);
  for (guint i = 0; accepts[i] != NULL; i++)
    {
      if (!g_hash_table_contains (set, accepts[i]))
        interest_index_change_name (self, mailbox, accepts[i], add);
    }
}

/* @before, @accepts: (nullable): each name once. Only the difference is changed, for most names stay as a rule. */
void
_agent_interest_index_replace_accepts (AgentInterestIndex *self,
                                       AgentMailbox       *mailbox,
                                       const char *const  *before,
                                       const char *const  *accepts)
{
  if (before != NULL && accepts != NULL)
    {
      interest_index_change_difference (self, mailbox, before, accepts, FALSE);
      interest_index_change_difference (self, mailbox, accepts, before, TRUE);
      return;
    }

  interest_index_change_accepts (self, mailbox, before, FALSE);
  interest_index_change_accepts (self, mailbox, accepts, TRUE);
}

/* Precondition: @pattern is valid, and @mailbox does not have it if @add is TRUE, and has it if not. */
void
_agent_interest_index_change_pattern (AgentInterestIndex *self,
                                      AgentMailbox       *mailbox,
                                      const char         *pattern,
                                      gboolean            add)
{
  AgentTopic  topic;
  const char *problem = _agent_topic_split_pattern (&topic, pattern);

  g_assert (problem == NULL);
  interest_index_change_topic (&self->by_topic, topic.tokens, topic.n_tokens, mailbox, add);
}

/* @interest: (nullable): when @mailbox is removed, the same as when it was added */
void
_agent_interest_index_change_member (AgentInterestIndex  *self,
                                     AgentMailbox        *mailbox,
                                     const AgentInterest *interest,
                                     gboolean             add)
{
  const char *const *accepts = interest != NULL ? (const char *const *) interest->accepts : NULL;
  GHashTableIter     iter;
  gpointer           pattern;

  interest_index_change_accepts (self, mailbox, accepts, add);
  if (interest == NULL || interest->patterns == NULL)
    return;

  g_hash_table_iter_init (&iter, interest->patterns);
  while (g_hash_table_iter_next (&iter, &pattern, NULL))
    _agent_interest_index_change_pattern (self, mailbox, pattern, add);
}

/* Takes @self. Returns the index: (transfer full) (nullable); NULL if all mailboxes take all names, and none has a pattern. */
AgentInterestIndex *
_agent_interest_index_end (AgentInterestIndex *self)
{
  if (self->n_choosy > 0 || self->by_topic != NULL)
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

/* The same as a trie: (transfer none) (nullable). */
AgentMailboxTrie *
_agent_interest_index_get_open_trie (AgentInterestIndex *self,
                                     guint              *n_mailboxes)
{
  *n_mailboxes = self->n_open;
  return self->open;
}

gboolean
_agent_interest_index_is_open (AgentInterestIndex *self,
                               AgentMailbox       *mailbox)
{
  return _agent_mailbox_trie_lookup (self->open, mailbox->name, mailbox->hash) == mailbox;
}

/* Whether @mailbox has a pattern for @topic, which is valid. */
gboolean
_agent_interest_index_has_topic (AgentInterestIndex *self,
                                 AgentMailbox       *mailbox,
                                 const char         *topic)
{
  AgentTopic tokens;

  _agent_topic_split (&tokens, topic);
  return _agent_topic_index_finds (self->by_topic, tokens.tokens, tokens.n_tokens, mailbox);
}

/* What is looked up for each mailbox that has a pattern. */
typedef struct
{
  AgentInterestIndex *index;
  AgentToken          name; /* of the message */
} NameFilter;

static gboolean
interest_index_takes_name (AgentMailbox *mailbox,
                           gconstpointer data)
{
  const NameFilter *filter = data;

  return _agent_interest_index_is_open (filter->index, mailbox) ||
         _agent_topic_index_has (filter->index->by_name, &filter->name, mailbox);
}

/* Precondition: a message that has a topic has a valid one. */
static void
interest_index_find_topic (AgentInterestIndex *self,
                           AgentMessage       *message,
                           const AgentToken   *name,
                           AgentAudience      *audience)
{
  AgentTopic topic;

  _agent_topic_split (&topic, message->topic);
  _agent_topic_index_find (self->by_topic, topic.tokens, topic.n_tokens, audience);
  _agent_audience_make_unique (audience);

  if (self->n_choosy > 0)
    _agent_audience_filter (audience, interest_index_takes_name, &(NameFilter){ self, *name });
}

/* Finds the mailboxes that take @message. For a message without a topic, those that take all names take it, too; they are not
 * found here: see get_open(). */
void
_agent_interest_index_find (AgentInterestIndex *self,
                            AgentMessage       *message,
                            AgentAudience      *audience)
{
  const char *text = agent_message_get_name (message);
  AgentToken  name;

  _agent_token_init (&name, text, strlen (text));
  if (message->topic != NULL)
    interest_index_find_topic (self, message, &name, audience);
  else
    _agent_topic_index_find (self->by_name, &name, 1, audience);
}
