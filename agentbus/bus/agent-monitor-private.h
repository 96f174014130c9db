/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "mailbox/agent-mailbox-private.h"

G_BEGIN_DECLS

/*
 * One monitor of a bus: the mailbox of the subscriber that gets the copies, and the names of the messages that it wants. Nothing
 * of it changes but whether it was removed.
 *
 * All functions may be called in any thread.
 */
typedef struct _AgentMonitor AgentMonitor;

AgentMonitor *_agent_monitor_new         (AgentMailbox       *mailbox,
                                          gconstpointer       subscriber,
                                          const char * const *names);
void          _agent_monitor_free        (AgentMonitor       *self);
AgentMailbox *_agent_monitor_get_mailbox (AgentMonitor       *self);
gboolean      _agent_monitor_is_of       (AgentMonitor       *self,
                                          gconstpointer       subscriber);
gboolean      _agent_monitor_wants       (AgentMonitor       *self,
                                          AgentMessage       *message);
gboolean      _agent_monitor_remove      (AgentMonitor       *self);

G_END_DECLS
