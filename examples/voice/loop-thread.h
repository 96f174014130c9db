/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * A thread that runs a main loop of its own. A subscriber with this thread's context handles its messages in
 * this thread, and needs no lock for its state, however many threads send to it.
 */
typedef struct _LoopThread LoopThread;

LoopThread   *loop_thread_new         (const char *name) G_GNUC_WARN_UNUSED_RESULT;
GMainContext *loop_thread_get_context (LoopThread *self);
void          loop_thread_free        (LoopThread *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (LoopThread, loop_thread_free)

G_END_DECLS
