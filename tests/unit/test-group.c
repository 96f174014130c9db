/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-bus-private.h"
#include "mailbox/agent-mailbox-private.h"
#include "test-tools.h"

/* Groups: who gets what is sent to their name, and what becomes of it when a member leaves. */

static TestRecorder *
add_member_full (TestFixture  *f,
                 const char   *name,
                 guint         capacity,
                 AgentOverflow overflow,
                 GMainContext *context)
{
  TestRecorder *member = test_recorder_new_full (NULL,
                                                 NULL,
                                                 "name",
                                                 name,
                                                 "group",
                                                 "pool",
                                                 "capacity",
                                                 capacity,
                                                 "overflow",
                                                 overflow,
                                                 "main-context",
                                                 context,
                                                 NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (member), &error));
  g_assert_no_error (error);
  return member;
}

static TestRecorder *
add_member (TestFixture *f,
            const char  *name)
{
  return add_member_full (f, name, 0, AGENT_OVERFLOW_DROP_NEWEST, NULL);
}

static guint
send_data (TestFixture *f,
           const char  *source,
           guint        number,
           gboolean     reliable)
{
  AgentMessage *message = test_data (source, "pool", number);

  agent_message_set_reliable (message, reliable);
  return agent_bus_send (f->bus, message);
}

static void
send_numbers (TestFixture *f,
              guint        first,
              guint        last)
{
  for (guint i = first; i <= last; i++)
    g_assert_cmpuint (send_data (f, "test", i, FALSE), ==, 1);
}

static guint64
n_queued (TestRecorder *recorder)
{
  return agent_subscriber_get_n_queued (AGENT_SUBSCRIBER (recorder));
}

/* --- Names --- */

static void
assert_exists (TestFixture *f,
               const char  *name,
               const char  *group)
{
  g_autoptr (AgentSubscriber) subscriber = g_object_new (AGENT_TYPE_SUBSCRIBER, "name", name, "group", group, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_false (agent_bus_subscribe (f->bus, subscriber, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_EXISTS);
}

static void
test_names (TestFixture *f)
{
  g_autoptr (TestRecorder) a = add_member (f, "a");
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);
  g_autoptr (TestRecorder) pool = NULL;
  g_auto (GStrv) names = agent_bus_list_names (f->bus);
  g_autofree char *text = g_strjoinv (" ", names);

  g_assert_cmpstr (text, ==, "a b pool");
  g_assert_cmpstr (agent_subscriber_get_group (AGENT_SUBSCRIBER (a)), ==, "pool");
  g_assert_null (agent_subscriber_get_group (AGENT_SUBSCRIBER (b)));
  assert_exists (f, "pool", NULL);
  assert_exists (f, "c", "b");
  assert_exists (f, "c", "c");
  assert_exists (f, "a", "pool");
  g_assert_null (agent_bus_lookup (f->bus, "pool"));

  agent_bus_unsubscribe (f->bus, "a");
  pool = test_recorder_subscribe (f, "pool", NULL, NULL);
  assert_exists (f, "a", "pool");
}

static void
on_name (AgentBus   *bus,
         const char *name,
         gpointer    user_data)
{
  g_string_append (user_data, "!");
}

static void
test_watched (TestFixture *f)
{
  g_autoptr (GString) text = g_string_new (NULL);
  guint id = agent_bus_watch_name (f->bus, "pool", on_name, NULL, text, NULL);
  g_autoptr (TestRecorder) a = add_member (f, "a");
  g_autoptr (TestRecorder) b = add_member (f, "b");
  g_autoptr (TestRecorder) c = NULL;

  agent_bus_unsubscribe (f->bus, "a");
  agent_bus_unsubscribe (f->bus, "b");
  c = add_member (f, "c");
  test_drain (f);
  g_assert_cmpstr (text->str, ==, "!!");
  agent_bus_unwatch_name (f->bus, id);
  test_drain (f);
}

/* --- Who gets what --- */

static void
test_one_gets_data (TestFixture *f)
{
  g_autoptr (TestRecorder) a = add_member (f, "a");
  g_autoptr (TestRecorder) b = add_member (f, "b");
  g_autoptr (TestRecorder) other = test_recorder_subscribe (f, "other", NULL, NULL);

  send_numbers (f, 1, 100);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a) + test_recorder_count (b), ==, 100);
  g_assert_cmpuint (test_recorder_count (a), >, 0);
  g_assert_cmpuint (test_recorder_count (b), >, 0);
  g_assert_cmpuint (test_recorder_count (other), ==, 0);
  g_assert_cmpuint (test_ledger (f->bus).offered, ==, 100);
  test_assert_balanced (f->bus);
}

