/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * Waits until some mailboxes have left, all under one deadline. The mailboxes that have not left by then are abandoned.
 */
void _agent_ending_begin (GPtrArray    *mailboxes,
                          guint         timeout,
                          GMainContext *bus_context,
                          GTask        *task);

G_END_DECLS
