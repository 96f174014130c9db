/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-tools.h"

/*
 * Groups and senders that keep what is not accepted, or wait for room; and what members have missed.
 */

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

/* Notes what the subscriber gets, each with what it missed before. */
static void
on_message (AgentSubscriber *subscriber,
            AgentMessage    *message,
            gpointer         text)
{
  guint64 n_missed = agent_subscriber_get_n_missed (subscriber);

  g_string_append (text, agent_message_get_task_id (message));
  if (n_missed > 0)
    g_string_append_printf (text, "(%" G_GUINT64_FORMAT ")", n_missed);
  g_string_append (text, " ");
}

static void
add (TestFixture  *f,
     const char   *name,
     const char   *group,
     AgentOverflow overflow,
     GString      *text)
{
  g_autoptr (AgentSubscriber) member =
      g_object_new (AGENT_TYPE_SUBSCRIBER, "name", name, "group", group, "capacity", 2, "overflow", overflow, NULL);

  g_signal_connect (member, "message", G_CALLBACK (on_message), text);
  g_assert_true (agent_bus_subscribe (f->bus, member, NULL));
}

static void
add_member (TestFixture *f,
            const char  *name,
            GString     *text)
{
  add (f, name, "pool", AGENT_OVERFLOW_DROP_NEWEST, text);
}

/* Fills the channel of @name. */
static void
fill (TestFixture *f,
      const char  *name)
{
  agent_bus_send (f->bus, test_data ("test", name, 8));
  agent_bus_send (f->bus, test_data ("test", name, 9));
}

static gboolean
try_message (TestFixture  *f,
             AgentMessage *message,
             gint          code)
{
  g_autoptr (GError) error = NULL;
  gboolean sent = agent_bus_try_send (f->bus, message, &error);

  if (sent)
    g_assert_no_error (error);
  else
    g_assert_error (error, AGENT_BUS_ERROR, code);
  agent_message_unref (message);
  return sent;
}

/* --- try_send --- */

static void
test_try (TestFixture *f)
{
  g_autoptr (GString) a = g_string_new (NULL);
  g_autoptr (GString) b = g_string_new (NULL);
  g_autoptr (AgentMessage) refused = test_data ("test", "pool", 5);

  add_member (f, "a", a);
  g_assert_false (try_message (f, test_data ("a", "pool", 0), AGENT_BUS_ERROR_NOT_FOUND));
  add_member (f, "b", b);
  for (guint i = 1; i <= 4; i++)
    g_assert_true (try_message (f, test_data ("test", "pool", i), 0));
  g_assert_false (try_message (f, agent_message_ref (refused), AGENT_BUS_ERROR_FULL));
  g_assert_cmpuint (test_ledger (f->bus).sent, ==, 4);
  g_assert_cmpuint (test_ledger (f->bus).offered, ==, 4);
  agent_message_set_ttl (refused, 60000);

  agent_bus_unsubscribe (f->bus, "a");
  test_drain (f);
  g_assert_cmpuint (strlen (a->str), ==, 0);
  g_assert_cmpuint (strlen (b->str), ==, strlen ("1 2 3 4 "));
  g_assert_true (try_message (f, g_steal_pointer (&refused), 0));
  test_drain (f);
  test_assert_balanced (f->bus);
}

/* A message that was refused by a group is no message of a group when it is sent to a subscriber. */
static void
test_try_elsewhere (TestFixture *f)
{
  g_autoptr (GString) a = g_string_new (NULL);
  g_autoptr (GString) b = g_string_new (NULL);
  g_autoptr (AgentMessage) message = test_data ("test", "pool", 1);

  add_member (f, "a", a);
  fill (f, "a");
  g_assert_false (try_message (f, agent_message_ref (message), AGENT_BUS_ERROR_FULL));
  agent_bus_unsubscribe (f->bus, "a");
  add (f, "pool", "others", AGENT_OVERFLOW_DROP_NEWEST, a);
  add (f, "b", "others", AGENT_OVERFLOW_DROP_NEWEST, b);
  g_assert_true (try_message (f, g_steal_pointer (&message), 0));
  agent_bus_unsubscribe (f->bus, "pool");
  test_drain (f);
  g_assert_cmpstr (b->str, ==, "");
  test_assert_balanced (f->bus);
}

