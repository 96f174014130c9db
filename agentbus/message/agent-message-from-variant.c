/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-message.h"
#include "agent-message-private.h"

#include "agent-bus-error.h"
#include "agent-frame-private.h"
#include "agent-info.h"

#include <string.h>

#define WIRE_VERSION 1
#define WIRE_TYPE G_VARIANT_TYPE ("(ysa{sv})")

/* Five strings of this length still fit a message, whose offsets have 32 bits. */
#define STRING_LENGTH_MAX (512 * 1024 * 1024)

typedef struct
{
  const char *name;
  const char *type;
  gboolean    filled; /* whether an empty string is refused */
} FieldSpec;

enum
{
  FIELD_SOURCE,
  FIELD_TARGET,
  FIELD_CHANNEL,
  FIELD_NAME,
  FIELD_SEQ,
  FIELD_SENT_AT,
  FIELD_TTL,
  FIELD_RELIABLE,
  FIELD_ERROR_REPLY,
  FIELD_CAUSE,
  FIELD_TRACE,
  FIELD_TASK_ID,
  FIELD_TASK_NAME,
  FIELD_REASON,
  FIELD_RUNNER,
  FIELD_STATUS,
  FIELD_DIRECTION,
  FIELD_PAYLOAD,
  FIELD_FRAME,
  FIELD_INFO,
  FIELD_INFOS,
  N_FIELDS,
};

enum
{
  FRAME_KIND,
  FRAME_ID,
  FRAME_PTS,
  FRAME_METADATA,
  FRAME_DATA,
  N_FRAME_FIELDS,
};

enum
{
  INFO_NAME,
  INFO_RUNNER,
  INFO_PARENT,
  INFO_ACTIVE,
  INFO_BRIDGED,
  INFO_STARTED_AT,
  N_INFO_FIELDS,
};

/* clang-format off */

static const FieldSpec message_fields[N_FIELDS] = {
  [FIELD_SOURCE]    = { "source",    "s", TRUE },
  [FIELD_TARGET]    = { "target",    "s", TRUE },
  [FIELD_CHANNEL]   = { "channel",   "s" },
  [FIELD_NAME]      = { "name",      "s", TRUE },
  [FIELD_SEQ]       = { "seq",       "t" },
  [FIELD_SENT_AT]   = { "sent-at",   "x" },
  [FIELD_TTL]       = { "ttl",       "u" },
  [FIELD_RELIABLE]  = { "reliable",  "b" },
  [FIELD_ERROR_REPLY] = { "error-reply", "b" },
  [FIELD_CAUSE]     = { "cause",     "t" },
  [FIELD_TRACE]     = { "trace",     "s" },
  [FIELD_TASK_ID]   = { "task-id",   "s", TRUE },
  [FIELD_TASK_NAME] = { "task-name", "s" },
  [FIELD_REASON]    = { "reason",    "s" },
  [FIELD_RUNNER]    = { "runner",    "s" },
  [FIELD_STATUS]    = { "status",    "s" },
  [FIELD_DIRECTION] = { "direction", "s" },
  [FIELD_PAYLOAD]   = { "payload",   "v" },
  [FIELD_FRAME]     = { "frame",     "a{sv}" },
  [FIELD_INFO]      = { "info",      "a{sv}" },
  [FIELD_INFOS]     = { "infos",     "aa{sv}" },
};

static const FieldSpec frame_fields[N_FRAME_FIELDS] = {
  [FRAME_KIND]     = { "kind",     "s", TRUE },
  [FRAME_ID]       = { "id",       "t" },
  [FRAME_PTS]      = { "pts",      "x" },
  [FRAME_METADATA] = { "metadata", "a{sv}" },
  [FRAME_DATA]     = { "data",     "ay" },
};

static const FieldSpec info_fields[N_INFO_FIELDS] = {
  [INFO_NAME]       = { "name",       "s", TRUE },
  [INFO_RUNNER]     = { "runner",     "s" },
  [INFO_PARENT]     = { "parent",     "s" },
  [INFO_ACTIVE]     = { "active",     "b" },
  [INFO_BRIDGED]    = { "bridged",    "b" },
  [INFO_STARTED_AT] = { "started-at", "x" },
};

#define F(NAME) (1u << FIELD_##NAME)
#define COMMON  (F (SOURCE) | F (TARGET) | F (SEQ) | F (SENT_AT) | F (TTL) | F (RELIABLE) | F (CAUSE) | F (TRACE))
#define TASK    F (SOURCE) | F (TASK_ID)
#define ROUTED  { F (SOURCE) | F (TARGET), COMMON | F (PAYLOAD) }

