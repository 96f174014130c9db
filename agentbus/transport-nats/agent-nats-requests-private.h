/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "transport-nats/agent-nats-connection-private.h"

G_BEGIN_DECLS

/*
 * What is asked of a server, and waits for a reply. It must all be for one receiver: when it is not there, all requests
 * fail. Each request has a subject of its own, on which its reply comes.
 *
 * For each request, its function is called once: with the reply, or with an error if there is none in time or the
 * connection is lost. It is never called within expect(), ask() or refuse(). All functions are called in the thread of
 * the context.
 */
typedef struct _AgentNatsRequests AgentNatsRequests;

/* @reply: (nullable): stays with the caller. @error: (nullable): set if there is no reply */
typedef void (*AgentNatsReplyFunc) (gpointer      data,
                                    natsMsg      *reply,
                                    const GError *error);

AgentNatsRequests *_agent_nats_requests_new        (GMainContext        *context,
                                                    const char          *inbox,
                                                    guint                max_wait);
void               _agent_nats_requests_free       (AgentNatsRequests   *self);
natsStatus         _agent_nats_requests_begin      (AgentNatsRequests   *self,
                                                    AgentNatsConnection *connection);
void               _agent_nats_requests_end        (AgentNatsRequests   *self,
                                                    const GError        *error);
const char        *_agent_nats_requests_expect     (AgentNatsRequests   *self,
                                                    AgentNatsReplyFunc   func,
                                                    gpointer             data);
void               _agent_nats_requests_refuse     (AgentNatsRequests   *self,
                                                    int                  code,
                                                    const char          *text,
                                                    AgentNatsReplyFunc   func,
                                                    gpointer             data);
void               _agent_nats_requests_ask        (AgentNatsRequests   *self,
                                                    const char          *subject,
                                                    const char          *text,
                                                    AgentNatsReplyFunc   func,
                                                    gpointer             data);
void               _agent_nats_requests_drain      (AgentNatsRequests   *self);
const char        *_agent_nats_requests_make_inbox (AgentNatsRequests   *self,
                                                    char                 letter);

G_END_DECLS
