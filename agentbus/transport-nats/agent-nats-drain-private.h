/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>
#include <nats/nats.h>

G_BEGIN_DECLS

/* Is given the message, to destroy it. Must not destroy the subscription. */
typedef void (*AgentNatsDrainFunc) (gpointer  data,
                                    natsMsg  *message);

/* Calls a function for all messages that have come in for a subscription, and never waits. */
guint _agent_nats_drain (natsSubscription   *subscription,
                         AgentNatsDrainFunc  func,
                         gpointer            data);

G_END_DECLS
