/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-error.h"
#include "agent-directory-private.h"
#include "agent-mailbox-private.h"
#include "agent-string-hash-private.h"

/* A place in the table of a snapshot. */
typedef struct
{
  guint64       hash;
  AgentMailbox *mailbox; /* (nullable) */
} Place;

struct _AgentSnapshot
{
  gint          ref_count; /* (atomic) */
  guint         n_mailboxes;
  guint64       generation;
  guint         mask;   /* one less than the number of places, a power of two */
  Place        *places; /* by name, with linear probing: never more than half full, and never changed */
  AgentMailbox *mailboxes[];
};

struct _AgentDirectory
{
  gint            ref_count; /* (atomic) */
  guint64         id;
  _Atomic guint64 generation;

  GMutex         lock;
  gint           is_open;  /* (atomic) changed with the lock held */
  GHashTable    *by_name;  /* (lock) name → AgentMailbox (owned) */
  GHashTable    *leaving;  /* (lock) set of AgentMailbox (owned): no name any more, not through yet */
  AgentLedger    gone;     /* (lock) the sum of those that left */
  AgentSnapshot *snapshot; /* (lock) (nullable) NULL when nobody has asked for it since the last change */
  GPtrArray     *watches;  /* (lock) (nullable) of AgentBusWatch (owned); never changed, but replaced */
};

static _Atomic guint64 last_id;
static _Atomic guint64 last_generation;

static guint64
next_number (_Atomic guint64 *last)
{
  return atomic_fetch_add_explicit (last, 1, memory_order_relaxed) + 1;
}

/* --- Snapshot --- */

static void
snapshot_add (AgentSnapshot *self,
              AgentMailbox  *mailbox)
{
  const char *name = _agent_mailbox_get_name (mailbox);
  guint64     hash = _agent_string_hash (name, strlen (name));
  guint       i = hash & self->mask;

  while (self->places[i].mailbox != NULL)
    i = (i + 1) & self->mask;

  self->places[i] = (Place){ hash, mailbox };
  self->mailboxes[self->n_mailboxes++] = _agent_mailbox_ref (mailbox);
}

static AgentSnapshot *
snapshot_new (GHashTable *by_name,
              guint64     generation)
{
  guint          n_mailboxes = g_hash_table_size (by_name);
  guint          n_places = 1u << g_bit_storage (2 * n_mailboxes);
  AgentSnapshot *self = g_malloc (sizeof (AgentSnapshot) + n_mailboxes * sizeof (AgentMailbox *));
  GHashTableIter iter;
  gpointer       mailbox;

  self->ref_count = 1;
  self->n_mailboxes = 0;
  self->generation = generation;
  self->mask = n_places - 1;
  self->places = g_new0 (Place, n_places);

  g_hash_table_iter_init (&iter, by_name);
  while (g_hash_table_iter_next (&iter, NULL, &mailbox))
    snapshot_add (self, mailbox);

  return self;
}

void
_agent_snapshot_unref (AgentSnapshot *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;

  for (guint i = 0; i < self->n_mailboxes; i++)
    _agent_mailbox_unref (self->mailboxes[i]);
  g_free (self->places);
  g_free (self);
}

guint64
_agent_snapshot_get_generation (AgentSnapshot *self)
{
  return self->generation;
}

AgentMailbox *
_agent_snapshot_lookup (AgentSnapshot *self,
                        const char    *name,
                        guint64        hash)
{
  for (guint i = hash & self->mask; self->places[i].mailbox != NULL; i = (i + 1) & self->mask)
    {
      if (self->places[i].hash == hash && _agent_string_equal (self->places[i].mailbox->name, name))
        return self->places[i].mailbox;
    }

  return NULL;
}

AgentMailbox **
_agent_snapshot_get_mailboxes (AgentSnapshot *self,
                               guint         *n_mailboxes)
{
  *n_mailboxes = self->n_mailboxes;
  return self->mailboxes;
}

/* --- Directory --- */

static void
changed_locked (AgentDirectory *self)
{
  g_clear_pointer (&self->snapshot, _agent_snapshot_unref);
  atomic_store_explicit (&self->generation, next_number (&last_generation), memory_order_release);
}

