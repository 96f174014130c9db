/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A thread that iterates a context of its own. */
typedef struct
{
  GMainContext *context;
  GMainLoop    *loop;
  GThread      *thread;
} BenchThread;

BenchThread *bench_thread_new  (void) G_GNUC_WARN_UNUSED_RESULT;
GPtrArray   *bench_threads_new (guint        n) G_GNUC_WARN_UNUSED_RESULT;
void         bench_thread_free (BenchThread *self);

G_END_DECLS
