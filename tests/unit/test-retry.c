/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "router/agent-parking-private.h"
#include "router/agent-route-table-private.h"
#include "router/agent-router-dispatcher-private.h"
#include "test-router.h"

/*
 * When what is parked is tried again, and what that is good for.
 *
 * The linker puts __wrap__agent_route_table_add_watch() in the place of the function by which a dispatcher comes to
 * hear of routes: so a test can have it hear nothing.
 */

static gboolean has_to_lose_events;

guint __real__agent_route_table_add_watch (AgentRouteTable            *self,
                                           const AgentRouteWatchFuncs *funcs,
                                           gpointer                    data,
                                           GDestroyNotify              destroy);
guint __wrap__agent_route_table_add_watch (AgentRouteTable            *self,
                                           const AgentRouteWatchFuncs *funcs,
                                           gpointer                    data,
                                           GDestroyNotify              destroy);

guint
__wrap__agent_route_table_add_watch (AgentRouteTable            *self,
                                     const AgentRouteWatchFuncs *funcs,
                                     gpointer                    data,
                                     GDestroyNotify              destroy)
{
  if (!has_to_lose_events)
    return __real__agent_route_table_add_watch (self, funcs, data, destroy);

  destroy (data);
  return 1;
}

static TestDispatch *
new_deaf_dispatch (TestFixture *f)
{
  TestDispatch *d;

  has_to_lose_events = TRUE;
  d = test_dispatch_new (f);
  has_to_lose_events = FALSE;
  return d;
}

/* --- The policy --- */

static void
assert_delays (AgentRetryPolicy *policy,
               const guint      *delays,
               guint             n)
{
  for (guint i = 0; i < n; i++)
    g_assert_cmpuint (agent_retry_policy_get_delay (policy, i), ==, delays[i]);
}

static void
test_policy_defaults (TestFixture *f)
{
  g_autoptr (AgentRetryPolicy) policy = agent_retry_policy_new ();
  const guint delays[] = { 100, 200, 400, 800, 800, 800 };

  g_assert_cmpuint (agent_retry_policy_get_initial_delay (policy), ==, 100);
  g_assert_cmpuint (agent_retry_policy_get_max_delay (policy), ==, 800);
  g_assert_cmpfloat (agent_retry_policy_get_multiplier (policy), ==, 2);
  g_assert_cmpfloat (agent_retry_policy_get_jitter (policy), ==, 0.1);
  g_assert_cmpuint (agent_retry_policy_get_seed (policy), ==, 0);
  assert_delays (policy, delays, G_N_ELEMENTS (delays));
  g_assert_cmpuint (agent_retry_policy_get_delay (policy, G_MAXUINT), ==, 800);
}

static AgentRetryPolicy *
new_policy (guint  initial_delay,
            guint  max_delay,
            double multiplier,
            double jitter)
{
  AgentRetryPolicy *policy = agent_retry_policy_new ();

  agent_retry_policy_set_initial_delay (policy, initial_delay);
  agent_retry_policy_set_max_delay (policy, max_delay);
  agent_retry_policy_set_multiplier (policy, multiplier);
  agent_retry_policy_set_jitter (policy, jitter);
  agent_retry_policy_set_seed (policy, 42);
  return policy;
}

static void
test_policy_copy (TestFixture *f)
{
  g_autoptr (AgentRetryPolicy) policy = new_policy (5, 50, 3, 0.5);
  g_autoptr (AgentRetryPolicy) copy = agent_retry_policy_copy (policy);
  g_autoptr (AgentRetryPolicy) boxed = g_boxed_copy (AGENT_TYPE_RETRY_POLICY, policy);

  agent_retry_policy_set_initial_delay (policy, 6);
  g_assert_cmpuint (agent_retry_policy_get_initial_delay (copy), ==, 5);
  g_assert_cmpuint (agent_retry_policy_get_initial_delay (boxed), ==, 5);
  g_assert_cmpuint (agent_retry_policy_get_max_delay (copy), ==, 50);
  g_assert_cmpfloat (agent_retry_policy_get_multiplier (copy), ==, 3);
  g_assert_cmpfloat (agent_retry_policy_get_jitter (copy), ==, 0.5);
  g_assert_cmpuint (agent_retry_policy_get_seed (copy), ==, 42);
}

