/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "actor/agent-actor-private.h"
#include "actor/agent-job.h"

G_BEGIN_DECLS

AgentJob  *_agent_job_new            (AgentWork *work);
AgentWork *_agent_job_get_work       (AgentJob  *self);

/* The actor's context */
void       _agent_job_request_update (AgentJob  *self);

G_END_DECLS
