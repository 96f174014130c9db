/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include <agentbus/agentbus.h>

#include "message/agent-wire-private.h"
#include "test-wire-model.h"
#include "test-wire-samples.h"

#include <string.h>
#include <sys/mman.h>

/* Takes @fields. What is read and written again has every field, with its value and in its place. */
static void
assert_kept (const char *nick,
             GVariant   *fields)
{
  g_autoptr (GVariant) wire = test_wire_make (nick, fields);
  g_autoptr (GVariant) again = NULL;
  g_autoptr (AgentMessage) message = NULL;
  g_autoptr (GError) error = NULL;

  message = agent_message_new_from_variant (wire, &error);
  g_assert_no_error (error);
  again = agent_message_to_variant (message);
  g_assert_cmpvariant (wire, again);
  g_assert_true (test_wire_model_accepts (wire));
}

static void
test_each_field (void)
{
  for (guint type = 0; type <= AGENT_MESSAGE_TYPE_HAND_OFF; type++)
    {
      const char           *nick = agent_message_type_to_string (type);
      const AgentWireTable *table = &_agent_wire_message;

      assert_kept (nick, test_wire_make_fields (table, 1u << type, "", TRUE, NULL));
      for (guint i = 0; i < table->n_fields; i++)
        assert_kept (nick, test_wire_make_fields (table, 1u << type, "", FALSE, &table->fields[i]));
    }
}

/* Takes @part. (transfer floating) */
static GVariant *
make_fields_with_part (const char *key,
                       GVariant   *part)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  g_variant_builder_add (&builder, "{sv}", "source", test_wire_make_sample ("", "source"));
  if (g_str_equal (key, "infos"))
    g_variant_builder_add (&builder, "{sv}", "runner", test_wire_make_sample ("", "runner"));
  g_variant_builder_add (&builder, "{sv}", key, g_str_equal (key, "infos") ? g_variant_new_array (NULL, &part, 1) : part);

  return g_variant_builder_end (&builder);
}

static const struct
{
  const AgentWireTable *table;
  const char           *key;
  const char           *where;
  const char           *nick;
} parts[] = {
  { &_agent_wire_frame, "frame", "frame.", "frame" },
  { &_agent_wire_info, "info", "info.", "agent-ready" },
  { &_agent_wire_info, "infos", "info.", "agent-registry" },
};

static void
test_each_part (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    {
      const AgentWireTable *table = parts[i].table;

      for (guint j = 0; j < table->n_fields; j++)
        {
          GVariant *part = test_wire_make_fields (table, AGENT_WIRE_PART, parts[i].where, FALSE, &table->fields[j]);

          assert_kept (parts[i].nick, make_fields_with_part (parts[i].key, part));
        }
    }
}

static void
assert_promised (const AgentWireField *field,
                 guint32               type,
                 const char           *where,
                 const char           *carried)
{
  const TestWireKey *key = test_wire_model_get_key (where, field->key);
  gboolean           required;
  gboolean           allowed = test_wire_model_carries (carried, field->key, &required);

  g_assert_nonnull (key);
  g_assert_cmpstr (field->kind->type, ==, key->type);
  g_assert_cmpint (field->filled, ==, key->filled);
  g_assert_cmpint ((field->required & type) != 0, ==, required);
  g_assert_cmpint (((field->required | field->optional) & type) != 0, ==, allowed);
}

/* The library's tables say what the form promises, and no more. */
static void
test_promised (void)
{
  for (guint i = 0; i < _agent_wire_message.n_fields; i++)
    for (guint type = 0; type <= AGENT_MESSAGE_TYPE_HAND_OFF; type++)
      assert_promised (&_agent_wire_message.fields[i],
                       1u << type,
                       NULL,
                       test_wire_model_get_carried (agent_message_type_to_string (type)));

  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    for (guint j = 0; j < parts[i].table->n_fields; j++)
      assert_promised (&parts[i].table->fields[j],
                       AGENT_WIRE_PART,
                       parts[i].key,
                       test_wire_model_get_key (NULL, parts[i].key)->parts);

  g_assert_cmpuint (_agent_wire_message.n_fields, ==, test_wire_model_get_n_keys (""));
  g_assert_cmpuint (_agent_wire_frame.n_fields, ==, test_wire_model_get_n_keys ("frame"));
  g_assert_cmpuint (_agent_wire_info.n_fields, ==, test_wire_model_get_n_keys ("info"));
}

static gboolean
is_field (const char *key)
{
  for (guint i = 0; i < _agent_wire_message.n_fields; i++)
    if (g_str_equal (_agent_wire_message.fields[i].key, key))
      return TRUE;

  /* The type stands before the fields, and the epoch beside its conversation. The fate is not of the message, but of a copy. */
  return g_str_equal (key, "message-type") || g_str_equal (key, "epoch") || g_str_equal (key, "fate");
}

