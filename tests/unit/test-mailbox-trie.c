/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-mailbox-trie-private.h"
#include "mailbox/agent-mailbox-private.h"
#include "test-support.h"

/*
 * The trie of names by itself, with hashes as bad as can be. Of the mailboxes it only looks at the name, the hash and the
 * reference count.
 */

/* Hashes that differ in all bits, in the last four only, and not at all. */
static guint64
spread (guint i)
{
  return (i + 1) * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);
}

static guint64
differ_late (guint i)
{
  return (guint64) (i % 16) << 60 | 0x123456789abcdef;
}

static guint64
collide (guint i)
{
  return 42;
}

static AgentMailbox *
mailbox_new (guint   i,
             guint64 hash)
{
  g_autofree char *name = g_strdup_printf ("name-%u", i);
  AgentMailbox    *mailbox = g_malloc0 (sizeof (AgentMailbox) + strlen (name) + 1);

  strcpy (mailbox->name, name);
  mailbox->hash = hash;
  mailbox->ref_count = 1;
  return mailbox;
}

static GPtrArray *
mailboxes_new (guint n,
               guint64 (*hash) (guint i))
{
  GPtrArray *mailboxes = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < n; i++)
    g_ptr_array_add (mailboxes, mailbox_new (i, hash (i)));

  return mailboxes;
}

static void
assert_unreferenced (GPtrArray *mailboxes)
{
  for (guint i = 0; i < mailboxes->len; i++)
    g_assert_cmpint (((AgentMailbox *) mailboxes->pdata[i])->ref_count, ==, 1);
}

/* Those whose place in @present is set, and nobody else. */
static void
assert_content (AgentMailboxTrie *trie,
                GPtrArray        *mailboxes,
                const gboolean   *present)
{
  g_autofree AgentMailbox **list = g_new (AgentMailbox *, mailboxes->len);
  guint                     n = _agent_mailbox_trie_list (trie, list);
  guint                     n_present = 0;

  for (guint i = 0; i < mailboxes->len; i++)
    {
      AgentMailbox *mailbox = mailboxes->pdata[i];
      AgentMailbox *found = _agent_mailbox_trie_lookup (trie, mailbox->name, mailbox->hash);

      g_assert_true (found == (present[i] ? mailbox : NULL));
      n_present += present[i];
    }
  g_assert_cmpuint (n, ==, n_present);
}

static void
check_random_walk (guint64 (*hash) (guint i),
                   guint n)
{
  g_autoptr (GPtrArray) mailboxes = mailboxes_new (n, hash);
  g_autofree gboolean *present = g_new0 (gboolean, n);
  AgentMailboxTrie    *trie = NULL;

  for (guint step = 0; step < 20 * n; step++)
    {
      guint i = g_test_rand_int_range (0, n);

      if (present[i])
        trie = _agent_mailbox_trie_remove (trie, mailboxes->pdata[i]);
      else
        trie = _agent_mailbox_trie_add (trie, mailboxes->pdata[i]);
      present[i] = !present[i];
      if (step % 7 == 0)
        assert_content (trie, mailboxes, present);
    }

  for (guint i = 0; i < n; i++)
    {
      if (present[i])
        trie = _agent_mailbox_trie_remove (trie, mailboxes->pdata[i]);
    }
  g_assert_null (trie);
  assert_unreferenced (mailboxes);
}

static void
test_random_walk (void)
{
  check_random_walk (spread, 200);
}

static void
test_differ_late (void)
{
  check_random_walk (differ_late, 60);
}

static void
test_collide (void)
{
  check_random_walk (collide, 60);
}

/* Who has the trie of before goes on with it. */
static void
test_old_one_stays (void)
{
  g_autoptr (GPtrArray) mailboxes = mailboxes_new (100, spread);
  g_autofree gboolean *present = g_new0 (gboolean, 100);
  AgentMailboxTrie    *tries[101] = { NULL };

  for (guint i = 0; i < 100; i++)
    tries[i + 1] = _agent_mailbox_trie_add (_agent_mailbox_trie_ref (tries[i]), mailboxes->pdata[i]);
  for (guint i = 0; i <= 100; i++)
    {
      assert_content (tries[i], mailboxes, present);
      if (i < 100)
        present[i] = TRUE;
    }
  for (guint i = 0; i <= 100; i++)
    _agent_mailbox_trie_unref (tries[(i * 37) % 101]);
  assert_unreferenced (mailboxes);
}

/* A change copies the way to one mailbox, and nothing else: it costs no more with many than with few. */
static void
test_shares_what_does_not_change (void)
{
  g_autoptr (GPtrArray) mailboxes = mailboxes_new (20001, spread);
  AgentMailbox     *last = mailboxes->pdata[20000];
  AgentMailboxTrie *trie = NULL;
  AgentMailboxTrie *larger;
  guint             n_copied = 0;

  for (guint i = 0; i < 20000; i++)
    trie = _agent_mailbox_trie_add (trie, mailboxes->pdata[i]);
  larger = _agent_mailbox_trie_add (_agent_mailbox_trie_ref (trie), last);
  for (guint i = 0; i < 20000; i++)
    n_copied += ((AgentMailbox *) mailboxes->pdata[i])->ref_count > 2;
  g_assert_cmpuint (n_copied, <, 16 * 6);

  _agent_mailbox_trie_unref (trie);
  _agent_mailbox_trie_unref (larger);
  assert_unreferenced (mailboxes);
}

/* A trie that nobody else has is changed where it is. */
static void
test_changes_what_is_unshared (void)
{
  g_autoptr (GPtrArray) mailboxes = mailboxes_new (102, spread);
  AgentMailboxTrie *trie = NULL;
  AgentMailboxTrie *root;
  AgentMailboxTrie *old;

  for (guint i = 0; i < 100; i++)
    trie = _agent_mailbox_trie_add (trie, mailboxes->pdata[i]);

  root = trie;
  trie = _agent_mailbox_trie_add (trie, mailboxes->pdata[100]);
  trie = _agent_mailbox_trie_remove (trie, mailboxes->pdata[50]);
  g_assert_true (trie == root);

  old = _agent_mailbox_trie_ref (trie);
  trie = _agent_mailbox_trie_add (trie, mailboxes->pdata[101]);
  g_assert_true (trie != root);

  _agent_mailbox_trie_unref (trie);
  _agent_mailbox_trie_unref (old);
  assert_unreferenced (mailboxes);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

  g_test_add_func ("/agentbus/mailbox-trie/random-walk", test_random_walk);
  g_test_add_func ("/agentbus/mailbox-trie/differ-late", test_differ_late);
  g_test_add_func ("/agentbus/mailbox-trie/collide", test_collide);
  g_test_add_func ("/agentbus/mailbox-trie/old-one-stays", test_old_one_stays);
  g_test_add_func ("/agentbus/mailbox-trie/shares-what-does-not-change", test_shares_what_does_not_change);
  g_test_add_func ("/agentbus/mailbox-trie/changes-what-is-unshared", test_changes_what_is_unshared);

  return g_test_run ();
}
