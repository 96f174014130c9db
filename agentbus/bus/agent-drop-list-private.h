/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "mailbox/agent-mailbox-private.h"

G_BEGIN_DECLS

/*
 * The drops that the bus has to tell of in its own context.
 *
 * The drops of a mailbox stay in its drop box. The mailbox itself is put into a batch, and stays there until the context
 * handles the batch. So a flood of a million drops is told once in each iteration. A batch has a bounded number of
 * mailboxes, so an iteration is bounded, too. Drops that came to no mailbox are kept in this list.
 *
 * While the context is not iterated, the last message of each reason is kept for each mailbox on the bus. If the signal has
 * handlers, the list also keeps the subscribers that have left and whose drops are still to be told: any number of them at
 * first, and a thousand once the context has not been iterated for long.
 *
 * The functions may be called in any thread.
 */
typedef struct _AgentDropBatch AgentDropBatch;
typedef struct _AgentDropList  AgentDropList;

/* A mailbox that was in a batch. */
typedef struct
{
  GList           link; /* (list's lock) the link in the batch */
  AgentDropBatch *batch;
  AgentMailbox   *mailbox;    /* (owned) */
  GObject        *subscriber; /* (owned) (nullable) the subscriber of @mailbox, if it has left */
} AgentDropEntry;

/* Queues a notice for the context. @batch: (transfer full) (nullable): the batch that the notice tells of. If it is NULL,
 * the notice tells of the drops that came to no mailbox. Called with the list's lock held, so that the notices have the
 * order of the drops that they tell of. */
typedef void (*AgentDropAnnounce) (gpointer        data,
                                   AgentDropBatch *batch);

AgentDropList   *_agent_drop_list_new             (AgentDropAnnounce announce,
                                                   gpointer          data);
void             _agent_drop_list_unref           (AgentDropList    *self);
void             _agent_drop_list_close           (AgentDropList    *self);
gboolean         _agent_drop_list_is_closed       (AgentDropList    *self);

/* Adding */
void             _agent_drop_list_add_mailbox     (AgentDropList    *self,
                                                   AgentMailbox     *mailbox);
gpointer         _agent_drop_list_depart          (AgentDropList    *self,
                                                   AgentMailbox     *mailbox,
                                                   gboolean          heard,
                                                   gboolean          asleep,
                                                   AgentDropEntry  **entry);
AgentMessage    *_agent_drop_list_add             (AgentDropList    *self,
                                                   AgentDropReason   reason,
                                                   AgentMessage     *message);
void             _agent_drop_list_add_records     (AgentDropList    *self,
                                                   AgentDropRecord  *records);
void             _agent_drop_list_end_batch       (AgentDropList    *self);

/* Telling */
AgentDropEntry  *_agent_drop_list_take_entry      (AgentDropList    *self,
                                                   AgentDropBatch   *batch);
void             _agent_drop_list_take_records    (AgentDropList    *self,
                                                   AgentDropRecord  *records);
void             _agent_drop_batch_free           (AgentDropBatch   *batch);
void             _agent_drop_entry_free           (AgentDropEntry   *entry);

void             _agent_drop_list_get_ledger      (AgentDropList    *self,
                                                   AgentLedger      *ledger);

G_END_DECLS
