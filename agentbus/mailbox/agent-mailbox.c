/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-clock-private.h"
#include "base/agent-string-hash-private.h"
#include "bus/agent-bus-loss-private.h"
#include "bus/agent-bus-report-private.h"
#include "bus/agent-bus-watch-private.h"
#include "bus/agent-delivery-private.h"
#include "bus/agent-ending-private.h"
#include "bus/agent-subscriber-private.h"
#include "mailbox/agent-delivery-source-private.h"
#include "mailbox/agent-mailbox-private.h"

/* How many data messages a subscriber gets before the next one in the same context has its turn. */
#define TURN 64

AgentMailbox *
_agent_mailbox_new (AgentSubscriber *subscriber,
                    guint            default_capacity,
                    AgentDirectory  *directory,
                    AgentBusReport  *report)
{
  const char   *name = agent_subscriber_get_name (subscriber);
  gsize         name_size = strlen (name) + 1;
  guint         capacity = agent_subscriber_get_capacity (subscriber);
  AgentMailbox *self = g_malloc0 (sizeof (AgentMailbox) + name_size);

  self->ref_count = 1;
  memcpy (self->name, name, name_size);
  self->hash = _agent_string_hash (name, name_size - 1);
  self->max_age = agent_subscriber_get_max_age (subscriber);
  self->overflow = agent_subscriber_get_overflow (subscriber);
  self->directory = _agent_directory_ref (directory);
  self->report = _agent_bus_report_ref (report);
  self->subscriber = g_object_ref (subscriber);
  _agent_channel_queue_init (&self->queues[AGENT_CHANNEL_SYSTEM], G_MAXUINT, 0);
  _agent_channel_queue_init (&self->queues[AGENT_CHANNEL_DATA],
                             capacity != 0 ? capacity : default_capacity,
                             agent_subscriber_get_max_bytes (subscriber));

  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    self->schedule.ready_links[channel].data = self;

  return self;
}

AgentMailbox *
_agent_mailbox_ref (AgentMailbox *self)
{
  g_atomic_int_inc (&self->ref_count);
  return self;
}

void
_agent_mailbox_unref (AgentMailbox *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;

  g_clear_object (&self->subscriber);
  for (AgentChannel channel = 0; channel < AGENT_N_CHANNELS; channel++)
    _agent_channel_queue_clear (&self->queues[channel]);
  g_clear_pointer (&self->source, _agent_delivery_source_unref);
  g_clear_object (&self->cancellable);
  _agent_bus_report_unref (self->report);
  _agent_directory_unref (self->directory);
  g_free (self);
}

/* It is on the bus now, and keeps itself alive until it is released. The source has a reference on the context as long as it
 * serves any mailbox there. */
void
_agent_mailbox_attach (AgentMailbox *self)
{
  self->source = _agent_delivery_source_get (agent_subscriber_get_main_context (self->subscriber));
  _agent_mailbox_ref (self);
}

const char *
_agent_mailbox_get_name (AgentMailbox *self)
{
  return self->name;
}

void
_agent_mailbox_count_failed (AgentMailbox *self)
{
  g_atomic_int_inc (&self->n_failed);
}

/* Messages count as queued until they are known to be delivered or expired. The locks make one moment of it; what is
 * delivered is read before, so that the difference is never negative. */
void
_agent_mailbox_get_ledger (AgentMailbox *self,
                           AgentLedger  *ledger)
{
  AgentChannelQueue *system = &self->queues[AGENT_CHANNEL_SYSTEM];
  AgentChannelQueue *data = &self->queues[AGENT_CHANNEL_DATA];

  ledger->failed = g_atomic_int_get (&self->n_failed);
  ledger->delivered = atomic_load (&self->n_delivered);

  _agent_channel_queue_lock (system);
  _agent_channel_queue_lock (data);
  _agent_spin_lock_lock (&self->drop_lock);
  memcpy (ledger->dropped, self->n_dropped, sizeof self->n_dropped);
  ledger->queued = atomic_load (&system->n_in) + atomic_load (&data->n_in) -
                   ledger->delivered - ledger->dropped[AGENT_DROP_REASON_EXPIRED];
  _agent_spin_lock_unlock (&self->drop_lock);
  _agent_channel_queue_unlock (data);
  _agent_channel_queue_unlock (system);
}

/* --- Drops --- */

