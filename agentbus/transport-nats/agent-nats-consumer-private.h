/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "transport-nats/agent-nats-stream-private.h"

G_BEGIN_DECLS

/*
 * Reads the control that is for this node from the stream, in the order of the stream, without loss.
 *
 * The server keeps no position for it, and nothing is acknowledged: this knows the number of the last packet, and
 * whenever something may be missing, it lets the server begin anew after that one. That is so for each new connection,
 * if numbers are missing, and if the server is silent. Packets may come twice.
 *
 * All functions are called in the thread of the context. ready() is called once: when packets come, or if the first
 * attempt has failed. After that, it is tried again.
 */
typedef struct _AgentNatsConsumer AgentNatsConsumer;

typedef struct
{
  void (*ready)    (gpointer      data,
                    const GError *error);
  void (*received) (gpointer      data,
                    natsMsg      *message); /* (transfer full) */
} AgentNatsConsumerOwner;

AgentNatsConsumer *_agent_nats_consumer_new   (GMainContext                 *context,
                                               const AgentNatsSettings      *settings,
                                               AgentNatsSubjects            *subjects,
                                               AgentNatsRequests            *requests,
                                               const AgentNatsConsumerOwner *owner,
                                               gpointer                      data);
void               _agent_nats_consumer_free  (AgentNatsConsumer            *self);
void               _agent_nats_consumer_begin (AgentNatsConsumer            *self,
                                               AgentNatsConnection          *connection);
void               _agent_nats_consumer_end   (AgentNatsConsumer            *self);
void               _agent_nats_consumer_drain (AgentNatsConsumer            *self);

G_END_DECLS
