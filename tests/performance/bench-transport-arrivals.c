/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bench-transport.h"

gboolean
bench_arrivals_add (BenchArrivals *self)
{
  if (self->n == 0)
    self->first = bench_now ();
  if (++self->n == self->n_wanted)
    self->last = bench_now ();
  return self->n == self->n_wanted;
}

/* Says how many have come, and how long that took. If any are missing, the time is up to now. */
void
bench_arrivals_tell (BenchArrivals *self)
{
  double last = self->n < self->n_wanted ? bench_now () - (double) BENCH_SILENCE / G_USEC_PER_SEC : self->last;

  bench_part_tell ("%u %.9f", self->n, last - self->first);
}
