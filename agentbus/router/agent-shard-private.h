/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "base/agent-spin-lock-private.h"
#include "router/agent-lane-private.h"

G_BEGIN_DECLS

/*
 * Some of the lanes of a dispatcher, and one lock for all of them. The hash of its actor says to which shard a lane belongs.
 *
 * A shard knows lanes and the mailboxes that their last messages went to; it knows neither routes nor what is parked. Every
 * function but init() and clear() wants its lock held.
 */

#define AGENT_SHARD_N_RECENT 8

struct _AgentShard
{
  AgentSpinLock lock;
  GHashTable   *lanes;      /* set of AgentLane (owned) */
  GHashTable   *by_mailbox; /* AgentMailbox → GQueue of AgentLane: those whose last message went there */
  AgentLane    *recent[AGENT_SHARD_N_RECENT]; /* (nullable) lanes that were looked up, each at a place that its hash says */
  GHashTable   *pending;    /* (nullable) set of AgentLane: the pending ones */
  gint          n_pending;  /* (atomic) how many there are, also read without the lock */
  GHashTable   *heirs;      /* (nullable) AgentLane → AgentName (owned) (nullable): of the lanes that are handed off */
  GHashTable   *cancels;    /* (nullable) AgentLane → AgentCancels (owned): the tasks of an actor, by its lane for data */
  guint64       n_accepted;
  guint64       n_direct;   /* handed over when they came */
  guint64       n_late;     /* handed over after they were parked */
  guint64       n_returned; /* given back by a router that left */
  guint64       n_refused;
  char          padding[AGENT_CACHE_LINE];
};

void       _agent_shard_init        (AgentShard         *self);
void       _agent_shard_clear       (AgentShard         *self);
AgentLane *_agent_shard_search      (AgentShard         *self,
                                     const AgentLaneKey *key);
void       _agent_shard_add         (AgentShard         *self,
                                     AgentLane          *lane);
void       _agent_shard_remove      (AgentShard         *self,
                                     AgentLane          *lane);
void       _agent_shard_set_last    (AgentShard         *self,
                                     AgentLane          *lane,
                                     AgentMailbox       *mailbox);
void       _agent_shard_set_pending (AgentShard         *self,
                                     AgentLane          *lane,
                                     gboolean            pending);
GPtrArray *_agent_shard_ref_pending (AgentShard         *self,
                                     AgentMailbox       *mailbox);
void       _agent_shard_set_heir    (AgentShard         *self,
                                     AgentLane          *lane,
                                     AgentName          *heir);
AgentName *_agent_shard_get_heir    (AgentShard         *self,
                                     AgentLane          *lane);
void       _agent_shard_forget_heir (AgentShard         *self,
                                     AgentLane          *lane);
gboolean   _agent_shard_forget_some (AgentShard         *self,
                                     AgentMailbox       *mailbox,
                                     guint               max);
void       _agent_shard_remember_cancel
                                    (AgentShard         *self,
                                     AgentLane          *data_lane,
                                     AgentMessage       *cancel);
void       _agent_shard_move_cancels
                                    (AgentShard         *self,
                                     AgentLane          *from,
                                     AgentShard         *to_shard,
                                     AgentLane          *to);
gboolean   _agent_shard_has_cancelled
                                    (AgentShard         *self,
                                     AgentLane          *lane,
                                     AgentMessage       *message);

static inline AgentLane **
_agent_shard_get_recent (AgentShard         *self,
                         const AgentLaneKey *key)
{
  return &self->recent[(key->hash >> 40) % AGENT_SHARD_N_RECENT];
}

/* (transfer none) (nullable) */
static inline AgentLane *
_agent_shard_lookup (AgentShard         *self,
                     const AgentLaneKey *key)
{
  AgentLane *lane = *_agent_shard_get_recent (self, key);

  if (G_LIKELY (lane != NULL && _agent_lane_equal (&lane->key, key)))
    return lane;

  return _agent_shard_search (self, key);
}

G_END_DECLS
