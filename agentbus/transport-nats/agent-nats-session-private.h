/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "transport-nats/agent-nats-outlet-private.h"
#include "transport-nats/agent-nats-settings-private.h"

G_BEGIN_DECLS

/*
 * What a transport has from its opening to its closing: one connection after the other, and all that uses it.
 *
 * All functions are called in the thread of the transport. Of open() and close(), the task is returned when it is done.
 * free() is called after close() is done, or after open() has failed.
 */
typedef struct _AgentNatsSession AgentNatsSession;

AgentNatsSession *_agent_nats_session_new            (AgentTransport          *transport,
                                                      const AgentNatsSettings *settings);
void              _agent_nats_session_free           (AgentNatsSession        *self);
void              _agent_nats_session_open           (AgentNatsSession        *self,
                                                      GTask                   *task);
void              _agent_nats_session_close          (AgentNatsSession        *self,
                                                      GTask                   *task);
gsize             _agent_nats_session_get_max_packet (AgentNatsSession        *self);
AgentNatsOutlet  *_agent_nats_session_get_outlet     (AgentNatsSession        *self);

G_END_DECLS
