/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-payload.h"

#include "agent-bus-error.h"

#include <errno.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>

/*
 * JSON-GLib and GLib recurse, so depth costs stack. An object takes three of the 128 levels that
 * GLib accepts from bytes; with this limit every payload that can be read can also be sent to
 * another process.
 */
#define DEPTH_MAX 32

static gboolean G_GNUC_PRINTF (2, 3) refuse (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  if (error != NULL)
    *error = g_error_new_valist (AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_MESSAGE, format, args);
  va_end (args);

  return FALSE;
}

/* Scanning: what JSON-GLib 1.6 takes for JSON, or gets wrong, is refused before it sees the text.
 */

static gboolean
scan_hex (const char *text, gunichar *unit)
{
  *unit = 0;

  for (guint i = 0; i < 4; i++)
    {
      if (!g_ascii_isxdigit (text[i]))
        return FALSE;

      *unit = *unit * 16 + (gunichar) g_ascii_xdigit_value (text[i]);
    }

  return TRUE;
}

/* The text begins after `\u`. A half of a pair is no character, and a GVariant holds no NUL. */
static gboolean
scan_unicode (const char **text, GError **error)
{
  gunichar high;
  gunichar low;

  if (!scan_hex (*text, &high))
    return refuse (error, "An escape in a string is not JSON");
  if (high == 0)
    return refuse (error, "A string has a NUL character");

  *text += 4;
  if (high < 0xd800 || high > 0xdfff)
    return TRUE;

  if (high > 0xdbff || (*text)[0] != '\\' || (*text)[1] != 'u' || !scan_hex (*text + 2, &low) ||
      low < 0xdc00 || low > 0xdfff)
    return refuse (error, "A string has half of a surrogate pair");

  *text += 6;

  return TRUE;
}

static gboolean
scan_escape (const char **text, GError **error)
{
  char c = *(*text)++;

  if (c == 'u')
    return scan_unicode (text, error);

  return (c != '\0' && strchr ("\"\\/bfnrt", c) != NULL) ||
         refuse (error, "An escape in a string is not JSON");
}

/* The text begins after the opening quotation mark. */
static gboolean
scan_string (const char **text, GError **error)
{
  while (**text != '"')
    {
      char c = *(*text)++;

      if (c == '\0')
        return refuse (error, "A string does not end");
      if (c > 0 && c < ' ')
        return refuse (error, "A string has a control character");
      if (c == '\\' && !scan_escape (text, error))
        return FALSE;
    }

  (*text)++;

  return TRUE;
}

static gboolean
scan_digits (const char **text)
{
  const char *start = *text;

  while (g_ascii_isdigit (**text))
    (*text)++;

  return *text != start;
}

/* JSON-GLib wraps what does not fit 64 bits and makes infinity of what does not fit a double. */
static gboolean
check_number (const char *number, gboolean integer, GError **error)
{
  errno = 0;
  if (integer)
    g_ascii_strtoll (number, NULL, 10);

  if (errno == ERANGE || !isfinite (g_ascii_strtod (number, NULL)))
    return refuse (error, "A number is out of range");

  return TRUE;
}

static gboolean
scan_number (const char **text, GError **error)
{
  const char *start = *text;
  gboolean    integer = TRUE;
  gboolean    valid;

  if (**text == '-')
    (*text)++;
  valid = **text != '0' || !g_ascii_isdigit ((*text)[1]);
  valid &= scan_digits (text);

  if (**text == '.')
    {
      (*text)++;
      integer = FALSE;
      valid &= scan_digits (text);
    }

  if (**text == 'e' || **text == 'E')
    {
      (*text)++;
      integer = FALSE;
      if (**text == '+' || **text == '-')
        (*text)++;
      valid &= scan_digits (text);
    }

  if (!valid || g_ascii_isalnum (**text))
    return refuse (error, "A number is not JSON");

  return check_number (start, integer, error);
}

/* What is left are brackets, `true`, `false`, `null` and white space; whether they make sense is
 * for the parser. */
