/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-message-private.h"
#include "test-tools.h"

/* Conversations: which message belongs to which epoch, and that nothing of an older epoch is delivered. */

static AgentMessage *
said (AgentMessage      *message,
      AgentConversation *conversation)
{
  agent_message_set_conversation (message, conversation);
  return message;
}

static AgentMessage *
data_in (AgentConversation *conversation,
         const char        *target,
         guint              number)
{
  return said (test_data ("test", target, number), conversation);
}

static AgentMessage *
caused (AgentMessage *message,
        AgentMessage *cause)
{
  agent_message_set_cause (message, cause);
  return message;
}

static void
assert_in (AgentMessage      *message,
           AgentConversation *conversation,
           guint64            epoch)
{
  g_assert_true (agent_message_get_conversation (message) == conversation);
  g_assert_cmpuint (agent_message_get_epoch (message), ==, epoch);
}

static guint64
get_n_stale (TestFixture *f)
{
  TestLedger ledger = test_ledger (f->bus);

  test_assert_balanced (f->bus);
  return ledger.dropped[AGENT_DROP_REASON_STALE];
}

#define ASSERT_CRITICAL(call, text)                                         \
  G_STMT_START                                                              \
  {                                                                         \
    g_test_expect_message ("AgentBus", G_LOG_LEVEL_CRITICAL, "*" text "*"); \
    call;                                                                   \
    g_test_assert_expected_messages ();                                     \
  }                                                                         \
  G_STMT_END

/* --- Ids --- */

static void
test_one_for_each_id (void)
{
  g_autoptr (AgentConversation) a = agent_conversation_new ("a");
  g_autoptr (AgentConversation) again = agent_conversation_new ("a");
  g_autoptr (AgentConversation) b = agent_conversation_new ("b");

  g_assert_true (a == again);
  g_assert_true (a != b);
  g_assert_cmpstr (agent_conversation_get_id (a), ==, "a");
}

static void
test_new_ids_differ (void)
{
  g_autoptr (AgentConversation) a = agent_conversation_new (NULL);
  g_autoptr (AgentConversation) b = g_object_new (AGENT_TYPE_CONVERSATION, NULL);
  g_autoptr (AgentConversation) again = NULL;
  g_autofree char *id = NULL;

  g_object_get (a, "id", &id, NULL);
  g_assert_true (g_uuid_string_is_valid (id));
  g_assert_cmpstr (agent_conversation_get_id (a), ==, id);
  g_assert_cmpstr (agent_conversation_get_id (b), !=, id);
  again = agent_conversation_new (id);
  g_assert_true (again == a);
}

static void
test_epochs_count (void)
{
  g_autoptr (AgentConversation) a = agent_conversation_new ("a");
  guint64 epoch;

  g_assert_cmpuint (agent_conversation_get_epoch (a), ==, 0);
  g_assert_cmpuint (agent_conversation_advance (a), ==, 1);
  g_assert_cmpuint (agent_conversation_advance (a), ==, 2);
  g_object_get (a, "epoch", &epoch, NULL);
  g_assert_cmpuint (epoch, ==, 2);
}

/* Nobody refers to it any more: the next one of that id is a new one. */
static void
test_forgotten (void)
{
  AgentConversation *a = agent_conversation_new ("a");
  g_autoptr (AgentConversation) next = NULL;

  agent_conversation_advance (a);
  test_assert_dies (a);
  next = agent_conversation_new ("a");
  g_assert_cmpuint (agent_conversation_get_epoch (next), ==, 0);
}

/* A message that is under way is a reference, and the last one that goes is not always that of the current epoch. */
static void
test_messages_keep_it (void)
{
  AgentConversation *a = agent_conversation_new ("a");
  gpointer           place = a;
  AgentMessage      *old = data_in (a, "x", 1);
  AgentMessage      *fresh;

  g_object_add_weak_pointer (G_OBJECT (a), &place);
  agent_conversation_advance (a);
  fresh = data_in (a, "x", 2);
  g_object_unref (a);

  a = agent_conversation_new ("a");
  g_assert_true ((gpointer) a == place);
  assert_in (old, a, 0);
  assert_in (fresh, a, 1);
  g_object_unref (a);

  agent_message_unref (fresh);
  g_assert_nonnull (place);
  agent_message_unref (old);
  g_assert_null (place);
}