static void
test_try_control (TestFixture *f)
{
  g_autoptr (GString) a = g_string_new (NULL);
  g_autoptr (GString) b = g_string_new (NULL);

  add_member (f, "a", a);
  g_assert_false (try_message (f, agent_message_new_task_cancel ("a", "pool", "1", NULL), AGENT_BUS_ERROR_NOT_FOUND));
  add_member (f, "b", b);
  fill (f, "a");
  g_assert_true (try_message (f, agent_message_new_task_cancel ("test", "pool", "x", NULL), 0));
  g_assert_true (try_message (f, agent_message_new_task_cancel ("a", "pool", "y", NULL), 0));
  g_assert_true (try_message (f, agent_message_new_task_update_request ("test", "pool", "z"), 0));
  g_assert_cmpuint (test_ledger_of (f->bus, "a").dropped[AGENT_DROP_REASON_FULL], ==, 1);
  test_drain (f);
  g_assert_cmpstr (a->str, ==, "x 8 9 ");
  g_assert_cmpstr (b->str, ==, "x y z ");
  test_expect_log (f, "is full");
  test_assert_balanced (f->bus);
}

/* If no member has room, nothing is sent, and nothing is counted. */
static void
test_try_control_full (TestFixture *f)
{
  g_autoptr (GString) text = g_string_new (NULL);

  add_member (f, "a", text);
  add_member (f, "b", text);
  fill (f, "a");
  fill (f, "b");
  g_assert_false (
      try_message (f, agent_message_new_task_update_request ("test", "pool", "z"), AGENT_BUS_ERROR_FULL));
  g_assert_cmpuint (test_ledger (f->bus).sent, ==, 4);
  g_assert_cmpuint (test_ledger (f->bus).offered, ==, 4);
  test_drain (f);
  test_assert_balanced (f->bus);
}

/* --- send_async --- */

static void
send_async (TestFixture  *f,
            AgentMessage *message,
            Result       *result)
{
  agent_bus_send_async (f->bus, message, NULL, on_sent, result);
  agent_message_unref (message);
}

static void
assert_failed (Result *result,
               gint    code)
{
  g_assert_true (result->over);
  g_assert_false (result->sent);
  g_assert_error (result->error, AGENT_BUS_ERROR, code);
  g_clear_error (&result->error);
}

static void
test_wait (TestFixture *f)
{
  g_autoptr (GString) text = g_string_new (NULL);
  Result now = { FALSE };
  Result later = { FALSE };
  Result control = { FALSE };

  add_member (f, "a", text);
  send_async (f, test_data ("test", "pool", 1), &now);
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  send_async (f, test_data ("test", "pool", 3), &later);
  send_async (f, agent_message_new_task_update_request ("test", "pool", "z"), &control);
  g_assert_false (later.over);
  test_run_until (f, &later.over);
  g_assert_true (now.sent && later.sent);
  assert_failed (&control, AGENT_BUS_ERROR_FULL);
  test_drain (f);
  g_assert_cmpstr (text->str, ==, "1 2 3 ");
  test_assert_balanced (f->bus);
}

/* What waits at a member that leaves waits at another one, in the same order; at last there is none. */
static void
test_wait_elsewhere (TestFixture *f)
{
  g_autoptr (GString) a = g_string_new (NULL);
  g_autoptr (GString) b = g_string_new (NULL);
  Result results[3] = { { FALSE } };

  add_member (f, "a", a);
  fill (f, "a");
  for (guint i = 0; i < 3; i++)
    send_async (f, test_data ("test", "pool", i), &results[i]);
  add_member (f, "b", b);
  agent_bus_unsubscribe (f->bus, "a");
  g_assert_cmpuint (test_ledger_of (f->bus, "b").queued, ==, 2);
  agent_bus_unsubscribe (f->bus, "b");
  test_run_until (f, &results[2].over);
  g_assert_true (results[0].sent && results[1].sent);
  assert_failed (&results[2], AGENT_BUS_ERROR_CLOSED);
  g_assert_cmpstr (b->str, ==, "");
  test_assert_balanced (f->bus);
}

/* Nobody waits at a member where older messages give way. */
static void
test_wait_where_others_give_way (TestFixture *f)
{
  g_autoptr (GString) a = g_string_new (NULL);
  g_autoptr (GString) b = g_string_new (NULL);
  Result result = { FALSE };

  add_member (f, "a", a);
  fill (f, "a");
  send_async (f, test_data ("test", "pool", 1), &result);
  add (f, "b", "pool", AGENT_OVERFLOW_DROP_OLDEST, b);
  fill (f, "b");
  agent_bus_unsubscribe (f->bus, "a");
  g_assert_cmpuint (test_ledger_of (f->bus, "b").queued, ==, 2);
  g_assert_cmpuint (test_ledger_of (f->bus, "b").dropped[AGENT_DROP_REASON_FULL], ==, 1);
  test_run_until (f, &result.over);
  g_assert_true (result.sent);
  test_drain (f);
  g_assert_cmpstr (b->str, ==, "9(1) 1 ");
  test_expect_log (f, "is full");
  test_assert_balanced (f->bus);
}