/* Returns the one that was the last until now: (transfer full) (nullable). */
static AgentMessage *
record_drops_locked (AgentMailbox   *self,
                     AgentDropReason reason,
                     guint64         n,
                     AgentMessage   *message)
{
  AgentMessage *previous;

  if (self->drops == NULL)
    self->drops = g_new0 (AgentDropRecord, AGENT_N_DROP_REASONS);

  previous = self->drops[reason].last;
  self->drops[reason].n += n;
  self->drops[reason].last = message;
  return previous;
}

/* Counts @n messages and takes @message, the last of them, to be told of. FALSE: the mailbox is released, what it has
 * counted is summed up already, and @message is still the caller's.
 *
 * @previous: (out) (transfer full) (nullable): unref it after unlocking
 * @to_report: (out): pass it to end_drops() after unlocking */
static gboolean
begin_drops (AgentMailbox   *self,
             AgentDropReason reason,
             guint64         n,
             AgentMessage   *message,
             AgentMessage  **previous,
             gboolean       *to_report)
{
  gboolean counted;

  _agent_spin_lock_lock (&self->drop_lock);
  counted = self->subscriber != NULL;
  *to_report = counted && !self->reported;
  if (counted)
    {
      self->n_dropped[reason] += n;
      *previous = record_drops_locked (self, reason, n, message);
      self->reported = TRUE;
    }
  _agent_spin_lock_unlock (&self->drop_lock);

  return counted;
}

/* With no lock held. */
static void
end_drops (AgentMailbox *self,
           gboolean      to_report)
{
  if (to_report)
    _agent_bus_report_mailbox (self->report, self);
}

/* Hands the drops over to the report: the records by reason, (transfer full), and what was dropped in all. */
AgentDropRecord *
_agent_mailbox_take_drops (AgentMailbox *self,
                           guint64      *totals)
{
  AgentDropRecord *drops;

  _agent_spin_lock_lock (&self->drop_lock);
  drops = g_steal_pointer (&self->drops);
  memcpy (totals, self->n_dropped, sizeof self->n_dropped);
  self->reported = FALSE;
  _agent_spin_lock_unlock (&self->drop_lock);

  return drops;
}

/* --- Senders --- */

static gboolean
claim_token_locked (AgentChannelQueue *queue)
{
  gboolean claimed = !queue->scheduled;

  queue->scheduled = TRUE;
  return claimed;
}

static void
refuse (AgentMailbox *self,
        AgentMessage *message,
        AgentSender  *sender)
{
  _agent_bus_report_drop (self->report, AGENT_DROP_REASON_CLOSED, message, self->name, sender);
}

static gboolean
push_system (AgentMailbox *self,
             AgentMessage *message,
             AgentSender  *sender)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_SYSTEM];
  AgentMessage      *cancel = _agent_message_is_cancel (message) ? agent_message_ref (message) : NULL;
  gboolean           claimed = FALSE;
  gboolean           closed;

  _agent_channel_queue_lock (queue);
  closed = queue->closed;
  if (!closed)
    {
      if (cancel != NULL)
        atomic_fetch_add (&self->n_cancels, 1);
      _agent_channel_queue_push_locked (queue, message, 0);
      claimed = claim_token_locked (queue);
    }
  _agent_channel_queue_unlock (queue);

  _agent_sender_let_go (sender, cancel);
  if (closed)
    {
      refuse (self, message, sender);
      return FALSE;
    }

  _agent_delivery_source_add_system (self->source, self, claimed, cancel);
  return TRUE;
}

/* Takes @lost: (nullable), a message that did not find room and whose source wants to know. */
static void
note_loss (AgentMailbox *self,
           AgentMessage *lost,
           AgentSender  *sender)
{
  if (lost == NULL)
    return;

  _agent_sender_note_loss (sender, self->report, lost, self->name, AGENT_DROP_REASON_FULL);
  _agent_sender_let_go (sender, lost);
}

typedef enum
{
  PUSH_ACCEPTED,
  PUSH_FULL,
  PUSH_CLOSED,
  PUSH_AGAIN, /* those that gave way were too small */
} PushResult;

/* So many messages give way at once at the most: others want the lock too. With fewer, others would fill the gap before a
 * large message fits. */
#define MAX_VICTIMS 4096

/* Messages that give way. All but the last are with what the sender lets go of, from @first on. */
typedef struct
{
  AgentSender  *sender;
  guint         first;
  guint         n;
  AgentMessage *last; /* (owned) (nullable) */
} Victims;

