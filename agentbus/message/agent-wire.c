/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-topic-private.h"
#include "message/agent-wire-private.h"

#include "agent-bus-error.h"
#include "agent-enums-private.h"
#include "base/agent-utf8-private.h"

/* A message finds its strings by offsets of 32 bits, and five strings of this length still fit. */
#define STRING_LENGTH_MAX (512 * 1024 * 1024)

void
_agent_wire_values_clear (AgentWireValues *self)
{
  for (guint i = 0; i < AGENT_WIRE_N_FIELDS_MAX; i++)
    g_clear_pointer (&self->of_field[i], g_variant_unref);
}

/* Sets @error and returns FALSE. */
gboolean
_agent_wire_refuse (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  if (error != NULL)
    *error = g_error_new_valist (AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_MESSAGE, format, args);
  va_end (args);

  return FALSE;
}

gboolean
_agent_wire_refuse_field (const AgentWireField *field,
                          const char           *where,
                          const char           *problem,
                          GError              **error)
{
  return _agent_wire_refuse (error,
                             "Field “%s%s%s” %s",
                             where != NULL ? where : "",
                             where != NULL ? "." : "",
                             field->key,
                             problem);
}

GVariant *
_agent_wire_write (const AgentWireTable *table,
                   guint32               type,
                   gconstpointer         record)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  for (guint i = 0; i < table->n_fields; i++)
    {
      const AgentWireField *field = &table->fields[i];
      g_autoptr (GVariant) value = NULL;

      if (((field->required | field->optional) & type) != 0)
        value = field->kind->write (field, (const guint8 *) record + field->offset);
      if (value != NULL)
        g_variant_builder_add (&builder, "{sv}", field->key, g_variant_take_ref (value));
    }

  return g_variant_builder_end (&builder);
}

/* The row of the field that has its value at @offset of the record, for messages of @type, which is one bit. Returns: (nullable) */
const AgentWireField *
_agent_wire_find_field (const AgentWireTable *table,
                        guint32               type,
                        gsize                 offset)
{
  for (guint i = 0; i < table->n_fields; i++)
    {
      const AgentWireField *field = &table->fields[i];

      if (field->offset == offset && ((field->required | field->optional) & type) != 0)
        return field;
    }

  return NULL;
}

static gboolean
wire_find_key (const AgentWireTable *table,
               const char           *key,
               guint                *i)
{
  for (*i = 0; *i < table->n_fields; ++*i)
    if (strcmp (table->fields[*i].key, key) == 0)
      return TRUE;

  return FALSE;
}

static gboolean
wire_check_type (const AgentWireField *field,
                 const char           *where,
                 GVariant             *value,
                 GError              **error)
{
  g_autofree char *problem = NULL;

  if (g_variant_is_of_type (value, G_VARIANT_TYPE (field->kind->type)))
    return TRUE;

  problem = g_strdup_printf ("is not of type “%s”", field->kind->type);

  return _agent_wire_refuse_field (field, where, problem, error);
}

/* Unknown fields are ignored, so that a later version can add fields. */
static gboolean
wire_take_value (const AgentWireTable *table,
                 const char           *where,
                 GVariant             *entry,
                 AgentWireValues      *values,
                 GError              **error)
{
  g_autoptr (GVariant) key = g_variant_get_child_value (entry, 0);
  g_autoptr (GVariant) boxed = g_variant_get_child_value (entry, 1);
  g_autoptr (GVariant) value = g_variant_get_variant (boxed);
  guint i;

  if (!wire_find_key (table, g_variant_get_string (key, NULL), &i))
    return TRUE;
  if (values->of_field[i] != NULL)
    return _agent_wire_refuse_field (&table->fields[i], where, "is there twice", error);
  if (!wire_check_type (&table->fields[i], where, value, error))
    return FALSE;

  values->of_field[i] = g_steal_pointer (&value);

  return TRUE;
}

static gboolean
wire_take_values (const AgentWireTable *table,
                  const char           *where,
                  GVariant             *dict,
                  AgentWireValues      *values,
                  GError              **error)
{
  gsize n_entries = g_variant_n_children (dict);

  for (gsize i = 0; i < n_entries; i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (dict, i);

      if (!wire_take_value (table, where, entry, values, error))
        return FALSE;
    }

  return TRUE;
}

/* Whether a message of @type may have, or lack, the field. */
gboolean
_agent_wire_check_presence (const AgentWireField *field,
                            const char           *where,
                            guint32               type,
                            gboolean              present,
                            GError              **error)
{
  if (present && ((field->required | field->optional) & type) == 0)
    return _agent_wire_refuse_field (field, where, "does not belong to this type of message", error);
  if (!present && (field->required & type) != 0)
    return _agent_wire_refuse_field (field, where, "is missing", error);

  return TRUE;
}