static void
test_misuse (TestFixture *f)
{
  g_autoptr (AgentConversation) a = agent_conversation_new ("a");
  g_autoptr (AgentMessage) sent = test_data ("test", "nobody", 1);

  ASSERT_CRITICAL (g_assert_null (agent_conversation_new ("")), "id");
  ASSERT_CRITICAL (g_assert_null (agent_conversation_new ("\xff")), "id");
  agent_bus_send (f->bus, agent_message_ref (sent));
  ASSERT_CRITICAL (agent_message_set_conversation (sent, a), "sent");
  g_assert_null (agent_message_get_conversation (sent));
}

/* --- Causes --- */

static void
test_order_of_cause_and_conversation (void)
{
  g_autoptr (AgentConversation) of_cause = agent_conversation_new ("cause");
  g_autoptr (AgentConversation) own = agent_conversation_new ("own");
  g_autoptr (AgentMessage) cause = data_in (of_cause, "x", 1);
  g_autoptr (AgentMessage) stranger = test_data ("test", "x", 1);

  agent_conversation_advance (of_cause);
  for (guint order = 0; order < 6; order++)
    {
      g_autoptr (AgentMessage) message = test_data ("test", "x", 2);

      if (order == 1)
        agent_message_set_conversation (message, own);
      if (order == 3)
        agent_message_set_conversation (message, NULL);
      agent_message_set_cause (message, order == 5 ? stranger : cause);
      if (order == 2)
        agent_message_set_conversation (message, own);
      if (order == 4)
        agent_message_set_conversation (message, NULL);

      if (order == 0)
        assert_in (message, of_cause, 0);
      else if (order <= 2)
        assert_in (message, own, 0);
      else
        assert_in (message, NULL, 0);
    }
}

static void
test_the_last_cause_counts (void)
{
  g_autoptr (AgentConversation) a = agent_conversation_new ("a");
  g_autoptr (AgentMessage) first = data_in (a, "x", 1);
  g_autoptr (AgentMessage) second = NULL;
  g_autoptr (AgentMessage) stranger = test_data ("test", "x", 3);
  g_autoptr (AgentMessage) message = caused (test_data ("test", "x", 4), first);

  agent_conversation_advance (a);
  second = data_in (a, "x", 2);
  assert_in (message, a, 0);
  agent_message_set_cause (message, second);
  assert_in (message, a, 1);
  agent_message_set_cause (message, stranger);
  assert_in (message, NULL, 0);
}

/* The answer to what is over is over as well, and so is what comes of that. */
static void
test_chain_of_causes (TestFixture *f)
{
  g_autoptr (TestRecorder) x = test_recorder_subscribe (f, "x", NULL, NULL);
  g_autoptr (AgentConversation) a = agent_conversation_new ("a");
  g_autoptr (AgentMessage) question = data_in (a, "x", 1);
  g_autoptr (AgentMessage) answer = caused (test_data ("test", "x", 2), question);

  agent_conversation_advance (a);
  agent_bus_send (f->bus, caused (test_data ("test", "x", 3), answer));
  agent_bus_send (f->bus, g_steal_pointer (&answer));
  agent_bus_send (f->bus, data_in (a, "x", 4));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (x), ==, "4");
  g_assert_cmpuint (get_n_stale (f), ==, 2);
}

static void
test_as_text (void)
{
  g_autoptr (AgentConversation) a = agent_conversation_new ("a\n");
  g_autoptr (AgentMessage) message = NULL;
  g_autofree char *text = NULL;

  agent_conversation_advance (a);
  message = data_in (a, "x", 1);
  text = agent_message_to_string (message);
  g_assert_cmpstr (text, ==, "#0 task-update test -> x task=1 conversation=a  epoch=1");
}

/* --- What is not delivered --- */

