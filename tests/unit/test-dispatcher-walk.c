/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-router.h"

/* --- Whatever happens --- */

#define N_ACTORS 4
#define N_ROUTERS 3

/* A random walk: routers come, go, hold back what they have in hand, and routes change all the time. */
typedef struct
{
  TestFixture  *fixture;
  TestDispatch *dispatch;
  GRand        *rand;
  TestRecorder *routers[N_ROUTERS];  /* (owned) (nullable) */
  GPtrArray    *gone;                /* of TestRecorder (owned) */
  GPtrArray    *deliveries;          /* of AgentDelivery (owned) that are held back */
  guint         n_sent[N_ACTORS][2]; /* by channel */
  guint         n_got[N_ACTORS][2];
  gboolean      in_hand[N_ACTORS][2];
  gboolean      is_over;
} Walk;

static const char *const actors[N_ACTORS] = { "0", "1", "2", "3" };
static const char *const routers[N_ROUTERS] = { "a", "b", "c" };

static void
walk_check (TestRecorder *recorder,
            AgentMessage *message,
            gpointer      user_data)
{
  Walk        *self = user_data;
  guint        actor = *agent_message_get_target (message) - '0';
  AgentChannel channel = agent_message_get_channel (message);
  GVariant    *payload = agent_message_get_payload (message);

  g_assert_cmpuint (g_variant_get_uint32 (payload), ==, self->n_got[actor][channel]);
  g_assert_false (self->in_hand[actor][channel]);
  self->n_got[actor][channel]++;
  if (self->is_over || g_rand_int_range (self->rand, 0, 4) > 0)
    return;

  self->in_hand[actor][channel] = TRUE;
  g_ptr_array_add (self->deliveries, agent_subscriber_defer (AGENT_SUBSCRIBER (recorder)));
}

static void
walk_subscribe (Walk *self,
                guint router)
{
  if (self->routers[router] != NULL)
    return;

  self->routers[router] = test_recorder_new_full (
      walk_check, self, "name", routers[router], "capacity", g_rand_int_range (self->rand, 1, 6), NULL);
  test_router_subscribe (self->fixture, self->routers[router]);
}

static void
walk_unsubscribe (Walk *self,
                  guint router)
{
  if (self->routers[router] == NULL)
    return;

  agent_bus_unsubscribe (self->fixture->bus, routers[router]);
  g_ptr_array_add (self->gone, g_steal_pointer (&self->routers[router]));
}

static void
walk_dispatch (Walk        *self,
               guint        actor,
               AgentChannel channel)
{
  GVariant *number = g_variant_new_uint32 (self->n_sent[actor][channel]++);

  test_dispatch (self->dispatch, agent_message_new_custom ("step", channel, "test", actors[actor], number));
}

static void
walk_complete (Walk *self,
               guint i)
{
  AgentDelivery *delivery = self->deliveries->pdata[i];
  AgentMessage  *message = agent_delivery_get_message (delivery);

  self->in_hand[*agent_message_get_target (message) - '0'][agent_message_get_channel (message)] = FALSE;
  agent_delivery_complete (delivery);
  g_ptr_array_remove_index (self->deliveries, i);
}

static void
walk_step (Walk *self)
{
  guint actor = g_rand_int_range (self->rand, 0, N_ACTORS);
  guint router = g_rand_int_range (self->rand, 0, N_ROUTERS);
  guint what = g_rand_int_range (self->rand, 0, 40);

  if (what < 16)
    walk_dispatch (self, actor, what < 12 ? AGENT_CHANNEL_DATA : AGENT_CHANNEL_SYSTEM);
  else if (what < 20)
    agent_route_table_assign (self->dispatch->routes, actors[actor], routers[router]);
  else if (what == 20)
    agent_route_table_unassign (self->dispatch->routes, actors[actor]);
  else if (what == 21)
    agent_route_table_move_all (self->dispatch->routes, routers[router], routers[actor % N_ROUTERS]);
  else if (what < 24)
    walk_unsubscribe (self, router);
  else if (what < 28)
    walk_subscribe (self, router);
  else if (what < 36)
    test_iterate (self->fixture);
  else if (self->deliveries->len > 0)
    walk_complete (self, g_rand_int_range (self->rand, 0, self->deliveries->len));
}

