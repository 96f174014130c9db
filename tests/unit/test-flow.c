/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-bus-private.h"
#include "test-tools.h"

/*
 * Subscribers that lag behind: the signals that tell of them.
 */

/* What the signals have told, each as "slow:n-queued" or "recovered:n-dropped". */
static void
on_slow (AgentBus        *bus,
         AgentSubscriber *subscriber,
         guint64          n_queued,
         gpointer         user_data)
{
  g_assert_cmpstr (agent_subscriber_get_name (subscriber), ==, "a");
  g_string_append_printf (user_data, "slow:%" G_GUINT64_FORMAT " ", n_queued);
}

static void
on_recovered (AgentBus        *bus,
              AgentSubscriber *subscriber,
              guint64          n_dropped,
              gpointer         user_data)
{
  g_assert_cmpstr (agent_subscriber_get_name (subscriber), ==, "a");
  g_string_append_printf (user_data, "recovered:%" G_GUINT64_FORMAT " ", n_dropped);
}

static GString *
listen (TestFixture *f)
{
  GString *told = g_string_new (NULL);

  g_signal_connect (f->bus, "slow", G_CALLBACK (on_slow), told);
  g_signal_connect (f->bus, "recovered", G_CALLBACK (on_recovered), told);
  return told;
}

static void
assert_told (TestFixture *f,
             GString     *told,
             const char  *expected)
{
  test_drain (f);
  g_assert_cmpstr (told->str, ==, expected);
  g_string_truncate (told, 0);
}

static AgentSubscriber *
subscribe (TestFixture  *f,
           guint         capacity,
           AgentOverflow overflow)
{
  AgentSubscriber *a = g_object_new (AGENT_TYPE_SUBSCRIBER, "name", "a", "capacity", capacity, "overflow", overflow, NULL);

  g_assert_true (agent_bus_subscribe (f->bus, a, NULL));
  return a;
}

static void
send_many (TestFixture *f,
           guint        n)
{
  for (guint i = 0; i < n; i++)
    agent_bus_send (f->bus, test_data ("test", "a", i));
}

static void
receive_many (AgentSubscriber *a,
              guint            n)
{
  for (guint i = 0; i < n; i++)
    {
      g_autoptr (AgentMessage) message = agent_subscriber_receive (a, 0, NULL, NULL);

      g_assert_nonnull (message);
    }
}

/* Ten messages stay queued while a thousand go through. */
static void
keep_up (TestFixture     *f,
         AgentSubscriber *a)
{
  send_many (f, 10);
  for (guint i = 0; i < 1000; i++)
    {
      send_many (f, 1);
      receive_many (a, 1);
    }
}

static void
test_slow (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, 100, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (GString) told = listen (f);

  send_many (f, 75);
  assert_told (f, told, "");
  send_many (f, 1);
  assert_told (f, told, "slow:76 ");
  send_many (f, 24);
  assert_told (f, told, "");
  receive_many (a, 75);
  assert_told (f, told, "");
  receive_many (a, 1);
  assert_told (f, told, "recovered:0 ");

  /* It may get slow again, from wherever it is. */
  receive_many (a, 4);
  send_many (f, 55);
  assert_told (f, told, "");
  send_many (f, 1);
  assert_told (f, told, "slow:76 ");
}

/* The receiver keeps up for long, and then stops. */
static void
test_slow_later (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, 100, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (GString) told = listen (f);

  keep_up (f, a);
  send_many (f, 65);
  assert_told (f, told, "");
  send_many (f, 1);
  assert_told (f, told, "slow:76 ");
}

/* After it has recovered, the next look comes in time, however many messages have come before. */
static void
test_slow_again (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, 100, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (GString) told = listen (f);

  keep_up (f, a);
  send_many (f, 80);
  assert_told (f, told, "slow:76 ");
  receive_many (a, 85);
  assert_told (f, told, "recovered:0 ");
  send_many (f, 71);
  assert_told (f, told, "slow:76 ");
}

