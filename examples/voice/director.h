/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <agentbus/agentbus.h>

G_BEGIN_DECLS

/*
 * Starts the agents when all are ready, records what happens, stops the bus when the last answer was played, and
 * checks the results. It needs no class of its own: it is a plain subscriber with signal handlers.
 */
typedef struct _Director Director;

Director *director_new       (AgentBus  *bus,
                              GPtrArray *recordings) G_GNUC_WARN_UNUSED_RESULT;
void      director_free      (Director  *self);
gboolean  director_subscribe (Director  *self,
                              GError   **error);
int       director_run       (Director  *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Director, director_free)

G_END_DECLS
