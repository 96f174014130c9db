/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * A source of a context that is urgent, polite or at rest. An urgent source is dispatched at its own priority. A polite
 * source is dispatched at idle priority in the first iteration, for example after a redraw. If the context had more
 * urgent work in that iteration, the source is dispatched at its own priority in the next one. So a flood of messages
 * does not stop the application from drawing, and a busy application does not stop the delivery of messages.
 *
 * While the source is urgent or polite, each iteration dispatches this source or another one. So a loop that iterates
 * until nothing is dispatched ends only after this source has done its work.
 *
 * GLib has no such priority. So the main GSource is always there, and a second GSource exists while the source is
 * polite.
 *
 * All functions but new() and free() may be called in any thread, but not by two threads at once: the owner holds a
 * lock. The callback runs in the context, without that lock. It must first call begin(), and at its end be_urgent(),
 * be_polite() or rest().
 */
typedef struct _AgentYieldingSource AgentYieldingSource;

typedef void (*AgentYieldingFunc) (gpointer data);

/* Called when the application iterates the context from within the callback. Returns whether the callback has anything
 * to do in such an iteration. If TRUE, it may be called again before it has returned. A source without this function is
 * never called again before it has returned. */
typedef gboolean (*AgentYieldingNested) (gpointer data);

AgentYieldingSource *_agent_yielding_source_new       (GMainContext        *context,
                                                       const char          *name,
                                                       gint                 priority,
                                                       AgentYieldingFunc    func,
                                                       AgentYieldingNested  nested,
                                                       AgentYieldingFunc    look,
                                                       gpointer             data,
                                                       GDestroyNotify       destroy);
void                 _agent_yielding_source_free      (AgentYieldingSource *self);
void                 _agent_yielding_source_begin     (AgentYieldingSource *self);
void                 _agent_yielding_source_be_urgent (AgentYieldingSource *self);
void                 _agent_yielding_source_be_polite (AgentYieldingSource *self);
void                 _agent_yielding_source_set_looks (AgentYieldingSource *self,
                                                       gboolean             looks);
void                 _agent_yielding_source_rest      (AgentYieldingSource *self);

G_END_DECLS
