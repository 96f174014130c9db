/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-private.h"
#include "agent-bus-report-private.h"
#include "agent-mailbox-private.h"
#include "agent-signal-queue-private.h"

/* A full channel is logged when the first message is dropped, and at every further hundred. */
#define LOG_EVERY 100

typedef enum
{
  NOTICE_SUBSCRIBED,
  NOTICE_UNSUBSCRIBED,
  NOTICE_FAILED,
  NOTICE_MAILBOX_DROPS, /* the mailbox knows what it dropped */
  NOTICE_BUS_DROPS,     /* the report knows what never came to a mailbox */
} NoticeKind;

typedef struct
{
  NoticeKind       kind;
  AgentSubscriber *subscriber; /* (owned) (nullable) */
  AgentMailbox    *mailbox;    /* (owned) (nullable) */
  AgentMessage    *message;    /* (owned) (nullable) */
  char            *text;       /* (owned) (nullable) */
} Notice;

struct _AgentBusReport
{
  gint              ref_count; /* (atomic) */
  AgentSignalQueue *signals;   /* of Notice */

  GMutex          lock;
  gboolean        has_drops;                       /* (lock) a NOTICE_BUS_DROPS is among the notices */
  AgentDropRecord drops[AGENT_N_DROP_REASONS];     /* (lock) */
  guint64         n_dropped[AGENT_N_DROP_REASONS]; /* (lock) */
};

static void
drops_clear (AgentDropRecord *drops)
{
  for (guint reason = 0; reason < AGENT_N_DROP_REASONS; reason++)
    g_clear_pointer (&drops[reason].last, agent_message_unref);
}

/* There is nobody to tell of them any more. */
static void
forget_drops (AgentMailbox *mailbox)
{
  guint64                     totals[AGENT_N_DROP_REASONS];
  g_autofree AgentDropRecord *drops = _agent_mailbox_take_drops (mailbox, totals);

  drops_clear (drops);
  _agent_mailbox_unref (mailbox);
}

static void
notice_free (gpointer data)
{
  Notice *notice = data;

  g_clear_pointer (&notice->mailbox, forget_drops);
  g_clear_object (&notice->subscriber);
  g_clear_pointer (&notice->message, agent_message_unref);
  g_free (notice->text);
  g_free (notice);
}

/* --- In the bus's context --- */

static void
log_full (const char *name,
          guint64     n,
          guint64     total)
{
  guint64 before = total - n;

  if (before == 0 || before / LOG_EVERY != total / LOG_EVERY)
    g_warning ("Data channel of '%s' is full: %" G_GUINT64_FORMAT " message(s) dropped so far", name, total);
}

static void
emit_drops (AgentBus              *bus,
            AgentSubscriber       *subscriber,
            const AgentDropRecord *drops)
{
  for (guint reason = 0; reason < AGENT_N_DROP_REASONS; reason++)
    {
      if (drops[reason].n > 0)
        g_debug ("%" G_GUINT64_FORMAT " message(s) from '%s' to '%s' dropped: %s",
                 drops[reason].n,
                 agent_message_get_source (drops[reason].last),
                 subscriber != NULL ? agent_subscriber_get_name (subscriber) : "nobody",
                 agent_drop_reason_to_string (reason));
      for (guint64 n = drops[reason].n; n > 0; n -= MIN (n, G_MAXUINT))
        _agent_bus_emit (bus,
                         AGENT_BUS_SIGNAL_DROPPED,
                         subscriber,
                         reason,
                         (guint) MIN (n, G_MAXUINT),
                         drops[reason].last);
    }
}

static void
tell_mailbox_drops (AgentBus *bus,
                    Notice   *notice)
{
  guint64                     totals[AGENT_N_DROP_REASONS];
  const guint                 full = AGENT_DROP_REASON_FULL;
  g_autofree AgentDropRecord *drops = _agent_mailbox_take_drops (notice->mailbox, totals);

  if (drops[full].n > 0)
    log_full (_agent_mailbox_get_name (notice->mailbox), drops[full].n, totals[full]);
  g_clear_pointer (&notice->mailbox, _agent_mailbox_unref);
  emit_drops (bus, notice->subscriber, drops);
  drops_clear (drops);
}

/* What is dropped from now on wants another notice. */
static void
take_drops (AgentBusReport  *self,
            AgentDropRecord *drops)
{
  g_mutex_lock (&self->lock);
  memcpy (drops, self->drops, sizeof self->drops);
  memset (self->drops, 0, sizeof self->drops);
  self->has_drops = FALSE;
  g_mutex_unlock (&self->lock);
}

static void
tell_bus_drops (AgentBus *bus)
{
  AgentDropRecord drops[AGENT_N_DROP_REASONS];

  take_drops (bus->report, drops);
  emit_drops (bus, NULL, drops);
  drops_clear (drops);
}