/* With two members, the shorter of two queues is the shorter of all. */
static void
test_shorter_queue (TestFixture *f)
{
  g_autoptr (TestRecorder) a = add_member (f, "a");
  g_autoptr (TestRecorder) b = add_member (f, "b");

  for (guint i = 1; i <= 20; i++)
    agent_bus_send (f->bus, test_data ("test", "a", i));
  send_numbers (f, 21, 40);
  g_assert_cmpuint (n_queued (a), ==, 20);
  g_assert_cmpuint (n_queued (b), ==, 20);
  send_numbers (f, 41, 80);
  g_assert_cmpuint (n_queued (a), ==, 40);
  g_assert_cmpuint (n_queued (b), ==, 40);
}

/* Of many, none is left out, and none gets much more than the others. */
static void
test_spread (TestFixture *f)
{
  TestRecorder *members[10];

  for (guint i = 0; i < G_N_ELEMENTS (members); i++)
    {
      g_autofree char *name = g_strdup_printf ("m%u", i);

      members[i] = add_member_full (f, name, 1000, AGENT_OVERFLOW_DROP_NEWEST, NULL);
    }
  send_numbers (f, 1, 1000);
  for (guint i = 0; i < G_N_ELEMENTS (members); i++)
    {
      g_assert_cmpuint (n_queued (members[i]), >, 80);
      g_assert_cmpuint (n_queued (members[i]), <, 120);
      g_object_unref (members[i]);
    }
}

static void
test_never_to_its_source (TestFixture *f)
{
  g_autoptr (TestRecorder) a = add_member (f, "a");
  g_autoptr (TestRecorder) b = NULL;
  g_autoptr (TestRecorder) c = NULL;

  g_assert_cmpuint (send_data (f, "a", 1, FALSE), ==, 0);
  g_assert_cmpuint (send_data (f, "pool", 1, FALSE), ==, 0);
  b = add_member (f, "b");
  for (guint i = 0; i < 50; i++)
    g_assert_cmpuint (send_data (f, "a", 2, FALSE), ==, 1);
  c = add_member (f, "c");
  for (guint i = 0; i < 100; i++)
    g_assert_cmpuint (send_data (f, "a", 2, FALSE), ==, 1);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 0);
  g_assert_cmpuint (test_recorder_count (b), ==, 75);
  g_assert_cmpuint (test_recorder_count (c), ==, 75);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_NO_TARGET], ==, 2);
}

/* What controls work, and broadcasts. */
static void
test_all_get_control (TestFixture *f)
{
  g_autoptr (TestRecorder) a = add_member (f, "a");
  g_autoptr (TestRecorder) b = add_member (f, "b");

  g_assert_cmpuint (agent_bus_send (f->bus, agent_message_new_task_cancel ("test", "pool", "1", NULL)), ==, 2);
  g_assert_cmpuint (agent_bus_send (f->bus, agent_message_new_task_update_request ("test", "pool", "2")), ==, 2);
  g_assert_cmpuint (agent_bus_send (f->bus, agent_message_new_end ("a", "pool", NULL)), ==, 1);
  g_assert_cmpuint (agent_bus_send (f->bus, test_data ("test", NULL, 3)), ==, 2);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 2 3");
  g_assert_cmpstr (test_recorder_text (b), ==, "1 end 2 3");
  test_assert_balanced (f->bus);
}

