/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-bus-types-private.h"
#include "bus/agent-bus.h"
#include "mailbox/agent-ledger-private.h"

G_BEGIN_DECLS

/*
 * Carries to the bus's own context what happened on other threads, and has the bus tell it there by its signals.
 *
 * Drops are added up per subscriber and reason until the context comes round, so a flood of a million drops is
 * one emission per round. It has time: a user interface is drawn first. Other news are queued one by one, and only while
 * somebody listens.
 *
 * While the context is not iterated, this keeps: for each mailbox that is on the bus, the last message of each reason it
 * dropped; if anybody listens, the subscribers that have left and whose drops are still to be told, a thousand of them
 * once that has taken ten seconds; and the news that AgentSignalQueue allows.
 */

AgentBusReport *_agent_bus_report_new          (AgentBus        *bus,
                                                GMainContext    *context);
AgentBusReport *_agent_bus_report_ref          (AgentBusReport  *self);
void            _agent_bus_report_unref        (AgentBusReport  *self);
void            _agent_bus_report_close        (AgentBusReport  *self);
AgentBus       *_agent_bus_report_dup_bus      (AgentBusReport  *self);

void            _agent_bus_report_subscribed   (AgentBusReport  *self,
                                                AgentSubscriber *subscriber);
void            _agent_bus_report_unsubscribed (AgentBusReport  *self,
                                                const char      *name);
void            _agent_bus_report_failed       (AgentBusReport  *self,
                                                AgentSubscriber *subscriber,
                                                AgentMessage    *message,
                                                const char      *reason);
void            _agent_bus_report_mailbox      (AgentBusReport  *self,
                                                AgentMailbox    *mailbox);
AgentSubscriber *
                _agent_bus_report_departed     (AgentBusReport  *self,
                                                AgentMailbox    *mailbox);
void            _agent_bus_report_drop         (AgentBusReport  *self,
                                                AgentDropReason  reason,
                                                AgentMessage    *message,
                                                const char      *name,
                                                AgentSender     *sender);
void            _agent_bus_report_get_ledger   (AgentBusReport  *self,
                                                AgentLedger     *ledger);

G_END_DECLS
