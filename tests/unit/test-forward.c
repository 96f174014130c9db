/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "test-tools.h"

/* Copies of messages, and messages that are passed on. */

/* --- Copies --- */

static void
assert_copied (AgentMessage *message,
               AgentMessage *copy)
{
  g_assert_true (copy != message);
  g_assert_cmpuint (agent_message_get_seq (copy), ==, 0);
  g_assert_cmpint (agent_message_get_sent_at (copy), ==, 0);
  g_assert_cmpint (agent_message_get_message_type (copy), ==, agent_message_get_message_type (message));
  g_assert_cmpstr (agent_message_get_name (copy), ==, agent_message_get_name (message));
  g_assert_cmpint (agent_message_get_channel (copy), ==, agent_message_get_channel (message));
  g_assert_cmpstr (agent_message_get_task_id (copy), ==, agent_message_get_task_id (message));
  g_assert_cmpstr (agent_message_get_task_name (copy), ==, agent_message_get_task_name (message));
  g_assert_true (agent_message_get_payload (copy) == agent_message_get_payload (message));
  g_assert_cmpuint (agent_message_get_ttl (copy), ==, 500);
  g_assert_cmpuint (agent_message_get_cause (copy), ==, agent_message_get_cause (message));
  g_assert_cmpstr (agent_message_get_trace (copy), ==, "00-trace");
  g_assert_true (agent_message_is_reliable (copy));
  g_assert_true (agent_message_wants_error_reply (copy));
}

static void
test_copy (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);
  g_autoptr (AgentMessage) message = NULL;
  g_autoptr (AgentMessage) same = NULL;
  g_autoptr (AgentMessage) other = NULL;
  g_autoptr (AgentMessage) to_all = NULL;

  agent_bus_send (f->bus, test_data ("test", "b", 1));
  test_drain (f);
  message = agent_message_new_task_request ("test", "a", "42", "sum", g_variant_new_uint32 (7));
  agent_message_set_ttl (message, 500);
  agent_message_set_reliable (message, TRUE);
  agent_message_set_error_reply (message, TRUE);
  agent_message_set_trace (message, "00-trace");
  agent_message_set_cause (message, b->messages->pdata[0]);
  g_assert_cmpuint (agent_bus_send (f->bus, agent_message_ref (message)), ==, 1);

  same = agent_message_copy (message);
  assert_copied (message, same);
  g_assert_cmpstr (agent_message_get_source (same), ==, "test");
  g_assert_cmpstr (agent_message_get_target (same), ==, "a");

  other = agent_message_copy_full (message, "me", "b");
  assert_copied (message, other);
  g_assert_cmpstr (agent_message_get_source (other), ==, "me");
  g_assert_cmpstr (agent_message_get_target (other), ==, "b");
  agent_message_set_ttl (other, 0);
  agent_message_set_reliable (other, FALSE);
  g_assert_cmpuint (agent_bus_send (f->bus, g_steal_pointer (&other)), ==, 1);

  to_all = agent_message_copy_full (message, NULL, NULL);
  g_assert_null (agent_message_get_target (to_all));
  g_assert_cmpstr (agent_message_get_source (to_all), ==, "test");
  g_assert_cmpuint (agent_bus_send (f->bus, g_steal_pointer (&to_all)), ==, 2);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 2);
  g_assert_cmpuint (test_recorder_count (b), ==, 3);
  g_assert_cmpstr (agent_message_get_source (b->messages->pdata[1]), ==, "me");
  g_assert_cmpuint (agent_message_get_ttl (b->messages->pdata[1]), ==, 0);
}

