/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-directory-locked-private.h"

/* What the link of a bus is told of the subscribers, so that it can tell other processes. */

static void
observer_tell_all_locked (AgentDirectory *self)
{
  g_autofree AgentMailbox **mailboxes = g_new (AgentMailbox *, self->n_names);

  _agent_mailbox_trie_list (self->by_name, mailboxes);
  for (guint i = 0; i < self->n_names; i++)
    _agent_directory_tell_locked (self, mailboxes[i]);
}

/* Has @func called for each mailbox that is there, and at each change from now on. FALSE: there is an observer already. */
gboolean
_agent_directory_observe (AgentDirectory    *self,
                          AgentDirectoryFunc func,
                          gpointer           data)
{
  gboolean free;

  g_mutex_lock (&self->lock);
  free = self->observer == NULL;
  if (free)
    {
      self->observer = func;
      self->observer_data = data;
      observer_tell_all_locked (self);
    }
  g_mutex_unlock (&self->lock);

  return free;
}

/* The observer is not called any more. */
void
_agent_directory_unobserve (AgentDirectory *self)
{
  g_mutex_lock (&self->lock);
  self->observer = NULL;
  self->observer_data = NULL;
  g_mutex_unlock (&self->lock);
}

static void
observer_get_state_locked (AgentDirectory   *self,
                           AgentMailbox     *mailbox,
                           AgentMemberState *state)
{
  const AgentInterest *interest = _agent_mailbox_peek_interest (mailbox);
  AgentInfo           *info = _agent_presence_lookup (self->presence, mailbox);

  state->present = TRUE;
  state->info = info != NULL ? agent_info_ref (info) : NULL;
  if (interest == NULL)
    return;

  state->accepts = g_strdupv (interest->accepts);
  state->patterns = _agent_interest_list_patterns ((AgentInterest *) interest);
}

/* @state: (out): cleared by the caller */
void
_agent_directory_get_state (AgentDirectory   *self,
                            AgentMailbox     *mailbox,
                            AgentMemberState *state)
{
  memset (state, 0, sizeof *state);

  g_mutex_lock (&self->lock);
  if (_agent_directory_has_locked (self, mailbox))
    observer_get_state_locked (self, mailbox, state);
  g_mutex_unlock (&self->lock);
}

void
_agent_member_state_clear (AgentMemberState *self)
{
  g_clear_pointer (&self->info, agent_info_unref);
  g_clear_pointer (&self->accepts, g_strfreev);
  g_clear_pointer (&self->patterns, g_strfreev);
}
