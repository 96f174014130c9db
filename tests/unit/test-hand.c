/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-hand-private.h"
#include "test-support.h"

/* The hand of a deferred delivery by itself: which cancellations are for it, and who hears of its loss. */

typedef struct
{
  AgentChannelQueue queue;
  AgentHand        *hand; /* of task 1 for "worker", the tenth message */
} Fixture;

static AgentMessage *
new_request (gboolean error_reply)
{
  AgentMessage *message = agent_message_new_task_request ("ui", "worker", "1", "sum", NULL);

  agent_message_set_error_reply (message, error_reply);
  message->seq = 10;
  return message;
}

static void
set_up (Fixture      *self,
        gconstpointer data)
{
  g_autoptr (AgentMessage) message = new_request (TRUE);

  _agent_channel_queue_init (&self->queue, G_MAXUINT, 0);
  self->hand = _agent_hand_new (message);
}

static void
tear_down (Fixture      *self,
           gconstpointer data)
{
  AgentMessage *message;

  while ((message = _agent_channel_queue_pop (&self->queue)) != NULL)
    agent_message_unref (message);
  _agent_channel_queue_clear (&self->queue);
  _agent_hand_unref (self->hand);
}

/* (transfer full) */
static AgentMessage *
new_cancel (const char *target,
            const char *task_id,
            guint64     seq,
            guint       origin)
{
  AgentMessage *message = task_id != NULL ? agent_message_new_task_cancel ("ui", target, task_id, NULL)
                                          : agent_message_new_cancel ("ui", target, NULL);

  message->seq = seq;
  message->origin = origin;
  return message;
}

static gboolean
matches (Fixture    *self,
         const char *target,
         const char *task_id,
         guint64     seq,
         guint       origin)
{
  g_autoptr (AgentMessage) cancel = new_cancel (target, task_id, seq, origin);

  return _agent_hand_matches (self->hand, cancel);
}

static void
test_matches (Fixture      *self,
              gconstpointer data)
{
  g_assert_true (matches (self, "worker", NULL, 11, 0));
  g_assert_true (matches (self, NULL, NULL, 11, 0));
  g_assert_true (matches (self, "worker", "1", 11, 0));
  g_assert_false (matches (self, "worker", "2", 11, 0));

  /* One that was sent before the message does not cancel it. */
  g_assert_false (matches (self, "worker", NULL, 9, 0));
  g_assert_false (matches (self, "worker", "1", 9, 0));

  /* What a dispatcher hands over is for one of the actors of a router. */
  g_assert_true (matches (self, "worker", NULL, 11, 7));
  g_assert_false (matches (self, "other", NULL, 11, 7));
  g_assert_false (matches (self, "other", "1", 11, 7));
}

static void
hand_push (Fixture      *self,
           AgentMessage *message)
{
  _agent_channel_queue_lock (&self->queue);
  _agent_channel_queue_push_locked (&self->queue, message, 0, FALSE);
  _agent_channel_queue_unlock (&self->queue);
}

static gboolean
has_queued_cancel (Fixture *self)
{
  return _agent_hand_has_queued_cancel (self->hand, &self->queue);
}

/* The one that is looked for lies behind so many others that senders get the lock in between. */
static void
test_queued_cancel (Fixture      *self,
                    gconstpointer data)
{
  g_assert_false (has_queued_cancel (self));

  for (guint i = 0; i < 1000; i++)
    hand_push (self, i % 2 ? new_cancel ("worker", "2", 11 + i, 0) : test_data ("test", NULL, i));
  g_assert_false (has_queued_cancel (self));

  hand_push (self, new_cancel ("worker", "1", 2000, 0));
  g_assert_true (has_queued_cancel (self));
}

static void
test_emptied_queue (Fixture      *self,
                    gconstpointer data)
{
  g_autoptr (GPtrArray) messages = g_ptr_array_new_with_free_func ((GDestroyNotify) agent_message_unref);

  hand_push (self, new_cancel ("worker", "1", 11, 0));
  g_assert_true (has_queued_cancel (self));

  _agent_channel_queue_lock (&self->queue);
  _agent_channel_queue_close_locked (&self->queue);
  g_assert_cmpuint (_agent_channel_queue_take_all_locked (&self->queue, messages), ==, 1);
  _agent_channel_queue_unlock (&self->queue);
  g_assert_false (has_queued_cancel (self));
}

static void
test_request_cancel (Fixture      *self,
                     gconstpointer data)
{
  g_assert_false (_agent_hand_is_cancelled (self->hand));
  _agent_hand_request_cancel (self->hand);
  g_assert_true (_agent_hand_is_cancelled (self->hand));

  /* Only the subscriber's context trips that. */
  g_assert_false (g_cancellable_is_cancelled (_agent_hand_get_cancellable (self->hand)));
}

