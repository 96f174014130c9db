/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <stdatomic.h>

#include "bus/agent-bus-private.h"
#include "test-tools.h"

/*
 * Two threads at once that send to a subscriber, receive from it and change its limits. What it is told of what it has missed,
 * and what the bus tells of its lagging behind, has to be right all the same.
 */

typedef struct
{
  AgentBus        *bus;
  AgentSubscriber *a;
  _Atomic guint    n_begun; /* how many rounds have begun */
  _Atomic guint    n_ended; /* how many rounds the other thread has ended */
  _Atomic gint     over;
  void (*play) (guint    round,
                gpointer user_data);
  gpointer user_data;
  GString *told; /* "s" for each slow and "r" for each recovered */
} Race;

static void
on_slow (AgentBus        *bus,
         AgentSubscriber *subscriber,
         guint64          n_queued,
         gpointer         user_data)
{
  g_string_append_c (user_data, 's');
}

static void
on_recovered (AgentBus        *bus,
              AgentSubscriber *subscriber,
              guint64          n_dropped,
              gpointer         user_data)
{
  g_string_append_c (user_data, 'r');
}

static void
race_init (Race         *self,
           TestFixture  *f,
           guint         capacity,
           AgentOverflow overflow)
{
  *self = (Race){ .bus = f->bus, .told = g_string_new (NULL) };
  self->a = g_object_new (AGENT_TYPE_SUBSCRIBER, "name", "a", "capacity", capacity, "overflow", overflow, NULL);
  g_signal_connect (f->bus, "slow", G_CALLBACK (on_slow), self->told);
  g_signal_connect (f->bus, "recovered", G_CALLBACK (on_recovered), self->told);
  g_assert_true (agent_bus_subscribe (f->bus, self->a, NULL));
}

static void
race_clear (Race        *self,
            TestFixture *f)
{
  test_drain (f);
  g_string_truncate (f->log, 0); /* that the channel is full */
  g_signal_handlers_disconnect_by_data (f->bus, self->told);
  g_object_unref (self->a);
  g_string_free (self->told, TRUE);
}

static void
send_some (Race *self,
           guint n)
{
  for (guint i = 0; i < n; i++)
    agent_bus_send (self->bus, test_data ("test", "a", i));
}

static void
receive_some (Race *self,
              guint n)
{
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (AgentMessage) message = agent_subscriber_receive (self->a, 0, NULL, NULL);

      g_assert_nonnull (message);
    }
}

static char
get_told_last (Race        *self,
               TestFixture *f)
{
  test_drain (f);
  return self->told->len > 0 ? self->told->str[self->told->len - 1] : '-';
}

static gpointer
run_other (gpointer data)
{
  Race *self = data;

  for (guint round = 1; TRUE; round++)
    {
      while (self->n_begun < round && !self->over)
        g_thread_yield ();
      if (self->over)
        return NULL;
      self->play (round, self->user_data);
      self->n_ended = round;
    }
}

static void
race_wait (Race *self)
{
  while (self->n_ended < self->n_begun)
    g_thread_yield ();
}

static void
change_capacity (guint    round,
                 gpointer user_data)
{
  Race *self = user_data;

  for (volatile guint i = round * 37 % 4000; i > 0; i--)
    ;
  agent_subscriber_set_capacity (self->a, 8 + round % 2);
}

static void
send_seven (guint    round,
            gpointer user_data)
{
  Race *self = user_data;

  for (volatile guint i = round * 37 % 4000; i > 0; i--)
    ;
  send_some (self, 7);
}

static GThread *
race_start (Race *self,
            void (*play) (guint    round,
                          gpointer user_data))
{
  self->play = play;
  self->user_data = self;
  return g_thread_new ("other", run_other, self);
}

static void
race_stop (Race    *self,
           GThread *thread)
{
  self->over = TRUE;
  g_thread_join (thread);
}

#define N_ROUNDS 5000

/* Limits change in the moment in which the last message is taken. */
static void
test_recovery_is_told (TestFixture *f)
{
  Race     race;
  GThread *thread;

  race_init (&race, f, 8, AGENT_OVERFLOW_DROP_NEWEST);
  thread = race_start (&race, change_capacity);
  for (guint i = 0; i < N_ROUNDS; i++)
    {
      send_some (&race, 7);
      g_assert_cmpint (get_told_last (&race, f), ==, 's');
      race.n_begun++;
      receive_some (&race, 7);
      race_wait (&race);
      g_assert_cmpint (get_told_last (&race, f), ==, 'r');
      g_string_truncate (race.told, 0);
    }
  race_stop (&race, thread);
  race_clear (&race, f);
}

