/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include "bus/agent-drop-list-private.h"

/* How many mailboxes a batch has at most. */
#define MAX_BATCH 64

/* How many subscribers that have left are kept at most while the context is asleep. The drops of the others are told as
 * drops of no subscriber. */
#define MAX_DEPARTED 1000

struct _AgentDropBatch
{
  AgentDropList *list;    /* (owned) the notice of a batch may be freed after the bus */
  GQueue         entries; /* (list's lock) of AgentDropEntry (owned) */
};

struct _AgentDropList
{
  gatomicrefcount   ref_count;
  AgentDropAnnounce announce;
  gpointer          data;

  GMutex          lock;
  gboolean        closed;                          /* (lock) nothing is told any more */
  GHashTable     *entries;                         /* (lock) AgentMailbox → AgentDropEntry, both unowned, of all batches */
  AgentDropBatch *open_batch;                      /* (lock) (nullable) the newest batch, if it takes more mailboxes */
  guint           n_departed;                      /* (lock) how many entries have a subscriber */
  gboolean        has_drops;                       /* (lock) a notice about @records is queued */
  AgentDropRecord records[AGENT_N_DROP_REASONS];   /* (lock) drops that came to no mailbox and are still to be told */
  guint64         n_dropped[AGENT_N_DROP_REASONS]; /* (lock) drops that came to no mailbox, in all */
};

