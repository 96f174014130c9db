/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "hammer.h"
#include "test-tools.h"

/*
 * Members of a group come, leave, and are drained while others send to the group in all ways, flush, and stop the bus: so that
 * messages are moved, taken back and discarded in all orders. In the end each message that was sent has come to one end, and each
 * operation is over.
 */

#define N_MEMBERS 6
#define N_CONTEXTS 3

static const char *const names[N_MEMBERS] = { "a", "b", "c", "d", "e", "f" };

typedef struct
{
  AgentBus          *bus;
  TestThread        *threads[N_CONTEXTS]; /* where the members live */
  AgentConversation *conversation;
  gint               n_running; /* (atomic) players */
  gint               over;      /* (atomic) nothing begins any more, and all has ended */
  gint               n_sent;    /* (atomic) */
  gint               n_open;    /* (atomic) operations */
} Play;

typedef struct
{
  Play         *play;
  GRand        *rand;
  GMainContext *context;
  GThread      *thread;
} Player;

static gboolean
choose (Player *self,
        guint   percent)
{
  return (guint) g_rand_int_range (self->rand, 0, 100) < percent;
}

static const char *
choose_name (Player *self)
{
  return names[g_rand_int_range (self->rand, 0, N_MEMBERS)];
}

/* --- Sending --- */

static void
on_sent (GObject      *bus,
         GAsyncResult *result,
         gpointer      user_data)
{
  Play *play = user_data;

  if (agent_bus_send_finish (AGENT_BUS (bus), result, NULL))
    g_atomic_int_inc (&play->n_sent);
  g_atomic_int_add (&play->n_open, -1);
}

static void
on_flushed (GObject      *bus,
            GAsyncResult *result,
            gpointer      user_data)
{
  Play *play = user_data;

  agent_bus_flush_finish (AGENT_BUS (bus), result, NULL);
  g_atomic_int_add (&play->n_open, -1);
}

static AgentMessage *
make_message (Player *self)
{
  AgentMessage *message = test_data ("x", choose (self, 70) ? "pool" : choose_name (self), 1);

  agent_message_set_reliable (message, choose (self, 40));
  if (choose (self, 20))
    agent_message_set_ttl (message, 1);
  if (choose (self, 20))
    agent_message_set_conversation (message, self->play->conversation);
  return message;
}

static void
send_async (Player       *self,
            AgentMessage *message)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  g_atomic_int_inc (&self->play->n_open);
  agent_bus_send_async (self->play->bus, message, cancellable, on_sent, self->play);
  if (choose (self, 10))
    g_cancellable_cancel (cancellable);
}

static void
send_one (Player *self)
{
  g_autoptr (AgentMessage) message = make_message (self);

  if (choose (self, 30))
    {
      send_async (self, message);
    }
  else if (choose (self, 20))
    {
      if (agent_bus_try_send (self->play->bus, message, NULL))
        g_atomic_int_inc (&self->play->n_sent);
    }
  else
    {
      agent_bus_send (self->play->bus, g_steal_pointer (&message));
      g_atomic_int_inc (&self->play->n_sent);
    }
}

static void
flush_some (Player *self)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  g_atomic_int_inc (&self->play->n_open);
  agent_bus_flush_async (
      self->play->bus, choose (self, 50) ? "pool" : choose_name (self), cancellable, on_flushed, self->play);
  if (choose (self, 20))
    g_cancellable_cancel (cancellable);
}

static void
play_sender (Player *self)
{
  if (choose (self, 5))
    flush_some (self);
  else if (choose (self, 3))
    agent_conversation_advance (self->play->conversation);
  else
    send_one (self);
}

/* --- Coming and going --- */

/* Some members leave in their own handlers, or defer. */
static void
on_message (TestRecorder *recorder,
            AgentMessage *message,
            gpointer      user_data)
{
  Play *play = user_data;
  g_autoptr (AgentDelivery) delivery = NULL;

  switch (agent_message_get_seq (message) % 16)
    {
    case 0:
      agent_bus_unsubscribe (play->bus, agent_subscriber_get_name (AGENT_SUBSCRIBER (recorder)));
      break;
    case 1:
      delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));
      agent_delivery_complete (delivery);
      break;
    default:
      break;
    }
}

static void
come (Player *self)
{
  guint i = g_rand_int_range (self->rand, 0, N_MEMBERS);
  g_autoptr (TestRecorder) member = test_recorder_new_full (on_message,
                                                            self->play,
                                                            "name",
                                                            names[i],
                                                            "group",
                                                            "pool",
                                                            "capacity",
                                                            g_rand_int_range (self->rand, 1, 8),
                                                            "overflow",
                                                            g_rand_int_range (self->rand, 0, 2),
                                                            "main-context",
                                                            self->play->threads[i % N_CONTEXTS]->context,
                                                            NULL);

  agent_bus_subscribe (self->play->bus, AGENT_SUBSCRIBER (member), NULL);
}

