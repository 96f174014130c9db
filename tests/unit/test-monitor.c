/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-router.h"

/*
 * Monitors: each message that is sent is seen once, with its fate, and nobody else notices.
 */

/* --- What was seen --- */

/* "1>a:1" is message 1 to "a", accepted by one; "2>*:no-target" a broadcast that was dropped. */
static void
add_seen (GString      *text,
          AgentMessage *message)
{
  const char     *target = agent_message_get_target (message);
  const char     *task_id = agent_message_get_task_id (message);
  AgentDropReason reason;
  guint           n_accepted;

  g_assert_true (agent_message_get_fate (message, &n_accepted, &reason));
  if (text->len > 0)
    g_string_append_c (text, ' ');
  g_string_append_printf (text,
                          "%s>%s:",
                          task_id != NULL ? task_id : agent_message_get_name (message),
                          target != NULL ? target : "*");
  if (n_accepted > 0)
    g_string_append_printf (text, "%u", n_accepted);
  else
    g_string_append (text, agent_drop_reason_to_string (reason));
}

static void
assert_seen (TestFixture  *f,
             TestRecorder *monitor,
             const char   *expected)
{
  g_autoptr (GString) text = g_string_new (NULL);

  test_drain (f);
  for (guint i = 0; i < monitor->messages->len; i++)
    add_seen (text, monitor->messages->pdata[i]);
  g_assert_cmpstr (text->str, ==, expected);
  g_ptr_array_set_size (monitor->messages, 0);
}

static TestRecorder *
add_recorder (TestFixture       *f,
              TestRecorder      *monitor,
              const char *const *filter)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (agent_bus_add_monitor (f->bus, AGENT_SUBSCRIBER (monitor), filter, &error));
  g_assert_no_error (error);
  return monitor;
}

static TestRecorder *
monitor_new (TestFixture *f)
{
  return add_recorder (f, test_recorder_new ("a", NULL, NULL), NULL);
}

static void
send_number (TestFixture *f,
             const char  *target,
             guint        number)
{
  agent_bus_send (f->bus, test_data ("test", target, number));
}

/* --- The fate of what is sent --- */

static void
test_accepted (TestFixture *f)
{
  g_autoptr (TestRecorder) monitor = monitor_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", "a", 1)), ==, 1);
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", NULL, 2)), ==, 2);
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("b", NULL, 3)), ==, 1);
  g_assert_cmpuint (agent_bus_send (f->bus, test_cancel ("test", "b")), ==, 1);
  assert_seen (f, monitor, "1>a:1 2>*:2 3>*:1 cancel>b:1");
  test_assert_got (a, "1 2 3");
  test_assert_balanced (f->bus);
}

static void
test_dropped (TestFixture *f)
{
  g_autoptr (TestRecorder) monitor = monitor_new (f);
  g_autoptr (TestRecorder) a = NULL;

  send_number (f, NULL, 1);
  send_number (f, "a", 2);
  a = test_router_new_small (f, "a", 1);
  send_number (f, "a", 3);
  send_number (f, "a", 4);
  send_number (f, NULL, 5);
  agent_bus_send (f->bus, test_data ("a", "a", 6));
  agent_bus_send (f->bus, test_data ("a", NULL, 7));
  assert_seen (f, monitor, "1>*:no-target 2>a:no-target 3>a:1 4>a:full 5>*:full 6>a:no-target 7>*:no-target");
  test_expect_log (f, "Data channel of 'a' is full");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_NO_TARGET], ==, 4);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_FULL], ==, 2);
  test_assert_balanced (f->bus);
}

/* One of two has room. */
static void
test_half_accepted (TestFixture *f)
{
  g_autoptr (TestRecorder) monitor = monitor_new (f);
  g_autoptr (TestRecorder) a = test_router_new_small (f, "a", 1);
  g_autoptr (TestRecorder) b = test_router_new_small (f, "b", 2);

  send_number (f, NULL, 1);
  send_number (f, NULL, 2);
  assert_seen (f, monitor, "1>*:2 2>*:1");
  test_expect_log (f, "Data channel of 'a' is full");
}

