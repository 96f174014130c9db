/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "mailbox/agent-channel-queue-private.h"
#include "mailbox/agent-delivery-source-private.h"
#include "mailbox/agent-drop-box-private.h"
#include "mailbox/agent-ledger-private.h"
#include "mailbox/agent-mailbox-extras-private.h"
#include "mailbox/agent-mailbox-owner-private.h"
#include "mailbox/agent-mailbox-pair-private.h"
#include "mailbox/agent-mailbox-watch-private.h"
#include "mailbox/agent-sender-private.h"

G_BEGIN_DECLS

/*
 * One subscription: the two channels of a subscriber, and how far the subscription has come. Senders hold on to the mailbox
 * and never touch the GObject behind it, which may belong to a scripting language. Each subscription gets a mailbox of its
 * own, so no message that was sent to an old subscription can reach the next one under the same name.
 *
 * Messages are pushed in any thread. They are served in one thread at a time: the one that iterates the subscriber's
 * context.
 *
 * The functions are in several files: what a mailbox is (agent-mailbox.c), how messages get in, by a push or by an offer
 * (-push.c, -offer.c, -copy.c), what becomes of those for a group (-group.c), how they get out (-serve.c, -receive.c,
 * -receive-now.c, -take.c), how they stay in hand (-defer.c), how a subscription begins and ends (-life.c), and the second
 * mailbox of a subscriber that has rules (-pair.c). Only these files write to the struct.
 */

typedef void (*AgentReceiverFunc) (gpointer      subscriber,
                                   AgentMessage *message);

/* How a subscriber is called. The mailbox calls it only in the subscriber's context. */
typedef struct
{
  AgentReceiverFunc handle; /* (nullable) the virtual function */
  guint      signal;      /* the signal that is emitted instead, if it has a handler; it calls the virtual function too */
  gboolean   always_emit; /* the signal is emitted also if it has no handler */
} AgentReceiver;

/* The limits of a data channel. They may change. */
typedef struct
{
  guint   capacity;  /* messages */
  guint64 max_bytes; /* 0 for any number */
  guint   max_age;   /* milliseconds, 0 for any */
} AgentLimits;

/* The settings of a subscriber. */
typedef struct
{
  const char   *name;
  const char   *group; /* (nullable) */
  AgentLimits   limits;
  AgentOverflow overflow;
  gboolean      paused;
} AgentMailboxSettings;

/* What became of an offered message. */
typedef enum
{
  AGENT_OFFER_ACCEPTED,
  AGENT_OFFER_FULL,
  AGENT_OFFER_CLOSED,
} AgentOfferResult;

/* Where an offered message stands if there is no room for it. */
typedef enum
{
  AGENT_OFFER_DIRECT, /* it does not wait */
  AGENT_OFFER_BEHIND, /* it waits behind others that wait already */
  AGENT_OFFER_FIRST,  /* no message before it waits */
} AgentOfferPlace;

/* A position in the inbox says so, and in which of its channels it is. */
#define AGENT_POSITION_IN_INBOX (G_GUINT64_CONSTANT (1) << 63)
#define AGENT_POSITION_OF_DATA (G_GUINT64_CONSTANT (1) << 62)

/* Which queue has accepted an offered message. */
typedef enum
{
  AGENT_OFFER_TO_MAIN,         /* that of the mailbox to which it was offered */
  AGENT_OFFER_TO_INBOX_SYSTEM, /* one of its inbox */
  AGENT_OFFER_TO_INBOX_DATA,
} AgentOfferQueue;

/* What is left to do for an accepted message, with no lock held. */
typedef struct
{
  guint64       position; /* of the message in its channel, for has_handled() */
  AgentOfferQueue queue;
  guint         found;    /* AGENT_LOOK_ flags */
  gboolean      wake;     /* the mailbox has to be scheduled */
  AgentMessage *cancel;   /* (owned) (nullable) the message, if it is a CANCEL or TASK_CANCEL */
} AgentOffer;

/* Called when the subscriber is released, in any thread. @abandoned: whether the mailbox was abandoned before it had
 * finished */
typedef void (*AgentLeftFunc) (gpointer data,
                               gboolean abandoned);

