/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "base/agent-spin-lock-private.h"
#include "message/agent-message-private.h"

G_BEGIN_DECLS

/*
 * One channel of one subscriber: a bounded FIFO with any number of senders and one receiver.
 *
 * The messages lie in blocks, and the blocks lie in a GAsyncQueue. A sender takes the lock once for each message that it
 * pushes. The receiver takes the lock once for each block, and then reads this block, the one in hand, without the lock.
 *
 * A thread claims a message by swapping its slot with 0. So a sender can take the oldest message back
 * (AGENT_OVERFLOW_DROP_OLDEST), and a thread that ends the subscription can take all messages back, even out of the block
 * that the receiver has in hand.
 *
 * A sender that takes old messages back goes through the blocks in their order. When it has passed a block that the
 * receiver does not have in hand, it removes the empty slots from that block, or the whole block if nothing is left in it.
 * So the memory of a queue depends on what is queued and not on what was dropped, and the receiver never goes through more
 * than one block of empty slots.
 *
 * Messages that never give way are the reliable ones and those of a dispatcher. A sender counts such a message when it
 * pushes it, and this number is the position of the message. The receiver counts it when it takes it. A thread that takes
 * messages back changes neither of the two numbers.
 *
 * While some messages wait for room, the room is reserved for them: to all others the queue looks full.
 *
 * A message before which others were lost has a tag in its slot. The mailbox knows how many were lost. A thread that takes
 * messages back also tags those that stay, to make the receiver wait until it is done: it sets AGENT_QUEUE_WAIT first. The
 * receiver claims a message before it looks at this mark. So it either finds the mark, or was quicker than the tag.
 *
 * A thread that ends the subscription can also leave the reliable messages where they are, for the receiver to take: see
 * sift(). Whether a message is one of these is in the tag of its slot, too.
 *
 * @scheduled is a token. The sender that sets it has to schedule the mailbox, so that the receiver comes. The receiver
 * clears it when it finds the queue empty. So a burst of messages costs one wakeup.
 *
 * Functions whose names end in _locked are called with the lock held. The functions of the receiver are called by one
 * thread at a time.
 */

typedef struct _AgentBlock        AgentBlock;
typedef struct _AgentChannelQueue AgentChannelQueue;

struct _AgentBlock
{
  AgentBlock      *next;     /* (lock) (nullable) the block after this one */
  guint16          size;     /* how many slots the block has */
  guint16          end;      /* how many of them are used; the messages after them are in @next */
  _Atomic guint    n_filled; /* how many of them are filled; never falls while the receiver may read it */
  _Atomic guintptr slots[];  /* each has a message with AGENT_SLOT_ tags, or 0 after it was claimed */
};

struct _AgentChannelQueue
{
  /* Senders seldom use these. */
  GAsyncQueue    *blocks;        /* (nullable) the AgentBlocks behind @head; NULL before the first message */
  AgentBlock     *spare;         /* (lock) (nullable) an empty block for the next use */
  AgentBlock     *evict_block;   /* (lock) (nullable) the block with the first message that can be dropped */
  AgentBlock     *kept_tail;     /* (lock) (nullable) the last block before @evict_block that is not @head */
  guint           evict_index;   /* (lock) the slot of @evict_block from which on messages can be dropped */
  guint           limit;         /* (lock) how many messages may be queued */
  guint           n_evicted;     /* (lock) how many messages were evicted, modulo 2^32 */
  guint           n_slow;        /* (lock) how many messages were queued when the queue was last found to be nearly full */
  guint64         n_kept_in;     /* (lock) how many messages that never give way were pushed: the last one's position */
  guint64         kept_bytes_in; /* (lock) the bytes of these messages, where bytes are limited */
  guint64         bytes_in;      /* (lock) the bytes of the messages that @n_in counts, where bytes are limited */

  /* Senders use these with each message, so they are side by side. */
  _Atomic guint64 max_bytes;     /* how many bytes may be queued, 0 for any number; changed with the lock held */
  AgentBlock     *tail;          /* (lock) (nullable) the block to which messages are added */
  _Atomic guint64 n_in;          /* how many messages were pushed and not taken back; changed with the lock held */
  _Atomic guint64 n_out_seen;    /* @n_out when a sender last read it; changed with the lock held */
  _Atomic guint   n_out_before;  /* @n_out, modulo 2^32, when @scheduled was set last; changed with the lock held */
  guint           look_at;       /* (lock) the value of @n_in, modulo 2^32, at which a sender takes a closer look */
  _Atomic guint   scheduled_at;  /* when that was, in µs modulo 2^32; changed with the lock held */
  _Atomic guint   capacity;      /* @limit, or 0 while the room is reserved; changed with the lock held */
  AgentSpinLock   lock;
  guint8          scheduled;     /* (lock) */
  guint8          closed;        /* (lock) */
  guint8          emptied;       /* (lock) the queue is closed, and all messages were taken back */
  _Atomic guint8  marks;         /* AGENT_QUEUE_ flags */

