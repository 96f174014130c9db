/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-spin-lock-private.h"

#define N_LOOKS 256

/* Microseconds, the first time and at the most. */
#define SHORT_NAP 10
#define LONG_NAP 200

void
_agent_spin_lock_wait (AgentSpinLock *self)
{
  guint nap = SHORT_NAP;

  for (guint i = 0; !_agent_spin_lock_try (self); i++)
    {
      if (i < N_LOOKS)
        {
          agent_cpu_relax ();
          continue;
        }
      g_usleep (nap);
      nap = MIN (2 * nap, LONG_NAP);
    }
}
