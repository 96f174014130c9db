/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-transport-private.h"
#include "link/agent-packet-private.h"
#include "test-hub.h"
#include "test-sink.h"
#include "test-tools.h"

/*
 * Buses that are connected: what is sent on one of them gets to the other one.
 */

typedef struct
{
  AgentBus       *bus;
  AgentTransport *transport;
} Node;

static void
node_make (TestHub    *hub,
           Node       *node,
           const char *id)
{
  node->transport = test_hub_add (hub, id);
  node->bus = g_object_new (AGENT_TYPE_BUS, "transport", node->transport, NULL);
}

static void
node_open (TestFixture *f,
           Node        *node)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_bus_start_async (node->bus, NULL, test_keep_result, &result);
  test_wait_result (f, &result);
  agent_bus_start_finish (node->bus, result, &error);
  g_assert_no_error (error);
}

static void
node_start (TestFixture *f,
            TestHub     *hub,
            Node        *node,
            const char  *id)
{
  node_make (hub, node, id);
  node_open (f, node);
}

static void
node_stop (TestFixture *f,
           Node        *node)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  agent_bus_stop_async (node->bus, NULL, test_keep_result, &result);
  test_wait_result (f, &result);
  agent_bus_stop_finish (node->bus, result, &error);
  g_assert_no_error (error);
  g_clear_object (&result);
  g_assert_finalize_object (node->bus);
  g_assert_finalize_object (node->transport);
}

static void
set_true (AgentBus   *bus,
          const char *name,
          gpointer    user_data)
{
  *(gboolean *) user_data = TRUE;
}

static void
wait_for (TestFixture *f,
          AgentBus    *bus,
          const char  *name)
{
  gboolean there = FALSE;
  guint    id = agent_bus_watch_name (bus, name, set_true, NULL, &there, NULL);

  test_run_until (f, &there);
  agent_bus_unwatch_name (bus, id);
}

static TestRecorder *
add (AgentBus   *bus,
     const char *name)
{
  TestRecorder *recorder = test_recorder_new (name, NULL, NULL);
  g_autoptr (GError) error = NULL;

  agent_bus_subscribe (bus, AGENT_SUBSCRIBER (recorder), &error);
  g_assert_no_error (error);
  return recorder;
}

static void
test_there (TestFixture *f)
{
  TestHub *hub = test_hub_new (1);
  Node     a;
  Node     b;
  g_autoptr (TestRecorder) x = NULL;
  g_autoptr (TestRecorder) y = NULL;

  node_start (f, hub, &a, "a");
  node_start (f, hub, &b, "b");
  x = add (a.bus, "x");
  y = add (b.bus, "y");
  wait_for (f, a.bus, "y");
  wait_for (f, b.bus, "x");

  for (guint i = 0; i < 50; i++)
    g_assert_cmpuint (agent_bus_send (a.bus, test_data ("x", "y", i)), ==, 1);
  while (test_recorder_count (y) < 50)
    g_main_context_iteration (f->context, TRUE);
  for (guint i = 0; i < 50; i++)
    g_assert_cmpuint (test_number (y->messages->pdata[i]), ==, i);

  node_stop (f, &a);
  node_stop (f, &b);
  test_hub_free (hub);
}

static void
send_retained (AgentBus   *bus,
               const char *topic,
               guint       number)
{
  AgentMessage *message = test_data ("x", NULL, number);

  agent_message_set_topic (message, topic);
  agent_message_set_retained (message, TRUE);
  agent_bus_send (bus, message);
}

static void
add_topic (TestRecorder *recorder,
           const char   *pattern)
{
  g_autoptr (GError) error = NULL;

  agent_subscriber_add_topic (AGENT_SUBSCRIBER (recorder), pattern, &error);
  g_assert_no_error (error);
}

