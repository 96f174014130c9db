/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-bus-types-private.h"
#include "bus/agent-bus.h"

G_BEGIN_DECLS

/*
 * Tells the sources of messages that asked for it (agent_message_set_error_reply()) when these came to nothing: by an
 * AGENT_ERROR with the cause and the task, one for each subscriber that lost the message. It goes out only if the source is
 * on the bus and the bus runs.
 *
 * With no lock held, since it sends. Who is sending, and may hold locks, notes the loss with its AgentSender, which tells it
 * in the end.
 */
void _agent_bus_send_loss   (AgentBus        *bus,
                             AgentMessage    *message,
                             const char      *name,
                             const char      *text);
void _agent_bus_report_loss (AgentBusReport  *report,
                             AgentMessage    *message,
                             const char      *name,
                             AgentDropReason  reason);
void _agent_bus_report_failure
                            (AgentBusReport  *report,
                             AgentMessage    *message,
                             const char      *name,
                             const char      *text);
char *_agent_bus_dup_drop_text
                            (AgentMessage    *message,
                             const char      *name,
                             AgentDropReason  reason);

G_END_DECLS
