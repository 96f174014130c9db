/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "link/agent-packet-private.h"

#include <string.h>

#define AGE_OFFSET 40

static void
writer_store_u16 (guint8 *place,
                  guint16 value)
{
  value = GUINT16_TO_LE (value);
  memcpy (place, &value, sizeof value);
}

static void
writer_store_u32 (guint8 *place,
                  guint32 value)
{
  value = GUINT32_TO_LE (value);
  memcpy (place, &value, sizeof value);
}

static void
writer_store_u64 (guint8 *place,
                  guint64 value)
{
  value = GUINT64_TO_LE (value);
  memcpy (place, &value, sizeof value);
}

static void
writer_pad (GByteArray *bytes)
{
  static const guint8 zeroes[8];

  g_byte_array_append (bytes, zeroes, -bytes->len & 7);
}

/* Begins a record, whose body the caller appends to the array: (transfer none).
 *
 * @name: (nullable): NULL for none */
GByteArray *
_agent_packet_writer_begin (AgentPacketWriter *self,
                            AgentRecordKind    kind,
                            const char        *name)
{
  gsize name_length = name != NULL ? strlen (name) : 0;

  if (self->bytes == NULL)
    {
      self->bytes = g_byte_array_sized_new (512);
      g_byte_array_set_size (self->bytes, AGENT_PACKET_HEAD_SIZE);
    }

  self->record = self->bytes->len;
  g_byte_array_set_size (self->bytes, self->record + AGENT_PACKET_RECORD_SIZE);
  writer_store_u16 (self->bytes->data + self->record + 4, kind);
  writer_store_u16 (self->bytes->data + self->record + 6, name_length);
  if (name_length > 0)
    {
      g_byte_array_append (self->bytes, (const guint8 *) name, name_length);
      writer_pad (self->bytes);
    }
  self->body = self->bytes->len;

  return self->bytes;
}

void
_agent_packet_writer_end (AgentPacketWriter *self)
{
  writer_store_u32 (self->bytes->data + self->record, self->bytes->len - self->body);
  writer_pad (self->bytes);
  self->n_records++;
}

/* Takes back the record that was begun. */
void
_agent_packet_writer_cancel (AgentPacketWriter *self)
{
  g_byte_array_set_size (self->bytes, self->record);
}

/* Adds a record whose body is @value; a floating reference is sunk. */
void
_agent_packet_writer_add (AgentPacketWriter *self,
                          AgentRecordKind    kind,
                          GVariant          *value)
{
  g_autoptr (GVariant) owned = g_variant_ref_sink (value);
  g_autoptr (GVariant) little = G_BYTE_ORDER == G_LITTLE_ENDIAN ? g_variant_ref (owned) : g_variant_byteswap (owned);
  GByteArray *bytes = _agent_packet_writer_begin (self, kind, NULL);

  g_byte_array_append (bytes, g_variant_get_data (little), g_variant_get_size (little));
  _agent_packet_writer_end (self);
}

/* The packet with all records so far: (transfer full). The writer is empty again. The number of records in @head is set here. */
GBytes *
_agent_packet_writer_finish (AgentPacketWriter     *self,
                             const AgentPacketHead *head)
{
  static const guint8 magic[4] = { 'A', 'G', 'B', AGENT_PACKET_VERSION };
  GByteArray         *bytes = g_steal_pointer (&self->bytes);

  memcpy (bytes->data, magic, sizeof magic);
  writer_store_u32 (bytes->data + 4, self->n_records);
  writer_store_u64 (bytes->data + 8, head->from_session);
  writer_store_u64 (bytes->data + 16, head->to_session);
  writer_store_u64 (bytes->data + 24, head->number);
  writer_store_u64 (bytes->data + 32, head->after);
  writer_store_u32 (bytes->data + AGE_OFFSET, head->age);
  writer_store_u32 (bytes->data + AGE_OFFSET + 4, 0);
  self->n_records = 0;

  return g_byte_array_free_to_bytes (bytes);
}

/* The same packet, which has waited for longer: (transfer full). */
GBytes *
_agent_packet_copy_with_age (GBytes *packet,
                             guint32 age)
{
  gsize   size = g_bytes_get_size (packet);
  guint8 *data = g_memdup2 (g_bytes_get_data (packet, NULL), size);

  writer_store_u32 (data + AGE_OFFSET, age);
  return g_bytes_new_take (data, size);
}

void
_agent_packet_writer_clear (AgentPacketWriter *self)
{
  g_clear_pointer (&self->bytes, g_byte_array_unref);
  self->n_records = 0;
}
