/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The only clock of the library: monotonic time in microseconds. A test may replace it; NULL restores the real clock. */
gint64 _agent_clock_now           (void);
void   _agent_clock_override      (gint64 (*now) (void));
gint   _agent_clock_is_overridden (void);

/* The last time that a thread has read, and the value of the processor's counter at that moment. */
typedef struct
{
  guint64 ticks;
  gint64  time;
} AgentClockStamp;

gint64 _agent_clock_read_stamp    (AgentClockStamp *stamp);

/*
 * Reading the processor's counter costs a third of reading the clock.
 *
 * _agent_clock_may_have_moved() compares the counter with *@ticks and returns FALSE if less than AGENT_CLOCK_QUICK_TICKS
 * have passed. _agent_clock_stamp() returns the time of @stamp again if less than AGENT_CLOCK_STAMP_TICKS have passed.
 * Machines without such a counter read the clock each time.
 */
#if defined(__x86_64__)
#define AGENT_CLOCK_QUICK_TICKS 20000 /* 4 to 10 µs */
#define AGENT_CLOCK_STAMP_TICKS 1500  /* 0.3 to 0.7 µs */

static inline gboolean
_agent_clock_may_have_moved (guint64 *ticks)
{
  guint64 now = __builtin_ia32_rdtsc ();

  if (now - *ticks < AGENT_CLOCK_QUICK_TICKS)
    return FALSE;

  *ticks = now;
  return TRUE;
}

static inline gint64
_agent_clock_stamp (AgentClockStamp *stamp)
{
  guint64 now = __builtin_ia32_rdtsc ();

  if (now - stamp->ticks < AGENT_CLOCK_STAMP_TICKS)
    return stamp->time;

  stamp->ticks = now;
  return _agent_clock_read_stamp (stamp);
}
#else
static inline gboolean
_agent_clock_may_have_moved (guint64 *ticks)
{
  return TRUE;
}

static inline gint64
_agent_clock_stamp (AgentClockStamp *stamp)
{
  return _agent_clock_now ();
}
#endif

G_END_DECLS
