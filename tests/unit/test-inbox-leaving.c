/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-bus-private.h"
#include "bus/agent-directory-private.h"
#include "mailbox/agent-mailbox-private.h"
#include "mailbox/agent-sender-private.h"
#include "test-ruled.h"
#include "test-tools.h"

/* How a subscriber that has an inbox leaves: its main mailbox first, the inbox last, and both at once for all others. */

static AgentMessage *
test_response (const char *task_id)
{
  return agent_message_new_task_response ("test", "a", task_id, AGENT_TASK_STATUS_COMPLETED, NULL);
}

/* Sends @message to a mailbox whose name may be free already, as a sender does that has found it before. Takes @message. */
static gboolean
push_late (TestFixture  *f,
           TestRuled    *a,
           AgentMessage *message)
{
  AgentMailbox *mailbox = test_ruled_ref_mailbox (a);
  AgentSender  *sender = _agent_sender_get ();
  gboolean      accepted;

  accepted = _agent_mailbox_push (mailbox, _agent_bus_accept (f->bus, message, 0, sender), sender);
  _agent_sender_collect (sender);
  _agent_mailbox_unref (mailbox);
  return accepted;
}

static void
leave_async (TestFixture    *f,
             AgentLeaveFlags flags,
             GAsyncResult  **result)
{
  agent_bus_unsubscribe_full_async (f->bus, "a", flags, NULL, test_keep_result, result);
}

/* Drops @result. */
static void
assert_left (TestFixture   *f,
             GAsyncResult **result)
{
  g_autoptr (GError) error = NULL;

  test_wait_result (f, result);
  g_assert_true (agent_bus_unsubscribe_full_finish (f->bus, *result, &error));
  g_assert_no_error (error);
  g_clear_object (result);
  test_drain (f);
  test_assert_balanced (f->bus);
}

static void
assert_timed_out (TestFixture   *f,
                  GAsyncResult **result)
{
  g_autoptr (GError) error = NULL;

  test_wait_result (f, result);
  g_assert_false (agent_bus_unsubscribe_full_finish (f->bus, *result, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
  test_expect_log (f, "'a' did not leave");
  g_clear_object (result);
}

static void
on_unsubscribed (AgentBus   *bus,
                 const char *name,
                 gpointer    user_data)
{
  g_string_append (user_data, name);
}

static gboolean
is_on_bus (TestRuled *a)
{
  g_autoptr (AgentBus) bus = agent_subscriber_dup_bus (AGENT_SUBSCRIBER (a));

  return bus != NULL;
}

/* --- In time --- */

static void
test_told_once_in_order (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_subscribe (f, "a");
  g_autoptr (GString) names = g_string_new (NULL);
  g_autoptr (GAsyncResult) result = NULL;
  TestLedger ledger;

  g_signal_connect (f->bus, "unsubscribed", G_CALLBACK (on_unsubscribed), names);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_response ("ours"));
  agent_bus_send (f->bus, agent_message_new_end ("test", "a", NULL));
  leave_async (f, AGENT_LEAVE_FLAGS_NONE, &result);
  agent_bus_unsubscribe (f->bus, "a");
  assert_left (f, &result);
  g_assert_cmpstr (a->told->str, ==, "subscribed closes inbox-closes");
  g_assert_cmpstr (a->inbox->str, ==, "end ours");
  g_assert_cmpstr (a->main->str, ==, "");
  g_assert_cmpstr (names->str, ==, "a");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 1);

  /* What it leaves behind has the figures of both. */
  test_stop (f);
  ledger = test_ledger_of (f->bus, "a");
  g_assert_cmpuint (ledger.offered, ==, 3);
  g_assert_cmpuint (ledger.delivered, ==, 2);
  g_assert_cmpuint (ledger.dropped[AGENT_DROP_REASON_DISCARDED], ==, 1);
  g_signal_handlers_disconnect_by_data (f->bus, names);
}

