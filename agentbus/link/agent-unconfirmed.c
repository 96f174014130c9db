/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "link/agent-unconfirmed-private.h"

/* Records that follow each other. */
typedef struct
{
  guint64 begin; /* the number of the first one */
  guint64 end;   /* the number after the last one */
} UnconfirmedRun;

void
_agent_unconfirmed_init (AgentUnconfirmed *self)
{
  g_queue_init (&self->runs);
}

void
_agent_unconfirmed_clear (AgentUnconfirmed *self)
{
  g_queue_clear_full (&self->runs, g_free);
}

/* The record @number, which is later than all before, has a message. The caller has seen that it is not full. Returns whether there is
 * one run more. */
gboolean
_agent_unconfirmed_add (AgentUnconfirmed *self,
                        guint64           number)
{
  UnconfirmedRun *last = g_queue_peek_tail (&self->runs);

  if (last != NULL && last->end == number)
    {
      last->end++;
      return FALSE;
    }

  last = g_new (UnconfirmedRun, 1);
  last->begin = number;
  last->end = number + 1;
  g_queue_push_tail (&self->runs, last);
  return TRUE;
}

/* The node has all records before @next. */
void
_agent_unconfirmed_confirm (AgentUnconfirmed *self,
                            guint64           next)
{
  UnconfirmedRun *first;

  while ((first = g_queue_peek_head (&self->runs)) != NULL && first->end <= next)
    g_free (g_queue_pop_head (&self->runs));
  if (first != NULL && first->begin < next)
    first->begin = next;
}

/* How many messages these are. */
guint64
_agent_unconfirmed_count (const AgentUnconfirmed *self)
{
  guint64 n = 0;

  for (const GList *l = self->runs.head; l != NULL; l = l->next)
    {
      const UnconfirmedRun *run = l->data;

      n += run->end - run->begin;
    }

  return n;
}
