/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "transport-nats/agent-nats-requests-private.h"
#include "transport-nats/agent-nats-subjects-private.h"

G_BEGIN_DECLS

/*
 * What goes out to other nodes. It never keeps more for the server than it has room for.
 *
 * All functions are called in the thread of the context. The function is called once for each send_control(), later:
 * with an error, or without one if the server has stored the packet.
 */
typedef struct _AgentNatsOutlet AgentNatsOutlet;

typedef void (*AgentNatsStoredFunc) (gpointer      data,
                                     const char   *node,
                                     guint64       session,
                                     guint64       number,
                                     const GError *error);

AgentNatsOutlet *_agent_nats_outlet_new           (AgentNatsSubjects    *subjects,
                                                   AgentNatsRequests    *requests,
                                                   const char           *node_id,
                                                   AgentNatsStoredFunc   func,
                                                   gpointer              data);
void             _agent_nats_outlet_free          (AgentNatsOutlet      *self);
void             _agent_nats_outlet_begin         (AgentNatsOutlet      *self,
                                                   AgentNatsConnection  *connection);
void             _agent_nats_outlet_end           (AgentNatsOutlet      *self);
gboolean         _agent_nats_outlet_take_room     (AgentNatsOutlet      *self);
gboolean         _agent_nats_outlet_send_data     (AgentNatsOutlet      *self,
                                                   const char           *node,
                                                   GBytes               *packet,
                                                   GError              **error);
void             _agent_nats_outlet_send_presence (AgentNatsOutlet      *self,
                                                   const char           *node,
                                                   GBytes               *packet);
void             _agent_nats_outlet_send_control  (AgentNatsOutlet      *self,
                                                   const char           *node,
                                                   guint64               session,
                                                   guint64               number,
                                                   GBytes               *packet);

G_END_DECLS
