/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-message.h"
#include "message/agent-wire-private.h"

#include "message/agent-info.h"
#include "message/agent-payload-text-private.h"

#include <string.h>

/* An agent may announce only itself, so the source must be the agent in the description. */
static gboolean
from_variant_check_ready (AgentMessage *message,
                          GError      **error)
{
  if (message->type != AGENT_MESSAGE_TYPE_AGENT_READY)
    return TRUE;

  if (strcmp (agent_message_get_source (message), agent_info_get_name (message->content)) != 0)
    return _agent_wire_refuse (error, "Field “source” is not the agent in “info”");

  return TRUE;
}

/* The text was checked. It is copied, so that the message does not keep the memory of the whole wire form for it. */
static gboolean
from_variant_take_json (AgentMessageRecord *record,
                        GError            **error)
{
  if (record->json == NULL)
    return TRUE;

  if (record->parts.content != NULL)
    {
      g_variant_unref (record->parts.content);
      return _agent_wire_refuse (error, "Fields “payload” and “payload-json” are both there");
    }

  record->parts.content =
      _agent_payload_from_text (_agent_payload_text_new (record->json, strlen (record->json)));

  return TRUE;
}

/* The message goes to the living conversation of the id. */
static void
from_variant_set_conversation (AgentMessage           *message,
                               const AgentEpochRecord *record)
{
  g_autoptr (AgentConversation) conversation = NULL;

  if (record->id == NULL)
    return;

  conversation = agent_conversation_new (record->id);
  message->epoch = _agent_epoch_enter_at (conversation, record->epoch);
  message->own_epoch = TRUE;
}

static AgentMessage *
from_variant_make (const AgentMessageRecord *record)
{
  AgentMessage *message = _agent_message_new_from_parts (&record->parts);

  message->seq = record->seq;
  message->sent_at = record->sent_at;
  message->ttl = record->ttl;
  message->reliable = record->reliable;
  message->error_reply = (record->error_reply ? AGENT_ERROR_REPLY_ERROR : 0) |
                         (record->request ? AGENT_ERROR_REPLY_TASK : 0);
  message->cause = record->cause;
  message->trace = g_strdup (record->trace);
  message->topic = g_strdup (record->topic);
  message->retained = record->retained;

  return message;
}

static AgentMessage *
from_variant_read (AgentMessageType type,
                   GVariant        *dict,
                   GError         **error)
{
  g_autoptr (AgentMessage) message = NULL;
  g_auto (AgentWireValues) values = { 0 };
  AgentMessageRecord record = {
    .parts = { .type = type, .channel = agent_message_type_get_channel (type) },
  };

  if (!_agent_wire_read (&_agent_wire_message, 1u << type, NULL, dict, &values, &record, error) ||
      !from_variant_take_json (&record, error))
    return NULL;

  message = from_variant_make (&record);
  if (!from_variant_check_ready (message, error))
    return NULL;

  from_variant_set_conversation (message, &record.conversation);
  return g_steal_pointer (&message);
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
