/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-clock-private.h"

typedef gint64 (*ClockFunc) (void);

static ClockFunc clock_now = g_get_monotonic_time; /* (atomic) */

gint64
_agent_clock_now (void)
{
  ClockFunc now = g_atomic_pointer_get (&clock_now);

  return now ();
}

gint
_agent_clock_is_overridden (void)
{
  return g_atomic_pointer_get (&clock_now) != g_get_monotonic_time;
}

/* NULL brings the real clock back. */
void
_agent_clock_override (gint64 (*now) (void))
{
  g_atomic_pointer_set (&clock_now, now != NULL ? now : g_get_monotonic_time);
}
