/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "router/agent-router-types-private.h"

G_BEGIN_DECLS

/*
 * What is due, and when: a binary heap of absolute times, the earliest at the root. A deadline lies in what it is the
 * deadline of and knows its place, so that it can be taken out at any time. Knows no main loop and no clock.
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
