/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-bus-private.h"
#include "bus/agent-directory-private.h"
#include "mailbox/agent-mailbox-private.h"
#include "mailbox/agent-sender-private.h"
#include "test-router.h"
#include "test-ruled.h"
#include "test-tools.h"

/* What goes to the inbox of a subscriber that has rules, and when it is handled. */

static AgentMessage *
test_request (const char *target,
              const char *task_id,
              const char *name)
{
  return agent_message_new_task_request ("test", target, task_id, name, NULL);
}

static AgentMessage *
test_response (const char *target,
               const char *task_id)
{
  return agent_message_new_task_response ("test", target, task_id, AGENT_TASK_STATUS_COMPLETED, NULL);
}

static AgentMessage *
test_urgent (const char *target,
             const char *task_id)
{
  return agent_message_new_task_response_urgent ("test", target, task_id, AGENT_TASK_STATUS_COMPLETED, NULL);
}

/* Takes @message. */
static void
try_send (AgentBus     *bus,
          AgentMessage *message)
{
  g_assert_true (agent_bus_try_send (bus, message, NULL));
  agent_message_unref (message);
}

/* --- What is diverted --- */

static void
test_control_goes_to_the_inbox (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_subscribe (f, "a");

  agent_bus_send (f->bus, agent_message_new_activate ("test", "a", NULL));
  agent_bus_send (f->bus, agent_message_new_deactivate ("test", "a"));
  agent_bus_send (f->bus, agent_message_new_end ("test", "a", NULL));
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  agent_bus_send (f->bus, agent_message_new_task_cancel ("test", "a", "c", NULL));
  agent_bus_send (f->bus, agent_message_new_task_update_request ("test", "a", "u"));
  test_drain (f);
  g_assert_cmpstr (a->inbox->str, ==, "activate deactivate end cancel c u");
  g_assert_cmpstr (a->main->str, ==, "");
  test_assert_balanced (f->bus);
}

static void
test_answers_keep_their_order (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_subscribe (f, "a");

  agent_bus_send (f->bus, agent_message_new_task_stream_start ("test", "a", "ours-1", NULL));
  agent_bus_send (f->bus, agent_message_new_task_stream_data ("test", "a", "ours-2", NULL));
  agent_bus_send (f->bus, agent_message_new_task_update_urgent ("test", "a", "ours-3", NULL));
  agent_bus_send (f->bus, agent_message_new_task_update ("test", "a", "ours-4", NULL));
  agent_bus_send (f->bus, agent_message_new_task_stream_end ("test", "a", "ours-5", NULL));
  agent_bus_send (f->bus, test_urgent ("a", "ours-6"));
  agent_bus_send (f->bus, test_response ("a", "ours-7"));
  agent_bus_send (f->bus, test_response ("a", "theirs"));
  test_drain (f);
  g_assert_cmpstr (a->inbox->str, ==, "ours-1 ours-2 ours-3 ours-4 ours-5 ours-6 ours-7");
  g_assert_cmpstr (a->main->str, ==, "theirs");
}

static void
test_control_comes_before_answers (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_subscribe (f, "a");

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_urgent ("a", "ours"));
  agent_bus_send (f->bus, agent_message_new_end ("test", "a", NULL));
  test_drain (f);
  g_assert_cmpstr (a->inbox->str, ==, "end ours");
  g_assert_cmpstr (a->main->str, ==, "1");
}

static void
test_the_rest_stays (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_subscribe (f, "a");

  agent_bus_send (f->bus, agent_message_new_custom ("alarm", AGENT_CHANNEL_SYSTEM, "test", "a", NULL));
  agent_bus_send (f->bus, agent_message_new_agent_error ("test", "a", "broken"));
  agent_bus_send (f->bus, test_request ("a", "r", NULL));
  test_drain (f);
  g_assert_cmpstr (a->main->str, ==, "alarm agent-error r");
  g_assert_cmpstr (a->inbox->str, ==, "");
}

