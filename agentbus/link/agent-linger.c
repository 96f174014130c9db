/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "link/agent-linger-private.h"

/* A sleeping thread that gets the message needs a part of this to wake up. */
#define MAX_WAIT 100 /* µs */

/* A message was handed to somebody here. */
void
_agent_linger_begin (AgentLinger *self,
                     gint64       now)
{
  if (_agent_luck_try (&self->luck))
    self->until = now + MAX_WAIT;
}

/* Whether there was no answer in time. Then this is its end. Precondition: it is on. */
gboolean
_agent_linger_is_over (AgentLinger *self,
                       gint64       now)
{
  if (now < self->until)
    return FALSE;

  self->until = 0;
  _agent_luck_lost (&self->luck);
  return TRUE;
}

/* Somebody here has sent a message to another node. */
void
_agent_linger_answered (AgentLinger *self)
{
  if (self->until == 0)
    return;

  self->until = 0;
  _agent_luck_won (&self->luck);
}