static void
test_drain_handles_all (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_subscribe (f, "a");
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_response ("ours"));
  agent_bus_stop_full_async (f->bus, AGENT_LEAVE_FLAGS_DRAIN, NULL, test_keep_result, &result);
  test_wait_result (f, &result);
  g_assert_true (agent_bus_stop_full_finish (f->bus, result, NULL));
  g_assert_cmpstr (a->told->str, ==, "subscribed drains inbox-closes");
  g_assert_cmpstr (a->inbox->str, ==, "ours");
  g_assert_cmpstr (a->main->str, ==, "1");
  test_assert_balanced (f->bus);
}

/* The rules take their time, first with the main mailbox, and then with the inbox. */
static void
test_waits_for_end_closing (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_subscribe (f, "a");
  g_autoptr (GAsyncResult) result = NULL;

  a->holds = TRUE;
  leave_async (f, AGENT_LEAVE_FLAGS_NONE, &result);
  test_drain (f);
  g_assert_null (result);
  g_assert_nonnull (a->closing);
  g_assert_null (a->inbox_closing);
  g_assert_true (push_late (f, a, test_response ("ours")));
  test_drain (f);
  g_assert_cmpstr (a->inbox->str, ==, "ours");

  test_ruled_end_closing (&a->closing);
  g_assert_nonnull (a->inbox_closing);
  g_assert_false (push_late (f, a, test_response ("ours")));
  test_drain (f);
  g_assert_null (result);
  g_assert_true (is_on_bus (a));

  test_ruled_end_closing (&a->inbox_closing);
  g_assert_false (is_on_bus (a));
  assert_left (f, &result);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_CLOSED], ==, 1);
}

static void
keep_main (TestRuled    *ruled,
           AgentMessage *message,
           gpointer      user_data)
{
  AgentDelivery **delivery = user_data;

  *delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (ruled));
}

/* Control comes to a subscriber that leaves, as long as it has something in hand. */
static void
test_inbox_stays_open_while_held (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRuled) a = test_ruled_subscribe (f, "a");
  g_autoptr (GAsyncResult) result = NULL;

  a->handler = keep_main;
  a->user_data = &delivery;
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  leave_async (f, AGENT_LEAVE_FLAGS_NONE, &result);
  g_assert_false (push_late (f, a, test_data ("test", "a", 2)));
  g_assert_true (push_late (f, a, test_cancel ("test", "a")));
  g_assert_true (agent_delivery_is_cancelled (delivery));
  test_drain (f);
  g_assert_cmpstr (a->inbox->str, ==, "cancel");
  g_assert_null (result);
  agent_delivery_complete (delivery);
  assert_left (f, &result);
}

static void
begin_work (TestRuled    *ruled,
            AgentMessage *message,
            gpointer      user_data)
{
  AgentMailbox *mailbox = test_ruled_ref_mailbox (ruled);

  _agent_mailbox_begin_work (mailbox);
  _agent_mailbox_unref (mailbox);
}

/* Subscribes "a", which works on two requests, and goes on with other messages. Returns its mailbox: (transfer full). */
static TestRuled *
subscribe_with_work (TestFixture   *f,
                     AgentMailbox **mailbox)
{
  TestRuled *a = test_ruled_subscribe (f, "a");

  a->handler = begin_work;
  for (guint i = 0; i < 2; i++)
    agent_bus_send (f->bus, agent_message_new_task_request ("test", "a", "r", "take", NULL));
  test_drain (f);
  a->handler = NULL;
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  g_assert_cmpstr (a->main->str, ==, "1");
  *mailbox = test_ruled_ref_mailbox (a);
  return a;
}

