/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-world.h"

/* How often a case looks whether something has changed in another thread, in ms. */
#define TICK 2

/* The heartbeats in ms. A loaded machine may be silent for some time: only what is gone is to vanish. */
#define HEARTBEAT 1000

/* More than any case sends, so that only what a case makes small is full. */
#define CAPACITY 100000

/* --- What a node tells --- */

static void
node_on_refused (AgentTransport *transport,
                 const char     *node,
                 const char     *text,
                 gpointer        user_data)
{
  TestWorldNode *self = user_data;

  g_string_append_printf (self->refused, "%s: %s\n", node != NULL ? node : "", text);
}

static void
node_on_lost (AgentTransport *transport,
              const char     *node,
              AgentTraffic    traffic,
              guint64         n,
              const char     *where,
              gpointer        user_data)
{
  TestWorldNode *self = user_data;

  self->lost[traffic] += n;
}

static void
node_on_appeared (AgentTransport *transport,
                  const char     *node,
                  gpointer        user_data)
{
  TestWorldNode *self = user_data;

  g_string_append_printf (self->events, "+%s", node);
}

static void
node_on_vanished (AgentTransport *transport,
                  const char     *node,
                  const char     *reason,
                  gpointer        user_data)
{
  TestWorldNode *self = user_data;

  g_test_message ("%s: node %s has vanished: %s", self->id, node, reason);
  g_string_append_printf (self->events, "-%s", node);
}

static void
node_on_dropped (AgentBus        *bus,
                 AgentSubscriber *subscriber,
                 AgentDropReason  reason,
                 guint64          n,
                 AgentMessage    *last,
                 gpointer         user_data)
{
  TestWorldNode *self = user_data;

  self->dropped[reason] += n;
}

/* --- The nodes --- */

gboolean
test_world_is_connected (TestWorld *self)
{
  return self->engine->make != NULL;
}

static void
node_init (TestWorldNode *self,
           guint          number)
{
  self->id = g_strdup_printf ("%c", 'a' + number);
  self->refused = g_string_new (NULL);
  self->events = g_string_new (NULL);
}

static void
world_make_transport (TestWorld     *self,
                      TestWorldNode *node)
{
  node->transport = self->engine->make (self->of_engine, node->id, self->heartbeat);
  if (node->dialect != NULL)
    node->transport = test_dialect_new (node->transport, node->dialect);
  g_signal_connect (node->transport, "refused", G_CALLBACK (node_on_refused), node);
  g_signal_connect (node->transport, "lost", G_CALLBACK (node_on_lost), node);
  g_signal_connect (node->transport, "appeared", G_CALLBACK (node_on_appeared), node);
  g_signal_connect (node->transport, "vanished", G_CALLBACK (node_on_vanished), node);
}

static void
world_start_bus (TestWorld     *self,
                 TestWorldNode *node)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  g_signal_connect (node->bus, "dropped", G_CALLBACK (node_on_dropped), node);
  agent_bus_start_async (node->bus, NULL, test_keep_result, &result);
  test_wait_result (self->fixture, &result);
  agent_bus_start_finish (node->bus, result, &error);
  g_assert_no_error (error);
}

/* The node begins, or begins again after it has ended. */
void
test_world_open (TestWorld *self,
                 guint      number)
{
  TestWorldNode *node = &self->nodes[number];

  if (!test_world_is_connected (self))
    {
      node->bus = number == 0 ? agent_bus_new_with_capacity (self->capacity) : g_object_ref (self->nodes[0].bus);
      if (number == 0)
        world_start_bus (self, node);
      return;
    }

  world_make_transport (self, node);
  node->bus = g_object_new (AGENT_TYPE_BUS, "transport", node->transport, "capacity", self->capacity, NULL);
  world_start_bus (self, node);
}

static void
world_wait_stopped (TestWorld      *self,
                    AgentBus       *bus,
                    AgentLeaveFlags flags)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_bus_stop_full_async (bus, flags, NULL, test_keep_result, &result);
  test_wait_result (self->fixture, &result);
  agent_bus_stop_full_finish (bus, result, &error);
  g_assert_no_error (error);
}

