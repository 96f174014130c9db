/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include "test-support.h"

/*
 * The figures of a bus and of its subscribers: what shape they have, what they count, and how long they stay.
 */

static TestRecorder *
subscribe (TestFixture *f,
           const char  *name)
{
  return test_recorder_subscribe (f, name, NULL, NULL);
}

static void
assert_refused (AgentBus     *bus,
                TestRecorder *recorder,
                gint          code)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (agent_bus_subscribe (bus, AGENT_SUBSCRIBER (recorder), &error));
  g_assert_error (error, AGENT_BUS_ERROR, code);
}

static void
assert_accepted (AgentBus     *bus,
                 TestRecorder *recorder)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (agent_bus_subscribe (bus, AGENT_SUBSCRIBER (recorder), &error));
  g_assert_no_error (error);
}

static void
unsubscribe (TestFixture *f,
             const char  *name)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (test_unsubscribe (f, name, &error));
  g_assert_no_error (error);
}

static void
on_started (GObject      *object,
            GAsyncResult *result,
            gpointer      user_data)
{
  g_autoptr (GError) error = NULL;
  gboolean *done = user_data;

  g_assert_true (agent_bus_start_finish (AGENT_BUS (object), result, &error));
  g_assert_no_error (error);
  *done = TRUE;
}

static void
start (TestFixture *f)
{
  gboolean done = FALSE;

  agent_bus_start_async (f->bus, NULL, on_started, &done);
  test_run_until (f, &done);
}

/* --- The shape --- */

