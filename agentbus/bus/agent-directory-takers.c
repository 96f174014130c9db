/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-directory-locked-private.h"

/* Who takes presence after a change of the directory. */

static gboolean
directory_accepts_all_locked (AgentMailbox *mailbox)
{
  const AgentInterest *interest = _agent_mailbox_peek_interest (mailbox);

  return interest == NULL || interest->accepts == NULL;
}

/* Those who take presence when there is an agent: (transfer full). The mailbox of the first one is among them if it is on the
 * bus already. */
static AgentTakers *
directory_begin_takers_locked (AgentDirectory *self)
{
  AgentMailboxTrie *open = self->by_name;
  guint             n_open = self->n_names;

  if (self->takers != NULL)
    return _agent_takers_ref (self->takers);

  if (self->interests != NULL)
    open = _agent_interest_index_get_open_trie (self->interests, &n_open);
  return _agent_takers_new (open, n_open);
}

/* The takers when @mailbox, which takes all names and is that of no agent, comes (@add) or goes. Takes @takers: (nullable). */
static AgentTakers *
directory_change_taker (AgentTakers  *takers,
                        AgentMailbox *mailbox,
                        gboolean      add)
{
  AgentTakers *changed;

  if (takers == NULL)
    return NULL;

  changed = add ? _agent_takers_with (takers, mailbox) : _agent_takers_without (takers, mailbox);
  _agent_takers_unref (takers);
  return changed;
}

/* The takers when one agent less is there: (transfer full) (nullable). */
static AgentTakers *
directory_end_takers_locked (AgentDirectory *self)
{
  return _agent_presence_get_size (self->presence) > 1 ? _agent_takers_ref (self->takers) : NULL;
}

/* The takers when @mailbox is added: (transfer full) (nullable). @info: (nullable) */
AgentTakers *
_agent_directory_add_taker_locked (AgentDirectory *self,
                                   AgentMailbox   *mailbox,
                                   AgentInfo      *info)
{
  if (info != NULL)
    return directory_begin_takers_locked (self);
  if (directory_accepts_all_locked (mailbox))
    return directory_change_taker (_agent_takers_ref (self->takers), mailbox, TRUE);
  return _agent_takers_ref (self->takers);
}

/* The takers when @mailbox is removed: (transfer full) (nullable). */
AgentTakers *
_agent_directory_remove_taker_locked (AgentDirectory *self,
                                      AgentMailbox   *mailbox)
{
  if (_agent_presence_contains (self->presence, mailbox))
    return directory_end_takers_locked (self);
  if (directory_accepts_all_locked (mailbox))
    return directory_change_taker (_agent_takers_ref (self->takers), mailbox, FALSE);
  return _agent_takers_ref (self->takers);
}

/* The takers when @mailbox takes other names: (transfer full) (nullable).
 *
 * @all: whether it takes all names from now on */
AgentTakers *
_agent_directory_accept_taker_locked (AgentDirectory *self,
                                      AgentMailbox   *mailbox,
                                      gboolean        all)
{
  AgentTakers *takers = _agent_takers_ref (self->takers);

  if (_agent_presence_contains (self->presence, mailbox) || directory_accepts_all_locked (mailbox) == all)
    return takers;
  return directory_change_taker (takers, mailbox, all);
}

/* The takers when @mailbox becomes that of an agent (@begin), or is that no more: (transfer full) (nullable). */
AgentTakers *
_agent_directory_turn_taker_locked (AgentDirectory *self,
                                    AgentMailbox   *mailbox,
                                    gboolean        begin)
{
  AgentTakers *takers = begin ? directory_begin_takers_locked (self) : directory_end_takers_locked (self);

  return directory_accepts_all_locked (mailbox) ? directory_change_taker (takers, mailbox, !begin) : takers;
}