/* The copy has everything of the message, and is the same for all monitors. */
static void
test_copy (TestFixture *f)
{
  g_autoptr (TestRecorder) monitor = monitor_new (f);
  g_autoptr (TestRecorder) other = monitor_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  AgentMessage *message = agent_message_new_task_request ("test", "a", "42", "sum", g_variant_new_uint32 (7));
  AgentMessage *copy;
  g_autoptr (GVariant) wire = NULL;
  g_autoptr (GVariant) same = NULL;
  g_autofree char *line = NULL;

  agent_message_set_ttl (message, 60000);
  agent_message_set_reliable (message, TRUE);
  agent_message_set_error_reply (message, TRUE);
  agent_message_set_trace (message, "00-trace");
  agent_bus_send (f->bus, agent_message_ref (message));
  test_drain (f);

  copy = monitor->messages->pdata[0];
  g_assert_true (copy != message);
  g_assert_true (copy == other->messages->pdata[0]);
  g_assert_true (a->messages->pdata[0] == message);
  g_assert_false (agent_message_get_fate (message, NULL, NULL));
  g_assert_cmpuint (agent_message_get_seq (copy), ==, agent_message_get_seq (message));
  g_assert_cmpint (agent_message_get_sent_at (copy), ==, agent_message_get_sent_at (message));
  g_assert_cmpstr (agent_message_get_task_name (copy), ==, "sum");
  g_assert_true (agent_message_get_payload (copy) == agent_message_get_payload (message));
  g_assert_cmpuint (agent_message_get_ttl (copy), ==, 60000);
  g_assert_true (agent_message_is_reliable (copy));
  g_assert_true (agent_message_wants_error_reply (copy));
  g_assert_cmpstr (agent_message_get_trace (copy), ==, "00-trace");
  wire = agent_message_to_variant (copy);
  same = agent_message_to_variant (message);
  g_assert_true (g_variant_equal (wire, same));
  line = agent_message_to_string (copy);
  g_assert_true (g_str_has_suffix (line, " accepted=1"));
  agent_message_unref (message);
}

/* What is sent once more is another message. */
static void
test_sent_again (TestFixture *f)
{
  g_autoptr (TestRecorder) monitor = monitor_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (AgentMessage) copy = NULL;

  send_number (f, "a", 1);
  test_drain (f);
  copy = agent_message_ref (monitor->messages->pdata[0]);
  agent_bus_send (f->bus, agent_message_ref (copy));
  g_assert_true (agent_bus_try_send (f->bus, copy, NULL));
  assert_seen (f, monitor, "1>a:1 1>a:1 1>a:1");
  test_assert_got (a, "1 1 1");
  g_assert_false (agent_message_get_fate (a->messages->pdata[2], NULL, NULL));
}

/* --- Who sends --- */

static void
on_sent (GObject      *source,
         GAsyncResult *result,
         gpointer      user_data)
{
  g_assert_true (agent_bus_send_finish (AGENT_BUS (source), result, NULL));
  *(gboolean *) user_data = TRUE;
}

/* What is refused is not sent. What waits is sent when it goes in. */
static void
test_offered (TestFixture *f)
{
  g_autoptr (TestRecorder) monitor = monitor_new (f);
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (TestRecorder) a = test_router_subscribe_in (f, context, "a", 1);
  g_autoptr (AgentMessage) first = test_data ("test", "a", 1);
  g_autoptr (AgentMessage) second = test_data ("test", "a", 2);
  g_autoptr (AgentMessage) third = test_data ("test", "a", 3);
  gboolean sent = FALSE;

  g_assert_true (agent_bus_try_send (f->bus, first, NULL));
  g_assert_false (agent_bus_try_send (f->bus, second, NULL));
  agent_bus_send_async (f->bus, third, NULL, on_sent, &sent);
  assert_seen (f, monitor, "1>a:1");
  test_iterate_all (context);
  test_run_until (f, &sent);
  assert_seen (f, monitor, "3>a:1");
  test_iterate_all (context);
  test_assert_got (a, "1 3");
}

static void
on_freed (gpointer data)
{
  *(gboolean *) data = TRUE;
}

