/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-ready-list-private.h"

void
_agent_ready_item_init (AgentReadyItem *self)
{
  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    self->links[channel].data = self;
}

/* Does nothing if @item is in the list already. An item whose data is ready is not among the unheard ones. */
void
_agent_ready_list_add (AgentReadyList *self,
                       AgentReadyItem *item,
                       AgentChannel    channel)
{
  if (item->is_ready[channel])
    return;

  if (channel == AGENT_CHANNEL_DATA && item->is_unheard)
    _agent_ready_list_set_unheard (self, item, FALSE);
  item->is_ready[channel] = TRUE;
  g_queue_push_tail_link (&self->lists[channel], &item->links[channel]);
  if (channel == AGENT_CHANNEL_SYSTEM)
    g_atomic_int_inc (&self->n_system);
}

/* Does nothing if @item is not in the list. */
void
_agent_ready_list_remove (AgentReadyList *self,
                          AgentReadyItem *item,
                          AgentChannel    channel)
{
  if (!item->is_ready[channel])
    return;

  item->is_ready[channel] = FALSE;
  g_queue_unlink (&self->lists[channel], &item->links[channel]);
  if (channel == AGENT_CHANNEL_SYSTEM)
    g_atomic_int_add (&self->n_system, -1);
}

/* Removes the first item of the first list that has any: (nullable).
 *
 * @channel: (out): which list it was */
AgentReadyItem *
_agent_ready_list_take (AgentReadyList *self,
                        AgentChannel   *channel)
{
  for (*channel = 0; *channel < AGENT_N_CHANNELS; (*channel)++)
    {
      GList *first = self->lists[*channel].head;

      if (first != NULL)
        {
          _agent_ready_list_remove (self, first->data, *channel);
          return first->data;
        }
    }

  return NULL;
}

/* An item that is among the unheard ones is not in the list of the data channel. */
void
_agent_ready_list_set_unheard (AgentReadyList *self,
                               AgentReadyItem *item,
                               gboolean        unheard)
{
  if (item->is_unheard == unheard)
    return;

  if (unheard)
    _agent_ready_list_remove (self, item, AGENT_CHANNEL_DATA);
  item->is_unheard = unheard;
  if (unheard)
    g_queue_push_tail_link (&self->unheard, &item->links[AGENT_CHANNEL_DATA]);
  else
    g_queue_unlink (&self->unheard, &item->links[AGENT_CHANNEL_DATA]);
}

/* One that nobody listens to, another one each time: (nullable). */
AgentReadyItem *
_agent_ready_list_next_unheard (AgentReadyList *self)
{
  GList *link = g_queue_pop_head_link (&self->unheard);

  if (link == NULL)
    return NULL;

  g_queue_push_tail_link (&self->unheard, link);
  return link->data;
}

/* Does nothing if @item is on the stack already. */
void
_agent_ready_list_push_incoming (AgentReadyList    *self,
                                 AgentIncomingItem *item)
{
  AgentIncomingItem *head;

  if (atomic_exchange (&item->is_incoming, TRUE))
    return;

  /* Relaxed: if this item is not the newest one, the exchange below fails and loads the newest one. */
  head = atomic_load_explicit (&self->incoming, memory_order_relaxed);
  do
    item->next = head;
  while (!atomic_compare_exchange_weak (&self->incoming, &head, item));
}

/* Takes all items off the stack and links them in the order in which they were pushed. Returns the first one: (nullable).
 * The caller goes through them with leave_incoming().
 *
 * The load is sequentially consistent, since the caller has just stored that its source is not armed, or that a mailbox has
 * finished. A sender stores its item first and then loads those two. So at least one of both threads sees what the other
 * has stored. */
AgentIncomingItem *
_agent_ready_list_take_incoming (AgentReadyList *self)
{
  AgentIncomingItem *item = atomic_load (&self->incoming);
  AgentIncomingItem *first = NULL;

  if (item == NULL)
    return NULL;

  for (item = atomic_exchange (&self->incoming, NULL); item != NULL;)
    {
      AgentIncomingItem *next = item->next;

      item->next = first;
      first = item;
      item = next;
    }

  return first;
}

/* From now on @item may be pushed again. Returns the item after it: (nullable). */
AgentIncomingItem *
_agent_ready_list_leave_incoming (AgentIncomingItem *item)
{
  AgentIncomingItem *next = item->next;

  atomic_store (&item->is_incoming, FALSE);
  return next;
}
