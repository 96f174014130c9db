/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include <string.h>

#include "base/agent-debug-private.h"
#include "base/agent-signal-private.h"
#include "base/agent-string-hash-private.h"
#include "mailbox/agent-mailbox-private.h"

AgentMailbox *
_agent_mailbox_new (AgentMailboxOwner          *owner,
                    gpointer                    subscriber,
                    const AgentReceiver        *receiver,
                    const AgentMailboxSettings *settings)
{
  gsize         name_size = strlen (settings->name) + 1;
  AgentMailbox *self = g_malloc0 (sizeof (AgentMailbox) + name_size);

  g_atomic_ref_count_init (&self->ref_count);
  memcpy (self->name, settings->name, name_size);
  self->hash = _agent_string_hash (self->name, name_size - 1);
  atomic_init (&self->max_age, settings->limits.max_age);
  atomic_init (&self->checks, settings->limits.max_age != 0 ? AGENT_CHECK_AGE : 0);
  self->overflow = settings->overflow;
  self->owner = _agent_mailbox_owner_ref (owner);
  self->receiver = *receiver;
  _agent_channel_queue_init (&self->queues[AGENT_CHANNEL_SYSTEM], G_MAXUINT, 0);
  _agent_channel_queue_init (&self->queues[AGENT_CHANNEL_DATA], settings->limits.capacity, settings->limits.max_bytes);
  _agent_schedule_init (&self->schedule, self->queues);
  atomic_init (&self->schedule.paused, settings->paused ? AGENT_PAUSE_WANTED : 0);
  _agent_drop_box_init (&self->drops, subscriber);
  if (settings->group != NULL)
    _agent_mailbox_extras_get (&self->extras)->group = g_strdup (settings->group);

  return self;
}

/* Makes the inbox of @main, which has no limits, and no drop box of its own. */
AgentMailbox *
_agent_mailbox_new_inbox (AgentMailbox     *main,
                          AgentReceiverFunc handle)
{
  gsize         name_size = strlen (main->name) + 1;
  AgentMailbox *self = g_malloc0 (sizeof (AgentMailbox) + name_size);

  memcpy (self->name, main->name, name_size);
  self->hash = main->hash;
  self->owner = _agent_mailbox_owner_ref (main->owner);
  self->receiver.handle = handle;
  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    _agent_channel_queue_init (&self->queues[channel], G_MAXUINT, 0);
  _agent_schedule_init (&self->schedule, self->queues);

  return self;
}

/* Changes the limits of the data channel. What is queued stays. In any thread; if there may be more room, the caller calls
 * tell_progress(). */
void
_agent_mailbox_set_limits (AgentMailbox      *self,
                           const AgentLimits *limits)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_DATA];

  atomic_store (&self->max_age, limits->max_age);
  if (limits->max_age != 0)
    atomic_fetch_or (&self->checks, AGENT_CHECK_AGE);
  _agent_channel_queue_lock (queue);
  if (limits->max_age != 0)
    _agent_channel_queue_set_mark (queue, AGENT_QUEUE_SPENT);
  _agent_channel_queue_set_limits_locked (queue, limits->capacity, limits->max_bytes);
  _agent_channel_queue_unlock (queue);
}

AgentMailbox *
_agent_mailbox_ref (AgentMailbox *self)
{
  g_atomic_ref_count_inc (&_agent_mailbox_get_main (self)->ref_count);
  return self;
}

/* The last reference is gone. */
static void
mailbox_free (AgentMailbox *self)
{
  g_assert (self->schedule.hands == NULL);

  _agent_drop_box_clear (&self->drops);
  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    _agent_channel_queue_clear (&self->queues[channel]);
  _agent_mailbox_extras_clear (&self->extras);
  g_clear_pointer (&self->source, _agent_delivery_source_unref);
  _agent_mailbox_owner_unref (self->owner);
  g_free (self);
}

void
_agent_mailbox_unref (AgentMailbox *self)
{
  AgentMailbox *main = _agent_mailbox_get_main (self);

  if (!g_atomic_ref_count_dec (&main->ref_count))
    return;

  if (main->pair != NULL)
    mailbox_free (main->pair->inbox);
  g_clear_pointer (&main->pair, g_free);
  mailbox_free (main);
}

const char *
_agent_mailbox_get_name (AgentMailbox *self)
{
  return self->name;
}

/* The subscriber until it is released: (transfer full) (nullable). */
gpointer
_agent_mailbox_dup_subscriber (AgentMailbox *self)
{
  return _agent_drop_box_dup_subscriber (_agent_mailbox_get_drops (self));
}

/* (transfer full) (nullable) */
gpointer
_agent_mailbox_dup_bus (AgentMailbox *self)
{
  return self->owner->funcs->dup_bus (self->owner);
}

/* Whether a message would reach a handler. Also TRUE if the subscriber is released, since then nobody knows. */
gboolean
_agent_mailbox_is_heard (AgentMailbox *self)
{
  g_autoptr (GObject) subscriber = _agent_mailbox_dup_subscriber (self);

  return self->receiver.handle != NULL || self->receiver.always_emit || _agent_mailbox_intercepts (self) ||
         subscriber == NULL || _agent_signal_is_heard (subscriber, self->receiver.signal);
}

