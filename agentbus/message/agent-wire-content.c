/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-wire-private.h"

#include "message/agent-frame-private.h"
#include "message/agent-info.h"
#include "message/agent-json-checker-private.h"

/* The contents of messages. The record owns what is read here, except for metadata. */

/* The peer refuses a message if a part of it is not in normal form, and nobody has checked the bytes of a payload yet.
 * Returns: (transfer full) */
static GVariant *
wire_get_normal_form (GVariant *value)
{
  /* GLib normalizes each child by itself, and GLib 2.84 cannot get the children of a small array of bytes that was not
   * serialized. g_variant_get_data() serializes it. */
  if (!g_variant_is_normal_form (value))
    g_variant_get_data (value);

  return g_variant_get_normal_form (value);
}

/* As for the fields of a message: rows may be added to the tables in this file, but no row may change. */

/* --- Payloads --- */

static GVariant *
wire_write_payload (const AgentWireField *field,
                    gconstpointer         place)
{
  GVariant *payload = *(GVariant *const *) place;
  g_autoptr (GVariant) normal = NULL;

  if (payload == NULL)
    return NULL;

  normal = wire_get_normal_form (payload);

  return g_variant_new_variant (normal);
}

static gboolean
wire_read_payload (const AgentWireField *field,
                   const char           *where,
                   GVariant             *value,
                   gpointer              place,
                   GError              **error)
{
  *(gpointer *) place = g_variant_get_variant (value);

  return TRUE;
}

const AgentWireKind _agent_wire_payload = { "v", wire_write_payload, wire_read_payload };

/* The text belongs to the message, or to the value that it was read from. */
static GVariant *
wire_write_json (const AgentWireField *field,
                 gconstpointer         place)
{
  const char *text = *(const char *const *) place;

  return text != NULL ? g_variant_new_string (text) : NULL;
}

static gboolean
wire_check_json (const AgentWireField *field,
                 const char           *where,
                 const char           *text,
                 gsize                 length,
                 GError              **error)
{
  g_autoptr (GError) reason = NULL;
  g_autofree char *problem = NULL;

  if (_agent_json_check (text, length, &reason))
    return TRUE;

  problem = g_strdup_printf ("cannot be read: %s", reason->message);

  return _agent_wire_refuse_field (field, where, problem, error);
}

static gboolean
wire_read_json (const AgentWireField *field,
                const char           *where,
                GVariant             *value,
                gpointer              place,
                GError              **error)
{
  gsize       length;
  const char *text = g_variant_get_string (value, &length);

  if (!wire_check_json (field, where, text, length, error))
    return FALSE;

  *(const char **) place = text;

  return TRUE;
}

const AgentWireKind _agent_wire_json = { "s", wire_write_json, wire_read_json, wire_check_json };

/* --- Frames --- */

static GVariant *
wire_write_metadata (const AgentWireField *field,
                     gconstpointer         place)
{
  GVariant *metadata = *(GVariant *const *) place;

  return metadata != NULL ? wire_get_normal_form (metadata) : NULL;
}

static gboolean
wire_read_metadata (const AgentWireField *field,
                    const char           *where,
                    GVariant             *value,
                    gpointer              place,
                    GError              **error)
{
  *(GVariant **) place = value;

  return TRUE;
}

const AgentWireKind _agent_wire_metadata = { "a{sv}", wire_write_metadata, wire_read_metadata };

static GVariant *
wire_write_data (const AgentWireField *field,
                 gconstpointer         place)
{
  GBytes *data = *(GBytes *const *) place;

  return data != NULL ? g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, data, TRUE) : NULL;
}

static gboolean
wire_read_data (const AgentWireField *field,
                const char           *where,
                GVariant             *value,
                gpointer              place,
                GError              **error)
{
  *(GBytes **) place = g_variant_get_data_as_bytes (value);

  return TRUE;
}

const AgentWireKind _agent_wire_data = { "ay", wire_write_data, wire_read_data };

#define IN_FRAME(member) G_STRUCT_OFFSET (AgentFrameRecord, member)

/* clang-format off */

static const AgentWireField frame_fields[] = {
  { "kind",        &_agent_wire_string,        IN_FRAME (kind),              AGENT_WIRE_PART, 0, .filled = TRUE },
  { "id",          &_agent_wire_uint64,        IN_FRAME (id),                0, AGENT_WIRE_PART },
  { "pts",         &_agent_wire_time,          IN_FRAME (pts),               0, AGENT_WIRE_PART, .unset = -1 },
  { "metadata",    &_agent_wire_metadata,      IN_FRAME (metadata),          0, AGENT_WIRE_PART },
  { "data",        &_agent_wire_data,          IN_FRAME (data),              0, AGENT_WIRE_PART },
};

/* clang-format on */

const AgentWireTable _agent_wire_frame = { frame_fields, G_N_ELEMENTS (frame_fields) };

