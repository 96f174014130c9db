/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-bus.h"

G_BEGIN_DECLS

/*
 * If the source of @message has asked for it (agent_message_set_error_reply()), tells it that the message was lost, by an
 * AGENT_ERROR message with the cause and the task; or by a TASK_RESPONSE that carries @error, if @message is a request. That is sent only if the source is on the bus and the bus runs. With no
 * lock held. A sender may hold locks: it notes the loss with its AgentSender, which tells it when the send is over.
 *
 * @name: (nullable): the subscriber that lost the message
 */
void _agent_bus_send_loss (AgentBus     *bus,
                           AgentMessage *message,
                           const char   *name,
                           const GError *error);

G_END_DECLS