/* What the inbox has does not fill the data channel, and is not kept out by one that is full. */
static void
test_inbox_has_no_limit (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_new ("a", NULL, NULL);

  agent_subscriber_set_capacity (AGENT_SUBSCRIBER (a), 2);
  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  for (guint i = 0; i < 100; i++)
    g_assert_cmpuint (agent_bus_send (f->bus, test_response ("a", "ours")), ==, 1);
  for (guint i = 0; i < 3; i++)
    agent_bus_send (f->bus, test_data ("test", "a", i));
  g_assert_cmpuint (agent_bus_send (f->bus, test_response ("a", "ours")), ==, 1);
  for (guint i = 0; i < 20; i++)
    try_send (f->bus, test_response ("a", "ours"));
  g_assert_cmpuint (agent_subscriber_get_n_queued (AGENT_SUBSCRIBER (a)), ==, 123);
  test_drain (f);
  g_assert_cmpuint (a->n_handled, ==, 123);
  g_assert_cmpuint (test_ledger (f->bus).dropped[AGENT_DROP_REASON_FULL], ==, 1);
  test_expect_log (f, "Data channel of 'a' is full");
  test_assert_balanced (f->bus);
}

/* --- All ways in --- */

static void
test_broadcast_and_group (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_new ("a", "g", NULL);
  g_autoptr (TestRuled) b = test_ruled_new ("b", "g", NULL);

  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (b), NULL));
  agent_bus_send (f->bus, agent_message_new_end ("test", NULL, NULL));
  agent_bus_send (f->bus, test_cancel ("test", "g"));
  try_send (f->bus, agent_message_new_activate ("test", "g", NULL));
  try_send (f->bus, agent_message_new_deactivate ("a", "g"));
  agent_bus_send (f->bus, test_response ("g", "ours"));
  test_drain (f);
  g_assert_cmpstr (a->main->str, ==, "");
  g_assert_cmpstr (b->main->str, ==, "");
  g_assert_true (g_str_has_prefix (a->inbox->str, "end cancel activate"));
  g_assert_true (g_str_has_prefix (b->inbox->str, "end cancel activate deactivate"));
  g_assert_cmpuint (a->n_handled + b->n_handled, ==, 8);
  test_assert_balanced (f->bus);
}

static void
test_try_send_async_and_total_order (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_new ("a", NULL, NULL);
  g_autoptr (AgentBus) bus = g_object_new (AGENT_TYPE_BUS, "total-order", TRUE, NULL);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (AgentMessage) message = test_response ("a", "ours-1");

  agent_subscriber_set_capacity (AGENT_SUBSCRIBER (a), 1);
  g_assert_true (agent_bus_subscribe (bus, AGENT_SUBSCRIBER (a), NULL));
  try_send (bus, test_data ("test", "a", 1));
  agent_bus_send_async (bus, message, NULL, test_keep_result, &result);
  try_send (bus, test_response ("a", "ours-2"));
  try_send (bus, agent_message_new_end ("test", "a", NULL));
  agent_bus_send (bus, test_response ("a", "ours-3"));
  test_wait_result (f, &result);
  g_assert_true (agent_bus_send_finish (bus, result, NULL));
  test_drain (f);
  g_assert_cmpstr (a->inbox->str, ==, "end ours-1 ours-2 ours-3");
  g_assert_cmpstr (a->main->str, ==, "1");
  test_assert_balanced (bus);
  agent_bus_unsubscribe (bus, "a");
  test_drain (f);
}

static void
forward_to_a (TestRecorder *recorder,
              AgentMessage *message,
              gpointer      user_data)
{
  g_autoptr (AgentDelivery) delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));
  g_autoptr (GError) error = NULL;

  agent_delivery_forward (delivery, "a", &error);
  g_assert_no_error (error);
}

static void
test_forward (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_subscribe (f, "a");
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", forward_to_a, NULL);

  agent_bus_send (f->bus, test_response ("b", "ours"));
  agent_bus_send (f->bus, agent_message_new_task_update_request ("test", "b", "u"));
  test_drain (f);
  g_assert_cmpstr (a->inbox->str, ==, "u ours");
  test_assert_balanced (f->bus);
}

/* A monitor gets copies of what was diverted, and as one that has rules of its own has no inbox for them. */
static void
test_monitor (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_subscribe (f, "a");
  g_autoptr (TestRuled) spy = test_ruled_new ("spy", NULL, NULL);

  g_assert_true (agent_bus_add_monitor (f->bus, AGENT_SUBSCRIBER (spy), NULL, NULL));
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  try_send (f->bus, test_response ("a", "ours"));
  agent_bus_send (f->bus, test_request ("a", "r", "take"));
  test_drain (f);
  g_assert_cmpstr (a->inbox->str, ==, "cancel ours taken");
  g_assert_cmpstr (spy->main->str, ==, "cancel ours r");
  g_assert_cmpstr (spy->inbox->str, ==, "");
  g_assert_cmpstr (spy->told->str, ==, "");
  agent_bus_remove_monitor (f->bus, AGENT_SUBSCRIBER (spy));
  test_drain (f);
}

