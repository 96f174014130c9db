/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "link/agent-linger-private.h"

/* A sleeping thread that gets the message needs a part of this to wake up. */
#define MAX_WAIT 100 /* µs */
#define MAX_LUCK 32

/* A message was handed to somebody here. */
void
_agent_linger_begin (AgentLinger *self,
                     gint64       now)
{
  if (self->luck < 0)
    self->luck++;
  else
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
  self->luck = self->luck > 0 ? self->luck / 2 : -MAX_LUCK;
  return TRUE;
}

/* Somebody here has sent a message to another node. */
void
_agent_linger_answered (AgentLinger *self)
{
  if (self->until == 0)
    return;

  self->until = 0;
  self->luck = MIN (self->luck + 1, MAX_LUCK);
}