AgentDirectory *
_agent_directory_new (void)
{
  AgentDirectory *self = g_new0 (AgentDirectory, 1);

  self->ref_count = 1;
  self->id = next_number (&last_id);
  self->is_open = TRUE;
  self->by_name = g_hash_table_new_full (g_str_hash,
                                         g_str_equal,
                                         NULL,
                                         (GDestroyNotify) _agent_mailbox_unref);
  self->leaving = g_hash_table_new_full (NULL, NULL, (GDestroyNotify) _agent_mailbox_unref, NULL);
  g_mutex_init (&self->lock);
  changed_locked (self);

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
  g_hash_table_unref (self->by_name);
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

  g_mutex_lock (&self->lock);
  if (self->snapshot == NULL)
    self->snapshot = snapshot_new (self->by_name, _agent_directory_get_generation (self));
  snapshot = self->snapshot;
  g_atomic_int_inc (&snapshot->ref_count);
  g_mutex_unlock (&self->lock);

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

/* Everybody leaves and nobody may come. Returns all that are leaving, those of before included. */
GPtrArray *
_agent_directory_close (AgentDirectory *self)
{
  GPtrArray     *mailboxes = g_ptr_array_new_with_free_func ((GDestroyNotify) _agent_mailbox_unref);
  GHashTableIter iter;
  gpointer       mailbox;

  g_mutex_lock (&self->lock);
  g_atomic_int_set (&self->is_open, FALSE);

  g_hash_table_iter_init (&iter, self->by_name);
  while (g_hash_table_iter_next (&iter, NULL, &mailbox))
    {
      g_hash_table_iter_steal (&iter);
      g_hash_table_add (self->leaving, mailbox);
    }

  g_hash_table_iter_init (&iter, self->leaving);
  while (g_hash_table_iter_next (&iter, &mailbox, NULL))
    g_ptr_array_add (mailboxes, _agent_mailbox_ref (mailbox));

  changed_locked (self);
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
  gboolean    added = FALSE;

  g_mutex_lock (&self->lock);
  is_open = g_atomic_int_get (&self->is_open);
  if (is_open && !g_hash_table_contains (self->by_name, name))
    {
      _agent_mailbox_attach (mailbox);
      g_hash_table_insert (self->by_name, (gpointer) name, _agent_mailbox_ref (mailbox));
      changed_locked (self);
      added = TRUE;
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
  mailbox = g_hash_table_lookup (self->by_name, name);
  if (mailbox != NULL)
    {
      g_hash_table_steal (self->by_name, name);
      g_hash_table_add (self->leaving, mailbox);
      _agent_mailbox_ref (mailbox);
      changed_locked (self);
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

AgentMailbox *
_agent_directory_lookup (AgentDirectory *self,
                         const char     *name)
{
  AgentMailbox *mailbox;

  g_mutex_lock (&self->lock);
  mailbox = g_hash_table_lookup (self->by_name, name);
  if (mailbox != NULL)
    _agent_mailbox_ref (mailbox);
  g_mutex_unlock (&self->lock);

  return mailbox;
}

guint
_agent_directory_get_size (AgentDirectory *self)
{
  guint size;

  g_mutex_lock (&self->lock);
  size = g_hash_table_size (self->by_name);
  g_mutex_unlock (&self->lock);

  return size;
}

/* Also right for a delivery that fails long after its subscriber has left. */
void
_agent_directory_count_failed (AgentDirectory *self,
                               AgentMailbox   *mailbox)
{
  g_mutex_lock (&self->lock);
  if (g_hash_table_contains (self->leaving, mailbox) ||
      g_hash_table_lookup (self->by_name, _agent_mailbox_get_name (mailbox)) == mailbox)
    _agent_mailbox_count_failed (mailbox);
  else
    self->gone.failed++;
  g_mutex_unlock (&self->lock);
}

static void
add_ledgers_locked (AgentDirectory  *self,
                    GHashTable      *mailboxes,
                    AgentLedger     *total,
                    GVariantBuilder *by_name)
{
  GHashTableIter iter;
  gpointer       mailbox;

  g_hash_table_iter_init (&iter, mailboxes);
  while (g_hash_table_iter_next (&iter, NULL, &mailbox))
    {
      AgentLedger ledger;

      _agent_mailbox_get_ledger (mailbox, &ledger);
      _agent_ledger_add (total, &ledger);

      if (by_name != NULL)
        {
          g_auto (GVariantDict) dict = G_VARIANT_DICT_INIT (NULL);

          _agent_ledger_to_dict (&ledger, &dict);
          g_variant_builder_add (by_name,
                                 "{sv}",
                                 _agent_mailbox_get_name (mailbox),
                                 g_variant_dict_end (&dict));
        }
    }
}

/* Adds all to @total, and each that still has its name to @by_name. */
void
_agent_directory_get_ledgers (AgentDirectory  *self,
                              AgentLedger     *total,
                              GVariantBuilder *by_name)
{
  g_mutex_lock (&self->lock);
  _agent_ledger_add (total, &self->gone);
  add_ledgers_locked (self, self->leaving, total, NULL);
  add_ledgers_locked (self, self->by_name, total, by_name);
  g_mutex_unlock (&self->lock);
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

/* With no lock held. */
void
_agent_directory_tell_watches (AgentDirectory   *self,
                               AgentMailbox     *mailbox,
                               AgentMailboxEvent event)
{
  g_autoptr (GPtrArray) watches = _agent_directory_ref_watches (self);

  for (guint i = 0; watches != NULL && i < watches->len; i++)
    {
      AgentBusWatch *watch = watches->pdata[i];

      watch->funcs->happened (watch->data, mailbox, event);
    }
}