static void
test_full_member (TestFixture *f)
{
  g_autoptr (TestRecorder) a = add_member_full (f, "a", 2, AGENT_OVERFLOW_DROP_NEWEST, NULL);
  g_autoptr (TestRecorder) b = add_member_full (f, "b", 2, AGENT_OVERFLOW_DROP_NEWEST, NULL);

  for (guint i = 1; i <= 6; i++)
    g_assert_cmpuint (send_data (f, "test", i, FALSE), ==, i <= 4);
  test_drain (f);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_FULL], ==, 2);
  test_expect_log (f, "is full");
  test_assert_balanced (f->bus);
}

/* Nothing is lost as long as any member has room, however short the queues of the full ones are. */
static void
test_any_that_has_room (TestFixture *f)
{
  g_autoptr (TestRecorder) a = add_member_full (f, "a", 1, AGENT_OVERFLOW_DROP_NEWEST, NULL);
  g_autoptr (TestRecorder) b = add_member_full (f, "b", 1, AGENT_OVERFLOW_DROP_OLDEST, NULL);
  g_autoptr (TestRecorder) c = add_member_full (f, "c", 1, AGENT_OVERFLOW_DROP_NEWEST, NULL);
  g_autoptr (TestRecorder) d = add_member_full (f, "d", 500, AGENT_OVERFLOW_DROP_NEWEST, NULL);

  send_numbers (f, 1, 503);
  g_assert_cmpuint (n_queued (a) + n_queued (b) + n_queued (c), ==, 3);
  g_assert_cmpuint (n_queued (d), ==, 500);
  test_drain (f);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_FULL], ==, 0);
  test_assert_balanced (f->bus);
}

/* The only one that has room may be the source. */
static void
test_source_has_room (TestFixture *f)
{
  g_autoptr (TestRecorder) a = add_member_full (f, "a", 1, AGENT_OVERFLOW_DROP_NEWEST, NULL);
  g_autoptr (TestRecorder) b = add_member_full (f, "b", 1, AGENT_OVERFLOW_DROP_NEWEST, NULL);
  g_autoptr (TestRecorder) c = add_member_full (f, "c", 500, AGENT_OVERFLOW_DROP_NEWEST, NULL);

  for (guint i = 1; i <= 50; i++)
    g_assert_cmpuint (send_data (f, "c", i, FALSE), ==, i <= 2);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (c), ==, 0);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_FULL], ==, 48);
  test_expect_log (f, "is full");
  test_assert_balanced (f->bus);
}

/* --- A member leaves --- */

static void
test_leaver (TestFixture *f)
{
  g_autoptr (TestRecorder) a = add_member_full (f, "a", 10, AGENT_OVERFLOW_DROP_NEWEST, NULL);
  g_autoptr (TestRecorder) b = NULL;

  send_numbers (f, 1, 5);
  for (guint i = 6; i <= 8; i++)
    send_data (f, "test", i, TRUE);
  agent_bus_send (f->bus, test_data ("test", "a", 50));
  agent_bus_send (f->bus, test_data ("test", NULL, 51));
  b = add_member_full (f, "b", 2, AGENT_OVERFLOW_DROP_NEWEST, NULL);
  agent_bus_unsubscribe (f->bus, "a");
  g_assert_cmpuint (n_queued (b), ==, 8);
  g_assert_cmpuint (test_ledger (f->bus).offered, ==, 10);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "");
  g_assert_cmpstr (test_recorder_text (b), ==, "1 2 3 4 5 6 7 8");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 2);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_FULL], ==, 0);
  test_assert_balanced (f->bus);
  test_stop (f);
  g_assert_cmpuint (test_ledger_of (f->bus, "a").moved, ==, 8);
  g_assert_cmpuint (test_ledger_of (f->bus, "b").moved, ==, 0);
}

/* The message in hand stays, and what is behind it goes. */
static void
test_leaver_with_one_in_hand (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a =
      test_recorder_new_full (test_keep_first, &delivery, "name", "a", "group", "pool", NULL);
  g_autoptr (TestRecorder) b = NULL;

  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  send_numbers (f, 1, 3);
  test_drain (f);
  b = add_member (f, "b");
  agent_bus_unsubscribe (f->bus, "a");
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (b), ==, "2 3");
  agent_delivery_complete (delivery);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");
}

