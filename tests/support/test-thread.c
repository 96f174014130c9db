/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "test-thread.h"

static gpointer
test_thread_run (gpointer data)
{
  TestThread *self = data;

  g_main_context_push_thread_default (self->context);
  g_main_loop_run (self->loop);
  g_main_context_pop_thread_default (self->context);
  return NULL;
}

TestThread *
test_thread_new (void)
{
  TestThread *self = g_new0 (TestThread, 1);

  self->context = g_main_context_new ();
  self->loop = g_main_loop_new (self->context, FALSE);
  self->thread = g_thread_new ("test", test_thread_run, self);
  return self;
}

GPtrArray *
test_threads_new (guint n)
{
  GPtrArray *threads = g_ptr_array_new_with_free_func ((GDestroyNotify) test_thread_free);

  for (guint i = 0; i < n; i++)
    g_ptr_array_add (threads, test_thread_new ());
  return threads;
}

static gboolean
test_thread_quit (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_REMOVE;
}

void
test_thread_free (TestThread *self)
{
  g_main_context_invoke (self->context, test_thread_quit, self->loop);
  g_thread_join (self->thread);
  g_main_loop_unref (self->loop);
  g_main_context_unref (self->context);
  g_free (self);
}

typedef struct
{
  GMutex   lock;
  GCond    cond;
  gboolean reached;
} ThreadSync;

static gboolean
test_thread_reach (gpointer data)
{
  ThreadSync *sync = data;

  g_mutex_lock (&sync->lock);
  sync->reached = TRUE;
  g_cond_signal (&sync->cond);
  g_mutex_unlock (&sync->lock);
  return G_SOURCE_REMOVE;
}

/* Waits until the thread has dispatched all sources that were ready when this was called. */
void
test_thread_sync (TestThread *self)
{
  ThreadSync sync = {
    0,
  };
  GSource *source = g_idle_source_new ();

  g_mutex_init (&sync.lock);
  g_cond_init (&sync.cond);
  g_source_set_priority (source, G_PRIORITY_LOW);
  g_source_set_callback (source, test_thread_reach, &sync, NULL);
  g_source_attach (source, self->context);
  g_source_unref (source);

  g_mutex_lock (&sync.lock);
  while (!sync.reached)
    g_cond_wait (&sync.cond, &sync.lock);
  g_mutex_unlock (&sync.lock);

  g_cond_clear (&sync.cond);
  g_mutex_clear (&sync.lock);
}
