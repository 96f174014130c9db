/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-error.h"
#include "base/agent-spin-lock-private.h"
#include "base/agent-string-hash-private.h"
#include "bus/agent-directory-private.h"
#include "mailbox/agent-mailbox-private.h"

struct _AgentDirectory
{
  gint            ref_count; /* (atomic) */
  guint64         id;
  _Atomic guint64 generation;

  GMutex      lock;
  gint        is_open; /* (atomic) changed with the lock held */
  GHashTable *leaving; /* (lock) set of AgentMailbox (owned): no name any more, not through yet */
  AgentLedger gone;    /* (lock) the sum of those that left */
  GPtrArray  *watches; /* (lock) (nullable) of AgentBusWatch (owned); never changed, but replaced */

  /* Changed with both locks held, read with one of them. Senders take this one only. */
  AgentSpinLock     name_lock; /* taken last */
  AgentMailboxTrie *by_name;   /* (owned) (nullable) */
  guint             n_names;
  AgentSnapshot    *snapshot; /* (name_lock) (owned) (nullable) NULL when nobody has asked since the last change */
};

static _Atomic guint64 last_id;
static _Atomic guint64 last_generation;

/* Relaxed: the numbers only have to be different. */
static guint64
next_number (_Atomic guint64 *last)
{
  return atomic_fetch_add_explicit (last, 1, memory_order_relaxed) + 1;
}

/* --- Directory --- */

/* Takes @by_name. Frees what was there without the senders' lock. */
static void
set_names_locked (AgentDirectory   *self,
                  AgentMailboxTrie *by_name,
                  guint             n_names)
{
  AgentMailboxTrie *old_names = self->by_name;
  AgentSnapshot    *old_snapshot;

  _agent_spin_lock_lock (&self->name_lock);
  self->by_name = by_name;
  self->n_names = n_names;
  old_snapshot = g_steal_pointer (&self->snapshot);
  /* Release: who sees the number finds the names that it is of. */
  atomic_store_explicit (&self->generation, next_number (&last_generation), memory_order_release);
  _agent_spin_lock_unlock (&self->name_lock);

  _agent_mailbox_trie_unref (old_names);
  g_clear_pointer (&old_snapshot, _agent_snapshot_unref);
}

/* (transfer none) (nullable) */
static AgentMailbox *
find_locked (AgentDirectory *self,
             const char     *name)
{
  return _agent_mailbox_trie_lookup (self->by_name, name, _agent_string_hash (name, strlen (name)));
}

AgentDirectory *
_agent_directory_new (void)
{
  AgentDirectory *self = g_new0 (AgentDirectory, 1);

  self->ref_count = 1;
  self->id = next_number (&last_id);
  self->is_open = TRUE;
  self->leaving = g_hash_table_new_full (NULL, NULL, (GDestroyNotify) _agent_mailbox_unref, NULL);
  g_mutex_init (&self->lock);
  set_names_locked (self, NULL, 0);

  return self;
}

AgentDirectory *
_agent_directory_ref (AgentDirectory *self)
{
  g_atomic_int_inc (&self->ref_count);
  return self;
}

void
_agent_directory_unref (AgentDirectory *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;

  g_clear_pointer (&self->snapshot, _agent_snapshot_unref);
  g_clear_pointer (&self->watches, g_ptr_array_unref);
  _agent_mailbox_trie_unref (self->by_name);
  g_hash_table_unref (self->leaving);
  g_mutex_clear (&self->lock);
  g_free (self);
}

guint64
_agent_directory_get_id (AgentDirectory *self)
{
  return self->id;
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
    self->snapshot = _agent_snapshot_new (self->by_name, self->n_names, _agent_directory_get_generation (self));
  snapshot = _agent_snapshot_ref (self->snapshot);
  _agent_spin_lock_unlock (&self->name_lock);

  return snapshot;
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
  g_atomic_int_set (&self->is_open, TRUE);
  g_mutex_unlock (&self->lock);
}

static void
start_leaving_locked (AgentDirectory *self)
{
  g_autofree AgentMailbox **mailboxes = g_new (AgentMailbox *, self->n_names);

  _agent_mailbox_trie_list (self->by_name, mailboxes);
  for (guint i = 0; i < self->n_names; i++)
    g_hash_table_add (self->leaving, _agent_mailbox_ref (mailboxes[i]));
  set_names_locked (self, NULL, 0);
}

