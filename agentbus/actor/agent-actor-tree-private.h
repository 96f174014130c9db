/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "actor/agent-actor-private.h"

G_BEGIN_DECLS

/*
 * Which actors of a bus are the children of which others, by name. An actor is in the tree while it is on the bus.
 *
 * All functions may be called in any thread, with no lock held.
 */
void       _agent_actor_tree_add           (AgentBus   *bus,
                                            AgentActor *actor);
void       _agent_actor_tree_remove        (AgentActor *actor);
GPtrArray *_agent_actor_tree_list_children (AgentActor *actor);

G_END_DECLS
