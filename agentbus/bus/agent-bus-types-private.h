/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "agent-types.h"

G_BEGIN_DECLS

typedef struct _AgentBusReport      AgentBusReport;
typedef struct _AgentBusWatch       AgentBusWatch;
typedef struct _AgentChannelQueue   AgentChannelQueue;
typedef struct _AgentDeliverySource AgentDeliverySource;
typedef struct _AgentDirectory      AgentDirectory;
typedef struct _AgentEnding         AgentEnding;
typedef struct _AgentLedger         AgentLedger;
typedef struct _AgentMailbox        AgentMailbox;
typedef struct _AgentSender         AgentSender;
typedef struct _AgentSnapshot       AgentSnapshot;

#define AGENT_N_CHANNELS     2
#define AGENT_N_DROP_REASONS 5

G_END_DECLS
