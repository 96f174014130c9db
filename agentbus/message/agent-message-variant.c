/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-message.h"
#include "agent-message-private.h"

#include "agent-frame.h"
#include "agent-info.h"

#define WIRE_VERSION 1

static void
write_value (GVariantBuilder *builder,
             const char      *key,
             GVariant        *value)
{
  g_variant_builder_add_value (
      builder,
      g_variant_new_dict_entry (g_variant_new_string (key), g_variant_new_variant (value)));
}

/* A C caller may have given any bytes for a string, but the wire carries only UTF-8. */
static void
write_string (GVariantBuilder *builder,
              const char      *key,
              const char      *value)
{
  if (value != NULL)
    write_value (builder, key, g_variant_new_take_string (g_utf8_make_valid (value, -1)));
}

static void
write_enum (GVariantBuilder *builder,
            const char      *key,
            GType            type,
            int              value)
{
  g_autoptr (GEnumClass) enum_class = g_type_class_ref (type);

  write_string (builder, key, g_enum_get_value (enum_class, value)->value_nick);
}

static void
write_uint64 (GVariantBuilder *builder,
              const char      *key,
              guint64          value)
{
  if (value != 0)
    write_value (builder, key, g_variant_new_uint64 (value));
}

static void
write_int64 (GVariantBuilder *builder,
             const char      *key,
             gint64           value,
             gint64           default_value)
{
  if (value != default_value)
    write_value (builder, key, g_variant_new_int64 (value));
}

static void
write_boolean (GVariantBuilder *builder,
               const char      *key,
               gboolean         value)
{
  if (value)
    write_value (builder, key, g_variant_new_boolean (TRUE));
}

static GVariant *
write_frame (AgentFrame *frame)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  GBytes   *data = agent_frame_get_data (frame);
  GVariant *metadata = agent_frame_get_metadata (frame);

  write_string (&builder, "kind", agent_frame_get_kind (frame));
  write_uint64 (&builder, "id", agent_frame_get_id (frame));
  write_int64 (&builder, "pts", agent_frame_get_pts (frame), -1);
  if (metadata != NULL)
    {
      g_autoptr (GVariant) normal = g_variant_get_normal_form (metadata);

      write_value (&builder, "metadata", normal);
    }
  if (data != NULL)
    write_value (
        &builder, "data", g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, data, TRUE));

  return g_variant_builder_end (&builder);
}

static GVariant *
write_info (AgentInfo *info)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  write_string (&builder, "name", agent_info_get_name (info));
  write_string (&builder, "runner", agent_info_get_runner (info));
  write_string (&builder, "parent", agent_info_get_parent (info));
  write_boolean (&builder, "active", agent_info_is_active (info));
  write_boolean (&builder, "bridged", agent_info_is_bridged (info));
  write_int64 (&builder, "started-at", agent_info_get_started_at (info), 0);

  return g_variant_builder_end (&builder);
}

static GVariant *
write_infos (GPtrArray *infos)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  for (guint i = 0; i < infos->len; i++)
    g_variant_builder_add_value (&builder, write_info (g_ptr_array_index (infos, i)));

  return g_variant_builder_end (&builder);
}

/* A payload from bytes that nobody checked would make the peer refuse the whole message. */
static GVariant *
write_payload (GVariant *payload)
{
  g_autoptr (GVariant) normal = g_variant_get_normal_form (payload);

  return g_variant_new_variant (normal);
}

static void
write_content (GVariantBuilder *builder,
               AgentMessage    *self)
{
  if (self->content == NULL)
    return;

  if (self->type == AGENT_MESSAGE_TYPE_FRAME)
    write_value (builder, "frame", write_frame (self->content));
  else if (self->type == AGENT_MESSAGE_TYPE_AGENT_READY)
    write_value (builder, "info", write_info (self->content));
  else if (self->type == AGENT_MESSAGE_TYPE_AGENT_REGISTRY)
    write_value (builder, "infos", write_infos (self->content));
  else
    write_value (builder, "payload", write_payload (self->content));
}

static void
write_options (GVariantBuilder *builder,
               AgentMessage    *self)
{
  write_uint64 (builder, "seq", self->seq);
  write_int64 (builder, "sent-at", self->sent_at, 0);
  if (self->ttl != 0)
    write_value (builder, "ttl", g_variant_new_uint32 (self->ttl));
  write_boolean (builder, "reliable", self->reliable);
  write_boolean (builder, "error-reply", self->error_reply);
  write_uint64 (builder, "cause", self->cause);
  write_string (builder, "trace", self->trace);
}

