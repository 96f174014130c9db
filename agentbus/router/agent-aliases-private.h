/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "mailbox/agent-mailbox-private.h"

G_BEGIN_DECLS

/*
 * The former ids of actors, as long as a router may give back messages with a former id as their target. A router that has
 * handled the last one gives none back, so its aliases are forgotten.
 *
 * An id may be given away and used again. So an alias is only for messages that were sent before the actor lost the id.
 *
 * Its own lock is taken last, inside all others of a parking; any thread may call what is here.
 */

/* Where the last message of one lane went. */
typedef struct
{
  AgentMailbox *mailbox; /* (nullable) */
  AgentChannel  channel;
  guint64       position;
} AgentLastPlace;

typedef struct
{
  GMutex      lock;
  GHashTable *by_id;    /* (lock) former id → AgentAlias: the newest one, which knows the others of that id */
  GQueue      all;      /* (lock) of AgentAlias (owned), the oldest first */
  guint64     n_added;  /* (lock) */
  gint        n;        /* (atomic) the length of @all */
} AgentAliases;

void  _agent_aliases_init    (AgentAliases         *self);
void  _agent_aliases_clear   (AgentAliases         *self);
void  _agent_aliases_add     (AgentAliases         *self,
                              const char           *actor,
                              const char           *new_id,
                              guint64               last_seq,
                              const AgentLastPlace *places);
char *_agent_aliases_resolve (AgentAliases         *self,
                              AgentMessage         *message);
void  _agent_aliases_forget  (AgentAliases         *self,
                              AgentMailbox         *mailbox);

G_END_DECLS
