/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-bus-owner-private.h"

G_BEGIN_DECLS

/*
 * The owner of the mailboxes of monitors, in place of the bus: so what monitors get and lose is in no ledger and no signal of the
 * bus, but for the handlers of theirs that fail. It lives as long as any of them, and keeps what it needs of the bus.
 *
 * It may be made in any thread.
 */
AgentMailboxOwner *_agent_monitor_owner_new (AgentBusOwner *bus_owner);

G_END_DECLS
