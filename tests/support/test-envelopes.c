/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "test-envelopes.h"

#include <agentbus/agentbus.h>

#include "test-wire-model.h"
#include "test-wire-samples.h"

AgentMessage *
test_envelope_from_wire (GVariant *wire)
{
  g_autoptr (GError) error = NULL;
  AgentMessage *message = agent_message_new_from_variant (wire, &error);

  g_assert_no_error (error);
  /* An envelope has neither of them. */
  message->seq = 0;
  message->sent_at = 0;
  return message;
}

AgentMessage *
test_envelope_make_full (AgentMessageType type,
                         gboolean         json)
{
  g_autoptr (GVariant) fields =
      g_variant_ref_sink (test_wire_make_fields (&_agent_wire_message, 1u << type, "", TRUE, NULL));
  g_autoptr (GVariant) wire = test_wire_make (agent_message_type_to_string (type), fields);
  AgentMessage *message = test_envelope_from_wire (wire);

  if (json)
    agent_message_set_payload_json (message, "{\"n\": [1.50, null]}", NULL);
  return message;
}

GByteArray *
test_envelope_write (AgentMessage *message)
{
  GByteArray *packet = g_byte_array_new ();

  g_assert_true (_agent_envelope_append (packet, message, NULL, NULL));
  return packet;
}

AgentMessage *
test_envelope_read (const GByteArray *packet,
                    GError          **error)
{
  /* Exactly as long as it has to be, so that a tool sees each byte that is read after the end. */
  g_autoptr (GBytes) bytes = g_bytes_new (packet->data, packet->len);

  return _agent_envelope_read (bytes, 0, packet->len, error);
}

void
test_envelope_assert_same (AgentMessage *one,
                           AgentMessage *two)
{
  g_autoptr (GVariant) wire_one = agent_message_to_variant (one);
  g_autoptr (GVariant) wire_two = agent_message_to_variant (two);

  g_assert_cmpvariant (wire_one, wire_two);
  g_assert_true (agent_message_get_conversation (one) == agent_message_get_conversation (two));
}

void
test_envelope_assert_sound (AgentMessage *message)
{
  g_autoptr (GVariant) wire = agent_message_to_variant (message);
  g_autoptr (GByteArray) packet = test_envelope_write (message);
  g_autoptr (GError) error = NULL;
  g_autoptr (AgentMessage) again = test_envelope_read (packet, &error);
  g_autofree char *line = agent_message_to_string (message);

  g_assert_no_error (error);
  g_assert_true (g_utf8_validate (line, -1, NULL));
  if (!test_wire_model_accepts (wire))
    {
      g_autofree char *text = g_variant_print (wire, FALSE);

      g_error ("This was read: %s", text);
    }
  test_envelope_assert_same (message, again);
}