static gboolean
wire_check_fields (const AgentWireTable  *table,
                   guint32                type,
                   const char            *where,
                   const AgentWireValues *values,
                   GError               **error)
{
  for (guint i = 0; i < table->n_fields; i++)
    {
      if (!_agent_wire_check_presence (&table->fields[i], where, type, values->of_field[i] != NULL, error))
        return FALSE;
    }

  return TRUE;
}

/* @values: keeps the values alive for as long as @record is used. @record: a field that is absent leaves its place as
 * it is. */
gboolean
_agent_wire_read (const AgentWireTable *table,
                  guint32               type,
                  const char           *where,
                  GVariant             *dict,
                  AgentWireValues      *values,
                  gpointer              record,
                  GError              **error)
{
  if (!wire_take_values (table, where, dict, values, error) ||
      !wire_check_fields (table, type, where, values, error))
    return FALSE;

  for (guint i = 0; i < table->n_fields; i++)
    {
      const AgentWireField *field = &table->fields[i];
      gpointer              place = (guint8 *) record + field->offset;

      if (values->of_field[i] != NULL && !field->kind->read (field, where, values->of_field[i], place, error))
        return FALSE;
    }

  return TRUE;
}

/* --- Strings --- */

static GVariant *
wire_write_string (const AgentWireField *field,
                   gconstpointer         place)
{
  const char *string = *(const char *const *) place;

  return string != NULL ? g_variant_new_string (string) : NULL;
}

/* GLib does not check the strings of a GVariant that was created as trusted, so this function checks for UTF-8 itself. */
static gboolean
wire_check_string (const AgentWireField *field,
                   const char           *where,
                   const char           *text,
                   gsize                 length,
                   GError              **error)
{
  if (*text == '\0' && field->filled)
    return _agent_wire_refuse_field (field, where, "is empty", error);
  if (length > STRING_LENGTH_MAX)
    return _agent_wire_refuse_field (field, where, "is too long", error);
  if (!_agent_utf8_is_valid (text, length))
    return _agent_wire_refuse_field (field, where, "is not valid UTF-8", error);

  return TRUE;
}

static gboolean
wire_read_string (const AgentWireField *field,
                  const char           *where,
                  GVariant             *value,
                  gpointer              place,
                  GError              **error)
{
  gsize       length;
  const char *text = g_variant_get_string (value, &length);

  if (!field->kind->check (field, where, text, length, error))
    return FALSE;

  *(const char **) place = text;

  return TRUE;
}

const AgentWireKind _agent_wire_string = { "s", wire_write_string, wire_read_string, wire_check_string };

static gboolean
wire_check_custom_name (const AgentWireField *field,
                        const char           *where,
                        const char           *text,
                        gsize                 length,
                        GError              **error)
{
  if (_agent_message_is_builtin_name (text))
    return _agent_wire_refuse_field (field, where, "is the name of a built-in type", error);

  return wire_check_string (field, where, text, length, error);
}

const AgentWireKind _agent_wire_custom_name = { "s", wire_write_string, wire_read_string, wire_check_custom_name };

static gboolean
wire_check_topic (const AgentWireField *field,
                  const char           *where,
                  const char           *text,
                  gsize                 length,
                  GError              **error)
{
  AgentTopic  topic;
  const char *problem = *text != '\0' ? _agent_topic_split (&topic, text) : NULL;

  if (problem != NULL)
    return _agent_wire_refuse_field (field, where, problem, error);

  return wire_check_string (field, where, text, length, error);
}

const AgentWireKind _agent_wire_topic = { "s", wire_write_string, wire_read_string, wire_check_topic };

/* --- Enumerations, as their nicks --- */

static GVariant *
wire_write_nick (const AgentWireField *field,
                 gconstpointer         place)
{
  g_autoptr (GEnumClass) enum_class = g_type_class_ref (field->get_type ());

  return g_variant_new_string (g_enum_get_value (enum_class, *(const int *) place)->value_nick);
}

static GVariant *
wire_write_enum (const AgentWireField *field,
                 gconstpointer         place)
{
  return *(const int *) place != 0 ? wire_write_nick (field, place) : NULL;
}

static gboolean
wire_read_enum (const AgentWireField *field,
                const char           *where,
                GVariant             *value,
                gpointer              place,
                GError              **error)
{
  g_autoptr (GEnumClass) enum_class = g_type_class_ref (field->get_type ());
  GEnumValue *found = g_enum_get_value_by_nick (enum_class, g_variant_get_string (value, NULL));

  if (found == NULL)
    return _agent_wire_refuse_field (field, where, "has a value that is not known", error);

  *(int *) place = found->value;

  return TRUE;
}

