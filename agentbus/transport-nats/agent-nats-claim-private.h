/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "transport-nats/agent-nats-connection-private.h"
#include "transport-nats/agent-nats-subjects-private.h"

G_BEGIN_DECLS

/*
 * The claim of a session to the id of its node. A server does not mind two nodes with one id: both would read what is
 * meant for one. So a session asks, before it subscribes anything else, whether another one has the id. Only a session
 * that lives answers; what a dead one has left at the server does not, and the server tells at once if nobody is there.
 * Two nodes that have lost each other, or that open at once at two servers of a cluster, may have the id both: then each asks
 * when it hears packets with its own id.
 *
 * Questions and answers are presence of the node to itself, so that no further permission is needed. Each session has
 * a number, its life: what is from its own earlier connection has the same.
 *
 *   ask LIFE          who has the id of the node that LIFE wants to be, or is?
 *   ask LIFE OTHER    the same, for OTHER alone, which has asked and may not have heard it
 *   want LIFE ASKER   LIFE asks, too, and is to get it of the two; ASKER has asked
 *   have LIFE ASKER   LIFE has it; ASKER has asked, or wants it
 *
 * All functions are called in the thread of the context. The owner must not free the claim within its functions.
 */
typedef struct _AgentNatsClaim AgentNatsClaim;

typedef struct
{
  void (*held)  (gpointer data); /* once: the id is that of this session */
  void (*taken) (gpointer data); /* instead of held(): another session has it */
  void (*twin)  (gpointer data); /* once for each other session that has it, too */
} AgentNatsClaimOwner;

AgentNatsClaim *_agent_nats_claim_new     (GMainContext              *context,
                                           AgentNatsSubjects         *subjects,
                                           const AgentNatsClaimOwner *owner,
                                           gpointer                   data);
void            _agent_nats_claim_free    (AgentNatsClaim            *self);
void            _agent_nats_claim_begin   (AgentNatsClaim            *self,
                                           AgentNatsConnection       *connection);
void            _agent_nats_claim_end     (AgentNatsClaim            *self);
void            _agent_nats_claim_suspect (AgentNatsClaim            *self);
void            _agent_nats_claim_drain   (AgentNatsClaim            *self);

G_END_DECLS