/* The thread that has let a message in keeps nothing of it. */
static void
test_frees (TestFixture *f)
{
  static const guint8 bytes[] = { 1, 2, 3 };
  g_autoptr (AgentSubscriber) monitor = test_listener_new ("eye");
  g_autoptr (AgentSubscriber) a = g_object_new (AGENT_TYPE_SUBSCRIBER, "name", "a", "capacity", 1, NULL);
  gboolean      freed = FALSE;
  gboolean      sent = FALSE;
  GBytes       *content = g_bytes_new_with_free_func (bytes, sizeof bytes, on_freed, &freed);
  GVariant     *payload = g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, content, TRUE);
  AgentMessage *message = agent_message_new_custom ("level", AGENT_CHANNEL_DATA, "test", "a", payload);

  g_bytes_unref (content);
  test_listen (a);
  g_assert_true (agent_bus_add_monitor (f->bus, monitor, NULL, NULL));
  g_assert_true (agent_bus_subscribe (f->bus, a, NULL));
  send_number (f, "a", 1);
  agent_bus_send_async (f->bus, message, NULL, on_sent, &sent);
  agent_message_unref (message);
  test_run_until (f, &sent);
  test_drain (f);
  g_assert_true (freed);
}

static void
test_total_order (TestFixture *f)
{
  g_autoptr (AgentBus) bus = g_object_new (AGENT_TYPE_BUS, "total-order", TRUE, NULL);
  g_autoptr (TestRecorder) monitor = test_recorder_new ("eye", NULL, NULL);
  g_autoptr (AgentMessage) second = test_data ("test", "a", 2);
  g_autoptr (AgentSubscriber) a = test_listener_new ("a");
  TestDispatch *d;

  g_assert_true (agent_bus_add_monitor (bus, AGENT_SUBSCRIBER (monitor), NULL, NULL));
  g_assert_true (agent_bus_subscribe (bus, a, NULL));
  d = test_dispatch_new_full (f, bus, NULL);
  test_dispatch_number (d, "x", 3);
  agent_bus_send (bus, test_data ("test", "a", 1));
  g_assert_true (agent_bus_try_send (bus, second, NULL));
  test_assign (d, "x", "a");
  assert_seen (f, monitor, "1>a:1 2>a:1 3>x:1");
  test_dispatch_free (d);
  agent_bus_remove_monitor (bus, AGENT_SUBSCRIBER (monitor));
  agent_bus_unsubscribe (bus, "a");
  test_drain (f);
}

/* A message that comes back gets a number of its own once more, and is still the same. */
static void
test_returned_in_total_order (TestFixture *f)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (TestDispatch) d = NULL;
  g_autoptr (TestRecorder) monitor = NULL;
  g_autoptr (TestRecorder) a = NULL;
  g_autoptr (TestRecorder) b = NULL;

  test_assert_dies (f->bus);
  f->bus = g_object_new (AGENT_TYPE_BUS, "total-order", TRUE, NULL);
  d = test_dispatch_new (f);
  monitor = monitor_new (f);
  a = test_router_subscribe_in (f, context, "a", 2);
  b = test_recorder_subscribe (f, "b", NULL, NULL);
  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 1);
  agent_bus_unsubscribe (f->bus, "a");
  test_iterate_all (context);
  send_number (f, "b", 2);
  test_assign (d, "x", "b");
  assert_seen (f, monitor, "1>x:1 2>b:1");
  test_assert_got (b, "2 1");
}

/* A message is seen when it first goes in, or when it is given up. */
static void
test_dispatched (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) monitor = monitor_new (f);
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (TestRecorder) a = test_router_subscribe_in (f, context, "a", 2);
  g_autoptr (TestRecorder) b = NULL;

  test_clock_freeze ();
  test_dispatch_number (d, "x", 1);
  assert_seen (f, monitor, "");
  test_assign (d, "x", "a");
  test_dispatch_numbers (d, "x", 2, 3);
  assert_seen (f, monitor, "1>x:1 2>x:1");

  /* They come back from a router that leaves. */
  agent_bus_unsubscribe (f->bus, "a");
  test_iterate_all (context);
  b = test_recorder_subscribe (f, "b", NULL, NULL);
  test_assign (d, "x", "b");
  assert_seen (f, monitor, "3>x:1");
  test_assert_got (b, "1 2 3");
  test_clock_release ();
}

