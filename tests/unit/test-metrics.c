/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <locale.h>
#include <math.h>
#include <string.h>

#include <glib/gstdio.h>

#include "test-leaks.h"
#include "test-support.h"

/*
 * The metrics: each one after a story whose end is known, as a variant and in both texts; what the texts look like to
 * the letter; and who is left out.
 */

#define MSEC 1000
#define N_BUCKETS 14
#define N_BUS_METRICS 6
#define N_ROUTER_METRICS 10

static const double bounds[N_BUCKETS] = {
  0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, INFINITY
};

/* --- What a story needs --- */

typedef struct
{
  AgentRouteTable       *routes;
  AgentRouterDispatcher *dispatcher;
  AgentMetrics          *metrics;
} Router;

/* The clock stands still, and the retries come when they should to the millisecond. */
static Router *
router_new (TestFixture *f)
{
  Router *self = g_new0 (Router, 1);
  g_autoptr (AgentRetryPolicy) policy = agent_retry_policy_new ();

  test_clock_freeze ();
  agent_retry_policy_set_jitter (policy, 0);
  self->routes = agent_route_table_new ();
  self->dispatcher = agent_router_dispatcher_new (f->bus, self->routes);
  agent_router_dispatcher_set_retry_policy (self->dispatcher, policy);
  self->metrics = agent_metrics_new ();
  agent_metrics_add_bus (self->metrics, "main", f->bus);
  agent_metrics_add_dispatcher (self->metrics, "main", self->dispatcher);
  return self;
}

static void
router_free (Router *self)
{
  g_clear_object (&self->metrics);
  g_clear_object (&self->dispatcher);
  g_clear_object (&self->routes);
  g_free (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Router, router_free)

static void
dispatch (Router             *router,
          const char         *actor,
          AgentDispatchResult expected)
{
  g_autoptr (GError) error = NULL;
  AgentDispatchResult result;

  result = agent_router_dispatcher_dispatch (router->dispatcher, test_data ("test", actor, 1), &error);
  g_assert_cmpint (result, ==, expected);
  g_assert_true ((error != NULL) == (expected == AGENT_DISPATCH_RESULT_REFUSED));
}

/* Nobody is there for it yet. */
static void
park_for (Router     *router,
          const char *actor,
          guint       ttl)
{
  g_autoptr (GError) error = NULL;
  AgentMessage       *message = test_data ("test", actor, 1);
  AgentDispatchResult result;

  agent_message_set_ttl (message, ttl);
  result = agent_router_dispatcher_dispatch (router->dispatcher, message, &error);
  g_assert_no_error (error);
  g_assert_cmpint (result, ==, AGENT_DISPATCH_RESULT_PARKED);
}

static void
advance (TestFixture *f,
         guint        msec)
{
  test_clock_advance ((gint64) msec * MSEC);
  test_drain (f);
}

static AgentMetrics *
metrics_of_bus (AgentBus *bus)
{
  AgentMetrics *metrics = agent_metrics_new ();

  agent_metrics_add_bus (metrics, "main", bus);
  return metrics;
}

static void
unsubscribe (TestFixture *f,
             const char  *name)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (test_unsubscribe (f, name, &error));
  g_assert_no_error (error);
}

