/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-interest-index-private.h"
#include "bus/agent-takers-private.h"

G_BEGIN_DECLS

/*
 * The subscribers of a bus at one moment. A snapshot never changes, so any number of threads may read it.
 *
 * To make a snapshot takes the same time with ten and with a hundred thousand mailboxes. Only the flat list that a
 * broadcast needs is made in O(n): the first broadcast that uses the snapshot makes it, in its own thread.
 */
typedef struct _AgentSnapshot AgentSnapshot;

AgentSnapshot      *_agent_snapshot_new            (AgentMailboxTrie   *mailboxes,
                                                    guint               n_mailboxes,
                                                    AgentInterestIndex *interests,
                                                    AgentTakers        *takers,
                                                    guint64             generation);
AgentSnapshot      *_agent_snapshot_ref            (AgentSnapshot      *self);
void                _agent_snapshot_unref          (AgentSnapshot      *self);
guint64             _agent_snapshot_get_generation (AgentSnapshot      *self);
AgentMailbox       *_agent_snapshot_lookup         (AgentSnapshot      *self,
                                                    const char         *name,
                                                    guint64             hash);
AgentMailbox      **_agent_snapshot_get_mailboxes  (AgentSnapshot      *self,
                                                    guint              *n_mailboxes);
AgentInterestIndex *_agent_snapshot_get_interests  (AgentSnapshot      *self);
gboolean            _agent_snapshot_has_agents     (AgentSnapshot      *self);
AgentMailboxTrie   *_agent_snapshot_get_takers     (AgentSnapshot      *self,
                                                    guint              *n_mailboxes);

G_END_DECLS
