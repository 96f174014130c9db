/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "actor/agent-actor.h"
#include "bus/agent-bus.h"

G_BEGIN_DECLS

/*
 * The actor that requests for those who are none. There is one for each bus and context in which such requests are open. It is
 * on the bus under a name like ":requests-1", takes no broadcasts, and is not announced.
 *
 * It leaves with the last request: a bus that is stopped need not wait for a context that nobody iterates any more.
 *
 * All functions may be called in any thread, with no lock held.
 */
typedef struct _AgentBusRequester AgentBusRequester;

AgentBusRequester *_agent_bus_requester_get         (AgentBus           *bus,
                                              GMainContext       *context,
                                              GError            **error);
AgentActor     *_agent_bus_requester_get_actor   (AgentBusRequester     *self);

/* Once for each get(). TRUE: no request is open, and the caller takes the actor off the bus before it calls free(). */
gboolean        _agent_bus_requester_put         (AgentBusRequester     *self);
void            _agent_bus_requester_free        (AgentBusRequester     *self);

G_END_DECLS