/* What has happened to a mailbox once. */
enum
{
  AGENT_MARK_UNHEARD = 1 << 0,   /* it was logged that nobody listens */
  AGENT_MARK_FORGOTTEN = 1 << 1, /* it was logged that nothing iterates the context */
  AGENT_MARK_PULLED = 1 << 2,    /* somebody has received from it */
  AGENT_MARK_MANY = 1 << 3,      /* it was logged that many system messages wait */
  AGENT_MARK_ABANDONED = 1 << 4, /* it was abandoned before it had finished */
  AGENT_MARK_REMOTE = 1 << 5,    /* it is for a subscriber of another process; set when it comes to the bus */
  AGENT_MARK_NAMELESS = 1 << 6,  /* it is the link's own: its name is not told to the application */
  AGENT_MARK_GONE = 1 << 7,      /* nothing can be handled any more: it keeps nothing when it closes */
};

/* How a member of a group takes part in it. */
typedef enum
{
  AGENT_STANDING_ACTIVE, /* it gets data of the group */
  AGENT_STANDING_KEEPS,  /* it keeps data until it is active: it gets data as long as no member is active */
  AGENT_STANDING_STANDBY, /* it gets no data of the group */
} AgentStanding;

/* What becomes of data of the group that is sent to a member. A sender chooses the member before, and the standing of the member
 * may have changed since. */
typedef enum
{
  AGENT_GROUPING_OPEN,   /* it is queued */
  AGENT_GROUPING_CLOSED, /* it is refused: another member gets it */
  AGENT_GROUPING_HOLDS,  /* it is held back, in its order, until the member is open or another one gets it */
} AgentGrouping;

/* What a message has to be asked at its turn, beside its own limits. */
enum
{
  AGENT_CHECK_AGE = 1 << 0,     /* there is an age limit */
  AGENT_CHECK_CANCELS = 1 << 1, /* a TASK_CANCEL has come */
  AGENT_CHECK_RULES = 1 << 2,   /* the rules are asked; set before any thread can send */
  AGENT_CHECK_ANY = 0xff,
};

struct _AgentMailbox
{
  _Atomic guint        max_age;   /* milliseconds, 0 for any */
  guint8               overflow;  /* an AgentOverflow */
  guint8               missed;    /* (thread that serves) call tell_missed() with the next message */
  _Atomic guint8       checks;    /* AGENT_CHECK_ flags */
  _Atomic guint8       grouping;  /* an AgentGrouping; closed and held with the lock of the groups, opened with that or that of
                                   * the data queue */
  AgentMailboxOwner   *owner;     /* (owned) */
  AgentDeliverySource *source;    /* (owned) (nullable) set once, before any thread can send */
  AgentMailboxPair    *pair;      /* (owned by the main one) (nullable) this mailbox and the other one of a subscriber that has
                                   * rules; set once, before any thread can send */
  AgentReceiver        receiver;
  guint64              hash;      /* of the name */

  AgentChannelQueue    queues[AGENT_N_CHANNELS];

  /* Changed by the thread that serves. */
  _Atomic guint64      n_delivered;
  AgentMessage        *current;   /* (unowned) (nullable) the message that the handler is handling, unless it has deferred it */

  /* Guarded by the source's lock; senders change the end of it without the lock. */
  AgentSchedule        schedule;

  gatomicrefcount      ref_count;
  gint                 n_failed;  /* (atomic) */
  guint                marks;     /* (atomic) AGENT_MARK_ flags */
  _Atomic gint         n_cancels; /* how many CANCELs and TASK_CANCELs of the system channel are not taken yet */
  AgentDropBox         drops;
  AgentMailboxExtras  *extras;    /* (owned) (nullable) */

  char                 name[];
};

AgentMailbox    *_agent_mailbox_new            (AgentMailboxOwner          *owner,
                                                gpointer                    subscriber,
                                                const AgentReceiver        *receiver,
                                                const AgentMailboxSettings *settings);
void             _agent_mailbox_add_inbox      (AgentMailbox               *self,
                                                const AgentMailboxRules    *rules);
AgentMailbox    *_agent_mailbox_ref            (AgentMailbox               *self);
void             _agent_mailbox_unref          (AgentMailbox               *self);
const char      *_agent_mailbox_get_name       (AgentMailbox               *self);
gpointer         _agent_mailbox_dup_subscriber (AgentMailbox               *self);
gpointer         _agent_mailbox_dup_bus        (AgentMailbox               *self);
void             _agent_mailbox_get_ledger     (AgentMailbox               *self,
                                                AgentLedger                *ledger);
void             _agent_mailbox_count_failed   (AgentMailbox               *self);
gboolean         _agent_mailbox_count_drops    (AgentMailbox               *self,
                                                AgentDropReason             reason,
                                                guint64                     n,
                                                AgentMessage               *message,
                                                AgentMessage              **previous,
                                                gboolean                   *to_report);