/* The channel gets full again in the moment in which it has been emptied. */
static void
test_slowness_is_told (TestFixture *f)
{
  Race     race;
  GThread *thread;

  race_init (&race, f, 9, AGENT_OVERFLOW_DROP_NEWEST);
  thread = race_start (&race, send_seven);
  for (guint i = 0; i < N_ROUNDS; i++)
    {
      send_some (&race, 8);
      g_assert_cmpint (get_told_last (&race, f), ==, 's');
      race.n_begun++;
      receive_some (&race, 8);
      race_wait (&race);
      if (agent_subscriber_get_n_queued (race.a) == 7)
        g_assert_cmpint (get_told_last (&race, f), ==, 's');
      while (agent_subscriber_get_n_queued (race.a) > 0)
        receive_some (&race, 1);
      g_assert_cmpint (get_told_last (&race, f), ==, 'r');
      g_string_truncate (race.told, 0);
    }
  race_stop (&race, thread);
  race_clear (&race, f);
}

static gpointer
give_way (gpointer data)
{
  Race              *self = data;
  AgentMailbox      *mailbox = _agent_directory_lookup (self->bus->directory, "a");
  AgentChannelQueue *queue = &mailbox->queues[AGENT_CHANNEL_DATA];
  AgentMessage      *message;
  AgentMessage      *next;
  gboolean           gap;

  _agent_channel_queue_lock (queue);
  message = _agent_channel_queue_evict_locked (queue, &gap, &next);
  self->n_begun = 1;
  for (guint i = 0; i < 100; i++)
    g_thread_yield ();
  _agent_channel_queue_push_locked (queue, message, 0, FALSE);
  _agent_channel_queue_unlock (queue);

  _agent_mailbox_unref (mailbox);
  return NULL;
}

/* A channel that keeps the newest message is never seen to be empty while nobody receives, not even by one who receives in the
 * moment in which the message before gives way. */
static void
test_newest_is_there (TestFixture *f)
{
  for (guint i = 0; i < 100; i++)
    {
      Race     race;
      GThread *thread;

      race_init (&race, f, 1, AGENT_OVERFLOW_DROP_OLDEST);
      send_some (&race, 1);
      thread = g_thread_new ("sender", give_way, &race);
      while (race.n_begun == 0)
        g_thread_yield ();
      receive_some (&race, 1);
      g_thread_join (thread);
      g_assert_true (test_unsubscribe (f, "a", NULL));
      race_clear (&race, f);
    }
}

/* --- What is missed --- */

#define N_SENT 10000

typedef struct
{
  Race               race;
  AgentConversation *conversation; /* (nullable) */
  _Atomic gint       sending;
  guint              last;     /* the number of the last message that was received */
  guint64            n_missed; /* in all */
} Missing;

static AgentMessage *
make_one (Missing *self,
          guint    i)
{
  AgentMessage *message = test_data ("test", "a", i);

  if (i % 5 == 1)
    agent_message_set_ttl (message, 1);
  if (i % 3 == 1 && self->conversation != NULL)
    agent_message_set_conversation (message, self->conversation);
  if (i % 97 == 0)
    agent_message_set_reliable (message, TRUE);
  return message;
}

/* The last one is never lost. */
static gpointer
send_all (gpointer data)
{
  Missing *self = data;

  for (guint i = 1; i <= N_SENT; i++)
    {
      AgentMessage *message = make_one (self, i);

      if (i == N_SENT)
        {
          agent_message_set_ttl (message, 0);
          agent_message_set_reliable (message, TRUE);
        }
      agent_bus_send (self->race.bus, message);
      if (i % 50 == 49 && self->conversation != NULL)
        agent_conversation_advance (self->conversation);
      if (i % 64 == 0)
        g_thread_yield ();
    }
  self->sending = FALSE;

  return NULL;
}

