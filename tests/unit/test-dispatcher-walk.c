/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-message-private.h"
#include "test-router.h"

/* --- Whatever happens --- */

#define N_ACTORS 4
#define N_ROUTERS 3

/* How long a message may be parked, in milliseconds. */
#define LIMIT 500

typedef enum
{
  STATE_ON_ITS_WAY,
  STATE_HANDLED,
  STATE_LOST,
} State;

/* What was sent to an actor on one channel. To remove an actor ends a life of it: what is sent in the next one need not
 * wait for what a router still has of the last one. */
typedef struct
{
  GByteArray *states;  /* of State, by number */
  GArray     *lives;   /* of guint, by number: in which life of the actor it was sent */
  GArray     *epochs;  /* of guint64, by number: the epoch of its conversation, G_MAXUINT64 for none */
  GArray     *next;    /* of guint, by life: what may come next at the earliest */
  gboolean    in_hand; /* a message of this life */
} Flow;

/* A random walk: routers come, go, and hold back what they have in hand; routes change, actors are removed, limits run out,
 * and a conversation goes on, all the time. */
typedef struct
{
  TestFixture  *fixture;
  TestDispatch *dispatch;
  GRand        *rand;
  TestRecorder *routers[N_ROUTERS]; /* (owned) (nullable) */
  GPtrArray    *gone;               /* of TestRecorder (owned) */
  GPtrArray    *deliveries;         /* of AgentDelivery (owned) that are held back */
  Flow          flows[N_ACTORS][2]; /* by channel */
  guint         lives[N_ACTORS];
  gboolean      is_over;

  AgentConversation *conversation; /* (owned) */
  guint64            n_stale;      /* before the walk: what the bus has found stale */
} Walk;

/* How often the walks came by what they are there for. */
typedef struct
{
  guint64 n_expired;
  guint64 n_returned;
  guint64 n_removed;
  guint64 n_closed;
  guint64 n_stale;
} WalkFigures;

static const char *const actors[N_ACTORS] = { "0", "1", "2", "3" };
static const char *const routers[N_ROUTERS] = { "a", "b", "c" };

static guint
get_number (AgentMessage *message)
{
  return g_variant_get_uint32 (agent_message_get_payload (message));
}

static Flow *
walk_get_flow (Walk         *self,
               AgentMessage *message)
{
  return &self->flows[*agent_message_get_target (message) - '0'][agent_message_get_channel (message)];
}

static gboolean
walk_is_of_this_life (Walk         *self,
                      AgentMessage *message)
{
  guint life = g_array_index (walk_get_flow (self, message)->lives, guint, get_number (message));

  return life == self->lives[*agent_message_get_target (message) - '0'];
}

/* No message ends twice. */
static void
walk_end_message (Walk         *self,
                  AgentMessage *message,
                  State         state)
{
  Flow   *flow = walk_get_flow (self, message);
  guint8 *place = &flow->states->data[get_number (message)];

  g_assert_cmpint (*place, ==, STATE_ON_ITS_WAY);
  *place = state;
}

static void
walk_check_order (Walk         *self,
                  AgentMessage *message)
{
  Flow  *flow = walk_get_flow (self, message);
  guint  number = get_number (message);
  guint  life = g_array_index (flow->lives, guint, number);
  guint *next = &g_array_index (flow->next, guint, life);

  g_assert_cmpuint (number, >=, *next);
  *next = number + 1;
  g_assert_false (flow->in_hand && walk_is_of_this_life (self, message));
}

static void
walk_check (TestRecorder *recorder,
            AgentMessage *message,
            gpointer      user_data)
{
  Walk *self = user_data;

  g_assert_false (_agent_message_is_stale (message));
  walk_check_order (self, message);
  walk_end_message (self, message, STATE_HANDLED);
  if (self->is_over || g_rand_int_range (self->rand, 0, 4) > 0)
    return;

  walk_get_flow (self, message)->in_hand |= walk_is_of_this_life (self, message);
  g_ptr_array_add (self->deliveries, agent_subscriber_defer (AGENT_SUBSCRIBER (recorder)));
}