static void
test_queued (TestFixture *f)
{
  g_autoptr (TestRecorder) x = test_recorder_subscribe (f, "x", NULL, NULL);
  g_autoptr (TestRecorder) y = test_recorder_subscribe (f, "y", NULL, NULL);
  g_autoptr (AgentConversation) a = agent_conversation_new ("a");
  g_autoptr (AgentConversation) b = agent_conversation_new ("b");
  TestLedger ledger;

  agent_bus_send (f->bus, data_in (a, "x", 1));
  agent_bus_send (f->bus, data_in (a, NULL, 2));
  agent_bus_send (f->bus, data_in (b, "x", 3));
  agent_bus_send (f->bus, test_data ("test", "x", 4));
  agent_conversation_advance (a);
  agent_bus_send (f->bus, data_in (a, "x", 5));
  ledger = test_ledger (f->bus);
  g_assert_cmpuint (ledger.queued, ==, 6);

  test_drain (f);
  g_assert_cmpstr (test_recorder_text (x), ==, "3 4 5");
  g_assert_cmpstr (test_recorder_text (y), ==, "");
  g_assert_cmpuint (get_n_stale (f), ==, 3);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_STALE], ==, 3);
  ledger = test_ledger_of (f->bus, "x");
  g_assert_cmpuint (ledger.dropped[AGENT_DROP_REASON_STALE], ==, 2);
  g_assert_cmpuint (ledger.queued, ==, 0);
}

static void
test_sent_later (TestFixture *f)
{
  g_autoptr (TestRecorder) x = test_recorder_subscribe (f, "x", NULL, NULL);
  g_autoptr (AgentConversation) a = agent_conversation_new ("a");
  AgentMessage *message = data_in (a, "x", 1);

  agent_conversation_advance (a);
  agent_bus_send (f->bus, message);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (x), ==, "");
  g_assert_cmpuint (get_n_stale (f), ==, 1);
}

static void
test_on_every_bus (TestFixture *f)
{
  g_autoptr (AgentBus) other = agent_bus_new ();
  g_autoptr (TestRecorder) x = test_recorder_subscribe (f, "x", NULL, NULL);
  g_autoptr (TestRecorder) y = test_recorder_new ("y", NULL, NULL);
  g_autoptr (AgentConversation) a = agent_conversation_new ("a");

  agent_bus_subscribe (other, AGENT_SUBSCRIBER (y), NULL);
  agent_bus_send (f->bus, data_in (a, "x", 1));
  agent_bus_send (other, data_in (a, "y", 2));
  agent_conversation_advance (a);
  test_drain (f);
  g_assert_cmpuint (agent_subscriber_get_n_dropped (AGENT_SUBSCRIBER (x)), ==, 1);
  g_assert_cmpuint (agent_subscriber_get_n_dropped (AGENT_SUBSCRIBER (y)), ==, 1);
}

/* What is sent again is a copy. */
static void
test_sent_again (TestFixture *f)
{
  g_autoptr (TestRecorder) x = test_recorder_subscribe (f, "x", NULL, NULL);
  g_autoptr (AgentConversation) a = agent_conversation_new ("a");
  g_autoptr (AgentMessage) message = data_in (a, "x", 1);

  agent_bus_send (f->bus, agent_message_ref (message));
  agent_bus_send (f->bus, agent_message_ref (message));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (x), ==, "1 1");
  assert_in (x->messages->pdata[1], a, 0);

  agent_conversation_advance (a);
  agent_bus_send (f->bus, agent_message_ref (message));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (x), ==, "1 1");
  g_assert_cmpuint (get_n_stale (f), ==, 1);
}

/* Also one for somebody else. */
static void
test_copied (TestFixture *f)
{
  g_autoptr (TestRecorder) x = test_recorder_subscribe (f, "x", NULL, NULL);
  g_autoptr (TestRecorder) y = test_recorder_subscribe (f, "y", NULL, NULL);
  g_autoptr (AgentConversation) a = agent_conversation_new ("a");
  g_autoptr (AgentMessage) message = data_in (a, "x", 1);
  AgentMessage *copies[] = { agent_message_copy (message), agent_message_copy_full (message, NULL, "y") };

  agent_conversation_advance (a);
  for (guint i = 0; i < G_N_ELEMENTS (copies); i++)
    {
      assert_in (copies[i], a, 0);
      agent_bus_send (f->bus, copies[i]);
    }
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (x), ==, "");
  g_assert_cmpstr (test_recorder_text (y), ==, "");
  g_assert_cmpuint (get_n_stale (f), ==, 2);
}