/* Everything can be delivered now. */
static void
walk_end (Walk *self)
{
  self->is_over = TRUE;
  while (self->deliveries->len > 0)
    walk_complete (self, 0);
  test_drain (self->fixture);
  for (guint router = 0; router < N_ROUTERS; router++)
    walk_subscribe (self, router);
  for (guint actor = 0; actor < N_ACTORS; actor++)
    agent_route_table_assign (self->dispatch->routes, actors[actor], routers[actor % N_ROUTERS]);
  test_drain (self->fixture);

  for (guint actor = 0; actor < N_ACTORS; actor++)
    for (guint channel = 0; channel < 2; channel++)
      g_assert_cmpuint (self->n_got[actor][channel], ==, self->n_sent[actor][channel]);
}

static void
check_random_walk (TestFixture *f,
                   guint        n_steps)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (GRand) rand = g_rand_new_with_seed (g_test_rand_int ());
  g_autoptr (GPtrArray) gone = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GPtrArray) deliveries = g_ptr_array_new_with_free_func (g_object_unref);
  Walk walk = { .fixture = f, .dispatch = d, .rand = rand, .gone = gone, .deliveries = deliveries };

  for (guint i = 0; i < n_steps; i++)
    walk_step (&walk);
  walk_end (&walk);
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  g_assert_cmpuint (d->n_expired, ==, 0);
  g_assert_cmpstr (d->lost->str, ==, "");
  test_assert_balanced (f->bus);
  for (guint i = 0; i < N_ROUTERS; i++)
    {
      g_assert_true (test_unsubscribe (f, routers[i], NULL));
      g_object_unref (walk.routers[i]);
    }
}

/* Nothing is lost, doubled, or out of its order. */
static void
test_random_walk (TestFixture *f)
{
  test_clock_freeze ();
  for (guint i = 0; i < 20; i++)
    check_random_walk (f, 1000);
}

static void
test_random_walk_in_total_order (TestFixture *f)
{
  test_assert_dies (f->bus);
  f->bus = g_object_new (AGENT_TYPE_BUS, "total-order", TRUE, NULL);
  test_random_walk (f);
}

/* --- Many threads --- */

#define N_THREADS 3
#define N_ROUNDS 1000

typedef struct
{
  TestDispatch *dispatch;
  guint         number;
} Worker;

static gpointer
dispatch_many (gpointer user_data)
{
  Worker *self = user_data;
  char    source[16];

  g_snprintf (source, sizeof source, "%u", self->number);
  for (guint i = 0; i < N_ROUNDS; i++)
    for (guint actor = 0; actor < N_ACTORS; actor++)
      {
        AgentMessage *message = test_data (source, actors[actor], i);

        agent_message_set_ttl (message, G_MAXINT / 1000);
        agent_router_dispatcher_dispatch (self->dispatch->dispatcher, message, NULL);
      }
  return NULL;
}

typedef struct
{
  guint n[N_THREADS][N_ACTORS];
  guint n_all;
} Seen;

static void
check_seen (TestRecorder *recorder,
            AgentMessage *message,
            gpointer      user_data)
{
  Seen *self = user_data;
  guint thread = *agent_message_get_source (message) - '0';
  guint actor = *agent_message_get_target (message) - '0';

  g_assert_cmpuint (test_number (message), ==, self->n[thread][actor]++);
  self->n_all++;
}