/* (transfer full) */
static GPtrArray *
list_leaving_locked (AgentDirectory *self)
{
  GPtrArray     *mailboxes = g_ptr_array_new_with_free_func ((GDestroyNotify) _agent_mailbox_unref);
  GHashTableIter iter;
  gpointer       mailbox;

  g_hash_table_iter_init (&iter, self->leaving);
  while (g_hash_table_iter_next (&iter, &mailbox, NULL))
    g_ptr_array_add (mailboxes, _agent_mailbox_ref (mailbox));

  return mailboxes;
}

/* Everybody leaves and nobody may come. Returns all that are leaving, those of before included. */
GPtrArray *
_agent_directory_close (AgentDirectory *self)
{
  GPtrArray *mailboxes;

  g_mutex_lock (&self->lock);
  g_atomic_int_set (&self->is_open, FALSE);
  start_leaving_locked (self);
  mailboxes = list_leaving_locked (self);
  g_mutex_unlock (&self->lock);

  return mailboxes;
}

gboolean
_agent_directory_add (AgentDirectory *self,
                      AgentMailbox   *mailbox,
                      GError        **error)
{
  const char *name = _agent_mailbox_get_name (mailbox);
  gboolean    is_open;
  gboolean    added;

  g_mutex_lock (&self->lock);
  is_open = g_atomic_int_get (&self->is_open);
  added = is_open && find_locked (self, name) == NULL;
  if (added)
    {
      _agent_mailbox_attach (mailbox);
      set_names_locked (self, _agent_mailbox_trie_add (self->by_name, mailbox), self->n_names + 1);
    }
  g_mutex_unlock (&self->lock);

  if (!is_open)
    g_set_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED, "Cannot subscribe '%s': the bus is stopped", name);
  else if (!added)
    g_set_error (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_EXISTS, "A subscriber named '%s' exists already", name);

  return added;
}

/* The name is free from now on. Returns whom it belonged to: (transfer full) (nullable). */
AgentMailbox *
_agent_directory_remove (AgentDirectory *self,
                         const char     *name)
{
  AgentMailbox *mailbox;

  g_mutex_lock (&self->lock);
  mailbox = find_locked (self, name);
  if (mailbox != NULL)
    {
      g_hash_table_add (self->leaving, _agent_mailbox_ref (mailbox));
      _agent_mailbox_ref (mailbox);
      set_names_locked (self, _agent_mailbox_trie_remove (self->by_name, mailbox), self->n_names - 1);
    }
  g_mutex_unlock (&self->lock);

  return mailbox;
}

/* It has left: only its figures stay. */
void
_agent_directory_forget (AgentDirectory *self,
                         AgentMailbox   *mailbox)
{
  AgentLedger ledger;

  g_mutex_lock (&self->lock);
  _agent_mailbox_get_ledger (mailbox, &ledger);
  _agent_ledger_add (&self->gone, &ledger);
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
  mailbox = find_locked (self, name);
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

/* Also right for a delivery that fails long after its subscriber has left. */
void
_agent_directory_count_failed (AgentDirectory *self,
                               AgentMailbox   *mailbox)
{
  g_mutex_lock (&self->lock);
  if (g_hash_table_contains (self->leaving, mailbox) ||
      find_locked (self, _agent_mailbox_get_name (mailbox)) == mailbox)
    _agent_mailbox_count_failed (mailbox);
  else
    self->gone.failed++;
  g_mutex_unlock (&self->lock);
}

static void
add_ledger (AgentMailbox    *mailbox,
            AgentLedger     *total,
            GVariantBuilder *by_name)
{
  g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);
  AgentLedger ledger;

  _agent_mailbox_get_ledger (mailbox, &ledger);
  _agent_ledger_add (total, &ledger);
  if (by_name == NULL)
    return;

  _agent_ledger_to_dict (&ledger, &dict);
  g_variant_builder_add (by_name, "{sv}", _agent_mailbox_get_name (mailbox), g_variant_dict_end (&dict));
}

/* Adds all to @total, and each that still has its name to @by_name: (nullable). The lock is held only to see who there is;
 * who leaves meanwhile counts as still there. */
