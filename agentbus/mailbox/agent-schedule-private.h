/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "mailbox/agent-channel-queue-private.h"
#include "mailbox/agent-hand-private.h"
#include "mailbox/agent-ready-list-private.h"

G_BEGIN_DECLS

/*
 * How far the life of one mailbox has come, and whether the mailbox is in a ready list, is being served, or is set aside.
 *
 * A mailbox that has messages is in the ready list. It is served in batches. While its handler must not be called, the
 * mailbox is busy: a delivery is not completed, the handler iterates its main context, or the subscriber is paused. A busy
 * mailbox is set aside, out of the lists, so that the source does not try to serve it. While somebody waits to receive, the
 * mailbox is not busy: its messages go there, and none goes to the handler.
 *
 * The functions are called with the lock that guards the ready list held, if nothing else is said. None of them calls the
 * application.
 */

typedef enum
{
  AGENT_PHASE_OPEN,      /* messages come in and are delivered */
  AGENT_PHASE_CLOSING,   /* no message comes in; what was left in the channels is delivered */
  AGENT_PHASE_FINISHED,  /* nothing is delivered any more */
  AGENT_PHASE_ABANDONED, /* the same, but the mailbox was abandoned before it had finished */
  AGENT_PHASE_RELEASED,  /* a thread is releasing the subscriber */
  AGENT_PHASE_LEFT,      /* the subscriber is released */
} AgentPhase;

/* Whether the caller has to release the mailbox. It is told so once. */
typedef enum
{
  AGENT_RELEASE_NOT_YET,
  AGENT_RELEASE_FINISHED,
  AGENT_RELEASE_ABANDONED,
} AgentRelease;

/* Why handlers get nothing. */
enum
{
  AGENT_PAUSE_WANTED = 1 << 0,   /* the subscriber is paused: who receives gets messages all the same */
  AGENT_PAUSE_INACTIVE = 1 << 1, /* the subscriber does not take part: nobody gets any */
};

/* What the watches of a mailbox want to be told of. */
enum
{
  AGENT_WATCH_ROOM = 1 << 0,     /* a watch has messages that wait for room in the data channel */
  AGENT_WATCH_PROGRESS = 1 << 1, /* a watch waits until messages are handled */
  AGENT_WATCH_SLOW = 1 << 2,     /* the mailbox itself waits until less is queued */
};

/* The small fields are bytes, since there is one schedule for each subscriber. */
typedef struct
{
  AgentReadyItem     ready;
  AgentChannelQueue *queues;      /* one for each channel */
  AgentHand         *hands;       /* (owned) (nullable) (atomic) the deliveries that are not completed, linked */
  guint64            n_handled[AGENT_N_CHANNELS]; /* the position up to which all messages are handled */
  guint              n_returning; /* how many threads are giving messages back to watches */
  guint8             phase;       /* an AgentPhase */
  guint8             serving;     /* the thread of the context is serving the mailbox */
  guint8             nesting;     /* its handler is iterating the context; changed by the thread of the context only */
  guint8             held;        /* it has @hands, and no handler is running */
  guint8             has_cancel;  /* one of the hands has to be tripped */
  guint8             receiving;   /* somebody waits to receive; changed by the context's thread only */
  guint8             aside[AGENT_N_CHANNELS]; /* whether to put it into the list when it is not busy any more */
  _Atomic gint       paused;      /* AGENT_PAUSE_ flags: handlers get nothing; changed with the lock held */

  /* Senders change what follows. The receiver reads what stands before with each message. */
  char               padding[AGENT_CACHE_LINE];
  AgentIncomingItem  incoming;
  _Atomic gint       is_finished; /* whether @phase is FINISHED or later, for threads without the lock */
  _Atomic gint       watched;     /* AGENT_WATCH_ flags */
} AgentSchedule;

void           _agent_schedule_init          (AgentSchedule     *self,
                                              AgentChannelQueue *queues);

/* Getting served */
void           _agent_schedule_add           (AgentSchedule     *self,
                                              AgentReadyList    *list,
                                              AgentChannel       channel);
void           _agent_schedule_sort_incoming (AgentReadyList    *list);
AgentSchedule *_agent_schedule_begin_batch   (AgentReadyList    *list,
                                              AgentChannel      *channel);
AgentRelease   _agent_schedule_end_batch     (AgentSchedule     *self,
                                              AgentReadyList    *list,
                                              AgentChannel       channel,
                                              gboolean           more);
gboolean       _agent_schedule_has_to_wait   (AgentSchedule     *self,
                                              AgentChannel       channel);
