/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-stranger.h"

#include "bus/agent-transport-private.h"
#include "message/agent-envelope-private.h"
#include "test-hub.h"
#include "test-sink.h"

/* A heartbeat every hour, so that it may be silent. */
#define INTERVAL 3600000

/* --- What it hears --- */

static void
stranger_read (TestStranger      *self,
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
  TestStranger     *self = data;
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

/* Takes what is in @writer. What is not presence has the number and the age that @self says. */
void
test_stranger_send (TestStranger      *self,
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

  head.age = self->age;
  if (traffic == AGENT_TRAFFIC_DATA)
    {
      head.number = self->next_data;
      head.after = self->after;
      self->next_data += writer->n_records;
      packet = _agent_packet_writer_finish (writer, &head);
      _agent_transport_send_data (self->transport, "a", packet, NULL);
      return;
    }

  head.number = self->next_control;
  self->next_control += writer->n_records;
  packet = _agent_packet_writer_finish (writer, &head);
  _agent_transport_send_control (self->transport, "a", self->session, head.number, packet);
}

void
test_stranger_say (TestStranger   *self,
                   AgentRecordKind kind,
                   GVariant       *value)
{
  AgentPacketWriter writer = { 0 };

  _agent_packet_writer_add (&writer, kind, value);
  test_stranger_send (self, AGENT_TRAFFIC_PRESENCE, &writer);
}

/* Waits until node "a" has read what was sent to it: it refuses what comes last. */
void
test_stranger_sync (TestStranger *self)
{
  guint64 n = test_world_figure (self->world, 0, "refused");
  g_autoptr (GBytes) packet = g_bytes_new_static ("none", 4);

  _agent_transport_send_presence (self->transport, "a", packet);
  test_world_wait (self->world, test_world_figure (self->world, 0, "refused") > n);
}

/* It says that all control has arrived. */
void
test_stranger_confirm (TestStranger *self)
{
  test_stranger_say (self, AGENT_RECORD_STATUS, g_variant_new ("(ttt)", (guint64) 1, (guint64) 1, self->seen));
}

void
test_stranger_add_name (AgentPacketWriter *writer,
                        const char        *name)
{
  _agent_packet_writer_add (writer,
                            AGENT_RECORD_NAME,
                            g_variant_new ("(ssbssbbx)", name, "", FALSE, "", "", FALSE, FALSE, G_GINT64_CONSTANT (0)));
}

void
test_stranger_add_message (AgentPacketWriter *writer,
                           AgentMessage      *message)
{
  GByteArray *bytes = _agent_packet_writer_begin (writer, AGENT_RECORD_MESSAGE, NULL);

  g_assert_true (_agent_envelope_append (bytes, message, NULL, NULL));
  _agent_packet_writer_end (writer);
  agent_message_unref (message);
}

/* It has a subscriber "s". */
TestStranger *
test_stranger_new (TestFixture *f)
{
  TestStranger     *self = g_new0 (TestStranger, 1);
  AgentPacketWriter writer = { 0 };
  g_autoptr (GAsyncResult) result = NULL;

  self->f = f;
  self->session = self->next_control = self->next_data = self->after = 1;
  self->world = test_world_new (f, &test_engine_hub, 1);
  self->x = test_world_add (self->world, 0, "x");
  self->transport = test_hub_add (self->world->of_engine, "stranger");
  g_assert_true (_agent_transport_set_sink (self->transport, &stranger_sink, self));
  _agent_transport_open_async (self->transport, NULL, test_keep_result, &result);
  test_wait_result (f, &result);
  g_assert_true (_agent_transport_open_finish (self->transport, result, NULL));

  test_stranger_say (self, AGENT_RECORD_HELLO, g_variant_new ("(u)", INTERVAL));
  test_world_wait (self->world, self->peer_session != 0);
  test_stranger_say (self, AGENT_RECORD_HELLO, g_variant_new ("(u)", INTERVAL));
  test_stranger_add_name (&writer, "s");
  test_stranger_send (self, AGENT_TRAFFIC_CONTROL, &writer);
  test_world_wait (self->world, test_world_has_name (self->world, 0, "s"));
  return self;
}

/* It says farewell, so that the link has nothing to wait for. */
void
test_stranger_free (TestStranger *self)
{
  g_autoptr (GAsyncResult) result = NULL;

  test_stranger_say (self, AGENT_RECORD_GOODBYE, g_variant_new ("(s)", "done"));
  test_world_wait (self->world, g_str_has_suffix (self->world->nodes[0].events->str, "-stranger"));
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
