/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "base/agent-spin-lock-private.h"

G_BEGIN_DECLS

/*
 * Whether a subscriber lags behind, and what the owner of its mailbox has to tell of that. Changes are added up until the owner
 * tells them, so there is one notice at a time: a subscriber that was slow and has recovered meanwhile is told as both.
 *
 * All functions may be called in any thread.
 */

typedef struct
{
  AgentSpinLock lock;
  guint8        slow;      /* (lock) */
  guint8        told;      /* (lock) the value of @slow that was told last */
  guint8        was_slow;  /* (lock) it has been slow since then */
  guint8        announced; /* (lock) the owner knows that there is news */
  guint64       n_queued;  /* (lock) when it became slow */
  guint64       n_full;    /* (lock) how many messages were dropped in all until it became slow or recovered */
  guint64       n_told;    /* (lock) how many of them were told */
} AgentFlow;

/* What there is to tell: first that it is slow, then that it has recovered. */
typedef struct
{
  gboolean slow;
  guint64  n_queued;
  gboolean recovered;
  guint64  n_dropped;
} AgentFlowNews;

gboolean _agent_flow_change (AgentFlow     *self,
                             gboolean       slow,
                             guint64        n_queued,
                             guint64        n_full);
void     _agent_flow_take   (AgentFlow     *self,
                             AgentFlowNews *news);

G_END_DECLS