static void
test_given_up (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) monitor = monitor_new (f);
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (TestRecorder) a = test_router_subscribe_in (f, context, "a", 2);
  g_autoptr (AgentMessage) refused = test_data ("test", NULL, 9);

  test_clock_freeze ();
  test_dispatch (d, test_with_ttl (test_data ("test", "x", 1), 100));
  test_pass (f, 200);
  assert_seen (f, monitor, "1>x:expired");
  test_expect_log (f, "A message for actor 'x' expired");

  test_dispatch_number (d, "x", 2);
  agent_route_table_remove (d->routes, "x");
  assert_seen (f, monitor, "2>x:no-target");
  test_dispatch_refused (d, agent_message_ref (refused), AGENT_BUS_ERROR_INVALID_MESSAGE);

  /* What was in a channel before has been seen. */
  test_assign (d, "y", "a");
  test_dispatch (d, test_with_ttl (test_data ("test", "y", 3), 100));
  agent_bus_unsubscribe (f->bus, "a");
  test_iterate_all (context);
  g_assert_cmpuint (test_n_parked (d), ==, 1);
  test_pass (f, 200);
  g_assert_cmpstr (d->expired->str, ==, "1 3");
  assert_seen (f, monitor, "3>y:1");
  test_clock_release ();
}

static void
test_renamed (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) monitor = monitor_new (f);
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (TestRecorder) a = test_router_subscribe_in (f, context, "a", 4);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 1);
  agent_bus_unsubscribe (f->bus, "a");
  test_iterate_all (context);
  test_dispatch_number (d, "x", 2);
  g_assert_true (agent_route_table_rename (d->routes, "x", "y", NULL));
  test_assign (d, "y", "b");
  assert_seen (f, monitor, "1>x:1 2>y:1");
  test_assert_got (b, "1 2");
}

static void
test_handed_off (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) monitor = monitor_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  g_object_set (d->dispatcher, "hand-off", TRUE, NULL);
  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 1);
  test_drain (f);
  test_assign (d, "x", "b");
  test_dispatch_number (d, "x", 2);
  assert_seen (f, monitor, "1>x:1 hand-off>x:1 2>x:1");
}

static void
on_forward (TestRecorder *recorder,
            AgentMessage *message,
            gpointer      user_data)
{
  g_autoptr (AgentDelivery) delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));

  g_assert_true (agent_delivery_forward (delivery, user_data, NULL));
}

/* A message that is passed on is sent once more. */
static void
test_forwarded (TestFixture *f)
{
  g_autoptr (TestRecorder) monitor = monitor_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", on_forward, (gpointer) "b");
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  send_number (f, "a", 1);
  assert_seen (f, monitor, "1>a:1 1>b:1");
}

/* What the bus sends itself is seen, and the loss of a copy is told to nobody. */
static void
test_error_reply (TestFixture *f)
{
  g_autoptr (TestRecorder) monitor =
      add_recorder (f, test_recorder_new_full (NULL, NULL, "name", "eye", "capacity", 2, NULL), NULL);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "test", NULL, NULL);

  agent_bus_send (f->bus, test_with_error_reply (test_data ("test", "b", 1)));
  agent_bus_send (f->bus, test_with_error_reply (test_data ("test", "b", 2)));
  assert_seen (f, monitor, "1>b:no-target 1>test:1");
  g_assert_cmpuint (test_recorder_count (a), ==, 2);
  g_assert_cmpuint (agent_subscriber_get_n_dropped (AGENT_SUBSCRIBER (monitor)), ==, 2);
}

/* --- The filter --- */

static void
test_filter (TestFixture *f)
{
  const char *const names[] = { "cancel", "level", NULL };
  const char *const none[] = { NULL };
  g_autoptr (TestRecorder) some = add_recorder (f, test_recorder_new ("some", NULL, NULL), names);
  g_autoptr (TestRecorder) nothing = add_recorder (f, test_recorder_new ("nothing", NULL, NULL), none);

  send_number (f, "a", 1);
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  agent_bus_send (f->bus, agent_message_new_custom ("level", AGENT_CHANNEL_DATA, "test", NULL, NULL));
  agent_bus_send (f->bus, agent_message_new_custom ("levels", AGENT_CHANNEL_DATA, "test", NULL, NULL));
  assert_seen (f, some, "cancel>a:no-target level>*:no-target");
  assert_seen (f, nothing, "");
}

/* --- Bounded --- */