const AgentWireKind _agent_wire_enum = { "s", wire_write_enum, wire_read_enum };

/* The default of a channel is not the first value, so the channel is always written. */
const AgentWireKind _agent_wire_channel = { "s", wire_write_nick, wire_read_enum };

/* --- Numbers --- */

static GVariant *
wire_write_uint64 (const AgentWireField *field,
                   gconstpointer         place)
{
  guint64 number = *(const guint64 *) place;

  return number != 0 ? g_variant_new_uint64 (number) : NULL;
}

static gboolean
wire_read_uint64 (const AgentWireField *field,
                  const char           *where,
                  GVariant             *value,
                  gpointer              place,
                  GError              **error)
{
  *(guint64 *) place = g_variant_get_uint64 (value);

  return TRUE;
}

const AgentWireKind _agent_wire_uint64 = { "t", wire_write_uint64, wire_read_uint64 };

static GVariant *
wire_write_uint32 (const AgentWireField *field,
                   gconstpointer         place)
{
  guint number = *(const guint *) place;

  return number != 0 ? g_variant_new_uint32 (number) : NULL;
}

static gboolean
wire_read_uint32 (const AgentWireField *field,
                  const char           *where,
                  GVariant             *value,
                  gpointer              place,
                  GError              **error)
{
  *(guint *) place = g_variant_get_uint32 (value);

  return TRUE;
}

const AgentWireKind _agent_wire_uint32 = { "u", wire_write_uint32, wire_read_uint32 };

static GVariant *
wire_write_time (const AgentWireField *field,
                 gconstpointer         place)
{
  gint64 time = *(const gint64 *) place;

  return time != field->unset ? g_variant_new_int64 (time) : NULL;
}

gboolean
_agent_wire_check_time (const AgentWireField *field,
                        const char           *where,
                        gint64                time,
                        GError              **error)
{
  return time >= field->unset || _agent_wire_refuse_field (field, where, "is negative", error);
}

static gboolean
wire_read_time (const AgentWireField *field,
                const char           *where,
                GVariant             *value,
                gpointer              place,
                GError              **error)
{
  gint64 time = g_variant_get_int64 (value);

  if (!_agent_wire_check_time (field, where, time, error))
    return FALSE;

  *(gint64 *) place = time;

  return TRUE;
}

const AgentWireKind _agent_wire_time = { "x", wire_write_time, wire_read_time };

static GVariant *
wire_write_boolean (const AgentWireField *field,
                    gconstpointer         place)
{
  return *(const gboolean *) place ? g_variant_new_boolean (TRUE) : NULL;
}

static gboolean
wire_read_boolean (const AgentWireField *field,
                   const char           *where,
                   GVariant             *value,
                   gpointer              place,
                   GError              **error)
{
  *(gboolean *) place = g_variant_get_boolean (value);

  return TRUE;
}

const AgentWireKind _agent_wire_boolean = { "b", wire_write_boolean, wire_read_boolean };

/* --- The conversation: its id, and the epoch of the message --- */

static GVariant *
wire_write_conversation (const AgentWireField *field,
                         gconstpointer         place)
{
  const AgentEpochRecord *record = place;

  return record->id != NULL ? g_variant_new ("(st)", record->id, record->epoch) : NULL;
}

/* There has to be an epoch after that of the message, so that the conversation can go on. */
gboolean
_agent_wire_check_conversation (const AgentWireField   *field,
                                const char             *where,
                                const AgentEpochRecord *record,
                                GError                **error)
{
  if (*record->id == '\0')
    return _agent_wire_refuse_field (field, where, "is empty", error);
  if (!_agent_utf8_is_string (record->id))
    return _agent_wire_refuse_field (field, where, "is not valid UTF-8", error);
  if (record->epoch > AGENT_EPOCH_MAX)
    return _agent_wire_refuse_field (field, where, "has an epoch that is too large", error);

  return TRUE;
}

static gboolean
wire_read_conversation (const AgentWireField *field,
                        const char           *where,
                        GVariant             *value,
                        gpointer              place,
                        GError              **error)
{
  AgentEpochRecord *record = place;

  g_variant_get (value, "(&st)", &record->id, &record->epoch);

  return _agent_wire_check_conversation (field, where, record, error);
}

const AgentWireKind _agent_wire_conversation = { "(st)", wire_write_conversation, wire_read_conversation };
