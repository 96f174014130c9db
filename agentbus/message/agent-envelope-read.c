/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-envelope-rules-private.h"

#include "agent-enums-private.h"
#include "message/agent-frame-private.h"
#include "message/agent-payload-bytes-private.h"

#include <string.h>

/* A peer may send anything, so each number, each string and each size is held against the end of the envelope before it is
 * used. What a field may be is asked of the wire form. */

/* The strings that have a place in a record. */
#define STRINGS (AGENT_ENVELOPE_BIT (CONVERSATION) - 1)

typedef struct
{
  const guint8             *at;
  const guint8             *end;
  guint32                   fields;
  guint8                    status;
  guint8                    padding;
  guint32                   content_size;
  AgentPacketSlice          content;
  const char               *name; /* (nullable) of the content */
  gsize                     name_length;
  const AgentEnvelopeRules *rules;
} Reader;

static gboolean
reader_refuse (GError **error)
{
  return _agent_wire_refuse (error, "The envelope is damaged");
}

static inline gboolean
reader_has (const Reader *self,
            gsize         size)
{
  return G_LIKELY ((gsize) (self->end - self->at) >= size);
}

static inline gboolean
reader_read_u32 (Reader  *self,
                 guint32 *number)
{
  if (!reader_has (self, sizeof *number))
    return FALSE;

  memcpy (number, self->at, sizeof *number);
  *number = GUINT32_FROM_LE (*number);
  self->at += sizeof *number;

  return TRUE;
}

static inline gboolean
reader_read_u64 (Reader  *self,
                 guint64 *number)
{
  if (!reader_has (self, sizeof *number))
    return FALSE;

  memcpy (number, self->at, sizeof *number);
  *number = GUINT64_FROM_LE (*number);
  self->at += sizeof *number;

  return TRUE;
}

/* @length: (out). Returns: (nullable): NULL if the string does not end in the envelope */
static inline const char *
reader_read_string (Reader *self,
                    gsize  *length)
{
  const char   *string = (const char *) self->at;
  const guint8 *end = memchr (self->at, '\0', (gsize) (self->end - self->at));

  if (G_UNLIKELY (end == NULL))
    return NULL;

  *length = (gsize) (end - self->at);
  self->at = end + 1;

  return string;
}

/* --- The header --- */

static gboolean
reader_begin (Reader  *self,
              GBytes  *packet,
              gsize    offset,
              gsize    length,
              GError **error)
{
  gsize         size;
  const guint8 *start = g_bytes_get_data (packet, &size);

  if (offset > size || length > size - offset || length == 0 || length > AGENT_ENVELOPE_SIZE_MAX)
    return reader_refuse (error);

  self->content.packet = packet;
  self->at = start + offset;
  self->end = self->at + length;
  if (self->at[0] >> 4 != AGENT_ENVELOPE_MAJOR)
    return _agent_wire_refuse (error, "Version %u of the envelope is not known", self->at[0] >> 4);
  if (length < AGENT_ENVELOPE_HEADER_SIZE)
    return reader_refuse (error);

  return TRUE;
}

static gboolean
reader_read_header (Reader           *self,
                    AgentMessageType *type,
                    GError          **error)
{
  const guint8 *header = self->at;

  if (header[1] >= AGENT_N_MESSAGE_TYPES)
    return _agent_wire_refuse (error, "The type of the message is not known");

  *type = header[1];
  self->status = header[2];
  self->padding = header[3];
  self->at += 4;
  reader_read_u32 (self, &self->fields);
  self->rules = _agent_envelope_rules_get (*type);

  return _agent_envelope_rules_check (self->rules, self->fields, error);
}

/* --- The fields --- */

static inline gboolean
reader_has_content (const Reader *self)
{
  return (self->fields & (AGENT_ENVELOPE_BIT (CONTENT) | AGENT_ENVELOPE_BIT (JSON))) != 0;
}

static gboolean
reader_read_numbers (Reader             *self,
                     AgentMessageRecord *record)
{
  guint32 fields = self->fields;

  return ((fields & AGENT_ENVELOPE_BIT (TTL)) == 0 || reader_read_u32 (self, &record->ttl)) &&
         ((fields & AGENT_ENVELOPE_BIT (CAUSE)) == 0 || reader_read_u64 (self, &record->cause)) &&
         ((fields & AGENT_ENVELOPE_BIT (CONVERSATION)) == 0 || reader_read_u64 (self, &record->conversation.epoch)) &&
         (!reader_has_content (self) || reader_read_u32 (self, &self->content_size));
}

