/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#if !defined(AGENT_INSIDE) && !defined(AGENT_COMPILATION)
#error "Only <agentbus/agentbus.h> can be included directly."
#endif

#include <agentbus/agent-enums.h>
#include <agentbus/agent-types.h>

G_BEGIN_DECLS

#define AGENT_TYPE_PEER (agent_peer_get_type ())

AGENT_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (AgentPeer, agent_peer, AGENT, PEER, GObject)

AGENT_AVAILABLE_IN_0_1
const char     *agent_peer_get_name       (AgentPeer *self);
AGENT_AVAILABLE_IN_0_1
const char     *agent_peer_get_runner     (AgentPeer *self);
AGENT_AVAILABLE_IN_0_1
const char     *agent_peer_get_parent     (AgentPeer *self);
AGENT_AVAILABLE_IN_0_1
gboolean        agent_peer_is_active      (AgentPeer *self);
AGENT_AVAILABLE_IN_0_1
gboolean        agent_peer_is_bridged     (AgentPeer *self);
AGENT_AVAILABLE_IN_0_1
AgentActorState agent_peer_get_state      (AgentPeer *self);
AGENT_AVAILABLE_IN_0_1
guint64         agent_peer_get_generation (AgentPeer *self);
AGENT_AVAILABLE_IN_0_1
gint64          agent_peer_get_started_at (AgentPeer *self);
AGENT_AVAILABLE_IN_0_2
const char     *agent_peer_get_node       (AgentPeer *self);

G_END_DECLS