/* Of two threads, the one that has counted the drops first may note them last. */
static void
test_counts_come_late (TestFixture *f)
{
  AgentFlow     flow = { 0 };
  AgentFlowNews news;

  g_assert_true (_agent_flow_change (&flow, TRUE, 3, 5));
  g_assert_false (_agent_flow_change (&flow, FALSE, 0, 15));
  _agent_flow_take (&flow, &news);
  g_assert_cmpuint (news.n_dropped, ==, 15);
  g_assert_true (_agent_flow_change (&flow, TRUE, 1, 10));
  g_assert_false (_agent_flow_change (&flow, FALSE, 0, 12));
  _agent_flow_take (&flow, &news);
  g_assert_true (news.recovered);
  g_assert_cmpuint (news.n_dropped, ==, 0);
}

/* Offers @message, and has the receiver take all that is queued before the sender comes to tell that it is slow. */
static void
offer_and_receive (AgentSubscriber *a,
                   AgentMailbox    *mailbox,
                   AgentMessage    *message)
{
  AgentOffer offer;

  g_assert_cmpint (_agent_mailbox_offer (mailbox, message, AGENT_OFFER_DIRECT, NULL, &offer), ==, AGENT_OFFER_ACCEPTED);
  receive_many (a, agent_subscriber_get_n_queued (a));
  _agent_mailbox_end_offer (mailbox, AGENT_CHANNEL_DATA, &offer);
}

/* It counts what was queued when it was found to be slow, not what is left when that is told. */
static void
test_taken_meanwhile (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, 4, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (GString) told = listen (f);
  AgentMailbox *mailbox = _agent_directory_lookup (f->bus->directory, "a");

  send_many (f, 3);
  offer_and_receive (a, mailbox, test_data ("test", "a", 3));
  assert_told (f, told, "slow:4 recovered:0 ");
  _agent_mailbox_unref (mailbox);
}

static AgentMessage *
eight_bytes (void)
{
  return agent_message_new_task_update ("test", "a", "1", g_variant_new_uint64 (0));
}

/* The same with a limit of bytes. */
static void
test_bytes_taken_meanwhile (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, 100, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (GString) told = listen (f);
  AgentMailbox *mailbox = _agent_directory_lookup (f->bus->directory, "a");

  agent_subscriber_set_max_bytes (a, 80);
  for (guint i = 0; i < 7; i++)
    agent_bus_send (f->bus, eight_bytes ());
  offer_and_receive (a, mailbox, eight_bytes ());
  assert_told (f, told, "slow:8 recovered:0 ");
  _agent_mailbox_unref (mailbox);
}

/* So it does when a message has found no room. */
static void
test_dropped_and_taken_meanwhile (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, 2, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (GString) told = listen (f);
  AgentMailbox *mailbox = _agent_directory_lookup (f->bus->directory, "a");
  AgentMessage *message = test_data ("test", "a", 2);
  AgentOffer    offer;

  send_many (f, 2);
  g_assert_cmpint (_agent_mailbox_offer (mailbox, message, AGENT_OFFER_DIRECT, NULL, &offer), ==, AGENT_OFFER_FULL);
  receive_many (a, 2);
  _agent_mailbox_lose (mailbox, message, TRUE, 0, _agent_sender_get ());
  _agent_sender_collect (_agent_sender_get ());
  assert_told (f, told, "slow:2 recovered:1 ");
  test_expect_log (f, "is full");
  _agent_mailbox_unref (mailbox);
}

static void
test_drops (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, 2, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (GString) told = listen (f);

  send_many (f, 2);
  assert_told (f, told, "");
  send_many (f, 3);
  assert_told (f, told, "slow:2 ");
  send_many (f, 4);
  receive_many (a, 2);
  assert_told (f, told, "recovered:7 ");
  send_many (f, 3);
  receive_many (a, 2);
  assert_told (f, told, "slow:2 recovered:1 ");
  test_expect_log (f, "is full");
}

