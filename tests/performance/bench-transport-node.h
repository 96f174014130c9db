/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <agentbus/agentbus.h>

G_BEGIN_DECLS

/* A bus that is connected with those of other processes. */
AgentBus *bench_node_open (const char      *address,
                           const char      *id) G_GNUC_WARN_UNUSED_RESULT;
void      bench_node_add  (AgentBus        *bus,
                           const char      *name,
                           guint            capacity,
                           GCallback        func,
                           gpointer         data);
void      bench_node_find (AgentBus        *bus,
                           const char      *name);
G_NORETURN
void      bench_node_run  (void);

G_END_DECLS