static void
test_waits_for_work (TestFixture *f)
{
  AgentMailbox *mailbox;
  g_autoptr (TestRuled) a = subscribe_with_work (f, &mailbox);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GAsyncResult) received = NULL;

  agent_subscriber_receive_async (AGENT_SUBSCRIBER (a), NULL, test_keep_result, &received);
  leave_async (f, AGENT_LEAVE_FLAGS_DRAIN, &result);
  test_drain (f);
  g_assert_null (result);
  g_assert_true (is_on_bus (a));
  g_assert_cmpstr (a->told->str, ==, "subscribed drains");

  /* The main mailbox has nothing to give any more. */
  g_assert_nonnull (received);
  g_assert_null (agent_subscriber_receive_finish (AGENT_SUBSCRIBER (a), received, NULL));

  _agent_mailbox_end_work (mailbox);
  g_assert_true (push_late (f, a, test_response ("ours")));
  test_drain (f);
  g_assert_null (result);
  g_assert_cmpstr (a->inbox->str, ==, "taken taken ours");

  _agent_mailbox_end_work (mailbox);
  g_assert_cmpstr (a->told->str, ==, "subscribed drains inbox-closes");
  assert_left (f, &result);
  _agent_mailbox_unref (mailbox);
}

/* Work that is over before the subscriber leaves keeps nothing. A flush does not wait for work. */
static void
test_work_is_over_before (TestFixture *f)
{
  AgentMailbox *mailbox;
  g_autoptr (TestRuled) a = subscribe_with_work (f, &mailbox);
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_flush_async (f->bus, "a", NULL, test_keep_result, &result);
  test_wait_result (f, &result);
  g_assert_true (agent_bus_flush_finish (f->bus, result, NULL));
  _agent_mailbox_end_work (mailbox);
  _agent_mailbox_end_work (mailbox);
  g_assert_true (is_on_bus (a));
  g_assert_true (test_unsubscribe (f, "a", NULL));
  _agent_mailbox_unref (mailbox);
}

/* --- From inside --- */

static void
leave_in_handler (TestRuled    *ruled,
                  AgentMessage *message,
                  gpointer      user_data)
{
  TestFixture *f = user_data;

  agent_bus_unsubscribe (f->bus, "a");
  g_assert_true (is_on_bus (ruled));
}

static void
test_from_the_inbox_handler (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_subscribe (f, "a");

  a->inbox_handler = leave_in_handler;
  a->user_data = f;
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, agent_message_new_end ("test", "a", NULL));
  agent_bus_send (f->bus, test_response ("ours"));
  test_drain (f);
  g_assert_false (is_on_bus (a));
  g_assert_cmpstr (a->inbox->str, ==, "end ours");
  g_assert_cmpstr (a->main->str, ==, "");
  test_assert_balanced (f->bus);
}

static void
stop_in_closing (TestRuled    *ruled,
                 AgentMailbox *mailbox,
                 gpointer      user_data)
{
  TestFixture *f = user_data;

  agent_bus_unsubscribe (f->bus, "a");
  agent_bus_unsubscribe (f->bus, "b");
  agent_bus_stop_async (f->bus, NULL, NULL, NULL);
  _agent_mailbox_end_closing (mailbox);
}

/* All that leaves is closed once more by the stop, and is told once. */
static void
test_leaves_in_closing (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_subscribe (f, "a");
  g_autoptr (TestRuled) b = test_ruled_subscribe (f, "b");

  a->closing_handler = stop_in_closing;
  a->user_data = f;
  agent_bus_send (f->bus, agent_message_new_end ("test", NULL, NULL));
  agent_bus_unsubscribe (f->bus, "a");
  test_drain (f);
  g_assert_false (is_on_bus (a));
  g_assert_false (is_on_bus (b));
  g_assert_cmpstr (a->told->str, ==, "subscribed closes inbox-closes");
  g_assert_cmpstr (b->told->str, ==, "subscribed closes inbox-closes");
  g_assert_cmpstr (a->inbox->str, ==, "end");
  test_assert_balanced (f->bus);
}

