/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-support.h"

/*
 * Who is called for a message, and in which order: the signal, its details, and the virtual function.
 */

static guint64
test_get_unhandled (TestFixture *f,
                    const char  *name)
{
  g_autoptr (GVariant) statistics = agent_bus_get_statistics (f->bus);
  g_autoptr (GVariant) subscribers = g_variant_lookup_value (statistics, "subscribers", G_VARIANT_TYPE_VARDICT);
  g_autoptr (GVariant) subscriber = g_variant_lookup_value (subscribers, name, G_VARIANT_TYPE_VARDICT);
  guint64 unhandled = 0;

  g_assert_true (g_variant_lookup (subscriber, "unhandled", "t", &unhandled));
  return unhandled;
}

typedef struct
{
  GString *text;
  gulong   id;
} Calls;

static void
on_message (AgentSubscriber *subscriber,
            AgentMessage    *message,
            gpointer         user_data)
{
  Calls *self = user_data;

  g_string_append_printf (self->text, "signal:%s ", agent_message_get_name (message));
}

static void
on_message_after (AgentSubscriber *subscriber,
                  AgentMessage    *message,
                  gpointer         user_data)
{
  Calls *self = user_data;

  g_string_append_printf (self->text, "after:%s ", agent_message_get_name (message));
}

static void
call_vfunc (TestRecorder *recorder,
            AgentMessage *message,
            gpointer      user_data)
{
  Calls *self = user_data;

  g_string_append_printf (self->text, "vfunc:%s ", agent_message_get_name (message));
}

static void
assert_calls (Calls      *self,
              const char *expected)
{
  g_assert_cmpstr (self->text->str, ==, expected);
  g_string_truncate (self->text, 0);
}

static void
calls_clear (Calls *self)
{
  g_string_free (self->text, TRUE);
}

static void
test_signal_before_vfunc (TestFixture *f)
{
  Calls calls = { g_string_new (NULL), 0 };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", call_vfunc, &calls);

  g_signal_connect_after (a, "message", G_CALLBACK (on_message_after), &calls);
  g_signal_connect (a, "message", G_CALLBACK (on_message), &calls);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  test_drain (f);
  assert_calls (&calls,
                "signal:cancel vfunc:cancel after:cancel "
                "signal:task-update vfunc:task-update after:task-update ");
  calls_clear (&calls);
}

static void
test_detail (TestFixture *f)
{
  Calls calls = { g_string_new (NULL), 0 };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", call_vfunc, &calls);

  g_signal_connect (a, "message::cancel", G_CALLBACK (on_message), &calls);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  agent_bus_send (f->bus, agent_message_new_end ("test", "a", NULL));
  test_drain (f);
  assert_calls (&calls, "signal:cancel vfunc:cancel vfunc:end vfunc:task-update ");
  calls_clear (&calls);
}

static AgentMessage *
new_custom (const char  *name,
            AgentChannel channel)
{
  return agent_message_new_custom (name, channel, "test", "a", NULL);
}

static void
test_custom_on_both_channels (TestFixture *f)
{
  Calls calls = { g_string_new (NULL), 0 };
  g_autoptr (AgentSubscriber) a = agent_subscriber_new ("a");

  g_signal_connect (a, "message::test-slow", G_CALLBACK (on_message), &calls);
  g_signal_connect (a, "message::test-fast", G_CALLBACK (on_message), &calls);
  agent_bus_subscribe (f->bus, a, NULL);
  agent_bus_send (f->bus, new_custom ("test-slow", AGENT_CHANNEL_DATA));
  agent_bus_send (f->bus, new_custom ("test-other", AGENT_CHANNEL_SYSTEM));
  agent_bus_send (f->bus, new_custom ("test-fast", AGENT_CHANNEL_SYSTEM));
  test_drain (f);
  assert_calls (&calls, "signal:test-fast signal:test-slow ");
  g_assert_cmpuint (agent_subscriber_get_n_delivered (a), ==, 3);
  calls_clear (&calls);
}

/* A handler for a message of no name in particular hears of names that nobody asked for. */
static void
test_custom_without_a_detail (TestFixture *f)
{
  Calls calls = { g_string_new (NULL), 0 };
  g_autoptr (AgentSubscriber) a = agent_subscriber_new ("a");

  g_signal_connect (a, "message", G_CALLBACK (on_message), &calls);
  agent_bus_subscribe (f->bus, a, NULL);
  agent_bus_send (f->bus, new_custom ("test-unheard", AGENT_CHANNEL_DATA));
  test_drain (f);
  assert_calls (&calls, "signal:test-unheard ");
  g_assert_cmpuint (g_quark_try_string ("test-unheard"), ==, 0);
  calls_clear (&calls);
}

