/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "link/agent-link-private.h"

/* Which nodes there are. */

/* Later sessions have greater numbers, also those of a process that comes later under the same id. */
static guint64
link_next_session (AgentLink *self)
{
  self->last_session = MAX (self->last_session + 1, (guint64) g_get_real_time ());
  return self->last_session;
}

/* --- Packets of older sessions --- */

/* The engine still answers what was sent to a node that is given up. The next session with the node takes that over, so that there
 * are never more packets for one node than the window. */
static void
link_keep_on_way (AgentLink  *self,
                  const char *id,
                  guint       n)
{
  if (n > 0)
    g_hash_table_insert (self->on_way, g_strdup (id), GUINT_TO_POINTER (n));
  else
    g_hash_table_remove (self->on_way, id);
}

static guint
link_get_on_way (AgentLink  *self,
                 const char *id)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (self->on_way, id));
}

/* --- Nodes that come and go --- */

/* (nullable): NULL while the link closes, or if there are too many nodes */
AgentNode *
_agent_link_add_node (AgentLink  *self,
                      const char *id)
{
  AgentNode *node;

  if (self->closing)
    return NULL;
  if (g_hash_table_size (self->nodes) >= AGENT_LINK_MAX_NODES)
    {
      _agent_link_core_refuse (&self->core, id, NULL, "There are more nodes than are known at a time");
      return NULL;
    }

  node = _agent_node_new (&self->core, id, link_next_session (self), link_get_on_way (self, id));
  link_keep_on_way (self, id, 0);
  g_hash_table_insert (self->nodes, node->id, node);
  return node;
}

/* The nodes that there are now: (transfer container). While the caller goes through them, it may give up the one that it is at. */
GPtrArray *
_agent_link_list_nodes (AgentLink *self)
{
  GPtrArray     *nodes = g_ptr_array_new ();
  GHashTableIter iter;
  gpointer       node;

  g_hash_table_iter_init (&iter, self->nodes);
  while (g_hash_table_iter_next (&iter, NULL, &node))
    g_ptr_array_add (nodes, node);

  return nodes;
}

/* Gives names that are free now to the nodes that have claimed them. */
void
_agent_link_claim_names (AgentLink *self)
{
  GHashTableIter iter;
  gpointer       node;

  if (G_LIKELY (!self->core.has_free_names))
    return;

  self->core.has_free_names = FALSE;
  g_hash_table_iter_init (&iter, self->nodes);
  while (g_hash_table_iter_next (&iter, NULL, &node))
    _agent_node_claim_names (node);
}

/* Frees @node. */
void
_agent_link_give_up (AgentLink  *self,
                     AgentNode  *node,
                     const char *reason)
{
  _agent_node_end (node, reason);
  link_keep_on_way (self, node->id, _agent_outbox_count_on_way (&node->outbox));
  g_hash_table_remove (self->nodes, node->id);
}

/* The engine has answered a packet of an older session with the node. */
void
_agent_link_older_done (AgentLink  *self,
                        const char *id)
{
  AgentNode *node = g_hash_table_lookup (self->nodes, id);
  guint      n_on_way = link_get_on_way (self, id);

  if (node != NULL)
    _agent_node_older_done (node);
  else if (n_on_way > 0)
    link_keep_on_way (self, id, n_on_way - 1);
}
