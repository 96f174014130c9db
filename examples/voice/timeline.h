/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <agentbus/agentbus.h>

G_BEGIN_DECLS

#define VOICE_TYPE_TIMELINE (timeline_get_type ())

/* Prints each message with its time, its sender, its receiver and its channel. */
G_DECLARE_FINAL_TYPE (Timeline, timeline, VOICE, TIMELINE, AgentSubscriber)

AgentSubscriber *timeline_new (GMainContext *context) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