/* Warns once that nobody listens. With no lock held. */
void
_agent_mailbox_warn_unheard (AgentMailbox *self)
{
  if (_agent_mailbox_mark (self, AGENT_MARK_UNHEARD))
    g_warning ("Nobody listens to subscriber '%s': it has no handler of 'message', its class has no such virtual function, "
               "and nobody receives from it",
               self->name);
}

static gboolean
mailbox_is_pulled (AgentMailbox *self)
{
  return _agent_mailbox_has_mark (self, AGENT_MARK_PULLED) || atomic_load (&self->schedule.paused);
}

/* Warns once if nobody takes messages out: there is no handler, and nobody has received any or may do so yet. With no lock
 * held. */
void
_agent_mailbox_warn_if_unheard (AgentMailbox *self)
{
  if (!_agent_mailbox_is_heard (self) && !mailbox_is_pulled (self))
    _agent_mailbox_warn_unheard (self);
}

/* (transfer none) (nullable): which broadcasts the mailbox takes; NULL for all that have no topic */
AgentInterest *
_agent_mailbox_peek_interest (AgentMailbox *self)
{
  AgentMailboxExtras *extras = _agent_mailbox_extras_peek (&self->extras);

  return extras != NULL ? extras->interest : NULL;
}

/* As above, but makes it first if there is none. */
AgentInterest *
_agent_mailbox_get_interest (AgentMailbox *self)
{
  AgentMailboxExtras *extras = _agent_mailbox_extras_get (&self->extras);

  if (extras->interest == NULL)
    extras->interest = _agent_interest_new ();
  return extras->interest;
}

void
_agent_mailbox_count_failed (AgentMailbox *self)
{
  g_atomic_int_inc (&self->n_failed);
}

static void
mailbox_lock_queues (AgentMailbox *self)
{
  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    _agent_channel_queue_lock (&self->queues[channel]);
}

static void
mailbox_unlock_queues (AgentMailbox *self)
{
  for (AgentChannel channel = AGENT_N_CHANNELS; channel > 0; channel--)
    _agent_channel_queue_unlock (&self->queues[channel - 1]);
}

/* How many messages were pushed and not taken back. */
static guint64
mailbox_get_n_in_locked (AgentMailbox *self)
{
  return atomic_load (&self->queues[AGENT_CHANNEL_SYSTEM].n_in) + atomic_load (&self->queues[AGENT_CHANNEL_DATA].n_in);
}

/* A message counts as queued until it is known to be delivered, or dropped at its turn. All queues are locked, so no message comes in
 * or is taken back meanwhile. The number of delivered messages is read before, so that the difference is never negative. The
 * figures of the main mailbox include those of its inbox. */
void
_agent_mailbox_get_ledger (AgentMailbox *self,
                           AgentLedger  *ledger)
{
  AgentMailbox       *inbox = self->pair != NULL ? self->pair->inbox : NULL;
  AgentMailboxExtras *extras;

  ledger->failed = g_atomic_int_get (&self->n_failed);
  ledger->delivered = atomic_load (&self->n_delivered);
  if (inbox != NULL)
    ledger->delivered += atomic_load (&inbox->n_delivered);

  mailbox_lock_queues (self);
  if (inbox != NULL)
    mailbox_lock_queues (inbox);
  extras = _agent_mailbox_extras_peek (&self->extras);
  ledger->unhandled = extras != NULL ? g_atomic_int_get (&extras->n_unhandled) : 0;
  _agent_drop_box_read (&self->drops, ledger->dropped);
  ledger->moved = extras != NULL ? extras->n_moved : 0;
  ledger->queued = mailbox_get_n_in_locked (self) + _agent_mailbox_get_n_held_locked (self) + (inbox != NULL ? mailbox_get_n_in_locked (inbox) : 0) -
                   ledger->delivered - _agent_ledger_get_dropped_at_turn (ledger) +
                   (extras != NULL ? extras->gaps.n_purged : 0);
  if (inbox != NULL)
    mailbox_unlock_queues (inbox);
  mailbox_unlock_queues (self);
}

static void
mailbox_trace_drops (AgentMailbox   *self,
                     AgentDropReason reason,
                     guint64         n,
                     AgentMessage   *last)
{
  g_autofree char *what = g_strdup_printf ("dropped (%s), the last of %" G_GUINT64_FORMAT ", by",
                                           agent_drop_reason_to_string (reason),
                                           n);

  _agent_message_trace (last, what, self->name);
}

/* Counts @n dropped messages and takes @message, the last of them. May be called with the queue's lock held. FALSE: the
 * subscriber is released, and @message is still the caller's.
 *
 * @previous: (out) (transfer full) (nullable): unref it after unlocking
 * @to_report: (out): pass it to report_drops() after unlocking */