/* What a member leaves to another one goes the same way. */
static void
test_heir_of_a_group (TestFixture *f)
{
  g_autoptr (TestRecorder) plain = test_recorder_new_full (NULL, NULL, "name", "plain", "group", "g", NULL);
  g_autoptr (TestRuled) a = test_ruled_new ("a", "g", NULL);

  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (plain), NULL));
  agent_bus_send (f->bus, test_response ("g", "ours"));
  agent_bus_send (f->bus, test_data ("test", "g", 1));
  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  agent_bus_unsubscribe (f->bus, "plain");
  test_drain (f);
  g_assert_cmpstr (a->inbox->str, ==, "ours");
  g_assert_cmpstr (a->main->str, ==, "1");
  test_assert_balanced (f->bus);
}

/* --- While the main mailbox cannot go on --- */

static void
keep_main (TestRuled    *ruled,
           AgentMessage *message,
           gpointer      user_data)
{
  AgentDelivery **delivery = user_data;

  if (*delivery == NULL && !ruled->in_inbox)
    *delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (ruled));
}

/* Subscribes "a", whose handler has deferred the message with the task id "1". */
static TestRuled *
subscribe_with_one_in_hand (TestFixture    *f,
                            AgentDelivery **delivery)
{
  TestRuled *a = test_ruled_subscribe (f, "a");

  a->handler = keep_main;
  a->user_data = delivery;
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  g_assert_nonnull (*delivery);
  return a;
}

static void
test_served_while_held (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRuled) a = subscribe_with_one_in_hand (f, &delivery);

  agent_bus_send (f->bus, test_data ("test", "a", 2));
  agent_bus_send (f->bus, test_response ("a", "ours"));
  agent_bus_send (f->bus, agent_message_new_end ("test", "a", NULL));
  test_drain (f);
  g_assert_cmpstr (a->inbox->str, ==, "end ours");
  g_assert_cmpstr (a->main->str, ==, "1");
  agent_delivery_complete (delivery);
  test_drain (f);
  g_assert_cmpstr (a->main->str, ==, "1 2");
}

static void
test_served_while_paused (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_subscribe (f, "a");

  agent_subscriber_set_paused (AGENT_SUBSCRIBER (a), TRUE);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_response ("a", "ours"));
  test_drain (f);
  g_assert_cmpstr (a->inbox->str, ==, "ours");
  g_assert_cmpstr (a->main->str, ==, "");
}

static void
iterate_in_handler (TestRuled    *ruled,
                    AgentMessage *message,
                    gpointer      user_data)
{
  TestFixture *f = user_data;

  agent_bus_send (f->bus, test_data ("test", "a", 2));
  agent_bus_send (f->bus, test_response ("a", "ours"));
  ruled->handler = NULL;
  test_drain (f);
  g_assert_cmpstr (ruled->inbox->str, ==, "ours");
  g_assert_cmpstr (ruled->main->str, ==, "1");
}

static void
test_served_while_nested (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_subscribe (f, "a");

  a->handler = iterate_in_handler;
  a->user_data = f;
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  g_assert_cmpstr (a->main->str, ==, "1 2");
}

/* And while a handler of the inbox iterates, the inbox is set aside, and the main mailbox goes on. */
static void
iterate_in_inbox (TestRuled    *ruled,
                  AgentMessage *message,
                  gpointer      user_data)
{
  TestFixture *f = user_data;

  ruled->inbox_handler = NULL;
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_response ("a", "ours-2"));
  test_drain (f);
  g_assert_cmpstr (ruled->inbox->str, ==, "ours-1");
  g_assert_cmpstr (ruled->main->str, ==, "1");
}

static void
test_inbox_is_not_entered_twice (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_subscribe (f, "a");

  a->inbox_handler = iterate_in_inbox;
  a->user_data = f;
  agent_bus_send (f->bus, test_response ("a", "ours-1"));
  test_drain (f);
  g_assert_cmpstr (a->inbox->str, ==, "ours-1 ours-2");
}

/* --- Cancellation --- */

