/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Whether to log a warning about an event that happens again and again: TRUE if the 1st, the 100th, the 200th event and
 * so on is among the new ones. @before: how many events there were at the last call. @now: how many there are now. */
static inline gboolean
_agent_log_rule_passes (guint64 before,
                        guint64 now)
{
  return before == 0 || before / 100 != now / 100;
}

G_END_DECLS
