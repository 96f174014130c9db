/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-group-private.h"
#include "bus/agent-name-watch-private.h"
#include "bus/agent-presence-private.h"
#include "bus/agent-snapshot-private.h"
#include "mailbox/agent-ledger-private.h"
#include "mailbox/agent-sender-private.h"

G_BEGIN_DECLS

/* Something about @mailbox has changed: whether it is there, which broadcasts it takes, what it says of itself. Called with the
 * lock of the directory held, in any thread. */
typedef void (*AgentDirectoryFunc) (gpointer      data,
                                    AgentMailbox *mailbox);

/* What others are told of a subscriber. */
typedef struct
{
  gboolean   present;  /* if not, the rest is empty */
  AgentInfo *info;     /* (owned) (nullable) what it says of itself, if it is an agent */
  GStrv      accepts;  /* (owned) (nullable) NULL for all */
  GStrv      patterns; /* (owned) (nullable) */
} AgentMemberState;

/*
 * The subscribers of a bus: their mailboxes by name, the mailboxes that are leaving, and the ledger of the mailboxes that
 * have left.
 *
 * A sender looks names up in an immutable snapshot. A change of the directory makes a new trie of names in O(log n). The
 * next sender takes the newest snapshot under a lock that is held for a short time only: reading statistics or stopping the
 * bus takes another lock. The generation of a snapshot is a number that no other state of any directory has.
 *
 * All functions but new() and free() may be called in any thread.
 */
typedef struct _AgentDirectory AgentDirectory;

AgentDirectory *_agent_directory_new             (void);
void            _agent_directory_free            (AgentDirectory  *self);
guint64         _agent_directory_get_generation  (AgentDirectory  *self);
AgentSnapshot  *_agent_directory_ref_snapshot    (AgentDirectory  *self);
AgentSnapshot  *_agent_directory_get_snapshot    (AgentDirectory  *self,
                                                  AgentSender     *sender);
void            _agent_directory_forget_snapshot (AgentDirectory  *self,
                                                  AgentSender     *sender);

void            _agent_directory_set_accepts     (AgentDirectory  *self,
                                                  AgentMailbox    *mailbox,
                                                  const char * const
                                                                  *accepts);
void            _agent_directory_add_patterns    (AgentDirectory  *self,
                                                  AgentMailbox    *mailbox,
                                                  const char * const
                                                                  *patterns);
void            _agent_directory_remove_pattern  (AgentDirectory  *self,
                                                  AgentMailbox    *mailbox,
                                                  const char      *pattern);

gboolean        _agent_directory_set_info        (AgentDirectory  *self,
                                                  AgentMailbox    *mailbox,
                                                  AgentInfo       *info);
void            _agent_directory_count_by        (AgentDirectory  *self,
                                                  _Atomic guint64 *last_seq);
GArray         *_agent_directory_watch_presence  (AgentDirectory  *self,
                                                  AgentPresenceFunc
                                                                   func,
                                                  gpointer         data);
void            _agent_directory_unwatch_presence
                                                 (AgentDirectory  *self,
                                                  gpointer         data);

/* For one observer at a time */
gboolean        _agent_directory_observe         (AgentDirectory  *self,
                                                  AgentDirectoryFunc
                                                                   func,
                                                  gpointer         data);
void            _agent_directory_unobserve       (AgentDirectory  *self);
void            _agent_directory_get_state       (AgentDirectory  *self,
                                                  AgentMailbox    *mailbox,
                                                  AgentMemberState
                                                                  *state);
void            _agent_member_state_clear        (AgentMemberState
                                                                  *self);

gboolean        _agent_directory_is_open         (AgentDirectory  *self);
void            _agent_directory_open            (AgentDirectory  *self);
GPtrArray      *_agent_directory_close           (AgentDirectory  *self);
gboolean        _agent_directory_add             (AgentDirectory  *self,
                                                  AgentMailbox    *mailbox,
                                                  AgentInfo       *info,
                                                  GError         **error);
AgentMailbox   *_agent_directory_remove          (AgentDirectory  *self,
                                                  const char      *name);
gboolean        _agent_directory_remove_mailbox  (AgentDirectory  *self,
                                                  AgentMailbox    *mailbox);
void            _agent_directory_forget          (AgentDirectory  *self,
                                                  AgentMailbox    *mailbox);
AgentMailbox   *_agent_directory_lookup          (AgentDirectory  *self,
                                                  const char      *name);
guint           _agent_directory_get_size        (AgentDirectory  *self);
AgentGroups    *_agent_directory_get_groups      (AgentDirectory  *self);
GPtrArray      *_agent_directory_list_leaving    (AgentDirectory  *self,
                                                  const char      *group);
guint           _agent_directory_watch_name      (AgentDirectory  *self,
                                                  const char      *name,
                                                  AgentNameFunc    func,
                                                  gpointer         data,
                                                  GDestroyNotify   destroy);
AgentNameWatches *
                _agent_directory_get_name_watches
                                                 (AgentDirectory  *self);
void            _agent_directory_count_failed    (AgentDirectory  *self,
                                                  AgentMailbox    *mailbox);
void            _agent_directory_get_ledgers     (AgentDirectory  *self,
                                                  AgentLedger     *total,
                                                  AgentLedger     *remote,
                                                  GVariantBuilder *by_name);

G_END_DECLS