void             _agent_mailbox_report_drops   (AgentMailbox               *self,
                                                gboolean                    to_report);

/* Any thread, with the lock of the bus's directory held */
AgentInterest   *_agent_mailbox_peek_interest  (AgentMailbox               *self);
AgentInterest   *_agent_mailbox_get_interest   (AgentMailbox               *self);

/* Any thread */
gboolean         _agent_mailbox_push           (AgentMailbox               *self,
                                                AgentMessage               *message,
                                                AgentSender                *sender);
void             _agent_mailbox_push_copy      (AgentMailbox               *self,
                                                AgentMessage               *copy,
                                                gint64                      now,
                                                AgentSender                *sender);
gboolean         _agent_mailbox_lose           (AgentMailbox               *self,
                                                AgentMessage               *message,
                                                gboolean                    full,
                                                gint64                      now,
                                                AgentSender                *sender);
AgentOfferResult _agent_mailbox_offer          (AgentMailbox               *self,
                                                AgentMessage               *message,
                                                AgentOfferPlace             place,
                                                _Atomic guint64            *last_seq,
                                                AgentOffer                 *offer);
void             _agent_mailbox_prepare_offer  (AgentMailbox               *self,
                                                AgentMessage               *message,
                                                AgentSender                *sender);
gboolean         _agent_mailbox_purge          (AgentMailbox               *self,
                                                AgentMessage               *message,
                                                AgentSender                *sender);
gboolean         _agent_mailbox_make_room      (AgentMailbox               *self,
                                                AgentMessage               *message,
                                                guint                      *found,
                                                AgentSender                *sender);
void             _agent_mailbox_reserve_room   (AgentMailbox               *self,
                                                gboolean                    reserved);
void             _agent_mailbox_end_offer      (AgentMailbox               *self,
                                                AgentChannel                channel,
                                                AgentOffer                 *offer);
void             _agent_mailbox_remember_cancel
                                               (AgentMailbox               *self,
                                                AgentMessage               *cancel);
gboolean         _agent_mailbox_has_cancelled  (AgentMailbox               *self,
                                                AgentMessage               *message);
void             _agent_mailbox_add_system     (AgentMailbox               *self,
                                                gboolean                    claimed,
                                                AgentMessage               *cancel);

/* Any thread, for a mailbox that gets long */
gboolean         _agent_mailbox_note_slow      (AgentMailbox               *self,
                                                AgentChannel                channel);
void             _agent_mailbox_look_for_recovery
                                               (AgentMailbox               *self);
char            *_agent_mailbox_dup_warning    (AgentMailbox               *self,
                                                AgentChannel                channel);

/* Lost messages: senders, with the lock of the data queue, but for note_refused() */
void             _agent_mailbox_note_refused   (AgentMailbox               *self);
gboolean         _agent_mailbox_put_all_refused_locked
                                               (AgentMailbox               *self,
                                                AgentMessage               *message);
void             _agent_mailbox_put_evicted_locked
                                               (AgentMailbox               *self,
                                                AgentMessage               *message,
                                                gboolean                    gap,
                                                AgentMessage               *next);
void             _agent_mailbox_move_gap_locked
                                               (gpointer                    mailbox,
                                                AgentMessage               *from,
                                                AgentMessage               *to);
void             _agent_mailbox_put_purged_locked
                                               (AgentMailbox               *self,
                                                AgentMessage               *message,
                                                AgentDropReason             reason,
                                                gboolean                    gap,
                                                AgentMessage               *next);
void             _agent_mailbox_count_evicted_locked
                                               (AgentMailbox               *self,
                                                guint                       n);

/* Lost messages: the thread that takes messages out */
void             _agent_mailbox_forget_gap     (AgentMessage               *message);
void             _agent_mailbox_take_gap       (AgentMailbox               *self,
                                                AgentMessage               *message);
void             _agent_mailbox_note_spent     (AgentMailbox               *self,
                                                AgentMessage               *message,
                                                AgentDropReason             reason);
void             _agent_mailbox_tell_missed    (AgentMailbox               *self,
                                                AgentChannel                channel);
guint64          _agent_mailbox_get_n_missed   (AgentMailbox               *self);

/* Any thread, for groups; _locked: with the lock of the data channel held */
void             _agent_mailbox_note_delay     (AgentMailbox               *self,
                                                AgentMessage               *message);
void             _agent_mailbox_adopt          (AgentMailbox               *self,
                                                GPtrArray                  *messages);
