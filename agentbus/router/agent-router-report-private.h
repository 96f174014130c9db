/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "router/agent-parking-private.h"
#include "router/agent-router-dispatcher.h"

G_BEGIN_DECLS

/*
 * What a dispatcher hears from its parking, in any thread, and what becomes of it: signals in the dispatcher's context,
 * replies to senders that asked for them, the timer, and the end of a stop.
 */
typedef struct _AgentRouterReport AgentRouterReport;

extern const AgentParkingFuncs _agent_router_report_funcs;

AgentRouterReport *_agent_router_report_new   (AgentRouterDispatcher *dispatcher,
                                               AgentBus              *bus,
                                               GMainContext          *context);
AgentRouterReport *_agent_router_report_ref   (AgentRouterReport     *self);
void               _agent_router_report_unref (AgentRouterReport     *self);
void               _agent_router_report_start (AgentRouterReport     *self,
                                               AgentParking          *parking);
void               _agent_router_report_stop  (AgentRouterReport     *self,
                                               guint                  timeout,
                                               GTask                 *task);
void               _agent_router_report_close (AgentRouterReport     *self);

/* In the class_init of the dispatcher */
void               _agent_router_report_install_signals
                                              (AgentRouterDispatcherClass *klass);

G_END_DECLS