static const struct
{
  guint32 required;
  guint32 allowed; /* the required ones need not be repeated */
} type_rules[] = {
  [AGENT_MESSAGE_TYPE_FRAME]                   = { F (SOURCE) | F (FRAME), COMMON | F (DIRECTION) },
  [AGENT_MESSAGE_TYPE_ACTIVATE]                = { F (SOURCE), COMMON | F (PAYLOAD) },
  [AGENT_MESSAGE_TYPE_DEACTIVATE]              = { F (SOURCE), COMMON },
  [AGENT_MESSAGE_TYPE_END]                     = { F (SOURCE), COMMON | F (REASON) },
  [AGENT_MESSAGE_TYPE_CANCEL]                  = { F (SOURCE), COMMON | F (REASON) },
  [AGENT_MESSAGE_TYPE_AGENT_READY]             = { F (SOURCE) | F (INFO), COMMON & ~F (TARGET) },
  [AGENT_MESSAGE_TYPE_AGENT_REGISTRY]          = { F (SOURCE) | F (RUNNER) | F (INFOS), COMMON },
  [AGENT_MESSAGE_TYPE_AGENT_ERROR]             = { F (SOURCE) | F (REASON), COMMON },
  [AGENT_MESSAGE_TYPE_TASK_REQUEST]            = { TASK, COMMON | F (TASK_NAME) | F (PAYLOAD) },
  [AGENT_MESSAGE_TYPE_TASK_RESPONSE]           = { TASK, COMMON | F (STATUS) | F (PAYLOAD) },
  [AGENT_MESSAGE_TYPE_TASK_RESPONSE_URGENT]    = { TASK, COMMON | F (STATUS) | F (PAYLOAD) },
  [AGENT_MESSAGE_TYPE_TASK_UPDATE]             = { TASK, COMMON | F (PAYLOAD) },
  [AGENT_MESSAGE_TYPE_TASK_UPDATE_URGENT]      = { TASK, COMMON | F (PAYLOAD) },
  [AGENT_MESSAGE_TYPE_TASK_UPDATE_REQUEST]     = { TASK, COMMON },
  [AGENT_MESSAGE_TYPE_TASK_CANCEL]             = { TASK, COMMON | F (REASON) },
  [AGENT_MESSAGE_TYPE_TASK_STREAM_START]       = { TASK, COMMON | F (PAYLOAD) },
  [AGENT_MESSAGE_TYPE_TASK_STREAM_DATA]        = { TASK, COMMON | F (PAYLOAD) },
  [AGENT_MESSAGE_TYPE_TASK_STREAM_END]         = { TASK, COMMON | F (PAYLOAD) },
  [AGENT_MESSAGE_TYPE_REQUEST_INFERENCE]       = ROUTED,
  [AGENT_MESSAGE_TYPE_REQUEST_INFERENCE_BATCH] = ROUTED,
  [AGENT_MESSAGE_TYPE_FLAG_LAST_INFERENCE]     = ROUTED,
  [AGENT_MESSAGE_TYPE_MODEL_HANDSHAKE]         = ROUTED,
  [AGENT_MESSAGE_TYPE_MODEL_VERSION]           = ROUTED,
  [AGENT_MESSAGE_TYPE_MODEL_UPDATE]            = ROUTED,
  [AGENT_MESSAGE_TYPE_SEND_TRAJECTORY]         = ROUTED,
  [AGENT_MESSAGE_TYPE_SHUTDOWN]                = ROUTED,
  [AGENT_MESSAGE_TYPE_CUSTOM]                  = { F (SOURCE) | F (NAME), COMMON | F (CHANNEL) | F (PAYLOAD) },
};

/* clang-format on */

/* The values of the fields that are known, in the order of a table of specifications. */
typedef struct
{
  const FieldSpec *specs;
  const char      *where; /* what the fields' names begin with in an error */
  guint            n_specs;
  GVariant        *values[N_FIELDS]; /* (owned) (nullable) */
} Fields;

static void
fields_clear (Fields *self)
{
  for (guint i = 0; i < self->n_specs; i++)
    g_clear_pointer (&self->values[i], g_variant_unref);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Fields, fields_clear)

static gboolean G_GNUC_PRINTF (2, 3) refuse (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  if (error != NULL)
    *error = g_error_new_valist (AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_MESSAGE, format, args);
  va_end (args);

  return FALSE;
}

static gboolean
refuse_field (const Fields *fields,
              guint         field,
              const char   *problem,
              GError      **error)
{
  return refuse (error, "Field “%s%s” %s", fields->where, fields->specs[field].name, problem);
}

