/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-json-checker-private.h"

#include "message/agent-json-scanner-private.h"

#include <errno.h>
#include <math.h>

/* An integer of so many digits fits 64 bits. */
#define SAFE_DIGITS 18

/* A number below ten to this power fits a double. */
#define SAFE_POWER 308

static gboolean checker_check_value (AgentJsonScanner *self);

/* Whether a number is so small that it needs no conversion to see that it fits a double. Conversions are slow. */
static gboolean
checker_is_small (const char *number)
{
  guint    power = 0;
  guint    exponent = 0;
  gboolean negative;

  if (*number == '-')
    number++;
  for (; g_ascii_isdigit (*number) && power <= SAFE_POWER; number++)
    power++;
  if (*number == '.')
    for (number++; g_ascii_isdigit (*number); number++)
      ;
  if (*number != 'e' && *number != 'E')
    return power <= SAFE_POWER;

  number++;
  negative = *number == '-';
  if (*number == '-' || *number == '+')
    number++;
  for (; g_ascii_isdigit (*number) && exponent <= SAFE_POWER; number++)
    exponent = exponent * 10 + (guint) g_ascii_digit_value (*number);

  return power + (negative ? 0 : exponent) <= SAFE_POWER;
}

static gboolean
checker_fits (const char *number,
              gsize       length,
              gboolean    integer)
{
  if (!integer)
    return checker_is_small (number) || isfinite (g_ascii_strtod (number, NULL));
  if (length <= SAFE_DIGITS)
    return TRUE;

  errno = 0;
  g_ascii_strtoll (number, NULL, 10);

  return errno != ERANGE;
}

static gboolean
checker_check_number (AgentJsonScanner *self)
{
  const char *start = self->at;
  gboolean    integer;

  if (!_agent_json_scanner_skip_number (self, &integer))
    return FALSE;
  if (checker_fits (start, (gsize) (self->at - start), integer))
    return TRUE;

  self->at = start;

  return _agent_json_scanner_refuse (self, "Number out of range");
}

static gboolean
checker_check_nested (AgentJsonScanner *self)
{
  gboolean is_object = *self->at == '{';
  char     close = is_object ? '}' : ']';
  gboolean more;

  if (!_agent_json_scanner_open (self, close, &more))
    return FALSE;

  while (more)
    {
      if (is_object && !_agent_json_scanner_read_name (self))
        return FALSE;
      if (!checker_check_value (self) || !_agent_json_scanner_go_on (self, close, &more))
        return FALSE;
    }

  self->depth--;

  return TRUE;
}

static gboolean
checker_check_value (AgentJsonScanner *self)
{
  char c = _agent_json_scanner_skip_space (self);

  if (c == '"')
    {
      self->at++;
      return _agent_json_scanner_read_string (self);
    }

  if (c == '[' || c == '{')
    return checker_check_nested (self);
  if (c == '-' || g_ascii_isdigit (c))
    return checker_check_number (self);

  return _agent_json_scanner_skip_word (self) != AGENT_JSON_WORD_NONE;
}

/* @length: the length of @json in bytes, which ends with a 0 after them. */
gboolean
_agent_json_check (const char *json,
                   gsize       length,
                   GError    **error)
{
  AgentJsonScanner scanner = { .error = error };

  return _agent_json_scanner_begin (&scanner, json, length) && checker_check_value (&scanner) &&
         _agent_json_scanner_end (&scanner);
}