static void
test_drops_oldest (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, 2, AGENT_OVERFLOW_DROP_OLDEST);
  g_autoptr (GString) told = listen (f);

  send_many (f, 5);
  assert_told (f, told, "slow:2 ");
  receive_many (a, 2);
  assert_told (f, told, "recovered:3 ");
  test_expect_log (f, "is full");
}

/* Messages also give way to one that is only tried. */
static void
test_drops_for_tried (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, 1, AGENT_OVERFLOW_DROP_OLDEST);
  g_autoptr (GString) told = listen (f);

  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (AgentMessage) message = test_data ("test", "a", i);

      g_assert_true (agent_bus_try_send (f->bus, message, NULL));
    }
  assert_told (f, told, "slow:1 ");
  receive_many (a, 1);
  assert_told (f, told, "recovered:2 ");
  test_expect_log (f, "is full");
}

static void
test_bytes (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = g_object_new (AGENT_TYPE_SUBSCRIBER, "name", "a", "max-bytes", G_GUINT64_CONSTANT (80), NULL);
  g_autoptr (GString) told = listen (f);

  agent_bus_subscribe (f->bus, a, NULL);
  for (guint i = 0; i < 8; i++)
    {
      assert_told (f, told, "");
      agent_bus_send (f->bus, agent_message_new_task_update ("test", "a", "1", g_variant_new_uint64 (i)));
    }
  assert_told (f, told, "slow:8 ");
  receive_many (a, 5);
  assert_told (f, told, "");
  receive_many (a, 1);
  assert_told (f, told, "recovered:0 ");
}

static void
test_system (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, 10, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (GString) told = listen (f);

  test_listen (a);
  agent_subscriber_set_paused (a, TRUE);
  for (guint i = 0; i < 9999; i++)
    agent_bus_send (f->bus, agent_message_new_activate ("test", "a", NULL));
  assert_told (f, told, "");
  agent_bus_send (f->bus, agent_message_new_activate ("test", "a", NULL));
  assert_told (f, told, "slow:10000 ");
  test_expect_log (f, "System channel of 'a' is long");
  receive_many (a, 7500);
  assert_told (f, told, "");
  receive_many (a, 1);
  assert_told (f, told, "recovered:0 ");
}

/* Messages are handled in a main loop, in batches. */
static void
test_handlers (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, 1000, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (GString) told = listen (f);

  test_listen (a);
  send_many (f, 1001);
  assert_told (f, told, "slow:751 recovered:1 ");
  test_expect_log (f, "is full");
}

/* Nobody hears it, and nothing is queued for nobody. */
static void
test_unheard (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, 4, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (GString) told = NULL;

  send_many (f, 4);
  told = listen (f);
  assert_told (f, told, "");
  receive_many (a, 4);
  assert_told (f, told, "recovered:0 ");
  send_many (f, 4);
  assert_told (f, told, "slow:4 ");
}

/* Whoever leaves has not recovered. */
static void
test_leaves (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, 4, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (GString) told = listen (f);

  agent_subscriber_set_paused (a, TRUE);
  send_many (f, 4);
  g_assert_true (test_unsubscribe (f, "a", NULL));
  test_drain (f);
  g_assert_null (strstr (told->str, "recovered"));
}

/* --- What is missing --- */

/* The numbers of the messages, each with what was missed before it. */
static void
on_message_note_missed (AgentSubscriber *subscriber,
                        AgentMessage    *message,
                        gpointer         user_data)
{
  guint64 n_missed = agent_subscriber_get_n_missed (subscriber);

  if (agent_message_get_channel (message) == AGENT_CHANNEL_SYSTEM)
    g_string_append (user_data, "s");
  else
    g_string_append_printf (user_data, "%u", test_number (message));
  if (n_missed > 0)
    g_string_append_printf (user_data, "(%" G_GUINT64_FORMAT ")", n_missed);
  g_string_append (user_data, " ");
}

