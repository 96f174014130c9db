/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * A GTask that waits for something without a deadline of its own. If it has a cancellable, that ends it at once, in its own
 * context, and not only when what it waits for has come.
 *
 * Whoever has made the wait ends it once, in any thread, with no lock held.
 */
typedef struct _AgentWait AgentWait;

AgentWait *_agent_wait_new (GTask     *task);
GTask     *_agent_wait_end (AgentWait *self);

G_END_DECLS
