/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "transport/agent-dbus-nodes-private.h"

#include "base/agent-string-hash-private.h"

struct _AgentDBusNodes
{
  GHashTable *by_id;     /* (owned) of AgentDBusNode (owned) */
  GHashTable *by_source; /* (owned) of the same (not owned) */
};

static void
dbus_nodes_free_node (gpointer data)
{
  AgentDBusNode *node = data;

  g_free (node->id);
  g_free (node->source);
  g_free (node->destination);
  g_free (node);
}

AgentDBusNodes *
_agent_dbus_nodes_new (void)
{
  AgentDBusNodes *self = g_new0 (AgentDBusNodes, 1);

  self->by_id = g_hash_table_new_full (_agent_string_hash_func, g_str_equal, NULL, dbus_nodes_free_node);
  self->by_source = g_hash_table_new (_agent_string_hash_func, g_str_equal);
  return self;
}

void
_agent_dbus_nodes_free (AgentDBusNodes *self)
{
  g_hash_table_unref (self->by_source);
  g_hash_table_unref (self->by_id);
  g_free (self);
}

/* @unique_name: (nullable): NULL if the line is the source. Returns FALSE if the id or the source is in use. */
gboolean
_agent_dbus_nodes_add (AgentDBusNodes *self,
                       const char     *id,
                       const char     *unique_name,
                       AgentDBusLine  *line)
{
  const char    *source = unique_name != NULL ? unique_name : _agent_dbus_line_get_name (line);
  AgentDBusNode *node;

  if (g_hash_table_contains (self->by_id, id) || g_hash_table_contains (self->by_source, source))
    return FALSE;

  node = g_new0 (AgentDBusNode, 1);
  node->id = g_strdup (id);
  node->source = g_strdup (source);
  node->destination = g_strdup (unique_name);
  node->line = line;
  g_hash_table_insert (self->by_id, node->id, node);
  g_hash_table_insert (self->by_source, node->source, node);
  return TRUE;
}

void
_agent_dbus_nodes_remove (AgentDBusNodes *self,
                          const char     *id)
{
  const AgentDBusNode *node = g_hash_table_lookup (self->by_id, id);

  if (node == NULL)
    return;

  g_hash_table_remove (self->by_source, node->source);
  g_hash_table_remove (self->by_id, node->id);
}

void
_agent_dbus_nodes_clear (AgentDBusNodes *self)
{
  g_hash_table_remove_all (self->by_source);
  g_hash_table_remove_all (self->by_id);
}

/* Returns: (transfer none) (nullable) */
const AgentDBusNode *
_agent_dbus_nodes_find (AgentDBusNodes *self,
                        const char     *id)
{
  return g_hash_table_lookup (self->by_id, id);
}

/* Returns: (transfer none) (nullable) */
const AgentDBusNode *
_agent_dbus_nodes_find_source (AgentDBusNodes *self,
                               const char     *source)
{
  return g_hash_table_lookup (self->by_source, source);
}

/* @iter: (out caller-allocates): its values are the nodes. */
void
_agent_dbus_nodes_iterate (AgentDBusNodes *self,
                           GHashTableIter *iter)
{
  g_hash_table_iter_init (iter, self->by_id);
}