static gboolean
crowd_has_patterns (AgentBus   *bus,
                    const char *node)
{
  g_autofree char *name = g_strdup_printf (":node-%s", node);
  g_autoptr (AgentSubscriber) crowd = agent_bus_lookup (bus, name);
  g_auto (GStrv) patterns = agent_subscriber_list_topics (crowd);

  return patterns[0] != NULL;
}

static void
wait_for_messages (TestFixture  *f,
                   TestRecorder *recorder,
                   guint         n)
{
  while (test_recorder_count (recorder) < n)
    g_main_context_iteration (f->context, TRUE);
}

/* A node that comes later gets what was retained, and keeps it: whoever takes the topic later gets it once, although the node asks
 * for the topic again. */
static void
test_retained (TestFixture *f)
{
  TestHub *hub = test_hub_new (1);
  Node     a;
  Node     b;
  g_autoptr (TestRecorder) y = NULL;
  g_autoptr (TestRecorder) z = NULL;

  node_start (f, hub, &a, "a");
  send_retained (a.bus, "lamp.1", 1);
  node_start (f, hub, &b, "b");
  y = add (b.bus, "y");
  z = add (b.bus, "z");
  add_topic (y, "lamp.*");
  wait_for_messages (f, y, 1);
  agent_subscriber_remove_topic (AGENT_SUBSCRIBER (y), "lamp.*");
  while (crowd_has_patterns (a.bus, "b"))
    test_iterate (f);

  add_topic (z, "lamp.1");
  wait_for_messages (f, z, 1);
  while (!crowd_has_patterns (a.bus, "b"))
    test_iterate (f);
  send_retained (a.bus, "lamp.1", 2);
  wait_for_messages (f, z, 2);
  g_assert_cmpstr (test_recorder_text (y), ==, "1");
  g_assert_cmpstr (test_recorder_text (z), ==, "1 2");

  node_stop (f, &a);
  node_stop (f, &b);
  g_assert_cmpuint (test_recorder_count (z), ==, 2);
  test_hub_free (hub);
}

static void
keep_text (AgentTransport *transport,
           const char     *node,
           const char     *text,
           gpointer        user_data)
{
  char **place = user_data;

  g_free (*place);
  *place = g_strdup (text);
}

/* Two nodes have the same name: each keeps its own, and takes the other one when its own is gone. */
static void
test_contested (TestFixture *f)
{
  TestHub         *hub = test_hub_new (1);
  Node             a;
  Node             b;
  g_autofree char *refusal = NULL;
  g_autoptr (TestRecorder) x = NULL;
  g_autoptr (TestRecorder) y = NULL;

  node_make (hub, &a, "a");
  node_make (hub, &b, "b");
  g_signal_connect (a.transport, "refused", G_CALLBACK (keep_text), &refusal);
  x = add (a.bus, "worker");
  y = add (b.bus, "worker");
  node_open (f, &a);
  node_open (f, &b);
  while (refusal == NULL)
    g_main_context_iteration (f->context, TRUE);
  g_assert_true (g_strrstr (refusal, "'worker' exists already") != NULL);

  agent_bus_send (a.bus, test_data ("x", "worker", 1));
  wait_for_messages (f, x, 1);
  agent_bus_unsubscribe (a.bus, "worker");
  wait_for (f, a.bus, "worker");
  agent_bus_send (a.bus, test_data ("x", "worker", 2));
  wait_for_messages (f, y, 1);
  g_assert_cmpstr (test_recorder_text (x), ==, "1");
  g_assert_cmpstr (test_recorder_text (y), ==, "2");

  node_stop (f, &a);
  node_stop (f, &b);
  test_hub_free (hub);
}

/* --- Sessions --- */

/* A node without a bus, which begins anew before it was connected. */
typedef struct
{
  guint   n_hellos;
  guint64 sessions[2]; /* of the other node, as its HELLOs say */
} Stranger;

