/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "bus/agent-delivery.h"
#include "bus/agent-sender-private.h"
#include "bus/agent-subscriber.h"
#include "mailbox/agent-budget-private.h"
#include "mailbox/agent-channel-queue-private.h"
#include "mailbox/agent-ledger-private.h"

G_BEGIN_DECLS

/*
 * One subscription: the two channels of a subscriber, and where it stands. Senders hold on to the mailbox and
 * never touch the GObject behind it, which may belong to a scripting language. Each subscription gets a
 * mailbox of its own, so nothing sent to an old one can reach its successor under the same name.
 *
 * Any thread pushes. One thread at a time serves: the one that iterates the subscriber's context. How a
 * mailbox is scheduled, held and ended is the business of its delivery source, under the source's lock.
 *
 * The life of a subscription: attached → closing (no more in) → finished (nothing is delivered any more) →
 * released (the subscriber is being let go) → left.
 */

/* Drops that the bus has not heard of yet. */
typedef struct
{
  guint64       n;
  AgentMessage *last; /* (owned) (nullable) */
} AgentDropRecord;

/* What the watches of the bus want to hear of. */
enum
{
  AGENT_WATCH_ROOM = 1 << 0,     /* somebody stands in line for room in the data channel */
  AGENT_WATCH_PROGRESS = 1 << 1, /* somebody waits until messages are handled */
};

/* What became of a message that was offered. */
typedef enum
{
  AGENT_OFFER_ACCEPTED,
  AGENT_OFFER_FULL,
  AGENT_OFFER_CLOSED,
} AgentOfferResult;

/* What is to be done when an accepted message has been counted, with no lock held. */
typedef struct
{
  guint64       position; /* the message's in its channel */
  gboolean      wake;     /* the mailbox has to be scheduled */
  AgentMessage *cancel;   /* (owned) (nullable) a CANCEL or TASK_CANCEL that just went in */
} AgentOffer;

/* Guarded by the delivery source's lock. The booleans are bytes, since there is one of these for each subscriber. */
typedef struct
{
  GList   ready_links[AGENT_N_CHANNELS]; /* in the source's ready lists */
  guint64 n_handled[AGENT_N_CHANNELS];   /* the position up to which all has been handled, when nothing is in hand */
  GSList *endings;                       /* of AgentEnding (owned): who waits for the release */
  guint   n_returning;                   /* how many threads give messages back to who handed them over */
  guint8  ready[AGENT_N_CHANNELS];       /* whether the link is in its list */
  guint8  parked[AGENT_N_CHANNELS];      /* whether to put it there when the subscriber is free again */
  guint8  serving;                       /* the context's thread is in it */
  guint8  nesting;                       /* and its handler iterates the context; changed by that thread only */
  guint8  held;                          /* a deferred delivery is under way */
  guint8  cancel_pending;                /* its cancellable is to be tripped */
  guint8  closing;
  guint8  abandoned;                     /* finished before it was through */
  guint8  finished;
  guint8  released;                      /* somebody is about to release it, or has */
  guint8  left;                          /* that is through */
} AgentMailboxSchedule;

struct _AgentMailbox
{
  guint                max_age;    /* milliseconds, 0 for any */
  AgentOverflow        overflow;
  AgentDirectory      *directory;
  AgentBusReport      *report;
  AgentDeliverySource *source;     /* set once, before anybody can send */
  AgentSubscriber     *subscriber; /* (owned) (nullable) (drop_lock) NULL once released */
  guint64              hash;       /* of the name */

  AgentChannelQueue    queues[AGENT_N_CHANNELS];

  /* The thread that serves */
  _Atomic guint64      n_delivered;
  AgentMessage        *current;    /* (unowned) (nullable) in the handler's hand, and not deferred */

  /* A deferred delivery; changed with the source's lock held */
  AgentDelivery       *delivery;   /* (unowned) (nullable) (atomic) */
  GCancellable        *cancellable;