static void
test_reliable_is_stale_too (TestFixture *f)
{
  g_autoptr (TestRecorder) x = test_recorder_subscribe (f, "x", NULL, NULL);
  g_autoptr (AgentConversation) a = agent_conversation_new ("a");
  AgentMessage *message = data_in (a, "x", 1);

  agent_message_set_reliable (message, TRUE);
  agent_bus_send (f->bus, message);
  agent_conversation_advance (a);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (x), ==, "");
  g_assert_cmpuint (get_n_stale (f), ==, 1);
}

static void
test_system_is_exempt (TestFixture *f)
{
  g_autoptr (TestRecorder) x = test_recorder_subscribe (f, "x", NULL, NULL);
  g_autoptr (AgentConversation) a = agent_conversation_new ("a");

  agent_bus_send (f->bus, said (agent_message_new_agent_error ("test", "x", "sorry"), a));
  agent_bus_send (f->bus, said (test_cancel ("test", "x"), a));
  agent_conversation_advance (a);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (x), ==, 2);
  assert_in (x->messages->pdata[0], a, 0);
  g_assert_cmpuint (get_n_stale (f), ==, 0);
}

/* What is stale and too old counts once, as stale. */
static void
test_stale_and_expired (TestFixture *f)
{
  g_autoptr (TestRecorder) x = test_recorder_subscribe (f, "x", NULL, NULL);
  g_autoptr (AgentConversation) a = agent_conversation_new ("a");
  AgentMessage *message = data_in (a, "x", 1);

  test_clock_freeze ();
  agent_message_set_ttl (message, 1);
  agent_bus_send (f->bus, message);
  agent_conversation_advance (a);
  test_clock_advance (1000);
  test_drain (f);
  g_assert_cmpuint (get_n_stale (f), ==, 1);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_EXPIRED], ==, 0);
}

static void
test_source_is_told (TestFixture *f)
{
  g_autoptr (TestRecorder) x = test_recorder_subscribe (f, "x", NULL, NULL);
  g_autoptr (TestRecorder) source = test_recorder_subscribe (f, "test", NULL, NULL);
  g_autoptr (AgentConversation) a = agent_conversation_new ("a");
  AgentMessage *message = data_in (a, "x", 1);

  agent_message_set_error_reply (message, TRUE);
  agent_bus_send (f->bus, message);
  agent_conversation_advance (a);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (source), ==, 1);
  message = source->messages->pdata[0];
  g_assert_cmpint (agent_message_get_message_type (message), ==, AGENT_MESSAGE_TYPE_AGENT_ERROR);
  g_assert_true (g_str_has_suffix (agent_message_get_reason (message), "dropped: stale"));
  assert_in (message, a, 0);
}

/* From within a handler, for what stands behind the message in hand. */
static void
advance (TestRecorder *recorder,
         AgentMessage *message,
         gpointer      user_data)
{
  if (test_number (message) == 2)
    agent_conversation_advance (user_data);
}

static void
test_in_a_handler (TestFixture *f)
{
  g_autoptr (AgentConversation) a = agent_conversation_new ("a");
  g_autoptr (TestRecorder) x = test_recorder_subscribe (f, "x", advance, a);

  for (guint i = 1; i <= 5; i++)
    agent_bus_send (f->bus, data_in (a, "x", i));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (x), ==, "1 2");
  g_assert_cmpuint (get_n_stale (f), ==, 3);
}

static void
on_received (GObject      *source,
             GAsyncResult *result,
             gpointer      user_data)
{
  *(AgentMessage **) user_data = agent_subscriber_receive_finish (AGENT_SUBSCRIBER (source), result, NULL);
}

static void
test_received (TestFixture *f)
{
  g_autoptr (AgentSubscriber) x = agent_subscriber_new ("x");
  g_autoptr (AgentConversation) a = agent_conversation_new ("a");
  g_autoptr (AgentMessage) later = NULL;
  g_autoptr (AgentMessage) now = NULL;

  agent_bus_subscribe (f->bus, x, NULL);
  for (guint i = 1; i <= 3; i++)
    agent_bus_send (f->bus, i < 3 ? data_in (a, "x", i) : test_data ("test", "x", i));
  agent_conversation_advance (a);
  now = agent_subscriber_receive (x, -1, NULL, NULL);
  g_assert_cmpuint (test_number (now), ==, 3);

  for (guint i = 4; i <= 5; i++)
    agent_bus_send (f->bus, i < 5 ? data_in (a, "x", i) : test_data ("test", "x", i));
  agent_conversation_advance (a);
  agent_subscriber_receive_async (x, NULL, on_received, &later);
  test_drain (f);
  g_assert_cmpuint (test_number (later), ==, 5);
  g_assert_cmpuint (get_n_stale (f), ==, 3);
}