static gpointer
change_limits (gpointer data)
{
  Missing *self = data;

  for (guint i = 0; self->sending; i++)
    {
      agent_subscriber_set_capacity (self->race.a, 1 + i % 13);
      agent_subscriber_set_max_bytes (self->race.a, i % 3 == 0 ? 0 : 40 + i % 100);
      agent_subscriber_set_max_age (self->race.a, i % 7 == 0 ? 1000 : 0);
      g_thread_yield ();
    }

  return NULL;
}

/* Only one thread sends, so the numbers say what was lost. What is stale is not missed. */
static void
note_message (Missing      *self,
              AgentMessage *message)
{
  guint   number = test_number (message);
  guint64 n_missed = agent_subscriber_get_n_missed (self->race.a);

  g_assert_cmpuint (number, >, self->last);
  if (self->conversation == NULL)
    g_assert_cmpuint (n_missed, ==, number - self->last - 1);
  else
    g_assert_cmpuint (n_missed, <=, number - self->last - 1);
  self->last = number;
  self->n_missed += n_missed;
}

static void
on_message (AgentSubscriber *a,
            AgentMessage    *message,
            gpointer         user_data)
{
  note_message (user_data, message);
}

static void
receive_all (Missing     *self,
             TestFixture *f)
{
  while (self->last < N_SENT)
    {
      g_autoptr (AgentMessage) message = agent_subscriber_receive (self->race.a, 0, NULL, NULL);

      if (message != NULL)
        note_message (self, message);
      else
        g_thread_yield ();
    }
}

static void
handle_all (Missing     *self,
            TestFixture *f)
{
  g_signal_connect (self->race.a, "message", G_CALLBACK (on_message), self);
  while (self->last < N_SENT)
    g_main_context_iteration (f->context, FALSE);
}

static void
check_missed (TestFixture  *f,
              AgentOverflow overflow,
              gboolean      talk,
              void (*take) (Missing     *self,
                            TestFixture *f))
{
  Missing    self = { .conversation = talk ? agent_conversation_new (NULL) : NULL, .sending = TRUE };
  GThread   *threads[2];
  TestLedger before = test_ledger (f->bus);
  TestLedger after;

  race_init (&self.race, f, 4, overflow);
  threads[0] = g_thread_new ("sender", send_all, &self);
  threads[1] = g_thread_new ("limits", change_limits, &self);
  take (&self, f);
  g_thread_join (threads[0]);
  g_thread_join (threads[1]);

  after = test_ledger (f->bus);
  g_assert_cmpuint (after.queued, ==, 0);
  g_assert_cmpuint (after.offered - before.offered, ==, N_SENT);
  g_assert_cmpuint (self.n_missed,
                    ==,
                    after.dropped[AGENT_DROP_REASON_FULL] + after.dropped[AGENT_DROP_REASON_EXPIRED] -
                        before.dropped[AGENT_DROP_REASON_FULL] - before.dropped[AGENT_DROP_REASON_EXPIRED]);

  g_assert_true (test_unsubscribe (f, "a", NULL));
  race_clear (&self.race, f);
  g_clear_object (&self.conversation);
}

/* On a bus with a total order, the sender holds a lock of the bus meanwhile. */
static void
test_missed_in_order (TestFixture *f)
{
  g_object_unref (f->bus);
  f->bus = g_object_new (AGENT_TYPE_BUS, "total-order", TRUE, NULL);
  check_missed (f, AGENT_OVERFLOW_DROP_OLDEST, TRUE, receive_all);
  check_missed (f, AGENT_OVERFLOW_DROP_NEWEST, TRUE, handle_all);
}

static void
test_missed (TestFixture *f)
{
  for (AgentOverflow overflow = 0; overflow < 2; overflow++)
    for (guint talk = 0; talk < 2; talk++)
      {
        check_missed (f, overflow, talk, receive_all);
        check_missed (f, overflow, talk, handle_all);
      }
}

int
main (int   argc,
      char *argv[])
{
  test_init_slow (&argc, &argv);

  test_add ("/agentbus/flow-hammer/recovery-is-told", test_recovery_is_told);
  test_add ("/agentbus/flow-hammer/slowness-is-told", test_slowness_is_told);
  test_add ("/agentbus/flow-hammer/newest-is-there", test_newest_is_there);
  test_add ("/agentbus/flow-hammer/missed", test_missed);
  test_add ("/agentbus/flow-hammer/missed-in-order", test_missed_in_order);

  return g_test_run ();
}