static gboolean
world_shares_bus (TestWorld *self,
                  guint      number)
{
  for (guint i = 0; i < self->n_nodes; i++)
    {
      if (i != number && self->nodes[i].bus == self->nodes[number].bus)
        return TRUE;
    }

  return FALSE;
}

static void
world_free_node (TestWorld *self,
                 guint      number)
{
  TestWorldNode *node = &self->nodes[number];

  if (node->bus != NULL && world_shares_bus (self, number))
    g_clear_object (&node->bus);
  if (node->bus != NULL)
    {
      test_drain (self->fixture);
      g_assert_finalize_object (node->bus);
      node->bus = NULL;
    }
  if (node->transport != NULL)
    {
      g_assert_finalize_object (node->transport);
      node->transport = NULL;
    }
}

/* The node leaves in good order. In the world of one process, all leave with it. */
void
test_world_stop (TestWorld      *self,
                 guint           number,
                 AgentLeaveFlags flags)
{
  TestWorldNode *node = &self->nodes[number];

  if (node->bus == NULL)
    return;

  if (agent_bus_is_running (node->bus))
    world_wait_stopped (self, node->bus, flags);
  world_free_node (self, number);
}

/* The node drops its bus, which it has not stopped. Its link lives on for a moment, and with it the transport, which must not tell the
 * node anything: the world may be gone then. */
void
test_world_drop (TestWorld *self,
                 guint      number)
{
  TestWorldNode *node = &self->nodes[number];

  g_signal_handlers_disconnect_by_data (node->bus, node);
  if (node->transport != NULL)
    g_signal_handlers_disconnect_by_data (node->transport, node);
  g_clear_object (&node->bus);
  g_clear_object (&node->transport);
}

/* --- The world --- */

static gboolean
world_on_tick (gpointer user_data)
{
  return G_SOURCE_CONTINUE;
}

static void
world_wait_nodes (TestWorld *self)
{
  for (guint i = 0; test_world_is_connected (self) && i < self->n_nodes; i++)
    test_world_wait (self, self->nodes[i].events->len >= 2 * (self->n_nodes - 1));
}

/* Each node knows each other one. */
static TestWorld *
world_new (TestFixture      *fixture,
           const TestEngine *engine,
           guint             n_nodes,
           guint             capacity,
           guint             heartbeat)
{
  TestWorld *self = g_new0 (TestWorld, 1);

  self->fixture = fixture;
  self->engine = engine;
  self->n_nodes = n_nodes;
  self->capacity = capacity;
  self->heartbeat = heartbeat;
  self->tick = g_timeout_source_new (TICK);
  g_source_set_callback (self->tick, world_on_tick, NULL, NULL);
  g_source_attach (self->tick, fixture->context);

  if (engine->start != NULL)
    self->of_engine = engine->start ();
  for (guint i = 0; i < n_nodes; i++)
    {
      node_init (&self->nodes[i], i);
      test_world_open (self, i);
    }
  world_wait_nodes (self);
  return self;
}

TestWorld *
test_world_new_full (TestFixture      *fixture,
                     const TestEngine *engine,
                     guint             n_nodes,
                     guint             capacity)
{
  return world_new (fixture, engine, n_nodes, capacity, HEARTBEAT);
}

TestWorld *
test_world_new_beating (TestFixture      *fixture,
                        const TestEngine *engine,
                        guint             n_nodes,
                        guint             heartbeat)
{
  return world_new (fixture, engine, n_nodes, CAPACITY, heartbeat);
}

TestWorld *
test_world_new (TestFixture      *fixture,
                const TestEngine *engine,
                guint             n_nodes)
{
  return world_new (fixture, engine, n_nodes, CAPACITY, HEARTBEAT);
}

