/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-json-reader-private.h"

#include "agent-bus-error.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/* Each nested object or array is one more level of recursion. GLib accepts 128 levels when it reads a GVariant from
 * bytes, and an object takes three of them. So each payload that is read here can also be sent to another process. */
#define DEPTH_MAX 32

/*
 * JSON-GLib must not be used for text that a peer sends. Version 1.6 leaks if the text has an error, wraps numbers that
 * are too large, passes half of a surrogate pair to GLib, and accepts text that is not JSON. If names are repeated, or
 * chosen to collide, each member of an object takes one step for each member before it: half a megabyte of text takes
 * 15 seconds.
 */
typedef struct
{
  const char *start;
  const char *at;
  guint       depth;
  GString    *text; /* the last string */
  GError    **error;
} JsonReader;

typedef struct
{
  char     *name;
  GVariant *value; /* (nullable) NULL if a later member has the same name */
  guint     position;
} JsonMember;

static GVariant *json_read_value (JsonReader *self);

static gboolean
json_refuse (JsonReader *self,
             const char *problem)
{
  g_set_error (self->error,
               AGENT_BUS_ERROR,
               AGENT_BUS_ERROR_INVALID_MESSAGE,
               "%s at byte %" G_GSIZE_FORMAT " of JSON text",
               problem,
               (gsize) (self->at - self->start));

  return FALSE;
}

static char
json_skip_space (JsonReader *self)
{
  while (*self->at == ' ' || *self->at == '\t' || *self->at == '\r' || *self->at == '\n')
    self->at++;

  return *self->at;
}

static gboolean
json_read_unit (JsonReader *self,
                gunichar   *unit)
{
  *unit = 0;

  for (guint i = 0; i < 4; i++, self->at++)
    {
      if (!g_ascii_isxdigit (*self->at))
        return json_refuse (self, "Bad escape");

      *unit = *unit * 16 + (gunichar) g_ascii_xdigit_value (*self->at);
    }

  return TRUE;
}

/* Reads what follows `\u`. A GVariant can hold neither NUL nor half of a surrogate pair. */
static gboolean
json_read_unicode (JsonReader *self)
{
  gunichar character;
  gunichar low;

  if (!json_read_unit (self, &character))
    return FALSE;
  if (character == 0)
    return json_refuse (self, "NUL character");

  if (character >= 0xd800 && character <= 0xdfff)
    {
      if (character > 0xdbff || self->at[0] != '\\' || self->at[1] != 'u')
        return json_refuse (self, "Half of a surrogate pair");

      self->at += 2;
      if (!json_read_unit (self, &low))
        return FALSE;
      if (low < 0xdc00 || low > 0xdfff)
        return json_refuse (self, "Half of a surrogate pair");

      character = 0x10000 + ((character - 0xd800) << 10) + (low - 0xdc00);
    }

  g_string_append_unichar (self->text, character);

  return TRUE;
}

static gboolean
json_read_escape (JsonReader *self)
{
  static const char letters[] = "\"\\/bfnrt";
  static const char meanings[] = "\"\\/\b\f\n\r\t";
  char              letter = *self->at;
  const char       *found;

  if (letter == 'u')
    {
      self->at++;
      return json_read_unicode (self);
    }

  found = letter != '\0' ? strchr (letters, letter) : NULL;
  if (found == NULL)
    return json_refuse (self, "Bad escape");

  self->at++;
  g_string_append_c (self->text, meanings[found - letters]);

  return TRUE;
}

/* Reads what follows the opening quotation mark. */
static gboolean
json_read_string (JsonReader *self)
{
  g_string_truncate (self->text, 0);

  while (*self->at != '"')
    {
      if ((guchar) *self->at < ' ')
        return json_refuse (self, *self->at == '\0' ? "Unexpected end" : "Control character");

      if (*self->at != '\\')
        g_string_append_c (self->text, *self->at++);
      else
        {
          self->at++;
          if (!json_read_escape (self))
            return FALSE;
        }
    }

  self->at++;

  return TRUE;
}