static void
send_numbers (TestFixture *f,
              guint        first,
              guint        last)
{
  for (guint i = first; i <= last; i++)
    agent_bus_send (f->bus, test_data ("test", "a", i));
}

static void
send_reliable (TestFixture *f,
               guint        number)
{
  AgentMessage *message = test_data ("test", "a", number);

  agent_message_set_reliable (message, TRUE);
  agent_bus_send (f->bus, message);
}

static void
assert_got (TestFixture *f,
            GString     *got,
            const char  *expected)
{
  test_drain (f);
  g_assert_cmpstr (got->str, ==, expected);
  g_string_truncate (got, 0);
}

static void
test_missed_newest (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, 2, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (GString) got = g_string_new (NULL);

  g_signal_connect (a, "message", G_CALLBACK (on_message_note_missed), got);
  send_numbers (f, 1, 5);
  assert_got (f, got, "1 2 ");

  /* What was lost is told with the next message, also to one that is reliable and goes in while the channel is full. */
  send_numbers (f, 6, 8);
  send_reliable (f, 9);
  send_numbers (f, 10, 10);
  agent_bus_send (f->bus, agent_message_new_activate ("test", "a", NULL));
  assert_got (f, got, "s 6(3) 7 9(1) ");
  send_numbers (f, 11, 11);
  assert_got (f, got, "11(1) ");
  send_numbers (f, 12, 12);
  assert_got (f, got, "12 ");
  test_expect_log (f, "is full");
}

/* Sends the numbers, and keeps the messages. */
static GPtrArray *
send_and_keep (TestFixture *f,
               guint        first,
               guint        last)
{
  GPtrArray *kept = g_ptr_array_new_with_free_func ((GDestroyNotify) agent_message_unref);

  for (guint i = first; i <= last; i++)
    {
      AgentMessage *message = test_data ("test", "a", i);

      g_ptr_array_add (kept, agent_message_ref (message));
      agent_bus_send (f->bus, message);
    }

  return kept;
}

/* What was lost before a message that others have, too, is not noted in the message. */
static void
test_missed_shared (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, 2, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (AgentSubscriber) b = g_object_new (AGENT_TYPE_SUBSCRIBER, "name", "b", "capacity", 1, NULL);
  g_autoptr (GString) got = g_string_new (NULL);
  g_autoptr (GString) got_by_b = g_string_new (NULL);
  g_autoptr (GPtrArray) kept = NULL;
  g_autoptr (GPtrArray) others = NULL;

  g_signal_connect (a, "message", G_CALLBACK (on_message_note_missed), got);
  kept = send_and_keep (f, 1, 4);
  assert_got (f, got, "1 2 ");
  others = send_and_keep (f, 5, 6);
  send_numbers (f, 7, 7);
  assert_got (f, got, "5(2) 6 ");
  send_numbers (f, 8, 10);
  assert_got (f, got, "8(1) 9 ");

  g_signal_connect (b, "message", G_CALLBACK (on_message_note_missed), got_by_b);
  g_assert_true (agent_bus_subscribe (f->bus, b, NULL));
  for (guint i = 0; i < 4; i++)
    agent_bus_send (f->bus, test_data ("test", "b", i));
  assert_got (f, got_by_b, "0 ");
  agent_bus_send (f->bus, test_data ("test", NULL, 11));
  assert_got (f, got, "11(1) ");
  assert_got (f, got_by_b, "11(3) ");
  test_expect_log (f, "is full");
}