  /* The receiver changes these with each message, and senders seldom read them. So they must not share a cache line with the
   * fields before. */
  char            padding[AGENT_CACHE_LINE];
  AgentBlock     *head;        /* (nullable) the block in hand; changed with the lock held */
  guint           index;       /* the next slot to read in @head */
  guint           n_seen;      /* how many slots of @head are known to be filled */
  _Atomic guint8  claiming;    /* the receiver is claiming a message, and may not have counted it in @n_out yet */
  guint8          gap;         /* the message that was taken last follows a gap; the receiver resets it */
  _Atomic guint64 n_out;       /* how many messages the receiver has taken */
  _Atomic guint64 bytes_out;
  _Atomic guint64 n_kept_out;
  _Atomic guint64 kept_bytes_out;
};

enum
{
  AGENT_QUEUE_SLOW = 1 << 0, /* the receiver lags behind; changed with the lock held */
  AGENT_QUEUE_GAP = 1 << 1,  /* messages were refused that belong before the next one that is pushed */
  AGENT_QUEUE_SPENT = 1 << 2, /* there may be messages that expire or get stale */
  AGENT_QUEUE_WAIT = 1 << 3, /* the receiver takes the lock after each message with the tag of a gap; never cleared */
};

/* What a sender may find when it takes a closer look. */
enum
{
  AGENT_LOOK_MILESTONE = 1 << 0, /* the number of messages since the token was set is a power of two, from 2 on */
  AGENT_LOOK_SLOW = 1 << 1,      /* the queue has got nearly full, and is not slow yet */
};

/* Whether @message need not be delivered any more. Called with the lock held. */
typedef gboolean (*AgentSpentFunc) (AgentMessage *message,
                                    gpointer      data);

/* How far a walk through a queue has come, see peek(). */
typedef struct
{
  AgentBlock *block; /* (nullable) NULL before the first message */
  guint       index;
} AgentChannelQueuePlace;

#define AGENT_CHANNEL_QUEUE_START ((AgentChannelQueuePlace){ NULL, 0 })

/* @from is taken back, and had the tag of a gap. Called with the lock held.
 *
 * @to: (nullable): the message behind it that stays, which has the tag now */
typedef void (*AgentGapFunc) (gpointer      data,
                              AgentMessage *from,
                              AgentMessage *to);

/* Whether @message is left to the receiver. Called with the lock held. */
typedef gboolean (*AgentStayFunc) (gpointer      data,
                                   AgentMessage *message);

void          _agent_channel_queue_init         (AgentChannelQueue *self,
                                                 guint              capacity,
                                                 guint64            max_bytes);
void          _agent_channel_queue_clear        (AgentChannelQueue *self);
void          _agent_channel_queue_set_limits_locked
                                                (AgentChannelQueue *self,
                                                 guint              capacity,
                                                 guint64            max_bytes);

/* Senders */
void          _agent_channel_queue_reserve_locked
                                                (AgentChannelQueue *self,
                                                 gboolean           reserved);
gboolean      _agent_channel_queue_has_room_locked
                                                (AgentChannelQueue *self,
                                                 gsize              size);
gboolean      _agent_channel_queue_has_reserved_room_locked
                                                (AgentChannelQueue *self,
                                                 gsize              size);
void          _agent_channel_queue_push_locked  (AgentChannelQueue *self,
                                                 AgentMessage      *message,
                                                 gsize              size,
                                                 gboolean           gap);
AgentMessage *_agent_channel_queue_evict_locked (AgentChannelQueue *self,
                                                 gboolean          *gap,
                                                 AgentMessage     **next);
AgentMessage *_agent_channel_queue_evict_spent_locked
                                                (AgentChannelQueue *self,
                                                 AgentSpentFunc     is_spent,
                                                 gpointer           data,
                                                 gboolean          *gap,
                                                 AgentMessage     **next);
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
guint         _agent_channel_queue_look_locked  (AgentChannelQueue *self,
                                                 gsize              size);
void          _agent_channel_queue_note_full_locked
                                                (AgentChannelQueue *self);
gboolean      _agent_channel_queue_has_recovered_locked
                                                (AgentChannelQueue *self);
guint         _agent_channel_queue_sift_locked  (AgentChannelQueue *self,
                                                 GPtrArray         *messages,
                                                 AgentStayFunc      has_to_stay,
                                                 AgentGapFunc       gap_moved,
                                                 gpointer           data);
void          _agent_channel_queue_note_recovered_locked
                                                (AgentChannelQueue *self);
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

/* Called when a message has been pushed. TRUE: the caller has to schedule the mailbox, so that the receiver comes. The receiver
 * has taken all messages but this one.
 *
 * Relaxed: without the lock, the two values are a hint only. */
