/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "mailbox/agent-mailbox-private.h"

G_BEGIN_DECLS

typedef struct _AgentDeadline      AgentDeadline;
typedef struct _AgentDeadlineHeap  AgentDeadlineHeap;
typedef struct _AgentHistogram     AgentHistogram;
typedef struct _AgentLane          AgentLane;
typedef struct _AgentParked        AgentParked;
typedef struct _AgentParking       AgentParking;
typedef struct _AgentRetryBatch    AgentRetryBatch;
typedef struct _AgentRetryRun      AgentRetryRun;
typedef struct _AgentRetrySchedule AgentRetrySchedule;
typedef struct _AgentShard         AgentShard;
typedef struct _AgentStation       AgentStation;

G_END_DECLS
