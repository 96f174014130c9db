/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "message/agent-message-private.h"

G_BEGIN_DECLS

/*
 * The data for a group that a member holds until it is known which member handles it: see AgentGrouping.
 *
 * What another member had is older than what has come in since, and so comes before it. All functions are called with the lock
 * of the data queue held.
 */

typedef struct
{
  GQueue older; /* of AgentMessage (owned) */
  GQueue newer; /* the same */
  gsize  bytes; /* of all of them, where bytes are limited */
} AgentHeld;

AgentHeld    *_agent_held_new        (void);
void          _agent_held_free       (AgentHeld    *self);
guint         _agent_held_get_length (AgentHeld    *self);
void          _agent_held_add        (AgentHeld    *self,
                                      AgentMessage *message,
                                      gsize         size);
void          _agent_held_add_older  (AgentHeld    *self,
                                      AgentMessage *message,
                                      gsize         size);
AgentMessage *_agent_held_take       (AgentHeld    *self);
AgentMessage *_agent_held_evict      (AgentHeld    *self);

G_END_DECLS
