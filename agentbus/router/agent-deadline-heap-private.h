/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "router/agent-router-types-private.h"

G_BEGIN_DECLS

/*
 * A binary heap of deadlines, which are absolute times, the earliest at the root. A deadline is a member of what it belongs
 * to, and knows its place in the heap, so that it can be taken out at any time.
 *
 * The heap knows no main loop, no clock and no lock.
 */

struct _AgentDeadline
{
  gint64 time;  /* µs */
  guint  place; /* in the heap */
};

struct _AgentDeadlineHeap
{
  AgentDeadline **deadlines; /* (owned) of unowned deadlines */
  guint           n_deadlines;
  guint           size;
};

void           _agent_deadline_heap_init   (AgentDeadlineHeap *self);
void           _agent_deadline_heap_clear  (AgentDeadlineHeap *self);
void           _agent_deadline_heap_add    (AgentDeadlineHeap *self,
                                            AgentDeadline     *deadline);
void           _agent_deadline_heap_remove (AgentDeadlineHeap *self,
                                            AgentDeadline     *deadline);
AgentDeadline *_agent_deadline_heap_peek   (AgentDeadlineHeap *self);

G_END_DECLS
