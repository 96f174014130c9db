/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "test-tools.h"

G_BEGIN_DECLS

/*
 * A dispatcher for the tests. It has no jitter, records the signals that were emitted, and checks that its ledger
 * balances and that it is finalized.
 */

typedef struct
{
  TestFixture           *fixture;
  AgentRouteTable       *routes;
  AgentRouterDispatcher *dispatcher;
  GString               *expired;    /* the task ids, or names, of the messages that expired: "1 2 shutdown" */
  guint                  n_expired;
  guint                  waited;     /* of the last message that expired */
  guint                  n_attempts; /* of the last message that expired */
  GString               *lost;       /* the same for the messages that were dropped */
  guint64                dropped[TEST_N_DROP_REASONS];
} TestDispatch;

static inline void
test_add_word (GString      *text,
               AgentMessage *message)
{
  const char *task_id = agent_message_get_task_id (message);

  if (text->len > 0)
    g_string_append_c (text, ' ');
  g_string_append (text, task_id != NULL ? task_id : agent_message_get_name (message));
}

static inline void
test_dispatch_on_expired (AgentRouterDispatcher *dispatcher,
                          AgentMessage          *message,
                          guint                  waited,
                          guint                  n_attempts,
                          gpointer               user_data)
{
  TestDispatch *self = user_data;

  g_assert_true (g_main_context_is_owner (self->fixture->context));
  test_add_word (self->expired, message);
  self->n_expired++;
  self->waited = waited;
  self->n_attempts = n_attempts;
}

static inline void
test_dispatch_on_dropped (AgentRouterDispatcher *dispatcher,
                          AgentMessage          *message,
                          AgentDropReason        reason,
                          gpointer               user_data)
{
  TestDispatch *self = user_data;

  g_assert_true (g_main_context_is_owner (self->fixture->context));
  test_add_word (self->lost, message);
  self->dropped[reason]++;
}

static inline void
test_dispatch_set_jitter (TestDispatch *self,
                          double        jitter,
                          guint32       seed)
{
  g_autoptr (AgentRetryPolicy) policy = agent_retry_policy_new ();

  agent_retry_policy_set_jitter (policy, jitter);
  agent_retry_policy_set_seed (policy, seed);
  agent_router_dispatcher_set_retry_policy (self->dispatcher, policy);
}

/* @routes: (transfer full). @dispatcher: (transfer full). */
static inline TestDispatch *
test_dispatch_wrap (TestFixture           *fixture,
                    AgentRouteTable       *routes,
                    AgentRouterDispatcher *dispatcher)
{
  TestDispatch *self = g_new0 (TestDispatch, 1);

  self->fixture = fixture;
  self->routes = routes;
  self->dispatcher = dispatcher;
  self->expired = g_string_new (NULL);
  self->lost = g_string_new (NULL);
  test_dispatch_set_jitter (self, 0, 0);
  g_signal_connect (self->dispatcher, "expired", G_CALLBACK (test_dispatch_on_expired), self);
  g_signal_connect (self->dispatcher, "dropped", G_CALLBACK (test_dispatch_on_dropped), self);
  return self;
}

/* @routes: (nullable): the route table, or NULL for a new one. */
static inline TestDispatch *
test_dispatch_new_full (TestFixture     *fixture,
                        AgentBus        *bus,
                        AgentRouteTable *routes)
{
  routes = routes != NULL ? g_object_ref (routes) : agent_route_table_new ();
  return test_dispatch_wrap (fixture, routes, agent_router_dispatcher_new (bus, routes));
}

static inline TestDispatch *
test_dispatch_new_with_capacities (TestFixture *fixture,
                                   guint        capacity,
                                   guint        actor_capacity)
{
  AgentRouteTable *routes = agent_route_table_new ();

  return test_dispatch_wrap (fixture,
                             routes,
                             g_object_new (AGENT_TYPE_ROUTER_DISPATCHER,
                                           "bus",
                                           fixture->bus,
                                           "route-table",
                                           routes,
                                           "capacity",
                                           capacity,
                                           "actor-capacity",
                                           actor_capacity,
                                           NULL));
}

