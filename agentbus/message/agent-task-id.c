/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-task-id-private.h"

#include <stdatomic.h>
#include <string.h>

/* The digits that are random, and the hyphens up to the counter. */
#define PREFIX_LENGTH 24
#define N_COUNTER_DIGITS 12

G_STATIC_ASSERT (PREFIX_LENGTH + N_COUNTER_DIGITS + 1 == AGENT_TASK_ID_SIZE);

/* A random UUID, of which only the first part is used: it has the right version and variant. */
static const char *
task_id_get_prefix (void)
{
  static char  prefix[AGENT_TASK_ID_SIZE];
  static gsize ready; /* (atomic) */

  if (g_once_init_enter (&ready))
    {
      g_autofree char *uuid = g_uuid_string_random ();

      memcpy (prefix, uuid, sizeof prefix);
      g_once_init_leave (&ready, 1);
    }

  return prefix;
}

/* Writes the next id of this process into @buffer. The counter begins with 1. */
void
_agent_task_id_next (char buffer[AGENT_TASK_ID_SIZE])
{
  static _Atomic guint64 last;
  /* Relaxed: the number only has to be another one each time. */
  guint64 number = atomic_fetch_add_explicit (&last, 1, memory_order_relaxed) + 1;

  memcpy (buffer, task_id_get_prefix (), PREFIX_LENGTH);
  for (guint i = 0; i < N_COUNTER_DIGITS; i++, number >>= 4)
    buffer[PREFIX_LENGTH + N_COUNTER_DIGITS - 1 - i] = "0123456789abcdef"[number & 0xf];
  buffer[AGENT_TASK_ID_SIZE - 1] = '\0';
}

/* A name for a subscriber that the library makes itself, which no other process uses: (transfer full). */
char *
_agent_task_id_dup_name (const char *kind,
                         guint       number)
{
  return g_strdup_printf (":%s-%.*s%u", kind, PREFIX_LENGTH, task_id_get_prefix (), number);
}

/* Whether the id begins as those of this process do. A peer may have made up what follows. @id: (nullable) */
gboolean
_agent_task_id_is_ours (const char *id)
{
  return id != NULL && strncmp (id, task_id_get_prefix (), PREFIX_LENGTH) == 0;
}

/* -1: next() writes no such digit. */
static inline int
task_id_get_digit (char c)
{
  if (c >= '0' && c <= '9')
    return c - '0';
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The counter in @id: (nullable). 0: next() has not made this id. It is asked several times for each request, so that it does not
 * call a function for each digit. */
guint64
_agent_task_id_get_number (const char *id)
{
  guint64 number = 0;

  if (!_agent_task_id_is_ours (id))
    return 0;

  id += PREFIX_LENGTH;
  for (guint i = 0; i < N_COUNTER_DIGITS; i++)
    {
      int digit = task_id_get_digit (id[i]);

      if (digit < 0)
        return 0;
      number = number << 4 | (guint64) digit;
    }

  return id[N_COUNTER_DIGITS] == '\0' ? number : 0;
}
