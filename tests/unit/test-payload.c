/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <math.h>
#include <string.h>

#include <json-glib/json-glib.h>

#include "test-support.h"

static const struct
{
  const char *json;
  const char *variant;
  const char *back; /* NULL: the same text */
} good[] = {
  { "null", "@mv nothing" },
  { "true", "true" },
  { "false", "false" },
  { "0", "int64 0" },
  { "-0", "int64 0", "0" },
  { "9223372036854775807", "int64 9223372036854775807" },
  { "-9223372036854775808", "int64 -9223372036854775808" },
  { "1.5", "1.5" },
  { "-0.25", "-0.25" },
  { "1e2", "100.0", "100.0" },
  { "1E+2", "100.0", "100.0" },
  { "25e-2", "0.25", "0.25" },
  { "\"\"", "''" },
  { "\"é€😀\"", "'é€😀'" },
  { "\"a\\n\\t\\\\\\\"\\u0001\"", "'a\\n\\t\\\\\"\\u0001'" },
  { "\"\\u00e9\\ud83d\\ude00\\/\"", "'é😀/'", "\"é😀/\"" },
  { "[]", "@av []" },
  { "{}", "@a{sv} {}" },
  { " [ 1 ,\t\"a\" ,\r\nnull ] ", "[<int64 1>, <'a'>, <@mv nothing>]", "[1,\"a\",null]" },
  { "{\"a\":{\"b\":[true]}}", "{'a': <{'b': <[<true>]>}>}" },
  { "{\"a\":1,\"a\":2}", "{'a': <int64 2>}", "{\"a\":2}" },
  { "{\"b\":1,\"a\":2,\"b\":[],\"0\":3,\"a\":4,\"a\":5}",
    "{'b': <@av []>, '0': <int64 3>, 'a': <int64 5>}",
    "{\"b\":[],\"0\":3,\"a\":5}" },
  { "\"\\b\\f\\r\"", "'\\b\\f\\r'", "\"\\u0008\\u000c\\u000d\"" },
  { "0.1", "0.1", "0.10000000000000001" },
  { "1e-400", "0.0", "0.0" },
  { "{\"\":1}", "{'': <int64 1>}" },
  { "\"[[[{{{ not // nested /* */ 'x' \"", "\"[[[{{{ not // nested /* */ 'x' \"" },
};

static void
test_good (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) payload = agent_payload_from_json (good[i].json, &error);
      g_autoptr (GVariant) expected = g_variant_ref_sink (g_variant_new_parsed (good[i].variant));
      g_autofree char *back = NULL;

      g_assert_no_error (error);
      g_assert_false (g_variant_is_floating (payload));
      g_assert_cmpvariant (payload, expected);
      back = agent_payload_to_json (payload);
      g_assert_cmpstr (back, ==, good[i].back != NULL ? good[i].back : good[i].json);
    }
}

static const struct
{
  const char *json;
  const char *error;
} bad[] = {
  { "", "end at byte 0" },
  { "  ", "end at byte 2" },
  { "nul", "character at byte 0" },
  { "tru", "character" },
  { "truex", "character at byte 4" },
  { "[", "end" },
  { "]", "character" },
  { "[1", "Expected" },
  { "[1}", "Expected" },
  { "[1 2]", "Expected" },
  { "[\"a\" \"b\"]", "Expected" },
  { "1 2", "character at byte 2" },
  { "1]", "character" },
  { "[1,]", "character" },
  { "[,]", "character" },
  { "{", "name" },
  { "{,}", "name" },
  { "{\"a\"", "“:”" },
  { "{\"a\" 1}", "“:”" },
  { "{\"a\":", "end" },
  { "{\"a\":1", "Expected" },
  { "{\"a\":1]", "Expected" },
  { "{\"a\":1,}", "name" },
  { "{a:1}", "name" },
  { "{1:1}", "name" },
  { ",", "character" },
  { "'a'", "character" },
  { "var x = 1", "character" },
  { "/* c */ 1", "character" },
  { "# c\n1", "character" },
  { "é", "character" },
  { "\v1", "character" },
  { "+1", "character" },
  { "NaN", "character" },
  { "Infinity", "character" },
  { "01", "character" },
  { "-01", "character" },
  { "-", "number" },
  { "- 1", "number" },
  { "--1", "number" },
  { "-Infinity", "number" },
  { "1.", "number" },
  { ".5", "character" },
  { "1e", "number" },
  { "1e+", "number" },
  { "0x1F", "character" },
  { "1a", "character" },
  { "9223372036854775808", "out of range" },
  { "-9223372036854775809", "out of range" },
  { "123456789012345678901234567890", "out of range" },
  { "1e400", "out of range" },
  { "-1e999", "out of range" },
  { "\"a", "end" },
  { "\"a\\", "escape" },
  { "\"a\\\"", "end" },
  { "\"\\x\"", "escape" },
  { "\"\\u12\"", "escape" },
  { "\"\\u", "escape" },
  { "\"\\uzzzz\"", "escape" },
  { "\"\\u0000\"", "NUL" },
  { "{\"\\u0000\":1}", "NUL" },
  { "\"a\tb\"", "Control" },
  { "\"a\nb\"", "Control" },
  { "\"\\ud800\"", "surrogate" },
  { "\"\\ud800x\"", "surrogate" },
  { "\"\\udc00\"", "surrogate" },
  { "\"\\ud800\\ud800\"", "surrogate" },
  { "\"\\ud83d\\u0041\"", "surrogate" },
  { "\"\\ud83d\\", "surrogate" },
  { "\"\\ud83d\\u", "escape" },
  { "{\"\\ud800\":1}", "surrogate" },
  { "\"\xff\"", "UTF-8 at byte 1" },
  { "\"\xed\xa0\x80\"", "UTF-8" },
};

