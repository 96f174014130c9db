/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The library's only clock: monotonic time in microseconds. A test may put its own in its place. */
gint64 _agent_clock_now           (void);
void   _agent_clock_override      (gint64 (*now) (void));
gint   _agent_clock_is_overridden (void);

/* Whether the clock is worth reading again: a guess from a counter of the processor, which costs a third of that.
 * Microseconds that matter are never missed; where there is no such counter the answer is always yes. */
#if defined(__x86_64__)
#define AGENT_CLOCK_QUICK_TICKS 20000 /* 4 to 10 µs */

static inline gboolean
_agent_clock_may_have_moved (guint64 *ticks)
{
  guint64 now = __builtin_ia32_rdtsc ();

  if (now - *ticks < AGENT_CLOCK_QUICK_TICKS)
    return FALSE;

  *ticks = now;
  return TRUE;
}
#else
static inline gboolean
_agent_clock_may_have_moved (guint64 *ticks)
{
  return TRUE;
}
#endif

G_END_DECLS