static gboolean
scan_other (const char **text, int *depth, GError **error)
{
  char c = *(*text)++;

  if (c == '[' || c == '{')
    (*depth)++;
  else if (c == ']' || c == '}')
    (*depth)--;

  if (*depth > DEPTH_MAX)
    return refuse (error, "More than %d levels of nesting", DEPTH_MAX);

  return strchr ("[]{}:,truefalsn \t\r\n", c) != NULL || refuse (error, "A character is not JSON");
}

static gboolean
scan (const char *text, GError **error)
{
  gboolean valid = TRUE;
  int      depth = 0;

  while (valid && *text != '\0')
    {
      if (*text == '"')
        {
          text++;
          valid = scan_string (&text, error);
        }
      else if (*text == '-' || g_ascii_isdigit (*text))
        valid = scan_number (&text, error);
      else
        valid = scan_other (&text, &depth, error);
    }

  return valid;
}

/* Building: json_gvariant_deserialize () takes seconds for some ten thousand elements, as it
 * appends to a list. */

static GVariant *build_value (JsonNode *node);

static GVariant *
build_array (JsonArray *array)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("av"));
  guint n_elements = json_array_get_length (array);

  for (guint i = 0; i < n_elements; i++)
    g_variant_builder_add (&builder, "v", build_value (json_array_get_element (array, i)));

  return g_variant_builder_end (&builder);
}

static GVariant *
build_object (JsonObject *object)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  JsonObjectIter iter;
  const char    *name;
  JsonNode      *node;

  json_object_iter_init_ordered (&iter, object);
  while (json_object_iter_next_ordered (&iter, &name, &node))
    g_variant_builder_add (&builder, "{sv}", name, build_value (node));

  return g_variant_builder_end (&builder);
}

static GVariant *
build_scalar (JsonNode *node)
{
  GType type = json_node_get_value_type (node);

  if (type == G_TYPE_STRING)
    return g_variant_new_string (json_node_get_string (node));
  if (type == G_TYPE_INT64)
    return g_variant_new_int64 (json_node_get_int (node));
  if (type == G_TYPE_DOUBLE)
    return g_variant_new_double (json_node_get_double (node));

  return g_variant_new_boolean (json_node_get_boolean (node));
}

static GVariant *
build_value (JsonNode *node)
{
  switch (json_node_get_node_type (node))
    {
    case JSON_NODE_OBJECT:
      return build_object (json_node_get_object (node));
    case JSON_NODE_ARRAY:
      return build_array (json_node_get_array (node));
    case JSON_NODE_VALUE:
      return build_scalar (node);
    case JSON_NODE_NULL:
    default:
      return g_variant_new_maybe (G_VARIANT_TYPE_VARIANT, NULL);
    }
}

/* Writing: JSON-GLib 1.6 prints large unsigned numbers as negative ones, and infinity as `inf.0`.
 */

static void
write_string (GString *out, const char *string)
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
write_double (GString *out, double number)
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

static void write_value (GString *out, GVariant *value);

static void
write_member (GString *out, GVariant *entry)
{
  g_autoptr (GVariant) key = g_variant_get_child_value (entry, 0);
  g_autoptr (GVariant) value = g_variant_get_child_value (entry, 1);

  if (g_variant_is_of_type (key, G_VARIANT_TYPE_STRING) ||
      g_variant_is_of_type (key, G_VARIANT_TYPE_OBJECT_PATH) ||
      g_variant_is_of_type (key, G_VARIANT_TYPE_SIGNATURE))
    write_value (out, key);
  else
    {
      g_autoptr (GString) text = g_string_new (NULL);

      write_value (text, key);
      write_string (out, text->str);
    }

  g_string_append_c (out, ':');
  write_value (out, value);
}

static void
write_children (GString *out, GVariant *value, char open, char close)
{
  gsize n_children = g_variant_n_children (value);

  g_string_append_c (out, open);

  for (gsize i = 0; i < n_children; i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (value, i);

      if (i > 0)
        g_string_append_c (out, ',');
      if (open == '{')
        write_member (out, child);
      else
        write_value (out, child);
    }

  g_string_append_c (out, close);
}

