/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-mailbox-extras-private.h"

/* Any thread. If two threads make the block at the same time, the one that comes second throws its block away. */
AgentMailboxExtras *
_agent_mailbox_extras_get (AgentMailboxExtras **place)
{
  AgentMailboxExtras *self = g_atomic_pointer_get (place);

  if (G_LIKELY (self != NULL))
    return self;

  self = g_new0 (AgentMailboxExtras, 1);
  if (g_atomic_pointer_compare_and_exchange (place, NULL, self))
    return self;

  g_free (self);
  return g_atomic_pointer_get (place);
}

/* Any thread, as above: (transfer none). */
AgentCancels *
_agent_mailbox_extras_get_cancels (AgentMailboxExtras *self)
{
  AgentCancels *cancels = g_atomic_pointer_get (&self->cancels);

  if (cancels != NULL)
    return cancels;

  cancels = _agent_cancels_new ();
  if (g_atomic_pointer_compare_and_exchange (&self->cancels, NULL, cancels))
    return cancels;

  _agent_cancels_free (cancels);
  return g_atomic_pointer_get (&self->cancels);
}

/* No other thread uses the mailbox any more. */
void
_agent_mailbox_extras_clear (AgentMailboxExtras **place)
{
  AgentMailboxExtras *self = g_steal_pointer (place);

  if (self == NULL)
    return;

  g_assert (self->leavers == NULL && self->receipts.length == 0);

  _agent_gaps_clear (&self->gaps);
  g_clear_pointer (&self->unhandled_names, g_hash_table_unref);
  _agent_interest_free (self->interest);
  g_clear_pointer (&self->group, g_free);
  _agent_cancels_free (self->cancels);
  _agent_held_free (self->held);
  g_free (self);
}
