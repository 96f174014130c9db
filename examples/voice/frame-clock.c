/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "frame-clock.h"

/*
 * Ticks at a fixed interval, as a sound card does. A GLib timeout counts each interval from the moment
 * when its callback ran, and falls behind real time; this clock counts all intervals from the first.
 */
typedef struct
{
  GSource parent_instance;

  gint64 interval;
  gint64 next;
} FrameClock;

static gboolean
frame_clock_dispatch (GSource    *source,
                      GSourceFunc callback,
                      gpointer    user_data)
{
  FrameClock *self = (FrameClock *) source;

  self->next += self->interval;
  g_source_set_ready_time (source, self->next);

  return callback (user_data);
}

static GSourceFuncs frame_clock_funcs = {
  .dispatch = frame_clock_dispatch,
};

/* Returns a source to be attached. It first ticks after @interval; if that is 0, it is always ready. */
GSource *
frame_clock_new (gint64      interval,
                 GSourceFunc callback,
                 gpointer    user_data)
{
  GSource    *source = g_source_new (&frame_clock_funcs, sizeof (FrameClock));
  FrameClock *self = (FrameClock *) source;

  self->interval = interval;
  self->next = g_get_monotonic_time () + interval;

  g_source_set_static_name (source, "[frame-clock]");
  g_source_set_ready_time (source, self->next);
  g_source_set_callback (source, callback, user_data, NULL);

  return source;
}
