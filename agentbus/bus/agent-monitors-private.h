/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "mailbox/agent-mailbox-private.h"

G_BEGIN_DECLS

/*
 * The monitors of a bus, which are no members of it: see AgentMonitorOwner.
 *
 * The list is one that never changes and is replaced: a sender takes a reference to it, and pushes with no lock of it held.
 *
 * All functions may be called in any thread; show() with locks of a sender held.
 */
typedef struct _AgentMonitors AgentMonitors;

AgentMonitors     *_agent_monitors_new       (AgentMailboxOwner      *owner);
void               _agent_monitors_free      (AgentMonitors          *self);
AgentMailboxOwner *_agent_monitors_get_owner (AgentMonitors          *self);
void               _agent_monitors_add       (AgentMonitors          *self,
                                              AgentMailbox           *mailbox,
                                              gconstpointer           subscriber,
                                              const char * const     *names);
AgentMailbox      *_agent_monitors_remove    (AgentMonitors          *self,
                                              gconstpointer           subscriber);
void               _agent_monitors_abandon   (AgentMonitors          *self);
void               _agent_monitors_show      (AgentMonitors          *self,
                                              AgentMessage           *message,
                                              guint                   n_accepted,
                                              AgentDropReason         reason,
                                              AgentSender            *sender);

G_END_DECLS