  AgentMailboxSchedule schedule;

  /* Senders and the receiver, but not with each message: away from what either of them looks at then */
  char                 padding[AGENT_CACHE_LINE];
  gint                 ref_count;   /* (atomic) */
  gint                 n_failed;    /* (atomic) */
  _Atomic gint         watched;     /* AGENT_WATCH_ flags */
  _Atomic gint         n_cancels;   /* those of the system channel that are not taken yet */

  /* On the way to the source's ready list */
  AgentMailbox        *next_incoming;
  _Atomic gint         is_incoming;
  _Atomic gint         is_finished; /* as the schedule says, for who does not have the lock */

  AgentSpinLock        drop_lock;  /* taken last */
  guint64              n_dropped[AGENT_N_DROP_REASONS]; /* (drop_lock) */
  AgentDropRecord     *drops;      /* (owned) (nullable) (drop_lock) by reason */
  gboolean             reported;   /* (drop_lock) the report knows that there are @drops */
  gboolean             departed;   /* (report's lock) the subscriber has let go */
  gpointer             drop_entry; /* (report's lock) (nullable) the report's own */

  char                 name[];
};

AgentMailbox *_agent_mailbox_new            (AgentSubscriber  *subscriber,
                                             guint             default_capacity,
                                             AgentDirectory   *directory,
                                             AgentBusReport   *report);
AgentMailbox *_agent_mailbox_ref            (AgentMailbox     *self);
void          _agent_mailbox_unref          (AgentMailbox     *self);
const char   *_agent_mailbox_get_name       (AgentMailbox     *self);
AgentSubscriber *
              _agent_mailbox_dup_subscriber (AgentMailbox     *self);
void          _agent_mailbox_get_ledger     (AgentMailbox     *self,
                                             AgentLedger      *ledger);

/* Any thread */
gboolean      _agent_mailbox_push           (AgentMailbox     *self,
                                             AgentMessage     *message,
                                             AgentSender      *sender);
AgentOfferResult
              _agent_mailbox_offer          (AgentMailbox     *self,
                                             AgentMessage     *message,
                                             gboolean          in_turn,
                                             AgentOffer       *offer);
void          _agent_mailbox_end_offer      (AgentMailbox     *self,
                                             AgentChannel      channel,
                                             AgentOffer       *offer);
gboolean      _agent_mailbox_has_handled    (AgentMailbox     *self,
                                             AgentChannel      channel,
                                             guint64           position);
gboolean      _agent_mailbox_ask_again      (AgentMailbox     *self);
void          _agent_mailbox_close          (AgentMailbox     *self);
gboolean      _agent_mailbox_abandon        (AgentMailbox     *self);
gboolean      _agent_mailbox_has_left       (AgentMailbox     *self);
gboolean      _agent_mailbox_add_ending     (AgentMailbox     *self,
                                             AgentEnding      *ending);
void          _agent_mailbox_count_failed   (AgentMailbox     *self);
AgentSubscriber *
              _agent_mailbox_take_subscriber
                                          (AgentMailbox     *self,
                                           gboolean         *has_drops);
AgentDropRecord *
              _agent_mailbox_take_drops     (AgentMailbox     *self,
                                             guint64          *totals);

/* The directory, with its lock held */
void          _agent_mailbox_attach         (AgentMailbox     *self);

/* The delivery source, in the subscriber's context */
gboolean      _agent_mailbox_serve          (AgentMailbox     *self,
                                             AgentChannel      channel,
                                             AgentBudget      *budget);
gboolean      _agent_mailbox_is_watched     (AgentMailbox     *self);
void          _agent_mailbox_tell_progress  (AgentMailbox     *self);
void          _agent_mailbox_release        (AgentMailbox     *self);

/* The handler, in the subscriber's context */
AgentDelivery *_agent_mailbox_defer         (AgentMailbox     *self);

G_END_DECLS
