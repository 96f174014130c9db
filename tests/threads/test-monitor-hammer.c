/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-router.h"

/*
 * Monitors come and go while many threads send, in all ways there are. One of them stays, and has room for everything: it sees
 * each message that was sent once, those of a thread in their order, and in total order all of them in theirs.
 */

#define N_SENDERS 3
#define N_MESSAGES 3000 /* of each */
#define N_ALL (N_SENDERS * N_MESSAGES)
#define N_COMERS 2
#define N_ROUTERS 2

static const char *const routers[] = { "r-0", "r-1" };
static const char *const sources[] = { "s-0", "s-1", "s-2" };

typedef struct
{
  TestFixture  *fixture;
  TestDispatch *dispatch;
  gboolean      in_order;
  guint         n_seen[N_ALL]; /* by the monitor that stays, in its thread */
  gint          last[N_SENDERS];
  guint64       last_seq;
  gint          n_all_seen; /* (atomic) */
  gint          n_sent;     /* (atomic) */
  gint          n_sending;  /* (atomic) */
  gint          n_glimpses; /* (atomic) what the others saw */
} Crowd;

typedef struct
{
  Crowd   *crowd;
  guint    number;
  GRand   *rand;
  GThread *thread;
} Member;

/* --- Sending --- */

static gboolean
send_one (Member *self,
          guint   number)
{
  Crowd        *crowd = self->crowd;
  const char   *source = sources[self->number];
  const char   *router = routers[g_rand_int_range (self->rand, 0, N_ROUTERS)];
  AgentMessage *message;
  gboolean      sent = TRUE;

  switch (g_rand_int_range (self->rand, 0, 6))
    {
    case 0:
      agent_bus_send (crowd->fixture->bus, test_data (source, NULL, number));
      break;
    case 1:
      agent_bus_send (crowd->fixture->bus, test_data (source, "nobody", number));
      break;
    case 2:
      message = test_data (source, router, number);
      sent = agent_bus_try_send (crowd->fixture->bus, message, NULL);
      agent_message_unref (message);
      break;
    case 3:
      test_dispatch (crowd->dispatch, test_data ("dispatched", "x", number));
      break;
    default:
      agent_bus_send (crowd->fixture->bus, test_data (source, router, number));
      break;
    }
  return sent;
}

static gpointer
send_all (gpointer user_data)
{
  Member *self = user_data;

  for (guint i = 0; i < N_MESSAGES; i++)
    {
      if (send_one (self, self->number * N_MESSAGES + i))
        g_atomic_int_inc (&self->crowd->n_sent);
      if (i % 16 == 0)
        g_thread_yield ();
    }
  g_atomic_int_add (&self->crowd->n_sending, -1);
  return NULL;
}

/* --- Seeing --- */

static void
see_in_order (Crowd        *self,
              AgentMessage *message)
{
  guint number = test_number (message);
  guint sender = number / N_MESSAGES;
  guint n_accepted;

  g_assert_true (agent_message_get_fate (message, &n_accepted, NULL));
  if (self->in_order && n_accepted > 0)
    {
      g_assert_cmpuint (agent_message_get_seq (message), >, self->last_seq);
      self->last_seq = agent_message_get_seq (message);
    }
  if (g_str_equal (agent_message_get_source (message), "dispatched"))
    return;

  g_assert_cmpint ((gint) number, >, self->last[sender]);
  self->last[sender] = (gint) number;
}

static void
on_seen (TestRecorder *recorder,
         AgentMessage *message,
         gpointer      user_data)
{
  Crowd *self = user_data;

  g_assert_cmpuint (self->n_seen[test_number (message)]++, ==, 0);
  see_in_order (self, message);
  g_ptr_array_set_size (recorder->messages, 0);
  g_atomic_int_inc (&self->n_all_seen);
}

static void
on_glimpse (TestRecorder *recorder,
            AgentMessage *message,
            gpointer      user_data)
{
  Crowd *self = user_data;

  g_assert_true (agent_message_get_fate (message, NULL, NULL));
  g_atomic_int_inc (&self->n_glimpses);
}

/* Each monitor comes for a moment; the bus drops the last reference to it. */
static gpointer
come_and_go (gpointer user_data)
{
  Member *self = user_data;
  Crowd  *crowd = self->crowd;
  g_autoptr (TestThread) thread = test_thread_new ();

  while (g_atomic_int_get (&crowd->n_sending) > 0)
    {
      TestRecorder *monitor = test_recorder_new_full (
          on_glimpse, crowd, "name", "comer", "main-context", thread->context, "capacity", 20, NULL);

      g_assert_true (agent_bus_add_monitor (crowd->fixture->bus, AGENT_SUBSCRIBER (monitor), NULL, NULL));
      g_thread_yield ();
      test_thread_sync (thread);
      agent_bus_remove_monitor (crowd->fixture->bus, AGENT_SUBSCRIBER (monitor));
      g_object_unref (monitor);
    }
  test_thread_sync (thread);
  return NULL;
}

