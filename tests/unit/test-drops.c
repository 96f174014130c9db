/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-bus-private.h"
#include "bus/agent-directory-private.h"
#include "mailbox/agent-sender-private.h"
#include "mailbox/agent-mailbox-private.h"
#include "test-support.h"

/*
 * What is not delivered, and why: a full channel, an age, nobody there, a bus that is stopped, a subscriber that
 * leaves.
 */

static TestRecorder *
subscribe (TestFixture  *f,
           TestRecorder *recorder)
{
  g_autoptr (GError) error = NULL;

  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (recorder), &error);
  g_assert_no_error (error);
  return recorder;
}

static TestRecorder *
subscribe_bounded (TestFixture  *f,
                   const char   *name,
                   guint         capacity,
                   AgentOverflow overflow)
{
  return subscribe (
      f,
      test_recorder_new_full (NULL, NULL, "name", name, "capacity", capacity, "overflow", overflow, NULL));
}

static TestRecorder *
subscribe_weighed (TestFixture  *f,
                   guint64       max_bytes,
                   AgentOverflow overflow)
{
  return subscribe (
      f,
      test_recorder_new_full (NULL, NULL, "name", "a", "max-bytes", max_bytes, "overflow", overflow, NULL));
}

static TestRecorder *
subscribe_aged (TestFixture *f,
                guint        max_age)
{
  return subscribe (f, test_recorder_new_full (NULL, NULL, "name", "a", "max-age", max_age, NULL));
}

static AgentMessage *
new_reliable (guint number)
{
  AgentMessage *message = test_data ("test", "a", number);

  agent_message_set_reliable (message, TRUE);
  return message;
}

static AgentMessage *
with_ttl (AgentMessage *message,
          guint         ttl)
{
  agent_message_set_ttl (message, ttl);
  return message;
}

static void
assert_send (TestFixture  *f,
             AgentMessage *message,
             gboolean      accepted)
{
  g_assert_cmpuint (agent_bus_send (f->bus, message), ==, accepted);
}

static void
assert_got (TestRecorder *recorder,
            const char   *expected)
{
  g_autofree char *text = test_recorder_dup_task_ids (recorder);

  g_assert_cmpstr (text, ==, expected);
}

/* By the ledger of the bus, and by what the signal told; when nothing waits any more. */
static void
assert_dropped (TestFixture    *f,
                AgentDropReason reason,
                guint64         n)
{
  g_assert_cmpuint (test_ledger (f->bus).dropped[reason], ==, n);
  g_assert_cmpuint (f->dropped[reason], ==, n);
  g_assert_cmpuint (test_ledger (f->bus).queued, ==, 0);
  test_assert_balanced (f->bus);
}

/* --- Full --- */

static void
test_drop_newest (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_bounded (f, "a", 3, AGENT_OVERFLOW_DROP_NEWEST);

  for (guint i = 1; i <= 5; i++)
    assert_send (f, test_data ("test", "a", i), i <= 3);
  test_drain (f);
  assert_got (a, "1 2 3");
  assert_dropped (f, AGENT_DROP_REASON_FULL, 2);
  test_expect_log (f, "'a' is full");
}

static AgentMessage *
heavy (guint number,
       gsize size)
{
  g_autofree char *task_id = g_strdup_printf ("%u", number);
  g_autofree char *bytes = g_malloc0 (size);
  g_autoptr (GBytes) data = g_bytes_new (bytes, size);

  return agent_message_new_task_update ("test", "a", task_id, g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, data, TRUE));
}

