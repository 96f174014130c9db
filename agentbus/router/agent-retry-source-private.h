/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "agent-router-types-private.h"

G_BEGIN_DECLS

/*
 * The timer of a dispatcher: a GSource that comes at one absolute time, and not at all while there is none. It goes by
 * the library's clock.
 *
 * set_time() is for any thread, with a lock of the caller's held. The callback runs in the context. It is called again
 * until the time it was set to lies in the future.
 */
typedef void (*AgentRetryFunc) (gpointer data,
                                gint64   now);

AgentRetrySource *_agent_retry_source_new      (GMainContext     *context,
                                                AgentRetryFunc    func,
                                                gpointer          data,
                                                GDestroyNotify    destroy);
void              _agent_retry_source_free     (AgentRetrySource *self);
void              _agent_retry_source_set_time (AgentRetrySource *self,
                                                gint64            time);

G_END_DECLS