static void
test_cancel_trips_the_main_hand (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRuled) a = subscribe_with_one_in_hand (f, &delivery);
  GCancellable *cancellable = agent_delivery_get_cancellable (delivery);

  agent_bus_send (f->bus, agent_message_new_task_cancel ("test", "a", "other", NULL));
  g_assert_false (agent_delivery_is_cancelled (delivery));
  agent_bus_send (f->bus, agent_message_new_task_cancel ("test", "a", "1", NULL));
  g_assert_true (agent_delivery_is_cancelled (delivery));
  g_assert_false (g_cancellable_is_cancelled (cancellable));
  test_drain (f);
  g_assert_true (g_cancellable_is_cancelled (cancellable));
  g_assert_cmpstr (a->inbox->str, ==, "other 1");
  agent_delivery_complete (delivery);
}

static void
test_offered_cancel_trips_the_main_hand (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRuled) a = subscribe_with_one_in_hand (f, &delivery);

  try_send (f->bus, test_cancel ("test", "a"));
  g_assert_true (agent_delivery_is_cancelled (delivery));
  test_drain (f);
  g_assert_true (g_cancellable_is_cancelled (agent_delivery_get_cancellable (delivery)));
  agent_delivery_complete (delivery);
}

static void
cancel_then_defer (TestRuled    *ruled,
                   AgentMessage *message,
                   gpointer      user_data)
{
  AgentDelivery **delivery = user_data;
  g_autoptr (AgentBus) bus = agent_subscriber_dup_bus (AGENT_SUBSCRIBER (ruled));

  ruled->handler = NULL;
  agent_bus_send (bus, test_cancel ("test", "a"));
  *delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (ruled));
}

/* The CANCEL is in the inbox, and the hand is made after it. */
static void
test_deferred_after_the_cancel (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRuled) a = test_ruled_subscribe (f, "a");

  a->handler = cancel_then_defer;
  a->user_data = &delivery;
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_iterate (f);
  test_drain (f);
  g_assert_nonnull (delivery);
  g_assert_true (agent_delivery_is_cancelled (delivery));
  g_assert_true (g_cancellable_is_cancelled (agent_delivery_get_cancellable (delivery)));
  agent_delivery_complete (delivery);

  /* The next one finds none. */
  g_clear_object (&delivery);
  a->handler = keep_main;
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  test_drain (f);
  g_assert_false (agent_delivery_is_cancelled (delivery));
  agent_delivery_complete (delivery);
}

/* A request that waits behind one in hand, and whose cancellation is in the inbox or has been handled there. */
static void
test_cancelled_before_its_turn (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRuled) a = subscribe_with_one_in_hand (f, &delivery);

  agent_bus_send (f->bus, test_request ("a", "2", "take"));
  agent_bus_send (f->bus, test_request ("a", "3", "take"));
  agent_bus_send (f->bus, test_request ("a", "4", "sum"));
  agent_bus_send (f->bus, agent_message_new_task_cancel ("test", "a", "2", NULL));
  test_drain (f);
  try_send (f->bus, agent_message_new_task_cancel ("test", "a", "4", NULL));
  agent_delivery_complete (delivery);
  test_drain (f);
  g_assert_cmpstr (a->inbox->str, ==, "2 4 taken");
  g_assert_cmpstr (a->main->str, ==, "1");
  g_assert_cmpuint (test_ledger_of (f->bus, "a").dropped[AGENT_DROP_REASON_CANCELLED], ==, 2);
  test_assert_balanced (f->bus);
}

/* --- Intercepting --- */

static void
test_intercept (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_subscribe (f, "a");
  TestLedger ledger;

  agent_bus_send (f->bus, test_request ("a", "1", "take"));
  agent_bus_send (f->bus, test_request ("a", "2", "drop"));
  agent_bus_send (f->bus, test_request ("a", "3", "sum"));
  test_drain (f);
  g_assert_cmpstr (a->inbox->str, ==, "taken");
  g_assert_cmpstr (a->main->str, ==, "3");
  ledger = test_ledger_of (f->bus, "a");
  g_assert_cmpuint (ledger.delivered, ==, 2);
  g_assert_cmpuint (ledger.dropped[AGENT_INTERCEPT_DROP_REASON], ==, 1);
  g_assert_cmpuint (ledger.queued, ==, 0);
  g_assert_cmpuint (f->dropped[AGENT_INTERCEPT_DROP_REASON], ==, 1);
  test_assert_balanced (f->bus);
}

