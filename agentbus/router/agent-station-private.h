/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "router/agent-lane-private.h"

G_BEGIN_DECLS

/*
 * Where lanes wait: a station for each router that somebody waits for, found by the router's name, and one for the lanes
 * that have no router.
 *
 * Plain data of a parking, guarded by its lock, which every function wants held. It knows names and lanes, but no mailbox
 * and no bus: whoever looks for a router says what came of it.
 */

struct _AgentStation
{
  char    *name;                      /* (nullable) of the router */
  GQueue   waiting[AGENT_N_CHANNELS]; /* of AgentLane: those that wait for the router to be there, or to have room */
  GQueue   leaving;                   /* of AgentLane: those that have another router now, and wait until this one is
                                       * through with their messages; of both channels */
  gboolean is_there;                  /* whether the router was there when somebody looked for it last */
  guint    round;                     /* the last round of looking through all stations that came by */
  GList    link;                      /* in the list of all stations */
};

typedef struct
{
  GHashTable  *by_name; /* name → AgentStation (owned) */
  GQueue       list;    /* of AgentStation: the same ones, those of the current round last */
  guint        round;   /* how often all stations were looked through */
  AgentStation nowhere; /* for the lanes that have no router */
} AgentStations;

void          _agent_stations_init          (AgentStations *self);
void          _agent_stations_clear         (AgentStations *self);
gboolean      _agent_stations_enter         (AgentStations *self,
                                             AgentLane     *lane,
                                             AgentWait      wait,
                                             const char    *name,
                                             gboolean       behind);
void          _agent_stations_leave         (AgentStations *self,
                                             AgentLane     *lane);
gboolean      _agent_stations_go_behind     (AgentStations *self,
                                             AgentLane     *lane,
                                             AgentWait      wait,
                                             const char    *name);
AgentLane    *_agent_stations_get_first     (AgentStations *self,
                                             const char    *name,
                                             AgentWait      wait,
                                             AgentChannel   channel);
guint         _agent_stations_count_leaving (AgentStations *self,
                                             const char    *name);
guint         _agent_stations_begin_round   (AgentStations *self);
AgentStation *_agent_stations_get_next      (AgentStations *self,
                                             guint          round);
gboolean      _agent_stations_lack_room     (AgentLane     *lane);

G_END_DECLS
