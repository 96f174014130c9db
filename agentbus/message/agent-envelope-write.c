/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-envelope-private.h"

#include "base/agent-clock-private.h"
#include "message/agent-frame.h"
#include "message/agent-payload-bytes-private.h"
#include "message/agent-payload-text-private.h"
#include "message/agent-wire-private.h"

#include <string.h>

#define N_STRINGS_MAX (AGENT_ENVELOPE_CONVERSATION + 2)
#define ALIGN(SIZE) (((SIZE) + 7) & ~(gsize) 7)
#define FORM_OF_THIS_MACHINE (G_BYTE_ORDER == G_BIG_ENDIAN ? (guint32) AGENT_ENVELOPE_FORM_BIG_ENDIAN : 0)

/* What will be written. All of it belongs to the message, but for @made. */
typedef struct
{
  guint32       fields;
  guint         ttl;
  const char   *strings[N_STRINGS_MAX];
  gsize         sizes[N_STRINGS_MAX]; /* with the final 0 */
  guint         n_strings;
  gsize         length;   /* up to the padding */
  AgentFrame   *frame;    /* (nullable) */
  gconstpointer metadata; /* (nullable) */
  gsize         metadata_size;
  gconstpointer data; /* (nullable) */
  gsize         data_size;
  GVariant     *made; /* (owned) (nullable) */
} Draft;

static inline void
draft_add_name (Draft      *self,
                const char *name,
                gsize       size)
{
  self->strings[self->n_strings] = name;
  self->sizes[self->n_strings++] = size;
  self->length += size;
}

static inline void
draft_add_string (Draft             *self,
                  AgentEnvelopeField field,
                  const char        *string)
{
  if (string == NULL)
    return;

  self->fields |= 1u << field;
  draft_add_name (self, string, strlen (string) + 1);
}

static inline void
draft_add_number (Draft             *self,
                  AgentEnvelopeField field,
                  gboolean           present,
                  gsize              size)
{
  if (!present)
    return;

  self->fields |= 1u << field;
  self->length += size;
}

/* --- The fields --- */

/* The rest is never 0, which would mean that the message never expires. FALSE: nothing is left. */
static gboolean
draft_set_ttl (Draft        *self,
               AgentMessage *message,
               guint         ttl,
               GError      **error)
{
  gint64 now;

  if (ttl == 0)
    return TRUE;

  self->ttl = ttl;
  draft_add_number (self, AGENT_ENVELOPE_TTL, TRUE, sizeof (guint32));
  if (!g_atomic_int_get (&message->sent))
    return TRUE;

  now = _agent_clock_now ();
  if (now - message->sent_at >= ttl * G_GINT64_CONSTANT (1000))
    {
      g_set_error_literal (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT, "it has expired before it was sent to the other node");
      return FALSE;
    }

  if (now > message->sent_at)
    self->ttl = ttl - (guint) ((now - message->sent_at) / 1000);
  return TRUE;
}

static inline void
draft_set_options (Draft              *self,
                   AgentMessage       *message,
                   AgentMessageOptions options)
{
  draft_add_number (self, AGENT_ENVELOPE_RELIABLE, options.reliable, 0);
  draft_add_number (self, AGENT_ENVELOPE_ERROR_REPLY, options.error_reply & AGENT_ERROR_REPLY_ERROR, 0);
  draft_add_number (self, AGENT_ENVELOPE_REQUEST, options.error_reply & AGENT_ERROR_REPLY_TASK, 0);
  draft_add_number (self, AGENT_ENVELOPE_RETAINED, message->retained, 0);
  draft_add_number (self, AGENT_ENVELOPE_DIRECTION, message->direction == AGENT_FRAME_DIRECTION_UPSTREAM, 0);
  draft_add_number (self, AGENT_ENVELOPE_STATUS, message->status != 0, 0);
  draft_add_number (self, AGENT_ENVELOPE_CAUSE, message->cause != 0, sizeof (guint64));
  draft_add_number (self,
                    AGENT_ENVELOPE_CHANNEL,
                    message->type == AGENT_MESSAGE_TYPE_CUSTOM && message->channel == AGENT_CHANNEL_SYSTEM,
                    0);
}

static inline void
draft_set_strings (Draft        *self,
                   AgentMessage *message,
                   const char   *source)
{
  const char *own = _agent_message_string (message, message->source);

  draft_add_string (self, AGENT_ENVELOPE_SOURCE, source != NULL ? source : own);
  draft_add_string (self, AGENT_ENVELOPE_TARGET, _agent_message_string (message, message->target));
  draft_add_string (self, AGENT_ENVELOPE_LABEL, _agent_message_string (message, message->label));
  draft_add_string (self, AGENT_ENVELOPE_TASK_ID, _agent_message_string (message, message->task_id));
  draft_add_string (self, AGENT_ENVELOPE_REASON, _agent_message_string (message, message->reason));
  draft_add_string (self, AGENT_ENVELOPE_TRACE, message->trace);
  draft_add_string (self, AGENT_ENVELOPE_TOPIC, message->topic);
  if (G_LIKELY (message->epoch == NULL))
    return;

  draft_add_string (
      self, AGENT_ENVELOPE_CONVERSATION, agent_conversation_get_id (message->epoch->conversation));
  self->length += sizeof (guint64);
}

