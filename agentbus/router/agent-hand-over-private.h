/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-bus-private.h"
#include "mailbox/agent-sender-private.h"
#include "router/agent-losses-private.h"
#include "router/agent-shard-private.h"

G_BEGIN_DECLS

/*
 * How a thread hands over messages of one lane: it finds the router's mailbox, keeps the order across two routers, and wakes
 * the router once, when it has released its locks.
 *
 * It knows the bus and the route that the lane has, but nothing of parking.
 *
 * If routers are told that they lose an actor, one lane of each actor knows which router has the actor's state: that of the
 * data channel, whose last message went there. A lane hands nothing over until that router is through with a HAND_OFF, which
 * names the heir; and if the actor has another router by then, until the heir is through with another one.
 */
typedef struct
{
  AgentBus     *bus;
  AgentSender  *sender;
  gboolean      hands_off; /* a router that loses an actor is told */
  gboolean      keeps;   /* more than one message: the thread may use another snapshot meanwhile, so @mailbox is owned */
  AgentMailbox *mailbox; /* (nullable) whom to wake; (owned) if @keeps */
  AgentChannel  channel;
  AgentOffer    offer;
  AgentLosses   losses;  /* what was given up on the way */
} AgentHandOver;

/* With the shard's lock held */
AgentWait _agent_hand_over_try  (AgentHandOver *self,
                                 AgentShard    *shard,
                                 AgentLane     *lane,
                                 AgentMessage **message,
                                 gboolean       first_in_line);

void      _agent_hand_over_hand_off (AgentHandOver *self,
                                     AgentShard    *shard,
                                     AgentLane     *lane);

/* Better with no lock held, but those of the parking may be */
void      _agent_hand_over_wake (AgentHandOver *self);

G_END_DECLS