/* One that is as large as all others together: more of them give way than at once, each is counted, and who asked hears. */
static void
test_many_give_way_to_one (TestFixture *f)
{
  const guint n = 9000;
  g_autoptr (TestRecorder) source = subscribe_bounded (f, "test", 0, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (TestRecorder) a = subscribe (f,
                                          test_recorder_new_full (NULL,
                                                                  NULL,
                                                                  "name",
                                                                  "a",
                                                                  "capacity",
                                                                  2 * n,
                                                                  "max-bytes",
                                                                  (guint64) n * 100,
                                                                  "overflow",
                                                                  AGENT_OVERFLOW_DROP_OLDEST,
                                                                  NULL));

  for (guint i = 0; i < n; i++)
    {
      AgentMessage *message = heavy (i, 100);

      agent_message_set_error_reply (message, i % 2);
      assert_send (f, message, TRUE);
    }
  assert_send (f, heavy (n, n * 100), TRUE);
  test_drain (f);
  assert_got (a, "9000");
  g_assert_cmpuint (test_recorder_count (source), ==, n / 2);
  assert_dropped (f, AGENT_DROP_REASON_FULL, n);
  test_expect_log (f, "'a' is full");
}

static void
test_drop_oldest (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_bounded (f, "a", 3, AGENT_OVERFLOW_DROP_OLDEST);

  for (guint i = 1; i <= 5; i++)
    assert_send (f, test_data ("test", "a", i), TRUE);
  test_drain (f);
  assert_got (a, "3 4 5");
  assert_dropped (f, AGENT_DROP_REASON_FULL, 2);
  test_expect_log (f, "'a' is full");
}

static void
test_drop_oldest_of_many (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_bounded (f, "a", 100, AGENT_OVERFLOW_DROP_OLDEST);

  for (guint i = 1; i <= 1000; i++)
    assert_send (f, test_data ("test", "a", i), TRUE);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 100);
  for (guint i = 0; i < 100; i++)
    g_assert_cmpuint (test_number (a->messages->pdata[i]), ==, 901 + i);
  assert_dropped (f, AGENT_DROP_REASON_FULL, 900);
  test_expect_log (f, "900 messages");
}

static void
send_five_more (TestRecorder *recorder,
                AgentMessage *message,
                gpointer      user_data)
{
  if (test_number (message) == 1)
    for (guint i = 4; i <= 8; i++)
      agent_bus_send (user_data, test_data ("test", "a", i));
}

/* The message in hand takes no room; those behind it in the same block do. */
static void
test_drop_oldest_in_the_handler (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f,
                                          test_recorder_new_full (send_five_more,
                                                                  f->bus,
                                                                  "name",
                                                                  "a",
                                                                  "capacity",
                                                                  3,
                                                                  "overflow",
                                                                  AGENT_OVERFLOW_DROP_OLDEST,
                                                                  NULL));

  for (guint i = 1; i <= 3; i++)
    assert_send (f, test_data ("test", "a", i), TRUE);
  test_drain (f);
  assert_got (a, "1 6 7 8");
  assert_dropped (f, AGENT_DROP_REASON_FULL, 4);
  test_expect_log (f, "4 messages");
}

static void
test_room_comes_back (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_bounded (f, "a", 2, AGENT_OVERFLOW_DROP_NEWEST);

  for (guint i = 1; i <= 10; i += 2)
    {
      assert_send (f, test_data ("test", "a", i), TRUE);
      assert_send (f, test_data ("test", "a", i + 1), TRUE);
      test_drain (f);
    }
  assert_got (a, "1 2 3 4 5 6 7 8 9 10");
  assert_dropped (f, AGENT_DROP_REASON_FULL, 0);
}

static void
send_past_a_full_one (TestFixture  *f,
                      TestRecorder *full,
                      TestRecorder *other)
{
  const char *name = agent_subscriber_get_name (AGENT_SUBSCRIBER (full));

  for (guint i = 1; i <= 3; i++)
    assert_send (f, test_data ("test", name, i), TRUE);
  for (guint i = 4; i <= 6; i++)
    assert_send (f, test_data ("test", NULL, i), TRUE);
  test_drain (f);
  assert_got (full, "1 2 3");
  assert_got (other, "4 5 6");
  g_assert_cmpuint (test_ledger_of (f->bus, name).dropped[AGENT_DROP_REASON_FULL], ==, 3);
  test_expect_log (f, "is full");

  g_ptr_array_set_size (full->messages, 0);
  g_ptr_array_set_size (other->messages, 0);
}

/* Nobody knows which of them comes first in a fan-out: so each is the full one once. */
static void
test_full_for_one_of_two (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_bounded (f, "a", 3, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (TestRecorder) b = subscribe_bounded (f, "b", 3, AGENT_OVERFLOW_DROP_NEWEST);

  send_past_a_full_one (f, a, b);
  g_assert_cmpuint (test_ledger_of (f->bus, "b").dropped[AGENT_DROP_REASON_FULL], ==, 0);
  send_past_a_full_one (f, b, a);
  test_assert_balanced (f->bus);
}

static void
test_system_is_never_dropped_for_room (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_bounded (f, "a", 1, AGENT_OVERFLOW_DROP_NEWEST);

  for (guint i = 0; i < 2000; i++)
    assert_send (f, test_cancel ("test", "a"), TRUE);
  assert_send (f, test_data ("test", "a", 1), TRUE);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 2001);
  g_assert_cmpuint (f->n_dropped_emissions, ==, 0);
}

