/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-flow-private.h"

/* Returns whether to tell the owner that there is news.
 *
 * @n_queued: how many messages were queued when the mailbox was found to be slow
 * @n_full: how many messages there was no room for, in all; of two threads, the one that has counted first may come last */
gboolean
_agent_flow_change (AgentFlow *self,
                    gboolean   slow,
                    guint64    n_queued,
                    guint64    n_full)
{
  gboolean announce = FALSE;

  _agent_spin_lock_lock (&self->lock);
  if (self->slow != slow)
    {
      self->slow = slow;
      self->n_full = MAX (self->n_full, n_full);
      if (slow)
        {
          self->was_slow = TRUE;
          self->n_queued = n_queued;
        }
      announce = !self->announced;
      self->announced = TRUE;
    }
  _agent_spin_lock_unlock (&self->lock);

  return announce;
}

/* The news since the last call. From now on there may be others to announce. */
void
_agent_flow_take (AgentFlow     *self,
                  AgentFlowNews *news)
{
  _agent_spin_lock_lock (&self->lock);
  *news = (AgentFlowNews){ .slow = self->was_slow && !self->told,
                           .n_queued = self->n_queued,
                           .recovered = !self->slow && (self->told || self->was_slow),
                           .n_dropped = self->n_full - self->n_told };
  if (news->recovered)
    self->n_told = self->n_full;
  self->told = self->slow;
  self->was_slow = FALSE;
  self->announced = FALSE;
  _agent_spin_lock_unlock (&self->lock);
}
