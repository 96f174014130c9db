/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "actor/agent-peer.h"
#include "message/agent-info.h"

G_BEGIN_DECLS

/* For the registry, in its context. */
AgentPeer *_agent_peer_new      (AgentInfo *info,
                                 guint64    generation,
                                 gboolean   told);
AgentInfo *_agent_peer_get_info (AgentPeer *self);
gboolean   _agent_peer_is_told  (AgentPeer *self);
void       _agent_peer_update   (AgentPeer *self,
                                 AgentInfo *info);
void       _agent_peer_end      (AgentPeer *self);

G_END_DECLS
