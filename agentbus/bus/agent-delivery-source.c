/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-delivery-private.h"
#include "agent-delivery-source-private.h"
#include "agent-ending-private.h"
#include "agent-mailbox-private.h"
#include "agent-yielding-source-private.h"

struct _AgentDeliverySource
{
  gint          ref_count;   /* (atomic) */
  GMainContext *context;     /* (owned) while there are mailboxes */
  guint         n_mailboxes; /* (sources_lock) */

  GMutex               lock;
  AgentYieldingSource *source;                  /* (lock) (nullable) NULL when the last mailbox has finished */
  GQueue               ready[AGENT_N_CHANNELS]; /* (lock) of AgentMailbox */
  gboolean             armed;                   /* (lock) */

  char padding[AGENT_CACHE_LINE];
  gint n_ready_system; /* (atomic) how long the first ready list is; looked at before each message */
};

static GMutex      sources_lock;
static GHashTable *sources; /* (sources_lock) GMainContext → AgentDeliverySource, both unowned */

/* --- Ready lists --- */

static void
push_ready_locked (AgentDeliverySource *self,
                   AgentMailbox        *mailbox,
                   AgentChannel         channel)
{
  AgentMailboxSchedule *schedule = &mailbox->schedule;

  if (schedule->finished || schedule->ready[channel])
    return;

  schedule->ready[channel] = TRUE;
  g_queue_push_tail_link (&self->ready[channel], &schedule->ready_links[channel]);
  if (channel == AGENT_CHANNEL_SYSTEM)
    g_atomic_int_inc (&self->n_ready_system);

  if (!self->armed)
    {
      self->armed = TRUE;
      _agent_yielding_source_be_urgent (self->source);
    }
}

static void
remove_ready_locked (AgentDeliverySource *self,
                     AgentMailbox        *mailbox,
                     AgentChannel         channel)
{
  AgentMailboxSchedule *schedule = &mailbox->schedule;

  if (!schedule->ready[channel])
    return;

  schedule->ready[channel] = FALSE;
  g_queue_unlink (&self->ready[channel], &schedule->ready_links[channel]);
  if (channel == AGENT_CHANNEL_SYSTEM)
    g_atomic_int_add (&self->n_ready_system, -1);
}

/* A held mailbox waits outside the lists, so that nobody comes for it in vain. */
static void
schedule_locked (AgentDeliverySource *self,
                 AgentMailbox        *mailbox,
                 AgentChannel         channel)
{
  if (mailbox->schedule.held)
    mailbox->schedule.parked[channel] = TRUE;
  else
    push_ready_locked (self, mailbox, channel);
}

static void
hold_locked (AgentDeliverySource *self,
             AgentMailbox        *mailbox)
{
  AgentMailboxSchedule *schedule = &mailbox->schedule;

  schedule->held = TRUE;
  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    {
      schedule->parked[channel] |= schedule->ready[channel];
      remove_ready_locked (self, mailbox, channel);
    }

  if (schedule->cancel_pending)
    push_ready_locked (self, mailbox, AGENT_CHANNEL_SYSTEM);
}

static gboolean
has_system_messages (AgentMailbox *mailbox)
{
  AgentChannelQueue *queue = &mailbox->queues[AGENT_CHANNEL_SYSTEM];
  guint64            length;

  _agent_channel_queue_lock (queue);
  length = _agent_channel_queue_get_length_locked (queue);
  _agent_channel_queue_unlock (queue);

  return length > 0;
}

static void
finish_locked (AgentDeliverySource *self,
               AgentMailbox        *mailbox)
{
  mailbox->schedule.finished = TRUE;
  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    remove_ready_locked (self, mailbox, channel);
}

/* Brings a closing mailbox to its end if nothing is under way. TRUE, once: the caller has to release it. */
static gboolean
settle_locked (AgentDeliverySource *self,
               AgentMailbox        *mailbox)
{
  AgentMailboxSchedule *schedule = &mailbox->schedule;

  if (schedule->closing && !schedule->finished && !schedule->serving && !schedule->held)
    {
      if (has_system_messages (mailbox))
        push_ready_locked (self, mailbox, AGENT_CHANNEL_SYSTEM);
      else
        finish_locked (self, mailbox);
    }

  if (!schedule->finished || schedule->serving || schedule->released)
    return FALSE;

  schedule->released = TRUE;
  return TRUE;
}

/* --- Dispatch --- */

static void
rest_locked (AgentDeliverySource *self)
{
  self->armed = FALSE;
  if (self->source != NULL)
    _agent_yielding_source_rest (self->source);
}

static void
begin (AgentDeliverySource *self)
{
  g_mutex_lock (&self->lock);
  if (self->source != NULL)
    _agent_yielding_source_begin (self->source);
  g_mutex_unlock (&self->lock);
}

