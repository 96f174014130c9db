/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-mailbox-trie-private.h"

G_BEGIN_DECLS

/*
 * The mailboxes that a broadcast goes to, collected for one send. It lies on the stack of the sender, and holds no
 * references: the snapshot from which the mailboxes come has to live as long.
 */
#define AGENT_AUDIENCE_N_FEW 32

typedef struct
{
  AgentMailbox **mailboxes; /* @few, or a block of its own if they are many */
  guint          n;
  guint          size;
  guint          n_sets;    /* how many sets were added: with more than one, a mailbox may be there several times */
  AgentMailbox  *few[AGENT_AUDIENCE_N_FEW];
} AgentAudience;

typedef gboolean (*AgentAudienceFunc) (AgentMailbox  *mailbox,
                                       gconstpointer  data);

void _agent_audience_init        (AgentAudience     *self);
void _agent_audience_clear       (AgentAudience     *self);
void _agent_audience_add         (AgentAudience     *self,
                                  AgentMailboxTrie  *set,
                                  guint              n);
void _agent_audience_add_list    (AgentAudience     *self,
                                  AgentMailbox     **mailboxes,
                                  guint              n);
void _agent_audience_make_unique (AgentAudience     *self);
void _agent_audience_filter      (AgentAudience     *self,
                                  AgentAudienceFunc  func,
                                  gconstpointer      data);

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (AgentAudience, _agent_audience_clear)

G_END_DECLS
