/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <agentbus/agentbus.h>

G_BEGIN_DECLS

#define VOICE_TYPE_MICROPHONE (microphone_get_type ())

/*
 * Plays the part of the user with recordings, one after the other. The first one starts on ACTIVATE. Each further
 * one starts as soon as the user has heard enough of an answer ("heard-enough"), which is an interruption.
 */
G_DECLARE_FINAL_TYPE (Microphone, microphone, VOICE, MICROPHONE, AgentActor)

AgentSubscriber *microphone_new (GMainContext *context,
                                 GPtrArray    *recordings,
                                 gint64        interval) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
