/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-yielding-source-private.h"
#include "bus/agent-delivery-private.h"
#include "bus/agent-ending-private.h"
#include "mailbox/agent-delivery-source-private.h"
#include "mailbox/agent-mailbox-private.h"

struct _AgentDeliverySource
{
  gint          ref_count;   /* (atomic) */
  GMainContext *context;     /* (owned) while there are mailboxes */
  guint         n_mailboxes; /* (sources_lock) */
  gint          luck;        /* (the context's thread) whether it paid to wait for more */
  guint         patience;    /* (the context's thread) how long */
  AgentMailbox *served;      /* (the context's thread) (nullable) whose handler may be running */

  /* The receiver looks at the number for each message. Senders of data seldom come here. */
  char                 padding[AGENT_CACHE_LINE];
  GMutex               lock;
  AgentYieldingSource *source;                  /* (lock) (nullable) NULL when the last mailbox has finished */
  GQueue               ready[AGENT_N_CHANNELS]; /* (lock) of AgentMailbox */
  gint                 n_ready_system;          /* (atomic) how long the first ready list is */
  guint                round;                   /* (lock) an even number, of the last time that it was armed */
  gboolean             to_wake;                 /* (lock) the context is to be woken up, see unlock() */
  gint                 n_waking;                /* (atomic) how many threads do that */

  /* What senders of data change. */
  char                     padding2[AGENT_CACHE_LINE];
  _Atomic (AgentMailbox *) incoming; /* (nullable) those that got data, the last one first */
  _Atomic guint            armed;    /* 0, or the round and ARMING; but for ARMING, changed with the lock held */
};

/* Somebody has taken it upon himself to wake up the context, and may not have come to it yet. */
#define ARMING 1u

/* Microseconds: to wake up a context takes about as long. */
#define NAP 5

/* How the context waits for more before it goes to sleep. To be woken up costs it more than that. */
#define MAX_WAIT 6        /* µs */
#define LOOKS_PER_TICK 16 /* between two looks at the clock */
#define MAX_PATIENCE 256  /* looks for system messages only, before any at the incoming ones */
#define GOOD_BATCH 32     /* messages that are worth a look */
#define MAX_LUCK 32

/* How many messages are looked through while senders of system messages wait. */
#define LOOKS_PER_LOCK 64

static GMutex      sources_lock;
static GHashTable *sources; /* (sources_lock) GMainContext → AgentDeliverySource, both unowned */

/* --- Ready lists --- */

/* Whether the context will come, or is here, without anybody else doing something about it. */
static gboolean
is_armed (AgentDeliverySource *self)
{
  guint armed = atomic_load (&self->armed);

  return armed != 0 && (armed & ARMING) == 0;
}

static guint
next_round_locked (AgentDeliverySource *self)
{
  self->round += 2;
  if (self->round == 0)
    self->round += 2;

  return self->round;
}

/* The context is here: nobody has to wake it up. If mailboxes were sorted in just before, that is not urgent any more. */
static void
set_armed_locked (AgentDeliverySource *self)
{
  self->to_wake = FALSE;
  atomic_store (&self->armed, next_round_locked (self));
}

/* Whoever finds that another thread is about to wake up the context does so as well. That thread may have been stopped, and
 * a context that is woken up twice does nothing more. */
static void
arm_locked (AgentDeliverySource *self)
{
  if (is_armed (self) || self->source == NULL)
    return;

  if (atomic_load (&self->armed) == 0)
    atomic_store (&self->armed, next_round_locked (self) | ARMING);
  self->to_wake = TRUE;
}

/* The context needs the lock as soon as it is awake: so it is woken up when the lock is free. A wakeup that comes too late
 * is in vain, and does no harm. */
static void
unlock_and_wake (AgentDeliverySource *self)
{
  AgentYieldingSource *source = self->source;
  guint                armed = atomic_load (&self->armed);

  self->to_wake = FALSE;
  g_atomic_int_inc (&self->n_waking);
  g_mutex_unlock (&self->lock);

  _agent_yielding_source_be_urgent (source);
  atomic_compare_exchange_strong (&self->armed, &armed, armed & ~ARMING);
  g_atomic_int_add (&self->n_waking, -1);
}

static void
unlock (AgentDeliverySource *self)
{
  if (G_UNLIKELY (self->to_wake))
    unlock_and_wake (self);
  else
    g_mutex_unlock (&self->lock);
}

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

  arm_locked (self);
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