static void
victims_add (Victims      *self,
             AgentMessage *message)
{
  _agent_sender_let_go (self->sender, self->last);
  self->last = message;
  self->n++;
}

static PushResult
evict_for_locked (AgentMailbox *self,
                  gsize         size,
                  Victims      *victims)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_DATA];

  while (victims->n < MAX_VICTIMS)
    {
      AgentMessage *victim = _agent_channel_queue_evict_locked (queue);

      if (victim == NULL)
        return _agent_channel_queue_will_have_room_locked (queue, size) ? PUSH_ACCEPTED : PUSH_FULL;

      victims_add (victims, victim);
      if (_agent_channel_queue_has_room_locked (queue, size))
        return PUSH_ACCEPTED;
    }

  return PUSH_AGAIN;
}

static PushResult
make_room_locked (AgentMailbox *self,
                  AgentMessage *message,
                  gsize         size,
                  Victims      *victims)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_DATA];

  if (queue->closed)
    return PUSH_CLOSED;
  if (message->reliable || _agent_channel_queue_has_room_locked (queue, size))
    return PUSH_ACCEPTED;
  if (self->overflow == AGENT_OVERFLOW_DROP_NEWEST || !_agent_channel_queue_can_make_room_locked (queue, size))
    return PUSH_FULL;

  return evict_for_locked (self, size, victims);
}

/* Gives the last victim to the record of drops, and the one that was there before takes its place.
 * @lost: (out) (transfer full) (nullable): the last victim, if its source wants to hear of it */
static gboolean
count_victims_locked (AgentMailbox  *self,
                      Victims       *victims,
                      AgentMessage **lost)
{
  AgentMessage *previous = NULL;
  gboolean      to_report;

  if (_agent_message_wants_loss (victims->last))
    *lost = agent_message_ref (victims->last);
  if (begin_drops (self, AGENT_DROP_REASON_FULL, victims->n, victims->last, &previous, &to_report))
    victims->last = previous;

  return to_report;
}

/* With no lock of the queue held. */
static void
let_go_of_victims (AgentMailbox *self,
                   Victims      *victims,
                   AgentMessage *lost)
{
  AgentSender *sender = victims->sender;

  for (guint i = 0; i + 1 < victims->n; i++)
    _agent_sender_note_loss (
        sender, self->report, sender->garbage[victims->first + i], self->name, AGENT_DROP_REASON_FULL);
  note_loss (self, lost, sender);
  _agent_sender_let_go (sender, victims->last);
}

/* Messages that give way leave the queue and are counted as dropped at the same moment, for the ledger. */
static PushResult
try_push_data (AgentMailbox *self,
               AgentMessage *message,
               gsize         size,
               AgentSender  *sender)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_DATA];
  Victims            victims = { sender, sender->n_garbage, 0, NULL };
  AgentMessage      *lost = NULL;
  PushResult         result;
  gboolean           to_report = FALSE;
  gboolean           claimed = FALSE;

  _agent_channel_queue_lock (queue);
  result = make_room_locked (self, message, size, &victims);
  if (result == PUSH_ACCEPTED)
    {
      _agent_channel_queue_push_locked (queue, message, size);
      claimed = claim_token_locked (queue);
    }
  if (victims.n > 0)
    to_report = count_victims_locked (self, &victims, &lost);
  _agent_channel_queue_unlock (queue);

  if (claimed)
    _agent_delivery_source_add_data (self->source, self);
  end_drops (self, to_report);
  if (victims.n > 0)
    let_go_of_victims (self, &victims, lost);
  return result;
}

/* A full queue is seen without its lock: under a flood, the receiver needs it more. */
static PushResult
push_or_see_full (AgentMailbox *self,
                  AgentMessage *message,
                  AgentSender  *sender)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_DATA];
  gsize              size;
  PushResult         result;

  if (self->overflow == AGENT_OVERFLOW_DROP_NEWEST && !message->reliable &&
      _agent_channel_queue_is_full (queue))
    return PUSH_FULL;

  size = _agent_channel_queue_measure (queue, message);
  do
    result = try_push_data (self, message, size, sender);
  while (result == PUSH_AGAIN);

  return result;
}

