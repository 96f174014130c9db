/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-channel-queue-private.h"

/* A block starts small, for the many subscribers that get little, and grows up to a kilobyte with the
 * traffic. Two bytes short of a power of two with its header, so that malloc wastes nothing. */
#define FIRST_BLOCK_SIZE 6
#define MAX_BLOCK_SIZE 126

/*
 * Where an access here is relaxed, one of these is the reason:
 *
 * - The function ends in _locked, and what it reads is written with the lock held as well, which orders both.
 * - Only the calling thread writes the variable, as the receiver does with its counters.
 *
 * Any other reason stands beside the access.
 */

/* So many messages ahead. */
#define PREFETCH 2

/* A message that never gives way is tagged. Messages are aligned, so the lowest bit of a slot is free. It is read without touching the message, which
 * the receiver may be freeing at that moment. */
#define KEPT_TAG ((guintptr) 1)

static inline guintptr
slot_new (AgentMessage *message)
{
  return (guintptr) message | (_agent_message_is_kept (message) ? KEPT_TAG : 0);
}

static inline AgentMessage *
slot_get_message (guintptr slot)
{
  return (AgentMessage *) (slot & ~KEPT_TAG);
}

static AgentBlock *
block_new (guint size)
{
  AgentBlock *block = g_malloc (sizeof (AgentBlock) + size * sizeof (guintptr));

  block->next = NULL;
  block->size = size;
  block->end = size;
  atomic_init (&block->n_filled, 0);
  return block;
}

static AgentBlock *
next_block_locked (AgentChannelQueue *self)
{
  AgentBlock *block = g_steal_pointer (&self->spare);
  guint       size = FIRST_BLOCK_SIZE;

  if (block != NULL)
    return block;

  if (self->tail != NULL)
    size = MIN (2 * self->tail->size + 2, MAX_BLOCK_SIZE);

  return block_new (size);
}

