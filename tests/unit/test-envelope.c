/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <agentbus/agentbus.h>

#include <string.h>
#include <sys/mman.h>

#include "base/agent-clock-private.h"
#include "test-envelopes.h"
#include "test-race.h"
#include "test-support.h"
#include "test-wire-samples.h"

/* --- What goes through --- */

static AgentMessage *
pass (AgentMessage *message)
{
  g_autoptr (GByteArray) packet = test_envelope_write (message);
  g_autoptr (GError) error = NULL;
  AgentMessage *read = test_envelope_read (packet, &error);

  g_assert_no_error (error);
  g_assert_cmpint (read->sent, ==, 0);
  return read;
}

/* Takes @fields. */
static void
assert_kept (const char *nick,
             GVariant   *fields)
{
  g_autoptr (GVariant) wire = test_wire_make (nick, fields);
  g_autoptr (AgentMessage) message = test_envelope_from_wire (wire);
  g_autoptr (AgentMessage) read = pass (message);

  test_envelope_assert_same (message, read);
}

static void
test_each_field (void)
{
  const AgentWireTable *table = &_agent_wire_message;

  for (guint type = 0; type <= AGENT_MESSAGE_TYPE_HAND_OFF; type++)
    {
      const char *nick = agent_message_type_to_string (type);

      assert_kept (nick, test_wire_make_fields (table, 1u << type, "", TRUE, NULL));
      for (guint i = 0; i < table->n_fields; i++)
        assert_kept (nick, test_wire_make_fields (table, 1u << type, "", FALSE, &table->fields[i]));
    }
}

static void
assert_parts_kept (const AgentWireTable *table,
                   const char           *nick,
                   const char           *where,
                   const char           *format)
{
  for (guint i = 0; i <= table->n_fields; i++)
    {
      const AgentWireField *more = i < table->n_fields ? &table->fields[i] : NULL;

      assert_kept (nick,
                   g_variant_new_parsed (format,
                                         test_wire_make_fields (table, AGENT_WIRE_PART, where, more == NULL, more)));
    }
}

static void
test_each_part (void)
{
  assert_parts_kept (&_agent_wire_frame, "frame", "frame.", "{'source': <'a'>, 'frame': <%*>}");
  assert_parts_kept (&_agent_wire_info, "agent-ready", "info.", "{'source': <'a'>, 'info': <%*>}");
  assert_parts_kept (
      &_agent_wire_info, "agent-registry", "info.", "{'source': <'a'>, 'runner': <''>, 'infos': <[%*]>}");
  assert_kept ("agent-registry", g_variant_new_parsed ("{'source': <'a'>, 'runner': <'r'>, 'infos': <@aa{sv} []>}"));
}

/* Who adds a row to the wire form is told here that the envelope lacks the field. */
static void
test_no_row_is_forgotten (void)
{
  for (guint i = 0; i < _agent_wire_message.n_fields; i++)
    {
      const AgentWireField *row = &_agent_wire_message.fields[i];
      gboolean              found = g_str_equal (row->key, "seq") || g_str_equal (row->key, "sent-at");

      for (guint field = 0; field < AGENT_ENVELOPE_N_FIELDS; field++)
        found |= _agent_envelope_rules_offset (field) == row->offset;

      g_test_message ("%s", row->key);
      g_assert_true (found);
    }
}

static void
test_each_value (void)
{
  for (guint status = 0; status <= AGENT_TASK_STATUS_CANCELLED; status++)
    {
      g_autoptr (AgentMessage) message = agent_message_new_task_response ("a", "b", "t", status, NULL);
      g_autoptr (AgentMessage) read = pass (message);

      test_envelope_assert_same (message, read);
    }
  for (guint channel = 0; channel <= AGENT_CHANNEL_DATA; channel++)
    {
      g_autoptr (AgentMessage) message = agent_message_new_custom ("mine", channel, "a", NULL, NULL);
      g_autoptr (AgentMessage) read = pass (message);

      test_envelope_assert_same (message, read);
    }
}

