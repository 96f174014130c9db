/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>
#include <string.h>

G_BEGIN_DECLS

/*
 * The hash of a name, for tables in memory only: it differs from one process to the next, and with the byte order.
 * Any thread may call what is here.
 *
 * Names come from peers too. The hash has a key that nobody outside the process knows, so that nobody can send names
 * which all fall into one place of a table. Each step multiplies by the key and folds the two halves of the product of
 * 128 bits: a product of 64 bits alone would lose the upper bits of what it is given, whatever the key is. The last
 * step's factor depends on the length, so that names of different lengths do not meet either.
 */

/* The start value and the odd factor, drawn before main(). Never written after that. */
G_GNUC_INTERNAL extern guint64 _agent_string_hash_key[2];

/* For a GHashTable whose keys are names. */
G_GNUC_INTERNAL guint _agent_string_hash_func (gconstpointer name);

/* What the compiler does where it has numbers of 128 bits. */
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

/* Less than eight bytes. Each of them is in it, some twice; so strings of one length differ in it if they differ. */
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

/* Eight bytes a step; the last step takes some of them once more. */
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
