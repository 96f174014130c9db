/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-json-reader-private.h"

#include "agent-bus-error.h"

#include <errno.h>
#include <math.h>
#include <string.h>

/*
 * The reader recurses, and GLib accepts 128 levels from bytes, of which an object takes three: with
 * this limit every payload that can be read can also be sent to another process.
 */
#define DEPTH_MAX 32

/*
 * JSON-GLib will not do for text from anywhere. Version 1.6 leaks when the text is wrong, wraps numbers that are
 * too large, calls GLib with half of a surrogate pair and takes what is not JSON; and its objects take a step for
 * each member that came before, where names are repeated or made to collide: half a megabyte of text keeps it busy
 * for a quarter of a minute.
 */
typedef struct
{
  const char *start;
  const char *at;
  guint       depth;
  GString    *text; /* the string that was read last */
  GError    **error;
} Reader;

typedef struct
{
  char     *name;
  GVariant *value; /* (nullable) */
  guint     position;
} Member;

static GVariant *read_value (Reader *self);

static gboolean
refuse (Reader     *self,
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
skip_space (Reader *self)
{
  while (*self->at == ' ' || *self->at == '\t' || *self->at == '\r' || *self->at == '\n')
    self->at++;

  return *self->at;
}

static gboolean
read_unit (Reader   *self,
           gunichar *unit)
{
  *unit = 0;

  for (guint i = 0; i < 4; i++, self->at++)
    {
      if (!g_ascii_isxdigit (*self->at))
        return refuse (self, "Bad escape");

      *unit = *unit * 16 + (gunichar) g_ascii_xdigit_value (*self->at);
    }

  return TRUE;
}

/* What comes after `\u`. A GVariant holds neither NUL nor half of a surrogate pair. */
static gboolean
read_unicode (Reader *self)
{
  gunichar character;
  gunichar low;

  if (!read_unit (self, &character))
    return FALSE;
  if (character == 0)
    return refuse (self, "NUL character");

  if (character >= 0xd800 && character <= 0xdfff)
    {
      if (character > 0xdbff || self->at[0] != '\\' || self->at[1] != 'u')
        return refuse (self, "Half of a surrogate pair");

      self->at += 2;
      if (!read_unit (self, &low))
        return FALSE;
      if (low < 0xdc00 || low > 0xdfff)
        return refuse (self, "Half of a surrogate pair");

      character = 0x10000 + ((character - 0xd800) << 10) + (low - 0xdc00);
    }

  g_string_append_unichar (self->text, character);

  return TRUE;
}

static gboolean
read_escape (Reader *self)
{
  static const char letters[] = "\"\\/bfnrt";
  static const char meanings[] = "\"\\/\b\f\n\r\t";
  char              letter = *self->at;
  const char       *found;

  if (letter == 'u')
    {
      self->at++;
      return read_unicode (self);
    }

  found = letter != '\0' ? strchr (letters, letter) : NULL;
  if (found == NULL)
    return refuse (self, "Bad escape");

  self->at++;
  g_string_append_c (self->text, meanings[found - letters]);

  return TRUE;
}

/* What comes after the opening quotation mark. */
static gboolean
read_string (Reader *self)
{
  g_string_truncate (self->text, 0);

  while (*self->at != '"')
    {
      if ((guchar) *self->at < ' ')
        return refuse (self, *self->at == '\0' ? "Unexpected end" : "Control character");

      if (*self->at != '\\')
        g_string_append_c (self->text, *self->at++);
      else
        {
          self->at++;
          if (!read_escape (self))
            return FALSE;
        }
    }

  self->at++;

  return TRUE;
}

static gboolean
skip_digits (Reader *self)
{
  const char *start = self->at;

  while (g_ascii_isdigit (*self->at))
    self->at++;

  return self->at != start;
}

static gboolean
skip_number (Reader   *self,
             gboolean *integer)
{
  if (*self->at == '-')
    self->at++;
  if (*self->at == '0')
    self->at++;
  else if (!skip_digits (self))
    return FALSE;

  *integer = *self->at != '.' && *self->at != 'e' && *self->at != 'E';

  if (*self->at == '.')
    {
      self->at++;
      if (!skip_digits (self))
        return FALSE;
    }

  if (*self->at == 'e' || *self->at == 'E')
    {
      self->at++;
      if (*self->at == '+' || *self->at == '-')
        self->at++;
      return skip_digits (self);
    }

  return TRUE;
}

static GVariant *
read_number (Reader *self)
{
  const char *start = self->at;
  gboolean    integer;
  gint64      whole;
  double      real;

  if (!skip_number (self, &integer))
    {
      refuse (self, "Bad number");
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
  refuse (self, "Number out of range");

  return NULL;
}

/* What comes after the opening bracket. */
static GVariant *
read_array (Reader *self)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("av"));
  GVariant *element;

  if (skip_space (self) == ']')
    {
      self->at++;
      return g_variant_builder_end (&builder);
    }

  while ((element = read_value (self)) != NULL)
    {
      g_variant_builder_add_value (&builder, g_variant_new_variant (element));

      switch (skip_space (self))
        {
        case ',':
          self->at++;
          break;
        case ']':
          self->at++;
          return g_variant_builder_end (&builder);
        default:
          refuse (self, "Expected “,” or “]”");
          return NULL;
        }
    }

  return NULL;
}