/* What the only other member has sent stays with nobody, unless it is reliable. */
static void
test_leaver_and_source (TestFixture *f)
{
  g_autoptr (TestRecorder) a = add_member (f, "a");
  g_autoptr (TestRecorder) b = add_member (f, "b");

  send_data (f, "b", 1, FALSE);
  send_data (f, "b", 2, TRUE);
  send_data (f, "b", 3, FALSE);
  agent_bus_unsubscribe (f->bus, "a");
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "2");
  g_assert_cmpstr (test_recorder_text (b), ==, "");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 2);
  test_assert_balanced (f->bus);
}

/* A sender has chosen a member, and that leaves before the message is in: another one gets it. */
static void
test_leaver_is_chosen (TestFixture *f)
{
  g_autoptr (TestRecorder) a = add_member (f, "a");
  g_autoptr (TestRecorder) b = NULL;
  AgentMailbox *chosen = _agent_directory_lookup (f->bus->directory, "a");
  AgentMessage *message = test_data ("test", "pool", 1);
  AgentMessage *too_late = test_data ("test", "pool", 2);

  message->grouped = TRUE;
  too_late->grouped = TRUE;
  agent_bus_unsubscribe (f->bus, "a");
  g_assert_false (_agent_mailbox_push (chosen, too_late, _agent_sender_get ()));
  b = add_member (f, "b");
  g_assert_true (_agent_mailbox_push (chosen, message, _agent_sender_get ()));
  _agent_sender_collect (_agent_sender_get ());
  _agent_mailbox_unref (chosen);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (b), ==, "1");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_CLOSED], ==, 1);
  test_assert_balanced (f->bus);
}

static void
test_last_member (TestFixture *f)
{
  g_autoptr (TestRecorder) a = add_member (f, "a");

  send_numbers (f, 1, 2);
  send_data (f, "test", 3, TRUE);
  agent_bus_unsubscribe (f->bus, "a");
  g_assert_cmpuint (send_data (f, "test", 4, FALSE), ==, 0);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "3");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 2);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_NO_TARGET], ==, 1);
  test_assert_balanced (f->bus);
}

/* What is reliable, and goes to nobody else, stays in its place. */
static void
test_leaver_keeps_order (TestFixture *f)
{
  g_autoptr (TestRecorder) a = add_member (f, "a");
  g_autoptr (TestRecorder) b = add_member (f, "b");

  for (guint i = 1; i <= 6; i++)
    {
      AgentMessage *message = test_data ("b", i % 3 == 0 ? "a" : "pool", i);

      agent_message_set_reliable (message, i != 4);
      agent_bus_send (f->bus, message);
    }
  agent_bus_unsubscribe (f->bus, "a");
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 2 3 5 6");
  g_assert_cmpstr (test_recorder_text (b), ==, "");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 1);
  test_assert_balanced (f->bus);
}

static gboolean
never (gpointer      data,
       AgentMessage *message)
{
  return FALSE;
}

/* One thread has taken the only message out of the channel, to give it to another member. Before it finds none, another thread
 * lets the mailbox @leave: it must not be over yet. */
