/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "actor/agent-requester-private.h"

G_BEGIN_DECLS

/*
 * The open tasks of the process, by the number in their ids. The tasks are not owned: each removes itself before it is freed.
 *
 * All functions may be called in any thread.
 */
void            _agent_open_tasks_add    (AgentRequester *requester);
void            _agent_open_tasks_remove (AgentRequester *requester);
AgentRequester *_agent_open_tasks_lookup (const char     *id);

G_END_DECLS