static void
test_each_frame (void)
{
  const gsize sizes[] = { 0, 1, 7, 8, 1024, 1025, 100000 };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    for (guint copied = 0; copied < 2; copied++)
      {
        g_autofree guint8 *data = g_malloc0 (sizes[i] + 1);
        g_autoptr (GBytes) bytes = g_bytes_new (data, sizes[i]);
        g_autoptr (AgentFrame) frame = copied ? agent_frame_new_copy ("k", data, sizes[i], NULL)
                                              : agent_frame_new ("k", bytes, g_variant_new_parsed ("@a{sv} {}"));
        g_autoptr (AgentMessage) message =
            agent_message_new_frame ("a", "b", frame, AGENT_FRAME_DIRECTION_UPSTREAM);
        g_autoptr (AgentMessage) read = pass (message);

        test_envelope_assert_same (message, read);
        g_assert_nonnull (agent_frame_get_data (agent_message_get_frame (read)));
      }
}

static const char *const payloads[] = {
  "byte 7",
  "@ay []",
  "[byte 1, 2, 3]",
  "''",
  "'größer'",
  "@mi nothing",
  "@mv nothing",
  "int64 5",
  "(true, 1.5, int16 3)",
  "[int16 1, 2]",
  "[int32 1, 2]",
  "[uint64 1, 2]",
  "[1.5, 2.5]",
  "[true, false]",
  "@an []",
  "{'n': <1>, 'list': <[1.5, 2.5]>, 'maybe': <@mi nothing>}",
  "<<<'deep'>>>",
  "()",
  "@a() [(), ()]",
  "objectpath '/a'",
};

static void
test_each_payload (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (payloads); i++)
    {
      g_autoptr (GVariant) payload = g_variant_ref_sink (g_variant_new_parsed (payloads[i]));
      g_autoptr (AgentMessage) message = agent_message_new_activate ("a", "b", payload);
      g_autoptr (AgentMessage) read = pass (message);
      g_autofree char *json = agent_message_dup_payload_json (message);
      g_autofree char *copy = NULL;

      g_assert_cmpuint (_agent_message_get_size (read), ==, _agent_message_get_size (message));
      copy = agent_message_dup_payload_json (read);
      g_assert_cmpstr (copy, ==, json);
      g_assert_cmpstr (agent_message_get_payload_json (read), ==, json);
      g_assert_false (agent_message_has_payload_json (read));
      g_assert_cmpvariant (agent_message_get_payload (read), payload);
    }
}

static void
test_json (void)
{
  const char *json = " {\"n\" : 1.50, \"n\": [\"\\u00e9\"]}\n";
  g_autoptr (AgentMessage) message = agent_message_new_activate ("a", "b", NULL);
  g_autoptr (AgentMessage) read = NULL;

  agent_message_set_payload_json (message, json, NULL);
  g_assert_nonnull (agent_message_get_payload (message));
  read = pass (message);
  g_assert_true (agent_message_has_payload_json (read));
  g_assert_cmpstr (agent_message_get_payload_json (read), ==, json);
  g_assert_cmpvariant (agent_message_get_payload (read), agent_message_get_payload (message));
}

/* A payload that somebody has read as text is still written as it was given. */
static void
test_form_is_the_given_one (void)
{
  g_autoptr (AgentMessage) message = agent_message_new_activate ("a", "b", g_variant_new_int32 (7));
  g_autoptr (GByteArray) before = test_envelope_write (message);
  g_autoptr (GByteArray) after = NULL;

  g_assert_cmpstr (agent_message_get_payload_json (message), ==, "7");
  after = test_envelope_write (message);
  g_assert_cmpmem (before->data, before->len, after->data, after->len);
}

static void
test_source (void)
{
  g_autoptr (AgentMessage) message = agent_message_new_end ("a", "b", "why");
  g_autoptr (GByteArray) packet = g_byte_array_new ();
  g_autoptr (AgentMessage) read = NULL;

  g_assert_true (_agent_envelope_append (packet, message, "someone else", NULL));
  read = test_envelope_read (packet, NULL);
  g_assert_cmpstr (agent_message_get_source (read), ==, "someone else");
  g_assert_cmpstr (agent_message_get_target (read), ==, "b");
}

