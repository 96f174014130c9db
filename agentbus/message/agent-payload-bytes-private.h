/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "message/agent-packet-slice-private.h"

G_BEGIN_DECLS

/*
 * A payload that has come from another process and has not been read yet: the bytes of a GVariant, its type, and the byte order
 * of who wrote it. Many messages are only passed on, or dropped, and wrapping bytes in a GVariant costs more than all else of
 * their reading. So the GVariant is made when somebody first asks for it, and so is the JSON text.
 *
 * The bytes are not trusted. The GVariant is in normal form and in the byte order of this machine, whatever the bytes are: GLib
 * puts a default in the place of each part that is damaged.
 *
 * If several threads ask at once, each may make a GVariant; the first to store its own wins, and the others free theirs. All
 * functions may be called in any thread.
 */
typedef struct
{
  gatomicrefcount ref_count;
  guint8          pooled;     /* for _agent_message_pool_free() */
  guint8          is_foreign; /* the bytes have not the byte order of this machine */
  guint           type_size;  /* of the type, with the final 0 */
  gsize           size;       /* of the bytes */
  gconstpointer   data;       /* in @bytes, or in @block */
  GBytes         *bytes;      /* (owned) (nullable) NULL if the bytes are in @block */
  GVariant       *variant;    /* (atomic) (owned) (nullable) */
  char           *json;       /* (atomic) (owned) (nullable) */
  char            block[];    /* the type; and before it the bytes, if they were copied */
} AgentPayloadBytes;

gboolean           _agent_payload_bytes_is_type     (const char             *type,
                                                     gsize                   length);
AgentPayloadBytes *_agent_payload_bytes_new         (const AgentPacketSlice *slice,
                                                     const char             *type,
                                                     gsize                   type_length,
                                                     gboolean                is_foreign);
AgentPayloadBytes *_agent_payload_bytes_ref         (AgentPayloadBytes      *self);
void               _agent_payload_bytes_unref       (AgentPayloadBytes      *self);
GVariant          *_agent_payload_bytes_get_variant (AgentPayloadBytes      *self);
const char        *_agent_payload_bytes_get_json    (AgentPayloadBytes      *self);

static inline const char *
_agent_payload_bytes_get_type (const AgentPayloadBytes *self)
{
  return self->bytes != NULL ? self->block : self->block + self->size;
}

/* --- The pointer in a message: see agent-payload-text-private.h --- */

#define AGENT_PAYLOAD_BYTES_BIT ((guintptr) 2)

static inline gboolean
_agent_payload_is_bytes (gconstpointer content)
{
  return ((guintptr) content & AGENT_PAYLOAD_BYTES_BIT) != 0;
}

static inline AgentPayloadBytes *
_agent_payload_to_bytes (gpointer content)
{
  return (gpointer) ((guintptr) content - AGENT_PAYLOAD_BYTES_BIT);
}

static inline gpointer
_agent_payload_from_bytes (AgentPayloadBytes *bytes)
{
  return (gpointer) ((guintptr) bytes + AGENT_PAYLOAD_BYTES_BIT);
}

G_END_DECLS