static gboolean
json_skip_digits (JsonReader *self)
{
  const char *start = self->at;

  while (g_ascii_isdigit (*self->at))
    self->at++;

  return self->at != start;
}

static gboolean
json_skip_number (JsonReader *self,
                  gboolean   *integer)
{
  if (*self->at == '-')
    self->at++;
  if (*self->at == '0')
    self->at++;
  else if (!json_skip_digits (self))
    return FALSE;

  *integer = *self->at != '.' && *self->at != 'e' && *self->at != 'E';

  if (*self->at == '.')
    {
      self->at++;
      if (!json_skip_digits (self))
        return FALSE;
    }

  if (*self->at == 'e' || *self->at == 'E')
    {
      self->at++;
      if (*self->at == '+' || *self->at == '-')
        self->at++;
      return json_skip_digits (self);
    }

  return TRUE;
}

static GVariant *
json_read_number (JsonReader *self)
{
  const char *start = self->at;
  gboolean    integer;
  gint64      whole;
  double      real;

  if (!json_skip_number (self, &integer))
    {
      json_refuse (self, "Bad number");
      return NULL;
    }

  errno = 0;
  if (integer)
    {
      whole = g_ascii_strtoll (start, NULL, 10);
      if (errno != ERANGE)
        return g_variant_new_int64 (whole);
    }
  else
    {
      real = g_ascii_strtod (start, NULL);
      if (isfinite (real))
        return g_variant_new_double (real);
    }

  self->at = start;
  json_refuse (self, "Number out of range");

  return NULL;
}

/* Reads what follows the opening bracket. */
static GVariant *
json_read_array (JsonReader *self)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("av"));
  GVariant *element;

  if (json_skip_space (self) == ']')
    {
      self->at++;
      return g_variant_builder_end (&builder);
    }

  while ((element = json_read_value (self)) != NULL)
    {
      g_variant_builder_add_value (&builder, g_variant_new_variant (element));

      switch (json_skip_space (self))
        {
        case ',':
          self->at++;
          break;
        case ']':
          self->at++;
          return g_variant_builder_end (&builder);
        default:
          json_refuse (self, "Expected “,” or “]”");
          return NULL;
        }
    }

  return NULL;
}

static void
json_member_clear (gpointer data)
{
  JsonMember *self = data;

  g_clear_pointer (&self->name, g_free);
  g_clear_pointer (&self->value, g_variant_unref);
}

static int
json_compare_names (gconstpointer a,
                    gconstpointer b)
{
  const JsonMember *one = a;
  const JsonMember *two = b;
  int               order = strcmp (one->name, two->name);

  return order != 0 ? order : (one->position > two->position) - (one->position < two->position);
}

static int
json_compare_positions (gconstpointer a,
                        gconstpointer b)
{
  const JsonMember *one = a;
  const JsonMember *two = b;

  return (one->position > two->position) - (one->position < two->position);
}

/* Of members with the same name, only the last one is kept. They are found by sorting, as names that are chosen to
 * collide would make a hash table slow. */
static void
json_drop_duplicates (GArray *members)
{
  g_array_sort (members, json_compare_names);

  for (guint i = 1; i < members->len; i++)
    {
      JsonMember *before = &g_array_index (members, JsonMember, i - 1);

      if (strcmp (before->name, g_array_index (members, JsonMember, i).name) == 0)
        g_clear_pointer (&before->value, g_variant_unref);
    }

  g_array_sort (members, json_compare_positions);
}

static GVariant *
json_build_object (GArray *members)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  if (members->len > 1)
    json_drop_duplicates (members);

  for (guint i = 0; i < members->len; i++)
    {
      JsonMember *member = &g_array_index (members, JsonMember, i);

      if (member->value != NULL)
        g_variant_builder_add_value (
            &builder,
            g_variant_new_dict_entry (g_variant_new_string (member->name),
                                      g_variant_new_variant (member->value)));
    }

  return g_variant_builder_end (&builder);
}

