/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "message/agent-frame.h"

G_BEGIN_DECLS

/* A frame that came over the wire keeps the id it was made with; @id 0 asks for a new one. */
AgentFrame *_agent_frame_new_with_id (guint64     id,
                                      const char *kind,
                                      GBytes     *data,
                                      GVariant   *metadata,
                                      gint64      pts);

G_END_DECLS
