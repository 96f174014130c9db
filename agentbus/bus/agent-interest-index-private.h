/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-topic-index-private.h"
#include "mailbox/agent-interest-private.h"

G_BEGIN_DECLS

/*
 * Who takes which broadcast, at one moment: the mailboxes that take messages of any name, those that take some names, and
 * those that have patterns for topics. To change it, begin() makes a copy, which shares nearly everything with the old index
 * and belongs to the caller until end(). From then on it never changes.
 *
 * A bus has no index as long as all its subscribers take all names, and none has a pattern. An index holds references on its
 * mailboxes. All functions may be called in any thread.
 */
typedef struct _AgentInterestIndex AgentInterestIndex;

AgentInterestIndex *_agent_interest_index_ref            (AgentInterestIndex  *self);
void                _agent_interest_index_unref          (AgentInterestIndex  *self);

AgentInterestIndex *_agent_interest_index_begin          (AgentInterestIndex  *self,
                                                          AgentMailboxTrie    *mailboxes,
                                                          guint                n_mailboxes);
void                _agent_interest_index_change_member  (AgentInterestIndex  *self,
                                                          AgentMailbox        *mailbox,
                                                          const AgentInterest *interest,
                                                          gboolean             add);
void                _agent_interest_index_replace_accepts
                                                         (AgentInterestIndex  *self,
                                                          AgentMailbox        *mailbox,
                                                          const char * const  *before,
                                                          const char * const  *accepts);
void                _agent_interest_index_change_pattern (AgentInterestIndex  *self,
                                                          AgentMailbox        *mailbox,
                                                          const char          *pattern,
                                                          gboolean             add);
AgentInterestIndex *_agent_interest_index_end            (AgentInterestIndex  *self);

AgentMailbox      **_agent_interest_index_get_open       (AgentInterestIndex  *self,
                                                          guint               *n_mailboxes);
AgentMailboxTrie   *_agent_interest_index_get_open_trie  (AgentInterestIndex  *self,
                                                          guint               *n_mailboxes);
gboolean            _agent_interest_index_is_open        (AgentInterestIndex  *self,
                                                          AgentMailbox        *mailbox);
gboolean            _agent_interest_index_has_topic      (AgentInterestIndex  *self,
                                                          AgentMailbox        *mailbox,
                                                          const char          *topic);
void                _agent_interest_index_find           (AgentInterestIndex  *self,
                                                          AgentMessage        *message,
                                                          AgentAudience       *audience);

G_END_DECLS
