/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-bus.h"

G_BEGIN_DECLS

/*
 * Tells the source of @message, if it asked for that (agent_message_set_error_reply()), that the message came to nothing: by an
 * AGENT_ERROR with the cause and the task. It is sent only if the source is on the bus and the bus runs. With no lock held. A
 * sender, which may hold locks, notes the loss with its AgentSender, and that tells it in the end.
 *
 * @name: (nullable): the subscriber that lost it
 */
void _agent_bus_send_loss (AgentBus     *bus,
                           AgentMessage *message,
                           const char   *name,
                           const char   *text);

G_END_DECLS
