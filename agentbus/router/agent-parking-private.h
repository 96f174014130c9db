/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-bus-private.h"
#include "router/agent-aliases-private.h"
#include "router/agent-hand-over-private.h"
#include "router/agent-histogram-private.h"
#include "router/agent-lane-private.h"
#include "router/agent-parking-lot-private.h"
#include "router/agent-route-table-private.h"
#include "router/agent-shard-private.h"

G_BEGIN_DECLS

/*
 * What a dispatcher works with: the lanes to all actors, and what is parked in them. Any thread dispatches. A thread that
 * changes something for a lane also flushes it: it hands over what can go now.
 *
 * Lanes are spread over shards, each with a lock, so that senders to different actors seldom meet. A message that can go
 * at once needs that lock only. One more lock, taken inside a shard's, guards the lot, which is all that is parked.
 * Messages expire under that lock alone, and whoever hands something over looks at their deadlines too: the timer comes
 * only if somebody iterates its context.
 *
 * No lock is held for more than AGENT_PARKING_PIECE messages or lanes. What takes longer is done in pieces, between which
 * others get the locks.
 *
 * A thread that finds that a lane has to wait first puts the lane into the station where others look for it, and then
 * tries once more. So a change in between is seen by that thread, or the lane by the thread that makes the change.
 *
 * A parking knows no main loop: it tells its owner when the next deadline changes, and which messages are lost.
 */

#define AGENT_PARKING_N_SHARDS 16

/* How much is done while a lock is held once. */
#define AGENT_PARKING_PIECE 256

/* How many messages of one lane are handed over in one go, before the next lane comes. */
#define AGENT_PARKING_BATCH 64

typedef enum
{
  AGENT_PARKING_OPEN,
  AGENT_PARKING_CLOSING, /* nothing is accepted any more */
  AGENT_PARKING_CLOSED,  /* and nothing is parked any more, nor will be */
} AgentParkingPhase;

typedef struct
{
  AgentLossFuncs losses;

  /* The time of the first deadline has changed: -1 for none. A lock is held, so this may only arm a timer. */
  void (*deadline) (gpointer owner,
                    gint64   time);

  /* @mailbox has handled messages, or will not handle any more. With no lock held. */
  void (*progressed) (gpointer      owner,
                      AgentMailbox *mailbox);

  /* Nothing is accepted any more, and nothing is parked. With no lock held. */
  void (*drained)  (gpointer owner);
} AgentParkingFuncs;

struct _AgentParking
{
  gatomicrefcount          ref_count;
  AgentBus                *bus;
  AgentRouteTable         *routes;
  guint                    origin;    /* what the messages carry */
  const AgentParkingFuncs *funcs;
  gpointer                 owner;     /* (owned) */
  GDestroyNotify           owner_unref;

  guint                    actor_capacity;
  gint                     capacity;     /* (atomic) a guint */
  gint                     park_unknown; /* (atomic) */
  gint                     hand_off;     /* (atomic) */
  gint                     phase;        /* (atomic) AgentParkingPhase */
  gint                     timeouts[AGENT_N_MESSAGE_TYPES]; /* (atomic) ms, guints */

  AgentShard               shards[AGENT_PARKING_N_SHARDS];

  GMutex                   lock;
  AgentParkingLot          lot;          /* (lock) */
  gint64                   next_time;    /* (lock) what the owner was told last */
  guint64                  n_swept;      /* (lock) changes of the table when all lanes were looked through last */
  gint64                   swept_at;     /* (lock) */
  AgentHistogram           latency;

  GMutex                   rename_lock;   /* held while an actor gets another id, taken before all others */
  AgentAliases             aliases;       /* of actors that got other ids */
  AgentLosses              rename_losses; /* (lock) of lanes whose actors got other ids, until somebody may be told */
};

/* How the thread hands over messages of a lane. */
static inline AgentHandOver
_agent_parking_new_hand_over (AgentParking *self,
                              AgentSender  *sender)
{
  return (AgentHandOver){ .bus = self->bus, .sender = sender, .hands_off = g_atomic_int_get (&self->hand_off) };
}

static inline AgentParkingPhase
_agent_parking_get_phase (AgentParking *self)
{
  return (AgentParkingPhase) g_atomic_int_get (&self->phase);
}

/* What became of everything: accepted = dispatched + parked + expired + dropped. */
typedef struct
{
  guint64 accepted;
  guint64 dispatched;
  guint64 parked;
  guint64 expired;
  guint64 retries;
  guint64 refused;
  guint64 returned;
  guint64 direct;
  guint64 dropped[AGENT_N_DROP_REASONS];
  guint64 latency[AGENT_HISTOGRAM_N_BUCKETS]; /* what was handed over, by how long it waited */
  guint64 latency_sum;                        /* µs */
} AgentParkingCounts;