static AgentSubscriber *
subscribe_member (TestFixture *f,
                  const char  *name,
                  guint        capacity)
{
  AgentSubscriber *member = g_object_new (AGENT_TYPE_SUBSCRIBER,
                                          "name",
                                          name,
                                          "group",
                                          "pool",
                                          "capacity",
                                          capacity,
                                          "overflow",
                                          capacity > 1 ? AGENT_OVERFLOW_DROP_OLDEST : AGENT_OVERFLOW_DROP_NEWEST,
                                          NULL);

  g_assert_true (agent_bus_subscribe (f->bus, member, NULL));
  return member;
}

/* What was lost before a message in one channel was not lost in the channel that it moves to. */
static void
test_missed_moved (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe_member (f, "a", 1);
  g_autoptr (AgentSubscriber) b = subscribe_member (f, "b", 2);
  g_autoptr (GString) got = g_string_new (NULL);

  g_signal_connect (a, "message", G_CALLBACK (on_message_note_missed), got);
  g_signal_connect (b, "message", G_CALLBACK (on_message_note_missed), got);
  send_numbers (f, 1, 3);
  assert_got (f, got, "1 ");

  agent_subscriber_set_paused (b, TRUE);
  agent_bus_send (f->bus, test_data ("test", "b", 4));
  agent_bus_send (f->bus, test_data ("test", "pool", 5));
  g_assert_true (test_unsubscribe (f, "a", NULL));
  agent_bus_send (f->bus, test_data ("test", "b", 6));
  agent_subscriber_set_paused (b, FALSE);
  assert_got (f, got, "5(1) 6 ");
  test_expect_log (f, "is full");
}

static void
test_missed_oldest (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, 3, AGENT_OVERFLOW_DROP_OLDEST);
  g_autoptr (GString) got = g_string_new (NULL);

  g_signal_connect (a, "message", G_CALLBACK (on_message_note_missed), got);
  send_numbers (f, 1, 10);
  assert_got (f, got, "8(7) 9 10 ");

  /* Reliable messages stay, and the gap is behind them. */
  send_reliable (f, 1);
  send_numbers (f, 2, 3);
  send_reliable (f, 4);
  send_numbers (f, 5, 6);
  assert_got (f, got, "1 4(2) 6(1) ");

  /* All that is queued is reliable: then the newest one is refused. */
  for (guint i = 1; i <= 3; i++)
    send_reliable (f, i);
  send_numbers (f, 4, 5);
  send_reliable (f, 6);
  assert_got (f, got, "1 2 3 6(2) ");
  test_expect_log (f, "is full");
}

static void
test_missed_expired (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, 10, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (GString) got = g_string_new (NULL);

  test_clock_freeze ();
  g_signal_connect (a, "message", G_CALLBACK (on_message_note_missed), got);
  agent_subscriber_set_max_age (a, 10);
  send_numbers (f, 1, 3);
  test_clock_advance (20000);
  send_numbers (f, 4, 5);
  agent_bus_send (f->bus, agent_message_new_activate ("test", "a", NULL));
  assert_got (f, got, "s 4(3) 5 ");
  test_clock_release ();
}

/* What is stale is not missed, and what was lost before it is told with the next message. */
static void
test_missed_given_way (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, 3, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (AgentConversation) conversation = agent_conversation_new (NULL);
  g_autoptr (GString) got = g_string_new (NULL);
  AgentMessage *stale = test_data ("test", "a", 5);
  AgentMessage *brief = test_data ("test", "a", 1);

  test_clock_freeze ();
  g_signal_connect (a, "message", G_CALLBACK (on_message_note_missed), got);
  agent_message_set_ttl (brief, 1);
  agent_bus_send (f->bus, brief);
  send_numbers (f, 2, 4);
  test_clock_advance (5000);
  agent_message_set_conversation (stale, conversation);
  agent_bus_send (f->bus, stale);
  agent_conversation_advance (conversation);
  assert_got (f, got, "2(1) 3 ");
  send_numbers (f, 6, 6);
  assert_got (f, got, "6(1) ");
  test_clock_release ();
  test_expect_log (f, "is full");
}

