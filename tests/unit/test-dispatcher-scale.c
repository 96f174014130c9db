/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-router.h"

/*
 * Routers that are drained, and routers that are told when they lose an actor, so that its state follows it. The clock stands
 * still: nothing but an event goes on.
 */

static void
assert_route (TestDispatch *d,
              const char   *actor,
              const char   *router)
{
  g_autofree char *found = agent_route_table_lookup (d->routes, actor);

  g_assert_cmpstr (found, ==, router);
}

/* --- Draining --- */

static gboolean
finish_drain (TestDispatch  *d,
              GAsyncResult **result,
              GError       **error)
{
  test_wait_result (d->fixture, result);
  return agent_router_dispatcher_drain_router_finish (d->dispatcher, *result, error);
}

static void
on_changed_many (AgentRouteTable   *routes,
                 const char *const *actors,
                 gpointer           user_data)
{
  g_autofree char *joined = g_strjoinv (" ", (char **) actors);

  g_string_append (user_data, joined);
}

static void
test_drain_router (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GString) changed = g_string_new (NULL);

  test_clock_freeze ();
  g_signal_connect (d->routes, "changed-many", G_CALLBACK (on_changed_many), changed);
  test_assign (d, "x", "a");
  test_assign (d, "y", "a");
  test_assign (d, "z", "b");
  test_dispatch_numbers (d, "x", 1, 2);
  test_dispatch (d, test_routed (AGENT_MESSAGE_TYPE_SHUTDOWN, "y"));
  agent_router_dispatcher_drain_router_async (d->dispatcher, "a", NULL, test_keep_result, &result);
  assert_route (d, "x", NULL);
  assert_route (d, "y", NULL);
  assert_route (d, "z", "b");
  g_assert_cmpint (test_dispatch_number (d, "x", 3), ==, AGENT_DISPATCH_RESULT_PARKED);
  g_assert_null (result);

  g_assert_true (finish_drain (d, &result, NULL));
  test_drain (f);
  test_assert_got (a, "shutdown 1 2");
  g_assert_cmpstr (changed->str, ==, "x y");
  g_assert_cmpuint (test_n_parked (d), ==, 1);
  g_assert_cmpuint (test_statistic (d, "returned"), ==, 0);
  test_assign (d, "x", "b");
  test_drain (f);
  test_assert_got (a, "shutdown 1 2");
  test_assert_got (b, "3");
}

/* A delivery that is not complete keeps it from being over. */
static void
keep_delivery (TestRecorder *recorder,
               AgentMessage *message,
               gpointer      user_data)
{
  *(AgentDelivery **) user_data = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));
}

static void
test_drain_deferred (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", keep_delivery, &delivery);
  g_autoptr (GAsyncResult) result = NULL;

  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 1);
  agent_router_dispatcher_drain_router_async (d->dispatcher, "a", NULL, test_keep_result, &result);
  test_drain (f);
  g_assert_nonnull (delivery);
  g_assert_null (result);
  test_run_in_thread (test_complete, delivery);
  g_assert_true (finish_drain (d, &result, NULL));
}

static void
test_drain_nobody (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (GAsyncResult) first = NULL;
  g_autoptr (GAsyncResult) second = NULL;

  test_assign (d, "x", "nobody");
  agent_router_dispatcher_drain_router_async (d->dispatcher, "nobody", NULL, test_keep_result, &first);
  agent_router_dispatcher_drain_router_async (d->dispatcher, "a", NULL, test_keep_result, &second);
  assert_route (d, "x", NULL);
  g_assert_true (finish_drain (d, &first, NULL));
  g_assert_true (finish_drain (d, &second, NULL));
}

