/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-message.h"
#include "message/agent-wire-private.h"

static AgentMessage *
from_variant_read (AgentMessageType type,
                   GVariant        *dict,
                   GError         **error)
{
  g_auto (AgentWireValues) values = { 0 };
  AgentMessageRecord record = {
    .parts = { .type = type, .channel = agent_message_type_get_channel (type) },
  };

  if (!_agent_wire_read (&_agent_wire_message, 1u << type, NULL, dict, &values, &record, error))
    return NULL;

  return _agent_message_record_make (&record, error);
}

/* Checks the form itself, before any field is read. */
static gboolean
from_variant_check_form (GVariant *variant,
                         GError  **error)
{
  guint8 version;

  if (!g_variant_is_of_type (variant, AGENT_WIRE_TYPE))
    return _agent_wire_refuse (
        error, "A message on the wire is not of type “%.40s”", g_variant_get_type_string (variant));
  if (!g_variant_is_normal_form (variant))
    return _agent_wire_refuse (error, "The wire form is damaged");

  g_variant_get_child (variant, 0, "y", &version);
  if (version != AGENT_WIRE_VERSION && version != AGENT_WIRE_VERSION_JSON)
    return _agent_wire_refuse (error, "Version %u of the wire form is not known", version);

  return TRUE;
}

static gboolean
from_variant_read_type (GVariant         *variant,
                        AgentMessageType *type,
                        GError          **error)
{
  g_autoptr (GEnumClass) enum_class = g_type_class_ref (AGENT_TYPE_MESSAGE_TYPE);
  g_autoptr (GVariant) nick = g_variant_get_child_value (variant, 1);
  GEnumValue *found = g_enum_get_value_by_nick (enum_class, g_variant_get_string (nick, NULL));

  if (found == NULL)
    return _agent_wire_refuse (error, "The type of the message is not known");

  *type = found->value;

  return TRUE;
}

/**
 * agent_message_new_from_variant:
 * @variant: (transfer none): A wire form, of type `(ysa{sv})`; a floating reference is sunk.
 * @error: Return location for an error, or %NULL.
 *
 * Creates a message from its wire form; see [method@AgentBus.Message.to_variant].
 *
 * The wire form may come from an untrusted peer, and its bytes may be damaged: the result is either a
 * valid message or an error. Unknown fields are ignored.
 *
 * The sequence number and the time of sending are those of the sending process. The new message still
 * counts as not sent: a bus that sends it sets both of them anew.
 *
 * A message that belongs to a conversation gets the living conversation of that id in this process. If the message is of an
 * epoch that the conversation has not come to here, the conversation goes on to this epoch, as
 * [method@AgentBus.Conversation.advance] does: the newest epoch wins in all processes. So do not read messages of peers that
 * must not interrupt a conversation.
 *
 * A payload that is a `GVariant` and the data of a frame are not copied, but point into @variant. So the
 * message keeps the memory of the whole @variant. A payload that is JSON text is checked and copied.
 *
 * ```c
 * g_autoptr (AgentMessage) message =
 *   agent_message_new_cancel ("ui", "worker", "enough");
 * g_autoptr (GVariant) wire_form = agent_message_to_variant (message);
 * g_autoptr (AgentMessage) copy =
 *   agent_message_new_from_variant (wire_form, &error);
 *
 * if (copy != NULL)
 *   g_print ("%s\n", agent_message_get_reason (copy)); // prints: enough
 * ```
 *
 * Returns: (transfer full): a new message, or %NULL with `AGENT_BUS_ERROR_INVALID_MESSAGE`
 *
 * Since: 0.1
 */
AgentMessage *
agent_message_new_from_variant (GVariant *variant,
                                GError  **error)
{
  g_autoptr (GVariant) owned = NULL;
  g_autoptr (GVariant) dict = NULL;
  AgentMessageType type = AGENT_MESSAGE_TYPE_CUSTOM;

  g_return_val_if_fail (variant != NULL, NULL);
  g_return_val_if_fail (error == NULL || *error == NULL, NULL);

  owned = g_variant_ref_sink (variant);
  if (!from_variant_check_form (owned, error) || !from_variant_read_type (owned, &type, error))
    return NULL;

  dict = g_variant_get_child_value (owned, 2);

  return from_variant_read (type, dict, error);
}