/* --- The form, which is a promise to other versions --- */

static void
assert_form (AgentMessage *message,
             const char   *expected)
{
  g_autoptr (GByteArray) packet = test_envelope_write (message);
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < packet->len; i++)
    g_string_append_printf (text, "%s%02x", i > 0 && i % 4 == 0 ? " " : "", packet->data[i]);
  g_assert_cmpstr (text->str, ==, expected);
}

static void
test_form (void)
{
  g_autoptr (AgentMessage) end = agent_message_new_end ("a", NULL, NULL);
  g_autoptr (AgentMessage) custom =
      agent_message_new_custom ("n", AGENT_CHANNEL_SYSTEM, "ab", "c", g_variant_new_parsed ("[byte 9, 8]"));
  g_autoptr (AgentMessage) full = test_envelope_make_full (AGENT_MESSAGE_TYPE_TASK_RESPONSE, TRUE);

  if (G_BYTE_ORDER != G_LITTLE_ENDIAN)
    {
      g_test_skip ("The bytes of a payload are of another order here");
      return;
    }

  assert_form (end, "10030000 01000000 6100");
  assert_form (custom, "101a0002 07400200 02000000 61620063 006e0061 79000000 0908");
  assert_form (full,
               "10090300 ff2f0500 fa000000 ffffffff ffffffff 03000000 00000000 14000000 61006200 6d792d71 7561726b 2f2d3300 "
               "74006772 c3b6c39f 74657220 4665686c 65720030 302d312d 322d3031 00612e62 0074616c 6b007b22 6e223a20 5b312e35 "
               "302c206e 756c6c5d 7d00");
}

static void
test_small (void)
{
  guint8    data[128] = { 0 };
  GVariant *payload = g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, data, sizeof data, 1);
  g_autoptr (AgentMessage) message = agent_message_new_custom ("tick", AGENT_CHANNEL_DATA, "recognizer", "ui", payload);
  g_autoptr (GByteArray) packet = test_envelope_write (message);

  g_assert_cmpuint (packet->len, <=, sizeof data + 40);
}

static void
test_aligned (void)
{
  g_autoptr (GByteArray) packet = g_byte_array_new ();
  g_autoptr (GBytes) bytes = NULL;
  guint starts[21] = { 0 };

  for (guint i = 0; i < 20; i++)
    {
      g_autofree char *name = g_strnfill (i + 1, 'x');
      g_autoptr (AgentMessage) message = agent_message_new_activate (name, NULL, g_variant_new_int64 (i));

      g_assert_true (_agent_envelope_append (packet, message, NULL, NULL));
      g_assert_cmpuint (packet->len % 8, ==, 0); /* the payload has 8 bytes, and is the end */
      starts[i + 1] = packet->len;
    }

  bytes = g_bytes_new (packet->data, packet->len);
  for (guint i = 0; i < 20; i++)
    {
      g_autoptr (AgentMessage) read = _agent_envelope_read (bytes, starts[i], starts[i + 1] - starts[i], NULL);

      g_assert_cmpint (g_variant_get_int64 (agent_message_get_payload (read)), ==, i);
      g_assert_cmpuint (strlen (agent_message_get_source (read)), ==, i + 1);
    }
}

