/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "actor/agent-task.h"

G_BEGIN_DECLS

void _agent_task_install_signals (AgentTaskClass *klass);

/* In the context of the actor */
void _agent_task_emit_update     (AgentTask      *self,
                                  GVariant       *update);
void _agent_task_emit_chunk      (AgentTask      *self,
                                  guint           index,
                                  GVariant       *payload);
void _agent_task_emit_finished   (AgentTask      *self);
void _agent_task_notify_status   (AgentTask      *self);

G_END_DECLS