/* --- The content --- */

static inline void
draft_set_data (Draft        *self,
                gconstpointer data,
                gsize         size)
{
  self->data = data;
  self->data_size = size;
}

/* g_variant_get_data() may have to make the bytes, and knows their size then. */
static void
draft_set_variant (Draft    *self,
                   GVariant *variant)
{
  gconstpointer data = g_variant_get_data (variant);

  self->fields |= FORM_OF_THIS_MACHINE;
  draft_set_data (self, data, g_variant_get_size (variant));
}

/* The bytes are those that came in. */
static void
draft_set_bytes (Draft             *self,
                 AgentPayloadBytes *bytes)
{
  self->fields |= FORM_OF_THIS_MACHINE ^ (bytes->is_foreign ? AGENT_ENVELOPE_FORM_BIG_ENDIAN : 0);
  draft_set_data (self, bytes->data, bytes->size);
  draft_add_name (self, _agent_payload_bytes_get_type (bytes), bytes->type_size);
}

static void
draft_set_json (Draft            *self,
                AgentPayloadText *text)
{
  self->fields ^= AGENT_ENVELOPE_BIT (CONTENT) | AGENT_ENVELOPE_BIT (JSON);
  draft_set_data (self, text->text, text->length + 1);
}

/* A payload travels in the form that the application gave it. */
static void
draft_set_payload (Draft   *self,
                   gpointer content)
{
  GVariant   *variant = content;
  const char *type;

  if (_agent_payload_is_text (content))
    {
      AgentPayloadText *text = _agent_payload_to_text (content);

      if (text->given)
        {
          draft_set_json (self, text);
          return;
        }
      variant = text->variant;
    }
  else if (_agent_payload_is_bytes (content))
    {
      draft_set_bytes (self, _agent_payload_to_bytes (content));
      return;
    }

  type = g_variant_get_type_string (variant);
  draft_add_name (self, type, strlen (type) + 1);
  draft_set_variant (self, variant);
}

static void
draft_set_frame (Draft      *self,
                 AgentFrame *frame)
{
  GVariant   *metadata = agent_frame_get_metadata (frame);
  const char *kind = agent_frame_get_kind (frame);

  self->frame = frame;
  draft_add_name (self, kind, strlen (kind) + 1);
  if (metadata != NULL)
    {
      draft_set_variant (self, metadata);
      self->metadata = self->data;
      self->metadata_size = self->data_size;
    }
  self->data = agent_frame_get_contents (frame, &self->data_size);
}

/* Agents seldom describe themselves, so their descriptions travel as in the wire form. */
static void
draft_set_descriptions (Draft               *self,
                        const AgentWireKind *kind,
                        gpointer             content)
{
  self->made = g_variant_take_ref (kind->write (NULL, &content));
  draft_set_variant (self, self->made);
}

static void
draft_set_content (Draft        *self,
                   AgentMessage *message)
{
  gpointer content = g_atomic_pointer_get (&message->content);

  if (content == NULL)
    return;

  draft_add_number (self, AGENT_ENVELOPE_CONTENT, TRUE, sizeof (guint32));
  if (message->type == AGENT_MESSAGE_TYPE_FRAME)
    draft_set_frame (self, content);
  else if (message->type == AGENT_MESSAGE_TYPE_AGENT_READY)
    draft_set_descriptions (self, &_agent_wire_content_info, content);
  else if (message->type == AGENT_MESSAGE_TYPE_AGENT_REGISTRY)
    draft_set_descriptions (self, &_agent_wire_content_infos, content);
  else
    draft_set_payload (self, content);
}

static gsize
draft_measure_content (const Draft *self)
{
  if (self->frame == NULL)
    return self->data_size;

  return AGENT_ENVELOPE_FRAME_SIZE + ALIGN (self->metadata_size) + self->data_size;
}

/* --- Writing --- */

static inline guint8 *
envelope_put (guint8       *at,
              gconstpointer data,
              gsize         size)
{
  return (guint8 *) memcpy (at, data, size) + size;
}

static inline guint8 *
envelope_put_u32 (guint8 *at,
                  guint32 number)
{
  number = GUINT32_TO_LE (number);

  return envelope_put (at, &number, sizeof number);
}

static inline guint8 *
envelope_put_u64 (guint8 *at,
                  guint64 number)
{
  number = GUINT64_TO_LE (number);

  return envelope_put (at, &number, sizeof number);
}