static void
test_bad (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autofree char *shown = g_strescape (bad[i].json, NULL);
      g_autoptr (GError) error = NULL;

      g_test_message ("%s", shown);
      g_assert_null (agent_payload_from_json (bad[i].json, &error));
      g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_MESSAGE);
      g_assert_nonnull (strstr (error->message, bad[i].error));
      g_assert_true (g_utf8_validate (error->message, -1, NULL));
      g_assert_null (agent_payload_from_json (bad[i].json, NULL));
    }
}

static char *
nest (const char *open, const char *close, guint depth)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (guint i = 0; i < depth; i++)
    g_string_append (text, open);
  g_string_append_c (text, '1');
  for (guint i = 0; i < depth; i++)
    g_string_append (text, close);

  return g_string_free (g_steal_pointer (&text), FALSE);
}

static void
assert_depth (const char *open, const char *close, guint depth, gboolean accepted)
{
  g_autofree char *text = nest (open, close, depth);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) payload = agent_payload_from_json (text, &error);
  g_autofree char *back = NULL;

  if (!accepted)
    {
      g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_MESSAGE);
      g_assert_nonnull (strstr (error->message, "nesting"));
      return;
    }

  g_assert_no_error (error);
  back = agent_payload_to_json (payload);
  g_assert_cmpstr (back, ==, text);
}

static void
test_depth (void)
{
  assert_depth ("[", "]", 32, TRUE);
  assert_depth ("[", "]", 33, FALSE);
  assert_depth ("{\"a\":", "}", 32, TRUE);
  assert_depth ("{\"a\":", "}", 33, FALSE);
  assert_depth ("[{\"a\":", "}]", 16, TRUE);
  assert_depth ("[{\"a\":", "}]", 17, FALSE);
  assert_depth ("[", "]", 2000000, FALSE);
  assert_depth ("[", "", 2000000, FALSE);
}

/* What can be read as JSON must also get through the wire, whose depth GLib limits too. */
static void
test_depth_on_the_wire (void)
{
  g_autofree char *text = nest ("{\"a\":", "}", 32);
  g_autoptr (GVariant) payload = agent_payload_from_json (text, NULL);
  g_autoptr (AgentMessage) message = agent_message_new_task_update ("a", "b", "t", payload);
  g_autoptr (GVariant) wire = agent_message_to_variant (message);
  g_autoptr (GBytes) bytes = g_variant_get_data_as_bytes (wire);
  g_autoptr (GVariant) again =
      g_variant_ref_sink (g_variant_new_from_bytes (g_variant_get_type (wire), bytes, FALSE));
  g_autoptr (GError) error = NULL;
  g_autoptr (AgentMessage) read = agent_message_new_from_variant (again, &error);
  g_autofree char *back = NULL;

  g_assert_no_error (error);
  back = agent_message_dup_payload_json (read);
  g_assert_cmpstr (back, ==, text);
}

static const struct
{
  const char *variant;
  const char *json;
} written[] = {
  { "uint64 18446744073709551615", "18446744073709551615" },
  { "byte 255", "255" },
  { "int16 -3", "-3" },
  { "uint16 3", "3" },
  { "int32 -4", "-4" },
  { "uint32 4294967295", "4294967295" },
  { "handle 3", "3" },
  { "objectpath '/a'", "\"/a\"" },
  { "signature 'as'", "\"as\"" },
  { "b'ab'", "[97,98,0]" },
  { "b''", "[0]" },
  { "@ay []", "[]" },
  { "[byte 1, 255]", "[1,255]" },
  { "[b'ab', b'c']", "[[97,98,0],[99,0]]" },
  { "{'a': <b'ab'>}", "{\"a\":[97,98,0]}" },
  { "['a', 'b']", "[\"a\",\"b\"]" },
  { "()", "[]" },
  { "(1, 'x')", "[1,\"x\"]" },
  { "@ai []", "[]" },
  { "{1: 'a', 2: 'b'}", "{\"1\":\"a\",\"2\":\"b\"}" },
  { "{true: <1>}", "{\"true\":1}" },
  { "{objectpath '/a': 1}", "{\"/a\":1}" },
  { "{byte 7: 1}", "{\"7\":1}" },
  { "{'a', 1}", "{\"a\":1}" },
  { "just 'x'", "\"x\"" },
  { "<<<1>>>", "1" },
  { "1.0", "1.0" },
  { "1e300", "1.0000000000000001e+300" },
  { "'\\u007f\\u001f\"\\\\'", "\"\\u007f\\u001f\\\"\\\\\"" },
};

