/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The ways in which a task ends, for statistics and metrics. Plain values: any thread. */
typedef enum
{
  AGENT_OUTCOME_COMPLETED,
  AGENT_OUTCOME_FAILED,
  AGENT_OUTCOME_CANCELLED,
  AGENT_OUTCOME_TIMED_OUT,
  AGENT_OUTCOME_NOT_FOUND,
  AGENT_OUTCOME_FULL,
  AGENT_OUTCOME_CLOSED,
  AGENT_N_OUTCOMES
} AgentOutcome;

/* @outcome: an AgentOutcome */
const char *_agent_outcome_to_string (guint outcome);

G_END_DECLS