/* Whether its next message has to wait until a deferred delivery is over, or until a handler returns that iterates the
 * context. */
static gboolean
is_busy (AgentMailbox *mailbox)
{
  return mailbox->schedule.held || mailbox->schedule.nesting;
}

/* A busy mailbox waits outside the lists, so that nobody comes for it in vain. */
static void
schedule_locked (AgentDeliverySource *self,
                 AgentMailbox        *mailbox,
                 AgentChannel         channel)
{
  if (is_busy (mailbox))
    mailbox->schedule.parked[channel] = TRUE;
  else
    push_ready_locked (self, mailbox, channel);
}

/* --- Incoming mailboxes --- */

/*
 * Data comes often: so its mailbox goes on a stack, without the lock. The stack keeps nobody alive: whoever pushes a
 * mailbox that has finished meanwhile takes it off again, and a mailbox that finishes is taken off before that.
 */
static void
push_incoming (AgentDeliverySource *self,
               AgentMailbox        *mailbox)
{
  AgentMailbox *head;

  if (atomic_exchange (&mailbox->is_incoming, TRUE))
    return;

  /* Relaxed: the exchange below fails if this is not the newest. */
  head = atomic_load_explicit (&self->incoming, memory_order_relaxed);
  do
    mailbox->next_incoming = head;
  while (!atomic_compare_exchange_weak (&self->incoming, &head, mailbox));
}

/* In the order they came: (nullable). The load is sequentially consistent, for who has just stored that the source is not
 * armed or that a mailbox has finished: a sender first pushes, and then looks at those two. At least one of both sees what
 * the other has stored. */
static AgentMailbox *
take_incoming (AgentDeliverySource *self)
{
  AgentMailbox *mailbox = atomic_load (&self->incoming);
  AgentMailbox *first = NULL;

  if (mailbox == NULL)
    return NULL;

  for (mailbox = atomic_exchange (&self->incoming, NULL); mailbox != NULL;)
    {
      AgentMailbox *next = mailbox->next_incoming;

      mailbox->next_incoming = first;
      first = mailbox;
      mailbox = next;
    }

  return first;
}

/* From here on it may come in again. */
static AgentMailbox *
leave_incoming (AgentMailbox *mailbox)
{
  AgentMailbox *next = mailbox->next_incoming;

  atomic_store (&mailbox->is_incoming, FALSE);
  return next;
}

static void
sort_incoming_locked (AgentDeliverySource *self)
{
  for (AgentMailbox *mailbox = take_incoming (self); mailbox != NULL;)
    {
      AgentMailbox *next = leave_incoming (mailbox);

      schedule_locked (self, mailbox, AGENT_CHANNEL_DATA);
      mailbox = next;
    }
}

/* Out of the lists. */
static void
set_aside_locked (AgentDeliverySource *self,
                  AgentMailbox        *mailbox)
{
  AgentMailboxSchedule *schedule = &mailbox->schedule;

  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    {
      schedule->parked[channel] |= schedule->ready[channel];
      remove_ready_locked (self, mailbox, channel);
    }

  /* Only to trip the cancellable. */
  if (schedule->cancel_pending)
    push_ready_locked (self, mailbox, AGENT_CHANNEL_SYSTEM);
}

/* And back. */
static void
bring_back_locked (AgentDeliverySource *self,
                   AgentMailbox        *mailbox)
{
  AgentMailboxSchedule *schedule = &mailbox->schedule;

  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    {
      if (schedule->parked[channel])
        push_ready_locked (self, mailbox, channel);
      schedule->parked[channel] = FALSE;
    }
}

static void
hold_locked (AgentDeliverySource *self,
             AgentMailbox        *mailbox)
{
  mailbox->schedule.held = TRUE;
  set_aside_locked (self, mailbox);
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
  atomic_store (&mailbox->is_finished, TRUE);
  sort_incoming_locked (self);
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

  /* Who gives messages back wants the mailbox until they are all where they came from. */
  if (!schedule->finished || schedule->serving || schedule->released || schedule->n_returning > 0)
    return FALSE;

  schedule->released = TRUE;
  return TRUE;
}

/* --- Dispatch --- */

static gboolean
has_ready_locked (AgentDeliverySource *self)
{
  return self->ready[AGENT_CHANNEL_SYSTEM].length > 0 || self->ready[AGENT_CHANNEL_DATA].length > 0;
}

/* FALSE: something has come, and the context goes on. A sender that pushes after the last look at the stack sees that the
 * source has to be armed. */