static gint
compare_strings (gconstpointer a,
                 gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* The types of all values of a dictionary, by key in alphabetical order. */
static char *
describe (GVariant *dict)
{
  g_autoptr (GPtrArray) entries = g_ptr_array_new_with_free_func (g_free);

  for (gsize i = 0; i < g_variant_n_children (dict); i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (dict, i);
      g_autoptr (GVariant) key = g_variant_get_child_value (entry, 0);
      g_autoptr (GVariant) value = g_variant_get_child_value (entry, 1);
      g_autoptr (GVariant) inner =
          g_variant_is_of_type (value, G_VARIANT_TYPE_VARIANT) ? g_variant_get_variant (value) : g_variant_ref (value);

      g_ptr_array_add (entries,
                       g_strdup_printf ("%s:%s", g_variant_get_string (key, NULL), g_variant_get_type_string (inner)));
    }
  g_ptr_array_sort (entries, compare_strings);
  g_ptr_array_add (entries, NULL);

  return g_strjoinv (" ", (char **) entries->pdata);
}

static void
assert_described (GVariant   *dict,
                  const char *expected)
{
  g_autofree char *text = describe (dict);

  g_assert_cmpstr (text, ==, expected);
}

#define REASONS "cancelled:t closed:t discarded:t expired:t full:t inactive:t no-target:t stale:t"

static void
test_statistics_shape (TestFixture *f)
{
  g_autoptr (GVariant) statistics = agent_bus_get_statistics (f->bus);
  g_autoptr (GVariant) dropped = g_variant_lookup_value (statistics, "dropped", NULL);
  g_autoptr (GVariant) subscribers = g_variant_lookup_value (statistics, "subscribers", NULL);

  g_assert_false (g_variant_is_floating (statistics));
  g_assert_cmpstr (g_variant_get_type_string (statistics), ==, "a{sv}");
  assert_described (statistics,
                    "delivered:t dropped:a{st} failed:t offered:t queued:t sent:t subscribers:a{sv} unhandled:t");
  assert_described (dropped, REASONS);
  assert_described (subscribers, "");
}

static void
test_statistics_shape_of_subscribers (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");
  g_autoptr (TestRecorder) b = subscribe (f, "b");
  g_autoptr (GVariant) statistics = agent_bus_get_statistics (f->bus);
  g_autoptr (GVariant) subscribers = g_variant_lookup_value (statistics, "subscribers", NULL);
  g_autoptr (GVariant) own = g_variant_lookup_value (subscribers, "b", NULL);
  g_autoptr (GVariant) dropped = g_variant_lookup_value (own, "dropped", NULL);

  assert_described (subscribers, "a:a{sv} b:a{sv}");
  assert_described (own, "delivered:t dropped:a{st} failed:t moved:t offered:t queued:t unhandled:t");
  assert_described (dropped, REASONS);
}

/* --- The figures --- */

static void
assert_ledger (TestLedger ledger,
               guint64    offered,
               guint64    delivered,
               guint64    queued,
               guint64    n_full)
{
  g_assert_cmpuint (ledger.offered, ==, offered);
  g_assert_cmpuint (ledger.delivered, ==, delivered);
  g_assert_cmpuint (ledger.queued, ==, queued);
  g_assert_cmpuint (ledger.failed, ==, 0);
  g_assert_cmpuint (ledger.dropped[AGENT_DROP_REASON_FULL], ==, n_full);
  g_assert_cmpuint (ledger.dropped[AGENT_DROP_REASON_EXPIRED], ==, 0);
  g_assert_cmpuint (ledger.dropped[AGENT_DROP_REASON_CLOSED], ==, 0);
  g_assert_cmpuint (ledger.dropped[AGENT_DROP_REASON_DISCARDED], ==, 0);
}

static void
test_statistics_of_a_new_bus (TestFixture *f)
{
  TestLedger ledger = test_ledger (f->bus);

  assert_ledger (ledger, 0, 0, 0, 0);
  g_assert_cmpuint (ledger.sent, ==, 0);
  g_assert_cmpuint (ledger.dropped[AGENT_DROP_REASON_NO_TARGET], ==, 0);
}

static void
test_statistics_figures (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_new_full (NULL, NULL, "name", "a", "capacity", 2, NULL);
  g_autoptr (TestRecorder) b = subscribe (f, "b");

  assert_accepted (f->bus, a);
  for (guint i = 1; i <= 3; i++)
    agent_bus_send (f->bus, test_data ("test", NULL, i));
  agent_bus_send (f->bus, test_cancel ("a", "b"));
  agent_bus_send (f->bus, test_data ("test", "nobody", 4));

  assert_ledger (test_ledger_of (f->bus, "a"), 3, 0, 2, 1);
  assert_ledger (test_ledger_of (f->bus, "b"), 4, 0, 4, 0);
  assert_ledger (test_ledger (f->bus), 8, 0, 6, 1);
  g_assert_cmpuint (test_ledger (f->bus).sent, ==, 5);

  test_drain (f);
  assert_ledger (test_ledger_of (f->bus, "a"), 3, 2, 0, 1);
  assert_ledger (test_ledger_of (f->bus, "b"), 4, 4, 0, 0);
  assert_ledger (test_ledger (f->bus), 8, 6, 0, 1);
  g_assert_cmpuint (test_ledger (f->bus).dropped[AGENT_DROP_REASON_NO_TARGET], ==, 1);
  test_expect_log (f, "'a' is full");
}

static guint64
get_dropped (AgentBus   *bus,
             const char *name)
{
  guint64 n = 99;

  g_assert_true (agent_bus_get_dropped (bus, name, &n));
  return n;
}

static void
test_get_dropped (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_new_full (NULL, NULL, "name", "a", "capacity", 2, NULL);

  assert_accepted (f->bus, a);
  g_assert_cmpuint (get_dropped (f->bus, "a"), ==, 0);
  for (guint i = 1; i <= 5; i++)
    agent_bus_send (f->bus, test_data ("test", "a", i));
  g_assert_cmpuint (get_dropped (f->bus, "a"), ==, 3);
  g_assert_true (agent_bus_get_dropped (f->bus, "a", NULL));
  test_drain (f);
  g_assert_cmpuint (get_dropped (f->bus, "a"), ==, 3);
  test_expect_log (f, "'a' is full");
}

static void
test_get_dropped_of_nobody (TestFixture *f)
{
  guint64 n = 99;
  g_autoptr (TestRecorder) a = subscribe (f, "a");

  g_assert_false (agent_bus_get_dropped (f->bus, "b", &n));
  unsubscribe (f, "a");
  g_assert_false (agent_bus_get_dropped (f->bus, "a", &n));
  g_assert_false (agent_bus_get_dropped (f->bus, "a", NULL));
  g_assert_cmpuint (n, ==, 99);
}

/* The bus and the subscriber never forget; what belongs to the name begins again. */
static void
test_figures_survive (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_new_full (NULL, NULL, "name", "a", "capacity", 1, NULL);

  for (guint round = 1; round <= 3; round++)
    {
      assert_accepted (f->bus, a);
      g_assert_cmpuint (get_dropped (f->bus, "a"), ==, 0);
      agent_bus_send (f->bus, test_data ("test", "a", 1));
      agent_bus_send (f->bus, test_data ("test", "a", 2));
      test_drain (f);
      test_expect_log (f, "'a' is full: 1 message ");
      assert_ledger (test_ledger_of (f->bus, "a"), 2, 1, 0, 1);
      assert_ledger (test_ledger (f->bus), 2 * round, round, 0, round);
      unsubscribe (f, "a");
      assert_ledger (test_ledger (f->bus), 2 * round, round, 0, round);
      g_assert_cmpuint (agent_subscriber_get_n_delivered (AGENT_SUBSCRIBER (a)), ==, round);
      g_assert_cmpuint (agent_subscriber_get_n_dropped (AGENT_SUBSCRIBER (a)), ==, round);
    }
}

/* To be refused costs a subscriber none of its figures. */
static void
test_figures_survive_a_refusal (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");

  agent_bus_send (f->bus, test_data ("test", "a", 1));
  test_drain (f);
  test_stop (f);
  assert_refused (f->bus, a, AGENT_BUS_ERROR_CLOSED);
  g_assert_cmpuint (agent_subscriber_get_n_delivered (AGENT_SUBSCRIBER (a)), ==, 1);
  start (f);
  assert_accepted (f->bus, a);
  g_assert_cmpuint (agent_subscriber_get_n_delivered (AGENT_SUBSCRIBER (a)), ==, 1);
}

static void
assert_counts (TestRecorder *recorder,
               guint64       n_queued,
               guint64       n_delivered,
               guint64       n_dropped)
{
  guint64 queued;
  guint64 delivered;
  guint64 dropped;

  g_object_get (recorder, "n-queued", &queued, "n-delivered", &delivered, "n-dropped", &dropped, NULL);
  g_assert_cmpuint (queued, ==, n_queued);
  g_assert_cmpuint (delivered, ==, n_delivered);
  g_assert_cmpuint (dropped, ==, n_dropped);
}

static void
test_counts_of_a_subscriber (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_new_full (NULL, NULL, "name", "a", "capacity", 2, NULL);

  assert_counts (a, 0, 0, 0);
  assert_accepted (f->bus, a);
  for (guint i = 1; i <= 5; i++)
    agent_bus_send (f->bus, test_data ("test", "a", i));
  agent_bus_send (f->bus, test_cancel ("test", "a"));
  assert_counts (a, 3, 0, 3);
  test_drain (f);
  assert_counts (a, 0, 3, 3);
  agent_bus_send (f->bus, test_data ("test", "a", 6));
  unsubscribe (f, "a");
  assert_counts (a, 0, 3, 4);
  test_expect_log (f, "'a' is full");
}

static void
assert_first_in_hand (TestRecorder *recorder,
                      AgentMessage *message,
                      gpointer      user_data)
{
  guint n = test_number (message);

  assert_counts (recorder, 3 - n, n, 0);
}

/* The message in hand is delivered. */
static void
test_counts_in_the_handler (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", assert_first_in_hand, NULL);

  for (guint i = 1; i <= 3; i++)
    agent_bus_send (f->bus, test_data ("test", "a", i));
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (a), ==, 3);
}

