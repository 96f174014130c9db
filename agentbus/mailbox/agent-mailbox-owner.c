/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-enums.h"
#include "mailbox/agent-mailbox-owner-private.h"

void
_agent_mailbox_owner_init (AgentMailboxOwner            *self,
                           const AgentMailboxOwnerFuncs *funcs)
{
  self->funcs = funcs;
  g_atomic_ref_count_init (&self->ref_count);
  _agent_watch_list_init (&self->watches);
}

AgentMailboxOwner *
_agent_mailbox_owner_ref (AgentMailboxOwner *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_agent_mailbox_owner_unref (AgentMailboxOwner *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  _agent_watch_list_clear (&self->watches);
  self->funcs->free (self);
}

/* The error that tells the source of a message of its loss: (transfer full).
 *
 * @name: (nullable): the subscriber that lost it */
GError *
_agent_mailbox_owner_new_loss_error (AgentMessage   *message,
                                     const char     *name,
                                     AgentDropReason reason)
{
  const char *target = agent_message_get_target (message);

  return g_error_new (AGENT_BUS_ERROR,
                      (int) _agent_message_get_loss_code (reason),
                      "The message '%s' to '%s' was dropped: %s",
                      agent_message_get_name (message),
                      target != NULL ? target : (name != NULL ? name : "all"),
                      agent_drop_reason_to_string (reason));
}

/* Tells the source of @message that the message was dropped, if the source wants to hear of that. With no lock held. */
void
_agent_mailbox_owner_tell_loss (AgentMailboxOwner *self,
                                AgentMessage      *message,
                                const char        *name,
                                AgentDropReason    reason)
{
  g_autoptr (GError) error = NULL;

  if (!_agent_message_wants_loss (message))
    return;

  error = _agent_mailbox_owner_new_loss_error (message, name, reason);
  self->funcs->lost (self, message, name, error);
}
