/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <nats/nats.h>

#include "transport-nats/agent-nats-subjects-private.h"

G_BEGIN_DECLS

/*
 * What comes in from other nodes: it knows from whom a packet is, and keeps the order.
 *
 * nats.c has a queue for each subscription. The data and the presence of one node are in different queues, so their order
 * is lost there. Each packet has its number for the reply subject, which is used for nothing else: the packets of a batch
 * are sorted by it.
 *
 * All functions are called in one thread. The owner must not free the inlet within its function.
 */
typedef struct _AgentNatsInlet AgentNatsInlet;

/* @packet: stays with the caller */
typedef void (*AgentNatsInletFunc) (gpointer      data,
                                    const char   *node,
                                    AgentTraffic  traffic,
                                    GBytes       *packet);

/* Presence to all has come in that has the id of this node. */
typedef void (*AgentNatsInletTwinFunc) (gpointer data);

AgentNatsInlet *_agent_nats_inlet_new       (AgentNatsSubjects      *subjects,
                                             AgentNatsInletFunc      func,
                                             AgentNatsInletTwinFunc  twin_func,
                                             gpointer                data);
void            _agent_nats_inlet_free      (AgentNatsInlet     *self);
void            _agent_nats_inlet_subscribe (AgentNatsInlet     *self,
                                             natsConnection     *nats,
                                             const char         *subject);
void            _agent_nats_inlet_end       (AgentNatsInlet     *self);
void            _agent_nats_inlet_drain     (AgentNatsInlet     *self);
void            _agent_nats_inlet_take      (AgentNatsInlet     *self,
                                             natsMsg            *message);

G_END_DECLS
