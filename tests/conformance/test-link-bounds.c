/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-transport-private.h"
#include "link/agent-packet-private.h"
#include "link/agent-unconfirmed-private.h"
#include "message/agent-envelope-private.h"
#include "test-actors.h"
#include "test-hub.h"
#include "test-sink.h"
#include "test-world.h"

/*
 * What a node keeps for another one has a bound. The other one is played by the test, keeps the form of all packets, and is lazy or
 * tells too much.
 */

/* A heartbeat every hour, so that it may be silent. */
#define INTERVAL 3600000

typedef struct
{
  TestFixture    *f;
  TestWorld      *world;
  TestRecorder   *x; /* at node "a" */
  AgentTransport *transport;
  guint64         session;
  guint64         peer_session; /* 0 until it is known */
  guint64         next_control; /* of what it sends */
  guint64         seen;         /* the number after the last control that has come */
  guint           n_messages;   /* of control that have come */
  guint           n_questions;
} Stranger;

/* --- What it hears --- */

static void
stranger_read (Stranger          *self,
               AgentTraffic       traffic,
               AgentPacketReader *reader)
{
  AgentRecord record;

  while (_agent_packet_reader_next (reader, &record, NULL))
    {
      if (traffic == AGENT_TRAFFIC_CONTROL)
        self->n_messages += record.kind == AGENT_RECORD_MESSAGE;
      self->n_questions += record.kind == AGENT_RECORD_QUESTION;
    }
}

static void
stranger_on_received (gpointer     data,
                      const char  *node,
                      AgentTraffic traffic,
                      GBytes      *packet)
{
  Stranger         *self = data;
  AgentPacketReader reader;
  AgentPacketHead   head;

  g_assert_true (_agent_packet_reader_init (&reader, packet, &head, NULL));
  if (head.to_session == self->session)
    self->peer_session = head.from_session;
  if (traffic == AGENT_TRAFFIC_CONTROL)
    self->seen = head.number + head.n_records;
  stranger_read (self, traffic, &reader);
}

static const AgentTransportSink stranger_sink = { .received = stranger_on_received, TEST_SINK_IGNORE };

/* --- What it says --- */

/* Takes what is in @writer. */
static void
stranger_send (Stranger          *self,
               AgentTraffic       traffic,
               AgentPacketWriter *writer)
{
  AgentPacketHead head = { .from_session = self->session, .to_session = self->peer_session };
  g_autoptr (GBytes) packet = NULL;

  if (traffic == AGENT_TRAFFIC_PRESENCE)
    {
      packet = _agent_packet_writer_finish (writer, &head);
      _agent_transport_send_presence (self->transport, "a", packet);
      return;
    }

  head.number = self->next_control;
  self->next_control += writer->n_records;
  packet = _agent_packet_writer_finish (writer, &head);
  _agent_transport_send_control (self->transport, "a", self->session, head.number, packet);
}

static void
stranger_say (Stranger       *self,
              AgentRecordKind kind,
              GVariant       *value)
{
  AgentPacketWriter writer = { 0 };

  _agent_packet_writer_add (&writer, kind, value);
  stranger_send (self, AGENT_TRAFFIC_PRESENCE, &writer);
}

/* It says that all control has arrived. */
static void
stranger_confirm (Stranger *self)
{
  stranger_say (self, AGENT_RECORD_STATUS, g_variant_new ("(ttt)", (guint64) 1, (guint64) 1, self->seen));
}

static void
stranger_add_name (AgentPacketWriter *writer,
                   const char        *name)
{
  _agent_packet_writer_add (writer,
                            AGENT_RECORD_NAME,
                            g_variant_new ("(ssbssbbx)", name, "", FALSE, "", "", FALSE, FALSE, G_GINT64_CONSTANT (0)));
}

/* It has a subscriber "s". */
static Stranger *
stranger_new (TestFixture *f)
{
  Stranger         *self = g_new0 (Stranger, 1);
  AgentPacketWriter writer = { 0 };
  g_autoptr (GAsyncResult) result = NULL;

  self->f = f;
  self->session = self->next_control = 1;
  self->world = test_world_new (f, &test_engine_hub, 1);
  self->x = test_world_add (self->world, 0, "x");
  self->transport = test_hub_add (self->world->of_engine, "stranger");
  g_assert_true (_agent_transport_set_sink (self->transport, &stranger_sink, self));
  _agent_transport_open_async (self->transport, NULL, test_keep_result, &result);
  test_wait_result (f, &result);
  g_assert_true (_agent_transport_open_finish (self->transport, result, NULL));

  stranger_say (self, AGENT_RECORD_HELLO, g_variant_new ("(u)", INTERVAL));
  test_world_wait (self->world, self->peer_session != 0);
  stranger_say (self, AGENT_RECORD_HELLO, g_variant_new ("(u)", INTERVAL));
  stranger_add_name (&writer, "s");
  stranger_send (self, AGENT_TRAFFIC_CONTROL, &writer);
  test_world_wait (self->world, test_world_has_name (self->world, 0, "s"));
  return self;
}

static void
stranger_free (Stranger *self)
{
  g_autoptr (GAsyncResult) result = NULL;

  _agent_transport_close_async (self->transport, NULL, test_keep_result, &result);
  test_wait_result (self->f, &result);
  _agent_transport_close_finish (self->transport, result, NULL);
  _agent_transport_set_sink (self->transport, NULL, NULL);
  g_clear_object (&result);
  g_assert_finalize_object (self->transport);
  test_world_free (self->world);
  g_object_unref (self->x);
  g_free (self);
}

static void
stranger_is_sent (Stranger *self,
                  guint     number)
{
  test_world_send (self->world, 0, test_world_message (AGENT_CHANNEL_SYSTEM, "x", "s", number));
}

/* --- Cases --- */

/* It takes control and never says so. Each message comes after news of a name, so that no two of them are one run. */
static void
lazy_take (Stranger *self,
           guint     n)
{
  AgentBus *bus = self->world->nodes[0].bus;

  for (guint i = 0; i < n; i++)
    {
      if (i % 2 == 0)
        g_object_unref (test_world_add (self->world, 0, "t"));
      else
        agent_bus_unsubscribe (bus, "t");
      stranger_is_sent (self, i);
      test_world_wait (self->world, self->n_messages == i + 1);
    }
}

static void
test_lazy (TestFixture *f)
{
  Stranger *self = stranger_new (f);
  guint     n_questions;

  lazy_take (self, AGENT_UNCONFIRMED_MAX_RUNS);
  for (guint i = 0; i < 5; i++)
    stranger_is_sent (self, i);
  n_questions = self->n_questions;
  test_world_wait (self->world, self->n_questions >= n_questions + 3);
  g_assert_cmpuint (self->n_messages, ==, AGENT_UNCONFIRMED_MAX_RUNS);

  stranger_confirm (self);
  test_world_wait (self->world, self->n_messages == AGENT_UNCONFIRMED_MAX_RUNS + 5);
  stranger_say (self, AGENT_RECORD_GOODBYE, g_variant_new ("(s)", "done"));
  test_world_wait (self->world, self->world->nodes[0].lost[AGENT_TRAFFIC_CONTROL] == 5);
  stranger_free (self);
}

int
main (int    argc,
      char **argv)
{
  test_init_slow (&argc, &argv);
  test_actors_init ();

  test_add ("/agentbus/link-bounds/lazy", test_lazy);

  return g_test_run ();
}