static void
take_back (TestFixture *f,
           void (*leave) (TestFixture  *f,
                          AgentMailbox *mailbox))
{
  AgentMailbox      *mailbox = _agent_directory_lookup (f->bus->directory, "a");
  AgentChannelQueue *queue = &mailbox->queues[AGENT_CHANNEL_DATA];
  g_autoptr (GPtrArray) messages = g_ptr_array_new_with_free_func ((GDestroyNotify) agent_message_unref);
  g_autoptr (GPtrArray) moved = g_ptr_array_new_with_free_func ((GDestroyNotify) agent_message_unref);
  AgentRelease release;

  _agent_delivery_source_lock (mailbox->source);
  _agent_schedule_begin_return (&mailbox->schedule);
  _agent_delivery_source_unlock (mailbox->source);
  _agent_channel_queue_lock (queue);
  _agent_channel_queue_close_locked (queue);
  _agent_channel_queue_sift_locked (queue, messages, never, _agent_mailbox_move_gap_locked, mailbox);
  _agent_mailbox_pick_grouped_locked (mailbox, messages, moved);
  _agent_channel_queue_unlock (queue);
  g_assert_cmpuint (moved->len, ==, 1);

  leave (f, mailbox);

  _agent_channel_queue_lock (queue);
  _agent_mailbox_take_back_locked (mailbox, moved, TRUE);
  if (moved->len > 0)
    _agent_mailbox_count_drops (
        mailbox, AGENT_DROP_REASON_DISCARDED, 1, g_ptr_array_steal_index (moved, 0), &(AgentMessage *){ NULL }, &(gboolean){ FALSE });
  _agent_channel_queue_unlock (queue);
  release = _agent_schedule_end_return (&mailbox->schedule, _agent_delivery_source_lock (mailbox->source));
  _agent_delivery_source_unlock (mailbox->source);
  _agent_mailbox_go_on (mailbox, release);
  _agent_mailbox_unref (mailbox);
}

static void
leave_at_once (TestFixture  *f,
               AgentMailbox *mailbox)
{
  agent_bus_unsubscribe (f->bus, "a");
}

static void
leave_too_late (TestFixture  *f,
                AgentMailbox *mailbox)
{
  agent_bus_unsubscribe (f->bus, "a");
  _agent_mailbox_abandon (mailbox);
}

static void
test_leaver_takes_back (TestFixture *f)
{
  g_autoptr (TestRecorder) a = add_member (f, "a");

  send_data (f, "test", 1, TRUE);
  take_back (f, leave_at_once);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");
  test_assert_balanced (f->bus);
}

static void
test_leaver_takes_back_too_late (TestFixture *f)
{
  g_autoptr (TestRecorder) a = add_member (f, "a");

  send_data (f, "test", 1, TRUE);
  take_back (f, leave_too_late);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "");
  g_assert_cmpuint (test_ledger (f->bus).queued, ==, 0);
  g_assert_cmpuint (test_ledger (f->bus).dropped[AGENT_DROP_REASON_DISCARDED], ==, 1);
  test_assert_balanced (f->bus);
}

static void
test_drained_leaver (TestFixture *f)
{
  g_autoptr (TestRecorder) a = add_member (f, "a");
  g_autoptr (TestRecorder) b = NULL;

  send_numbers (f, 1, 3);
  b = add_member (f, "b");
  agent_bus_unsubscribe_full_async (f->bus, "a", AGENT_LEAVE_FLAGS_DRAIN, NULL, NULL, NULL);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 2 3");
  g_assert_cmpstr (test_recorder_text (b), ==, "");
}

/* What a drain has not come to in time is not lost either. */
static void
test_drained_too_late (TestFixture *f)
{
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a =
      test_recorder_new_full (test_keep_first, &delivery, "name", "a", "group", "pool", NULL);
  g_autoptr (TestRecorder) b = NULL;
  g_autoptr (GAsyncResult) result = NULL;

  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  send_numbers (f, 1, 3);
  test_drain (f);
  b = add_member (f, "b");
  agent_bus_set_shutdown_timeout (f->bus, 1);
  agent_bus_unsubscribe_full_async (f->bus, "a", AGENT_LEAVE_FLAGS_DRAIN, NULL, test_keep_result, &result);
  test_wait_result (f, &result);
  test_expect_log (f, "'a' did not leave");
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (b), ==, "2 3");
  agent_delivery_complete (delivery);
  test_drain (f);
  test_assert_balanced (f->bus);
}