static void
test_policy_delays (TestFixture *f)
{
  g_autoptr (AgentRetryPolicy) steep = new_policy (5, 50, 3, 0);
  g_autoptr (AgentRetryPolicy) flat = new_policy (5, 50, 1, 0);
  g_autoptr (AgentRetryPolicy) limited = new_policy (100, 30, 2, 0);
  g_autoptr (AgentRetryPolicy) huge = new_policy (G_MAXUINT, G_MAXUINT, 1e300, 0);
  const guint steep_delays[] = { 5, 15, 45, 50, 50 };
  const guint flat_delays[] = { 5, 5, 5 };
  const guint limited_delays[] = { 30, 30, 30 };
  const guint huge_delays[] = { G_MAXUINT, G_MAXUINT, G_MAXUINT };

  assert_delays (steep, steep_delays, G_N_ELEMENTS (steep_delays));
  assert_delays (flat, flat_delays, G_N_ELEMENTS (flat_delays));
  assert_delays (limited, limited_delays, G_N_ELEMENTS (limited_delays));
  assert_delays (huge, huge_delays, G_N_ELEMENTS (huge_delays));
  g_assert_cmpuint (agent_retry_policy_get_delay (flat, G_MAXUINT), ==, 5);
}

/* --- The times --- */

/* The milliseconds at which @d tried again, within the next @n_ms: "100 300". */
static char *
dup_retry_times (TestFixture  *f,
                 TestDispatch *d,
                 guint         n_ms)
{
  GString *text = g_string_new (NULL);
  guint64  n_before = test_statistic (d, "retries");

  for (guint ms = 1; ms <= n_ms; ms++)
    {
      guint64 n;

      test_pass (f, 1);
      n = test_statistic (d, "retries");
      for (; n_before < n; n_before++)
        g_string_append_printf (text, text->len > 0 ? " %u" : "%u", ms);
    }

  return g_string_free (text, FALSE);
}

static void
test_times (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autofree char *times = NULL;

  test_clock_freeze ();
  test_dispatch_number (d, "x", 1);
  times = dup_retry_times (f, d, 5000);
  g_assert_cmpstr (times, ==, "100 300 700 1500 2300 3100 3900 4700");
}

/* Each delay is measured from the attempt before: one that comes late shifts all others. */
static void
test_times_after_a_late_attempt (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autofree char *times = NULL;

  test_clock_freeze ();
  test_dispatch_number (d, "x", 1);
  test_pass (f, 150);
  g_assert_cmpuint (test_statistic (d, "retries"), ==, 1);
  times = dup_retry_times (f, d, 2000);
  g_assert_cmpstr (times, ==, "200 600 1400");
}

/* A message that is parked later has times of its own. */
static void
test_times_of_two (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autofree char *times = NULL;

  test_clock_freeze ();
  test_dispatch_number (d, "x", 1);
  test_pass (f, 50);
  test_dispatch_number (d, "x", 2);
  times = dup_retry_times (f, d, 700);
  g_assert_cmpstr (times, ==, "50 100 250 300 650 700");
}

/* It was not tried while it was not parked, and starts anew. */
static void
test_times_of_a_returned_message (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autofree char *times = NULL;

  test_clock_freeze ();
  test_dispatch_number (d, "x", 1);
  test_pass (f, 150);
  test_assign (d, "x", "a");
  agent_bus_unsubscribe (f->bus, "a");
  g_assert_cmpuint (test_n_parked (d), ==, 1);
  times = dup_retry_times (f, d, 400);
  g_assert_cmpstr (times, ==, "100 300");
}

