/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "base/agent-spin-lock-private.h"
#include "message/agent-message-private.h"

G_BEGIN_DECLS

/*
 * The tasks that were cancelled a short time ago. A TASK_CANCEL travels the system channel and so overtakes the TASK_REQUEST
 * that it cancels: who gets both remembers the first one here, until the turn of the second one comes.
 *
 * It remembers as many as AGENT_CANCELS_MAX, for AGENT_CANCELS_TIME microseconds. It knows a task by the source of both
 * messages and the task id, and if that matters, by its actor. A request that was sent after the cancellation is another task with the same id.
 *
 * All functions but free() may be called in any thread, with other locks held.
 */
#define AGENT_CANCELS_MAX  1000
#define AGENT_CANCELS_TIME (30 * G_USEC_PER_SEC)

typedef struct _AgentCancels AgentCancels;

AgentCancels *_agent_cancels_new     (void);
void          _agent_cancels_free    (AgentCancels *self);
void          _agent_cancels_add     (AgentCancels *self,
                                      AgentMessage *cancel,
                                      const char   *actor);
gboolean      _agent_cancels_matches (AgentCancels *self,
                                      AgentMessage *message,
                                      const char   *actor);
void          _agent_cancels_merge   (AgentCancels *self,
                                      AgentCancels *other);

static inline gboolean
_agent_message_is_task_cancel (const AgentMessage *self)
{
  return self->type == AGENT_MESSAGE_TYPE_TASK_CANCEL && !_agent_message_has_fate (self);
}

G_END_DECLS