static TestRecorder *
subscribe_small (TestFixture *f,
                 const char  *name,
                 guint        capacity)
{
  TestRecorder *recorder = test_recorder_new_full (NULL, NULL, "name", name, "capacity", capacity, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (agent_bus_subscribe (f->bus, AGENT_SUBSCRIBER (recorder), &error));
  g_assert_no_error (error);
  return recorder;
}

/* --- What the metrics say --- */

static gboolean
is_gauge (const char *metric)
{
  return g_str_equal (metric, "agentbus_messages_waiting") || g_str_equal (metric, "agentbus_subscribers") ||
         g_str_equal (metric, "router_messages_parked");
}

static const char *
get_label_name (const char *metric)
{
  return g_str_has_prefix (metric, "router_") ? "dispatcher" : "bus";
}

/* @reason: (nullable). FALSE: there is no such value. */
static gboolean
find_in_variant (GVariant   *variant,
                 const char *metric,
                 const char *name,
                 const char *reason,
                 guint64    *value)
{
  g_autoptr (GVariant) values = g_variant_lookup_value (variant, metric, G_VARIANT_TYPE ("a(a{ss}t)"));
  guint n_found = 0;

  for (gsize i = 0; values != NULL && i < g_variant_n_children (values); i++)
    {
      g_autoptr (GVariant) labels = NULL;
      const char *own_name = NULL;
      const char *own_reason = NULL;
      guint64     count;

      g_variant_get_child (values, i, "(@a{ss}t)", &labels, &count);
      g_variant_lookup (labels, get_label_name (metric), "&s", &own_name);
      g_variant_lookup (labels, "reason", "&s", &own_reason);
      g_assert_cmpuint (g_variant_n_children (labels), ==, own_reason != NULL ? 2 : 1);
      if (g_strcmp0 (own_name, name) != 0 || g_strcmp0 (own_reason, reason) != 0)
        continue;
      *value = count;
      n_found++;
    }

  g_assert_cmpuint (n_found, <=, 1);
  return n_found == 1;
}

/* The line that begins like this is there once, and ends with this number. */
static void
assert_line (const char *text,
             const char *begin,
             const char *value)
{
  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  guint n_found = 0;

  for (char **line = lines; *line != NULL; line++)
    {
      if (!g_str_has_prefix (*line, begin))
        continue;
      g_assert_cmpstr (*line + strlen (begin), ==, value);
      n_found++;
    }

  g_assert_cmpuint (n_found, ==, 1);
}

static void
assert_in_texts (AgentMetrics *metrics,
                 const char   *begin,
                 const char   *value)
{
  g_autofree char *open_metrics = agent_metrics_to_open_metrics (metrics);
  g_autofree char *prometheus = agent_metrics_to_prometheus (metrics);

  assert_line (open_metrics, begin, value);
  assert_line (prometheus, begin, value);
}

static void
assert_value (AgentMetrics *metrics,
              const char   *metric,
              const char   *name,
              const char   *reason,
              guint64       expected)
{
  g_autoptr (GVariant) variant = agent_metrics_to_variant (metrics);
  g_autoptr (GString) begin = g_string_new (metric);
  g_autofree char *number = g_strdup_printf ("%" G_GUINT64_FORMAT, expected);
  guint64          value = 99;

  g_assert_true (find_in_variant (variant, metric, name, reason, &value));
  g_assert_cmpuint (value, ==, expected);

  g_string_append_printf (begin, "%s{%s=\"%s\"", is_gauge (metric) ? "" : "_total", get_label_name (metric), name);
  if (reason != NULL)
    g_string_append_printf (begin, ",reason=\"%s\"", reason);
  g_string_append (begin, "} ");
  assert_in_texts (metrics, begin->str, number);
}

#define ASSERT_METRIC(metrics, metric, expected) assert_value (metrics, metric, "main", NULL, expected)

/* In the order of AgentDropReason. */
static void
assert_drops (AgentMetrics *metrics,
              const char   *metric,
              guint64       n_full,
              guint64       n_expired,
              guint64       n_no_target,
              guint64       n_closed,
              guint64       n_discarded,
              guint64       n_stale)
{
  assert_value (metrics, metric, "main", "full", n_full);
  assert_value (metrics, metric, "main", "expired", n_expired);
  assert_value (metrics, metric, "main", "no-target", n_no_target);
  assert_value (metrics, metric, "main", "closed", n_closed);
  assert_value (metrics, metric, "main", "discarded", n_discarded);
  assert_value (metrics, metric, "main", "stale", n_stale);
}

/* What happened to the messages of a dispatcher. */
typedef struct
{
  guint64 accepted;
  guint64 dispatched;
  guint64 queued;
  guint64 expired;
  guint64 refused;
  guint64 returned;
  guint64 retries;
  guint64 parked;
} Story;

static void
assert_story (Router      *router,
              const Story *story)
{
  ASSERT_METRIC (router->metrics, "router_messages_accepted", story->accepted);
  ASSERT_METRIC (router->metrics, "router_messages_dispatched", story->dispatched);
  ASSERT_METRIC (router->metrics, "router_messages_queued", story->queued);
  ASSERT_METRIC (router->metrics, "router_messages_expired", story->expired);
  ASSERT_METRIC (router->metrics, "router_messages_refused", story->refused);
  ASSERT_METRIC (router->metrics, "router_messages_returned", story->returned);
  ASSERT_METRIC (router->metrics, "router_retries", story->retries);
  ASSERT_METRIC (router->metrics, "router_messages_parked", story->parked);
}

/* @counts: how many are in each bucket alone. */
static void
assert_buckets (GVariant     *buckets,
                const guint64 counts[N_BUCKETS])
{
  guint64 sum = 0;

  g_assert_cmpuint (g_variant_n_children (buckets), ==, N_BUCKETS);
  for (guint i = 0; i < N_BUCKETS; i++)
    {
      double  bound;
      guint64 count;

      sum += counts[i];
      g_variant_get_child (buckets, i, "(dt)", &bound, &count);
      g_assert_true (bound == bounds[i]);
      g_assert_cmpuint (count, ==, sum);
    }
}

static void
assert_latency_in_texts (AgentMetrics *metrics,
                         const guint64 counts[N_BUCKETS],
                         guint64       n,
                         const char   *seconds)
{
  static const char *const names[N_BUCKETS] = {
    "0.001", "0.005", "0.01", "0.05", "0.1", "0.25", "0.5", "1.0", "2.5", "5.0", "10.0", "30.0", "60.0", "+Inf"
  };
  guint64          sum = 0;
  g_autofree char *number = g_strdup_printf ("%" G_GUINT64_FORMAT, n);

  for (guint i = 0; i < N_BUCKETS; i++)
    {
      g_autofree char *begin =
          g_strdup_printf ("router_dispatch_latency_bucket{dispatcher=\"main\",le=\"%s\"} ", names[i]);
      g_autofree char *count = g_strdup_printf ("%" G_GUINT64_FORMAT, sum += counts[i]);

      assert_in_texts (metrics, begin, count);
    }

  assert_in_texts (metrics, "router_dispatch_latency_count{dispatcher=\"main\"} ", number);
  assert_in_texts (metrics, "router_dispatch_latency_sum{dispatcher=\"main\"} ", seconds);
}

/* @seconds: what all have waited together. */
static void
assert_latency (AgentMetrics *metrics,
                const guint64 counts[N_BUCKETS],
                guint64       n,
                const char   *seconds)
{
  g_autoptr (GVariant) variant = agent_metrics_to_variant (metrics);
  g_autoptr (GVariant) values = NULL;
  g_autoptr (GVariant) labels = NULL;
  g_autoptr (GVariant) buckets = NULL;
  const char *name = NULL;
  guint64     count;
  double      sum;

  values = g_variant_lookup_value (variant, "router_dispatch_latency", G_VARIANT_TYPE ("a(a{ss}a(dt)td)"));
  g_assert_nonnull (values);
  g_assert_cmpuint (g_variant_n_children (values), ==, 1);
  g_variant_get_child (values, 0, "(@a{ss}@a(dt)td)", &labels, &buckets, &count, &sum);
  g_assert_cmpuint (g_variant_n_children (labels), ==, 1);
  g_assert_true (g_variant_lookup (labels, "dispatcher", "&s", &name));
  g_assert_cmpstr (name, ==, "main");
  assert_buckets (buckets, counts);
  g_assert_cmpuint (count, ==, n);
  g_assert_cmpfloat_with_epsilon (sum, g_ascii_strtod (seconds, NULL), 1e-9);

  assert_latency_in_texts (metrics, counts, n, seconds);
}

/* --- The bus --- */

static void
test_metrics_of_a_new_bus (TestFixture *f)
{
  g_autoptr (AgentMetrics) metrics = metrics_of_bus (f->bus);

  ASSERT_METRIC (metrics, "agentbus_messages_sent", 0);
  ASSERT_METRIC (metrics, "agentbus_messages_delivered", 0);
  ASSERT_METRIC (metrics, "agentbus_messages_failed", 0);
  ASSERT_METRIC (metrics, "agentbus_messages_waiting", 0);
  ASSERT_METRIC (metrics, "agentbus_subscribers", 0);
  assert_drops (metrics, "agentbus_messages_dropped", 0, 0, 0, 0, 0, 0);
}

static void
fail_second (TestRecorder *recorder,
             AgentMessage *message,
             gpointer      user_data)
{
  g_autoptr (AgentDelivery) delivery = agent_subscriber_defer (AGENT_SUBSCRIBER (recorder));

  if (test_number (message) == 2)
    agent_delivery_fail_message (delivery, "out of luck");
  else
    agent_delivery_complete (delivery);
}

static void
test_metrics_of_a_bus (TestFixture *f)
{
  g_autoptr (TestRecorder) a = test_recorder_subscribe (f, "a", fail_second, NULL);
  g_autoptr (TestRecorder) b = test_recorder_subscribe (f, "b", NULL, NULL);
  g_autoptr (AgentMetrics) metrics = metrics_of_bus (f->bus);

  for (guint i = 1; i <= 3; i++)
    agent_bus_send (f->bus, test_data ("test", NULL, i));
  agent_bus_send (f->bus, test_data ("test", "b", 4));
  ASSERT_METRIC (metrics, "agentbus_messages_sent", 4);
  ASSERT_METRIC (metrics, "agentbus_messages_delivered", 0);
  ASSERT_METRIC (metrics, "agentbus_messages_waiting", 7);
  ASSERT_METRIC (metrics, "agentbus_subscribers", 2);

  test_drain (f);
  ASSERT_METRIC (metrics, "agentbus_messages_sent", 4);
  ASSERT_METRIC (metrics, "agentbus_messages_delivered", 7);
  ASSERT_METRIC (metrics, "agentbus_messages_failed", 1);
  ASSERT_METRIC (metrics, "agentbus_messages_waiting", 0);
  assert_drops (metrics, "agentbus_messages_dropped", 0, 0, 0, 0, 0, 0);

  unsubscribe (f, "a");
  ASSERT_METRIC (metrics, "agentbus_subscribers", 1);
  ASSERT_METRIC (metrics, "agentbus_messages_delivered", 7);
}

/* From one to six messages are lost for the six reasons. */
static void
test_metrics_of_drops (TestFixture *f)
{
  g_autoptr (TestRecorder) a = subscribe_small (f, "a", 5);
  g_autoptr (AgentMetrics) metrics = metrics_of_bus (f->bus);
  g_autoptr (AgentConversation) conversation = agent_conversation_new (NULL);

  test_clock_freeze ();
  for (guint i = 1; i <= 6; i++)
    {
      AgentMessage *message = test_data ("test", "a", i);

      agent_message_set_ttl (message, i <= 2 ? 10 : 0);
      agent_bus_send (f->bus, message);
    }
  advance (f, 20);
  for (guint i = 1; i <= 3; i++)
    agent_bus_send (f->bus, test_data ("test", "nobody", i));
  assert_drops (metrics, "agentbus_messages_dropped", 1, 2, 3, 0, 0, 0);
  for (guint i = 1; i <= 6; i++)
    {
      AgentMessage *message = test_data ("test", "a", i);

      agent_message_set_conversation (message, conversation);
      agent_conversation_advance (conversation);
      agent_bus_send (f->bus, message);
      test_drain (f);
    }
  assert_drops (metrics, "agentbus_messages_dropped", 1, 2, 3, 0, 0, 6);

  for (guint i = 1; i <= 5; i++)
    agent_bus_send (f->bus, test_data ("test", "a", i));
  unsubscribe (f, "a");
  assert_drops (metrics, "agentbus_messages_dropped", 1, 2, 3, 0, 5, 6);

  test_clock_release ();
  test_stop (f);
  for (guint i = 1; i <= 4; i++)
    agent_bus_send (f->bus, test_data ("test", "a", i));
  assert_drops (metrics, "agentbus_messages_dropped", 1, 2, 3, 4, 5, 6);
  ASSERT_METRIC (metrics, "agentbus_messages_sent", 24);
  ASSERT_METRIC (metrics, "agentbus_messages_delivered", 3);
  test_drain (f);
  test_expect_log (f, "'a' is full");
}

/* --- The dispatcher --- */

static void
test_metrics_of_a_new_dispatcher (TestFixture *f)
{
  static const guint64 none[N_BUCKETS] = { 0 };
  g_autoptr (Router) router = router_new (f);

  assert_story (router, &(Story){ 0 });
  assert_drops (router->metrics, "router_messages_dropped", 0, 0, 0, 0, 0, 0);
  assert_latency (router->metrics, none, 0, "0.0");
}

static void
test_metrics_of_a_dispatcher (TestFixture *f)
{
  g_autoptr (TestRecorder) w = test_recorder_subscribe (f, "w", NULL, NULL);
  g_autoptr (Router) router = router_new (f);

  agent_route_table_assign (router->routes, "a", "w");
  dispatch (router, "a", AGENT_DISPATCH_RESULT_DELIVERED);
  assert_story (router, &(Story){ .accepted = 1, .dispatched = 1 });

  park_for (router, "b", 0);
  park_for (router, "c", 200);
  assert_story (router, &(Story){ .accepted = 3, .dispatched = 1, .queued = 2, .parked = 2 });

  agent_router_dispatcher_set_capacity (router->dispatcher, 2);
  dispatch (router, "b", AGENT_DISPATCH_RESULT_REFUSED);
  dispatch (router, NULL, AGENT_DISPATCH_RESULT_REFUSED);
  assert_story (router, &(Story){ .accepted = 3, .dispatched = 1, .queued = 2, .parked = 2, .refused = 2 });

  advance (f, 100);
  ASSERT_METRIC (router->metrics, "router_retries", 2);
  advance (f, 100);
  test_expect_log (f, "for actor 'c' expired after 200 ms");
  advance (f, 100);
  assert_story (router,
                &(Story){ .accepted = 3,
                          .dispatched = 1,
                          .queued = 2,
                          .parked = 1,
                          .refused = 2,
                          .retries = 3,
                          .expired = 1 });

  agent_route_table_assign (router->routes, "b", "w");
  assert_story (router,
                &(Story){ .accepted = 3, .dispatched = 2, .queued = 2, .refused = 2, .retries = 3, .expired = 1 });
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (w), ==, 2);
  assert_drops (router->metrics, "router_messages_dropped", 0, 0, 0, 0, 0, 0);
}