static void
on_happened_advance (gpointer          data,
                     AgentMailbox     *mailbox,
                     AgentMailboxEvent event)
{
  if (event == AGENT_MAILBOX_PROGRESSED)
    agent_conversation_advance (data);
}

/* A message that has expired gets stale before it is counted. What is missed and what has expired is the same all the same. */
static void
test_missed_stale_late (TestFixture *f)
{
  static const AgentMailboxWatchFuncs funcs = { .happened = on_happened_advance };
  g_autoptr (AgentSubscriber) a = subscribe (f, 3, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (AgentConversation) conversation = agent_conversation_new (NULL);
  g_autoptr (AgentMessage) message = NULL;
  AgentMailbox *mailbox = _agent_directory_lookup (f->bus->directory, "a");
  AgentMessage *brief = test_data ("test", "a", 1);
  guint         watch = _agent_watch_list_add (&f->bus->owner->base.watches, &funcs, g_object_ref (conversation), g_object_unref);

  test_clock_freeze ();
  agent_message_set_ttl (brief, 1);
  agent_message_set_conversation (brief, conversation);
  agent_bus_send (f->bus, brief);
  send_numbers (f, 2, 2);
  test_clock_advance (5000);
  _agent_schedule_watch (&mailbox->schedule, AGENT_WATCH_PROGRESS);
  message = agent_subscriber_receive (a, 0, NULL, NULL);

  g_assert_cmpuint (test_number (message), ==, 2);
  g_assert_cmpuint (agent_subscriber_get_n_missed (a), ==, 1);
  g_assert_cmpuint (test_ledger (f->bus).dropped[AGENT_DROP_REASON_EXPIRED], ==, 1);

  _agent_watch_list_remove (&f->bus->owner->base.watches, watch);
  _agent_mailbox_unref (mailbox);
  test_clock_release ();
}

static void
on_received_note_missed (GObject      *source,
                         GAsyncResult *result,
                         gpointer      user_data)
{
  AgentSubscriber *a = AGENT_SUBSCRIBER (source);
  g_autoptr (AgentMessage) message = agent_subscriber_receive_finish (a, result, NULL);

  on_message_note_missed (a, message, user_data);
}

static void
on_delivery_note_missed (GObject      *source,
                         GAsyncResult *result,
                         gpointer      user_data)
{
  g_autoptr (AgentDelivery) delivery =
      agent_subscriber_receive_delivery_finish (AGENT_SUBSCRIBER (source), result, NULL);
  guint64 n_missed;

  g_object_get (delivery, "n-missed", &n_missed, NULL);
  g_string_append_printf (
      user_data, "%u(%" G_GUINT64_FORMAT ") ", test_number (agent_delivery_get_message (delivery)), n_missed);
  agent_delivery_complete (delivery);
}

static void
test_missed_received (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, 3, AGENT_OVERFLOW_DROP_OLDEST);
  g_autoptr (AgentMessage) message = NULL;
  g_autoptr (GString) got = g_string_new (NULL);

  send_numbers (f, 1, 5);
  message = agent_subscriber_receive (a, 0, NULL, NULL);
  g_assert_cmpuint (test_number (message), ==, 3);
  g_assert_cmpuint (agent_subscriber_get_n_missed (a), ==, 2);
  agent_subscriber_receive_async (a, NULL, on_received_note_missed, got);
  assert_got (f, got, "4 ");
  send_numbers (f, 6, 8);
  agent_subscriber_receive_delivery_async (a, NULL, on_delivery_note_missed, got);
  agent_subscriber_receive_async (a, NULL, on_received_note_missed, got);
  assert_got (f, got, "6(1) 7 ");
  test_expect_log (f, "is full");
}

/* --- Threads --- */

#define N_FLOOD 20000

