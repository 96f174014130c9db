/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-bus-private.h"
#include "bus/agent-bus-watch-private.h"
#include "bus/agent-sender-private.h"
#include "router/agent-histogram-private.h"
#include "router/agent-lane-private.h"
#include "router/agent-route-table-private.h"
#include "router/agent-shard-private.h"

G_BEGIN_DECLS

/*
 * What a dispatcher works with: the lanes to all actors, and what is parked in them. Any thread dispatches; whatever
 * changes for a lane has it flushed in the thread of the change.
 *
 * Lanes are spread over shards, each with a lock, so that senders to different actors seldom meet. A message that can go
 * at once needs that lock only. What is parked is guarded by one more lock, taken inside a shard's. Deadlines run out
 * under that lock alone, and whoever hands something over looks at them too: the timer comes only if somebody iterates
 * its context.
 *
 * No lock is held for more than AGENT_PARKING_PIECE messages or lanes. What takes longer is done in pieces, between which
 * others get the locks.
 *
 * Whoever finds that a lane has to wait first puts it where it will be looked for, and then tries once more: what
 * changed in between is seen by one or the other.
 *
 * Knows no main loop: who made it is told when the next deadline changes, and which messages are lost.
 */

#define AGENT_PARKING_N_SHARDS 16

/* How much is done while a lock is held once. */
#define AGENT_PARKING_PIECE 256

typedef struct
{
  /* Messages that were accepted and then given up: (transfer full). In any thread, with no lock held. */
  void (*expired)       (gpointer      owner,
                         AgentMessage *message,
                         guint         waited,
                         guint         n_attempts);
  void (*dropped)       (gpointer        owner,
                         AgentMessage   *message,
                         AgentDropReason reason);

  /* The first deadline: with a lock held, so only to arm a timer. -1 for none. */
  void (*deadline)      (gpointer      owner,
                         gint64        time);

  /* Nothing is parked any more, and nothing is accepted. */
  void (*drained)       (gpointer      owner);
} AgentParkingFuncs;

struct _AgentParking
{
  gint                     ref_count; /* (atomic) */
  AgentBus                *bus;
  AgentRouteTable         *routes;
  guint                    origin;    /* what the messages carry */
  const AgentParkingFuncs *funcs;
  gpointer                 owner;     /* (owned) */
  GDestroyNotify           owner_unref;

  guint                    actor_capacity;
  gint                     capacity;     /* (atomic) a guint */
  gint                     park_unknown; /* (atomic) */
  gint                     closing;      /* (atomic) nothing is accepted any more */
  gint                     closed;       /* (atomic) nothing is parked any more */
  gint                     timeouts[AGENT_N_MESSAGE_TYPES]; /* (atomic) ms, guints */

  AgentShard               shards[AGENT_PARKING_N_SHARDS];

  GMutex                   lock;         /* what is parked */
  AgentDeadlineHeap        expiries;     /* (lock) of AgentParked */
  AgentDeadlineHeap        retries;      /* (lock) of AgentRetryBatch */
  AgentRetrySchedule       schedule;     /* (lock) */
  GQueue                   lanes;        /* (lock) of AgentLane: those in which something is parked */
  guint                    lanes_round;  /* (lock) how often they were looked through */
  GHashTable              *stations;     /* (lock) name → AgentStation (owned) */
  GQueue                   station_list; /* (lock) of AgentStation */
  guint                    stations_round; /* (lock) how often they were looked through */
  AgentStation             nowhere;      /* (lock) */
  gint64                   next_time;    /* (lock) what the owner was told last */
  guint64                  n_swept;      /* (lock) changes of the table when all lanes were looked through last */
  gint64                   swept_at;     /* (lock) */
  gint                     n_parked;     /* (lock) (atomic) */
  guint64                  n_expired;    /* (lock) */
  guint64                  n_retries;    /* (lock) */
  guint64                  n_dropped[AGENT_N_DROP_REASONS]; /* (lock) */
  AgentHistogram           latency;
};

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

AgentParking       *_agent_parking_new        (AgentBus                *bus,
                                               AgentRouteTable         *routes,
                                               guint                    capacity,
                                               guint                    actor_capacity,
                                               const AgentParkingFuncs *funcs,
                                               gpointer                 owner,
                                               GDestroyNotify           owner_unref);
AgentParking       *_agent_parking_ref        (AgentParking            *self);
void                _agent_parking_unref      (AgentParking            *self);
AgentDispatchResult _agent_parking_dispatch   (AgentParking            *self,
                                               AgentMessage            *message,
                                               GError                 **error);