static void
emit (GObject *object,
      gpointer event)
{
  AgentBus *bus = AGENT_BUS (object);
  Notice   *notice = event;

  switch (notice->kind)
    {
    case NOTICE_SUBSCRIBED:
      _agent_bus_emit (bus, AGENT_BUS_SIGNAL_SUBSCRIBED, notice->subscriber);
      break;
    case NOTICE_UNSUBSCRIBED:
      _agent_bus_emit (bus, AGENT_BUS_SIGNAL_UNSUBSCRIBED, notice->text);
      break;
    case NOTICE_FAILED:
      _agent_bus_emit (bus, AGENT_BUS_SIGNAL_FAILED, notice->subscriber, notice->message, notice->text);
      break;
    case NOTICE_MAILBOX_DROPS:
      tell_mailbox_drops (bus, notice);
      break;
    case NOTICE_BUS_DROPS:
      tell_bus_drops (bus);
      break;
    default:
      g_assert_not_reached ();
    }
}

AgentBusReport *
_agent_bus_report_new (AgentBus     *bus,
                       GMainContext *context)
{
  AgentBusReport *self = g_new0 (AgentBusReport, 1);

  self->ref_count = 1;
  self->signals = _agent_signal_queue_new (G_OBJECT (bus), context, "[agentbus] report", emit, notice_free);
  g_mutex_init (&self->lock);

  return self;
}

AgentBusReport *
_agent_bus_report_ref (AgentBusReport *self)
{
  g_atomic_int_inc (&self->ref_count);
  return self;
}

void
_agent_bus_report_unref (AgentBusReport *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;

  drops_clear (self->drops);
  _agent_signal_queue_unref (self->signals);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* (transfer full) (nullable) The one weak reference to the bus: thousands of them, one for each subscriber, would be
 * thousands of steps to drop one. */
AgentBus *
_agent_bus_report_dup_bus (AgentBusReport *self)
{
  return (AgentBus *) _agent_signal_queue_dup_object (self->signals);
}

/* The bus goes: nobody is told anything any more. */
void
_agent_bus_report_close (AgentBusReport *self)
{
  AgentDropRecord drops[AGENT_N_DROP_REASONS];

  _agent_signal_queue_close (self->signals);
  take_drops (self, drops);
  drops_clear (drops);
}

/* --- Any thread --- */

/* Takes what the notice holds. FALSE: there is no bus any more. */
static gboolean
add_notice (AgentBusReport *self,
            const Notice   *notice)
{
  return _agent_signal_queue_add (self->signals, g_memdup2 (notice, sizeof *notice));
}

/* Without anybody to hear them, news would only pile up where the bus's context is not iterated. */
static gboolean
is_heard (AgentBusReport *self,
          AgentBusSignal  signal)
{
  g_autoptr (AgentBus) bus = _agent_bus_report_dup_bus (self);

  return bus != NULL && _agent_bus_has_handlers (bus, signal);
}

void
_agent_bus_report_subscribed (AgentBusReport  *self,
                              AgentSubscriber *subscriber)
{
  if (is_heard (self, AGENT_BUS_SIGNAL_SUBSCRIBED))
    add_notice (self,
                &(Notice){ .kind = NOTICE_SUBSCRIBED, .subscriber = g_object_ref (subscriber) });
}

void
_agent_bus_report_unsubscribed (AgentBusReport *self,
                                const char     *name)
{
  if (is_heard (self, AGENT_BUS_SIGNAL_UNSUBSCRIBED))
    add_notice (self, &(Notice){ .kind = NOTICE_UNSUBSCRIBED, .text = g_strdup (name) });
}

void
_agent_bus_report_failed (AgentBusReport  *self,
                          AgentSubscriber *subscriber,
                          AgentMessage    *message,
                          const char      *reason)
{
  if (is_heard (self, AGENT_BUS_SIGNAL_FAILED))
    add_notice (self,
                &(Notice){ .kind = NOTICE_FAILED,
                           .subscriber = g_object_ref (subscriber),
                           .message = agent_message_ref (message),
                           .text = g_strdup (reason) });
}

/* The mailbox has dropped something since it was asked last. Takes @subscriber. */
void
_agent_bus_report_mailbox (AgentBusReport  *self,
                           AgentMailbox    *mailbox,
                           AgentSubscriber *subscriber)
{
  add_notice (self,
              &(Notice){ .kind = NOTICE_MAILBOX_DROPS,
                         .subscriber = subscriber,
                         .mailbox = _agent_mailbox_ref (mailbox) });
}

/* Takes @message, which came to no mailbox. */
void
_agent_bus_report_drop (AgentBusReport *self,
                        AgentDropReason reason,
                        AgentMessage   *message,
                        AgentSender    *sender)
{
  AgentMessage *previous;

  g_mutex_lock (&self->lock);
  self->n_dropped[reason]++;
  if (!self->has_drops)
    self->has_drops = add_notice (self, &(Notice){ .kind = NOTICE_BUS_DROPS });
  if (self->has_drops)
    {
      self->drops[reason].n++;
      previous = self->drops[reason].last;
      self->drops[reason].last = message;
    }
  else
    {
      previous = message;
    }
  g_mutex_unlock (&self->lock);

  _agent_sender_let_go (sender, previous);
}

/* Adds what never came to a mailbox. */
void
_agent_bus_report_get_ledger (AgentBusReport *self,
                              AgentLedger    *ledger)
{
  g_mutex_lock (&self->lock);
  for (guint reason = 0; reason < AGENT_N_DROP_REASONS; reason++)
    ledger->dropped[reason] += self->n_dropped[reason];
  g_mutex_unlock (&self->lock);
}