static gboolean
json_read_member (JsonReader *self,
                  GArray     *members)
{
  g_autofree char *name = NULL;
  GVariant        *value;
  JsonMember       member;

  if (json_skip_space (self) != '"')
    return json_refuse (self, "Expected a name");
  self->at++;
  if (!json_read_string (self))
    return FALSE;
  name = g_strdup (self->text->str);

  if (json_skip_space (self) != ':')
    return json_refuse (self, "Expected “:”");
  self->at++;
  value = json_read_value (self);
  if (value == NULL)
    return FALSE;

  member = (JsonMember){ g_steal_pointer (&name), g_variant_ref_sink (value), members->len };
  g_array_append_val (members, member);

  return TRUE;
}

/* Reads what follows the opening brace. */
static GVariant *
json_read_object (JsonReader *self)
{
  g_autoptr (GArray) members = g_array_new (FALSE, FALSE, sizeof (JsonMember));

  g_array_set_clear_func (members, json_member_clear);
  if (json_skip_space (self) == '}')
    {
      self->at++;
      return json_build_object (members);
    }

  while (json_read_member (self, members))
    {
      switch (json_skip_space (self))
        {
        case ',':
          self->at++;
          break;
        case '}':
          self->at++;
          return json_build_object (members);
        default:
          json_refuse (self, "Expected “,” or “}”");
          return NULL;
        }
    }

  return NULL;
}

static GVariant *
json_read_nested (JsonReader *self)
{
  GVariant *value;

  if (self->depth == DEPTH_MAX)
    {
      json_refuse (self, "Too many levels of nesting");
      return NULL;
    }

  self->depth++;
  value = *self->at++ == '[' ? json_read_array (self) : json_read_object (self);
  self->depth--;

  return value;
}

static GVariant *
json_read_word (JsonReader *self)
{
  if (g_str_has_prefix (self->at, "true"))
    {
      self->at += strlen ("true");
      return g_variant_new_boolean (TRUE);
    }

  if (g_str_has_prefix (self->at, "false"))
    {
      self->at += strlen ("false");
      return g_variant_new_boolean (FALSE);
    }

  if (g_str_has_prefix (self->at, "null"))
    {
      self->at += strlen ("null");
      return g_variant_new_maybe (G_VARIANT_TYPE_VARIANT, NULL);
    }

  json_refuse (self, *self->at == '\0' ? "Unexpected end" : "Unexpected character");

  return NULL;
}

/* Returns: (transfer floating) (nullable): the value, or NULL with an error. */
static GVariant *
json_read_value (JsonReader *self)
{
  char c = json_skip_space (self);

  if (c == '[' || c == '{')
    return json_read_nested (self);
  if (c == '-' || g_ascii_isdigit (c))
    return json_read_number (self);
  if (c != '"')
    return json_read_word (self);

  self->at++;

  return json_read_string (self) ? g_variant_new_string (self->text->str) : NULL;
}

/* Returns: (transfer full) (nullable): the value, not floating, or NULL with an error of AGENT_BUS_ERROR. */
GVariant *
_agent_json_read (const char *json,
                  GError    **error)
{
  g_autoptr (GString) text = NULL;
  g_autoptr (GVariant) payload = NULL;
  JsonReader reader;

  text = g_string_new (NULL);
  reader = (JsonReader){ .start = json, .at = json, .text = text, .error = error };
  if (!g_utf8_validate (json, -1, &reader.at))
    {
      json_refuse (&reader, "No UTF-8");
      return NULL;
    }

  reader.at = json;
  payload = json_read_value (&reader);
  if (payload == NULL)
    return NULL;

  if (json_skip_space (&reader) != '\0')
    {
      json_refuse (&reader, "Unexpected character");
      return NULL;
    }

  return g_variant_ref_sink (g_steal_pointer (&payload));
}
