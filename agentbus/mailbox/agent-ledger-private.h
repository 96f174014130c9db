/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-bus-types-private.h"

G_BEGIN_DECLS

/* What became of the messages of one subscriber, or of all: offered = delivered + queued + the dropped. */
struct _AgentLedger
{
  guint64 delivered;
  guint64 queued;
  guint64 failed;                        /* among the delivered */
  guint64 dropped[AGENT_N_DROP_REASONS]; /* by AgentDropReason */
};

guint64 _agent_ledger_get_dropped (const AgentLedger *self);
guint64 _agent_ledger_get_offered (const AgentLedger *self);
void    _agent_ledger_add         (AgentLedger       *self,
                                   const AgentLedger *other);
void    _agent_ledger_to_dict     (const AgentLedger *self,
                                   GVariantDict      *dict);

G_END_DECLS
