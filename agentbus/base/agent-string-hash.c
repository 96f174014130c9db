/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-string-hash-private.h"

guint64 _agent_string_hash_key[2];

static guint64
string_hash_draw (GRand *rand)
{
  guint64 high = g_rand_int (rand);

  return high << 32 | g_rand_int (rand);
}

/* The constructors of an application may use names already, so this one must run before them: theirs have no priority,
 * or a greater number. The numbers up to 100 belong to the C library. */
__attribute__ ((constructor (101))) static void
string_hash_draw_key (void)
{
  GRand *rand = g_rand_new ();

  _agent_string_hash_key[0] = string_hash_draw (rand);
  _agent_string_hash_key[1] = string_hash_draw (rand) | 1;
  g_rand_free (rand);
}

guint
_agent_string_hash_func (gconstpointer name)
{
  return (guint) _agent_string_hash (name, strlen (name));
}