/* System messages and reliable ones as well: nothing goes above the limits, and no ledger and no signal tells of it. */
static void
test_lossy (TestFixture *f)
{
  g_autoptr (TestRecorder) monitor =
      add_recorder (f, test_recorder_new_full (NULL, NULL, "name", "eye", "capacity", 2, NULL), NULL);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  AgentMessage *reliable = test_data ("test", "a", 2);
  TestLedger    ledger;

  agent_message_set_reliable (reliable, TRUE);
  send_number (f, "a", 1);
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  agent_bus_send (f->bus, reliable);
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  g_assert_cmpuint (agent_subscriber_get_n_queued (AGENT_SUBSCRIBER (monitor)), ==, 2);
  assert_seen (f, monitor, "1>a:1 cancel>a:1");
  g_assert_cmpuint (agent_subscriber_get_n_dropped (AGENT_SUBSCRIBER (monitor)), ==, 2);
  g_assert_cmpuint (agent_subscriber_get_n_delivered (AGENT_SUBSCRIBER (monitor)), ==, 2);
  g_assert_cmpuint (f->n_dropped_emissions, ==, 0);
  ledger = test_ledger (f->bus);
  g_assert_cmpuint (ledger.sent, ==, 4);
  g_assert_cmpuint (ledger.offered, ==, 4);
  g_assert_cmpuint (ledger.delivered, ==, 4);
  test_assert_balanced (f->bus);
}

/* Only the monitor itself learns what it has missed. */
static void
test_missed (TestFixture *f)
{
  g_autoptr (AgentSubscriber) monitor = g_object_new (AGENT_TYPE_SUBSCRIBER, "name", "eye", "capacity", 1, NULL);
  const guint64 expected[] = { 0, 2 };

  g_assert_true (agent_bus_add_monitor (f->bus, monitor, NULL, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (expected); i++)
    {
      g_autoptr (AgentMessage) message = NULL;

      for (guint n = 0; n < 3; n++)
        agent_bus_send (f->bus, test_cancel ("test", "a"));
      message = agent_subscriber_receive (monitor, 0, NULL, NULL);
      g_assert_cmpuint (agent_subscriber_get_n_missed (monitor), ==, expected[i]);
    }
  g_assert_cmpuint (agent_subscriber_get_n_dropped (monitor), ==, 4);
}

static void
test_drop_oldest (TestFixture *f)
{
  g_autoptr (TestRecorder) monitor = add_recorder (
      f,
      test_recorder_new_full (
          NULL, NULL, "name", "eye", "capacity", 2, "overflow", AGENT_OVERFLOW_DROP_OLDEST, NULL),
      NULL);
  AgentMessage *reliable = test_data ("test", "a", 1);

  agent_message_set_reliable (reliable, TRUE);
  agent_bus_send (f->bus, reliable);
  for (guint i = 2; i <= 4; i++)
    send_number (f, "a", i);
  assert_seen (f, monitor, "3>a:no-target 4>a:no-target");
  g_assert_cmpuint (agent_subscriber_get_n_dropped (AGENT_SUBSCRIBER (monitor)), ==, 2);
}

/* A message that expires at its target does not at the monitor, whose own limit holds for all. */
static void
test_age (TestFixture *f)
{
  g_autoptr (TestRecorder) monitor = monitor_new (f);
  g_autoptr (TestRecorder) hasty =
      add_recorder (f, test_recorder_new_full (NULL, NULL, "name", "hasty", "max-age", 100, NULL), NULL);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  test_clock_freeze ();
  agent_bus_send (f->bus, test_with_ttl (test_data ("test", "a", 1), 50));
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  test_clock_advance (200 * 1000);
  assert_seen (f, monitor, "1>a:1 cancel>a:1");
  assert_seen (f, hasty, "");
  g_assert_cmpuint (agent_subscriber_get_n_dropped (AGENT_SUBSCRIBER (hasty)), ==, 2);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_EXPIRED], ==, 1);
  test_clock_release ();
}

/* That limit counts from when the message is seen. */
static void
test_age_of_parked (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) hasty =
      add_recorder (f, test_recorder_new_full (NULL, NULL, "name", "hasty", "max-age", 100, NULL), NULL);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  test_clock_freeze ();
  test_dispatch_number (d, "x", 1);
  test_clock_advance (200 * 1000);
  test_assign (d, "x", "a");
  assert_seen (f, hasty, "1>x:1");
  test_clock_release ();
}