/* The router's context is not iterated. */
static void
test_drain_times_out (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (TestRecorder) a = test_router_subscribe_in (f, context, "a", 10);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_bus_set_shutdown_timeout (f->bus, 1);
  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 1);
  agent_router_dispatcher_drain_router_async (d->dispatcher, "a", NULL, test_keep_result, &result);
  g_assert_false (finish_drain (d, &result, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
  assert_route (d, "x", NULL);
  test_iterate_all (context);
  test_assert_got (a, "1");
}

/* A drain that nobody waits for ends as well, and keeps nothing alive. */
static void
test_drain_cancelled (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_subscriber_set_paused (AGENT_SUBSCRIBER (a), TRUE);
  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 1);
  agent_router_dispatcher_drain_router_async (d->dispatcher, "a", cancellable, test_keep_result, &result);
  g_cancellable_cancel (cancellable);
  g_assert_false (finish_drain (d, &result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_clear_object (&result);
}

/* What comes back is parked, in order. */
static void
test_drain_and_leave (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);
  g_autoptr (GAsyncResult) result = NULL;

  test_clock_freeze ();
  test_assign (d, "x", "a");
  test_dispatch_numbers (d, "x", 1, 3);
  agent_router_dispatcher_drain_router_async (d->dispatcher, "a", NULL, test_keep_result, &result);
  test_dispatch_number (d, "x", 4);
  agent_bus_unsubscribe (f->bus, "a");
  g_assert_cmpuint (test_n_parked (d), ==, 4);
  g_assert_true (finish_drain (d, &result, NULL));
  test_assign (d, "x", "b");
  test_drain (f);
  test_assert_got (a, "");
  test_assert_got (b, "1 2 3 4");
}

/* --- Handing off --- */

/* "1 x>b 2": messages by number, and of a HAND_OFF its actor and the new router, "-" for none. */
static void
assert_story (TestRecorder *recorder,
              const char   *expected)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < recorder->messages->len; i++)
    {
      AgentMessage *message = recorder->messages->pdata[i];
      GVariant     *payload = agent_message_get_payload (message);

      if (agent_message_get_message_type (message) == AGENT_MESSAGE_TYPE_HAND_OFF)
        g_string_append_printf (text,
                                "%s%s>%s",
                                i > 0 ? " " : "",
                                agent_message_get_target (message),
                                payload != NULL ? g_variant_get_string (payload, NULL) : "-");
      else
        test_add_word (text, message);
    }
  g_assert_cmpstr (text->str, ==, expected);
}

static TestDispatch *
dispatch_new_with_hand_off (TestFixture *f)
{
  TestDispatch *d = test_dispatch_new (f);

  test_clock_freeze ();
  g_object_set (d->dispatcher, "hand-off", TRUE, NULL);
  return d;
}

static void
test_property (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  gboolean hand_off = TRUE;

  g_object_get (d->dispatcher, "hand-off", &hand_off, NULL);
  g_assert_false (hand_off);
  agent_router_dispatcher_set_hand_off (d->dispatcher, TRUE);
  g_assert_true (agent_router_dispatcher_get_hand_off (d->dispatcher));
}

static void
test_no_hand_off (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 1);
  test_assign (d, "x", "b");
  test_drain (f);
  assert_story (a, "1");
}

/* Behind the last message, and before the next one comes to the new router. */
static void
test_hand_off (TestFixture *f)
{
  g_autoptr (TestDispatch) d = dispatch_new_with_hand_off (f);
  g_autoptr (TestRecorder) a = test_router_new_small (f, "a", 2);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);
  AgentMessage *hand_off;

  test_assign (d, "x", "a");
  test_assign (d, "y", "a");
  test_dispatch_number (d, "x", 1);
  test_dispatch_number (d, "y", 2); /* it is full, which does not matter */
  test_assign (d, "x", "b");
  test_assign (d, "y", "b");
  test_dispatch_number (d, "x", 3);
  g_assert_cmpuint (test_n_parked (d), ==, 1);
  test_drain (f);
  assert_story (a, "1 2 x>b y>b");
  assert_story (b, "3");
  hand_off = a->messages->pdata[2];
  g_assert_cmpstr (agent_message_get_name (hand_off), ==, "hand-off");
  g_assert_cmpstr (agent_message_get_source (hand_off), ==, "agentbus");
  g_assert_true (agent_message_is_reliable (hand_off));
  g_assert_cmpint (agent_message_get_channel (hand_off), ==, AGENT_CHANNEL_DATA);
  g_assert_cmpuint (test_statistic (d, "dispatched"), ==, 3);
  test_assert_balanced (f->bus);
}

