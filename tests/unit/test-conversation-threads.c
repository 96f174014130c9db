/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-tools.h"

/* Conversations that threads use at the same time. */

#define N_THREADS 4
#define N_ROUNDS 2000

/* --- Ids --- */

typedef struct
{
  gint n_arrived; /* (atomic) at all barriers so far */
} Barrier;

/* Waits for the other threads, so that all go on at the same moment. */
static void
barrier_pass (Barrier *self)
{
  gint last = (g_atomic_int_add (&self->n_arrived, 1) / N_THREADS + 1) * N_THREADS;

  while (g_atomic_int_get (&self->n_arrived) < last)
    g_thread_yield ();
}

static gpointer
come_and_go (gpointer data)
{
  for (guint i = 0; i < N_ROUNDS; i++)
    {
      g_autoptr (AgentConversation) a = NULL;
      g_autoptr (AgentConversation) again = NULL;

      barrier_pass (data);
      a = agent_conversation_new ("id");
      again = agent_conversation_new ("id");
      g_assert_true (a == again);
      g_assert_cmpstr (agent_conversation_get_id (a), ==, "id");
    }

  return NULL;
}

/* All begin one at the same moment, and each may be the one that lets go of the last reference while another one looks the id
 * up. */
static void
test_ids (void)
{
  Barrier  barrier = { 0 };
  GThread *threads[N_THREADS];

  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("ids", come_and_go, &barrier);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
}

static gpointer
ask_for_id (gpointer data)
{
  return (gpointer) agent_conversation_get_id (data);
}

/* The threads see one id, and find the conversation by it. */
static void
test_new_id (void)
{
  for (guint round = 0; round < 50; round++)
    {
      g_autoptr (AgentConversation) a = agent_conversation_new (NULL);
      g_autoptr (AgentConversation) found = NULL;
      GThread *threads[N_THREADS];

      for (guint i = 0; i < N_THREADS; i++)
        threads[i] = g_thread_new ("id", ask_for_id, a);
      for (guint i = 0; i < N_THREADS; i++)
        g_assert_true (g_thread_join (threads[i]) == agent_conversation_get_id (a));
      found = agent_conversation_new (agent_conversation_get_id (a));
      g_assert_true (found == a);
    }
}

/* --- Epochs --- */

typedef struct
{
  AgentConversation *conversation;
  AgentMessage      *message; /* (owned) */
} Epochs;

static gpointer
stamp_and_forget (gpointer data)
{
  Epochs *self = data;

  for (guint i = 0; i < N_ROUNDS; i++)
    {
      g_autoptr (AgentMessage) message = test_data ("test", "x", i);
      g_autoptr (AgentMessage) answer = test_data ("x", "test", i);

      agent_message_set_conversation (message, self->conversation);
      agent_message_set_cause (answer, i % 2 ? message : self->message);
    }

  return NULL;
}

static gpointer
go_on (gpointer data)
{
  Epochs *self = data;
  guint64 before = 0;

  for (guint i = 0; i < N_ROUNDS; i++)
    {
      guint64 epoch = agent_conversation_advance (self->conversation);

      g_assert_cmpuint (epoch, >, before);
      before = epoch;
    }

  return NULL;
}

/* Messages come and go while their epochs end. */
static void
test_epochs (void)
{
  Epochs   self = { agent_conversation_new ("a"), test_data ("test", "x", 0) };
  GThread *threads[N_THREADS];

  agent_message_set_conversation (self.message, self.conversation);
  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("epochs", i < 2 ? go_on : stamp_and_forget, &self);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);

  g_assert_cmpuint (agent_conversation_get_epoch (self.conversation), ==, 2 * N_ROUNDS);
  agent_message_unref (self.message);
  test_assert_dies (self.conversation);
}

/* --- Sending --- */

typedef struct
{
  TestFixture       *f;
  AgentConversation *conversation;
  guint64            epoch;     /* what the last advance() in the receiver's thread has returned */
  guint              n_handled; /* also the number of those that were not stale when their turn came */
} Flow;

