/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-bus.h"
#include "mailbox/agent-mailbox-private.h"

G_BEGIN_DECLS

/*
 * Carries the news of other threads to the bus's own context, and emits the bus's signals there.
 *
 * Drops are added up by subscriber and reason until the context is iterated: see AgentDropList. They have a low priority: a
 * user interface is drawn first. Other news is queued one by one, as much as AgentSignalQueue allows, and only while its
 * signal has handlers.
 *
 * All functions but new(), free() and install_signals() may be called in any thread.
 */
typedef struct _AgentBusReport AgentBusReport;

void            _agent_bus_report_install_signals (AgentBusClass   *klass);

AgentBusReport *_agent_bus_report_new             (AgentBus        *bus,
                                                   GMainContext    *context);
void            _agent_bus_report_free            (AgentBusReport  *self);
void            _agent_bus_report_close           (AgentBusReport  *self);
AgentBus       *_agent_bus_report_dup_bus         (AgentBusReport  *self);

void            _agent_bus_report_subscribed      (AgentBusReport  *self,
                                                   AgentSubscriber *subscriber);
void            _agent_bus_report_unsubscribed    (AgentBusReport  *self,
                                                   const char      *name);
void            _agent_bus_report_failed          (AgentBusReport  *self,
                                                   AgentSubscriber *subscriber,
                                                   AgentMessage    *message,
                                                   const GError    *error);
void            _agent_bus_report_mailbox         (AgentBusReport  *self,
                                                   AgentMailbox    *mailbox);
void            _agent_bus_report_flow            (AgentBusReport  *self,
                                                   AgentMailbox    *mailbox);
gpointer        _agent_bus_report_departed        (AgentBusReport  *self,
                                                   AgentMailbox    *mailbox);
void            _agent_bus_report_drop            (AgentBusReport  *self,
                                                   AgentDropReason  reason,
                                                   AgentMessage    *message,
                                                   AgentSender     *sender);
void            _agent_bus_report_get_ledger      (AgentBusReport  *self,
                                                   AgentLedger     *ledger);

G_END_DECLS