static void
walk_on_expired (AgentRouterDispatcher *dispatcher,
                 AgentMessage          *message,
                 guint                  waited,
                 guint                  n_attempts,
                 gpointer               user_data)
{
  g_assert_cmpuint (waited, >=, LIMIT);
  walk_end_message (user_data, message, STATE_LOST);
}

static void
walk_on_dropped (AgentRouterDispatcher *dispatcher,
                 AgentMessage          *message,
                 AgentDropReason        reason,
                 gpointer               user_data)
{
  g_assert_true (reason != AGENT_DROP_REASON_STALE || _agent_message_is_stale (message));
  walk_end_message (user_data, message, STATE_LOST);
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
  Flow         *flow = &self->flows[actor][channel];
  guint         number = flow->states->len;
  guint8        state = STATE_ON_ITS_WAY;
  guint64       epoch = G_MAXUINT64;
  AgentMessage *message =
      agent_message_new_custom ("step", channel, "test", actors[actor], g_variant_new_uint32 (number));

  if (g_rand_boolean (self->rand))
    {
      agent_message_set_conversation (message, self->conversation);
      epoch = agent_message_get_epoch (message);
    }
  g_byte_array_append (flow->states, &state, 1);
  g_array_append_val (flow->lives, self->lives[actor]);
  g_array_append_val (flow->epochs, epoch);
  test_dispatch (self->dispatch, message);
}

static void
walk_remove (Walk *self,
             guint actor)
{
  const guint first = 0;

  agent_route_table_remove (self->dispatch->routes, actors[actor]);
  self->lives[actor]++;
  for (guint channel = 0; channel < 2; channel++)
    {
      self->flows[actor][channel].in_hand = FALSE;
      g_array_append_val (self->flows[actor][channel].next, first);
    }
}

static void
walk_complete (Walk *self,
               guint i)
{
  AgentDelivery *delivery = self->deliveries->pdata[i];
  AgentMessage  *message = agent_delivery_get_message (delivery);

  if (walk_is_of_this_life (self, message))
    walk_get_flow (self, message)->in_hand = FALSE;
  agent_delivery_complete (delivery);
  g_ptr_array_remove_index (self->deliveries, i);
}

static void
walk_change_routes (Walk *self,
                    guint actor,
                    guint router,
                    guint what)
{
  if (what < 4)
    agent_route_table_assign (self->dispatch->routes, actors[actor], routers[router]);
  else if (what == 4)
    agent_route_table_unassign (self->dispatch->routes, actors[actor]);
  else if (what == 5)
    agent_route_table_move_all (self->dispatch->routes, routers[router], routers[actor % N_ROUTERS]);
  else
    walk_remove (self, actor);
}

static void
walk_step (Walk *self)
{
  guint actor = g_rand_int_range (self->rand, 0, N_ACTORS);
  guint router = g_rand_int_range (self->rand, 0, N_ROUTERS);
  guint what = g_rand_int_range (self->rand, 0, 43);

  if (what < 16)
    walk_dispatch (self, actor, what < 12 ? AGENT_CHANNEL_DATA : AGENT_CHANNEL_SYSTEM);
  else if (what < 23)
    walk_change_routes (self, actor, router, what - 16);
  else if (what < 25)
    walk_unsubscribe (self, router);
  else if (what < 29)
    walk_subscribe (self, router);
  else if (what < 36)
    test_iterate (self->fixture);
  else if (what < 38)
    test_clock_advance (g_rand_int_range (self->rand, 0, LIMIT * 1000 / 4));
  else if (what == 42)
    agent_conversation_advance (self->conversation);
  else if (self->deliveries->len > 0)
    walk_complete (self, g_rand_int_range (self->rand, 0, self->deliveries->len));
}

