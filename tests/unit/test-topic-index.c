/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-topic-index-private.h"
#include "mailbox/agent-mailbox-private.h"
#include "message/agent-topic-private.h"
#include "test-support.h"

/*
 * Topics and patterns by themselves, and the index that finds who has a pattern for a topic. The index is compared with a
 * matcher that is as simple as can be.
 */

static AgentMailbox *
mailbox_new (guint i)
{
  g_autofree char *name = g_strdup_printf ("name-%u", i);
  AgentMailbox    *mailbox = g_malloc0 (sizeof (AgentMailbox) + strlen (name) + 1);

  strcpy (mailbox->name, name);
  mailbox->hash = (i + 1) * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);
  mailbox->ref_count = 1;
  return mailbox;
}

/* --- Texts --- */

static void
test_texts (void)
{
  const struct
  {
    const char *text;
    gboolean    is_topic;
    gboolean    is_pattern;
  } cases[] = {
    { "a", TRUE, TRUE },
    { "a.b.c", TRUE, TRUE },
    { "ä.ö", TRUE, TRUE },
    { "a*.>b", TRUE, TRUE },
    { "*", FALSE, TRUE },
    { ">", FALSE, TRUE },
    { "a.*.b", FALSE, TRUE },
    { "*.*.>", FALSE, TRUE },
    { "", FALSE, FALSE },
    { ".", FALSE, FALSE },
    { "a.", FALSE, FALSE },
    { ".a", FALSE, FALSE },
    { "a..b", FALSE, FALSE },
    { "a b", FALSE, FALSE },
    { "a.\tb", FALSE, FALSE },
    { "a\n", FALSE, FALSE },
    { "\xff", FALSE, FALSE },
    { ">.a", FALSE, FALSE },
    { "a.>.>", FALSE, FALSE },
    { "1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7.8.9.0.1.2", TRUE, TRUE },
    { "1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7.8.9.0.1.2.3.4.5.6.7.8.9.0.1.2.3", FALSE, FALSE },
  };
  AgentTopic topic;

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_assert_cmpint (agent_topic_is_valid (cases[i].text), ==, cases[i].is_topic);
      g_assert_cmpint (_agent_topic_split_pattern (&topic, cases[i].text) == NULL, ==, cases[i].is_pattern);
    }
}

/* --- The index against a simple matcher --- */

static gboolean
naive_matches (char **pattern,
               char **topic)
{
  if (*pattern == NULL || *topic == NULL)
    return *pattern == *topic;
  if (g_str_equal (*pattern, ">"))
    return TRUE;
  if (!g_str_equal (*pattern, "*") && !g_str_equal (*pattern, *topic))
    return FALSE;

  return naive_matches (pattern + 1, topic + 1);
}

static char *
random_text (gboolean is_pattern)
{
  GString *text = g_string_new (NULL);
  guint    n = g_test_rand_int_range (1, 5);

  for (guint i = 0; i < n; i++)
    {
      guint kind = is_pattern ? g_test_rand_int_range (0, 4) : 3;

      g_string_append (text, i > 0 ? "." : "");
      if (kind == 0)
        g_string_append (text, "*");
      else if (kind == 1 && i + 1 == n)
        g_string_append (text, ">");
      else
        g_string_append_printf (text, "t%d", g_test_rand_int_range (0, 3));
    }

  return g_string_free (text, FALSE);
}

#define N_MAILBOXES 30
#define N_ROUNDS 4000

typedef struct
{
  AgentTopicIndex *index;
  AgentMailbox    *mailboxes[N_MAILBOXES];
  GHashTable      *patterns[N_MAILBOXES]; /* sets of char * */
} Walk;

static void
walk_change (Walk *self)
{
  guint            i = g_test_rand_int_range (0, N_MAILBOXES);
  g_autofree char *pattern = random_text (TRUE);
  AgentTopicIndex *old = self->index;
  AgentTopic       tokens;

  g_assert_null (_agent_topic_split_pattern (&tokens, pattern));
  if (g_hash_table_remove (self->patterns[i], pattern))
    {
      self->index = _agent_topic_index_remove (old, tokens.tokens, tokens.n_tokens, self->mailboxes[i]);
    }
  else
    {
      g_hash_table_add (self->patterns[i], g_strdup (pattern));
      self->index = _agent_topic_index_add (old, tokens.tokens, tokens.n_tokens, self->mailboxes[i]);
    }
  _agent_topic_index_unref (old);
}

static gboolean
walk_expects (Walk *self,
              guint i,
              char *topic)
{
  g_auto (GStrv) tokens = g_strsplit (topic, ".", -1);
  GHashTableIter iter;
  gpointer       pattern;

  g_hash_table_iter_init (&iter, self->patterns[i]);
  while (g_hash_table_iter_next (&iter, &pattern, NULL))
    {
      g_auto (GStrv) parts = g_strsplit (pattern, ".", -1);
      AgentTopic split_pattern, split_topic;

      _agent_topic_split_pattern (&split_pattern, pattern);
      _agent_topic_split (&split_topic, topic);
      g_assert_cmpint (naive_matches (parts, tokens), ==, _agent_topic_matches (&split_pattern, &split_topic));
      if (naive_matches (parts, tokens))
        return TRUE;
    }

  return FALSE;
}

