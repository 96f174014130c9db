/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#if !defined(AGENT_INSIDE) && !defined(AGENT_COMPILATION)
#error "Only <agentbus/agentbus.h> can be included directly."
#endif

#include <agentbus/agent-visibility.h>

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct _AgentActor            AgentActor;
typedef struct _AgentBus              AgentBus;
typedef struct _AgentConversation     AgentConversation;
typedef struct _AgentDBusTransport    AgentDBusTransport;
typedef struct _AgentDelivery         AgentDelivery;
typedef struct _AgentFrame            AgentFrame;
typedef struct _AgentInfo             AgentInfo;
typedef struct _AgentJob              AgentJob;
typedef struct _AgentMessage          AgentMessage;
typedef struct _AgentMetrics          AgentMetrics;
typedef struct _AgentPeer             AgentPeer;
typedef struct _AgentRegistry         AgentRegistry;
typedef struct _AgentRetryPolicy      AgentRetryPolicy;
typedef struct _AgentRouteTable       AgentRouteTable;
typedef struct _AgentRouterDispatcher AgentRouterDispatcher;
typedef struct _AgentRunner           AgentRunner;
typedef struct _AgentSubscriber       AgentSubscriber;
typedef struct _AgentTask             AgentTask;
typedef struct _AgentTaskGroup        AgentTaskGroup;
typedef struct _AgentTransport        AgentTransport;

G_END_DECLS
