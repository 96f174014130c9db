/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-dialect.h"

#include <string.h>

#include "bus/agent-transport-private.h"
#include "link/agent-packet-private.h"
#include "message/agent-envelope-private.h"

/* --- What is said --- */

/* The kind of a record that no version has. */
#define UNKNOWN_RECORD 77

/* The number of a field that no version has. */
#define UNKNOWN_FIELD 25

#define VERSION_OFFSET 3
#define RESERVED_OFFSET 44

/* One understands version 2 and not version 1, which is the other way round for the library. */
static GBytes *
dialect_swap_version (GBytes      *packet,
                      AgentTraffic traffic)
{
  gsize   size = g_bytes_get_size (packet);
  guint8 *data = g_memdup2 (g_bytes_get_data (packet, NULL), size);

  if (size > VERSION_OFFSET)
    data[VERSION_OFFSET] ^= AGENT_PACKET_VERSION ^ (AGENT_PACKET_VERSION + 1);
  return g_bytes_new_take (data, size);
}

static void
dialect_add_extension (GByteArray *bytes,
                       gsize       envelope,
                       guint8      tag)
{
  static const guint8 body[] = { 3, 0, 0, 0, 'n', 'e', 'w' };

  bytes->data[envelope + 7] |= AGENT_ENVELOPE_FORM_EXTENDED >> 24;
  g_byte_array_append (bytes, &tag, 1);
  g_byte_array_append (bytes, body, sizeof body);
}

/* Writes the envelope at @envelope, up to the end of @bytes, as the name of its message says.
 *
 * @name: (nullable) */
static void
dialect_change_envelope (GByteArray *bytes,
                         gsize       envelope,
                         const char *name)
{
  guint8 *header = bytes->data + envelope;

  if (g_strcmp0 (name, "later-major") == 0)
    header[0] = (AGENT_ENVELOPE_MAJOR + 1) << 4;
  else if (g_strcmp0 (name, "earlier-major") == 0)
    header[0] = (AGENT_ENVELOPE_MAJOR - 1) << 4;
  else
    header[0] = AGENT_ENVELOPE_MAJOR << 4 | (AGENT_ENVELOPE_MINOR + 1);
  if (g_strcmp0 (name, "later-field") == 0)
    header[4 + UNKNOWN_FIELD / 8] |= 1 << UNKNOWN_FIELD % 8;
  if (g_strcmp0 (name, "later-type") == 0)
    header[1] = G_MAXUINT8;
  dialect_add_extension (bytes, envelope, g_strcmp0 (name, "later-extension") == 0 ? AGENT_ENVELOPE_TAG_REQUIRED : 1);
}

/* (transfer full) (nullable) */
static char *
dialect_dup_record_name (const AgentRecord *record)
{
  return record->name_length > 0 ? g_strndup (record->name, record->name_length) : NULL;
}

static const char *
dialect_get_name (AgentMessage *message)
{
  const char *task = agent_message_get_task_name (message);

  return task != NULL ? task : agent_message_get_name (message);
}

static void
dialect_add_message (AgentPacketWriter       *writer,
                     const AgentPacketReader *reader,
                     const AgentRecord       *record)
{
  g_autoptr (AgentMessage) message = _agent_envelope_read (reader->packet, record->offset, record->length, NULL);
  g_autofree char *member = dialect_dup_record_name (record);
  const char      *name = dialect_get_name (message);
  GByteArray      *bytes;
  gsize            envelope;

  if (g_str_equal (name, "later-interest"))
    {
      _agent_packet_writer_add (writer, AGENT_RECORD_INTEREST, g_variant_new ("(ybs)", 'z', TRUE, "any"));
      return;
    }

  bytes = _agent_packet_writer_begin (
      writer, g_str_equal (name, "later-kind") ? (AgentRecordKind) UNKNOWN_RECORD : record->kind, member);
  envelope = bytes->len;
  g_byte_array_append (bytes, reader->data + record->offset, record->length);
  dialect_change_envelope (bytes, envelope, name);
  _agent_packet_writer_end (writer);
}

