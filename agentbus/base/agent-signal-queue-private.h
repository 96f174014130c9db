/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

/*
 * Carries events to the context of an object, which emits its signals there. Any thread may add events. The context
 * calls the function of the queue for each event, in the order in which they were added, when nothing more urgent is
 * ready. A dispatch handles one batch; events that are added meanwhile wait for the next one. After the object has
 * closed the queue, the function is called for no further event.
 *
 * If AGENT_SIGNAL_QUEUE_MAX events wait and the context has not been iterated for AGENT_SIGNAL_QUEUE_PATIENCE, further
 * events are refused until the context is iterated again. The next dispatch then warns how many events were refused.
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
