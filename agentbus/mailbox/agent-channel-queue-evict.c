/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-channel-queue-slots-private.h"

/*
 * How the oldest messages of a queue give way to new ones.
 *
 * Where an access is relaxed and no reason is given beside it, the lock orders it: the name of the function ends in _locked,
 * and what it reads is written with the lock held.
 */

/* Tags the message at @place. Returns it: (transfer none) (nullable). NULL: the receiver has taken it. */
AgentMessage *
_agent_channel_queue_tag_slot (_Atomic guintptr *place)
{
  guintptr slot = atomic_load (place);

  if (slot != 0 && ((slot & AGENT_SLOT_GAP) != 0 || atomic_compare_exchange_strong (place, &slot, slot | AGENT_SLOT_GAP)))
    return _agent_slot_get_message (slot);

  return NULL;
}

/* Tags the first message from slot @index of @block on, wherever that is: (transfer none) (nullable). */
static AgentMessage *
queue_tag_from_locked (AgentBlock *block,
                       guint       index)
{
  for (; block != NULL; block = block->next, index = 0)
    {
      guint n_filled = atomic_load_explicit (&block->n_filled, memory_order_relaxed);

      for (; index < n_filled; index++)
        {
          AgentMessage *message = _agent_channel_queue_tag_slot (&block->slots[index]);

          if (message != NULL)
            return message;
        }
    }

  return NULL;
}

/* Removes the empty slots of a block that the receiver does not have in hand. Returns how many messages are left in it.
 *
 * Relaxed: the receiver and the senders get at the block only under the lock. */
static guint
queue_compact_block_locked (AgentBlock *block)
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

/* Moves messages from the start of the compact block @from to the end of @to, as many as @to has room for. Returns how many
 * are left in @from. */
static guint
queue_move_slots_locked (AgentBlock *from,
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
  return queue_compact_block_locked (from);
}

static void
queue_remove_block_locked (AgentChannelQueue *self,
                           AgentBlock        *block)
{
  AgentBlock *previous = self->kept_tail != NULL ? self->kept_tail : self->head;

  if (previous != NULL)
    previous->next = block->next;

  /* If no messages that never give way stand before it, the block is the first one. Otherwise GLib looks for it from the
   * other end. */
  if (self->kept_tail == NULL)
    _agent_channel_queue_pop_block_locked (self);
  else
    g_async_queue_remove (self->blocks, block);
  _agent_channel_queue_recycle_block_locked (self, block);
}

/* Called when all messages of @block that may be dropped have been, and there is another block behind it. Removes what is
 * empty, unless the receiver has the block in hand. */
static void
queue_retire_block_locked (AgentChannelQueue *self,
                           AgentBlock        *block)
{
  guint n_left;

  if (block == self->head)
    return;

  n_left = queue_compact_block_locked (block);
  if (n_left > 0 && self->kept_tail != NULL)
    n_left = queue_move_slots_locked (block, self->kept_tail);

  if (n_left == 0)
    queue_remove_block_locked (self, block);
  else
    self->kept_tail = block;
}

/* Goes on to the oldest message of the block that may be dropped. FALSE: the block has none.
 *
 * Acquire: a thread that finds the slot empty because the receiver has taken the message also finds the message counted in
 * @n_out, or @claiming set. */
static gboolean
queue_find_in_block_locked (AgentChannelQueue *self,
                            AgentBlock        *block)
{
  guint n_filled = atomic_load_explicit (&block->n_filled, memory_order_relaxed);

  for (; self->evict_index < n_filled; self->evict_index++)
    {
      guintptr slot = atomic_load_explicit (&block->slots[self->evict_index], memory_order_acquire);

      if (slot != 0 && (slot & AGENT_SLOT_KEPT) == 0)
        return TRUE;
    }

  return FALSE;
}

/* Goes on to the oldest message that may be dropped: its slot is @evict_index of @evict_block. */
static gboolean
queue_find_locked (AgentChannelQueue *self)
{
  while (self->evict_block != NULL && !queue_find_in_block_locked (self, self->evict_block))
    {
      AgentBlock *next = self->evict_block->next;

      if (next == NULL)
        return FALSE;
      queue_retire_block_locked (self, self->evict_block);
      self->evict_block = next;
      self->evict_index = 0;
    }

  return self->evict_block != NULL;
}