/* --- Reliable --- */

static void
test_reliable_beyond_the_capacity (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_bounded (f, "a", 2, AGENT_OVERFLOW_DROP_NEWEST);

  assert_send (f, test_data ("test", "a", 1), TRUE);
  assert_send (f, test_data ("test", "a", 2), TRUE);
  assert_send (f, new_reliable (3), TRUE);
  assert_send (f, new_reliable (4), TRUE);
  assert_send (f, test_data ("test", "a", 5), FALSE);
  test_drain (f);
  assert_got (a, "1 2 3 4");
  assert_dropped (f, AGENT_DROP_REASON_FULL, 1);
  test_expect_log (f, "'a' is full");
}

static void
test_reliable_drops_nobody (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_bounded (f, "a", 2, AGENT_OVERFLOW_DROP_OLDEST);

  assert_send (f, test_data ("test", "a", 1), TRUE);
  assert_send (f, test_data ("test", "a", 2), TRUE);
  assert_send (f, new_reliable (3), TRUE);
  test_drain (f);
  assert_got (a, "1 2 3");
  assert_dropped (f, AGENT_DROP_REASON_FULL, 0);
}

static void
test_reliable_is_passed_over (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_bounded (f, "a", 3, AGENT_OVERFLOW_DROP_OLDEST);

  assert_send (f, new_reliable (1), TRUE);
  for (guint i = 2; i <= 5; i++)
    assert_send (f, test_data ("test", "a", i), TRUE);
  test_drain (f);
  assert_got (a, "1 4 5");
  assert_dropped (f, AGENT_DROP_REASON_FULL, 2);
  test_expect_log (f, "'a' is full");
}

/* Then the newest is the only one that can go. */
static void
test_all_reliable (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_bounded (f, "a", 2, AGENT_OVERFLOW_DROP_OLDEST);

  assert_send (f, new_reliable (1), TRUE);
  assert_send (f, new_reliable (2), TRUE);
  assert_send (f, test_data ("test", "a", 3), FALSE);
  assert_send (f, new_reliable (4), TRUE);
  test_drain (f);
  assert_got (a, "1 2 4");
  assert_dropped (f, AGENT_DROP_REASON_FULL, 1);
  test_expect_log (f, "'a' is full");
}

/* Where reliable messages have taken all the room, to drop the oldest would make none: it stays. */
static void
test_nobody_gives_way_in_vain (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_bounded (f, "a", 2, AGENT_OVERFLOW_DROP_OLDEST);

  assert_send (f, test_data ("test", "a", 1), TRUE);
  assert_send (f, new_reliable (2), TRUE);
  assert_send (f, new_reliable (3), TRUE);
  assert_send (f, test_data ("test", "a", 4), FALSE);
  test_drain (f);
  assert_got (a, "1 2 3");
  assert_dropped (f, AGENT_DROP_REASON_FULL, 1);
  test_expect_log (f, "'a' is full");
}

/* --- Bytes --- */

/* Its kind is what test_recorder_dup_task_ids() does not have, so it is known by its size. */
static AgentMessage *
new_with_size (gsize size)
{
  g_autoptr (GBytes) data = g_bytes_new_take (g_malloc0 (size), size);
  g_autoptr (AgentFrame) frame = agent_frame_new ("test", data, NULL);

  return agent_message_new_frame ("test", "a", frame, AGENT_FRAME_DIRECTION_DOWNSTREAM);
}

static void
assert_sizes (TestRecorder *recorder,
              const char   *expected)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < recorder->messages->len; i++)
    {
      AgentFrame *frame = agent_message_get_frame (recorder->messages->pdata[i]);

      g_string_append_printf (text,
                              "%" G_GSIZE_FORMAT " ",
                              frame != NULL ? g_bytes_get_size (agent_frame_get_data (frame)) : 0);
    }
  g_assert_cmpstr (text->str, ==, expected);
}

