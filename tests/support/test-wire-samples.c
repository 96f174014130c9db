/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "test-wire-samples.h"

#include <agentbus/agentbus.h>

/* A value of each field that is not its default. */
static const char *const samples[][2] = {
  { "source", "'a'" },
  { "target", "'b'" },
  { "seq", "uint64 17" },
  { "sent-at", "int64 4711" },
  { "ttl", "uint32 250" },
  { "reliable", "true" },
  { "error-reply", "true" },
  { "cause", "uint64 18446744073709551615" },
  { "trace", "'00-1-2-01'" },
  { "topic", "'a.b'" },
  { "retained", "true" },
  { "conversation", "('talk', uint64 3)" },
  { "name", "'mine'" },
  { "channel", "'system'" },
  { "runner", "'r'" },
  { "task-id", "'t'" },
  { "task-name", "'sum'" },
  { "reason", "'größter Fehler'" },
  { "status", "'failed'" },
  { "request", "true" },
  { "error", "'my-quark/-3'" },
  { "error-text", "'größter Fehler'" },
  { "chunk", "'3'" },
  { "direction", "'upstream'" },
  { "payload", "<{'n': <1>, 'list': <[1.5, 2.5]>, 'maybe': <@mi nothing>}>" },
  { "payload-json", "'{\"n\": [1.50, null]}'" },
  { "frame", "{'kind': <'k'>, 'id': <uint64 3>, 'pts': <int64 0>, 'metadata': <{'a': <1>}>, 'data': <[byte 1, 255]>}" },
  { "info", "{'name': <'a'>, 'runner': <'r'>, 'parent': <'p'>, 'active': <true>, 'bridged': <true>, 'started-at': <int64 1>}" },
  { "infos", "[{'name': <'a'>, 'runner': <'r'>, 'active': <true>}, {'name': <'b'>, 'runner': <''>, 'bridged': <true>}]" },
  { "frame.kind", "'k'" },
  { "frame.id", "uint64 3" },
  { "frame.pts", "int64 0" },
  { "frame.metadata", "{'a': <1>}" },
  { "frame.data", "[byte 1, 255]" },
  { "info.name", "'a'" },
  { "info.runner", "'r'" },
  { "info.parent", "'p'" },
  { "info.active", "true" },
  { "info.bridged", "true" },
  { "info.started-at", "int64 1" },
};

/* (transfer floating) */
GVariant *
test_wire_make_sample (const char *where,
                       const char *key)
{
  g_autofree char *full = g_strconcat (where, key, NULL);

  for (guint i = 0; i < G_N_ELEMENTS (samples); i++)
    if (g_str_equal (samples[i][0], full))
      return g_variant_new_parsed (samples[i][1]);

  g_error ("There is no sample of “%s”", full);
}

/* Whether a bare message has it: what it must have, and what would be there unasked after a round trip. */
static gboolean
sample_is_bare (const AgentWireField *field,
                guint32               type)
{
  return (field->required & type) != 0 || field->kind == &_agent_wire_channel ||
         (g_str_equal (field->key, "id") && type == AGENT_WIRE_PART);
}

/* All that a type has; or only what it must have, and @more. (transfer floating) */
GVariant *
test_wire_make_fields (const AgentWireTable *table,
                       guint32               type,
                       const char           *where,
                       gboolean              full,
                       const AgentWireField *more)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  for (guint i = 0; i < table->n_fields; i++)
    {
      const AgentWireField *field = &table->fields[i];

      if (((field->required | field->optional) & type) == 0)
        continue;
      if (field != more && g_str_equal (field->key, "payload-json"))
        continue; /* a payload has one form only */
      if (full || field == more || sample_is_bare (field, type))
        g_variant_builder_add (&builder, "{sv}", field->key, test_wire_make_sample (where, field->key));
    }

  return g_variant_builder_end (&builder);
}

/* Takes @fields. (transfer full) */
GVariant *
test_wire_make (const char *nick,
                GVariant   *fields)
{
  g_autoptr (GVariant) json = g_variant_lookup_value (fields, "payload-json", NULL);

  return g_variant_ref_sink (g_variant_new ("(ys@a{sv})", json != NULL ? 2 : 1, nick, fields));
}
