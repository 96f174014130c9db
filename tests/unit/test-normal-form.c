/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-normal-form-private.h"
#include "test-support.h"

/*
 * The library says for sure that bytes are in normal form only if GLib says the same.
 */

#define N_MUTATIONS 3000

/* Values that it knows. */
static const char *const known[] = {
  "byte 7",
  "true",
  "int64 -3",
  "2.5",
  "''",
  "'hello'",
  "'é€😀'",
  "@ay []",
  "[byte 1, 2, 3]",
  "[true, false]",
  "@as []",
  "['a', '', 'bcd']",
  "[['a'], ['b', 'c'], []]",
  "[(byte 1, int64 2), (3, 4)]",
  "[('x', byte 1), ('yz', 2)]",
  "(byte 1, int32 2)",
  "(int64 1, byte 2)",
  "('a', byte 1, 'b', int64 2, 'c')",
  "(uint64 1, int64 2, 'planner', 'topic', [byte 0, 1, 2, 3, 4])",
  "<'inner'>",
  "<<<(1, 'x')>>>",
  "@a{sv} {}",
  "{'n': <1>, 'text': <'hello world'>, 'list': <[1.5, 2.5]>, 'deep': <{'a': <true>}>}",
  "{1: 'one', 2: 'two'}",
  "{'key': ('a', <1>, @as [])}",
  "('a', ('b', 1), (byte 2, 'c'))",
};

/* It says nothing about these. */
static const char *const unknown[] = {
  "@mv nothing", "objectpath '/'", "signature 's'", "()", "handle 1",
};

static gboolean
is_certain (GVariant *value)
{
  return _agent_normal_form_is_certain (
      g_variant_get_type_string (value), g_variant_get_data (value), g_variant_get_size (value));
}

static GVariant *
parse (const char *text)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_parsed (text));

  g_variant_get_data (value);
  return g_steal_pointer (&value);
}

static void
test_known (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (known); i++)
    {
      g_autoptr (GVariant) value = parse (known[i]);

      g_test_message ("%s", known[i]);
      g_assert_true (is_certain (value));
    }
}

static void
test_unknown (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (unknown); i++)
    {
      g_autoptr (GVariant) value = parse (unknown[i]);

      g_assert_false (is_certain (value));
    }
}

/* Containers so large that their offsets take two bytes, and four. */
static void
test_large (void)
{
  static const gsize sizes[] = { 100, 255, 256, 300, 65534, 65535, 65536, 70000 };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_autofree char *text = g_strnfill (sizes[i], 'x');
      g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new ("(sis)", text, 1, text));
      g_autoptr (GVariant) list = g_variant_ref_sink (g_variant_new_strv ((const char *const[]){ text, "y", text }, 3));

      g_variant_get_data (value);
      g_variant_get_data (list);
      g_assert_true (is_certain (value));
      g_assert_true (is_certain (list));
    }
}

static void
test_deep (void)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_int32 (1));

  for (guint i = 0; i < 100; i++)
    {
      g_autoptr (GVariant) inner = g_steal_pointer (&value);

      value = g_variant_ref_sink (g_variant_new_variant (inner));
    }
  g_variant_get_data (value);
  g_assert_false (is_certain (value));
}

/* Changes a few bytes, or the size. */
static GBytes *
mutate (GVariant *value)
{
  gsize   size = g_variant_get_size (value);
  guint8 *data = g_malloc0 (size + 8);

  if (size > 0)
    memcpy (data, g_variant_get_data (value), size);
  for (gint i = g_test_rand_int_range (0, 3); i > 0 && size > 0; i--)
    data[g_test_rand_int_range (0, size)] = g_test_rand_bit () ? g_test_rand_int_range (0, 20) : g_test_rand_int_range (0, 256);
  if (g_test_rand_int_range (0, 4) == 0)
    size = g_test_rand_int_range (0, size + 8);
  return g_bytes_new_take (data, size);
}

static void
check_mutation (GVariant *value)
{
  g_autoptr (GBytes) bytes = mutate (value);
  g_autoptr (GVariant) mutant =
      g_variant_ref_sink (g_variant_new_from_bytes (g_variant_get_type (value), bytes, FALSE));
  gsize         size;
  gconstpointer data = g_bytes_get_data (bytes, &size);

  if (_agent_normal_form_is_certain (g_variant_get_type_string (value), data, size))
    g_assert_true (g_variant_is_normal_form (mutant));
}

static void
test_mutations (void)
{
  guint n = g_test_thorough () ? 100 * N_MUTATIONS : N_MUTATIONS;

  for (guint i = 0; i < G_N_ELEMENTS (known); i++)
    {
      g_autoptr (GVariant) value = parse (known[i]);

      for (guint k = 0; k < n; k++)
        check_mutation (value);
    }
}

int
main (int    argc,
      char **argv)
{
  test_init (&argc, &argv);

  g_test_add_func ("/agentbus/normal-form/known", test_known);
  g_test_add_func ("/agentbus/normal-form/unknown", test_unknown);
  g_test_add_func ("/agentbus/normal-form/large", test_large);
  g_test_add_func ("/agentbus/normal-form/deep", test_deep);
  g_test_add_func ("/agentbus/normal-form/mutations", test_mutations);

  return g_test_run ();
}