/* As a dispatcher does it, which keeps what is not accepted. */
static void
assert_offer (TestFixture     *f,
              AgentMessage    *message,
              AgentOfferResult expected)
{
  AgentMailbox *mailbox = _agent_directory_lookup (f->bus->directory, "a");
  AgentSender  *sender = _agent_sender_get ();
  AgentOffer    offer = { .wake = FALSE };

  message = _agent_bus_accept (f->bus, message, 0, sender);
  g_assert_cmpint (_agent_bus_offer (f->bus, mailbox, &message, TRUE, &offer, sender), ==, expected);
  if (expected == AGENT_OFFER_ACCEPTED)
    _agent_mailbox_end_offer (mailbox, AGENT_CHANNEL_DATA, &offer);
  else
    agent_message_unref (message);
  _agent_mailbox_unref (mailbox);
}

static void
test_bytes_drop_newest (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_weighed (f, 100, AGENT_OVERFLOW_DROP_NEWEST);

  assert_send (f, new_with_size (60), TRUE);
  assert_send (f, new_with_size (41), FALSE);
  assert_send (f, new_with_size (40), TRUE);
  assert_send (f, new_with_size (1), FALSE);
  assert_send (f, test_cancel ("test", "a"), TRUE);
  assert_send (f, test_data ("test", "a", 1), TRUE);
  test_drain (f);
  assert_sizes (a, "0 60 40 0 ");
  assert_dropped (f, AGENT_DROP_REASON_FULL, 2);
  test_expect_log (f, "'a' is full");
}

static void
test_bytes_come_back (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_weighed (f, 100, AGENT_OVERFLOW_DROP_NEWEST);

  for (guint i = 0; i < 3; i++)
    {
      assert_send (f, new_with_size (100), TRUE);
      test_drain (f);
    }
  assert_sizes (a, "100 100 100 ");
  assert_dropped (f, AGENT_DROP_REASON_FULL, 0);
}

/* As many of the oldest go as it takes, and no more. */
static void
test_bytes_drop_oldest (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_weighed (f, 100, AGENT_OVERFLOW_DROP_OLDEST);

  assert_send (f, new_with_size (20), TRUE);
  assert_send (f, new_with_size (21), TRUE);
  assert_send (f, new_with_size (22), TRUE);
  assert_send (f, new_with_size (23), TRUE);
  assert_send (f, new_with_size (55), TRUE);
  test_drain (f);
  assert_sizes (a, "22 23 55 ");
  assert_dropped (f, AGENT_DROP_REASON_FULL, 2);
  test_expect_log (f, "'a' is full: 2 messages");
}

static void
test_bytes_of_one_too_large (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_weighed (f, 100, AGENT_OVERFLOW_DROP_NEWEST);

  assert_send (f, new_with_size (101), FALSE);
  assert_send (f, new_with_size (100), TRUE);
  test_drain (f);
  assert_sizes (a, "100 ");
  assert_dropped (f, AGENT_DROP_REASON_FULL, 1);
  test_expect_log (f, "'a' is full");
}

/* It could not be kept anyway, so nobody gives way to it. */
static void
test_bytes_of_one_too_large_drop_nobody (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_weighed (f, 100, AGENT_OVERFLOW_DROP_OLDEST);

  assert_send (f, new_with_size (50), TRUE);
  assert_send (f, new_with_size (101), FALSE);
  test_drain (f);
  assert_sizes (a, "50 ");
  assert_dropped (f, AGENT_DROP_REASON_FULL, 1);
  test_expect_log (f, "'a' is full");
}

/* What is offered gets in alone, however large it is: nobody could ever make room for it. */
static void
test_bytes_of_an_offer_too_large (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_weighed (f, 100, AGENT_OVERFLOW_DROP_NEWEST);

  assert_offer (f, new_with_size (1), AGENT_OFFER_ACCEPTED);
  assert_offer (f, new_with_size (300), AGENT_OFFER_FULL);
  test_drain (f);
  assert_offer (f, new_with_size (300), AGENT_OFFER_ACCEPTED);
  assert_offer (f, new_with_size (1), AGENT_OFFER_FULL);
  test_drain (f);
  assert_sizes (a, "1 300 ");
  test_assert_balanced (f->bus);
}

static void
test_bytes_and_reliable (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_weighed (f, 100, AGENT_OVERFLOW_DROP_NEWEST);
  AgentMessage *large = new_with_size (300);

  agent_message_set_reliable (large, TRUE);
  assert_send (f, large, TRUE);
  assert_send (f, new_with_size (1), FALSE);
  test_drain (f);
  assert_send (f, new_with_size (100), TRUE);
  test_drain (f);
  assert_sizes (a, "300 100 ");
  test_expect_log (f, "'a' is full");
}