static void
on_stopped (GObject      *object,
            GAsyncResult *result,
            gpointer      user_data)
{
  g_autoptr (GError) error = NULL;
  gboolean *done = user_data;

  g_assert_false (agent_router_dispatcher_stop_finish (AGENT_ROUTER_DISPATCHER (object), result, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
  *done = TRUE;
}

static void
test_metrics_of_what_was_given_up (TestFixture *f)
{
  g_autoptr (Router) router = router_new (f);
  gboolean done = FALSE;

  agent_bus_set_shutdown_timeout (f->bus, 1);
  agent_route_table_unassign (router->routes, "a");
  park_for (router, "a", 0);
  park_for (router, "a", 0);
  park_for (router, "b", 0);
  g_assert_true (agent_route_table_remove (router->routes, "a"));
  assert_drops (router->metrics, "router_messages_dropped", 0, 0, 2, 0, 0, 0);
  ASSERT_METRIC (router->metrics, "router_messages_parked", 1);

  agent_router_dispatcher_stop_async (router->dispatcher, NULL, on_stopped, &done);
  test_run_until (f, &done);
  dispatch (router, "b", AGENT_DISPATCH_RESULT_REFUSED);
  assert_drops (router->metrics, "router_messages_dropped", 0, 0, 2, 1, 0, 0);
  assert_story (router, &(Story){ .accepted = 3, .queued = 3, .refused = 1 });
}

/* A router that is there has no room. */
static void
test_metrics_of_a_full_router (TestFixture *f)
{
  static const guint64 counts[N_BUCKETS] = { [0] = 1, [3] = 1 };
  g_autoptr (TestRecorder) w = subscribe_small (f, "w", 1);
  g_autoptr (Router) router = router_new (f);

  agent_route_table_assign (router->routes, "a", "w");
  dispatch (router, "a", AGENT_DISPATCH_RESULT_DELIVERED);
  dispatch (router, "a", AGENT_DISPATCH_RESULT_PARKED);
  assert_story (router, &(Story){ .accepted = 2, .dispatched = 1, .queued = 1, .parked = 1 });
  assert_drops (router->metrics, "agentbus_messages_dropped", 0, 0, 0, 0, 0, 0);

  advance (f, 20);
  assert_story (router, &(Story){ .accepted = 2, .dispatched = 2, .queued = 1 });
  assert_latency (router->metrics, counts, 2, "0.02");
  ASSERT_METRIC (router->metrics, "agentbus_messages_delivered", 2);
}

/* What comes back and goes again is dispatched twice, each time as late as it then is. */
static void
test_metrics_of_what_came_back (TestFixture *f)
{
  static const guint64 counts[N_BUCKETS] = { [0] = 2, [6] = 2 };
  g_autoptr (TestRecorder) first = test_recorder_subscribe (f, "first", NULL, NULL);
  g_autoptr (TestRecorder) second = test_recorder_subscribe (f, "second", NULL, NULL);
  g_autoptr (Router) router = router_new (f);

  agent_route_table_assign (router->routes, "a", "first");
  dispatch (router, "a", AGENT_DISPATCH_RESULT_DELIVERED);
  dispatch (router, "a", AGENT_DISPATCH_RESULT_DELIVERED);
  unsubscribe (f, "first");
  assert_story (router, &(Story){ .accepted = 2, .dispatched = 2, .returned = 2, .parked = 2 });

  test_clock_advance (400 * MSEC);
  agent_route_table_assign (router->routes, "a", "second");
  assert_story (router, &(Story){ .accepted = 2, .dispatched = 4, .returned = 2 });
  assert_latency (router->metrics, counts, 4, "0.8");
  test_drain (f);
  g_assert_cmpuint (test_recorder_count (first), ==, 0);
  g_assert_cmpuint (test_recorder_count (second), ==, 2);
  ASSERT_METRIC (router->metrics, "agentbus_messages_delivered", 2);
}

/* What was refused was sent, as a message to a stopped bus is. */
static void
test_metrics_of_a_refusal (TestFixture *f)
{
  g_autoptr (Router) router = router_new (f);

  agent_router_dispatcher_set_capacity (router->dispatcher, 1);
  park_for (router, "a", 0);
  dispatch (router, "a", AGENT_DISPATCH_RESULT_REFUSED);
  ASSERT_METRIC (router->metrics, "router_messages_refused", 1);
  ASSERT_METRIC (router->metrics, "agentbus_messages_sent", 2);
}

/* A message that had to wait is still one. */
static void
test_metrics_in_total_order (TestFixture *f)
{
  g_autoptr (AgentBus) bus = g_object_new (AGENT_TYPE_BUS, "total-order", TRUE, NULL);
  g_autoptr (AgentRouteTable) routes = agent_route_table_new ();
  g_autoptr (AgentRouterDispatcher) dispatcher = agent_router_dispatcher_new (bus, routes);
  g_autoptr (TestRecorder) w = test_recorder_new ("w", NULL, NULL);
  g_autoptr (AgentMetrics) metrics = metrics_of_bus (bus);
  g_autoptr (GError) error = NULL;

  g_assert_true (agent_bus_subscribe (bus, AGENT_SUBSCRIBER (w), &error));
  agent_router_dispatcher_dispatch (dispatcher, test_data ("test", "a", 1), &error);
  g_assert_no_error (error);
  agent_bus_send (bus, test_data ("test", "w", 2));
  agent_route_table_assign (routes, "a", "w");
  ASSERT_METRIC (metrics, "agentbus_messages_sent", 2);
  ASSERT_METRIC (metrics, "agentbus_messages_waiting", 2);
  test_drain (f);
}

/* --- The latency --- */

static void
test_metrics_latency (TestFixture *f)
{
  static const guint64 direct[N_BUCKETS] = { [0] = 3 };
  static const guint64 all[N_BUCKETS] = { [0] = 3, [6] = 1 };
  g_autoptr (TestRecorder) w = test_recorder_subscribe (f, "w", NULL, NULL);
  g_autoptr (Router) router = router_new (f);

  agent_route_table_assign (router->routes, "a", "w");
  for (guint i = 0; i < 3; i++)
    dispatch (router, "a", AGENT_DISPATCH_RESULT_DELIVERED);
  assert_latency (router->metrics, direct, 3, "0.0");

  park_for (router, "b", 0);
  test_clock_advance (300 * MSEC);
  assert_latency (router->metrics, direct, 3, "0.0");
  agent_route_table_assign (router->routes, "b", "w");
  assert_latency (router->metrics, all, 4, "0.3");

  test_drain (f);
  assert_latency (router->metrics, all, 4, "0.3");
}

static void
wait_for (Router *router,
          gint64  usec)
{
  static guint     n_actors;
  g_autofree char *actor = g_strdup_printf ("actor-%u", ++n_actors);

  park_for (router, actor, G_MAXUINT);
  test_clock_advance (usec);
  agent_route_table_assign (router->routes, actor, "w");
}

/* A bucket has what is not above its bound. */
static void
test_metrics_latency_at_the_bounds (TestFixture *f)
{
  static const guint64 expected[N_BUCKETS] = { 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1 };
  g_autoptr (TestRecorder) w = test_recorder_subscribe (f, "w", NULL, NULL);
  g_autoptr (Router) router = router_new (f);

  for (guint i = 0; i < N_BUCKETS - 1; i++)
    {
      wait_for (router, (gint64) round (bounds[i] * G_USEC_PER_SEC));
      wait_for (router, (gint64) round (bounds[i] * G_USEC_PER_SEC) + 1);
    }

  assert_latency (router->metrics, expected, 26, "218.832013");
  test_drain (f);
}

static void
test_metrics_latency_is_not_of_the_lost (TestFixture *f)
{
  static const guint64 none[N_BUCKETS] = { 0 };
  g_autoptr (Router) router = router_new (f);

  agent_route_table_unassign (router->routes, "a");
  park_for (router, "a", 0);
  park_for (router, "b", 50);
  advance (f, 60);
  test_expect_log (f, "for actor 'b' expired");
  g_assert_true (agent_route_table_remove (router->routes, "a"));
  assert_latency (router->metrics, none, 0, "0.0");
}

/* --- The shape --- */

static void
test_metrics_variant (TestFixture *f)
{
  static const char *const names[N_BUS_METRICS + N_ROUTER_METRICS] = {
    "agentbus_messages_sent",
    "agentbus_messages_delivered",
    "agentbus_messages_failed",
    "agentbus_messages_dropped",
    "agentbus_messages_waiting",
    "agentbus_subscribers",
    "router_messages_accepted",
    "router_messages_dispatched",
    "router_messages_queued",
    "router_messages_expired",
    "router_messages_dropped",
    "router_messages_refused",
    "router_messages_returned",
    "router_retries",
    "router_messages_parked",
    "router_dispatch_latency",
  };
  g_autoptr (Router) router = router_new (f);
  g_autoptr (GVariant) variant = agent_metrics_to_variant (router->metrics);

  g_assert_false (g_variant_is_floating (variant));
  g_assert_cmpstr (g_variant_get_type_string (variant), ==, "a{sv}");
  g_assert_cmpuint (g_variant_n_children (variant), ==, G_N_ELEMENTS (names));
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (GVariant) values = g_variant_lookup_value (variant, names[i], NULL);

      g_assert_nonnull (values);
      g_assert_cmpstr (g_variant_get_type_string (values),
                       ==,
                       g_str_has_suffix (names[i], "latency") ? "a(a{ss}a(dt)td)" : "a(a{ss}t)");
      g_assert_cmpuint (g_variant_n_children (values), ==, g_str_has_suffix (names[i], "dropped") ? 8 : 1);
    }
}

static void
test_metrics_of_nothing (TestFixture *f)
{
  g_autoptr (AgentMetrics) metrics = agent_metrics_new ();
  g_autoptr (GVariant) variant = agent_metrics_to_variant (metrics);
  g_autofree char *open_metrics = agent_metrics_to_open_metrics (metrics);
  g_autofree char *prometheus = agent_metrics_to_prometheus (metrics);

  g_assert_cmpstr (g_variant_get_type_string (variant), ==, "a{sv}");
  g_assert_cmpuint (g_variant_n_children (variant), ==, 0);
  g_assert_cmpstr (open_metrics, ==, "# EOF\n");
  g_assert_cmpstr (prometheus, ==, "");
}

/* What describes a counter has the suffix in one of the two. */
#define BUS_TEXT(suffix)                                                                  \
  "# HELP agentbus_messages_sent" suffix " Messages given to the bus.\n"                  \
  "# TYPE agentbus_messages_sent" suffix " counter\n"                                     \
  "agentbus_messages_sent_total{bus=\"main\"} 1\n"                                        \
  "# HELP agentbus_messages_delivered" suffix " Messages given to a handler.\n"           \
  "# TYPE agentbus_messages_delivered" suffix " counter\n"                                \
  "agentbus_messages_delivered_total{bus=\"main\"} 0\n"                                   \
  "# HELP agentbus_messages_failed" suffix " Messages that a handler failed to handle.\n" \
  "# TYPE agentbus_messages_failed" suffix " counter\n"                                   \
  "agentbus_messages_failed_total{bus=\"main\"} 0\n"                                      \
  "# HELP agentbus_messages_dropped" suffix " Messages that were not delivered.\n"        \
  "# TYPE agentbus_messages_dropped" suffix " counter\n"                                  \
  "agentbus_messages_dropped_total{bus=\"main\",reason=\"full\"} 0\n"                     \
  "agentbus_messages_dropped_total{bus=\"main\",reason=\"expired\"} 0\n"                  \
  "agentbus_messages_dropped_total{bus=\"main\",reason=\"no-target\"} 1\n"                \
  "agentbus_messages_dropped_total{bus=\"main\",reason=\"closed\"} 0\n"                   \
  "agentbus_messages_dropped_total{bus=\"main\",reason=\"discarded\"} 0\n"                \
  "agentbus_messages_dropped_total{bus=\"main\",reason=\"stale\"} 0\n"                    \
  "agentbus_messages_dropped_total{bus=\"main\",reason=\"cancelled\"} 0\n"                \
  "agentbus_messages_dropped_total{bus=\"main\",reason=\"inactive\"} 0\n"                 \
  "# HELP agentbus_messages_waiting Messages in the channels of subscribers.\n"           \
  "# TYPE agentbus_messages_waiting gauge\n"                                              \
  "agentbus_messages_waiting{bus=\"main\"} 0\n"                                           \
  "# HELP agentbus_subscribers Subscribers on the bus.\n"                                 \
  "# TYPE agentbus_subscribers gauge\n"                                                   \
  "agentbus_subscribers{bus=\"main\"} 0\n"

static void
test_metrics_text (TestFixture *f)
{
  g_autoptr (AgentMetrics) metrics = metrics_of_bus (f->bus);
  g_autofree char *open_metrics = NULL;
  g_autofree char *prometheus = NULL;

  agent_bus_send (f->bus, test_data ("test", "nobody", 1));
  open_metrics = agent_metrics_to_open_metrics (metrics);
  prometheus = agent_metrics_to_prometheus (metrics);
  g_assert_cmpstr (open_metrics, ==, BUS_TEXT ("") "# EOF\n");
  g_assert_cmpstr (prometheus, ==, BUS_TEXT ("_total"));
  test_drain (f);
}

static void
test_metrics_text_of_a_histogram (TestFixture *f)
{
  g_autoptr (Router) router = router_new (f);
  g_autofree char *text = agent_metrics_to_open_metrics (router->metrics);
  const char      *part = strstr (text, "# HELP router_dispatch_latency");

  g_assert_nonnull (part);
  g_assert_true (g_str_has_prefix (part,
                                   "# HELP router_dispatch_latency Seconds from dispatch to router.\n"
                                   "# TYPE router_dispatch_latency histogram\n"
                                   "router_dispatch_latency_bucket{dispatcher=\"main\",le=\"0.001\"} 0\n"));
  g_assert_true (g_str_has_suffix (part,
                                   "router_dispatch_latency_bucket{dispatcher=\"main\",le=\"+Inf\"} 0\n"
                                   "router_dispatch_latency_count{dispatcher=\"main\"} 0\n"
                                   "router_dispatch_latency_sum{dispatcher=\"main\"} 0.0\n"
                                   "# EOF\n"));
}

/* --- The labels --- */

static void
test_metrics_of_several_buses (TestFixture *f)
{
  g_autoptr (AgentBus) other = agent_bus_new ();
  g_autoptr (AgentMetrics) metrics = metrics_of_bus (f->bus);
  g_autofree char *text = NULL;
  const char      *type;

  agent_metrics_add_bus (metrics, "other", other);
  agent_bus_send (f->bus, test_data ("test", "nobody", 1));
  agent_bus_send (other, test_data ("test", "nobody", 1));
  agent_bus_send (other, test_data ("test", "nobody", 2));
  assert_value (metrics, "agentbus_messages_sent", "main", NULL, 1);
  assert_value (metrics, "agentbus_messages_sent", "other", NULL, 2);
  assert_value (metrics, "agentbus_messages_dropped", "main", "no-target", 1);
  assert_value (metrics, "agentbus_messages_dropped", "other", "no-target", 2);

  /* Described once. */
  text = agent_metrics_to_open_metrics (metrics);
  type = strstr (text, "# TYPE agentbus_messages_sent ");
  g_assert_nonnull (type);
  g_assert_null (strstr (type + 1, "# TYPE agentbus_messages_sent "));
  test_drain (f);
}

static void
test_metrics_label_is_escaped (TestFixture *f)
{
  g_autoptr (AgentMetrics) metrics = agent_metrics_new ();
  g_autoptr (GVariant) variant = NULL;
  guint64 value = 99;

  agent_metrics_add_bus (metrics, "a \"b\" c\\d\ne\\n}ü", f->bus);
  assert_in_texts (metrics, "agentbus_subscribers{bus=\"a \\\"b\\\" c\\\\d\\ne\\\\n}ü\"} ", "0");

  variant = agent_metrics_to_variant (metrics);
  g_assert_true (find_in_variant (variant, "agentbus_subscribers", "a \"b\" c\\d\ne\\n}ü", NULL, &value));
  g_assert_cmpuint (value, ==, 0);
}

static void
test_metrics_name_is_replaced (TestFixture *f)
{
  g_autoptr (AgentBus) other = agent_bus_new ();
  g_autoptr (Router) router = router_new (f);
  g_autoptr (AgentRouterDispatcher) dispatcher = agent_router_dispatcher_new (other, router->routes);

  park_for (router, "a", 0);
  ASSERT_METRIC (router->metrics, "agentbus_messages_sent", 1);
  ASSERT_METRIC (router->metrics, "router_messages_parked", 1);

  /* The bus of that name goes, but not the dispatcher. */
  agent_metrics_add_bus (router->metrics, "main", other);
  ASSERT_METRIC (router->metrics, "agentbus_messages_sent", 0);
  ASSERT_METRIC (router->metrics, "router_messages_parked", 1);

  agent_metrics_add_dispatcher (router->metrics, "main", dispatcher);
  ASSERT_METRIC (router->metrics, "router_messages_parked", 0);

  agent_metrics_add_dispatcher (router->metrics, "again", router->dispatcher);
  assert_value (router->metrics, "router_messages_parked", "main", NULL, 0);
  assert_value (router->metrics, "router_messages_parked", "again", NULL, 1);
}

static void
test_metrics_of_who_is_gone (TestFixture *f)
{
  g_autoptr (Router) router = router_new (f);
  AgentBus *other = agent_bus_new ();
  guint64   value;
  g_autoptr (GVariant) before = NULL;
  g_autoptr (GVariant) after = NULL;
  g_autofree char *text = NULL;

  agent_metrics_add_bus (router->metrics, "other", other);
  before = agent_metrics_to_variant (router->metrics);
  g_assert_true (find_in_variant (before, "agentbus_subscribers", "other", NULL, &value));
  g_object_add_weak_pointer (G_OBJECT (other), (gpointer *) &other);
  g_object_unref (other);
  g_assert_null (other);
  g_clear_object (&router->dispatcher);

  after = agent_metrics_to_variant (router->metrics);
  text = agent_metrics_to_open_metrics (router->metrics);
  g_assert_cmpuint (g_variant_n_children (after), ==, N_BUS_METRICS);
  g_assert_true (find_in_variant (after, "agentbus_subscribers", "main", NULL, &value));
  g_assert_false (find_in_variant (after, "agentbus_subscribers", "other", NULL, &value));
  g_assert_null (strstr (text, "other"));
  g_assert_null (strstr (text, "router_"));
  g_assert_nonnull (strstr (text, "agentbus_subscribers{bus=\"main\"} 0\n"));
}

/* --- The locale --- */

#define LOCALE_SOURCE "LC_NUMERIC\ndecimal_point \",\"\nthousands_sep \"\"\ngrouping -1\nEND LC_NUMERIC\n"

static gboolean
has_comma (const char *name)
{
  return setlocale (LC_NUMERIC, name) != NULL && g_str_equal (localeconv ()->decimal_point, ",");
}

static void
remove_folder (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      if (g_file_test (child, G_FILE_TEST_IS_DIR))
        remove_folder (child);
      else
        g_remove (child);
    }
  g_rmdir (path);
}