/* Pages that nobody has written to take no memory. Nothing of them is read. */
static void
test_too_long (void)
{
  const gsize size = AGENT_ENVELOPE_SIZE_MAX;
  gpointer    pages = mmap (NULL, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  g_autoptr (GBytes) bytes = NULL;
  g_autoptr (AgentFrame) frame = NULL;
  g_autoptr (AgentMessage) message = NULL;
  g_autoptr (GByteArray) packet = g_byte_array_new ();
  g_autoptr (GError) error = NULL;

  if (pages == MAP_FAILED)
    {
      g_test_skip ("There is no room for a long frame");
      return;
    }

  bytes = g_bytes_new_static (pages, size);
  frame = agent_frame_new ("k", bytes, NULL);
  message = agent_message_new_frame ("a", "b", frame, AGENT_FRAME_DIRECTION_UPSTREAM);
  g_assert_false (_agent_envelope_append (packet, message, NULL, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_MESSAGE);
  g_assert_cmpuint (packet->len, ==, 0);
  munmap (pages, size);
}

/* --- The time to live --- */

static AgentMessage *
make_mortal (guint ttl)
{
  AgentMessage *message = agent_message_new_end ("a", "b", NULL);

  agent_message_set_ttl (message, ttl);
  return message;
}

static guint
get_rest (AgentMessage *message)
{
  g_autoptr (AgentMessage) read = pass (message);

  return agent_message_get_ttl (read);
}

static void
test_ttl (void)
{
  g_autoptr (AgentMessage) message = make_mortal (250);
  g_autoptr (GByteArray) packet = g_byte_array_new ();
  g_autoptr (GError) error = NULL;

  test_clock_freeze ();
  g_assert_cmpuint (get_rest (message), ==, 250);

  message->sent_at = _agent_clock_now ();
  g_atomic_int_set (&message->sent, 1);
  g_assert_cmpuint (get_rest (message), ==, 250);
  test_clock_advance (999);
  g_assert_cmpuint (get_rest (message), ==, 250);
  test_clock_advance (1);
  g_assert_cmpuint (get_rest (message), ==, 249);
  test_clock_advance (248999);
  g_assert_cmpuint (get_rest (message), ==, 1);
  test_clock_advance (1);
  g_assert_false (_agent_envelope_append (packet, message, NULL, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
  g_assert_cmpuint (packet->len, ==, 0);
  test_clock_release ();
}

static void
test_longest_ttl (void)
{
  g_autoptr (AgentMessage) message = make_mortal (G_MAXUINT);

  test_clock_freeze ();
  message->sent_at = _agent_clock_now () + 5000000; /* the clock of a test may go back */
  g_atomic_int_set (&message->sent, 1);
  g_assert_cmpuint (get_rest (message), ==, G_MAXUINT);
  test_clock_release ();
}

/* --- The conversation --- */

static void
test_newest_epoch_wins (void)
{
  g_autoptr (AgentConversation) talk = agent_conversation_new ("newest");
  g_autoptr (AgentMessage) old = agent_message_new_task_update ("a", "b", "t", NULL);
  g_autoptr (AgentMessage) later = agent_message_new_task_update ("a", "b", "t", NULL);
  g_autoptr (GByteArray) packet = NULL;
  g_autoptr (AgentMessage) read_later = NULL;
  g_autoptr (AgentMessage) read_old = NULL;

  agent_message_set_conversation (old, talk);
  agent_message_set_conversation (later, talk);
  packet = test_envelope_write (later);
  packet->data[AGENT_ENVELOPE_HEADER_SIZE] = 5; /* the epoch is the only number */
  read_later = test_envelope_read (packet, NULL);
  read_old = pass (old);

  g_assert_true (agent_message_get_conversation (read_later) == talk);
  g_assert_cmpuint (agent_message_get_epoch (read_later), ==, 5);
  g_assert_cmpuint (agent_conversation_get_epoch (talk), ==, 5);
  g_assert_false (_agent_message_is_stale (read_later));
  g_assert_true (_agent_message_is_stale (read_old));
}

/* --- Payloads that nobody has read --- */

/* The form of a writer with the other byte order. */
static GByteArray *
make_foreign (GVariant *payload)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (payload);
  g_autoptr (GVariant) swapped = g_variant_byteswap (owned);
  g_autoptr (AgentMessage) message = agent_message_new_activate ("a", "b", swapped);
  GByteArray *packet = test_envelope_write (message);

  packet->data[7] ^= AGENT_ENVELOPE_FORM_BIG_ENDIAN >> 24;
  return packet;
}

static void
test_foreign_payload (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (payloads); i++)
    {
      g_autoptr (GVariant) payload = g_variant_ref_sink (g_variant_new_parsed (payloads[i]));
      g_autoptr (GByteArray) packet = make_foreign (payload);
      g_autoptr (AgentMessage) read = test_envelope_read (packet, NULL);
      g_autoptr (GByteArray) again = test_envelope_write (read);
      g_autoptr (GByteArray) after = NULL;

      g_assert_cmpmem (again->data, again->len, packet->data, packet->len);
      g_assert_cmpvariant (agent_message_get_payload (read), payload);
      after = test_envelope_write (read);
      g_assert_cmpmem (after->data, after->len, packet->data, packet->len);
    }
}

/* Takes @content, which is the content of @message. */
static void
assert_swapped (AgentMessage *message,
                GByteArray   *packet,
                gsize         at,
                GVariant     *content)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (content);
  g_autoptr (GVariant) swapped = g_variant_byteswap (owned);
  g_autoptr (AgentMessage) read = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_cmpmem (packet->data + at, g_variant_get_size (owned), g_variant_get_data (owned), g_variant_get_size (owned));
  memcpy (packet->data + at, g_variant_get_data (swapped), g_variant_get_size (swapped));
  packet->data[7] ^= AGENT_ENVELOPE_FORM_BIG_ENDIAN >> 24;
  read = test_envelope_read (packet, &error);
  g_assert_no_error (error);
  test_envelope_assert_same (message, read);
}

static void
test_foreign_contents (void)
{
  g_autoptr (AgentFrame) frame = agent_frame_new ("k", NULL, g_variant_new_parsed ("{'rate': <16000>}"));
  g_autoptr (AgentMessage) framed = agent_message_new_frame ("a", "b", frame, AGENT_FRAME_DIRECTION_UPSTREAM);
  g_autoptr (AgentMessage) registry = test_envelope_make_full (AGENT_MESSAGE_TYPE_AGENT_REGISTRY, FALSE);
  g_autoptr (GVariant) wire = agent_message_to_variant (registry);
  g_autoptr (GVariant) fields = g_variant_get_child_value (wire, 2);
  g_autoptr (GVariant) infos = g_variant_lookup_value (fields, "infos", NULL);
  g_autoptr (GByteArray) frame_packet = test_envelope_write (framed);
  g_autoptr (GByteArray) registry_packet = test_envelope_write (registry);
  GVariant *metadata = agent_frame_get_metadata (frame);

  /* The metadata is padded. */
  assert_swapped (framed, frame_packet, frame_packet->len - ((g_variant_get_size (metadata) + 7) & ~7u), metadata);
  assert_swapped (registry, registry_packet, registry_packet->len - g_variant_get_size (infos), infos);
}

/* The bytes of a payload are not looked at, and so go on as they came. Who reads it gets what is sound of it. */
static void
test_payload_not_normal (void)
{
  const guint8 data[] = { 'a', '\xff', 0, 7, 7, 7 };
  GVariant    *payload = g_variant_new_from_data (G_VARIANT_TYPE ("as"), data, sizeof data, FALSE, NULL, NULL);
  g_autoptr (AgentMessage) message = agent_message_new_activate ("a", "b", payload);
  g_autoptr (AgentMessage) read = pass (message);
  g_autoptr (GByteArray) packet = test_envelope_write (read);
  g_autoptr (GBytes) kept = g_variant_get_data_as_bytes (agent_message_get_payload (message));

  g_assert_cmpmem (packet->data + packet->len - sizeof data, sizeof data, data, sizeof data);
  g_assert_cmpmem (g_bytes_get_data (kept, NULL), g_bytes_get_size (kept), data, sizeof data);
  g_assert_true (g_variant_is_normal_form (agent_message_get_payload (read)));
  test_envelope_assert_sound (read);
}

/* Arrays of numbers, whose bytes are not looked at either. */
static void
test_numbers_not_whole (void)
{
  const char *const types[] = { "an", "aq", "ai", "au", "ax", "at", "ad", "ab" };
  const guint8      data[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };

  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    {
      GVariant *payload = g_variant_new_from_data (G_VARIANT_TYPE (types[i]), data, sizeof data, FALSE, NULL, NULL);
      g_autoptr (AgentMessage) message = agent_message_new_activate ("a", "b", payload);
      g_autoptr (AgentMessage) read = pass (message);
      g_autoptr (GVariant) normal = g_variant_get_normal_form (payload);

      g_assert_cmpvariant (agent_message_get_payload (read), normal);
      test_envelope_assert_sound (read);
    }
}

static gint n_packets_freed;

static void
on_packet_freed (gpointer data)
{
  g_byte_array_unref (data);
  n_packets_freed++;
}

/* Takes @message. Reads it from a packet that has @more bytes behind it, and of which nobody else has a reference. */
static AgentMessage *
read_from_packet (AgentMessage *message,
                  guint         more)
{
  g_autoptr (AgentMessage) owned = message;
  GByteArray *array = test_envelope_write (owned);
  guint       length = array->len;
  g_autoptr (GBytes) packet = NULL;

  g_byte_array_set_size (array, length + more);
  packet = g_bytes_new_with_free_func (array->data, array->len, on_packet_freed, array);
  n_packets_freed = 0;
  return _agent_envelope_read (packet, 0, length, NULL);
}

static GVariant *
make_blob (gsize size)
{
  g_autofree guint8 *data = g_malloc0 (size);

  return g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, data, size, 1);
}

