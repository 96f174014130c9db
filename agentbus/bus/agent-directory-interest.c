/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-directory-locked-private.h"

/* What a mailbox of the directory takes, and what it says of itself. */

/* From now on, @mailbox takes broadcasts with these names: (nullable). If it is not on the bus yet, it will do so when it is
 * added. */
void
_agent_directory_set_accepts (AgentDirectory    *self,
                              AgentMailbox      *mailbox,
                              const char *const *accepts)
{
  AgentInterest      *interest;
  AgentInterestIndex *index = NULL;

  g_mutex_lock (&self->lock);
  interest = _agent_mailbox_get_interest (mailbox);
  if (_agent_directory_has_locked (self, mailbox))
    {
      index = _agent_interest_index_begin (self->interests, self->by_name, self->n_names);
      _agent_interest_index_replace_accepts (index, mailbox, (const char *const *) interest->accepts, accepts);
      _agent_directory_set_interests_locked (self,
                                             _agent_interest_index_end (index),
                                             _agent_directory_accept_taker_locked (self, mailbox, accepts == NULL));
    }
  _agent_interest_set_accepts (interest, accepts);
  _agent_directory_tell_locked (self, mailbox);
  g_mutex_unlock (&self->lock);
}

static void
directory_add_patterns_locked (AgentDirectory    *self,
                               AgentMailbox      *mailbox,
                               const char *const *patterns)
{
  AgentInterest      *interest = _agent_mailbox_get_interest (mailbox);
  AgentInterestIndex *index = _agent_interest_index_begin (self->interests, self->by_name, self->n_names);

  for (guint i = 0; patterns[i] != NULL; i++)
    {
      if (_agent_interest_add_pattern (interest, patterns[i]))
        _agent_interest_index_change_pattern (index, mailbox, patterns[i], TRUE);
    }
  _agent_directory_set_interests_locked (self, _agent_interest_index_end (index), _agent_takers_ref (self->takers));
  _agent_directory_tell_locked (self, mailbox);
}

/* From now on, @mailbox gets broadcasts whose topics match @patterns, too. Does nothing if it is not on the bus. */
void
_agent_directory_add_patterns (AgentDirectory    *self,
                               AgentMailbox      *mailbox,
                               const char *const *patterns)
{
  g_mutex_lock (&self->lock);
  if (_agent_directory_has_locked (self, mailbox))
    directory_add_patterns_locked (self, mailbox, patterns);
  g_mutex_unlock (&self->lock);
}

/* Does nothing if @mailbox is not on the bus, or does not have @pattern. */
void
_agent_directory_remove_pattern (AgentDirectory *self,
                                 AgentMailbox   *mailbox,
                                 const char     *pattern)
{
  AgentInterestIndex *index;

  g_mutex_lock (&self->lock);
  if (_agent_directory_has_locked (self, mailbox) &&
      _agent_interest_remove_pattern (_agent_mailbox_get_interest (mailbox), pattern))
    {
      index = _agent_interest_index_begin (self->interests, self->by_name, self->n_names);
      _agent_interest_index_change_pattern (index, mailbox, pattern, FALSE);
      _agent_directory_set_interests_locked (self, _agent_interest_index_end (index), _agent_takers_ref (self->takers));
      _agent_directory_tell_locked (self, mailbox);
    }
  g_mutex_unlock (&self->lock);
}

static gboolean
directory_set_info_locked (AgentDirectory *self,
                           AgentMailbox   *mailbox,
                           AgentInfo      *info)
{
  gboolean is_agent = info != NULL;

  if (!_agent_directory_has_locked (self, mailbox))
    return FALSE;

  if (_agent_presence_contains (self->presence, mailbox) != is_agent)
    _agent_directory_set_interests_locked (self,
                                           _agent_interest_index_ref (self->interests),
                                           _agent_directory_turn_taker_locked (self, mailbox, is_agent));
  return _agent_presence_set (self->presence, mailbox, info);
}

/* From now on, the agent of @mailbox says this: (nullable) of itself. Returns whether that has changed anything: not if the
 * mailbox is not on the bus. */
gboolean
_agent_directory_set_info (AgentDirectory *self,
                           AgentMailbox   *mailbox,
                           AgentInfo      *info)
{
  gboolean changed;

  g_mutex_lock (&self->lock);
  changed = directory_set_info_locked (self, mailbox, info);
  if (changed)
    _agent_directory_tell_locked (self, mailbox);
  g_mutex_unlock (&self->lock);

  return changed;
}

/* @last_seq: the number of the last message that was sent, which watches of presence are told */
void
_agent_directory_count_by (AgentDirectory  *self,
                           _Atomic guint64 *last_seq)
{
  g_mutex_lock (&self->lock);
  _agent_presence_set_counter (self->presence, last_seq);
  g_mutex_unlock (&self->lock);
}

/* Has @func called at each change from now on: see AgentPresence. Returns the agents that are there now: AgentPresent
 * (transfer full). */
GArray *
_agent_directory_watch_presence (AgentDirectory   *self,
                                 AgentPresenceFunc func,
                                 gpointer          data)
{
  GArray *present;

  g_mutex_lock (&self->lock);
  _agent_presence_add_watch (self->presence, func, data);
  present = _agent_presence_list (self->presence);
  g_mutex_unlock (&self->lock);

  return present;
}

/* @func is not called with @data any more. */
void
_agent_directory_unwatch_presence (AgentDirectory *self,
                                   gpointer        data)
{
  g_mutex_lock (&self->lock);
  _agent_presence_remove_watch (self->presence, data);
  g_mutex_unlock (&self->lock);
}
