/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <gio/gio.h>
#include <nats/nats.h>

G_BEGIN_DECLS

/*
 * What JetStream replies. check() is for the many replies of which only one bit matters. read() is for the others.
 *
 * All functions may be called in any thread, but not for one message at once.
 */

#define AGENT_NATS_REPLY_STREAM_NOT_FOUND 10059
#define AGENT_NATS_REPLY_STREAM_IN_USE 10058
#define AGENT_NATS_REPLY_STREAM_FULL 10077

gboolean   _agent_nats_reply_check    (natsMsg   *reply,
                                       GError   **error);
GVariant  *_agent_nats_reply_read     (natsMsg   *reply,
                                       gint64    *code,
                                       GError   **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