static void
test_connect_while_subscribed (TestFixture *f)
{
  Calls calls = { g_string_new (NULL), 0 };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", call_vfunc, &calls);

  agent_bus_send (f->bus, test_cancel ("test", "a"));
  test_drain (f);
  calls.id = g_signal_connect (a, "message", G_CALLBACK (on_message), &calls);
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  test_drain (f);
  g_signal_handler_disconnect (a, calls.id);
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  test_drain (f);
  assert_calls (&calls, "vfunc:cancel signal:cancel vfunc:cancel vfunc:cancel ");
  calls_clear (&calls);
}

static void
disconnect_itself (AgentSubscriber *subscriber,
                   AgentMessage    *message,
                   gpointer         user_data)
{
  Calls *self = user_data;

  on_message (subscriber, message, user_data);
  g_signal_handler_disconnect (subscriber, self->id);
}

static void
test_disconnect_in_the_handler (TestFixture *f)
{
  Calls calls = { g_string_new (NULL), 0 };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", call_vfunc, &calls);

  calls.id = g_signal_connect (a, "message", G_CALLBACK (disconnect_itself), &calls);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  test_drain (f);
  assert_calls (&calls, "signal:task-update vfunc:task-update vfunc:task-update ");
  calls_clear (&calls);
}

static void
connect_another (AgentSubscriber *subscriber,
                 AgentMessage    *message,
                 gpointer         user_data)
{
  g_signal_handlers_disconnect_by_func (subscriber, connect_another, user_data);
  g_signal_connect (subscriber, "message", G_CALLBACK (on_message), user_data);
}

static void
test_connect_in_the_handler (TestFixture *f)
{
  Calls calls = { g_string_new (NULL), 0 };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", call_vfunc, &calls);

  g_signal_connect (a, "message", G_CALLBACK (connect_another), &calls);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  test_drain (f);
  assert_calls (&calls, "vfunc:task-update signal:task-update vfunc:task-update ");
  calls_clear (&calls);
}

static void
connect_in_vfunc (TestRecorder *recorder,
                  AgentMessage *message,
                  gpointer      user_data)
{
  if (test_recorder_count (recorder) == 1)
    g_signal_connect (recorder, "message", G_CALLBACK (on_message), user_data);
}

/* At the latest when everything that was queued is through. */
static void
test_connect_in_the_vfunc (TestFixture *f)
{
  Calls calls = { g_string_new (NULL), 0 };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", connect_in_vfunc, &calls);

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  assert_calls (&calls, "");
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  test_drain (f);
  assert_calls (&calls, "signal:task-update ");
  calls_clear (&calls);
}

static void
test_blocked_handler (TestFixture *f)
{
  Calls calls = { g_string_new (NULL), 0 };
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", call_vfunc, &calls);

  calls.id = g_signal_connect (a, "message", G_CALLBACK (on_message), &calls);
  g_signal_handler_block (a, calls.id);
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  test_drain (f);
  assert_calls (&calls, "vfunc:cancel ");
  g_signal_handler_unblock (a, calls.id);
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  test_drain (f);
  assert_calls (&calls, "signal:cancel vfunc:cancel ");
  calls_clear (&calls);
}

/* System messages are taken, for their channel has no bound, and are counted as unhandled. Data waits for a handler. */
static void
test_no_vfunc_and_no_handler (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = agent_subscriber_new ("a");
  Calls calls = { g_string_new (NULL), 0 };

  agent_bus_subscribe (f->bus, a, NULL);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  test_drain (f);
  test_expect_log (f, "Nobody listens to subscriber 'a'");
  g_assert_cmpuint (agent_subscriber_get_n_delivered (a), ==, 2);
  g_assert_cmpuint (agent_subscriber_get_n_queued (a), ==, 1);
  g_assert_cmpuint (test_get_unhandled (f, "a"), ==, 2);

  /* Nothing tells the bus that a handler is connected: it looks before the context sleeps. */
  g_signal_connect (a, "message", G_CALLBACK (on_message), &calls);
  test_drain (f);
  assert_calls (&calls, "signal:task-update ");
  g_assert_cmpuint (agent_subscriber_get_n_queued (a), ==, 0);
  calls_clear (&calls);
}

/* Names that no handler wants are counted, and do not keep the others from being handled. */
static void
test_unhandled_name (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = agent_subscriber_new ("a");
  Calls calls = { g_string_new (NULL), 0 };

  g_signal_connect (a, "message::cancel", G_CALLBACK (on_message), &calls);
  agent_bus_subscribe (f->bus, a, NULL);
  for (guint i = 0; i < 3; i++)
    agent_bus_send (f->bus, test_data ("test", "a", i));
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  test_drain (f);
  assert_calls (&calls, "signal:cancel ");
  g_assert_cmpuint (agent_subscriber_get_n_delivered (a), ==, 4);
  g_assert_cmpuint (test_get_unhandled (f, "a"), ==, 3);
  calls_clear (&calls);
}

