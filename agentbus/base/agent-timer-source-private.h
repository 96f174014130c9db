/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * A GSource that comes at one absolute time, and not at all while there is none. It goes by the library's clock.
 *
 * set_time() is for any thread, with a lock of the caller's held. The callback runs in the context. It is called again
 * until the time it was set to lies in the future.
 */
typedef struct _AgentTimerSource AgentTimerSource;

typedef void (*AgentTimerFunc) (gpointer data,
                                gint64   now);

AgentTimerSource *_agent_timer_source_new      (GMainContext     *context,
                                                const char       *name,
                                                AgentTimerFunc    func,
                                                gpointer          data,
                                                GDestroyNotify    destroy);
void              _agent_timer_source_free     (AgentTimerSource *self);
void              _agent_timer_source_set_time (AgentTimerSource *self,
                                                gint64            time);

G_END_DECLS
