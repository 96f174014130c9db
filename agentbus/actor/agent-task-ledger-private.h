/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "actor/agent-outcome-private.h"
#include "bus/agent-bus.h"

G_BEGIN_DECLS

/*
 * What the actors of one bus have requested and done, by the name of the task, for the metrics.
 *
 * The first AGENT_TASK_LEDGER_MAX_NAMES names have a series of their own, and all others share one: who makes up names takes no
 * memory. A task and a job keep their series, so that they need not look for it when they end.
 *
 * All functions may be called in any thread, with no lock held.
 */
#define AGENT_TASK_LEDGER_MAX_NAMES  100
#define AGENT_TASK_LEDGER_MAX_LENGTH 100 /* bytes of a name */

typedef struct _AgentTaskLedger AgentTaskLedger;
typedef struct _AgentTaskSeries AgentTaskSeries;

AgentTaskLedger *_agent_task_ledger_get         (AgentBus        *bus);
AgentTaskLedger *_agent_task_ledger_ref         (AgentTaskLedger *self);
void             _agent_task_ledger_unref       (AgentTaskLedger *self);
AgentTaskSeries *_agent_task_ledger_get_series  (AgentTaskLedger *self,
                                                 const char      *task_name);
void             _agent_task_ledger_add_metrics (void);

AgentTaskSeries *_agent_task_series_ref         (AgentTaskSeries *self);
void             _agent_task_series_unref       (AgentTaskSeries *self);
gboolean         _agent_task_series_is_called   (AgentTaskSeries *self,
                                                 const char      *task_name);
void             _agent_task_series_begin_task  (AgentTaskSeries *self);
void             _agent_task_series_end_task    (AgentTaskSeries *self,
                                                 AgentOutcome     outcome);
void             _agent_task_series_begin_job   (AgentTaskSeries *self);
void             _agent_task_series_end_job     (AgentTaskSeries *self,
                                                 gint64           usec);

G_END_DECLS
