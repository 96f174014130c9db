/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Whether a warning about something that happens again and again is written: about the first time, the hundredth, the
 * two hundredth and so on. It had happened @before times when it was last looked at, and has @now. */
static inline gboolean
_agent_log_rule_passes (guint64 before,
                        guint64 now)
{
  return before == 0 || before / 100 != now / 100;
}

G_END_DECLS