void
_agent_directory_get_ledgers (AgentDirectory  *self,
                              AgentLedger     *total,
                              GVariantBuilder *by_name)
{
  g_autoptr (GPtrArray) leaving = NULL;
  AgentSnapshot *snapshot;
  AgentMailbox **mailboxes;
  guint          n_mailboxes;

  g_mutex_lock (&self->lock);
  _agent_ledger_add (total, &self->gone);
  leaving = list_leaving_locked (self);
  snapshot = _agent_directory_ref_snapshot (self);
  g_mutex_unlock (&self->lock);

  for (guint i = 0; i < leaving->len; i++)
    add_ledger (leaving->pdata[i], total, NULL);

  mailboxes = _agent_snapshot_get_mailboxes (snapshot, &n_mailboxes);
  for (guint i = 0; i < n_mailboxes; i++)
    add_ledger (mailboxes[i], total, by_name);
  _agent_snapshot_unref (snapshot);
}

/* --- Watches --- */

static GPtrArray *
copy_watches (GPtrArray     *watches,
              AgentBusWatch *but)
{
  GPtrArray *copy = g_ptr_array_new_with_free_func ((GDestroyNotify) _agent_bus_watch_unref);

  for (guint i = 0; watches != NULL && i < watches->len; i++)
    {
      if (watches->pdata[i] != but)
        g_ptr_array_add (copy, _agent_bus_watch_ref (watches->pdata[i]));
    }

  return copy;
}

/* Takes @watches. Returns what is to be let go of, without the lock: (transfer full) (nullable). */
static GPtrArray *
replace_watches_locked (AgentDirectory *self,
                        GPtrArray      *watches)
{
  GPtrArray *old = g_steal_pointer (&self->watches);

  if (watches->len > 0)
    self->watches = watches;
  else
    g_ptr_array_unref (watches);
  return old;
}

void
_agent_directory_add_watch (AgentDirectory *self,
                            AgentBusWatch  *watch)
{
  GPtrArray *watches;
  GPtrArray *old;

  g_mutex_lock (&self->lock);
  watches = copy_watches (self->watches, NULL);
  g_ptr_array_add (watches, _agent_bus_watch_ref (watch));
  old = replace_watches_locked (self, watches);
  g_mutex_unlock (&self->lock);

  g_clear_pointer (&old, g_ptr_array_unref);
}

/* A call that is under way may still come. */
void
_agent_directory_remove_watch (AgentDirectory *self,
                               AgentBusWatch  *watch)
{
  GPtrArray *old;

  g_mutex_lock (&self->lock);
  old = replace_watches_locked (self, copy_watches (self->watches, watch));
  g_mutex_unlock (&self->lock);

  g_clear_pointer (&old, g_ptr_array_unref);
}

/* (transfer full) (nullable) */
GPtrArray *
_agent_directory_ref_watches (AgentDirectory *self)
{
  GPtrArray *watches;

  g_mutex_lock (&self->lock);
  watches = self->watches != NULL ? g_ptr_array_ref (self->watches) : NULL;
  g_mutex_unlock (&self->lock);

  return watches;
}

/* Who is told first takes the room that there is. So that is another one each time, by steps of the golden ratio: whatever
 * part of the events one looks at, every watch is first in an equal share of them. */
static guint
choose_first_watch (guint n_watches)
{
  static _Atomic guint32 n_events;
  guint32                part = atomic_fetch_add_explicit (&n_events, 1, memory_order_relaxed) * 2654435769u;

  return (guint) (((guint64) part * n_watches) >> 32);
}

/* With no lock held. */
void
_agent_directory_tell_watches (AgentDirectory   *self,
                               AgentMailbox     *mailbox,
                               AgentMailboxEvent event)
{
  g_autoptr (GPtrArray) watches = _agent_directory_ref_watches (self);
  guint n_watches = watches != NULL ? watches->len : 0;
  guint first = n_watches > 1 ? choose_first_watch (n_watches) : 0;

  for (guint i = 0; i < n_watches; i++)
    {
      AgentBusWatch *watch = watches->pdata[(first + i) % n_watches];

      watch->funcs->happened (watch->data, mailbox, event);
    }
}