/* What is stale at its target is not at the monitor, and work on a copy goes on. */
static void
test_stale (TestFixture *f)
{
  AgentDelivery *delivery = NULL;
  g_autoptr (AgentConversation) conversation = agent_conversation_new (NULL);
  g_autoptr (TestRecorder) monitor = add_recorder (f, test_recorder_new ("eye", test_keep_first, &delivery), NULL);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  for (guint i = 1; i <= 2; i++)
    {
      AgentMessage *message = test_data ("test", "a", i);

      agent_message_set_conversation (message, conversation);
      agent_bus_send (f->bus, message);
      if (i == 1)
        test_drain (f);
    }
  agent_conversation_advance (conversation);
  test_drain (f);
  g_assert_false (g_cancellable_is_cancelled (agent_delivery_get_cancellable (delivery)));
  agent_delivery_complete (delivery);
  g_object_unref (delivery);
  test_drain (f);
  g_assert_true (agent_message_get_conversation (monitor->messages->pdata[1]) == conversation);
  assert_seen (f, monitor, "1>a:1 2>a:1");
  test_assert_got (a, "1");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_STALE], ==, 1);
}

/* A copy of a TASK_CANCEL ends nothing. */
static void
test_cancel_in_hand (TestFixture *f)
{
  AgentDelivery *delivery = NULL;
  g_autoptr (TestRecorder) monitor = add_recorder (f, test_recorder_new ("eye", test_keep_first, &delivery), NULL);

  send_number (f, "a", 1);
  test_drain (f);
  agent_bus_send (f->bus, agent_message_new_task_cancel ("test", "a", "1", NULL));
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  g_assert_false (g_cancellable_is_cancelled (agent_delivery_get_cancellable (delivery)));
  agent_delivery_complete (delivery);
  g_object_unref (delivery);
  assert_seen (f, monitor, "1>a:no-target 1>a:no-target cancel>a:no-target");
}

/* --- No member --- */

static void
on_event (gpointer source,
          gpointer argument,
          gpointer user_data)
{
  (*(guint *) user_data)++;
}

static void
test_no_member (TestFixture *f)
{
  g_autoptr (TestRecorder) monitor = NULL;
  g_autoptr (TestRecorder) other = NULL;
  g_autoptr (TestRecorder) a = NULL;
  g_autoptr (GVariant) statistics = NULL;
  g_autoptr (GVariant) subscribers = NULL;
  g_autoptr (AgentSubscriber) found = NULL;
  guint n_events = 0;

  g_signal_connect (f->bus, "subscribed", G_CALLBACK (on_event), &n_events);
  g_signal_connect (f->bus, "unsubscribed", G_CALLBACK (on_event), &n_events);
  monitor = monitor_new (f);
  other = monitor_new (f);
  g_assert_null (agent_bus_lookup (f->bus, "a"));
  g_assert_cmpuint (agent_bus_get_n_subscribers (f->bus), ==, 0);
  test_drain (f);
  g_assert_cmpuint (n_events, ==, 0);

  a = test_recorder_subscribe (f, "a", NULL, NULL);
  found = agent_bus_lookup (f->bus, "a");
  g_assert_true (found == AGENT_SUBSCRIBER (a));
  send_number (f, "a", 1);
  assert_seen (f, monitor, "1>a:1");
  assert_seen (f, other, "1>a:1");
  test_assert_got (a, "1");

  statistics = agent_bus_get_statistics (f->bus);
  subscribers = g_variant_lookup_value (statistics, "subscribers", G_VARIANT_TYPE_VARDICT);
  g_assert_cmpuint (g_variant_n_children (subscribers), ==, 1);
  g_assert_cmpuint (test_ledger (f->bus).delivered, ==, 1);
  n_events = 0;
  agent_bus_remove_monitor (f->bus, AGENT_SUBSCRIBER (monitor));
  test_drain (f);
  g_assert_cmpuint (n_events, ==, 0);
}