/* --- Routers --- */

static void
on_routed (TestRecorder *recorder,
           AgentMessage *message,
           gpointer      user_data)
{
  g_assert_false (agent_message_get_fate (message, NULL, NULL));
  g_ptr_array_set_size (recorder->messages, 0);
}

static void
add_router (Crowd      *self,
            GPtrArray  *all,
            const char *name,
            TestThread *thread)
{
  g_ptr_array_add (
      all,
      test_router_subscribe (
          self->fixture,
          test_recorder_new_full (
              on_routed, NULL, "name", name, "main-context", thread->context, "capacity", 50, NULL)));
}

static void
stir (Crowd      *self,
      GPtrArray  *all,
      GRand      *rand,
      TestThread *thread)
{
  const char *router = routers[g_rand_int_range (rand, 0, N_ROUTERS)];

  test_assign (self->dispatch, "x", router);
  if (all->len < 50 && g_rand_int_range (rand, 0, 4) == 0)
    {
      g_assert_true (test_unsubscribe (self->fixture, router, NULL));
      add_router (self, all, router, thread);
    }
  test_iterate (self->fixture);
  g_thread_yield ();
}

static void
start (Crowd      *self,
       Member     *members,
       guint       n,
       GRand      *rand,
       GThreadFunc func)
{
  for (guint i = 0; i < n; i++)
    {
      members[i] = (Member){ .crowd = self, .number = i, .rand = g_rand_new_with_seed (g_rand_int (rand)) };
      members[i].thread = g_thread_new ("test-member", func, &members[i]);
    }
}

static void
join (Member *members,
      guint   n)
{
  for (guint i = 0; i < n; i++)
    {
      g_thread_join (members[i].thread);
      g_rand_free (members[i].rand);
    }
}

static void
crowd_run (Crowd      *self,
           TestThread *thread)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (g_test_rand_int ());
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func (g_object_unref);
  Member senders[N_SENDERS];
  Member comers[N_COMERS];

  for (guint i = 0; i < N_ROUTERS; i++)
    add_router (self, all, routers[i], thread);
  start (self, senders, N_SENDERS, rand, send_all);
  start (self, comers, N_COMERS, rand, come_and_go);
  while (g_atomic_int_get (&self->n_sending) > 0)
    stir (self, all, rand, thread);
  join (senders, N_SENDERS);
  join (comers, N_COMERS);
}

static void
check_crowd (TestFixture *f,
             gboolean     in_order)
{
  g_autoptr (TestDispatch) d = test_dispatch_new_with_capacities (f, G_MAXUINT, 0);
  g_autoptr (TestThread) thread = test_thread_new ();
  g_autofree Crowd *crowd = g_new0 (Crowd, 1);
  g_autoptr (TestRecorder) monitor = test_recorder_new_full (
      on_seen, crowd, "name", "eye", "main-context", thread->context, "capacity", G_MAXUINT, NULL);
  g_autoptr (GAsyncResult) stopped = NULL;

  *crowd = (Crowd){ .fixture = f, .dispatch = d, .in_order = in_order, .n_sending = N_SENDERS, .last = { -1, -1, -1 } };
  agent_bus_set_shutdown_timeout (f->bus, G_MAXINT);
  g_assert_true (agent_bus_add_monitor (f->bus, AGENT_SUBSCRIBER (monitor), NULL, NULL));
  crowd_run (crowd, thread);

  test_stop (f);
  agent_router_dispatcher_stop_async (d->dispatcher, NULL, test_keep_result, &stopped);
  test_wait_result (f, &stopped);
  while (g_atomic_int_get (&crowd->n_all_seen) < g_atomic_int_get (&crowd->n_sent))
    g_thread_yield ();
  test_thread_sync (thread);
  g_assert_cmpint (crowd->n_all_seen, ==, crowd->n_sent);
  g_assert_cmpuint (agent_subscriber_get_n_dropped (AGENT_SUBSCRIBER (monitor)), ==, 0);
  g_assert_cmpint (crowd->n_glimpses, >, 0);
  test_assert_balanced (f->bus);
  g_string_truncate (f->log, 0);
}

static void
test_crowd (TestFixture *f)
{
  check_crowd (f, FALSE);
}

static void
test_crowd_in_total_order (TestFixture *f)
{
  test_assert_dies (f->bus);
  f->bus = g_object_new (AGENT_TYPE_BUS, "total-order", TRUE, NULL);
  check_crowd (f, TRUE);
}

int
main (int   argc,
      char *argv[])
{
  test_init_slow (&argc, &argv);

  test_add ("/agentbus/monitor-hammer/crowd", test_crowd);
  test_add ("/agentbus/monitor-hammer/crowd-in-total-order", test_crowd_in_total_order);

  return g_test_run ();
}
