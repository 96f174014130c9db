/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "message/agent-message-private.h"

G_BEGIN_DECLS

/*
 * The gaps of a data channel: how many messages were lost before a message that is queued.
 *
 * While a channel is full and old messages give way, one gap moves from message to message. So that one is kept beside the
 * table of the others. All functions are called with the lock of the queue held.
 */

typedef struct
{
  AgentMessage *moving;    /* (unowned) (nullable) the message behind the gap that was changed last */
  guint64       n_moving;  /* how many were lost there */
  GHashTable   *others;    /* (owned) (nullable) AgentMessage (unowned) → guint64 (owned) */
  guint64       n_counted; /* how many messages have given way in all, and are counted as dropped */
  guint64       n_purged;  /* how many were stale or expired, and were taken back by senders */
  guint64       n_refused; /* how many were refused in all, and belong to a gap */
  guint64       n_waiting; /* how many belong before a message that is not pushed yet, besides those refused since then */
} AgentGaps;

void    _agent_gaps_add   (AgentGaps    *self,
                           AgentMessage *message,
                           guint64       n);
guint64 _agent_gaps_take  (AgentGaps    *self,
                           AgentMessage *message);
void    _agent_gaps_clear (AgentGaps    *self);

G_END_DECLS
