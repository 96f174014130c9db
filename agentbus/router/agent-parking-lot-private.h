/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "router/agent-deadline-heap-private.h"
#include "router/agent-losses-private.h"
#include "router/agent-retry-schedule-private.h"
#include "router/agent-station-private.h"

G_BEGIN_DECLS

/*
 * All that is parked: the lanes with parked messages, when each message expires, when it is tried again, and where its lane
 * waits.
 *
 * Plain data of a parking, guarded by its lock, which every function wants held. It hands nothing over and tells nobody: it
 * knows neither routes nor routers, and notes what is lost.
 */
typedef struct
{
  AgentDeadlineHeap  expiries;  /* of AgentParked */
  AgentDeadlineHeap  retries;   /* of AgentRetryBatch */
  AgentRetrySchedule schedule;
  AgentStations      stations;
  GQueue             lanes;     /* of AgentLane: those with parked messages, those of the current round last */
  guint              round;     /* how often all lanes were looked through */
  gint               n_parked;  /* (atomic) also read without the lock */
  guint64            n_expired;
  guint64            n_retries;
  guint64            n_dropped[AGENT_N_DROP_REASONS];
} AgentParkingLot;

/* The deadline of what never expires. */
#define AGENT_PARKING_LOT_NEVER G_MAXINT64

void          _agent_parking_lot_init           (AgentParkingLot *self);
void          _agent_parking_lot_clear          (AgentParkingLot *self);
gint64        _agent_parking_lot_get_first_time (AgentParkingLot *self);
void          _agent_parking_lot_add            (AgentParkingLot *self,
                                                 AgentLane       *lane,
                                                 AgentMessage    *message,
                                                 gint64           deadline,
                                                 gboolean         before_all);
AgentMessage *_agent_parking_lot_take           (AgentParkingLot *self,
                                                 AgentParked     *parked);
void          _agent_parking_lot_lose           (AgentParkingLot *self,
                                                 AgentParked     *parked,
                                                 gint64           now,
                                                 AgentDropReason  reason,
                                                 AgentLosses     *losses);
guint         _agent_parking_lot_expire         (AgentParkingLot *self,
                                                 gint64           now,
                                                 guint            max,
                                                 AgentLosses     *losses);
void          _agent_parking_lot_sweep_lane     (AgentParkingLot *self,
                                                 AgentLane       *lane,
                                                 gint64           now,
                                                 guint            max,
                                                 AgentLosses     *losses);
gboolean      _agent_parking_lot_count_attempts (AgentParkingLot *self,
                                                 gint64           now,
                                                 guint            max);
guint         _agent_parking_lot_begin_round    (AgentParkingLot *self);
AgentLane    *_agent_parking_lot_get_next       (AgentParkingLot *self,
                                                 guint            round);

/* Whether @parked must not be handed over any more. */
static inline gboolean
_agent_parked_is_lost (const AgentParked *parked,
                       gint64             now)
{
  return parked->deadline.time <= now || _agent_message_is_stale (parked->message);
}

G_END_DECLS
