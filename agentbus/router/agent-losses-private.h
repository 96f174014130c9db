/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "router/agent-lane-private.h"

G_BEGIN_DECLS

/*
 * Messages that were accepted and then given up. Whoever gives up a message holds a lock: it notes the loss, and tells of
 * all losses when no lock is held.
 */

typedef struct
{
  AgentMessage   *message; /* (owned) */
  AgentLane      *lane;    /* (owned) where it was parked */
  AgentDropReason reason;
  guint           waited;  /* ms */
  guint           n_attempts;
} AgentLoss;

/* Zeroes are no losses. */
typedef struct
{
  GArray *array; /* (owned) (nullable) of AgentLoss */
} AgentLosses;

/* @message: (transfer full). In any thread, with no lock held. */
typedef struct
{
  void (*expired) (gpointer        owner,
                   AgentMessage   *message,
                   guint           waited,
                   guint           n_attempts);
  void (*dropped) (gpointer        owner,
                   AgentMessage   *message,
                   AgentDropReason reason);
} AgentLossFuncs;

void       _agent_losses_add      (AgentLosses          *self,
                                   const AgentLoss      *loss);
AgentLane *_agent_losses_get_lane (AgentLosses          *self,
                                   guint                *place);
void       _agent_losses_tell     (AgentLosses          *self,
                                   const AgentLossFuncs *funcs,
                                   gpointer              owner);

static inline gboolean
_agent_losses_are_none (const AgentLosses *self)
{
  return self->array == NULL;
}

G_END_DECLS
