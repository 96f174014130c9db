/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-peer-list-private.h"

#include "base/agent-string-hash-private.h"

struct _AgentPeerList
{
  GSequence  *peers;   /* (owned) of AgentPeer (owned) */
  GHashTable *by_name; /* (owned) char * (owned) → GSequenceIter of @peers */
  GHashTable *told;    /* (owned) runner (owned) → set (owned) of the AgentPeers (unowned) of it that are known by messages */
};

AgentPeerList *
_agent_peer_list_new (void)
{
  AgentPeerList *self = g_new (AgentPeerList, 1);

  self->peers = g_sequence_new (g_object_unref);
  self->by_name = g_hash_table_new_full (_agent_string_hash_func, g_str_equal, g_free, NULL);
  self->told = g_hash_table_new_full (
      _agent_string_hash_func, g_str_equal, g_free, (GDestroyNotify) g_hash_table_unref);

  return self;
}

void
_agent_peer_list_free (AgentPeerList *self)
{
  g_hash_table_unref (self->told);
  g_hash_table_unref (self->by_name);
  g_sequence_free (self->peers);
  g_free (self);
}

static void
peer_list_add_told (AgentPeerList *self,
                    AgentPeer     *peer)
{
  const char *runner = agent_peer_get_runner (peer);
  GHashTable *peers = g_hash_table_lookup (self->told, runner);

  if (peers == NULL)
    {
      peers = g_hash_table_new (NULL, NULL);
      g_hash_table_insert (self->told, g_strdup (runner), peers);
    }
  g_hash_table_add (peers, peer);
}

static void
peer_list_remove_told (AgentPeerList *self,
                       AgentPeer     *peer)
{
  const char *runner = agent_peer_get_runner (peer);
  GHashTable *peers = g_hash_table_lookup (self->told, runner);

  g_hash_table_remove (peers, peer);
  if (g_hash_table_size (peers) == 0)
    g_hash_table_remove (self->told, runner);
}

/* Takes @peer, whose name is not there yet. The runner of one that is known by messages must not change any more. Returns its
 * position. */
guint
_agent_peer_list_add (AgentPeerList *self,
                      AgentPeer     *peer)
{
  GSequenceIter *iter = g_sequence_append (self->peers, peer);

  g_hash_table_insert (self->by_name, g_strdup (agent_peer_get_name (peer)), iter);
  if (_agent_peer_is_told (peer))
    peer_list_add_told (self, peer);

  return _agent_peer_list_get_size (self) - 1;
}

/* Precondition: @peer is there. Returns the position that it had. */
guint
_agent_peer_list_remove (AgentPeerList *self,
                         AgentPeer     *peer)
{
  GSequenceIter *iter = g_hash_table_lookup (self->by_name, agent_peer_get_name (peer));
  guint          position = (guint) g_sequence_iter_get_position (iter);

  if (_agent_peer_is_told (peer))
    peer_list_remove_told (self, peer);
  g_hash_table_remove (self->by_name, agent_peer_get_name (peer));
  g_sequence_remove (iter);

  return position;
}

/* (transfer none) (nullable) */
AgentPeer *
_agent_peer_list_lookup (AgentPeerList *self,
                         const char    *name)
{
  GSequenceIter *iter = g_hash_table_lookup (self->by_name, name);

  return iter != NULL ? g_sequence_get (iter) : NULL;
}

/* (transfer none) (nullable) */
AgentPeer *
_agent_peer_list_get (AgentPeerList *self,
                      guint          position)
{
  if (position >= _agent_peer_list_get_size (self))
    return NULL;

  return g_sequence_get (g_sequence_get_iter_at_pos (self->peers, (gint) position));
}

guint
_agent_peer_list_get_size (AgentPeerList *self)
{
  return g_hash_table_size (self->by_name);
}

/* The peers of @runner that are known by messages, in any order: (transfer full). */
GPtrArray *
_agent_peer_list_list_told (AgentPeerList *self,
                            const char    *runner)
{
  GHashTable    *peers = g_hash_table_lookup (self->told, runner);
  GPtrArray     *list = g_ptr_array_new_with_free_func (g_object_unref);
  GHashTableIter iter;
  gpointer       peer;

  if (peers == NULL)
    return list;

  g_hash_table_iter_init (&iter, peers);
  while (g_hash_table_iter_next (&iter, &peer, NULL))
    g_ptr_array_add (list, g_object_ref (peer));
  return list;
}
