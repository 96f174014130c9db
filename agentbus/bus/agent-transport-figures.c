/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-transport-figures-private.h"

struct _AgentTransportFigures
{
  GMutex           lock;
  GHashTable      *nodes; /* (lock) (owned) char * (owned) → AgentNodeFigures (owned) */
  AgentNodeFigures gone;  /* the sum of the nodes that are gone */
};

static const char *const figure_names[AGENT_N_FIGURES] = {
  [AGENT_FIGURE_DATA_SENT] = "data-sent",
  [AGENT_FIGURE_DATA_RECEIVED] = "data-received",
  [AGENT_FIGURE_DATA_LOST] = "data-lost",
  [AGENT_FIGURE_CONTROL_SENT] = "control-sent",
  [AGENT_FIGURE_CONTROL_RECEIVED] = "control-received",
  [AGENT_FIGURE_CONTROL_LOST] = "control-lost",
  [AGENT_FIGURE_REFUSED] = "refused",
  [AGENT_FIGURE_DUPLICATES] = "duplicates",
};

AgentTransportFigures *
_agent_transport_figures_new (void)
{
  AgentTransportFigures *self = g_new0 (AgentTransportFigures, 1);

  g_mutex_init (&self->lock);
  self->nodes = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return self;
}

void
_agent_transport_figures_free (AgentTransportFigures *self)
{
  g_hash_table_unref (self->nodes);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* (transfer none): valid until it is removed. There is no such node yet. */
AgentNodeFigures *
_agent_transport_figures_add (AgentTransportFigures *self,
                              const char            *node)
{
  AgentNodeFigures *figures = g_new0 (AgentNodeFigures, 1);

  g_mutex_lock (&self->lock);
  g_hash_table_insert (self->nodes, g_strdup (node), figures);
  g_mutex_unlock (&self->lock);

  return figures;
}

static void
figures_add_up (AgentNodeFigures *sum,
                AgentNodeFigures *figures)
{
  for (guint i = 0; i < AGENT_N_FIGURES; i++)
    _agent_node_figures_count (sum, i, atomic_load_explicit (&figures->counts[i], memory_order_relaxed));
}

void
_agent_transport_figures_remove (AgentTransportFigures *self,
                                 const char            *node)
{
  g_mutex_lock (&self->lock);
  figures_add_up (&self->gone, g_hash_table_lookup (self->nodes, node));
  g_hash_table_remove (self->nodes, node);
  g_mutex_unlock (&self->lock);
}

static void
figures_fill_in (AgentNodeFigures *figures,
                 GVariantDict     *dict)
{
  for (guint i = 0; i < AGENT_N_FIGURES; i++)
    g_variant_dict_insert (
        dict, figure_names[i], "t", atomic_load_explicit (&figures->counts[i], memory_order_relaxed));
}

/* Adds the sums of all nodes, and the figures of each node that is there. */
void
_agent_transport_figures_to_dict (AgentTransportFigures *self,
                                  GVariantDict          *dict)
{
  AgentNodeFigures sum = { 0 };
  GVariantBuilder  nodes;
  GHashTableIter   iter;
  gpointer         node;
  gpointer         figures;

  g_variant_builder_init (&nodes, G_VARIANT_TYPE_VARDICT);
  g_mutex_lock (&self->lock);
  figures_add_up (&sum, &self->gone);
  g_hash_table_iter_init (&iter, self->nodes);
  while (g_hash_table_iter_next (&iter, &node, &figures))
    {
      g_auto (GVariantDict) of_node = G_VARIANT_DICT_INIT (NULL);

      figures_add_up (&sum, figures);
      figures_fill_in (figures, &of_node);
      g_variant_builder_add (&nodes, "{sv}", node, g_variant_dict_end (&of_node));
    }
  g_mutex_unlock (&self->lock);

  figures_fill_in (&sum, dict);
  g_variant_dict_insert_value (dict, "nodes", g_variant_builder_end (&nodes));
}
