/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "actor/agent-actor.h"

G_BEGIN_DECLS

/*
 * The errors that more than one side finds out: the requester and the worker of a task, and who hands a role over. Whoever is
 * first says the same.
 *
 * All functions may be called in any thread, and return the error: (transfer full).
 */
GError *_agent_task_error_new_stale     (void);
GError *_agent_task_error_new_cancelled (const char *reason);
GError *_agent_task_error_new_left      (AgentActor *actor);

G_END_DECLS
