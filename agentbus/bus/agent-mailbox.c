/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-report-private.h"
#include "agent-clock-private.h"
#include "agent-delivery-private.h"
#include "agent-delivery-source-private.h"
#include "agent-ending-private.h"
#include "agent-mailbox-private.h"
#include "agent-subscriber-private.h"

/* How many data messages a subscriber gets before the next one in the same context has its turn. */
#define TURN 64

AgentMailbox *
_agent_mailbox_new (AgentSubscriber *subscriber,
                    guint            default_capacity,
                    AgentDirectory  *directory,
                    AgentBusReport  *report)
{
  AgentMailbox *self = g_new0 (AgentMailbox, 1);
  guint         capacity = agent_subscriber_get_capacity (subscriber);

  self->ref_count = 1;
  self->name = g_strdup (agent_subscriber_get_name (subscriber));
  self->context = g_main_context_ref (agent_subscriber_get_main_context (subscriber));
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
  g_clear_pointer (&self->cancels, g_ptr_array_unref);
  g_clear_object (&self->cancellable);
  g_main_context_unref (self->context);
  _agent_bus_report_unref (self->report);
  _agent_directory_unref (self->directory);
  g_free (self->name);
  g_free (self);
}

/* It is on the bus now, and keeps itself alive until it is released. */
void
_agent_mailbox_attach (AgentMailbox *self)
{
  self->source = _agent_delivery_source_get (self->context);
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

static guint64
get_n_in (AgentChannelQueue *queue)
{
  guint64 n_in;

  _agent_channel_queue_lock (queue);
  n_in = queue->n_in;
  _agent_channel_queue_unlock (queue);

  return n_in;
}

/* Messages count as queued until they are known to be delivered or expired. What comes out is read before what
 * goes in, so that the difference is never negative. */
void
_agent_mailbox_get_ledger (AgentMailbox *self,
                           AgentLedger  *ledger)
{
  AgentChannelQueue *data = &self->queues[AGENT_CHANNEL_DATA];
  guint64            n_in;

  ledger->failed = g_atomic_int_get (&self->n_failed);
  ledger->delivered = atomic_load (&self->n_delivered);

  _agent_channel_queue_lock (data);
  memcpy (ledger->dropped, self->n_dropped, sizeof self->n_dropped);
  n_in = data->n_in;
  _agent_channel_queue_unlock (data);
  n_in += get_n_in (&self->queues[AGENT_CHANNEL_SYSTEM]);

  ledger->queued = n_in - ledger->delivered - ledger->dropped[AGENT_DROP_REASON_EXPIRED];
}

/* --- Drops --- */

/* Takes @n messages of which @message is the last. Returns what is to be let go of. */
static AgentMessage *
count_drops_locked (AgentMailbox   *self,
                    AgentDropReason reason,
                    guint64         n,
                    AgentMessage   *message)
{
  AgentDropRecord *record = &self->drops[reason];
  AgentMessage    *previous = record->last;

  self->n_dropped[reason] += n;
  record->n += n;
  record->last = message;

  return previous;
}

/* The bus is to hear of @drops: returns whom to name, once per round. */
static AgentSubscriber *
begin_report_locked (AgentMailbox *self)
{
  if (self->reported || self->subscriber == NULL)
    return NULL;

  self->reported = TRUE;
  return g_object_ref (self->subscriber);
}

static void
end_report (AgentMailbox    *self,
            AgentSubscriber *subscriber)
{
  if (subscriber != NULL)
    _agent_bus_report_mailbox (self->report, self, subscriber);
}

/* Hands the drops over to the report: the records, and what was dropped in all. */
void
_agent_mailbox_take_drops (AgentMailbox    *self,
                           AgentDropRecord *drops,
                           guint64         *totals)
{
  AgentChannelQueue *data = &self->queues[AGENT_CHANNEL_DATA];

  _agent_channel_queue_lock (data);
  memcpy (drops, self->drops, sizeof self->drops);
  memcpy (totals, self->n_dropped, sizeof self->n_dropped);
  memset (self->drops, 0, sizeof self->drops);
  self->reported = FALSE;
  _agent_channel_queue_unlock (data);
}

static void
drop_one (AgentMailbox   *self,
          AgentDropReason reason,
          AgentMessage   *message)
{
  AgentChannelQueue *data = &self->queues[AGENT_CHANNEL_DATA];
  AgentSubscriber   *subscriber;
  AgentMessage      *previous;

  _agent_channel_queue_lock (data);
  previous = count_drops_locked (self, reason, 1, message);
  subscriber = begin_report_locked (self);
  _agent_channel_queue_unlock (data);

  end_report (self, subscriber);
  g_clear_pointer (&previous, agent_message_unref);
}

/* Takes @messages. */
static void
discard (AgentMailbox *self,
         GPtrArray    *messages)
{
  AgentChannelQueue *data = &self->queues[AGENT_CHANNEL_DATA];
  AgentSubscriber   *subscriber = NULL;

  if (messages->len > 0)
    {
      guint         n = messages->len;
      AgentMessage *last = g_ptr_array_remove_index_fast (messages, n - 1);
      AgentMessage *previous;

      _agent_channel_queue_lock (data);
      previous = count_drops_locked (self, AGENT_DROP_REASON_DISCARDED, n, last);
      subscriber = begin_report_locked (self);
      _agent_channel_queue_unlock (data);

      if (previous != NULL)
        g_ptr_array_add (messages, previous);
    }

  end_report (self, subscriber);
  g_ptr_array_set_free_func (messages, (GDestroyNotify) agent_message_unref);
  g_ptr_array_unref (messages);
}

/* --- Senders --- */

static gboolean
claim_token_locked (AgentChannelQueue *queue)
{
  gboolean claimed = !queue->scheduled;

  queue->scheduled = TRUE;
  return claimed;
}

static gboolean
refuse (AgentMailbox *self,
        AgentMessage *message,
        AgentSender  *sender)
{
  _agent_bus_report_drop (self->report, AGENT_DROP_REASON_CLOSED, message, sender);
  return FALSE;
}

static gboolean
is_cancel (AgentMessage *message)
{
  return message->type == AGENT_MESSAGE_TYPE_CANCEL || message->type == AGENT_MESSAGE_TYPE_TASK_CANCEL;
}

static gboolean
push_system (AgentMailbox *self,
             AgentMessage *message,
             AgentSender  *sender)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_SYSTEM];
  AgentMessage      *cancel = is_cancel (message) ? agent_message_ref (message) : NULL;
  gboolean           claimed = FALSE;
  gboolean           closed;

  _agent_channel_queue_lock (queue);
  closed = queue->closed;
  if (!closed)
    {
      _agent_channel_queue_push_locked (queue, message, 0);
      claimed = claim_token_locked (queue);
    }
  _agent_channel_queue_unlock (queue);

  _agent_sender_let_go (sender, cancel);
  if (closed)
    return refuse (self, message, sender);

  if (cancel != NULL)
    _agent_delivery_source_cancel (self->source, self, cancel);
  if (claimed)
    _agent_delivery_source_add (self->source, self, AGENT_CHANNEL_SYSTEM);
  return TRUE;
}

