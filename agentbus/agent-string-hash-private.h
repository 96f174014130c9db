/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>
#include <string.h>

G_BEGIN_DECLS

/*
 * For the names that are looked up with each message. They have just been written into it, in small pieces: to read them
 * in larger ones, as strcmp() and strlen() do, would have to wait for that.
 */

#define AGENT_STRING_HASH_FACTOR G_GUINT64_CONSTANT (0x9e3779b97f4a7c15)

static inline guint64
_agent_string_hash_mix (guint64 hash)
{
  hash *= AGENT_STRING_HASH_FACTOR;
  return hash ^ (hash >> 32);
}

/* Eight bytes a step. */
static inline guint64
_agent_string_hash (const char *string)
{
  guint64 hash = 0;

  for (;;)
    {
      guint64 word = 0;
      guint   n = 0;

      for (; n < sizeof word && string[n] != '\0'; n++)
        word |= (guint64) (guchar) string[n] << (8 * n);

      hash = _agent_string_hash_mix (hash ^ word);
      if (n < sizeof word)
        return hash;
      string += sizeof word;
    }
}

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
