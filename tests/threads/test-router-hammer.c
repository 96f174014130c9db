/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <unistd.h>

#include "hammer.h"
#include "test-router.h"

/*
 * Dispatchers and their route table under many threads: whatever can be called is called at once, and actors keep their
 * order while routers that have threads of their own come and go.
 */

/* How long one round may take: a test with many rounds would not be done before the watchdog comes. */
#define ROUND_SECONDS 120

/* --- Everything at once --- */

#define N_THREADS 4
#define N_CHANGES 4000
#define N_VISITS 60
#define N_NAMES 30000
#define N_ROUTER_THREADS 2

static const char *const actors[] = { "a", "b", "c", "d", "e", "f" };
static const char *const routers[] = { "router-0", "router-1", "nobody" };

typedef struct
{
  AgentBus              *bus;
  AgentRouteTable       *routes;
  AgentRouterDispatcher *dispatchers[2];
  guint                  n_changes;
  guint                  n_visits;
} Crowd;

typedef struct
{
  Crowd   *crowd;
  guint    index;
  GRand   *rand;
  GThread *thread;
} Member;

static const char *
choose (Member            *self,
        const char *const *from,
        guint              n)
{
  return from[g_rand_int_range (self->rand, 0, n)];
}

static void
member_dispatch (Member     *self,
                 const char *actor)
{
  AgentMessage *message = g_rand_boolean (self->rand)
                              ? test_data ("test", actor, 1)
                              : test_routed (AGENT_MESSAGE_TYPE_SHUTDOWN, actor);

  if (g_rand_int_range (self->rand, 0, 20) == 0)
    agent_message_set_ttl (message, 1);
  agent_router_dispatcher_dispatch (self->crowd->dispatchers[g_rand_int_range (self->rand, 0, 2)], message, NULL);
}

/* Nobody else changes the route of this actor. */
static void
member_change_own (Member *self)
{
  char             actor[16];
  g_autofree char *router = NULL;

  g_snprintf (actor, sizeof actor, "own-%u", self->index);
  agent_route_table_assign (self->crowd->routes, actor, "shared");
  member_dispatch (self, actor);
  router = agent_route_table_lookup (self->crowd->routes, actor);
  g_assert_cmpstr (router, ==, "shared");
  agent_route_table_unassign (self->crowd->routes, actor);
  g_assert_true (agent_route_table_remove (self->crowd->routes, actor));
}

/* All threads use one name, which is gone whenever none of them has an actor there. */
static gpointer
share_a_name (gpointer data)
{
  Member *self = data;
  char    actor[16];

  g_snprintf (actor, sizeof actor, "own-%u", self->index);
  agent_route_table_unassign (self->crowd->routes, actor);
  agent_router_dispatcher_dispatch (self->crowd->dispatchers[0], test_routed (AGENT_MESSAGE_TYPE_SHUTDOWN, actor), NULL);
  for (guint i = 0; i < self->crowd->n_changes; i++)
    {
      g_autofree char *router = NULL;

      agent_route_table_assign (self->crowd->routes, actor, "shared");
      router = agent_route_table_lookup (self->crowd->routes, actor);
      g_assert_cmpstr (router, ==, "shared");
      agent_route_table_unassign (self->crowd->routes, actor);
    }
  return NULL;
}

static void
member_change (Member *self)
{
  AgentRouteTable *routes = self->crowd->routes;
  const char      *actor = choose (self, actors, G_N_ELEMENTS (actors));
  const char      *router = choose (self, routers, G_N_ELEMENTS (routers));
  guint            what = g_rand_int_range (self->rand, 0, 20);

  if (what < 5)
    agent_route_table_assign (routes, actor, router);
  else if (what < 7)
    agent_route_table_unassign (routes, actor);
  else if (what < 8)
    agent_route_table_remove (routes, actor);
  else if (what < 9)
    agent_route_table_move_all (routes, router, choose (self, routers, G_N_ELEMENTS (routers)));
  else if (what < 12)
    member_change_own (self);
  else
    member_dispatch (self, actor);
}

