/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"

typedef gint64 (*ClockFunc) (void);

static ClockFunc clock_now = g_get_monotonic_time; /* (atomic) */

gint64
_agent_clock_now (void)
{
  ClockFunc now = g_atomic_pointer_get (&clock_now);

  return now ();
}

/* The clock of a test does not follow the counter: 0 ticks make the next call read the clock again. */
gint64
_agent_clock_read_stamp (AgentClockStamp *stamp)
{
  stamp->time = _agent_clock_now ();
  if (_agent_clock_is_overridden ())
    stamp->ticks = 0;

  return stamp->time;
}

gint
_agent_clock_is_overridden (void)
{
  return g_atomic_pointer_get (&clock_now) != g_get_monotonic_time;
}

void
_agent_clock_override (gint64 (*now) (void))
{
  g_atomic_pointer_set (&clock_now, now != NULL ? now : g_get_monotonic_time);
}
