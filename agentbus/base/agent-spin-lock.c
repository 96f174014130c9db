/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-spin-lock-private.h"

/* How often a thread tries to take the lock before it sleeps. */
#define N_TRIES 256

/* The first sleep and the longest one, in microseconds. */
#define SHORT_NAP 10
#define LONG_NAP 200

void
_agent_spin_lock_wait (AgentSpinLock *self)
{
  guint nap = SHORT_NAP;

  for (guint i = 0; !_agent_spin_lock_try (self); i++)
    {
      if (i < N_TRIES)
        {
          agent_cpu_relax ();
          continue;
        }
      g_usleep (nap);
      nap = MIN (2 * nap, LONG_NAP);
    }
}
