/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-error.h"
#include "base/agent-string-hash-private.h"
#include "bus/agent-directory-locked-private.h"
#include "mailbox/agent-mailbox-private.h"

static _Atomic guint64 last_slot;
static _Atomic guint64 last_generation;

/* Relaxed: the numbers only have to differ from one another. */
static guint64
directory_next_number (_Atomic guint64 *last)
{
  return atomic_fetch_add_explicit (last, 1, memory_order_relaxed) + 1;
}

/* Between this and directory_end_change_locked() the names may be changed: it takes the senders' lock. The directory lets go
 * of its snapshot before, for a trie that nobody else has is changed without a copy. */
static void
directory_begin_change_locked (AgentDirectory *self)
{
  AgentSnapshot *snapshot;

  _agent_spin_lock_lock (&self->name_lock);
  snapshot = g_steal_pointer (&self->snapshot);
  if (snapshot == NULL)
    return;
  _agent_spin_lock_unlock (&self->name_lock);

  _agent_snapshot_unref (snapshot);
  _agent_spin_lock_lock (&self->name_lock);
}

/* Takes @interests: (nullable) and @takers: (nullable). What was there before is freed after the senders' lock is unlocked. */
static void
directory_end_change_locked (AgentDirectory     *self,
                             AgentInterestIndex *interests,
                             AgentTakers        *takers)
{
  AgentInterestIndex *old_interests = self->interests;
  AgentTakers        *old_takers = self->takers;
  AgentSnapshot      *snapshot = g_steal_pointer (&self->snapshot);

  self->interests = interests;
  self->takers = takers;
  /* Release: a thread that sees the number finds the names that it stands for. */
  atomic_store_explicit (&self->generation, directory_next_number (&last_generation), memory_order_release);
  _agent_spin_lock_unlock (&self->name_lock);

  _agent_interest_index_unref (old_interests);
  _agent_takers_unref (old_takers);
  g_clear_pointer (&snapshot, _agent_snapshot_unref);
}

/* (transfer none) (nullable) */
static AgentMailbox *
directory_find_locked (AgentDirectory *self,
                       const char     *name)
{
  return _agent_mailbox_trie_lookup (self->by_name, name, _agent_string_hash (name, strlen (name)));
}

AgentDirectory *
_agent_directory_new (void)
{
  AgentDirectory *self = g_new0 (AgentDirectory, 1);

  self->slot = directory_next_number (&last_slot) % AGENT_SENDER_N_SLOTS;
  self->is_open = TRUE;
  self->leaving = g_hash_table_new_full (NULL, NULL, (GDestroyNotify) _agent_mailbox_unref, NULL);
  _agent_departures_init (&self->departures);
  self->groups = _agent_groups_new ();
  self->name_watches = _agent_name_watches_new ();
  self->presence = _agent_presence_new ();
  g_mutex_init (&self->lock);
  atomic_init (&self->generation, directory_next_number (&last_generation));

  return self;
}

void
_agent_directory_free (AgentDirectory *self)
{
  g_clear_pointer (&self->snapshot, _agent_snapshot_unref);
  _agent_mailbox_trie_unref (self->by_name);
  _agent_interest_index_unref (self->interests);
  _agent_takers_unref (self->takers);
  g_hash_table_unref (self->leaving);
  _agent_departures_clear (&self->departures);
  _agent_name_watches_unref (self->name_watches);
  _agent_presence_free (self->presence);
  _agent_groups_free (self->groups);
  g_mutex_clear (&self->lock);
  g_free (self);
}

guint64
_agent_directory_get_generation (AgentDirectory *self)
{
  return atomic_load_explicit (&self->generation, memory_order_acquire);
}

AgentSnapshot *
_agent_directory_ref_snapshot (AgentDirectory *self)
{
  AgentSnapshot *snapshot;

  _agent_spin_lock_lock (&self->name_lock);
  if (self->snapshot == NULL)
    self->snapshot = _agent_snapshot_new (
        self->by_name, self->n_names, self->interests, self->takers, _agent_directory_get_generation (self));
  snapshot = _agent_snapshot_ref (self->snapshot);
  _agent_spin_lock_unlock (&self->name_lock);

  return snapshot;
}

/* The newest snapshot: (transfer none). It stays valid as long as the thread does not ask for another one. */
AgentSnapshot *
_agent_directory_get_snapshot (AgentDirectory *self,
                               AgentSender    *sender)
{
  AgentSnapshot *snapshot = sender->slots[self->slot].data;

  if (G_LIKELY (snapshot != NULL &&
                _agent_snapshot_get_generation (snapshot) == _agent_directory_get_generation (self)))
    return snapshot;

  snapshot = _agent_directory_ref_snapshot (self);
  _agent_sender_set_slot (sender, self->slot, snapshot, (GDestroyNotify) _agent_snapshot_unref);
  return snapshot;
}

