/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A thread that iterates its own context. */
typedef struct
{
  GMainContext *context;
  GMainLoop    *loop;
  GThread      *thread;
} TestThread;

TestThread *test_thread_new   (void) G_GNUC_WARN_UNUSED_RESULT;
GPtrArray  *test_threads_new  (guint       n) G_GNUC_WARN_UNUSED_RESULT;
void        test_thread_free  (TestThread *self);
void        test_thread_sync  (TestThread *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestThread, test_thread_free)

G_END_DECLS