static void
play_comer (Player *self)
{
  if (choose (self, 60))
    come (self);
  else if (choose (self, 70))
    agent_bus_unsubscribe (self->play->bus, choose_name (self));
  else
    agent_bus_unsubscribe_full_async (self->play->bus, choose_name (self), AGENT_LEAVE_FLAGS_DRAIN, NULL, NULL, NULL);
}

/* --- The play --- */

static void
player_run (Player *self,
            void (*func) (Player *self))
{
  g_main_context_push_thread_default (self->context);
  for (guint i = 0; i < hammer_rounds (30000); i++)
    {
      func (self);
      g_main_context_iteration (self->context, FALSE);
    }
  g_atomic_int_add (&self->play->n_running, -1);
  while (!g_atomic_int_get (&self->play->over))
    {
      g_main_context_iteration (self->context, FALSE);
      g_thread_yield ();
    }
  while (g_main_context_iteration (self->context, FALSE))
    continue;
  g_main_context_pop_thread_default (self->context);
}

static gpointer
run_sender (gpointer data)
{
  player_run (data, play_sender);
  return NULL;
}

static gpointer
run_comer (gpointer data)
{
  player_run (data, play_comer);
  return NULL;
}

/* Not all may leave in time. */
static void
stop (TestFixture    *f,
      AgentLeaveFlags flags)
{
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_stop_full_async (f->bus, flags, NULL, test_keep_result, &result);
  test_wait_result (f, &result);
}

static void
start (TestFixture *f)
{
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_start_async (f->bus, NULL, test_keep_result, &result);
  test_wait_result (f, &result);
}

static void
run_players (TestFixture *f,
             Play        *play,
             Player      *players,
             guint        n)
{
  for (guint i = 0; i < n; i++)
    {
      players[i] = (Player){ .play = play, .rand = g_rand_new_with_seed (g_test_rand_int ()) };
      players[i].context = g_main_context_new ();
      players[i].thread = g_thread_new ("test-player", i % 2 ? run_comer : run_sender, &players[i]);
    }
  for (guint i = 0; g_atomic_int_get (&play->n_running) > 0; i++)
    {
      test_iterate (f);
      if (i % 64 == 63)
        {
          stop (f, i % 128 == 63 ? AGENT_LEAVE_FLAGS_NONE : AGENT_LEAVE_FLAGS_DRAIN);
          start (f);
        }
      g_thread_yield ();
    }
}

static void
end_players (TestFixture *f,
             Play        *play,
             Player      *players,
             guint        n)
{
  stop (f, AGENT_LEAVE_FLAGS_NONE);
  while (g_atomic_int_get (&play->n_open) > 0)
    {
      test_iterate (f);
      g_thread_yield ();
    }
  g_atomic_int_set (&play->over, TRUE);
  for (guint i = 0; i < n; i++)
    {
      g_thread_join (players[i].thread);
      g_main_context_unref (players[i].context);
      g_rand_free (players[i].rand);
    }
}

static void
check_play (TestFixture *f)
{
  /* So that the class is made before there are threads. */
  g_autoptr (TestRecorder) first = test_recorder_new ("first", NULL, NULL);
  Play   play = { .bus = f->bus, .n_running = 4, .conversation = agent_conversation_new (NULL) };
  Player players[4];

  agent_bus_set_shutdown_timeout (f->bus, 20);
  for (guint i = 0; i < N_CONTEXTS; i++)
    play.threads[i] = test_thread_new ();
  run_players (f, &play, players, 4);
  end_players (f, &play, players, 4);
  for (guint i = 0; i < N_CONTEXTS; i++)
    test_thread_free (play.threads[i]);
  test_drain (f);

  g_assert_cmpuint (test_ledger (f->bus).sent, ==, play.n_sent);
  g_assert_cmpuint (test_ledger (f->bus).offered, ==, play.n_sent);
  g_assert_cmpuint (test_ledger (f->bus).queued, ==, 0);
  test_assert_balanced (f->bus);
  g_object_unref (play.conversation);
  g_string_truncate (f->log, 0);
}

static void
test_group (TestFixture *f)
{
  check_play (f);
}

static void
test_group_in_total_order (TestFixture *f)
{
  test_assert_dies (f->bus);
  f->bus = g_object_new (AGENT_TYPE_BUS, "total-order", TRUE, NULL);
  check_play (f);
}

int
main (int   argc,
      char *argv[])
{
  test_init_slow (&argc, &argv);

  test_add ("/agentbus/group-hammer/group", test_group);
  test_add ("/agentbus/group-hammer/group-in-total-order", test_group_in_total_order);

  return g_test_run ();
}