static void
walk_begin (Walk *self)
{
  const guint first = 0;

  self->conversation = agent_conversation_new (NULL);
  self->n_stale = test_ledger (self->fixture->bus).dropped[AGENT_DROP_REASON_STALE];
  agent_bus_set_shutdown_timeout (self->fixture->bus, G_MAXINT);
  agent_router_dispatcher_set_timeout (self->dispatch->dispatcher, AGENT_MESSAGE_TYPE_CUSTOM, LIMIT);
  g_signal_handlers_disconnect_by_data (self->dispatch->dispatcher, self->dispatch);
  g_signal_connect (self->dispatch->dispatcher, "expired", G_CALLBACK (walk_on_expired), self);
  g_signal_connect (self->dispatch->dispatcher, "dropped", G_CALLBACK (walk_on_dropped), self);
  for (guint actor = 0; actor < N_ACTORS; actor++)
    for (guint channel = 0; channel < 2; channel++)
      {
        Flow *flow = &self->flows[actor][channel];

        flow->states = g_byte_array_new ();
        flow->lives = g_array_new (FALSE, FALSE, sizeof (guint));
        flow->epochs = g_array_new (FALSE, FALSE, sizeof (guint64));
        flow->next = g_array_new (FALSE, FALSE, sizeof (guint));
        g_array_append_val (flow->next, first);
      }
}

/* Everything can be delivered now. */
static void
walk_deliver_the_rest (Walk *self)
{
  for (guint router = 0; router < N_ROUTERS; router++)
    walk_subscribe (self, router);
  for (guint actor = 0; actor < N_ACTORS; actor++)
    agent_route_table_assign (self->dispatch->routes, actors[actor], routers[actor % N_ROUTERS]);
  test_drain (self->fixture);
}

/* What is parked then is dropped, and so is what comes back later. */
static void
walk_stop (Walk *self)
{
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_set_shutdown_timeout (self->fixture->bus, 1);
  agent_router_dispatcher_stop_async (self->dispatch->dispatcher, NULL, test_keep_result, &result);
  agent_bus_set_shutdown_timeout (self->fixture->bus, G_MAXINT);
  test_finish_stop (self->dispatch, &result, NULL);
  g_assert_cmpuint (test_n_parked (self->dispatch), ==, 0);
}

/* What was stale in the channel of a router is known by its number only. */
static guint
walk_count_stale (Walk *self,
                  Flow *flow)
{
  guint n = 0;

  for (guint i = 0; i < flow->states->len; i++)
    if (flow->states->data[i] == STATE_ON_ITS_WAY)
      {
        g_assert_cmpuint (g_array_index (flow->epochs, guint64, i),
                          <,
                          agent_conversation_get_epoch (self->conversation));
        n++;
      }

  return n;
}

static void
walk_check_flows (Walk *self)
{
  guint64 n_stale = test_ledger (self->fixture->bus).dropped[AGENT_DROP_REASON_STALE];

  for (guint actor = 0; actor < N_ACTORS; actor++)
    for (guint channel = 0; channel < 2; channel++)
      {
        Flow *flow = &self->flows[actor][channel];

        if (channel == AGENT_CHANNEL_DATA)
          self->n_stale += walk_count_stale (self, flow);
        for (guint i = 0; channel == AGENT_CHANNEL_SYSTEM && i < flow->states->len; i++)
          g_assert_cmpint (flow->states->data[i], !=, STATE_ON_ITS_WAY);
        g_byte_array_unref (flow->states);
        g_array_unref (flow->lives);
        g_array_unref (flow->epochs);
        g_array_unref (flow->next);
      }

  g_assert_cmpuint (self->n_stale, ==, n_stale);
}

/* Every message was handled or lost, and every loss was told. */
static void
walk_end (Walk    *self,
          gboolean stop)
{
  self->is_over = TRUE;
  if (stop)
    walk_stop (self);
  while (self->deliveries->len > 0)
    walk_complete (self, 0);
  test_drain (self->fixture);
  if (!stop)
    walk_deliver_the_rest (self);
  for (guint router = 0; router < N_ROUTERS; router++)
    walk_unsubscribe (self, router);
  test_drain (self->fixture);
  walk_check_flows (self);
  g_object_unref (self->conversation);
}

