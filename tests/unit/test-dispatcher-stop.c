/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-router.h"

/*
 * How a dispatcher ends: stopped, with what is still parked, or let go of. The deadline of a stop is a real timer, so
 * it is a few milliseconds, or so long that it never comes.
 */

/* --- Stop --- */

static void
start_stop (TestDispatch  *d,
            GCancellable  *cancellable,
            GAsyncResult **result)
{
  agent_router_dispatcher_stop_async (d->dispatcher, cancellable, test_keep_result, result);
}

static void
assert_stopped (TestDispatch  *d,
                GAsyncResult **result)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (test_finish_stop (d, result, &error));
  g_assert_no_error (error);
}

static void
test_stop_empty (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_set_shutdown_timeout (f->bus, G_MAXINT);
  start_stop (d, NULL, &result);
  g_assert_null (result); /* never inside the call */
  test_drain (f);
  g_assert_nonnull (result);
  assert_stopped (d, &result);
  test_dispatch_refused (d, test_data ("test", "x", 1), AGENT_BUS_ERROR_CLOSED);
  g_assert_cmpint (test_get_timeout (f->context), ==, -1);
}

static void
test_stop_delivers (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_set_shutdown_timeout (f->bus, G_MAXINT);
  test_dispatch_numbers (d, "x", 1, 2);
  test_dispatch_numbers (d, "y", 3, 4);
  start_stop (d, NULL, &result);
  test_dispatch_refused (d, test_data ("test", "x", 5), AGENT_BUS_ERROR_CLOSED);
  test_assign (d, "x", "a");
  test_drain (f);
  g_assert_null (result);
  test_assign (d, "y", "a");
  test_drain (f);
  assert_stopped (d, &result);
  test_assert_got (a, "1 2 3 4");
  g_assert_cmpstr (d->lost->str, ==, "");
}

