/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-delivery.h"
#include "link/agent-link-private.h"

/* What waits to be sent. */

/* TRUE: @waiting does not wait any more. */
static gboolean
link_try_waiting (AgentWaitingMessage *waiting)
{
  AgentMessage *message = agent_delivery_get_message (waiting->delivery);

  return waiting->remote->node == NULL ||
         _agent_node_pack_message (waiting->remote->node, waiting->remote, message);
}

/* There may be room. Those that still find none keep their places. */
static void
link_go_on (AgentLink *self)
{
  GQueue               waiting = self->core.waiting;
  AgentWaitingMessage *next;

  g_queue_init (&self->core.waiting);
  while ((next = g_queue_pop_head (&waiting)) != NULL)
    {
      if (link_try_waiting (next))
        _agent_link_core_end_waiting (next);
      else
        g_queue_push_tail (&self->core.waiting, next);
    }
}

/* Sends what is packed, and packs what has waited for that. */
void
_agent_link_flush (AgentLink *self)
{
  g_autoptr (GPtrArray) dirty = g_steal_pointer (&self->core.dirty);

  self->core.dirty = g_ptr_array_new ();
  for (guint i = 0; i < dirty->len; i++)
    {
      AgentNode *node = dirty->pdata[i];

      node->dirty = FALSE;
      _agent_node_flush (node);
      if (node->to_ask)
        _agent_node_ask (node);
    }
  if (self->core.waiting.length > 0)
    link_go_on (self);
}

/* Whether all that was handed over has been sent. */
gboolean
_agent_link_is_idle (AgentLink *self)
{
  GHashTableIter iter;
  gpointer       node;

  if (self->core.waiting.length > 0)
    return FALSE;

  g_hash_table_iter_init (&iter, self->nodes);
  while (g_hash_table_iter_next (&iter, NULL, &node))
    {
      if (!_agent_node_is_idle (node))
        return FALSE;
    }

  return TRUE;
}
