/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "actor/agent-actor.h"

G_BEGIN_DECLS

void     _agent_actor_install_signals  (AgentActorClass *klass);

/* The actor's context */
gboolean _agent_actor_does_task        (AgentActor      *self,
                                        const char      *task_name);
void     _agent_actor_emit_request     (AgentActor      *self,
                                        AgentJob        *job,
                                        const char      *task_name);
void     _agent_actor_emit_activated   (AgentActor      *self,
                                        GVariant        *args);
void     _agent_actor_emit_deactivated (AgentActor      *self);
void     _agent_actor_emit_cancelled   (AgentActor      *self,
                                        const char      *reason);
void     _agent_actor_emit_ended       (AgentActor      *self,
                                        const char      *reason);
void     _agent_actor_notify_state     (AgentActor      *self);
void     _agent_actor_notify_active    (AgentActor      *self);

G_END_DECLS