/* Forgets the snapshot of the calling thread. Otherwise a thread that drops a bus would keep its last snapshot until it
 * sends on another bus. */
void
_agent_directory_forget_snapshot (AgentDirectory *self,
                                  AgentSender    *sender)
{
  _agent_sender_set_slot (sender, self->slot, NULL, NULL);
}

gboolean
_agent_directory_is_open (AgentDirectory *self)
{
  return g_atomic_int_get (&self->is_open);
}

void
_agent_directory_open (AgentDirectory *self)
{
  g_mutex_lock (&self->lock);
  if (!g_atomic_int_get (&self->is_open))
    {
      _agent_departures_forget_names (&self->departures);
      _agent_presence_open (self->presence);
    }
  g_atomic_int_set (&self->is_open, TRUE);
  g_mutex_unlock (&self->lock);
}

static void
directory_start_leaving_locked (AgentDirectory *self)
{
  guint n = self->n_names;
  g_autofree AgentMailbox **mailboxes = g_new (AgentMailbox *, n);
  AgentMailboxTrie *names;

  _agent_mailbox_trie_list (self->by_name, mailboxes);
  for (guint i = 0; i < n; i++)
    g_hash_table_add (self->leaving, _agent_mailbox_ref (mailboxes[i]));
  directory_begin_change_locked (self);
  names = g_steal_pointer (&self->by_name);
  self->n_names = 0;
  directory_end_change_locked (self, NULL, NULL);
  _agent_mailbox_trie_unref (names);
  _agent_groups_clear (self->groups);
  _agent_name_watches_all_vanished (self->name_watches);
  _agent_presence_close (self->presence);
  for (guint i = 0; i < n; i++)
    _agent_directory_tell_locked (self, mailboxes[i]);
}

/* (transfer full). @group: (nullable): of this group only */
static GPtrArray *
directory_list_leaving_locked (AgentDirectory *self,
                               const char     *group)
{
  GPtrArray     *mailboxes = g_ptr_array_new_with_free_func ((GDestroyNotify) _agent_mailbox_unref);
  GHashTableIter iter;
  gpointer       mailbox;

  g_hash_table_iter_init (&iter, self->leaving);
  while (g_hash_table_iter_next (&iter, &mailbox, NULL))
    {
      if (group == NULL || g_strcmp0 (_agent_mailbox_get_group (mailbox), group) == 0)
        g_ptr_array_add (mailboxes, _agent_mailbox_ref (mailbox));
    }

  return mailboxes;
}

/* All subscribers leave, and none may be added. Returns all mailboxes that are leaving, including those that were leaving
 * before: (transfer full). */
GPtrArray *
_agent_directory_close (AgentDirectory *self)
{
  GPtrArray *mailboxes;

  g_mutex_lock (&self->lock);
  g_atomic_int_set (&self->is_open, FALSE);
  directory_start_leaving_locked (self);
  mailboxes = directory_list_leaving_locked (self, NULL);
  g_mutex_unlock (&self->lock);

  return mailboxes;
}

/* The index with or without @mailbox: (transfer full) (nullable). @self->by_name is as it was before. */
static AgentInterestIndex *
directory_index_member_locked (AgentDirectory *self,
                               AgentMailbox   *mailbox,
                               gboolean        add)
{
  const AgentInterest *interest = _agent_mailbox_peek_interest (mailbox);
  AgentInterestIndex  *index;

  if (self->interests == NULL && (interest == NULL || !add))
    return NULL;

  index = _agent_interest_index_begin (self->interests, self->by_name, self->n_names);
  _agent_interest_index_change_member (index, mailbox, interest, add);
  return _agent_interest_index_end (index);
}

/* The mailboxes that have left the group and are not released yet: (transfer full). They may still handle messages. */
GPtrArray *
_agent_directory_list_leaving (AgentDirectory *self,
                               const char     *group)
{
  GPtrArray *mailboxes;

  g_mutex_lock (&self->lock);
  mailboxes = directory_list_leaving_locked (self, group);
  g_mutex_unlock (&self->lock);

  return mailboxes;
}

AgentGroups *
_agent_directory_get_groups (AgentDirectory *self)
{
  return self->groups;
}

/* Subscribers and groups share one space of names. */
static gboolean
directory_is_taken_locked (AgentDirectory *self,
                           const char     *name)
{
  return directory_find_locked (self, name) != NULL || _agent_groups_contains (self->groups, name);
}

/* The name that keeps @mailbox from being added: (transfer none) (nullable). */
static const char *
directory_find_conflict_locked (AgentDirectory *self,
                                AgentMailbox   *mailbox)
{
  const char *name = _agent_mailbox_get_name (mailbox);
  const char *group = _agent_mailbox_get_group (mailbox);

  if (directory_is_taken_locked (self, name))
    return name;
  if (group != NULL && (g_str_equal (group, name) || directory_find_locked (self, group) != NULL))
    return group;

  return NULL;
}

