/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "test-wire-model.h"

#include <agentbus/agentbus.h>

#include <string.h>

#define COMMON "source! target " OPTIONS
#define OPTIONS "seq sent-at ttl reliable error-reply cause trace topic retained conversation "
#define ROUTED "source! target! payload payload-json " OPTIONS
#define TASK "task-id! " COMMON

static const struct
{
  const char *nick;
  const char *carried;
} types[] = {
  { "frame", "frame! direction " COMMON },
  { "activate", "payload payload-json " COMMON },
  { "deactivate", COMMON },
  { "end", "reason " COMMON },
  { "cancel", "reason " COMMON },
  { "agent-ready", "info! source! " OPTIONS },
  { "agent-registry", "runner! infos! " COMMON },
  { "agent-error", "reason! task-id " COMMON },
  { "task-request", "task-name request payload payload-json " TASK },
  { "task-response", "status error error-text payload payload-json " TASK },
  { "task-response-urgent", "status error error-text payload payload-json " TASK },
  { "task-update", "payload payload-json " TASK },
  { "task-update-urgent", "payload payload-json " TASK },
  { "task-update-request", TASK },
  { "task-cancel", "reason " TASK },
  { "task-stream-start", "payload payload-json " TASK },
  { "task-stream-data", "chunk payload payload-json " TASK },
  { "task-stream-end", "payload payload-json " TASK },
  { "request-inference", ROUTED },
  { "request-inference-batch", ROUTED },
  { "flag-last-inference", ROUTED },
  { "model-handshake", ROUTED },
  { "model-version", ROUTED },
  { "model-update", ROUTED },
  { "send-trajectory", ROUTED },
  { "shutdown", ROUTED },
  { "custom", "name! channel payload payload-json " COMMON },
  { "hand-off", ROUTED },
};

#define INFO "name! runner! parent active bridged started-at"

static const TestWireKey keys[] = {
  { "source", "s", .filled = TRUE },
  { "target", "s", .filled = TRUE },
  { "seq", "t" },
  { "sent-at", "x" },
  { "ttl", "u" },
  { "reliable", "b" },
  { "error-reply", "b" },
  { "cause", "t" },
  { "trace", "s" },
  { "topic", "s", .filled = TRUE, .topic = TRUE },
  { "retained", "b" },
  { "conversation", "(st)" },
  { "name", "s", .filled = TRUE },
  { "channel", "s", .words = "system data" },
  { "runner", "s" },
  { "task-id", "s", .filled = TRUE },
  { "task-name", "s" },
  { "reason", "s" },
  { "status", "s", .words = "pending running completed failed cancelled" },
  { "request", "b" },
  { "error", "s" },
  { "error-text", "s" },
  { "chunk", "s" },
  { "direction", "s", .words = "downstream upstream" },
  { "payload", "v" },
  { "payload-json", "s", .json = TRUE },
  { "frame", "a{sv}", .parts = "kind! id pts metadata data" },
  { "info", "a{sv}", .parts = INFO },
  { "infos", "aa{sv}", .parts = INFO },
  { "frame.kind", "s", .filled = TRUE },
  { "frame.id", "t" },
  { "frame.pts", "x", .least = -1 },
  { "frame.metadata", "a{sv}" },
  { "frame.data", "ay" },
  { "info.name", "s", .filled = TRUE },
  { "info.runner", "s" },
  { "info.parent", "s" },
  { "info.active", "b" },
  { "info.bridged", "b" },
  { "info.started-at", "x" },
};

static gboolean
wire_model_has_word (const char *words,
                     const char *word)
{
  g_auto (GStrv) split = g_strsplit (words, " ", -1);

  return *word != '\0' && g_strv_contains ((const char *const *) split, word);
}

/* Returns: (nullable): the fields that a message of this type may have; those with “!” are required. */
const char *
test_wire_model_get_carried (const char *nick)
{
  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    if (g_str_equal (types[i].nick, nick))
      return types[i].carried;

  return NULL;
}

gboolean
test_wire_model_carries (const char *carried,
                         const char *name,
                         gboolean   *required)
{
  g_autofree char *always = g_strconcat (name, "!", NULL);

  *required = wire_model_has_word (carried, always);

  return *required || wire_model_has_word (carried, name);
}

/* The parts of each description in “infos” are those of “info”. */
const TestWireKey *
test_wire_model_get_key (const char *where,
                         const char *name)
{
  g_autofree char *key = g_strconcat (g_strcmp0 (where, "infos") == 0 ? "info" : where != NULL ? where
                                                                                               : name,
                                      where != NULL ? "." : NULL,
                                      name,
                                      NULL);

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    if (g_str_equal (keys[i].key, key))
      return &keys[i];

  return NULL;
}

guint
test_wire_model_get_n_keys (const char *where)
{
  guint n = 0;

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      const char *dot = strchr (keys[i].key, '.');
      gsize       length = dot != NULL ? (gsize) (dot - keys[i].key) : 0;

      n += strlen (where) == length && strncmp (keys[i].key, where, length) == 0;
    }

  return n;
}

