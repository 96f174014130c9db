/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "mailbox/agent-mailbox-private.h"
#include "message/agent-message-private.h"
#include "router/agent-deadline-heap-private.h"
#include "router/agent-name-private.h"
#include "router/agent-retry-schedule-private.h"

G_BEGIN_DECLS

/*
 * The way to one actor on one channel: where its messages go, and those that cannot go yet, in their order.
 *
 * A lane belongs to a shard of an AgentParking. What is about its route needs the shard's lock; what is about its parked
 * messages needs the lock of the parking too when one is added, and that alone when one is taken away.
 */

typedef enum
{
  AGENT_WAIT_NONE,   /* for nothing: other lanes come first */
  AGENT_WAIT_ROUTE,  /* it has no router */
  AGENT_WAIT_ROUTER, /* its router is not there */
  AGENT_WAIT_ROOM,   /* its router is there and has no room */
  AGENT_WAIT_TURN,   /* the router before has not handled what it had */
} AgentWait;

/* Lanes that wait for the same router; the one without a name is for those that have none. */
struct _AgentStation
{
  char    *name;                      /* (nullable) */
  GQueue   waiting[AGENT_N_CHANNELS]; /* of AgentLane: for the router to be there, or to have room */
  GQueue   trailing;                  /* of AgentLane: for it to be done with what it has, since they have another one */
  gboolean is_there;                  /* whether the router was there when it was looked for last */
  guint    round;                     /* the last round of retries that came by */
  GList    link;
};

struct _AgentParked
{
  AgentDeadline    deadline; /* first: when it expires */
  AgentParked     *next;
  AgentParked     *previous;
  AgentMessage    *message;  /* (owned) */
  AgentLane       *lane;
  AgentRetryRun   *run;      /* (owned) shared with its neighbours of the same batch */
};

/* What a lane is found by. */
typedef struct
{
  guint64      hash;
  const char  *actor;
  AgentChannel channel;
} AgentLaneKey;

struct _AgentLane
{
  AgentLaneKey  key;           /* first */
  gint          ref_count;     /* (atomic) */
  gint          n_parked;      /* (parking) (atomic) looked at with each message, as what follows */

  /* (shard) The route */
  gboolean      removed;       /* it is in no table any more */
  gboolean      known;         /* the route table has heard of the actor */
  AgentName    *router;        /* (owned) (nullable) */
  guint64       generation;    /* of the directory when @mailbox was looked up */
  AgentMailbox *mailbox;       /* (unowned) (nullable) the router's; valid with a snapshot of that generation */
  AgentMailbox *last_mailbox;  /* (owned) (nullable) where the last message went */
  guint64       last_position; /* its position there */
  GList         last_link;     /* among the lanes of the shard that have the same @last_mailbox */

  /* (parking) What waits */
  AgentParked  *first;         /* (nullable) */
  AgentParked  *last;          /* (nullable) */
  AgentWait     wait;          /* AGENT_WAIT_ROUTER stands for AGENT_WAIT_ROOM too: the station knows which it is */
  guint         round;         /* the last round of looking through all lanes that came by */
  AgentStation *station;       /* (nullable) where it waits, in the list that @wait says */
  GList         link;
  GList         parked_link;   /* among all lanes in which something is parked */

  char          actor[];
};

AgentLane   *_agent_lane_new    (const AgentLaneKey *key);
AgentLane   *_agent_lane_ref    (AgentLane          *self);
void         _agent_lane_unref  (AgentLane          *self);
guint        _agent_lane_hash   (gconstpointer       key);
gboolean     _agent_lane_equal  (gconstpointer       a,
                                 gconstpointer       b);
void         _agent_lane_append (AgentLane          *self,
                                 AgentParked        *parked,
                                 AgentRetryBatch    *batch);
void         _agent_lane_prepend
                                (AgentLane          *self,
                                 AgentParked        *parked,
                                 AgentRetryBatch    *batch);
void         _agent_lane_take   (AgentLane          *self,
                                 AgentParked        *parked);
void         _agent_lane_leave  (AgentLane          *self);
void         _agent_lane_wait   (AgentLane          *self,
                                 AgentWait           wait,
                                 AgentStation       *station);
GQueue      *_agent_station_get_list
                                (AgentStation       *self,
                                 AgentWait           wait,
                                 AgentChannel        channel);
gboolean     _agent_lane_waits_for_room
                                (AgentLane          *self);
gboolean     _agent_station_is_empty
                                (AgentStation       *self);

G_END_DECLS
