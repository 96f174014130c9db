/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "link/agent-packet-private.h"
#include "test-support.h"

/*
 * Packets as they are written and read, also those that are damaged.
 */

static GBytes *
packet_new (void)
{
  const AgentPacketHead head = { .from_session = 7, .to_session = 8, .number = 9, .after = 10 };
  AgentPacketWriter     writer = { 0 };

  _agent_packet_writer_add (&writer, AGENT_RECORD_GONE, g_variant_new ("(s)", "a name"));
  g_byte_array_append (_agent_packet_writer_begin (&writer, AGENT_RECORD_MESSAGE, "member"), (const guint8 *) "body", 4);
  _agent_packet_writer_end (&writer);
  g_byte_array_append (_agent_packet_writer_begin (&writer, AGENT_RECORD_MESSAGE, NULL), (const guint8 *) "not", 3);
  _agent_packet_writer_cancel (&writer);
  _agent_packet_writer_add (&writer, AGENT_RECORD_STATUS, g_variant_new ("(ttt)", (guint64) 1, (guint64) 2, (guint64) 3));
  return _agent_packet_writer_finish (&writer, &head);
}

/* Reads all there is. Returns how many records that were, or -1 if @packet is refused. */
static int
packet_read (GBytes *packet)
{
  AgentPacketReader reader;
  AgentPacketHead   head;
  AgentRecord       record;
  g_autoptr (GError) error = NULL;
  int n = 0;

  if (!_agent_packet_reader_init (&reader, packet, &head, &error))
    {
      g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_MESSAGE);
      return -1;
    }

  while (_agent_packet_reader_next (&reader, &record, &error))
    {
      g_autoptr (GVariant) value = _agent_packet_reader_get_value (&reader, &record, AGENT_RECORD_TYPE_STATUS, NULL);

      g_assert_cmpuint (record.offset % 8, ==, 0);
      g_assert_cmpuint (record.offset + record.length, <=, g_bytes_get_size (packet));
      for (gsize i = 0; i < record.name_length; i++)
        n += record.name[i] == '\1';
      n++;
    }

  return error == NULL ? n : -1;
}

static void
test_round_trip (void)
{
  g_autoptr (GBytes) packet = packet_new ();
  g_autoptr (GVariant) value = NULL;
  AgentPacketReader reader;
  AgentPacketHead   head;
  AgentRecord       record;
  const char       *name;

  g_assert_true (_agent_packet_reader_init (&reader, packet, &head, NULL));
  g_assert_cmpuint (head.n_records, ==, 3);
  g_assert_cmpuint (head.from_session, ==, 7);
  g_assert_cmpuint (head.to_session, ==, 8);
  g_assert_cmpuint (head.number, ==, 9);
  g_assert_cmpuint (head.after, ==, 10);

  g_assert_true (_agent_packet_reader_next (&reader, &record, NULL));
  value = _agent_packet_reader_get_value (&reader, &record, AGENT_RECORD_TYPE_GONE, NULL);
  g_variant_get_child (value, 0, "&s", &name);
  g_assert_cmpstr (name, ==, "a name");
  g_assert_true (_agent_packet_reader_next (&reader, &record, NULL));
  g_assert_cmpmem (record.name, record.name_length, "member", 6);
  g_assert_cmpmem (reader.data + record.offset, record.length, "body", 4);
  g_assert_true (_agent_packet_reader_next (&reader, &record, NULL));
  g_assert_cmpint (record.kind, ==, AGENT_RECORD_STATUS);
  g_assert_false (_agent_packet_reader_next (&reader, &record, NULL));
}

/* Every packet that was cut off is refused, and nothing behind its end is read. */
static void
test_truncated (void)
{
  g_autoptr (GBytes) packet = packet_new ();
  gsize size = g_bytes_get_size (packet);

  g_assert_cmpint (packet_read (packet), ==, 3);
  for (gsize i = 0; i < size; i++)
    {
      g_autoptr (GBytes) part = g_bytes_new (g_bytes_get_data (packet, NULL), i);

      g_assert_cmpint (packet_read (part), ==, -1);
    }
}

static void
test_bit_flips (void)
{
  g_autoptr (GBytes) packet = packet_new ();
  gsize         size;
  const guint8 *data = g_bytes_get_data (packet, &size);

  for (gsize i = 0; i < size * 8; i++)
    {
      guint8 *copy = g_memdup2 (data, size);
      g_autoptr (GBytes) flipped = g_bytes_new_take (copy, size);

      copy[i / 8] ^= (guint8) (1 << i % 8);
      packet_read (flipped);
    }
}

static void
test_random (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);

  for (guint i = 0; i < 20000; i++)
    {
      gsize   size = (gsize) g_rand_int_range (rand, 0, 200);
      guint8 *data = g_malloc (size + 1);
      g_autoptr (GBytes) packet = g_bytes_new_take (data, size);

      for (gsize j = 0; j < size; j++)
        data[j] = (guint8) g_rand_int_range (rand, 0, g_rand_boolean (rand) ? 256 : 4);
      if (size >= 8)
        memcpy (data, "AGB\1\2\0\0\0", 8);
      packet_read (packet);
    }
}

/* Another version is refused, with its number. */
static void
test_version (void)
{
  g_autoptr (GBytes) packet = packet_new ();
  gsize   size;
  guint8 *data = g_memdup2 (g_bytes_get_data (packet, NULL), g_bytes_get_size (packet));
  g_autoptr (GBytes) later = g_bytes_new_take (data, g_bytes_get_size (packet));
  g_autoptr (GError) error = NULL;
  AgentPacketReader reader;
  AgentPacketHead   head;

  g_bytes_get_data (packet, &size);
  data[3] = 200;
  g_assert_false (_agent_packet_reader_init (&reader, later, &head, &error));
  g_assert_nonnull (strstr (error->message, "200"));
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

  test_add_func ("/agentbus/packet/round-trip", test_round_trip);
  test_add_func ("/agentbus/packet/truncated", test_truncated);
  test_add_func ("/agentbus/packet/bit-flips", test_bit_flips);
  test_add_func ("/agentbus/packet/random", test_random);
  test_add_func ("/agentbus/packet/version", test_version);

  return g_test_run ();
}
