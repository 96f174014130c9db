/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "base/agent-log-rule-private.h"
#include "base/agent-signal-queue-private.h"
#include "bus/agent-bus-private.h"
#include "bus/agent-bus-report-private.h"
#include "mailbox/agent-mailbox-private.h"

/* One notice tells of the drops of so many mailboxes, so that a round of the context is bounded. */
#define MAX_BATCH 64

/* So many subscribers that have left are kept for a context that has not been iterated for long, until their drops are
 * told. The drops of the others are told as drops of nobody. */
#define MAX_DEPARTED 1000

typedef struct _DropBatch DropBatch;

/* A mailbox in a batch. */
typedef struct
{
  GList            link; /* (report's lock) in the batch */
  DropBatch       *batch;
  AgentMailbox    *mailbox;    /* (owned) */
  AgentSubscriber *subscriber; /* (owned) (nullable) whose it was, if that has left */
} DropEntry;

/* Mailboxes whose drops are told one after the other. */
struct _DropBatch
{
  GQueue entries; /* (report's lock) of DropEntry (owned) */
};

typedef enum
{
  NOTICE_SUBSCRIBED,
  NOTICE_UNSUBSCRIBED,
  NOTICE_FAILED,
  NOTICE_MAILBOX_DROPS, /* the mailboxes know what they dropped */
  NOTICE_BUS_DROPS,     /* the report knows what never came to a mailbox */
} NoticeKind;

typedef struct
{
  NoticeKind       kind;
  AgentSubscriber *subscriber; /* (owned) (nullable) */
  AgentMessage    *message;    /* (owned) (nullable) */
  char            *text;       /* (owned) (nullable) */
  DropBatch       *batch;      /* (owned) (nullable) */
  AgentBusReport  *report;     /* (unowned) (nullable) whose lock guards the batch */
} Notice;

struct _AgentBusReport
{
  gint              ref_count; /* (atomic) */
  AgentSignalQueue *signals;   /* of Notice */

