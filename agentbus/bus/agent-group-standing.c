/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-group-locked-private.h"
#include "mailbox/agent-mailbox-private.h"

/* Which members of a group take part, and how one hands over to another. */

/* --- Standing --- */

AgentStanding
_agent_group_get_standing (AgentMailbox *member)
{
  AgentMailboxExtras *extras = _agent_mailbox_extras_peek (&member->extras);

  return (AgentStanding) extras->standing;
}

guint
_agent_group_get_place_locked (AgentGroup   *self,
                               AgentMailbox *member)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (self->places, member));
}

static void
group_put_locked (AgentGroup   *self,
                  AgentMailbox *member,
                  guint         place)
{
  self->members->pdata[place] = member;
  g_hash_table_insert (self->places, member, GUINT_TO_POINTER (place));
}

static void
group_swap_locked (AgentGroup   *self,
                   AgentMailbox *member,
                   guint         place)
{
  guint         before = _agent_group_get_place_locked (self, member);
  AgentMailbox *other = self->members->pdata[place];

  group_put_locked (self, other, before);
  group_put_locked (self, member, place);
}

/* @member is the last one of all that have no better standing than @from: gives it the standing @to, step by step.
 *
 * Each step moves the border between two standings by one member. */
void
_agent_group_move_locked (AgentGroup   *self,
                          AgentMailbox *member,
                          AgentStanding from,
                          AgentStanding to)
{
  for (AgentStanding standing = from; standing > to; standing--)
    group_swap_locked (self, member, self->n_up_to[standing - 1]++);
  for (AgentStanding standing = from; standing < to; standing++)
    group_swap_locked (self, member, --self->n_up_to[standing]);
}

static void
group_set_standing_locked (AgentGroup   *self,
                           AgentMailbox *member,
                           AgentStanding standing,
                           AgentGrouping grouping)
{
  AgentStanding before = _agent_group_get_standing (member);

  atomic_store (&member->grouping, grouping);
  _agent_mailbox_extras_peek (&member->extras)->standing = (guint8) standing;
  _agent_group_move_locked (self, member, before, standing);
}

/* One of the two that hand over leaves. If that is the successor, the holder goes on: it holds back what comes until it has got
 * what the successor has held back. */
void
_agent_group_forget_hand_over_locked (AgentGroup   *self,
                                      AgentMailbox *member)
{
  AgentMailbox *holder = self->holder;

  if (member != holder && member != self->successor)
    return;

  self->holder = NULL;
  if (member == holder)
    return;

  self->successor = NULL;
  if (holder != NULL)
    group_set_standing_locked (self, holder, AGENT_STANDING_ACTIVE, AGENT_GROUPING_HOLDS);
}

/* --- Handing over --- */

/* (nullable): NULL if @member is not in the group */
static AgentGroup *
groups_find_locked (AgentGroups  *self,
                    const char   *name,
                    AgentMailbox *member)
{
  AgentGroup *group = g_hash_table_lookup (self->by_name, name);

  return group != NULL && g_hash_table_contains (group->places, member) ? group : NULL;
}

/* @member takes part or stands aside. What is sent to it for the group from then on goes to others. Does nothing while it hands
 * over or is handed over to. */
void
_agent_groups_set_standing (AgentGroups  *self,
                            const char   *name,
                            AgentMailbox *member,
                            AgentStanding standing)
{
  AgentGroup *group;

  _agent_spin_lock_lock (&self->lock);
  group = groups_find_locked (self, name, member);
  if (group != NULL && member != group->holder && member != group->successor)
    group_set_standing_locked (group,
                               member,
                               standing,
                               standing == AGENT_STANDING_ACTIVE ? AGENT_GROUPING_OPEN : AGENT_GROUPING_CLOSED);
  _agent_spin_lock_unlock (&self->lock);
}

/* From now on @to gets what would go to @from, and holds it back. FALSE: they are not in the group, @from is not active or @to is,
 * or there is a hand-over already. */
gboolean
_agent_groups_begin_hand_over (AgentGroups  *self,
                               const char   *name,
                               AgentMailbox *from,
                               AgentMailbox *to)
{
  AgentGroup *group;
  gboolean    begun;

  _agent_spin_lock_lock (&self->lock);
  group = groups_find_locked (self, name, from);
  begun = group != NULL && group == groups_find_locked (self, name, to) && group->holder == NULL &&
          group->successor == NULL && _agent_group_get_standing (from) == AGENT_STANDING_ACTIVE &&
          _agent_group_get_standing (to) != AGENT_STANDING_ACTIVE;
  if (begun)
    {
      group->holder = from;
      group->successor = to;
      group_set_standing_locked (group, to, AGENT_STANDING_ACTIVE, AGENT_GROUPING_HOLDS);
      group_set_standing_locked (group, from, AGENT_STANDING_STANDBY, AGENT_GROUPING_CLOSED);
    }
  _agent_spin_lock_unlock (&self->lock);

  return begun;
}

/* @to is the holder from now on, and @from, if it has not left, has @standing. FALSE: @to has left. */
gboolean
_agent_groups_end_hand_over (AgentGroups  *self,
                             const char   *name,
                             AgentMailbox *from,
                             AgentMailbox *to,
                             AgentStanding standing)
{
  AgentGroup *group;
  gboolean    ended;

  _agent_spin_lock_lock (&self->lock);
  group = groups_find_locked (self, name, to);
  ended = group != NULL && group->successor == to;
  if (ended)
    {
      if (group->holder == from)
        group_set_standing_locked (group, from, standing, AGENT_GROUPING_CLOSED);
      group->holder = NULL;
      group->successor = NULL;
    }
  _agent_spin_lock_unlock (&self->lock);

  return ended;
}

/* @from goes on as the holder, and holds back what comes until it has got what @to has held back. @to has @standing. FALSE: one of
 * the two has left. */
gboolean
_agent_groups_undo_hand_over (AgentGroups  *self,
                              const char   *name,
                              AgentMailbox *from,
                              AgentMailbox *to,
                              AgentStanding standing)
{
  AgentGroup *group;
  gboolean    undone;

  _agent_spin_lock_lock (&self->lock);
  group = groups_find_locked (self, name, from);
  undone = group != NULL && group->holder == from && group->successor == to;
  if (undone)
    {
      group->holder = NULL;
      group->successor = NULL;
      group_set_standing_locked (group, from, AGENT_STANDING_ACTIVE, AGENT_GROUPING_HOLDS);
      group_set_standing_locked (group, to, standing, AGENT_GROUPING_CLOSED);
    }
  _agent_spin_lock_unlock (&self->lock);

  return undone;
}
