/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-enums-private.h"
#include "test-router.h"

/*
 * Routers are scaled while producers are at work: actors get other ids, are shared out anew, and lose routers that are
 * drained or leave. Each actor's messages arrive in order and once, wherever they go, and its state goes with them.
 *
 * What a test counts for an actor is guarded by nothing but that its messages are handled one after the other, whichever
 * router has them: ThreadSanitizer sees whether that is so.
 */

#define N_PRODUCERS 3
#define N_ACTORS 4 /* for each of them */
#define N_ALL (N_PRODUCERS * N_ACTORS)
#define N_MESSAGES 400 /* for each actor */
#define N_ROUTERS 3

static const char *const routers[] = { "r-0", "r-1", "r-2" };

typedef struct
{
  guint n[AGENT_N_CHANNELS]; /* how many have come */
  gint  holder;              /* which router has the state, -1 for none */
} Actor;

typedef struct
{
  TestDispatch *dispatch;
  GRand        *rand;
  GPtrArray    *threads; /* one for each router */
  GPtrArray    *all;     /* of TestRecorder: all routers that there were */
  gboolean      hand_off;
  Actor         actors[N_ALL];
  gint          n_arrived;   /* (atomic) */
  gint          n_producing; /* (atomic) */
  gint          n_hand_offs; /* (atomic) */
  gint          n_renamed;   /* (atomic) */
} Storm;

typedef struct
{
  Storm   *storm;
  guint    number;
  GRand   *rand;
  GThread *thread;
  guint    n_names[N_ACTORS];
  guint    n_sent[N_ACTORS][AGENT_N_CHANNELS];
} Producer;

/* --- Producers --- */

/* "3-17": the actor's number, which stays, and how often it has got a name. */
static void
get_name (Producer *self,
          guint     actor,
          guint     n_names,
          char     *name)
{
  g_snprintf (name, 32, "%u-%u", self->number * N_ACTORS + actor, n_names);
}

static void
rename_own (Producer *self,
            guint     actor)
{
  g_autoptr (GError) error = NULL;
  char old_name[32];
  char new_name[32];

  get_name (self, actor, self->n_names[actor], old_name);
  get_name (self, actor, ++self->n_names[actor], new_name);
  agent_route_table_rename (self->storm->dispatch->routes, old_name, new_name, &error);
  g_assert_no_error (error);
  g_atomic_int_inc (&self->storm->n_renamed);
}

static void
produce (Producer *self,
         guint     actor)
{
  AgentChannel  channel = g_rand_int_range (self->rand, 0, 4) == 0 ? AGENT_CHANNEL_SYSTEM : AGENT_CHANNEL_DATA;
  guint         number = self->n_sent[actor][channel]++;
  char          name[32];
  AgentMessage *message;

  get_name (self, actor, self->n_names[actor], name);
  message = agent_message_new_custom ("step", channel, "test", name, g_variant_new_uint32 (number));
  g_assert_cmpint (agent_router_dispatcher_dispatch (self->storm->dispatch->dispatcher, message, NULL),
                   !=,
                   AGENT_DISPATCH_RESULT_REFUSED);
}

static gpointer
produce_all (gpointer user_data)
{
  Producer *self = user_data;

  for (guint i = 0; i < N_MESSAGES; i++)
    for (guint actor = 0; actor < N_ACTORS; actor++)
      {
        if (g_rand_int_range (self->rand, 0, 20) == 0)
          rename_own (self, actor);
        produce (self, actor);
        if (i % 4 == 0)
          g_thread_yield ();
      }
  g_atomic_int_add (&self->storm->n_producing, -1);
  return NULL;
}

/* --- Routers --- */

static gint
find_router (const char *name)
{
  for (gint i = 0; i < N_ROUTERS; i++)
    {
      if (g_str_equal (routers[i], name))
        return i;
    }
  g_assert_not_reached ();
}

/* The state follows, as if it were sent from here. */
static void
hand_off_state (Storm        *self,
                Actor        *actor,
                gint          router,
                AgentMessage *message)
{
  GVariant *heir = agent_message_get_payload (message);

  g_assert_cmpint (actor->holder, ==, router);
  actor->holder = heir != NULL ? find_router (g_variant_get_string (heir, NULL)) : -1;
  g_atomic_int_inc (&self->n_hand_offs);
}

static void
handle_step (Storm        *self,
             Actor        *actor,
             gint          router,
             AgentMessage *message)
{
  guint *n = &actor->n[agent_message_get_channel (message)];

  g_assert_cmpuint (g_variant_get_uint32 (agent_message_get_payload (message)), ==, *n);
  (*n)++;
  if (self->hand_off)
    {
      g_assert_true (actor->holder == router || actor->holder == -1);
      actor->holder = router;
    }
  g_atomic_int_inc (&self->n_arrived);
}

