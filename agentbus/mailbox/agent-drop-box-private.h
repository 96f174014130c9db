/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib-object.h>

#include "agent-enums-private.h"
#include "base/agent-spin-lock-private.h"
#include "message/agent-message.h"

G_BEGIN_DECLS

/*
 * What one mailbox has dropped: how many messages in all, and the drops that the owner of the mailbox has not been told of
 * yet.
 *
 * The box belongs to a subscriber, and is closed when the subscriber is released. A closed box counts nothing. So if the
 * figures of a mailbox are read after that, they are the final ones.
 *
 * All functions may be called in any thread. The lock of the box is taken after any other one.
 */

/* Messages that were dropped for one reason, and of which the owner has not been told yet. */
typedef struct
{
  guint64       n;
  AgentMessage *last; /* (owned) (nullable) */
} AgentDropRecord;

typedef struct
{
  AgentSpinLock    lock;
  gboolean         reported;   /* (lock) the owner has been told that there are @records */
  GObject         *subscriber; /* (lock) (owned) (nullable) the subscriber of the mailbox; NULL once the box is closed */
  guint64         *n_dropped;  /* (lock) (owned) (nullable) in all, by reason; NULL before the first drop */
  AgentDropRecord *records;    /* (lock) (owned) (nullable) by reason */
} AgentDropBox;

void             _agent_drop_box_init           (AgentDropBox    *self,
                                                 gpointer         subscriber);
void             _agent_drop_box_clear          (AgentDropBox    *self);
gboolean         _agent_drop_box_add            (AgentDropBox    *self,
                                                 AgentDropReason  reason,
                                                 guint64          n,
                                                 AgentMessage    *message,
                                                 AgentMessage   **previous,
                                                 gboolean        *to_report);
AgentDropRecord *_agent_drop_box_take           (AgentDropBox    *self,
                                                 guint64         *totals);
void             _agent_drop_box_forget         (AgentDropBox    *self);
void             _agent_drop_box_read           (AgentDropBox    *self,
                                                 guint64         *totals);
gpointer         _agent_drop_box_dup_subscriber (AgentDropBox    *self);
gpointer         _agent_drop_box_close          (AgentDropBox    *self,
                                                 gboolean        *has_drops);
gboolean         _agent_drop_box_is_closed      (AgentDropBox    *self);

void             _agent_drop_records_clear      (AgentDropRecord *records);

/* Only for the thread that serves the mailbox, since the box stays open as long as it does: (transfer none). */
static inline gpointer
_agent_drop_box_get_subscriber (AgentDropBox *self)
{
  return self->subscriber;
}

G_END_DECLS
