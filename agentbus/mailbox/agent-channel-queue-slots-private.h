/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "mailbox/agent-channel-queue-private.h"
#include "message/agent-message-pool-private.h"

G_BEGIN_DECLS

/* What the files of a channel queue share: agent-channel-queue.c, and agent-channel-queue-evict.c for what gives way,
 * and agent-channel-queue-sift.c for the end of a subscription. */

/* The tags of a slot. Messages are aligned to AGENT_MESSAGE_ALIGNMENT, so the lowest bits are free. A sender reads the tags and not the message, which
 * the receiver may be freeing at that moment. */
#define AGENT_SLOT_KEPT     ((guintptr) 1) /* the message never gives way */
#define AGENT_SLOT_MEASURED ((guintptr) 2) /* its bytes were counted, since bytes were limited when it was pushed */
#define AGENT_SLOT_GAP      ((guintptr) 4) /* messages before it were lost */
#define AGENT_SLOT_STAYS    ((guintptr) 8) /* it is reliable, and neither a watch nor a group may want it back: the receiver gets it */
#define AGENT_SLOT_TAGS     ((guintptr) 15)

G_STATIC_ASSERT (AGENT_SLOT_TAGS < AGENT_MESSAGE_ALIGNMENT);

static inline guintptr
_agent_slot_new (AgentMessage *message,
                 gboolean      kept,
                 gboolean      measured,
                 gboolean      gap)
{
  guintptr slot = (guintptr) message | (measured ? AGENT_SLOT_MEASURED : 0) | (gap ? AGENT_SLOT_GAP : 0);

  if (!kept)
    return slot;

  return slot | AGENT_SLOT_KEPT | (message->reliable && message->origin == 0 && !message->grouped ? AGENT_SLOT_STAYS : 0);
}

static inline AgentMessage *
_agent_slot_get_message (guintptr slot)
{
  return (AgentMessage *) (slot & ~AGENT_SLOT_TAGS);
}

/* How many bytes the message counts for. */
static inline gsize
_agent_slot_get_size (guintptr slot)
{
  return (slot & AGENT_SLOT_MEASURED) != 0 ? _agent_message_get_size (_agent_slot_get_message (slot)) : 0;
}

static inline guint64
_agent_channel_queue_get_n_in (AgentChannelQueue *self)
{
  return atomic_load_explicit (&self->n_in, memory_order_relaxed);
}

/* The lock is held, so only one thread writes the count at a time, and it needs no locked instruction. Release: see
 * _agent_channel_queue_is_full(). */
static inline void
_agent_channel_queue_add_n_in (AgentChannelQueue *self,
                               gint64             n)
{
  atomic_store_explicit (&self->n_in, _agent_channel_queue_get_n_in (self) + n, memory_order_release);
}

static inline guint
_agent_channel_queue_get_capacity (AgentChannelQueue *self)
{
  return atomic_load_explicit (&self->capacity, memory_order_relaxed);
}

AgentMessage *_agent_channel_queue_tag_slot         (_Atomic guintptr  *place);
AgentBlock *_agent_channel_queue_pop_block_locked     (AgentChannelQueue *self);
void        _agent_channel_queue_recycle_block_locked (AgentChannelQueue *self,
                                                       AgentBlock        *block);

G_END_DECLS
