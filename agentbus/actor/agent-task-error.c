/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-task-error-private.h"
#include "agent-bus-error.h"

GError *
_agent_task_error_new_stale (void)
{
  return g_error_new_literal (AGENT_BUS_ERROR, AGENT_BUS_ERROR_STALE, "The conversation of the task has gone on");
}

/* @reason: (nullable) */
GError *
_agent_task_error_new_cancelled (const char *reason)
{
  return g_error_new_literal (
      AGENT_BUS_ERROR, AGENT_BUS_ERROR_CANCELLED, reason != NULL ? reason : "The task was cancelled");
}

GError *
_agent_task_error_new_left (AgentActor *actor)
{
  return g_error_new (AGENT_BUS_ERROR,
                      AGENT_BUS_ERROR_CLOSED,
                      "'%s' has left the bus",
                      agent_subscriber_get_name (AGENT_SUBSCRIBER (actor)));
}
