/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-yielding-source-private.h"
#include "mailbox/agent-delivery-source-private.h"
#include "mailbox/agent-patience-private.h"

/* There is one source for each context and priority in use. */
typedef struct
{
  GMainContext *context; /* (owned) while there are mailboxes */
  gint          priority;
} SourceKey;

struct _AgentDeliverySource
{
  SourceKey                 key; /* first */
  gatomicrefcount           ref_count;
  guint                     n_mailboxes; /* (sources_lock) */
  const AgentDeliveryFuncs *funcs;
  AgentPatience             patience; /* (the context's thread) */
  AgentSchedule            *served;   /* (the context's thread) (nullable) the mailbox whose handler may be running */

  /* The receiver reads the ready list with each message. Senders of data seldom take the lock. */
  char                 padding[AGENT_CACHE_LINE];
  GMutex               lock;
  AgentYieldingSource *source;   /* (lock) (nullable) NULL when the last mailbox has finished */
  guint                round;    /* (lock) the number of the last time that the source was armed; always even */
  gint                 n_waking; /* (atomic) how many threads are waking up the context */
  AgentReadyList       ready;    /* (lock) its incoming items are used without the lock */

  /* Senders of data read and change this, as they change the end of the ready list. */
  _Atomic guint armed; /* 0 if disarmed, or else the round with or without ARMING; only ARMING is cleared without the lock */
};

/* A thread is about to wake up the context, and may not have done so yet. */
#define ARMING 1u

/* In microseconds. To wake up a context takes about as long. */
#define NAP 5

static GMutex      sources_lock;
static GHashTable *sources; /* (sources_lock) SourceKey → AgentDeliverySource, both unowned */

/* --- Arming --- */

/* Whether the context is awake, or was woken up already. If so, no thread has to wake it up. */
static gboolean
source_is_armed (AgentDeliverySource *self)
{
  guint armed = atomic_load (&self->armed);

  return armed != 0 && (armed & ARMING) == 0;
}

static guint
source_next_round_locked (AgentDeliverySource *self)
{
  self->round += 2;
  if (self->round == 0)
    self->round += 2;

  return self->round;
}

/* The context is awake: no thread has to wake it up. */
static void
source_set_armed_locked (AgentDeliverySource *self)
{
  atomic_store (&self->armed, source_next_round_locked (self));
}

/* As soon as the context is awake, it needs the lock. So this thread unlocks first and then wakes it up. A wakeup that
 * comes too late does nothing. */
static void
source_unlock_and_wake (AgentDeliverySource *self)
{
  AgentYieldingSource *source = self->source;
  guint                armed = atomic_load (&self->armed);

  if (armed == 0)
    {
      armed = source_next_round_locked (self) | ARMING;
      atomic_store (&self->armed, armed);
    }
  g_atomic_int_inc (&self->n_waking);
  g_mutex_unlock (&self->lock);

  _agent_yielding_source_be_urgent (source);
  atomic_compare_exchange_strong (&self->armed, &armed, armed & ~ARMING);
  g_atomic_int_add (&self->n_waking, -1);
}

/* Returns the ready list, which the lock guards. */
AgentReadyList *
_agent_delivery_source_lock (AgentDeliverySource *self)
{
  g_mutex_lock (&self->lock);
  return &self->ready;
}

/* Wakes up the context if a mailbox has got ready. A thread that finds another one about to wake it up does so as well: that
 * other thread may have been stopped, and a context that is woken up twice does nothing more. */
void
_agent_delivery_source_unlock (AgentDeliverySource *self)
{
  if (_agent_ready_list_is_empty (&self->ready) || source_is_armed (self) || self->source == NULL)
    g_mutex_unlock (&self->lock);
  else
    source_unlock_and_wake (self);
}

/* Disarms the source if there is nothing to do. FALSE: a message has come, and the context goes on. A sender that pushes
 * after the last look at the incoming mailboxes finds that the source is not armed. */