static void
test_policy_is_changed (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (AgentRetryPolicy) policy = new_policy (10, 20, 2, 0);
  g_autofree char *times = NULL;

  test_clock_freeze ();
  test_dispatch_number (d, "x", 1);
  agent_router_dispatcher_set_retry_policy (d->dispatcher, policy);
  times = dup_retry_times (f, d, 150);
  g_assert_cmpstr (times, ==, "100 120 140");
}

/* A delay is at least a millisecond, whatever the jitter: else the timer would never rest. */
static void
test_jitter_of_all (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (AgentRetryPolicy) policy = new_policy (1, 1, 1, 1);

  test_clock_freeze ();
  agent_router_dispatcher_set_retry_policy (d->dispatcher, policy);
  test_dispatch_number (d, "x", 1);
  for (guint i = 1; i <= 20; i++)
    {
      test_pass (f, 1);
      g_assert_cmpuint (test_statistic (d, "retries"), ==, i);
    }
}

/* --- What counts --- */

/* Who waits for room in the channel of a router that is there is not tried by the timer, whoever it is and however long
 * it waits. When the router has left, it is. */
static void
test_room_is_not_retried (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (GMainContext) slow = g_main_context_new ();
  g_autoptr (TestRecorder) a = NULL;

  test_clock_freeze ();
  test_assign (d, "x", "a");
  test_assign (d, "y", "a");
  test_dispatch_numbers (d, "x", 1, 3);
  test_dispatch_numbers (d, "y", 4, 6);
  test_pass (f, 100);
  g_assert_cmpuint (test_statistic (d, "retries"), ==, 6);

  a = test_router_subscribe_in (f, slow, "a", 1);
  test_dispatch_number (d, "y", 7);
  for (guint i = 0; i < 20; i++)
    test_pass (f, 100);
  g_assert_cmpuint (test_statistic (d, "retries"), ==, 6);

  agent_bus_unsubscribe (f->bus, "a");
  test_iterate_all (slow);
  g_assert_cmpuint (test_n_parked (d), ==, 7);
  test_pass (f, 100);
  test_pass (f, 700);
  g_assert_cmpuint (test_statistic (d, "retries"), >=, 6 + 7);
}

/* What is told of a message that expires are the attempts that were made for it. */
static void
test_attempts_without_room (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (GMainContext) slow = g_main_context_new ();
  g_autoptr (TestRecorder) a = NULL;

  test_clock_freeze ();
  test_assign (d, "x", "a");
  test_dispatch_numbers (d, "x", 1, 2);
  test_pass (f, 100);
  test_pass (f, 200);
  a = test_router_subscribe_in (f, slow, "a", 1);
  test_dispatch_number (d, "x", 3);
  for (guint i = 0; i < 100; i++)
    test_pass (f, 297);
  g_assert_cmpstr (d->expired->str, ==, "2");
  g_assert_cmpuint (d->n_attempts, ==, 3);
  test_pass (f, 300);
  g_assert_cmpstr (d->expired->str, ==, "2 3");
  g_assert_cmpuint (d->n_attempts, ==, 1);
  test_expect_log (f, "expired after 30000 ms and 3 attempts");
  test_iterate_all (slow);
}

/* A batch that many actors share is tried in pieces, each of them once. */
static void
test_attempt_in_pieces (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);

  test_clock_freeze ();
  agent_router_dispatcher_set_timeout (d->dispatcher, AGENT_MESSAGE_TYPE_TASK_UPDATE, 0);
  for (guint i = 0; i < 1000; i++)
    {
      char actor[16];

      g_snprintf (actor, sizeof actor, "actor-%u", i);
      test_dispatch_number (d, actor, i);
    }
  test_clock_advance (100000);
  test_iterate (f);
  g_assert_cmpuint (test_statistic (d, "retries"), >, 0);
  g_assert_cmpuint (test_statistic (d, "retries"), <=, 256);
  test_drain (f);
  g_assert_cmpuint (test_statistic (d, "retries"), ==, 1000);
  test_pass (f, 200);
  g_assert_cmpuint (test_statistic (d, "retries"), ==, 2000);
}

