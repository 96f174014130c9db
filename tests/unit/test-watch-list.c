/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-watch-list-private.h"
#include "test-support.h"

/*
 * The list of watches alone: what is in it, for how long an array of it is good, and when a destroy notify is called.
 */

#define N_THREADS 4
#define N_ROUNDS 500

static guint
n_watches (AgentWatchList *list)
{
  g_autoptr (GPtrArray) watches = _agent_watch_list_ref (list);

  return watches != NULL ? watches->len : 0;
}

static void
count_destroy (gpointer n_destroyed)
{
  g_atomic_int_inc ((gint *) n_destroyed);
}

static void
test_add_and_remove (void)
{
  static const char funcs[] = "funcs";
  AgentWatchList    list;
  gint              n_destroyed[2] = { 0, 0 };
  guint             first;
  guint             second;
  g_autoptr (GPtrArray) watches = NULL;

  _agent_watch_list_init (&list);
  g_assert_null (_agent_watch_list_ref (&list));

  first = _agent_watch_list_add (&list, funcs, &n_destroyed[0], count_destroy);
  second = _agent_watch_list_add (&list, NULL, &n_destroyed[1], count_destroy);
  g_assert_cmpuint (first, !=, 0);
  g_assert_cmpuint (second, !=, 0);
  g_assert_cmpuint (first, !=, second);

  watches = _agent_watch_list_ref (&list);
  g_assert_cmpuint (watches->len, ==, 2);
  g_assert_cmpuint (((AgentWatch *) watches->pdata[0])->id, ==, first);
  g_assert_true (((AgentWatch *) watches->pdata[0])->funcs == funcs);
  g_assert_true (((AgentWatch *) watches->pdata[0])->data == &n_destroyed[0]);
  g_assert_cmpuint (((AgentWatch *) watches->pdata[1])->id, ==, second);
  g_clear_pointer (&watches, g_ptr_array_unref);

  _agent_watch_list_remove (&list, first);
  g_assert_cmpint (n_destroyed[0], ==, 1);
  g_assert_cmpint (n_destroyed[1], ==, 0);
  g_assert_cmpuint (n_watches (&list), ==, 1);

  _agent_watch_list_remove (&list, second);
  g_assert_cmpint (n_destroyed[1], ==, 1);
  g_assert_null (_agent_watch_list_ref (&list));
  _agent_watch_list_clear (&list);
}

/* An id that is not there, because it was removed or belongs to another list, changes nothing. */
static void
test_other_ids (void)
{
  AgentWatchList list;
  AgentWatchList other;
  gint           n_destroyed = 0;
  gint           n_destroyed_other = 0;
  guint          id;
  guint          other_id;

  _agent_watch_list_init (&list);
  _agent_watch_list_init (&other);
  _agent_watch_list_remove (&list, 1);
  id = _agent_watch_list_add (&list, NULL, &n_destroyed, count_destroy);
  other_id = _agent_watch_list_add (&other, NULL, &n_destroyed_other, count_destroy);
  g_assert_cmpuint (id, !=, other_id);

  _agent_watch_list_remove (&list, other_id);
  g_assert_cmpuint (n_watches (&list), ==, 1);
  _agent_watch_list_remove (&other, other_id);
  _agent_watch_list_remove (&other, other_id);
  g_assert_cmpint (n_destroyed, ==, 0);
  g_assert_cmpint (n_destroyed_other, ==, 1);

  _agent_watch_list_clear (&list);
  _agent_watch_list_clear (&other);
  g_assert_cmpint (n_destroyed, ==, 1);
  g_assert_cmpint (n_destroyed_other, ==, 1);
}

/* An array that was taken before is good for as long as it is held, and so are the watches in it. */
static void
test_removed_while_held (void)
{
  AgentWatchList list;
  gint           n_destroyed = 0;
  guint          id;
  g_autoptr (GPtrArray) held = NULL;

  _agent_watch_list_init (&list);
  id = _agent_watch_list_add (&list, NULL, &n_destroyed, count_destroy);
  held = _agent_watch_list_ref (&list);

  _agent_watch_list_remove (&list, id);
  _agent_watch_list_add (&list, NULL, &n_destroyed, count_destroy);
  _agent_watch_list_clear (&list);
  g_assert_cmpint (n_destroyed, ==, 1);
  g_assert_cmpuint (held->len, ==, 1);
  g_assert_cmpuint (((AgentWatch *) held->pdata[0])->id, ==, id);

  g_clear_pointer (&held, g_ptr_array_unref);
  g_assert_cmpint (n_destroyed, ==, 2);
}

