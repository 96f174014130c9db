/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * The memory of messages, frames and payloads as text. All functions may be called in any thread.
 *
 * A message is usually made by one thread and freed by another. A general allocator then gives the block back to the
 * heap of the first thread, under the lock of that heap, for each block. This costs more than all the rest of a send.
 *
 * Here each thread has two magazines, which hold blocks of one size. When both are full, it exchanges one of them for an
 * empty magazine at the depot; when both are empty, it exchanges one for a full magazine. So a lock is taken once for 64
 * messages.
 *
 * Messages fit into the smallest blocks. Frames with some bytes of their own take larger ones, of which there are a few
 * sizes; a thread has magazines only of the sizes that it uses. Memory of a larger size comes from malloc(); so does all
 * memory under AddressSanitizer and similar tools.
 */
#define AGENT_MESSAGE_POOL_BLOCK_SIZE 168

/* A message has the address of its memory, and the mailboxes keep tags in the lowest bits of it. */
#define AGENT_MESSAGE_ALIGNMENT 16

/* The largest blocks: a kilobyte, with room for a header and a name. */
#define AGENT_MESSAGE_POOL_BLOCK_SIZE_MAX 1152

gpointer _agent_message_pool_take        (void);
void     _agent_message_pool_give        (gpointer block);
gpointer _agent_message_pool_alloc_large (gsize    size,
                                          guint8  *pooled);
void     _agent_message_pool_free_large  (gpointer memory,
                                          guint8   pooled);

/* @pooled: (out): which size the memory has, counted from 1, or 0 for memory that is not from the pool; to be passed to
 * _agent_message_pool_free(). */
static inline gpointer
_agent_message_pool_alloc (gsize   size,
                           guint8 *pooled)
{
  if (G_UNLIKELY (size > AGENT_MESSAGE_POOL_BLOCK_SIZE))
    return _agent_message_pool_alloc_large (size, pooled);

  *pooled = 1;
  return _agent_message_pool_take ();
}

static inline void
_agent_message_pool_free (gpointer memory,
                          guint8   pooled)
{
  if (G_LIKELY (pooled == 1))
    _agent_message_pool_give (memory);
  else
    _agent_message_pool_free_large (memory, pooled);
}

G_END_DECLS