static gboolean
fields_find (const Fields *self,
             const char   *name,
             guint        *field)
{
  for (guint i = 0; i < self->n_specs; i++)
    {
      if (strcmp (self->specs[i].name, name) == 0)
        {
          *field = i;
          return TRUE;
        }
    }

  return FALSE;
}

static gboolean
fields_take (Fields   *self,
             guint     field,
             GVariant *boxed,
             GError  **error)
{
  const FieldSpec *spec = &self->specs[field];
  g_autoptr (GVariant) value = g_variant_get_variant (boxed);

  if (self->values[field] != NULL)
    return refuse_field (self, field, "is there twice", error);

  if (!g_variant_is_of_type (value, G_VARIANT_TYPE (spec->type)))
    return refuse (error, "Field “%s%s” is not of type “%s”", self->where, spec->name, spec->type);

  if (spec->type[0] == 's')
    {
      gsize length;

      if (*g_variant_get_string (value, &length) == '\0' && spec->filled)
        return refuse_field (self, field, "is empty", error);
      if (length > STRING_LENGTH_MAX)
        return refuse_field (self, field, "is too long", error);
    }

  self->values[field] = g_steal_pointer (&value);

  return TRUE;
}

/* Fields that are not known are passed over, so that a later version can add some. */
static gboolean
fields_read (Fields   *self,
             GVariant *dict,
             GError  **error)
{
  gsize n_entries = g_variant_n_children (dict);

  for (gsize i = 0; i < n_entries; i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (dict, i);
      g_autoptr (GVariant) key = g_variant_get_child_value (entry, 0);
      g_autoptr (GVariant) boxed = g_variant_get_child_value (entry, 1);
      guint field;

      if (fields_find (self, g_variant_get_string (key, NULL), &field) &&
          !fields_take (self, field, boxed, error))
        return FALSE;
    }

  return TRUE;
}

static const char *
fields_get_string (const Fields *self,
                   guint         field)
{
  return self->values[field] != NULL ? g_variant_get_string (self->values[field], NULL) : NULL;
}

static guint64
fields_get_uint64 (const Fields *self,
                   guint         field)
{
  return self->values[field] != NULL ? g_variant_get_uint64 (self->values[field]) : 0;
}

static gboolean
fields_get_boolean (const Fields *self,
                    guint         field)
{
  return self->values[field] != NULL && g_variant_get_boolean (self->values[field]);
}

/* None of the times may be less than its default. */
static gboolean
fields_read_time (
    const Fields *self, guint field, gint64 default_value, gint64 *time, GError **error)
{
  *time = default_value;

  if (self->values[field] == NULL)
    return TRUE;

  *time = g_variant_get_int64 (self->values[field]);

  return *time >= default_value || refuse_field (self, field, "is negative", error);
}

static gboolean
fields_read_enum (const Fields *self,
                  guint         field,
                  GType         type,
                  int          *value,
                  GError      **error)
{
  g_autoptr (GEnumClass) enum_class = g_type_class_ref (type);
  const char *nick = fields_get_string (self, field);
  GEnumValue *found;

  if (nick == NULL)
    return TRUE;

  found = g_enum_get_value_by_nick (enum_class, nick);
  if (found == NULL)
    return refuse_field (self, field, "has a value that is not known", error);

  *value = found->value;

  return TRUE;
}

static AgentFrame *
read_frame (GVariant *dict,
            GError  **error)
{
  g_auto (Fields) fields = { frame_fields, "frame.", N_FRAME_FIELDS };
  g_autoptr (GBytes) data = NULL;
  gint64 pts;

  if (!fields_read (&fields, dict, error) ||
      !fields_read_time (&fields, FRAME_PTS, -1, &pts, error))
    return NULL;

  if (fields.values[FRAME_KIND] == NULL)
    {
      refuse_field (&fields, FRAME_KIND, "is missing", error);
      return NULL;
    }

  if (fields.values[FRAME_DATA] != NULL)
    data = g_variant_get_data_as_bytes (fields.values[FRAME_DATA]);

  return _agent_frame_new_with_id (fields_get_uint64 (&fields, FRAME_ID),
                                   fields_get_string (&fields, FRAME_KIND),
                                   data,
                                   fields.values[FRAME_METADATA],
                                   pts);
}

