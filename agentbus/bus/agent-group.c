/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-string-hash-private.h"
#include "bus/agent-group-locked-private.h"
#include "mailbox/agent-mailbox-private.h"

static void
group_free (gpointer data)
{
  AgentGroup *self = data;

  _agent_mailbox_trie_unref (self->trie);
  g_hash_table_unref (self->places);
  g_ptr_array_unref (self->members);
  g_free (self->name);
  g_free (self);
}

static AgentGroup *
group_new (const char *name)
{
  AgentGroup *self = g_new0 (AgentGroup, 1);

  self->name = g_strdup (name);
  self->members = g_ptr_array_new_with_free_func ((GDestroyNotify) _agent_mailbox_unref);
  self->places = g_hash_table_new (NULL, NULL);

  return self;
}

static GHashTable *
groups_new_table (void)
{
  return g_hash_table_new_full (_agent_string_hash_func, g_str_equal, NULL, group_free);
}

AgentGroups *
_agent_groups_new (void)
{
  AgentGroups *self = g_new0 (AgentGroups, 1);

  self->by_name = groups_new_table ();
  self->random = ((guint64) g_random_int () << 32 | g_random_int ()) | 1;
  return self;
}

void
_agent_groups_free (AgentGroups *self)
{
  g_hash_table_unref (self->by_name);
  g_free (self);
}

/* Relaxed: a sender that does not see a new group yet has sent before. */
gboolean
_agent_groups_has_any (AgentGroups *self)
{
  return atomic_load_explicit (&self->n_groups, memory_order_relaxed) != 0;
}

gboolean
_agent_groups_contains (AgentGroups *self,
                        const char  *name)
{
  gboolean contains;

  if (!_agent_groups_has_any (self))
    return FALSE;

  _agent_spin_lock_lock (&self->lock);
  contains = g_hash_table_contains (self->by_name, name);
  _agent_spin_lock_unlock (&self->lock);

  return contains;
}

/* --- Coming and going --- */

static void
group_add_locked (AgentGroup   *self,
                  AgentMailbox *member)
{
  g_hash_table_insert (self->places, member, GUINT_TO_POINTER (self->members->len));
  g_ptr_array_add (self->members, _agent_mailbox_ref (member));
  _agent_group_move_locked (self, member, AGENT_STANDING_STANDBY, _agent_group_get_standing (member));
  self->trie = _agent_mailbox_trie_add (self->trie, member);
}

/* The last member takes the place of @member. */
static void
group_remove_locked (AgentGroup   *self,
                     AgentMailbox *member)
{
  AgentMailbox *last;
  guint         place;

  _agent_group_forget_hand_over_locked (self, member);
  _agent_group_move_locked (self, member, _agent_group_get_standing (member), AGENT_STANDING_STANDBY);
  last = self->members->pdata[self->members->len - 1];
  place = _agent_group_get_place_locked (self, member);

  self->trie = _agent_mailbox_trie_remove (self->trie, member);
  g_hash_table_insert (self->places, last, GUINT_TO_POINTER (place));
  g_hash_table_remove (self->places, member);
  g_ptr_array_remove_index_fast (self->members, place);
}

/* TRUE: @member is the first one. */
gboolean
_agent_groups_join (AgentGroups  *self,
                    const char   *name,
                    AgentMailbox *member)
{
  AgentGroup *group;
  gboolean    is_first;

  _agent_spin_lock_lock (&self->lock);
  group = g_hash_table_lookup (self->by_name, name);
  is_first = group == NULL;
  if (is_first)
    {
      group = group_new (name);
      g_hash_table_insert (self->by_name, group->name, group);
      atomic_fetch_add (&self->n_groups, 1);
    }
  group_add_locked (group, member);
  _agent_spin_lock_unlock (&self->lock);

  return is_first;
}

/* The caller has another reference on @member. TRUE: it was the last one. */
gboolean
_agent_groups_leave (AgentGroups  *self,
                     const char   *name,
                     AgentMailbox *member)
{
  AgentGroup *group;
  gboolean    last;

  _agent_spin_lock_lock (&self->lock);
  group = g_hash_table_lookup (self->by_name, name);
  group_remove_locked (group, member);
  last = group->members->len == 0;
  if (last)
    {
      g_hash_table_remove (self->by_name, name);
      atomic_fetch_sub (&self->n_groups, 1);
    }
  _agent_spin_lock_unlock (&self->lock);

  return last;
}

