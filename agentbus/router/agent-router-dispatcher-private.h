/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "router/agent-parking-private.h"
#include "router/agent-router-dispatcher.h"

G_BEGIN_DECLS

/* (transfer none): for the metrics */
AgentParking *_agent_router_dispatcher_get_parking (AgentRouterDispatcher *self);

G_END_DECLS
