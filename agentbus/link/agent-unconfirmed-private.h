/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Which records of control with messages another node is not known to have. If the node is gone, so many messages are lost.
 *
 * Records have numbers that follow each other, and those without a message are not kept. Messages with nothing between them are one
 * run, so their number costs no memory. A node that never says what it has got may still have many runs, since this node tells of
 * its names between the messages. When there are as many as are kept, the caller adds no message until the node has confirmed some.
 */
#define AGENT_UNCONFIRMED_MAX_RUNS 1000

typedef struct
{
  GQueue runs; /* of UnconfirmedRun (owned), oldest first */
} AgentUnconfirmed;

void     _agent_unconfirmed_init    (AgentUnconfirmed       *self);
void     _agent_unconfirmed_clear   (AgentUnconfirmed       *self);
gboolean _agent_unconfirmed_add     (AgentUnconfirmed       *self,
                                     guint64                 number);
void     _agent_unconfirmed_confirm (AgentUnconfirmed       *self,
                                     guint64                 next);
guint64  _agent_unconfirmed_count   (const AgentUnconfirmed *self);

static inline gboolean
_agent_unconfirmed_is_full (const AgentUnconfirmed *self)
{
  return self->runs.length >= AGENT_UNCONFIRMED_MAX_RUNS;
}

G_END_DECLS