static inline guint8 *
envelope_put_zeros (guint8 *at,
                    gsize   n)
{
  return (guint8 *) memset (at, 0, n) + n;
}

static inline guint8 *
envelope_put_header (guint8       *at,
                     const Draft  *draft,
                     AgentMessage *message,
                     gsize         padding)
{
  *at++ = AGENT_ENVELOPE_MAJOR << 4 | AGENT_ENVELOPE_MINOR;
  *at++ = message->type;
  *at++ = message->status;
  *at++ = (guint8) padding;

  return envelope_put_u32 (at, draft->fields);
}

static inline guint8 *
envelope_put_numbers (guint8       *at,
                      const Draft  *draft,
                      AgentMessage *message,
                      gsize         content_size)
{
  if (draft->fields & AGENT_ENVELOPE_BIT (TTL))
    at = envelope_put_u32 (at, draft->ttl);
  if (draft->fields & AGENT_ENVELOPE_BIT (CAUSE))
    at = envelope_put_u64 (at, message->cause);
  if (draft->fields & AGENT_ENVELOPE_BIT (CONVERSATION))
    at = envelope_put_u64 (at, message->epoch->number);
  if (draft->fields & (AGENT_ENVELOPE_BIT (CONTENT) | AGENT_ENVELOPE_BIT (JSON)))
    at = envelope_put_u32 (at, (guint32) content_size);

  return at;
}

static guint8 *
envelope_put_frame (guint8      *at,
                    const Draft *draft)
{
  gboolean has_metadata = agent_frame_get_metadata (draft->frame) != NULL;
  gboolean has_data = draft->data_size > 0 || agent_frame_get_data (draft->frame) != NULL;

  at = envelope_put_u64 (at, agent_frame_get_id (draft->frame));
  at = envelope_put_u64 (at, (guint64) agent_frame_get_pts (draft->frame));
  at = envelope_put_u32 (at, (guint32) draft->metadata_size);
  at = envelope_put_u32 (at,
                         (has_metadata ? AGENT_ENVELOPE_FRAME_METADATA : 0) | (has_data ? AGENT_ENVELOPE_FRAME_DATA : 0));
  if (draft->metadata_size > 0)
    at = envelope_put (at, draft->metadata, draft->metadata_size);

  return envelope_put_zeros (at, ALIGN (draft->metadata_size) - draft->metadata_size);
}

static void
envelope_put_all (guint8       *at,
                  const Draft  *draft,
                  AgentMessage *message,
                  gsize         padding,
                  gsize         content_size)
{
  at = envelope_put_header (at, draft, message, padding);
  at = envelope_put_numbers (at, draft, message, content_size);
  for (guint i = 0; i < draft->n_strings; i++)
    at = envelope_put (at, draft->strings[i], draft->sizes[i]);
  at = envelope_put_zeros (at, padding);
  if (draft->frame != NULL)
    at = envelope_put_frame (at, draft);
  if (draft->data_size > 0)
    envelope_put (at, draft->data, draft->data_size);
}

/* FALSE: the envelope would be too long. */
static gboolean
envelope_write (const Draft  *draft,
                GByteArray   *packet,
                AgentMessage *message,
                GError      **error)
{
  gsize content_size = draft_measure_content (draft);
  gsize start = packet->len;
  gsize padding = draft->fields & AGENT_ENVELOPE_BIT (CONTENT) ? -(start + draft->length) & 7 : 0;
  gsize size = draft->length + padding + content_size;

  if (size > AGENT_ENVELOPE_SIZE_MAX || size > G_MAXUINT / 2 - start)
    {
      g_set_error_literal (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_MESSAGE, "it is larger than what any transport carries");
      return FALSE;
    }

  g_byte_array_set_size (packet, (guint) (start + size));
  envelope_put_all (packet->data + start, draft, message, padding, content_size);
  return TRUE;
}

/* Appends @message to @packet. @source: (nullable): instead of the source of the message.
 *
 * A message that was sent has less to live now. FALSE: nothing was appended. Then the error is TIMED_OUT if the message has no time
 * left, and INVALID_MESSAGE if it is longer than any engine carries; its text says what is with "it". */
gboolean
_agent_envelope_append (GByteArray   *packet,
                        AgentMessage *message,
                        const char   *source,
                        GError      **error)
{
  AgentMessageOptions options = _agent_message_get_options (message);
  Draft               draft = { .length = AGENT_ENVELOPE_HEADER_SIZE };
  gboolean            written;

  if (!draft_set_ttl (&draft, message, options.ttl, error))
    return FALSE;

  draft_set_options (&draft, message, options);
  draft_set_strings (&draft, message, source);
  draft_set_content (&draft, message);
  written = envelope_write (&draft, packet, message, error);
  g_clear_pointer (&draft.made, g_variant_unref);

  return written;
}
