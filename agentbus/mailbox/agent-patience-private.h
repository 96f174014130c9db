/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "base/agent-luck-private.h"
#include "mailbox/agent-ready-list-private.h"

G_BEGIN_DECLS

/*
 * How long the thread of a main context waits for more messages before it goes to sleep.
 *
 * Where messages come one after the other from another thread, the next one is here before that thread could have woken up
 * this one. So this thread looks for messages for some microseconds before it sleeps. Each look takes a cache line away
 * from the senders. So the more messages a look brings, the later the next look comes; and where looks bring nothing, there
 * is none for a while.
 *
 * All functions are for the thread of the context.
 */
typedef struct
{
  AgentLuck luck;    /* whether a look brings messages */
  guint     n_looks; /* how often to look for system messages only, before the first look at the incoming mailboxes */
} AgentPatience;

gboolean _agent_patience_wait (AgentPatience  *self,
                               AgentReadyList *list,
                               guint           n_handled);

G_END_DECLS