/* What has expired is not asked about. */
static void
test_intercept_after_expiry (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_subscribe (f, "a");
  AgentMessage *message = test_request ("a", "1", "take");

  test_clock_freeze ();
  agent_message_set_ttl (message, 1);
  agent_bus_send (f->bus, message);
  test_clock_advance (2000);
  test_drain (f);
  test_clock_release ();
  g_assert_cmpstr (a->inbox->str, ==, "");
  test_assert_balanced (f->bus);
}

static void
test_intercept_before_receive (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_subscribe (f, "a");
  g_autoptr (AgentMessage) message = NULL;
  g_autoptr (AgentMessage) waited = NULL;
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_send (f->bus, test_request ("a", "1", "take"));
  agent_bus_send (f->bus, test_request ("a", "2", "drop"));
  agent_bus_send (f->bus, test_request ("a", "3", "sum"));
  message = agent_subscriber_receive (AGENT_SUBSCRIBER (a), 0, NULL, NULL);
  g_assert_cmpstr (agent_message_get_task_id (message), ==, "3");
  g_assert_cmpstr (a->inbox->str, ==, "taken");
  g_assert_null (agent_subscriber_receive (AGENT_SUBSCRIBER (a), 0, NULL, NULL));

  agent_subscriber_receive_async (AGENT_SUBSCRIBER (a), NULL, test_keep_result, &result);
  agent_bus_send (f->bus, test_request ("a", "4", "take"));
  agent_bus_send (f->bus, test_response ("a", "ours"));
  agent_bus_send (f->bus, test_request ("a", "5", "sum"));
  test_wait_result (f, &result);
  waited = agent_subscriber_receive_finish (AGENT_SUBSCRIBER (a), result, NULL);
  g_assert_cmpstr (agent_message_get_task_id (waited), ==, "5");
  g_assert_cmpstr (a->main->str, ==, "");
  test_drain (f);
  g_assert_cmpuint (test_ledger_of (f->bus, "a").delivered, ==, 5);
  test_assert_balanced (f->bus);
}

/* A thread that owns no context has to own it before the rules are asked, which look whether it does. */
static void
test_intercept_in_an_owned_context (TestFixture *f)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (TestRuled) a = test_ruled_new ("a", NULL, context);
  g_autoptr (AgentMessage) message = NULL;

  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  agent_bus_send (f->bus, test_request ("a", "1", "take"));
  agent_bus_send (f->bus, test_request ("a", "2", "sum"));
  g_assert_false (g_main_context_is_owner (context));
  message = agent_subscriber_receive (AGENT_SUBSCRIBER (a), 0, NULL, NULL);
  g_assert_cmpstr (agent_message_get_task_id (message), ==, "2");
  g_assert_cmpstr (a->inbox->str, ==, "taken");
}

/* There is no handler, and the rules are asked all the same. */
static void
test_intercept_counts_as_heard (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_new ("a", NULL, NULL);
  AgentSubscriberClass *klass = AGENT_SUBSCRIBER_GET_CLASS (a);
  void (*message) (AgentSubscriber *, AgentMessage *) = klass->message;

  klass->message = NULL;
  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  klass->message = message;
  agent_bus_send (f->bus, test_request ("a", "1", "take"));
  test_drain (f);
  g_assert_cmpstr (a->inbox->str, ==, "taken");
  g_assert_cmpuint (test_ledger_of (f->bus, "a").queued, ==, 0);

  /* What passes has no handler, and does not wait for one. */
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  g_assert_cmpuint (test_ledger_of (f->bus, "a").queued, ==, 0);
  g_assert_cmpuint (test_ledger_of (f->bus, "a").delivered, ==, 2);
}

/* --- Figures and waiting --- */