/* The rules of another subscriber of the same name: in closing(), the name is free. */
static void
test_name_is_free_in_closing (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_subscribe (f, "a");
  g_autoptr (TestRuled) heir = NULL;

  a->holds = TRUE;
  agent_bus_unsubscribe (f->bus, "a");
  g_assert_nonnull (a->closing);
  agent_bus_unsubscribe (f->bus, "a");
  g_assert_false (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  heir = test_ruled_subscribe (f, "a");
  agent_bus_send (f->bus, test_response ("ours"));
  test_ruled_end_closing (&a->closing);
  test_ruled_end_closing (&a->inbox_closing);
  test_drain (f);
  g_assert_cmpstr (a->inbox->str, ==, "");
  g_assert_cmpstr (heir->inbox->str, ==, "ours");
  test_assert_balanced (f->bus);
}

/* A second subscription of the same object has an inbox of its own, and the figures of both are kept. */
static void
test_subscribes_again (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_subscribe (f, "a");

  agent_bus_send (f->bus, test_response ("ours-1"));
  test_drain (f);
  g_assert_true (test_unsubscribe (f, "a", NULL));
  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  agent_bus_send (f->bus, test_response ("ours-2"));
  test_drain (f);
  g_assert_cmpstr (a->inbox->str, ==, "ours-1 ours-2");
  g_assert_cmpstr (a->told->str, ==, "subscribed closes inbox-closes subscribed");
  g_assert_cmpuint (agent_subscriber_get_n_delivered (AGENT_SUBSCRIBER (a)), ==, 2);
}

/* --- Too late --- */

static void
test_deadline_with_hung_inbox (TestFixture *f)
{
  g_autoptr (TestThread) thread = test_thread_new ();
  g_autoptr (TestRuled) a = test_ruled_new ("a", NULL, thread->context);
  g_autoptr (GString) names = g_string_new (NULL);
  g_autoptr (GAsyncResult) result = NULL;
  TestGate gate;

  test_gate_init (&gate);
  a->inbox_handler = (TestRuledHandler) test_gate_handler;
  a->user_data = &gate;
  agent_bus_set_shutdown_timeout (f->bus, 1);
  g_signal_connect (f->bus, "unsubscribed", G_CALLBACK (on_unsubscribed), names);
  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  agent_bus_send (f->bus, test_response ("ours-1"));
  test_gate_wait (&gate);
  agent_bus_send (f->bus, test_response ("ours-2"));
  agent_bus_send (f->bus, agent_message_new_end ("test", "a", NULL));
  leave_async (f, AGENT_LEAVE_FLAGS_NONE, &result);
  assert_timed_out (f, &result);
  test_drain (f);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 2);
  g_assert_true (is_on_bus (a));
  g_assert_cmpstr (names->str, ==, "");

  test_gate_open (&gate);
  while (names->len == 0)
    g_main_context_iteration (f->context, TRUE);
  g_assert_cmpstr (names->str, ==, "a");
  g_assert_cmpstr (a->inbox->str, ==, "ours-1");
  test_assert_balanced (f->bus);
  test_gate_clear (&gate);
  g_signal_handlers_disconnect_by_data (f->bus, names);
}

static void
test_deadline_with_open_work (TestFixture *f)
{
  AgentMailbox *mailbox;
  g_autoptr (TestRuled) a = subscribe_with_work (f, &mailbox);
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_set_shutdown_timeout (f->bus, 1);
  leave_async (f, AGENT_LEAVE_FLAGS_NONE, &result);
  assert_timed_out (f, &result);
  g_assert_false (is_on_bus (a));
  g_assert_cmpstr (a->told->str, ==, "subscribed closes inbox-closes");
  test_assert_balanced (f->bus);

  _agent_mailbox_end_work (mailbox);
  _agent_mailbox_end_work (mailbox);
  _agent_mailbox_unref (mailbox);
}

static void
test_deadline_in_closing (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_subscribe (f, "a");
  g_autoptr (GAsyncResult) result = NULL;

  a->holds = TRUE;
  agent_bus_set_shutdown_timeout (f->bus, 1);
  leave_async (f, AGENT_LEAVE_FLAGS_NONE, &result);
  assert_timed_out (f, &result);
  g_assert_false (is_on_bus (a));
  test_ruled_end_closing (&a->closing);
  test_ruled_end_closing (&a->inbox_closing);
}

