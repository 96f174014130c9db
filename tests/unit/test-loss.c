/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-tools.h"

/*
 * What the source of a message hears that asked for an error reply.
 */

static AgentMessage *
new_request (const char *target,
             const char *task_id)
{
  AgentMessage *message = agent_message_new_task_update ("source", target, task_id, NULL);

  agent_message_set_error_reply (message, TRUE);
  return message;
}

static TestRecorder *
subscribe_source (TestFixture *f)
{
  return test_recorder_subscribe (f, "source", NULL, NULL);
}

/* What waits in it grows as old as a test says, however slow the machine is. */
static TestRecorder *
subscribe_small (TestFixture  *f,
                 const char   *name,
                 AgentOverflow overflow)
{
  TestRecorder *recorder = test_recorder_new_full (
      NULL, NULL, "name", name, "capacity", 1, "overflow", overflow, "max-age", 100, NULL);

  test_clock_freeze ();
  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (recorder), NULL);
  return recorder;
}

/* The news of the source so far, each as "from:task id:a word of the text"; then they are forgotten. */
static char *
take_news (TestRecorder *source)
{
  GString *news = g_string_new (NULL);

  for (guint i = 0; i < source->messages->len; i++)
    {
      AgentMessage *message = source->messages->pdata[i];
      const char   *text = agent_message_get_reason (message);
      const char   *word = strrchr (text, ' ');

      g_assert_cmpint (agent_message_get_message_type (message), ==, AGENT_MESSAGE_TYPE_AGENT_ERROR);
      g_assert_cmpuint (agent_message_get_cause (message), !=, 0);
      g_string_append_printf (news,
                              "%s%s:%s:%s",
                              news->len > 0 ? " " : "",
                              agent_message_get_source (message),
                              agent_message_get_task_id (message),
                              word != NULL ? word + 1 : text);
    }
  g_ptr_array_set_size (source->messages, 0);

  return g_string_free (news, FALSE);
}

static void
assert_news (TestFixture  *f,
             TestRecorder *source,
             const char   *expected)
{
  g_autofree char *news = NULL;

  test_drain (f);
  news = take_news (source);
  g_assert_cmpstr (news, ==, expected);
}

static void
test_full (TestFixture *f)
{
  g_autoptr (TestRecorder) source = subscribe_source (f);
  g_autoptr (TestRecorder) newest = subscribe_small (f, "newest", AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (TestRecorder) oldest = subscribe_small (f, "oldest", AGENT_OVERFLOW_DROP_OLDEST);

  for (guint i = 0; i < 2; i++)
    {
      agent_bus_send (f->bus, new_request ("newest", i == 0 ? "1" : "2"));
      agent_bus_send (f->bus, new_request ("oldest", i == 0 ? "3" : "4"));
    }
  assert_news (f, source, "newest:2:full oldest:3:full");
  g_assert_nonnull (strstr (f->log->str, "'newest' is full"));
  test_expect_log (f, "'oldest' is full");
}

/* One for each that lost it. */
static void
test_broadcast (TestFixture *f)
{
  g_autoptr (TestRecorder) source = subscribe_source (f);
  g_autoptr (TestRecorder) a = subscribe_small (f, "a", AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (TestRecorder) b = subscribe_small (f, "b", AGENT_OVERFLOW_DROP_NEWEST);
  g_autoptr (TestRecorder) c = test_recorder_subscribe (f, "c", NULL, NULL);
  g_autofree char *news = NULL;

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_data ("test", "b", 1));
  agent_bus_send (f->bus, new_request (NULL, "7"));
  test_drain (f);
  news = take_news (source);
  g_assert_true (g_str_equal (news, "a:7:full b:7:full") || g_str_equal (news, "b:7:full a:7:full"));
  g_string_truncate (f->log, 0);
}

static void
test_expired (TestFixture *f)
{
  g_autoptr (TestRecorder) source = subscribe_source (f);
  g_autoptr (TestRecorder) a = subscribe_small (f, "a", AGENT_OVERFLOW_DROP_NEWEST);

  agent_bus_send (f->bus, new_request ("a", "1"));
  test_clock_advance (100000);
  assert_news (f, source, "a:1:expired");
}

static void
test_no_target (TestFixture *f)
{
  g_autoptr (TestRecorder) source = subscribe_source (f);

  agent_bus_send (f->bus, new_request ("nobody", "1"));
  agent_bus_send (f->bus, new_request (NULL, "2"));
  agent_bus_send (f->bus, new_request ("source", "3"));
  assert_news (f, source, "nobody:1:no-target agentbus:2:no-target agentbus:3:no-target");
}

static void
test_discarded (TestFixture *f)
{
  g_autoptr (TestRecorder) source = subscribe_source (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  agent_bus_send (f->bus, new_request ("a", "1"));
  agent_bus_send (f->bus, test_data ("source", "a", 2));
  agent_bus_send (f->bus, new_request ("a", "3"));
  agent_bus_unsubscribe (f->bus, "a");
  assert_news (f, source, "a:1:discarded a:3:discarded");
}

static void
defer (TestRecorder *recorder,
       AgentMessage *message,
       gpointer      user_data)
{
  *(AgentDelivery **) user_data = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));
}

