/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "router/agent-parking-private.h"
#include "router/agent-router-dispatcher.h"

G_BEGIN_DECLS

/*
 * What a dispatcher hears from its parking, in any thread, and what becomes of it: a lost message becomes a signal in the
 * dispatcher's context, and a reply to a sender that asked for one; a deadline arms the timer; the last message that leaves
 * ends a stop.
 *
 * The report emits the dispatcher's signals and calls nothing else of it.
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
void               _agent_router_report_drain (AgentRouterReport     *self,
                                               AgentMailbox          *mailbox,
                                               guint                  timeout,
                                               GTask                 *task);
void               _agent_router_report_close (AgentRouterReport     *self);

/* In the class_init of the dispatcher */
void               _agent_router_report_install_signals
                                              (AgentRouterDispatcherClass *klass);

G_END_DECLS
