/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-payload-bytes-private.h"

#include "message/agent-message-pool-private.h"
#include "message/agent-normal-form-private.h"
#include "message/agent-payload.h"

#include <string.h>

/* Whether @type, which ends with a 0 after @length bytes, is the type of a value. Most payloads have one of two types. */
gboolean
_agent_payload_bytes_is_type (const char *type,
                              gsize       length)
{
  if (strcmp (type, "ay") == 0 || strcmp (type, "a{sv}") == 0)
    return TRUE;

  return g_variant_type_string_is_valid (type) && g_variant_type_is_definite ((const GVariantType *) type);
}

/* The memory that a message keeps for the bytes: the packet, or a copy in the block. */
static void
payload_bytes_take_slice (AgentPayloadBytes      *self,
                          const AgentPacketSlice *slice,
                          gboolean                shared)
{
  self->bytes = shared ? _agent_packet_slice_dup_bytes (slice) : NULL;
  self->data = shared ? slice->data : memcpy (self->block, slice->data, slice->size);
}

/* @type: the type, which was checked, of the GVariant. */
AgentPayloadBytes *
_agent_payload_bytes_new (const AgentPacketSlice *slice,
                          const char             *type,
                          gsize                   type_length,
                          gboolean                is_foreign)
{
  gboolean           shared = _agent_packet_slice_is_shareable (slice);
  gsize              room = (shared ? 0 : slice->size) + type_length + 1;
  guint8             pooled;
  AgentPayloadBytes *self = _agent_message_pool_alloc (sizeof *self + room, &pooled);

  g_atomic_ref_count_init (&self->ref_count);
  self->pooled = pooled;
  self->is_foreign = is_foreign != FALSE;
  self->type_size = (guint) type_length + 1;
  self->size = slice->size;
  self->variant = NULL;
  self->json = NULL;
  payload_bytes_take_slice (self, slice, shared);
  memcpy (self->block + room - self->type_size, type, self->type_size);

  return self;
}

AgentPayloadBytes *
_agent_payload_bytes_ref (AgentPayloadBytes *self)
{
  g_atomic_ref_count_inc (&self->ref_count);

  return self;
}

void
_agent_payload_bytes_unref (AgentPayloadBytes *self)
{
  /* The holder of the only reference needs no locked instruction to see that it is the only one. */
  if (!g_atomic_ref_count_compare (&self->ref_count, 1) && !g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_clear_pointer (&self->bytes, g_bytes_unref);
  g_clear_pointer (&self->variant, g_variant_unref);
  g_clear_pointer (&self->json, g_free);
  _agent_message_pool_free (self, self->pooled);
}

/* The GVariant may live longer than the payload, so it cannot point into the block. Returns: (transfer full) */
static GVariant *
payload_bytes_wrap (AgentPayloadBytes *self)
{
  const GVariantType *type = (const GVariantType *) _agent_payload_bytes_get_type (self);
  gboolean            is_trusted = _agent_normal_form_is_certain ((const char *) type, self->data, self->size);
  g_autoptr (GBytes) bytes = self->bytes != NULL ? g_bytes_ref (self->bytes) : g_bytes_new (self->data, self->size);

  return g_variant_ref_sink (g_variant_new_from_bytes (type, bytes, is_trusted));
}

/* Returns: (transfer full) */
static GVariant *
payload_bytes_read (AgentPayloadBytes *self)
{
  g_autoptr (GVariant) wrapped = payload_bytes_wrap (self);
  g_autoptr (GVariant) swapped = self->is_foreign ? g_variant_byteswap (wrapped) : g_variant_ref (wrapped);

  return g_variant_get_normal_form (swapped);
}

/* Returns: (transfer none) */
GVariant *
_agent_payload_bytes_get_variant (AgentPayloadBytes *self)
{
  GVariant *variant = g_atomic_pointer_get (&self->variant);
  GVariant *made;

  if (variant != NULL)
    return variant;

  made = payload_bytes_read (self);
  if (g_atomic_pointer_compare_and_exchange (&self->variant, NULL, made))
    return made;

  g_variant_unref (made);

  return g_atomic_pointer_get (&self->variant);
}

/* Returns: (transfer none) */
const char *
_agent_payload_bytes_get_json (AgentPayloadBytes *self)
{
  char *json = g_atomic_pointer_get (&self->json);
  char *made;

  if (json != NULL)
    return json;

  made = agent_payload_to_json (_agent_payload_bytes_get_variant (self));
  if (g_atomic_pointer_compare_and_exchange (&self->json, NULL, made))
    return made;

  g_free (made);

  return g_atomic_pointer_get (&self->json);
}