/* --- Jitter --- */

static void
set_seed (TestDispatch *d,
          guint32       seed)
{
  test_dispatch_set_jitter (d, 0.5, seed);
}

static gint64
get_next_retry (TestDispatch *d)
{
  return _agent_router_dispatcher_get_parking (d->dispatcher)->next_time;
}

static void
test_jitter (TestFixture *f)
{
  g_autoptr (AgentRetryPolicy) policy = agent_retry_policy_new ();
  g_autoptr (TestDispatch) d = test_dispatch_new (f);
  g_autoptr (TestDispatch) same = test_dispatch_new (f);
  g_autoptr (TestDispatch) other = test_dispatch_new (f);
  gboolean differs = FALSE;
  gboolean is_shortened = FALSE;

  test_clock_freeze ();
  agent_router_dispatcher_set_timeout (d->dispatcher, AGENT_MESSAGE_TYPE_TASK_UPDATE, 0);
  agent_router_dispatcher_set_timeout (same->dispatcher, AGENT_MESSAGE_TYPE_TASK_UPDATE, 0);
  agent_router_dispatcher_set_timeout (other->dispatcher, AGENT_MESSAGE_TYPE_TASK_UPDATE, 0);
  set_seed (d, 7);
  set_seed (same, 7);
  set_seed (other, 8);
  test_dispatch_number (d, "x", 1);
  test_dispatch_number (same, "x", 1);
  test_dispatch_number (other, "x", 1);
  for (guint i = 0; i < 50; i++)
    {
      gint64 full = agent_retry_policy_get_delay (policy, i) * G_GINT64_CONSTANT (1000);
      gint64 now = get_next_retry (d);

      g_assert_cmpint (get_next_retry (same), ==, now);
      differs |= get_next_retry (other) != now;
      test_clock_advance (now - _agent_clock_now ());
      test_drain (f);
      g_assert_cmpuint (test_statistic (d, "retries"), ==, i + 1);
      g_assert_cmpuint (test_statistic (same, "retries"), ==, i + 1);
      full = agent_retry_policy_get_delay (policy, i + 1) * G_GINT64_CONSTANT (1000);
      g_assert_cmpint (get_next_retry (d) - now, <=, full);
      g_assert_cmpint (get_next_retry (d) - now, >=, full / 2);
      is_shortened |= get_next_retry (d) - now < full * 3 / 4;
    }

  g_assert_true (differs);
  g_assert_true (is_shortened);
}

/* --- Batches --- */

static guint
count_deadlines (TestDispatch *d)
{
  return _agent_router_dispatcher_get_parking (d->dispatcher)->lot.retries.n_deadlines;
}

/* Without expiry there is nothing but the retries in the heap. */
static void
test_many_are_few_timers (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);

  test_clock_freeze ();
  agent_router_dispatcher_set_timeout (d->dispatcher, AGENT_MESSAGE_TYPE_TASK_UPDATE, 0);
  for (guint i = 0; i < 10000; i++)
    {
      char actor[16];

      g_snprintf (actor, sizeof actor, "actor-%u", i % 100);
      agent_router_dispatcher_dispatch (d->dispatcher, test_data ("test", actor, i), NULL);
    }
  g_assert_cmpuint (test_n_parked (d), ==, 10000);
  g_assert_cmpuint (count_deadlines (d), ==, 1);
  test_pass (f, 100);
  g_assert_cmpuint (test_statistic (d, "retries"), ==, 10000);
  g_assert_cmpuint (count_deadlines (d), ==, 1);
}

