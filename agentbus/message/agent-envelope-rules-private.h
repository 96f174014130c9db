/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#include "message/agent-envelope-private.h"
#include "message/agent-wire-private.h"

G_BEGIN_DECLS

/*
 * Which fields of an envelope a message of one type may have, and which it must have. The rules are those of the wire form: they
 * are read from its table, when the first envelope is read. They never change after that. All functions may be called in any
 * thread.
 */
typedef struct
{
  guint32               required;                      /* bits of AgentEnvelopeField */
  guint32               allowed;                       /* and of AgentEnvelopeForm */
  gboolean              is_named;                      /* the content has a name */
  const AgentWireField *rows[AGENT_ENVELOPE_N_FIELDS]; /* (nullable) of the fields that are allowed */
} AgentEnvelopeRules;

const AgentEnvelopeRules *_agent_envelope_rules_get    (AgentMessageType          type);
gsize                     _agent_envelope_rules_offset (AgentEnvelopeField        field);
gboolean                  _agent_envelope_rules_refuse (const AgentEnvelopeRules *self,
                                                        guint32                   fields,
                                                        GError                  **error);

/* Whether a message with these fields is one of the type. */
static inline gboolean
_agent_envelope_rules_check (const AgentEnvelopeRules *self,
                             guint32                   fields,
                             GError                  **error)
{
  if (G_LIKELY ((fields & ~self->allowed) == 0 && (self->required & ~fields) == 0))
    return TRUE;

  return _agent_envelope_rules_refuse (self, fields, error);
}

G_END_DECLS