static void
test_bytes_and_capacity (TestFixture *f)
{
  g_autoptr (TestRecorder) a =
      test_recorder_new_full (NULL, NULL, "name", "a", "capacity", 2, "max-bytes", G_GUINT64_CONSTANT (100), NULL);

  subscribe (f, a);
  assert_send (f, new_with_size (1), TRUE);
  assert_send (f, new_with_size (100), FALSE);
  assert_send (f, new_with_size (99), TRUE);
  assert_send (f, test_data ("test", "a", 1), FALSE);
  test_drain (f);
  assert_sizes (a, "1 99 ");
  test_expect_log (f, "'a' is full");
}

/* --- Age --- */

/* What is too old at the head of a full channel gives way, also where the limit was there from the start. */
static void
test_max_age_gives_way (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (
      f, test_recorder_new_full (NULL, NULL, "name", "a", "capacity", 2, "max-age", 10, NULL));

  test_clock_freeze ();
  assert_send (f, test_data ("test", "a", 1), TRUE);
  assert_send (f, test_data ("test", "a", 2), TRUE);
  test_clock_advance (10 * 1000);
  assert_send (f, test_data ("test", "a", 3), TRUE);
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 1);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_EXPIRED], ==, 2);
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_FULL], ==, 0);
}

static void
test_max_age_boundary (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_aged (f, 10);

  test_clock_freeze ();
  assert_send (f, test_data ("test", "a", 1), TRUE);
  test_clock_advance (1);
  assert_send (f, test_data ("test", "a", 2), TRUE);
  test_clock_advance (9999);
  test_drain (f);
  assert_got (a, "2");
  assert_dropped (f, AGENT_DROP_REASON_EXPIRED, 1);
}

static void
test_ttl_boundary (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_aged (f, 0);

  test_clock_freeze ();
  assert_send (f, with_ttl (test_data ("test", "a", 1), 10), TRUE);
  assert_send (f, with_ttl (test_data ("test", "a", 2), 11), TRUE);
  assert_send (f, test_data ("test", "a", 3), TRUE);
  test_clock_advance (1);
  assert_send (f, with_ttl (test_data ("test", "a", 4), 10), TRUE);
  test_clock_advance (9999);
  test_drain (f);
  assert_got (a, "2 3 4");
  assert_dropped (f, AGENT_DROP_REASON_EXPIRED, 1);
}

static void
test_shorter_limit_wins (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_aged (f, 10);

  test_clock_freeze ();
  assert_send (f, with_ttl (test_data ("test", "a", 1), 5), TRUE);
  assert_send (f, with_ttl (test_data ("test", "a", 2), 20), TRUE);
  assert_send (f, test_data ("test", "a", 3), TRUE);
  test_clock_advance (5000);
  assert_send (f, with_ttl (test_data ("test", "a", 4), 20), TRUE);
  test_clock_advance (5000);
  test_drain (f);
  assert_got (a, "4");
  assert_dropped (f, AGENT_DROP_REASON_EXPIRED, 3);
}

/* A system message that waited long is still wanted, unless it says itself that it is not. */
static void
test_system_goes_by_its_own_ttl (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_aged (f, 10);

  test_clock_freeze ();
  assert_send (f, test_cancel ("test", "a"), TRUE);
  assert_send (f, with_ttl (agent_message_new_end ("test", "a", NULL), 50), TRUE);
  assert_send (f, with_ttl (agent_message_new_activate ("test", "a", NULL), 51), TRUE);
  test_clock_advance (50000);
  test_drain (f);
  assert_got (a, "cancel activate");
  assert_dropped (f, AGENT_DROP_REASON_EXPIRED, 1);
}

static void
test_reliable_expires (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_aged (f, 0);

  test_clock_freeze ();
  assert_send (f, with_ttl (new_reliable (1), 10), TRUE);
  assert_send (f, new_reliable (2), TRUE);
  test_clock_advance (10000);
  test_drain (f);
  assert_got (a, "2");
  assert_dropped (f, AGENT_DROP_REASON_EXPIRED, 1);
}