static void
test_ledger_has_both (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_subscribe (f, "a");
  AgentMessage *expiring = test_response ("a", "ours-2");
  TestLedger    ledger;
  guint64       n_dropped;

  test_clock_freeze ();
  agent_message_set_ttl (expiring, 1);
  agent_bus_send (f->bus, test_response ("a", "ours-1"));
  agent_bus_send (f->bus, expiring);
  agent_bus_send (f->bus, agent_message_new_end ("test", "a", NULL));
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  ledger = test_ledger_of (f->bus, "a");
  g_assert_cmpuint (ledger.offered, ==, 4);
  g_assert_cmpuint (ledger.queued, ==, 4);
  g_assert_cmpuint (agent_subscriber_get_n_queued (AGENT_SUBSCRIBER (a)), ==, 4);

  test_clock_advance (2000);
  test_drain (f);
  test_clock_release ();
  ledger = test_ledger_of (f->bus, "a");
  g_assert_cmpuint (ledger.offered, ==, 4);
  g_assert_cmpuint (ledger.delivered, ==, 3);
  g_assert_cmpuint (ledger.dropped[AGENT_DROP_REASON_EXPIRED], ==, 1);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_EXPIRED], ==, 1);
  g_assert_true (agent_bus_get_dropped (f->bus, "a", &n_dropped));
  g_assert_cmpuint (n_dropped, ==, 1);
  test_assert_balanced (f->bus);
}

static void
on_dropped (AgentBus        *bus,
            AgentSubscriber *subscriber,
            AgentDropReason  reason,
            guint64          n,
            AgentMessage    *last,
            gpointer         user_data)
{
  GString *text = user_data;

  g_string_append_printf (text,
                          "%s %s %" G_GUINT64_FORMAT ";",
                          subscriber != NULL ? agent_subscriber_get_name (subscriber) : "-",
                          agent_drop_reason_to_string (reason),
                          n);
}

/* Drops of the inbox are told of under the name, together with those of the main mailbox. */
static void
test_drops_are_told_once (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_subscribe (f, "a");
  g_autoptr (GString) text = g_string_new (NULL);

  g_signal_connect (f->bus, "dropped", G_CALLBACK (on_dropped), text);
  test_clock_freeze ();
  for (guint i = 0; i < 2; i++)
    {
      AgentMessage *message = i == 0 ? test_response ("a", "ours") : test_data ("test", "a", 1);

      agent_message_set_ttl (message, 1);
      agent_bus_send (f->bus, message);
    }
  test_clock_advance (2000);
  test_drain (f);
  test_clock_release ();
  g_assert_cmpstr (text->str, ==, "a expired 2;");
  g_signal_handlers_disconnect_by_data (f->bus, text);
}

static void
test_flush_waits_for_the_inbox (TestFixture *f)
{
  g_autoptr (TestThread) thread = test_thread_new ();
  g_autoptr (TestRuled) a = test_ruled_new ("a", NULL, thread->context);
  g_autoptr (GAsyncResult) result = NULL;
  TestGate gate;

  test_gate_init (&gate);
  a->inbox_handler = (TestRuledHandler) test_gate_handler;
  a->user_data = &gate;
  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  agent_bus_send (f->bus, test_response ("a", "ours"));
  test_gate_wait (&gate);
  agent_bus_flush_async (f->bus, "a", NULL, test_keep_result, &result);
  test_drain (f);
  g_assert_null (result);
  test_gate_open (&gate);
  test_wait_result (f, &result);
  g_assert_true (agent_bus_flush_finish (f->bus, result, NULL));
  g_assert_cmpuint (a->n_handled, ==, 1);
  test_unsubscribe (f, "a", NULL);
  test_gate_clear (&gate);
}

/* A flush does not wait for what the main mailbox has in hand longer than for what it has itself, and for both. */
static void
test_flush_waits_for_both (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRuled) a = subscribe_with_one_in_hand (f, &delivery);
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_send (f->bus, test_response ("a", "ours"));
  agent_bus_flush_async (f->bus, NULL, NULL, test_keep_result, &result);
  test_drain (f);
  g_assert_cmpstr (a->inbox->str, ==, "ours");
  g_assert_null (result);
  agent_bus_send (f->bus, test_response ("a", "ours"));
  agent_delivery_complete (delivery);
  test_wait_result (f, &result);
  g_assert_true (agent_bus_flush_finish (f->bus, result, NULL));
}

/* --- A dispatcher --- */