/* One for both channels; and a message of the system channel waits for it as well. */
static void
test_hand_off_of_both_channels (TestFixture *f)
{
  g_autoptr (TestDispatch) d = dispatch_new_with_hand_off (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);
  g_autoptr (TestRecorder) c = test_recorder_subscribe (f, "c", NULL, NULL);

  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 1);
  test_dispatch (d, test_routed (AGENT_MESSAGE_TYPE_SHUTDOWN, "x"));
  test_assign (d, "x", "b");
  g_assert_cmpint (
      test_dispatch (d, test_routed (AGENT_MESSAGE_TYPE_SHUTDOWN, "x")), ==, AGENT_DISPATCH_RESULT_PARKED);
  test_drain (f);
  assert_story (a, "shutdown 1 x>b");
  assert_story (b, "shutdown");

  /* The router had nothing but a system message. */
  test_assign (d, "x", "c");
  test_dispatch_number (d, "x", 2);
  test_drain (f);
  assert_story (b, "shutdown x>c");
  assert_story (c, "2");
  test_assign (d, "y", "a");
  test_dispatch (d, test_routed (AGENT_MESSAGE_TYPE_SHUTDOWN, "y"));
  test_assign (d, "y", "c");
  test_drain (f);
  assert_story (a, "shutdown 1 x>b shutdown y>c");
}

/* Whatever takes an actor away. */
static void
test_hand_off_without_heir (TestFixture *f)
{
  g_autoptr (TestDispatch) d = dispatch_new_with_hand_off (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  test_assign (d, "x", "a");
  test_assign (d, "y", "a");
  test_assign (d, "quiet", "a");
  test_dispatch_number (d, "x", 1);
  test_dispatch_number (d, "y", 2);
  agent_route_table_unassign (d->routes, "x");
  agent_route_table_remove (d->routes, "y");
  agent_route_table_unassign (d->routes, "quiet");
  test_drain (f);
  assert_story (a, "1 2 x>- y>-");

  /* It comes back to the same router, which has given its state away. */
  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 3);
  test_drain (f);
  assert_story (a, "1 2 x>- y>- 3");
}

/* The state is on its way when the actor moves on, or back: it follows from one router to the next. */
static void
test_hand_off_in_a_chain (TestFixture *f)
{
  g_autoptr (TestDispatch) d = dispatch_new_with_hand_off (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 1);
  test_assign (d, "x", "b");
  test_assign (d, "x", "a");
  g_assert_cmpint (test_dispatch_number (d, "x", 2), ==, AGENT_DISPATCH_RESULT_PARKED);
  test_drain (f);
  assert_story (a, "1 x>b 2");
  assert_story (b, "x>a");

  /* With nothing on the way, and over a router that got no message. */
  test_assign (d, "x", "b");
  test_drain (f);
  assert_story (a, "1 x>b 2 x>b");
  test_assign (d, "x", "nobody");
  test_drain (f);
  assert_story (b, "x>a x>nobody");
  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 3);
  test_drain (f);
  assert_story (a, "1 x>b 2 x>b 3");
}

/* A handler that moves the state while its delivery is not complete. */
static void
test_hand_off_deferred (TestFixture *f)
{
  g_autoptr (TestDispatch) d = dispatch_new_with_hand_off (f);
  g_autoptr (AgentDelivery) delivery = NULL;
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 1);
  test_drain (f);
  a->handler = keep_delivery;
  a->user_data = &delivery;
  test_assign (d, "x", "b");
  test_dispatch_number (d, "x", 3);
  test_drain (f);
  g_assert_nonnull (delivery);
  test_assert_got (b, "");
  agent_bus_send (f->bus, test_data ("a", "b", 2));
  agent_delivery_complete (delivery);
  test_drain (f);
  assert_story (b, "2 3");
}