static inline TestDispatch *
test_dispatch_new (TestFixture *fixture)
{
  return test_dispatch_new_full (fixture, fixture->bus, NULL);
}

/* --- Its ledger --- */

static inline guint64
test_statistic (TestDispatch *self,
                const char   *key)
{
  g_autoptr (GVariant) statistics = agent_router_dispatcher_get_statistics (self->dispatcher);
  guint64 value = 0;

  g_assert_true (g_variant_lookup (statistics, key, "t", &value));
  return value;
}

static inline guint64
test_statistic_dropped (TestDispatch   *self,
                        AgentDropReason reason)
{
  g_autoptr (GVariant) statistics = agent_router_dispatcher_get_statistics (self->dispatcher);
  g_autoptr (GVariant) dropped = g_variant_lookup_value (statistics, "dropped", G_VARIANT_TYPE ("a{st}"));
  guint64 value = 0;

  g_assert_true (g_variant_lookup (dropped, agent_drop_reason_to_string (reason), "t", &value));
  return value;
}

/* accepted = dispatched + parked + expired + dropped */
static inline void
test_dispatch_assert_balanced (TestDispatch *self)
{
  g_autoptr (GVariant) statistics = agent_router_dispatcher_get_statistics (self->dispatcher);
  g_autoptr (GVariant) dropped = g_variant_lookup_value (statistics, "dropped", G_VARIANT_TYPE ("a{st}"));
  guint64      accepted = 0;
  guint64      dispatched = 0;
  guint64      parked = 0;
  guint64      sum = 0;
  guint64      n;
  GVariantIter iter;

  g_assert_true (g_variant_lookup (statistics, "accepted", "t", &accepted));
  g_assert_true (g_variant_lookup (statistics, "dispatched", "t", &dispatched));
  g_assert_true (g_variant_lookup (statistics, "parked", "t", &parked));
  g_assert_true (g_variant_lookup (statistics, "expired", "t", &sum));
  g_variant_iter_init (&iter, dropped);
  while (g_variant_iter_next (&iter, "{st}", NULL, &n))
    sum += n;
  g_assert_cmpuint (accepted, ==, dispatched + parked + sum);
  g_assert_cmpuint (dispatched, <=, accepted);
}

static inline guint
test_n_parked (TestDispatch *self)
{
  test_dispatch_assert_balanced (self);
  return agent_router_dispatcher_get_n_parked (self->dispatcher);
}