static void
on_message (TestRecorder *recorder,
            AgentMessage *message,
            gpointer      user_data)
{
  Storm *self = user_data;
  Actor *actor = &self->actors[g_ascii_strtoull (agent_message_get_target (message), NULL, 10)];
  gint   router = find_router (agent_subscriber_get_name (AGENT_SUBSCRIBER (recorder)));

  if (agent_message_get_message_type (message) == AGENT_MESSAGE_TYPE_HAND_OFF)
    hand_off_state (self, actor, router, message);
  else
    handle_step (self, actor, router, message);
}

static void
add_router (Storm *self,
            guint  router)
{
  TestThread *thread = self->threads->pdata[router];

  g_ptr_array_add (self->all,
                   test_router_subscribe (self->dispatch->fixture,
                                          test_recorder_new_full (on_message,
                                                                  self,
                                                                  "name",
                                                                  routers[router],
                                                                  "main-context",
                                                                  thread->context,
                                                                  "capacity",
                                                                  20,
                                                                  NULL)));
}

/* --- Scaling --- */

static void
rebalance (Storm *self)
{
  const char *names[N_ROUTERS + 1] = { NULL };
  guint       mask = g_rand_int_range (self->rand, 1, 1 << N_ROUTERS);
  g_autoptr (GVariant) moves = NULL;

  for (guint i = 0, n = 0; i < N_ROUTERS; i++)
    {
      if (mask & (1 << i))
        names[n++] = routers[i];
    }
  moves = agent_route_table_rebalance (self->dispatch->routes, names, NULL);
}

static void
drain (Storm *self,
       guint  router)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_router_dispatcher_drain_router_async (
      self->dispatch->dispatcher, routers[router], NULL, test_keep_result, &result);
  test_wait_result (self->dispatch->fixture, &result);
  agent_router_dispatcher_drain_router_finish (self->dispatch->dispatcher, result, &error);
  g_assert_no_error (error);
}

static void
replace_router (Storm *self,
                guint  router)
{
  g_assert_true (test_unsubscribe (self->dispatch->fixture, routers[router], NULL));
  add_router (self, router);
}

static void
scale (Storm *self)
{
  guint what = g_rand_int_range (self->rand, 0, 8);
  guint router = g_rand_int_range (self->rand, 0, N_ROUTERS);

  if (what < 4)
    rebalance (self);
  else if (what < 6)
    drain (self, router);
  else if (!self->hand_off && self->all->len < 200)
    replace_router (self, router);
  test_iterate (self->dispatch->fixture);
  g_thread_yield ();
}

static void
storm_run (Storm *self)
{
  Producer producers[N_PRODUCERS] = { { NULL } };

  for (guint i = 0; i < N_PRODUCERS; i++)
    {
      Producer *producer = &producers[i];

      producer->storm = self;
      producer->number = i;
      producer->rand = g_rand_new_with_seed (g_rand_int (self->rand));
      for (guint actor = 0; actor < N_ACTORS; actor++)
        {
          char name[32];

          get_name (producer, actor, 0, name);
          agent_route_table_assign (self->dispatch->routes, name, routers[actor % N_ROUTERS]);
        }
    }
  for (guint i = 0; i < N_PRODUCERS; i++)
    producers[i].thread = g_thread_new ("test-producer", produce_all, &producers[i]);

  while (g_atomic_int_get (&self->n_producing) > 0)
    scale (self);
  for (guint i = 0; i < N_PRODUCERS; i++)
    {
      g_thread_join (producers[i].thread);
      g_rand_free (producers[i].rand);
    }
  while (g_atomic_int_get (&self->n_arrived) < N_ALL * N_MESSAGES)
    {
      rebalance (self);
      test_iterate (self->dispatch->fixture);
      g_thread_yield ();
    }
}

