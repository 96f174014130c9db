/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include "mailbox/agent-drop-box-private.h"

void
_agent_drop_box_init (AgentDropBox *self,
                      gpointer      subscriber)
{
  self->subscriber = g_object_ref (subscriber);
}

/* A mailbox that never got on its bus still has the subscriber. Precondition: the owner has taken the records. */
void
_agent_drop_box_clear (AgentDropBox *self)
{
  g_clear_object (&self->subscriber);
  g_clear_pointer (&self->n_dropped, g_free);
}

/* Most subscribers never drop anything. */
static void
drop_box_count_locked (AgentDropBox   *self,
                       AgentDropReason reason,
                       guint64         n)
{
  if (self->n_dropped == NULL)
    self->n_dropped = g_new0 (guint64, AGENT_N_DROP_REASONS);
  self->n_dropped[reason] += n;
}

static void
drop_box_read_locked (AgentDropBox *self,
                      guint64      *totals)
{
  gsize size = AGENT_N_DROP_REASONS * sizeof (guint64);

  if (self->n_dropped != NULL)
    memcpy (totals, self->n_dropped, size);
  else
    memset (totals, 0, size);
}

/* Returns the message that was the last one until now: (transfer full) (nullable). */
static AgentMessage *
drop_box_record_locked (AgentDropBox   *self,
                        AgentDropReason reason,
                        guint64         n,
                        AgentMessage   *message)
{
  AgentMessage *previous;

  if (self->records == NULL)
    self->records = g_new0 (AgentDropRecord, AGENT_N_DROP_REASONS);

  previous = self->records[reason].last;
  self->records[reason].n += n;
  self->records[reason].last = message;
  return previous;
}

/* Counts @n messages and takes @message, the last of them. FALSE: the box is closed, and @message is still the caller's.
 *
 * @previous: (out) (transfer full) (nullable): unref it after unlocking
 * @to_report: (out): tell the owner that there are drops, after unlocking */
gboolean
_agent_drop_box_add (AgentDropBox   *self,
                     AgentDropReason reason,
                     guint64         n,
                     AgentMessage   *message,
                     AgentMessage  **previous,
                     gboolean       *to_report)
{
  gboolean counted;

  _agent_spin_lock_lock (&self->lock);
  counted = self->subscriber != NULL;
  *to_report = counted && !self->reported;
  if (counted)
    {
      drop_box_count_locked (self, reason, n);
      *previous = drop_box_record_locked (self, reason, n, message);
      self->reported = TRUE;
    }
  _agent_spin_lock_unlock (&self->lock);

  return counted;
}

/* Takes the records that the owner was not told of yet: (transfer full) (nullable).
 *
 * @totals: (out): how many messages were dropped in all, by reason */
AgentDropRecord *
_agent_drop_box_take (AgentDropBox *self,
                      guint64      *totals)
{
  AgentDropRecord *records;

  _agent_spin_lock_lock (&self->lock);
  records = g_steal_pointer (&self->records);
  drop_box_read_locked (self, totals);
  self->reported = FALSE;
  _agent_spin_lock_unlock (&self->lock);

  return records;
}

void
_agent_drop_box_read (AgentDropBox *self,
                      guint64      *totals)
{
  _agent_spin_lock_lock (&self->lock);
  drop_box_read_locked (self, totals);
  _agent_spin_lock_unlock (&self->lock);
}

/* (transfer full) (nullable) */
gpointer
_agent_drop_box_dup_subscriber (AgentDropBox *self)
{
  GObject *subscriber = NULL;

  _agent_spin_lock_lock (&self->lock);
  g_set_object (&subscriber, self->subscriber);
  _agent_spin_lock_unlock (&self->lock);

  return subscriber;
}

/* Returns the subscriber: (transfer full).
 *
 * @has_drops: (out): whether the owner was not told of all drops yet */
gpointer
_agent_drop_box_close (AgentDropBox *self,
                       gboolean     *has_drops)
{
  GObject *subscriber;

  _agent_spin_lock_lock (&self->lock);
  subscriber = g_steal_pointer (&self->subscriber);
  *has_drops = self->reported;
  _agent_spin_lock_unlock (&self->lock);

  return subscriber;
}

gboolean
_agent_drop_box_is_closed (AgentDropBox *self)
{
  gboolean closed;

  _agent_spin_lock_lock (&self->lock);
  closed = self->subscriber == NULL;
  _agent_spin_lock_unlock (&self->lock);

  return closed;
}

/* Unrefs the messages of all reasons, with no lock held. */
void
_agent_drop_records_clear (AgentDropRecord *records)
{
  for (guint reason = 0; reason < AGENT_N_DROP_REASONS; reason++)
    g_clear_pointer (&records[reason].last, agent_message_unref);
}

/* The drops that the owner was not told of yet will not be told. With no lock held. */
void
_agent_drop_box_forget (AgentDropBox *self)
{
  guint64                     totals[AGENT_N_DROP_REASONS];
  g_autofree AgentDropRecord *records = _agent_drop_box_take (self, totals);

  if (records != NULL)
    _agent_drop_records_clear (records);
}