static void
write_inner (GString *out, GVariant *value)
{
  g_autoptr (GVariant) inner = NULL;

  if (g_variant_n_children (value) > 0)
    inner = g_variant_get_child_value (value, 0);

  if (inner != NULL)
    write_value (out, inner);
  else
    g_string_append (out, "null");
}

static void
write_value (GString *out, GVariant *value)
{
  switch (g_variant_classify (value))
    {
    case G_VARIANT_CLASS_STRING:
    case G_VARIANT_CLASS_OBJECT_PATH:
    case G_VARIANT_CLASS_SIGNATURE:
      write_string (out, g_variant_get_string (value, NULL));
      break;

    case G_VARIANT_CLASS_DOUBLE:
      write_double (out, g_variant_get_double (value));
      break;

    case G_VARIANT_CLASS_BYTE:
      g_string_append_printf (out, "%u", g_variant_get_byte (value));
      break;

    case G_VARIANT_CLASS_HANDLE:
      g_string_append_printf (out, "%d", g_variant_get_handle (value));
      break;

    case G_VARIANT_CLASS_MAYBE:
    case G_VARIANT_CLASS_VARIANT:
      write_inner (out, value);
      break;

    case G_VARIANT_CLASS_ARRAY:
      if (g_variant_is_of_type (value, G_VARIANT_TYPE_DICTIONARY))
        write_children (out, value, '{', '}');
      else
        write_children (out, value, '[', ']');
      break;

    case G_VARIANT_CLASS_TUPLE:
      write_children (out, value, '[', ']');
      break;

    case G_VARIANT_CLASS_DICT_ENTRY:
      g_string_append_c (out, '{');
      write_member (out, value);
      g_string_append_c (out, '}');
      break;

    default:
      /* GVariant's own text for booleans and integers is JSON. */
      g_variant_print_string (value, out, FALSE);
      break;
    }
}

/**
 * agent_payload_from_json:
 * @json: JSON text.
 * @error: Return location for an error, or %NULL.
 *
 * Makes a payload of JSON text.
 *
 * An object becomes an `a{sv}`, an array an `av`, a string an `s`, an integer an `x`, any other
 * number a `d`, and `null` an empty `mv`. Of members with the same name the last one counts.
 *
 * The text may come from anywhere: it must be UTF-8 and strict JSON. Refused are also more than 32
 * levels of nesting, integers that do not fit 64 bits with a sign, numbers that do not fit a
 * double, and the NUL character, which a `GVariant` cannot hold. The error is
 * `AGENT_BUS_ERROR_INVALID_MESSAGE`.
 *
 * This may be called from any thread.
 *
 * Returns: (transfer full): the payload, not floating
 *
 * Since: 0.1
 */
GVariant *
agent_payload_from_json (const char *json, GError **error)
{
  g_autoptr (GError) parse_error = NULL;
  g_autoptr (JsonNode) root = NULL;

  g_return_val_if_fail (json != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  if (!g_utf8_validate (json, -1, NULL))
    {
      refuse (error, "The text is not UTF-8");
      return NULL;
    }

  if (!scan (json, error))
    return NULL;

  root = json_from_string (json, &parse_error);
  if (root == NULL)
    {
      refuse (error, "%s", parse_error != NULL ? parse_error->message : "The text is empty");
      return NULL;
    }

  return g_variant_ref_sink (build_value (root));
}

/**
 * agent_payload_to_json:
 * @payload: (transfer none): A payload; a floating reference is left alone.
 *
 * Makes JSON text of a payload, on one line.
 *
 * Dictionaries become objects, with the text of their keys as names; arrays and tuples become
 * arrays; variants and maybes become what is in them, and an empty maybe becomes `null`. JSON has
 * no word for infinity and NaN: these become `null` too, so that the text is always JSON.
 *
 * What [func@AgentBus.payload_from_json] has read comes out the same, except for white space and
 * the spelling of numbers.
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
  write_value (out, payload);

  return g_string_free (g_steal_pointer (&out), FALSE);
}