/* What a message of each kind has inside is shared. */
static void
test_copy_contents (TestFixture *f)
{
  g_autoptr (AgentFrame) frame = agent_frame_new ("audio", NULL, NULL);
  g_autoptr (AgentInfo) info = agent_info_new ("n", "r", NULL, TRUE, FALSE, 1);
  g_autoptr (AgentMessage) with_frame = agent_message_new_frame ("a", "b", frame, AGENT_FRAME_DIRECTION_UPSTREAM);
  g_autoptr (AgentMessage) ready = agent_message_new_agent_ready (info);
  g_autoptr (AgentMessage) custom = agent_message_new_custom ("own", AGENT_CHANNEL_SYSTEM, "a", NULL, NULL);
  g_autoptr (AgentMessage) a = agent_message_copy_full (with_frame, NULL, "c");
  g_autoptr (AgentMessage) b = agent_message_copy (ready);
  g_autoptr (AgentMessage) c = agent_message_copy (custom);

  g_assert_true (agent_message_get_frame (a) == frame);
  g_assert_cmpint (agent_message_get_direction (a), ==, AGENT_FRAME_DIRECTION_UPSTREAM);
  g_assert_true (agent_message_get_info (b) == info);
  g_assert_cmpstr (agent_message_get_name (c), ==, "own");
  g_assert_cmpint (agent_message_get_channel (c), ==, AGENT_CHANNEL_SYSTEM);
}

/* --- Passing on --- */

static void
keep_delivery (TestRecorder *recorder,
               AgentMessage *message,
               gpointer      user_data)
{
  *(AgentDelivery **) user_data = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));
}

/* Sends @message, which takes the way to a handler that defers it. Returns its delivery. */
static AgentDelivery *
get_in_hand (TestFixture    *f,
             AgentMessage   *message,
             AgentDelivery **delivery)
{
  g_assert_cmpuint (agent_bus_send (f->bus, message), ==, 1);
  test_drain (f);
  g_assert_nonnull (*delivery);
  return g_steal_pointer (delivery);
}

static void
assert_not_forwarded (AgentDelivery *delivery,
                      const char    *target,
                      AgentBusError  code)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (agent_delivery_forward (delivery, target, &error));
  g_assert_error (error, AGENT_BUS_ERROR, (gint) code);
}

static void
test_forward (TestFixture *f)
{
  AgentDelivery *kept = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", keep_delivery, &kept);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);
  g_autoptr (AgentDelivery) first = NULL;
  g_autoptr (AgentDelivery) second = NULL;
  AgentMessage *message = test_data ("test", "a", 1);
  AgentMessage *forwarded;
  guint64       sent;

  test_clock_freeze ();
  agent_message_set_ttl (message, 500);
  agent_message_set_trace (message, "00-trace");
  first = get_in_hand (f, message, &kept);
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  test_clock_advance (100 * 1000);
  sent = test_ledger (f->bus).sent;
  g_assert_true (agent_delivery_forward (first, "b", NULL));
  g_assert_cmpuint (test_ledger (f->bus).sent, ==, sent + 1);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (b), ==, 1);
  forwarded = b->messages->pdata[0];
  g_assert_cmpstr (agent_message_get_source (forwarded), ==, "test");
  g_assert_cmpstr (agent_message_get_target (forwarded), ==, "b");
  g_assert_cmpstr (agent_message_get_trace (forwarded), ==, "00-trace");
  g_assert_cmpuint (agent_message_get_ttl (forwarded), ==, 400);
  g_assert_cmpuint (test_number (forwarded), ==, 1);

  /* It is complete, and so the next one came. */
  second = g_steal_pointer (&kept);
  g_assert_nonnull (second);
  agent_delivery_complete (second);
  test_assert_balanced (f->bus);
}

