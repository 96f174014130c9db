/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-gaps-private.h"

static void
gaps_add_to_others (AgentGaps    *self,
                    AgentMessage *message,
                    guint64       n)
{
  guint64 *number;

  if (self->others == NULL)
    self->others = g_hash_table_new_full (NULL, NULL, NULL, g_free);

  number = g_hash_table_lookup (self->others, message);
  if (number == NULL)
    {
      number = g_new0 (guint64, 1);
      g_hash_table_insert (self->others, message, number);
    }
  *number += n;
}

/* @n more messages were lost right before @message, which is queued. */
void
_agent_gaps_add (AgentGaps    *self,
                 AgentMessage *message,
                 guint64       n)
{
  if (self->moving != NULL && self->moving != message)
    {
      gaps_add_to_others (self, self->moving, self->n_moving);
      self->n_moving = 0;
    }

  self->moving = message;
  self->n_moving += n;
}

/* @message leaves the queue. Returns how many messages were lost right before it. */
guint64
_agent_gaps_take (AgentGaps    *self,
                  AgentMessage *message)
{
  guint64 *number = self->others != NULL ? g_hash_table_lookup (self->others, message) : NULL;
  guint64  n = number != NULL ? *number : 0;

  if (number != NULL)
    g_hash_table_remove (self->others, message);
  if (self->moving == message)
    {
      n += self->n_moving;
      self->moving = NULL;
      self->n_moving = 0;
    }

  return n;
}

void
_agent_gaps_clear (AgentGaps *self)
{
  g_clear_pointer (&self->others, g_hash_table_unref);
}