gboolean         _agent_mailbox_keeps_grouped_locked
                                               (gpointer                    mailbox,
                                                AgentMessage               *message);
void             _agent_mailbox_pick_grouped_locked
                                               (AgentMailbox               *self,
                                                GPtrArray                  *messages,
                                                GPtrArray                  *moved);
void             _agent_mailbox_take_back_locked
                                               (AgentMailbox               *self,
                                                GPtrArray                  *messages,
                                                gboolean                    keep);

/* Any thread, for data that a member of a group holds back; _locked: with the lock of the data channel held */
void             _agent_mailbox_init_standing  (AgentMailbox               *self,
                                                AgentStanding               standing,
                                                gboolean                    inactive);
gboolean         _agent_mailbox_has_room_to_hold_locked
                                               (AgentMailbox               *self,
                                                gsize                       size,
                                                guint                       capacity);
void             _agent_mailbox_hold_back_locked
                                               (AgentMailbox               *self,
                                                AgentMessage               *message,
                                                gsize                       size);
void             _agent_mailbox_hold_back_older_locked
                                               (AgentMailbox               *self,
                                                AgentMessage               *message);
void             _agent_mailbox_add_grouped_locked
                                               (AgentMailbox               *self,
                                                AgentMessage               *message);
AgentMessage    *_agent_mailbox_evict_held_locked
                                               (AgentMailbox               *self);
GPtrArray       *_agent_mailbox_take_held      (AgentMailbox               *self,
                                                gboolean                   *closed);
void             _agent_mailbox_release_held   (AgentMailbox               *self);
void             _agent_mailbox_move_taken     (AgentMailbox               *self,
                                                GPtrArray                  *messages);

/* Any thread, for the watches */
gboolean         _agent_mailbox_has_handled    (AgentMailbox               *self,
                                                AgentChannel                channel,
                                                guint64                     position);
guint64          _agent_mailbox_get_last_position
                                               (AgentMailbox               *self,
                                                AgentChannel                channel);
guint64          _agent_mailbox_get_last_inbox_position
                                               (AgentMailbox               *self,
                                                AgentChannel                channel);
gboolean         _agent_mailbox_ask_again      (AgentMailbox               *self);
gboolean         _agent_mailbox_is_released    (AgentMailbox               *self);
void             _agent_mailbox_tell_progress  (AgentMailbox               *self);

/* The subscriber's context */
gboolean         _agent_mailbox_serve          (AgentMailbox               *self,
                                                AgentChannel                channel,
                                                AgentBudget                *budget);
AgentHand       *_agent_mailbox_defer          (AgentMailbox               *self);

/* Any thread */
void             _agent_mailbox_resume         (AgentMailbox               *self,
                                                AgentHand                  *hand);
gboolean         _agent_mailbox_is_heard       (AgentMailbox               *self);
void             _agent_mailbox_warn_unheard   (AgentMailbox               *self);
void             _agent_mailbox_warn_if_unheard
                                               (AgentMailbox               *self);

/* Receiving, in the subscriber's context; set_paused() and end_receipts() in any thread */
void             _agent_mailbox_receive_async  (AgentMailbox               *self,
                                                GTask                      *task,
                                                gboolean                    in_hand);
AgentMessage    *_agent_mailbox_receive_now    (AgentMailbox               *self,
                                                gboolean                    owns_context);
void             _agent_mailbox_set_limits     (AgentMailbox               *self,
                                                const AgentLimits          *limits);
void             _agent_mailbox_set_paused     (AgentMailbox               *self,
                                                gint                        reason,
                                                gboolean                    paused);
void             _agent_mailbox_end_receipts   (AgentMailbox               *self);
GError          *_agent_mailbox_new_closed_error
                                               (const char                 *name);

/* Between its files, in the subscriber's context */
gboolean         _agent_mailbox_can_give       (AgentMailbox               *self,
                                                AgentBudget                *budget);
void             _agent_mailbox_give           (AgentMailbox               *self,
                                                gpointer                    subscriber,
                                                AgentMessage               *message);
void             _agent_mailbox_hold           (AgentMailbox               *self,
                                                AgentHand                  *hand);
void             _agent_mailbox_go_on          (AgentMailbox               *self,
                                                AgentRelease                release);

/* Between its files, in any thread */
AgentMailbox    *_agent_mailbox_new_inbox      (AgentMailbox               *main,
                                                AgentReceiverFunc           handle);
void             _agent_mailbox_close_only     (AgentMailbox               *self,
                                                gboolean                    drain);