static gboolean
has_mailbox (AgentAudience *audience,
             AgentMailbox  *mailbox)
{
  for (guint i = 0; i < audience->n; i++)
    {
      if (audience->mailboxes[i] == mailbox)
        return TRUE;
    }

  return FALSE;
}

static void
walk_check (Walk *self)
{
  g_autofree char *topic = random_text (FALSE);
  AgentTopic       tokens;
  g_auto (AgentAudience) audience;
  guint n = 0;

  _agent_audience_init (&audience);
  g_assert_null (_agent_topic_split (&tokens, topic));
  _agent_topic_index_find (self->index, tokens.tokens, tokens.n_tokens, &audience);
  _agent_audience_make_unique (&audience);

  for (guint i = 0; i < N_MAILBOXES; i++)
    {
      gboolean expected = walk_expects (self, i, topic);

      n += expected;
      g_assert_cmpint (has_mailbox (&audience, self->mailboxes[i]), ==, expected);
    }
  g_assert_cmpuint (audience.n, ==, n);
}

static void
test_random (void)
{
  Walk walk = { NULL };

  for (guint i = 0; i < N_MAILBOXES; i++)
    {
      walk.mailboxes[i] = mailbox_new (i);
      walk.patterns[i] = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
    }

  for (guint round = 0; round < N_ROUNDS; round++)
    {
      walk_change (&walk);
      if (round % 4 == 0)
        walk_check (&walk);
    }

  /* Nothing is kept by nobody: the index frees all that it has. */
  _agent_topic_index_unref (walk.index);
  for (guint i = 0; i < N_MAILBOXES; i++)
    {
      g_assert_cmpint (walk.mailboxes[i]->ref_count, ==, 1);
      g_free (walk.mailboxes[i]);
      g_hash_table_unref (walk.patterns[i]);
    }
}

/* An old index stays as it was. The last pattern leaves an empty index. */
static void
test_persistent (void)
{
  AgentMailbox    *mailbox = mailbox_new (0);
  AgentTopic       one, other;
  AgentTopicIndex *first, *second, *third;
  g_auto (AgentAudience) audience;

  _agent_topic_split_pattern (&one, "a.*.c");
  _agent_topic_split_pattern (&other, "a.>");
  first = _agent_topic_index_add (NULL, one.tokens, one.n_tokens, mailbox);
  second = _agent_topic_index_add (first, other.tokens, other.n_tokens, mailbox);
  third = _agent_topic_index_remove (second, one.tokens, one.n_tokens, mailbox);
  g_assert_null (_agent_topic_index_remove (first, one.tokens, one.n_tokens, mailbox));

  _agent_audience_init (&audience);
  _agent_topic_split (&one, "a.b.c");
  _agent_topic_index_find (first, one.tokens, 3, &audience);
  g_assert_cmpuint (audience.n, ==, 1);
  _agent_topic_index_find (second, one.tokens, 3, &audience);
  g_assert_cmpuint (audience.n, ==, 3);
  _agent_topic_index_find (third, one.tokens, 3, &audience);
  g_assert_cmpuint (audience.n, ==, 4);
  _agent_audience_make_unique (&audience);
  g_assert_cmpuint (audience.n, ==, 1);

  _agent_topic_index_unref (first);
  _agent_topic_index_unref (second);
  _agent_topic_index_unref (third);
  g_assert_cmpint (mailbox->ref_count, ==, 1);
  g_free (mailbox);
}

/* --- Tokens whose hashes are as bad as can be --- */

static void
leaf_free (gpointer leaf)
{
  g_free ((char *) ((AgentTokenLeaf *) leaf)->token.text);
  g_free (leaf);
}

static AgentTokenLeaf *
leaf_new (guint   i,
          guint64 hash)
{
  AgentTokenLeaf *leaf = g_new0 (AgentTokenLeaf, 1);
  char           *text = g_strdup_printf ("%u", i);

  g_atomic_ref_count_init (&leaf->ref_count);
  leaf->token = (AgentToken){ .text = text, .length = strlen (text), .hash = hash };
  leaf->free = leaf_free;
  return leaf;
}

static void
test_collisions (void)
{
  const guint     n = 300;
  AgentTokenTrie *trie = NULL;
  AgentTokenTrie *old;

  for (guint i = 0; i < n; i++)
    {
      AgentTokenLeaf *leaf = leaf_new (i, i % 2 == 0 ? 42 : G_MAXUINT64);

      old = trie;
      trie = _agent_token_trie_put (old, leaf);
      _agent_token_trie_unref (old);
      g_assert_true (_agent_token_trie_lookup (trie, &leaf->token) == leaf);
      _agent_token_leaf_unref (leaf);
    }

  for (guint i = 0; i < n; i++)
    {
      AgentTokenLeaf *key = leaf_new (i, i % 2 == 0 ? 42 : G_MAXUINT64);

      g_assert_nonnull (_agent_token_trie_lookup (trie, &key->token));
      old = trie;
      trie = _agent_token_trie_remove (old, &key->token);
      _agent_token_trie_unref (old);
      g_assert_null (_agent_token_trie_lookup (trie, &key->token));
      _agent_token_leaf_unref (key);
    }
  g_assert_null (trie);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add_func ("/agentbus/topic-index/texts", test_texts);
  test_add_func ("/agentbus/topic-index/random", test_random);
  test_add_func ("/agentbus/topic-index/persistent", test_persistent);
  test_add_func ("/agentbus/topic-index/collisions", test_collisions);

  return g_test_run ();
}