static AgentInfo *
read_info (GVariant   *dict,
           const char *where,
           GError    **error)
{
  g_auto (Fields) fields = { info_fields, where, N_INFO_FIELDS };
  gint64 started_at;

  if (!fields_read (&fields, dict, error) ||
      !fields_read_time (&fields, INFO_STARTED_AT, 0, &started_at, error))
    return NULL;

  for (guint field = INFO_NAME; field <= INFO_RUNNER; field++)
    {
      if (fields.values[field] == NULL)
        {
          refuse_field (&fields, field, "is missing", error);
          return NULL;
        }
    }

  return agent_info_new (fields_get_string (&fields, INFO_NAME),
                         fields_get_string (&fields, INFO_RUNNER),
                         fields_get_string (&fields, INFO_PARENT),
                         fields_get_boolean (&fields, INFO_ACTIVE),
                         fields_get_boolean (&fields, INFO_BRIDGED),
                         started_at);
}

static GPtrArray *
read_infos (GVariant *array,
            GError  **error)
{
  g_autoptr (GPtrArray) infos = g_ptr_array_new_with_free_func ((GDestroyNotify) agent_info_unref);
  gsize n_infos = g_variant_n_children (array);

  for (gsize i = 0; i < n_infos; i++)
    {
      g_autoptr (GVariant) dict = g_variant_get_child_value (array, i);
      AgentInfo *info = read_info (dict, "infos.", error);

      if (info == NULL)
        return NULL;

      g_ptr_array_add (infos, info);
    }

  return g_steal_pointer (&infos);
}

/* The content is %NULL for a type that has none, and for an error. */
static gboolean
read_content (const Fields      *fields,
              AgentMessageParts *parts,
              GError           **error)
{
  if (parts->type == AGENT_MESSAGE_TYPE_FRAME)
    parts->content = read_frame (fields->values[FIELD_FRAME], error);
  else if (parts->type == AGENT_MESSAGE_TYPE_AGENT_READY)
    parts->content = read_info (fields->values[FIELD_INFO], "info.", error);
  else if (parts->type == AGENT_MESSAGE_TYPE_AGENT_REGISTRY)
    parts->content = read_infos (fields->values[FIELD_INFOS], error);
  else
    {
      if (fields->values[FIELD_PAYLOAD] != NULL)
        parts->content = g_variant_get_variant (fields->values[FIELD_PAYLOAD]);
      return TRUE;
    }

  return parts->content != NULL;
}

static gboolean
check_fields (const Fields    *fields,
              AgentMessageType type,
              GError         **error)
{
  guint32 required = type_rules[type].required;
  guint32 allowed = type_rules[type].allowed | required;

  for (guint field = 0; field < N_FIELDS; field++)
    {
      gboolean present = fields->values[field] != NULL;

      if (present && (allowed & (1u << field)) == 0)
        return refuse_field (fields, field, "does not belong to this type of message", error);
      if (!present && (required & (1u << field)) != 0)
        return refuse_field (fields, field, "is missing", error);
    }

  return TRUE;
}

static const char *
read_label (const Fields    *fields,
            AgentMessageType type)
{
  if (type == AGENT_MESSAGE_TYPE_CUSTOM)
    return fields_get_string (fields, FIELD_NAME);
  if (type == AGENT_MESSAGE_TYPE_AGENT_REGISTRY)
    return fields_get_string (fields, FIELD_RUNNER);

  return fields_get_string (fields, FIELD_TASK_NAME);
}

static gboolean
read_parts (const Fields      *fields,
            AgentMessageParts *parts,
            GError           **error)
{
  int channel = agent_message_type_get_channel (parts->type);
  int status = AGENT_TASK_STATUS_PENDING;
  int direction = AGENT_FRAME_DIRECTION_DOWNSTREAM;

  if (!fields_read_enum (fields, FIELD_CHANNEL, AGENT_TYPE_CHANNEL, &channel, error) ||
      !fields_read_enum (fields, FIELD_STATUS, AGENT_TYPE_TASK_STATUS, &status, error) ||
      !fields_read_enum (fields, FIELD_DIRECTION, AGENT_TYPE_FRAME_DIRECTION, &direction, error))
    return FALSE;

  parts->channel = channel;
  parts->status = status;
  parts->direction = direction;
  parts->source = fields_get_string (fields, FIELD_SOURCE);
  parts->target = fields_get_string (fields, FIELD_TARGET);
  parts->label = read_label (fields, parts->type);
  parts->task_id = fields_get_string (fields, FIELD_TASK_ID);
  parts->reason = fields_get_string (fields, FIELD_REASON);

  if (parts->type == AGENT_MESSAGE_TYPE_CUSTOM && _agent_message_is_builtin_name (parts->label))
    return refuse_field (fields, FIELD_NAME, "is the name of a built-in type", error);

  return TRUE;
}