static gboolean
source_rest_locked (AgentDeliverySource *self)
{
  atomic_store (&self->armed, 0);
  _agent_schedule_sort_incoming (&self->ready);
  if (!_agent_ready_list_is_empty (&self->ready))
    {
      source_set_armed_locked (self);
      return FALSE;
    }

  if (self->source != NULL)
    _agent_yielding_source_rest (self->source);
  return TRUE;
}

/* --- Dispatch --- */

/* If the source is dispatched while a handler is running, that handler iterates the context. */
static void
source_set_served_aside_locked (AgentDeliverySource *self)
{
  if (self->served != NULL)
    _agent_schedule_nest (self->served, &self->ready);
}

/* An AgentYieldingNested. */
static gboolean
source_is_needed_in_handler (gpointer data)
{
  AgentDeliverySource *self = data;
  gboolean             needed;

  g_mutex_lock (&self->lock);
  source_set_served_aside_locked (self);
  needed = !source_rest_locked (self);
  _agent_delivery_source_unlock (self);

  return needed;
}

/* Also sets the served mailbox aside, because source_is_needed_in_handler() may not have done so: GLib does not call it if
 * an earlier iteration found the source ready and was left before it dispatched the source. */
static void
source_begin (AgentDeliverySource *self)
{
  g_mutex_lock (&self->lock);
  source_set_served_aside_locked (self);
  source_set_armed_locked (self);
  if (self->source != NULL)
    _agent_yielding_source_begin (self->source);
  _agent_delivery_source_unlock (self);
}

static gboolean
source_rest (AgentDeliverySource *self)
{
  gboolean resting;

  g_mutex_lock (&self->lock);
  resting = source_rest_locked (self);
  _agent_delivery_source_unlock (self);

  return resting;
}

/* The budget is spent. If there is more to do, the other sources of the application go first. */
static void
source_yield (AgentDeliverySource *self)
{
  g_mutex_lock (&self->lock);
  if (self->source != NULL && !source_rest_locked (self))
    _agent_yielding_source_be_polite (self->source);
  _agent_delivery_source_unlock (self);
}

/* With no lock held. Trips @cancelled: (nullable), and then hands out messages. A busy mailbox is served only to
 * cancel. */
static gboolean
source_serve_unlocked (AgentDeliverySource *self,
                       AgentSchedule       *mailbox,
                       AgentChannel         channel,
                       AgentHand           *cancelled,
                       gboolean             busy,
                       AgentBudget         *budget)
{
  AgentSchedule *served_before = self->served;
  gboolean       more = FALSE;

  self->served = mailbox;
  if (cancelled != NULL)
    _agent_hand_trip (cancelled);
  if (!busy)
    more = self->funcs->serve (mailbox, channel, budget);
  self->served = served_before;

  return more;
}

static void
source_end_batch_locked (AgentDeliverySource *self,
                         AgentSchedule       *mailbox,
                         AgentChannel         channel,
                         gboolean             more)
{
  AgentRelease release = _agent_schedule_end_batch (mailbox, &self->ready, channel, more);

  if (release != AGENT_RELEASE_NOT_YET)
    {
      _agent_delivery_source_unlock (self);
      self->funcs->release (mailbox, release == AGENT_RELEASE_ABANDONED);
      g_mutex_lock (&self->lock);
    }
  else if (_agent_schedule_is_watched (mailbox))
    {
      self->funcs->keep (mailbox);
      _agent_delivery_source_unlock (self);
      self->funcs->tell_progress (mailbox);
      self->funcs->drop (mailbox);
      g_mutex_lock (&self->lock);
    }
}

/* Unlocks while the mailbox is served. If a handler of the mailbox iterates the context, the call of this function that
 * runs that handler ends the batch, and not the call inside. */