gboolean         _agent_mailbox_abandon_only   (AgentMailbox               *self);
void             _agent_mailbox_finish         (AgentMailbox               *self,
                                                gboolean                    abandoned);

/* The life of a subscription */
void             _agent_mailbox_attach         (AgentMailbox               *self,
                                                GMainContext               *context,
                                                gint                        priority);
void             _agent_mailbox_withdraw       (AgentMailbox               *self);
void             _agent_mailbox_close          (AgentMailbox               *self,
                                                gboolean                    drain);
gboolean         _agent_mailbox_abandon        (AgentMailbox               *self);
gboolean         _agent_mailbox_has_left       (AgentMailbox               *self);
gboolean         _agent_mailbox_add_leaver     (AgentMailbox               *self,
                                                AgentLeftFunc               func,
                                                gpointer                    data);

/* For the rules of a subscriber, see AgentMailboxPair */
void             _agent_mailbox_begin_work     (AgentMailbox               *self);
void             _agent_mailbox_end_work       (AgentMailbox               *self);
void             _agent_mailbox_end_closing    (AgentMailbox               *self);

/* How many messages the mailbox holds back, with the lock of the data queue held. */
static inline guint
_agent_mailbox_get_n_held_locked (AgentMailbox *self)
{
  AgentMailboxExtras *extras = _agent_mailbox_extras_peek (&self->extras);

  return _agent_held_get_length (extras != NULL ? extras->held : NULL);
}

/* The name of the group: (transfer none) (nullable). */
static inline const char *
_agent_mailbox_get_group (AgentMailbox *self)
{
  AgentMailboxExtras *extras = _agent_mailbox_extras_peek (&self->extras);

  return extras != NULL ? extras->group : NULL;
}

/* The mailbox by which others know the subscriber: (transfer none). */
static inline AgentMailbox *
_agent_mailbox_get_main (AgentMailbox *self)
{
  return G_UNLIKELY (self->pair != NULL) ? self->pair->main : self;
}

static inline AgentDropBox *
_agent_mailbox_get_drops (AgentMailbox *self)
{
  return &_agent_mailbox_get_main (self)->drops;
}

/* The inbox, if @message goes there: (transfer none) (nullable). A monitor has none. */
static inline AgentMailbox *
_agent_mailbox_divert (AgentMailbox *self,
                       AgentMessage *message)
{
  const AgentMailboxPair *pair = self->pair;

  if (G_LIKELY (pair == NULL))
    return NULL;

  return pair->rules->diverts (message) ? pair->inbox : NULL;
}

/* Whether the rules are asked about each message of this mailbox. Relaxed: the flag does not change. */
static inline gboolean
_agent_mailbox_intercepts (AgentMailbox *self)
{
  return G_UNLIKELY ((atomic_load_explicit (&self->checks, memory_order_relaxed) & AGENT_CHECK_RULES) != 0);
}

/* With the lock of the data queue, right before @message is pushed there. Returns whether messages before it were lost. */
static inline gboolean
_agent_mailbox_put_refused_locked (AgentMailbox *self,
                                   AgentMessage *message)
{
  return G_UNLIKELY (_agent_channel_queue_has_mark (&self->queues[AGENT_CHANNEL_DATA], AGENT_QUEUE_GAP)) &&
         _agent_mailbox_put_all_refused_locked (self, message);
}

/* Whether messages in the data channel may be stale or expired. Most mailboxes never have any. In any thread. */
static inline gboolean
_agent_mailbox_may_have_spent (AgentMailbox *self)
{
  return G_UNLIKELY (_agent_channel_queue_has_mark (&self->queues[AGENT_CHANNEL_DATA], AGENT_QUEUE_SPENT));
}

/* Whether @message may be queued as far as its group is concerned. With the lock of the data queue held. */
static inline gboolean
_agent_mailbox_is_open_for (AgentMailbox *self,
                            AgentMessage *message)
{
  return G_LIKELY (!message->grouped) ||
         atomic_load_explicit (&self->grouping, memory_order_acquire) == AGENT_GROUPING_OPEN;
}

static inline gboolean
_agent_mailbox_has_mark (AgentMailbox *self,
                         guint         mark)
{
  return (g_atomic_int_get (&self->marks) & mark) != 0;
}

/* Sets an AGENT_MARK_. In any thread. Returns whether it was not set before. */
static inline gboolean
_agent_mailbox_mark (AgentMailbox *self,
                     guint         mark)
{
  return !_agent_mailbox_has_mark (self, mark) && (g_atomic_int_or (&self->marks, mark) & mark) == 0;
}

G_END_DECLS