static void
fill_and_drop (TestFixture     *f,
               AgentSubscriber *subscriber)
{
  agent_bus_subscribe (f->bus, subscriber, NULL);
  agent_bus_send (f->bus, test_data ("test", agent_subscriber_get_name (subscriber), 1));
  agent_bus_unsubscribe (f->bus, agent_subscriber_get_name (subscriber));
  test_drain (f);
}

/* What nobody has listened to is discarded when the subscriber leaves, which is logged; but not if somebody might have
 * received it. */
static void
test_leaves_unheard (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = agent_subscriber_new ("a");
  g_autoptr (AgentSubscriber) b = agent_subscriber_new ("b");

  fill_and_drop (f, a);
  test_expect_log (f, "Nobody listens to subscriber 'a'");

  agent_subscriber_set_paused (b, TRUE);
  fill_and_drop (f, b);
}

/* The first drop is logged together with the reason that nobody takes messages out. */
static void
test_drops_unheard (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = g_object_new (AGENT_TYPE_SUBSCRIBER, "name", "a", "capacity", 2, NULL);

  agent_bus_subscribe (f->bus, a, NULL);
  for (guint i = 0; i < 3; i++)
    agent_bus_send (f->bus, test_data ("test", "a", i));
  test_drain (f);
  test_expect_log (f, "Nobody listens to subscriber 'a'");
}

/* --- Subclasses --- */

typedef AgentSubscriber      Plain;
typedef AgentSubscriberClass PlainClass;

static GType plain_get_type (void);
G_DEFINE_TYPE (Plain, plain, AGENT_TYPE_SUBSCRIBER)

static void
plain_class_init (PlainClass *klass)
{
}

static void
plain_init (Plain *self)
{
}

static void
test_subclass_without_vfunc (TestFixture *f)
{
  Calls calls = { g_string_new (NULL), 0 };
  g_autoptr (AgentSubscriber) a = g_object_new (plain_get_type (), "name", "a", NULL);

  agent_bus_subscribe (f->bus, a, NULL);
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  test_drain (f);
  test_expect_log (f, "Nobody listens to subscriber 'a'");
  g_signal_connect (a, "message", G_CALLBACK (on_message), &calls);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  assert_calls (&calls, "signal:task-update ");
  g_assert_cmpuint (agent_subscriber_get_n_delivered (a), ==, 2);
  calls_clear (&calls);
}

typedef AgentSubscriber      Overrider;
typedef AgentSubscriberClass OverriderClass;

static GType overrider_get_type (void);
G_DEFINE_TYPE (Overrider, overrider, AGENT_TYPE_SUBSCRIBER)

static guint n_overridden;

static void
count_overridden (AgentSubscriber *subscriber,
                  AgentMessage    *message)
{
  n_overridden++;
}

/* As scripting languages do with a signal that a class redefines. */
static void
overrider_class_init (OverriderClass *klass)
{
  g_signal_override_class_handler ("message", G_TYPE_FROM_CLASS (klass), G_CALLBACK (count_overridden));
}

static void
overrider_init (Overrider *self)
{
}

static void
test_overridden_class_handler (TestFixture *f)
{
  g_autoptr (AgentSubscriber) a = g_object_new (overrider_get_type (), "name", "a", NULL);

  n_overridden = 0;
  agent_bus_subscribe (f->bus, a, NULL);
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  test_drain (f);
  g_assert_cmpuint (n_overridden, ==, 2);
}

#define ADD(name, func) test_add ("/agentbus/handlers/" name, func)

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

  ADD ("signal-before-vfunc", test_signal_before_vfunc);
  ADD ("detail", test_detail);
  ADD ("custom-on-both-channels", test_custom_on_both_channels);
  ADD ("custom-without-a-detail", test_custom_without_a_detail);
  ADD ("connect-while-subscribed", test_connect_while_subscribed);
  ADD ("disconnect-in-the-handler", test_disconnect_in_the_handler);
  ADD ("connect-in-the-handler", test_connect_in_the_handler);
  ADD ("connect-in-the-vfunc", test_connect_in_the_vfunc);
  ADD ("blocked-handler", test_blocked_handler);
  ADD ("no-vfunc-and-no-handler", test_no_vfunc_and_no_handler);
  ADD ("unhandled-name", test_unhandled_name);
  ADD ("leaves-unheard", test_leaves_unheard);
  ADD ("drops-unheard", test_drops_unheard);
  ADD ("subclass-without-vfunc", test_subclass_without_vfunc);
  ADD ("overridden-class-handler", test_overridden_class_handler);

  return g_test_run ();
}
