/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-json-reader-private.h"

#include "message/agent-json-scanner-private.h"

#include <errno.h>
#include <math.h>
#include <string.h>

typedef struct
{
  char     *name;
  GVariant *value; /* (nullable) NULL if a later member has the same name */
  guint     position;
} JsonMember;

static GVariant *reader_read_value (AgentJsonScanner *self);

static GVariant *
reader_read_number (AgentJsonScanner *self)
{
  const char *start = self->at;
  char       *end;
  gboolean    integer;
  gint64      whole;
  double      real;

  if (!_agent_json_scanner_skip_number (self, &integer))
    return NULL;

  errno = 0;
  if (integer)
    {
      /* After a 0, GLib reads on where JSON ends the number. */
      whole = g_ascii_strtoll (start, &end, 10);
      if (errno != ERANGE || end != self->at)
        return g_variant_new_int64 (whole);
    }
  else
    {
      real = g_ascii_strtod (start, NULL);
      if (isfinite (real))
        return g_variant_new_double (real);
    }

  self->at = start;
  _agent_json_scanner_refuse (self, "Number out of range");

  return NULL;
}

/* Reads an array, from its opening bracket on. */
static GVariant *
reader_read_array (AgentJsonScanner *self)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("av"));
  gboolean more;

  if (!_agent_json_scanner_open (self, ']', &more))
    return NULL;

  while (more)
    {
      GVariant *element = reader_read_value (self);

      if (element == NULL)
        return NULL;

      g_variant_builder_add_value (&builder, g_variant_new_variant (element));
      if (!_agent_json_scanner_go_on (self, ']', &more))
        return NULL;
    }

  self->depth--;

  return g_variant_builder_end (&builder);
}

static void
reader_clear_member (gpointer data)
{
  JsonMember *self = data;

  g_clear_pointer (&self->name, g_free);
  g_clear_pointer (&self->value, g_variant_unref);
}

static int
reader_compare_names (gconstpointer a,
                      gconstpointer b)
{
  const JsonMember *one = a;
  const JsonMember *two = b;
  int               order = strcmp (one->name, two->name);

  return order != 0 ? order : (one->position > two->position) - (one->position < two->position);
}

static int
reader_compare_positions (gconstpointer a,
                          gconstpointer b)
{
  const JsonMember *one = a;
  const JsonMember *two = b;

  return (one->position > two->position) - (one->position < two->position);
}

/* Of members with the same name, only the last one is kept. They are found by sorting, as names that are chosen to
 * collide would make a hash table slow. */
static void
reader_drop_duplicates (GArray *members)
{
  g_array_sort (members, reader_compare_names);

  for (guint i = 1; i < members->len; i++)
    {
      JsonMember *before = &g_array_index (members, JsonMember, i - 1);

      if (strcmp (before->name, g_array_index (members, JsonMember, i).name) == 0)
        g_clear_pointer (&before->value, g_variant_unref);
    }

  g_array_sort (members, reader_compare_positions);
}

static GVariant *
reader_build_object (GArray *members)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  if (members->len > 1)
    reader_drop_duplicates (members);

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
reader_read_member (AgentJsonScanner *self,
                    GArray           *members)
{
  g_autofree char *name = NULL;
  GVariant        *value;
  JsonMember       member;

  if (!_agent_json_scanner_read_name (self))
    return FALSE;

  name = g_strdup (self->text->str);
  value = reader_read_value (self);
  if (value == NULL)
    return FALSE;

  member = (JsonMember){ g_steal_pointer (&name), g_variant_ref_sink (value), members->len };
  g_array_append_val (members, member);

  return TRUE;
}

/* Reads an object, from its opening brace on. */
static GVariant *
reader_read_object (AgentJsonScanner *self)
{
  g_autoptr (GArray) members = g_array_new (FALSE, FALSE, sizeof (JsonMember));
  gboolean more;

  g_array_set_clear_func (members, reader_clear_member);
  if (!_agent_json_scanner_open (self, '}', &more))
    return NULL;

  while (more)
    if (!reader_read_member (self, members) || !_agent_json_scanner_go_on (self, '}', &more))
      return NULL;

  self->depth--;

  return reader_build_object (members);
}

static GVariant *
reader_read_word (AgentJsonScanner *self)
{
  AgentJsonWord word = _agent_json_scanner_skip_word (self);

  if (word == AGENT_JSON_WORD_NONE)
    return NULL;
  if (word == AGENT_JSON_WORD_NULL)
    return g_variant_new_maybe (G_VARIANT_TYPE_VARIANT, NULL);

  return g_variant_new_boolean (word == AGENT_JSON_WORD_TRUE);
}

/* Returns: (transfer floating) (nullable): the value, or NULL with an error. */
static GVariant *
reader_read_value (AgentJsonScanner *self)
{
  char c = _agent_json_scanner_skip_space (self);

  if (c == '[')
    return reader_read_array (self);
  if (c == '{')
    return reader_read_object (self);
  if (c == '-' || g_ascii_isdigit (c))
    return reader_read_number (self);
  if (c != '"')
    return reader_read_word (self);

  self->at++;

  return _agent_json_scanner_read_string (self) ? g_variant_new_string (self->text->str) : NULL;
}

/* Returns: (transfer full) (nullable): the value, not floating, or NULL with an error of AGENT_BUS_ERROR. */
GVariant *
_agent_json_read (const char *json,
                  GError    **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GVariant) payload = NULL;
  AgentJsonScanner scanner = { .text = text, .error = error };

  if (!_agent_json_scanner_begin (&scanner, json, strlen (json)))
    return NULL;

  payload = reader_read_value (&scanner);
  if (payload == NULL || !_agent_json_scanner_end (&scanner))
    return NULL;

  return g_variant_ref_sink (g_steal_pointer (&payload));
}
