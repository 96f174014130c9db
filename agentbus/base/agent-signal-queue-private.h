/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

/*
 * Brings to an object's own context what it has to tell there by its signals. Any thread adds events; the context gets
 * them in that order, when it has nothing more urgent to do, and none after the object has closed the queue. What is
 * added meanwhile waits for the next round.
 *
 * A context that is not iterated for AGENT_SIGNAL_QUEUE_PATIENCE while AGENT_SIGNAL_QUEUE_MAX events wait gets no more of
 * them until it is. A warning says so, and how many it has missed when it comes round.
 */
#define AGENT_SIGNAL_QUEUE_MAX      10000
#define AGENT_SIGNAL_QUEUE_PATIENCE (10 * G_USEC_PER_SEC) /* µs */

typedef struct _AgentSignalQueue AgentSignalQueue;

typedef void (*AgentSignalFunc) (GObject *object,
                                 gpointer event);

AgentSignalQueue *_agent_signal_queue_new   (GObject          *object,
                                             GMainContext     *context,
                                             const char       *name,
                                             AgentSignalFunc   func,
                                             GDestroyNotify    event_free);
AgentSignalQueue *_agent_signal_queue_ref   (AgentSignalQueue *self);
void              _agent_signal_queue_unref (AgentSignalQueue *self);
void              _agent_signal_queue_close (AgentSignalQueue *self);
gboolean          _agent_signal_queue_add   (AgentSignalQueue *self,
                                             gpointer          event);
gboolean          _agent_signal_queue_add_always
                                            (AgentSignalQueue *self,
                                             gpointer          event);
gboolean          _agent_signal_queue_is_asleep
                                            (AgentSignalQueue *self);
GObject          *_agent_signal_queue_dup_object
                                            (AgentSignalQueue *self);

G_END_DECLS
