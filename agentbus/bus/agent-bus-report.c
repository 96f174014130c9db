/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-debug-private.h"
#include "base/agent-log-rule-private.h"
#include "base/agent-plural-private.h"
#include "base/agent-signal-private.h"
#include "base/agent-signal-queue-private.h"
#include "bus/agent-bus-report-private.h"
#include "bus/agent-drop-list-private.h"

enum
{
  SUBSCRIBED,
  UNSUBSCRIBED,
  DROPPED,
  FAILED,
  SLOW,
  RECOVERED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

typedef enum
{
  NOTICE_SUBSCRIBED,
  NOTICE_UNSUBSCRIBED,
  NOTICE_FAILED,
  NOTICE_FLOW,          /* a mailbox has become slow or has recovered */
  NOTICE_MAILBOX_DROPS, /* the mailboxes of a batch have dropped messages, which are in their drop boxes */
  NOTICE_BUS_DROPS,     /* messages came to no mailbox, and are in the drop list */
} NoticeKind;

typedef struct
{
  NoticeKind       kind;
  AgentSubscriber *subscriber; /* (owned) (nullable) */
  AgentMailbox    *mailbox;    /* (owned) (nullable) */
  AgentMessage    *message;    /* (owned) (nullable) */
  char            *text;       /* (owned) (nullable) */
  GError          *error;      /* (owned) (nullable) */
  AgentDropBatch  *batch;      /* (owned) (nullable) */
  AgentBusReport  *report;     /* (unowned) valid while the bus is there: not when the notice is freed */
} Notice;

struct _AgentBusReport
{
  AgentSignalQueue *signals; /* of Notice */
  AgentDropList    *drops;
};

static void
report_free_notice (gpointer data)
{
  Notice *notice = data;

  g_clear_pointer (&notice->batch, _agent_drop_batch_free);
  g_clear_object (&notice->subscriber);
  g_clear_pointer (&notice->mailbox, _agent_mailbox_unref);
  g_clear_pointer (&notice->message, agent_message_unref);
  g_free (notice->text);
  g_clear_error (&notice->error);
  g_free (notice);
}

/* --- Signals --- */

static void
report_install_flow_signals (GType type)
{
  /**
   * AgentBus::slow:
   * @self: the bus
   * @subscriber: the subscriber that lags behind
   * @n_queued: how many messages waited in the channel when that was noticed
   *
   * A subscriber does not keep up: it has dropped messages because its data channel is full, or more than three quarters of
   * its [property@AgentBus.Subscriber:capacity] or of its [property@AgentBus.Subscriber:max-bytes] are in use, or 10,000 system
   * messages wait. With a capacity below 4, only drops count.
   *
   * It comes once, until the subscriber has recovered. Emitted in the bus's context.
   *
   * Since: 0.1
   */
  signals[SLOW] = g_signal_new ("slow",
                                type,
                                G_SIGNAL_RUN_LAST,
                                0,
                                NULL,
                                NULL,
                                NULL,
                                G_TYPE_NONE,
                                2,
                                AGENT_TYPE_SUBSCRIBER,
                                G_TYPE_UINT64);

  /**
   * AgentBus::recovered:
   * @self: the bus
   * @subscriber: the subscriber that was slow
   * @n_dropped: how many messages there was no room for since it had been told to be slow
   *
   * A subscriber that was slow has caught up: less than a quarter of what its channels may have is queued.
   *
   * If it was slow for a short time only, this comes right after [signal@AgentBus.Bus::slow]. Each [signal@AgentBus.Bus::slow]
   * is followed by one, unless the subscriber leaves before. Who connects while a subscriber is slow already gets this one
   * without the other. Emitted in the bus's context.
   *
   * Since: 0.1
   */
  signals[RECOVERED] = g_signal_new ("recovered",
                                     type,
                                     G_SIGNAL_RUN_LAST,
                                     0,
                                     NULL,
                                     NULL,
                                     NULL,
                                     G_TYPE_NONE,
                                     2,
                                     AGENT_TYPE_SUBSCRIBER,
                                     G_TYPE_UINT64);
}

void
_agent_bus_report_install_signals (AgentBusClass *klass)
{
  GType type = G_TYPE_FROM_CLASS (klass);

  /**
   * AgentBus::subscribed:
   * @self: the bus
   * @subscriber: the new subscriber
   *
   * A subscriber has been added. Emitted in the bus's context.
   *
   * Since: 0.1
   */
  signals[SUBSCRIBED] =
      g_signal_new ("subscribed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, AGENT_TYPE_SUBSCRIBER);

  /**
   * AgentBus::unsubscribed:
   * @self: the bus
   * @name: the name the subscriber had
   *
   * A subscriber has left for good: none of its handlers runs any more. Emitted in the bus's context.
   *
   * Since: 0.1
   */
  signals[UNSUBSCRIBED] =
      g_signal_new ("unsubscribed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);

  /**
   * AgentBus::dropped:
   * @self: the bus
   * @subscriber: (nullable): the subscriber that the messages were for; %NULL if they came to none
   * @reason: why the messages were not delivered
   * @n: how many messages were dropped
   * @last: the last of these messages
   *
   * Messages were dropped.
   *
   * Drops are added up: an iteration of the bus's context emits the signal once for each subscriber and reason,
   * however many drops there were. The sum of all @n is the number in the statistics.
   *
   * ```c
   * static void
   * on_dropped (AgentBus        *bus,
   *             AgentSubscriber *subscriber,
   *             AgentDropReason  reason,
   *             guint64          n,
   *             AgentMessage    *last,
   *             gpointer         user_data)
   * {
   *   // prints: 2 dropped: no-target
   *   g_print ("%" G_GUINT64_FORMAT " dropped: %s\n",
   *            n, agent_drop_reason_to_string (reason));
   * }
   *
   * g_signal_connect (bus, "dropped", G_CALLBACK (on_dropped), NULL);
   * agent_bus_send (bus, agent_message_new_activate ("ui", "nobody", NULL));
   * agent_bus_send (bus, agent_message_new_cancel ("ui", "nobody", NULL));
   * ```
   *
   * Since: 0.1
   */
  signals[DROPPED] = g_signal_new ("dropped",
                                   type,
                                   G_SIGNAL_RUN_LAST,
                                   0,
                                   NULL,
                                   NULL,
                                   NULL,
                                   G_TYPE_NONE,
                                   4,
                                   AGENT_TYPE_SUBSCRIBER,
                                   AGENT_TYPE_DROP_REASON,
                                   G_TYPE_UINT64,
                                   AGENT_TYPE_MESSAGE);

  /**
   * AgentBus::failed:
   * @self: the bus
   * @subscriber: the subscriber whose handler has failed
   * @message: the message that the handler could not handle
   * @error: the error that the handler gave to [method@AgentBus.Delivery.fail], with its domain and code;
   *   %AGENT_BUS_ERROR_FAILED if it gave a text to [method@AgentBus.Delivery.fail_message]
   *
   * A handler has failed. Its subscriber goes on with the next message. Emitted in the bus's context.
   *
   * Since: 0.1
   */
  signals[FAILED] = g_signal_new ("failed",
                                  type,
                                  G_SIGNAL_RUN_LAST,
                                  0,
                                  NULL,
                                  NULL,
                                  NULL,
                                  G_TYPE_NONE,
                                  3,
                                  AGENT_TYPE_SUBSCRIBER,
                                  AGENT_TYPE_MESSAGE,
                                  G_TYPE_ERROR);

  report_install_flow_signals (type);
}

/* @name: (nullable): who dropped the messages; NULL if no subscriber did, and then the target is what may be misspelt */
static void
report_log_drops (const AgentDropRecord *record,
                  AgentDropReason        reason,
                  const char            *name)
{
  const char *target = name != NULL ? name : agent_message_get_target (record->last);
  const char *quote = target != NULL ? "'" : "";

  g_debug ("%" G_GUINT64_FORMAT " %s dropped: %s, %sfrom '%s' to %s%s%s",
           record->n,
           _agent_plural (record->n, "message", "messages"),
           agent_drop_reason_to_string (reason),
           record->n > 1 ? "the last one " : "",
           agent_message_get_source (record->last),
           quote,
           target != NULL ? target : "all",
           quote);
}

static void
report_log_all_drops (const AgentDropRecord *records,
                      const char            *name)
{
  for (guint reason = 0; reason < AGENT_N_DROP_REASONS; reason++)
    if (records[reason].n > 0)
      report_log_drops (&records[reason], reason, name);
}

/* @subscriber: (nullable)
 * @name: (nullable): see report_log_drops() */
static void
report_emit_drops (AgentBus        *bus,
                   gpointer         subscriber,
                   const char      *name,
                   AgentDropRecord *records)
{
  for (guint reason = 0; reason < AGENT_N_DROP_REASONS; reason++)
    {
      if (records[reason].n == 0)
        continue;
      report_log_drops (&records[reason], reason, name);
      g_signal_emit (bus, signals[DROPPED], 0, subscriber, reason, records[reason].n, records[reason].last);
    }
}

/* @totals: how many messages @mailbox has dropped in all, including @records */
static void
report_log_full (AgentMailbox          *mailbox,
                 const AgentDropRecord *records,
                 const guint64         *totals)
{
  const guint full = AGENT_DROP_REASON_FULL;

  if (records[full].n > 0 && _agent_log_rule_passes (totals[full] - records[full].n, totals[full]))
    g_warning ("Data channel of '%s' is full: %" G_GUINT64_FORMAT " %s dropped so far",
               _agent_mailbox_get_name (mailbox),
               totals[full],
               _agent_plural (totals[full], "message", "messages"));
  if (records[full].n > 0)
    _agent_mailbox_warn_if_unheard (mailbox);
}

static void
report_tell_entry (AgentBus       *bus,
                   AgentDropEntry *entry)
{
  guint64                     totals[AGENT_N_DROP_REASONS];
  g_autofree AgentDropRecord *records = _agent_drop_box_take (&entry->mailbox->drops, totals);

  if (records == NULL)
    return;

  report_log_full (entry->mailbox, records, totals);
  report_emit_drops (bus, entry->subscriber, _agent_mailbox_get_name (entry->mailbox), records);
  _agent_drop_records_clear (records);
}

static void
report_tell_batch (AgentBusReport *self,
                   AgentBus       *bus,
                   AgentDropBatch *batch)
{
  for (AgentDropEntry *entry; (entry = _agent_drop_list_take_entry (self->drops, batch)) != NULL;)
    {
      report_tell_entry (bus, entry);
      _agent_drop_entry_free (entry);
    }
}

static void
report_tell_bus_drops (AgentBusReport *self,
                       AgentBus       *bus)
{
  AgentDropRecord records[AGENT_N_DROP_REASONS];

  _agent_drop_list_take_records (self->drops, records);
  report_emit_drops (bus, NULL, NULL, records);
  _agent_drop_records_clear (records);
}

/* Of a subscriber that has left meanwhile, nothing is told. */
static void
report_tell_flow (AgentBus     *bus,
                  AgentMailbox *mailbox)
{
  g_autoptr (GObject) subscriber = _agent_mailbox_dup_subscriber (mailbox);
  AgentFlowNews news;

  _agent_flow_take (&_agent_mailbox_extras_get (&mailbox->extras)->flow, &news);
  if (subscriber == NULL)
    return;

  if (news.slow)
    g_signal_emit (bus, signals[SLOW], 0, subscriber, news.n_queued);
  if (news.recovered)
    g_signal_emit (bus, signals[RECOVERED], 0, subscriber, news.n_dropped);
}

/* An AgentSignalFunc. */
static void
report_emit_notice (GObject *object,
                    gpointer event)
{
  AgentBus *bus = AGENT_BUS (object);
  Notice   *notice = event;

  switch (notice->kind)
    {
    case NOTICE_SUBSCRIBED:
      g_signal_emit (bus, signals[SUBSCRIBED], 0, notice->subscriber);
      break;
    case NOTICE_UNSUBSCRIBED:
      g_signal_emit (bus, signals[UNSUBSCRIBED], 0, notice->text);
      break;
    case NOTICE_FAILED:
      g_signal_emit (bus, signals[FAILED], 0, notice->subscriber, notice->message, notice->error);
      break;
    case NOTICE_FLOW:
      report_tell_flow (bus, notice->mailbox);
      break;
    case NOTICE_MAILBOX_DROPS:
      report_tell_batch (notice->report, bus, notice->batch);
      break;
    case NOTICE_BUS_DROPS:
      report_tell_bus_drops (notice->report, bus);
      break;
    default:
      g_assert_not_reached ();
    }
}

/* --- Life --- */

/* An AgentDropAnnounce. The number of such notices is bounded. The queue is open, since the drop list is closed before it. */
static void
report_announce (gpointer        data,
                 AgentDropBatch *batch)
{
  AgentBusReport *self = data;
  Notice          notice = { .kind = batch != NULL ? NOTICE_MAILBOX_DROPS : NOTICE_BUS_DROPS,
                             .batch = batch,
                             .report = self };

  _agent_signal_queue_add_always (self->signals, g_memdup2 (&notice, sizeof notice));
}

AgentBusReport *
_agent_bus_report_new (AgentBus     *bus,
                       GMainContext *context)
{
  AgentBusReport *self = g_new0 (AgentBusReport, 1);

  self->drops = _agent_drop_list_new (report_announce, self);
  self->signals = _agent_signal_queue_new (G_OBJECT (bus), context, "[agentbus] report", report_emit_notice, report_free_notice);

  return self;
}

/* Precondition: it is closed. */
void
_agent_bus_report_free (AgentBusReport *self)
{
  _agent_signal_queue_unref (self->signals);
  _agent_drop_list_unref (self->drops);
  g_free (self);
}

/* The bus is being disposed: from now on no signal is emitted. */
void
_agent_bus_report_close (AgentBusReport *self)
{
  _agent_drop_list_close (self->drops);
  _agent_signal_queue_close (self->signals);
}

/* Returns the bus: (transfer full) (nullable). This is the only weak reference to the bus. If each subscriber had one, a
 * bus with thousands of subscribers would take thousands of steps to drop one of them. */
AgentBus *
_agent_bus_report_dup_bus (AgentBusReport *self)
{
  return (AgentBus *) _agent_signal_queue_dup_object (self->signals);
}

/* --- Any thread --- */

/* Takes the references of @notice. Returns whether it will be told. */
static gboolean
report_add_notice (AgentBusReport *self,
                   Notice          notice)
{
  gboolean added;

  notice.report = self;
  added = _agent_signal_queue_add (self->signals, g_memdup2 (&notice, sizeof notice));
  if (added)
    _agent_drop_list_end_batch (self->drops);
  return added;
}

/* Whether @signal has handlers. If it has none, a notice for it would only lie in the queue as long as the bus's context is
 * not iterated. */
static gboolean
report_is_heard (AgentBusReport *self,
                 guint           signal)
{
  g_autoptr (AgentBus) bus = _agent_bus_report_dup_bus (self);

  return bus != NULL && _agent_signal_is_heard (bus, signals[signal]);
}

void
_agent_bus_report_subscribed (AgentBusReport  *self,
                              AgentSubscriber *subscriber)
{
  if (report_is_heard (self, SUBSCRIBED))
    report_add_notice (self, (Notice){ .kind = NOTICE_SUBSCRIBED, .subscriber = g_object_ref (subscriber) });
}

void
_agent_bus_report_unsubscribed (AgentBusReport *self,
                                const char     *name)
{
  if (report_is_heard (self, UNSUBSCRIBED))
    report_add_notice (self, (Notice){ .kind = NOTICE_UNSUBSCRIBED, .text = g_strdup (name) });
}

void
_agent_bus_report_failed (AgentBusReport  *self,
                          AgentSubscriber *subscriber,
                          AgentMessage    *message,
                          const GError    *error)
{
  if (report_is_heard (self, FAILED))
    report_add_notice (self,
                       (Notice){ .kind = NOTICE_FAILED,
                                 .subscriber = g_object_ref (subscriber),
                                 .message = agent_message_ref (message),
                                 .error = g_error_copy (error) });
}

/* The drop box of @mailbox has drops again. */
void
_agent_bus_report_mailbox (AgentBusReport *self,
                           AgentMailbox   *mailbox)
{
  _agent_drop_list_add_mailbox (self->drops, mailbox);
}

/* @mailbox has become slow, or has recovered. News that cannot be told is forgotten. */
void
_agent_bus_report_flow (AgentBusReport *self,
                        AgentMailbox   *mailbox)
{
  gboolean      heard = report_is_heard (self, SLOW) || report_is_heard (self, RECOVERED);
  AgentFlowNews news;

  if (!heard || !report_add_notice (self, (Notice){ .kind = NOTICE_FLOW, .mailbox = _agent_mailbox_ref (mailbox) }))
    _agent_flow_take (&_agent_mailbox_extras_get (&mailbox->extras)->flow, &news);
}

/* Tells of the drops of @mailbox as drops of no subscriber, since its subscriber is not kept until the bus's context could
 * name it.
 *
 * @heard: whether the signal has handlers */
static void
report_tell_without_subscriber (AgentBusReport *self,
                                AgentMailbox   *mailbox,
                                gboolean        heard)
{
  guint64                     totals[AGENT_N_DROP_REASONS];
  g_autofree AgentDropRecord *records = _agent_drop_box_take (&mailbox->drops, totals);

  if (records == NULL)
    return;

  if (heard)
    _agent_drop_list_add_records (self->drops, records);
  else
    report_log_all_drops (records, _agent_mailbox_get_name (mailbox));
  if (!_agent_drop_list_is_closed (self->drops))
    report_log_full (mailbox, records, totals);
  _agent_drop_records_clear (records);
}

/* Takes the subscriber out of @mailbox, which drops nothing any more: (transfer full). If there are drops to tell of and
 * the signal has handlers, the drop list keeps the subscriber until they are told, unless it keeps too many subscribers
 * already. */
gpointer
_agent_bus_report_departed (AgentBusReport *self,
                            AgentMailbox   *mailbox)
{
  gboolean        heard = report_is_heard (self, DROPPED);
  gboolean        asleep = _agent_signal_queue_is_asleep (self->signals);
  AgentDropEntry *entry;
  gpointer        subscriber = _agent_drop_list_depart (self->drops, mailbox, heard, asleep, &entry);

  if (entry != NULL)
    {
      report_tell_without_subscriber (self, entry->mailbox, heard);
      _agent_drop_entry_free (entry);
    }

  return subscriber;
}

static void
report_trace_drop (AgentDropReason reason,
                   AgentMessage   *message)
{
  g_autofree char *what = g_strdup_printf ("dropped (%s), by nobody", agent_drop_reason_to_string (reason));

  _agent_message_trace (message, what, NULL);
}

/* Takes @message, which came to no mailbox or to a closed one. */
void
_agent_bus_report_drop (AgentBusReport *self,
                        AgentDropReason reason,
                        AgentMessage   *message,
                        AgentSender    *sender)
{
  if (_agent_debug_is_on (AGENT_DEBUG_DROPS))
    report_trace_drop (reason, message);

  _agent_sender_unref_later (sender, _agent_drop_list_add (self->drops, reason, message));
}

/* Adds the drops that came to no mailbox. */
void
_agent_bus_report_get_ledger (AgentBusReport *self,
                              AgentLedger    *ledger)
{
  _agent_drop_list_get_ledger (self->drops, ledger);
}