static void
stranger_on_received (gpointer     data,
                      const char  *node,
                      AgentTraffic traffic,
                      GBytes      *packet)
{
  Stranger         *self = data;
  AgentPacketReader reader;
  AgentPacketHead   head;
  AgentRecord       record;

  g_assert_true (_agent_packet_reader_init (&reader, packet, &head, NULL));
  while (_agent_packet_reader_next (&reader, &record, NULL))
    {
      if (record.kind == AGENT_RECORD_HELLO && self->n_hellos < G_N_ELEMENTS (self->sessions))
        self->sessions[self->n_hellos++] = head.from_session;
    }
}

static const AgentTransportSink stranger_sink = { .received = stranger_on_received, TEST_SINK_IGNORE };

static AgentTransport *
stranger_open (TestFixture *f,
               TestHub     *hub,
               Stranger    *self)
{
  AgentTransport *transport = test_hub_add (hub, "stranger");
  g_autoptr (GAsyncResult) result = NULL;

  _agent_transport_set_sink (transport, &stranger_sink, self);
  _agent_transport_open_async (transport, NULL, test_keep_result, &result);
  test_wait_result (f, &result);
  g_assert_true (_agent_transport_open_finish (transport, result, NULL));
  return transport;
}

static void
stranger_close (TestFixture    *f,
                AgentTransport *transport)
{
  g_autoptr (GAsyncResult) result = NULL;

  _agent_transport_close_async (transport, NULL, test_keep_result, &result);
  test_wait_result (f, &result);
  g_assert_true (_agent_transport_close_finish (transport, result, NULL));
  _agent_transport_set_sink (transport, NULL, NULL);
  g_clear_object (&result);
  g_assert_finalize_object (transport);
}

static void
stranger_say_hello (TestFixture    *f,
                    AgentTransport *transport,
                    Stranger       *self,
                    guint64         session)
{
  const AgentPacketHead head = { .from_session = session };
  AgentPacketWriter     writer = { 0 };
  guint                 n = self->n_hellos;
  g_autoptr (GBytes) packet = NULL;

  _agent_packet_writer_add (&writer, AGENT_RECORD_HELLO, g_variant_new ("(u)", 1000));
  packet = _agent_packet_writer_finish (&writer, &head);
  _agent_transport_send_presence (transport, "a", packet);
  while (self->n_hellos == n)
    g_main_context_iteration (f->context, TRUE);
}

/* If both began anew whenever the other one does, they would never be connected. */
static void
test_begins_anew (TestFixture *f)
{
  TestHub        *hub = test_hub_new (1);
  Stranger        self = { 0 };
  Node            a;
  AgentTransport *transport;

  node_start (f, hub, &a, "a");
  transport = stranger_open (f, hub, &self);
  stranger_say_hello (f, transport, &self, 100);
  stranger_say_hello (f, transport, &self, 200);
  g_assert_cmpuint (self.sessions[0], ==, self.sessions[1]);

  stranger_close (f, transport);
  node_stop (f, &a);
  test_hub_free (hub);
}

/* An engine that takes small packets only gets small ones, also for all that a node says of itself at the start. */
static void
test_small_packets (TestFixture *f)
{
  TestHub *hub = test_hub_new (1);
  Node     a;
  Node     b;
  g_autoptr (GPtrArray) many = g_ptr_array_new_with_free_func (g_object_unref);

  test_hub_limit (hub, 1024);
  node_start (f, hub, &a, "a");
  for (guint i = 0; i < 100; i++)
    {
      g_autofree char *name = g_strdup_printf ("subscriber-%u", i);

      g_ptr_array_add (many, add (a.bus, name));
    }
  node_start (f, hub, &b, "b");
  wait_for (f, b.bus, "subscriber-99");
  wait_for (f, b.bus, "subscriber-0");

  node_stop (f, &a);
  node_stop (f, &b);
  test_hub_free (hub);
}

/* --- The window of control --- */

#define WINDOW 4

static void
wait_for_sent (TestFixture *f,
               TestHub     *hub,
               AgentTraffic traffic,
               guint        n)
{
  while (test_hub_count_sent (hub, "a", traffic) < n)
    test_iterate (f);
}