static gboolean
rest_locked (AgentDeliverySource *self)
{
  atomic_store (&self->armed, 0);
  sort_incoming_locked (self);
  if (has_ready_locked (self))
    {
      set_armed_locked (self);
      return FALSE;
    }

  if (self->source != NULL)
    _agent_yielding_source_rest (self->source);
  return TRUE;
}

static gboolean
rest (AgentDeliverySource *self)
{
  gboolean resting;

  g_mutex_lock (&self->lock);
  resting = rest_locked (self);
  unlock (self);

  return resting;
}

/* The handler that iterates its context is never entered again: its mailbox is set aside until it returns. The others go
 * on. */
static void
set_served_aside_locked (AgentDeliverySource *self)
{
  if (self->served == NULL || self->served->schedule.nesting)
    return;

  self->served->schedule.nesting = TRUE;
  set_aside_locked (self, self->served);
}

/* An AgentYieldingNested. */
static gboolean
is_needed_in_handler (gpointer data)
{
  AgentDeliverySource *self = data;
  gboolean             needed;

  g_mutex_lock (&self->lock);
  set_served_aside_locked (self);
  needed = !rest_locked (self);
  unlock (self);

  return needed;
}

/* Looks after the handler as well: GLib does not ask is_needed_in_handler() if an earlier iteration found the source ready and
 * did not come to dispatch it. */
static void
begin (AgentDeliverySource *self)
{
  g_mutex_lock (&self->lock);
  set_served_aside_locked (self);
  set_armed_locked (self);
  if (self->source != NULL)
    _agent_yielding_source_begin (self->source);
  unlock (self);
}

/* The budget is spent: if there is more to do, it is a backlog. What is left of it is known when the lists are empty. */
static void
yield (AgentDeliverySource *self)
{
  g_mutex_lock (&self->lock);
  if (self->source != NULL && !rest_locked (self))
    _agent_yielding_source_be_polite (self->source);
  unlock (self);
}

