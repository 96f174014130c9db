/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-channel-queue-slots-private.h"

/* How a thread that ends a subscription takes some of the messages back and leaves the others to the receiver. */

typedef struct
{
  GPtrArray        *messages;
  _Atomic guintptr *stays; /* (nullable) the slot of the message behind, the nearest one that stays */
  AgentStayFunc     has_to_stay;
  AgentGapFunc      gap_moved;
  gpointer          data;
} Sift;

/* Whether a message that never gives way stays. It is tagged before it is read: then the receiver waits for the lock before it
 * goes on with it. */
static gboolean
sift_has_to_stay_locked (Sift             *self,
                         _Atomic guintptr *place,
                         guintptr          slot)
{
  AgentMessage *message;

  if ((slot & AGENT_SLOT_STAYS) != 0)
    return TRUE;
  if ((slot & AGENT_SLOT_KEPT) == 0)
    return FALSE;

  message = _agent_channel_queue_tag_slot (place);
  return message != NULL && self->has_to_stay (self->data, message);
}

/* Takes the message at @place back. Returns its slot, or 0 if the receiver was quicker.
 *
 * If it follows a gap, the message behind it gets the tag before: if the receiver takes that one meanwhile, it waits for the
 * lock to learn what was lost. */
static guintptr
sift_take_locked (Sift             *self,
                  _Atomic guintptr *place)
{
  guintptr      slot = atomic_load_explicit (place, memory_order_acquire);
  gboolean      gap = (slot & AGENT_SLOT_GAP) != 0;
  AgentMessage *to = gap && self->stays != NULL ? _agent_channel_queue_tag_slot (self->stays) : NULL;

  if (slot == 0 || !atomic_compare_exchange_strong (place, &slot, 0))
    return 0;

  g_ptr_array_add (self->messages, _agent_slot_get_message (slot));
  if (gap)
    self->gap_moved (self->data, _agent_slot_get_message (slot), to);
  return slot;
}

/* Returns how many bytes were counted for the messages that were taken. */
static gsize
sift_block_locked (Sift       *self,
                   AgentBlock *block)
{
  gsize size = 0;

  for (guint i = atomic_load_explicit (&block->n_filled, memory_order_relaxed); i > 0; i--)
    {
      _Atomic guintptr *place = &block->slots[i - 1];
      guintptr          slot = atomic_load_explicit (place, memory_order_acquire);

      if (sift_has_to_stay_locked (self, place, slot))
        self->stays = place;
      else if (slot != 0)
        size += _agent_slot_get_size (sift_take_locked (self, place));
    }

  return size;
}

/* The block in hand, or the first one behind it: (nullable). The others follow as @next. */
static AgentBlock *
sift_get_first_locked (AgentChannelQueue *self)
{
  AgentBlock *first = self->head;

  if (first == NULL && self->blocks != NULL)
    {
      first = g_async_queue_try_pop (self->blocks);
      if (first != NULL)
        g_async_queue_push_front (self->blocks, first);
    }

  return first;
}

/* (transfer container): of AgentBlock */
static GPtrArray *
sift_list_blocks_locked (AgentChannelQueue *self)
{
  GPtrArray *blocks = g_ptr_array_new ();

  for (AgentBlock *block = sift_get_first_locked (self); block != NULL; block = block->next)
    g_ptr_array_add (blocks, block);

  return blocks;
}

static void
sift_reverse (GPtrArray *messages,
              guint      first)
{
  for (guint i = first, k = messages->len; i + 1 < k; i++, k--)
    {
      gpointer message = messages->pdata[i];

      messages->pdata[i] = messages->pdata[k - 1];
      messages->pdata[k - 1] = message;
    }
}

/* Takes back all queued messages but those that stay, and adds them to @messages, oldest first. Precondition: the queue is
 * closed. Returns how many there were.
 *
 * @has_to_stay: called for those that never give way, and that do not stay anyway
 *
 * They are taken from the end, since the receiver may go on from the start meanwhile: so what the receiver gets is older. */
guint
_agent_channel_queue_sift_locked (AgentChannelQueue *self,
                                  GPtrArray         *messages,
                                  AgentStayFunc      has_to_stay,
                                  AgentGapFunc       gap_moved,
                                  gpointer           data)
{
  g_autoptr (GPtrArray) blocks = sift_list_blocks_locked (self);
  Sift  sift = { messages, NULL, has_to_stay, gap_moved, data };
  guint n_before = messages->len;

  g_assert (self->closed);

  _agent_channel_queue_set_mark (self, AGENT_QUEUE_WAIT);
  /* Nothing is pushed any more, so nothing has to give way. */
  self->evict_block = NULL;
  self->kept_tail = NULL;
  for (guint i = blocks->len; i > 0; i--)
    self->bytes_in -= sift_block_locked (&sift, blocks->pdata[i - 1]);
  sift_reverse (messages, n_before);

  _agent_channel_queue_add_n_in (self, -(gint64) (messages->len - n_before));
  return messages->len - n_before;
}
