/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Reads strict JSON text, which may come from a peer; see agent_payload_from_json(). */
GVariant *_agent_json_read (const char *json,
                            GError    **error);

G_END_DECLS