static void
source_serve_locked (AgentDeliverySource *self,
                     AgentSchedule       *mailbox,
                     AgentChannel         channel,
                     AgentBudget         *budget)
{
  AgentHand *cancelled = _agent_schedule_take_cancel (mailbox);
  gboolean   nesting = mailbox->nesting;
  gboolean   busy = _agent_schedule_is_busy (mailbox);
  gboolean   more;

  _agent_delivery_source_unlock (self);
  more = source_serve_unlocked (self, mailbox, channel, cancelled, busy, budget);
  g_clear_pointer (&cancelled, _agent_hand_unref);
  g_mutex_lock (&self->lock);

  if (!nesting)
    source_end_batch_locked (self, mailbox, channel, more);
  else if (more)
    _agent_schedule_add (mailbox, &self->ready, channel);
}

/* Serves mailboxes until there is nothing to do, or until the budget is spent. */
static void
source_serve (AgentDeliverySource *self,
              AgentBudget         *budget)
{
  AgentSchedule *mailbox;
  AgentChannel   channel;

  g_mutex_lock (&self->lock);
  while (!_agent_budget_is_spent (budget) &&
         (mailbox = _agent_schedule_begin_batch (&self->ready, &channel)) != NULL)
    source_serve_locked (self, mailbox, channel, budget);
  _agent_delivery_source_unlock (self);
}

/* An AgentYieldingFunc. */
static void
source_dispatch (gpointer data)
{
  AgentDeliverySource *self = data;
  AgentBudget          budget;

  source_begin (self);
  _agent_budget_init (&budget);
  while (!_agent_budget_is_spent (&budget))
    {
      gint n_before = budget.n_left;

      source_serve (self, &budget);
      if (!_agent_budget_is_spent (&budget) &&
          !_agent_patience_wait (&self->patience, &self->ready, n_before - budget.n_left) && source_rest (self))
        return;
    }

  source_yield (self);
}

/* --- Listening --- */

/* How many mailboxes are asked at the start of an iteration whether anybody listens. */
#define MAX_LOOKS 64

/* Whether anybody listens by now. Unlocks meanwhile. */
static void
source_ask_unheard_locked (AgentDeliverySource *self,
                           AgentSchedule       *mailbox)
{
  gboolean heard;

  self->funcs->keep (mailbox);
  _agent_delivery_source_unlock (self);
  heard = self->funcs->is_heard (mailbox);
  g_mutex_lock (&self->lock);
  if (heard)
    _agent_schedule_set_unheard (mailbox, &self->ready, FALSE);
  _agent_delivery_source_unlock (self);
  self->funcs->drop (mailbox);
  g_mutex_lock (&self->lock);
}

static void
source_update_looks_locked (AgentDeliverySource *self)
{
  if (self->source != NULL)
    _agent_yielding_source_set_looks (self->source, self->ready.unheard.length > 0);
}

/* An AgentYieldingFunc: GLib does not tell when a handler is connected, so this looks at the start of each iteration. */
static void
source_look (gpointer data)
{
  AgentDeliverySource *self = data;
  AgentSchedule       *mailbox;
  guint                n_left;

  g_mutex_lock (&self->lock);
  for (n_left = MIN (self->ready.unheard.length, MAX_LOOKS);
       n_left > 0 && (mailbox = _agent_schedule_next_unheard (&self->ready)) != NULL;
       n_left--)
    source_ask_unheard_locked (self, mailbox);
  source_update_looks_locked (self);
  _agent_delivery_source_unlock (self);
}

/* Nobody listens to @mailbox: its data waits until somebody does. */
void
_agent_delivery_source_set_unheard (AgentDeliverySource *self,
                                    AgentSchedule       *mailbox)
{
  g_mutex_lock (&self->lock);
  _agent_schedule_set_unheard (mailbox, &self->ready, TRUE);
  source_update_looks_locked (self);
  _agent_delivery_source_unlock (self);
}

/* --- Life --- */

AgentDeliverySource *
_agent_delivery_source_ref (AgentDeliverySource *self)
{
  g_atomic_ref_count_inc (&self->ref_count);
  return self;
}

