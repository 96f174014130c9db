/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-mailbox-trie-private.h"
#include "mailbox/agent-mailbox-private.h"

G_BEGIN_DECLS

/*
 * The groups of a bus, by name, and their members. Data that is sent to the name of a group goes to one member.
 *
 * A change takes the same time with ten and with a hundred thousand members: the members lie in an array, to choose from, and
 * in a trie, which a sender that wants all of them reads without the lock. The lock is held for a short time only, and no
 * other one is taken under it. As long as there are no groups, nobody takes it.
 *
 * The directory calls join(), leave() and clear() with its own lock held. All functions but new() and free() may be called in
 * any thread.
 */
typedef struct _AgentGroups AgentGroups;

AgentGroups      *_agent_groups_new         (void);
void              _agent_groups_free        (AgentGroups  *self);
gboolean          _agent_groups_has_any     (AgentGroups  *self);
gboolean          _agent_groups_contains    (AgentGroups  *self,
                                             const char   *name);
gboolean          _agent_groups_join        (AgentGroups  *self,
                                             const char   *name,
                                             AgentMailbox *member);
gboolean          _agent_groups_leave       (AgentGroups  *self,
                                             const char   *name,
                                             AgentMailbox *member);
void              _agent_groups_clear       (AgentGroups  *self);
void              _agent_groups_set_standing
                                            (AgentGroups  *self,
                                             const char   *name,
                                             AgentMailbox *member,
                                             AgentStanding standing);
gboolean          _agent_groups_begin_hand_over
                                            (AgentGroups  *self,
                                             const char   *name,
                                             AgentMailbox *from,
                                             AgentMailbox *to);
gboolean          _agent_groups_end_hand_over
                                            (AgentGroups  *self,
                                             const char   *name,
                                             AgentMailbox *from,
                                             AgentMailbox *to,
                                             AgentStanding standing);
gboolean          _agent_groups_undo_hand_over
                                            (AgentGroups  *self,
                                             const char   *name,
                                             AgentMailbox *from,
                                             AgentMailbox *to,
                                             AgentStanding standing);
AgentMailbox     *_agent_groups_choose      (AgentGroups  *self,
                                             const char   *name,
                                             const char   *source);
AgentMailbox     *_agent_groups_choose_here (AgentGroups  *self,
                                             const char   *name,
                                             const char   *source);
gboolean          _agent_groups_has_other   (AgentGroups  *self,
                                             const char   *name,
                                             const char   *source);
AgentMailboxTrie *_agent_groups_ref_members (AgentGroups  *self,
                                             const char   *name,
                                             guint        *n_members);
void              _agent_groups_list        (AgentGroups  *self,
                                             GPtrArray    *names);

G_END_DECLS
