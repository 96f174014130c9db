/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#if !defined(AGENT_INSIDE) && !defined(AGENT_COMPILATION)
#error "Only <agentbus/agentbus.h> can be included directly."
#endif

#include <agentbus/actor/agent-peer.h>
#include <agentbus/bus/agent-bus.h>

G_BEGIN_DECLS

#define AGENT_TYPE_REGISTRY (agent_registry_get_type ())

AGENT_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (AgentRegistry, agent_registry, AGENT, REGISTRY, GObject)

AGENT_AVAILABLE_IN_0_1
AgentRegistry *agent_registry_new             (AgentBus            *bus) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentBus      *agent_registry_get_bus         (AgentRegistry       *self);
AGENT_AVAILABLE_IN_0_1
AgentPeer     *agent_registry_lookup          (AgentRegistry       *self,
                                               const char          *name);
AGENT_AVAILABLE_IN_0_1
void           agent_registry_wait_for_async  (AgentRegistry       *self,
                                               const char * const  *names,
                                               guint                timeout,
                                               GCancellable        *cancellable,
                                               GAsyncReadyCallback  callback,
                                               gpointer             user_data);
AGENT_AVAILABLE_IN_0_1
gboolean       agent_registry_wait_for_finish (AgentRegistry       *self,
                                               GAsyncResult        *result,
                                               GError             **error);

G_END_DECLS