static void
dialect_add_record (AgentPacketWriter       *writer,
                    const AgentPacketReader *reader,
                    const AgentRecord       *record)
{
  g_autofree char *name = dialect_dup_record_name (record);

  if (record->kind == AGENT_RECORD_MESSAGE || record->kind == AGENT_RECORD_GROUPED)
    {
      dialect_add_message (writer, reader, record);
      return;
    }

  g_byte_array_append (
      _agent_packet_writer_begin (writer, record->kind, name), reader->data + record->offset, record->length);
  _agent_packet_writer_end (writer);
}

/* Records of control and data are numbered, so there are as many as before. */
static GBytes *
dialect_speak_later (GBytes      *packet,
                     AgentTraffic traffic)
{
  AgentPacketReader reader;
  AgentPacketHead   head;
  AgentPacketWriter writer = { 0 };
  AgentRecord       record;
  GByteArray       *bytes;

  g_assert_true (_agent_packet_reader_init (&reader, packet, &head, NULL));
  if (traffic == AGENT_TRAFFIC_PRESENCE)
    _agent_packet_writer_add (&writer, (AgentRecordKind) UNKNOWN_RECORD, g_variant_new ("(s)", "later"));
  while (_agent_packet_reader_next (&reader, &record, NULL))
    dialect_add_record (&writer, &reader, &record);

  bytes = g_bytes_unref_to_array (_agent_packet_writer_finish (&writer, &head));
  bytes->data[RESERVED_OFFSET] = 1;
  return g_byte_array_free_to_bytes (bytes);
}

const TestDialect test_dialect_other_packet = { .send = dialect_swap_version, .receive = dialect_swap_version };
const TestDialect test_dialect_later = { .send = dialect_speak_later };

/* --- The engine --- */

#define TEST_TYPE_SPEAKER (test_speaker_get_type ())
G_DECLARE_FINAL_TYPE (TestSpeaker, test_speaker, TEST, SPEAKER, AgentTransport)

struct _TestSpeaker
{
  AgentTransport parent_instance;

  AgentTransport    *engine; /* (owned) */
  const TestDialect *dialect;
};

G_DEFINE_FINAL_TYPE (TestSpeaker, test_speaker, AGENT_TYPE_TRANSPORT)

static void
speaker_on_received (gpointer     data,
                     const char  *node,
                     AgentTraffic traffic,
                     GBytes      *packet)
{
  TestSpeaker *self = data;
  g_autoptr (GBytes) heard =
      self->dialect->receive != NULL ? self->dialect->receive (packet, traffic) : g_bytes_ref (packet);

  agent_transport_received (AGENT_TRANSPORT (self), node, traffic, heard);
}

static void
speaker_on_ready (gpointer data)
{
  agent_transport_ready (data);
}

static void
speaker_on_control_done (gpointer      data,
                         const char   *node,
                         guint64       session,
                         guint64       number,
                         const GError *error)
{
  agent_transport_control_done (data, node, session, number, error);
}

static void
speaker_on_node_gone (gpointer    data,
                      const char *node,
                      const char *reason)
{
  agent_transport_node_gone (data, node, reason);
}

static void
speaker_on_state_changed (gpointer            data,
                          AgentTransportState state)
{
  agent_transport_set_state (data, state);
}

static const AgentTransportSink speaker_sink = {
  .received = speaker_on_received,
  .ready = speaker_on_ready,
  .control_done = speaker_on_control_done,
  .node_gone = speaker_on_node_gone,
  .state_changed = speaker_on_state_changed,
};

static AgentTransportCapabilities
test_speaker_get_capabilities (AgentTransport *transport)
{
  return agent_transport_get_capabilities (TEST_SPEAKER (transport)->engine);
}

