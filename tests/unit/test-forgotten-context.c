/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include "test-support.h"

/*
 * The hint that nothing iterates the context of a subscriber: a later send gives it, once, when the channel is full or has
 * grown to a power of two and a second has passed. The clock stands still, unless a case moves it.
 */

typedef struct
{
  guint n;
  char *text;
  guint handler;
} Hints;

static void
on_hint (const char    *domain,
         GLogLevelFlags level,
         const char    *message,
         gpointer       user_data)
{
  Hints *self = user_data;

  self->n++;
  g_free (self->text);
  self->text = g_strdup (message);
}

static AgentMessage *
test_end (const char *target)
{
  return agent_message_new_end ("test", target, NULL);
}

static void
hints_begin (Hints *self)
{
  *self = (Hints){ 0 };
  test_clock_freeze ();
  self->handler = g_log_set_handler ("AgentBus", G_LOG_LEVEL_MESSAGE, on_hint, self);
}

static void
hints_end (Hints *self,
           guint  n)
{
  g_log_remove_handler ("AgentBus", self->handler);
  g_assert_cmpuint (self->n, ==, n);
  g_free (self->text);
}

static void
send_data (TestFixture *f,
           guint        n)
{
  for (guint i = 1; i <= n; i++)
    agent_bus_send (f->bus, test_data ("test", "a", i));
}

static void
test_power_of_two (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  Hints hints;

  hints_begin (&hints);
  send_data (f, 3);
  test_clock_advance (G_USEC_PER_SEC - 1);
  send_data (f, 1); /* the fourth */
  g_assert_cmpuint (hints.n, ==, 0);
  test_clock_advance (1);
  send_data (f, 3);
  g_assert_cmpuint (hints.n, ==, 0);
  send_data (f, 1); /* the eighth */
  g_assert_cmpuint (hints.n, ==, 1);
  g_assert_nonnull (strstr (hints.text, "'a' has been given no message for more than a second, and 8 wait"));

  test_clock_advance (G_USEC_PER_SEC);
  send_data (f, 100);
  hints_end (&hints, 1);
}

static void
test_system_channel (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  Hints hints;

  hints_begin (&hints);
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  test_clock_advance (2 * G_USEC_PER_SEC);
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  hints_end (&hints, 1);
}

static void
full (TestFixture  *f,
      AgentOverflow overflow)
{
  g_autoptr (TestRecorder) a =
      test_recorder_new_full (NULL, NULL, "name", "a", "capacity", 3, "overflow", overflow, NULL);
  Hints hints;

  hints_begin (&hints);
  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  send_data (f, 5);
  g_assert_cmpuint (hints.n, ==, 0);
  test_clock_advance (G_USEC_PER_SEC);
  send_data (f, 2);
  hints_end (&hints, 1);
  test_drain (f);
  test_expect_log (f, "'a' is full");
}

static void
test_full (TestFixture *f)
{
  full (f, AGENT_OVERFLOW_DROP_NEWEST);
}

static void
test_full_of_the_newest (TestFixture *f)
{
  full (f, AGENT_OVERFLOW_DROP_OLDEST);
}

/* Time alone is no sign: the subscriber had nothing to do, or has taken something since. */
static void
test_served_in_time (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  Hints hints;

  hints_begin (&hints);
  for (guint i = 0; i < 5; i++)
    {
      send_data (f, 4);
      test_drain (f);
      test_clock_advance (2 * G_USEC_PER_SEC);
    }
  send_data (f, 64);
  hints_end (&hints, 0);
}

static void
keep_delivery (TestRecorder *recorder,
               AgentMessage *message,
               gpointer      user_data)
{
  *(AgentDelivery **) user_data = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));
}

/* Nor is a handler that takes long, with messages that wait behind it in both channels. */
static void
test_busy_handler (TestFixture *f)
{
  AgentDelivery *delivery = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", keep_delivery, &delivery);
  Hints hints;

  hints_begin (&hints);
  send_data (f, 1);
  test_drain (f);
  send_data (f, 3);
  agent_bus_send (f->bus, test_end ("a"));
  test_clock_advance (2 * G_USEC_PER_SEC);
  send_data (f, 5);
  agent_bus_send (f->bus, test_end ("a"));
  hints_end (&hints, 0);
  agent_delivery_complete (delivery);
  g_object_unref (delivery);
  a->handler = NULL;
  test_drain (f);
}

/* Nor is a subscriber that nobody listens to, whose data waits, nor one that is paused. */
static void
test_nobody_listens (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = agent_subscriber_new ("a");
  Hints hints;

  hints_begin (&hints);
  g_assert_true (agent_bus_subscribe (f->bus, a, NULL));
  send_data (f, 3);
  test_drain (f);
  test_clock_advance (2 * G_USEC_PER_SEC);
  send_data (f, 5);
  hints_end (&hints, 0);
}

static void
test_paused (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  Hints hints;

  hints_begin (&hints);
  agent_subscriber_set_paused (AGENT_SUBSCRIBER (a), TRUE);
  send_data (f, 3);
  test_drain (f);
  test_clock_advance (2 * G_USEC_PER_SEC);
  send_data (f, 5);
  hints_end (&hints, 0);
}

static void
send_on_hint (const char    *domain,
              GLogLevelFlags level,
              const char    *message,
              gpointer       user_data)
{
  TestFixture *f = user_data;

  agent_bus_send (f->bus, test_data ("test", "nobody", 1));
}

/* The writer of the log may use the bus, also where senders wait for one another. */
static void
test_no_lock_is_held (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_new ("a", NULL, NULL);
  guint handler = g_log_set_handler ("AgentBus", G_LOG_LEVEL_MESSAGE, send_on_hint, f);

  test_clock_freeze ();
  g_clear_object (&f->bus);
  f->bus = g_object_new (AGENT_TYPE_BUS, "total-order", TRUE, NULL);
  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL));
  send_data (f, 1);
  test_clock_advance (2 * G_USEC_PER_SEC);
  send_data (f, 1);
  g_assert_cmpuint (test_ledger (f->bus).sent, ==, 3);
  g_log_remove_handler ("AgentBus", handler);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/forgotten-context/" name, func)
  ADD ("power-of-two", test_power_of_two);
  ADD ("system-channel", test_system_channel);
  ADD ("full", test_full);
  ADD ("full-of-the-newest", test_full_of_the_newest);
  ADD ("served-in-time", test_served_in_time);
  ADD ("busy-handler", test_busy_handler);
  ADD ("nobody-listens", test_nobody_listens);
  ADD ("paused", test_paused);
  ADD ("no-lock-is-held", test_no_lock_is_held);

  return g_test_run ();
}