/* All members of all groups leave. */
void
_agent_groups_clear (AgentGroups *self)
{
  GHashTable *before;

  if (!_agent_groups_has_any (self))
    return;

  _agent_spin_lock_lock (&self->lock);
  before = self->by_name;
  self->by_name = groups_new_table ();
  atomic_store (&self->n_groups, 0);
  _agent_spin_lock_unlock (&self->lock);

  g_hash_table_unref (before);
}

/* --- Choosing --- */

#define NOBODY G_MAXUINT

/* How many members there are to choose from, at the start of all. Those that keep data get it as long as nobody is active. */
static guint
group_count_choices (AgentGroup *self)
{
  guint n_active = self->n_up_to[AGENT_STANDING_ACTIVE];

  return n_active > 0 ? n_active : self->n_up_to[AGENT_STANDING_KEEPS];
}

static guint
groups_random_locked (AgentGroups *self,
                      guint        n)
{
  /* Xorshift: fast, and good enough to spread messages. */
  self->random ^= self->random << 13;
  self->random ^= self->random >> 7;
  self->random ^= self->random << 17;

  return (guint) (((self->random >> 32) * n) >> 32);
}

static gboolean
group_is_source (AgentGroup *self,
                 guint       i,
                 const char *source)
{
  return _agent_string_equal (_agent_mailbox_get_name (self->members->pdata[i]), source);
}

/* One of the members at random, but not the one at @other: NOBODY if there is none.
 *
 * @other: an index, or NOBODY */
static guint
groups_draw_locked (AgentGroups *self,
                    AgentGroup  *group,
                    guint        other)
{
  guint n_choices = group_count_choices (group);
  guint n = n_choices > 0 ? n_choices - (other != NOBODY) : 0;
  guint i = n > 0 ? groups_random_locked (self, n) : NOBODY;

  return i != NOBODY && i >= other ? i + 1 : i;
}

/* The same, but not the source either. If the source is drawn, somebody else is in its place, so that all others are as
 * likely: but for the source's neighbour among three or more, if one is left out already. */
static guint
groups_draw_but_source_locked (AgentGroups *self,
                               AgentGroup  *group,
                               guint        other,
                               const char  *source)
{
  guint i = groups_draw_locked (self, group, other);

  if (i == NOBODY || !group_is_source (group, i, source))
    return i;
  if (other == NOBODY)
    return groups_draw_locked (self, group, i);

  for (guint k = 1; k < group_count_choices (group); k++)
    {
      guint next = (i + k) % group_count_choices (group);

      if (next != other)
        return next;
    }
  return NOBODY;
}

/* Whoever has fewer messages queued and in hand. Relaxed, all: the figures change at any time. */
static guint64
group_measure (AgentGroup *self,
               guint       i)
{
  AgentMailbox      *member = self->members->pdata[i];
  AgentChannelQueue *queue = &member->queues[AGENT_CHANNEL_DATA];

  return atomic_load_explicit (&queue->n_in, memory_order_relaxed) -
         atomic_load_explicit (&queue->n_out, memory_order_relaxed) +
         (g_atomic_pointer_get (&member->schedule.hands) != NULL);
}

/* A guess, without a lock of the member: it is full by number, or the room is reserved for those who wait. */
static gboolean
group_is_full (AgentGroup *self,
               guint       i)
{
  AgentMailbox *member = self->members->pdata[i];

  return _agent_channel_queue_is_full (&member->queues[AGENT_CHANNEL_DATA]);
}

/* How many members are asked for room at most: in a larger group that is full, a send must not ask everybody. */
#define MAX_ASKED 32

/* A member that has room, from a random one on: NOBODY if none that was asked has. */
static guint
groups_find_room_locked (AgentGroups *self,
                         AgentGroup  *group,
                         const char  *source)
{
  guint n = group_count_choices (group);
  guint start = groups_random_locked (self, n);

  for (guint k = 0; k < MIN (n, MAX_ASKED); k++)
    {
      guint i = (start + k) % n;

      if (!group_is_full (group, i) && !group_is_source (group, i, source))
        return i;
    }

  return NOBODY;
}

/* Of @first and @second, the one with the shorter queue.
 *
 * @second: NOBODY if there is no other one
 * @other: (out): the one that is not returned */
static guint
group_get_shorter (AgentGroup *self,
                   guint       first,
                   guint       second,
                   guint      *other)
{
  gboolean swap = second != NOBODY && (gint64) (group_measure (self, second) - group_measure (self, first)) < 0;

  *other = swap ? first : second;
  return swap ? second : first;
}