  GMutex          lock;
  DropBatch      *open_batch;                      /* (lock) (nullable) the last notice, if it takes more mailboxes */
  gboolean        closed;                          /* (lock) nobody is told anything any more */
  guint           n_departed;                      /* (lock) entries with a subscriber */
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

static DropEntry *
entry_new (AgentMailbox *mailbox,
           DropBatch    *batch)
{
  DropEntry *entry = g_new0 (DropEntry, 1);

  entry->link.data = entry;
  entry->batch = batch;
  entry->mailbox = _agent_mailbox_ref (mailbox);
  return entry;
}

/* The last reference of a subscriber may go, so no lock is held. */
static void
entry_free (DropEntry *entry)
{
  _agent_mailbox_unref (entry->mailbox);
  g_clear_object (&entry->subscriber);
  g_free (entry);
}

static void
unlink_entry_locked (AgentBusReport *self,
                     DropEntry      *entry)
{
  g_queue_unlink (&entry->batch->entries, &entry->link);
  entry->mailbox->drop_entry = NULL;
  if (entry->subscriber != NULL)
    self->n_departed--;
}

/* (transfer full) (nullable) With the subscriber: it is either still the mailbox's, or the entry's. */
static DropEntry *
take_entry (AgentBusReport *self,
            DropBatch      *batch)
{
  DropEntry *entry;

  g_mutex_lock (&self->lock);
  if (self->open_batch == batch)
    self->open_batch = NULL;
  entry = g_queue_peek_head (&batch->entries);
  if (entry != NULL)
    {
      unlink_entry_locked (self, entry);
      if (entry->subscriber == NULL)
        entry->subscriber = _agent_mailbox_dup_subscriber (entry->mailbox);
    }
  g_mutex_unlock (&self->lock);

  return entry;
}

/* There is nobody to tell of them any more. */
static void
forget_drops (AgentMailbox *mailbox)
{
  guint64                     totals[AGENT_N_DROP_REASONS];
  g_autofree AgentDropRecord *drops = _agent_mailbox_take_drops (mailbox, totals);

  if (drops != NULL)
    drops_clear (drops);
}

static void
forget_batch (AgentBusReport *self,
              DropBatch      *batch)
{
  for (DropEntry *entry; (entry = take_entry (self, batch)) != NULL;)
    {
      forget_drops (entry->mailbox);
      entry_free (entry);
    }
  g_free (batch);
}

static void
notice_free (gpointer data)
{
  Notice *notice = data;

  if (notice->batch != NULL)
    forget_batch (notice->report, notice->batch);
  g_clear_object (&notice->subscriber);
  g_clear_pointer (&notice->message, agent_message_unref);
  g_free (notice->text);
  g_free (notice);
}

/* --- In the bus's context --- */

static void
log_full (AgentMailbox          *mailbox,
          const AgentDropRecord *drops,
          const guint64         *totals)
{
  const guint full = AGENT_DROP_REASON_FULL;

  if (drops[full].n > 0 && _agent_log_rule_passes (totals[full] - drops[full].n, totals[full]))
    g_warning ("Data channel of '%s' is full: %" G_GUINT64_FORMAT " message(s) dropped so far",
               _agent_mailbox_get_name (mailbox),
               totals[full]);
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
tell_entry (AgentBus  *bus,
            DropEntry *entry)
{
  guint64                     totals[AGENT_N_DROP_REASONS];
  g_autofree AgentDropRecord *drops = _agent_mailbox_take_drops (entry->mailbox, totals);

  if (drops == NULL)
    return;

  log_full (entry->mailbox, drops, totals);
  emit_drops (bus, entry->subscriber, drops);
  drops_clear (drops);
}

static void
tell_batch (AgentBus  *bus,
            DropBatch *batch)
{
  for (DropEntry *entry; (entry = take_entry (bus->report, batch)) != NULL;)
    {
      tell_entry (bus, entry);
      entry_free (entry);
    }
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
      tell_batch (bus, notice->batch);
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

  g_mutex_lock (&self->lock);
  self->closed = TRUE;
  self->open_batch = NULL;
  g_mutex_unlock (&self->lock);

  _agent_signal_queue_close (self->signals);
  take_drops (self, drops);
  drops_clear (drops);
}

/* --- Any thread --- */

/* Takes what the notice holds. Mailboxes that drop something from now on are told of after it, if it is kept. */
static void
add_notice (AgentBusReport *self,
            const Notice   *notice)
{
  if (!_agent_signal_queue_add (self->signals, g_memdup2 (notice, sizeof *notice)))
    return;

  g_mutex_lock (&self->lock);
  self->open_batch = NULL;
  g_mutex_unlock (&self->lock);
}

/* The same for notices of which there is a bounded number, with the lock held. FALSE: there is no bus any more. */
static gboolean
add_notice_locked (AgentBusReport *self,
                   const Notice   *notice)
{
  return _agent_signal_queue_add_always (self->signals, g_memdup2 (notice, sizeof *notice));
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

/* Where the next mailbox goes. */
static DropBatch *
get_batch_locked (AgentBusReport *self)
{
  if (self->open_batch == NULL || self->open_batch->entries.length >= MAX_BATCH)
    {
      self->open_batch = g_new0 (DropBatch, 1);
      add_notice_locked (
          self, &(Notice){ .kind = NOTICE_MAILBOX_DROPS, .batch = self->open_batch, .report = self });
    }

  return self->open_batch;
}

static void
add_entry_locked (AgentBusReport *self,
                  AgentMailbox   *mailbox)
{
  DropBatch *batch = get_batch_locked (self);

  mailbox->drop_entry = entry_new (mailbox, batch);
  g_queue_push_tail_link (&batch->entries, &((DropEntry *) mailbox->drop_entry)->link);
}

/* Keeps @subscriber until its drops are told. FALSE: too many are kept already. */
static gboolean
keep_departed_locked (AgentBusReport  *self,
                      DropEntry       *entry,
                      AgentSubscriber *subscriber)
{
  if (self->n_departed >= MAX_DEPARTED && _agent_signal_queue_is_asleep (self->signals))
    return FALSE;

  entry->subscriber = g_object_ref (subscriber);
  self->n_departed++;
  return TRUE;
}

/* (transfer full) (nullable) The entry that is to be taken care of now. */
static DropEntry *
settle_departed_locked (AgentBusReport  *self,
                        AgentMailbox    *mailbox,
                        AgentSubscriber *subscriber,
                        gboolean         heard)
{
  DropEntry *entry = mailbox->drop_entry;

  if (entry == NULL || (heard && keep_departed_locked (self, entry, subscriber)))
    return NULL;

  unlink_entry_locked (self, entry);
  return entry;
}

/* The messages change places: those that were told last are in @drops afterwards, to be let go of. */
static void
add_drops_locked (AgentBusReport  *self,
                  AgentDropRecord *drops)
{
  for (guint reason = 0; reason < AGENT_N_DROP_REASONS; reason++)
    {
      AgentDropRecord *own = &self->drops[reason];
      AgentDropRecord  added = drops[reason];

      if (added.n == 0)
        continue;
      drops[reason].last = own->last;
      own->n += added.n;
      own->last = added.last;
    }

  if (!self->has_drops)
    self->has_drops = add_notice_locked (self, &(Notice){ .kind = NOTICE_BUS_DROPS });
}

/* The subscriber is gone, and nobody keeps it for the bus's context to name it there. */
static void
tell_without_subscriber (AgentBusReport *self,
                         AgentMailbox   *mailbox,
                         gboolean        heard)
{
  guint64                     totals[AGENT_N_DROP_REASONS];
  g_autofree AgentDropRecord *drops = _agent_mailbox_take_drops (mailbox, totals);
  gboolean                    closed;

  if (drops == NULL)
    return;

  g_mutex_lock (&self->lock);
  closed = self->closed;
  if (!closed && heard)
    add_drops_locked (self, drops);
  g_mutex_unlock (&self->lock);

  if (!closed)
    log_full (mailbox, drops, totals);
  drops_clear (drops);
}

/* The mailbox has dropped something since it was asked last. When its subscriber has departed, that is told already. */
void
_agent_bus_report_mailbox (AgentBusReport *self,
                           AgentMailbox   *mailbox)
{
  gboolean closed;

  g_mutex_lock (&self->lock);
  closed = self->closed;
  if (!closed && !mailbox->departed && mailbox->drop_entry == NULL)
    add_entry_locked (self, mailbox);
  g_mutex_unlock (&self->lock);

  if (closed)
    forget_drops (mailbox);
}

/* Takes the subscriber out of a mailbox, which drops nothing any more: (transfer full). If it has drops to tell and somebody
 * wants to hear of them, the subscriber is kept until then as well, but only a number of such. */
AgentSubscriber *
_agent_bus_report_departed (AgentBusReport *self,
                            AgentMailbox   *mailbox)
{
  gboolean         heard = is_heard (self, AGENT_BUS_SIGNAL_DROPPED);
  gboolean         has_drops;
  AgentSubscriber *subscriber;
  DropEntry       *entry;

  g_mutex_lock (&self->lock);
  subscriber = _agent_mailbox_take_subscriber (mailbox, &has_drops);
  mailbox->departed = TRUE;
  /* Who is about to tell us of them finds that it has departed. */
  if (has_drops && !self->closed && mailbox->drop_entry == NULL)
    add_entry_locked (self, mailbox);
  entry = settle_departed_locked (self, mailbox, subscriber, heard);
  g_mutex_unlock (&self->lock);

  if (entry != NULL)
    {
      tell_without_subscriber (self, entry->mailbox, heard);
      entry_free (entry);
    }

  return subscriber;
}

/* Takes @message, which came to no mailbox, or to the closed one of @name. */
void
_agent_bus_report_drop (AgentBusReport *self,
                        AgentDropReason reason,
                        AgentMessage   *message,
                        const char     *name,
                        AgentSender    *sender)
{
  AgentMessage *previous = message;

  _agent_sender_note_loss (sender, self, message, name, reason);

  g_mutex_lock (&self->lock);
  self->n_dropped[reason]++;
  if (!self->has_drops && !self->closed)
    self->has_drops = add_notice_locked (self, &(Notice){ .kind = NOTICE_BUS_DROPS });
  if (self->has_drops)
    {
      self->drops[reason].n++;
      previous = self->drops[reason].last;
      self->drops[reason].last = message;
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
