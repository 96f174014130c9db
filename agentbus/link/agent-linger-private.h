/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "base/agent-luck-private.h"

G_BEGIN_DECLS

/*
 * How long the thread of a link stays awake for an answer.
 *
 * Somebody here who gets a message of another node often answers at once, and the thread of the link sends the answer. To wake it up
 * for that takes longer than to answer. So the thread looks for the answer for some microseconds before it sleeps. Where that brings
 * nothing, it does not do so for a while.
 */
typedef struct
{
  gint64    until; /* in microseconds; 0 if it does not stay awake */
  AgentLuck luck;  /* whether that brings answers */
} AgentLinger;

void     _agent_linger_begin    (AgentLinger *self,
                                 gint64       now);
gboolean _agent_linger_is_over  (AgentLinger *self,
                                 gint64       now);
void     _agent_linger_answered (AgentLinger *self);

/* Whether it stays awake now. */
static inline gboolean
_agent_linger_is_on (const AgentLinger *self)
{
  return self->until != 0;
}

G_END_DECLS