static void
test_statistics_while_leaving (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe (f, "a");
  TestLedger ledger;

  agent_bus_send (f->bus, test_cancel ("test", "a"));
  agent_bus_send (f->bus, test_data ("test", "a", 1));
  agent_bus_unsubscribe (f->bus, "a");

  ledger = test_ledger (f->bus);
  g_assert_cmpuint (ledger.offered, ==, 2);
  g_assert_cmpuint (ledger.queued, ==, 1);
  g_assert_cmpuint (ledger.dropped[AGENT_DROP_REASON_DISCARDED], ==, 1);
  g_assert_false (agent_bus_get_dropped (f->bus, "a", NULL));
  test_drain (f);
  g_assert_cmpuint (test_ledger (f->bus).delivered, ==, 1);
  test_assert_balanced (f->bus);
}

static guint
count_listed (AgentBus *bus)
{
  g_autoptr (GVariant) statistics = agent_bus_get_statistics (bus);
  g_autoptr (GVariant) subscribers = g_variant_lookup_value (statistics, "subscribers", NULL);

  return g_variant_n_children (subscribers);
}

static void
start_again (TestFixture *f)
{
  agent_bus_start_async (f->bus, NULL, NULL, NULL);
  test_drain (f);
}

/* The last figures can be read after the end, also those of a subscriber that left before, until the bus is started again. */
static void
test_final_figures (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", NULL, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);

  agent_bus_send (f->bus, test_data ("test", NULL, 1));
  test_drain (f);
  g_assert_true (test_unsubscribe (f, "a", NULL));
  g_assert_cmpuint (count_listed (f->bus), ==, 1);
  agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (a), NULL);
  agent_bus_send (f->bus, test_data ("test", "a", 2));
  agent_bus_send (f->bus, test_cancel ("test", "b"));

  test_stop (f);
  g_assert_cmpuint (count_listed (f->bus), ==, 2);
  g_assert_cmpuint (test_ledger_of (f->bus, "a").delivered, ==, 1);
  g_assert_cmpuint (test_ledger_of (f->bus, "a").dropped[AGENT_DROP_REASON_DISCARDED], ==, 1);
  g_assert_cmpuint (test_ledger_of (f->bus, "b").delivered, ==, 2);

  start_again (f);
  g_assert_cmpuint (count_listed (f->bus), ==, 0);
  test_stop (f);
  g_assert_cmpuint (count_listed (f->bus), ==, 0);
  g_assert_cmpuint (test_ledger (f->bus).delivered, ==, 3);
}

