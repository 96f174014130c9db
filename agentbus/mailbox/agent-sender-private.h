/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "base/agent-clock-private.h"
#include "mailbox/agent-mailbox-owner-private.h"

G_BEGIN_DECLS

/*
 * What a thread that sends keeps between two sends, and what it puts off until a send is over.
 *
 * To unref a message can run a destroy notify of the application, which may send again. So a send collects the messages
 * that it does not need any more, and unrefs them when it is over, with no lock held. Then it also tells the sources of
 * messages of the losses that they want to hear of, and writes hints to the log.
 *
 * Each slot keeps something that the thread used in its last sends, so that it takes neither a lock nor a reference for it
 * the next time. A bus keeps the snapshot of its subscribers there. If the content of a slot is replaced, the old content
 * is freed when the send is over. It must not belong to the application.
 */
#define AGENT_SENDER_N_SLOTS 4

typedef struct
{
  gpointer       data;    /* (owned) (nullable) */
  GDestroyNotify destroy; /* frees @data */
} AgentSenderSlot;

struct _AgentSender
{
  AgentSenderSlot slots[AGENT_SENDER_N_SLOTS];
  GArray         *replaced; /* (owned) (nullable) of AgentSenderSlot: the old contents of slots, to be freed */
  GSList         *losses;   /* (owned) the losses that the sources of messages want to hear of, and hints to log */
  AgentClockStamp clock;
  AgentDropReason drop_reason; /* why the last message was dropped that was not accepted */
  guint           n_garbage;
  guint           garbage_size;
  AgentMessage  **garbage;  /* (owned) messages to unref when the send is over */
};

AgentSender *_agent_sender_get           (void);
void         _agent_sender_set_slot      (AgentSender       *self,
                                          guint              slot,
                                          gpointer           data,
                                          GDestroyNotify     destroy);
void         _agent_sender_free_later    (AgentSender       *self,
                                          gpointer           data,
                                          GDestroyNotify     destroy);
void         _agent_sender_grow_garbage  (AgentSender       *self);
void         _agent_sender_free_replaced (AgentSender       *self);
void         _agent_sender_add_loss      (AgentSender       *self,
                                          AgentMailboxOwner *owner,
                                          AgentMessage      *message,
                                          const char        *name,
                                          AgentDropReason    reason);
void         _agent_sender_add_hint      (AgentSender       *self,
                                          GLogLevelFlags     level,
                                          char              *text);
void         _agent_sender_tell_losses   (AgentSender       *self);

/* Unrefs @message when the send is over. Takes the reference. */
static inline void
_agent_sender_unref_later (AgentSender  *self,
                           AgentMessage *message)
{
  if (message == NULL)
    return;

  if (G_UNLIKELY (self->n_garbage == self->garbage_size))
    _agent_sender_grow_garbage (self);
  self->garbage[self->n_garbage++] = message;
}

/* When the send is over, tells the source of @message that the message was lost, if the source wants to hear of that.
 *
 * @name: (nullable): the subscriber that lost it */
static inline void
_agent_sender_note_loss (AgentSender       *self,
                         AgentMailboxOwner *owner,
                         AgentMessage      *message,
                         const char        *name,
                         AgentDropReason    reason)
{
  if (_agent_message_wants_loss (message))
    _agent_sender_add_loss (self, owner, message, name, reason);
}

/* The send is over, and no lock is held. */
static inline void
_agent_sender_collect (AgentSender *self)
{
  if (G_UNLIKELY (self->losses != NULL))
    _agent_sender_tell_losses (self);
  if (G_UNLIKELY (self->replaced != NULL))
    _agent_sender_free_replaced (self);
  while (self->n_garbage > 0)
    _agent_message_drop_refs (self->garbage[--self->n_garbage], 1);
}

G_END_DECLS
