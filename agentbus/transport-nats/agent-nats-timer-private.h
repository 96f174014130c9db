/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Calls a function in a context, once, at the time that was set last. All functions are called in the thread of the
 * context, but for fire(), which lets it be called as soon as possible. The function may free the timer.
 */
typedef struct _AgentNatsTimer AgentNatsTimer;

typedef void (*AgentNatsTimerFunc) (gpointer data);

AgentNatsTimer *_agent_nats_timer_new    (GMainContext       *context,
                                          const char         *name,
                                          AgentNatsTimerFunc  func,
                                          gpointer            data);
void            _agent_nats_timer_free   (AgentNatsTimer     *self);
void            _agent_nats_timer_end    (AgentNatsTimer     *self);
void            _agent_nats_timer_set    (AgentNatsTimer     *self,
                                          gint64              time);
void            _agent_nats_timer_set_in (AgentNatsTimer     *self,
                                          guint               ms);
void            _agent_nats_timer_fire   (AgentNatsTimer     *self);
void            _agent_nats_timer_stop   (AgentNatsTimer     *self);

G_END_DECLS
