/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "router/agent-route-table-private.h"
#include "test-tools.h"

/* Which router an actor is assigned to, and who hears of a change. */

typedef struct
{
  AgentRouteTable *routes;
  GString         *text; /* "actor=router ", with "-" for no router */
  guint            n;
  GThread         *thread;
} Listener;

static void
on_changed (AgentRouteTable *routes,
            const char      *actor,
            const char      *router,
            gpointer         user_data)
{
  Listener *self = user_data;

  g_assert_true (routes == self->routes);
  g_string_append_printf (self->text, "%s=%s ", actor, router != NULL ? router : "-");
  self->n++;
  self->thread = g_thread_self ();
}

static Listener *
listener_new (void)
{
  Listener *self = g_new0 (Listener, 1);

  self->routes = agent_route_table_new ();
  self->text = g_string_new (NULL);
  g_signal_connect (self->routes, "changed", G_CALLBACK (on_changed), self);
  return self;
}

static void
listener_free (Listener *self)
{
  test_assert_dies (self->routes);
  g_string_free (self->text, TRUE);
  g_free (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Listener, listener_free)

static void
assert_heard (TestFixture *f,
              Listener    *self,
              const char  *expected)
{
  test_drain (f);
  g_assert_cmpstr (self->text->str, ==, expected);
  g_string_truncate (self->text, 0);
}

static void
assert_route (AgentRouteTable *routes,
              const char      *actor,
              const char      *router)
{
  g_autofree char *found = agent_route_table_lookup (routes, actor);

  g_assert_cmpstr (found, ==, router);
}

/* --- What it says --- */

static void
test_empty (TestFixture *f)
{
  g_autoptr (AgentRouteTable) routes = agent_route_table_new ();

  g_assert_cmpuint (agent_route_table_get_n_actors (routes), ==, 0);
  g_assert_false (agent_route_table_contains (routes, "x"));
  assert_route (routes, "x", NULL);
  g_assert_false (agent_route_table_remove (routes, "x"));
  g_assert_cmpuint (agent_route_table_move_all (routes, "a", "b"), ==, 0);
}

static void
test_assign (TestFixture *f)
{
  g_autoptr (AgentRouteTable) routes = agent_route_table_new ();

  agent_route_table_assign (routes, "x", "a");
  agent_route_table_assign (routes, "y", "b");
  assert_route (routes, "x", "a");
  assert_route (routes, "y", "b");
  agent_route_table_assign (routes, "x", "b");
  assert_route (routes, "x", "b");
  g_assert_true (agent_route_table_contains (routes, "x"));
  g_assert_false (agent_route_table_contains (routes, "a"));
  g_assert_cmpuint (agent_route_table_get_n_actors (routes), ==, 2);
}

/* Known, but without a router: also when nobody had heard of it before. */
static void
test_unassign (TestFixture *f)
{
  g_autoptr (AgentRouteTable) routes = agent_route_table_new ();

  agent_route_table_assign (routes, "x", "a");
  agent_route_table_unassign (routes, "x");
  agent_route_table_unassign (routes, "y");
  assert_route (routes, "x", NULL);
  assert_route (routes, "y", NULL);
  g_assert_true (agent_route_table_contains (routes, "x"));
  g_assert_true (agent_route_table_contains (routes, "y"));
  g_assert_cmpuint (agent_route_table_get_n_actors (routes), ==, 2);
}

static void
test_remove (TestFixture *f)
{
  g_autoptr (AgentRouteTable) routes = agent_route_table_new ();

  agent_route_table_assign (routes, "x", "a");
  agent_route_table_unassign (routes, "y");
  g_assert_true (agent_route_table_remove (routes, "x"));
  g_assert_true (agent_route_table_remove (routes, "y"));
  g_assert_false (agent_route_table_remove (routes, "x"));
  g_assert_false (agent_route_table_contains (routes, "x"));
  assert_route (routes, "x", NULL);
  g_assert_cmpuint (agent_route_table_get_n_actors (routes), ==, 0);

  agent_route_table_assign (routes, "x", "b");
  assert_route (routes, "x", "b");
}

static void
test_move_all (TestFixture *f)
{
  g_autoptr (AgentRouteTable) routes = agent_route_table_new ();

  agent_route_table_assign (routes, "x", "a");
  agent_route_table_assign (routes, "y", "a");
  agent_route_table_assign (routes, "z", "b");
  agent_route_table_unassign (routes, "u");
  g_assert_cmpuint (agent_route_table_move_all (routes, "a", "c"), ==, 2);
  g_assert_cmpuint (agent_route_table_move_all (routes, "a", "c"), ==, 0);
  g_assert_cmpuint (agent_route_table_move_all (routes, "c", "c"), ==, 0);
  assert_route (routes, "x", "c");
  assert_route (routes, "y", "c");
  assert_route (routes, "z", "b");
  assert_route (routes, "u", NULL);
}

static void
assign_numbered (AgentRouteTable *routes,
                 guint            n,
                 const char      *router)
{
  for (guint i = 0; i < n; i++)
    {
      char actor[16];

      g_snprintf (actor, sizeof actor, "actor-%u", i);
      agent_route_table_assign (routes, actor, router);
    }
}

static void
assign_another (gpointer    data,
                const char *actor)
{
  AgentRouteTable *routes = data;

  if (!agent_route_table_contains (routes, "another"))
    agent_route_table_assign (routes, "another", "a");
}

static const AgentRouteWatchFuncs assign_another_funcs = {
  .changed = assign_another,
};

static void
no_notify (gpointer data)
{
}

/* More than one piece of work. Who comes meanwhile is not moved: else this might never end. */
static void
test_move_all_of_many (TestFixture *f)
{
  g_autoptr (AgentRouteTable) routes = agent_route_table_new ();
  guint64 n_changes;

  assign_numbered (routes, 1000, "a");
  assign_numbered (routes, 10, "b");
  n_changes = _agent_route_table_get_n_changes (routes);
  _agent_route_table_add_watch (routes, &assign_another_funcs, routes, no_notify);
  g_assert_cmpuint (agent_route_table_move_all (routes, "a", "c"), ==, 990);
  g_assert_cmpuint (_agent_route_table_get_n_changes (routes), ==, n_changes + 990 + 1);
  assert_route (routes, "actor-0", "b");
  assert_route (routes, "actor-10", "c");
  assert_route (routes, "actor-999", "c");
  assert_route (routes, "another", "a");
  g_assert_cmpuint (agent_route_table_get_n_actors (routes), ==, 1001);
}

/* The names are copied, and a route may be set to what the table itself said. */
static void
test_copies (TestFixture *f)
{
  g_autoptr (AgentRouteTable) routes = agent_route_table_new ();
  char actor[] = "x";
  char router[] = "a";

  agent_route_table_assign (routes, actor, router);
  actor[0] = 'y';
  router[0] = 'b';
  assert_route (routes, "x", "a");
  assert_route (routes, "y", NULL);
}

static void
test_property (TestFixture *f)
{
  g_autoptr (AgentRouteTable) routes = agent_route_table_new ();
  guint n = 7;

  g_object_get (routes, "n-actors", &n, NULL);
  g_assert_cmpuint (n, ==, 0);
  for (guint i = 0; i < 1000; i++)
    {
      g_autofree char *actor = g_strdup_printf ("actor-%u", i);

      agent_route_table_assign (routes, actor, "a");
    }
  g_object_get (routes, "n-actors", &n, NULL);
  g_assert_cmpuint (n, ==, 1000);
}

/* --- Who hears of it --- */

static void
test_changed (TestFixture *f)
{
  g_autoptr (Listener) listener = listener_new ();

  agent_route_table_assign (listener->routes, "x", "a");
  agent_route_table_unassign (listener->routes, "y");
  agent_route_table_assign (listener->routes, "x", "b");
  agent_route_table_unassign (listener->routes, "x");
  agent_route_table_remove (listener->routes, "x");
  g_assert_cmpuint (listener->n, ==, 0); /* never inside the call */
  assert_heard (f, listener, "x=a y=- x=b x=- x=- ");

  agent_route_table_move_all (listener->routes, "a", "b");
  assert_heard (f, listener, "");
  agent_route_table_assign (listener->routes, "z", "b");
  agent_route_table_move_all (listener->routes, "b", "c");
  assert_heard (f, listener, "z=b z=c ");
}

static void
test_nothing_has_changed (TestFixture *f)
{
  g_autoptr (Listener) listener = listener_new ();

  agent_route_table_assign (listener->routes, "x", "a");
  agent_route_table_unassign (listener->routes, "y");
  assert_heard (f, listener, "x=a y=- ");

  agent_route_table_assign (listener->routes, "x", "a");
  agent_route_table_unassign (listener->routes, "y");
  g_assert_false (agent_route_table_remove (listener->routes, "z"));
  g_assert_cmpuint (agent_route_table_move_all (listener->routes, "a", "a"), ==, 0);
  g_assert_cmpuint (agent_route_table_move_all (listener->routes, "nobody", "a"), ==, 0);
  assert_heard (f, listener, "");
}

static void
change_again (AgentRouteTable *routes,
              const char      *actor,
              const char      *router,
              gpointer         user_data)
{
  if (g_strcmp0 (router, "a") == 0)
    agent_route_table_assign (routes, actor, "b");
  else if (g_strcmp0 (router, "b") == 0)
    agent_route_table_remove (routes, actor);
}

static void
test_change_in_the_handler (TestFixture *f)
{
  g_autoptr (Listener) listener = listener_new ();

  g_signal_connect (listener->routes, "changed", G_CALLBACK (change_again), NULL);
  agent_route_table_assign (listener->routes, "x", "a");
  assert_heard (f, listener, "x=a x=b x=- ");
  g_assert_cmpuint (agent_route_table_get_n_actors (listener->routes), ==, 0);
}

static void
assign_to_b (gpointer    data,
             const char *actor)
{
  agent_route_table_assign (data, actor, "b");
}

static const AgentRouteWatchFuncs assign_to_b_funcs = {
  .changed = assign_to_b,
};

/* Who hears of a change while it is made may make another one: as other threads do. */
static void
test_last_change_is_the_truth (TestFixture *f)
{
  g_autoptr (Listener) listener = listener_new ();
  guint id;

  id = _agent_route_table_add_watch (listener->routes, &assign_to_b_funcs, listener->routes, no_notify);
  agent_route_table_assign (listener->routes, "x", "a");
  assert_route (listener->routes, "x", "b");
  assert_heard (f, listener, "x=a x=b ");
  agent_route_table_move_all (listener->routes, "b", "c");
  assert_route (listener->routes, "x", "b");
  assert_heard (f, listener, "x=c x=b ");
  agent_route_table_remove (listener->routes, "x");
  assert_heard (f, listener, "x=- x=b ");
  _agent_route_table_remove_watch (listener->routes, id);
}

static gboolean
make_listener (gpointer user_data)
{
  *(Listener **) user_data = listener_new ();
  return G_SOURCE_REMOVE;
}

static void
test_changed_in_its_own_context (TestFixture *f)
{
  g_autoptr (TestThread) thread = test_thread_new ();
  g_autoptr (Listener) listener = NULL;

  g_main_context_invoke (thread->context, make_listener, &listener);
  test_thread_sync (thread);
  agent_route_table_assign (listener->routes, "x", "a");
  agent_route_table_remove (listener->routes, "x");
  test_thread_sync (thread);
  g_assert_cmpstr (listener->text->str, ==, "x=a x=- ");
  g_assert_true (listener->thread == thread->thread);
}

/* Changes that nobody has heard of yet go with the table. */
static void
test_gone_with_changes (TestFixture *f)
{
  Listener *listener = listener_new ();

  agent_route_table_assign (listener->routes, "x", "a");
  agent_route_table_assign (listener->routes, "y", "a");
  listener_free (listener);
  test_drain (f);
}

/* --- Many threads --- */

#define N_THREADS 4
#define N_ROUNDS 500

typedef struct
{
  AgentRouteTable *routes;
  guint            number;
} Worker;

static gpointer
change_many (gpointer user_data)
{
  Worker *self = user_data;
  char    actor[16];

  g_snprintf (actor, sizeof actor, "actor-%u", self->number);
  for (guint i = 0; i < N_ROUNDS; i++)
    {
      agent_route_table_assign (self->routes, actor, i % 2 == 0 ? "a" : "b");
      agent_route_table_assign (self->routes, "shared", i % 2 == 0 ? "a" : "b");
      g_assert_true (agent_route_table_contains (self->routes, actor));
      agent_route_table_unassign (self->routes, actor);
      assert_route (self->routes, actor, NULL);
      g_assert_true (agent_route_table_remove (self->routes, actor));
      g_assert_false (agent_route_table_contains (self->routes, actor));
    }

  agent_route_table_assign (self->routes, actor, "c");
  return NULL;
}

typedef struct
{
  guint n[N_THREADS];
} Order;

/* Each thread's own changes come in its order: one with a router, and two without. */
static void
check_order (AgentRouteTable *routes,
             const char      *actor,
             const char      *router,
             gpointer         user_data)
{
  Order *self = user_data;
  guint *n;

  if (!g_str_has_prefix (actor, "actor-"))
    return;

  n = &self->n[g_ascii_strtoull (actor + strlen ("actor-"), NULL, 10)];
  if (*n == 3 * N_ROUNDS)
    g_assert_cmpstr (router, ==, "c");
  else
    g_assert_cmpstr (router, ==, *n % 3 != 0 ? NULL : *n / 3 % 2 == 0 ? "a"
                                                                      : "b");
  (*n)++;
}

static void
test_many_threads (TestFixture *f)
{
  g_autoptr (AgentRouteTable) routes = agent_route_table_new ();
  Order    order = { {
         0,
  } };
  Worker   workers[N_THREADS];
  GThread *threads[N_THREADS];

  g_signal_connect (routes, "changed", G_CALLBACK (check_order), &order);
  for (guint i = 0; i < N_THREADS; i++)
    {
      workers[i] = (Worker){ routes, i };
      threads[i] = g_thread_new ("test-routes", change_many, &workers[i]);
    }
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  test_drain (f);

  for (guint i = 0; i < N_THREADS; i++)
    g_assert_cmpuint (order.n[i], ==, 3 * N_ROUNDS + 1);
  g_assert_cmpuint (agent_route_table_get_n_actors (routes), ==, N_THREADS + 1);
  g_assert_cmpuint (agent_route_table_move_all (routes, "c", "d"), ==, N_THREADS);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/route-table/" name, func)
  ADD ("empty", test_empty);
  ADD ("assign", test_assign);
  ADD ("unassign", test_unassign);
  ADD ("remove", test_remove);
  ADD ("move-all", test_move_all);
  ADD ("move-all-of-many", test_move_all_of_many);
  ADD ("copies", test_copies);
  ADD ("property", test_property);
  ADD ("changed", test_changed);
  ADD ("nothing-has-changed", test_nothing_has_changed);
  ADD ("change-in-the-handler", test_change_in_the_handler);
  ADD ("last-change-is-the-truth", test_last_change_is_the_truth);
  ADD ("changed-in-its-own-context", test_changed_in_its_own_context);
  ADD ("gone-with-changes", test_gone_with_changes);
  ADD ("many-threads", test_many_threads);
#undef ADD

  return g_test_run ();
}
