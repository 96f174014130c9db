/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "loop-thread.h"

struct _LoopThread
{
  GMainContext *context;
  GMainLoop    *loop;
  GThread      *thread;
};

static gpointer
loop_thread_run (gpointer data)
{
  LoopThread *self = data;
  g_autoptr (GMainContextPusher) pusher = g_main_context_pusher_new (self->context);

  g_main_loop_run (self->loop);

  return NULL;
}

static gboolean
quit (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_REMOVE;
}

LoopThread *
loop_thread_new (const char *name)
{
  LoopThread *self = g_new0 (LoopThread, 1);

  self->context = g_main_context_new ();
  self->loop = g_main_loop_new (self->context, FALSE);
  self->thread = g_thread_new (name, loop_thread_run, self);

  return self;
}

GMainContext *
loop_thread_get_context (LoopThread *self)
{
  return self->context;
}

/* Ends the loop after it has dispatched what is ready, and waits for the thread. */
void
loop_thread_free (LoopThread *self)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  /* If this thread called g_main_loop_quit () before the loop runs, the call would have no effect. */
  g_source_set_callback (source, quit, self->loop, NULL);
  g_source_attach (source, self->context);

  g_thread_join (self->thread);
  g_main_loop_unref (self->loop);
  g_main_context_unref (self->context);
  g_free (self);
}
