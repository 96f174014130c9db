/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-transport.h"

G_BEGIN_DECLS

/*
 * Tells the application what was refused, but not without limit: a stranger may send any number of packets. Some are told in
 * each second, and the next one says how many were not.
 *
 * In the thread of the transport.
 */
typedef struct
{
  gint64  since;    /* µs: when the second began */
  guint   n_told;   /* in this second */
  guint64 n_hidden; /* since the last one that was told */
} AgentDBusRefusals;

void _agent_dbus_refusals_tell (AgentDBusRefusals *self,
                                AgentTransport    *transport,
                                const char        *source,
                                const char        *text);

G_END_DECLS