/* What a message can be asked for is on the wire. */
static void
test_each_getter (void)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "interface", "interface.txt", NULL);
  g_autofree char *text = NULL;
  g_autoptr (GRegex) getters = g_regex_new ("^method Message\\.(?:get|is|wants)_(\\w+)", G_REGEX_MULTILINE, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;
  g_autoptr (GError) error = NULL;
  guint n_getters = 0;

  if (g_getenv ("G_TEST_SRCDIR") == NULL)
    {
      g_test_skip ("G_TEST_SRCDIR is not set");
      return;
    }

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  for (g_regex_match (getters, text, 0, &match); g_match_info_matches (match); g_match_info_next (match, NULL))
    {
      g_autofree char *key = g_strdelimit (g_match_info_fetch (match, 1), "_", '-');

      g_test_message ("%s", key);
      g_assert_true (is_field (key));
      n_getters++;
    }

  g_assert_cmpuint (n_getters, >=, 20);
}

/* The form is a promise to other versions, so it stands here word for word. */
static const char *const forms[] = {
  "(byte 0x01, 'end', {'source': <'a'>})",
  "(byte 0x01, 'task-request', {'source': <'a'>, 'target': <'b'>, 'seq': <uint64 17>, 'sent-at': <int64 4711>,"
  " 'ttl': <uint32 250>, 'reliable': <true>, 'error-reply': <true>, 'cause': <uint64 5>, 'trace': <'x'>,"
  " 'conversation': <('talk', uint64 0)>,"
  " 'task-id': <'t'>, 'task-name': <'sum'>, 'payload': <<[1, 2]>>})",
  "(byte 0x01, 'task-response', {'source': <'a'>, 'target': <'b'>, 'task-id': <'t'>, 'status': <'failed'>})",
  "(byte 0x01, 'task-cancel', {'source': <'a'>, 'task-id': <'t'>, 'reason': <''>})",
  "(byte 0x01, 'agent-error', {'source': <'a'>, 'target': <'b'>, 'cause': <uint64 5>, 'task-id': <'t'>, 'reason': <'r'>})",
  "(byte 0x02, 'activate', {'source': <'a'>, 'payload-json': <' 1.0 '>})",
  "(byte 0x01, 'custom', {'source': <'a'>, 'name': <'mine'>, 'channel': <'data'>})",
  "(byte 0x01, 'frame', {'source': <'a'>, 'direction': <'upstream'>, 'frame': <{'kind': <'k'>, 'id': <uint64 3>,"
  " 'pts': <int64 0>, 'metadata': <{'a': <1>}>, 'data': <[byte 0x01, 0xff]>}>})",
  "(byte 0x01, 'agent-ready', {'source': <'a'>, 'info': <{'name': <'a'>, 'runner': <'r'>, 'parent': <'p'>,"
  " 'active': <true>, 'bridged': <true>, 'started-at': <int64 1>}>})",
  "(byte 0x01, 'agent-registry', {'source': <'a'>, 'target': <'b'>, 'runner': <''>, 'infos': <[{'name': <'a'>,"
  " 'runner': <'r'>}, {'name': <'b'>, 'runner': <''>, 'parent': <''>}]>})",
};

static void
test_forms (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (forms); i++)
    {
      g_autoptr (GVariant) wire = g_variant_ref_sink (g_variant_new_parsed (forms[i]));
      g_autoptr (GVariant) again = NULL;
      g_autoptr (AgentMessage) message = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree char *text = NULL;

      message = agent_message_new_from_variant (wire, &error);
      g_assert_no_error (error);
      again = agent_message_to_variant (message);
      text = g_variant_print (again, TRUE);
      g_assert_cmpstr (text, ==, forms[i]);
    }
}

static void
assert_refused_by_library (GVariant   *wire,
                           const char *key,
                           const char *problem)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = g_strdup_printf ("Field “%s” %s", key, problem);

  g_assert_null (agent_message_new_from_variant (wire, &error));
  g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_MESSAGE);
  g_assert_true (g_str_has_prefix (error->message, text));
}

/* Takes @variant. */
static void
assert_refused (GVariant   *variant,
                const char *key,
                const char *problem)
{
  g_autoptr (GVariant) wire = variant;

  assert_refused_by_library (wire, key, problem);
  g_assert_false (test_wire_model_accepts (wire));
}

