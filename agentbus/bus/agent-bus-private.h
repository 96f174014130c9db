/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "agent-bus.h"

G_BEGIN_DECLS

typedef enum
{
  AGENT_BUS_SIGNAL_SUBSCRIBED,
  AGENT_BUS_SIGNAL_UNSUBSCRIBED,
  AGENT_BUS_SIGNAL_DROPPED,
  AGENT_BUS_SIGNAL_FAILED,
  AGENT_BUS_N_SIGNALS,
} AgentBusSignal;

/* The report, in the bus's context */
void     _agent_bus_emit         (AgentBus      *self,
                                  AgentBusSignal signal,
                                  ...);

/* Any thread */
gboolean _agent_bus_has_handlers (AgentBus      *self,
                                  AgentBusSignal signal);

G_END_DECLS
