/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-channel-queue-slots-private.h"

/* The first block is small, since many subscribers get few messages. With the traffic, blocks grow up to a kilobyte. The
 * header of a block is as large as two slots, so a block has a power of two of bytes, and malloc wastes nothing. */
#define FIRST_BLOCK_SIZE 6
#define MAX_BLOCK_SIZE 126

/*
 * Where an access in this file is relaxed and no reason is given beside it, the reason is one of these:
 *
 * - The name of the function ends in _locked, and what it reads is written with the lock held, so that the lock orders
 *   both.
 * - Only the calling thread writes the variable, as the receiver does with its counters.
 */

/* How many messages ahead of the one that is taken. */
#define PREFETCH 2

static AgentBlock *
queue_new_block (guint size)
{
  AgentBlock *block = g_malloc (sizeof (AgentBlock) + size * sizeof (guintptr));

  block->next = NULL;
  block->size = size;
  block->end = size;
  atomic_init (&block->n_filled, 0);
  return block;
}

static AgentBlock *
queue_next_block_locked (AgentChannelQueue *self)
{
  AgentBlock *block = g_steal_pointer (&self->spare);
  guint       size = FIRST_BLOCK_SIZE;

  if (block != NULL)
    return block;

  if (self->tail != NULL)
    size = MIN (2 * self->tail->size + 2, MAX_BLOCK_SIZE);

  return queue_new_block (size);
}

static void
queue_add_block_locked (AgentChannelQueue *self)
{
  AgentBlock *block = queue_next_block_locked (self);

  if (self->tail != NULL)
    self->tail->next = block;
  if (self->evict_block == NULL)
    {
      self->evict_block = block;
      self->evict_index = 0;
    }

  self->tail = block;
  if (self->blocks == NULL)
    self->blocks = g_async_queue_new ();
  g_async_queue_push (self->blocks, block);
}

/* Takes the first block behind @head: (nullable). */
AgentBlock *
_agent_channel_queue_pop_block_locked (AgentChannelQueue *self)
{
  return self->blocks != NULL ? g_async_queue_try_pop (self->blocks) : NULL;
}

/* Keeps the larger one of @block, which is empty, and the spare block. So steady traffic allocates nothing. */
void
_agent_channel_queue_recycle_block_locked (AgentChannelQueue *self,
                                           AgentBlock        *block)
{
  AgentBlock *spare = self->spare;

  if (spare != NULL && spare->size >= block->size)
    {
      g_free (block);
      return;
    }

  g_free (spare);
  block->next = NULL;
  block->end = block->size;
  /* Relaxed: when the block is used again, the lock publishes it. */
  atomic_store_explicit (&block->n_filled, 0, memory_order_relaxed);
  self->spare = block;
}

void
_agent_channel_queue_init (AgentChannelQueue *self,
                           guint              capacity,
                           guint64            max_bytes)
{
  memset (self, 0, sizeof *self);
  self->limit = capacity;
  atomic_init (&self->capacity, capacity);
  atomic_init (&self->max_bytes, max_bytes);
}

/* Precondition: the queue is empty. */
void
_agent_channel_queue_clear (AgentChannelQueue *self)
{
  g_assert (_agent_channel_queue_get_n_in (self) == atomic_load (&self->n_out));

  g_clear_pointer (&self->head, g_free);
  g_clear_pointer (&self->spare, g_free);
  for (AgentBlock *block; (block = _agent_channel_queue_pop_block_locked (self)) != NULL;)
    g_free (block);
  g_clear_pointer (&self->blocks, g_async_queue_unref);
}

guint64
_agent_channel_queue_get_length_locked (AgentChannelQueue *self)
{
  guint64 n_out = atomic_load_explicit (&self->n_out, memory_order_acquire);

  atomic_store_explicit (&self->n_out_seen, n_out, memory_order_relaxed);
  return _agent_channel_queue_get_n_in (self) - n_out;
}

/* Keeps the room for the messages that wait for it, or opens it to all again. */
void
_agent_channel_queue_reserve_locked (AgentChannelQueue *self,
                                     gboolean           reserved)
{
  atomic_store_explicit (&self->capacity, reserved ? 0 : self->limit, memory_order_relaxed);
}

/* More messages than these limits allow may be queued already: they stay. */
void
_agent_channel_queue_set_limits_locked (AgentChannelQueue *self,
                                        guint              capacity,
                                        guint64            max_bytes)
{
  gboolean reserved = _agent_channel_queue_get_capacity (self) == 0;

  self->limit = capacity;
  self->look_at = (guint) _agent_channel_queue_get_n_in (self) + 1;
  _agent_channel_queue_reserve_locked (self, reserved);
  atomic_store_explicit (&self->max_bytes, max_bytes, memory_order_relaxed);
}

