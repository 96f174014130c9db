/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * What a mailbox seldom needs. It lies in a block that is made at first use, so that most subscribers only pay for a pointer
 * to it.
 */

typedef struct
{
  GSList     *leavers;         /* (source's lock) (owned) what to call when the subscriber is released */
  GQueue      receipts;        /* (source's lock) (owned) who waits to receive */
  GHashTable *unhandled_names; /* (thread that serves) (owned) (nullable) names that were logged as unhandled */
  gint        n_unhandled;     /* (atomic) */
  char       *group;           /* (owned) (nullable) set before any thread can send */
  guint64     n_moved;         /* (lock of the data channel) how many messages went to other members of the group */
} AgentMailboxExtras;

AgentMailboxExtras *_agent_mailbox_extras_get   (AgentMailboxExtras **place);
void                _agent_mailbox_extras_clear (AgentMailboxExtras **place);

/* Any thread. (nullable): NULL before the first use. */
static inline AgentMailboxExtras *
_agent_mailbox_extras_peek (AgentMailboxExtras **place)
{
  return g_atomic_pointer_get (place);
}

G_END_DECLS
