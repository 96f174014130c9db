/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "base/agent-token-trie-private.h"

G_BEGIN_DECLS

/*
 * A topic or a pattern, split into its tokens. The tokens point into the text that was split.
 *
 * All functions may be called in any thread.
 */
#define AGENT_TOPIC_MAX_TOKENS 32

typedef struct
{
  guint      n_tokens;
  AgentToken tokens[AGENT_TOPIC_MAX_TOKENS];
} AgentTopic;

void        _agent_token_init         (AgentToken       *self,
                                       const char       *text,
                                       gsize             length);

const char *_agent_topic_split        (AgentTopic       *self,
                                       const char       *topic);
const char *_agent_topic_split_pattern
                                      (AgentTopic       *self,
                                       const char       *pattern);
gboolean    _agent_topic_matches      (const AgentTopic *self,
                                       const AgentTopic *topic);
gboolean    _agent_topic_has_wildcard (const AgentTopic *self);

G_END_DECLS