/* What has been given up meanwhile does not go to another member. */
static void
test_wait_is_over (TestFixture *f)
{
  g_autoptr (AgentConversation) conversation = agent_conversation_new (NULL);
  g_autoptr (GString) a = g_string_new (NULL);
  g_autoptr (GString) b = g_string_new (NULL);
  AgentMessage *message = test_data ("test", "pool", 1);
  Result        result = { FALSE };

  add_member (f, "a", a);
  fill (f, "a");
  agent_message_set_conversation (message, conversation);
  send_async (f, message, &result);
  add_member (f, "b", b);
  agent_conversation_advance (conversation);
  agent_bus_unsubscribe (f->bus, "a");
  g_assert_cmpuint (test_ledger_of (f->bus, "b").queued, ==, 0);
  test_run_until (f, &result.over);
  assert_failed (&result, AGENT_BUS_ERROR_STALE);
  test_drain (f);
  test_assert_balanced (f->bus);
}

/* A subscriber that is drained takes nothing that waits. */
static void
test_wait_drained (TestFixture *f)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GAsyncResult) left = NULL;
  Result result = { FALSE };

  add (f, "a", NULL, AGENT_OVERFLOW_DROP_NEWEST, text);
  fill (f, "a");
  send_async (f, test_data ("test", "a", 1), &result);
  agent_bus_unsubscribe_full_async (f->bus, "a", AGENT_LEAVE_FLAGS_DRAIN, NULL, test_keep_result, &left);
  test_wait_result (f, &left);
  g_assert_true (agent_bus_unsubscribe_full_finish (f->bus, left, NULL));
  test_run_until (f, &result.over);
  assert_failed (&result, AGENT_BUS_ERROR_CLOSED);
  g_assert_cmpstr (text->str, ==, "8 9 ");
  test_assert_balanced (f->bus);
}

/* --- Forwarding --- */

static void
on_forward (AgentSubscriber *subscriber,
            AgentMessage    *message,
            gpointer         user_data)
{
  g_autoptr (AgentDelivery) delivery = agent_subscriber_defer (subscriber);
  g_autoptr (GError) error = NULL;

  g_assert_true (agent_delivery_forward (delivery, "pool", &error));
  g_assert_no_error (error);
}

static void
test_forward (TestFixture *f)
{
  g_autoptr (AgentSubscriber) front = agent_subscriber_new ("front");
  g_autoptr (GString) a = g_string_new (NULL);
  g_autoptr (GString) b = g_string_new (NULL);
  AgentMessage *reliable = test_data ("test", "front", 3);

  g_signal_connect (front, "message", G_CALLBACK (on_forward), NULL);
  agent_bus_subscribe (f->bus, front, NULL);
  add_member (f, "a", a);
  agent_bus_send (f->bus, test_data ("test", "front", 1));
  agent_bus_send (f->bus, agent_message_new_task_update_request ("test", "front", "2"));
  agent_message_set_reliable (reliable, TRUE);
  agent_bus_send (f->bus, reliable);
  add_member (f, "b", b);
  test_drain (f);
  g_assert_cmpuint (strlen (a->str) + strlen (b->str), ==, strlen ("1 2 2 3 "));
  test_assert_balanced (f->bus);
}

/* --- Monitors --- */

static void
on_seen (AgentSubscriber *subscriber,
         AgentMessage    *message,
         gpointer         text)
{
  AgentDropReason reason;
  guint           n_accepted;

  g_assert_true (agent_message_get_fate (message, &n_accepted, &reason));
  g_string_append_printf (text, "%s:%u ", agent_message_get_task_id (message), n_accepted);
}

