/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* How much sound is in one frame, in microseconds. */
#define FRAME_CLOCK_DURATION (20 * 1000)

GSource *frame_clock_new (gint64      interval,
                          GSourceFunc callback,
                          gpointer    user_data) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
