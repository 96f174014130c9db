/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <gio/gio.h>

#include "mailbox/agent-mailbox-private.h"

G_BEGIN_DECLS

/*
 * Who waits until a router is through with the messages that it had from a dispatcher, each with a deadline of its own.
 *
 * It looks at mailboxes, and knows neither parking nor routes: whoever begins to wait has taken the actors away before, and
 * whoever watches the mailboxes tells of their progress. Any thread may call what is here, with no lock held.
 */
typedef struct _AgentRouterDrains AgentRouterDrains;

AgentRouterDrains *_agent_router_drains_new        (GMainContext      *context);
AgentRouterDrains *_agent_router_drains_ref        (AgentRouterDrains *self);
void               _agent_router_drains_unref      (AgentRouterDrains *self);
void               _agent_router_drains_begin      (AgentRouterDrains *self,
                                                    AgentMailbox      *mailbox,
                                                    guint              timeout,
                                                    GTask             *task);
void               _agent_router_drains_progressed (AgentRouterDrains *self,
                                                    AgentMailbox      *mailbox);
void               _agent_router_drains_close      (AgentRouterDrains *self);

G_END_DECLS