/* In the course of a second: each batch is open for a tenth of the first delay. */
static void
test_batches (TestFixture *f)
{
  g_autoptr (TestDispatch) d = test_dispatch_new (f);

  test_clock_freeze ();
  agent_router_dispatcher_set_timeout (d->dispatcher, AGENT_MESSAGE_TYPE_TASK_UPDATE, 0);
  for (guint ms = 0; ms < 90; ms++)
    {
      for (guint i = 0; i < 100; i++)
        agent_router_dispatcher_dispatch (d->dispatcher, test_data ("test", "x", i), NULL);
      test_clock_advance (1000);
    }
  g_assert_cmpuint (count_deadlines (d), <=, 10);
  g_assert_cmpuint (count_deadlines (d), >=, 8);
  g_assert_cmpuint (test_n_parked (d), ==, 9000);

  agent_route_table_unassign (d->routes, "x");
  agent_route_table_remove (d->routes, "x");
  g_assert_cmpuint (count_deadlines (d), ==, 0);
  test_drain (f);
  g_assert_cmpuint (d->dropped[AGENT_DROP_REASON_NO_TARGET], ==, 9000);
}

static void
drain_schedule (AgentRetrySchedule *schedule,
                GPtrArray          *batches)
{
  for (guint i = 0; i < batches->len; i++)
    _agent_retry_schedule_leave (schedule, batches->pdata[i]);
}

/* No message is tried more than a tenth of the delay too early. */
static void
test_batches_are_not_early (TestFixture *f)
{
  AgentDeadlineHeap  heap;
  AgentRetrySchedule schedule;
  g_autoptr (AgentRetryPolicy) policy = new_policy (100, 800, 2, 0);
  g_autoptr (GPtrArray) batches = g_ptr_array_new ();

  _agent_deadline_heap_init (&heap);
  _agent_retry_schedule_init (&schedule, &heap);
  _agent_retry_schedule_set_policy (&schedule, policy);
  for (gint64 now = 0; now < 1000000; now += 700)
    {
      AgentRetryBatch *batch = _agent_retry_schedule_join (&schedule, now);

      g_ptr_array_add (batches, batch);
      g_assert_cmpint (batch->deadline.time, >=, now + 90000 - 10000);
      g_assert_cmpint (batch->deadline.time, <=, now + 100000);
    }
  g_assert_cmpuint (heap.n_deadlines, <=, 101);
  drain_schedule (&schedule, batches);
  g_assert_cmpuint (heap.n_deadlines, ==, 0);
  _agent_retry_schedule_clear (&schedule);
  _agent_deadline_heap_clear (&heap);
}

/* --- The heap --- */

#define N_DEADLINES 1000

static gint
compare_times (gconstpointer a,
               gconstpointer b)
{
  gint64 one = *(const gint64 *) a;
  gint64 other = *(const gint64 *) b;

  return one < other ? -1 : one > other;
}

/* Adds all, removes some of them, and returns the times of the rest in their order. */
static GArray *
fill_heap (AgentDeadlineHeap *heap,
           AgentDeadline     *deadlines,
           guint              n)
{
  GArray *times = g_array_new (FALSE, FALSE, sizeof (gint64));

  for (guint i = 0; i < n; i++)
    {
      deadlines[i].time = g_test_rand_int_range (0, 500);
      _agent_deadline_heap_add (heap, &deadlines[i]);
    }
  for (guint i = 0; i < n; i++)
    if (g_test_rand_bit ())
      _agent_deadline_heap_remove (heap, &deadlines[i]);
    else
      g_array_append_val (times, deadlines[i].time);

  g_array_sort (times, compare_times);
  return times;
}

static void
check_heap (guint n)
{
  AgentDeadlineHeap heap;
  AgentDeadline     deadlines[N_DEADLINES];
  g_autoptr (GArray) times = NULL;

  _agent_deadline_heap_init (&heap);
  times = fill_heap (&heap, deadlines, n);
  g_assert_cmpuint (heap.n_deadlines, ==, times->len);
  for (guint i = 0; i < times->len; i++)
    {
      AgentDeadline *first = _agent_deadline_heap_peek (&heap);

      g_assert_cmpint (first->time, ==, g_array_index (times, gint64, i));
      _agent_deadline_heap_remove (&heap, first);
    }
  g_assert_null (_agent_deadline_heap_peek (&heap));
  _agent_deadline_heap_clear (&heap);
}