/* Of some of the messages, the sender keeps a reference for a while. Some may expire, but none does. */
static gpointer
flood (gpointer data)
{
  for (guint i = 1; i <= N_FLOOD; i++)
    {
      AgentMessage *message = test_data ("test", "a", i);
      g_autoptr (AgentMessage) kept = i % 5 == 0 ? agent_message_ref (message) : NULL;

      if (i > N_FLOOD / 2 && i % 7 == 0)
        agent_message_set_ttl (message, 1000000);
      agent_bus_send (data, message);
    }
  return NULL;
}

typedef struct
{
  guint64  n_delivered;
  guint64  n_missed;
  guint    last;
  gboolean over;
} Count;

/* One sender: so each number that is left out is one that was missed right there. */
static void
on_message_count (AgentSubscriber *subscriber,
                  AgentMessage    *message,
                  gpointer         user_data)
{
  Count  *count = user_data;
  guint64 n_missed = agent_subscriber_get_n_missed (subscriber);

  if (g_str_equal (agent_message_get_source (message), "end"))
    {
      count->n_missed += n_missed;
      count->over = TRUE;
      return;
    }
  g_assert_cmpuint (test_number (message), ==, count->last + 1 + n_missed);
  count->last = test_number (message);
  count->n_missed += n_missed;
  count->n_delivered++;
}

static void
check_flood (TestFixture  *f,
             AgentOverflow overflow)
{
  g_autoptr (AgentSubscriber) a = subscribe (f, 16, overflow);
  Count         count = { 0 };
  GThread      *thread;
  AgentMessage *end = test_data ("end", "a", 0);

  g_signal_connect (a, "message", G_CALLBACK (on_message_count), &count);
  thread = g_thread_new ("flood", flood, f->bus);
  while (test_ledger (f->bus).sent < N_FLOOD)
    g_main_context_iteration (f->context, FALSE);
  g_thread_join (thread);
  agent_message_set_reliable (end, TRUE);
  agent_bus_send (f->bus, end);
  test_run_until (f, &count.over);
  g_assert_cmpuint (count.n_delivered + count.n_missed, ==, N_FLOOD);
  test_drain (f);
  g_string_truncate (f->log, 0);
}

static void
test_missed_flood_newest (TestFixture *f)
{
  check_flood (f, AGENT_OVERFLOW_DROP_NEWEST);
}

static void
test_missed_flood_oldest (TestFixture *f)
{
  check_flood (f, AGENT_OVERFLOW_DROP_OLDEST);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, function) test_add ("/agentbus/flow/" name, function)

  ADD ("slow", test_slow);
  ADD ("slow-later", test_slow_later);
  ADD ("slow-again", test_slow_again);
  ADD ("counts-come-late", test_counts_come_late);
  ADD ("taken-meanwhile", test_taken_meanwhile);
  ADD ("bytes-taken-meanwhile", test_bytes_taken_meanwhile);
  ADD ("dropped-and-taken-meanwhile", test_dropped_and_taken_meanwhile);
  ADD ("drops", test_drops);
  ADD ("drops-oldest", test_drops_oldest);
  ADD ("drops-for-tried", test_drops_for_tried);
  ADD ("bytes", test_bytes);
  ADD ("system", test_system);
  ADD ("handlers", test_handlers);
  ADD ("unheard", test_unheard);
  ADD ("leaves", test_leaves);
  ADD ("missed-newest", test_missed_newest);
  ADD ("missed-shared", test_missed_shared);
  ADD ("missed-moved", test_missed_moved);
  ADD ("missed-oldest", test_missed_oldest);
  ADD ("missed-expired", test_missed_expired);
  ADD ("missed-given-way", test_missed_given_way);
  ADD ("missed-stale-late", test_missed_stale_late);
  ADD ("missed-received", test_missed_received);
  ADD ("missed-flood-newest", test_missed_flood_newest);
  ADD ("missed-flood-oldest", test_missed_flood_oldest);

  return g_test_run ();
}