static gboolean
wire_model_is_topic (const char *text)
{
  g_auto (GStrv) tokens = g_strsplit (text, ".", -1);

  for (guint i = 0; tokens[i] != NULL; i++)
    if (*tokens[i] == '\0' || wire_model_has_word ("* >", tokens[i]))
      return FALSE;

  for (guint i = 0; text[i] != '\0'; i++)
    if (text[i] == ' ' || g_ascii_iscntrl (text[i]))
      return FALSE;

  return g_strv_length (tokens) <= 32;
}

static gboolean wire_model_accepts_fields (GVariant   *dict,
                                           const char *where,
                                           const char *carried);

static gboolean
wire_model_is_json (const char *text)
{
  g_autoptr (GVariant) payload = agent_payload_from_json (text, NULL);

  return payload != NULL;
}

static gboolean
wire_model_accepts_conversation (GVariant *value)
{
  const char *id;
  guint64     epoch;

  g_variant_get (value, "(&st)", &id, &epoch);
  return *id != '\0' && epoch < G_GUINT64_CONSTANT (1) << 63;
}

static gboolean
wire_model_accepts_value (const TestWireKey *key,
                          GVariant          *value)
{
  if (!g_variant_is_of_type (value, G_VARIANT_TYPE (key->type)))
    return FALSE;

  if (key->filled && *g_variant_get_string (value, NULL) == '\0')
    return FALSE;
  if (key->topic && !wire_model_is_topic (g_variant_get_string (value, NULL)))
    return FALSE;
  if (key->json && !wire_model_is_json (g_variant_get_string (value, NULL)))
    return FALSE;
  if (g_str_equal (key->type, "(st)") && !wire_model_accepts_conversation (value))
    return FALSE;
  if (key->words != NULL && !wire_model_has_word (key->words, g_variant_get_string (value, NULL)))
    return FALSE;
  if (g_str_equal (key->type, "x") && g_variant_get_int64 (value) < key->least)
    return FALSE;
  if (key->parts != NULL && g_str_equal (key->type, "a{sv}"))
    return wire_model_accepts_fields (value, key->key, key->parts);

  if (key->parts != NULL)
    {
      for (gsize i = 0; i < g_variant_n_children (value); i++)
        {
          g_autoptr (GVariant) child = g_variant_get_child_value (value, i);

          if (!wire_model_accepts_fields (child, key->key, key->parts))
            return FALSE;
        }
    }

  return TRUE;
}

static guint
wire_model_count_key (GVariant   *dict,
                      const char *name)
{
  guint n = 0;

  for (gsize i = 0; i < g_variant_n_children (dict); i++)
    {
      const char *key;

      g_variant_get_child (dict, i, "{&sv}", &key, NULL);
      n += g_str_equal (key, name);
    }

  return n;
}

static gboolean
wire_model_has_required (GVariant   *dict,
                         const char *carried)
{
  g_auto (GStrv) names = g_strsplit (carried, " ", -1);

  for (guint i = 0; names[i] != NULL; i++)
    {
      gsize length = strlen (names[i]);

      if (length == 0 || names[i][length - 1] != '!')
        continue;

      names[i][length - 1] = '\0';
      if (wire_model_count_key (dict, names[i]) == 0)
        return FALSE;
    }

  return TRUE;
}

static gboolean
wire_model_accepts_fields (GVariant   *dict,
                           const char *where,
                           const char *carried)
{
  for (gsize i = 0; i < g_variant_n_children (dict); i++)
    {
      g_autofree char *name = NULL;
      g_autoptr (GVariant) value = NULL;
      const TestWireKey *key;
      gboolean           required;

      g_variant_get_child (dict, i, "{sv}", &name, &value);
      key = test_wire_model_get_key (where, name);
      if (key == NULL)
        continue;

      if (wire_model_count_key (dict, name) > 1 || !test_wire_model_carries (carried, name, &required) ||
          !wire_model_accepts_value (key, value))
        return FALSE;
    }

  return wire_model_has_required (dict, carried);
}

/* Checks the rules that concern more than one field. */
static gboolean
wire_model_accepts_together (const char *nick,
                             GVariant   *fields)
{
  const char *name;
  const char *source;
  g_autoptr (GVariant) info = NULL;

  if (wire_model_count_key (fields, "payload") > 0 && wire_model_count_key (fields, "payload-json") > 0)
    return FALSE;
  if (g_str_equal (nick, "custom"))
    return g_variant_lookup (fields, "name", "&s", &name) && test_wire_model_get_carried (name) == NULL;

  if (!g_str_equal (nick, "agent-ready"))
    return TRUE;

  info = g_variant_lookup_value (fields, "info", NULL);

  return g_variant_lookup (info, "name", "&s", &name) && g_variant_lookup (fields, "source", "&s", &source) &&
         g_str_equal (name, source);
}

