/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * A timer: a GSource that calls a function in its context when the library's clock reaches an absolute time.
 *
 * A new timer has no time and calls nothing. set_time() may be called in any thread, but not by two threads at once:
 * the owner holds a lock. The time stays set, so the function is called in each iteration until it sets a later time,
 * or -1 for none. free() must be called without that lock, as it may call the destroy notify, which may be NULL.
 */
typedef struct _AgentTimerSource AgentTimerSource;

typedef void (*AgentTimerFunc) (gpointer data,
                                gint64   now);

AgentTimerSource *_agent_timer_source_new      (GMainContext     *context,
                                                const char       *name,
                                                AgentTimerFunc    func,
                                                gpointer          data,
                                                GDestroyNotify    destroy);
void              _agent_timer_source_allow_nesting
                                               (AgentTimerSource *self);
void              _agent_timer_source_free     (AgentTimerSource *self);
void              _agent_timer_source_set_time (AgentTimerSource *self,
                                                gint64            time);

G_END_DECLS
