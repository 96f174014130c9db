/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "mailbox/agent-ledger-private.h"

G_BEGIN_DECLS

/*
 * The figures of the subscribers that have left a bus. The caller has a lock.
 */
typedef struct
{
  AgentLedger sum;     /* of all that have left */
  AgentLedger remote;  /* of those of them that are in other processes */
  GHashTable *by_name; /* char * → AgentLedger, both owned: of those that have left since the bus was started */
} AgentDepartures;

void _agent_departures_init         (AgentDepartures   *self);
void _agent_departures_clear        (AgentDepartures   *self);
void _agent_departures_add          (AgentDepartures   *self,
                                     const char        *name,
                                     const AgentLedger *ledger,
                                     gboolean           is_remote);
void _agent_departures_count_failed (AgentDepartures   *self,
                                     const char        *name);
void _agent_departures_forget_names (AgentDepartures   *self);
void _agent_departures_list         (AgentDepartures   *self,
                                     GVariantBuilder   *by_name);

G_END_DECLS
