/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-utf8-private.h"
#include "link/agent-node-private.h"
#include "message/agent-info-private.h"

/* Which subscribers another node has, and which broadcasts they take. */

/* What the name of who takes the broadcasts of a node begins with. No node may have such a subscriber. */
#define CROWD_PREFIX ":node-"

/* --- Bounds --- */

/* Whether there is room for what the node tells of itself now, which takes @size instead of @before. */
static gboolean
names_make_room (AgentNode *self,
                 gsize      before,
                 gsize      size)
{
  if (self->told_bytes - before + size > AGENT_NODE_MAX_TOLD)
    {
      _agent_link_core_refuse (self->core, self->id, self->figures, "The node tells more of itself than is kept");
      return FALSE;
    }

  self->told_bytes = self->told_bytes - before + size;
  return TRUE;
}

/* @known: (nullable): the same name, as the node has told it before */
static gboolean
names_make_room_for_name (AgentNode         *self,
                          const AgentRemote *known,
                          gsize              size)
{
  if (known == NULL && g_hash_table_size (self->names) + g_hash_table_size (self->claims) >= AGENT_NODE_MAX_NAMES)
    {
      _agent_link_core_refuse (self->core, self->id, self->figures, "The node has more subscribers than are kept");
      return FALSE;
    }

  return names_make_room (self, known != NULL ? known->size : 0, size);
}

static gboolean
names_make_room_for_interest (AgentNode *self,
                              gsize      size)
{
  if (g_hash_table_size (self->taken) + g_hash_table_size (self->patterns) >= AGENT_NODE_MAX_INTERESTS)
    {
      _agent_link_core_refuse (self->core, self->id, self->figures, "The node takes more broadcasts than are kept");
      return FALSE;
    }

  return names_make_room (self, 0, size);
}

/* --- Names --- */

static gboolean
names_subscribe (AgentNode   *self,
                 AgentRemote *remote,
                 GError     **error)
{
  g_autoptr (AgentBus) bus = g_weak_ref_get (&self->core->bus);

  if (bus == NULL)
    {
      g_set_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED, "The bus is gone");
      return FALSE;
    }
  if (!agent_bus_subscribe (bus, AGENT_SUBSCRIBER (remote), error))
    return FALSE;

  _agent_remote_mark (remote, remote == self->crowd ? AGENT_MARK_NAMELESS : 0);
  return TRUE;
}

static void
names_leave (AgentNode   *self,
             AgentRemote *remote)
{
  g_autoptr (AgentBus) bus = g_weak_ref_get (&self->core->bus);

  const char *name = agent_subscriber_get_name (AGENT_SUBSCRIBER (remote));

  if (g_hash_table_lookup (self->core->remotes, name) == remote)
    g_hash_table_remove (self->core->remotes, name);
  if (bus != NULL)
    _agent_remote_leave (remote, bus);
  else
    remote->node = NULL;
  _agent_link_core_free_name (self->core);
}

/* (transfer full) (nullable) */
static AgentInfo *
names_read_info (AgentNode  *self,
                 GVariant   *value,
                 const char *name)
{
  gboolean    is_agent;
  gboolean    active;
  gboolean    bridged;
  const char *runner;
  const char *parent;
  gint64      started_at;
  AgentInfo  *info;

  g_variant_get_child (value, 2, "b", &is_agent);
  g_variant_get_child (value, 3, "&s", &runner);
  g_variant_get_child (value, 4, "&s", &parent);
  g_variant_get_child (value, 5, "b", &active);
  g_variant_get_child (value, 6, "b", &bridged);
  g_variant_get_child (value, 7, "x", &started_at);
  if (!is_agent || started_at < 0)
    return NULL;

  info = agent_info_new (name, runner, *parent != '\0' ? parent : NULL, active, bridged, started_at);
  _agent_info_set_node (info, self->id);
  return info;
}

/* Takes @remote, which is on the bus. */
static void
names_keep (AgentNode   *self,
            AgentRemote *remote)
{
  gpointer key = (gpointer) agent_subscriber_get_name (AGENT_SUBSCRIBER (remote));

  g_hash_table_insert (self->names, key, remote);
  g_hash_table_insert (self->core->remotes, key, remote);
}

/* If somebody else has the name now, the node claims it: it gets it when it is free. So a name may go from one node to another
 * one, whichever of the two is heard first.
 *
 * @is_known: whether the node has claimed it before, which is told once */