/* A router that leaves gets none, and delays nobody. */
static void
test_hand_off_and_leave (TestFixture *f)
{
  g_autoptr (TestDispatch) d = dispatch_new_with_hand_off (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  test_assign (d, "x", "a");
  test_dispatch_numbers (d, "x", 1, 2);
  agent_bus_unsubscribe (f->bus, "a");
  test_assign (d, "x", "b");
  test_dispatch_number (d, "x", 3);
  test_drain (f);
  assert_story (a, "");
  assert_story (b, "1 2 3");
  g_string_truncate (f->log, 0);
}

/* The HAND_OFF says the id that the actor had, and it is one only. */
static void
test_hand_off_and_rename (TestFixture *f)
{
  g_autoptr (TestDispatch) d = dispatch_new_with_hand_off (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);
  g_autoptr (TestRecorder) c = test_recorder_subscribe (f, "c", NULL, NULL);

  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 1);
  test_assign (d, "x", "b");
  g_assert_true (agent_route_table_rename (d->routes, "x", "y", NULL));
  test_dispatch_number (d, "y", 2);
  test_drain (f);
  assert_story (a, "1 x>b");
  assert_story (b, "2");
  test_assign (d, "y", "c");
  test_drain (f);
  assert_story (b, "2 y>c");
}

static void
test_hand_off_in_total_order (TestFixture *f)
{
  test_assert_dies (f->bus);
  f->bus = g_object_new (AGENT_TYPE_BUS, "total-order", TRUE, NULL);
  test_hand_off (f);
}

/* A router is drained: first its actors go to others, with their state, and then it leaves. */
static void
test_drain_after_hand_off (TestFixture *f)
{
  g_autoptr (TestDispatch) d = dispatch_new_with_hand_off (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GVariant) moves = NULL;

  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 1);
  moves = agent_route_table_rebalance (d->routes, (const char *[]){ "b", NULL }, NULL);
  test_dispatch_number (d, "x", 2);
  agent_router_dispatcher_drain_router_async (d->dispatcher, "a", NULL, test_keep_result, &result);
  g_assert_true (finish_drain (d, &result, NULL));
  assert_story (a, "1 x>b");
  g_assert_true (test_unsubscribe (f, "a", NULL));
  test_drain (f);
  assert_story (b, "2");
  g_assert_cmpuint (test_statistic (d, "returned"), ==, 0);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/dispatcher-scale/" name, func)
  ADD ("drain", test_drain_router);
  ADD ("drain-deferred", test_drain_deferred);
  ADD ("drain-nobody", test_drain_nobody);
  ADD ("drain-times-out", test_drain_times_out);
  ADD ("drain-cancelled", test_drain_cancelled);
  ADD ("drain-and-leave", test_drain_and_leave);
  ADD ("hand-off-property", test_property);
  ADD ("hand-off-off", test_no_hand_off);
  ADD ("hand-off-on", test_hand_off);
  ADD ("hand-off-both-channels", test_hand_off_of_both_channels);
  ADD ("hand-off-without-heir", test_hand_off_without_heir);
  ADD ("hand-off-in-a-chain", test_hand_off_in_a_chain);
  ADD ("hand-off-deferred", test_hand_off_deferred);
  ADD ("hand-off-and-leave", test_hand_off_and_leave);
  ADD ("hand-off-and-rename", test_hand_off_and_rename);
  ADD ("hand-off-in-total-order", test_hand_off_in_total_order);
  ADD ("hand-off-and-drain", test_drain_after_hand_off);
#undef ADD

  return g_test_run ();
}