static gpointer
change_all_the_time (gpointer data)
{
  Member *self = data;

  for (guint i = 0; i < self->crowd->n_changes; i++)
    member_change (self);
  return NULL;
}

static void
stay_for_a_while (Member       *self,
                  GMainContext *context)
{
  for (guint i = g_rand_int_range (self->rand, 1, 30); i > 0; i--)
    {
      g_main_context_iteration (context, FALSE);
      g_thread_yield ();
    }
}

static gboolean
is_on_a_bus (TestRecorder *router)
{
  g_autoptr (AgentBus) bus = agent_subscriber_dup_bus (AGENT_SUBSCRIBER (router));

  return bus != NULL;
}

/* The router comes and goes in the thread that it has for itself. */
static gpointer
come_and_go (gpointer data)
{
  Member *self = data;
  g_autoptr (GMainContext) context = g_main_context_new ();
  const char *name = routers[self->index];

  g_main_context_push_thread_default (context);
  for (guint i = 0; i < self->crowd->n_visits; i++)
    {
      g_autoptr (TestRecorder) router = test_recorder_new_full (NULL, NULL, "name", name, "capacity", 8, NULL);

      g_assert_true (agent_bus_subscribe (self->crowd->bus, AGENT_SUBSCRIBER (router), NULL));
      stay_for_a_while (self, context);
      agent_bus_unsubscribe (self->crowd->bus, name);
      while (is_on_a_bus (router))
        g_main_context_iteration (context, FALSE);
    }
  g_main_context_pop_thread_default (context);
  return NULL;
}

static void
member_start (Member     *self,
              Crowd      *crowd,
              guint       index,
              GThreadFunc func)
{
  self->crowd = crowd;
  self->index = index;
  self->rand = g_rand_new_with_seed (g_test_rand_int ());
  self->thread = g_thread_new ("test-crowd", func, self);
}

static void
member_join (Member *self)
{
  g_thread_join (self->thread);
  g_rand_free (self->rand);
}

static void
test_everything_at_once (TestFixture *f)
{
  g_autoptr (AgentRouteTable) routes = agent_route_table_new ();
  TestDispatch *d[2] = { test_dispatch_new_full (f, f->bus, routes), test_dispatch_new_full (f, f->bus, routes) };
  Crowd         crowd = { f->bus, routes, { d[0]->dispatcher, d[1]->dispatcher }, hammer_rounds (N_CHANGES), hammer_rounds (N_VISITS) };
  Member        members[N_THREADS + N_ROUTER_THREADS];

  /* ThreadSanitizer does not see how GObject hands the class from the thread that makes it to others. */
  g_type_class_unref (g_type_class_ref (TEST_TYPE_RECORDER));
  for (guint i = 0; i < N_THREADS; i++)
    member_start (&members[i], &crowd, i, change_all_the_time);
  for (guint i = 0; i < N_ROUTER_THREADS; i++)
    member_start (&members[N_THREADS + i], &crowd, i, come_and_go);
  for (guint i = 0; i < G_N_ELEMENTS (members); i++)
    member_join (&members[i]);

  test_drain (f);
  test_dispatch_free (d[0]);
  test_dispatch_free (d[1]);
  test_drain (f);
  test_assert_balanced (f->bus);
  g_string_truncate (f->log, 0);
}

static void
test_shared_names (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  Crowd  crowd = { f->bus, d->routes, { d->dispatcher, d->dispatcher }, hammer_rounds (N_NAMES), 0 };
  Member members[N_THREADS];

  for (guint i = 0; i < N_THREADS; i++)
    member_start (&members[i], &crowd, i, share_a_name);
  for (guint i = 0; i < N_THREADS; i++)
    member_join (&members[i]);
  g_assert_cmpuint (test_n_parked (d), ==, N_THREADS);
}

/* --- Scale-in --- */

#define STORM_N_ACTORS 1000
#define STORM_N_PRODUCERS 2
#define STORM_N_SLOTS 4
#define STORM_N_CHANGES 80
#define STORM_CAPACITY 64
#define STORM_MAX_PARKED 20000