static void
test_written (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (written); i++)
    {
      g_autoptr (GVariant) payload = g_variant_ref_sink (g_variant_new_parsed (written[i].variant));
      g_autofree char *json = agent_payload_to_json (payload);

      g_assert_cmpstr (json, ==, written[i].json);
    }
}

static void
test_not_finite (void)
{
  const double numbers[] = { INFINITY, -INFINITY, NAN };

  for (guint i = 0; i < G_N_ELEMENTS (numbers); i++)
    {
      g_autoptr (GVariant) payload = g_variant_ref_sink (g_variant_new ("(dd)", numbers[i], 0.5));
      g_autofree char *json = agent_payload_to_json (payload);

      g_assert_cmpstr (json, ==, "[null,0.5]");
    }
}

static void
test_floating_is_left_alone (void)
{
  GVariant        *payload = g_variant_new_int32 (1);
  g_autofree char *json = agent_payload_to_json (payload);

  g_assert_cmpstr (json, ==, "1");
  g_assert_true (g_variant_is_floating (payload));
  g_variant_unref (g_variant_ref_sink (payload));
}

/* Another implementation agrees wherever it is right. */
static void
test_agrees_with_json_glib (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (good); i++)
    {
      g_autoptr (GVariant) payload = agent_payload_from_json (good[i].json, NULL);
      g_autofree char *ours = agent_payload_to_json (payload);
      g_autoptr (JsonNode) node = json_from_string (ours, NULL);
      g_autoptr (GVariant) again =
          g_variant_ref_sink (json_gvariant_deserialize (node, NULL, NULL));

      g_assert_cmpvariant (payload, again);
    }
}

static void
mutate (GRand *rand, GString *text)
{
  static const char letters[] = "[]{}:,\"\\u0dDeE+-.19 trufalsn\n\x01\xc3\xa9\xff";
  guint             n_changes = g_rand_int_range (rand, 1, 4);

  for (guint i = 0; i < n_changes && text->len > 0; i++)
    {
      gsize at = g_rand_int_range (rand, 0, text->len);
      char  c = letters[g_rand_int_range (rand, 0, sizeof letters - 1)];

      switch (g_rand_int_range (rand, 0, 3))
        {
        case 0:
          text->str[at] = c;
          break;
        case 1:
          g_string_erase (text, at, 1);
          break;
        default:
          g_string_insert_c (text, at, c);
          break;
        }
    }
}

/* Damaged text gives an error or something sound, which survives being written and read again. */
static void
test_mutations (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (20240101);

  for (guint i = 0; i < 20000; i++)
    {
      g_autoptr (GString) text = g_string_new (good[i % G_N_ELEMENTS (good)].json);
      g_autoptr (GVariant) payload = NULL;
      g_autoptr (GVariant) again = NULL;
      g_autoptr (GError) error = NULL;
      g_autofree char *json = NULL;

      mutate (rand, text);
      payload = agent_payload_from_json (text->str, &error);
      if (payload == NULL)
        {
          g_assert_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_MESSAGE);
          continue;
        }

      json = agent_payload_to_json (payload);
      again = agent_payload_from_json (json, &error);
      g_assert_no_error (error);
      g_assert_cmpvariant (payload, again);
    }
}

static void
test_big (void)
{
  g_autoptr (GString) text = g_string_new ("[");
  g_autoptr (GVariant) payload = NULL;
  g_autofree char *back = NULL;

  for (guint i = 0; i < 50000; i++)
    g_string_append_printf (text, "%s{\"k%u\":%u}", i > 0 ? "," : "", i, i);
  g_string_append (text, ",{");
  for (guint i = 0; i < 50000; i++)
    g_string_append_printf (text, "%s\"k%u\":%u", i > 0 ? "," : "", i, i);
  g_string_append (text, "}]");

  payload = agent_payload_from_json (text->str, NULL);
  g_assert_cmpuint (g_variant_n_children (payload), ==, 50001);
  back = agent_payload_to_json (payload);
  g_assert_true (g_str_equal (back, text->str));
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  test_add_func ("/agentbus/payload/good", test_good);
  test_add_func ("/agentbus/payload/bad", test_bad);
  test_add_func ("/agentbus/payload/depth", test_depth);
  test_add_func ("/agentbus/payload/depth-on-the-wire", test_depth_on_the_wire);
  test_add_func ("/agentbus/payload/written", test_written);
  test_add_func ("/agentbus/payload/not-finite", test_not_finite);
  test_add_func ("/agentbus/payload/floating-is-left-alone", test_floating_is_left_alone);
  test_add_func ("/agentbus/payload/agrees-with-json-glib", test_agrees_with_json_glib);
  test_add_func ("/agentbus/payload/mutations", test_mutations);
  test_add_func ("/agentbus/payload/big", test_big);

  return g_test_run ();
}