static GVariant *
wire_write_frame (const AgentWireField *field,
                  gconstpointer         place)
{
  AgentFrame      *frame = *(AgentFrame *const *) place;
  AgentFrameRecord record = {
    .kind = agent_frame_get_kind (frame),
    .id = agent_frame_get_id (frame),
    .pts = agent_frame_get_pts (frame),
    .metadata = agent_frame_get_metadata (frame),
    .data = agent_frame_get_data (frame),
  };

  return _agent_wire_write (&_agent_wire_frame, AGENT_WIRE_PART, &record);
}

static gboolean
wire_read_frame (const AgentWireField *field,
                 const char           *where,
                 GVariant             *value,
                 gpointer              place,
                 GError              **error)
{
  g_auto (AgentWireValues) values = { 0 };
  AgentFrameRecord record = { .pts = -1 };

  if (!_agent_wire_read (&_agent_wire_frame, AGENT_WIRE_PART, field->key, value, &values, &record, error))
    return FALSE;

  *(gpointer *) place =
      _agent_frame_new_with_id (record.id, record.kind, record.data, record.metadata, record.pts);
  g_clear_pointer (&record.data, g_bytes_unref);

  return TRUE;
}

const AgentWireKind _agent_wire_content_frame = { "a{sv}", wire_write_frame, wire_read_frame };

/* --- Descriptions of agents --- */

#define IN_INFO(member) G_STRUCT_OFFSET (AgentInfoRecord, member)

/* clang-format off */

static const AgentWireField info_fields[] = {
  { "name",        &_agent_wire_string,        IN_INFO (name),               AGENT_WIRE_PART, 0, .filled = TRUE },
  { "runner",      &_agent_wire_string,        IN_INFO (runner),             AGENT_WIRE_PART, 0 },
  { "parent",      &_agent_wire_string,        IN_INFO (parent),             0, AGENT_WIRE_PART },
  { "active",      &_agent_wire_boolean,       IN_INFO (active),             0, AGENT_WIRE_PART },
  { "bridged",     &_agent_wire_boolean,       IN_INFO (bridged),            0, AGENT_WIRE_PART },
  { "started-at",  &_agent_wire_time,          IN_INFO (started_at),         0, AGENT_WIRE_PART },
};

/* clang-format on */

const AgentWireTable _agent_wire_info = { info_fields, G_N_ELEMENTS (info_fields) };

static GVariant *
wire_write_one_info (AgentInfo *info)
{
  AgentInfoRecord record = {
    .name = agent_info_get_name (info),
    .runner = agent_info_get_runner (info),
    .parent = agent_info_get_parent (info),
    .active = agent_info_is_active (info),
    .bridged = agent_info_is_bridged (info),
    .started_at = agent_info_get_started_at (info),
  };

  return _agent_wire_write (&_agent_wire_info, AGENT_WIRE_PART, &record);
}

static AgentInfo *
wire_read_one_info (const char *where,
                    GVariant   *dict,
                    GError    **error)
{
  g_auto (AgentWireValues) values = { 0 };
  AgentInfoRecord record = { NULL };

  if (!_agent_wire_read (&_agent_wire_info, AGENT_WIRE_PART, where, dict, &values, &record, error))
    return NULL;

  return agent_info_new (record.name,
                         record.runner,
                         record.parent,
                         record.active,
                         record.bridged,
                         record.started_at);
}

static GVariant *
wire_write_info (const AgentWireField *field,
                 gconstpointer         place)
{
  return wire_write_one_info (*(AgentInfo *const *) place);
}

static gboolean
wire_read_info (const AgentWireField *field,
                const char           *where,
                GVariant             *value,
                gpointer              place,
                GError              **error)
{
  *(gpointer *) place = wire_read_one_info (field->key, value, error);

  return *(gpointer *) place != NULL;
}

const AgentWireKind _agent_wire_content_info = { "a{sv}", wire_write_info, wire_read_info };

static GVariant *
wire_write_infos (const AgentWireField *field,
                  gconstpointer         place)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  GPtrArray *infos = *(GPtrArray *const *) place;

  for (guint i = 0; i < infos->len; i++)
    g_variant_builder_add_value (&builder, wire_write_one_info (g_ptr_array_index (infos, i)));

  return g_variant_builder_end (&builder);
}

static gboolean
wire_read_infos (const AgentWireField *field,
                 const char           *where,
                 GVariant             *value,
                 gpointer              place,
                 GError              **error)
{
  g_autoptr (GPtrArray) infos = g_ptr_array_new_with_free_func ((GDestroyNotify) agent_info_unref);
  gsize n_infos = g_variant_n_children (value);

  for (gsize i = 0; i < n_infos; i++)
    {
      g_autoptr (GVariant) dict = g_variant_get_child_value (value, i);
      AgentInfo *info = wire_read_one_info (field->key, dict, error);

      if (info == NULL)
        return FALSE;

      g_ptr_array_add (infos, info);
    }

  *(gpointer *) place = g_steal_pointer (&infos);

  return TRUE;
}

const AgentWireKind _agent_wire_content_infos = { "aa{sv}", wire_write_infos, wire_read_infos };