/* With a total order, what is moved gets new numbers: it comes behind what the heir has, and before what is sent later. */
static void
test_leaver_in_total_order (TestFixture *f)
{
  g_autoptr (TestRecorder) a = NULL;
  g_autoptr (TestRecorder) b = NULL;
  guint64 last = 0;

  test_assert_dies (f->bus);
  f->bus = g_object_new (AGENT_TYPE_BUS, "total-order", TRUE, NULL);
  a = add_member_full (f, "a", 1000, AGENT_OVERFLOW_DROP_NEWEST, NULL);
  send_numbers (f, 1, 600);
  b = add_member_full (f, "b", 1000, AGENT_OVERFLOW_DROP_NEWEST, NULL);
  agent_bus_send (f->bus, test_data ("test", "b", 601));
  agent_bus_unsubscribe (f->bus, "a");
  agent_bus_send (f->bus, test_data ("test", NULL, 602));
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (b), ==, 602);
  for (guint i = 0; i < b->messages->len; i++)
    {
      AgentMessage *message = b->messages->pdata[i];

      g_assert_cmpuint (agent_message_get_seq (message), >, last);
      last = agent_message_get_seq (message);
      if (i > 0 && i < 601)
        g_assert_cmpuint (test_number (message), ==, i);
    }
  g_assert_cmpuint (test_ledger (f->bus).sent, ==, 602);
  g_assert_cmpuint (test_ledger (f->bus).offered, ==, 602);
  test_assert_balanced (f->bus);
}

static void
test_stop_discards (TestFixture *f)
{
  g_autoptr (TestRecorder) a = add_member (f, "a");
  g_autoptr (TestRecorder) b = add_member (f, "b");

  send_numbers (f, 1, 10);
  test_stop (f);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 10);
  test_assert_balanced (f->bus);
}

/* A flush goes where the messages go. */
static void
test_flush (TestFixture *f)
{
  g_autoptr (TestRecorder) a = add_member (f, "a");
  g_autoptr (TestRecorder) b = NULL;
  g_autoptr (GAsyncResult) one = NULL;
  g_autoptr (GAsyncResult) group = NULL;

  send_numbers (f, 1, 3);
  b = add_member (f, "b");
  agent_subscriber_set_paused (AGENT_SUBSCRIBER (b), TRUE);
  agent_bus_flush_async (f->bus, "a", NULL, test_keep_result, &one);
  agent_bus_flush_async (f->bus, "pool", NULL, test_keep_result, &group);
  agent_bus_unsubscribe (f->bus, "a");
  test_drain (f);
  g_assert_null (one);
  g_assert_null (group);
  agent_subscriber_set_paused (AGENT_SUBSCRIBER (b), FALSE);
  test_wait_result (f, &one);
  test_wait_result (f, &group);
  g_assert_true (agent_bus_flush_finish (f->bus, one, NULL));
  g_assert_true (agent_bus_flush_finish (f->bus, group, NULL));
  g_assert_cmpstr (test_recorder_text (b), ==, "1 2 3");
}

/* It goes to a member that has got them and is drained itself. */
static void
test_flush_follows_leaver (TestFixture *f)
{
  g_autoptr (AgentDelivery) first = NULL;
  g_autoptr (AgentDelivery) second = NULL;
  g_autoptr (TestRecorder) a = test_recorder_new_full (test_keep_first, &first, "name", "a", "group", "pool", NULL);
  g_autoptr (TestRecorder) b = test_recorder_new_full (test_keep_first, &second, "name", "b", "group", "pool", NULL);
  g_autoptr (GAsyncResult) flushed = NULL;

  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  send_numbers (f, 1, 3);
  test_drain (f);
  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (b), NULL));
  agent_bus_flush_async (f->bus, "a", NULL, test_keep_result, &flushed);
  agent_bus_unsubscribe (f->bus, "a");
  agent_bus_unsubscribe_full_async (f->bus, "b", AGENT_LEAVE_FLAGS_DRAIN, NULL, NULL, NULL);
  agent_delivery_complete (first);
  test_drain (f);
  g_assert_cmpstr (test_recorder_text (b), ==, "2");
  g_assert_null (flushed);
  agent_delivery_complete (second);
  test_wait_result (f, &flushed);
  g_assert_true (agent_bus_flush_finish (f->bus, flushed, NULL));
  g_assert_cmpstr (test_recorder_text (b), ==, "2 3");
}

