/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Names as tokens of NATS subjects. A subject is text on the wire: without the escaping, a name with a blank or a line end
 * would be a command to the server.
 *
 * Letters, digits, '_' and '-' stay as they are, and any other byte is written as %XX. A token that would be longer
 * than 128 bytes is a hash of the name instead: it begins with "%%", and does not tell the name.
 *
 * All functions may be called in any thread.
 */

char     *_agent_nats_token_new     (const char *name) G_GNUC_WARN_UNUSED_RESULT;
char     *_agent_nats_token_read    (const char *token) G_GNUC_WARN_UNUSED_RESULT;
gboolean  _agent_nats_token_is_hash (const char *token);
gboolean  _agent_nats_token_is_of   (const char *token,
                                     const char *name);

G_END_DECLS