void
_agent_delivery_source_unref (AgentDeliverySource *self)
{
  if (!g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_assert (self->source == NULL);

  g_mutex_clear (&self->lock);
  g_free (self);
}

static guint
source_hash_key (gconstpointer data)
{
  const SourceKey *key = data;

  return g_direct_hash (key->context) + (guint) key->priority * 31;
}

static gboolean
source_equal_keys (gconstpointer a,
                   gconstpointer b)
{
  const SourceKey *one = a;
  const SourceKey *other = b;

  return one->context == other->context && one->priority == other->priority;
}

static AgentDeliverySource *
delivery_source_new (const SourceKey          *key,
                     const AgentDeliveryFuncs *funcs)
{
  AgentDeliverySource *self = g_new0 (AgentDeliverySource, 1);

  g_atomic_ref_count_init (&self->ref_count);
  self->key = *key;
  g_main_context_ref (key->context);
  self->funcs = funcs;
  g_mutex_init (&self->lock);
  self->source = _agent_yielding_source_new (key->context,
                                             "[agentbus] delivery",
                                             key->priority,
                                             source_dispatch,
                                             source_is_needed_in_handler,
                                             source_look,
                                             _agent_delivery_source_ref (self),
                                             (GDestroyNotify) _agent_delivery_source_unref);

  return self;
}

/* There is one more mailbox in @context that is served at @priority. Returns its source: (transfer full). The mailbox calls put() when it has finished,
 * and unref() when it is freed. */
AgentDeliverySource *
_agent_delivery_source_get (GMainContext             *context,
                            gint                      priority,
                            const AgentDeliveryFuncs *funcs)
{
  const SourceKey      key = { context, priority };
  AgentDeliverySource *self;

  g_mutex_lock (&sources_lock);
  if (sources == NULL)
    sources = g_hash_table_new (source_hash_key, source_equal_keys);
  self = g_hash_table_lookup (sources, &key);
  if (self == NULL)
    {
      self = delivery_source_new (&key, funcs);
      g_hash_table_insert (sources, &self->key, self);
    }
  else
    {
      _agent_delivery_source_ref (self);
    }
  self->n_mailboxes++;
  g_mutex_unlock (&sources_lock);

  return self;
}

/* TRUE: it was the last mailbox of the source. */
static gboolean
source_forget_mailbox (AgentDeliverySource *self)
{
  gboolean last;

  g_mutex_lock (&sources_lock);
  last = --self->n_mailboxes == 0;
  if (last)
    g_hash_table_remove (sources, &self->key);
  if (last && g_hash_table_size (sources) == 0)
    g_clear_pointer (&sources, g_hash_table_unref);
  g_mutex_unlock (&sources_lock);

  return last;
}

/* A mailbox has finished, and will not get ready again. If it is the last one, the GSource is freed while there is still a
 * reference on its context, since no thread may touch the GSource when the context is freed. So this function waits for
 * threads that are waking the context up. */
void
_agent_delivery_source_put (AgentDeliverySource *self)
{
  AgentYieldingSource *source;

  if (!source_forget_mailbox (self))
    return;

  g_mutex_lock (&self->lock);
  source = g_steal_pointer (&self->source);
  atomic_store (&self->armed, 0);
  g_mutex_unlock (&self->lock);

  while (g_atomic_int_get (&self->n_waking) > 0)
    g_usleep (NAP);
  _agent_yielding_source_free (source);
  g_main_context_unref (self->key.context);
}

/* --- Senders --- */

/* @mailbox has got data. The stack of incoming mailboxes holds no references: if the mailbox has finished before the sender
 * pushes it, the sender takes it off again, and a mailbox that finishes is taken off first. */
void
_agent_delivery_source_add_data (AgentDeliverySource *self,
                                 AgentSchedule       *mailbox)
{
  _agent_ready_list_push_incoming (&self->ready, &mailbox->incoming);
  if (source_is_armed (self) && !atomic_load (&mailbox->is_finished))
    return;

  g_mutex_lock (&self->lock);
  _agent_schedule_sort_incoming (&self->ready);
  _agent_delivery_source_unlock (self);
}

/* Whether a mailbox of the context has system messages. */
gboolean
_agent_delivery_source_has_system (AgentDeliverySource *self)
{
  return _agent_ready_list_has_system (&self->ready);
}
