/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-cases.h"

/* A dispatcher at one node, and routers at others. And conversations, whose epochs a dispatcher and a bus look at. */

#define N_MESSAGES 100

typedef struct
{
  TestWorld             *world;
  AgentRouteTable       *routes;
  AgentRouterDispatcher *dispatcher; /* at node 0 */
  guint                  n_expired;
} Desk;

static void
desk_on_expired (AgentRouterDispatcher *dispatcher,
                 AgentMessage          *message,
                 guint                  waited,
                 guint                  n_attempts,
                 gpointer               user_data)
{
  ((Desk *) user_data)->n_expired++;
}

static Desk *
desk_new (TestWorld *world)
{
  Desk *self = g_new0 (Desk, 1);

  self->world = world;
  self->routes = agent_route_table_new ();
  self->dispatcher = agent_router_dispatcher_new (world->nodes[0].bus, self->routes);
  g_signal_connect (self->dispatcher, "expired", G_CALLBACK (desk_on_expired), self);
  return self;
}

static void
desk_free (Desk *self)
{
  g_autoptr (GAsyncResult) result = NULL;

  agent_router_dispatcher_stop_async (self->dispatcher, NULL, test_keep_result, &result);
  test_wait_result (self->world->fixture, &result);
  g_assert_true (agent_router_dispatcher_stop_finish (self->dispatcher, result, NULL));
  g_clear_object (&result);
  g_object_unref (self->dispatcher);
  g_object_unref (self->routes);
  g_free (self);
}

static AgentDispatchResult
desk_dispatch (Desk *self,
               guint number)
{
  return agent_router_dispatcher_dispatch (
      self->dispatcher,
      agent_message_new_routed (AGENT_MESSAGE_TYPE_REQUEST_INFERENCE, "env", "actor", g_variant_new_uint32 (number)),
      NULL);
}

static void
desk_assert_all (TestRecorder *router,
                 guint         from,
                 guint         to)
{
  for (guint i = from; i < to; i++)
    g_assert_cmpuint (test_world_number (router->messages->pdata[i - from]), ==, i);
}

static void
test_assign (TestWorld *world)
{
  Desk *desk = desk_new (world);
  g_autoptr (TestRecorder) router = test_world_add (world, 1, "router");

  agent_route_table_assign (desk->routes, "actor", "router");
  for (guint i = 0; i < N_MESSAGES; i++)
    g_assert_cmpint (desk_dispatch (desk, i), ==, AGENT_DISPATCH_RESULT_DELIVERED);
  test_world_wait (world, test_recorder_count (router) == N_MESSAGES);
  desk_assert_all (router, 0, N_MESSAGES);
  desk_free (desk);
}

/* What is for a router that is not there yet waits, and comes in order when it appears at another node. */
static void
test_park (TestWorld *world)
{
  Desk *desk = desk_new (world);
  g_autoptr (TestRecorder) router = NULL;

  agent_route_table_assign (desk->routes, "actor", "router");
  for (guint i = 0; i < N_MESSAGES; i++)
    g_assert_cmpint (desk_dispatch (desk, i), ==, AGENT_DISPATCH_RESULT_PARKED);
  router = test_world_add (world, 1, "router");
  test_world_wait (world, test_recorder_count (router) == N_MESSAGES);
  desk_assert_all (router, 0, N_MESSAGES);
  desk_free (desk);
}

/* From the router at one node to the one at another node. */
static void
test_move (TestWorld *world)
{
  Desk *desk = desk_new (world);
  g_autoptr (TestRecorder) first = test_world_add (world, 1, "first");
  g_autoptr (TestRecorder) second = test_world_add (world, 2, "second");

  agent_route_table_assign (desk->routes, "actor", "first");
  for (guint i = 0; i < N_MESSAGES; i++)
    desk_dispatch (desk, i);
  agent_route_table_assign (desk->routes, "actor", "second");
  for (guint i = N_MESSAGES; i < 2 * N_MESSAGES; i++)
    desk_dispatch (desk, i);
  test_world_wait (world, test_recorder_count (first) == N_MESSAGES && test_recorder_count (second) == N_MESSAGES);
  desk_assert_all (first, 0, N_MESSAGES);
  desk_assert_all (second, N_MESSAGES, 2 * N_MESSAGES);
  desk_free (desk);
}

/* If the router never comes, that is told. */
static void
test_expired (TestWorld *world)
{
  Desk *desk = desk_new (world);

  agent_router_dispatcher_set_timeout (desk->dispatcher, AGENT_MESSAGE_TYPE_REQUEST_INFERENCE, 20);
  agent_route_table_assign (desk->routes, "actor", "router");
  for (guint i = 0; i < 5; i++)
    desk_dispatch (desk, i);
  test_world_wait (world, desk->n_expired == 5);
  test_expect_log (world->fixture, "A message for actor 'actor' expired");
  desk_free (desk);
}

/* --- Conversations --- */

static AgentMessage *
conversation_message (AgentConversation *conversation,
                      guint              number)
{
  AgentMessage *message = test_world_message (AGENT_CHANNEL_DATA, "x", "t", number);

  agent_message_set_conversation (message, conversation);
  return message;
}

/* A message keeps its conversation. What waits when that goes on is stale. */
static void
test_stale (TestWorld *world)
{
  g_autoptr (AgentConversation) conversation = agent_conversation_new ("talk");
  g_autoptr (TestRecorder) x = test_world_add (world, 0, "x");
  g_autoptr (AgentDelivery) first = NULL;
  g_autoptr (TestRecorder) t = test_recorder_new ("t", test_keep_first, &first);

  test_world_join (world, 1, t);
  for (guint i = 0; i < 10; i++)
    test_world_send (world, 0, conversation_message (conversation, i));
  test_world_wait (world, first != NULL && agent_subscriber_get_n_queued (AGENT_SUBSCRIBER (t)) == 9);
  g_assert_cmpstr (
      agent_conversation_get_id (agent_message_get_conversation (agent_delivery_get_message (first))), ==, "talk");

  agent_conversation_advance (conversation);
  test_world_send (world, 0, conversation_message (conversation, 10));
  agent_delivery_complete (first);
  test_world_wait (world, agent_subscriber_get_n_queued (AGENT_SUBSCRIBER (t)) == 0 && test_recorder_count (t) == 2);
  g_assert_cmpuint (test_world_number (t->messages->pdata[1]), ==, 10);
  g_assert_cmpuint (test_world_dropped (world, "t"), ==, 9);
}

const TestWorldCase test_router_cases[] = {
  { "router/assign", 2, test_assign },
  { "router/park", 2, test_park },
  { "router/move", 3, test_move },
  { "router/expired", 2, test_expired },
  { "conversation/stale", 2, test_stale },
  { NULL },
};
