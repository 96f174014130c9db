/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-bus-report-private.h"
#include "bus/agent-directory-private.h"
#include "bus/agent-retained-private.h"
#include "mailbox/agent-mailbox-owner-private.h"

G_BEGIN_DECLS

/*
 * A bus as its mailboxes know it: its directory and its report. It outlives the GObject, since a mailbox may still be alive
 * after the application has dropped the bus.
 */
typedef struct
{
  AgentMailboxOwner base; /* first */
  AgentDirectory   *directory;
  AgentBusReport   *report;
  AgentRetained    *retained; /* empty when the GObject is gone */
} AgentBusOwner;

AgentBusOwner *_agent_bus_owner_new (AgentDirectory *directory,
                                     AgentBusReport *report);

G_END_DECLS