void           _agent_schedule_nest          (AgentSchedule     *self,
                                              AgentReadyList    *list);

/* Deferred deliveries */
void           _agent_schedule_defer         (AgentSchedule     *self,
                                              AgentHand         *hand);
void           _agent_schedule_cancel        (AgentSchedule     *self,
                                              AgentReadyList    *list,
                                              AgentMessage      *cancel);
void           _agent_schedule_cancel_hand   (AgentSchedule     *self,
                                              AgentReadyList    *list,
                                              AgentHand         *hand);
AgentHand     *_agent_schedule_take_cancel   (AgentSchedule     *self);
void           _agent_schedule_resume        (AgentSchedule     *self,
                                              AgentReadyList    *list,
                                              AgentHand         *hand);

/* Receiving */
void           _agent_schedule_set_receiving (AgentSchedule     *self,
                                              AgentReadyList    *list,
                                              gboolean           receiving);
void           _agent_schedule_set_paused    (AgentSchedule     *self,
                                              AgentReadyList    *list,
                                              gint               reason,
                                              gboolean           paused);
gboolean       _agent_schedule_can_receive   (AgentSchedule     *self,
                                              gboolean           owns_context);
AgentRelease   _agent_schedule_end_receive   (AgentSchedule     *self,
                                              AgentReadyList    *list);

/* Listening */
void           _agent_schedule_set_unheard   (AgentSchedule     *self,
                                              AgentReadyList    *list,
                                              gboolean           unheard);
AgentSchedule *_agent_schedule_next_unheard  (AgentReadyList    *list);

/* Ending */
void           _agent_schedule_close         (AgentSchedule     *self,
                                              AgentReadyList    *list,
                                              gboolean           only_received);
gboolean       _agent_schedule_abandon       (AgentSchedule     *self,
                                              AgentReadyList    *list);
void           _agent_schedule_begin_return  (AgentSchedule     *self);
AgentRelease   _agent_schedule_end_return    (AgentSchedule     *self,
                                              AgentReadyList    *list);
void           _agent_schedule_leave         (AgentSchedule     *self);

/* Watching */
gboolean       _agent_schedule_has_handled   (AgentSchedule     *self,
                                              AgentChannel       channel,
                                              guint64            position);
gboolean       _agent_schedule_ask_again     (AgentSchedule     *self,
                                              AgentReadyList    *list);

/* Any thread, without the lock. Relaxed: what comes from another thread may come after the next message, too. */
static inline gboolean
_agent_schedule_is_inactive (AgentSchedule *self)
{
  return (atomic_load_explicit (&self->paused, memory_order_relaxed) & AGENT_PAUSE_INACTIVE) != 0;
}

/* Whether the next message has to wait: nobody receives, and the handler must not be called; or nobody may get anything. */
static inline gboolean
_agent_schedule_is_busy (AgentSchedule *self)
{
  if (self->receiving)
    return _agent_schedule_is_inactive (self);

  return self->held || self->nesting || atomic_load (&self->paused) != 0;
}

/* Any thread, without the lock.
 *
 * @flags: what the watches are to be told of */
static inline void
_agent_schedule_watch (AgentSchedule *self,
                       gint           flags)
{
  atomic_fetch_or (&self->watched, flags);
}

/* Any thread, without the lock. The receiver counts the messages that it has taken, fences, and then loads @watched. A sender
 * that finds no room stores @watched, fences, and then loads that count: at least one of them sees what the other has stored.
 * Relaxed: the fence orders it. */
static inline gboolean
_agent_schedule_is_watched (AgentSchedule *self)
{
  atomic_thread_fence (memory_order_seq_cst);
  return atomic_load_explicit (&self->watched, memory_order_relaxed) != 0;
}

/* Any thread, without the lock. Returns the AGENT_WATCH_ flags; the caller has to tell who waits. */
static inline gint
_agent_schedule_take_watched (AgentSchedule *self)
{
  return _agent_schedule_is_watched (self) ? atomic_exchange (&self->watched, 0) : 0;
}

/* The thread that serves, without the lock. Whether the handler must not get the next message. Relaxed: a pause that comes from
 * another thread may come after the next message, too. */
static inline gboolean
_agent_schedule_is_held_up (AgentSchedule *self)
{
  return g_atomic_pointer_get (&self->hands) != NULL || self->nesting ||
         atomic_load_explicit (&self->paused, memory_order_relaxed);
}

/* TRUE: somebody waits to receive. For the thread that serves, without the lock: it alone changes that while it serves. */
static inline gboolean
_agent_schedule_is_receiving (AgentSchedule *self)
{
  return self->receiving;
}

G_END_DECLS