/* Until its turn comes it is queued, as long as there is room. */
static void
test_expired_when_its_turn_comes (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_bounded (f, "a", 2, AGENT_OVERFLOW_DROP_NEWEST);

  test_clock_freeze ();
  assert_send (f, with_ttl (test_data ("test", "a", 1), 1), TRUE);
  test_clock_advance (5000);
  assert_send (f, test_data ("test", "a", 2), TRUE);
  g_assert_cmpuint (test_ledger (f->bus).queued, ==, 2);
  g_assert_cmpuint (test_ledger (f->bus).dropped[AGENT_DROP_REASON_EXPIRED], ==, 0);
  test_drain (f);
  assert_got (a, "2");
  assert_dropped (f, AGENT_DROP_REASON_EXPIRED, 1);
}

/* At the head of a full channel it gives way before anything fresh is dropped or refused. */
static void
check_expired_gives_way (TestFixture  *f,
                         AgentOverflow overflow)
{
  g_autoptr (TestRecorder) a = subscribe_bounded (f, "a", 2, overflow);
  g_autoptr (AgentMessage) tried = test_data ("test", "a", 4);

  test_clock_freeze ();
  assert_send (f, with_ttl (test_data ("test", "a", 1), 1), TRUE);
  assert_send (f, with_ttl (test_data ("test", "a", 2), 1), TRUE);
  test_clock_advance (5000);
  assert_send (f, test_data ("test", "a", 3), TRUE);
  g_assert_cmpuint (test_ledger (f->bus).queued, ==, 2);
  g_assert_true (agent_bus_try_send (f->bus, tried, NULL));
  g_assert_cmpuint (test_ledger (f->bus).queued, ==, 2);
  test_drain (f);
  assert_got (a, "3 4");
  assert_dropped (f, AGENT_DROP_REASON_EXPIRED, 2);
  assert_dropped (f, AGENT_DROP_REASON_FULL, 0);
  test_assert_balanced (f->bus);
}

static void
test_expired_gives_way (TestFixture *f)
{
  check_expired_gives_way (f, AGENT_OVERFLOW_DROP_NEWEST);
}

static void
test_expired_gives_way_first (TestFixture *f)
{
  check_expired_gives_way (f, AGENT_OVERFLOW_DROP_OLDEST);
}

static void
test_largest_limits (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_aged (f, G_MAXUINT);

  test_clock_freeze ();
  assert_send (f, with_ttl (test_data ("test", "a", 1), G_MAXUINT), TRUE);
  test_clock_advance (G_MAXUINT * G_GINT64_CONSTANT (1000) - 1);
  test_drain (f);
  assert_got (a, "1");
}

/* --- Nobody, nowhere --- */

static void
test_no_target (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_bounded (f, "a", 1, AGENT_OVERFLOW_DROP_NEWEST);

  assert_send (f, test_data ("test", "nobody", 1), FALSE);
  assert_send (f, test_cancel ("test", "nobody"), FALSE);
  assert_send (f, test_data ("a", "a", 2), FALSE);
  assert_send (f, test_data ("a", NULL, 3), FALSE);
  test_drain (f);
  assert_dropped (f, AGENT_DROP_REASON_NO_TARGET, 4);
  g_assert_cmpuint (test_ledger (f->bus).offered, ==, 4);
}