static AgentMailbox *
take_next_locked (AgentDeliverySource *self,
                  AgentChannel        *channel)
{
  sort_incoming_locked (self);
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

/* Wants that no message is in hand. */
static void
note_handled_locked (AgentMailbox *mailbox)
{
  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    mailbox->schedule.n_handled[channel] = atomic_load (&mailbox->queues[channel].n_kept_out);
}

/* What is left to do for a mailbox that was served, with no lock held. */
typedef enum
{
  AFTERWARDS_NOTHING,
  AFTERWARDS_RELEASE,
  AFTERWARDS_TELL, /* with a reference: its progress is watched */
} Afterwards;

static Afterwards
put_back_locked (AgentDeliverySource *self,
                 AgentMailbox        *mailbox,
                 AgentChannel         channel,
                 gboolean             more)
{
  gboolean was_busy = is_busy (mailbox);

  mailbox->schedule.serving = FALSE;
  mailbox->schedule.nesting = FALSE;
  if (g_atomic_pointer_get (&mailbox->delivery) != NULL)
    hold_locked (self, mailbox);
  else
    note_handled_locked (mailbox);
  if (was_busy && !is_busy (mailbox))
    bring_back_locked (self, mailbox);
  if (more)
    schedule_locked (self, mailbox, channel);

  if (settle_locked (self, mailbox))
    return AFTERWARDS_RELEASE;
  if (!_agent_mailbox_is_watched (mailbox))
    return AFTERWARDS_NOTHING;

  _agent_mailbox_ref (mailbox);
  return AFTERWARDS_TELL;
}

static void
finish_up (AgentMailbox *mailbox,
           Afterwards    afterwards)
{
  if (afterwards == AFTERWARDS_RELEASE)
    {
      _agent_mailbox_release (mailbox);
    }
  else if (afterwards == AFTERWARDS_TELL)
    {
      _agent_mailbox_tell_progress (mailbox);
      _agent_mailbox_unref (mailbox);
    }
}

/* Trips what is to be tripped and hands out messages, without the lock. A busy mailbox is here for the former only. */
static gboolean
serve_unlocked (AgentDeliverySource *self,
                AgentMailbox        *mailbox,
                AgentChannel         channel,
                GCancellable        *cancellable,
                gboolean             busy,
                AgentBudget         *budget)
{
  AgentMailbox *served_before = self->served;
  gboolean      more = FALSE;

  self->served = mailbox;
  if (cancellable != NULL)
    g_cancellable_cancel (cancellable);
  if (!busy)
    more = _agent_mailbox_serve (mailbox, channel, budget);
  self->served = served_before;

  return more;
}

/* Lets go of the lock meanwhile. A mailbox whose handler iterates the context is put back where that handler was called. */
static void
serve_locked (AgentDeliverySource *self,
              AgentMailbox        *mailbox,
              AgentChannel         channel,
              AgentBudget         *budget)
{
  g_autoptr (GCancellable) cancellable = take_pending_cancel_locked (mailbox);
  gboolean   nesting = mailbox->schedule.nesting;
  gboolean   busy = is_busy (mailbox);
  gboolean   more;
  Afterwards afterwards;

  unlock (self);
  more = serve_unlocked (self, mailbox, channel, cancellable, busy, budget);
  g_clear_object (&cancellable);
  g_mutex_lock (&self->lock);

  if (nesting)
    return;

  afterwards = put_back_locked (self, mailbox, channel, more);
  if (afterwards != AFTERWARDS_NOTHING)
    {
      unlock (self);
      finish_up (mailbox, afterwards);
      g_mutex_lock (&self->lock);
    }
}

/* Until there is nothing to do, or the budget is spent. */
static void
serve (AgentDeliverySource *self,
       AgentBudget         *budget)
{
  AgentMailbox *mailbox;
  AgentChannel  channel;

  g_mutex_lock (&self->lock);
  while (!_agent_budget_is_spent (budget) && (mailbox = take_next_locked (self, &channel)) != NULL)
    serve_locked (self, mailbox, channel, budget);
  unlock (self);
}

/* The more a look brings, the longer the next one can wait: to look means to take from the senders' processors what they
 * are working with. */
static void
learn (AgentDeliverySource *self,
       guint                n_handled)
{
  if (n_handled < 2)
    self->patience /= 2;
  else if (n_handled < GOOD_BATCH)
    self->patience = MIN (self->patience + self->patience / 2 + 4, MAX_PATIENCE);
  else if (n_handled > 2 * GOOD_BATCH)
    self->patience -= self->patience / 4;
}

static gboolean
look_for_more (AgentDeliverySource *self)
{
  gint64 end = g_get_monotonic_time () + MAX_WAIT;

  for (guint i = 0; i < self->patience || i % LOOKS_PER_TICK != 0 || g_get_monotonic_time () < end; i++)
    {
      /* Relaxed: this is a guess, and what it finds is looked at again with the lock held. */
      if (_agent_delivery_source_has_system (self) ||
          (i >= self->patience && atomic_load_explicit (&self->incoming, memory_order_relaxed) != NULL))
        return TRUE;
      agent_cpu_relax ();
    }

  return FALSE;
}

/* There is nothing to do any more. Where messages come one after the other from another thread, the next one will be here
 * before that thread could have woken this one up: so look a few times before going to sleep. System messages need not
 * be waited for, as they are not many. */
static gboolean
wait_for_more (AgentDeliverySource *self,
               guint                n_handled)
{
  /* Where it did not pay, try again once in a while. */
  if (self->luck < 0)
    {
      self->luck++;
      return FALSE;
    }

  learn (self, n_handled);
  if (look_for_more (self))
    {
      self->luck = MIN (self->luck + 1, MAX_LUCK);
      return TRUE;
    }

  self->patience = 0;
  self->luck = self->luck > 0 ? self->luck / 2 : -MAX_LUCK;
  return FALSE;
}

static void
dispatch (gpointer data)
{
  AgentDeliverySource *self = data;
  AgentBudget          budget;

  begin (self);
  _agent_budget_init (&budget);
  while (!_agent_budget_is_spent (&budget))
    {
      gint n_before = budget.n_left;

      serve (self, &budget);
      if (!_agent_budget_is_spent (&budget) && !wait_for_more (self, n_before - budget.n_left) && rest (self))
        return;
    }

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
                                             is_needed_in_handler,
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
 * still a reference on its context: nobody may touch it once the context is gone. Who is just waking it up is waited
 * for. */
void
_agent_delivery_source_put (AgentDeliverySource *self)
{
  AgentYieldingSource *source;

  if (!forget_mailbox (self))
    return;

  g_mutex_lock (&self->lock);
  source = g_steal_pointer (&self->source);
  atomic_store (&self->armed, 0);
  unlock (self);

  while (g_atomic_int_get (&self->n_waking) > 0)
    g_usleep (NAP);
  _agent_yielding_source_free (source);
  g_main_context_unref (self->context);
}

void
_agent_delivery_source_add_data (AgentDeliverySource *self,
                                 AgentMailbox        *mailbox)
{
  push_incoming (self, mailbox);
  if (is_armed (self) && !atomic_load (&mailbox->is_finished))
    return;

  g_mutex_lock (&self->lock);
  sort_incoming_locked (self);
  if (has_ready_locked (self))
    arm_locked (self);
  unlock (self);
}

/* See _agent_mailbox_ask_again(). Nobody claims that there is no room: so messages of others go on coming in. */
gboolean
_agent_delivery_source_ask_again (AgentDeliverySource *self,
                                  AgentMailbox        *mailbox)
{
  gboolean comes;

  g_mutex_lock (&self->lock);
  comes = !is_busy (mailbox) && !mailbox->schedule.finished;
  if (comes)
    {
      atomic_fetch_or (&mailbox->watched, AGENT_WATCH_PROGRESS);
      schedule_locked (self, mailbox, AGENT_CHANNEL_DATA);
    }
  unlock (self);

  return comes;
}

gboolean
_agent_delivery_source_has_system (AgentDeliverySource *self)
{
  return g_atomic_int_get (&self->n_ready_system) > 0;
}

/* --- Ending --- */

/* Wants the data channel closed and emptied. What follows is up to end_return(). */
void
_agent_delivery_source_close (AgentDeliverySource *self,
                              AgentMailbox        *mailbox)
{
  g_mutex_lock (&self->lock);
  mailbox->schedule.closing = TRUE;
  mailbox->schedule.parked[AGENT_CHANNEL_DATA] = FALSE;
  remove_ready_locked (self, mailbox, AGENT_CHANNEL_DATA);
  unlock (self);
}

/* Wants both channels closed and emptied. TRUE, once: the mailbox had not finished. The release is up to end_return().
 * @in_hand: (out) (transfer full) (nullable): the message of a delivery that nobody waits for any more, if its source is to
 * be told */
gboolean
_agent_delivery_source_abandon (AgentDeliverySource *self,
                                AgentMailbox        *mailbox,
                                AgentMessage       **in_hand)
{
  AgentDelivery *delivery;
  gboolean       first;

  g_mutex_lock (&self->lock);
  first = !mailbox->schedule.finished;
  if (first)
    {
      mailbox->schedule.abandoned = TRUE;
      delivery = g_atomic_pointer_get (&mailbox->delivery);
      *in_hand = delivery != NULL ? _agent_delivery_take_loss (delivery) : NULL;
      finish_locked (self, mailbox);
    }
  unlock (self);

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
  unlock (self);

  return added;
}

gboolean
_agent_delivery_source_is_attached (AgentDeliverySource *self,
                                    AgentMailbox        *mailbox)
{
  gboolean attached;

  g_mutex_lock (&self->lock);
  attached = !mailbox->schedule.left;
  unlock (self);

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
  handled = schedule->n_returning == 0 &&
            (schedule->finished || position <= schedule->n_handled[channel] ||
             (channel == AGENT_CHANNEL_DATA && schedule->closing && !schedule->serving && !schedule->held));
  if (!handled)
    atomic_fetch_or (&mailbox->watched, AGENT_WATCH_PROGRESS);
  unlock (self);

  return handled;
}

/* From here on until end_return(), what was in the channels may be on its way back to who handed it over: nothing counts as
 * handled, and the mailbox is not released. */
void
_agent_delivery_source_begin_return (AgentDeliverySource *self,
                                     AgentMailbox        *mailbox)
{
  g_mutex_lock (&self->lock);
  mailbox->schedule.n_returning++;
  unlock (self);
}

/* TRUE: the caller has to release the mailbox. */
gboolean
_agent_delivery_source_end_return (AgentDeliverySource *self,
                                   AgentMailbox        *mailbox)
{
  gboolean release;

  g_mutex_lock (&self->lock);
  mailbox->schedule.n_returning--;
  release = settle_locked (self, mailbox);
  unlock (self);

  return release;
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
  unlock (self);

  return endings;
}

/* --- Deferred deliveries --- */

static gboolean
cancels (AgentMessage *cancel,
         AgentMessage *message)
{
  if (cancel->seq < message->seq)
    return FALSE;

  /* What came by a dispatcher is for one actor, not for all that the router serves. */
  if (cancel->origin != 0 && g_strcmp0 (agent_message_get_target (cancel), agent_message_get_target (message)) != 0)
    return FALSE;

  return agent_message_get_message_type (cancel) == AGENT_MESSAGE_TYPE_CANCEL ||
         g_strcmp0 (agent_message_get_task_id (cancel), agent_message_get_task_id (message)) == 0;
}

typedef enum
{
  LOOK_FOUND,
  LOOK_NOT_FOUND,
  LOOK_MORE, /* senders have their turn before the look goes on */
} LookResult;

static LookResult
look_for_cancel_locked (AgentChannelQueue      *queue,
                        AgentChannelQueuePlace *place,
                        AgentMessage           *message)
{
  for (guint i = 0; i < LOOKS_PER_LOCK; i++)
    {
      AgentMessage *queued = _agent_channel_queue_peek_locked (queue, place);

      if (queued == NULL)
        return LOOK_NOT_FOUND;
      if (_agent_message_is_cancel (queued) && cancels (queued, message))
        return LOOK_FOUND;
    }

  return LOOK_MORE;
}

/* Whether a cancel for @message is queued: it will not be handled until the message is done with. The calling thread is the
 * receiver, so the place in the queue stays what it is between two looks, unless the queue is emptied. */
static gboolean
is_cancel_queued (AgentMailbox *mailbox,
                  AgentMessage *message)
{
  AgentChannelQueue     *queue = &mailbox->queues[AGENT_CHANNEL_SYSTEM];
  AgentChannelQueuePlace place = AGENT_CHANNEL_QUEUE_START;
  LookResult             result = atomic_load (&mailbox->n_cancels) != 0 ? LOOK_MORE : LOOK_NOT_FOUND;

  while (result == LOOK_MORE)
    {
      _agent_channel_queue_lock (queue);
      result = queue->emptied ? LOOK_NOT_FOUND : look_for_cancel_locked (queue, &place, message);
      _agent_channel_queue_unlock (queue);
    }

  return result == LOOK_FOUND;
}

/* Who sends a cancel puts it into its channel before it looks for a delivery: so one of us sees the other. */
void
_agent_delivery_source_defer (AgentDeliverySource *self,
                              AgentMailbox        *mailbox,
                              AgentDelivery       *delivery)
{
  g_mutex_lock (&self->lock);
  mailbox->cancellable = g_object_ref (agent_delivery_get_cancellable (delivery));
  g_atomic_pointer_set (&mailbox->delivery, delivery);
  unlock (self);

  if (is_cancel_queued (mailbox, mailbox->current))
    {
      _agent_delivery_request_cancel (delivery);
      g_cancellable_cancel (agent_delivery_get_cancellable (delivery));
    }
}

/* @cancel has come: if it is for the delivery under way, the cancellable is to be tripped in the subscriber's context, for
 * the application may have connected to it. */
static void
cancel_locked (AgentDeliverySource *self,
               AgentMailbox        *mailbox,
               AgentMessage        *cancel)
{
  AgentDelivery *delivery = g_atomic_pointer_get (&mailbox->delivery);

  if (delivery == NULL || !cancels (cancel, agent_delivery_get_message (delivery)))
    return;

  _agent_delivery_request_cancel (delivery);
  mailbox->schedule.cancel_pending = TRUE;
  push_ready_locked (self, mailbox, AGENT_CHANNEL_SYSTEM);
}

/* A system message has been pushed; @cancel is the message if it is a CANCEL or TASK_CANCEL, or NULL. */
void
_agent_delivery_source_add_system (AgentDeliverySource *self,
                                   AgentMailbox        *mailbox,
                                   gboolean             claimed,
                                   AgentMessage        *cancel)
{
  if (!claimed && cancel == NULL)
    return;

  g_mutex_lock (&self->lock);
  if (cancel != NULL)
    cancel_locked (self, mailbox, cancel);
  if (claimed)
    schedule_locked (self, mailbox, AGENT_CHANNEL_SYSTEM);
  unlock (self);
}

static void
resume_locked (AgentDeliverySource *self,
               AgentMailbox        *mailbox)
{
  bring_back_locked (self, mailbox);
  if (mailbox->schedule.closing)
    push_ready_locked (self, mailbox, AGENT_CHANNEL_SYSTEM);
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
      if (!schedule->nesting)
        resume_locked (self, mailbox);
    }
  unlock (self);

  g_clear_object (&cancellable);
  _agent_mailbox_tell_progress (mailbox);
}
