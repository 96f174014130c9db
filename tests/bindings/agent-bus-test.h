/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What scripts cannot do themselves: send from other threads, and tell which thread they are in. */

#pragma once

#include <agentbus/agentbus.h>

G_BEGIN_DECLS

guint    agent_bus_test_send_from_threads (AgentBus   *bus,
                                           const char *target,
                                           guint       n_threads,
                                           guint       n_each);
gboolean agent_bus_test_is_main_thread    (void);
guint64  agent_bus_test_get_rss           (void);

G_END_DECLS