static gboolean
reader_read_status (Reader             *self,
                    AgentMessageRecord *record,
                    GError            **error)
{
  if ((self->fields & AGENT_ENVELOPE_BIT (STATUS)) == 0)
    return TRUE;
  if (self->status > AGENT_TASK_STATUS_CANCELLED)
    return _agent_wire_refuse_field (
        self->rules->rows[AGENT_ENVELOPE_STATUS], NULL, "has a value that is not known", error);

  record->parts.status = self->status;
  return TRUE;
}

static inline void
reader_read_options (const Reader       *self,
                     AgentMessageRecord *record)
{
  record->reliable = (self->fields & AGENT_ENVELOPE_BIT (RELIABLE)) != 0;
  record->error_reply = (self->fields & AGENT_ENVELOPE_BIT (ERROR_REPLY)) != 0;
  record->request = (self->fields & AGENT_ENVELOPE_BIT (REQUEST)) != 0;
  record->retained = (self->fields & AGENT_ENVELOPE_BIT (RETAINED)) != 0;
  if (self->fields & AGENT_ENVELOPE_BIT (CHANNEL))
    record->parts.channel = AGENT_CHANNEL_SYSTEM;
  if (self->fields & AGENT_ENVELOPE_BIT (DIRECTION))
    record->parts.direction = AGENT_FRAME_DIRECTION_UPSTREAM;
}

static inline gboolean
reader_read_field (Reader             *self,
                   AgentEnvelopeField  field,
                   AgentMessageRecord *record,
                   GError            **error)
{
  const AgentWireField *row = self->rules->rows[field];
  gsize                 length;
  const char           *string = reader_read_string (self, &length);

  if (string == NULL)
    return reader_refuse (error);

  *(const char **) (gpointer) ((guint8 *) record + row->offset) = string;
  return row->kind->check (row, NULL, string, length, error);
}

static gboolean
reader_read_conversation (Reader             *self,
                          AgentMessageRecord *record,
                          GError            **error)
{
  gsize length;

  if ((self->fields & AGENT_ENVELOPE_BIT (CONVERSATION)) == 0)
    return TRUE;

  record->conversation.id = reader_read_string (self, &length);
  if (record->conversation.id == NULL)
    return reader_refuse (error);

  return _agent_wire_check_conversation (
      self->rules->rows[AGENT_ENVELOPE_CONVERSATION], NULL, &record->conversation, error);
}

static gboolean
reader_read_strings (Reader             *self,
                     AgentMessageRecord *record,
                     GError            **error)
{
  for (guint32 rest = self->fields & STRINGS; rest != 0; rest &= rest - 1)
    {
      if (!reader_read_field (self, (AgentEnvelopeField) __builtin_ctz (rest), record, error))
        return FALSE;
    }

  return reader_read_conversation (self, record, error);
}

/* --- The end of the envelope --- */

/* Extensions that are not known are passed over. */
static gboolean
reader_skip_extension (Reader  *self,
                       GError **error)
{
  guint8  tag = *self->at++;
  guint32 size;

  if (tag >= AGENT_ENVELOPE_TAG_REQUIRED)
    return _agent_wire_refuse (error, "The envelope needs extension %u, which is not known", tag);
  if (!reader_read_u32 (self, &size) || !reader_has (self, size))
    return reader_refuse (error);

  self->at += size;
  return TRUE;
}

static gboolean
reader_find_content (Reader  *self,
                     GError **error)
{
  gboolean is_named = self->rules->is_named && (self->fields & AGENT_ENVELOPE_BIT (CONTENT)) != 0;

  if (is_named)
    self->name = reader_read_string (self, &self->name_length);
  if ((is_named && self->name == NULL) || !reader_has (self, self->padding))
    return reader_refuse (error);

  self->at += self->padding;
  if (!reader_has (self, self->content_size))
    return reader_refuse (error);

  self->content.data = self->at;
  self->content.size = self->content_size;
  self->at += self->content_size;
  return TRUE;
}

