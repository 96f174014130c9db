/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <agentbus/agentbus.h>

G_BEGIN_DECLS

/*
 * How the agents of this demo send. None of them knows another; each knows the bus it is on, and the names of
 * those it talks to:
 *
 *     microphone ──frames──► detector ──frames──► recogniser ──"heard"──► assistant ──task──► speaker ──frames──► loudspeaker
 *                               └────────"speech-started", on the system channel──────┘ └──CANCEL──┘ └─────CANCEL────┘
 */
void post          (AgentSubscriber *from,
                    AgentMessage    *message);
void post_reliably (AgentSubscriber *from,
                    AgentMessage    *message);
void post_frame    (AgentSubscriber *from,
                    const char      *to,
                    AgentFrame      *frame);
void post_mark     (AgentSubscriber *from,
                    const char      *to,
                    const char      *name);
void post_note     (AgentSubscriber *from,
                    const char      *to,
                    AgentChannel     lane,
                    const char      *format,
                    ...) G_GNUC_PRINTF (4, 5);

G_END_DECLS