/* --- What is in hand --- */

/* Subscribes "x", whose handler defers @message. */
static TestRecorder *
subscribe_with_in_hand (TestFixture    *f,
                        AgentMessage   *message,
                        AgentDelivery **delivery)
{
  TestRecorder *x = test_recorder_subscribe (f, "x", test_keep_first, delivery);

  agent_bus_send (f->bus, message);
  test_drain (f);
  g_assert_nonnull (*delivery);
  return x;
}

static void
test_hand_is_tripped_in_the_context (TestFixture *f)
{
  g_autoptr (AgentConversation) a = agent_conversation_new ("a");
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) x = subscribe_with_in_hand (f, data_in (a, "x", 1), &delivery);
  GCancellable *cancellable = agent_delivery_get_cancellable (delivery);

  agent_bus_send (f->bus, test_data ("test", "x", 2));
  agent_conversation_advance (a);
  g_assert_true (agent_delivery_is_cancelled (delivery));
  g_assert_false (g_cancellable_is_cancelled (cancellable));
  test_drain (f);
  g_assert_true (g_cancellable_is_cancelled (cancellable));
  g_assert_cmpstr (test_recorder_text (x), ==, "1");

  /* It was delivered, and is no loss. */
  agent_delivery_complete (delivery);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (x), ==, "1 2");
  g_assert_cmpuint (get_n_stale (f), ==, 0);
}

static void
note_thread (GCancellable *cancellable,
             gpointer      user_data)
{
  g_atomic_pointer_set ((GThread **) user_data, g_thread_self ());
}

static void
test_hand_in_a_thread (TestFixture *f)
{
  g_autoptr (AgentConversation) a = agent_conversation_new ("a");
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestThread) thread = test_thread_new ();
  GThread *tripped_in = NULL;
  g_autoptr (TestRecorder) x =
      test_recorder_new_full (test_keep_first, &delivery, "name", "x", "main-context", thread->context, NULL);

  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (x), NULL);
  agent_bus_send (f->bus, data_in (a, "x", 1));
  test_thread_sync (thread);
  g_signal_connect (agent_delivery_get_cancellable (delivery), "cancelled", G_CALLBACK (note_thread), &tripped_in);
  agent_conversation_advance (a);
  test_thread_sync (thread);
  g_assert_true (g_atomic_pointer_get (&tripped_in) == thread->thread);
  agent_delivery_complete (delivery);
  test_thread_sync (thread);
}

static void
test_hand_of_another_conversation (TestFixture *f)
{
  g_autoptr (AgentConversation) a = agent_conversation_new ("a");
  g_autoptr (AgentConversation) b = agent_conversation_new ("b");
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) x = subscribe_with_in_hand (f, data_in (a, "x", 1), &delivery);

  agent_conversation_advance (b);
  test_drain (f);
  g_assert_false (agent_delivery_is_cancelled (delivery));
  agent_delivery_complete (delivery);
}

/* A system message has no epoch that could be over. */
static void
test_hand_of_a_system_message (TestFixture *f)
{
  g_autoptr (AgentConversation) a = agent_conversation_new ("a");
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) x =
      subscribe_with_in_hand (f, said (agent_message_new_end ("test", "x", NULL), a), &delivery);

  agent_conversation_advance (a);
  test_drain (f);
  g_assert_false (agent_delivery_is_cancelled (delivery));
  agent_delivery_complete (delivery);
}

static void
test_hand_is_forgotten (TestFixture *f)
{
  g_autoptr (AgentConversation) a = agent_conversation_new ("a");
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) x = subscribe_with_in_hand (f, data_in (a, "x", 1), &delivery);

  agent_delivery_complete (delivery);
  agent_conversation_advance (a);
  test_drain (f);
  g_assert_false (agent_delivery_is_cancelled (delivery));
}

typedef struct
{
  AgentConversation *conversation;
  AgentDelivery     *delivery; /* (owned) (nullable) */
} Late;

