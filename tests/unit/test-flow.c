/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

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

  send_many (f, 10);
  for (guint i = 0; i < 1000; i++)
    {
      send_many (f, 1);
      receive_many (a, 1);
    }
  send_many (f, 65);
  assert_told (f, told, "");
  send_many (f, 1);
  assert_told (f, told, "slow:76 ");
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

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, function) test_add ("/agentbus/flow/" name, function)

  ADD ("slow", test_slow);
  ADD ("slow-later", test_slow_later);
  ADD ("drops", test_drops);
  ADD ("drops-oldest", test_drops_oldest);
  ADD ("bytes", test_bytes);
  ADD ("system", test_system);
  ADD ("handlers", test_handlers);
  ADD ("unheard", test_unheard);
  ADD ("leaves", test_leaves);

  return g_test_run ();
}
