/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <stdatomic.h>

#include "bus/agent-bus-types-private.h"
#include "bus/agent-bus.h"
#include "mailbox/agent-mailbox-private.h"

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
  guint64         n_restamped;      /* (order_lock) messages that got a second number */
  _Atomic guint64 n_unstamped;      /* messages that were refused before they got a number */

  /* What all senders change, away from what all senders read */
  char            padding[AGENT_CACHE_LINE];
  _Atomic guint64 last_seq;
  char            padding2[AGENT_CACHE_LINE];
};

/* The report, in the bus's context */
void     _agent_bus_emit         (AgentBus      *self,
                                  AgentBusSignal signal,
                                  ...);

/* Any thread */
gboolean _agent_bus_has_handlers (AgentBus      *self,
                                  AgentBusSignal signal);

guint64  _agent_bus_get_ledger   (AgentBus        *self,
                                  AgentLedger     *total,
                                  GVariantBuilder *by_name);

/* Who hands messages over itself, in any thread */
AgentMessage    *_agent_bus_accept (AgentBus        *self,
                                    AgentMessage    *message,
                                    guint            origin,
                                    AgentSender     *sender);
AgentOfferResult _agent_bus_offer  (AgentBus        *self,
                                    AgentMailbox    *mailbox,
                                    AgentMessage   **message,
                                    gboolean         in_turn,
                                    AgentOffer      *offer,
                                    AgentSender     *sender);

G_END_DECLS
