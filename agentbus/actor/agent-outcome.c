/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-outcome-private.h"

static const char *const nicks[AGENT_N_OUTCOMES] = {
  [AGENT_OUTCOME_COMPLETED] = "completed",
  [AGENT_OUTCOME_FAILED] = "failed",
  [AGENT_OUTCOME_CANCELLED] = "cancelled",
  [AGENT_OUTCOME_TIMED_OUT] = "timed-out",
  [AGENT_OUTCOME_NOT_FOUND] = "not-found",
  [AGENT_OUTCOME_FULL] = "full",
  [AGENT_OUTCOME_CLOSED] = "closed",
};

const char *
_agent_outcome_to_string (guint outcome)
{
  return nicks[outcome];
}
