/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "transport-nats/agent-nats-connection-private.h"
#include "transport-nats/agent-nats-inlet-private.h"

G_BEGIN_DECLS

/*
 * The topics that this node wants: a subscription for each pattern, on each connection anew.
 *
 * All functions are called in one thread.
 */
typedef struct _AgentNatsPatterns AgentNatsPatterns;

AgentNatsPatterns *_agent_nats_patterns_new    (AgentNatsSubjects   *subjects,
                                                AgentNatsInlet      *inlet);
void               _agent_nats_patterns_free   (AgentNatsPatterns   *self);
void               _agent_nats_patterns_begin  (AgentNatsPatterns   *self,
                                                AgentNatsConnection *connection);
void               _agent_nats_patterns_end    (AgentNatsPatterns   *self);
void               _agent_nats_patterns_add    (AgentNatsPatterns   *self,
                                                const char          *pattern);
void               _agent_nats_patterns_remove (AgentNatsPatterns   *self,
                                                const char          *pattern);

G_END_DECLS