typedef enum
{
  PUSH_ACCEPTED,
  PUSH_FULL,
  PUSH_CLOSED,
  PUSH_AGAIN, /* the one that gave way was too small */
} PushResult;

/* At most one message gives way, even if that is not enough: its drop is counted before the next is looked for. */
static PushResult
make_room_locked (AgentMailbox  *self,
                  AgentMessage  *message,
                  gsize          size,
                  AgentMessage **victim)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_DATA];

  if (queue->closed)
    return PUSH_CLOSED;
  if (message->reliable || _agent_channel_queue_has_room_locked (queue, size))
    return PUSH_ACCEPTED;
  if (self->overflow == AGENT_OVERFLOW_DROP_NEWEST || size > queue->max_bytes)
    return PUSH_FULL;

  *victim = _agent_channel_queue_evict_locked (queue);
  if (*victim == NULL)
    return PUSH_FULL;
  return _agent_channel_queue_has_room_locked (queue, size) ? PUSH_ACCEPTED : PUSH_AGAIN;
}

static PushResult
try_push_data (AgentMailbox *self,
               AgentMessage *message,
               gsize         size,
               AgentSender  *sender)
{
  AgentChannelQueue *queue = &self->queues[AGENT_CHANNEL_DATA];
  AgentSubscriber   *reported = NULL;
  AgentMessage      *dropped = NULL;
  PushResult         result;
  gboolean           claimed = FALSE;

  _agent_channel_queue_lock (queue);
  result = make_room_locked (self, message, size, &dropped);
  if (result == PUSH_ACCEPTED)
    {
      _agent_channel_queue_push_locked (queue, message, size);
      claimed = claim_token_locked (queue);
    }
  if (result == PUSH_FULL)
    dropped = message;
  if (dropped != NULL)
    {
      dropped = count_drops_locked (self, AGENT_DROP_REASON_FULL, 1, dropped);
      reported = begin_report_locked (self);
    }
  _agent_channel_queue_unlock (queue);

  if (claimed)
    _agent_delivery_source_add (self->source, self, AGENT_CHANNEL_DATA);
  end_report (self, reported);
  _agent_sender_let_go (sender, dropped);
  return result;
}

static gboolean
push_data (AgentMailbox *self,
           AgentMessage *message,
           AgentSender  *sender)
{
  gsize      size = _agent_channel_queue_measure (&self->queues[AGENT_CHANNEL_DATA], message);
  PushResult result;

  do
    result = try_push_data (self, message, size, sender);
  while (result == PUSH_AGAIN);

  if (result == PUSH_CLOSED)
    return refuse (self, message, sender);
  return result == PUSH_ACCEPTED;
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

/* --- The subscriber's context --- */

/* The age limit of a subscriber is for data only: a system message goes by nothing but its own ttl. */
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
         (max_age != 0 && age >= max_age * G_GINT64_CONSTANT (1000));
}

