/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "base/agent-spin-lock-private.h"
#include "message/agent-message-private.h"

G_BEGIN_DECLS

/*
 * One channel of one subscriber: a bounded FIFO with any number of senders and one receiver.
 *
 * The messages lie in blocks, and the blocks in a GAsyncQueue. The lock is taken once per push, but only
 * once per block by the receiver, who reads the block in hand without it. A slot is claimed by swapping it
 * with 0, so that a sender may take the oldest message back (AGENT_OVERFLOW_DROP_OLDEST), and whoever ends
 * the subscription all of them, even out of the block that the receiver has in hand.
 *
 * A sender that takes old messages back goes through the blocks in their order. When it has passed a block that is not
 * the receiver's, it takes the empty slots out of that block, and the whole block out of the queue if nothing is left in
 * it. So the memory of a queue depends on what is queued, not on what was dropped, and neither does the receiver have to
 * look at more than one block of empty slots.
 *
 * Messages that never give way (the reliable ones and those of a dispatcher) are counted when they go in and when the
 * receiver takes them. That number is a message's position; who took a message back did not move it on.
 *
 * @scheduled is a token: who sets it has to see to it that the receiver comes; the receiver gives it back
 * when it has found the queue empty. So a burst costs one wakeup.
 *
 * Functions that end in _locked want the lock; the receiver's functions are for one thread at a time.
 */

typedef struct _AgentBlock        AgentBlock;
typedef struct _AgentChannelQueue AgentChannelQueue;

struct _AgentBlock
{
  AgentBlock      *next;     /* (lock) the block after this one */
  guint16          size;     /* how many slots there are */
  guint16          end;      /* how many of them are used before the next block is */
  _Atomic guint    n_filled; /* rises only, while the receiver may look at it */
  _Atomic guintptr slots[];  /* a message, tagged when it is kept; 0 once claimed */
};

struct _AgentChannelQueue
{
  /* Senders, seldom */
  GAsyncQueue    *blocks;        /* (nullable) of AgentBlock: those behind @head; NULL before the first message */
  AgentBlock     *spare;         /* (lock) (nullable) an empty one */
  AgentBlock     *evict_block;   /* (lock) (nullable) nothing before this place can be dropped */
  AgentBlock     *kept_tail;     /* (lock) (nullable) the last block before @evict_block that is not @head */
  guint           evict_index;   /* (lock) */
  guint64         n_kept_in;     /* (lock) messages that never give way: the position of the last one */
  guint64         kept_bytes_in; /* (lock) */
  guint64         bytes_in;      /* (lock) the same as @n_in in bytes, where they are limited */

  /* With each message: side by side */
  guint64         max_bytes;     /* most bytes queued, 0 for any number */
  AgentBlock     *tail;          /* (lock) (nullable) where messages are added */
  _Atomic guint64 n_in;          /* pushed and not taken back; changed with the lock held */
  _Atomic guint64 n_out_seen;    /* @n_out when it was last looked at; changed with the lock held */
  guint           capacity;      /* most messages queued */
  AgentSpinLock   lock;
  gboolean        scheduled;     /* (lock) */
  guint8          closed;        /* (lock) */
  guint8          emptied;       /* (lock) all was taken back, and nothing comes in */

  /* The receiver's fields change with each message, and senders seldom look at them: they must not share a cache line
   * with the others. */
  char            padding[AGENT_CACHE_LINE];
  AgentBlock     *head;        /* (nullable) the block in hand; changed with the lock held */
  guint           index;       /* the next slot of it */
  guint           n_seen;      /* how many of its slots are known to be filled */
  gboolean        measures;    /* whether bytes are limited: a copy of what the senders go by */
  _Atomic guint64 n_out;       /* taken by the receiver */
  _Atomic guint64 bytes_out;
  _Atomic guint64 n_kept_out;
  _Atomic guint64 kept_bytes_out;
  _Atomic gint    claiming;    /* it is about to count one more in @n_out */
};

/* Where somebody who looks through a queue has got to. */
typedef struct
{
  AgentBlock *block; /* (nullable) NULL at the start */
  guint       index;
} AgentChannelQueuePlace;

#define AGENT_CHANNEL_QUEUE_START ((AgentChannelQueuePlace){ NULL, 0 })

void          _agent_channel_queue_init         (AgentChannelQueue *self,
                                                 guint              capacity,
                                                 guint64            max_bytes);
void          _agent_channel_queue_clear        (AgentChannelQueue *self);

/* Senders */
gboolean      _agent_channel_queue_has_room_locked
                                                (AgentChannelQueue *self,
                                                 gsize              size);
void          _agent_channel_queue_push_locked  (AgentChannelQueue *self,
                                                 AgentMessage      *message,
                                                 gsize              size);
AgentMessage *_agent_channel_queue_evict_locked (AgentChannelQueue *self);
gboolean      _agent_channel_queue_can_make_room_locked
                                                (AgentChannelQueue *self,
                                                 gsize              size);
gboolean      _agent_channel_queue_will_have_room_locked
                                                (AgentChannelQueue *self,
                                                 gsize              size);
void          _agent_channel_queue_close_locked (AgentChannelQueue *self);
guint         _agent_channel_queue_take_all_locked
                                                (AgentChannelQueue *self,
                                                 GPtrArray         *messages);
guint64       _agent_channel_queue_get_length_locked
                                                (AgentChannelQueue *self);

/* The receiver */
AgentMessage *_agent_channel_queue_pop          (AgentChannelQueue *self);
AgentMessage *_agent_channel_queue_peek_locked  (AgentChannelQueue      *self,
                                                 AgentChannelQueuePlace *place);

static inline void
_agent_channel_queue_lock (AgentChannelQueue *self)
{
  _agent_spin_lock_lock (&self->lock);
}

static inline void
_agent_channel_queue_unlock (AgentChannelQueue *self)
{
  _agent_spin_lock_unlock (&self->lock);
}

/* TRUE: the caller has to see to it that the receiver comes. */
static inline gboolean
_agent_channel_queue_claim_token_locked (AgentChannelQueue *self)
{
  gboolean claimed = !self->scheduled;

  self->scheduled = TRUE;
  return claimed;
}

/* Without the lock: whether it was full a moment ago, by number. The receiver's count is looked at only when the last
 * one seen leaves no room, and then it may be newer than what it is compared with. */
static inline gboolean
_agent_channel_queue_is_full (AgentChannelQueue *self)
{
  gint64 capacity = self->capacity;

  /* Acquire: who pushed the last one had seen how many were taken by then, and what is read next must not be older. With an
   * older number the queue would look full that never was. */
  guint64 n_in = atomic_load_explicit (&self->n_in, memory_order_acquire);

  /* Relaxed, both: an old number of those taken makes the queue look fuller, never emptier, and how old it may be is said
   * above. */
  guint64 n_out = atomic_load_explicit (&self->n_out_seen, memory_order_relaxed);

  if ((gint64) (n_in - n_out) < capacity)
    return FALSE;

  n_out = atomic_load_explicit (&self->n_out, memory_order_relaxed);
  return (gint64) (n_in - n_out) >= capacity;
}

/* Bytes are only counted where they are limited: to measure a message costs more than to send it. */
static inline gsize
_agent_channel_queue_measure (AgentChannelQueue *self,
                              AgentMessage      *message)
{
  return self->max_bytes != 0 ? _agent_message_get_size (message) : 0;
}

G_END_DECLS