static void
names_add (AgentNode  *self,
           const char *name,
           const char *group,
           AgentInfo  *info,
           gsize       size,
           gboolean    is_known)
{
  AgentRemote *remote = _agent_remote_new (self, _agent_node_send_message, name, group, self->core->context);
  g_autoptr (GError) error = NULL;

  remote->size = size;
  _agent_subscriber_set_info (AGENT_SUBSCRIBER (remote), info);
  if (names_subscribe (self, remote, &error))
    {
      names_keep (self, remote);
      return;
    }

  if (!is_known && !g_error_matches (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED))
    _agent_link_core_refuse (self->core, self->id, self->figures, "A subscriber of the node: %s", error->message);
  g_hash_table_insert (self->claims, (gpointer) agent_subscriber_get_name (AGENT_SUBSCRIBER (remote)), remote);
}

/* Some names are free: the node gets those of them that it has claimed. */
void
_agent_node_claim_names (AgentNode *self)
{
  GHashTableIter iter;
  gpointer       remote;

  g_hash_table_iter_init (&iter, self->claims);
  while (g_hash_table_iter_next (&iter, NULL, &remote))
    {
      if (!names_subscribe (self, remote, NULL))
        continue;

      g_hash_table_iter_steal (&iter);
      names_keep (self, remote);
    }
}

static gboolean
names_are_valid (const char *name,
                 const char *group)
{
  return *name != '\0' && _agent_utf8_is_string (name) && _agent_utf8_is_string (group) &&
         !g_str_has_prefix (name, CROWD_PREFIX);
}

/* (transfer none) (nullable) */
static AgentRemote *
names_find (AgentNode  *self,
            const char *name)
{
  AgentRemote *remote = g_hash_table_lookup (self->names, name);

  return remote != NULL ? remote : g_hash_table_lookup (self->claims, name);
}

static void
names_take_valid (AgentNode  *self,
                  GVariant   *value,
                  const char *name,
                  const char *group)
{
  AgentRemote *remote = names_find (self, name);
  gsize        size = g_variant_get_size (value);
  g_autoptr (AgentInfo) info = NULL;

  if (!names_make_room_for_name (self, remote, size))
    return;

  info = names_read_info (self, value, name);
  if (remote == NULL || g_hash_table_lookup (self->names, name) != remote)
    {
      names_add (self, name, *group != '\0' ? group : NULL, info, size, g_hash_table_remove (self->claims, name));
      return;
    }

  remote->size = size;
  _agent_subscriber_set_info (AGENT_SUBSCRIBER (remote), info);
}

/* A subscriber of the node is there, or says something else of itself. */
void
_agent_node_take_name (AgentNode *self,
                       GVariant  *value)
{
  const char *name;
  const char *group;

  g_variant_get_child (value, 0, "&s", &name);
  g_variant_get_child (value, 1, "&s", &group);
  if (!names_are_valid (name, group))
    {
      _agent_link_core_refuse (self->core, self->id, self->figures, "The name of a subscriber is not valid");
      return;
    }
  if (!_agent_transport_allows_name (self->core->transport, self->id, name))
    {
      _agent_link_core_refuse (self->core, self->id, self->figures, "The node may not have a subscriber '%s'", name);
      return;
    }

  names_take_valid (self, value, name, group);
}

/* A subscriber of the node has left. */
void
_agent_node_take_gone (AgentNode *self,
                       GVariant  *value)
{
  const char  *name;
  AgentRemote *remote;

  g_variant_get_child (value, 0, "&s", &name);
  remote = names_find (self, name);
  self->told_bytes -= remote != NULL ? remote->size : 0;
  if (remote == NULL || g_hash_table_remove (self->claims, name))
    return;

  _agent_link_core_drop_waiting (self->core, self, self->id, remote);
  g_hash_table_steal (self->names, name);
  names_leave (self, remote);
  g_object_unref (remote);
}

/* --- Broadcasts --- */

/* What nobody else can be called by accident. */
static char *
names_make_crowd_name (AgentNode *self)
{
  return g_strconcat (CROWD_PREFIX, self->id, NULL);
}