/* FALSE: the mailbox was released since it was seen to be full, and @message is still the caller's. */
static gboolean
drop_for_want_of_room (AgentMailbox *self,
                       AgentMessage *message,
                       AgentSender  *sender)
{
  gboolean      to_report = FALSE;
  AgentMessage *previous = NULL;
  AgentMessage *lost = _agent_message_wants_loss (message) ? agent_message_ref (message) : NULL;

  if (!begin_drops (self, AGENT_DROP_REASON_FULL, 1, message, &previous, &to_report))
    {
      g_clear_pointer (&lost, agent_message_unref);
      return FALSE;
    }

  note_loss (self, lost, sender);

  end_drops (self, to_report);
  _agent_sender_let_go (sender, previous);
  return TRUE;
}

static gboolean
push_data (AgentMailbox *self,
           AgentMessage *message,
           AgentSender  *sender)
{
  PushResult result = push_or_see_full (self, message, sender);

  if (result == PUSH_ACCEPTED)
    return TRUE;
  if (result == PUSH_CLOSED || !drop_for_want_of_room (self, message, sender))
    refuse (self, message, sender);
  return FALSE;
}

/* Takes the reference, whatever comes of it. TRUE: accepted. */
gboolean
_agent_mailbox_push (AgentMailbox *self,
                     AgentMessage *message,
                     AgentSender  *sender)
{
  if (message->channel == AGENT_CHANNEL_SYSTEM)
    return push_system (self, message, sender);

  return push_data (self, message, sender);
}

/* --- Offers --- */

/* Who is not in turn stands behind those that wait for room already. A message that is larger than all that may wait gets
 * through when nothing else does. */
static gboolean
has_room_for_offer_locked (AgentMailbox *self,
                           gsize         size,
                           gboolean      in_turn)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_DATA];

  if (!in_turn && (atomic_load (&self->watched) & AGENT_WATCH_ROOM) != 0)
    return FALSE;
  if (_agent_channel_queue_has_room_locked (queue, size))
    return TRUE;

  /* See _agent_mailbox_is_watched(). */
  atomic_fetch_or (&self->watched, AGENT_WATCH_ROOM);
  atomic_thread_fence (memory_order_seq_cst);
  return _agent_channel_queue_has_room_locked (queue, size) || _agent_channel_queue_get_length_locked (queue) == 0;
}

/* The age that a subscriber tolerates begins with the entry into its channel, and a message may have waited for that.
 * Nobody else looks at the field before the message is in. */
static void
note_delay (AgentMailbox *self,
            AgentMessage *message)
{
  gint64 delay;

  if (self->max_age == 0 || message->channel != AGENT_CHANNEL_DATA)
    return;

  delay = (_agent_clock_now () - message->sent_at + 999) / 1000;
  message->delay = (guint) CLAMP (delay, 0, G_MAXUINT);
}

/* Like a push, but the message stays the caller's if it is not accepted, nothing gives way to it, and nothing is counted
 * as dropped. When there is no room, the watches of the bus are told as soon as there may be. May be called with locks
 * held. */
AgentOfferResult
_agent_mailbox_offer (AgentMailbox *self,
                      AgentMessage *message,
                      gboolean      in_turn,
                      AgentOffer   *offer)
{
  AgentChannelQueue *queue = &self->queues[message->channel];
  gsize              size = _agent_channel_queue_measure (queue, message);
  AgentMessage      *cancel = _agent_message_is_cancel (message) ? agent_message_ref (message) : NULL;
  AgentOfferResult   result = AGENT_OFFER_ACCEPTED;

  note_delay (self, message);
  _agent_channel_queue_lock (queue);
  if (queue->closed)
    {
      result = AGENT_OFFER_CLOSED;
    }
  else if (message->channel == AGENT_CHANNEL_DATA && !has_room_for_offer_locked (self, size, in_turn))
    {
      result = AGENT_OFFER_FULL;
    }
  else
    {
      if (cancel != NULL)
        atomic_fetch_add (&self->n_cancels, 1);
      _agent_channel_queue_push_locked (queue, message, size);
      offer->position = queue->n_kept_in;
      offer->wake = claim_token_locked (queue);
      offer->cancel = g_steal_pointer (&cancel);
    }
  _agent_channel_queue_unlock (queue);

  /* The caller's reference is another one. */
  g_clear_pointer (&cancel, agent_message_unref);
  return result;
}