static void
directory_join_locked (AgentDirectory *self,
                       AgentMailbox   *mailbox)
{
  const char *group = _agent_mailbox_get_group (mailbox);

  if (group != NULL && _agent_groups_join (self->groups, group, mailbox))
    _agent_name_watches_appeared (self->name_watches, group);
}

static void
directory_leave_locked (AgentDirectory *self,
                        AgentMailbox   *mailbox)
{
  const char *group = _agent_mailbox_get_group (mailbox);

  if (group != NULL && _agent_groups_leave (self->groups, group, mailbox))
    _agent_name_watches_vanished (self->name_watches, group);
}

static void
directory_insert_locked (AgentDirectory *self,
                         AgentMailbox   *mailbox,
                         AgentInfo      *info)
{
  AgentInterestIndex *interests = directory_index_member_locked (self, mailbox, TRUE);
  AgentTakers        *takers = _agent_directory_add_taker_locked (self, mailbox, info);

  directory_begin_change_locked (self);
  self->by_name = _agent_mailbox_trie_add (self->by_name, mailbox);
  self->n_names++;
  directory_end_change_locked (self, interests, takers);
}

/* @info: (nullable): what @mailbox says of itself, if it is that of an agent */
gboolean
_agent_directory_add (AgentDirectory *self,
                      AgentMailbox   *mailbox,
                      AgentInfo      *info,
                      GError        **error)
{
  const char *name = _agent_mailbox_get_name (mailbox);
  const char *conflict;
  gboolean    is_open;
  gboolean    added;

  g_mutex_lock (&self->lock);
  is_open = g_atomic_int_get (&self->is_open);
  conflict = directory_find_conflict_locked (self, mailbox);
  added = is_open && conflict == NULL;
  if (added)
    {
      directory_insert_locked (self, mailbox, info);
      _agent_name_watches_appeared (self->name_watches, name);
      _agent_presence_set (self->presence, mailbox, info);
      directory_join_locked (self, mailbox);
      _agent_directory_tell_locked (self, mailbox);
    }
  g_mutex_unlock (&self->lock);

  if (!is_open)
    g_set_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED, "Cannot subscribe '%s': the bus is stopped", name);
  else if (!added)
    g_set_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_EXISTS, "A subscriber or a group named '%s' exists already", conflict);

  return added;
}

static void
directory_remove_locked (AgentDirectory *self,
                         AgentMailbox   *mailbox)
{
  AgentInterestIndex *interests = directory_index_member_locked (self, mailbox, FALSE);
  AgentTakers        *takers = _agent_directory_remove_taker_locked (self, mailbox);

  g_hash_table_add (self->leaving, _agent_mailbox_ref (mailbox));
  directory_begin_change_locked (self);
  self->by_name = _agent_mailbox_trie_remove (self->by_name, mailbox);
  self->n_names--;
  directory_end_change_locked (self, interests, takers);
  _agent_name_watches_vanished (self->name_watches, _agent_mailbox_get_name (mailbox));
  _agent_presence_remove (self->presence, mailbox);
  directory_leave_locked (self, mailbox);
  _agent_directory_tell_locked (self, mailbox);
}

/* From now on the name is free. Returns the mailbox that had it: (transfer full) (nullable). */
AgentMailbox *
_agent_directory_remove (AgentDirectory *self,
                         const char     *name)
{
  AgentMailbox *mailbox;

  g_mutex_lock (&self->lock);
  mailbox = directory_find_locked (self, name);
  if (mailbox != NULL)
    directory_remove_locked (self, _agent_mailbox_ref (mailbox));
  g_mutex_unlock (&self->lock);

  return mailbox;
}

/* The same for just this mailbox. FALSE: it is leaving already. */
gboolean
_agent_directory_remove_mailbox (AgentDirectory *self,
                                 AgentMailbox   *mailbox)
{
  gboolean found;

  g_mutex_lock (&self->lock);
  found = _agent_directory_has_locked (self, mailbox);
  if (found)
    directory_remove_locked (self, mailbox);
  g_mutex_unlock (&self->lock);

  return found;
}

void
_agent_directory_set_interests_locked (AgentDirectory     *self,
                                       AgentInterestIndex *interests,
                                       AgentTakers        *takers)
{
  directory_begin_change_locked (self);
  directory_end_change_locked (self, interests, takers);
}

gboolean
_agent_directory_has_locked (AgentDirectory *self,
                             AgentMailbox   *mailbox)
{
  return directory_find_locked (self, _agent_mailbox_get_name (mailbox)) == mailbox;
}