/* A monitor sees each message once, with the number of members that have accepted it. */
static void
test_seen (TestFixture *f)
{
  g_autoptr (AgentSubscriber) monitor = agent_subscriber_new ("monitor");
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GString) seen = g_string_new (NULL);
  Result result = { FALSE };

  g_signal_connect (monitor, "message", G_CALLBACK (on_seen), seen);
  g_assert_true (agent_bus_add_monitor (f->bus, monitor, NULL, NULL));
  add_member (f, "a", text);
  add_member (f, "b", text);
  g_assert_true (try_message (f, agent_message_new_task_cancel ("test", "pool", "1", NULL), 0));
  g_assert_true (try_message (f, agent_message_new_task_update_request ("a", "pool", "2"), 0));
  g_assert_true (try_message (f, test_data ("test", "pool", 3), 0));
  send_async (f, test_data ("test", "pool", 4), &result);
  test_drain (f);
  agent_bus_send (f->bus, agent_message_new_task_update_request ("test", "pool", "5"));
  agent_bus_unsubscribe (f->bus, "a");
  test_run_until (f, &result.over);
  test_drain (f);
  g_assert_cmpstr (seen->str, ==, "1:2 2:1 3:1 4:1 5:2 ");
  agent_bus_remove_monitor (f->bus, monitor);
}

/* --- What was missed --- */

/* 1 gave way; 2 is discarded when the subscriber leaves, and stands for the gap no more: the next that is delivered does. */
static void
test_missed_by_leaver (TestFixture *f)
{
  g_autoptr (GString) text = g_string_new (NULL);

  add (f, "a", NULL, AGENT_OVERFLOW_DROP_OLDEST, text);
  for (guint i = 1; i <= 5; i++)
    {
      AgentMessage *message = test_data ("test", "a", i);

      agent_message_set_reliable (message, i >= 4);
      agent_bus_send (f->bus, message);
    }
  agent_bus_unsubscribe (f->bus, "a");
  test_drain (f);
  g_assert_cmpstr (text->str, ==, "4(1) 5 ");
  test_expect_log (f, "is full");
  test_assert_balanced (f->bus);
}

/* What was refused before stands before what another member brings, which is itself no loss. */
static void
test_missed_by_heir (TestFixture *f)
{
  g_autoptr (GString) a = g_string_new (NULL);
  g_autoptr (GString) b = g_string_new (NULL);

  add_member (f, "a", a);
  agent_bus_send (f->bus, test_data ("test", "pool", 1));
  agent_bus_send (f->bus, test_data ("test", "pool", 2));
  add_member (f, "b", b);
  fill (f, "b");
  fill (f, "b");
  agent_bus_unsubscribe (f->bus, "a");
  test_drain (f);
  agent_bus_send (f->bus, test_data ("test", "b", 3));
  test_drain (f);
  g_assert_cmpstr (a->str, ==, "");
  g_assert_cmpstr (b->str, ==, "8 9 1(2) 2 3 ");
  test_expect_log (f, "is full");
  test_assert_balanced (f->bus);
}

/* What another member brought gives way when it has become stale. */
static void
test_stale_from_leaver (TestFixture *f)
{
  g_autoptr (AgentConversation) conversation = agent_conversation_new (NULL);
  g_autoptr (GString) a = g_string_new (NULL);
  g_autoptr (GString) b = g_string_new (NULL);

  add_member (f, "a", a);
  for (guint i = 1; i <= 2; i++)
    {
      AgentMessage *message = test_data ("test", "pool", i);

      agent_message_set_conversation (message, conversation);
      agent_bus_send (f->bus, message);
    }
  add_member (f, "b", b);
  agent_bus_unsubscribe (f->bus, "a");
  agent_conversation_advance (conversation);
  g_assert_true (try_message (f, test_data ("test", "b", 3), 0));
  test_drain (f);
  g_assert_cmpstr (b->str, ==, "3 ");
  g_assert_cmpuint (test_ledger_of (f->bus, "b").dropped[AGENT_DROP_REASON_STALE], ==, 2);
  test_assert_balanced (f->bus);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/group-offer/" name, func)

  ADD ("try", test_try);
  ADD ("try-elsewhere", test_try_elsewhere);
  ADD ("try-control", test_try_control);
  ADD ("try-control-full", test_try_control_full);
  ADD ("wait", test_wait);
  ADD ("wait-elsewhere", test_wait_elsewhere);
  ADD ("wait-where-others-give-way", test_wait_where_others_give_way);
  ADD ("wait-is-over", test_wait_is_over);
  ADD ("wait-drained", test_wait_drained);
  ADD ("forward", test_forward);
  ADD ("seen", test_seen);
  ADD ("missed-by-leaver", test_missed_by_leaver);
  ADD ("missed-by-heir", test_missed_by_heir);
  ADD ("stale-from-leaver", test_stale_from_leaver);

  return g_test_run ();
}
