/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-envelope-rules-private.h"

#include "agent-enums-private.h"

#define IN_MESSAGE(member) G_STRUCT_OFFSET (AgentMessageRecord, member)
#define ANY_TYPE G_MAXUINT32

static AgentEnvelopeRules rules_of_types[AGENT_N_MESSAGE_TYPES];

/* Where the value of each field lies in a record. */
static const gsize rules_offsets[AGENT_ENVELOPE_N_FIELDS] = {
  [AGENT_ENVELOPE_SOURCE] = IN_MESSAGE (parts.source),
  [AGENT_ENVELOPE_TARGET] = IN_MESSAGE (parts.target),
  [AGENT_ENVELOPE_LABEL] = IN_MESSAGE (parts.label),
  [AGENT_ENVELOPE_TASK_ID] = IN_MESSAGE (parts.task_id),
  [AGENT_ENVELOPE_REASON] = IN_MESSAGE (parts.reason),
  [AGENT_ENVELOPE_TRACE] = IN_MESSAGE (trace),
  [AGENT_ENVELOPE_TOPIC] = IN_MESSAGE (topic),
  [AGENT_ENVELOPE_CONVERSATION] = IN_MESSAGE (conversation),
  [AGENT_ENVELOPE_TTL] = IN_MESSAGE (ttl),
  [AGENT_ENVELOPE_CAUSE] = IN_MESSAGE (cause),
  [AGENT_ENVELOPE_RELIABLE] = IN_MESSAGE (reliable),
  [AGENT_ENVELOPE_ERROR_REPLY] = IN_MESSAGE (error_reply),
  [AGENT_ENVELOPE_REQUEST] = IN_MESSAGE (request),
  [AGENT_ENVELOPE_RETAINED] = IN_MESSAGE (retained),
  [AGENT_ENVELOPE_CHANNEL] = IN_MESSAGE (parts.channel),
  [AGENT_ENVELOPE_DIRECTION] = IN_MESSAGE (parts.direction),
  [AGENT_ENVELOPE_STATUS] = IN_MESSAGE (parts.status),
  [AGENT_ENVELOPE_CONTENT] = IN_MESSAGE (parts.content),
  [AGENT_ENVELOPE_JSON] = IN_MESSAGE (json),
};

gsize
_agent_envelope_rules_offset (AgentEnvelopeField field)
{
  return rules_offsets[field];
}

static void
rules_add_field (AgentEnvelopeRules *self,
                 AgentMessageType    type,
                 AgentEnvelopeField  field)
{
  const AgentWireField *row = _agent_wire_find_field (&_agent_wire_message, 1u << type, rules_offsets[field]);

  self->rows[field] = row;
  if (row == NULL)
    return;

  self->allowed |= 1u << field;
  if ((row->required & 1u << type) != 0)
    self->required |= 1u << field;
}

static void
rules_init (AgentEnvelopeRules *self,
            AgentMessageType    type)
{
  self->allowed = AGENT_ENVELOPE_FORM_BIG_ENDIAN | AGENT_ENVELOPE_FORM_EXTENDED;
  self->is_named = type != AGENT_MESSAGE_TYPE_AGENT_READY && type != AGENT_MESSAGE_TYPE_AGENT_REGISTRY;
  for (guint field = 0; field < AGENT_ENVELOPE_N_FIELDS; field++)
    rules_add_field (self, type, field);
}

/* @type: less than AGENT_N_MESSAGE_TYPES. */
const AgentEnvelopeRules *
_agent_envelope_rules_get (AgentMessageType type)
{
  static gsize ready; /* (atomic) */

  if (g_once_init_enter (&ready))
    {
      for (guint i = 0; i < AGENT_N_MESSAGE_TYPES; i++)
        rules_init (&rules_of_types[i], i);

      g_once_init_leave (&ready, 1);
    }

  return &rules_of_types[type];
}

/* Says what is wrong with @fields. Always returns FALSE. */
gboolean
_agent_envelope_rules_refuse (const AgentEnvelopeRules *self,
                              guint32                   fields,
                              GError                  **error)
{
  guint32 type = 1u << (self - rules_of_types);

  for (guint i = 0; i < AGENT_ENVELOPE_N_FIELDS; i++)
    {
      const AgentWireField *row = self->rows[i];

      if (row == NULL)
        row = _agent_wire_find_field (&_agent_wire_message, ANY_TYPE, rules_offsets[i]);
      if (!_agent_wire_check_presence (row, NULL, type, (fields & 1u << i) != 0, error))
        return FALSE;
    }

  return _agent_wire_refuse (error, "The envelope has a field that is not known");
}
