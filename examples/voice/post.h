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
void post_line     (AgentSubscriber *from,
                    const char      *to,
                    const char      *lane,
                    const char      *format,
                    ...) G_GNUC_PRINTF (4, 5);
void post_answer   (AgentTask       *task,
                    AgentJob        *job);

/* What @from sends to @to next, as data or on the system channel, or what happens in @from */
#define post_note(from, to, ...)  post_line (from, to, "data", __VA_ARGS__)
#define post_alert(from, to, ...) post_line (from, to, "system", __VA_ARGS__)
#define post_event(from, ...)     post_line (from, "", "", __VA_ARGS__)

G_END_DECLS