static void
advance_and_defer (TestRecorder *recorder,
                   AgentMessage *message,
                   gpointer      user_data)
{
  Late *late = user_data;

  agent_conversation_advance (late->conversation);
  late->delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));
  g_assert_true (agent_delivery_is_cancelled (late->delivery));
  g_assert_true (g_cancellable_is_cancelled (agent_delivery_get_cancellable (late->delivery)));
}

/* The conversation has gone on between the beginning of the handler and its deferral. */
static void
test_hand_is_stale_from_the_start (TestFixture *f)
{
  g_autoptr (AgentConversation) a = agent_conversation_new ("a");
  Late late = { a, NULL };
  g_autoptr (TestRecorder) x = test_recorder_subscribe (f, "x", advance_and_defer, &late);

  agent_bus_send (f->bus, data_in (a, "x", 1));
  test_drain (f);
  agent_delivery_complete (late.delivery);
  g_clear_object (&late.delivery);
}

static void
on_delivery (GObject      *source,
             GAsyncResult *result,
             gpointer      user_data)
{
  *(AgentDelivery **) user_data =
      agent_subscriber_receive_delivery_finish (AGENT_SUBSCRIBER (source), result, NULL);
}

static void
test_hand_that_was_received (TestFixture *f)
{
  g_autoptr (AgentSubscriber) x = agent_subscriber_new ("x");
  g_autoptr (AgentConversation) a = agent_conversation_new ("a");
  g_autoptr (AgentDelivery) first = NULL;
  g_autoptr (AgentDelivery) second = NULL;

  agent_bus_subscribe (f->bus, x, NULL);
  agent_bus_send (f->bus, data_in (a, "x", 1));
  agent_bus_send (f->bus, test_data ("test", "x", 2));
  agent_subscriber_receive_delivery_async (x, NULL, on_delivery, &first);
  agent_subscriber_receive_delivery_async (x, NULL, on_delivery, &second);
  test_drain (f);
  agent_conversation_advance (a);
  test_drain (f);
  g_assert_true (g_cancellable_is_cancelled (agent_delivery_get_cancellable (first)));
  g_assert_false (agent_delivery_is_cancelled (second));
  agent_delivery_complete (first);
  agent_delivery_complete (second);
}

/* --- From one process to another --- */

/* What @message becomes in a process that reads it. */
static AgentMessage *
read_again (AgentMessage *message)
{
  g_autoptr (AgentMessage) owned = message;
  g_autoptr (GVariant) wire = agent_message_to_variant (owned);
  g_autoptr (GError) error = NULL;
  AgentMessage *read = agent_message_new_from_variant (wire, &error);

  g_assert_no_error (error);
  return read;
}

/* A message that a peer has stamped. */
static AgentMessage *
from_peer (const char *id,
           guint64     epoch,
           guint       number)
{
  g_autofree char *text = g_strdup_printf (
      "(byte 1, 'task-update', {'source': <'peer'>, 'target': <'x'>, 'task-id': <'%u'>, 'conversation': <('%s', uint64 %" G_GUINT64_FORMAT ")>})",
      number,
      id,
      epoch);
  g_autoptr (GError) error = NULL;
  AgentMessage *message = agent_message_new_from_variant (g_variant_new_parsed (text), &error);

  g_assert_no_error (error);
  return message;
}

static void
test_wire_finds_the_living_one (void)
{
  g_autoptr (AgentConversation) a = agent_conversation_new (NULL);
  g_autoptr (AgentMessage) message = NULL;

  agent_conversation_advance (a);
  message = read_again (data_in (a, "x", 1));
  assert_in (message, a, 1);
}

static void
test_wire_makes_one (void)
{
  g_autoptr (AgentMessage) message = from_peer ("far", 7, 1);
  g_autoptr (AgentConversation) far = agent_conversation_new ("far");

  assert_in (message, far, 7);
  g_assert_cmpuint (agent_conversation_get_epoch (far), ==, 7);
  g_assert_cmpuint (agent_conversation_advance (far), ==, 8);
}

