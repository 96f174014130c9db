/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>
#include <string.h>

G_BEGIN_DECLS

/*
 * The hash of a name, for tables in memory only: each process has other hashes, and so has each byte order.
 * All functions may be called in any thread.
 *
 * Names come from peers too. The hash has a key that nobody outside the process knows, so that no peer can choose names
 * that all fall into one bucket of a table. Each step multiplies by the key and combines the two halves of the product
 * of 128 bits: a product of 64 bits would lose the upper bits of its input, whatever the key is. The factor of the last
 * step depends on the length, so that names of different lengths have different hashes too.
 */

/* The start value, and the factor, which is odd. Both are chosen at random before main() and never change after that. */
G_GNUC_INTERNAL extern guint64 _agent_string_hash_key[2];

/* A GHashFunc for tables whose keys are names. */
G_GNUC_INTERNAL guint _agent_string_hash_func (gconstpointer name);

/* For compilers that have no integers of 128 bits. */
static inline guint64
_agent_string_hash_fold_portable (guint64 a,
                                  guint64 b)
{
  guint64 low = (guint64) (guint32) a * (guint32) b;
  guint64 middle = (a >> 32) * (guint32) b + (low >> 32);
  guint64 other = (guint64) (guint32) a * (b >> 32) + (guint32) middle;
  guint64 high = (a >> 32) * (b >> 32) + (middle >> 32) + (other >> 32);

  return high ^ (other << 32 | (guint32) low);
}

static inline guint64
_agent_string_hash_fold (guint64 a,
                         guint64 b)
{
#ifdef __SIZEOF_INT128__
  __extension__ typedef unsigned __int128 Product;
  Product product = (Product) a * b;

  return (guint64) (product >> 64) ^ (guint64) product;
#else
  return _agent_string_hash_fold_portable (a, b);
#endif
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

/* Packs less than eight bytes into a word. Each byte is in the word, some of them twice, so different strings of the
 * same length give different words. */
static inline guint64
_agent_string_hash_get_few (const char *bytes,
                            gsize       n)
{
  const guchar *few = (const guchar *) bytes;

  if (n >= 4)
    return _agent_string_hash_get_4 (bytes) | _agent_string_hash_get_4 (bytes + n - 4) << 32;
  if (n == 0)
    return 0;

  return few[0] | (guint64) few[n / 2] << 8 | (guint64) few[n - 1] << 16;
}

/* Each step takes eight bytes. The last eight bytes may overlap with those of the step before. */
static inline guint64
_agent_string_hash (const char *string,
                    gsize       length)
{
  guint64 hash = _agent_string_hash_key[0];
  guint64 factor = _agent_string_hash_key[1];
  guint64 last_factor = factor + 2 * (guint64) length;

  if (length < 8)
    return _agent_string_hash_fold (hash ^ _agent_string_hash_get_few (string, length), last_factor);

  for (gsize i = 0; i + 8 < length; i += 8)
    hash = _agent_string_hash_fold (hash ^ _agent_string_hash_get_8 (string + i), factor);

  return _agent_string_hash_fold (hash ^ _agent_string_hash_get_8 (string + length - 8), last_factor);
}

/* For names that are usually short. */
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
