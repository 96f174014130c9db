/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "actor/agent-peer-private.h"

G_BEGIN_DECLS

/*
 * The peers of a registry, in the order in which they appeared, and by name. Everything takes O(log n) or less. It belongs to
 * one thread at a time.
 */
typedef struct _AgentPeerList AgentPeerList;

AgentPeerList *_agent_peer_list_new       (void);
void           _agent_peer_list_free      (AgentPeerList *self);
guint          _agent_peer_list_add       (AgentPeerList *self,
                                           AgentPeer     *peer);
guint          _agent_peer_list_remove    (AgentPeerList *self,
                                           AgentPeer     *peer);
AgentPeer     *_agent_peer_list_lookup    (AgentPeerList *self,
                                           const char    *name);
AgentPeer     *_agent_peer_list_get       (AgentPeerList *self,
                                           guint          position);
guint          _agent_peer_list_get_size  (AgentPeerList *self);
GPtrArray     *_agent_peer_list_list_told (AgentPeerList *self,
                                           const char    *runner);

G_END_DECLS