static void
add_block_locked (AgentChannelQueue *self)
{
  AgentBlock *block = next_block_locked (self);

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

/* (nullable) */
static AgentBlock *
pop_block_locked (AgentChannelQueue *self)
{
  return self->blocks != NULL ? g_async_queue_try_pop (self->blocks) : NULL;
}

/* Keeps the larger of the emptied block and the spare one, so that steady traffic allocates nothing. */
static void
recycle_block_locked (AgentChannelQueue *self,
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
  /* Relaxed: the block is published again under the lock. */
  atomic_store_explicit (&block->n_filled, 0, memory_order_relaxed);
  self->spare = block;
}

static inline guint64
get_n_in (AgentChannelQueue *self)
{
  return atomic_load_explicit (&self->n_in, memory_order_relaxed);
}

/* Only one thread writes it at a time: no need for a locked instruction. Release: see _agent_channel_queue_is_full(). */
static inline void
add_n_in (AgentChannelQueue *self,
          gint64             n)
{
  atomic_store_explicit (&self->n_in, get_n_in (self) + n, memory_order_release);
}

void
_agent_channel_queue_init (AgentChannelQueue *self,
                           guint              capacity,
                           guint64            max_bytes)
{
  memset (self, 0, sizeof *self);
  self->capacity = capacity;
  self->max_bytes = max_bytes;
  self->measures = max_bytes != 0;
}

/* Wants an emptied queue. */
void
_agent_channel_queue_clear (AgentChannelQueue *self)
{
  g_assert (get_n_in (self) == atomic_load (&self->n_out));

  g_clear_pointer (&self->head, g_free);
  g_clear_pointer (&self->spare, g_free);
  for (AgentBlock *block; (block = pop_block_locked (self)) != NULL;)
    g_free (block);
  g_clear_pointer (&self->blocks, g_async_queue_unref);
}

guint64
_agent_channel_queue_get_length_locked (AgentChannelQueue *self)
{
  guint64 n_out = atomic_load_explicit (&self->n_out, memory_order_acquire);

  atomic_store_explicit (&self->n_out_seen, n_out, memory_order_relaxed);
  return get_n_in (self) - n_out;
}

gboolean
_agent_channel_queue_has_room_locked (AgentChannelQueue *self,
                                      gsize              size)
{
  guint64 n_out = atomic_load_explicit (&self->n_out_seen, memory_order_relaxed);

  if (get_n_in (self) - n_out >= self->capacity &&
      _agent_channel_queue_get_length_locked (self) >= self->capacity)
    return FALSE;

  if (self->max_bytes == 0)
    return TRUE;

  return self->bytes_in - atomic_load (&self->bytes_out) + size <= self->max_bytes;
}

/* Takes the reference. Asks neither for room nor whether the queue is closed. */
void
_agent_channel_queue_push_locked (AgentChannelQueue *self,
                                  AgentMessage      *message,
                                  gsize              size)
{
  gboolean    kept = _agent_message_is_kept (message);
  AgentBlock *tail = self->tail;
  guint       n_filled;

  if (tail == NULL || atomic_load_explicit (&tail->n_filled, memory_order_relaxed) == tail->end)
    {
      add_block_locked (self);
      tail = self->tail;
    }

  n_filled = atomic_load_explicit (&tail->n_filled, memory_order_relaxed);
  atomic_store_explicit (&tail->slots[n_filled], slot_new (message), memory_order_relaxed);
  /* From here on the message may be handled and gone. */
  atomic_store_explicit (&tail->n_filled, n_filled + 1, memory_order_release);
  add_n_in (self, 1);
  self->bytes_in += size;
  if (kept)
    {
      self->n_kept_in++;
      self->kept_bytes_in += size;
    }
}

static AgentMessage *
evict_from_block_locked (AgentChannelQueue *self,
                         AgentBlock        *block)
{
  guint n_filled = atomic_load_explicit (&block->n_filled, memory_order_relaxed);

  while (self->evict_index < n_filled)
    {
      _Atomic guintptr *place = &block->slots[self->evict_index++];
      /* Acquire: whoever finds that the receiver has taken the message finds it counted, or @claiming set. */
      guintptr slot = atomic_load_explicit (place, memory_order_acquire);

      if (slot != 0 && (slot & KEPT_TAG) == 0 && atomic_compare_exchange_strong (place, &slot, 0))
        return slot_get_message (slot);
    }

  return NULL;
}

/* Removes the empty slots of a block that the receiver has not got. Returns how many messages are left in it. Relaxed: the
 * receiver gets the block, and senders get at it, under the lock only. */
static guint
compact_block_locked (AgentBlock *block)
{
  guint n_filled = atomic_load_explicit (&block->n_filled, memory_order_relaxed);
  guint n_left = 0;

  for (guint i = 0; i < n_filled; i++)
    {
      guintptr slot = atomic_load_explicit (&block->slots[i], memory_order_relaxed);

      if (slot != 0)
        atomic_store_explicit (&block->slots[n_left++], slot, memory_order_relaxed);
    }

  block->end = n_left;
  atomic_store_explicit (&block->n_filled, n_left, memory_order_relaxed);
  return n_left;
}

/* Appends to @to as many messages of the compact block @from as there is room for, and returns how many are left. */
static guint
move_slots_locked (AgentBlock *from,
                   AgentBlock *to)
{
  guint n_moved = MIN (from->end, to->size - to->end);

  for (guint i = 0; i < n_moved; i++)
    atomic_store_explicit (&to->slots[to->end + i],
                           atomic_load_explicit (&from->slots[i], memory_order_relaxed),
                           memory_order_relaxed);
  for (guint i = 0; i < n_moved; i++)
    atomic_store_explicit (&from->slots[i], 0, memory_order_relaxed);

  to->end += n_moved;
  atomic_store_explicit (&to->n_filled, to->end, memory_order_relaxed);
  return compact_block_locked (from);
}

static void
remove_block_locked (AgentChannelQueue *self,
                     AgentBlock        *block)
{
  AgentBlock *previous = self->kept_tail != NULL ? self->kept_tail : self->head;

  if (previous != NULL)
    previous->next = block->next;

  /* Without messages that are kept before it, the block is the first one. Otherwise GLib looks for it from the other end. */
  if (self->kept_tail == NULL)
    pop_block_locked (self);
  else
    g_async_queue_remove (self->blocks, block);
  recycle_block_locked (self, block);
}

/* All that may be dropped from @block has been, and there is another block behind it. The block of the receiver is left
 * alone. */
static void
retire_block_locked (AgentChannelQueue *self,
                     AgentBlock        *block)
{
  guint n_left;

  if (block == self->head)
    return;

  n_left = compact_block_locked (block);
  if (n_left > 0 && self->kept_tail != NULL)
    n_left = move_slots_locked (block, self->kept_tail);

  if (n_left == 0)
    remove_block_locked (self, block);
  else
    self->kept_tail = block;
}

/* Takes back the oldest message that may be dropped: (transfer full) (nullable). */
AgentMessage *
_agent_channel_queue_evict_locked (AgentChannelQueue *self)
{
  while (self->evict_block != NULL)
    {
      AgentBlock   *block = self->evict_block;
      AgentBlock   *next = block->next;
      AgentMessage *message = evict_from_block_locked (self, block);

      if (message != NULL)
        {
          add_n_in (self, -1);
          self->bytes_in -= _agent_channel_queue_measure (self, message);
          return message;
        }

      if (next == NULL)
        return NULL;
      retire_block_locked (self, block);
      self->evict_block = next;
      self->evict_index = 0;
    }

  return NULL;
}

/* Whether there would be room if all that may be dropped were: else nobody has to give way in vain. */
gboolean
_agent_channel_queue_can_make_room_locked (AgentChannelQueue *self,
                                           gsize              size)
{
  guint64 n_kept = self->n_kept_in - atomic_load (&self->n_kept_out);
  guint64 kept_bytes = self->kept_bytes_in - atomic_load (&self->kept_bytes_out);

  return n_kept < self->capacity && (self->max_bytes == 0 || kept_bytes + size <= self->max_bytes);
}

/* Whether there is room once the receiver has counted what it is taking right now: its thread may be stopped between the
 * two. For when nothing can be evicted. */
gboolean
_agent_channel_queue_will_have_room_locked (AgentChannelQueue *self,
                                            gsize              size)
{
  guint64  n_out = atomic_load_explicit (&self->n_out, memory_order_acquire);
  gboolean taking = atomic_load_explicit (&self->claiming, memory_order_acquire);

  if (taking && n_out == atomic_load_explicit (&self->n_out, memory_order_acquire))
    return get_n_in (self) - n_out <= self->capacity;

  return _agent_channel_queue_has_room_locked (self, size);
}

/* From now on nothing may be pushed. */
void
_agent_channel_queue_close_locked (AgentChannelQueue *self)
{
  self->closed = TRUE;
}

static void
take_block_locked (AgentBlock *block,
                   GPtrArray  *messages)
{
  guint n_filled = atomic_load_explicit (&block->n_filled, memory_order_relaxed);

  for (guint i = 0; i < n_filled; i++)
    {
      guintptr slot = atomic_load_explicit (&block->slots[i], memory_order_relaxed);

      if (slot != 0)
        g_ptr_array_add (messages, slot_get_message (slot));
    }

  g_free (block);
}

/* From its end, since the receiver goes on from its start meanwhile: so what the receiver gets is older than what is taken
 * here, and nothing is left out between the two. */
static void
take_head_locked (AgentChannelQueue *self,
                  GPtrArray         *messages)
{
  AgentBlock *head = self->head;
  guint       n_filled = atomic_load_explicit (&head->n_filled, memory_order_relaxed);
  guint       n_before = messages->len;

  for (guint i = n_filled; i > 0; i--)
    {
      guintptr slot = atomic_exchange (&head->slots[i - 1], 0);

      if (slot != 0)
        g_ptr_array_add (messages, slot_get_message (slot));
    }

  for (guint i = n_before, k = messages->len; i + 1 < k; i++, k--)
    {
      gpointer message = messages->pdata[i];

      messages->pdata[i] = messages->pdata[k - 1];
      messages->pdata[k - 1] = message;
    }
}

/* Takes back what is still queued; only for a closed queue. Returns how many messages it added to @messages. */
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
  for (AgentBlock *block; (block = pop_block_locked (self)) != NULL;)
    take_block_locked (block, newer);
  if (self->head != NULL)
    {
      take_head_locked (self, messages);
      self->head->next = NULL;
    }
  g_ptr_array_extend (messages, newer, NULL, NULL);

  add_n_in (self, -(gint64) (messages->len - n_before));
  return messages->len - n_before;
}

