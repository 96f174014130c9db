/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>
#include <string.h>

G_BEGIN_DECLS

/* A hash for names that are looked up with each message: eight bytes a step. */

#define AGENT_STRING_HASH_FACTOR G_GUINT64_CONSTANT (0x9e3779b97f4a7c15)

static inline guint64
_agent_string_hash_mix (guint64 hash)
{
  hash *= AGENT_STRING_HASH_FACTOR;
  return hash ^ (hash >> 32);
}

static inline guint64
_agent_string_hash (const char *string)
{
  gsize   length = strlen (string);
  guint64 hash = length;
  guint64 word;

  for (; length >= sizeof word; length -= sizeof word, string += sizeof word)
    {
      memcpy (&word, string, sizeof word);
      hash = _agent_string_hash_mix (hash ^ word);
    }

  word = 0;
  for (gsize i = 0; i < length; i++)
    word |= (guint64) (guchar) string[i] << (8 * i);

  return _agent_string_hash_mix (hash ^ word);
}

G_END_DECLS