/* The cancellable is made when somebody asks for it, before or after it is tripped. */
static void
test_trip (Fixture      *self,
           gconstpointer data)
{
  GCancellable *cancellable = _agent_hand_get_cancellable (self->hand);

  g_assert_true (_agent_hand_get_cancellable (self->hand) == cancellable);
  g_assert_false (g_cancellable_is_cancelled (cancellable));
  _agent_hand_trip (self->hand);
  g_assert_true (g_cancellable_is_cancelled (cancellable));
}

static void
test_trip_before (Fixture      *self,
                  gconstpointer data)
{
  _agent_hand_trip (self->hand);
  g_assert_true (g_cancellable_is_cancelled (_agent_hand_get_cancellable (self->hand)));
}

typedef struct
{
  AgentHand *hand;
  gint       go; /* (atomic) */
} Race;

static gpointer
ask_for_cancellable (gpointer data)
{
  Race *race = data;

  while (!g_atomic_int_get (&race->go))
    ;
  return _agent_hand_get_cancellable (race->hand);
}

/* Whoever is first, the cancellable that there is in the end is cancelled. */
static void
test_trip_while_asked (Fixture      *self,
                       gconstpointer data)
{
  for (guint i = 0; i < 200; i++)
    {
      g_autoptr (AgentMessage) message = new_request (FALSE);
      Race     race = { .hand = _agent_hand_new (message) };
      GThread *thread = g_thread_new ("asks", ask_for_cancellable, &race);

      g_atomic_int_set (&race.go, TRUE);
      _agent_hand_trip (race.hand);
      g_assert_true (g_cancellable_is_cancelled (g_thread_join (thread)));
      _agent_hand_unref (race.hand);
    }
}

#define N_RACES 30000

/* Two threads ask for the cancellables of the same hands, in step. */
typedef struct
{
  AgentHand *hands[N_RACES];
  gint       places[2]; /* (atomic) how many each thread has asked for */
} AskRace;

/* Returns how many of the cancellables were not cancelled yet when the thread got them. */
static guint
ask_in_step (AskRace *race,
             guint    me)
{
  guint n_early = 0;

  for (gint i = 0; i < N_RACES; i++)
    {
      g_atomic_int_inc (&race->places[me]);
      for (guint n = 1; g_atomic_int_get (&race->places[!me]) <= i; n++)
        {
          if (n % 1000 == 0)
            g_thread_yield ();
        }
      n_early += !g_cancellable_is_cancelled (_agent_hand_get_cancellable (race->hands[i]));
    }

  return n_early;
}

static gpointer
ask_in_thread (gpointer data)
{
  return GUINT_TO_POINTER (ask_in_step (data, 1));
}

/* A thread that gets the cancellable of a hand that was tripped before finds it cancelled, also if another thread asks for it
 * at the same time. */
static void
test_ask_after_trip (Fixture      *self,
                     gconstpointer data)
{
  g_autofree AskRace *race = g_new0 (AskRace, 1);
  g_autoptr (AgentMessage) message = new_request (FALSE);
  GThread *thread;

  for (guint i = 0; i < N_RACES; i++)
    {
      race->hands[i] = _agent_hand_new (message);
      _agent_hand_trip (race->hands[i]);
    }

  thread = g_thread_new ("asks", ask_in_thread, race);
  g_assert_cmpuint (ask_in_step (race, 0), ==, 0);
  g_assert_cmpuint (GPOINTER_TO_UINT (g_thread_join (thread)), ==, 0);

  for (guint i = 0; i < N_RACES; i++)
    _agent_hand_unref (race->hands[i]);
}

static void
test_loss (Fixture      *self,
           gconstpointer data)
{
  g_autoptr (AgentMessage) lost = _agent_hand_take_loss (self->hand);
  g_autoptr (AgentMessage) message = new_request (FALSE);
  AgentHand *other = _agent_hand_new (message);

  g_assert_true (lost == self->hand->message);
  g_assert_null (_agent_hand_take_loss (self->hand));

  /* Its source has not asked for it. */
  g_assert_null (_agent_hand_take_loss (other));
  _agent_hand_unref (other);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(path, function) \
  g_test_add ("/agentbus/hand/" path, Fixture, NULL, set_up, function, tear_down)

  ADD ("matches", test_matches);
  ADD ("queued-cancel", test_queued_cancel);
  ADD ("emptied-queue", test_emptied_queue);
  ADD ("cancel", test_request_cancel);
  ADD ("trip", test_trip);
  ADD ("trip-before", test_trip_before);
  ADD ("trip-while-asked", test_trip_while_asked);
  ADD ("ask-after-trip", test_ask_after_trip);
  ADD ("loss", test_loss);

#undef ADD

  return g_test_run ();
}