static void
check_random_walk (TestFixture *f,
                   guint        n_steps,
                   gboolean     stop,
                   WalkFigures *figures)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (GRand) rand = g_rand_new_with_seed (g_test_rand_int ());
  g_autoptr (GPtrArray) gone = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GPtrArray) deliveries = g_ptr_array_new_with_free_func (g_object_unref);
  Walk walk = { .fixture = f, .dispatch = d, .rand = rand, .gone = gone, .deliveries = deliveries };

  walk_begin (&walk);
  for (guint i = 0; i < n_steps; i++)
    walk_step (&walk);
  walk_end (&walk, stop);
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  test_assert_balanced (f->bus);
  figures->n_expired += test_statistic (d, "expired");
  figures->n_returned += test_statistic (d, "returned");
  figures->n_removed += test_statistic_dropped (d, AGENT_DROP_REASON_NO_TARGET);
  figures->n_stale += test_statistic_dropped (d, AGENT_DROP_REASON_STALE);
  figures->n_closed += test_statistic_dropped (d, AGENT_DROP_REASON_CLOSED);
}

/* Nothing is lost in silence, doubled, or out of its order. */
static void
test_random_walk (TestFixture *f)
{
  WalkFigures figures = { 0 };

  test_clock_freeze ();
  for (guint i = 0; i < 40; i++)
    check_random_walk (f, 1000, i % 2 == 0, &figures);
  g_assert_cmpuint (figures.n_expired, >, 100);
  g_assert_cmpuint (figures.n_returned, >, 100);
  g_assert_cmpuint (figures.n_removed, >, 100);
  g_assert_cmpuint (figures.n_closed, >, 10);
  g_assert_cmpuint (figures.n_stale, >, 100);
  g_string_truncate (f->log, 0);
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

/* --- A walk with threads --- */

#define N_NUMBERS 4000
#define THREADS_LIMIT 20

/* Who may hand over or give up a message, at the same time: producers, routers in their own threads, the dispatcher's timer,
 * and a thread that changes everything. What is checked is that each message ends once. */
typedef struct
{
  TestDispatch *dispatch;
  gint          n_ends[N_ACTORS][N_NUMBERS]; /* (atomic) */
} Census;

typedef struct
{
  Census  *census;
  guint    actor;
  GThread *thread;
} Teller;

static void
census_count (Census       *self,
              AgentMessage *message)
{
  guint actor = *agent_message_get_target (message) - '0';

  g_assert_cmpint (g_atomic_int_add (&self->n_ends[actor][get_number (message)], 1), ==, 0);
}

static void
census_on_message (TestRecorder *recorder,
                   AgentMessage *message,
                   gpointer      user_data)
{
  census_count (user_data, message);
}

static void
census_on_expired (AgentRouterDispatcher *dispatcher,
                   AgentMessage          *message,
                   guint                  waited,
                   guint                  n_attempts,
                   gpointer               user_data)
{
  census_count (user_data, message);
}

static void
census_on_dropped (AgentRouterDispatcher *dispatcher,
                   AgentMessage          *message,
                   AgentDropReason        reason,
                   gpointer               user_data)
{
  census_count (user_data, message);
}

static gpointer
tell_numbers (gpointer user_data)
{
  Teller *self = user_data;

  for (guint i = 0; i < N_NUMBERS; i++)
    {
      AgentChannel  channel = i % 4 == 0 ? AGENT_CHANNEL_SYSTEM : AGENT_CHANNEL_DATA;
      AgentMessage *message =
          agent_message_new_custom ("step", channel, "test", actors[self->actor], g_variant_new_uint32 (i));

      agent_router_dispatcher_dispatch (self->census->dispatch->dispatcher, message, NULL);
      if (i % 16 == 0)
        g_thread_yield ();
    }
  return NULL;
}

static TestRecorder *
census_subscribe (Census     *self,
                  TestThread *thread,
                  const char *name)
{
  return test_router_subscribe (self->dispatch->fixture,
                                test_recorder_new_full (census_on_message,
                                                        self,
                                                        "name",
                                                        name,
                                                        "main-context",
                                                        thread->context,
                                                        "capacity",
                                                        20,
                                                        NULL));
}

static void
census_change (Census    *self,
               GRand     *rand,
               GPtrArray *threads,
               GPtrArray *all)
{
  AgentRouteTable *routes = self->dispatch->routes;
  const char      *actor = actors[g_rand_int_range (rand, 0, N_ACTORS)];
  guint            router = g_rand_int_range (rand, 0, N_ROUTERS);
  guint            what = g_rand_int_range (rand, 0, 16);

  if (what < 8)
    agent_route_table_assign (routes, actor, routers[router]);
  else if (what == 8)
    agent_route_table_unassign (routes, actor);
  else if (what == 9)
    agent_route_table_remove (routes, actor);
  else if (what == 10)
    agent_route_table_move_all (routes, routers[router], routers[g_rand_int_range (rand, 0, N_ROUTERS)]);
  else if (what == 11 && all->len < 500)
    {
      g_assert_true (test_unsubscribe (self->dispatch->fixture, routers[router], NULL));
      g_ptr_array_add (all, census_subscribe (self, threads->pdata[router], routers[router]));
    }
  else if (what == 12)
    test_iterate (self->dispatch->fixture);
  else
    g_thread_yield ();
}

static void
census_run (Census    *self,
            GRand     *rand,
            GPtrArray *threads,
            GPtrArray *all)
{
  Teller tellers[N_ACTORS];

  for (guint i = 0; i < N_ACTORS; i++)
    {
      tellers[i] = (Teller){ self, i };
      tellers[i].thread = g_thread_new ("test-teller", tell_numbers, &tellers[i]);
    }
  while (test_statistic (self->dispatch, "accepted") < N_ACTORS * N_NUMBERS)
    census_change (self, rand, threads, all);
  for (guint i = 0; i < N_ACTORS; i++)
    g_thread_join (tellers[i].thread);
}

/* The dispatcher is stopped with messages parked, and then the bus, with messages in the routers' channels. */
static void
census_stop (Census *self)
{
  TestFixture *f = self->dispatch->fixture;
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_set_shutdown_timeout (f->bus, 1);
  agent_router_dispatcher_stop_async (self->dispatch->dispatcher, NULL, test_keep_result, &result);
  agent_bus_set_shutdown_timeout (f->bus, G_MAXINT);
  test_finish_stop (self->dispatch, &result, NULL);
  test_stop (f);
  test_drain (f);
}

static void
test_walk_with_threads (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new_with_capacities (f, G_MAXUINT, 0);
  g_autoptr (GRand) rand = g_rand_new_with_seed (g_test_rand_int ());
  g_autoptr (GPtrArray) threads = test_threads_new (N_ROUTERS);
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func (g_object_unref);
  g_autofree Census *census = g_new0 (Census, 1);

  census->dispatch = d;
  agent_bus_set_shutdown_timeout (f->bus, G_MAXINT);
  agent_router_dispatcher_set_timeout (d->dispatcher, AGENT_MESSAGE_TYPE_CUSTOM, THREADS_LIMIT);
  g_signal_handlers_disconnect_by_data (d->dispatcher, d);
  g_signal_connect (d->dispatcher, "expired", G_CALLBACK (census_on_expired), census);
  g_signal_connect (d->dispatcher, "dropped", G_CALLBACK (census_on_dropped), census);
  for (guint i = 0; i < N_ROUTERS; i++)
    g_ptr_array_add (all, census_subscribe (census, threads->pdata[i], routers[i]));

  census_run (census, rand, threads, all);
  census_stop (census);
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  for (guint actor = 0; actor < N_ACTORS; actor++)
    for (guint i = 0; i < N_NUMBERS; i++)
      g_assert_cmpint (census->n_ends[actor][i], ==, 1);
  test_assert_balanced (f->bus);
  g_string_truncate (f->log, 0);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/dispatcher-walk/" name, func)
  ADD ("random-walk", test_random_walk);
  ADD ("random-walk-in-total-order", test_random_walk_in_total_order);
  ADD ("walk-with-threads", test_walk_with_threads);
  ADD ("many-threads", test_many_threads);
  ADD ("many-routers", test_many_routers);
#undef ADD

  return g_test_run ();
}