/* The node has had the time to send what it can send. */
static void
wait_for_beats (TestFixture *f,
                TestHub     *hub)
{
  wait_for_sent (f, hub, AGENT_TRAFFIC_PRESENCE, test_hub_count_sent (hub, "a", AGENT_TRAFFIC_PRESENCE) + 6);
}

static void
send_control (AgentBus *bus,
              guint     number)
{
  AgentMessage *message = test_data ("x", "y", number);

  agent_message_set_reliable (message, TRUE);
  agent_bus_send (bus, message);
}

/* Several packets fail while others are on their way, and then the other node begins anew: the engine never has more packets for one
 * node than the window. */
static void
test_window (TestFixture *f)
{
  TestHub *hub = test_hub_new (1);
  Node     a;
  Node     b;
  guint    n_sent;
  g_autoptr (TestRecorder) x = NULL;
  g_autoptr (TestRecorder) y = NULL;

  test_hub_set_window (hub, WINDOW);
  node_start (f, hub, &a, "a");
  node_start (f, hub, &b, "b");
  x = add (a.bus, "x");
  y = add (b.bus, "y");
  wait_for (f, a.bus, "y");
  wait_for (f, b.bus, "x");
  wait_for_beats (f, hub);

  test_hub_hold (hub, "a", TRUE);
  n_sent = test_hub_count_sent (hub, "a", AGENT_TRAFFIC_CONTROL);
  for (guint i = 0; i < WINDOW; i++)
    {
      send_control (a.bus, i);
      wait_for_messages (f, y, i + 1);
    }
  wait_for_sent (f, hub, AGENT_TRAFFIC_CONTROL, n_sent + WINDOW);
  test_hub_answer (hub, "a", 2, FALSE);
  wait_for_sent (f, hub, AGENT_TRAFFIC_CONTROL, n_sent + WINDOW + 2);
  wait_for_beats (f, hub);
  g_assert_cmpuint (test_hub_get_max_open (hub, "a"), ==, WINDOW);

  node_stop (f, &b);
  node_start (f, hub, &b, "b");
  agent_bus_subscribe (b.bus, AGENT_SUBSCRIBER (y), NULL);
  wait_for (f, a.bus, "y");
  wait_for_beats (f, hub);
  g_assert_cmpuint (test_hub_get_max_open (hub, "a"), ==, WINDOW);
  test_hub_hold (hub, "a", FALSE);
  wait_for (f, b.bus, "x");
  send_control (a.bus, WINDOW);
  wait_for_messages (f, y, WINDOW + 1);
  g_assert_cmpstr (test_recorder_text (y), ==, "0 1 2 3 4");

  node_stop (f, &a);
  node_stop (f, &b);
  test_hub_free (hub);
}

/* A name that is told of the library itself can be taken by nobody. */
static void
test_reserved (TestFixture *f)
{
  TestHub         *hub = test_hub_new (1);
  Node             a;
  Node             b;
  g_autofree char *refusal = NULL;
  g_autoptr (TestRecorder) x = NULL;

  node_start (f, hub, &a, "a");
  g_signal_connect (a.transport, "refused", G_CALLBACK (keep_text), &refusal);
  node_start (f, hub, &b, "b");
  x = add (b.bus, ":node-c");
  while (refusal == NULL)
    g_main_context_iteration (f->context, TRUE);
  g_assert_true (g_strrstr (refusal, "not valid") != NULL);

  node_stop (f, &a);
  node_stop (f, &b);
  test_hub_free (hub);
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add ("/agentbus/link/there", test_there);
  test_add ("/agentbus/link/contested", test_contested);
  test_add ("/agentbus/link/retained", test_retained);
  test_add ("/agentbus/link/small-packets", test_small_packets);
  test_add ("/agentbus/link/reserved", test_reserved);
  test_add ("/agentbus/link/window", test_window);

  test_add ("/agentbus/link/begins-anew", test_begins_anew);

  return g_test_run ();
}