static void
test_failed (TestFixture *f)
{
  AgentDelivery *delivery = NULL;
  g_autoptr (TestRecorder) source = subscribe_source (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", defer, &delivery);

  agent_bus_send (f->bus, new_request ("a", "1"));
  test_drain (f);
  agent_delivery_fail_message (delivery, "not today");
  g_clear_object (&delivery);
  assert_news (f, source, "a:1:today");

  agent_bus_send (f->bus, new_request ("a", "2"));
  test_drain (f);
  g_clear_object (&delivery);
  assert_news (f, source, "a:2:answer");
  test_expect_log (f, "dropped without complete");
}

/* Once, whatever the handler says afterwards. */
static void
test_gone_with_it_in_hand (TestFixture *f)
{
  AgentDelivery *delivery = NULL;
  g_autoptr (TestRecorder) source = subscribe_source (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", defer, &delivery);
  g_autoptr (GError) error = NULL;

  agent_bus_set_shutdown_timeout (f->bus, 1);
  agent_bus_send (f->bus, new_request ("a", "1"));
  test_drain (f);
  g_assert_false (test_unsubscribe (f, "a", &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
  assert_news (f, source, "a:1:closed");
  test_expect_log (f, "did not leave");

  agent_delivery_fail_message (delivery, "too late");
  g_clear_object (&delivery);
  assert_news (f, source, "");
}

static void
test_handled (TestFixture *f)
{
  AgentDelivery *delivery = NULL;
  g_autoptr (TestRecorder) source = subscribe_source (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", defer, &delivery);

  agent_bus_send (f->bus, new_request ("a", "1"));
  agent_bus_send (f->bus, new_request ("b", "2"));
  test_drain (f);
  agent_delivery_complete (delivery);
  g_clear_object (&delivery);
  assert_news (f, source, "");
}

static void
test_nobody_to_tell (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) source = NULL;
  g_autoptr (AgentMessage) error = agent_message_new_agent_error ("source", "nobody", "text");
  TestLedger ledger;

  /* The source is not there. */
  agent_bus_send (f->bus, new_request ("nobody", "1"));
  test_drain (f);
  ledger = test_ledger (f->bus);
  g_assert_cmpuint (ledger.sent, ==, 1);

  /* Of an error, nobody hears. */
  source = subscribe_source (f);
  agent_message_set_error_reply (error, TRUE);
  agent_bus_send (f->bus, g_steal_pointer (&error));
  assert_news (f, source, "");

  /* The bus is stopped. */
  agent_bus_send (f->bus, new_request ("a", "2"));
  test_stop (f);
  agent_bus_send (f->bus, new_request ("a", "3"));
  assert_news (f, source, "");
}

static void
test_total_order (TestFixture *f)
{
  g_autoptr (AgentBus) bus = g_object_new (AGENT_TYPE_BUS, "total-order", TRUE, NULL);
  g_autoptr (TestRecorder) source = test_recorder_new ("source", NULL, NULL);

  agent_bus_subscribe (bus, AGENT_SUBSCRIBER (source), NULL);
  agent_bus_send (bus, new_request ("nobody", "1"));
  assert_news (f, source, "nobody:1:no-target");
}

#define ADD(name, func) test_add ("/agentbus/loss/" name, func)

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

  ADD ("full", test_full);
  ADD ("broadcast", test_broadcast);
  ADD ("expired", test_expired);
  ADD ("no-target", test_no_target);
  ADD ("discarded", test_discarded);
  ADD ("failed", test_failed);
  ADD ("gone-with-it-in-hand", test_gone_with_it_in_hand);
  ADD ("handled", test_handled);
  ADD ("nobody-to-tell", test_nobody_to_tell);
  ADD ("total-order", test_total_order);

  return g_test_run ();
}