/* What nobody takes stays in hand, and is in no ledger. */
static void
test_refused (TestFixture *f)
{
  AgentDelivery *kept = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", keep_delivery, &kept);
  g_autoptr (TestRecorder) full = test_recorder_new_full (NULL, NULL, "name", "full", "capacity", 1, NULL);
  g_autoptr (TestRecorder) test = test_recorder_subscribe (f, "test", NULL, NULL);
  g_autoptr (AgentDelivery) delivery = NULL;
  AgentMessage *message = test_data ("test", "a", 1);
  TestLedger    before;
  TestLedger    after;

  test_clock_freeze ();
  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (full), NULL);
  agent_message_set_ttl (message, 500);
  delivery = get_in_hand (f, message, &kept);
  agent_bus_send (f->bus, test_data ("test", "full", 2));
  before = test_ledger (f->bus);
  assert_not_forwarded (delivery, "full", AGENT_BUS_ERROR_FULL);
  assert_not_forwarded (delivery, "nobody", AGENT_BUS_ERROR_NOT_FOUND);
  assert_not_forwarded (delivery, "test", AGENT_BUS_ERROR_NOT_FOUND);
  after = test_ledger (f->bus);
  g_assert_cmpuint (after.sent, ==, before.sent);
  g_assert_cmpuint (after.offered, ==, before.offered);
  test_assert_balanced (f->bus);

  test_drain (f);
  test_clock_advance (500 * 1000);
  assert_not_forwarded (delivery, "full", AGENT_BUS_ERROR_TIMED_OUT);
  g_assert_cmpuint (test_recorder_count (full), ==, 1);
  agent_delivery_complete (delivery);
}

/* There is room for a reliable message, and where older ones give way; a system message needs none. */
static void
test_room_is_made (TestFixture *f)
{
  AgentDelivery *kept = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", keep_delivery, &kept);
  g_autoptr (TestRecorder) full = test_recorder_new_full (NULL, NULL, "name", "full", "capacity", 1, NULL);
  g_autoptr (TestRecorder) old = test_recorder_new_full (
      NULL, NULL, "name", "old", "capacity", 1, "overflow", AGENT_OVERFLOW_DROP_OLDEST, NULL);
  const char   *targets[] = { "full", "old", "full" };
  AgentMessage *messages[] = { test_data ("test", "a", 1), test_data ("test", "a", 2), agent_message_new_end ("test", "a", "3") };

  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (full), NULL);
  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (old), NULL);
  agent_message_set_reliable (messages[0], TRUE);
  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (AgentDelivery) delivery = get_in_hand (f, messages[i], &kept);
      g_autoptr (GError) error = NULL;

      agent_bus_send (f->bus, test_data ("test", targets[i], 9));
      g_assert_true (agent_delivery_forward (delivery, targets[i], &error));
      g_assert_no_error (error);
      test_drain (f);
    }
  g_assert_cmpstr (test_recorder_text (full), ==, "9 1 end 9");
  g_assert_cmpstr (test_recorder_text (old), ==, "2");
  test_assert_balanced (f->bus);
  test_expect_log (f, "dropped");
}

static void
test_forward_when_stopped (TestFixture *f)
{
  AgentDelivery *kept = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", keep_delivery, &kept);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);
  g_autoptr (AgentDelivery) delivery = get_in_hand (f, test_data ("test", "a", 1), &kept);

  agent_bus_stop_async (f->bus, NULL, NULL, NULL);
  assert_not_forwarded (delivery, "b", AGENT_BUS_ERROR_CLOSED);
  agent_delivery_complete (delivery);
  test_drain (f);
}

static void
test_forward_twice (TestFixture *f)
{
  AgentDelivery *kept = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", keep_delivery, &kept);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);
  g_autoptr (AgentDelivery) delivery = get_in_hand (f, test_data ("test", "a", 1), &kept);

  g_assert_true (agent_delivery_forward (delivery, "b", NULL));
  g_test_expect_message ("AgentBus", G_LOG_LEVEL_CRITICAL, "*assertion*failed*");
  g_assert_false (agent_delivery_forward (delivery, "b", NULL));
  g_test_assert_expected_messages ();
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (b), ==, 1);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/forward/" name, func)
  ADD ("copy", test_copy);
  ADD ("copy-contents", test_copy_contents);
  ADD ("forward", test_forward);
  ADD ("refused", test_refused);
  ADD ("room-is-made", test_room_is_made);
  ADD ("when-stopped", test_forward_when_stopped);
  ADD ("twice", test_forward_twice);
#undef ADD

  return g_test_run ();
}
