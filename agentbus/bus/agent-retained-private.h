/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "message/agent-message-private.h"
#include "message/agent-topic-private.h"

G_BEGIN_DECLS

/*
 * The retained messages of a bus: the last one of each topic, in a tree of tokens. If there are too many topics, the one whose
 * message is the oldest is forgotten.
 *
 * The lock is held while a retained message is sent, and while a subscriber gets a new pattern together with the messages that
 * are here for it. So a subscriber gets each message either from here or by the send, and from here first. No function
 * unrefs a message: the caller does that with no lock held.
 */
typedef struct _AgentRetained AgentRetained;

#define AGENT_RETAINED_MAX_TOPICS 10000

AgentRetained *_agent_retained_new           (void);
void           _agent_retained_free          (AgentRetained    *self);
void           _agent_retained_lock          (AgentRetained    *self);
void           _agent_retained_unlock        (AgentRetained    *self);

/* With the lock held */
AgentMessage  *_agent_retained_keep_locked   (AgentRetained    *self,
                                              AgentMessage     *message);
AgentMessage  *_agent_retained_remove_locked (AgentRetained    *self,
                                              const char       *topic);
void           _agent_retained_find_locked   (AgentRetained    *self,
                                              const AgentTopic *pattern,
                                              GPtrArray        *messages);

/* Any thread, without the lock */
GPtrArray     *_agent_retained_clear         (AgentRetained    *self);

G_END_DECLS