gboolean
_agent_mailbox_count_drops (AgentMailbox   *self,
                            AgentDropReason reason,
                            guint64         n,
                            AgentMessage   *message,
                            AgentMessage  **previous,
                            gboolean       *to_report)
{
  if (_agent_debug_is_on (AGENT_DEBUG_DROPS))
    mailbox_trace_drops (self, reason, n, message);

  return _agent_drop_box_add (_agent_mailbox_get_drops (self), reason, n, message, previous, to_report);
}

/* Tells the owner of the drops if count_drops() has set @to_report. With no lock held. */
void
_agent_mailbox_report_drops (AgentMailbox *self,
                             gboolean      to_report)
{
  if (to_report)
    self->owner->funcs->has_drops (self->owner, _agent_mailbox_get_main (self));
}

/* --- For the files that add messages --- */

/* The actor that a message of a dispatcher is for: the subscriber is the router of others too. (nullable) */
static const char *
mailbox_get_actor (AgentMessage *message)
{
  return message->origin != 0 ? agent_message_get_target (message) : NULL;
}

/* A TASK_CANCEL is about to be queued: from then on, the request that it cancels is dropped at its turn. May be called with
 * locks held. Does nothing for any other message. The requests are in the main mailbox, also if the TASK_CANCEL goes to the
 * inbox. */
void
_agent_mailbox_remember_cancel (AgentMailbox *self,
                                AgentMessage *cancel)
{
  AgentMailbox *main = _agent_mailbox_get_main (self);

  if (!_agent_message_is_task_cancel (cancel))
    return;

  _agent_cancels_add (_agent_mailbox_extras_get_cancels (_agent_mailbox_extras_get (&main->extras)),
                      cancel,
                      mailbox_get_actor (cancel));
  atomic_fetch_or (&main->checks, AGENT_CHECK_CANCELS);
}

/* Whether @message is a request that a TASK_CANCEL has cancelled which was queued here. In any thread, with locks held. */
gboolean
_agent_mailbox_has_cancelled (AgentMailbox *self,
                              AgentMessage *message)
{
  if ((atomic_load (&self->checks) & AGENT_CHECK_CANCELS) == 0)
    return FALSE;

  return _agent_cancels_matches (_agent_mailbox_extras_get_cancels (_agent_mailbox_extras_get (&self->extras)),
                                 message,
                                 mailbox_get_actor (message));
}

/* A system message has been queued. With no lock held.
 *
 * @claimed: whether the mailbox has to be scheduled for it
 * @cancel: (nullable): the message, if it is a CANCEL or TASK_CANCEL */
void
_agent_mailbox_add_system (AgentMailbox *self,
                           gboolean      claimed,
                           AgentMessage *cancel)
{
  AgentReadyList *list;

  if (!claimed && cancel == NULL)
    return;

  list = _agent_delivery_source_lock (self->source);
  /* The inbox has nothing in hand: what is cancelled is in that of the main mailbox. */
  if (cancel != NULL)
    _agent_schedule_cancel (&_agent_mailbox_get_main (self)->schedule, list, cancel);
  if (claimed)
    _agent_schedule_add (&self->schedule, list, AGENT_CHANNEL_SYSTEM);
  _agent_delivery_source_unlock (self->source);
}

/* --- For the watches --- */

/* Whether the message at @position, and so each one before it, is handled, or never will be. If not, the watches are told when
 * it may be. */
gboolean
_agent_mailbox_has_handled (AgentMailbox *self,
                            AgentChannel  channel,
                            guint64       position)
{
  gboolean handled;

  if (G_UNLIKELY ((position & AGENT_POSITION_IN_INBOX) != 0))
    {
      self = self->pair->inbox;
      channel = (position & AGENT_POSITION_OF_DATA) != 0 ? AGENT_CHANNEL_DATA : AGENT_CHANNEL_SYSTEM;
      position &= AGENT_POSITION_OF_DATA - 1;
    }

  _agent_delivery_source_lock (self->source);
  handled = _agent_schedule_has_handled (&self->schedule, channel, position);
  _agent_delivery_source_unlock (self->source);

  return handled;
}

/* Has the watches told from the subscriber's context. FALSE: that may take until a deferred delivery is completed, or until a
 * handler returns that iterates the context. */
gboolean
_agent_mailbox_ask_again (AgentMailbox *self)
{
  AgentReadyList *list = _agent_delivery_source_lock (self->source);
  gboolean        comes = _agent_schedule_ask_again (&self->schedule, list);

  _agent_delivery_source_unlock (self->source);
  return comes;
}

/* Messages may have been handled. With no lock held. */
void
_agent_mailbox_tell_progress (AgentMailbox *self)
{
  gint watched = _agent_schedule_take_watched (&self->schedule);

  if ((watched & AGENT_WATCH_SLOW) != 0)
    _agent_mailbox_look_for_recovery (self);
  if ((watched & (AGENT_WATCH_ROOM | AGENT_WATCH_PROGRESS)) != 0)
    _agent_mailbox_watches_tell (&self->owner->watches, _agent_mailbox_get_main (self), AGENT_MAILBOX_PROGRESSED);
}
