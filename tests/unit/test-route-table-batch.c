/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "router/agent-rendezvous-private.h"
#include "router/agent-route-table-private.h"
#include "test-tools.h"

/* Many routes at once: listed, written down and restored, assigned and balanced, and told by one signal. */

#define N_ACTORS 1000 /* several pieces of work */

typedef struct
{
  AgentRouteTable *routes;
  GString         *text; /* of `changed`: "actor=router ", with "-" for no router */
  GString         *many; /* of `changed-many`: "[actor actor] " */
} Listener;

static void
on_changed (AgentRouteTable *routes,
            const char      *actor,
            const char      *router,
            gpointer         user_data)
{
  Listener *self = user_data;

  g_string_append_printf (self->text, "%s=%s ", actor, router != NULL ? router : "-");
}

static void
on_changed_many (AgentRouteTable   *routes,
                 const char *const *actors,
                 gpointer           user_data)
{
  Listener        *self = user_data;
  g_autofree char *joined = g_strjoinv (" ", (char **) actors);

  g_string_append_printf (self->many, "[%s] ", joined);
}

static Listener *
listener_new (void)
{
  Listener *self = g_new0 (Listener, 1);

  self->routes = agent_route_table_new ();
  self->text = g_string_new (NULL);
  self->many = g_string_new (NULL);
  g_signal_connect (self->routes, "changed", G_CALLBACK (on_changed), self);
  g_signal_connect (self->routes, "changed-many", G_CALLBACK (on_changed_many), self);
  return self;
}