static void
look_from_destroy (gpointer data)
{
  g_assert_cmpuint (n_watches (data), ==, 0);
}

/* A destroy notify may use the list: it is called with no lock of it held. */
static void
add_from_destroy (gpointer data)
{
  AgentWatchList *list = data;

  _agent_watch_list_add (list, NULL, list, look_from_destroy);
}

static void
test_destroy_uses_list (void)
{
  AgentWatchList list;
  guint          id;

  _agent_watch_list_init (&list);
  id = _agent_watch_list_add (&list, NULL, &list, add_from_destroy);
  _agent_watch_list_remove (&list, id);
  g_assert_cmpuint (n_watches (&list), ==, 1);

  id = ((AgentWatch *) list.watches->pdata[0])->id;
  _agent_watch_list_remove (&list, id);
  g_assert_cmpuint (n_watches (&list), ==, 0);
  _agent_watch_list_clear (&list);
}

/* --- Threads --- */

typedef struct
{
  AgentWatchList list;
  gint           n_destroyed; /* (atomic) */
} SharedList;

/* Destroy has not been called for any watch that is in an array. */
static void
look_at_watches (SharedList *shared)
{
  g_autoptr (GPtrArray) watches = _agent_watch_list_ref (&shared->list);

  for (guint i = 0; watches != NULL && i < watches->len; i++)
    {
      gint *is_destroyed = ((AgentWatch *) watches->pdata[i])->data;

      g_assert_false (g_atomic_int_get (is_destroyed));
    }
}

typedef struct
{
  gint        is_destroyed; /* (atomic) first, as look_at_watches() has a pointer to it */
  SharedList *shared;
} SharedWatch;

static void
shared_watch_destroy (gpointer data)
{
  SharedWatch *watch = data;

  g_assert_false (g_atomic_int_get (&watch->is_destroyed));
  g_atomic_int_set (&watch->is_destroyed, TRUE);
  g_atomic_int_inc (&watch->shared->n_destroyed);
}

static gpointer
add_and_remove (gpointer data)
{
  SharedList   *shared = data;
  SharedWatch **watches = g_new0 (SharedWatch *, N_ROUNDS);

  for (guint i = 0; i < N_ROUNDS; i++)
    {
      guint id;

      watches[i] = g_new0 (SharedWatch, 1);
      watches[i]->shared = shared;
      id = _agent_watch_list_add (&shared->list, NULL, watches[i], shared_watch_destroy);
      look_at_watches (shared);
      _agent_watch_list_remove (&shared->list, id);
    }

  return watches;
}

/* Each watch is destroyed once, after the last array that holds it. */
static void
test_threads (void)
{
  SharedList shared = { .n_destroyed = 0 };
  GThread   *threads[N_THREADS];
  gpointer   watches[N_THREADS];

  _agent_watch_list_init (&shared.list);
  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("watches", add_and_remove, &shared);
  for (guint i = 0; i < N_THREADS; i++)
    watches[i] = g_thread_join (threads[i]);

  g_assert_cmpint (shared.n_destroyed, ==, N_THREADS * N_ROUNDS);
  g_assert_null (shared.list.watches);
  _agent_watch_list_clear (&shared.list);

  for (guint i = 0; i < N_THREADS; i++)
    {
      for (guint j = 0; j < N_ROUNDS; j++)
        g_free (((SharedWatch **) watches[i])[j]);
      g_free (watches[i]);
    }
}

int
main (int argc, char *argv[])
{
  test_init (&argc, &argv);

  test_add_func ("/agentbus/watch-list/add-and-remove", test_add_and_remove);
  test_add_func ("/agentbus/watch-list/other-ids", test_other_ids);
  test_add_func ("/agentbus/watch-list/removed-while-held", test_removed_while_held);
  test_add_func ("/agentbus/watch-list/destroy-uses-list", test_destroy_uses_list);
  test_add_func ("/agentbus/watch-list/threads", test_threads);

  return g_test_run ();
}
