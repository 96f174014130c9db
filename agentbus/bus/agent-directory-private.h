/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <stdatomic.h>

#include "bus/agent-bus-types-private.h"
#include "bus/agent-bus-watch-private.h"
#include "bus/agent-snapshot-private.h"
#include "mailbox/agent-ledger-private.h"

G_BEGIN_DECLS

/*
 * Who is on a bus: the mailboxes by name, those that are leaving, and the ledger of those that have left.
 *
 * Senders look names up in an immutable snapshot. A change makes a new trie of names in O(log n), and the next sender
 * takes the newest one under a lock that is held for that long only: who reads statistics or stops the bus has another one.
 * The generation is a number that no other state of any directory has.
 */

AgentDirectory *_agent_directory_new            (void);
AgentDirectory *_agent_directory_ref            (AgentDirectory  *self);
void            _agent_directory_unref          (AgentDirectory  *self);
guint64         _agent_directory_get_id         (AgentDirectory  *self);
guint64         _agent_directory_get_generation (AgentDirectory  *self);
AgentSnapshot  *_agent_directory_ref_snapshot   (AgentDirectory  *self);

gboolean        _agent_directory_is_open        (AgentDirectory  *self);
void            _agent_directory_open           (AgentDirectory  *self);
GPtrArray      *_agent_directory_close          (AgentDirectory  *self);
gboolean        _agent_directory_add            (AgentDirectory  *self,
                                                 AgentMailbox    *mailbox,
                                                 GError         **error);
AgentMailbox   *_agent_directory_remove         (AgentDirectory  *self,
                                                 const char      *name);
void            _agent_directory_forget         (AgentDirectory  *self,
                                                 AgentMailbox    *mailbox);
AgentMailbox   *_agent_directory_lookup         (AgentDirectory  *self,
                                                 const char      *name);
guint           _agent_directory_get_size       (AgentDirectory  *self);
void            _agent_directory_count_failed   (AgentDirectory  *self,
                                                 AgentMailbox    *mailbox);
void            _agent_directory_get_ledgers    (AgentDirectory  *self,
                                                 AgentLedger     *total,
                                                 GVariantBuilder *by_name);

void            _agent_directory_add_watch      (AgentDirectory  *self,
                                                 AgentBusWatch   *watch);
void            _agent_directory_remove_watch   (AgentDirectory  *self,
                                                 AgentBusWatch   *watch);
GPtrArray      *_agent_directory_ref_watches    (AgentDirectory  *self);
void            _agent_directory_tell_watches   (AgentDirectory  *self,
                                                 AgentMailbox    *mailbox,
                                                 AgentMailboxEvent event);

G_END_DECLS
