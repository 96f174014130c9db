/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-payload.h"

#include "message/agent-json-reader-private.h"

#include <math.h>
#include <string.h>

/* JSON-GLib is not used for writing either: version 1.6 writes large unsigned numbers as negative ones, and infinity as
 * `inf.0`. */

static void
payload_write_string (GString    *out,
                      const char *string)
{
  g_string_append_c (out, '"');

  for (const char *at = string; *at != '\0'; at++)
    {
      if (*at == '"' || *at == '\\')
        g_string_append_printf (out, "\\%c", *at);
      else if (*at == '\n')
        g_string_append (out, "\\n");
      else if (*at == '\t')
        g_string_append (out, "\\t");
      else if (g_ascii_iscntrl (*at))
        g_string_append_printf (out, "\\u%04x", (guint) *at);
      else
        g_string_append_c (out, *at);
    }

  g_string_append_c (out, '"');
}

static void
payload_write_double (GString *out,
                      double   number)
{
  char buffer[G_ASCII_DTOSTR_BUF_SIZE];

  if (!isfinite (number))
    {
      g_string_append (out, "null");
      return;
    }

  g_string_append (out, g_ascii_dtostr (buffer, sizeof buffer, number));
  if (strpbrk (buffer, ".e") == NULL)
    g_string_append (out, ".0");
}

static void payload_write_value (GString *out, GVariant *value);

static void
payload_write_member (GString  *out,
                      GVariant *entry)
{
  g_autoptr (GVariant) key = g_variant_get_child_value (entry, 0);
  g_autoptr (GVariant) value = g_variant_get_child_value (entry, 1);

  if (g_variant_is_of_type (key, G_VARIANT_TYPE_STRING) ||
      g_variant_is_of_type (key, G_VARIANT_TYPE_OBJECT_PATH) ||
      g_variant_is_of_type (key, G_VARIANT_TYPE_SIGNATURE))
    payload_write_value (out, key);
  else
    {
      g_autoptr (GString) text = g_string_new (NULL);

      payload_write_value (text, key);
      payload_write_string (out, text->str);
    }

  g_string_append_c (out, ':');
  payload_write_value (out, value);
}

static void
payload_write_children (GString  *out,
                        GVariant *value,
                        char      open,
                        char      close)
{
  gsize n_children = g_variant_n_children (value);

  g_string_append_c (out, open);

  for (gsize i = 0; i < n_children; i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (value, i);

      if (i > 0)
        g_string_append_c (out, ',');
      if (open == '{')
        payload_write_member (out, child);
      else
        payload_write_value (out, child);
    }

  g_string_append_c (out, close);
}

/* The bytes are read in place. To get the children of the array would make a GVariant for each byte, and fails in GLib
 * 2.84 if the array is small. */
static void
payload_write_bytes (GString  *out,
                     GVariant *value)
{
  gsize         n_bytes;
  const guint8 *bytes = g_variant_get_fixed_array (value, &n_bytes, sizeof *bytes);

  g_string_append_c (out, '[');
  for (gsize i = 0; i < n_bytes; i++)
    g_string_append_printf (out, i > 0 ? ",%u" : "%u", bytes[i]);
  g_string_append_c (out, ']');
}

static void
payload_write_inner (GString  *out,
                     GVariant *value)
{
  g_autoptr (GVariant) inner = NULL;

  if (g_variant_n_children (value) > 0)
    inner = g_variant_get_child_value (value, 0);

  if (inner != NULL)
    payload_write_value (out, inner);
  else
    g_string_append (out, "null");
}

static void
payload_write_value (GString  *out,
                     GVariant *value)
{
  switch (g_variant_classify (value))
    {
    case G_VARIANT_CLASS_STRING:
    case G_VARIANT_CLASS_OBJECT_PATH:
    case G_VARIANT_CLASS_SIGNATURE:
      payload_write_string (out, g_variant_get_string (value, NULL));
      break;

    case G_VARIANT_CLASS_DOUBLE:
      payload_write_double (out, g_variant_get_double (value));
      break;

    case G_VARIANT_CLASS_BYTE:
      g_string_append_printf (out, "%u", g_variant_get_byte (value));
      break;

    case G_VARIANT_CLASS_HANDLE:
      g_string_append_printf (out, "%d", g_variant_get_handle (value));
      break;

    case G_VARIANT_CLASS_MAYBE:
    case G_VARIANT_CLASS_VARIANT:
      payload_write_inner (out, value);
      break;

    case G_VARIANT_CLASS_ARRAY:
      if (g_variant_is_of_type (value, G_VARIANT_TYPE_DICTIONARY))
        payload_write_children (out, value, '{', '}');
      else if (g_variant_is_of_type (value, G_VARIANT_TYPE_BYTESTRING))
        payload_write_bytes (out, value);
      else
        payload_write_children (out, value, '[', ']');
      break;

    case G_VARIANT_CLASS_TUPLE:
      payload_write_children (out, value, '[', ']');
      break;

    case G_VARIANT_CLASS_DICT_ENTRY:
      g_string_append_c (out, '{');
      payload_write_member (out, value);
      g_string_append_c (out, '}');
      break;

    default:
      /* Booleans and integers: the text that GVariant prints is JSON. */
      g_variant_print_string (value, out, FALSE);
      break;
    }
}

/**
 * agent_payload_from_json:
 * @json: JSON text.
 * @error: Return location for an error, or %NULL.
 *
 * Creates a payload from JSON text.
 *
 * An object becomes an `a{sv}`, an array an `av`, a string an `s`, an integer an `x`, any other
 * number a `d`, and `null` an empty `mv`. Of members with the same name, only the last one is kept.
 *
 * The text may come from an untrusted peer. The function refuses text that is not UTF-8 or not strict
 * JSON, more than 32 levels of nesting, integers that do not fit 64 bits with a sign, numbers that do
 * not fit a double, and the NUL character, which a `GVariant` cannot hold. The error is then
 * `AGENT_BUS_ERROR_INVALID_MESSAGE`.
 *
 * ```c
 * g_autoptr (GVariant) payload =
 *   agent_payload_from_json ("{\"task\": \"sum\"}", &error);
 * const char *task = NULL;
 *
 * if (payload != NULL && g_variant_lookup (payload, "task", "&s", &task))
 *   g_print ("%s\n", task); // prints: sum
 * ```
 *
 * This may be called from any thread.
 *
 * Returns: (transfer full): the payload, of a type as above, such as `a{sv}`; not floating
 *
 * Since: 0.1
 */
GVariant *
agent_payload_from_json (const char *json,
                         GError    **error)
{
  g_return_val_if_fail (json != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  return _agent_json_read (json, error);
}

/**
 * agent_payload_to_json:
 * @payload: (transfer none): A payload, of any type; a floating reference is not sunk.
 *
 * Creates JSON text from a payload, on one line.
 *
 * Dictionaries become objects, with the text of their keys as names; arrays and tuples become
 * arrays; variants and maybes become the value in them, and an empty maybe becomes `null`. JSON has no
 * infinity and no NaN: these become `null` too, so that the text is always JSON.
 *
 * A payload of [func@AgentBus.payload_from_json] becomes the same JSON again, except for white space
 * and the spelling of numbers.
 *
 * This may be called from any thread.
 *
 * Returns: (transfer full): JSON text
 *
 * Since: 0.1
 */
char *
agent_payload_to_json (GVariant *payload)
{
  g_autoptr (GString) out = NULL;

  g_return_val_if_fail (payload != NULL, NULL);

  out = g_string_new (NULL);
  payload_write_value (out, payload);

  return g_string_free (g_steal_pointer (&out), FALSE);
}