static void
check_storm (TestFixture *f,
             gboolean     hand_off)
{
  g_autoptr (TestDispatch) d = test_dispatch_new_with_capacities (f, G_MAXUINT, 0);
  g_autoptr (GRand) rand = g_rand_new_with_seed (g_test_rand_int ());
  g_autoptr (GPtrArray) threads = test_threads_new (N_ROUTERS);
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func (g_object_unref);
  g_autofree Storm *storm = g_new0 (Storm, 1);

  *storm = (Storm){ .dispatch = d,
                    .rand = rand,
                    .threads = threads,
                    .all = all,
                    .hand_off = hand_off,
                    .n_producing = N_PRODUCERS };
  for (guint i = 0; i < N_ALL; i++)
    storm->actors[i].holder = -1;
  agent_bus_set_shutdown_timeout (f->bus, G_MAXINT);
  agent_router_dispatcher_set_timeout (d->dispatcher, AGENT_MESSAGE_TYPE_CUSTOM, 0);
  agent_router_dispatcher_set_hand_off (d->dispatcher, hand_off);
  for (guint i = 0; i < N_ROUTERS; i++)
    add_router (storm, i);

  storm_run (storm);
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  g_assert_cmpuint (test_statistic (d, "dispatched"), ==, N_ALL * N_MESSAGES);
  g_assert_cmpuint (agent_route_table_get_n_actors (d->routes), ==, N_ALL);
  g_assert_cmpint (storm->n_renamed, >, 50);
  test_stop (f);
  g_assert_cmpint (storm->n_arrived, ==, N_ALL * N_MESSAGES);
  g_assert_true (hand_off == (storm->n_hand_offs > 0));
  test_assert_balanced (f->bus);
  g_string_truncate (f->log, 0);
}

static void
test_storm (TestFixture *f)
{
  check_storm (f, FALSE);
}

static void
test_storm_with_hand_off (TestFixture *f)
{
  check_storm (f, TRUE);
}

static void
test_storm_in_total_order (TestFixture *f)
{
  test_assert_dies (f->bus);
  f->bus = g_object_new (AGENT_TYPE_BUS, "total-order", TRUE, NULL);
  check_storm (f, TRUE);
}

/* --- Renamed while messages come --- */

#define N_NUMBERS 20000
#define N_PARKED 2000 /* many pieces of work for the first renames */
#define N_RENAMES 400

typedef struct
{
  TestDispatch *dispatch;
  gint          n_arrived; /* (atomic) */
} River;

static void
river_on_message (TestRecorder *recorder,
                  AgentMessage *message,
                  gpointer      user_data)
{
  River *self = user_data;

  g_assert_cmpuint (test_number (message), ==, g_atomic_int_add (&self->n_arrived, 1));
}

static void
river_get_name (guint n_names,
                char *name)
{
  g_snprintf (name, 32, "x-%u", n_names);
}

/* Sends to the actor under the id that it has by now. A message that is refused goes to the next id: the actor has that
 * already, or is about to get it. */
static gpointer
river_produce (gpointer user_data)
{
  River *self = user_data;
  guint  n_names = 0;

  for (guint i = N_PARKED; i < N_NUMBERS;)
    {
      char name[32];

      river_get_name (n_names, name);
      if (agent_router_dispatcher_dispatch (self->dispatch->dispatcher, test_data ("test", name, i), NULL) !=
          AGENT_DISPATCH_RESULT_REFUSED)
        i++;
      else
        n_names = MIN (n_names + 1, N_RENAMES);
    }
  return NULL;
}

/* A message that comes under the old id while the actor gets the new one goes before those that come under the new one; and
 * nothing that is parked is overtaken, though the router has room all the time. */
static void
test_renamed_while_messages_come (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new_with_capacities (f, G_MAXUINT, 0);
  g_autoptr (TestThread) thread = test_thread_new ();
  River    river = { .dispatch = d };
  GThread *producer;
  g_autoptr (TestRecorder) router = test_router_subscribe (
      f,
      test_recorder_new_full (
          river_on_message, &river, "name", "r-0", "main-context", thread->context, "capacity", 20, NULL));

  agent_router_dispatcher_set_park_unknown (d->dispatcher, FALSE);
  agent_route_table_unassign (d->routes, "x-0");
  test_dispatch_numbers (d, "x-0", 0, N_PARKED - 1);
  test_assign (d, "x-0", "r-0");
  producer = g_thread_new ("test-producer", river_produce, &river);
  for (guint i = 0; i < N_RENAMES; i++)
    {
      char old_name[32];
      char new_name[32];

      river_get_name (i, old_name);
      river_get_name (i + 1, new_name);
      while (g_atomic_int_get (&river.n_arrived) < (gint) (i * (N_NUMBERS / N_RENAMES / 2)))
        g_thread_yield ();
      g_assert_true (agent_route_table_rename (d->routes, old_name, new_name, NULL));
    }
  g_thread_join (producer);
  while (g_atomic_int_get (&river.n_arrived) < N_NUMBERS)
    test_iterate (f);
  test_stop (f);
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  test_assert_balanced (f->bus);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/scale-hammer/" name, func)
  ADD ("storm", test_storm);
  ADD ("storm-with-hand-off", test_storm_with_hand_off);
  ADD ("storm-in-total-order", test_storm_in_total_order);
  ADD ("renamed-while-messages-come", test_renamed_while_messages_come);
#undef ADD

  return g_test_run ();
}