/* What only some types have and others must not have. */
static void
write_particulars (GVariantBuilder *builder,
                   AgentMessage    *self)
{
  if (self->type == AGENT_MESSAGE_TYPE_CUSTOM)
    {
      write_string (builder, "name", agent_message_get_name (self));
      write_enum (builder, "channel", AGENT_TYPE_CHANNEL, self->channel);
    }
  if (self->type == AGENT_MESSAGE_TYPE_AGENT_REGISTRY)
    write_string (builder, "runner", agent_message_get_runner (self));

  write_string (builder, "task-id", agent_message_get_task_id (self));
  write_string (builder, "task-name", agent_message_get_task_name (self));
  write_string (builder, "reason", agent_message_get_reason (self));
  if (self->status != AGENT_TASK_STATUS_PENDING)
    write_enum (builder, "status", AGENT_TYPE_TASK_STATUS, self->status);
  if (self->direction != AGENT_FRAME_DIRECTION_DOWNSTREAM)
    write_enum (builder, "direction", AGENT_TYPE_FRAME_DIRECTION, self->direction);
}

/**
 * agent_message_to_variant:
 * @self: A message.
 *
 * Turns a message into its wire form, for other processes.
 *
 * The wire form is of type `(ysa{sv})`: the version of the form, 1; the nick of the message's type;
 * and what else the message has. A field that is not there has its default. Which fields a message
 * can have depends on its type.
 *
 * - `source` (`s`): required, not empty.
 * - `target` (`s`): everybody if absent; not empty; required for the routing protocols.
 * - `name` (`s`), `channel` (`s`): of a custom message; the name is required and no nick of a
 *   message type, the channel is the nick of an [enum@AgentBus.Channel], `data` if absent.
 * - `seq` (`t`), `cause` (`t`): 0 if absent.
 * - `sent-at` (`x`): microseconds of the sender's monotonic clock, 0 if absent.
 * - `ttl` (`u`): milliseconds, 0 if absent.
 * - `reliable`, `error-reply` (`b`): false if absent.
 * - `trace` (`s`).
 * - `task-id` (`s`): required for tasks, not empty.
 * - `task-name` (`s`).
 * - `reason` (`s`): required for `agent-error`.
 * - `status` (`s`): the nick of an [enum@AgentBus.TaskStatus], `pending` if absent.
 * - `payload` (`v`).
 * - `frame` (`a{sv}`): required for `frame`, with `kind` (`s`, required, not empty), `id` (`t`),
 *   `pts` (`x`), `metadata` (`a{sv}`) and `data` (`ay`).
 * - `direction` (`s`): the nick of an [enum@AgentBus.FrameDirection], `downstream` if absent.
 * - `runner` (`s`), `infos` (`aa{sv}`): required for `agent-registry`.
 * - `info` (`a{sv}`): required for `agent-ready`. This and each of `infos` has `name` (`s`,
 *   required, not empty), `runner` (`s`, required), `parent` (`s`), `active` (`b`), `bridged` (`b`)
 *   and `started-at` (`x`).
 *
 * Nothing is lost, and the data of a frame is not copied here. Bytes of strings that are not UTF-8
 * are replaced.
 *
 * A `GVariant` has the byte order of the machine. Whoever writes its bytes to a peer of another
 * order must take care of that, as D-Bus does. GLib reads no more than 128 levels of nesting, of
 * which the wire form itself needs five.
 *
 * Returns: (transfer full): the wire form, not floating
 *
 * Since: 0.1
 */
GVariant *
agent_message_to_variant (AgentMessage *self)
{
  g_auto (GVariantBuilder) fields = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  g_return_val_if_fail (self != NULL, NULL);

  write_string (&fields, "source", agent_message_get_source (self));
  write_string (&fields, "target", agent_message_get_target (self));
  write_options (&fields, self);
  write_particulars (&fields, self);
  write_content (&fields, self);

  return g_variant_ref_sink (g_variant_new ("(ys@a{sv})",
                                            WIRE_VERSION,
                                            agent_message_type_to_string (self->type),
                                            g_variant_builder_end (&fields)));
}
