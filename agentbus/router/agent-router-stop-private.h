/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <gio/gio.h>

#include "router/agent-router-types-private.h"

G_BEGIN_DECLS

/*
 * How a dispatcher stops: who waits until nothing is parked any more, each with a deadline of its own. It ends for all of
 * them when nothing is parked, or when the first deadline comes: then what is still parked is dropped.
 *
 * It calls the parking, and nothing calls it but the dispatcher and its report. Any thread may call what is here, with no
 * lock held.
 */
typedef struct _AgentRouterStop AgentRouterStop;

AgentRouterStop *_agent_router_stop_new         (GMainContext    *context);
AgentRouterStop *_agent_router_stop_ref         (AgentRouterStop *self);
void             _agent_router_stop_unref       (AgentRouterStop *self);
void             _agent_router_stop_set_parking (AgentRouterStop *self,
                                                 AgentParking    *parking);
void             _agent_router_stop_begin       (AgentRouterStop *self,
                                                 guint            timeout,
                                                 GTask           *task);
void             _agent_router_stop_end         (AgentRouterStop *self);
void             _agent_router_stop_close       (AgentRouterStop *self);

G_END_DECLS