static void
test_deadline_in_inbox_closing (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_subscribe (f, "a");
  g_autoptr (GAsyncResult) result = NULL;

  a->holds = TRUE;
  agent_bus_set_shutdown_timeout (f->bus, 1);
  leave_async (f, AGENT_LEAVE_FLAGS_NONE, &result);
  test_ruled_end_closing (&a->closing);
  assert_timed_out (f, &result);
  g_assert_false (is_on_bus (a));
  test_ruled_end_closing (&a->inbox_closing);
}

/* Nothing of the pair keeps the subscriber when its bus is gone. */
static void
test_bus_is_dropped (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_new ("a", NULL, NULL);
  AgentBus *bus = agent_bus_new ();

  g_assert_true (agent_bus_subscribe (bus, AGENT_SUBSCRIBER (a), NULL));
  agent_bus_send (bus, test_response ("ours"));
  agent_bus_send (bus, test_data ("test", "a", 1));
  test_assert_dies (bus);
  g_assert_cmpstr (a->told->str, ==, "subscribed closes inbox-closes");
  g_assert_nonnull (strstr (f->last_words->str, "1 subscriber and 2 queued messages"));
  g_string_truncate (f->last_words, 0);
  test_drain (f);
  g_assert_cmpuint (a->n_handled, ==, 0);
  g_assert_cmpuint (agent_subscriber_get_n_dropped (AGENT_SUBSCRIBER (a)), ==, 2);
  test_assert_dies (g_steal_pointer (&a));
}

/* Where nobody hears of drops, those of the inbox keep neither a message nor the subscriber. */
static void
test_drops_that_nobody_hears (TestFixture *f)
{
  g_autoptr (TestRuled) a = test_ruled_new ("a", NULL, NULL);
  g_autoptr (AgentBus) bus = agent_bus_new ();
  AgentMessage *message = test_response ("ours");

  test_clock_freeze ();
  agent_message_set_ttl (message, 1);
  g_assert_true (agent_bus_subscribe (bus, AGENT_SUBSCRIBER (a), NULL));
  agent_bus_send (bus, message);
  test_clock_advance (2000);
  agent_bus_unsubscribe (bus, "a");
  test_drain (f);
  test_clock_release ();
  g_assert_cmpuint (agent_subscriber_get_n_dropped (AGENT_SUBSCRIBER (a)), ==, 1);
  test_assert_balanced (bus);
  test_assert_dies (g_steal_pointer (&a));
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add ("/agentbus/inbox-leaving/told-once-in-order", test_told_once_in_order);
  test_add ("/agentbus/inbox-leaving/drain-handles-all", test_drain_handles_all);
  test_add ("/agentbus/inbox-leaving/waits-for-end-closing", test_waits_for_end_closing);
  test_add ("/agentbus/inbox-leaving/stays-open-while-held", test_inbox_stays_open_while_held);
  test_add ("/agentbus/inbox-leaving/waits-for-work", test_waits_for_work);
  test_add ("/agentbus/inbox-leaving/work-is-over-before", test_work_is_over_before);
  test_add ("/agentbus/inbox-leaving/from-the-inbox-handler", test_from_the_inbox_handler);
  test_add ("/agentbus/inbox-leaving/leaves-in-closing", test_leaves_in_closing);
  test_add ("/agentbus/inbox-leaving/name-is-free-in-closing", test_name_is_free_in_closing);
  test_add ("/agentbus/inbox-leaving/subscribes-again", test_subscribes_again);
  test_add ("/agentbus/inbox-leaving/deadline-with-hung-inbox", test_deadline_with_hung_inbox);
  test_add ("/agentbus/inbox-leaving/deadline-with-open-work", test_deadline_with_open_work);
  test_add ("/agentbus/inbox-leaving/deadline-in-closing", test_deadline_in_closing);
  test_add ("/agentbus/inbox-leaving/deadline-in-inbox-closing", test_deadline_in_inbox_closing);
  test_add ("/agentbus/inbox-leaving/bus-is-dropped", test_bus_is_dropped);
  test_add ("/agentbus/inbox-leaving/drops-that-nobody-hears", test_drops_that_nobody_hears);

  return g_test_run ();
}
