/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * Some bytes of a packet that has come in. A packet may hold many messages, and lives for as long as one of them points into
 * it. So a message copies what is small, or a small part of the packet: it never keeps more than eight times its own size.
 *
 * A slice is read by one thread. All functions may be called in any thread.
 */
typedef struct
{
  GBytes       *packet;
  gconstpointer data;
  gsize         size;
} AgentPacketSlice;

/* What is no larger than this is always copied: this takes less time than to count another reference. */
#define AGENT_PACKET_SLICE_COPY_MAX 1024

#define AGENT_PACKET_SLICE_SHARE_MIN 8

/* Whether a message may point to the bytes. */
static inline gboolean
_agent_packet_slice_is_shareable (const AgentPacketSlice *self)
{
  return self->size > AGENT_PACKET_SLICE_COPY_MAX &&
         self->size >= g_bytes_get_size (self->packet) / AGENT_PACKET_SLICE_SHARE_MIN;
}

/* Returns: (transfer full): the bytes, of which a copy is made if they are not shareable */
static inline GBytes *
_agent_packet_slice_dup_bytes (const AgentPacketSlice *self)
{
  const char *start = g_bytes_get_data (self->packet, NULL);

  if (!_agent_packet_slice_is_shareable (self))
    return g_bytes_new (self->data, self->size);

  return g_bytes_new_from_bytes (self->packet, (gsize) ((const char *) self->data - start), self->size);
}

G_END_DECLS