/* Where none is installed, one with nothing but a comma does. */
static gboolean
set_locale_of_our_own (void)
{
  g_autofree char  *path = g_dir_make_tmp ("agentbus-XXXXXX", NULL);
  g_autofree char  *source = g_build_filename (path, "source", NULL);
  g_autofree char  *locale = g_build_filename (path, "comma", NULL);
  const char *const argv[] = { "localedef", "-c", "--no-archive", "-i", source, locale, NULL };
  gboolean          result;

  g_assert_true (g_file_set_contents (source, LOCALE_SOURCE, -1, NULL));
  g_setenv ("LOCPATH", path, TRUE);
  /* It complains about all that is left out. */
  result = g_spawn_sync (NULL,
                         (char **) argv,
                         NULL,
                         G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL,
                         NULL,
                         NULL,
                         NULL,
                         NULL,
                         NULL,
                         NULL) &&
           has_comma ("comma");
  g_unsetenv ("LOCPATH");
  remove_folder (path);

  return result;
}

static gboolean
set_locale_with_comma (void)
{
  return has_comma ("de_DE.UTF-8") || has_comma ("fr_FR.UTF-8") || has_comma ("es_ES.UTF-8") ||
         set_locale_of_our_own ();
}

static void
test_metrics_in_a_locale (TestFixture *f)
{
  static const guint64 expected[N_BUCKETS] = { [6] = 1 };
  g_autoptr (TestRecorder) w = test_recorder_subscribe (f, "w", NULL, NULL);
  g_autoptr (Router) router = router_new (f);

  test_leaks_excuse ();
  if (!set_locale_with_comma ())
    {
      setlocale (LC_NUMERIC, "C");
      g_test_skip ("There is no locale with a decimal comma");
      return;
    }

  wait_for (router, 300 * MSEC);
  assert_latency (router->metrics, expected, 1, "0.3");
  setlocale (LC_NUMERIC, "C");
  test_drain (f);
}

