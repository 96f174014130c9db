/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-payload-text-private.h"

#include "message/agent-json-reader-private.h"
#include "message/agent-message-pool-private.h"
#include "message/agent-payload.h"

#include <string.h>

/* Copies @text. */
static AgentPayloadText *
payload_text_alloc (const char *text,
                    gsize       length)
{
  guint8            pooled;
  AgentPayloadText *self = _agent_message_pool_alloc (sizeof *self + length + 1, &pooled);

  g_atomic_ref_count_init (&self->ref_count);
  self->pooled = pooled;
  self->length = length;
  memcpy (self->text, text, length + 1);

  return self;
}

/* @text: JSON text that was checked. */
AgentPayloadText *
_agent_payload_text_new (const char *text,
                         gsize       length)
{
  AgentPayloadText *self = payload_text_alloc (text, length);

  self->given = TRUE;
  self->variant = NULL;

  return self;
}

/* Makes the text of @variant. @variant: (transfer full). */
AgentPayloadText *
_agent_payload_text_new_made (GVariant *variant)
{
  g_autofree char  *text = agent_payload_to_json (variant);
  AgentPayloadText *self = payload_text_alloc (text, strlen (text));

  self->given = FALSE;
  self->variant = variant;

  return self;
}

AgentPayloadText *
_agent_payload_text_ref (AgentPayloadText *self)
{
  g_atomic_ref_count_inc (&self->ref_count);

  return self;
}

void
_agent_payload_text_unref (AgentPayloadText *self)
{
  /* The holder of the only reference needs no locked instruction to see that it is the only one. */
  if (!g_atomic_ref_count_compare (&self->ref_count, 1) && !g_atomic_ref_count_dec (&self->ref_count))
    return;

  g_clear_pointer (&self->variant, g_variant_unref);
  _agent_message_pool_free (self, self->pooled);
}

/* Frees a text that was made from a GVariant, and leaves the GVariant to the caller. */
void
_agent_payload_text_unref_unused (AgentPayloadText *self)
{
  self->variant = NULL;
  _agent_payload_text_unref (self);
}

/* Returns: (transfer none) */
GVariant *
_agent_payload_text_get_variant (AgentPayloadText *self)
{
  GVariant *variant = g_atomic_pointer_get (&self->variant);
  GVariant *made;

  if (variant != NULL)
    return variant;

  /* The text was checked, so the reader accepts it. */
  made = _agent_json_read (self->text, NULL);
  g_assert (made != NULL);
  if (g_atomic_pointer_compare_and_exchange (&self->variant, NULL, made))
    return made;

  g_variant_unref (made);

  return g_atomic_pointer_get (&self->variant);
}

/* For limits in bytes. The size does not change when the other form is made: what a channel adds when a message goes in
 * is what it subtracts when the message comes out. */
gsize
_agent_payload_text_get_size (AgentPayloadText *self)
{
  return self->given ? self->length : g_variant_get_size (self->variant);
}