/* How many messages are handled between two changes. */
#define STORM_PACE 100

/* What an actor has got is guarded by nothing but the order of its messages, whichever router and thread handles them. */
typedef struct
{
  TestFixture           *fixture;
  AgentRouteTable       *routes;
  AgentRouterDispatcher *dispatcher;
  GRand                 *rand;
  GPtrArray             *threads;              /* of TestThread: one for each slot */
  GPtrArray             *all;                  /* of TestRecorder (owned): everyone who ever was a router */
  char                  *names[STORM_N_SLOTS]; /* (owned) of those that are there */
  guint                  next[STORM_N_ACTORS];
  gint                   n_handled;    /* (atomic) */
  gint                   n_dispatched; /* (atomic) */
  gint                   is_over;      /* (atomic) */
} Storm;

typedef struct
{
  Storm   *storm;
  guint    index;
  guint    number;
  GThread *thread;
} Producer;

static void
storm_on_message (TestRecorder *recorder,
                  AgentMessage *message,
                  gpointer      user_data)
{
  Storm *self = user_data;
  guint  actor = g_ascii_strtoull (agent_message_get_target (message), NULL, 10);

  g_assert_cmpuint (g_variant_get_uint32 (agent_message_get_payload (message)), ==, self->next[actor]);
  self->next[actor]++;
  g_atomic_int_inc (&self->n_handled);
}

static void
storm_dispatch (Storm *self,
                guint  actor,
                guint  number)
{
  char name[16];
  g_autoptr (GError) error = NULL;

  g_snprintf (name, sizeof name, "%u", actor);
  agent_router_dispatcher_dispatch (self->dispatcher,
                                    agent_message_new_routed (AGENT_MESSAGE_TYPE_REQUEST_INFERENCE,
                                                              "test",
                                                              name,
                                                              g_variant_new_uint32 (number)),
                                    &error);
  g_assert_no_error (error);
  g_atomic_int_inc (&self->n_dispatched);
}

/* One message for each of its actors, and again, until the storm is over. */
static gpointer
storm_produce (gpointer data)
{
  Producer *self = data;

  while (!g_atomic_int_get (&self->storm->is_over))
    {
      for (guint actor = self->index; actor < STORM_N_ACTORS; actor += STORM_N_PRODUCERS)
        storm_dispatch (self->storm, actor, self->number);
      self->number++;
      while (agent_router_dispatcher_get_n_parked (self->storm->dispatcher) > STORM_MAX_PARKED &&
             !g_atomic_int_get (&self->storm->is_over))
        g_thread_yield ();
    }

  return NULL;
}

static void
storm_subscribe (Storm *self,
                 guint  slot)
{
  TestThread *thread = self->threads->pdata[slot];

  self->names[slot] = g_strdup_printf ("router-%u", self->all->len);
  g_ptr_array_add (self->all,
                   test_router_subscribe (self->fixture,
                                          test_recorder_new_full (storm_on_message,
                                                                  self,
                                                                  "name",
                                                                  self->names[slot],
                                                                  "main-context",
                                                                  thread->context,
                                                                  "capacity",
                                                                  STORM_CAPACITY,
                                                                  NULL)));
}

/* All actors of one router go to others; it leaves before that, or after. */
static void
storm_scale_in (Storm *self,
                guint  slot)
{
  g_autofree char *name = g_steal_pointer (&self->names[slot]);
  const char      *other = self->names[(slot + 1) % STORM_N_SLOTS];
  gboolean         leaves_first = g_rand_boolean (self->rand);

  if (leaves_first)
    agent_bus_unsubscribe (self->fixture->bus, name);
  agent_route_table_move_all (self->routes, name, other);
  if (!leaves_first)
    agent_bus_unsubscribe (self->fixture->bus, name);
}