/* --- Threads --- */

#define N_MESSAGES 2000

typedef struct
{
  AgentMetrics *metrics;
  gint          stop;    /* (atomic) */
  guint         n_reads; /* (atomic) */
} Reader;

static guint64
read_one (GVariant   *variant,
          const char *metric)
{
  guint64 value = 0;

  g_assert_true (find_in_variant (variant, metric, "main", NULL, &value));
  return value;
}

/* Counters never go back, and each reading makes sense by itself. */
static gpointer
read_metrics (gpointer data)
{
  Reader *self = data;
  guint64 accepted = 0;
  guint64 delivered = 0;

  while (!g_atomic_int_get (&self->stop))
    {
      g_autoptr (GVariant) variant = agent_metrics_to_variant (self->metrics);
      g_autofree char *text = agent_metrics_to_open_metrics (self->metrics);
      guint64          now_accepted = read_one (variant, "router_messages_accepted");
      guint64          now_delivered = read_one (variant, "agentbus_messages_delivered");
      guint64          handled;

      g_assert_cmpuint (now_accepted, >=, accepted);
      g_assert_cmpuint (now_delivered, >=, delivered);
      handled = read_one (variant, "router_messages_dispatched") + read_one (variant, "router_messages_parked");
      g_assert_cmpuint (now_accepted, ==, handled);
      g_assert_true (g_str_has_suffix (text, "\n# EOF\n"));
      accepted = now_accepted;
      delivered = now_delivered;
      g_atomic_int_inc (&self->n_reads);
    }

  return NULL;
}

