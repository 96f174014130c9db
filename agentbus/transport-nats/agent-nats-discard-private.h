/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>
#include <nats/nats.h>

G_BEGIN_DECLS

/*
 * Frees messages of nats.c, small ones many at a time. nats.c frees each message in a thread of its own, and wakes that thread for it: a
 * switch between threads for each packet that comes alone. Up to 64 small messages are kept in each thread until then.
 *
 * May be called in any thread.
 */
void _agent_nats_discard (natsMsg *message);

G_END_DECLS
