/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#if !defined(AGENT_INSIDE) && !defined(AGENT_COMPILATION)
#error "Only <agentbus/agentbus.h> can be included directly."
#endif

#include <agentbus/agent-types.h>

G_BEGIN_DECLS

#define AGENT_TYPE_RETRY_POLICY (agent_retry_policy_get_type ())

AGENT_AVAILABLE_IN_0_1
GType             agent_retry_policy_get_type          (void);
AGENT_AVAILABLE_IN_0_1
AgentRetryPolicy *agent_retry_policy_new               (void) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentRetryPolicy *agent_retry_policy_copy              (AgentRetryPolicy *self) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
void              agent_retry_policy_free              (AgentRetryPolicy *self);

AGENT_AVAILABLE_IN_0_1
guint             agent_retry_policy_get_initial_delay (AgentRetryPolicy *self);
AGENT_AVAILABLE_IN_0_1
void              agent_retry_policy_set_initial_delay (AgentRetryPolicy *self,
                                                        guint             delay);
AGENT_AVAILABLE_IN_0_1
guint             agent_retry_policy_get_max_delay     (AgentRetryPolicy *self);
AGENT_AVAILABLE_IN_0_1
void              agent_retry_policy_set_max_delay     (AgentRetryPolicy *self,
                                                        guint             delay);
AGENT_AVAILABLE_IN_0_1
double            agent_retry_policy_get_multiplier    (AgentRetryPolicy *self);
AGENT_AVAILABLE_IN_0_1
void              agent_retry_policy_set_multiplier    (AgentRetryPolicy *self,
                                                        double            multiplier);
AGENT_AVAILABLE_IN_0_1
double            agent_retry_policy_get_jitter        (AgentRetryPolicy *self);
AGENT_AVAILABLE_IN_0_1
void              agent_retry_policy_set_jitter        (AgentRetryPolicy *self,
                                                        double            jitter);
AGENT_AVAILABLE_IN_0_1
guint32           agent_retry_policy_get_seed          (AgentRetryPolicy *self);
AGENT_AVAILABLE_IN_0_1
void              agent_retry_policy_set_seed          (AgentRetryPolicy *self,
                                                        guint32           seed);
AGENT_AVAILABLE_IN_0_1
guint             agent_retry_policy_get_delay         (AgentRetryPolicy *self,
                                                        guint             attempt);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgentRetryPolicy, agent_retry_policy_free)

G_END_DECLS
