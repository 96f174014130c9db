/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#if !defined(AGENT_INSIDE) && !defined(AGENT_COMPILATION)
#error "Only <agentbus/agentbus.h> can be included directly."
#endif

#include <agentbus/agent-visibility.h>
#include <glib.h>

G_BEGIN_DECLS

AGENT_AVAILABLE_IN_0_1
gint *agent_main_context_query (GMainContext *context,
                                gint         *timeout,
                                gsize        *n_words) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