static void
member_clear (gpointer data)
{
  Member *self = data;

  g_clear_pointer (&self->name, g_free);
  g_clear_pointer (&self->value, g_variant_unref);
}

static int
compare_names (gconstpointer a,
               gconstpointer b)
{
  const Member *one = a;
  const Member *two = b;
  int           order = strcmp (one->name, two->name);

  return order != 0 ? order : (one->position > two->position) - (one->position < two->position);
}

static int
compare_positions (gconstpointer a,
                   gconstpointer b)
{
  const Member *one = a;
  const Member *two = b;

  return (one->position > two->position) - (one->position < two->position);
}

/* Of members with one name the last counts. Sorting finds them, as a hash table slows down for
 * names made to collide. */
static void
drop_doubles (GArray *members)
{
  g_array_sort (members, compare_names);

  for (guint i = 1; i < members->len; i++)
    {
      Member *before = &g_array_index (members, Member, i - 1);

      if (strcmp (before->name, g_array_index (members, Member, i).name) == 0)
        g_clear_pointer (&before->value, g_variant_unref);
    }

  g_array_sort (members, compare_positions);
}

static GVariant *
build_object (GArray *members)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  if (members->len > 1)
    drop_doubles (members);

  for (guint i = 0; i < members->len; i++)
    {
      Member *member = &g_array_index (members, Member, i);

      if (member->value != NULL)
        g_variant_builder_add_value (
            &builder,
            g_variant_new_dict_entry (g_variant_new_string (member->name),
                                      g_variant_new_variant (member->value)));
    }

  return g_variant_builder_end (&builder);
}

static gboolean
read_member (Reader *self,
             GArray *members)
{
  g_autofree char *name = NULL;
  GVariant        *value;
  Member           member;

  if (skip_space (self) != '"')
    return refuse (self, "Expected a name");
  self->at++;
  if (!read_string (self))
    return FALSE;
  name = g_strdup (self->text->str);

  if (skip_space (self) != ':')
    return refuse (self, "Expected “:”");
  self->at++;
  value = read_value (self);
  if (value == NULL)
    return FALSE;

  member = (Member){ g_steal_pointer (&name), g_variant_ref_sink (value), members->len };
  g_array_append_val (members, member);

  return TRUE;
}

/* What comes after the opening brace. */
static GVariant *
read_object (Reader *self)
{
  g_autoptr (GArray) members = g_array_new (FALSE, FALSE, sizeof (Member));

  g_array_set_clear_func (members, member_clear);
  if (skip_space (self) == '}')
    {
      self->at++;
      return build_object (members);
    }

  while (read_member (self, members))
    {
      switch (skip_space (self))
        {
        case ',':
          self->at++;
          break;
        case '}':
          self->at++;
          return build_object (members);
        default:
          refuse (self, "Expected “,” or “}”");
          return NULL;
        }
    }

  return NULL;
}

static GVariant *
read_nested (Reader *self)
{
  GVariant *value;

  if (self->depth == DEPTH_MAX)
    {
      refuse (self, "Too many levels of nesting");
      return NULL;
    }

  self->depth++;
  value = *self->at++ == '[' ? read_array (self) : read_object (self);
  self->depth--;

  return value;
}

static GVariant *
read_word (Reader *self)
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

  refuse (self, *self->at == '\0' ? "Unexpected end" : "Unexpected character");

  return NULL;
}

/* Gives a floating reference, or NULL and an error. */
static GVariant *
read_value (Reader *self)
{
  char c = skip_space (self);

  if (c == '[' || c == '{')
    return read_nested (self);
  if (c == '-' || g_ascii_isdigit (c))
    return read_number (self);
  if (c != '"')
    return read_word (self);

  self->at++;

  return read_string (self) ? g_variant_new_string (self->text->str) : NULL;
}

/* Gives a full reference, or NULL and an error of AGENT_BUS_ERROR. */
GVariant *
_agent_json_read (const char *json,
                  GError    **error)
{
  g_autoptr (GString) text = NULL;
  g_autoptr (GVariant) payload = NULL;
  Reader reader;

  text = g_string_new (NULL);
  reader = (Reader){ .start = json, .at = json, .text = text, .error = error };
  if (!g_utf8_validate (json, -1, &reader.at))
    {
      refuse (&reader, "No UTF-8");
      return NULL;
    }

  reader.at = json;
  payload = read_value (&reader);
  if (payload == NULL)
    return NULL;

  if (skip_space (&reader) != '\0')
    {
      refuse (&reader, "Unexpected character");
      return NULL;
    }

  return g_variant_ref_sink (g_steal_pointer (&payload));
}