/* The budget is spent: if there is more to do, it is a backlog. */
static void
yield (AgentDeliverySource *self)
{
  g_mutex_lock (&self->lock);
  if (self->armed && self->source != NULL)
    _agent_yielding_source_be_polite (self->source);
  g_mutex_unlock (&self->lock);
}

static AgentMailbox *
take_next_locked (AgentDeliverySource *self,
                  AgentChannel        *channel)
{
  for (*channel = 0; *channel < AGENT_N_CHANNELS; (*channel)++)
    {
      AgentMailbox *mailbox = g_queue_peek_head (&self->ready[*channel]);

      if (mailbox != NULL)
        {
          remove_ready_locked (self, mailbox, *channel);
          mailbox->schedule.serving = TRUE;
          return mailbox;
        }
    }

  return NULL;
}

static GCancellable *
take_pending_cancel_locked (AgentMailbox *mailbox)
{
  if (!mailbox->schedule.cancel_pending)
    return NULL;

  mailbox->schedule.cancel_pending = FALSE;
  return g_object_ref (mailbox->cancellable);
}

/* Nothing is in hand. */
static void
note_handled_locked (AgentMailbox *mailbox)
{
  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    mailbox->schedule.n_handled[channel] = mailbox->queues[channel].n_passed;
}

static void
put_back (AgentDeliverySource *self,
          AgentMailbox        *mailbox,
          AgentChannel         channel,
          gboolean             more)
{
  gboolean release;
  gboolean watched;

  g_mutex_lock (&self->lock);
  mailbox->schedule.serving = FALSE;
  if (g_atomic_pointer_get (&mailbox->delivery) != NULL)
    hold_locked (self, mailbox);
  else
    note_handled_locked (mailbox);
  if (more)
    schedule_locked (self, mailbox, channel);
  release = settle_locked (self, mailbox);
  watched = !release && _agent_mailbox_is_watched (mailbox);
  if (watched)
    _agent_mailbox_ref (mailbox);
  g_mutex_unlock (&self->lock);

  if (release)
    _agent_mailbox_release (mailbox);
  if (watched)
    {
      _agent_mailbox_tell_progress (mailbox);
      _agent_mailbox_unref (mailbox);
    }
}

/* FALSE: there is nothing to do. */
static gboolean
serve_next (AgentDeliverySource *self,
            AgentBudget         *budget)
{
  g_autoptr (GCancellable) cancellable = NULL;
  AgentMailbox *mailbox;
  AgentChannel  channel;
  gboolean      held;
  gboolean      more = FALSE;

  g_mutex_lock (&self->lock);
  mailbox = take_next_locked (self, &channel);
  if (mailbox == NULL)
    {
      rest_locked (self);
      g_mutex_unlock (&self->lock);
      return FALSE;
    }
  held = mailbox->schedule.held;
  cancellable = take_pending_cancel_locked (mailbox);
  g_mutex_unlock (&self->lock);

  if (cancellable != NULL)
    g_cancellable_cancel (cancellable);
  if (!held)
    more = _agent_mailbox_serve (mailbox, channel, budget);
  put_back (self, mailbox, channel, more);

  return TRUE;
}

static void
dispatch (gpointer data)
{
  AgentDeliverySource *self = data;
  AgentBudget          budget;

  begin (self);
  _agent_budget_init (&budget);
  while (!_agent_budget_is_spent (&budget) && serve_next (self, &budget))
    ;
  if (_agent_budget_is_spent (&budget))
    yield (self);
}

AgentDeliverySource *
_agent_delivery_source_ref (AgentDeliverySource *self)
{
  g_atomic_int_inc (&self->ref_count);
  return self;
}

void
_agent_delivery_source_unref (AgentDeliverySource *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;

  g_assert (self->source == NULL);

  g_mutex_clear (&self->lock);
  g_free (self);
}

static AgentDeliverySource *
delivery_source_new (GMainContext *context)
{
  AgentDeliverySource *self = g_new0 (AgentDeliverySource, 1);

  self->ref_count = 1;
  self->context = g_main_context_ref (context);
  g_mutex_init (&self->lock);
  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    g_queue_init (&self->ready[channel]);
  self->source = _agent_yielding_source_new (context,
                                             "[agentbus] delivery",
                                             dispatch,
                                             _agent_delivery_source_ref (self),
                                             (GDestroyNotify) _agent_delivery_source_unref);

  return self;
}