static AgentMessage *
make_frame_of (gsize size)
{
  g_autofree guint8 *data = g_malloc0 (size);
  g_autoptr (AgentFrame) frame = agent_frame_new_copy ("k", data, size, NULL);

  return agent_message_new_frame ("a", "b", frame, AGENT_FRAME_DIRECTION_UPSTREAM);
}

/* @keeps: whether the packet lives as long as the message. */
static void
assert_keeps (AgentMessage *message,
              gsize         size,
              gint          keeps)
{
  g_assert_cmpint (n_packets_freed, ==, !keeps);
  g_assert_cmpuint (_agent_message_get_size (message), ==, size);
  if (agent_message_get_payload (message) != NULL)
    g_assert_cmpuint (g_variant_get_size (agent_message_get_payload (message)), ==, size);
  agent_message_unref (message);
  g_assert_cmpint (n_packets_freed, ==, 1);
}

static void
test_packet_is_kept_for_large_only (void)
{
  const struct
  {
    gsize size;
    guint more;
    gint  keeps;
  } cases[] = {
    { 128, 0, FALSE },
    { 1024, 0, FALSE },
    { 1025, 0, TRUE },
    { 1025, 60000, FALSE },
    { 9000, 60000, TRUE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      AgentMessage *message = agent_message_new_activate ("a", "b", make_blob (cases[i].size));

      assert_keeps (read_from_packet (message, cases[i].more), cases[i].size, cases[i].keeps);
      assert_keeps (read_from_packet (make_frame_of (cases[i].size), cases[i].more), cases[i].size, cases[i].keeps);
    }
}

/* A large payload lies where GLib can use it as it is, whatever stands before it in the packet. */
static void
test_large_payload_is_not_copied (void)
{
  for (guint length = 1; length <= 8; length++)
    {
      g_autofree char    *name = g_strnfill (length, 'x');
      g_autofree guint64 *numbers = g_new0 (guint64, 1000);
      g_autoptr (AgentMessage) first = agent_message_new_end (name, NULL, NULL);
      g_autoptr (AgentMessage) message = agent_message_new_activate (
          "a", "b", g_variant_new_fixed_array (G_VARIANT_TYPE_UINT64, numbers, 1000, sizeof *numbers));
      g_autoptr (GByteArray) array = test_envelope_write (first);
      g_autoptr (GBytes) packet = NULL;
      g_autoptr (AgentMessage) read = NULL;
      guint       offset = array->len;
      const char *data;
      const char *start;

      g_assert_true (_agent_envelope_append (array, message, NULL, NULL));
      packet = g_bytes_new (array->data, array->len);
      start = g_bytes_get_data (packet, NULL);
      read = _agent_envelope_read (packet, offset, array->len - offset, NULL);
      data = g_variant_get_data (agent_message_get_payload (read));
      g_assert_true (data > start && data < start + array->len);
    }
}

/* Who has asked for the payload may keep it longer than the message, and the packet. */
static void
test_payload_outlives_message (void)
{
  const gsize sizes[] = { 100, 5000 };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      AgentMessage *message =
          read_from_packet (agent_message_new_activate ("a", "b", make_blob (sizes[i])), 0);
      g_autoptr (GVariant) payload = g_variant_ref (agent_message_get_payload (message));
      g_autoptr (AgentMessage) copy = agent_message_copy (message);
      gsize         n;
      const guint8 *data;

      agent_message_unref (message);
      data = g_variant_get_fixed_array (payload, &n, 1);
      for (gsize j = 0; j < n; j++)
        g_assert_cmpuint (data[j], ==, 0);
      g_assert_true (agent_message_get_payload (copy) == payload);
    }
}