/* The mailbox has left: only its figures stay. */
void
_agent_directory_forget (AgentDirectory *self,
                         AgentMailbox   *mailbox)
{
  AgentLedger ledger;

  g_mutex_lock (&self->lock);
  _agent_mailbox_get_ledger (mailbox, &ledger);
  _agent_departures_add (&self->departures,
                         _agent_mailbox_get_name (mailbox),
                         &ledger,
                         _agent_mailbox_has_mark (mailbox, AGENT_MARK_REMOTE));
  g_hash_table_steal (self->leaving, mailbox);
  g_mutex_unlock (&self->lock);

  _agent_mailbox_unref (mailbox);
}

/* (transfer full) (nullable) */
AgentMailbox *
_agent_directory_lookup (AgentDirectory *self,
                         const char     *name)
{
  AgentMailbox *mailbox;

  _agent_spin_lock_lock (&self->name_lock);
  mailbox = directory_find_locked (self, name);
  if (mailbox != NULL)
    _agent_mailbox_ref (mailbox);
  _agent_spin_lock_unlock (&self->name_lock);

  return mailbox;
}

guint
_agent_directory_get_size (AgentDirectory *self)
{
  guint size;

  _agent_spin_lock_lock (&self->name_lock);
  size = self->n_names;
  _agent_spin_lock_unlock (&self->name_lock);

  return size;
}

/* Has @func called when somebody takes the name, or gives it up: see AgentNameWatches. Returns the id of the watch. */
guint
_agent_directory_watch_name (AgentDirectory *self,
                             const char     *name,
                             AgentNameFunc   func,
                             gpointer        data,
                             GDestroyNotify  destroy)
{
  guint id;

  g_mutex_lock (&self->lock);
  id = _agent_name_watches_add (
      self->name_watches, name, directory_is_taken_locked (self, name), func, data, destroy);
  g_mutex_unlock (&self->lock);

  return id;
}

AgentNameWatches *
_agent_directory_get_name_watches (AgentDirectory *self)
{
  return self->name_watches;
}

/* Counts a failed delivery of @mailbox. The subscriber may have left long before. */
void
_agent_directory_count_failed (AgentDirectory *self,
                               AgentMailbox   *mailbox)
{
  g_mutex_lock (&self->lock);
  if (g_hash_table_contains (self->leaving, mailbox) || _agent_directory_has_locked (self, mailbox))
    _agent_mailbox_count_failed (mailbox);
  else
    _agent_departures_count_failed (&self->departures, _agent_mailbox_get_name (mailbox));
  g_mutex_unlock (&self->lock);
}

static void
directory_add_ledger (AgentMailbox    *mailbox,
                      AgentLedger     *total,
                      AgentLedger     *remote,
                      GVariantBuilder *by_name)
{
  AgentLedger ledger;

  _agent_mailbox_get_ledger (mailbox, &ledger);
  _agent_ledger_add (total, &ledger);
  if (_agent_mailbox_has_mark (mailbox, AGENT_MARK_REMOTE))
    _agent_ledger_add (remote, &ledger);
  if (by_name != NULL)
    _agent_ledger_list (&ledger, by_name, _agent_mailbox_get_name (mailbox));
}

/* Adds the figures of all mailboxes to @total, those for other processes to @remote, too, and lists in @by_name: (nullable) the figures of each mailbox that still has
 * its name, or, when the bus is stopped, of those that have left. The lock is held only to list the mailboxes: a mailbox that
 * leaves meanwhile counts as still there. */
void
_agent_directory_get_ledgers (AgentDirectory  *self,
                              AgentLedger     *total,
                              AgentLedger     *remote,
                              GVariantBuilder *by_name)
{
  g_autoptr (GPtrArray) leaving = NULL;
  AgentSnapshot *snapshot;
  AgentMailbox **mailboxes;
  guint          n_mailboxes;

  g_mutex_lock (&self->lock);
  _agent_ledger_add (total, &self->departures.sum);
  _agent_ledger_add (remote, &self->departures.remote);
  /* When the bus is stopped, nobody is on it: so there is at most one entry for each name. */
  if (by_name != NULL && !g_atomic_int_get (&self->is_open))
    _agent_departures_list (&self->departures, by_name);
  leaving = directory_list_leaving_locked (self, NULL);
  snapshot = _agent_directory_ref_snapshot (self);
  g_mutex_unlock (&self->lock);

  for (guint i = 0; i < leaving->len; i++)
    directory_add_ledger (leaving->pdata[i], total, remote, NULL);

  mailboxes = _agent_snapshot_get_mailboxes (snapshot, &n_mailboxes);
  for (guint i = 0; i < n_mailboxes; i++)
    directory_add_ledger (mailboxes[i], total, remote, by_name);
  _agent_snapshot_unref (snapshot);
}
