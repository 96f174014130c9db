/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <time.h>

#include "receiver.h"

gint64
bench_now (void)
{
  struct timespec now;

  clock_gettime (CLOCK_MONOTONIC, &now);
  return now.tv_sec * G_GINT64_CONSTANT (1000000000) + now.tv_nsec;
}

static void
finish (BenchCrowd *self)
{
  g_mutex_lock (&self->lock);
  g_assert (self->n_unfinished > 0);
  self->n_unfinished--;
  self->finished_at = bench_now ();
  g_cond_signal (&self->cond);
  g_mutex_unlock (&self->lock);
}

void
bench_receiver_take (BenchReceiver *self,
                     gsize          payload)
{
  self->n++;
  self->n_bytes += payload;
  if (self->handle != NULL)
    self->handle (self);
  if (self->n == self->n_wanted)
    finish (self->crowd);
}

void
bench_crowd_init (BenchCrowd *self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  self->n_unfinished = 0;
}

void
bench_crowd_clear (BenchCrowd *self)
{
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->cond);
}

void
bench_crowd_expect (BenchCrowd *self,
                    guint       n_receivers)
{
  g_mutex_lock (&self->lock);
  self->n_unfinished = n_receivers;
  g_mutex_unlock (&self->lock);
}

/* Returns when the last one was through. The watchdog of main.c ends what would wait for ever. */
gint64
bench_crowd_wait (BenchCrowd *self)
{
  gint64 at;

  g_mutex_lock (&self->lock);
  while (self->n_unfinished > 0)
    g_cond_wait (&self->cond, &self->lock);
  at = self->finished_at;
  g_mutex_unlock (&self->lock);

  return at;
}
