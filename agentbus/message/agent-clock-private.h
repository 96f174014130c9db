/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The library's only clock: monotonic time in microseconds. A test may put its own in its place. */
gint64 _agent_clock_now      (void);
void   _agent_clock_override (gint64 (*now) (void));

G_END_DECLS