static void
listener_free (Listener *self)
{
  test_assert_dies (self->routes);
  g_string_free (self->text, TRUE);
  g_string_free (self->many, TRUE);
  g_free (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Listener, listener_free)

static void
assert_heard (TestFixture *f,
              Listener    *self,
              const char  *text,
              const char  *many)
{
  test_drain (f);
  g_assert_cmpstr (self->text->str, ==, text);
  g_assert_cmpstr (self->many->str, ==, many);
  g_string_truncate (self->text, 0);
  g_string_truncate (self->many, 0);
}

static void
assert_list (AgentRouteTable *routes,
             const char      *router,
             const char      *expected)
{
  g_auto (GStrv) actors = agent_route_table_list_actors (routes, router);
  g_autofree char *joined = g_strjoinv (" ", actors);

  g_assert_cmpstr (joined, ==, expected);
}

static void
assert_variant (GVariant   *variant,
                const char *expected)
{
  g_autoptr (GVariant) owned = variant;
  g_autofree char *text = g_variant_print (owned, FALSE);

  g_assert_false (g_variant_is_floating (owned));
  g_assert_cmpstr (text, ==, expected);
}

static void
assign_numbered (AgentRouteTable *routes,
                 const char      *router)
{
  for (guint i = 0; i < N_ACTORS; i++)
    {
      char actor[16];

      g_snprintf (actor, sizeof actor, "actor-%u", i);
      agent_route_table_assign (routes, actor, router);
    }
}

/* --- Listing --- */

static void
test_list (TestFixture *f)
{
  g_autoptr (AgentRouteTable) routes = agent_route_table_new ();
  g_auto (GStrv) all = NULL;

  assert_list (routes, NULL, "");
  agent_route_table_assign (routes, "z", "a");
  agent_route_table_assign (routes, "x", "b");
  agent_route_table_unassign (routes, "y");
  agent_route_table_assign (routes, "B", "a");
  assert_list (routes, NULL, "B x y z");
  assert_list (routes, "a", "B z");
  assert_list (routes, "nobody", "");
  agent_route_table_remove (routes, "x");
  assert_list (routes, NULL, "B y z");

  assign_numbered (routes, "c");
  all = agent_route_table_list_actors (routes, "c");
  g_assert_cmpuint (g_strv_length (all), ==, N_ACTORS);
  for (guint i = 1; i < N_ACTORS; i++)
    g_assert_cmpint (strcmp (all[i - 1], all[i]), <, 0);
}

/* Whatever happens between two pieces of a walk: who stays is visited once. */
static void
test_walk_while_it_changes (TestFixture *f)
{
  AgentRouteIndex index;

  _agent_route_index_init (&index);
  for (guint i = 0; i < 5; i++)
    {
      const char name[] = { (char) ('a' + i), '\0' };

      _agent_route_index_add (&index, name);
    }
  _agent_route_index_begin_walk (&index);
  g_assert_cmpstr (_agent_route_index_walk (&index)->id, ==, "e");
  _agent_route_index_remove (&index, _agent_route_index_lookup (&index, "d"));
  _agent_route_index_add (&index, "new");
  _agent_route_index_rename (&index, _agent_route_index_lookup (&index, "c"), "renamed");
  _agent_route_index_rename (&index, _agent_route_index_lookup (&index, "e"), "visited");
  g_assert_cmpstr (_agent_route_index_walk (&index)->id, ==, "renamed");
  g_assert_cmpstr (_agent_route_index_walk (&index)->id, ==, "b");
  _agent_route_index_remove (&index, _agent_route_index_lookup (&index, "b"));
  _agent_route_index_remove (&index, _agent_route_index_lookup (&index, "a"));
  g_assert_null (_agent_route_index_walk (&index));
  g_assert_cmpuint (_agent_route_index_get_size (&index), ==, 3);
  _agent_route_index_clear (&index);
}

/* --- Assigning --- */

static void
test_assign_many (TestFixture *f)
{
  g_autoptr (Listener) listener = listener_new ();
  const char *actors[] = { "z", "x", "y", "x", NULL };
  const char *none[] = { NULL };

  agent_route_table_assign (listener->routes, "x", "a");
  assert_heard (f, listener, "x=a ", "");
  g_assert_cmpuint (agent_route_table_assign_many (listener->routes, actors, "a"), ==, 2);
  assert_heard (f, listener, "", "[z y] ");
  g_assert_cmpuint (agent_route_table_assign_many (listener->routes, actors, "a"), ==, 0);
  g_assert_cmpuint (agent_route_table_assign_many (listener->routes, none, "b"), ==, 0);
  assert_heard (f, listener, "", "");
  g_assert_cmpuint (agent_route_table_assign_many (listener->routes, actors, "b"), ==, 3);
  assert_list (listener->routes, "b", "x y z");
  assert_heard (f, listener, "", "[z x y] ");
}

/* --- Another id --- */

static void
test_rename (TestFixture *f)
{
  g_autoptr (Listener) listener = listener_new ();
  AgentRouteTable *routes = listener->routes;
  g_autoptr (GError) error = NULL;

  agent_route_table_assign (routes, "x", "a");
  agent_route_table_unassign (routes, "y");
  test_drain (f);
  g_string_truncate (listener->text, 0);
  g_assert_true (agent_route_table_rename (routes, "x", "z", NULL));
  g_assert_true (agent_route_table_rename (routes, "y", "x", NULL));
  assert_variant (agent_route_table_snapshot (routes), "{'x': '', 'z': 'a'}");
  assert_heard (f, listener, "x=- z=a y=- x=- ", "");

  g_assert_false (agent_route_table_rename (routes, "y", "u", &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_false (agent_route_table_rename (routes, "x", "z", &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_EXISTS);
  g_clear_error (&error);
  g_assert_false (agent_route_table_rename (routes, "x", "x", &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_EXISTS);
  assert_heard (f, listener, "", "");

  g_assert_cmpuint (agent_route_table_move_all (routes, "a", "b"), ==, 1);
  assert_variant (agent_route_table_snapshot (routes), "{'x': '', 'z': 'b'}");
}

/* --- Written down --- */

static void
test_snapshot (TestFixture *f)
{
  g_autoptr (AgentRouteTable) routes = agent_route_table_new ();

  assert_variant (agent_route_table_snapshot (routes), "{}");
  agent_route_table_assign (routes, "y", "b");
  agent_route_table_assign (routes, "x", "a");
  agent_route_table_unassign (routes, "z");
  assert_variant (agent_route_table_snapshot (routes), "{'x': 'a', 'y': 'b', 'z': ''}");
}

static void
test_restore (TestFixture *f)
{
  g_autoptr (Listener) listener = listener_new ();
  AgentRouteTable *routes = listener->routes;
  g_autoptr (GVariant) before = NULL;
  g_autoptr (GError) error = NULL;

  agent_route_table_assign (routes, "w", "a");
  agent_route_table_assign (routes, "x", "a");
  agent_route_table_assign (routes, "y", "b");
  before = agent_route_table_snapshot (routes);
  agent_route_table_assign (routes, "x", "c");
  agent_route_table_unassign (routes, "y");
  agent_route_table_assign (routes, "z", "d");
  test_drain (f);
  g_string_truncate (listener->text, 0);

  g_assert_true (agent_route_table_restore (routes, before, &error));
  g_assert_no_error (error);
  assert_variant (agent_route_table_snapshot (routes), "{'w': 'a', 'x': 'a', 'y': 'b'}");
  assert_heard (f, listener, "", "[z x y] ");
  g_assert_true (agent_route_table_restore (routes, before, &error));
  assert_heard (f, listener, "", "");
  g_assert_true (agent_route_table_restore (routes, g_variant_new ("a{ss}", NULL), &error));
  g_assert_cmpuint (agent_route_table_get_n_actors (routes), ==, 0);
}

/* In many pieces. */
static void
test_restore_many (TestFixture *f)
{
  g_autoptr (AgentRouteTable) routes = agent_route_table_new ();
  g_autoptr (AgentRouteTable) other = agent_route_table_new ();
  g_autoptr (GVariant) before = NULL;
  g_autoptr (GVariant) after = NULL;

  assign_numbered (routes, "a");
  before = agent_route_table_snapshot (routes);
  agent_route_table_assign (other, "actor-7", "b");
  agent_route_table_assign (other, "gone", "b");
  g_assert_true (agent_route_table_restore (other, before, NULL));
  after = agent_route_table_snapshot (other);
  g_assert_true (g_variant_equal (before, after));
}

static void
assert_not_restored (AgentRouteTable *routes,
                     GVariant        *variant)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (agent_route_table_restore (routes, variant, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_MESSAGE);
  assert_variant (agent_route_table_snapshot (routes), "{'x': 'a', 'y': ''}");
}

/* Whatever comes, and also if the beginning is right: nothing changes. */
static void
test_restore_nonsense (TestFixture *f)
{
  g_autoptr (AgentRouteTable) routes = agent_route_table_new ();
  const guchar damaged[] = { 'x', 0, 'b', 0xff, 0, 2, 5 };

  agent_route_table_assign (routes, "x", "a");
  agent_route_table_unassign (routes, "y");
  assert_not_restored (routes, g_variant_new_string ("x"));
  assert_not_restored (routes, g_variant_new_parsed ("{'x': 1}"));
  assert_not_restored (routes, g_variant_new_parsed ("{'z': 'b', '': 'b'}"));
  assert_not_restored (routes, g_variant_new_parsed ("{'z': 'b', 'z': 'c'}"));
  assert_not_restored (
      routes,
      g_variant_new_from_data (G_VARIANT_TYPE ("a{ss}"), damaged, sizeof damaged, FALSE, NULL, NULL));
}

/* --- Balance --- */

static GVariant *
rebalance (AgentRouteTable *routes,
           const char      *names,
           GVariant        *weights)
{
  g_auto (GStrv) routers = g_strsplit (names, " ", -1);

  if (*names == '\0')
    routers[0] = NULL;
  return agent_route_table_rebalance (routes, (const char *const *) routers, weights);
}

/* How many of @moves go from @from to @to: NULL for any. */
static guint
count_moves (GVariant   *moves,
             const char *from,
             const char *to)
{
  GVariantIter iter;
  const char  *move_from;
  const char  *move_to;
  guint        n = 0;

  g_variant_iter_init (&iter, moves);
  while (g_variant_iter_next (&iter, "(&s&s&s)", NULL, &move_from, &move_to))
    n += (from == NULL || g_str_equal (from, move_from)) && (to == NULL || g_str_equal (to, move_to));
  return n;
}

static guint
count_actors (AgentRouteTable *routes,
              const char      *router)
{
  g_auto (GStrv) actors = agent_route_table_list_actors (routes, router);

  return g_strv_length (actors);
}

static void
assert_about (guint n,
              guint expected)
{
  g_assert_cmpuint (n, >=, expected * 8 / 10);
  g_assert_cmpuint (n, <=, expected * 12 / 10);
}

static void
test_rebalance (TestFixture *f)
{
  g_autoptr (AgentRouteTable) routes = agent_route_table_new ();
  g_autoptr (GVariant) first = NULL;
  g_autoptr (GVariant) again = NULL;
  g_autoptr (GVariant) more = NULL;
  g_autoptr (GVariant) less = NULL;
  guint n_of_a;

  assign_numbered (routes, "old");
  agent_route_table_unassign (routes, "homeless");
  first = rebalance (routes, "a b c d", NULL);
  g_assert_cmpuint (count_moves (first, NULL, NULL), ==, N_ACTORS + 1);
  g_assert_cmpuint (count_moves (first, "", NULL), ==, 1);
  assert_about (count_actors (routes, "a"), N_ACTORS / 4);
  assert_about (count_actors (routes, "d"), N_ACTORS / 4);

  /* The order in which the routers are named does not matter. */
  again = rebalance (routes, "d c a b", NULL);
  g_assert_cmpuint (count_moves (again, NULL, NULL), ==, 0);

  /* All that move go to the new one. */
  more = rebalance (routes, "a b c d e", NULL);
  assert_about (count_moves (more, NULL, NULL), N_ACTORS / 5);
  g_assert_cmpuint (count_moves (more, NULL, "e"), ==, count_moves (more, NULL, NULL));

  /* All that move come from the one that went. */
  n_of_a = count_actors (routes, "a");
  less = rebalance (routes, "b c d e", NULL);
  g_assert_cmpuint (count_moves (less, NULL, NULL), ==, n_of_a);
  g_assert_cmpuint (count_moves (less, "a", NULL), ==, n_of_a);
  assert_about (count_moves (less, NULL, "b"), n_of_a / 4);
}

static void
test_moves (TestFixture *f)
{
  g_autoptr (Listener) listener = listener_new ();

  agent_route_table_assign (listener->routes, "x", "a");
  agent_route_table_assign (listener->routes, "z", "b");
  agent_route_table_unassign (listener->routes, "y");
  test_drain (f);
  g_string_truncate (listener->text, 0);
  assert_variant (rebalance (listener->routes, "b", NULL), "[('x', 'a', 'b'), ('y', '', 'b')]");
  assert_heard (f, listener, "", "[x y] ");
  assert_variant (rebalance (listener->routes, "b", NULL), "[]");
  assert_variant (rebalance (listener->routes, "", NULL), "[]");
  assert_heard (f, listener, "", "");
}

static void
test_weights (TestFixture *f)
{
  g_autoptr (AgentRouteTable) routes = agent_route_table_new ();
  g_autoptr (GVariant) first = NULL;
  g_autoptr (GVariant) second = NULL;
  g_autoptr (GVariant) third = NULL;
  guint n_of_a;

  assign_numbered (routes, "old");
  first = rebalance (routes, "a b c", g_variant_new_parsed ("{'a': 3.0, 'nobody': 7.0}"));
  n_of_a = count_actors (routes, "a");
  assert_about (n_of_a, N_ACTORS * 3 / 5);
  assert_about (count_actors (routes, "b"), N_ACTORS / 5);

  /* A router that gets a smaller share loses actors, and none moves between the others. */
  second = rebalance (routes, "a b c", NULL);
  g_assert_cmpuint (count_moves (second, NULL, NULL), ==, count_moves (second, "a", NULL));
  assert_about (count_actors (routes, "a"), N_ACTORS / 3);
  third = rebalance (routes, "a b c", g_variant_new_parsed ("{'b': 0.0}"));
  g_assert_cmpuint (count_actors (routes, "b"), ==, 0);
  assert_variant (rebalance (routes, "a b", g_variant_new_parsed ("{'a': 0.0, 'b': 0.0}")), "[]");
}

/* The same in every process and on every machine: written down once. */
static void
test_choices_for_ever (TestFixture *f)
{
  const char *const routers[] = { "a", "b", "c", NULL };
  g_autoptr (AgentRendezvous) rendezvous = _agent_rendezvous_new (routers, NULL);
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < 20; i++)
    {
      char actor[16];

      g_snprintf (actor, sizeof actor, "actor-%u", i);
      g_string_append (text, _agent_rendezvous_choose (rendezvous, actor));
    }
  g_assert_cmpstr (text->str, ==, "cacacaabacccccccbbac");
}

static void
test_wrong_arguments (TestFixture *f)
{
  g_autoptr (AgentRouteTable) routes = agent_route_table_new ();
  const char *empty[] = { "x", "", NULL };

  agent_route_table_assign (routes, "x", "a");
  g_test_expect_message ("AgentBus", G_LOG_LEVEL_CRITICAL, "*assertion*failed*");
  g_assert_cmpuint (agent_route_table_assign_many (routes, empty, "b"), ==, 0);
  g_test_expect_message ("AgentBus", G_LOG_LEVEL_CRITICAL, "*assertion*failed*");
  g_assert_null (agent_route_table_rebalance (routes, empty, NULL));
  g_test_expect_message ("AgentBus", G_LOG_LEVEL_CRITICAL, "*assertion*failed*");
  g_assert_null (rebalance (routes, "b", g_variant_new_parsed ("{'b': -1.0}")));
  g_test_expect_message ("AgentBus", G_LOG_LEVEL_CRITICAL, "*assertion*failed*");
  g_assert_null (rebalance (routes, "b", g_variant_new_parsed ("{'b': 1}")));
  g_test_expect_message ("AgentBus", G_LOG_LEVEL_CRITICAL, "*assertion*failed*");
  g_assert_false (agent_route_table_rename (routes, "x", "", NULL));
  g_test_assert_expected_messages ();
  assert_variant (agent_route_table_snapshot (routes), "{'x': 'a'}");
}

/* --- Many threads --- */

#define N_THREADS 4
#define N_ROUNDS 40

typedef struct
{
  AgentRouteTable *routes;
  guint            number;
} Worker;

/* A thread's own actors are never missing, whatever the others do. */
static gpointer
work (gpointer user_data)
{
  Worker *self = user_data;

  for (guint i = 0; i < N_ROUNDS; i++)
    {
      const char *router = i % 2 == 0 ? "a" : "b";
      char        old_id[16];
      char        new_id[16];
      g_auto (GStrv) actors = NULL;
      g_autoptr (GVariant) moves = NULL;

      g_snprintf (old_id, sizeof old_id, "own-%u-%u", self->number, i);
      g_snprintf (new_id, sizeof new_id, "own-%u-%u", self->number, i + 1);
      g_assert_true (agent_route_table_rename (self->routes, old_id, new_id, NULL));
      actors = agent_route_table_list_actors (self->routes, NULL);
      g_assert_true (g_strv_contains ((const char *const *) actors, new_id));
      g_assert_false (g_strv_contains ((const char *const *) actors, old_id));
      agent_route_table_assign_many (self->routes, (const char *[]){ new_id, NULL }, router);
      moves = rebalance (self->routes, i % 3 == 0 ? "a b c" : "a b", NULL);
    }
  return NULL;
}

static void
test_many_threads (TestFixture *f)
{
  g_autoptr (AgentRouteTable) routes = agent_route_table_new ();
  g_autoptr (GVariant) moves = NULL;
  Worker   workers[N_THREADS];
  GThread *threads[N_THREADS];

  assign_numbered (routes, "a");
  for (guint i = 0; i < N_THREADS; i++)
    {
      char actor[16];

      g_snprintf (actor, sizeof actor, "own-%u-0", i);
      agent_route_table_assign (routes, actor, "a");
      workers[i] = (Worker){ routes, i };
      threads[i] = g_thread_new ("test-routes", work, &workers[i]);
    }
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  g_assert_cmpuint (agent_route_table_get_n_actors (routes), ==, N_ACTORS + N_THREADS);
  moves = rebalance (routes, "z", NULL);
  g_assert_cmpuint (count_moves (moves, NULL, "z"), ==, N_ACTORS + N_THREADS);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/route-table-batch/" name, func)
  ADD ("list", test_list);
  ADD ("walk-while-it-changes", test_walk_while_it_changes);
  ADD ("assign-many", test_assign_many);
  ADD ("rename", test_rename);
  ADD ("snapshot", test_snapshot);
  ADD ("restore", test_restore);
  ADD ("restore-many", test_restore_many);
  ADD ("restore-nonsense", test_restore_nonsense);
  ADD ("rebalance", test_rebalance);
  ADD ("moves", test_moves);
  ADD ("weights", test_weights);
  ADD ("choices-for-ever", test_choices_for_ever);
  ADD ("wrong-arguments", test_wrong_arguments);
  ADD ("many-threads", test_many_threads);
#undef ADD

  return g_test_run ();
}