gboolean
test_wire_model_accepts (GVariant *variant)
{
  guint8           version;
  g_autofree char *nick = NULL;
  g_autoptr (GVariant) fields = NULL;
  const char *carried;

  if (!g_variant_is_of_type (variant, G_VARIANT_TYPE ("(ysa{sv})")) || !g_variant_is_normal_form (variant))
    return FALSE;

  g_variant_get (variant, "(ys@a{sv})", &version, &nick, &fields);
  carried = test_wire_model_get_carried (nick);

  return (version == 1 || version == 2) && carried != NULL && wire_model_accepts_fields (fields, NULL, carried) && wire_model_accepts_together (nick, fields);
}

/* --- Changes --- */

static const char *const strings[] = { "", "", "a", "x", "cancel", "data", "a.b", ".", "x y", "*.>", "upstream", "failed", "7", "{\"a\":[]}" };

static const char *const values[] = {
  "int64 -1", "int64 -2", "int64 3", "uint64 0", "uint64 7", "uint32 9", "7", "true", "false", "<1>", "@mv nothing", "[byte 1]", "@a{sv} {}", "{'kind': <'x'>}", "{'name': <'a'>, 'runner': <''>}", "{'name': <'x'>, 'runner': <''>}", "@aa{sv} []", "[{'name': <'a'>, 'runner': <''>}]", "objectpath '/a'", "b'x'", "('', uint64 1)", "('c', uint64 9223372036854775808)", "('c', uint64 3)"
};

static GVariant *
wire_model_any_string (GRand *rand)
{
  return g_variant_new_string (strings[g_rand_int_range (rand, 0, G_N_ELEMENTS (strings))]);
}

static GVariant *
wire_model_any_value (GRand *rand)
{
  if (g_rand_int_range (rand, 0, 4) == 0)
    return wire_model_any_string (rand);

  return g_variant_new_parsed (values[g_rand_int_range (rand, 0, G_N_ELEMENTS (values))]);
}

static const char *
wire_model_any_name (GRand *rand)
{
  const char *key = keys[g_rand_int_range (rand, 0, G_N_ELEMENTS (keys))].key;
  const char *dot = strchr (key, '.');

  return dot != NULL ? dot + 1 : key;
}

static GVariant *wire_model_mutate_fields (GVariant *dict,
                                           GRand    *rand);

/* Returns: (transfer full) */
static GVariant *
wire_model_mutate_value (GVariant *value,
                         GRand    *rand)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  if (g_rand_boolean (rand) && g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    return wire_model_any_string (rand);
  if (g_rand_int_range (rand, 0, 8) > 0 && g_variant_is_of_type (value, G_VARIANT_TYPE_VARDICT))
    return wire_model_mutate_fields (value, rand);
  if (g_rand_int_range (rand, 0, 8) == 0 || !g_variant_is_of_type (value, G_VARIANT_TYPE ("aa{sv}")))
    return wire_model_any_value (rand);

  for (gsize i = 0; i < g_variant_n_children (value); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (value, i);

      g_variant_builder_add_value (&builder, wire_model_mutate_fields (child, rand));
    }

  return g_variant_builder_end (&builder);
}

/* Returns: (transfer floating) */
static GVariant *
wire_model_mutate_fields (GVariant *dict,
                          GRand    *rand)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  gint n_entries = (gint) g_variant_n_children (dict);
  gint chosen = g_rand_int_range (rand, 0, n_entries + 1);
  gint what = g_rand_int_range (rand, 0, 5);

  /* The content of a message is the last field, and has parts that can be changed too. */
  if (n_entries > 0 && g_rand_boolean (rand))
    chosen = n_entries - 1;

  for (gint i = 0; i < n_entries; i++)
    {
      g_autofree char *name = NULL;
      g_autoptr (GVariant) value = NULL;

      g_variant_get_child (dict, (gsize) i, "{sv}", &name, &value);
      if (i != chosen || what == 0)
        g_variant_builder_add (&builder, "{sv}", name, value);
      if (i == chosen && what <= 2)
        g_variant_builder_add (&builder, "{sv}", name, wire_model_mutate_value (value, rand));
      if (i == chosen && what == 3)
        g_variant_builder_add (&builder, "{sv}", wire_model_any_name (rand), value);
    }

  if (chosen == n_entries)
    g_variant_builder_add (&builder, "{sv}", wire_model_any_name (rand), wire_model_any_value (rand));

  return g_variant_builder_end (&builder);
}

GVariant *
test_wire_model_mutate (GVariant *variant,
                        GRand    *rand)
{
  guint8           version;
  g_autofree char *nick = NULL;
  g_autoptr (GVariant) fields = NULL;

  g_variant_get (variant, "(ys@a{sv})", &version, &nick, &fields);
  switch (g_rand_int_range (rand, 0, 16))
    {
    case 0:
      version = (guint8) g_rand_int_range (rand, 0, 4);
      break;
    case 1:
      g_free (nick);
      nick = g_strdup (types[g_rand_int_range (rand, 0, G_N_ELEMENTS (types))].nick);
      break;
    default:
      break;
    }

  return g_variant_ref_sink (g_variant_new ("(ys@a{sv})", version, nick, wire_model_mutate_fields (fields, rand)));
}
