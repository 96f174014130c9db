/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "base/agent-token-trie-private.h"
#include "bus/agent-audience-private.h"

G_BEGIN_DECLS

/*
 * Which mailboxes have a pattern for a topic, as an immutable tree with a node for each token of the patterns. To add or to
 * remove a pattern makes a new tree, which shares all nodes of the old one but those on the way to the pattern. To find the
 * mailboxes for a topic takes a step for each token, and more only where patterns with `*` begin alike.
 *
 * An index is NULL when it is empty. All functions may be called in any thread.
 */
typedef struct _AgentTopicIndex AgentTopicIndex;

AgentTopicIndex *_agent_topic_index_ref    (AgentTopicIndex  *self);
void             _agent_topic_index_unref  (AgentTopicIndex  *self);
AgentTopicIndex *_agent_topic_index_add    (AgentTopicIndex  *self,
                                            const AgentToken *tokens,
                                            guint             n_tokens,
                                            AgentMailbox     *mailbox);
AgentTopicIndex *_agent_topic_index_remove (AgentTopicIndex  *self,
                                            const AgentToken *tokens,
                                            guint             n_tokens,
                                            AgentMailbox     *mailbox);
void             _agent_topic_index_find   (AgentTopicIndex  *self,
                                            const AgentToken *tokens,
                                            guint             n_tokens,
                                            AgentAudience    *audience);
gboolean         _agent_topic_index_finds  (AgentTopicIndex  *self,
                                            const AgentToken *tokens,
                                            guint             n_tokens,
                                            AgentMailbox     *mailbox);
gboolean         _agent_topic_index_has    (AgentTopicIndex  *self,
                                            const AgentToken *token,
                                            AgentMailbox     *mailbox);

G_END_DECLS