/* The node is connected: its names follow. */
void
_agent_node_begin_names (AgentNode *self)
{
  g_autofree char *name = names_make_crowd_name (self);

  self->crowd = _agent_remote_new (self, _agent_node_send_message, name, NULL, self->core->context);
  if (names_subscribe (self, self->crowd, NULL))
    g_hash_table_insert (
        self->core->remotes, (gpointer) agent_subscriber_get_name (AGENT_SUBSCRIBER (self->crowd)), self->crowd);
}

void
_agent_node_end_names (AgentNode *self)
{
  GHashTableIter iter;
  gpointer       remote;

  g_hash_table_remove_all (self->claims);
  g_hash_table_iter_init (&iter, self->names);
  while (g_hash_table_iter_next (&iter, NULL, &remote))
    {
      g_hash_table_iter_steal (&iter);
      names_leave (self, remote);
      g_object_unref (remote);
    }
  names_leave (self, self->crowd);
}

static void
names_accept (AgentNode *self)
{
  g_autofree const char **names = NULL;

  self->takes_others = FALSE;
  if (!self->takes_all)
    names = (const char **) g_hash_table_get_keys_as_array (self->taken, NULL);
  agent_subscriber_set_accepts (AGENT_SUBSCRIBER (self->crowd), names);
}

static void
names_add_pattern (AgentNode  *self,
                   const char *pattern)
{
  g_autoptr (GError) error = NULL;

  if (agent_subscriber_add_topic (AGENT_SUBSCRIBER (self->crowd), pattern, &error))
    return;

  _agent_link_core_refuse (self->core, self->id, self->figures, "A pattern of the node: %s", error->message);
  self->told_bytes -= strlen (pattern);
  g_hash_table_remove (self->patterns, pattern);
}

/* The packet is read, or what comes next has to find what the node takes. To change the names costs as much as there are names, so
 * it is done once for many. Patterns come after the names: what is retained comes with them, if it has one of the names. */
void
_agent_node_end_interest (AgentNode *self)
{
  GHashTableIter iter;
  gpointer       pattern;

  if (self->takes_others)
    names_accept (self);
  if (g_hash_table_size (self->new_patterns) == 0)
    return;

  g_hash_table_iter_init (&iter, self->new_patterns);
  while (g_hash_table_iter_next (&iter, &pattern, NULL))
    names_add_pattern (self, pattern);
  g_hash_table_remove_all (self->new_patterns);
}

static void
names_set_name (AgentNode  *self,
                const char *name,
                gboolean    taken)
{
  if (*name == '\0' || !_agent_utf8_is_string (name))
    {
      _agent_link_core_refuse (self->core, self->id, self->figures, "The name of a broadcast is not valid");
      return;
    }

  if (taken == g_hash_table_contains (self->taken, name))
    return;
  if (taken && !names_make_room_for_interest (self, strlen (name)))
    return;

  self->takes_others = TRUE;
  if (taken)
    {
      g_hash_table_add (self->taken, g_strdup (name));
      return;
    }

  self->told_bytes -= strlen (name);
  g_hash_table_remove (self->taken, name);
}

static void
names_set_pattern (AgentNode  *self,
                   const char *pattern,
                   gboolean    taken)
{
  if (taken == g_hash_table_contains (self->patterns, pattern))
    return;
  if (taken && !names_make_room_for_interest (self, strlen (pattern)))
    return;

  if (taken)
    {
      g_hash_table_add (self->patterns, g_strdup (pattern));
      g_hash_table_add (self->new_patterns, g_strdup (pattern));
      return;
    }

  self->told_bytes -= strlen (pattern);
  if (!g_hash_table_remove (self->new_patterns, pattern))
    agent_subscriber_remove_topic (AGENT_SUBSCRIBER (self->crowd), pattern);
  g_hash_table_remove (self->patterns, pattern);
}

/* Somebody at the node takes other broadcasts than before. */
void
_agent_node_take_interest (AgentNode *self,
                           GVariant  *value)
{
  guint8      kind;
  gboolean    taken;
  const char *text;

  g_variant_get (value, "(yb&s)", &kind, &taken, &text);
  switch (kind)
    {
    case AGENT_INTEREST_ALL:
      self->takes_all = taken;
      self->takes_others = TRUE;
      break;
    case AGENT_INTEREST_NAME:
      names_set_name (self, text, taken);
      break;
    case AGENT_INTEREST_PATTERN:
      names_set_pattern (self, text, taken);
      break;
    default: /* of a later version */
      break;
    }
}
