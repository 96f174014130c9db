/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "router/agent-deadline-heap-private.h"

#define FIRST_SIZE 16

void
_agent_deadline_heap_init (AgentDeadlineHeap *self)
{
  memset (self, 0, sizeof *self);
}

/* Wants an empty heap. */
void
_agent_deadline_heap_clear (AgentDeadlineHeap *self)
{
  g_assert (self->n_deadlines == 0);

  g_clear_pointer (&self->deadlines, g_free);
  self->size = 0;
}

static void
heap_put (AgentDeadlineHeap *self,
          guint              place,
          AgentDeadline     *deadline)
{
  self->deadlines[place] = deadline;
  deadline->place = place;
}

static void
heap_sift_up (AgentDeadlineHeap *self,
              guint              place,
              AgentDeadline     *deadline)
{
  while (place > 0)
    {
      guint parent = (place - 1) / 2;

      if (self->deadlines[parent]->time <= deadline->time)
        break;
      heap_put (self, place, self->deadlines[parent]);
      place = parent;
    }

  heap_put (self, place, deadline);
}

static void
heap_sift_down (AgentDeadlineHeap *self,
                guint              place,
                AgentDeadline     *deadline)
{
  for (guint child; (child = 2 * place + 1) < self->n_deadlines; place = child)
    {
      if (child + 1 < self->n_deadlines && self->deadlines[child + 1]->time < self->deadlines[child]->time)
        child++;
      if (deadline->time <= self->deadlines[child]->time)
        break;
      heap_put (self, place, self->deadlines[child]);
    }

  heap_put (self, place, deadline);
}

void
_agent_deadline_heap_add (AgentDeadlineHeap *self,
                          AgentDeadline     *deadline)
{
  if (self->n_deadlines == self->size)
    {
      self->size = MAX (FIRST_SIZE, 2 * self->size);
      self->deadlines = g_renew (AgentDeadline *, self->deadlines, self->size);
    }

  heap_sift_up (self, self->n_deadlines++, deadline);
}

/* Gives memory back when the heap has become much smaller. */
static void
heap_shrink (AgentDeadlineHeap *self)
{
  if (self->size <= FIRST_SIZE || self->n_deadlines > self->size / 4)
    return;

  self->size /= 2;
  self->deadlines = g_renew (AgentDeadline *, self->deadlines, self->size);
}

void
_agent_deadline_heap_remove (AgentDeadlineHeap *self,
                             AgentDeadline     *deadline)
{
  guint          place = deadline->place;
  AgentDeadline *last;

  g_assert (place < self->n_deadlines && self->deadlines[place] == deadline);

  last = self->deadlines[--self->n_deadlines];
  if (last != deadline)
    {
      if (place > 0 && last->time < self->deadlines[(place - 1) / 2]->time)
        heap_sift_up (self, place, last);
      else
        heap_sift_down (self, place, last);
    }

  heap_shrink (self);
}

/* (transfer none) (nullable): the earliest deadline */
AgentDeadline *
_agent_deadline_heap_peek (AgentDeadlineHeap *self)
{
  return self->n_deadlines > 0 ? self->deadlines[0] : NULL;
}