/* However many names there were. */
static void
test_final_figures_are_bounded (TestFixture *f)
{
  for (guint i = 0; i < 1100; i++)
    {
      g_autofree char *name = g_strdup_printf ("s%u", i);
      g_autoptr (TestRecorder) s = test_recorder_subscribe (f, name, NULL, NULL);

      agent_bus_unsubscribe (f->bus, name);
    }
  test_drain (f);
  g_assert_cmpuint (count_listed (f->bus), ==, 0);
  test_stop (f);
  g_assert_cmpuint (count_listed (f->bus), ==, 1000);
}

#define ADD(name, func) test_add ("/agentbus/statistics/" name, func)

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

  ADD ("shape", test_statistics_shape);
  ADD ("shape-of-subscribers", test_statistics_shape_of_subscribers);
  ADD ("of-a-new-bus", test_statistics_of_a_new_bus);
  ADD ("figures", test_statistics_figures);
  ADD ("while-leaving", test_statistics_while_leaving);
  ADD ("final-figures", test_final_figures);
  ADD ("final-figures-are-bounded", test_final_figures_are_bounded);
  ADD ("get-dropped", test_get_dropped);
  ADD ("get-dropped-of-nobody", test_get_dropped_of_nobody);
  ADD ("figures-survive", test_figures_survive);
  ADD ("figures-survive-a-refusal", test_figures_survive_a_refusal);
  ADD ("counts-of-a-subscriber", test_counts_of_a_subscriber);
  ADD ("counts-in-the-handler", test_counts_in_the_handler);

  return g_test_run ();
}