void
test_world_free (TestWorld *self)
{
  for (guint i = 0; i < self->n_nodes; i++)
    {
      test_world_stop (self, i, AGENT_LEAVE_FLAGS_NONE);
      g_free (self->nodes[i].id);
      g_string_free (self->nodes[i].refused, TRUE);
      g_string_free (self->nodes[i].events, TRUE);
    }
  if (self->engine->stop != NULL)
    self->engine->stop (self->of_engine);
  g_source_destroy (self->tick);
  g_source_unref (self->tick);
  g_free (self);
}

void
test_world_turn (TestWorld *self)
{
  g_main_context_iteration (self->fixture->context, TRUE);
}

/* --- Names --- */

/* @subscriber joins the bus of a node, and all nodes know it. */
void
test_world_join (TestWorld *self,
                 guint      node,
                 gpointer   subscriber)
{
  g_autoptr (GError) error = NULL;

  agent_bus_subscribe (self->nodes[node].bus, subscriber, &error);
  g_assert_no_error (error);
  test_world_wait_name (self, agent_subscriber_get_name (subscriber));
}

TestRecorder *
test_world_add (TestWorld  *self,
                guint       node,
                const char *name)
{
  TestRecorder *recorder = test_recorder_new (name, NULL, NULL);

  test_world_join (self, node, recorder);
  return recorder;
}

gboolean
test_world_has_name (TestWorld  *self,
                     guint       node,
                     const char *name)
{
  g_autoptr (AgentSubscriber) subscriber = agent_bus_lookup (self->nodes[node].bus, name);

  return subscriber != NULL;
}

static guint
world_count_name (TestWorld  *self,
                  const char *name)
{
  guint n = 0;

  for (guint i = 0; i < self->n_nodes; i++)
    n += self->nodes[i].bus != NULL && test_world_has_name (self, i, name);

  return n;
}

static guint
world_count_buses (TestWorld *self)
{
  guint n = 0;

  for (guint i = 0; i < self->n_nodes; i++)
    n += self->nodes[i].bus != NULL;

  return n;
}

void
test_world_wait_name (TestWorld  *self,
                      const char *name)
{
  test_world_wait (self, world_count_name (self, name) == world_count_buses (self));
}

void
test_world_wait_no_name (TestWorld  *self,
                         const char *name)
{
  test_world_wait (self, world_count_name (self, name) == 0);
}

/* --- Messages --- */

AgentMessage *
test_world_message (AgentChannel channel,
                    const char  *source,
                    const char  *target,
                    guint        number)
{
  return agent_message_new_custom ("number", channel, source, target, g_variant_new_uint32 (number));
}

guint
test_world_number (AgentMessage *message)
{
  GVariant *payload = agent_message_get_payload (message);

  g_assert_nonnull (payload);
  g_assert_true (g_variant_is_of_type (payload, G_VARIANT_TYPE_UINT32));
  return g_variant_get_uint32 (payload);
}

/* Takes @message. */
guint
test_world_send (TestWorld    *self,
                 guint         node,
                 AgentMessage *message)
{
  return agent_bus_send (self->nodes[node].bus, message);
}

/* --- Figures --- */

/* What the buses have dropped that was for @name. */
guint64
test_world_dropped (TestWorld  *self,
                    const char *name)
{
  guint64 sum = 0;

  for (guint i = 0; i < self->n_nodes; i++)
    {
      guint64 n = 0;

      if (self->nodes[i].bus == NULL || (i > 0 && !test_world_is_connected (self)))
        continue;
      if (agent_bus_get_dropped (self->nodes[i].bus, name, &n))
        sum += n;
    }

  return sum;
}

/* 0 in the world of one process. */
guint64
test_world_figure (TestWorld  *self,
                   guint       node,
                   const char *key)
{
  g_autoptr (GVariant) figures = NULL;
  guint64 value = 0;

  if (self->nodes[node].transport == NULL)
    return 0;

  figures = agent_transport_get_statistics (self->nodes[node].transport);
  g_assert_true (g_variant_lookup (figures, key, "t", &value));
  return value;
}