/* Senders in many threads, while actors change their routers: each sender's order, and each message once. */
static void
test_many_threads (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  Seen seen = { .n_all = 0 };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", check_seen, &seen);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", check_seen, &seen);
  Worker   workers[N_THREADS];
  GThread *threads[N_THREADS];

  for (guint i = 0; i < N_THREADS; i++)
    {
      workers[i] = (Worker){ d, i };
      threads[i] = g_thread_new ("test-dispatch", dispatch_many, &workers[i]);
    }
  for (guint i = 0; seen.n_all < N_THREADS * N_ACTORS * N_ROUNDS; i++)
    {
      test_assign (d, actors[i % N_ACTORS], i / N_ACTORS % 2 == 0 ? "a" : "b");
      test_iterate (f);
      test_dispatch_assert_balanced (d);
    }
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  test_drain (f);
  g_assert_cmpuint (seen.n_all, ==, N_THREADS * N_ACTORS * N_ROUNDS);
  g_assert_cmpuint (test_n_parked (d), ==, 0);
}

/* --- Routers in their own threads --- */

/* The counters of an actor are guarded by nothing but that its messages are handled one after the other, whichever
 * router has them. */
typedef struct
{
  guint n[N_THREADS][N_ACTORS];
  gint  n_all; /* (atomic) */
} Shared;

static void
check_shared (TestRecorder *recorder,
              AgentMessage *message,
              gpointer      user_data)
{
  Shared *self = user_data;
  guint   thread = *agent_message_get_source (message) - '0';
  guint   actor = *agent_message_get_target (message) - '0';

  g_assert_cmpuint (test_number (message), ==, self->n[thread][actor]);
  self->n[thread][actor]++;
  g_atomic_int_inc (&self->n_all);
}

static TestRecorder *
subscribe_shared (TestFixture *f,
                  TestThread  *thread,
                  const char  *name,
                  Shared      *shared)
{
  return test_router_subscribe (
      f,
      test_recorder_new_full (
          check_shared, shared, "name", name, "main-context", thread->context, "capacity", 50, NULL));
}

/* Routers come and go, and actors change theirs, while all are at work. */
static void
test_many_routers (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func (g_object_unref);
  TestThread *router_threads[2] = { test_thread_new (), test_thread_new () };
  Shared      shared = { .n_all = 0 };
  Worker      workers[N_THREADS];
  GThread    *threads[N_THREADS];

  g_ptr_array_add (all, subscribe_shared (f, router_threads[0], "a", &shared));
  g_ptr_array_add (all, subscribe_shared (f, router_threads[1], "b", &shared));
  for (guint i = 0; i < N_THREADS; i++)
    {
      workers[i] = (Worker){ d, i };
      threads[i] = g_thread_new ("test-dispatch", dispatch_many, &workers[i]);
    }
  for (guint i = 0; g_atomic_int_get (&shared.n_all) < N_THREADS * N_ACTORS * N_ROUNDS; i++)
    {
      guint which = i / 50 % 2;

      test_assign (d, actors[i % N_ACTORS], routers[i / N_ACTORS % 2]);
      if (i % 50 == 0 && all->len < 200)
        {
          g_assert_true (test_unsubscribe (f, routers[which], NULL));
          g_ptr_array_add (all, subscribe_shared (f, router_threads[which], routers[which], &shared));
        }
      test_iterate (f);
      g_thread_yield ();
    }
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  test_stop (f);
  test_thread_free (router_threads[0]);
  test_thread_free (router_threads[1]);
  g_assert_cmpint (shared.n_all, ==, N_THREADS * N_ACTORS * N_ROUNDS);
  g_assert_cmpuint (test_n_parked (d), ==, 0);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/dispatcher-walk/" name, func)
  ADD ("random-walk", test_random_walk);
  ADD ("random-walk-in-total-order", test_random_walk_in_total_order);
  ADD ("many-threads", test_many_threads);
  ADD ("many-routers", test_many_routers);
#undef ADD

  return g_test_run ();
}
