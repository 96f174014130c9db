/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <agentbus/agentbus.h>

G_BEGIN_DECLS

/* The send functions of the agents of this demo. An agent knows only its bus, and the names of other agents. */
void post          (AgentSubscriber *from,
                    AgentMessage    *message);
void post_reliably (AgentSubscriber *from,
                    AgentMessage    *message);
void post_frame    (AgentSubscriber *from,
                    const char      *to,
                    AgentFrame      *frame,
                    AgentMessage    *cause);
void post_mark     (AgentSubscriber *from,
                    const char      *to,
                    const char      *name);
void post_note     (AgentSubscriber *from,
                    AgentMessage    *about,
                    const char      *format,
                    ...) G_GNUC_PRINTF (3, 4);

G_END_DECLS
