/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#if !defined(AGENT_INSIDE) && !defined(AGENT_COMPILATION)
#error "Only <agentbus/agentbus.h> can be included directly."
#endif

#include <agentbus/agent-enums.h>

G_BEGIN_DECLS

#define AGENT_TYPE_FRAME (agent_frame_get_type ())

AGENT_AVAILABLE_IN_0_1
GType       agent_frame_get_type     (void);
AGENT_AVAILABLE_IN_0_1
AgentFrame *agent_frame_new          (const char   *kind,
                                      GBytes       *data,
                                      GVariant     *metadata) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentFrame *agent_frame_new_copy     (const char   *kind,
                                      gconstpointer data,
                                      gsize         size,
                                      GVariant     *metadata) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentFrame *agent_frame_ref          (AgentFrame   *self);
AGENT_AVAILABLE_IN_0_1
void        agent_frame_unref        (AgentFrame   *self);
AGENT_AVAILABLE_IN_0_1
guint64     agent_frame_get_id       (AgentFrame   *self);
AGENT_AVAILABLE_IN_0_1
const char *agent_frame_get_kind     (AgentFrame   *self);
AGENT_AVAILABLE_IN_0_1
GBytes     *agent_frame_get_data     (AgentFrame   *self);
AGENT_AVAILABLE_IN_0_1
gconstpointer
            agent_frame_get_contents (AgentFrame   *self,
                                      gsize        *size);
AGENT_AVAILABLE_IN_0_1
GVariant   *agent_frame_get_metadata (AgentFrame   *self);
AGENT_AVAILABLE_IN_0_1
gint64      agent_frame_get_pts      (AgentFrame   *self);
AGENT_AVAILABLE_IN_0_1
void        agent_frame_set_pts      (AgentFrame   *self,
                                      gint64        pts);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgentFrame, agent_frame_unref)

G_END_DECLS
