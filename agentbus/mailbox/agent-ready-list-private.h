/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <stdatomic.h>

#include <glib.h>

#include "agent-enums-private.h"
#include "base/agent-cpu-private.h"

G_BEGIN_DECLS

/*
 * The mailboxes of a main context that have messages, in one list for each channel. The list of the system channel is
 * served first, and each list is served in the order in which the mailboxes were added.
 *
 * A sender of data does not take the lock that guards the lists. It pushes the mailbox on a lock-free stack of incoming
 * mailboxes. The thread that takes the lock next moves them into the list of the data channel.
 *
 * The lists hold items that are embedded in the mailboxes, and no references.
 */

/* An item of the lists. Guarded by the lock. */
typedef struct
{
  GList  links[AGENT_N_CHANNELS];
  guint8 is_ready[AGENT_N_CHANNELS]; /* whether the link is in the list of the channel */
  guint8 is_unheard;                 /* whether the link of the data channel is in the list of the unheard ones instead */
} AgentReadyItem;

/* An item of the stack. */
typedef struct _AgentIncomingItem AgentIncomingItem;

struct _AgentIncomingItem
{
  AgentIncomingItem *next;
  _Atomic gint       is_incoming;
};

typedef struct
{
  GQueue lists[AGENT_N_CHANNELS]; /* (lock) of AgentReadyItem */
  GQueue unheard;                 /* (lock) of AgentReadyItem: those that nobody listens to, though they have data */
  gint   n_system;                /* (atomic) the length of the first list; changed with the lock held */

  /* Senders of data change what follows. The receiver reads what stands before with each message. */
  char                          padding[AGENT_CACHE_LINE];
  _Atomic (AgentIncomingItem *) incoming; /* (nullable) the one that was pushed last */
} AgentReadyList;

void               _agent_ready_item_init           (AgentReadyItem    *self);

/* With the lock held */
void               _agent_ready_list_add            (AgentReadyList    *self,
                                                     AgentReadyItem    *item,
                                                     AgentChannel       channel);
void               _agent_ready_list_remove         (AgentReadyList    *self,
                                                     AgentReadyItem    *item,
                                                     AgentChannel       channel);
AgentReadyItem    *_agent_ready_list_take           (AgentReadyList    *self,
                                                     AgentChannel      *channel);
void               _agent_ready_list_set_unheard    (AgentReadyList    *self,
                                                     AgentReadyItem    *item,
                                                     gboolean           unheard);
AgentReadyItem    *_agent_ready_list_next_unheard   (AgentReadyList    *self);
AgentIncomingItem *_agent_ready_list_take_incoming  (AgentReadyList    *self);
AgentIncomingItem *_agent_ready_list_leave_incoming (AgentIncomingItem *item);

/* Any thread, without the lock */
void               _agent_ready_list_push_incoming  (AgentReadyList    *self,
                                                     AgentIncomingItem *item);

/* With the lock held. There may be incoming items although the lists are empty. */
static inline gboolean
_agent_ready_list_is_empty (AgentReadyList *self)
{
  return self->lists[AGENT_CHANNEL_SYSTEM].length == 0 && self->lists[AGENT_CHANNEL_DATA].length == 0;
}

/* Any thread, without the lock. */
static inline gboolean
_agent_ready_list_has_system (AgentReadyList *self)
{
  return g_atomic_int_get (&self->n_system) > 0;
}

/* Any thread, without the lock. Relaxed: the answer is a guess, and a thread that acts on it takes the lock and looks
 * again. */
static inline gboolean
_agent_ready_list_may_have_incoming (AgentReadyList *self)
{
  return atomic_load_explicit (&self->incoming, memory_order_relaxed) != NULL;
}

G_END_DECLS
