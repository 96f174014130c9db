/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-transport-private.h"

/* What other nodes may do here. All functions but new() and free() may be called in any thread. */

typedef struct
{
  GPtrArray *names;    /* (owned) (nullable) of GPatternSpec (owned); NULL for any */
  GStrv      messages; /* (owned) (nullable) NULL for any */
} NodeRule;

struct _AgentTransportRules
{
  GMutex      lock;
  gint        n_rules; /* (atomic) */
  GHashTable *of_node; /* (lock) (owned) char * (owned) → NodeRule (owned) */
  NodeRule   *of_all;  /* (lock) (owned) (nullable) */
};

static void
node_rule_free (gpointer data)
{
  NodeRule *self = data;

  g_clear_pointer (&self->names, g_ptr_array_unref);
  g_strfreev (self->messages);
  g_free (self);
}

static NodeRule *
node_rule_new (const char *const *names,
               const char *const *messages)
{
  NodeRule *self = g_new0 (NodeRule, 1);

  self->messages = g_strdupv ((GStrv) messages);
  if (names == NULL)
    return self;

  self->names = g_ptr_array_new_with_free_func ((GDestroyNotify) g_pattern_spec_free);
  for (guint i = 0; names[i] != NULL; i++)
    g_ptr_array_add (self->names, g_pattern_spec_new (names[i]));
  return self;
}

static gboolean
node_rule_allows_name (const NodeRule *self,
                       const char     *name)
{
  if (self->names == NULL)
    return TRUE;

  for (guint i = 0; i < self->names->len; i++)
    {
      if (g_pattern_spec_match_string (self->names->pdata[i], name))
        return TRUE;
    }

  return FALSE;
}

/* @message: (nullable) */
static gboolean
node_rule_allows (const NodeRule *self,
                  const char     *name,
                  const char     *message)
{
  if (!node_rule_allows_name (self, name))
    return FALSE;

  return message == NULL || self->messages == NULL ||
         g_strv_contains ((const char *const *) self->messages, message);
}

AgentTransportRules *
_agent_transport_rules_new (void)
{
  AgentTransportRules *self = g_new0 (AgentTransportRules, 1);

  g_mutex_init (&self->lock);
  self->of_node = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, node_rule_free);
  return self;
}

void
_agent_transport_rules_free (AgentTransportRules *self)
{
  g_hash_table_unref (self->of_node);
  g_clear_pointer (&self->of_all, node_rule_free);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* @node: (nullable): NULL for each node without a rule. @names: (nullable). @messages: (nullable) */
void
_agent_transport_rules_set (AgentTransportRules *self,
                            const char          *node,
                            const char *const   *names,
                            const char *const   *messages)
{
  NodeRule *rule = node_rule_new (names, messages);

  g_mutex_lock (&self->lock);
  if (node != NULL)
    {
      g_hash_table_insert (self->of_node, g_strdup (node), rule);
    }
  else
    {
      g_clear_pointer (&self->of_all, node_rule_free);
      self->of_all = rule;
    }
  g_atomic_int_set (&self->n_rules, g_hash_table_size (self->of_node) + (self->of_all != NULL));
  g_mutex_unlock (&self->lock);
}

/* @message: (nullable): NULL asks for the name only */
gboolean
_agent_transport_rules_allow (AgentTransportRules *self,
                              const char          *node,
                              const char          *name,
                              const char          *message)
{
  const NodeRule *rule;
  gboolean        allowed;

  if (G_LIKELY (g_atomic_int_get (&self->n_rules) == 0))
    return TRUE;

  g_mutex_lock (&self->lock);
  rule = g_hash_table_lookup (self->of_node, node);
  if (rule == NULL)
    rule = self->of_all;
  allowed = rule == NULL || node_rule_allows (rule, name, message);
  g_mutex_unlock (&self->lock);

  return allowed;
}
