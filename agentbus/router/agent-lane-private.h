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
 * A lane belongs to a shard of an AgentParking. The shard's lock guards what is about the route. The lock of the parking
 * guards what is about the parked messages; whoever adds one holds the shard's lock too, whoever takes one away need not.
 */

/* What a lane waits for. */
typedef enum
{
  AGENT_WAIT_NONE,     /* for nothing: other lanes come first */
  AGENT_WAIT_ROUTE,    /* it has no router */
  AGENT_WAIT_ROUTER,   /* its router is not there */
  AGENT_WAIT_ROOM,     /* its router is there and has no room */
  AGENT_WAIT_PREVIOUS, /* its previous router is not through with the messages that it had */
} AgentWait;

/* Whether @last_mailbox is told who gets the actor. */
typedef enum
{
  AGENT_HAND_OFF_NONE,
  AGENT_HAND_OFF_PENDING, /* it is, when it has handled the system messages */
  AGENT_HAND_OFF_SENT,    /* it was, at @last_position; the shard knows the heir */
} AgentHandOff;

struct _AgentParked
{
  AgentDeadline  deadline; /* first: when it expires */
  GList          link;     /* in the lane's queue */
  AgentMessage  *message;  /* (owned) */
  AgentRetryRun *run;      /* (owned) shared with its neighbours of the same batch, and knows the lane */
};

/* What a lane is found by. */
typedef struct
{
  guint64      hash;
  const char  *actor;
  AgentChannel channel;
} AgentLaneKey;

/* So many rounds of looking through all lanes have numbers of their own. */
#define AGENT_LANE_MAX_ROUND ((1u << 29) - 1)

/* The flags are small, since the name has to stay within the third cache line of the many lanes that there are. Those that are
 * guarded by different locks share no word. */
struct _AgentLane
{
  AgentLaneKey    key;           /* first */
  gatomicrefcount ref_count;
  gint            n_parked;      /* (parking) (atomic) the length of @parked: looked at with each message, as what follows */
  guint           round : 29;    /* (parking) the last round of looking through all lanes that came by */
  guint           wait : 3;      /* (parking) an AgentWait; ROUTER stands for ROOM too: the station knows which it is */

  /* (shard) The route */
  guint8          removed;       /* it is in no table any more */
  guint8          known;         /* the route table has heard of the actor */
  guint8          hand_off;      /* an AgentHandOff */
  guint8          held;          /* nothing goes out: messages that come before all others are on their way to the lane */
  AgentName      *router;        /* (owned) (nullable) */
  guint64         generation;    /* of the directory when @mailbox was looked up */
  AgentMailbox   *mailbox;       /* (unowned) (nullable) the router's; valid with a snapshot of that generation */
  AgentMailbox   *last_mailbox;  /* (owned) (nullable) where the last message went */
  guint64         last_position; /* the position of that message there */
  GList           last_link;     /* among the lanes of the shard that have the same @last_mailbox */

  /* (parking) What waits */
  GQueue          parked;        /* of AgentParked (owned), in the order in which they go */
  AgentStation   *station;       /* (nullable) where it waits, in the list that @wait says */
  GList           link;          /* in that list */
  GList           parked_link;   /* among all lanes in which something is parked */

  char            actor[];
};

AgentLane  *_agent_lane_new         (const AgentLaneKey *key);
AgentLane  *_agent_lane_ref         (AgentLane          *self);
void        _agent_lane_unref       (AgentLane          *self);
guint       _agent_lane_hash        (gconstpointer       key);
gboolean    _agent_lane_equal       (gconstpointer       a,
                                     gconstpointer       b);

/* With the shard's lock held */
const char *_agent_lane_get_awaited (AgentLane          *self,
                                     AgentWait           wait);

/* With the lock of the parking held */
void        _agent_lane_append      (AgentLane          *self,
                                     AgentParked        *parked,
                                     AgentRetryBatch    *batch);
void        _agent_lane_prepend     (AgentLane          *self,
                                     AgentParked        *parked,
                                     AgentRetryBatch    *batch);
void        _agent_lane_take        (AgentLane          *self,
                                     AgentParked        *parked);

/* (transfer none) (nullable): the message that goes next. With the lock of the parking held. */
static inline AgentParked *
_agent_lane_get_first (AgentLane *self)
{
  return self->parked.head != NULL ? self->parked.head->data : NULL;
}

/* (transfer none) (nullable): the message that goes last. With the lock of the parking held. */
static inline AgentParked *
_agent_lane_get_last (AgentLane *self)
{
  return self->parked.tail != NULL ? self->parked.tail->data : NULL;
}

G_END_DECLS
