/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <agentbus/agentbus.h>

G_BEGIN_DECLS

#define AGENT_TYPE_NATS_TRANSPORT (agent_nats_transport_get_type ())
AGENT_AVAILABLE_IN_0_2
G_DECLARE_FINAL_TYPE (AgentNatsTransport, agent_nats_transport, AGENT, NATS_TRANSPORT, AgentTransport)

AGENT_AVAILABLE_IN_0_2
AgentNatsTransport *agent_nats_transport_new (const char *const *urls) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