static void
test_closed (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_bounded (f, "a", 1, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (TestRecorder) b = subscribe_bounded (f, "b", 1, AGENT_OVERFLOW_DROP_NEWEST);

  test_stop (f);
  assert_send (f, test_data ("test", "a", 1), FALSE);
  assert_send (f, test_cancel ("test", NULL), FALSE);
  assert_send (f, test_data ("test", "nobody", 2), FALSE);
  test_drain (f);
  assert_dropped (f, AGENT_DROP_REASON_CLOSED, 3);
  assert_dropped (f, AGENT_DROP_REASON_NO_TARGET, 0);
  g_assert_cmpuint (test_ledger (f->bus).offered, ==, 3);
  g_assert_cmpuint (test_ledger (f->bus).sent, ==, 3);
}

static void
test_discarded_at_unsubscribe (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_bounded (f, "a", 100, AGENT_OVERFLOW_DROP_NEWEST);

  for (guint i = 1; i <= 50; i++)
    assert_send (f, i % 2 ? test_data ("test", "a", i) : new_reliable (i), TRUE);
  assert_send (f, test_cancel ("test", "a"), TRUE);
  g_assert_true (test_unsubscribe (f, "a", NULL));
  test_drain (f);
  assert_got (a, "cancel 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30 32 34 36 38 40 42 44 46 48 50");
  assert_dropped (f, AGENT_DROP_REASON_DISCARDED, 25);
  g_assert_cmpuint (agent_subscriber_get_n_dropped (AGENT_SUBSCRIBER (a)), ==, 25);
}

static void
test_discarded_at_stop (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_bounded (f, "a", 100, AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (TestRecorder) b = subscribe_bounded (f, "b", 100, AGENT_OVERFLOW_DROP_NEWEST);

  for (guint i = 1; i <= 10; i++)
    agent_bus_send (f->bus, test_data ("a", NULL, i));
  for (guint i = 1; i <= 7; i++)
    agent_bus_send (f->bus, test_data ("test", NULL, i));
  test_stop (f);
  assert_got (a, "");
  assert_got (b, "");
  assert_dropped (f, AGENT_DROP_REASON_DISCARDED, 24);
}

static void
unsubscribe_itself (TestRecorder *recorder,
                    AgentMessage *message,
                    gpointer      user_data)
{
  agent_bus_unsubscribe (user_data, "a");
}

/* The message in hand is delivered, all behind it are discarded. */
static void
test_discarded_in_the_handler (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", unsubscribe_itself, f->bus);

  for (guint i = 1; i <= 20; i++)
    assert_send (f, test_data ("test", "a", i), TRUE);
  test_drain (f);
  assert_got (a, "1");
  assert_dropped (f, AGENT_DROP_REASON_DISCARDED, 19);
}

#define ADD(name, func) test_add ("/agentbus/drops/" name, func)

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

  ADD ("drop-newest", test_drop_newest);
  ADD ("drop-oldest", test_drop_oldest);
  ADD ("many-give-way-to-one", test_many_give_way_to_one);
  ADD ("drop-oldest-of-many", test_drop_oldest_of_many);
  ADD ("drop-oldest-in-the-handler", test_drop_oldest_in_the_handler);
  ADD ("room-comes-back", test_room_comes_back);
  ADD ("full-for-one-of-two", test_full_for_one_of_two);
  ADD ("system-is-never-dropped-for-room", test_system_is_never_dropped_for_room);
  ADD ("reliable-beyond-the-capacity", test_reliable_beyond_the_capacity);
  ADD ("reliable-drops-nobody", test_reliable_drops_nobody);
  ADD ("reliable-is-passed-over", test_reliable_is_passed_over);
  ADD ("all-reliable", test_all_reliable);
  ADD ("nobody-gives-way-in-vain", test_nobody_gives_way_in_vain);
  ADD ("bytes-drop-newest", test_bytes_drop_newest);
  ADD ("bytes-come-back", test_bytes_come_back);
  ADD ("bytes-drop-oldest", test_bytes_drop_oldest);
  ADD ("bytes-of-one-too-large", test_bytes_of_one_too_large);
  ADD ("bytes-of-one-too-large-drop-nobody", test_bytes_of_one_too_large_drop_nobody);
  ADD ("bytes-of-an-offer-too-large", test_bytes_of_an_offer_too_large);
  ADD ("bytes-and-reliable", test_bytes_and_reliable);
  ADD ("bytes-and-capacity", test_bytes_and_capacity);
  ADD ("max-age-boundary", test_max_age_boundary);
  ADD ("max-age-gives-way", test_max_age_gives_way);
  ADD ("ttl-boundary", test_ttl_boundary);
  ADD ("shorter-limit-wins", test_shorter_limit_wins);
  ADD ("system-goes-by-its-own-ttl", test_system_goes_by_its_own_ttl);
  ADD ("reliable-expires", test_reliable_expires);
  ADD ("expired-when-its-turn-comes", test_expired_when_its_turn_comes);
  ADD ("expired-gives-way", test_expired_gives_way);
  ADD ("expired-gives-way-first", test_expired_gives_way_first);
  ADD ("largest-limits", test_largest_limits);
  ADD ("no-target", test_no_target);
  ADD ("closed", test_closed);
  ADD ("discarded-at-unsubscribe", test_discarded_at_unsubscribe);
  ADD ("discarded-at-stop", test_discarded_at_stop);
  ADD ("discarded-in-the-handler", test_discarded_in_the_handler);

  return g_test_run ();
}
