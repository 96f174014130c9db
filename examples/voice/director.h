/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <agentbus/agentbus.h>

G_BEGIN_DECLS

/*
 * Has the models loaded, starts the user, records what happens, ends all agents when the last answer was played, and
 * checks the results. It is the parent of the other actors, and needs no class of its own: it is an actor with signal
 * handlers.
 */
typedef struct _Director Director;

Director   *director_new       (AgentRunner *runner,
                                GPtrArray   *recordings) G_GNUC_WARN_UNUSED_RESULT;
void        director_free      (Director    *self);
AgentActor *director_get_actor (Director    *self);
int         director_run       (Director    *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Director, director_free)

G_END_DECLS