static void
test_positions (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_subscribe (f, "a");
  AgentMailbox *mailbox = _agent_directory_lookup (f->bus->directory, "a");
  AgentSender  *sender = _agent_sender_get ();

  for (guint i = 0; i < 2; i++)
    {
      AgentOffer    offer = { .wake = FALSE };
      AgentMessage *message = i == 0 ? test_urgent ("a", "ours") : agent_message_new_end ("test", "a", NULL);
      AgentChannel  channel = agent_message_get_channel (message);

      agent_message_set_reliable (message, TRUE);
      message = _agent_bus_accept (f->bus, message, 0, sender);
      g_assert_cmpint (_agent_bus_offer (f->bus, mailbox, &message, FALSE, &offer, sender), ==, AGENT_OFFER_ACCEPTED);
      g_assert_cmpint (offer.queue, ==, i == 0 ? AGENT_OFFER_TO_INBOX_DATA : AGENT_OFFER_TO_INBOX_SYSTEM);
      _agent_mailbox_end_offer (mailbox, channel, &offer);
      g_assert_false (_agent_mailbox_has_handled (mailbox, channel, offer.position));
      test_drain (f);
      g_assert_true (_agent_mailbox_has_handled (mailbox, channel, offer.position));
    }
  g_assert_cmpstr (a->inbox->str, ==, "ours end");
  _agent_mailbox_unref (mailbox);
}

/* A router that has rules: what it has in hand does not keep control from it, and the lane goes on when both are handled. */
static void
test_router_with_rules (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRuled) a = subscribe_with_one_in_hand (f, &delivery);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);
  g_autoptr (GAsyncResult) result = NULL;

  test_assign (d, "actor", "a");
  test_dispatch (d, test_data ("test", "actor", 2));
  test_dispatch (d, agent_message_new_task_update_request ("test", "actor", "u"));
  test_dispatch (d, test_cancel ("test", "actor"));
  test_drain (f);
  g_assert_cmpstr (a->inbox->str, ==, "u cancel");
  g_assert_cmpstr (a->main->str, ==, "1");

  /* The data that went before the request for an update is not handled yet. */
  test_assign (d, "actor", "b");
  test_dispatch (d, test_data ("test", "actor", 3));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (b), ==, "");
  g_assert_cmpuint (test_n_parked (d), ==, 1);

  agent_router_dispatcher_drain_router_async (d->dispatcher, "a", NULL, test_keep_result, &result);
  test_drain (f);
  g_assert_null (result);
  agent_delivery_complete (delivery);
  test_wait_result (f, &result);
  g_assert_true (agent_router_dispatcher_drain_router_finish (d->dispatcher, result, NULL));
  test_drain (f);
  g_assert_cmpstr (a->main->str, ==, "1 2");
  g_assert_cmpstr (test_recorder_text (b), ==, "3");
}

/* Each queue of the router is woken up, also if a lane hands over messages for both at once. */
static void
test_parked_for_both (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRuled) a = test_ruled_subscribe (f, "a");

  test_dispatch (d, test_data ("test", "actor", 1));
  test_dispatch (d, agent_message_new_task_update_request ("test", "actor", "u"));
  test_dispatch (d, test_data ("test", "actor", 2));
  test_assign (d, "actor", "a");
  test_drain (f);
  g_assert_cmpstr (a->inbox->str, ==, "u");
  g_assert_cmpstr (a->main->str, ==, "1 2");
}

static void
test_drain_router_waits_for_the_inbox (TestFixture *f)
{
  g_autoptr (TestThread) thread = test_thread_new ();
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRuled) a = test_ruled_new ("a", NULL, thread->context);
  g_autoptr (GAsyncResult) result = NULL;
  TestGate gate;

  test_gate_init (&gate);
  a->inbox_handler = (TestRuledHandler) test_gate_handler;
  a->user_data = &gate;
  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  test_assign (d, "actor", "a");
  test_dispatch (d, test_cancel ("test", "actor"));
  test_gate_wait (&gate);
  agent_router_dispatcher_drain_router_async (d->dispatcher, "a", NULL, test_keep_result, &result);
  test_drain (f);
  g_assert_null (result);
  test_gate_open (&gate);
  test_wait_result (f, &result);
  g_assert_true (agent_router_dispatcher_drain_router_finish (d->dispatcher, result, NULL));
  test_unsubscribe (f, "a", NULL);
  test_thread_sync (thread);
  test_gate_clear (&gate);
}

