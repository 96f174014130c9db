/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * The memory of messages and frames. All functions may be called in any thread.
 *
 * A message is usually made by one thread and freed by another. A general allocator then gives the block back to the
 * heap of the first thread, under the lock of that heap, for each block. This costs more than all the rest of a send.
 *
 * Here each thread has two magazines, which hold blocks of one size. When both are full, it exchanges one of them for an
 * empty magazine at the depot; when both are empty, it exchanges one for a full magazine. So a lock is taken once for 64
 * messages. Memory of a larger size comes from malloc(); so does all memory under AddressSanitizer and similar tools.
 */
#define AGENT_MESSAGE_POOL_BLOCK_SIZE 160

gpointer _agent_message_pool_take (void);
void     _agent_message_pool_give (gpointer block);

/* @pooled: (out): whether the memory comes from the pool; to be passed to _agent_message_pool_free(). */
static inline gpointer
_agent_message_pool_alloc (gsize     size,
                           guint8   *pooled)
{
  *pooled = size <= AGENT_MESSAGE_POOL_BLOCK_SIZE;
  return *pooled ? _agent_message_pool_take () : g_malloc (size);
}

static inline void
_agent_message_pool_free (gpointer memory,
                          guint8   pooled)
{
  if (pooled)
    _agent_message_pool_give (memory);
  else
    g_free (memory);
}

G_END_DECLS