/* Moves on to the next block if the one in hand is used up. FALSE: nothing is queued. */
static gboolean
advance_locked (AgentChannelQueue *self)
{
  if (self->head == NULL || self->index == self->head->end)
    {
      AgentBlock *next = pop_block_locked (self);

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
        recycle_block_locked (self, self->head);
      self->head = next;
      self->index = 0;
    }

  self->n_seen = atomic_load_explicit (&self->head->n_filled, memory_order_acquire);
  return self->index < self->n_seen;
}

static gboolean
advance (AgentChannelQueue *self)
{
  gboolean more;

  if (self->head != NULL && self->index < self->head->end)
    {
      self->n_seen = atomic_load_explicit (&self->head->n_filled, memory_order_acquire);
      if (self->index < self->n_seen)
        return TRUE;
    }

  _agent_channel_queue_lock (self);
  more = advance_locked (self);
  if (!more)
    self->scheduled = FALSE;
  _agent_channel_queue_unlock (self);

  return more;
}

/* Messages come from the cache of another core: ask for them before they are needed. */
static inline void
prefetch (AgentChannelQueue *self)
{
  guintptr slot;

  if (self->index + PREFETCH >= self->n_seen)
    return;

  /* Relaxed: the message is not looked at, and an old value costs nothing but the time to fetch it. */
  slot = atomic_load_explicit (&self->head->slots[self->index + PREFETCH], memory_order_relaxed);
  __builtin_prefetch (slot_get_message (slot));
}