static void
deliver (AgentMailbox *self,
         AgentMessage *message,
         gboolean      emit)
{
  guint64 n_delivered = atomic_load_explicit (&self->n_delivered, memory_order_relaxed);

  atomic_store_explicit (&self->n_delivered, n_delivered + 1, memory_order_release);

  self->current = message;
  _agent_subscriber_deliver (self->subscriber, message, emit);
  self->current = NULL;

  agent_message_unref (message);
}

static gboolean
has_to_make_way (AgentMailbox *self,
                 AgentChannel  channel)
{
  return channel == AGENT_CHANNEL_DATA && _agent_delivery_source_has_system (self->source);
}

/* Hands out messages until there are none, the turn or the budget is over, system messages have come for
 * anybody in the context, or the handler goes on with one. TRUE: there may be more. */
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

      if (has_to_make_way (self, channel) || g_atomic_pointer_get (&self->delivery) != NULL)
        return TRUE;
      if (g_atomic_int_get (&self->n_cancels) > 0)
        _agent_delivery_source_forget_cancels (self->source, self);

      message = _agent_channel_queue_pop (queue);
      if (message == NULL)
        return FALSE;

      if (is_expired (self, message))
        drop_one (self, AGENT_DROP_REASON_EXPIRED, message);
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

  if (self->current == NULL || g_atomic_pointer_get (&self->delivery) != NULL)
    return NULL;

  delivery = _agent_delivery_new (self, self->subscriber, self->current);
  _agent_delivery_source_defer (self->source, self, delivery);
  return delivery;
}

/* --- Ending --- */

static GPtrArray *
close_queue (AgentMailbox *self,
             AgentChannel  channel,
             gboolean      take_all)
{
  AgentChannelQueue *queue = &self->queues[channel];
  GPtrArray         *messages = g_ptr_array_new ();

  _agent_channel_queue_lock (queue);
  _agent_channel_queue_close_locked (queue);
  if (take_all)
    _agent_channel_queue_take_all_locked (queue, messages);
  _agent_channel_queue_unlock (queue);

  return messages;
}

/* Nothing more comes in. Data is discarded; system messages and the message in hand go their way first. */
void
_agent_mailbox_close (AgentMailbox *self)
{
  discard (self, close_queue (self, AGENT_CHANNEL_SYSTEM, FALSE));
  discard (self, close_queue (self, AGENT_CHANNEL_DATA, TRUE));

  if (_agent_delivery_source_close (self->source, self))
    _agent_mailbox_release (self);
}

/* Nothing more is delivered. TRUE: it was not through yet. */
gboolean
_agent_mailbox_abandon (AgentMailbox *self)
{
  gboolean was_attached = _agent_delivery_source_is_attached (self->source, self);

  discard (self, close_queue (self, AGENT_CHANNEL_SYSTEM, TRUE));
  discard (self, close_queue (self, AGENT_CHANNEL_DATA, TRUE));

  if (_agent_delivery_source_abandon (self->source, self))
    _agent_mailbox_release (self);

  return was_attached;
}

/* FALSE: it is released already. */
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
  AgentChannelQueue *data = &self->queues[AGENT_CHANNEL_DATA];
  AgentSubscriber   *subscriber = NULL;

  _agent_channel_queue_lock (data);
  g_set_object (&subscriber, self->subscriber);
  _agent_channel_queue_unlock (data);

  return subscriber;
}

static AgentSubscriber *
take_subscriber (AgentMailbox *self)
{
  AgentChannelQueue *data = &self->queues[AGENT_CHANNEL_DATA];
  AgentSubscriber   *subscriber;

  _agent_channel_queue_lock (data);
  subscriber = g_steal_pointer (&self->subscriber);
  _agent_channel_queue_unlock (data);

  return subscriber;
}

/* Lets go of the subscriber and tells who waited. Once, when nothing can be delivered any more. */
void
_agent_mailbox_release (AgentMailbox *self)
{
  g_autoptr (AgentSubscriber) subscriber = take_subscriber (self);
  GSList *endings = _agent_delivery_source_take_endings (self->source, self);

  _agent_subscriber_detach (subscriber);
  _agent_directory_forget (self->directory, self);
  _agent_bus_report_unsubscribed (self->report, self->name);
  _agent_delivery_source_put (self->source);

  for (GSList *l = endings; l != NULL; l = l->next)
    _agent_ending_mailbox_left (l->data);
  g_slist_free_full (endings, (GDestroyNotify) _agent_ending_unref);

  _agent_mailbox_unref (self);
}
