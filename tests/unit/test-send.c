/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-tools.h"

/*
 * Sends that refuse instead of dropping, and sends that wait for room.
 */

#define CAPACITY 2

/* What an asynchronous send has come to. */
typedef struct
{
  gboolean over;
  gboolean sent;
  GError  *error;
} Result;

static void
on_sent (GObject      *source,
         GAsyncResult *result,
         gpointer      user_data)
{
  Result *self = user_data;

  self->sent = agent_bus_send_finish (AGENT_BUS (source), result, &self->error);
  self->over = TRUE;
}

static AgentMessage *
send_async (TestFixture  *f,
            guint         number,
            GCancellable *cancellable,
            Result       *result)
{
  AgentMessage *message = test_data ("test", "a", number);

  *result = (Result){ FALSE };
  agent_bus_send_async (f->bus, message, cancellable, on_sent, result);
  return message;
}

static void
send_and_forget (TestFixture *f,
                 guint        number,
                 Result      *result)
{
  agent_message_unref (send_async (f, number, NULL, result));
}

static void
assert_failed (Result *result,
               GQuark  domain,
               gint    code)
{
  g_assert_true (result->over);
  g_assert_false (result->sent);
  g_assert_error (result->error, domain, code);
  g_clear_error (&result->error);
}

static gboolean
try_send (TestFixture *f,
          guint        number,
          gint         code)
{
  g_autoptr (AgentMessage) message = test_data ("test", "a", number);
  g_autoptr (GError) error = NULL;
  gboolean sent = agent_bus_try_send (f->bus, message, &error);

  if (sent)
    g_assert_no_error (error);
  else
    g_assert_error (error, AGENT_BUS_ERROR, code);
  return sent;
}

static AgentSubscriber *
subscribe (TestFixture  *f,
           AgentOverflow overflow)
{
  AgentSubscriber *a = g_object_new (AGENT_TYPE_SUBSCRIBER, "name", "a", "capacity", CAPACITY, "overflow", overflow, NULL);

  g_assert_true (agent_bus_subscribe (f->bus, a, NULL));
  return a;
}

static void
assert_next (AgentSubscriber *a,
             guint            number)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (AgentMessage) message = agent_subscriber_receive (a, 0, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (test_number (message), ==, number);
}

static void
fill (TestFixture *f)
{
  for (guint i = 0; i < CAPACITY; i++)
    agent_bus_send (f->bus, test_data ("test", "a", i));
}

/* --- try_send --- */

static void
test_try (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, AGENT_OVERFLOW_DROP_NEWEST);
  TestLedger ledger;

  g_assert_true (try_send (f, 0, 0));
  g_assert_true (try_send (f, 1, 0));
  g_assert_false (try_send (f, 2, AGENT_BUS_ERROR_FULL));
  ledger = test_ledger (f->bus);
  g_assert_cmpuint (ledger.sent, ==, 2);
  g_assert_cmpuint (ledger.offered, ==, 2);
  assert_next (a, 0);
  g_assert_true (try_send (f, 3, 0));
  assert_next (a, 1);
  assert_next (a, 3);
  test_assert_balanced (f->bus);
}

static AgentMessage *
stale_data (void)
{
  g_autoptr (AgentConversation) conversation = agent_conversation_new (NULL);
  AgentMessage *message = test_data ("test", "a", 10);

  agent_message_set_conversation (message, conversation);
  agent_conversation_advance (conversation);
  return message;
}

/* It is still unsent afterwards: with the epoch of now, the same message is sent. */
static void
test_try_stale (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, AGENT_OVERFLOW_DROP_OLDEST);
  g_autoptr (AgentMessage) message = stale_data ();
  g_autoptr (GError) error = NULL;

  fill (f);
  for (guint i = 0; i < 2; i++)
    {
      agent_message_set_reliable (message, i == 1);
      g_assert_false (agent_bus_try_send (f->bus, message, &error));
      g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_STALE);
      g_clear_error (&error);
    }
  g_assert_cmpuint (test_ledger (f->bus).sent, ==, CAPACITY);
  g_assert_cmpuint (test_ledger (f->bus).offered, ==, CAPACITY);
  assert_next (a, 0);
  assert_next (a, 1);

  agent_message_set_conversation (message, agent_message_get_conversation (message));
  g_assert_true (agent_bus_try_send (f->bus, message, &error));
  assert_next (a, 10);
  test_assert_balanced (f->bus);
}

