/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-cpu-private.h"
#include "mailbox/agent-patience-private.h"

/* A thread that sleeps needs longer than this to be woken up. */
#define MAX_WAIT 6        /* µs */
#define LOOKS_PER_TICK 16 /* between two looks at the clock */
#define MAX_LOOKS 256     /* for system messages only */
#define GOOD_BATCH 32     /* messages that are worth a look */

static void
patience_learn (AgentPatience *self,
                guint          n_handled)
{
  if (n_handled < 2)
    self->n_looks /= 2;
  else if (n_handled < GOOD_BATCH)
    self->n_looks = MIN (self->n_looks + self->n_looks / 2 + 4, MAX_LOOKS);
  else if (n_handled > 2 * GOOD_BATCH)
    self->n_looks -= self->n_looks / 4;
}

/* Looks at least once, however long this thread was not run meanwhile. */
static gboolean
patience_look (AgentPatience  *self,
               AgentReadyList *list)
{
  gint64 end = g_get_monotonic_time () + MAX_WAIT;

  for (guint i = 0;; i++)
    {
      if (_agent_ready_list_has_system (list) ||
          (i >= self->n_looks && _agent_ready_list_may_have_incoming (list)))
        return TRUE;
      if (i >= self->n_looks && i % LOOKS_PER_TICK == 0 && g_get_monotonic_time () >= end)
        return FALSE;
      agent_cpu_relax ();
    }
}

/* There is nothing to do. Waits for more. TRUE: there may be something to do now.
 *
 * @n_handled: how many messages were handled since the last wait */
gboolean
_agent_patience_wait (AgentPatience  *self,
                      AgentReadyList *list,
                      guint           n_handled)
{
  /* The looks before brought nothing, so this call and the next ones are without a look, until the luck is 0. */
  if (!_agent_luck_try (&self->luck))
    return FALSE;

  patience_learn (self, n_handled);
  if (patience_look (self, list))
    {
      _agent_luck_won (&self->luck);
      return TRUE;
    }

  self->n_looks = 0;
  _agent_luck_lost (&self->luck);
  return FALSE;
}