static inline void
test_dispatch_free (TestDispatch *self)
{
  test_dispatch_assert_balanced (self);
  test_assert_dies (self->dispatcher);
  g_object_unref (self->routes);
  g_string_free (self->expired, TRUE);
  g_string_free (self->lost, TRUE);
  g_free (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestDispatch, test_dispatch_free)

/* --- Dispatching --- */

/* Dispatches a message, which must be accepted. */
static inline AgentDispatchResult
test_dispatch (TestDispatch *self,
               AgentMessage *message)
{
  g_autoptr (GError) error = NULL;
  AgentDispatchResult result = agent_router_dispatcher_dispatch (self->dispatcher, message, &error);

  g_assert_no_error (error);
  g_assert_cmpint (result, !=, AGENT_DISPATCH_RESULT_REFUSED);
  test_dispatch_assert_balanced (self);
  return result;
}

static inline AgentDispatchResult
test_dispatch_number (TestDispatch *self,
                      const char   *actor,
                      guint         number)
{
  return test_dispatch (self, test_data ("test", actor, number));
}

/* Dispatches messages with the numbers from @first to @last. */
static inline void
test_dispatch_numbers (TestDispatch *self,
                       const char   *actor,
                       guint         first,
                       guint         last)
{
  for (guint i = first; i <= last; i++)
    test_dispatch_number (self, actor, i);
}

static inline void
test_dispatch_refused (TestDispatch *self,
                       AgentMessage *message,
                       AgentBusError code)
{
  g_autoptr (GError) error = NULL;
  guint64 n_refused = test_statistic (self, "refused");

  g_assert_cmpint (agent_router_dispatcher_dispatch (self->dispatcher, message, &error),
                   ==,
                   AGENT_DISPATCH_RESULT_REFUSED);
  g_assert_error (error, AGENT_BUS_ERROR, (gint) code);
  g_assert_cmpuint (test_statistic (self, "refused"), ==, n_refused + 1);
  test_dispatch_assert_balanced (self);
}

static inline void
test_assign (TestDispatch *self,
             const char   *actor,
             const char   *router)
{
  agent_route_table_assign (self->routes, actor, router);
  test_dispatch_assert_balanced (self);
}

/* Advances the frozen clock by @ms in one step, and then iterates until no source is ready. */
static inline void
test_pass (TestFixture *fixture,
           guint        ms)
{
  test_clock_advance (ms * G_GINT64_CONSTANT (1000));
  test_drain (fixture);
}

/* Creates a routed message to @actor. */
static inline AgentMessage *
test_routed (AgentMessageType type,
             const char      *actor)
{
  return agent_message_new_routed (type, "test", actor, NULL);
}

static inline AgentMessage *
test_with_ttl (AgentMessage *message,
               guint         ttl)
{
  agent_message_set_ttl (message, ttl);
  return message;
}

static inline AgentMessage *
test_with_error_reply (AgentMessage *message)
{
  agent_message_set_error_reply (message, TRUE);
  return message;
}

/* --- Routers --- */

static inline TestRecorder *
test_router_subscribe (TestFixture  *fixture,
                       TestRecorder *recorder)
{
  g_autoptr (GError) error = NULL;

  agent_bus_subscribe (fixture->bus, AGENT_SUBSCRIBER (recorder), &error);
  g_assert_no_error (error);
  return recorder;
}

/* Subscribes a router with room for @capacity messages. */
static inline TestRecorder *
test_router_new_small (TestFixture *fixture,
                       const char  *name,
                       guint        capacity)
{
  return test_router_subscribe (fixture,
                                test_recorder_new_full (NULL, NULL, "name", name, "capacity", capacity, NULL));
}

/* Subscribes a router in @context, which the test must iterate itself. */
static inline TestRecorder *
test_router_subscribe_in (TestFixture  *fixture,
                          GMainContext *context,
                          const char   *name,
                          guint         capacity)
{
  return test_router_subscribe (
      fixture,
      test_recorder_new_full (NULL, NULL, "name", name, "main-context", context, "capacity", capacity, NULL));
}

static inline void
test_assert_got (TestRecorder *recorder,
                 const char   *expected)
{
  g_assert_cmpstr (test_recorder_text (recorder), ==, expected);
}

static inline void
test_iterate_all (GMainContext *context)
{
  while (g_main_context_iteration (context, FALSE))
    ;
}

/* Returns the timeout that the context would pass to poll(), in milliseconds: -1 for none, 0 if a source is ready. */
static inline gint
test_get_timeout (GMainContext *context)
{
  GPollFD  fds[4];
  gboolean is_ready;
  gint     priority;
  gint     timeout;

  g_assert_true (g_main_context_acquire (context));
  is_ready = g_main_context_prepare (context, &priority);
  g_main_context_query (context, G_MAXINT, &timeout, fds, G_N_ELEMENTS (fds));
  g_main_context_release (context);
  return is_ready ? 0 : timeout;
}

/* --- The end --- */

static inline gboolean
test_finish_stop (TestDispatch  *self,
                  GAsyncResult **result,
                  GError       **error)
{
  test_wait_result (self->fixture, result);
  return agent_router_dispatcher_stop_finish (self->dispatcher, *result, error);
}

G_END_DECLS
