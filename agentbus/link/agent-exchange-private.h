/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "message/agent-message-private.h"

G_BEGIN_DECLS

/*
 * The requests that are open between this node and another one, in both directions. When the other node is gone, those that
 * were sent there are answered, and those that came from there are cancelled. So each request ends, although nobody is left
 * who could end it.
 *
 * What comes for a request of this node gets the number of the request here as its cause.
 */
typedef struct
{
  GHashTable *asked;  /* (owned) requester and task id → OpenRequest (owned): a request of this node that the other one has */
  GHashTable *worked; /* (owned) the same for requests of the other node */
  gsize       worked_bytes; /* of the strings of them */
  GQueue      withdrawn; /* of char * (owned): keys of requests in @asked that nobody waits for any more, oldest first */
} AgentExchange;

/* How many requests that were withdrawn are kept until they are answered. */
#define AGENT_EXCHANGE_MAX_WITHDRAWN 1000

/* How many requests of the other node are known at a time. Further ones are worked, but not cancelled when that node is gone: so a
 * node that asks somebody who never answers takes no more memory than that. */
#define AGENT_EXCHANGE_MAX_WORKED       100000
#define AGENT_EXCHANGE_MAX_WORKED_BYTES (32 * 1024 * 1024) /* of their strings */

/* Somebody who sends what is left to say. Takes @message. */
typedef void (*AgentExchangeFunc) (gpointer      data,
                                   AgentMessage *message);

void    _agent_exchange_init       (AgentExchange     *self);
void    _agent_exchange_clear      (AgentExchange     *self);
void    _agent_exchange_sent       (AgentExchange     *self,
                                    AgentMessage      *message);
guint64 _agent_exchange_find_cause (AgentExchange     *self,
                                    AgentMessage      *message);
void    _agent_exchange_received   (AgentExchange     *self,
                                    AgentMessage      *message);
void    _agent_exchange_end        (AgentExchange     *self,
                                    const char        *node,
                                    AgentExchangeFunc  send,
                                    gpointer           data);

G_END_DECLS