static void
test_heap (TestFixture *f)
{
  check_heap (0);
  check_heap (1);
  for (guint i = 0; i < 200; i++)
    check_heap (g_test_rand_int_range (1, N_DEADLINES));
}

/* --- The safety net --- */

static void
test_lost_assignment (TestFixture *f)
{
  g_autoptr (TestDispatch) d = new_deaf_dispatch (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  test_clock_freeze ();
  test_dispatch_numbers (d, "x", 1, 3);
  test_pass (f, 50);
  test_assign (d, "x", "a");
  test_pass (f, 49);
  g_assert_cmpuint (test_n_parked (d), ==, 3);
  test_pass (f, 1);
  g_assert_cmpstr (test_recorder_text (a), ==, "1 2 3");
  g_assert_cmpuint (test_n_parked (d), ==, 0);
}

static void
test_lost_assignment_later (TestFixture *f)
{
  g_autoptr (TestDispatch) d = new_deaf_dispatch (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  test_clock_freeze ();
  test_dispatch_number (d, "x", 1);
  test_pass (f, 100);
  test_assign (d, "x", "a");
  test_pass (f, 199);
  g_assert_cmpuint (test_n_parked (d), ==, 1);
  test_pass (f, 1);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");
}

/* The lane stays where it was until somebody looks. */
static void
test_lost_reassignment (TestFixture *f)
{
  g_autoptr (TestDispatch) d = new_deaf_dispatch (f);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  test_clock_freeze ();
  test_assign (d, "x", "a");
  test_dispatch_numbers (d, "x", 1, 2);
  test_assign (d, "x", "b");
  test_drain (f);
  g_assert_cmpuint (test_n_parked (d), ==, 2);
  test_pass (f, 100);
  g_assert_cmpstr (test_recorder_text (b), ==, "1 2");
}

/* A table that changes all the time is not read through at each retry, but often enough. */
static void
test_lost_assignment_in_a_busy_table (TestFixture *f)
{
  g_autoptr (TestDispatch) d = new_deaf_dispatch (f);
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);

  test_clock_freeze ();
  test_dispatch_number (d, "x", 1);
  test_assign (d, "y", "a");
  test_pass (f, 100);
  test_assign (d, "x", "a");
  test_pass (f, 200);
  test_pass (f, 400);
  g_assert_cmpstr (test_recorder_text (a), ==, "1");
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

#define ADD(name, func) test_add ("/agentbus/retry/" name, func)
  ADD ("policy-defaults", test_policy_defaults);
  ADD ("policy-copy", test_policy_copy);
  ADD ("policy-delays", test_policy_delays);
  ADD ("policy-is-changed", test_policy_is_changed);
  ADD ("times", test_times);
  ADD ("times-after-a-late-attempt", test_times_after_a_late_attempt);
  ADD ("times-of-two", test_times_of_two);
  ADD ("times-of-a-returned-message", test_times_of_a_returned_message);
  ADD ("room-is-not-retried", test_room_is_not_retried);
  ADD ("attempts-without-room", test_attempts_without_room);
  ADD ("attempt-in-pieces", test_attempt_in_pieces);
  ADD ("jitter", test_jitter);
  ADD ("jitter-of-all", test_jitter_of_all);
  ADD ("many-are-few-timers", test_many_are_few_timers);
  ADD ("batches", test_batches);
  ADD ("batches-are-not-early", test_batches_are_not_early);
  ADD ("heap", test_heap);
  ADD ("lost-assignment", test_lost_assignment);
  ADD ("lost-assignment-later", test_lost_assignment_later);
  ADD ("lost-reassignment", test_lost_reassignment);
  ADD ("lost-assignment-in-a-busy-table", test_lost_assignment_in_a_busy_table);
#undef ADD

  return g_test_run ();
}
