/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How long a question and its answer take, whatever the way is. */

#include "config.h"

#include "bench-tasks.h"

static gboolean
asker_is_done (gpointer user_data)
{
  return g_atomic_int_get ((gint *) user_data);
}

void
bench_asker_take_answer (BenchAsker *self)
{
  double now = bench_now ();

  if (self->last > 0)
    self->trips[self->n++] = (now - self->last) * 1e9;
  self->last = now;
  if (self->n == self->n_trips)
    g_atomic_int_set (&self->done, TRUE);
  else
    self->ask (self);
}

static gboolean
asker_begin (gpointer user_data)
{
  BenchAsker *self = user_data;

  self->ask (self);
  return G_SOURCE_REMOVE;
}

static void
asker_run (BenchAsker *self,
           guint       n_threads)
{
  self->asking = test_thread_new ();
  self->answering = n_threads > 1 ? test_thread_new () : self->asking;
  self->make (self);

  g_main_context_invoke (self->asking->context, asker_begin, self);
  bench_wait_until (asker_is_done, &self->done, 1000);

  self->free (self);
  if (self->answering != self->asking)
    test_thread_free (self->answering);
  test_thread_free (self->asking);
}

void
bench_asker_measure (const char       *name,
                     const BenchAsker *way,
                     guint             n_threads,
                     guint             n)
{
  guint64 *trips[BENCH_REPEATS];

  for (guint r = 0; r < bench_repeats (); r++)
    {
      BenchAsker self = *way;

      self.trips = trips[r] = g_new0 (guint64, n);
      self.n_trips = n;
      asker_run (&self, n_threads);
      bench_sort (trips[r], n);
    }

  bench_print_percentiles (name, "rtt", trips, n, 1, "ns");
  for (guint r = 0; r < bench_repeats (); r++)
    g_free (trips[r]);
}
