/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "mailbox/agent-channel-queue-private.h"

/* How a thread that ends a subscription takes some of the messages back and leaves the others to the receiver. */

/* Takes back what is in the block, from its end, since the receiver may go on from its start meanwhile: so what the receiver
 * gets is older. The messages are added to @messages in their order. */
static void
sift_block_locked (AgentBlock *block,
                   GPtrArray  *messages)
{
  guint n_before = messages->len;

  for (guint i = atomic_load_explicit (&block->n_filled, memory_order_relaxed); i > 0; i--)
    {
      _Atomic guintptr *place = &block->slots[i - 1];
      guintptr          slot = atomic_load_explicit (place, memory_order_acquire);

      if (slot != 0 && (slot & AGENT_SLOT_STAYS) == 0 && atomic_compare_exchange_strong (place, &slot, 0))
        g_ptr_array_add (messages, _agent_channel_queue_slot_message (slot));
    }

  for (guint i = n_before, k = messages->len; i + 1 < k; i++, k--)
    {
      gpointer message = messages->pdata[i];

      messages->pdata[i] = messages->pdata[k - 1];
      messages->pdata[k - 1] = message;
    }
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

/* Takes back all queued messages but those that stay, oldest first. Precondition: the queue is closed. Returns how many
 * messages were added to @messages. */
guint
_agent_channel_queue_sift_locked (AgentChannelQueue *self,
                                  GPtrArray         *messages)
{
  guint   n_before = messages->len;
  guint64 n_in;

  g_assert (self->closed);

  /* Nothing is pushed any more, so nothing has to give way. */
  self->evict_block = NULL;
  self->kept_tail = NULL;
  for (AgentBlock *block = sift_get_first_locked (self); block != NULL; block = block->next)
    sift_block_locked (block, messages);

  n_in = atomic_load_explicit (&self->n_in, memory_order_relaxed);
  atomic_store_explicit (&self->n_in, n_in - (messages->len - n_before), memory_order_release);
  return messages->len - n_before;
}