/* A later version may need some more bytes for a message. */
static gsize
test_speaker_get_max_packet (AgentTransport *transport)
{
  return _agent_transport_get_max_packet (TEST_SPEAKER (transport)->engine) / 2;
}

static void
speaker_on_opened (GObject      *object,
                   GAsyncResult *result,
                   gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (_agent_transport_open_finish (AGENT_TRANSPORT (object), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
test_speaker_open (AgentTransport *transport,
                   GTask          *task)
{
  TestSpeaker *self = TEST_SPEAKER (transport);

  g_assert_true (_agent_transport_set_sink (self->engine, &speaker_sink, self));
  _agent_transport_open_async (self->engine, g_task_get_cancellable (task), speaker_on_opened, g_object_ref (task));
}

static void
speaker_on_closed (GObject      *object,
                   GAsyncResult *result,
                   gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  _agent_transport_set_sink (AGENT_TRANSPORT (object), NULL, NULL);
  if (_agent_transport_close_finish (AGENT_TRANSPORT (object), result, &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
}

static void
test_speaker_close (AgentTransport *transport,
                    GTask          *task)
{
  _agent_transport_close_async (
      TEST_SPEAKER (transport)->engine, g_task_get_cancellable (task), speaker_on_closed, g_object_ref (task));
}

static gboolean
test_speaker_send_data (AgentTransport *transport,
                        const char     *node,
                        GBytes         *packet,
                        GError        **error)
{
  TestSpeaker *self = TEST_SPEAKER (transport);
  g_autoptr (GBytes) said = self->dialect->send (packet, AGENT_TRAFFIC_DATA);

  return _agent_transport_send_data (self->engine, node, said, error);
}

static void
test_speaker_send_control (AgentTransport *transport,
                           const char     *node,
                           guint64         session,
                           guint64         number,
                           GBytes         *packet)
{
  TestSpeaker *self = TEST_SPEAKER (transport);
  g_autoptr (GBytes) said = self->dialect->send (packet, AGENT_TRAFFIC_CONTROL);

  _agent_transport_send_control (self->engine, node, session, number, said);
}

static void
test_speaker_send_presence (AgentTransport *transport,
                            const char     *node,
                            GBytes         *packet)
{
  TestSpeaker *self = TEST_SPEAKER (transport);
  g_autoptr (GBytes) said = self->dialect->send (packet, AGENT_TRAFFIC_PRESENCE);

  _agent_transport_send_presence (self->engine, node, said);
}

static void
test_speaker_finalize (GObject *object)
{
  g_object_unref (TEST_SPEAKER (object)->engine);

  G_OBJECT_CLASS (test_speaker_parent_class)->finalize (object);
}

static void
test_speaker_class_init (TestSpeakerClass *klass)
{
  AgentTransportClass *transport_class = AGENT_TRANSPORT_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = test_speaker_finalize;
  transport_class->get_capabilities = test_speaker_get_capabilities;
  transport_class->get_max_packet = test_speaker_get_max_packet;
  transport_class->open = test_speaker_open;
  transport_class->close = test_speaker_close;
  transport_class->send_data = test_speaker_send_data;
  transport_class->send_control = test_speaker_send_control;
  transport_class->send_presence = test_speaker_send_presence;
}

static void
test_speaker_init (TestSpeaker *self)
{
}

/* The same node, in @dialect. Takes @engine, which is not open: (transfer full) */
AgentTransport *
test_dialect_new (AgentTransport    *engine,
                  const TestDialect *dialect)
{
  TestSpeaker *self = g_object_new (TEST_TYPE_SPEAKER,
                                    "node-id",
                                    agent_transport_get_node_id (engine),
                                    "bus-name",
                                    agent_transport_get_bus_name (engine),
                                    "heartbeat-interval",
                                    agent_transport_get_heartbeat_interval (engine),
                                    NULL);

  self->engine = engine;
  self->dialect = dialect;
  return AGENT_TRANSPORT (self);
}