/* One more mailbox in @context. Wants a put() when it has finished, and an unref() when it is gone. */
AgentDeliverySource *
_agent_delivery_source_get (GMainContext *context)
{
  AgentDeliverySource *self;

  g_mutex_lock (&sources_lock);
  if (sources == NULL)
    sources = g_hash_table_new (NULL, NULL);
  self = g_hash_table_lookup (sources, context);
  if (self == NULL)
    {
      self = delivery_source_new (context);
      g_hash_table_insert (sources, context, self);
    }
  else
    {
      _agent_delivery_source_ref (self);
    }
  self->n_mailboxes++;
  g_mutex_unlock (&sources_lock);

  return self;
}

static gboolean
forget_mailbox (AgentDeliverySource *self)
{
  gboolean last;

  g_mutex_lock (&sources_lock);
  last = --self->n_mailboxes == 0;
  if (last)
    g_hash_table_remove (sources, self->context);
  if (last && g_hash_table_size (sources) == 0)
    g_clear_pointer (&sources, g_hash_table_unref);
  g_mutex_unlock (&sources_lock);

  return last;
}

/* A mailbox has finished and will not arm the source again. With the last one the GSource goes, while there is
 * still a reference on its context: nobody may touch it once the context is gone. */
void
_agent_delivery_source_put (AgentDeliverySource *self)
{
  AgentYieldingSource *source;

  if (!forget_mailbox (self))
    return;

  g_mutex_lock (&self->lock);
  source = g_steal_pointer (&self->source);
  g_mutex_unlock (&self->lock);

  _agent_yielding_source_free (source);
  g_main_context_unref (self->context);
}

void
_agent_delivery_source_add (AgentDeliverySource *self,
                            AgentMailbox        *mailbox,
                            AgentChannel         channel)
{
  g_mutex_lock (&self->lock);
  schedule_locked (self, mailbox, channel);
  g_mutex_unlock (&self->lock);
}

gboolean
_agent_delivery_source_has_system (AgentDeliverySource *self)
{
  return g_atomic_int_get (&self->n_ready_system) > 0;
}

/* --- Ending --- */

/* Wants the data channel closed and emptied. TRUE: the caller has to release the mailbox. */
gboolean
_agent_delivery_source_close (AgentDeliverySource *self,
                              AgentMailbox        *mailbox)
{
  gboolean release;

  g_mutex_lock (&self->lock);
  mailbox->schedule.closing = TRUE;
  mailbox->schedule.parked[AGENT_CHANNEL_DATA] = FALSE;
  remove_ready_locked (self, mailbox, AGENT_CHANNEL_DATA);
  release = settle_locked (self, mailbox);
  g_mutex_unlock (&self->lock);

  return release;
}

/* Wants both channels closed and emptied. TRUE, once: the mailbox had not finished. @release says whether the caller has
 * to release it. */
gboolean
_agent_delivery_source_abandon (AgentDeliverySource *self,
                                AgentMailbox        *mailbox,
                                gboolean            *release)
{
  gboolean first;

  g_mutex_lock (&self->lock);
  first = !mailbox->schedule.finished;
  if (first)
    {
      mailbox->schedule.abandoned = TRUE;
      finish_locked (self, mailbox);
    }
  *release = settle_locked (self, mailbox);
  g_mutex_unlock (&self->lock);

  return first;
}

/* FALSE: the mailbox has left already. */
gboolean
_agent_delivery_source_add_ending (AgentDeliverySource *self,
                                   AgentMailbox        *mailbox,
                                   AgentEnding         *ending)
{
  gboolean added;

  g_mutex_lock (&self->lock);
  added = !mailbox->schedule.left;
  if (added)
    mailbox->schedule.endings = g_slist_prepend (mailbox->schedule.endings, _agent_ending_ref (ending));
  g_mutex_unlock (&self->lock);

  return added;
}

gboolean
_agent_delivery_source_is_attached (AgentDeliverySource *self,
                                    AgentMailbox        *mailbox)
{
  gboolean attached;

  g_mutex_lock (&self->lock);
  attached = !mailbox->schedule.left;
  g_mutex_unlock (&self->lock);

  return attached;
}

/* See _agent_mailbox_has_handled(). Data that a closing mailbox has not in hand by now, it never will. */
gboolean
_agent_delivery_source_has_handled (AgentDeliverySource *self,
                                    AgentMailbox        *mailbox,
                                    AgentChannel         channel,
                                    guint64              position)
{
  AgentMailboxSchedule *schedule = &mailbox->schedule;
  gboolean              handled;

  g_mutex_lock (&self->lock);
  handled = schedule->finished || position <= schedule->n_handled[channel] ||
            (channel == AGENT_CHANNEL_DATA && schedule->closing && !schedule->serving && !schedule->held);
  if (!handled)
    atomic_store (&mailbox->watched, TRUE);
  g_mutex_unlock (&self->lock);

  return handled;
}