/* Everything up to the end is checked before the content is made: nothing has to be freed before that. */
static gboolean
reader_read_end (Reader  *self,
                 GError **error)
{
  if (!reader_find_content (self, error))
    return FALSE;
  if (self->at < self->end && (self->fields & AGENT_ENVELOPE_FORM_EXTENDED) == 0)
    return reader_refuse (error);

  while (self->at < self->end)
    {
      if (!reader_skip_extension (self, error))
        return FALSE;
    }

  return TRUE;
}

/* --- The content --- */

static inline gboolean
reader_is_foreign (const Reader *self)
{
  return ((self->fields & AGENT_ENVELOPE_FORM_BIG_ENDIAN) != 0) != (G_BYTE_ORDER == G_BIG_ENDIAN);
}

static gboolean
content_read_payload (Reader             *self,
                      AgentMessageRecord *record,
                      GError            **error)
{
  if (!_agent_payload_bytes_is_type (self->name, self->name_length))
    return _agent_wire_refuse_field (
        self->rules->rows[AGENT_ENVELOPE_CONTENT], NULL, "is of no type of a value", error);

  record->parts.content = _agent_payload_from_bytes (
      _agent_payload_bytes_new (&self->content, self->name, self->name_length, reader_is_foreign (self)));
  return TRUE;
}

/* A text with a 0 in it would be checked, and copied, only up to there. */
static gboolean
content_read_json (Reader             *self,
                   AgentMessageRecord *record,
                   GError            **error)
{
  const AgentWireField *row = self->rules->rows[AGENT_ENVELOPE_JSON];
  const char           *text = self->content.data;
  gsize                 size = self->content.size;

  if (size == 0 || memchr (text, '\0', size) != text + size - 1)
    return reader_refuse (error);

  record->json = text;
  return row->kind->check (row, NULL, text, size - 1, error);
}

/* A GVariant that is read at once must be in normal form, as in the wire form. Returns: (transfer full) (nullable) */
static GVariant *
content_read_variant (const Reader           *self,
                      const AgentPacketSlice *slice,
                      const char             *type,
                      GError                **error)
{
  g_autoptr (GBytes) bytes = _agent_packet_slice_dup_bytes (slice);
  g_autoptr (GVariant) variant = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE (type), bytes, FALSE));

  if (!g_variant_is_normal_form (variant))
    {
      reader_refuse (error);
      return NULL;
    }

  return reader_is_foreign (self) ? g_variant_byteswap (variant) : g_steal_pointer (&variant);
}

static gboolean
content_read_descriptions (Reader             *self,
                           AgentMessageRecord *record,
                           GError            **error)
{
  const AgentWireField *row = self->rules->rows[AGENT_ENVELOPE_CONTENT];
  g_autoptr (GVariant) variant = content_read_variant (self, &self->content, row->kind->type, error);

  return variant != NULL && row->kind->read (row, NULL, variant, &record->parts.content, error);
}

/* --- Frames --- */

static gboolean
frame_check_field (gsize                   offset,
                   const AgentFrameRecord *record,
                   gsize                   length,
                   GError                **error)
{
  const AgentWireField *row = _agent_wire_find_field (&_agent_wire_frame, AGENT_WIRE_PART, offset);

  if (row->kind->check != NULL)
    return row->kind->check (row, "frame", record->kind, length, error);

  return _agent_wire_check_time (row, "frame", record->pts, error);
}

/* Takes what stands before the metadata off the content. */
static gboolean
frame_read_head (Reader           *self,
                 AgentFrameRecord *record,
                 guint32          *metadata_size,
                 guint32          *flags)
{
  guint64 pts = 0;

  if (self->content.size < AGENT_ENVELOPE_FRAME_SIZE)
    return FALSE;

  self->at = self->content.data;
  reader_read_u64 (self, &record->id);
  reader_read_u64 (self, &pts);
  reader_read_u32 (self, metadata_size);
  reader_read_u32 (self, flags);
  record->pts = (gint64) pts;
  self->content.data = self->at;
  self->content.size -= AGENT_ENVELOPE_FRAME_SIZE;

  return TRUE;
}

