/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "base/agent-spin-lock-private.h"
#include "bus/agent-departures-private.h"
#include "bus/agent-directory-private.h"

G_BEGIN_DECLS

/*
 * What the files of the directory share: who is on the bus (agent-directory.c), what a mailbox takes and says of itself
 * (-interest.c), and who takes presence (-takers.c). No other file includes this. The functions are called with the
 * directory's lock held.
 */
struct _AgentDirectory
{
  guint           slot; /* the slot of a sender that keeps the snapshot it used last */
  _Atomic guint64 generation;

  GMutex      lock;
  gint        is_open; /* (atomic) changed with the lock held */
  GHashTable *leaving; /* (lock) set of AgentMailbox (owned): the mailboxes that have no name any more and have not left yet */

  AgentDepartures departures; /* (lock) */

  AgentGroups      *groups;       /* (owned) changed with @lock held */
  AgentNameWatches *name_watches; /* (owned) told with @lock held */
  AgentPresence    *presence;     /* (owned) changed and told with @lock held */

  AgentDirectoryFunc observer;      /* (lock) (nullable) */
  gpointer           observer_data; /* (lock) */

  /* These are changed with both locks held, and read with one of them. Senders take only the second one. */
  AgentSpinLock       name_lock; /* taken last */
  AgentMailboxTrie   *by_name;   /* (owned) (nullable) */
  guint               n_names;
  AgentInterestIndex *interests; /* (owned) (nullable) NULL if all mailboxes take all broadcasts */
  AgentTakers        *takers;    /* (owned) (nullable) NULL if there are no agents */
  AgentSnapshot      *snapshot;  /* (name_lock) (owned) (nullable) NULL from a change until a sender needs it */
};

void         _agent_directory_set_interests_locked (AgentDirectory     *self,
                                                    AgentInterestIndex *interests,
                                                    AgentTakers        *takers);
gboolean     _agent_directory_has_locked           (AgentDirectory     *self,
                                                    AgentMailbox       *mailbox);

/* Tells the observer, if there is one. */
static inline void
_agent_directory_tell_locked (AgentDirectory *self,
                              AgentMailbox   *mailbox)
{
  if (self->observer != NULL)
    self->observer (self->observer_data, mailbox);
}

AgentTakers *_agent_directory_add_taker_locked     (AgentDirectory     *self,
                                                    AgentMailbox       *mailbox,
                                                    AgentInfo          *info);
AgentTakers *_agent_directory_remove_taker_locked  (AgentDirectory     *self,
                                                    AgentMailbox       *mailbox);
AgentTakers *_agent_directory_accept_taker_locked  (AgentDirectory     *self,
                                                    AgentMailbox       *mailbox,
                                                    gboolean            all);
AgentTakers *_agent_directory_turn_taker_locked    (AgentDirectory     *self,
                                                    AgentMailbox       *mailbox,
                                                    gboolean            begin);

G_END_DECLS
