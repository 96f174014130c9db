/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Checks JSON text, which may come from a peer, and allocates nothing. It accepts and refuses what _agent_json_read()
 * accepts and refuses, with the same error. May be called in any thread. */
gboolean _agent_json_check (const char *json,
                            gsize       length,
                            GError    **error);

G_END_DECLS
