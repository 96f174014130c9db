/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Chooses one of several routers for an actor by weighted rendezvous hashing: the actor and each router make a score, and the
 * router with the highest score is chosen. So a router that comes takes actors from all others, and one that goes leaves its
 * actors to all others; no actor moves between two routers that stay.
 *
 * The choice depends on the names and weights alone. It is the same in every process and on every machine, and so an actor
 * keeps its router over a restart. For that the hash has no key: whoever makes up ids can make up some that all choose the
 * same router.
 *
 * Plain data: it knows no lock. It borrows the names of the routers.
 */
typedef struct _AgentRendezvous AgentRendezvous;

gboolean         _agent_rendezvous_are_weights (GVariant           *weights);
AgentRendezvous *_agent_rendezvous_new         (const char * const *routers,
                                                GVariant           *weights);
void             _agent_rendezvous_free        (AgentRendezvous    *self);
const char      *_agent_rendezvous_choose      (AgentRendezvous    *self,
                                                const char         *actor);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgentRendezvous, _agent_rendezvous_free)

G_END_DECLS
