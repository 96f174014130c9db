/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-bus-private.h"

G_BEGIN_DECLS

/*
 * The messages that wait for room at the mailboxes of a bus, in one line for each mailbox, first come first served. A line
 * whose mailbox has made progress goes on. While there is a line, the room of its mailbox is reserved for it.
 *
 * Each message belongs to a GTask of the bus. It waits until it is accepted, its mailbox closes, it expires, or the task is
 * cancelled: then the task returns.
 *
 * All functions may be called in any thread.
 */

AgentRoom *_agent_room_new  (AgentBus     *bus);
void       _agent_room_free (AgentRoom    *self,
                             AgentBus     *bus);
void       _agent_room_wait (AgentRoom    *self,
                             AgentMailbox *mailbox,
                             AgentMessage *offered,
                             GTask        *task);

G_END_DECLS