void                _agent_parking_set_policy (AgentParking            *self,
                                               AgentRetryPolicy        *policy);
AgentRetryPolicy   *_agent_parking_dup_policy (AgentParking            *self);
void                _agent_parking_get_counts (AgentParking            *self,
                                               AgentParkingCounts      *counts);

/* Events */
extern const AgentRouteWatchFuncs _agent_parking_route_funcs;
extern const AgentBusWatchFuncs _agent_parking_watch_funcs;

/* The timer */
void                _agent_parking_run_due    (AgentParking            *self,
                                               gint64                   now);

/* The end */
gboolean            _agent_parking_close      (AgentParking            *self);
void                _agent_parking_drop_all   (AgentParking            *self,
                                               AgentDropReason          reason);

/* --- Between its files --- */

/* A message that is given up. */
typedef struct
{
  AgentMessage   *message; /* (owned) */
  AgentLane      *lane;    /* (owned) */
  AgentDropReason reason;
  guint           waited;  /* ms */
  guint           n_attempts;
} AgentLost;

/* What a thread does with one lane. */
typedef struct
{
  AgentSender  *sender;
  gboolean      keeps;   /* more than one lane: the thread's snapshot may change meanwhile */
  AgentMailbox *mailbox; /* (nullable) whom to wake: see _agent_mailbox_end_offer(); (owned) if @keeps */
  AgentChannel  channel;
  AgentOffer    offer;
  GArray       *losses;  /* (owned) (nullable) of AgentLost */
} AgentHandOver;

typedef enum
{
  AGENT_FLUSH_EMPTY,     /* all is handed over */
  AGENT_FLUSH_BLOCKED,   /* by the router */
  AGENT_FLUSH_ELSEWHERE, /* it waits for something else */
  AGENT_FLUSH_MORE,      /* its turn is over */
} AgentFlushResult;

AgentShard      *_agent_parking_get_shard     (AgentParking       *self,
                                               guint64             hash);
void             _agent_parking_end_hand_over (AgentParking       *self,
                                               AgentHandOver      *hand_over);
void             _agent_parking_tell_losses   (AgentParking       *self,
                                               GArray             *losses);
void             _agent_parking_settle        (AgentParking       *self);

/* With the shard's lock held, and for an existing lane a reference to it */
AgentLane       *_agent_parking_get_lane      (AgentParking       *self,
                                               AgentShard         *shard,
                                               const AgentLaneKey *key);
void             _agent_parking_tend_lane     (AgentParking       *self,
                                               AgentShard         *shard,
                                               AgentLane          *lane);
void             _agent_parking_part_with     (AgentParking       *self,
                                               AgentShard         *shard,
                                               AgentLane          *lane);
void             _agent_parking_read_route    (AgentParking       *self,
                                               AgentLane          *lane);
AgentWait        _agent_parking_hand_over     (AgentParking       *self,
                                               AgentShard         *shard,
                                               AgentLane          *lane,
                                               AgentMessage      **message,
                                               gboolean            in_turn,
                                               AgentHandOver      *hand_over);
gboolean         _agent_parking_park          (AgentParking       *self,
                                               AgentLane          *lane,
                                               AgentMessage       *message,
                                               AgentWait           wait,
                                               AgentHandOver      *hand_over);
void             _agent_parking_put_back      (AgentParking       *self,
                                               AgentLane          *lane,
                                               AgentMessage       *message,
                                               const char         *router);
AgentFlushResult _agent_parking_flush_lane    (AgentParking       *self,
                                               AgentShard         *shard,
                                               AgentLane          *lane,
                                               gboolean            in_turn,
                                               guint              *max,
                                               AgentHandOver      *hand_over);

/* With no lock held, and a reference to the lane */
void             _agent_parking_drop_lane     (AgentParking       *self,
                                               AgentLane          *lane,
                                               AgentDropReason     reason);
AgentFlushResult _agent_parking_flush         (AgentParking       *self,
                                               AgentLane          *lane,
                                               const char         *name,
                                               gboolean            read_route,
                                               guint              *max);
void             _agent_parking_flush_station (AgentParking       *self,
                                               const char         *name,
                                               gboolean            all);

/* With the lock of the parking held */
guint            _agent_parking_expire_locked (AgentParking       *self,
                                               gint64              now,
                                               guint               max,
                                               GArray            **losses);
void             _agent_parking_arm_locked    (AgentParking       *self);

G_END_DECLS