static void
test_wire_of_an_older_epoch (TestFixture *f)
{
  g_autoptr (TestRecorder) x = test_recorder_subscribe (f, "x", NULL, NULL);
  g_autoptr (AgentConversation) a = agent_conversation_new ("a");
  g_autoptr (AgentMessage) message = NULL;

  agent_conversation_advance (a);
  message = from_peer ("a", 0, 1);
  assert_in (message, a, 0);
  agent_bus_send (f->bus, read_again (agent_message_ref (message)));
  agent_bus_send (f->bus, caused (test_data ("test", "x", 2), message));
  agent_bus_send (f->bus, from_peer ("a", 1, 3));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (x), ==, "3");
  g_assert_cmpuint (get_n_stale (f), ==, 2);
}

/* The newest epoch wins: what a peer has begun is begun here too. */
static void
test_wire_of_a_newer_epoch (TestFixture *f)
{
  g_autoptr (AgentConversation) a = agent_conversation_new ("a");
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) x = subscribe_with_in_hand (f, data_in (a, "x", 1), &delivery);

  agent_bus_send (f->bus, data_in (a, "x", 2));
  agent_bus_send (f->bus, from_peer ("a", 5, 3));
  g_assert_cmpuint (agent_conversation_get_epoch (a), ==, 5);
  g_assert_true (agent_delivery_is_cancelled (delivery));
  agent_delivery_complete (delivery);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (x), ==, "1 3");
  g_assert_cmpuint (get_n_stale (f), ==, 1);
}

/* The greatest epoch that a peer may send is not the last one. */
static void
test_wire_at_the_end (void)
{
  g_autoptr (AgentMessage) message = from_peer ("a", G_MAXINT64, 1);
  AgentConversation *a = agent_message_get_conversation (message);

  g_assert_cmpuint (agent_conversation_advance (a), ==, G_GUINT64_CONSTANT (1) << 63);
  g_assert_true (_agent_message_is_stale (message));
}

#define ADD(name, func) test_add ("/agentbus/conversation/" name, func)
#define ADD_FUNC(name, func) test_add_func ("/agentbus/conversation/" name, func)

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

  ADD_FUNC ("one-for-each-id", test_one_for_each_id);
  ADD_FUNC ("new-ids-differ", test_new_ids_differ);
  ADD_FUNC ("epochs-count", test_epochs_count);
  ADD_FUNC ("forgotten", test_forgotten);
  ADD_FUNC ("messages-keep-it", test_messages_keep_it);
  ADD ("misuse", test_misuse);

  ADD_FUNC ("order-of-cause-and-conversation", test_order_of_cause_and_conversation);
  ADD_FUNC ("the-last-cause-counts", test_the_last_cause_counts);
  ADD ("chain-of-causes", test_chain_of_causes);
  ADD_FUNC ("as-text", test_as_text);

  ADD ("queued", test_queued);
  ADD ("sent-later", test_sent_later);
  ADD ("on-every-bus", test_on_every_bus);
  ADD ("sent-again", test_sent_again);
  ADD ("copied", test_copied);
  ADD ("reliable-is-stale-too", test_reliable_is_stale_too);
  ADD ("system-is-exempt", test_system_is_exempt);
  ADD ("stale-and-expired", test_stale_and_expired);
  ADD ("source-is-told", test_source_is_told);
  ADD ("in-a-handler", test_in_a_handler);
  ADD ("received", test_received);

  ADD ("hand-is-tripped-in-the-context", test_hand_is_tripped_in_the_context);
  ADD ("hand-in-a-thread", test_hand_in_a_thread);
  ADD ("hand-of-another-conversation", test_hand_of_another_conversation);
  ADD ("hand-of-a-system-message", test_hand_of_a_system_message);
  ADD ("hand-is-forgotten", test_hand_is_forgotten);
  ADD ("hand-is-stale-from-the-start", test_hand_is_stale_from_the_start);
  ADD ("hand-that-was-received", test_hand_that_was_received);

  ADD_FUNC ("wire-finds-the-living-one", test_wire_finds_the_living_one);
  ADD_FUNC ("wire-makes-one", test_wire_makes_one);
  ADD ("wire-of-an-older-epoch", test_wire_of_an_older_epoch);
  ADD ("wire-of-a-newer-epoch", test_wire_of_a_newer_epoch);
  ADD_FUNC ("wire-at-the-end", test_wire_at_the_end);

  return g_test_run ();
}