/* Takes the metadata off the content. */
static gboolean
frame_read_metadata (Reader           *self,
                     AgentFrameRecord *record,
                     gsize             size,
                     gboolean          present,
                     GError          **error)
{
  AgentPacketSlice slice = { self->content.packet, self->content.data, size };
  gsize            padded = (size + 7) & ~(gsize) 7;

  if (padded > self->content.size || (size > 0 && !present))
    return reader_refuse (error);

  self->content.data = (const guint8 *) self->content.data + padded;
  self->content.size -= padded;
  if (present)
    record->metadata = content_read_variant (self, &slice, "a{sv}", error);

  return !present || record->metadata != NULL;
}

static AgentFrame *
frame_make (const Reader           *self,
            const AgentFrameRecord *record,
            gboolean                has_data)
{
  g_autoptr (GBytes) shared = NULL;

  if (has_data && _agent_packet_slice_is_shareable (&self->content))
    {
      shared = _agent_packet_slice_dup_bytes (&self->content);
      return _agent_frame_new_with_id (record->id, record->kind, shared, record->metadata, record->pts);
    }

  return _agent_frame_new_copy_with_id (record->id,
                                        record->kind,
                                        has_data ? self->content.data : NULL,
                                        self->content.size,
                                        record->metadata,
                                        record->pts);
}

static gboolean
content_read_frame (Reader             *self,
                    AgentMessageRecord *message,
                    GError            **error)
{
  AgentFrameRecord record = { .kind = self->name };
  guint32          metadata_size = 0;
  guint32          flags = 0;

  if (!frame_read_head (self, &record, &metadata_size, &flags))
    return reader_refuse (error);
  if (!frame_check_field (G_STRUCT_OFFSET (AgentFrameRecord, kind), &record, self->name_length, error) ||
      !frame_check_field (G_STRUCT_OFFSET (AgentFrameRecord, pts), &record, 0, error) ||
      !frame_read_metadata (self, &record, metadata_size, flags & AGENT_ENVELOPE_FRAME_METADATA, error))
    return FALSE;

  if (self->content.size == 0 || (flags & AGENT_ENVELOPE_FRAME_DATA) != 0)
    message->parts.content = frame_make (self, &record, flags & AGENT_ENVELOPE_FRAME_DATA);
  g_clear_pointer (&record.metadata, g_variant_unref);

  return message->parts.content != NULL || reader_refuse (error);
}

static gboolean
reader_read_content (Reader             *self,
                     AgentMessageRecord *record,
                     GError            **error)
{
  const AgentWireField *row = self->rules->rows[AGENT_ENVELOPE_CONTENT];

  if (!reader_has_content (self))
    return TRUE;
  if ((self->fields & AGENT_ENVELOPE_BIT (JSON)) != 0 && !content_read_json (self, record, error))
    return FALSE;
  if ((self->fields & AGENT_ENVELOPE_BIT (CONTENT)) == 0)
    return TRUE;

  if (row->kind == &_agent_wire_payload)
    return content_read_payload (self, record, error);
  if (row->kind == &_agent_wire_content_frame)
    return content_read_frame (self, record, error);

  return content_read_descriptions (self, record, error);
}

/* Reads the message in the @length bytes of @packet that begin at @offset. Their source is not trusted.
 *
 * Returns: (transfer full) (nullable): a message that was not sent; or NULL with AGENT_BUS_ERROR_INVALID_MESSAGE */
AgentMessage *
_agent_envelope_read (GBytes  *packet,
                      gsize    offset,
                      gsize    length,
                      GError **error)
{
  Reader             reader = { NULL };
  AgentMessageRecord record = { .seq = 0 };

  if (!reader_begin (&reader, packet, offset, length, error) ||
      !reader_read_header (&reader, &record.parts.type, error))
    return NULL;
  if (!reader_read_numbers (&reader, &record))
    {
      reader_refuse (error);
      return NULL;
    }

  record.parts.channel = agent_message_type_get_channel (record.parts.type);
  reader_read_options (&reader, &record);
  if (!reader_read_status (&reader, &record, error) || !reader_read_strings (&reader, &record, error) ||
      !reader_read_end (&reader, error) || !reader_read_content (&reader, &record, error))
    return NULL;

  return _agent_message_record_make (&record, error);
}
