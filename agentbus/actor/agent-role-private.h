/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "actor/agent-actor-private.h"
#include "base/agent-timer-source-private.h"
#include "bus/agent-bus-private.h"

G_BEGIN_DECLS

/*
 * How a role is handed over: the holder finishes what it has, while the successor holds back what comes; then the holder is
 * deactivated, and then the successor is activated.
 *
 * What happens to a hand-over comes from several threads: the contexts of the two actors, that of who has asked for it, and any
 * thread that takes one of the two off the bus. The phase says whose turn it is. The groups of the bus know who has left before
 * the actors hear of it: then the thread that closes the mailbox comes, and does the rest.
 */

typedef enum
{
  AGENT_ROLE_DRAINING,   /* the holder finishes what it has */
  AGENT_ROLE_LEAVING,    /* the holder leaves */
  AGENT_ROLE_ACTIVATING, /* nobody is active, and the successor comes next */
  AGENT_ROLE_RETURNING,  /* what the successor has held back goes back to the holder */
  AGENT_ROLE_OVER,
} AgentRolePhase;

struct _AgentRole
{
  gatomicrefcount ref_count;
  AgentBus       *bus;          /* (owned) */
  AgentActor     *from;         /* (owned) */
  AgentActor     *to;           /* (owned) */
  AgentMailbox   *from_mailbox; /* (owned) */
  AgentMailbox   *to_mailbox;   /* (owned) */
  GVariant       *args;         /* (owned) (nullable) */
  GCancellable   *flush;        /* (owned) */
  GHashTable     *requests;     /* (holder's context) (owned) (nullable) of AgentMessage (owned): those that have to be answered */

  GMutex            lock;
  AgentRolePhase    phase;
  gboolean          from_left;   /* the holder is closing */
  gboolean          to_left;     /* the same for the successor, and what it has held back is at the holder */
  gboolean          to_closes;   /* the same, but another thread is giving that back */
  gboolean          reactivates; /* the holder was deactivated, or is about to be, and has to be activated again */
  gboolean          flushed;     /* the channels of the holder */
  GError           *error;       /* (owned) (nullable) why it is undone */
  GTask            *task;        /* (owned) (nullable) */
  AgentTimerSource *timer;       /* (owned) (nullable) */
  GSource          *cancelled;   /* (owned) (nullable) */
};

AgentRole *_agent_role_ref              (AgentRole  *self);
void       _agent_role_unref            (gpointer    data);
gboolean   _agent_role_claim            (AgentRole  *self,
                                         AgentActor *actor);
void       _agent_role_release          (AgentRole  *self,
                                         AgentActor *actor);
void       _agent_role_undo             (AgentRole  *self,
                                         GError     *error);

G_END_DECLS