/* What the router's inbox had not begun with when it did not leave in time comes back to the dispatcher. */
static void
test_gives_back (TestFixture *f)
{
  g_autoptr (TestThread) thread = test_thread_new ();
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRuled) a = test_ruled_new ("a", NULL, thread->context);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);
  TestGate gate;

  test_gate_init (&gate);
  a->inbox_handler = (TestRuledHandler) test_gate_handler;
  a->user_data = &gate;
  agent_bus_set_shutdown_timeout (f->bus, 1);
  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  test_assign (d, "actor", "a");
  test_dispatch (d, agent_message_new_end ("test", "actor", NULL));
  test_gate_wait (&gate);
  test_dispatch (d, test_cancel ("test", "actor"));
  g_assert_false (test_unsubscribe (f, "a", NULL));
  test_expect_log (f, "'a' did not leave");
  test_assign (d, "actor", "b");
  test_gate_open (&gate);
  while (test_recorder_count (b) == 0)
    g_main_context_iteration (f->context, TRUE);
  g_assert_cmpstr (test_recorder_text (b), ==, "cancel");
  g_assert_cmpstr (a->inbox->str, ==, "end");
  test_thread_sync (thread);
  test_gate_clear (&gate);
}

static void
test_subscribed_is_told (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_subscribe (f, "a");
  g_autoptr (TestRuled) second = test_ruled_new ("a", NULL, NULL);

  g_assert_cmpstr (a->told->str, ==, "subscribed");
  g_assert_false (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (second), NULL));
  g_assert_cmpstr (second->told->str, ==, "");
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add ("/agentbus/inbox/control", test_control_goes_to_the_inbox);
  test_add ("/agentbus/inbox/answers-keep-their-order", test_answers_keep_their_order);
  test_add ("/agentbus/inbox/control-comes-before-answers", test_control_comes_before_answers);
  test_add ("/agentbus/inbox/the-rest-stays", test_the_rest_stays);
  test_add ("/agentbus/inbox/no-limit", test_inbox_has_no_limit);
  test_add ("/agentbus/inbox/broadcast-and-group", test_broadcast_and_group);
  test_add ("/agentbus/inbox/try-send-async-and-total-order", test_try_send_async_and_total_order);
  test_add ("/agentbus/inbox/forward", test_forward);
  test_add ("/agentbus/inbox/monitor", test_monitor);
  test_add ("/agentbus/inbox/heir-of-a-group", test_heir_of_a_group);
  test_add ("/agentbus/inbox/served-while-held", test_served_while_held);
  test_add ("/agentbus/inbox/served-while-paused", test_served_while_paused);
  test_add ("/agentbus/inbox/served-while-nested", test_served_while_nested);
  test_add ("/agentbus/inbox/not-entered-twice", test_inbox_is_not_entered_twice);
  test_add ("/agentbus/inbox/cancel-trips-the-main-hand", test_cancel_trips_the_main_hand);
  test_add ("/agentbus/inbox/offered-cancel-trips-the-main-hand", test_offered_cancel_trips_the_main_hand);
  test_add ("/agentbus/inbox/deferred-after-the-cancel", test_deferred_after_the_cancel);
  test_add ("/agentbus/inbox/cancelled-before-its-turn", test_cancelled_before_its_turn);
  test_add ("/agentbus/inbox/intercept", test_intercept);
  test_add ("/agentbus/inbox/intercept-after-expiry", test_intercept_after_expiry);
  test_add ("/agentbus/inbox/intercept-before-receive", test_intercept_before_receive);
  test_add ("/agentbus/inbox/intercept-in-an-owned-context", test_intercept_in_an_owned_context);
  test_add ("/agentbus/inbox/intercept-counts-as-heard", test_intercept_counts_as_heard);
  test_add ("/agentbus/inbox/ledger-has-both", test_ledger_has_both);
  test_add ("/agentbus/inbox/drops-are-told-once", test_drops_are_told_once);
  test_add ("/agentbus/inbox/flush-waits-for-the-inbox", test_flush_waits_for_the_inbox);
  test_add ("/agentbus/inbox/flush-waits-for-both", test_flush_waits_for_both);
  test_add ("/agentbus/inbox/positions", test_positions);
  test_add ("/agentbus/inbox/router-with-rules", test_router_with_rules);
  test_add ("/agentbus/inbox/parked-for-both", test_parked_for_both);
  test_add ("/agentbus/inbox/drain-router-waits-for-the-inbox", test_drain_router_waits_for_the_inbox);
  test_add ("/agentbus/inbox/gives-back", test_gives_back);
  test_add ("/agentbus/inbox/subscribed-is-told", test_subscribed_is_told);

  return g_test_run ();
}