/* The release is through. Returns who is to be told: (transfer full). */
GSList *
_agent_delivery_source_leave (AgentDeliverySource *self,
                              AgentMailbox        *mailbox)
{
  GSList *endings;

  g_mutex_lock (&self->lock);
  mailbox->schedule.left = TRUE;
  endings = g_steal_pointer (&mailbox->schedule.endings);
  g_mutex_unlock (&self->lock);

  return endings;
}

/* --- Deferred deliveries --- */

static gboolean
cancels (AgentMessage *cancel,
         AgentMessage *message)
{
  /* What came by a dispatcher is for one actor, not for all that the router serves. */
  if (cancel->origin != 0 && g_strcmp0 (agent_message_get_target (cancel), agent_message_get_target (message)) != 0)
    return FALSE;

  return agent_message_get_message_type (cancel) == AGENT_MESSAGE_TYPE_CANCEL ||
         g_strcmp0 (agent_message_get_task_id (cancel), agent_message_get_task_id (message)) == 0;
}

/* A cancel that came while the handler was running counts as well: the message was in hand by then. */
void
_agent_delivery_source_defer (AgentDeliverySource *self,
                              AgentMailbox        *mailbox,
                              AgentDelivery       *delivery)
{
  gboolean cancelled = FALSE;

  g_mutex_lock (&self->lock);
  mailbox->cancellable = g_object_ref (agent_delivery_get_cancellable (delivery));
  g_atomic_pointer_set (&mailbox->delivery, delivery);
  for (guint i = 0; mailbox->cancels != NULL && i < mailbox->cancels->len; i++)
    cancelled |= cancels (mailbox->cancels->pdata[i], mailbox->current);
  g_mutex_unlock (&self->lock);

  if (cancelled)
    {
      _agent_delivery_request_cancel (delivery);
      g_cancellable_cancel (agent_delivery_get_cancellable (delivery));
    }
}

/* The delivery is over. */
void
_agent_delivery_source_resume (AgentDeliverySource *self,
                               AgentMailbox        *mailbox)
{
  AgentMailboxSchedule *schedule = &mailbox->schedule;
  GCancellable         *cancellable;

  g_mutex_lock (&self->lock);
  g_atomic_pointer_set (&mailbox->delivery, NULL);
  cancellable = g_steal_pointer (&mailbox->cancellable);
  schedule->cancel_pending = FALSE;

  if (schedule->held)
    {
      schedule->held = FALSE;
      note_handled_locked (mailbox);
      for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
        {
          if (schedule->parked[channel])
            push_ready_locked (self, mailbox, channel);
          schedule->parked[channel] = FALSE;
        }
      if (schedule->closing)
        push_ready_locked (self, mailbox, AGENT_CHANNEL_SYSTEM);
    }
  g_mutex_unlock (&self->lock);

  g_clear_object (&cancellable);
  _agent_mailbox_tell_progress (mailbox);
}

static void
keep_cancel_locked (AgentMailbox *mailbox,
                    AgentMessage *message)
{
  if (mailbox->cancels == NULL)
    mailbox->cancels = g_ptr_array_new_with_free_func ((GDestroyNotify) agent_message_unref);

  g_ptr_array_add (mailbox->cancels, agent_message_ref (message));
  g_atomic_int_set (&mailbox->n_cancels, mailbox->cancels->len);
}

/* @message, a CANCEL or a TASK_CANCEL, has come. The cancellable is tripped in the subscriber's context, for the
 * application may have connected to it. */
void
_agent_delivery_source_cancel (AgentDeliverySource *self,
                               AgentMailbox        *mailbox,
                               AgentMessage        *message)
{
  AgentDelivery *delivery;

  g_mutex_lock (&self->lock);
  delivery = g_atomic_pointer_get (&mailbox->delivery);
  if (delivery == NULL)
    {
      if (mailbox->schedule.serving)
        keep_cancel_locked (mailbox, message);
    }
  else if (cancels (message, agent_delivery_get_message (delivery)))
    {
      _agent_delivery_request_cancel (delivery);
      mailbox->schedule.cancel_pending = TRUE;
      push_ready_locked (self, mailbox, AGENT_CHANNEL_SYSTEM);
    }
  g_mutex_unlock (&self->lock);
}

void
_agent_delivery_source_forget_cancels (AgentDeliverySource *self,
                                       AgentMailbox        *mailbox)
{
  GPtrArray *old;

  g_mutex_lock (&self->lock);
  old = g_steal_pointer (&mailbox->cancels);
  g_atomic_int_set (&mailbox->n_cancels, 0);
  g_mutex_unlock (&self->lock);

  g_clear_pointer (&old, g_ptr_array_unref);
}
