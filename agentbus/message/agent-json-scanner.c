/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-json-scanner-private.h"

#include "agent-bus-error.h"
#include "base/agent-utf8-private.h"

#include <string.h>

/* Each nested object or array is one more level of recursion. GLib accepts 128 levels when it reads a GVariant from
 * bytes, and an object takes three of them. So each payload that is read here can also be sent to another process. */
#define DEPTH_MAX 32

/* Sets the error of the scanner and returns FALSE. */
gboolean
_agent_json_scanner_refuse (AgentJsonScanner *self,
                            const char       *problem)
{
  g_set_error (self->error,
               AGENT_BUS_ERROR,
               AGENT_BUS_ERROR_INVALID_MESSAGE,
               "%s at byte %" G_GSIZE_FORMAT " of JSON text",
               problem,
               (gsize) (self->at - self->start));

  return FALSE;
}

/* Checks the characters of the whole text. All other functions rely on it. */
gboolean
_agent_json_scanner_begin (AgentJsonScanner *self,
                           const char       *json,
                           gsize             length)
{
  self->start = self->at = json;
  if (_agent_utf8_is_valid (json, length))
    return TRUE;

  g_utf8_validate (json, (gssize) length, &self->at);

  return _agent_json_scanner_refuse (self, "No UTF-8");
}

/* Refuses what follows the value. */
gboolean
_agent_json_scanner_end (AgentJsonScanner *self)
{
  return _agent_json_scanner_skip_space (self) == '\0' || _agent_json_scanner_refuse (self, "Unexpected character");
}

/* --- Strings --- */

static gboolean
json_read_unit (AgentJsonScanner *self,
                gunichar         *unit)
{
  *unit = 0;

  for (guint i = 0; i < 4; i++, self->at++)
    {
      if (!g_ascii_isxdigit (*self->at))
        return _agent_json_scanner_refuse (self, "Bad escape");

      *unit = *unit * 16 + (gunichar) g_ascii_xdigit_value (*self->at);
    }

  return TRUE;
}

/* Reads what follows `\u`. A GVariant can hold neither NUL nor half of a surrogate pair. */
static gboolean
json_read_unicode (AgentJsonScanner *self)
{
  gunichar character;
  gunichar low;

  if (!json_read_unit (self, &character))
    return FALSE;
  if (character == 0)
    return _agent_json_scanner_refuse (self, "NUL character");

  if (character >= 0xd800 && character <= 0xdfff)
    {
      if (character > 0xdbff || self->at[0] != '\\' || self->at[1] != 'u')
        return _agent_json_scanner_refuse (self, "Half of a surrogate pair");

      self->at += 2;
      if (!json_read_unit (self, &low))
        return FALSE;
      if (low < 0xdc00 || low > 0xdfff)
        return _agent_json_scanner_refuse (self, "Half of a surrogate pair");

      character = 0x10000 + ((character - 0xd800) << 10) + (low - 0xdc00);
    }

  if (self->text != NULL)
    g_string_append_unichar (self->text, character);

  return TRUE;
}

/* Reads what follows a backslash. */
static gboolean
json_read_escape (AgentJsonScanner *self)
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
    return _agent_json_scanner_refuse (self, "Bad escape");

  self->at++;
  if (self->text != NULL)
    g_string_append_c (self->text, meanings[found - letters]);

  return TRUE;
}

/* Reads the characters that stand for themselves. */
static void
json_read_plain (AgentJsonScanner *self)
{
  const char *plain = self->at;

  while (*self->at != '"' && *self->at != '\\' && (guchar) *self->at >= ' ')
    self->at++;

  if (self->text != NULL)
    g_string_append_len (self->text, plain, self->at - plain);
}

/* Reads what follows the opening quotation mark. */
gboolean
_agent_json_scanner_read_string (AgentJsonScanner *self)
{
  if (self->text != NULL)
    g_string_truncate (self->text, 0);

  for (json_read_plain (self); *self->at != '"'; json_read_plain (self))
    {
      if (*self->at != '\\')
        return _agent_json_scanner_refuse (self, *self->at == '\0' ? "Unexpected end" : "Control character");

      self->at++;
      if (!json_read_escape (self))
        return FALSE;
    }

  self->at++;

  return TRUE;
}

/* --- Numbers and words --- */

static gboolean
json_skip_digits (AgentJsonScanner *self)
{
  const char *start = self->at;

  while (g_ascii_isdigit (*self->at))
    self->at++;

  return self->at != start;
}

static gboolean
json_skip_exponent (AgentJsonScanner *self)
{
  if (*self->at != 'e' && *self->at != 'E')
    return TRUE;

  self->at++;
  if (*self->at == '+' || *self->at == '-')
    self->at++;

  return json_skip_digits (self);
}

/* Does not check the range of the number. */
gboolean
_agent_json_scanner_skip_number (AgentJsonScanner *self,
                                 gboolean         *integer)
{
  if (*self->at == '-')
    self->at++;
  if (*self->at == '0')
    self->at++;
  else if (!json_skip_digits (self))
    return _agent_json_scanner_refuse (self, "Bad number");

  *integer = *self->at != '.' && *self->at != 'e' && *self->at != 'E';

  if (*self->at == '.')
    {
      self->at++;
      if (!json_skip_digits (self))
        return _agent_json_scanner_refuse (self, "Bad number");
    }

  return json_skip_exponent (self) || _agent_json_scanner_refuse (self, "Bad number");
}

AgentJsonWord
_agent_json_scanner_skip_word (AgentJsonScanner *self)
{
  static const char *const words[] = { NULL, "null", "false", "true" };

  for (guint word = AGENT_JSON_WORD_NULL; word < G_N_ELEMENTS (words); word++)
    {
      if (!g_str_has_prefix (self->at, words[word]))
        continue;

      self->at += strlen (words[word]);
      return word;
    }

  _agent_json_scanner_refuse (self, *self->at == '\0' ? "Unexpected end" : "Unexpected character");

  return AGENT_JSON_WORD_NONE;
}

/* --- Objects and arrays --- */

/* Reads the opening bracket. @more: (out): whether an element follows. The caller counts the depth down again. */
gboolean
_agent_json_scanner_open (AgentJsonScanner *self,
                          char              close,
                          gboolean         *more)
{
  if (self->depth == DEPTH_MAX)
    return _agent_json_scanner_refuse (self, "Too many levels of nesting");

  self->depth++;
  self->at++;
  *more = _agent_json_scanner_skip_space (self) != close;
  if (!*more)
    self->at++;

  return TRUE;
}

/* Reads the name of a member and the colon. */
gboolean
_agent_json_scanner_read_name (AgentJsonScanner *self)
{
  if (_agent_json_scanner_skip_space (self) != '"')
    return _agent_json_scanner_refuse (self, "Expected a name");

  self->at++;
  if (!_agent_json_scanner_read_string (self))
    return FALSE;
  if (_agent_json_scanner_skip_space (self) != ':')
    return _agent_json_scanner_refuse (self, "Expected “:”");

  self->at++;

  return TRUE;
}

/* Reads what follows an element: the comma, or the closing bracket. */
gboolean
_agent_json_scanner_go_on (AgentJsonScanner *self,
                           char              close,
                           gboolean         *more)
{
  char next = _agent_json_scanner_skip_space (self);

  if (next != ',' && next != close)
    return _agent_json_scanner_refuse (self, close == ']' ? "Expected “,” or “]”" : "Expected “,” or “}”");

  self->at++;
  *more = next == ',';

  return TRUE;
}