static void
test_stop_drops_the_rest (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_bus_set_shutdown_timeout (f->bus, 5);
  test_dispatch_numbers (d, "x", 1, 3);
  test_dispatch_number (d, "y", 4);
  start_stop (d, NULL, &result);
  test_assign (d, "y", "a");
  g_assert_false (test_finish_stop (d, &result, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
  test_drain (f);
  g_assert_cmpstr (d->lost->str, ==, "1 2 3");
  g_assert_cmpuint (d->dropped[AGENT_DROP_REASON_CLOSED], ==, 3);
  g_assert_cmpuint (test_statistic_dropped (d, AGENT_DROP_REASON_CLOSED), ==, 3);
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  test_assert_got (a, "4");

  test_assign (d, "x", "a");
  test_drain (f);
  test_assert_got (a, "4");
}

static void
test_stop_twice (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (GAsyncResult) first = NULL;
  g_autoptr (GAsyncResult) second = NULL;
  g_autoptr (GAsyncResult) third = NULL;

  agent_bus_set_shutdown_timeout (f->bus, G_MAXINT);
  test_dispatch_number (d, "x", 1);
  start_stop (d, NULL, &first);
  start_stop (d, NULL, &second);
  test_drain (f);
  g_assert_true (first == NULL && second == NULL);
  test_assign (d, "x", "a");
  assert_stopped (d, &first);
  assert_stopped (d, &second);
  start_stop (d, NULL, &third);
  assert_stopped (d, &third);
}

/* The messages are gone with the first deadline: the other one must not say that all is well. */
static void
test_stop_twice_in_vain (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = NULL;
  g_autoptr (GAsyncResult) first = NULL;
  g_autoptr (GAsyncResult) second = NULL;

  agent_bus_set_shutdown_timeout (f->bus, 1);
  test_assign (d, "x", "a");
  test_dispatch_number (d, "x", 1);
  start_stop (d, NULL, &first);
  agent_bus_set_shutdown_timeout (f->bus, 60000);
  start_stop (d, NULL, &second);
  g_assert_false (test_finish_stop (d, &first, NULL));
  a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_assert_false (test_finish_stop (d, &second, NULL));
  test_drain (f);
  g_assert_cmpuint (d->dropped[AGENT_DROP_REASON_CLOSED], ==, 1);
}

static void
test_stop_cancelled (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_bus_set_shutdown_timeout (f->bus, 50);
  test_dispatch_number (d, "x", 1);
  test_dispatch_number (d, "y", 2);
  start_stop (d, cancellable, &result);
  g_cancellable_cancel (cancellable);
  g_assert_false (test_finish_stop (d, &result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  test_dispatch_refused (d, test_data ("test", "x", 3), AGENT_BUS_ERROR_CLOSED);
  while (test_n_parked (d) > 0)
    g_main_context_iteration (f->context, TRUE);
  test_drain (f);
  g_assert_cmpuint (d->dropped[AGENT_DROP_REASON_CLOSED], ==, 2);
}

/* The last message finds its way when its router subscribes: then there is nothing more to wait for. */
static void
test_stop_ends_with_the_router (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = NULL;
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_set_shutdown_timeout (f->bus, G_MAXINT);
  test_assign (d, "x", "a");
  test_dispatch_numbers (d, "x", 1, 2);
  start_stop (d, NULL, &result);
  test_drain (f);
  g_assert_null (result);
  a = test_recorder_subscribe (f, "a", NULL, NULL);
  test_drain (f);
  g_assert_nonnull (result);
  assert_stopped (d, &result);
  test_assert_got (a, "1 2");
}

/* What was lost before is no reason to say that the stop has lost something. */
static void
test_stop_after_losses (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (GAsyncResult) result = NULL;

  test_clock_freeze ();
  agent_bus_set_shutdown_timeout (f->bus, G_MAXINT);
  test_dispatch (d, test_with_ttl (test_data ("test", "x", 1), 10));
  test_dispatch_number (d, "y", 2);
  agent_route_table_remove (d->routes, "y");
  test_pass (f, 10);
  test_dispatch_number (d, "z", 3);
  start_stop (d, NULL, &result);
  test_assign (d, "z", "a");
  assert_stopped (d, &result);
  g_assert_cmpstr (d->expired->str, ==, "1");
  g_assert_cmpstr (d->lost->str, ==, "2");
  test_expect_log (f, "expired");
}

/* Not everything was handed over. */
static void
test_stop_while_one_expires (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_bus_set_shutdown_timeout (f->bus, G_MAXINT);
  test_dispatch (d, test_with_ttl (test_data ("test", "x", 1), 2));
  start_stop (d, NULL, &result);
  g_assert_false (test_finish_stop (d, &result, &error));
  test_drain (f);
  g_assert_cmpuint (d->n_expired, ==, 1);
  test_expect_log (f, "expired");
}

static void
test_stop_then_returned (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (GMainContext) slow = g_main_context_new ();
  g_autoptr (TestRecorder) a = test_router_subscribe_in (f, slow, "a", 0);
  g_autoptr (GAsyncResult) result = NULL;

  test_assign (d, "x", "a");
  test_dispatch_numbers (d, "x", 1, 2);
  start_stop (d, NULL, &result);
  assert_stopped (d, &result);
  agent_bus_unsubscribe (f->bus, "a");
  test_drain (f);
  g_assert_cmpuint (d->dropped[AGENT_DROP_REASON_CLOSED], ==, 2);
  g_assert_cmpuint (test_n_parked (d), ==, 0);
  test_iterate_all (slow);
}

/* In the order in which they were sent. */
static void
test_stop_then_returned_in_order (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (GMainContext) slow = g_main_context_new ();
  g_autoptr (TestRecorder) a = test_router_subscribe_in (f, slow, "a", 0);
  g_autoptr (GAsyncResult) result = NULL;

  test_assign (d, "x", "a");
  test_dispatch_numbers (d, "x", 1, 2);
  start_stop (d, NULL, &result);
  assert_stopped (d, &result);
  agent_bus_unsubscribe (f->bus, "a");
  test_drain (f);
  g_assert_cmpstr (d->lost->str, ==, "1 2");
  test_iterate_all (slow);
}

/* Gone before anybody came to the deadline. */
static void
test_stop_cancelled_and_gone (TestFixture *f)
{
  TestDispatch *d = test_dispatch_new (f);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GAsyncResult *result = NULL;

  agent_bus_set_shutdown_timeout (f->bus, 3600 * 1000);
  test_dispatch_number (d, "x", 1);
  start_stop (d, cancellable, &result);
  g_cancellable_cancel (cancellable);
  g_assert_false (test_finish_stop (d, &result, NULL));
  g_object_unref (result);
  test_dispatch_free (d);
}

/* The caller has a context of its own, and does not iterate it after the cancel. The deadline holds all the same. */
static void
test_stop_cancelled_elsewhere (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (GMainContext) callers = g_main_context_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;

  agent_bus_set_shutdown_timeout (f->bus, 50);
  test_dispatch_numbers (d, "x", 1, 2);
  g_main_context_push_thread_default (callers);
  start_stop (d, cancellable, &result);
  g_main_context_pop_thread_default (callers);
  g_cancellable_cancel (cancellable);
  while (result == NULL)
    g_main_context_iteration (callers, TRUE);
  g_assert_false (agent_router_dispatcher_stop_finish (d->dispatcher, result, NULL));

  while (test_n_parked (d) > 0)
    g_main_context_iteration (f->context, TRUE);
  test_drain (f);
  g_assert_cmpuint (d->dropped[AGENT_DROP_REASON_CLOSED], ==, 2);
}

/* --- Gone --- */

static void
test_gone_with_parked (TestFixture *f)
{
  TestDispatch *d = test_dispatch_new (f);
  g_autoptr (AgentRouteTable) routes = g_object_ref (d->routes);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  test_assign (d, "y", "a");
  test_dispatch_numbers (d, "x", 1, 3);
  test_dispatch_numbers (d, "y", 4, 5);
  test_dispatch_free (d);

  agent_route_table_assign (routes, "x", "a");
  agent_route_table_remove (routes, "y");
  test_drain (f);
  test_assert_got (a, "4 5");
  g_assert_true (test_unsubscribe (f, "a", NULL));
}

/* What nobody can take back is discarded. */
static void
test_gone_with_queued (TestFixture *f)
{
  TestDispatch *d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_router_new_small (f, "a", 2);

  test_assign (d, "x", "a");
  test_dispatch_numbers (d, "x", 1, 5);
  test_dispatch_free (d);
  agent_bus_unsubscribe (f->bus, "a");
  test_drain (f);
  test_assert_got (a, "");
  g_assert_cmpuint (f->dropped[AGENT_DROP_REASON_DISCARDED], ==, 2);
  test_assert_balanced (f->bus);
}

/* There are no signals any more, but the source is there. */
static void
test_gone_tells_the_source (TestFixture *f)
{
  TestDispatch *d = test_dispatch_new (f);
  g_autoptr (TestRecorder) test = test_recorder_subscribe (f, "test", NULL, NULL);

  test_dispatch (d, test_with_error_reply (test_data ("test", "x", 1)));
  test_dispatch_free (d);
  test_drain (f);
  test_assert_got (test, "1");
  g_assert_cmpint (agent_message_get_message_type (test->messages->pdata[0]), ==, AGENT_MESSAGE_TYPE_AGENT_ERROR);
}

/* News that nobody has heard yet go with the dispatcher. */
static void
test_gone_with_news (TestFixture *f)
{
  TestDispatch *d = test_dispatch_new (f);

  agent_route_table_unassign (d->routes, "x");
  test_dispatch_numbers (d, "x", 1, 3);
  agent_route_table_remove (d->routes, "x");
  test_dispatch_free (d);
  test_drain (f);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/dispatcher-stop/" name, func)
  ADD ("stop-empty", test_stop_empty);
  ADD ("stop-delivers", test_stop_delivers);
  ADD ("stop-drops-the-rest", test_stop_drops_the_rest);
  ADD ("stop-twice", test_stop_twice);
  ADD ("stop-twice-in-vain", test_stop_twice_in_vain);
  ADD ("stop-cancelled", test_stop_cancelled);
  ADD ("stop-cancelled-elsewhere", test_stop_cancelled_elsewhere);
  ADD ("stop-cancelled-and-gone", test_stop_cancelled_and_gone);
  ADD ("stop-ends-with-the-router", test_stop_ends_with_the_router);
  ADD ("stop-after-losses", test_stop_after_losses);
  ADD ("stop-while-one-expires", test_stop_while_one_expires);
  ADD ("stop-then-returned", test_stop_then_returned);
  ADD ("stop-then-returned-in-order", test_stop_then_returned_in_order);
  ADD ("gone-with-parked", test_gone_with_parked);
  ADD ("gone-with-queued", test_gone_with_queued);
  ADD ("gone-tells-the-source", test_gone_tells_the_source);
  ADD ("gone-with-news", test_gone_with_news);
#undef ADD

  return g_test_run ();
}