/* An agent announces itself: nobody may speak for another one. */
static gboolean
check_ready (AgentMessage *message,
             const Fields *fields,
             GError      **error)
{
  if (message->type != AGENT_MESSAGE_TYPE_AGENT_READY)
    return TRUE;

  if (strcmp (agent_message_get_source (message), agent_info_get_name (message->content)) != 0)
    return refuse_field (fields, FIELD_SOURCE, "is not the agent in “info”", error);

  return TRUE;
}

static AgentMessage *
read_message (const Fields    *fields,
              AgentMessageType type,
              GError         **error)
{
  g_autoptr (AgentMessage) message = NULL;
  AgentMessageParts parts = { .type = type };
  gint64            sent_at;

  if (!check_fields (fields, type, error) || !read_parts (fields, &parts, error) ||
      !fields_read_time (fields, FIELD_SENT_AT, 0, &sent_at, error) ||
      !read_content (fields, &parts, error))
    return NULL;

  message = _agent_message_new_from_parts (&parts);
  message->seq = fields_get_uint64 (fields, FIELD_SEQ);
  message->sent_at = sent_at;
  message->cause = fields_get_uint64 (fields, FIELD_CAUSE);
  message->reliable = fields_get_boolean (fields, FIELD_RELIABLE);
  message->error_reply = fields_get_boolean (fields, FIELD_ERROR_REPLY);
  message->trace = g_strdup (fields_get_string (fields, FIELD_TRACE));
  if (fields->values[FIELD_TTL] != NULL)
    message->ttl = g_variant_get_uint32 (fields->values[FIELD_TTL]);

  if (!check_ready (message, fields, error))
    return NULL;

  return g_steal_pointer (&message);
}

/* Everything that can be wrong with the form itself, before a field is looked at. */
static gboolean
check_form (GVariant *variant,
            GError  **error)
{
  guint8 version;

  if (!g_variant_is_of_type (variant, WIRE_TYPE))
    return refuse (
        error, "A message on the wire is not of type “%.40s”", g_variant_get_type_string (variant));
  if (!g_variant_is_normal_form (variant))
    return refuse (error, "The wire form is damaged");

  g_variant_get_child (variant, 0, "y", &version);
  if (version != WIRE_VERSION)
    return refuse (error, "Version %u of the wire form is not known", version);

  return TRUE;
}

static gboolean
read_type (GVariant         *variant,
           AgentMessageType *type,
           GError          **error)
{
  g_autoptr (GEnumClass) enum_class = g_type_class_ref (AGENT_TYPE_MESSAGE_TYPE);
  g_autoptr (GVariant) nick = g_variant_get_child_value (variant, 1);
  GEnumValue *found = g_enum_get_value_by_nick (enum_class, g_variant_get_string (nick, NULL));

  if (found == NULL)
    return refuse (error, "The type of the message is not known");

  *type = found->value;

  return TRUE;
}

/**
 * agent_message_new_from_variant:
 * @variant: (transfer none): A wire form; a floating reference is sunk.
 * @error: Return location for an error, or %NULL.
 *
 * Creates a message from its wire form; see [method@AgentBus.Message.to_variant].
 *
 * Whatever the wire form holds, also damaged bytes, this gives a sound message or an error. Fields
 * that are not known are passed over.
 *
 * The sequence number and the time of sending are those of the other side. The new message still
 * counts as not sent: a bus gives it its own when it is sent on.
 *
 * The payload and the data of a frame stay part of @variant and are not copied, so the message
 * keeps all of its memory.
 *
 * ```c
 * g_autoptr (AgentMessage) message =
 *   agent_message_new_cancel ("ui", "worker", "enough");
 * g_autoptr (GVariant) wire_form = agent_message_to_variant (message);
 * g_autoptr (AgentMessage) copy =
 *   agent_message_new_from_variant (wire_form, &error);
 *
 * if (copy != NULL)
 *   g_print ("%s\n", agent_message_get_reason (copy)); // prints: enough
 * ```
 *
 * Returns: (transfer full): a new message, or %NULL with `AGENT_BUS_ERROR_INVALID_MESSAGE`
 *
 * Since: 0.1
 */
AgentMessage *
agent_message_new_from_variant (GVariant *variant,
                                GError  **error)
{
  g_autoptr (GVariant) owned = NULL;
  g_autoptr (GVariant) dict = NULL;
  g_auto (Fields) fields = { message_fields, "", N_FIELDS };
  AgentMessageType type = AGENT_MESSAGE_TYPE_CUSTOM;

  g_return_val_if_fail (variant != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  owned = g_variant_ref_sink (variant);
  if (!check_form (owned, error) || !read_type (owned, &type, error))
    return NULL;

  dict = g_variant_get_child_value (owned, 2);
  if (!fields_read (&fields, dict, error))
    return NULL;

  return read_message (&fields, type, error);
}