/* --- At random --- */

#define N_NAMES 5

typedef struct
{
  TestFixture  *f;
  TestRecorder *members[N_NAMES]; /* (nullable) */
  GPtrArray    *all;              /* of TestRecorder (owned) */
  guint         last_number;
  guint         n_group; /* how many messages were sent to the group */
} World;

static const char *const names[N_NAMES] = { "a", "b", "c", "d", "e" };

static gboolean
chance (guint percent)
{
  return (guint) g_test_rand_int_range (0, 100) < percent;
}

static void
come_or_go (World *self)
{
  guint i = g_test_rand_int_range (0, N_NAMES);

  if (self->members[i] != NULL)
    {
      if (chance (30))
        agent_bus_unsubscribe_full_async (self->f->bus, names[i], AGENT_LEAVE_FLAGS_DRAIN, NULL, NULL, NULL);
      else
        agent_bus_unsubscribe (self->f->bus, names[i]);
      self->members[i] = NULL;
      return;
    }

  self->members[i] = add_member_full (self->f, names[i], 1 + g_test_rand_int_range (0, 8), chance (50), NULL);
  g_ptr_array_add (self->all, self->members[i]);
}

static void
walk (World *self)
{
  if (chance (10))
    {
      come_or_go (self);
    }
  else if (chance (20))
    {
      test_iterate (self->f);
    }
  else
    {
      self->n_group++;
      send_data (self->f, names[g_test_rand_int_range (0, N_NAMES)], ++self->last_number, chance (30));
    }
}

/* Each message that was sent to the group comes to one end, at one place. */
static void
test_random_walk (TestFixture *f)
{
  World      self = { .f = f, .all = g_ptr_array_new_with_free_func (g_object_unref) };
  TestLedger total;
  guint64    n_ends = 0;
  guint      n_delivered = 0;

  for (guint i = 0; i < 4000; i++)
    {
      walk (&self);
      test_assert_balanced (f->bus);
      g_assert_cmpuint (test_ledger (f->bus).offered, ==, self.n_group);
    }
  test_stop (f);

  total = test_ledger (f->bus);
  g_assert_cmpuint (total.queued, ==, 0);
  n_ends = total.delivered;
  for (guint i = 0; i < G_N_ELEMENTS (total.dropped); i++)
    n_ends += total.dropped[i];
  g_assert_cmpuint (n_ends, ==, self.n_group);
  for (guint i = 0; i < self.all->len; i++)
    {
      n_delivered += test_recorder_count (self.all->pdata[i]);
      for (guint k = 1; k < TEST_RECORDER (self.all->pdata[i])->messages->len; k++)
        g_assert_cmpstr (agent_message_get_source (TEST_RECORDER (self.all->pdata[i])->messages->pdata[k]),
                         !=,
                         agent_subscriber_get_name (self.all->pdata[i]));
    }
  g_assert_cmpuint (n_delivered, ==, total.delivered);
  if (f->dropped[AGENT_DROP_REASON_FULL] > 0)
    test_expect_log (f, "is full");
  g_ptr_array_unref (self.all);
}

typedef struct
{
  TestFixture *f;
  const char  *name;
  guint        n_sent;
  guint        n_accepted;
} Sender;

/* It is accepted, even if the member that was chosen closes meanwhile. */
static gboolean
try_data (TestFixture *f,
          const char  *source,
          guint        number)
{
  g_autoptr (AgentMessage) message = test_data (source, "pool", number);
  g_autoptr (GError) error = NULL;
  gboolean sent;

  agent_message_set_reliable (message, TRUE);
  sent = agent_bus_try_send (f->bus, message, &error);
  g_assert_no_error (error);
  return sent;
}

static gpointer
send_many (gpointer data)
{
  Sender *self = data;

  for (guint i = 1; i <= 5000; i++)
    {
      if (g_str_equal (self->name, "y"))
        self->n_accepted += try_data (self->f, self->name, i);
      else
        self->n_accepted += send_data (self->f, self->name, i, TRUE);
    }
  self->n_sent = 5000;

  return NULL;
}

