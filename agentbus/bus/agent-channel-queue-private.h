/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <stdatomic.h>

#include "agent-bus-types-private.h"
#include "agent-message-private.h"

G_BEGIN_DECLS

/*
 * One channel of one subscriber: a bounded FIFO with any number of senders and one receiver.
 *
 * The messages lie in blocks, and the blocks in a GAsyncQueue: its lock is taken once per push, but only
 * once per block by the receiver, who reads the block in hand without it. A slot is claimed by swapping it
 * with 0, so that a sender may take the oldest message back (AGENT_OVERFLOW_DROP_OLDEST), and whoever ends
 * the subscription all of them, even out of the block that the receiver has in hand.
 *
 * @scheduled is a token: who sets it has to see to it that the receiver comes; the receiver gives it back
 * when it has found the queue empty. So a burst costs one wakeup.
 *
 * Functions that end in _locked want the lock; the receiver's functions are for one thread at a time.
 */

typedef struct _AgentBlock AgentBlock;

struct _AgentBlock
{
  AgentBlock      *next;     /* (lock) the block after this one */
  guint            capacity;
  _Atomic guint    n_filled; /* rises only */
  _Atomic guintptr slots[];  /* a message, tagged when it is reliable; 0 once claimed */
};

struct _AgentChannelQueue
{
  /* Senders */
  GAsyncQueue    *blocks;      /* of AgentBlock: those behind @head; its lock is the lock */
  AgentBlock     *tail;        /* (lock) (nullable) where messages are added */
  AgentBlock     *spare;       /* (lock) (nullable) an empty one */
  AgentBlock     *evict_block; /* (lock) (nullable) nothing before this place can be dropped */
  guint           evict_index; /* (lock) */
  guint           capacity;    /* most messages queued */
  guint64         max_bytes;   /* most bytes queued, 0 for any number */
  guint64         n_in;        /* (lock) pushed and not taken back */
  guint64         n_out_seen;  /* (lock) @n_out when it was last looked at */
  guint64         bytes_in;    /* (lock) the same in bytes, where they are limited */
  gboolean        scheduled;   /* (lock) */
  gboolean        closed;      /* (lock) */

  /* The receiver: on a cache line that senders seldom touch */
  AgentBlock     *head;        /* (nullable) the block in hand; changed with the lock held */
  guint           index;       /* the next slot of it */
  guint           n_seen;      /* how many of its slots are known to be filled */
  _Atomic guint64 n_out;       /* taken by the receiver */
  _Atomic guint64 bytes_out;
};

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
void          _agent_channel_queue_close_locked (AgentChannelQueue *self);
guint         _agent_channel_queue_take_all_locked
                                                (AgentChannelQueue *self,
                                                 GPtrArray         *messages);
guint64       _agent_channel_queue_get_length_locked
                                                (AgentChannelQueue *self);

/* The receiver */
AgentMessage *_agent_channel_queue_pop          (AgentChannelQueue *self);

static inline void
_agent_channel_queue_lock (AgentChannelQueue *self)
{
  g_async_queue_lock (self->blocks);
}

static inline void
_agent_channel_queue_unlock (AgentChannelQueue *self)
{
  g_async_queue_unlock (self->blocks);
}

/* Bytes are only counted where they are limited: to measure a message costs more than to send it. */
static inline gsize
_agent_channel_queue_measure (AgentChannelQueue *self,
                              AgentMessage      *message)
{
  return self->max_bytes != 0 ? _agent_message_get_size (message) : 0;
}

G_END_DECLS