/* --- agent-parking.c: the whole, which the other files build on --- */

AgentParking      *_agent_parking_new         (AgentBus                *bus,
                                               AgentRouteTable         *routes,
                                               guint                    capacity,
                                               guint                    actor_capacity,
                                               const AgentParkingFuncs *funcs,
                                               gpointer                 owner,
                                               GDestroyNotify           owner_unref);
AgentParking      *_agent_parking_ref         (AgentParking            *self);
void               _agent_parking_unref       (AgentParking            *self);
void               _agent_parking_set_policy  (AgentParking            *self,
                                               AgentRetryPolicy        *policy);
AgentRetryPolicy  *_agent_parking_dup_policy  (AgentParking            *self);
void               _agent_parking_get_counts  (AgentParking            *self,
                                               AgentParkingCounts      *counts);
gboolean           _agent_parking_close       (AgentParking            *self);
void               _agent_parking_drop_all    (AgentParking            *self,
                                               AgentDropReason          reason);
void               _agent_parking_settle      (AgentParking            *self);
AgentShard        *_agent_parking_get_shard   (AgentParking            *self,
                                               guint64                  hash);

/* With no lock held, and a reference to the lane */
void               _agent_parking_drop_lane   (AgentParking            *self,
                                               AgentLane               *lane,
                                               AgentDropReason          reason);
void               _agent_parking_tell_losses (AgentParking            *self,
                                               AgentLosses             *losses);
void               _agent_parking_end_hand_over
                                              (AgentParking            *self,
                                               AgentHandOver           *hand_over);

/* With the shard's lock held, and a reference to an existing lane */
AgentLane         *_agent_parking_get_lane    (AgentParking            *self,
                                               AgentShard              *shard,
                                               const AgentLaneKey      *key);
void               _agent_parking_read_route  (AgentParking            *self,
                                               AgentLane               *lane);
void               _agent_parking_tend_lane   (AgentParking            *self,
                                               AgentShard              *shard,
                                               AgentLane               *lane);
void               _agent_parking_part_with   (AgentParking            *self,
                                               AgentShard              *shard,
                                               AgentLane               *lane);

/* With the parking's lock held */
void               _agent_parking_arm_locked  (AgentParking            *self);
void               _agent_parking_add_locked  (AgentParking            *self,
                                               AgentLane               *lane,
                                               AgentMessage            *message,
                                               gboolean                 before_all);

/* --- agent-parking-flush.c: what is parked and can go is handed over --- */

typedef enum
{
  AGENT_FLUSH_EMPTY,     /* all is handed over */
  AGENT_FLUSH_BLOCKED,   /* by the router: it is not there, or has no room */
  AGENT_FLUSH_ELSEWHERE, /* the lane waits for something else */
  AGENT_FLUSH_MORE,      /* the batch is over */
} AgentFlushResult;

/* With the shard's lock held */
AgentFlushResult   _agent_parking_flush_in_shard
                                              (AgentParking            *self,
                                               AgentShard              *shard,
                                               AgentLane               *lane,
                                               gboolean                 first_in_line,
                                               guint                   *max,
                                               AgentHandOver           *hand_over);

/* With no lock held, and a reference to the lane */
AgentFlushResult   _agent_parking_flush_lane  (AgentParking            *self,
                                               AgentLane               *lane,
                                               const char              *router,
                                               gboolean                 read_route,
                                               guint                   *max);
void               _agent_parking_flush_changed
                                              (AgentParking            *self,
                                               AgentLane               *lane);
void               _agent_parking_flush_station
                                              (AgentParking            *self,
                                               const char              *router,
                                               gboolean                 all);

/* --- agent-parking-dispatch.c: messages come in --- */

AgentDispatchResult _agent_parking_dispatch   (AgentParking            *self,
                                               AgentMessage            *message,
                                               GError                 **error);

/* --- agent-parking-events.c: the route table and the bus tell what has changed --- */

extern const AgentRouteWatchFuncs _agent_parking_route_funcs;
extern const AgentMailboxWatchFuncs   _agent_parking_watch_funcs;

/* --- agent-parking-rename.c: an actor gets another id --- */

void               _agent_parking_begin_rename
                                              (gpointer                 data,
                                               const char              *actor,
                                               const char              *new_id);
void               _agent_parking_end_rename  (gpointer                 data,
                                               const char              *actor,
                                               const char              *new_id,
                                               gboolean                 done);
void               _agent_parking_tell_rename_losses
                                              (AgentParking            *self);
void               _agent_parking_wait_for_rename
                                              (AgentParking            *self);
AgentMessage      *_agent_parking_readdress   (AgentMessage            *message,
                                               const char              *new_id);

/* --- agent-parking-timer.c: the first deadline has come --- */

void               _agent_parking_run_due     (AgentParking            *self,
                                               gint64                   now);

G_END_DECLS
