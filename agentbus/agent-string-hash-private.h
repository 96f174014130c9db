/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>
#include <string.h>

G_BEGIN_DECLS

#define AGENT_STRING_HASH_FACTOR G_GUINT64_CONSTANT (0x9e3779b97f4a7c15)

static inline guint64
_agent_string_hash_mix (guint64 hash)
{
  hash *= AGENT_STRING_HASH_FACTOR;
  return hash ^ (hash >> 32);
}

static inline guint64
_agent_string_hash_get_8 (const char *bytes)
{
  guint64 word;

  memcpy (&word, bytes, sizeof word);
  return word;
}

static inline guint64
_agent_string_hash_get_4 (const char *bytes)
{
  guint32 word;

  memcpy (&word, bytes, sizeof word);
  return word;
}

/* Less than eight bytes. */
static inline guint64
_agent_string_hash_get_few (const char *bytes,
                            gsize       n)
{
  guint64 word = 0;

  if (n >= 4)
    return _agent_string_hash_get_4 (bytes) | _agent_string_hash_get_4 (bytes + n - 4) << 32;

  for (gsize i = 0; i < n; i++)
    word = word << 8 | (guchar) bytes[i];

  return word;
}

/* Eight bytes a step; the last step takes some of them once more. */
static inline guint64
_agent_string_hash (const char *string,
                    gsize       length)
{
  guint64 hash = length;

  if (length < 8)
    return _agent_string_hash_mix (hash << 56 ^ _agent_string_hash_get_few (string, length));

  for (gsize i = 0; i + 8 < length; i += 8)
    hash = _agent_string_hash_mix (hash ^ _agent_string_hash_get_8 (string + i));

  return _agent_string_hash_mix (hash ^ _agent_string_hash_get_8 (string + length - 8));
}

/* For names that are short as a rule. */
static inline gboolean
_agent_string_equal (const char *a,
                     const char *b)
{
  for (; *a == *b; a++, b++)
    {
      if (*a == '\0')
        return TRUE;
    }

  return FALSE;
}

G_END_DECLS