static AgentMailbox *
groups_choose_locked (AgentGroups *self,
                      AgentGroup  *group,
                      const char  *source)
{
  guint first = groups_draw_but_source_locked (self, group, NOBODY, source);
  guint chosen;
  guint other;

  if (first == NOBODY)
    return NULL;

  chosen = group_get_shorter (group, first, groups_draw_but_source_locked (self, group, first, source), &other);
  if (G_UNLIKELY (group_is_full (group, chosen)) && other != NOBODY)
    {
      if (group_is_full (group, other))
        other = groups_find_room_locked (self, group, source);
      if (other != NOBODY)
        chosen = other;
    }

  /* One that keeps data was closed when it stood aside. */
  if (_agent_group_get_standing (group->members->pdata[chosen]) == AGENT_STANDING_KEEPS)
    atomic_store (&((AgentMailbox *) group->members->pdata[chosen])->grouping, AGENT_GROUPING_OPEN);
  return _agent_mailbox_ref (group->members->pdata[chosen]);
}

/* Chooses the member for a message: of two at random, the one with the shorter queue. If that is full, the other one, and if
 * that is full too, another one that has room: (transfer full) (nullable).
 *
 * @source: the name that must not get it */
AgentMailbox *
_agent_groups_choose (AgentGroups *self,
                      const char  *name,
                      const char  *source)
{
  AgentGroup   *group;
  AgentMailbox *member;

  if (!_agent_groups_has_any (self))
    return NULL;

  _agent_spin_lock_lock (&self->lock);
  group = g_hash_table_lookup (self->by_name, name);
  member = group != NULL ? groups_choose_locked (self, group, source) : NULL;
  _agent_spin_lock_unlock (&self->lock);

  return member;
}

static AgentMailbox *
groups_choose_here_locked (AgentGroups *self,
                           AgentGroup  *group,
                           const char  *source)
{
  guint n = group_count_choices (group);
  guint start = n > 0 ? groups_random_locked (self, n) : 0;

  for (guint k = 0; k < n; k++)
    {
      guint         i = (start + k) % n;
      AgentMailbox *member = group->members->pdata[i];

      if (!_agent_mailbox_has_mark (member, AGENT_MARK_REMOTE) && !group_is_source (group, i, source))
        return _agent_mailbox_ref (member);
    }

  return NULL;
}

/* A member of this process, for a message that has come from another one and so cannot be passed on to a third one, when the member
 * that it was sent to has left: (transfer full) (nullable). Takes a step for each member that is elsewhere. */
AgentMailbox *
_agent_groups_choose_here (AgentGroups *self,
                           const char  *name,
                           const char  *source)
{
  AgentGroup   *group;
  AgentMailbox *member;

  _agent_spin_lock_lock (&self->lock);
  group = g_hash_table_lookup (self->by_name, name);
  member = group != NULL ? groups_choose_here_locked (self, group, source) : NULL;
  _agent_spin_lock_unlock (&self->lock);

  return member;
}

static gboolean
group_has_other_locked (AgentGroup *self,
                        const char *source)
{
  guint n = group_count_choices (self);

  return n > 1 || (n == 1 && !group_is_source (self, 0, source));
}

/* Whether there is any member to choose but @source. May be called with the lock of a channel held. */
gboolean
_agent_groups_has_other (AgentGroups *self,
                         const char  *name,
                         const char  *source)
{
  AgentGroup *group;
  gboolean    has_other;

  if (!_agent_groups_has_any (self))
    return FALSE;

  _agent_spin_lock_lock (&self->lock);
  group = g_hash_table_lookup (self->by_name, name);
  has_other = group != NULL && group_has_other_locked (group, source);
  _agent_spin_lock_unlock (&self->lock);

  return has_other;
}

/* All members: (transfer full) (nullable) NULL if there is no such group. */
AgentMailboxTrie *
_agent_groups_ref_members (AgentGroups *self,
                           const char  *name,
                           guint       *n_members)
{
  AgentGroup       *group;
  AgentMailboxTrie *members = NULL;

  *n_members = 0;
  if (!_agent_groups_has_any (self))
    return NULL;

  _agent_spin_lock_lock (&self->lock);
  group = g_hash_table_lookup (self->by_name, name);
  if (group != NULL)
    {
      members = _agent_mailbox_trie_ref (group->trie);
      *n_members = group->members->len;
    }
  _agent_spin_lock_unlock (&self->lock);

  return members;
}

/* Adds the names of all groups: of char * (owned). */
void
_agent_groups_list (AgentGroups *self,
                    GPtrArray   *names)
{
  GHashTableIter iter;
  gpointer       name;

  _agent_spin_lock_lock (&self->lock);
  g_hash_table_iter_init (&iter, self->by_name);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    g_ptr_array_add (names, g_strdup (name));
  _agent_spin_lock_unlock (&self->lock);
}