/* Takes @value. All of a type, with another value of a field, or without it; and that twice. (transfer full) */
static GVariant *
make_wrong (const char *nick,
            const char *key,
            GVariant   *value,
            gboolean    twice)
{
  const char *carried = test_wire_model_get_carried (nick);
  gboolean    required;
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  for (guint i = 0; i < _agent_wire_message.n_fields; i++)
    {
      const char *other = _agent_wire_message.fields[i].key;

      /* A payload has one form only. */
      if (g_str_has_prefix (other, "payload") && !g_str_equal (other, g_str_has_prefix (key, "payload") ? key : "payload"))
        continue;
      if (!g_str_equal (other, key) && test_wire_model_carries (carried, other, &required))
        g_variant_builder_add (&builder, "{sv}", other, test_wire_make_sample ("", other));
    }

  for (guint i = twice ? 2 : 1; value != NULL && i > 0; i--)
    g_variant_builder_add (&builder, "{sv}", key, value);

  return test_wire_make (nick, g_variant_builder_end (&builder));
}

static void
assert_guarded (const char *nick,
                const char *key)
{
  const TestWireKey *row = test_wire_model_get_key (NULL, key);
  g_autoptr (GVariant) sample = g_variant_ref_sink (test_wire_make_sample ("", key));
  gboolean required;

  if (!test_wire_model_carries (test_wire_model_get_carried (nick), key, &required))
    {
      assert_refused (make_wrong (nick, key, sample, FALSE), key, "does not belong to this type of message");
      return;
    }

  assert_refused (make_wrong (nick, key, sample, TRUE), key, "is there twice");
  assert_refused (make_wrong (nick, key, g_variant_new_int16 (1), FALSE), key, "is not of type");
  if (required)
    assert_refused (make_wrong (nick, key, NULL, FALSE), key, "is missing");
  if (row->filled)
    assert_refused (make_wrong (nick, key, g_variant_new_string (""), FALSE), key, "is empty");
  if (row->json)
    assert_refused (make_wrong (nick, key, g_variant_new_string ("{"), FALSE), key, "cannot be read");
  if (row->words != NULL)
    assert_refused (make_wrong (nick, key, g_variant_new_string ("x"), FALSE), key, "has a value that is not known");
  if (g_str_equal (row->type, "x"))
    assert_refused (make_wrong (nick, key, g_variant_new_int64 (-1), FALSE), key, "is negative");
}

/* Each way to be wrong of each field in each type. */
static void
test_each_refusal (void)
{
  for (guint type = 0; type <= AGENT_MESSAGE_TYPE_HAND_OFF; type++)
    for (guint i = 0; i < _agent_wire_message.n_fields; i++)
      assert_guarded (agent_message_type_to_string (type), _agent_wire_message.fields[i].key);
}

/* Whoever makes a GVariant may call it trusted, and so keep GLib from looking at its strings. */
static void
test_trusted_bytes (void)
{
  const char *const keys[] = { "source", "target", "trace", "task-id", "task-name" };

  for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      g_autoptr (GBytes) bytes = NULL;
      g_autoptr (GVariant) bad = make_wrong ("task-request", keys[i], g_variant_new_string ("marked"), FALSE);
      gsize            size = g_variant_get_size (bad);
      g_autofree char *data = g_memdup2 (g_variant_get_data (bad), size);
      char            *at = data;

      while (memcmp (at, "marked", strlen ("marked")) != 0)
        at++;
      *at = '\xff';
      bytes = g_bytes_new (data, size);
      /* The model asks GLib, which believes. */
      assert_refused_by_library (g_variant_new_from_bytes (G_VARIANT_TYPE ("(ysa{sv})"), bytes, TRUE),
                                 keys[i],
                                 "is not valid UTF-8");
    }
}

/* Pages that nobody has written to take no memory. */
static void
test_too_long (void)
{
  const gsize size = 512 * 1024 * 1024 + 2;
  gpointer    pages = mmap (NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  g_autoptr (GBytes) bytes = NULL;
  GVariant *trace;

  if (pages == MAP_FAILED)
    {
      g_test_skip ("There is no room for a long string");
      return;
    }

  bytes = g_bytes_new_static (pages, size);
  trace = g_variant_new_from_bytes (G_VARIANT_TYPE_STRING, bytes, TRUE);
  assert_refused_by_library (g_variant_new_parsed ("(byte 1, 'end', {'source': <'a'>, 'trace': <%@s>})", trace),
                             "trace",
                             "is too long");

  g_clear_pointer (&bytes, g_bytes_unref);
  munmap (pages, size);
}

int
main (int   argc,
      char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/agentbus/wire-fields/each-field", test_each_field);
  g_test_add_func ("/agentbus/wire-fields/each-part", test_each_part);
  g_test_add_func ("/agentbus/wire-fields/promised", test_promised);
  g_test_add_func ("/agentbus/wire-fields/each-getter", test_each_getter);
  g_test_add_func ("/agentbus/wire-fields/forms", test_forms);
  g_test_add_func ("/agentbus/wire-fields/each-refusal", test_each_refusal);
  g_test_add_func ("/agentbus/wire-fields/trusted-bytes", test_trusted_bytes);
  g_test_add_func ("/agentbus/wire-fields/too-long", test_too_long);

  return g_test_run ();
}