static gpointer
send_all (gpointer data)
{
  Flow *self = data;

  for (guint i = 0; i < N_ROUNDS; i++)
    {
      AgentMessage *message = test_data ("test", "x", i);

      agent_message_set_conversation (message, self->conversation);
      agent_message_set_reliable (message, TRUE);
      agent_bus_send (self->f->bus, message);
    }

  return NULL;
}

/* Nothing older comes after advance() has returned in this thread. */
static void
check_and_go_on (TestRecorder *recorder,
                 AgentMessage *message,
                 gpointer      user_data)
{
  Flow *self = user_data;

  g_assert_cmpuint (agent_message_get_epoch (message), >=, self->epoch);
  if (++self->n_handled % 50 == 0)
    self->epoch = agent_conversation_advance (self->conversation);
  g_ptr_array_set_size (recorder->messages, 0);
}

static void
test_sending (TestFixture *f)
{
  Flow flow = { f, agent_conversation_new ("a"), 0, 0 };
  g_autoptr (TestRecorder) x = test_recorder_subscribe (f, "x", check_and_go_on, &flow);
  GThread   *threads[N_THREADS];
  TestLedger ledger;

  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("sender", send_all, &flow);
  do
    {
      test_iterate (f);
      test_assert_balanced (f->bus);
      ledger = test_ledger (f->bus);
    }
  while (ledger.delivered + ledger.dropped[AGENT_DROP_REASON_STALE] < N_THREADS * N_ROUNDS);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  test_drain (f);

  ledger = test_ledger (f->bus);
  g_assert_cmpuint (ledger.delivered, ==, flow.n_handled);
  g_assert_cmpuint (ledger.delivered + ledger.dropped[AGENT_DROP_REASON_STALE], ==, N_THREADS * N_ROUNDS);
  g_assert_cmpuint (ledger.dropped[AGENT_DROP_REASON_STALE], ==, f->dropped[AGENT_DROP_REASON_STALE]);
  g_object_unref (flow.conversation);
}

/* --- What is in hand --- */

/* Waits until it is cancelled, and completes it in whatever thread that is noticed. */
static gpointer
complete_when_cancelled (gpointer data)
{
  g_autoptr (AgentDelivery) delivery = data;

  while (!agent_delivery_is_cancelled (delivery))
    g_thread_yield ();
  agent_delivery_complete (delivery);

  return NULL;
}

static void
defer_to_a_thread (TestRecorder *recorder,
                   AgentMessage *message,
                   gpointer      user_data)
{
  AgentDelivery *delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));

  agent_delivery_get_cancellable (delivery);
  g_thread_unref (g_thread_new ("delivery", complete_when_cancelled, delivery));
}

/* However the deferral, the end of the epoch and the completion meet, each delivery is told and completed. */
static void
test_hands (TestFixture *f)
{
  g_autoptr (AgentConversation) a = agent_conversation_new ("a");
  g_autoptr (TestThread) thread = test_thread_new ();
  g_autoptr (TestRecorder) x =
      test_recorder_new_full (defer_to_a_thread, NULL, "name", "x", "main-context", thread->context, NULL);
  TestLedger ledger;

  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (x), NULL);
  for (guint i = 0; i < 300; i++)
    {
      AgentMessage *message = test_data ("test", "x", i);

      agent_message_set_conversation (message, a);
      agent_message_set_reliable (message, TRUE);
      agent_bus_send (f->bus, message);
      if (i % 3 == 0)
        g_thread_yield ();
      agent_conversation_advance (a);
    }

  do
    {
      test_thread_sync (thread);
      ledger = test_ledger (f->bus);
    }
  while (ledger.delivered + ledger.dropped[AGENT_DROP_REASON_STALE] < 300);
  g_assert_true (test_unsubscribe (f, "x", NULL));
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

  test_add_func ("/agentbus/conversation-threads/ids", test_ids);
  test_add_func ("/agentbus/conversation-threads/new-id", test_new_id);
  test_add_func ("/agentbus/conversation-threads/epochs", test_epochs);
  test_add ("/agentbus/conversation-threads/sending", test_sending);
  test_add ("/agentbus/conversation-threads/hands", test_hands);

  return g_test_run ();
}