static inline gboolean
_agent_channel_queue_claim_token_locked (AgentChannelQueue *self,
                                         gint64             now)
{
  if (self->scheduled)
    return FALSE;

  self->scheduled = TRUE;
  self->look_at = (guint) atomic_load_explicit (&self->n_in, memory_order_relaxed) + 1;
  atomic_store_explicit (&self->scheduled_at, (guint) now, memory_order_relaxed);
  atomic_store_explicit (
      &self->n_out_before, (guint) atomic_load_explicit (&self->n_in, memory_order_relaxed) - 1, memory_order_relaxed);
  return TRUE;
}

/* Called when a message of @size has been pushed. Whether to call look_locked(). */
static inline gboolean
_agent_channel_queue_has_to_look_locked (AgentChannelQueue *self,
                                         gsize              size)
{
  guint n_in = (guint) atomic_load_explicit (&self->n_in, memory_order_relaxed);

  /* The next look is never more than half of the numbers away. */
  return G_UNLIKELY ((gint) (n_in - self->look_at) >= 0) || size > 0;
}

/* Whether the receiver has taken nothing since the token was set, although that was @patience microseconds ago, or a multiple
 * of 2^32 microseconds more. Without the lock, this is a guess.
 *
 * @now may be earlier than the moment when the token was set: another thread may have set it after this one had read the
 * clock. */
static inline gboolean
_agent_channel_queue_is_forgotten (AgentChannelQueue *self,
                                   gint64             now,
                                   guint              patience)
{
  gint waited = (gint) ((guint) now - atomic_load_explicit (&self->scheduled_at, memory_order_relaxed));

  return waited >= (gint) patience &&
         (guint) atomic_load_explicit (&self->n_out, memory_order_relaxed) ==
             atomic_load_explicit (&self->n_out_before, memory_order_relaxed);
}

/* Whether the queue was full a moment ago, by number of messages. Called without the lock. The receiver's count is read
 * only when the count that was read last leaves no room. It may be newer than the senders' count that it is compared with. */
static inline gboolean
_agent_channel_queue_is_full (AgentChannelQueue *self)
{
  /* Relaxed: a sender that comes at the same time as a change may see it or not. */
  gint64 capacity = atomic_load_explicit (&self->capacity, memory_order_relaxed);

  /* Acquire: the sender that stored @n_in had read the receiver's count before that, and the counts that are read below
   * must not be older than that one. With an older count, the queue would look full although it never was. */
  guint64 n_in = atomic_load_explicit (&self->n_in, memory_order_acquire);

  /* Relaxed, both: with an old count of messages taken, the queue looks fuller than it is and never emptier. The acquire
   * above says how old the count may be. */
  guint64 n_out = atomic_load_explicit (&self->n_out_seen, memory_order_relaxed);

  if ((gint64) (n_in - n_out) < capacity)
    return FALSE;

  n_out = atomic_load_explicit (&self->n_out, memory_order_relaxed);
  return (gint64) (n_in - n_out) >= capacity;
}

/* The receiver, without the lock. Whether nothing is queued. Unlike pop(), this leaves the token as it is.
 *
 * Acquire: the messages that @n_in counts are seen by pop(). Relaxed: the receiver writes @n_out itself. */
static inline gboolean
_agent_channel_queue_is_empty (AgentChannelQueue *self)
{
  return self->index >= self->n_seen && atomic_load_explicit (&self->n_in, memory_order_acquire) ==
                                            atomic_load_explicit (&self->n_out, memory_order_relaxed);
}

/* Any thread. A mark that is set already is only looked at, since the senders of a flood would take turns with its cache line.
 *
 * Relaxed: a mark is a hint, and what it hints at is looked at under a lock. */
static inline gboolean
_agent_channel_queue_has_mark (AgentChannelQueue *self,
                               guint8             mark)
{
  return (atomic_load_explicit (&self->marks, memory_order_relaxed) & mark) != 0;
}

static inline void
_agent_channel_queue_set_mark (AgentChannelQueue *self,
                               guint8             mark)
{
  if (!_agent_channel_queue_has_mark (self, mark))
    atomic_fetch_or (&self->marks, mark);
}

static inline void
_agent_channel_queue_clear_mark (AgentChannelQueue *self,
                                 guint8             mark)
{
  if (_agent_channel_queue_has_mark (self, mark))
    atomic_fetch_and (&self->marks, (guint8) ~mark);
}

/* Returns 0 where bytes are not limited, since to measure a message costs more than to send it.
 *
 * Relaxed: a message that comes at the same time as a change may be measured or not; its slot says whether it was. */
static inline gsize
_agent_channel_queue_measure (AgentChannelQueue *self,
                              AgentMessage      *message)
{
  return atomic_load_explicit (&self->max_bytes, memory_order_relaxed) != 0 ? _agent_message_get_size (message) : 0;
}

G_END_DECLS