static inline gboolean
queue_has_room_locked (AgentChannelQueue *self,
                       guint              capacity,
                       gsize              size)
{
  guint64 n_out = atomic_load_explicit (&self->n_out_seen, memory_order_relaxed);
  guint64 max_bytes;

  if (_agent_channel_queue_get_n_in (self) - n_out >= capacity && _agent_channel_queue_get_length_locked (self) >= capacity)
    return FALSE;

  max_bytes = atomic_load_explicit (&self->max_bytes, memory_order_relaxed);
  return max_bytes == 0 || self->bytes_in - atomic_load (&self->bytes_out) + size <= max_bytes;
}

gboolean
_agent_channel_queue_has_room_locked (AgentChannelQueue *self,
                                      gsize              size)
{
  return queue_has_room_locked (self, _agent_channel_queue_get_capacity (self), size);
}

/* For a message for which the room is reserved. */
gboolean
_agent_channel_queue_has_reserved_room_locked (AgentChannelQueue *self,
                                               gsize              size)
{
  return queue_has_room_locked (self, self->limit, size);
}

/* Takes @message. Asks neither for room nor whether the queue is closed.
 *
 * @gap: whether messages before it were lost */
void
_agent_channel_queue_push_locked (AgentChannelQueue *self,
                                  AgentMessage      *message,
                                  gsize              size,
                                  gboolean           gap)
{
  gboolean    kept = _agent_message_is_kept (message);
  AgentBlock *tail = self->tail;
  guint       n_filled;

  if (tail == NULL || atomic_load_explicit (&tail->n_filled, memory_order_relaxed) == tail->end)
    {
      queue_add_block_locked (self);
      tail = self->tail;
    }

  n_filled = atomic_load_explicit (&tail->n_filled, memory_order_relaxed);
  atomic_store_explicit (&tail->slots[n_filled], _agent_slot_new (message, kept, size > 0, gap), memory_order_relaxed);
  /* From here on, the receiver may have handled and freed the message. */
  atomic_store_explicit (&tail->n_filled, n_filled + 1, memory_order_release);
  _agent_channel_queue_add_n_in (self, 1);
  self->bytes_in += size;
  if (kept)
    {
      self->n_kept_in++;
      self->kept_bytes_in += size;
    }
}

/* From now on, no message may be pushed. */
void
_agent_channel_queue_close_locked (AgentChannelQueue *self)
{
  self->closed = TRUE;
}

static void
queue_take_block_locked (AgentBlock *block,
                         GPtrArray  *messages)
{
  guint n_filled = atomic_load_explicit (&block->n_filled, memory_order_relaxed);

  for (guint i = 0; i < n_filled; i++)
    {
      guintptr slot = atomic_load_explicit (&block->slots[i], memory_order_relaxed);

      if (slot != 0)
        g_ptr_array_add (messages, _agent_slot_get_message (slot));
    }

  g_free (block);
}

/* Takes the messages of the block in hand from its end, since the receiver goes on from its start meanwhile. So the
 * messages that the receiver gets are older than those taken here, and none is left out between them. */
static void
queue_take_head_locked (AgentChannelQueue *self,
                        GPtrArray         *messages)
{
  AgentBlock *head = self->head;
  guint       n_filled = atomic_load_explicit (&head->n_filled, memory_order_relaxed);
  guint       n_before = messages->len;

  for (guint i = n_filled; i > 0; i--)
    {
      guintptr slot = atomic_exchange (&head->slots[i - 1], 0);

      if (slot != 0)
        g_ptr_array_add (messages, _agent_slot_get_message (slot));
    }

  for (guint i = n_before, k = messages->len; i + 1 < k; i++, k--)
    {
      gpointer message = messages->pdata[i];

      messages->pdata[i] = messages->pdata[k - 1];
      messages->pdata[k - 1] = message;
    }
}

/* Takes back all messages that are queued. Precondition: the queue is closed. Returns how many messages were added to
 * @messages. */
guint
_agent_channel_queue_take_all_locked (AgentChannelQueue *self,
                                      GPtrArray         *messages)
{
  g_autoptr (GPtrArray) newer = g_ptr_array_new ();
  guint n_before = messages->len;

  g_assert (self->closed);

  self->emptied = TRUE;
  self->evict_block = NULL;
  self->kept_tail = NULL;
  for (AgentBlock *block; (block = _agent_channel_queue_pop_block_locked (self)) != NULL;)
    queue_take_block_locked (block, newer);
  if (self->head != NULL)
    {
      queue_take_head_locked (self, messages);
      self->head->next = NULL;
    }
  g_ptr_array_extend (messages, newer, NULL, NULL);

  _agent_channel_queue_add_n_in (self, -(gint64) (messages->len - n_before));
  return messages->len - n_before;
}

