/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#if !defined(AGENT_INSIDE) && !defined(AGENT_COMPILATION)
#error "Only <agentbus/agentbus.h> can be included directly."
#endif

#include <agentbus/agent-enums.h>

G_BEGIN_DECLS

AGENT_AVAILABLE_IN_0_1
GVariant *agent_payload_from_json (const char *json,
                                   GError    **error) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
char     *agent_payload_to_json   (GVariant   *payload) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
