/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "link/agent-packet-private.h"

#include "agent-bus-error.h"

#include <string.h>

static guint16
reader_load_u16 (const guint8 *place)
{
  guint16 value;

  memcpy (&value, place, sizeof value);
  return GUINT16_FROM_LE (value);
}

static guint32
reader_load_u32 (const guint8 *place)
{
  guint32 value;

  memcpy (&value, place, sizeof value);
  return GUINT32_FROM_LE (value);
}

static guint64
reader_load_u64 (const guint8 *place)
{
  guint64 value;

  memcpy (&value, place, sizeof value);
  return GUINT64_FROM_LE (value);
}

static gboolean
packet_refuse (GError    **error,
               const char *problem)
{
  g_set_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_MESSAGE, "A packet is damaged: %s", problem);
  return FALSE;
}

/* @packet stays the caller's, who keeps it while it is read. */
gboolean
_agent_packet_reader_init (AgentPacketReader *self,
                           GBytes            *packet,
                           AgentPacketHead   *head,
                           GError           **error)
{
  self->packet = packet;
  self->data = g_bytes_get_data (packet, &self->size);
  self->next = AGENT_PACKET_HEAD_SIZE;
  if (self->size < AGENT_PACKET_HEAD_SIZE || memcmp (self->data, "AGB", 3) != 0)
    return packet_refuse (error, "it has no head");
  if (self->data[3] != AGENT_PACKET_VERSION)
    {
      g_set_error (error,
                   AGENT_BUS_ERROR,
                   AGENT_BUS_ERROR_INVALID_MESSAGE,
                   "Version %u of packets is not known",
                   self->data[3]);
      return FALSE;
    }

  head->n_records = self->n_left = reader_load_u32 (self->data + 4);
  head->from_session = reader_load_u64 (self->data + 8);
  head->to_session = reader_load_u64 (self->data + 16);
  head->number = reader_load_u64 (self->data + 24);
  head->after = reader_load_u64 (self->data + 32);
  head->age = reader_load_u32 (self->data + 40);
  if (self->n_left > (self->size - AGENT_PACKET_HEAD_SIZE) / AGENT_PACKET_RECORD_SIZE)
    return packet_refuse (error, "it has fewer records than it says");
  if (head->number > G_MAXINT64 || head->after > G_MAXINT64)
    return packet_refuse (error, "its number is too large");

  return TRUE;
}

static gsize
reader_round_up (gsize size)
{
  return (size + 7) & ~(gsize) 7;
}

/* Returns FALSE at the end, or with @error set. */
gboolean
_agent_packet_reader_next (AgentPacketReader *self,
                           AgentRecord       *record,
                           GError           **error)
{
  const guint8 *head = self->data + self->next;
  gsize         left = self->size - self->next;

  if (self->n_left == 0)
    return FALSE;
  if (left < AGENT_PACKET_RECORD_SIZE)
    return packet_refuse (error, "a record is missing");

  record->length = reader_load_u32 (head);
  record->kind = reader_load_u16 (head + 4);
  record->name_length = reader_load_u16 (head + 6);
  record->name = (const char *) head + AGENT_PACKET_RECORD_SIZE;
  left -= AGENT_PACKET_RECORD_SIZE;
  if (reader_round_up (record->name_length) > left ||
      record->length > left - reader_round_up (record->name_length))
    return packet_refuse (error, "a record is longer than the packet");

  record->offset = self->next + AGENT_PACKET_RECORD_SIZE + reader_round_up (record->name_length);
  self->next = MIN (reader_round_up (record->offset + record->length), self->size);
  self->n_left--;
  return TRUE;
}

/* The body of @record: (transfer full) (nullable): NULL with @error set if it is not of @type. */
GVariant *
_agent_packet_reader_get_value (AgentPacketReader  *self,
                                const AgentRecord  *record,
                                const GVariantType *type,
                                GError            **error)
{
  g_autoptr (GBytes) body = g_bytes_new_from_bytes (self->packet, record->offset, record->length);
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_from_bytes (type, body, FALSE));

  if (G_BYTE_ORDER != G_LITTLE_ENDIAN)
    {
      g_autoptr (GVariant) little = g_steal_pointer (&value);

      value = g_variant_byteswap (little);
    }
  if (!g_variant_is_normal_form (value))
    {
      packet_refuse (error, "a record is not what it says");
      return NULL;
    }

  return g_steal_pointer (&value);
}