/* Takes back the message that was found. NULL: the receiver has taken it.
 *
 * The message behind it is tagged before: if the receiver takes that one meanwhile, it waits for the lock to learn what was
 * lost. */
static AgentMessage *
queue_take_found_locked (AgentChannelQueue *self,
                         gboolean          *gap,
                         AgentMessage     **next)
{
  _Atomic guintptr *place = &self->evict_block->slots[self->evict_index++];
  guintptr          slot = atomic_load (place);

  *next = queue_tag_from_locked (self->evict_block, self->evict_index);
  if (slot == 0 || !atomic_compare_exchange_strong (place, &slot, 0))
    return NULL;

  _agent_channel_queue_add_n_in (self, -1);
  self->n_evicted++;
  self->bytes_in -= _agent_slot_get_size (slot);
  *gap = (slot & AGENT_SLOT_GAP) != 0;
  return _agent_slot_get_message (slot);
}

/* Takes back the oldest message that may be dropped: (transfer full) (nullable).
 *
 * @gap: (out): whether messages before it were lost
 * @next: (out) (nullable): the message behind it, which has the tag of a gap: it stays where it is until the caller unlocks or
 *   the receiver takes it */
AgentMessage *
_agent_channel_queue_evict_locked (AgentChannelQueue *self,
                                   gboolean          *gap,
                                   AgentMessage     **next)
{
  AgentMessage *message = NULL;

  _agent_channel_queue_set_mark (self, AGENT_QUEUE_WAIT);
  while (message == NULL && queue_find_locked (self))
    message = queue_take_found_locked (self, gap, next);

  return message;
}

/* The same, if @is_spent says so of the message.
 *
 * A sender must not read a message that the receiver may be freeing. So the message is tagged first: then the receiver waits for
 * the lock before it goes on with it. */
AgentMessage *
_agent_channel_queue_evict_spent_locked (AgentChannelQueue *self,
                                         AgentSpentFunc     is_spent,
                                         gpointer           data,
                                         gboolean          *gap,
                                         AgentMessage     **next)
{
  _agent_channel_queue_set_mark (self, AGENT_QUEUE_WAIT);
  while (queue_find_locked (self))
    {
      AgentMessage *message = _agent_channel_queue_tag_slot (&self->evict_block->slots[self->evict_index]);

      if (message != NULL && !is_spent (message, data))
        return NULL;
      message = queue_take_found_locked (self, gap, next);
      if (message != NULL)
        return message;
    }

  return NULL;
}

/* Whether there would be room if all messages that may be dropped were dropped. If not, no message should give way. */
gboolean
_agent_channel_queue_can_make_room_locked (AgentChannelQueue *self,
                                           gsize              size)
{
  guint64 n_kept = self->n_kept_in - atomic_load (&self->n_kept_out);
  guint64 kept_bytes = self->kept_bytes_in - atomic_load (&self->kept_bytes_out);

  guint64 max_bytes = atomic_load_explicit (&self->max_bytes, memory_order_relaxed);

  return n_kept < _agent_channel_queue_get_capacity (self) && (max_bytes == 0 || kept_bytes + size <= max_bytes);
}

/* Whether there is room, or will be once the receiver has counted the message that it is claiming right now: its thread may
 * have been stopped between the two steps of queue_claim(). For a sender that finds nothing to evict. */
gboolean
_agent_channel_queue_will_have_room_locked (AgentChannelQueue *self,
                                            gsize              size)
{
  guint64  n_out = atomic_load_explicit (&self->n_out, memory_order_acquire);
  gboolean taking = atomic_load_explicit (&self->claiming, memory_order_acquire);

  if (taking && n_out == atomic_load_explicit (&self->n_out, memory_order_acquire))
    return _agent_channel_queue_get_n_in (self) - n_out <= _agent_channel_queue_get_capacity (self);

  return _agent_channel_queue_has_room_locked (self, size);
}