static void
test_metrics_in_another_thread (TestFixture *f)
{
  g_autoptr (TestRecorder) w = subscribe_small (f, "w", 64);
  g_autoptr (Router) router = router_new (f);
  Reader   reader = { .metrics = router->metrics };
  GThread *thread = g_thread_new ("test-metrics", read_metrics, &reader);

  agent_route_table_assign (router->routes, "a", "w");
  for (guint i = 0; i < N_MESSAGES || g_atomic_int_get (&reader.n_reads) < 10; i++)
    {
      g_autoptr (GError) error = NULL;

      agent_router_dispatcher_dispatch (router->dispatcher, test_data ("test", "a", i), &error);
      g_assert_no_error (error);
      agent_metrics_add_bus (router->metrics, i % 2 == 0 ? "even" : "odd", f->bus);
      if (i % 100 == 99)
        test_drain (f);
    }
  test_drain (f);
  g_atomic_int_set (&reader.stop, TRUE);
  g_thread_join (thread);

  ASSERT_METRIC (router->metrics, "router_messages_accepted", test_recorder_count (w));
  ASSERT_METRIC (router->metrics, "router_messages_dispatched", test_recorder_count (w));
  ASSERT_METRIC (router->metrics, "router_messages_parked", 0);
  ASSERT_METRIC (router->metrics, "agentbus_messages_delivered", test_recorder_count (w));
  g_assert_cmpuint (test_recorder_count (w), >=, N_MESSAGES);
}