/* What an accepted offer leaves to be done. With no lock held. */
void
_agent_mailbox_end_offer (AgentMailbox *self,
                          AgentChannel  channel,
                          AgentOffer   *offer)
{
  if (channel == AGENT_CHANNEL_SYSTEM)
    _agent_delivery_source_add_system (self->source, self, offer->wake, offer->cancel);
  else if (offer->wake)
    _agent_delivery_source_add_data (self->source, self);
  g_clear_pointer (&offer->cancel, agent_message_unref);
}

/* Whether the message at @position, and so all before it, is handled, or will never be. If not, the watches of the bus are
 * told when it may be. */
gboolean
_agent_mailbox_has_handled (AgentMailbox *self,
                            AgentChannel  channel,
                            guint64       position)
{
  return _agent_delivery_source_has_handled (self->source, self, channel, position);
}

/* Has the watches of the bus called from the subscriber's context. FALSE: that may take until a deferred delivery is over, or a
 * handler has returned that iterates the context. */
gboolean
_agent_mailbox_ask_again (AgentMailbox *self)
{
  return _agent_delivery_source_ask_again (self->source, self);
}

/* The receiver counts what it has taken, fences, and looks at @watched; who finds no room sets @watched, fences, and looks
 * at the count: at least one of them sees what the other has stored. Relaxed: the fence does it. */
gboolean
_agent_mailbox_is_watched (AgentMailbox *self)
{
  atomic_thread_fence (memory_order_seq_cst);
  return atomic_load_explicit (&self->watched, memory_order_relaxed) != 0;
}

/* With no lock held, when something may have been handled. */
void
_agent_mailbox_tell_progress (AgentMailbox *self)
{
  if (_agent_mailbox_is_watched (self) && atomic_exchange (&self->watched, 0) != 0)
    _agent_directory_tell_watches (self->directory, self, AGENT_MAILBOX_PROGRESSED);
}

/* --- The subscriber's context --- */

/* The age limit of a subscriber is for data only: a system message goes by nothing but its own ttl. The ttl counts from the
 * sending, the limit from the entry into the channel. */
static gboolean
is_expired (AgentMailbox *self,
            AgentMessage *message)
{
  guint  max_age = message->channel == AGENT_CHANNEL_DATA ? self->max_age : 0;
  gint64 age;

  if (message->ttl == 0 && max_age == 0)
    return FALSE;

  age = _agent_clock_now () - message->sent_at;
  return (message->ttl != 0 && age >= message->ttl * G_GINT64_CONSTANT (1000)) ||
         (max_age != 0 && age >= ((gint64) max_age + message->delay) * 1000);
}

static void
expire (AgentMailbox *self,
        AgentMessage *message)
{
  gboolean      to_report = FALSE;
  AgentMessage *previous = NULL;

  _agent_bus_report_loss (self->report, message, self->name, AGENT_DROP_REASON_EXPIRED);
  begin_drops (self, AGENT_DROP_REASON_EXPIRED, 1, message, &previous, &to_report);
  end_drops (self, to_report);
  g_clear_pointer (&previous, agent_message_unref);
}

static void
deliver (AgentMailbox *self,
         AgentMessage *message,
         gboolean      emit)
{
  /* Relaxed: only the thread that serves writes it, and the lock of the source orders one such thread after the other. */
  guint64 n_delivered = atomic_load_explicit (&self->n_delivered, memory_order_relaxed);

  atomic_store_explicit (&self->n_delivered, n_delivered + 1, memory_order_release);

  self->current = message;
  _agent_subscriber_deliver (self->subscriber, message, emit);
  self->current = NULL;

  _agent_message_drop_refs (message, 1);
}

static gboolean
has_to_make_way (AgentMailbox *self,
                 AgentChannel  channel)
{
  return channel == AGENT_CHANNEL_DATA && _agent_delivery_source_has_system (self->source);
}

/* Hands out messages until there are none, the turn or the budget is over, system messages have come for anybody in the
 * context, the handler goes on with one, or it has iterated the context: from then on system messages for this mailbox are
 * not seen here. TRUE: there may be more. */
