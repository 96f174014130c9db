/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "base/agent-string-hash-private.h"

G_BEGIN_DECLS

/*
 * Whether a string is UTF-8. All functions may be called in any thread.
 *
 * The library checks the strings of each message when the message is made. Most strings are ASCII: these are checked
 * here, eight bytes in a step. Only the others are given to the function of GLib, which takes a step for each byte.
 */

#define AGENT_UTF8_HIGH_BITS G_GUINT64_CONSTANT (0x8080808080808080)

/* Combines all bytes of a string with a bitwise OR. If all are ASCII, the high bits are 0. */
static inline guint64
_agent_utf8_get_bits (const char *string,
                      gsize       length)
{
  guint64 bits;

  if (length < 8)
    return _agent_string_hash_get_few (string, length);

  /* The last eight bytes may overlap with those of the last step below. */
  bits = _agent_string_hash_get_8 (string + length - 8);
  for (gsize i = 0; i + 8 < length; i += 8)
    bits |= _agent_string_hash_get_8 (string + i);

  return bits;
}

static inline gboolean
_agent_utf8_is_ascii (guint64 bits)
{
  return G_LIKELY ((bits & AGENT_UTF8_HIGH_BITS) == 0);
}

static inline gboolean
_agent_utf8_is_valid (const char *string,
                      gsize       length)
{
  return _agent_utf8_is_ascii (_agent_utf8_get_bits (string, length)) || g_utf8_validate_len (string, length, NULL);
}

/* For the checks of arguments. */
static inline gboolean
_agent_utf8_is_string (const char *string)
{
  return _agent_utf8_is_valid (string, strlen (string));
}

/* Whether none of @names: (nullable) is empty. */
static inline gboolean
_agent_utf8_are_names (const char *const *names)
{
  for (guint i = 0; names != NULL && names[i] != NULL; i++)
    {
      if (*names[i] == '\0' || !_agent_utf8_is_string (names[i]))
        return FALSE;
    }

  return TRUE;
}

G_END_DECLS
