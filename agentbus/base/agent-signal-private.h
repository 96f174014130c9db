/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

/* Whether a handler is connected to a signal of @object. Without one, the signal need not be queued or emitted. */
static inline gboolean
_agent_signal_is_heard (gpointer object,
                        guint    signal_id)
{
  return g_signal_handler_find (object, G_SIGNAL_MATCH_ID, signal_id, 0, NULL, NULL, NULL) != 0;
}

G_END_DECLS
