/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * A payload as JSON text, with the GVariant that means the same. The text never changes. The GVariant is made when
 * somebody first asks for it. If several threads ask at once, each may make one; the first to store its own wins, and the
 * others free theirs. All functions may be called in any thread.
 *
 * A message that has no text needs nothing of this: it points to its GVariant. The lowest bit of the pointer tells which
 * of both a message has, so that a message is no larger for it. The next bit tells of bytes that were not read yet: see
 * agent-payload-bytes-private.h.
 */
typedef struct
{
  gatomicrefcount ref_count;
  guint8          pooled;    /* for _agent_message_pool_free() */
  gboolean        given;     /* whether the application gave the text; if not, it was made from the GVariant */
  gsize           length;    /* of the text */
  GVariant       *variant;   /* (atomic) (owned) (nullable) */
  char            text[];
} AgentPayloadText;

AgentPayloadText *_agent_payload_text_new          (const char       *text,
                                                    gsize             length);
AgentPayloadText *_agent_payload_text_new_made     (GVariant         *variant);
AgentPayloadText *_agent_payload_text_ref          (AgentPayloadText *self);
void              _agent_payload_text_unref        (AgentPayloadText *self);
void              _agent_payload_text_unref_unused (AgentPayloadText *self);
GVariant         *_agent_payload_text_get_variant  (AgentPayloadText *self);
gsize             _agent_payload_text_get_size     (AgentPayloadText *self);

/* --- The pointer in a message: to an AgentPayloadText, to an AgentPayloadBytes, or to a GVariant --- */

#define AGENT_PAYLOAD_TEXT_BIT ((guintptr) 1)

static inline gboolean
_agent_payload_is_text (gconstpointer content)
{
  return G_UNLIKELY (((guintptr) content & AGENT_PAYLOAD_TEXT_BIT) != 0);
}

static inline AgentPayloadText *
_agent_payload_to_text (gpointer content)
{
  return (gpointer) ((guintptr) content - AGENT_PAYLOAD_TEXT_BIT);
}

static inline gpointer
_agent_payload_from_text (AgentPayloadText *text)
{
  return (gpointer) ((guintptr) text + AGENT_PAYLOAD_TEXT_BIT);
}

G_END_DECLS