gboolean
_agent_mailbox_serve (AgentMailbox *self,
                      AgentChannel  channel,
                      AgentBudget  *budget)
{
  AgentChannelQueue *queue = &self->queues[channel];
  gboolean           emit = _agent_subscriber_has_handlers (self->subscriber);

  for (guint i = 0; i < TURN && !_agent_budget_is_spent (budget); i++)
    {
      AgentMessage *message;

      if (has_to_make_way (self, channel) || g_atomic_pointer_get (&self->delivery) != NULL || self->schedule.nesting)
        return TRUE;

      message = _agent_channel_queue_pop (queue);
      if (message == NULL)
        return FALSE;

      if (_agent_message_is_cancel (message))
        atomic_fetch_sub (&self->n_cancels, 1);
      if (is_expired (self, message))
        expire (self, message);
      else
        deliver (self, message, emit);
      _agent_budget_spend (budget);
    }

  return TRUE;
}

/* NULL: no message is in hand, or its delivery is taken already. */
AgentDelivery *
_agent_mailbox_defer (AgentMailbox *self)
{
  AgentDelivery *delivery;

  if (self->current == NULL)
    return NULL;

  delivery = _agent_delivery_new (self, self->subscriber, self->current);
  _agent_delivery_source_defer (self->source, self, delivery);
  self->current = NULL;
  return delivery;
}

/* --- Ending --- */

/* Moves the messages of one origin over, in their order. */
static void
pick_origin (GPtrArray *messages,
             guint      origin,
             GPtrArray *picked)
{
  guint n_left = 0;

  for (guint i = 0; i < messages->len; i++)
    {
      AgentMessage *message = messages->pdata[i];

      if (message->origin == origin)
        g_ptr_array_add (picked, message);
      else
        messages->pdata[n_left++] = message;
    }

  /* Not with g_ptr_array_set_size(), which would free them. */
  messages->len = n_left;
}

/* Each watch gets back what is its own: for each, an array. */
static void
pick_for_watches (GPtrArray *watches,
                  GPtrArray *messages,
                  GPtrArray *picked)
{
  for (guint i = 0; watches != NULL && i < watches->len; i++)
    {
      AgentBusWatch *watch = watches->pdata[i];

      g_ptr_array_add (picked, g_ptr_array_new ());
      pick_origin (messages, watch->id, picked->pdata[i]);
    }
}

static void
give_back (AgentMailbox *self,
           GPtrArray    *watches,
           GPtrArray    *picked)
{
  for (guint i = 0; i < picked->len; i++)
    {
      AgentBusWatch *watch = watches->pdata[i];
      GPtrArray     *messages = picked->pdata[i];

      if (messages->len > 0)
        watch->funcs->give_back (watch->data, self, messages);
    }
}

/* Nothing more comes in. */
static void
close_queue (AgentMailbox *self,
             AgentChannel  channel)
{
  AgentChannelQueue *queue = &self->queues[channel];

  _agent_channel_queue_lock (queue);
  _agent_channel_queue_close_locked (queue);
  _agent_channel_queue_unlock (queue);
}

/* Closes a channel and empties it. What no watch picks is counted at the same moment. Returns what is to be let go of, with
 * the @n_discarded messages first, and in @to_report what end_drops() wants. */
static GPtrArray *
empty_queue (AgentMailbox *self,
             AgentChannel  channel,
             GPtrArray    *watches,
             GPtrArray    *picked,
             guint        *n_discarded,
             gboolean     *to_report)
{
  AgentChannelQueue *queue = &self->queues[channel];
  GPtrArray         *messages = g_ptr_array_new_with_free_func ((GDestroyNotify) agent_message_unref);

  _agent_channel_queue_lock (queue);
  _agent_channel_queue_close_locked (queue);
  if (_agent_channel_queue_take_all_locked (queue, messages) > 0)
    pick_for_watches (watches, messages, picked);
  *n_discarded = messages->len;
  if (messages->len > 0)
    {
      AgentMessage *last = agent_message_ref (messages->pdata[messages->len - 1]);
      AgentMessage *previous = NULL;

      begin_drops (self, AGENT_DROP_REASON_DISCARDED, messages->len, last, &previous, to_report);
      if (previous != NULL)
        g_ptr_array_add (messages, previous);
    }
  _agent_channel_queue_unlock (queue);

  return messages;
}

/* Nothing more comes in, and what is queued is discarded, or goes back to who wants it. Between begin_return() and
 * end_return() of the delivery source: until it is back there, nothing that was handed over later counts as handled. */
