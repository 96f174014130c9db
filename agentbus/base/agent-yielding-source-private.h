/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * A GSource that can be urgent or polite. Urgent, it comes at normal priority. Polite, it comes at idle priority, after
 * what redraws, say; but if something else was more urgent in one iteration, it comes at normal priority in the next. So
 * neither a flood of messages keeps the application from drawing, nor a busy application the messages from being
 * delivered. An iteration in which it is ready always dispatches something: whoever iterates until there is nothing left
 * to do gets there.
 *
 * GLib has no such priority, so there is a second GSource while it is polite.
 *
 * The functions but new() and free() are for any thread, with a lock of the owner held. The callback runs in the context,
 * without it, and has to begin with begin() and to end with one of the others.
 */
typedef struct _AgentYieldingSource AgentYieldingSource;

typedef void (*AgentYieldingFunc) (gpointer data);

/* The application iterates the context from within the callback. FALSE: there is nothing to do in such an iteration. If
 * TRUE, the callback may be called again before it has returned. Without this function it never is. */
typedef gboolean (*AgentYieldingNested) (gpointer data);

AgentYieldingSource *_agent_yielding_source_new       (GMainContext        *context,
                                                       const char          *name,
                                                       AgentYieldingFunc    func,
                                                       AgentYieldingNested  nested,
                                                       gpointer             data,
                                                       GDestroyNotify       destroy);
void                 _agent_yielding_source_free      (AgentYieldingSource *self);
void                 _agent_yielding_source_begin     (AgentYieldingSource *self);
void                 _agent_yielding_source_be_urgent (AgentYieldingSource *self);
void                 _agent_yielding_source_be_polite (AgentYieldingSource *self);
void                 _agent_yielding_source_rest      (AgentYieldingSource *self);

G_END_DECLS
