/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "transport-nats/agent-nats-socket-private.h"

G_BEGIN_DECLS

/*
 * Ends a read that waits for too long. With TLS, nats.c reads whole records. A server that hangs in the middle of one holds
 * the thread that reads, and with it the timers of its context. So a thread of the guard looks from time to time whether
 * the other one is still in the same read, and hangs up then.
 *
 * free() waits for the thread of the guard, which ends at once. Both functions are called in the thread of the context.
 */
typedef struct _AgentNatsGuard AgentNatsGuard;

AgentNatsGuard *_agent_nats_guard_new  (AgentNatsSocket *socket,
                                        guint            interval,
                                        guint            max_wait);
void            _agent_nats_guard_free (AgentNatsGuard  *self);

G_END_DECLS
