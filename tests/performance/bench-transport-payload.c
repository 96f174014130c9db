/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bench-transport.h"

/* BENCH_SIZE bytes that nobody reads: (transfer full). */
GVariant *
bench_payload_new_opaque (void)
{
  static const guint8 zeroes[BENCH_SIZE];

  return g_variant_ref_sink (g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, zeroes, sizeof zeroes, 1));
}

/* Five fields, which are BENCH_SIZE bytes: (transfer full). */
GVariant *
bench_payload_new_fields (guint64 number)
{
  static const guint8 zeroes[84];

  return g_variant_ref_sink (
      g_variant_new ("(txss@ay)",
                     number,
                     g_get_monotonic_time (),
                     "planner-agent",
                     "task.update",
                     g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, zeroes, sizeof zeroes, 1)));
}

/* Reads all five fields, and returns the number. */
guint64
bench_payload_read (GVariant *fields)
{
  guint64     number;
  gint64      time;
  const char *source;
  const char *topic;
  g_autoptr (GVariant) rest = NULL;

  g_variant_get (fields, "(tx&s&s@ay)", &number, &time, &source, &topic, &rest);
  if (*source != 'p' || *topic != 't' || g_variant_get_size (rest) == 0)
    g_error ("A payload is not what was sent");
  return number;
}

void
bench_tell_trips (guint64 *trips,
                  guint    n)
{
  bench_sort (trips, n);
  bench_part_tell ("%.0f %.0f %.0f",
                   bench_percentile (trips, n, 1),
                   bench_percentile (trips, n, 50),
                   bench_percentile (trips, n, 99));
}