/* Readers hold whom they read: the last reference may be theirs. */
static gpointer
read_texts (gpointer data)
{
  Reader *self = data;

  while (!g_atomic_int_get (&self->stop))
    {
      g_autoptr (GVariant) variant = agent_metrics_to_variant (self->metrics);
      g_autofree char *text = agent_metrics_to_prometheus (self->metrics);

      g_assert_nonnull (variant);
      g_assert_nonnull (text);
      g_atomic_int_inc (&self->n_reads);
    }

  return NULL;
}

static void
test_metrics_of_who_goes_meanwhile (TestFixture *f)
{
  g_autoptr (AgentMetrics) metrics = agent_metrics_new ();
  g_autoptr (AgentRouteTable) routes = agent_route_table_new ();
  g_autoptr (GVariant) after = NULL;
  Reader   reader = { .metrics = metrics };
  GThread *thread = g_thread_new ("test-metrics", read_texts, &reader);

  for (guint i = 0; i < 300 || g_atomic_int_get (&reader.n_reads) < 100; i++)
    {
      g_autoptr (AgentBus) bus = agent_bus_new ();
      g_autoptr (AgentRouterDispatcher) dispatcher = agent_router_dispatcher_new (bus, routes);
      g_autoptr (GError) error = NULL;

      agent_metrics_add_bus (metrics, i % 2 == 0 ? "even" : "odd", bus);
      agent_metrics_add_dispatcher (metrics, i % 3 == 0 ? "third" : "other", dispatcher);
      agent_router_dispatcher_dispatch (dispatcher, test_data ("test", "a", i), &error);
      g_assert_no_error (error);
    }
  g_atomic_int_set (&reader.stop, TRUE);
  g_thread_join (thread);

  after = agent_metrics_to_variant (metrics);
  g_assert_cmpuint (g_variant_n_children (after), ==, 0);
  test_drain (f);
}