/* Data that was sent before keeps its epoch, and a system message is never stale. */
static void
test_try_stale_or_not (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (AgentConversation) conversation = agent_conversation_new (NULL);
  g_autoptr (AgentMessage) cancel = test_cancel ("test", "a");
  g_autoptr (AgentMessage) message = test_data ("test", "a", 1);
  g_autoptr (GError) error = NULL;

  agent_message_set_conversation (cancel, conversation);
  agent_message_set_conversation (message, conversation);
  g_assert_true (agent_bus_try_send (f->bus, message, NULL));
  assert_next (a, 1);
  agent_conversation_advance (conversation);
  g_assert_false (agent_bus_try_send (f->bus, message, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_STALE);
  g_assert_true (agent_bus_try_send (f->bus, cancel, NULL));
  g_assert_cmpuint (test_ledger (f->bus).sent, ==, 2);
}

static void
test_try_refused (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (AgentMessage) to_all = test_data ("test", NULL, 1);
  g_autoptr (AgentMessage) to_itself = test_data ("a", "a", 1);
  g_autoptr (AgentMessage) to_nobody = test_data ("test", "b", 1);
  g_autoptr (AgentMessage) late = test_data ("test", "a", 1);
  g_autoptr (GError) error = NULL;

  g_assert_false (agent_bus_try_send (f->bus, to_all, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_MESSAGE);
  g_clear_error (&error);
  g_assert_false (agent_bus_try_send (f->bus, to_itself, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_false (agent_bus_try_send (f->bus, to_nobody, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_NOT_FOUND);
  g_clear_error (&error);
  test_stop (f);
  g_assert_false (agent_bus_try_send (f->bus, late, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED);
  g_assert_cmpuint (test_ledger (f->bus).sent, ==, 0);
}

/* A message that was refused is unsent: it may be changed, and gets its number when it goes in. */
static void
test_try_again (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (AgentMessage) message = test_data ("test", "a", 7);
  g_autoptr (AgentMessage) received = NULL;

  fill (f);
  g_assert_false (agent_bus_try_send (f->bus, message, NULL));
  g_assert_cmpuint (agent_message_get_seq (message), ==, 0);
  g_assert_cmpint (agent_message_get_sent_at (message), ==, 0);
  agent_message_set_ttl (message, 60000);
  assert_next (a, 0);
  assert_next (a, 1);
  g_assert_true (agent_bus_try_send (f->bus, message, NULL));
  received = agent_subscriber_receive (a, 0, NULL, NULL);
  g_assert_true (received == message);
  g_assert_cmpuint (agent_message_get_seq (message), ==, CAPACITY + 1);
}

/* A message that was sent before is sent as a copy. */
static void
test_try_twice (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (AgentMessage) message = test_data ("test", "a", 7);

  g_assert_true (agent_bus_try_send (f->bus, message, NULL));
  g_assert_true (agent_bus_try_send (f->bus, message, NULL));
  g_assert_false (agent_bus_try_send (f->bus, message, NULL));
  g_assert_cmpuint (agent_message_get_seq (message), ==, 1);
  assert_next (a, 7);
  assert_next (a, 7);
}

static void
test_try_makes_room (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, AGENT_OVERFLOW_DROP_OLDEST);

  fill (f);
  g_assert_true (try_send (f, 2, 0));
  g_assert_cmpuint (test_ledger (f->bus).dropped[AGENT_DROP_REASON_FULL], ==, 1);
  assert_next (a, 1);
  assert_next (a, 2);
  test_assert_balanced (f->bus);
  test_drain (f);
  test_expect_log (f, "is full");
}

static void
test_try_always_in (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (AgentMessage) reliable = test_data ("test", "a", 9);
  g_autoptr (AgentMessage) system = agent_message_new_activate ("test", "a", NULL);

  fill (f);
  agent_message_set_reliable (reliable, TRUE);
  g_assert_true (agent_bus_try_send (f->bus, reliable, NULL));
  g_assert_true (agent_bus_try_send (f->bus, system, NULL));
  g_assert_cmpuint (agent_subscriber_get_n_queued (a), ==, CAPACITY + 2);
}

/* --- send_async --- */

static void
test_async_at_once (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, AGENT_OVERFLOW_DROP_NEWEST);
  Result result;

  send_and_forget (f, 5, &result);
  assert_next (a, 5);
  test_run_until (f, &result.over);
  g_assert_true (result.sent);
}

/* First come, first served; and nobody gets past those who wait. */
static void
test_async_in_line (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, AGENT_OVERFLOW_DROP_NEWEST);
  AgentMessage *reliable = test_data ("test", "a", 20);
  Result        results[3];

  fill (f);
  for (guint i = 0; i < G_N_ELEMENTS (results); i++)
    send_and_forget (f, 10 + i, &results[i]);
  test_drain (f);
  g_assert_false (results[0].over);
  g_assert_cmpuint (test_ledger (f->bus).sent, ==, CAPACITY);

  assert_next (a, 0);
  test_run_until (f, &results[0].over);
  g_assert_true (results[0].sent);
  g_assert_false (results[1].over);
  g_assert_false (try_send (f, 30, AGENT_BUS_ERROR_FULL));
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", "a", 31)), ==, 0);
  agent_message_set_reliable (reliable, TRUE);
  g_assert_cmpuint (agent_bus_send (f->bus, reliable), ==, 1);

  assert_next (a, 1);
  assert_next (a, 10);
  test_run_until (f, &results[1].over);
  assert_next (a, 20);
  test_run_until (f, &results[2].over);
  assert_next (a, 11);
  assert_next (a, 12);
  g_assert_true (try_send (f, 32, 0));
  g_assert_cmpuint (test_ledger (f->bus).dropped[AGENT_DROP_REASON_FULL], ==, 1);
  test_assert_balanced (f->bus);
  test_drain (f);
  test_expect_log (f, "is full");
}

static void
test_async_cancelled (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (AgentMessage) message = NULL;
  Result first;
  Result second;

  fill (f);
  message = send_async (f, 10, cancellable, &first);
  send_and_forget (f, 11, &second);
  g_cancellable_cancel (cancellable);
  test_run_until (f, &first.over);
  assert_failed (&first, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (agent_message_get_seq (message), ==, 0);
  agent_message_set_ttl (message, 60000);

  assert_next (a, 0);
  test_run_until (f, &second.over);
  assert_next (a, 1);
  assert_next (a, 11);
  g_assert_cmpuint (test_ledger (f->bus).sent, ==, CAPACITY + 1);

  /* The line is empty, so the room is free for all again. */
  g_assert_true (agent_bus_try_send (f->bus, message, NULL));
}

/* There is room before the context of the wait gets to know that it was cancelled. */
static void
test_async_cancelled_first (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Result first;
  Result second;

  fill (f);
  agent_message_unref (send_async (f, 10, cancellable, &first));
  send_and_forget (f, 11, &second);
  g_cancellable_cancel (cancellable);
  assert_next (a, 0);
  test_run_until (f, &first.over);
  assert_failed (&first, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  test_run_until (f, &second.over);
  g_assert_true (second.sent);
  assert_next (a, 1);
  assert_next (a, 11);
}

static void
test_async_cancelled_before (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Result result;

  g_cancellable_cancel (cancellable);
  agent_message_unref (send_async (f, 10, cancellable, &result));
  test_run_until (f, &result.over);
  assert_failed (&result, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (agent_subscriber_get_n_queued (a), ==, 0);
}

static void
test_async_expired (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (AgentMessage) message = test_data ("test", "a", 10);
  Result result = { FALSE };

  test_clock_freeze ();
  fill (f);
  agent_message_set_ttl (message, 10000000);
  agent_bus_send_async (f->bus, message, NULL, on_sent, &result);
  test_clock_advance (G_GINT64_CONSTANT (10000000000));
  assert_next (a, 0);
  test_run_until (f, &result.over);
  assert_failed (&result, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
  test_clock_release ();
  g_assert_cmpuint (test_ledger (f->bus).sent, ==, CAPACITY);
  g_assert_true (try_send (f, 11, 0));
}

/* Nobody takes messages out, and it ends all the same. */
static void
test_async_expires_alone (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (AgentMessage) message = test_data ("test", "a", 10);
  Result result = { FALSE };

  fill (f);
  agent_message_set_ttl (message, 1);
  agent_bus_send_async (f->bus, message, NULL, on_sent, &result);
  test_run_until (f, &result.over);
  assert_failed (&result, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
  assert_next (a, 0);
}

/* What is stale already does not even look for room. */
static void
test_async_stale_before (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (AgentMessage) message = stale_data ();
  Result result = { FALSE };

  agent_bus_send_async (f->bus, message, NULL, on_sent, &result);
  test_run_until (f, &result.over);
  assert_failed (&result, AGENT_BUS_ERROR, AGENT_BUS_ERROR_STALE);
  g_assert_cmpuint (agent_subscriber_get_n_queued (a), ==, 0);
  g_assert_cmpuint (test_ledger (f->bus).sent, ==, 0);
}

/* The same when the conversation of the message goes on, before or after it begins to wait. */
static void
test_async_stale (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (AgentConversation) conversation = agent_conversation_new (NULL);

  fill (f);
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (AgentMessage) message = test_data ("test", "a", 10 + i);
      Result result = { FALSE };

      agent_message_set_conversation (message, conversation);
      if (i == 1)
        agent_conversation_advance (conversation);
      agent_bus_send_async (f->bus, message, NULL, on_sent, &result);
      g_assert_false (result.over);
      if (i == 0)
        {
          test_drain (f);
          agent_conversation_advance (conversation);
        }
      test_run_until (f, &result.over);
      assert_failed (&result, AGENT_BUS_ERROR, AGENT_BUS_ERROR_STALE);
    }

  g_assert_cmpuint (test_ledger (f->bus).sent, ==, CAPACITY);
  assert_next (a, 0);
  g_assert_true (try_send (f, 12, 0));
}

static void
test_async_target_goes (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, AGENT_OVERFLOW_DROP_NEWEST);
  Result results[2];

  test_listen (a);
  agent_subscriber_set_paused (a, TRUE);
  fill (f);
  send_and_forget (f, 10, &results[0]);
  send_and_forget (f, 11, &results[1]);
  g_assert_true (test_unsubscribe (f, "a", NULL));
  test_run_until (f, &results[1].over);
  assert_failed (&results[0], AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED);
  assert_failed (&results[1], AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED);
  g_assert_cmpuint (test_ledger (f->bus).sent, ==, CAPACITY);
}

static void
test_async_refused (TestFixture *f)
{
  g_autoptr (AgentMessage) message = test_data ("test", NULL, 10);
  Result result = { FALSE };

  agent_bus_send_async (f->bus, message, NULL, on_sent, &result);
  test_run_until (f, &result.over);
  assert_failed (&result, AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_MESSAGE);
  send_and_forget (f, 10, &result);
  test_run_until (f, &result.over);
  assert_failed (&result, AGENT_BUS_ERROR, AGENT_BUS_ERROR_NOT_FOUND);
}

/* Room is made, unless all that is queued is reliable. */
static void
test_async_drop_oldest (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, AGENT_OVERFLOW_DROP_OLDEST);
  Result result;

  fill (f);
  send_and_forget (f, 10, &result);
  test_run_until (f, &result.over);
  g_assert_true (result.sent);
  assert_next (a, 1);
  assert_next (a, 10);

  for (guint i = 0; i < CAPACITY; i++)
    {
      AgentMessage *reliable = test_data ("test", "a", i);

      agent_message_set_reliable (reliable, TRUE);
      agent_bus_send (f->bus, reliable);
    }
  send_and_forget (f, 11, &result);
  test_drain (f);
  g_assert_false (result.over);
  assert_next (a, 0);
  test_run_until (f, &result.over);
  assert_next (a, 1);
  assert_next (a, 11);
  test_drain (f);
  test_expect_log (f, "is full");
}

/* The message first in line is larger than what is free; the small one behind it waits for its turn. */
static void
test_async_bytes (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = g_object_new (AGENT_TYPE_SUBSCRIBER, "name", "a", "max-bytes", G_GUINT64_CONSTANT (4000), NULL);
  g_autofree char *text = g_strnfill (3000, 'x');
  g_autoptr (AgentMessage) large = agent_message_new_custom (
      "large", AGENT_CHANNEL_DATA, "test", "a", g_variant_new_string (text));
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Result first = { FALSE };
  Result second = { FALSE };

  agent_bus_subscribe (f->bus, a, NULL);
  agent_bus_send (f->bus, agent_message_new_custom ("large", AGENT_CHANNEL_DATA, "test", "a", g_variant_new_string (text)));
  agent_bus_send_async (f->bus, large, cancellable, on_sent, &first);
  send_and_forget (f, 11, &second);
  test_drain (f);
  g_assert_false (second.over);

  /* The small one finds room when the large one gives up. */
  g_cancellable_cancel (cancellable);
  test_run_until (f, &second.over);
  g_assert_true (second.sent);
  test_run_until (f, &first.over);
  assert_failed (&first, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  test_listen (a);
}

/* --- Limits that change --- */

static void
test_capacity_grows (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, AGENT_OVERFLOW_DROP_NEWEST);
  Result results[2];

  fill (f);
  send_and_forget (f, 10, &results[0]);
  send_and_forget (f, 11, &results[1]);
  agent_subscriber_set_capacity (a, CAPACITY + 1);
  test_run_until (f, &results[0].over);
  g_assert_false (results[1].over);
  agent_subscriber_set_capacity (a, 0);
  test_run_until (f, &results[1].over);
  g_assert_true (try_send (f, 12, 0));
  g_assert_cmpuint (agent_subscriber_get_n_queued (a), ==, CAPACITY + 3);
  test_listen (a);
}

static void
test_capacity_shrinks (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, AGENT_OVERFLOW_DROP_NEWEST);

  fill (f);
  g_object_set (a, "capacity", 1, NULL);
  g_assert_cmpuint (agent_subscriber_get_n_queued (a), ==, CAPACITY);
  g_assert_false (try_send (f, 2, AGENT_BUS_ERROR_FULL));
  assert_next (a, 0);
  g_assert_false (try_send (f, 2, AGENT_BUS_ERROR_FULL));
  assert_next (a, 1);
  g_assert_true (try_send (f, 2, 0));
  assert_next (a, 2);
  test_assert_balanced (f->bus);
}

static void
send_sized (TestFixture *f,
            guint        number)
{
  char task_id[16];

  g_snprintf (task_id, sizeof task_id, "%u", number);
  agent_bus_send (f->bus, agent_message_new_task_update ("test", "a", task_id, g_variant_new_uint64 (number)));
}

/* Only messages that were pushed while bytes were limited count, wherever they leave the queue. */
static void
test_max_bytes_changes (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = g_object_new (
      AGENT_TYPE_SUBSCRIBER, "name", "a", "overflow", AGENT_OVERFLOW_DROP_OLDEST, NULL);

  agent_bus_subscribe (f->bus, a, NULL);
  for (guint i = 0; i < 4; i++)
    send_sized (f, i);

  /* The four do not count: two more fit. For a third one, all that is older than the last one has to give way. */
  agent_subscriber_set_max_bytes (a, 2 * sizeof (guint64));
  send_sized (f, 4);
  send_sized (f, 5);
  assert_next (a, 0);
  send_sized (f, 6);
  g_assert_cmpuint (test_ledger (f->bus).dropped[AGENT_DROP_REASON_FULL], ==, 4);
  assert_next (a, 5);
  assert_next (a, 6);

  /* What was pushed while there was no limit does not count when it is taken out either. */
  agent_subscriber_set_max_bytes (a, 0);
  for (guint i = 0; i < 4; i++)
    send_sized (f, i);
  agent_subscriber_set_max_bytes (a, sizeof (guint64));
  for (guint i = 0; i < 4; i++)
    assert_next (a, i);
  send_sized (f, 4);
  send_sized (f, 5);
  assert_next (a, 5);
  test_assert_balanced (f->bus);
  test_drain (f);
  test_expect_log (f, "is full");
}

static void
test_max_age_changes (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, AGENT_OVERFLOW_DROP_NEWEST);

  test_clock_freeze ();
  g_assert_true (try_send (f, 0, 0));
  test_clock_advance (20000);
  g_assert_true (try_send (f, 1, 0));
  agent_subscriber_set_max_age (a, 10);
  assert_next (a, 1);
  g_assert_cmpuint (test_ledger (f->bus).dropped[AGENT_DROP_REASON_EXPIRED], ==, 1);
  test_clock_release ();
}

/* --- Threads --- */

#define N_THREADS 3
#define N_EACH 400

typedef struct
{
  AgentBus *bus;
  char      name[8];
} Producer;

/* Waits for each message of its own, as a producer does that must not lose any. */
static gpointer
produce (gpointer data)
{
  Producer *self = data;
  g_autoptr (GMainContext) context = g_main_context_new ();

  g_main_context_push_thread_default (context);
  for (guint i = 0; i < N_EACH; i++)
    {
      g_autoptr (AgentMessage) message = test_data (self->name, "a", i);
      Result result = { FALSE };

      agent_bus_send_async (self->bus, message, NULL, on_sent, &result);
      while (!result.over)
        g_main_context_iteration (context, TRUE);
      g_assert_no_error (result.error);
    }
  g_main_context_pop_thread_default (context);

  return NULL;
}

static void
test_async_threads (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, AGENT_OVERFLOW_DROP_NEWEST);
  Producer producers[N_THREADS];
  GThread *threads[N_THREADS];
  guint    next[N_THREADS] = { 0 };
  guint64  last_seq = 0;

  for (guint i = 0; i < N_THREADS; i++)
    {
      producers[i].bus = f->bus;
      g_snprintf (producers[i].name, sizeof producers[i].name, "p%u", i);
      threads[i] = g_thread_new ("producer", produce, &producers[i]);
    }
  for (guint n = 0; n < N_THREADS * N_EACH; n++)
    {
      g_autoptr (AgentMessage) message = agent_subscriber_receive (a, -1, NULL, NULL);
      guint i = agent_message_get_source (message)[1] - '0';

      g_assert_cmpuint (test_number (message), ==, next[i]++);
      g_assert_cmpuint (agent_message_get_seq (message), >, last_seq);
      last_seq = agent_message_get_seq (message);
    }
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
  g_assert_cmpuint (test_ledger (f->bus).sent, ==, N_THREADS * N_EACH);
  test_assert_balanced (f->bus);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, function) test_add ("/agentbus/send/" name, function)

  ADD ("try", test_try);
  ADD ("try-refused", test_try_refused);
  ADD ("try-stale", test_try_stale);
  ADD ("try-stale-or-not", test_try_stale_or_not);
  ADD ("try-again", test_try_again);
  ADD ("try-twice", test_try_twice);
  ADD ("try-makes-room", test_try_makes_room);
  ADD ("try-always-in", test_try_always_in);
  ADD ("async-at-once", test_async_at_once);
  ADD ("async-in-line", test_async_in_line);
  ADD ("async-cancelled", test_async_cancelled);
  ADD ("async-cancelled-first", test_async_cancelled_first);
  ADD ("async-cancelled-before", test_async_cancelled_before);
  ADD ("async-expired", test_async_expired);
  ADD ("async-expires-alone", test_async_expires_alone);
  ADD ("async-stale", test_async_stale);
  ADD ("async-stale-before", test_async_stale_before);
  ADD ("async-target-goes", test_async_target_goes);
  ADD ("async-refused", test_async_refused);
  ADD ("async-drop-oldest", test_async_drop_oldest);
  ADD ("async-bytes", test_async_bytes);
  ADD ("capacity-grows", test_capacity_grows);
  ADD ("capacity-shrinks", test_capacity_shrinks);
  ADD ("max-bytes-changes", test_max_bytes_changes);
  ADD ("max-age-changes", test_max_age_changes);
  ADD ("async-threads", test_async_threads);

  return g_test_run ();
}