/* Only the receiver writes: no need for a locked instruction. */
static inline void
add_out (_Atomic guint64 *counter,
         guint64          n)
{
  guint64 before = atomic_load_explicit (counter, memory_order_relaxed);

  atomic_store_explicit (counter, before + n, memory_order_release);
}

static inline void
count_out (AgentChannelQueue *self,
           guintptr           slot)
{
  gsize size = self->measures ? _agent_message_get_size (slot_get_message (slot)) : 0;

  if (size > 0)
    add_out (&self->bytes_out, size);
  if (slot & KEPT_TAG)
    {
      add_out (&self->kept_bytes_out, size);
      add_out (&self->n_kept_out, 1);
    }
  add_out (&self->n_out, 1);
}

/* (transfer full) (nullable) Between the two steps the message is neither queued nor counted as taken, and senders that
 * look for room have to know. */
static inline AgentMessage *
claim (AgentChannelQueue *self,
       _Atomic guintptr  *place)
{
  guintptr slot;

  /* Relaxed: the exchange releases it, for who sees that the place is empty. */
  atomic_store_explicit (&self->claiming, TRUE, memory_order_relaxed);
  slot = atomic_exchange (place, 0);
  if (slot != 0)
    count_out (self, slot);
  atomic_store_explicit (&self->claiming, FALSE, memory_order_release);

  return slot_get_message (slot);
}

/* What is queued, one after the other: (transfer none) (nullable). */
AgentMessage *
_agent_channel_queue_peek_locked (AgentChannelQueue      *self,
                                  AgentChannelQueuePlace *place)
{
  if (place->block == NULL && (self->head != NULL || advance_locked (self)))
    *place = (AgentChannelQueuePlace){ self->head, self->index };

  while (place->block != NULL)
    {
      while (place->index < atomic_load_explicit (&place->block->n_filled, memory_order_relaxed))
        {
          guintptr slot = atomic_load_explicit (&place->block->slots[place->index++], memory_order_relaxed);

          if (slot != 0)
            return slot_get_message (slot);
        }

      *place = (AgentChannelQueuePlace){ place->block->next, 0 };
    }

  return NULL;
}

/* The next message: (transfer full) (nullable). NULL also gives the token back. */
AgentMessage *
_agent_channel_queue_pop (AgentChannelQueue *self)
{
  while (self->index < self->n_seen || advance (self))
    {
      AgentMessage *message;

      prefetch (self);
      message = claim (self, &self->head->slots[self->index++]);
      if (message != NULL)
        return message;
    }

  return NULL;
}
