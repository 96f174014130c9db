/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "message/agent-frame.h"

G_BEGIN_DECLS

/* @id: the id of a frame that came from another process, or 0 for a new id. */
AgentFrame *_agent_frame_new_with_id (guint64     id,
                                      const char *kind,
                                      GBytes     *data,
                                      GVariant   *metadata,
                                      gint64      pts);

/* The same, for data that is copied. @data: NULL if the frame has none. */
AgentFrame *_agent_frame_new_copy_with_id (guint64       id,
                                           const char   *kind,
                                           gconstpointer data,
                                           gsize         size,
                                           GVariant     *metadata,
                                           gint64        pts);

G_END_DECLS
