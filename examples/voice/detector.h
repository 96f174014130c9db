/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <agentbus/agentbus.h>

G_BEGIN_DECLS

#define VOICE_TYPE_DETECTOR (detector_get_type ())

/*
 * The voice activity detector: forwards the frames of speech, and reports at once when the user starts to speak.
 * It requests nothing and nobody requests anything of it, so it is a plain subscriber.
 */
G_DECLARE_FINAL_TYPE (Detector, detector, VOICE, DETECTOR, AgentSubscriber)

AgentSubscriber *detector_new (GMainContext *context) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