#define N_THREADS 3
#define N_ROUNDS 2000

/* Half of the times for the text first. */
static TestForms
ask_for_forms (AgentMessage *message,
               guint         thread,
               guint         round)
{
  TestForms seen = { NULL, NULL };

  if (round % 2 == 0)
    seen.text = agent_message_get_payload_json (message);
  seen.value = agent_message_get_payload (message);
  if (round % 2 != 0)
    seen.text = agent_message_get_payload_json (message);
  g_assert_cmpstr (seen.text, ==, "[1,2]");
  return seen;
}

static void
test_threads (void)
{
  g_autoptr (GPtrArray) messages = g_ptr_array_new_with_free_func ((GDestroyNotify) agent_message_unref);

  for (guint i = 0; i < N_ROUNDS; i++)
    {
      g_autoptr (GByteArray) packet = make_foreign (g_variant_new_parsed ("[1, 2]"));

      g_ptr_array_add (messages, test_envelope_read (packet, NULL));
    }
  test_race_forms (messages, N_THREADS, ask_for_forms);
}

int
main (int   argc,
      char *argv[])
{
  test_init (&argc, &argv);

  test_add_func ("/agentbus/envelope/each-field", test_each_field);
  test_add_func ("/agentbus/envelope/each-part", test_each_part);
  test_add_func ("/agentbus/envelope/no-row-is-forgotten", test_no_row_is_forgotten);
  test_add_func ("/agentbus/envelope/each-value", test_each_value);
  test_add_func ("/agentbus/envelope/each-frame", test_each_frame);
  test_add_func ("/agentbus/envelope/each-payload", test_each_payload);
  test_add_func ("/agentbus/envelope/json", test_json);
  test_add_func ("/agentbus/envelope/form-is-the-given-one", test_form_is_the_given_one);
  test_add_func ("/agentbus/envelope/source", test_source);
  test_add_func ("/agentbus/envelope/form", test_form);
  test_add_func ("/agentbus/envelope/small", test_small);
  test_add_func ("/agentbus/envelope/aligned", test_aligned);
  test_add_func ("/agentbus/envelope/too-long", test_too_long);
  test_add_func ("/agentbus/envelope/ttl", test_ttl);
  test_add_func ("/agentbus/envelope/longest-ttl", test_longest_ttl);
  test_add_func ("/agentbus/envelope/newest-epoch-wins", test_newest_epoch_wins);
  test_add_func ("/agentbus/envelope/foreign-payload", test_foreign_payload);
  test_add_func ("/agentbus/envelope/foreign-contents", test_foreign_contents);
  test_add_func ("/agentbus/envelope/payload-not-normal", test_payload_not_normal);
  test_add_func ("/agentbus/envelope/numbers-not-whole", test_numbers_not_whole);
  test_add_func ("/agentbus/envelope/packet-is-kept-for-large-only", test_packet_is_kept_for_large_only);
  test_add_func ("/agentbus/envelope/large-payload-is-not-copied", test_large_payload_is_not_copied);
  test_add_func ("/agentbus/envelope/payload-outlives-message", test_payload_outlives_message);
  test_add_func ("/agentbus/envelope/threads", test_threads);

  return g_test_run ();
}
