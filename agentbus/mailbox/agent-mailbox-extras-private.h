/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "mailbox/agent-cancels-private.h"
#include "mailbox/agent-flow-private.h"
#include "mailbox/agent-gaps-private.h"
#include "mailbox/agent-held-private.h"
#include "mailbox/agent-interest-private.h"

G_BEGIN_DECLS

/*
 * What a mailbox seldom needs. It lies in a block that is made at first use, so that most subscribers only pay for a pointer
 * to it.
 */

typedef struct
{
  GSList         *leavers;         /* (source's lock) (owned) what to call when the subscriber is released */
  GQueue          receipts;        /* (source's lock) (owned) who waits to receive */
  GHashTable     *unhandled_names; /* (thread that serves) (owned) (nullable) names that were logged as unhandled */
  gint            n_unhandled;     /* (atomic) */
  AgentInterest  *interest;        /* (directory's lock) (owned) (nullable) which broadcasts the mailbox takes */
  AgentFlow       flow;
  AgentGaps       gaps;            /* (data queue's lock) */
  guint64         n_missed_next;   /* (thread that serves) how many messages were lost before the next data message */
  _Atomic guint64 n_missed;        /* the same, for the last message that was delivered; changed by the thread that serves */
  char           *group;           /* (owned) (nullable) set before any thread can send */
  AgentCancels   *cancels;         /* (atomic) (owned) (nullable) the TASK_CANCELs that were queued a short time ago */
  AgentHeld      *held;            /* (data queue's lock) (owned) (nullable) what waits until it is known who handles it */
  guint8          standing;        /* (lock of the groups) an AgentStanding; set before any thread can send */
  guint64         n_moved;         /* (data queue's lock) how many messages went to other members of the group */
} AgentMailboxExtras;

AgentCancels       *_agent_mailbox_extras_get_cancels
                                                (AgentMailboxExtras  *self);
AgentMailboxExtras *_agent_mailbox_extras_get   (AgentMailboxExtras **place);
void                _agent_mailbox_extras_clear (AgentMailboxExtras **place);

/* Any thread. (nullable): NULL before the first use. */
static inline AgentMailboxExtras *
_agent_mailbox_extras_peek (AgentMailboxExtras **place)
{
  return g_atomic_pointer_get (place);
}

G_END_DECLS
