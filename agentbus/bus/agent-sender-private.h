/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "base/agent-clock-private.h"
#include "bus/agent-directory-private.h"
#include "message/agent-message-private.h"

G_BEGIN_DECLS

/*
 * What a thread that sends keeps between two sends: the snapshots it used last, so that it takes neither a
 * lock nor a reference for them, and what it has to let go of.
 *
 * To let go of a message can run a destroy notify of the application, which may send again: so that happens
 * last, with no lock held and no snapshot in use. Of a snapshot, no part belongs to the application; but it may be large.
 *
 * A snapshot keeps the memory of mailboxes that have left, but not their subscribers, contexts or messages. A thread has
 * four of them at the most, each as old as the thread's last send on that bus.
 */
#define AGENT_SENDER_N_SNAPSHOTS 4

struct _AgentSender
{
  AgentSnapshot *snapshots[AGENT_SENDER_N_SNAPSHOTS]; /* (nullable) by the directory's id */
  GSList         *old_snapshots;                      /* (owned) */
  GSList         *losses;                             /* (owned) messages whose sources want to hear of their loss */
  AgentClockStamp clock;
  guint          n_garbage;
  guint          garbage_size;
  AgentMessage **garbage;                             /* (owned) */
};

AgentSender   *_agent_sender_get          (void);
AgentSnapshot *_agent_sender_get_snapshot (AgentSender    *self,
                                           AgentDirectory *directory);
void           _agent_sender_forget       (AgentSender    *self,
                                           AgentDirectory *directory);
void           _agent_sender_grow_garbage (AgentSender    *self);
void           _agent_sender_free_old_snapshots
                                          (AgentSender    *self);
void           _agent_sender_add_loss     (AgentSender    *self,
                                           AgentBusReport *report,
                                           AgentMessage   *message,
                                           const char     *name,
                                           AgentDropReason reason);
void           _agent_sender_tell_losses  (AgentSender    *self);

/* Takes the reference. */
static inline void
_agent_sender_let_go (AgentSender  *self,
                      AgentMessage *message)
{
  if (message == NULL)
    return;

  if (G_UNLIKELY (self->n_garbage == self->garbage_size))
    _agent_sender_grow_garbage (self);
  self->garbage[self->n_garbage++] = message;
}

/* The message that the subscriber @name lost, (nullable), stays the caller's. It is told when this send is through. */
static inline void
_agent_sender_note_loss (AgentSender    *self,
                         AgentBusReport *report,
                         AgentMessage   *message,
                         const char     *name,
                         AgentDropReason reason)
{
  if (_agent_message_wants_loss (message))
    _agent_sender_add_loss (self, report, message, name, reason);
}

/* With no lock held. */
static inline void
_agent_sender_collect (AgentSender *self)
{
  if (G_UNLIKELY (self->losses != NULL))
    _agent_sender_tell_losses (self);
  if (G_UNLIKELY (self->old_snapshots != NULL))
    _agent_sender_free_old_snapshots (self);
  while (self->n_garbage > 0)
    _agent_message_drop_refs (self->garbage[--self->n_garbage], 1);
}

G_END_DECLS