static void
test_exists (TestFixture *f)
{
  g_autoptr (TestRecorder) monitor = monitor_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_false (agent_bus_add_monitor (f->bus, AGENT_SUBSCRIBER (monitor), NULL, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_EXISTS);
  g_clear_error (&error);
  g_assert_false (agent_bus_add_monitor (f->bus, AGENT_SUBSCRIBER (a), NULL, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_EXISTS);
  g_clear_error (&error);
  g_assert_false (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (monitor), &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_EXISTS);
  agent_bus_remove_monitor (f->bus, AGENT_SUBSCRIBER (a));
  send_number (f, "a", 1);
  test_drain (f);
  test_assert_got (a, "1");
}

/* --- Its life --- */

static void
test_stays (TestFixture *f)
{
  g_autoptr (TestRecorder) monitor = monitor_new (f);
  g_autoptr (TestRecorder) late = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = NULL;

  test_stop (f);
  send_number (f, "a", 1);
  send_number (f, NULL, 2);
  late = monitor_new (f);
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  assert_seen (f, monitor, "1>a:closed 2>*:closed cancel>a:closed");
  assert_seen (f, late, "cancel>a:closed");
  agent_bus_start_async (f->bus, NULL, NULL, NULL);
  b = test_recorder_subscribe (f, "b", NULL, NULL);
  send_number (f, "b", 4);
  assert_seen (f, monitor, "4>b:1");
}

static void
test_removed (TestFixture *f)
{
  g_autoptr (TestRecorder) monitor = monitor_new (f);

  send_number (f, "a", 1);
  agent_bus_remove_monitor (f->bus, AGENT_SUBSCRIBER (monitor));
  agent_bus_remove_monitor (f->bus, AGENT_SUBSCRIBER (monitor));
  send_number (f, "a", 2);
  assert_seen (f, monitor, "");
  add_recorder (f, monitor, NULL);
  send_number (f, "a", 3);
  assert_seen (f, monitor, "3>a:no-target");
  agent_bus_remove_monitor (f->bus, AGENT_SUBSCRIBER (monitor));
  test_drain (f);
  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (monitor), NULL));
  test_drain (f);
}

static void
on_remove (TestRecorder *recorder,
           AgentMessage *message,
           gpointer      user_data)
{
  TestFixture *f = user_data;

  agent_bus_remove_monitor (f->bus, AGENT_SUBSCRIBER (recorder));
}

static void
test_removed_in_handler (TestFixture *f)
{
  TestRecorder *monitor = add_recorder (f, test_recorder_new ("eye", on_remove, f), NULL);

  send_number (f, "a", 1);
  send_number (f, "a", 2);
  assert_seen (f, monitor, "1>a:no-target");
  test_assert_dies (monitor);
}

/* The bus has the only reference, and lets go of it when it is itself gone. */
static void
test_bus_gone (TestFixture *f)
{
  AgentBus     *bus = agent_bus_new ();
  TestRecorder *monitor = test_recorder_new ("eye", NULL, NULL);
  g_autoptr (AgentBus) its_bus = NULL;

  g_assert_true (agent_bus_add_monitor (bus, AGENT_SUBSCRIBER (monitor), NULL, NULL));
  its_bus = agent_subscriber_dup_bus (AGENT_SUBSCRIBER (monitor));
  g_assert_true (its_bus == bus);
  g_clear_object (&its_bus);
  agent_bus_send (bus, test_data ("test", "a", 1));
  test_assert_dies (bus);
  assert_seen (f, monitor, "");
  g_assert_null (agent_subscriber_dup_bus (AGENT_SUBSCRIBER (monitor)));
  test_assert_dies (monitor);
}

static void
on_failed (AgentBus        *bus,
           AgentSubscriber *subscriber,
           AgentMessage    *message,
           GError          *error,
           gpointer         user_data)
{
  *(AgentSubscriber **) user_data = subscriber;
}

static void
on_fail (TestRecorder *recorder,
         AgentMessage *message,
         gpointer      user_data)
{
  g_autoptr (AgentDelivery) delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));

  agent_delivery_fail_message (delivery, "no");
}

/* The signal tells of a handler that fails; the ledger does not. */
static void
test_fails (TestFixture *f)
{
  g_autoptr (TestRecorder) monitor = add_recorder (f, test_recorder_new ("eye", on_fail, NULL), NULL);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "test", NULL, NULL);
  AgentSubscriber *failed = NULL;

  g_signal_connect (f->bus, "failed", G_CALLBACK (on_failed), &failed);
  agent_bus_send (f->bus, test_with_error_reply (test_data ("test", "a", 1)));
  test_drain (f);
  g_assert_true (failed == AGENT_SUBSCRIBER (monitor));
  g_assert_cmpuint (test_ledger (f->bus).failed, ==, 0);
  /* One error reply, for the message without a target. */
  g_assert_cmpuint (test_recorder_count (a), ==, 1);
}

