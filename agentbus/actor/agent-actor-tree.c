/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-actor-tree-private.h"
#include "base/agent-string-hash-private.h"

/* One parent, which need not be there. */
typedef struct
{
  gpointer    bus;      /* (unowned) only compared */
  const char *name;     /* of the first child's constant property */
  GPtrArray  *children; /* (owned) of unowned AgentActors */
} Parent;

G_LOCK_DEFINE_STATIC (tree);
static GHashTable *parents; /* (tree) a set of Parent (owned) */

static guint
tree_hash (gconstpointer key)
{
  const Parent *self = key;

  return g_direct_hash (self->bus) * 31 + _agent_string_hash_func (self->name);
}

static gboolean
tree_equal (gconstpointer a,
            gconstpointer b)
{
  const Parent *one = a;
  const Parent *other = b;

  return one->bus == other->bus && g_str_equal (one->name, other->name);
}

static void
tree_free_parent (gpointer data)
{
  Parent *self = data;

  g_free ((char *) self->name);
  g_ptr_array_unref (self->children);
  g_free (self);
}

/* (nullable) */
static Parent *
tree_lookup_locked (gpointer    bus,
                    const char *name)
{
  Parent key = { bus, name, NULL };

  return parents != NULL ? g_hash_table_lookup (parents, &key) : NULL;
}

static Parent *
tree_get_locked (gpointer    bus,
                 const char *name)
{
  Parent *parent = tree_lookup_locked (bus, name);

  if (parent != NULL)
    return parent;

  if (parents == NULL)
    parents = g_hash_table_new_full (tree_hash, tree_equal, tree_free_parent, NULL);
  parent = g_new (Parent, 1);
  parent->bus = bus;
  parent->name = g_strdup (name);
  parent->children = g_ptr_array_new ();
  g_hash_table_add (parents, parent);
  return parent;
}

/* @actor is on @bus now. It may have been told so twice, if it has come back before it was told. */
void
_agent_actor_tree_add (AgentBus   *bus,
                       AgentActor *actor)
{
  AgentActorCore *core = _agent_actor_get_core (actor);
  gboolean        added;

  G_LOCK (tree);
  added = core->tree_bus != bus;
  core->tree_bus = bus;
  if (added && core->parent != NULL)
    g_ptr_array_add (tree_get_locked (bus, core->parent)->children, actor);
  G_UNLOCK (tree);
}

void
_agent_actor_tree_remove (AgentActor *actor)
{
  AgentActorCore *core = _agent_actor_get_core (actor);
  Parent         *parent = NULL;

  G_LOCK (tree);
  if (core->tree_bus != NULL && core->parent != NULL)
    parent = tree_lookup_locked (core->tree_bus, core->parent);
  if (parent != NULL && g_ptr_array_remove_fast (parent->children, actor) && parent->children->len == 0)
    g_hash_table_remove (parents, parent);
  core->tree_bus = NULL;
  G_UNLOCK (tree);
}

/* The children of @actor that are on its bus: (transfer full). */
GPtrArray *
_agent_actor_tree_list_children (AgentActor *actor)
{
  AgentActorCore *core = _agent_actor_get_core (actor);
  GPtrArray      *children = g_ptr_array_new_with_free_func (g_object_unref);
  Parent         *parent = NULL;

  G_LOCK (tree);
  if (core->tree_bus != NULL)
    parent = tree_lookup_locked (core->tree_bus, agent_subscriber_get_name (AGENT_SUBSCRIBER (actor)));
  for (guint i = 0; parent != NULL && i < parent->children->len; i++)
    g_ptr_array_add (children, g_object_ref (parent->children->pdata[i]));
  G_UNLOCK (tree);

  return children;
}
