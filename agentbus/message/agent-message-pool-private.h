/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Where the memory of messages and frames comes from.
 *
 * Messages are made by one thread and freed by another. A general allocator gives each block back to the heap of the
 * thread that made it, one by one and under that heap's lock, and that costs more than all the rest of a send. Here each
 * thread keeps two magazines of blocks of one size, and trades full ones for empty ones at a depot: one lock for 64
 * messages. Larger ones are left to malloc, as all are under tools that look for bad accesses.
 */
#define AGENT_MESSAGE_POOL_BLOCK_SIZE 160

gpointer _agent_message_pool_take (void);
void     _agent_message_pool_give (gpointer block);

/* @pooled: whose memory it is, for when it is freed. */
static inline gpointer
_agent_message_pool_alloc (gsize     size,
                           gboolean *pooled)
{
  *pooled = size <= AGENT_MESSAGE_POOL_BLOCK_SIZE;
  return *pooled ? _agent_message_pool_take () : g_malloc (size);
}

static inline void
_agent_message_pool_free (gpointer memory,
                          gboolean pooled)
{
  if (pooled)
    _agent_message_pool_give (memory);
  else
    g_free (memory);
}

G_END_DECLS
