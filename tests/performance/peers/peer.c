/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include "peer.h"

const guint8 bench_payload[BENCH_PAYLOAD_MAX] = "what one agent has to tell another";

/* --- Message --- */

void
bench_message_fill (BenchMessage *self,
                    guint64       source,
                    gsize         size)
{
  self->source = source;
  self->type = BENCH_MESSAGE_TYPE;
  self->size = size;
  memcpy (self->payload, bench_payload, size);
}

BenchMessage *
bench_message_new (guint64 source,
                   gsize   size)
{
  BenchMessage *self = g_atomic_rc_box_alloc (sizeof *self + size);

  bench_message_fill (self, source, size);
  return self;
}

/* Returns the size of the payload. */
gsize
bench_message_read (const BenchMessage *self)
{
  g_assert (self->type == BENCH_MESSAGE_TYPE);
  return self->size;
}

/* --- Loop --- */

static gpointer
run (gpointer data)
{
  BenchLoop *self = data;

  g_main_context_push_thread_default (self->context);
  g_main_loop_run (self->loop);
  g_main_context_pop_thread_default (self->context);
  return NULL;
}

BenchLoop *
bench_loop_new (void)
{
  BenchLoop *self = g_new0 (BenchLoop, 1);

  self->context = g_main_context_new ();
  self->loop = g_main_loop_new (self->context, FALSE);
  self->thread = g_thread_new ("loop", run, self);
  return self;
}

GPtrArray *
bench_loops_new (guint n)
{
  GPtrArray *loops = g_ptr_array_new_with_free_func ((GDestroyNotify) bench_loop_free);

  for (guint i = 0; i < n; i++)
    g_ptr_array_add (loops, bench_loop_new ());
  return loops;
}

static gboolean
quit (gpointer loop)
{
  g_main_loop_quit (loop);
  return G_SOURCE_REMOVE;
}

void
bench_loop_free (BenchLoop *self)
{
  g_main_context_invoke (self->context, quit, self->loop);
  g_thread_join (self->thread);
  g_main_loop_unref (self->loop);
  g_main_context_unref (self->context);
  g_free (self);
}