#define ADD(name, func) test_add ("/agentbus/metrics/" name, func)

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

  ADD ("of-a-new-bus", test_metrics_of_a_new_bus);
  ADD ("of-a-bus", test_metrics_of_a_bus);
  ADD ("of-drops", test_metrics_of_drops);
  ADD ("of-a-new-dispatcher", test_metrics_of_a_new_dispatcher);
  ADD ("of-a-dispatcher", test_metrics_of_a_dispatcher);
  ADD ("of-what-was-given-up", test_metrics_of_what_was_given_up);
  ADD ("of-a-full-router", test_metrics_of_a_full_router);
  ADD ("of-what-came-back", test_metrics_of_what_came_back);
  ADD ("of-a-refusal", test_metrics_of_a_refusal);
  ADD ("in-total-order", test_metrics_in_total_order);
  ADD ("latency", test_metrics_latency);
  ADD ("latency-at-the-bounds", test_metrics_latency_at_the_bounds);
  ADD ("latency-is-not-of-the-lost", test_metrics_latency_is_not_of_the_lost);
  ADD ("variant", test_metrics_variant);
  ADD ("of-nothing", test_metrics_of_nothing);
  ADD ("text", test_metrics_text);
  ADD ("text-of-a-histogram", test_metrics_text_of_a_histogram);
  ADD ("of-several-buses", test_metrics_of_several_buses);
  ADD ("label-is-escaped", test_metrics_label_is_escaped);
  ADD ("name-is-replaced", test_metrics_name_is_replaced);
  ADD ("of-who-is-gone", test_metrics_of_who_is_gone);
  ADD ("in-a-locale", test_metrics_in_a_locale);
  ADD ("in-another-thread", test_metrics_in_another_thread);
  ADD ("of-who-goes-meanwhile", test_metrics_of_who_goes_meanwhile);

  return g_test_run ();
}