AgentDropList *
_agent_drop_list_new (AgentDropAnnounce announce,
                      gpointer          data)
{
  AgentDropList *self = g_new0 (AgentDropList, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->announce = announce;
  self->data = data;
  g_mutex_init (&self->lock);
  self->entries = g_hash_table_new (NULL, NULL);

  return self;
}

void
_agent_drop_list_unref (AgentDropList *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_assert (g_hash_table_size (self->entries) == 0);

  g_hash_table_unref (self->entries);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* From now on nothing is told, and so nothing is kept. The batches belong to their notices. */
void
_agent_drop_list_close (AgentDropList *self)
{
  AgentDropRecord records[AGENT_N_DROP_REASONS];

  g_mutex_lock (&self->lock);
  self->closed = TRUE;
  self->open_batch = NULL;
  g_mutex_unlock (&self->lock);

  _agent_drop_list_take_records (self, records);
  _agent_drop_records_clear (records);
}

gboolean
_agent_drop_list_is_closed (AgentDropList *self)
{
  gboolean closed;

  g_mutex_lock (&self->lock);
  closed = self->closed;
  g_mutex_unlock (&self->lock);

  return closed;
}

/* --- Entries --- */

static AgentDropEntry *
drop_entry_new (AgentMailbox   *mailbox,
                AgentDropBatch *batch)
{
  AgentDropEntry *entry = g_new0 (AgentDropEntry, 1);

  entry->link.data = entry;
  entry->batch = batch;
  entry->mailbox = _agent_mailbox_ref (mailbox);
  return entry;
}

/* With no lock held, since this may drop the last reference to a subscriber. */
void
_agent_drop_entry_free (AgentDropEntry *entry)
{
  _agent_mailbox_unref (entry->mailbox);
  g_clear_object (&entry->subscriber);
  g_free (entry);
}

static AgentDropEntry *
drop_list_find_locked (AgentDropList *self,
                       AgentMailbox  *mailbox)
{
  return g_hash_table_lookup (self->entries, mailbox);
}

static void
drop_list_unlink_locked (AgentDropList  *self,
                         AgentDropEntry *entry)
{
  g_queue_unlink (&entry->batch->entries, &entry->link);
  g_hash_table_remove (self->entries, entry->mailbox);
  if (entry->subscriber != NULL)
    self->n_departed--;
}

static AgentDropBatch *
drop_batch_new (AgentDropList *list)
{
  AgentDropBatch *batch = g_new0 (AgentDropBatch, 1);

  g_atomic_ref_count_inc (&list->ref_count);
  batch->list = list;
  return batch;
}

static void
drop_list_add_entry_locked (AgentDropList *self,
                            AgentMailbox  *mailbox)
{
  AgentDropEntry *entry;

  if (self->open_batch == NULL || self->open_batch->entries.length >= MAX_BATCH)
    {
      self->open_batch = drop_batch_new (self);
      self->announce (self->data, self->open_batch);
    }

  entry = drop_entry_new (mailbox, self->open_batch);
  g_hash_table_insert (self->entries, mailbox, entry);
  g_queue_push_tail_link (&self->open_batch->entries, &entry->link);
}

/* Takes the next mailbox out of @batch, with its subscriber if that is known: (transfer full) (nullable). */
AgentDropEntry *
_agent_drop_list_take_entry (AgentDropList  *self,
                             AgentDropBatch *batch)
{
  AgentDropEntry *entry;

  g_mutex_lock (&self->lock);
  if (self->open_batch == batch)
    self->open_batch = NULL;
  entry = g_queue_peek_head (&batch->entries);
  if (entry != NULL)
    {
      drop_list_unlink_locked (self, entry);
      if (entry->subscriber == NULL)
        entry->subscriber = _agent_mailbox_dup_subscriber (entry->mailbox);
    }
  g_mutex_unlock (&self->lock);

  return entry;
}

/* Another notice was queued. Mailboxes that drop messages from now on are told of after it, so they go into a new batch. */
void
_agent_drop_list_end_batch (AgentDropList *self)
{
  g_mutex_lock (&self->lock);
  self->open_batch = NULL;
  g_mutex_unlock (&self->lock);
}

/* The drops of the mailboxes in @batch will not be told. An entry may hold the last reference to the owner of the list. */
void
_agent_drop_batch_free (AgentDropBatch *batch)
{
  for (AgentDropEntry *entry; (entry = _agent_drop_list_take_entry (batch->list, batch)) != NULL;)
    {
      _agent_drop_box_forget (&entry->mailbox->drops);
      _agent_drop_entry_free (entry);
    }
  _agent_drop_list_unref (batch->list);
  g_free (batch);
}

/* --- Mailboxes --- */

/* The drop box of @mailbox has drops again. If the box is closed, depart() has taken care of them already. */
void
_agent_drop_list_add_mailbox (AgentDropList *self,
                              AgentMailbox  *mailbox)
{
  gboolean closed;

  g_mutex_lock (&self->lock);
  closed = self->closed;
  if (!closed && drop_list_find_locked (self, mailbox) == NULL && !_agent_drop_box_is_closed (&mailbox->drops))
    drop_list_add_entry_locked (self, mailbox);
  g_mutex_unlock (&self->lock);

  if (closed)
    _agent_drop_box_forget (&mailbox->drops);
}

/* Keeps @subscriber until its drops are told. FALSE: the list keeps too many subscribers already. */
static gboolean
drop_list_keep_locked (AgentDropList  *self,
                       AgentDropEntry *entry,
                       gpointer        subscriber,
                       gboolean        asleep)
{
  if (self->n_departed >= MAX_DEPARTED && asleep)
    return FALSE;

  entry->subscriber = g_object_ref (subscriber);
  self->n_departed++;
  return TRUE;
}

/* Takes the subscriber out of @mailbox, which counts no drops any more: (transfer full). If there are drops to tell of and
 * the signal has handlers, the list keeps the subscriber as well until they are told, unless it keeps too many subscribers
 * already.
 *
 * @heard: whether the signal has handlers
 * @asleep: whether the context has not been iterated for long
 * @entry: (out) (transfer full) (nullable): the mailbox, if the caller has to tell of its drops now, without the subscriber */
gpointer
_agent_drop_list_depart (AgentDropList   *self,
                         AgentMailbox    *mailbox,
                         gboolean         heard,
                         gboolean         asleep,
                         AgentDropEntry **entry)
{
  gboolean has_drops;
  gpointer subscriber;

  g_mutex_lock (&self->lock);
  subscriber = _agent_drop_box_close (&mailbox->drops, &has_drops);
  /* Another thread may be about to add the mailbox. It will find that the box is closed. */
  if (has_drops && !self->closed && drop_list_find_locked (self, mailbox) == NULL)
    drop_list_add_entry_locked (self, mailbox);

  *entry = drop_list_find_locked (self, mailbox);
  if (*entry != NULL && heard && drop_list_keep_locked (self, *entry, subscriber, asleep))
    *entry = NULL;
  if (*entry != NULL)
    drop_list_unlink_locked (self, *entry);
  g_mutex_unlock (&self->lock);

  return subscriber;
}

/* --- Drops that came to no mailbox --- */

static void
drop_list_announce_locked (AgentDropList *self)
{
  if (!self->has_drops)
    self->announce (self->data, NULL);
  self->has_drops = TRUE;
}

/* Takes @message, which came to no mailbox. Returns the message that the caller has to unref after this call: (transfer
 * full) (nullable). */
AgentMessage *
_agent_drop_list_add (AgentDropList  *self,
                      AgentDropReason reason,
                      AgentMessage   *message)
{
  AgentMessage *previous = message;

  g_mutex_lock (&self->lock);
  self->n_dropped[reason]++;
  if (!self->closed)
    {
      drop_list_announce_locked (self);
      self->records[reason].n++;
      previous = self->records[reason].last;
      self->records[reason].last = message;
    }
  g_mutex_unlock (&self->lock);

  return previous;
}

/* Adds the drops of a mailbox whose subscriber is gone. The mailbox has counted them, so they are not counted here.
 *
 * @records: (inout): afterwards it has the messages that the list kept before, which the caller has to unref */
void
_agent_drop_list_add_records (AgentDropList   *self,
                              AgentDropRecord *records)
{
  g_mutex_lock (&self->lock);
  for (guint reason = 0; reason < AGENT_N_DROP_REASONS && !self->closed; reason++)
    {
      AgentDropRecord *own = &self->records[reason];
      AgentDropRecord  added = records[reason];

      if (added.n == 0)
        continue;
      records[reason].last = own->last;
      own->n += added.n;
      own->last = added.last;
    }
  if (!self->closed)
    drop_list_announce_locked (self);
  g_mutex_unlock (&self->lock);
}

/* Takes the drops that came to no mailbox since the last call.
 *
 * @records: (out) (transfer full): these drops, by reason */
void
_agent_drop_list_take_records (AgentDropList   *self,
                               AgentDropRecord *records)
{
  g_mutex_lock (&self->lock);
  memcpy (records, self->records, sizeof self->records);
  memset (self->records, 0, sizeof self->records);
  self->has_drops = FALSE;
  g_mutex_unlock (&self->lock);
}

/* Adds all drops that ever came to no mailbox. */
void
_agent_drop_list_get_ledger (AgentDropList *self,
                             AgentLedger   *ledger)
{
  g_mutex_lock (&self->lock);
  for (guint reason = 0; reason < AGENT_N_DROP_REASONS; reason++)
    ledger->dropped[reason] += self->n_dropped[reason];
  g_mutex_unlock (&self->lock);
}
