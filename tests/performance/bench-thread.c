/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bench-thread.h"

static gpointer
thread_run (gpointer data)
{
  BenchThread *self = data;

  g_main_context_push_thread_default (self->context);
  g_main_loop_run (self->loop);
  g_main_context_pop_thread_default (self->context);
  return NULL;
}

BenchThread *
bench_thread_new (void)
{
  BenchThread *self = g_new0 (BenchThread, 1);

  self->context = g_main_context_new ();
  self->loop = g_main_loop_new (self->context, FALSE);
  self->thread = g_thread_new ("bench", thread_run, self);
  return self;
}

GPtrArray *
bench_threads_new (guint n)
{
  GPtrArray *threads = g_ptr_array_new_with_free_func ((GDestroyNotify) bench_thread_free);

  for (guint i = 0; i < n; i++)
    g_ptr_array_add (threads, bench_thread_new ());
  return threads;
}

static gboolean
quit (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_REMOVE;
}

void
bench_thread_free (BenchThread *self)
{
  g_main_context_invoke (self->context, quit, self->loop);
  g_thread_join (self->thread);
  g_main_loop_unref (self->loop);
  g_main_context_unref (self->context);
  g_free (self);
}