/* It sees everything, whatever it would take on the bus. */
static void
test_interests (TestFixture *f)
{
  g_autoptr (TestRecorder) monitor = test_recorder_new ("eye", NULL, NULL);
  AgentSubscriber *eye = AGENT_SUBSCRIBER (monitor);
  const char *const names[] = { "cancel", NULL };

  agent_subscriber_set_accepts (eye, names);
  g_assert_true (agent_subscriber_add_topic (eye, "a.b", NULL));
  g_assert_true (agent_bus_add_monitor (f->bus, eye, NULL, NULL));
  g_assert_true (agent_subscriber_add_topic (eye, "a.>", NULL));
  g_assert_true (agent_subscriber_remove_topic (eye, "a.>"));
  g_assert_true (agent_subscriber_remove_topic (eye, "a.b"));
  agent_bus_send (f->bus, test_data ("test", NULL, 1));
  agent_subscriber_set_accepts (eye, NULL);
  agent_bus_send (f->bus, test_data ("test", NULL, 2));
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (monitor), ==, "1 2");
}

static void
test_received (TestFixture *f)
{
  g_autoptr (AgentSubscriber) monitor = agent_subscriber_new ("eye");
  g_autoptr (AgentMessage) message = NULL;

  g_assert_true (agent_bus_add_monitor (f->bus, monitor, NULL, NULL));
  send_number (f, "a", 1);
  message = agent_subscriber_receive (monitor, 0, NULL, NULL);
  g_assert_cmpuint (test_number (message), ==, 1);
  g_assert_true (agent_message_get_fate (message, NULL, NULL));
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

  test_add ("/agentbus/monitor/accepted", test_accepted);
  test_add ("/agentbus/monitor/dropped", test_dropped);
  test_add ("/agentbus/monitor/half-accepted", test_half_accepted);
  test_add ("/agentbus/monitor/copy", test_copy);
  test_add ("/agentbus/monitor/sent-again", test_sent_again);
  test_add ("/agentbus/monitor/offered", test_offered);
  test_add ("/agentbus/monitor/frees", test_frees);
  test_add ("/agentbus/monitor/total-order", test_total_order);
  test_add ("/agentbus/monitor/returned-in-total-order", test_returned_in_total_order);
  test_add ("/agentbus/monitor/dispatched", test_dispatched);
  test_add ("/agentbus/monitor/given-up", test_given_up);
  test_add ("/agentbus/monitor/renamed", test_renamed);
  test_add ("/agentbus/monitor/handed-off", test_handed_off);
  test_add ("/agentbus/monitor/forwarded", test_forwarded);
  test_add ("/agentbus/monitor/error-reply", test_error_reply);
  test_add ("/agentbus/monitor/filter", test_filter);
  test_add ("/agentbus/monitor/lossy", test_lossy);
  test_add ("/agentbus/monitor/missed", test_missed);
  test_add ("/agentbus/monitor/drop-oldest", test_drop_oldest);
  test_add ("/agentbus/monitor/age", test_age);
  test_add ("/agentbus/monitor/age-of-parked", test_age_of_parked);
  test_add ("/agentbus/monitor/stale", test_stale);
  test_add ("/agentbus/monitor/cancel-in-hand", test_cancel_in_hand);
  test_add ("/agentbus/monitor/no-member", test_no_member);
  test_add ("/agentbus/monitor/exists", test_exists);
  test_add ("/agentbus/monitor/stays", test_stays);
  test_add ("/agentbus/monitor/removed", test_removed);
  test_add ("/agentbus/monitor/removed-in-handler", test_removed_in_handler);
  test_add ("/agentbus/monitor/bus-gone", test_bus_gone);
  test_add ("/agentbus/monitor/fails", test_fails);
  test_add ("/agentbus/monitor/interests", test_interests);
  test_add ("/agentbus/monitor/received", test_received);

  return g_test_run ();
}