/* Some actors go to the router that has just come. */
static void
storm_scale_out (Storm *self,
                 guint  slot)
{
  storm_subscribe (self, slot);
  for (guint i = 0; i < STORM_N_ACTORS / STORM_N_SLOTS; i++)
    {
      char actor[16];

      g_snprintf (actor, sizeof actor, "%u", g_rand_int_range (self->rand, 0, STORM_N_ACTORS));
      agent_route_table_assign (self->routes, actor, self->names[slot]);
    }
}

static void
storm_wait (Storm *self,
            gint   n_handled)
{
  while (g_atomic_int_get (&self->n_handled) < n_handled)
    {
      g_main_context_iteration (self->fixture->context, FALSE);
      g_thread_yield ();
    }
}

static void
storm_begin (Storm *self)
{
  for (guint type = 0; type <= AGENT_MESSAGE_TYPE_HAND_OFF; type++)
    agent_router_dispatcher_set_timeout (self->dispatcher, type, 0);
  agent_router_dispatcher_set_capacity (self->dispatcher, G_MAXUINT);
  for (guint slot = 0; slot < STORM_N_SLOTS; slot++)
    storm_subscribe (self, slot);
  for (guint i = 0; i < STORM_N_ACTORS; i++)
    {
      char actor[16];

      g_snprintf (actor, sizeof actor, "%u", i);
      agent_route_table_assign (self->routes, actor, self->names[i % STORM_N_SLOTS]);
    }
}

static void
storm_change (Storm *self)
{
  for (guint i = 0; i < STORM_N_CHANGES; i += 2)
    {
      guint slot = g_rand_int_range (self->rand, 0, STORM_N_SLOTS);

      storm_scale_in (self, slot);
      storm_wait (self, g_atomic_int_get (&self->n_handled) + STORM_PACE);
      storm_scale_out (self, slot);
      storm_wait (self, g_atomic_int_get (&self->n_handled) + STORM_PACE);
    }
}

static void
storm_run (Storm *self)
{
  Producer producers[STORM_N_PRODUCERS];

  for (guint i = 0; i < STORM_N_PRODUCERS; i++)
    {
      producers[i] = (Producer){ .storm = self, .index = i };
      producers[i].thread = g_thread_new ("test-producer", storm_produce, &producers[i]);
    }
  storm_change (self);
  g_atomic_int_set (&self->is_over, TRUE);
  for (guint i = 0; i < STORM_N_PRODUCERS; i++)
    g_thread_join (producers[i].thread);
  storm_wait (self, g_atomic_int_get (&self->n_dispatched));
}

static void
check_storm (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (GRand) rand = g_rand_new_with_seed (g_test_rand_int ());
  g_autoptr (GPtrArray) threads = test_threads_new (STORM_N_SLOTS);
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func (g_object_unref);
  g_autofree Storm *storm = g_new0 (Storm, 1);

  *storm = (Storm){ f, d->routes, d->dispatcher, rand, threads, all };
  storm_begin (storm);
  storm_run (storm);
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  g_assert_cmpint (storm->n_handled, ==, storm->n_dispatched);
  g_assert_cmpstr (d->lost->str, ==, "");
  g_assert_cmpuint (d->n_expired, ==, 0);
  for (guint slot = 0; slot < STORM_N_SLOTS; slot++)
    {
      g_assert_true (test_unsubscribe (f, storm->names[slot], NULL));
      g_free (storm->names[slot]);
    }
  for (guint slot = 0; slot < STORM_N_SLOTS; slot++)
    test_thread_sync (threads->pdata[slot]);
}

/* A thousand actors keep their order while their routers, each with a thread of its own, leave and come. */
static void
test_scale_in_storm (TestFixture *f)
{
  for (guint i = hammer_rounds (2); i > 0; i--)
    {
      alarm (ROUND_SECONDS);
      check_storm (f);
    }
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/router-hammer/" name, func)
  ADD ("everything-at-once", test_everything_at_once);
  ADD ("shared-names", test_shared_names);
  ADD ("scale-in-storm", test_scale_in_storm);
#undef ADD

  return g_test_run ();
}