static void
discard_queue (AgentMailbox *self,
               AgentChannel  channel)
{
  g_autoptr (GPtrArray) watches = _agent_directory_ref_watches (self->directory);
  g_autoptr (GPtrArray) picked = g_ptr_array_new_with_free_func ((GDestroyNotify) g_ptr_array_unref);
  g_autoptr (GPtrArray) messages = NULL;
  gboolean to_report = FALSE;
  guint    n_discarded;

  messages = empty_queue (self, channel, watches, picked, &n_discarded, &to_report);
  end_drops (self, to_report);
  give_back (self, watches, picked);

  for (guint i = 0; i < n_discarded; i++)
    _agent_bus_report_loss (self->report, messages->pdata[i], self->name, AGENT_DROP_REASON_DISCARDED);
}

static void
end_return (AgentMailbox *self)
{
  if (_agent_delivery_source_end_return (self->source, self))
    _agent_mailbox_release (self);
  else
    _agent_mailbox_tell_progress (self);
}

/* Nothing more comes in. Data is discarded; system messages and the message in hand go their way first. */
void
_agent_mailbox_close (AgentMailbox *self)
{
  _agent_delivery_source_begin_return (self->source, self);
  close_queue (self, AGENT_CHANNEL_SYSTEM);
  discard_queue (self, AGENT_CHANNEL_DATA);
  _agent_delivery_source_close (self->source, self);
  end_return (self);
}

/* Nothing more is delivered. TRUE, once: it was not through yet. */
gboolean
_agent_mailbox_abandon (AgentMailbox *self)
{
  AgentMessage *in_hand = NULL;
  gboolean      first;

  _agent_delivery_source_begin_return (self->source, self);
  discard_queue (self, AGENT_CHANNEL_SYSTEM);
  discard_queue (self, AGENT_CHANNEL_DATA);

  first = _agent_delivery_source_abandon (self->source, self, &in_hand);
  if (in_hand != NULL)
    _agent_bus_report_loss (self->report, in_hand, self->name, AGENT_DROP_REASON_CLOSED);
  g_clear_pointer (&in_hand, agent_message_unref);
  /* Who hangs in a handler may not be released for long. */
  atomic_fetch_or (&self->watched, AGENT_WATCH_PROGRESS);
  end_return (self);

  return first;
}

/* Its subscriber has been let go. */
gboolean
_agent_mailbox_has_left (AgentMailbox *self)
{
  return !_agent_delivery_source_is_attached (self->source, self);
}

/* FALSE: it has left already. */
gboolean
_agent_mailbox_add_ending (AgentMailbox *self,
                           AgentEnding  *ending)
{
  return _agent_delivery_source_add_ending (self->source, self, ending);
}

/* (transfer full) (nullable) */
AgentSubscriber *
_agent_mailbox_dup_subscriber (AgentMailbox *self)
{
  AgentSubscriber *subscriber = NULL;

  _agent_spin_lock_lock (&self->drop_lock);
  g_set_object (&subscriber, self->subscriber);
  _agent_spin_lock_unlock (&self->drop_lock);

  return subscriber;
}

/* @has_drops: (out): there are drops that have not been told yet. From here on nothing is counted any more. */
AgentSubscriber *
_agent_mailbox_take_subscriber (AgentMailbox *self,
                                gboolean     *has_drops)
{
  AgentSubscriber *subscriber;

  _agent_spin_lock_lock (&self->drop_lock);
  subscriber = g_steal_pointer (&self->subscriber);
  *has_drops = self->reported;
  _agent_spin_lock_unlock (&self->drop_lock);

  return subscriber;
}

/* Lets go of the subscriber and tells who waited. Once, when nothing can be delivered any more. */
void
_agent_mailbox_release (AgentMailbox *self)
{
  g_autoptr (AgentSubscriber) subscriber = _agent_bus_report_departed (self->report, self);
  GSList *endings;

  _agent_directory_tell_watches (self->directory, self, AGENT_MAILBOX_LEFT);
  _agent_subscriber_detach (subscriber);
  _agent_directory_forget (self->directory, self);
  _agent_bus_report_unsubscribed (self->report, self->name);
  _agent_delivery_source_put (self->source);

  endings = _agent_delivery_source_leave (self->source, self);
  for (GSList *l = endings; l != NULL; l = l->next)
    _agent_ending_mailbox_left (l->data, self->schedule.abandoned);
  g_slist_free_full (endings, (GDestroyNotify) _agent_ending_unref);

  _agent_mailbox_unref (self);
}