static void
assert_rising (TestRecorder *recorder)
{
  guint last[2] = { 0, 0 };

  for (guint i = 0; i < recorder->messages->len; i++)
    {
      AgentMessage *message = recorder->messages->pdata[i];
      guint         sender = g_str_equal (agent_message_get_source (message), "x");
      guint         number = test_number (message);

      g_assert_cmpuint (number, !=, last[sender]);
      last[sender] = number;
    }
}

/* Members in threads of their own come and go while others send: nothing that is reliable is lost, or comes twice. */
static void
test_races (TestFixture *f)
{
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func (g_object_unref);
  TestThread *threads[3];
  Sender      senders[2] = { { f, "x", 0, 0 }, { f, "y", 0, 0 } };
  GThread    *sending[2];
  guint       n_delivered = 0;

  for (guint i = 0; i < 3; i++)
    {
      threads[i] = test_thread_new ();
      g_ptr_array_add (all, add_member_full (f, names[i], 0, AGENT_OVERFLOW_DROP_NEWEST, threads[i]->context));
    }
  for (guint i = 0; i < 2; i++)
    sending[i] = g_thread_new ("sender", send_many, &senders[i]);
  for (guint round = 0; round < 60; round++)
    {
      g_autoptr (GAsyncResult) result = NULL;
      guint i = round % 2;

      agent_bus_unsubscribe_async (f->bus, names[i], NULL, test_keep_result, &result);
      test_wait_result (f, &result);
      g_assert_true (agent_bus_unsubscribe_finish (f->bus, result, NULL));
      g_ptr_array_add (all, add_member_full (f, names[i], 0, AGENT_OVERFLOW_DROP_NEWEST, threads[i]->context));
    }
  for (guint i = 0; i < 2; i++)
    g_thread_join (sending[i]);
  test_stop (f);

  for (guint i = 0; i < all->len; i++)
    {
      n_delivered += test_recorder_count (all->pdata[i]);
      assert_rising (all->pdata[i]);
    }
  g_assert_cmpuint (n_delivered, ==, 10000);
  g_assert_cmpuint (senders[0].n_accepted + senders[1].n_accepted, ==, 10000);
  g_assert_cmpuint (test_ledger (f->bus).offered, ==, 10000);
  test_assert_balanced (f->bus);
  for (guint i = 0; i < 3; i++)
    test_thread_free (threads[i]);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/group/" name, func)

  ADD ("names", test_names);
  ADD ("watched", test_watched);
  ADD ("one-gets-data", test_one_gets_data);
  ADD ("shorter-queue", test_shorter_queue);
  ADD ("spread", test_spread);
  ADD ("never-to-its-source", test_never_to_its_source);
  ADD ("all-get-control", test_all_get_control);
  ADD ("full-member", test_full_member);
  ADD ("any-that-has-room", test_any_that_has_room);
  ADD ("source-has-room", test_source_has_room);
  ADD ("leaver", test_leaver);
  ADD ("leaver-with-one-in-hand", test_leaver_with_one_in_hand);
  ADD ("leaver-and-source", test_leaver_and_source);
  ADD ("leaver-is-chosen", test_leaver_is_chosen);
  ADD ("last-member", test_last_member);
  ADD ("leaver-keeps-order", test_leaver_keeps_order);
  ADD ("leaver-takes-back", test_leaver_takes_back);
  ADD ("leaver-takes-back-too-late", test_leaver_takes_back_too_late);
  ADD ("drained-leaver", test_drained_leaver);
  ADD ("drained-too-late", test_drained_too_late);
  ADD ("leaver-in-total-order", test_leaver_in_total_order);
  ADD ("stop-discards", test_stop_discards);
  ADD ("flush", test_flush);
  ADD ("flush-follows-leaver", test_flush_follows_leaver);
  ADD ("random-walk", test_random_walk);
  ADD ("races", test_races);

  return g_test_run ();
}
