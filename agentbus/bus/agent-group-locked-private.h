/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <stdatomic.h>

#include "base/agent-spin-lock-private.h"
#include "bus/agent-group-private.h"

G_BEGIN_DECLS

/* What the files of the groups share. All functions are called with the lock held. */

/* Those who are active are at the start of the members, and those who keep data for later are behind them. So to choose one takes
 * the same time however many stand by. */
typedef struct
{
  char             *name;                            /* (owned) */
  GPtrArray        *members;                         /* of AgentMailbox (owned), by their standing */
  GHashTable       *places;                          /* AgentMailbox → its index in @members */
  AgentMailboxTrie *trie;                            /* (owned) the same members */
  guint             n_up_to[AGENT_STANDING_STANDBY]; /* how many members have this standing, or one before it */

  /* During a hand-over */
  AgentMailbox *holder;    /* (unowned) (nullable) who finishes what it has, and gets no more; NULL when it has left */
  AgentMailbox *successor; /* (unowned) (nullable) who holds back what comes; NULL when it has left */
} AgentGroup;

struct _AgentGroups
{
  _Atomic guint n_groups; /* changed with the lock held */
  AgentSpinLock lock;
  GHashTable   *by_name; /* (lock) the name of a group → the AgentGroup (owned) */
  guint64       random;  /* (lock) */
};

AgentStanding _agent_group_get_standing            (AgentMailbox *member);
guint         _agent_group_get_place_locked        (AgentGroup   *self,
                                                    AgentMailbox *member);
void          _agent_group_move_locked             (AgentGroup   *self,
                                                    AgentMailbox *member,
                                                    AgentStanding from,
                                                    AgentStanding to);
void          _agent_group_forget_hand_over_locked (AgentGroup   *self,
                                                    AgentMailbox *member);

G_END_DECLS
