/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#if !defined(AGENT_INSIDE) && !defined(AGENT_COMPILATION)
#error "Only <agentbus/agentbus.h> can be included directly."
#endif

#include <agentbus/agent-enums.h>

G_BEGIN_DECLS

#define AGENT_TYPE_INFO (agent_info_get_type ())

AGENT_AVAILABLE_IN_0_1
GType       agent_info_get_type       (void);
AGENT_AVAILABLE_IN_0_1
AgentInfo  *agent_info_new            (const char *name,
                                       const char *runner,
                                       const char *parent,
                                       gboolean    active,
                                       gboolean    bridged,
                                       gint64      started_at) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentInfo  *agent_info_ref            (AgentInfo  *self);
AGENT_AVAILABLE_IN_0_1
void        agent_info_unref          (AgentInfo  *self);
AGENT_AVAILABLE_IN_0_1
const char *agent_info_get_name       (AgentInfo  *self);
AGENT_AVAILABLE_IN_0_1
const char *agent_info_get_runner     (AgentInfo  *self);
AGENT_AVAILABLE_IN_0_1
const char *agent_info_get_parent     (AgentInfo  *self);
AGENT_AVAILABLE_IN_0_1
gboolean    agent_info_is_active      (AgentInfo  *self);
AGENT_AVAILABLE_IN_0_1
gboolean    agent_info_is_bridged     (AgentInfo  *self);
AGENT_AVAILABLE_IN_0_1
gint64      agent_info_get_started_at (AgentInfo  *self);
AGENT_AVAILABLE_IN_0_2
const char *agent_info_get_node       (AgentInfo  *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgentInfo, agent_info_unref)

G_END_DECLS
