/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "agent-enums-private.h"

G_BEGIN_DECLS

/*
 * What became of the messages of one subscriber, or of all of a bus: offered = delivered + queued + the sum of the dropped +
 * moved. What one subscriber has given to another one is counted there, so the sum for a bus leaves moved out.
 *
 * The thread that serves a mailbox counts what is delivered, in the mailbox, and what is dropped at its
 * turn (it has expired, is stale, was cancelled, or its receiver is inactive), in the mailbox's drop box.
 * Senders count what finds no room in the same drop box. The thread that ends a subscription counts what is discarded there,
 * and the directory keeps the figures of the mailboxes that have left. What came to no mailbox, or to a closed one, is
 * counted by the drop list of the bus.
 */
typedef struct
{
  guint64 delivered;
  guint64 queued;
  guint64 failed;                        /* how many of the delivered messages failed */
  guint64 unhandled;                     /* how many of the delivered messages had no handler */
  guint64 moved;                         /* how many were given to others of the group; of one subscriber only */
  guint64 dropped[AGENT_N_DROP_REASONS]; /* by AgentDropReason */
} AgentLedger;

guint64 _agent_ledger_get_dropped (const AgentLedger *self);
guint64 _agent_ledger_get_dropped_at_turn
                                  (const AgentLedger *self);
guint64 _agent_ledger_get_offered (const AgentLedger *self);
void    _agent_ledger_add         (AgentLedger       *self,
                                   const AgentLedger *other);
void    _agent_ledger_to_dict     (const AgentLedger *self,
                                   GVariantDict      *dict);
void    _agent_ledger_list        (const AgentLedger *self,
                                   GVariantBuilder   *by_name,
                                   const char        *name);

G_END_DECLS
