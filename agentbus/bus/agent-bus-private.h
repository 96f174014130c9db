/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <stdatomic.h>

#include "agent-bus.h"
#include "agent-bus-types-private.h"

G_BEGIN_DECLS

typedef enum
{
  AGENT_BUS_SIGNAL_SUBSCRIBED,
  AGENT_BUS_SIGNAL_UNSUBSCRIBED,
  AGENT_BUS_SIGNAL_DROPPED,
  AGENT_BUS_SIGNAL_FAILED,
  AGENT_BUS_N_SIGNALS,
} AgentBusSignal;

/* One type in three files: what it is (agent-bus.c), who is on it (agent-bus-members.c), and what it is for
 * (agent-bus-send.c). */
struct _AgentBus
{
  GObject         parent_instance;

  guint           capacity;
  gboolean        total_order;
  gint            shutdown_timeout; /* (atomic) ms */
  GMainContext   *context;
  AgentDirectory *directory;
  AgentBusReport *report;

  GMutex          order_lock;       /* held while a message is stamped and queued, with total order */
  _Atomic guint64 last_seq;
  _Atomic guint64 n_unstamped;      /* messages sent while the bus was stopped */
};

/* The report, in the bus's context */
void     _agent_bus_emit         (AgentBus      *self,
                                  AgentBusSignal signal,
                                  ...);

/* Any thread */
gboolean _agent_bus_has_handlers (AgentBus      *self,
                                  AgentBusSignal signal);

G_END_DECLS