/* Moves on to the next block if all slots of the block in hand were read. FALSE: no message is queued. */
static gboolean
queue_advance_locked (AgentChannelQueue *self)
{
  if (self->head == NULL || self->index == self->head->end)
    {
      AgentBlock *next = _agent_channel_queue_pop_block_locked (self);

      if (next == NULL)
        return FALSE;
      if (self->kept_tail == next)
        self->kept_tail = NULL;
      if (self->evict_block != NULL && self->evict_block == self->head)
        {
          self->evict_block = next;
          self->evict_index = 0;
        }
      if (self->head != NULL)
        _agent_channel_queue_recycle_block_locked (self, self->head);
      self->head = next;
      self->index = 0;
    }

  self->n_seen = atomic_load_explicit (&self->head->n_filled, memory_order_acquire);
  return self->index < self->n_seen;
}

static gboolean
queue_advance (AgentChannelQueue *self)
{
  gboolean more;

  if (self->head != NULL && self->index < self->head->end)
    {
      self->n_seen = atomic_load_explicit (&self->head->n_filled, memory_order_acquire);
      if (self->index < self->n_seen)
        return TRUE;
    }

  _agent_channel_queue_lock (self);
  more = queue_advance_locked (self);
  if (!more)
    self->scheduled = FALSE;
  _agent_channel_queue_unlock (self);

  return more;
}

/* The messages are in the cache of another core, so the receiver asks for them before it needs them. */
static inline void
queue_prefetch (AgentChannelQueue *self)
{
  guintptr slot;

  if (self->index + PREFETCH >= self->n_seen)
    return;

  /* Relaxed: the message is not read, and an old value costs nothing but the time of the prefetch. */
  slot = atomic_load_explicit (&self->head->slots[self->index + PREFETCH], memory_order_relaxed);
  __builtin_prefetch (_agent_slot_get_message (slot));
}

/* Only the receiver writes the counter, so it needs no locked instruction. */
static inline void
queue_add_out (_Atomic guint64 *counter,
               guint64          n)
{
  guint64 before = atomic_load_explicit (counter, memory_order_relaxed);

  atomic_store_explicit (counter, before + n, memory_order_release);
}

static inline void
queue_count_out (AgentChannelQueue *self,
                 guintptr           slot)
{
  gsize size = _agent_slot_get_size (slot);

  if (size > 0)
    queue_add_out (&self->bytes_out, size);
  if (slot & AGENT_SLOT_KEPT)
    {
      queue_add_out (&self->kept_bytes_out, size);
      queue_add_out (&self->n_kept_out, 1);
    }
  queue_add_out (&self->n_out, 1);
}

/* Claims the message at @place and counts it as taken: (transfer full) (nullable). Between the two steps the message is
 * neither queued nor counted, and @claiming tells that to senders that look for room. */
static inline AgentMessage *
queue_claim (AgentChannelQueue *self,
             _Atomic guintptr  *place)
{
  guintptr slot;

  /* Relaxed: the exchange below releases it to a thread that finds the slot empty. */
  atomic_store_explicit (&self->claiming, TRUE, memory_order_relaxed);
  slot = atomic_exchange (place, 0);
  if (slot != 0)
    queue_count_out (self, slot);
  if (G_UNLIKELY ((slot & AGENT_SLOT_GAP) != 0))
    self->gap = TRUE;
  atomic_store_explicit (&self->claiming, FALSE, memory_order_release);

  return _agent_slot_get_message (slot);
}

/* The queued message after the one at @place, which moves on to it: (transfer none) (nullable). */
AgentMessage *
_agent_channel_queue_peek_locked (AgentChannelQueue      *self,
                                  AgentChannelQueuePlace *place)
{
  if (place->block == NULL && (self->head != NULL || queue_advance_locked (self)))
    *place = (AgentChannelQueuePlace){ self->head, self->index };

  while (place->block != NULL)
    {
      while (place->index < atomic_load_explicit (&place->block->n_filled, memory_order_relaxed))
        {
          guintptr slot = atomic_load_explicit (&place->block->slots[place->index++], memory_order_relaxed);

          if (slot != 0)
            return _agent_slot_get_message (slot);
        }

      *place = (AgentChannelQueuePlace){ place->block->next, 0 };
    }

  return NULL;
}

/* Takes the next message: (transfer full) (nullable). If it returns NULL, it has also cleared the token. */
AgentMessage *
_agent_channel_queue_pop (AgentChannelQueue *self)
{
  while (self->index < self->n_seen || queue_advance (self))
    {
      AgentMessage *message;

      queue_prefetch (self);
      message = queue_claim (self, &self->head->slots[self->index++]);
      if (message != NULL)
        return message;
    }

  return NULL;
}
