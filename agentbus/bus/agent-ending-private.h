/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-bus-types-private.h"

G_BEGIN_DECLS

/*
 * Waits until some mailboxes are released, all under one deadline: an AgentWaiting. When the deadline comes, the ending
 * abandons those that are not released. Any thread may call what is here.
 */
void         _agent_ending_begin        (GPtrArray    *mailboxes,
                                         guint         timeout,
                                         GMainContext *bus_context,
                                         GTask        *task);
AgentEnding *_agent_ending_ref          (AgentEnding *self);
void         _agent_ending_unref        (AgentEnding *self);
void         _agent_ending_mailbox_left (AgentEnding *self,
                                         gboolean     abandoned);

G_END_DECLS
