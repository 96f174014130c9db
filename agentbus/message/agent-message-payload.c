/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-message-private.h"
#include "message/agent-message.h"

#include "message/agent-json-checker-private.h"
#include "message/agent-payload-bytes-private.h"
#include "message/agent-payload-text-private.h"
#include "message/agent-payload.h"

#include <string.h>

/* A message has its payload as a GVariant, as text, or as both: see agent-payload-text-private.h. One that came from another
 * process may have it as bytes that nobody has read yet: see agent-payload-bytes-private.h. */

static inline gboolean
message_payload_is_carried (AgentMessageType type)
{
  return type != AGENT_MESSAGE_TYPE_FRAME && type != AGENT_MESSAGE_TYPE_AGENT_READY &&
         type != AGENT_MESSAGE_TYPE_AGENT_REGISTRY;
}

/* Whether a message of this type may have a payload. */
static gboolean
message_payload_is_allowed (AgentMessageType type)
{
  switch (type)
    {
    case AGENT_MESSAGE_TYPE_FRAME:
    case AGENT_MESSAGE_TYPE_DEACTIVATE:
    case AGENT_MESSAGE_TYPE_END:
    case AGENT_MESSAGE_TYPE_CANCEL:
    case AGENT_MESSAGE_TYPE_AGENT_READY:
    case AGENT_MESSAGE_TYPE_AGENT_REGISTRY:
    case AGENT_MESSAGE_TYPE_AGENT_ERROR:
    case AGENT_MESSAGE_TYPE_TASK_UPDATE_REQUEST:
    case AGENT_MESSAGE_TYPE_TASK_CANCEL:
      return FALSE;
    default:
      return TRUE;
    }
}

/* Returns: (nullable): the content of the message, if it is a payload. */
static inline gpointer
message_payload_get_content (AgentMessage *self)
{
  return message_payload_is_carried (self->type) ? g_atomic_pointer_get (&self->content) : NULL;
}

void
_agent_message_payload_free (gpointer content)
{
  if (_agent_payload_is_text (content))
    _agent_payload_text_unref (_agent_payload_to_text (content));
  else if (_agent_payload_is_bytes (content))
    _agent_payload_bytes_unref (_agent_payload_to_bytes (content));
  else
    g_variant_unref (content);
}

gpointer
_agent_message_payload_ref (gpointer content)
{
  if (_agent_payload_is_text (content))
    return _agent_payload_from_text (_agent_payload_text_ref (_agent_payload_to_text (content)));
  if (_agent_payload_is_bytes (content))
    return _agent_payload_from_bytes (_agent_payload_bytes_ref (_agent_payload_to_bytes (content)));

  return g_variant_ref (content);
}

gsize
_agent_message_payload_get_size (gpointer content)
{
  if (_agent_payload_is_text (content))
    return _agent_payload_text_get_size (_agent_payload_to_text (content));
  if (_agent_payload_is_bytes (content))
    return _agent_payload_to_bytes (content)->size;

  return g_variant_get_size (content);
}

/* Returns: (transfer none) */
static GVariant *
message_payload_get_variant (gpointer content)
{
  if (_agent_payload_is_text (content))
    return _agent_payload_text_get_variant (_agent_payload_to_text (content));
  if (_agent_payload_is_bytes (content))
    return _agent_payload_bytes_get_variant (_agent_payload_to_bytes (content));

  return content;
}

/* Returns: (transfer none) (nullable): the text that the payload was given as, or NULL if it was not given as text. */
const char *
_agent_message_get_given_json (AgentMessage *self)
{
  gpointer content = message_payload_get_content (self);

  if (!_agent_payload_is_text (content) || !_agent_payload_to_text (content)->given)
    return NULL;

  return _agent_payload_to_text (content)->text;
}

/**
 * agent_message_get_payload:
 * @self: A message.
 *
 * Gets the payload of a message. The arguments of an activation, a response, an update and a part of a
 * stream are payloads too.
 *
 * If the payload was given as JSON text, the first call makes the `GVariant`, as
 * [func@AgentBus.payload_from_json] does; all calls in all threads return the same one. The same holds for a payload that
 * came from another process: its bytes are read by the first call, and parts of them that are damaged become defaults.
 *
 * This may be called from any thread.
 *
 * Returns: (transfer none) (nullable): the payload, of the type that the sender gave it, such as
 * `a{sv}`, or %NULL if the message has none
 *
 * Since: 0.1
 */
GVariant *
agent_message_get_payload (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return message_payload_get_variant (message_payload_get_content (self));
}

/**
 * agent_message_set_payload_json:
 * @self: A message that has not been sent, of a type that can have a payload.
 * @text: JSON text.
 * @error: Return location for an error, or %NULL.
 *
 * Sets the payload of a message, as JSON text.
 *
 * The message keeps a copy of the text, byte for byte. The text is only checked here: nothing is built
 * from it. A receiver that reads the text with [method@AgentBus.Message.get_payload_json] gets the
 * very same one. [method@AgentBus.Message.get_payload] works too, and then converts the text once. So
 * this is the fastest way from one scripting language to another.
 *
 * What [func@AgentBus.payload_from_json] refuses, this function refuses with the same error. The
 * message then keeps the payload that it had.
 *
 * ```c
 * g_autoptr (AgentMessage) message =
 *   agent_message_new_task_request ("ui", "worker", "42", "sum", NULL);
 *
 * agent_message_set_payload_json (message, "[1, 2, 39]", &error);
 * g_print ("%s\n",
 *          agent_message_get_payload_json (message)); // prints: [1, 2, 39]
 * ```
 *
 * Returns: %TRUE if the payload was set, %FALSE with `AGENT_BUS_ERROR_INVALID_MESSAGE`
 *
 * Since: 0.1
 */
gboolean
agent_message_set_payload_json (AgentMessage *self,
                                const char   *text,
                                GError      **error)
{
  gpointer old;
  gsize    length;

  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (text != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);
  g_return_val_if_fail (!g_atomic_int_get (&self->sent), FALSE);
  g_return_val_if_fail (message_payload_is_allowed (self->type), FALSE);

  length = strlen (text);
  if (!_agent_json_check (text, length, error))
    return FALSE;

  /* @text may be the text of this message. */
  old = self->content;
  self->content = _agent_payload_from_text (_agent_payload_text_new (text, length));
  if (old != NULL)
    _agent_message_payload_free (old);

  return TRUE;
}

/**
 * agent_message_has_payload_json:
 * @self: A message.
 *
 * Tells whether the payload of a message was given as JSON text.
 *
 * [method@AgentBus.Message.get_payload_json] then returns this text, and has nothing to convert.
 *
 * This may be called from any thread.
 *
 * Returns: %TRUE if the payload was set by [method@AgentBus.Message.set_payload_json], here or where
 * the message came from
 *
 * Since: 0.1
 */
gboolean
agent_message_has_payload_json (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return _agent_message_get_given_json (self) != NULL;
}

/* Makes the text of @variant, which is the content of the message, and stores both as the content. */
static const char *
message_payload_make_json (AgentMessage *self,
                           GVariant     *variant)
{
  AgentPayloadText *made = _agent_payload_text_new_made (variant);

  if (g_atomic_pointer_compare_and_exchange (&self->content, variant, _agent_payload_from_text (made)))
    return made->text;

  /* Another thread was first: the message has its text now, and the GVariant belongs to that one. */
  _agent_payload_text_unref_unused (made);

  return _agent_payload_to_text (g_atomic_pointer_get (&self->content))->text;
}

/**
 * agent_message_get_payload_json:
 * @self: A message.
 *
 * Gets the payload of a message as JSON text.
 *
 * If the payload was given as text, this is the same text. If not, the first call makes the text, as
 * [func@AgentBus.payload_to_json] does, and the message keeps it. To keep nothing, use
 * [method@AgentBus.Message.dup_payload_json].
 *
 * This may be called from any thread.
 *
 * Returns: (transfer none) (nullable): JSON text, or %NULL if the message has no payload
 *
 * Since: 0.1
 */
const char *
agent_message_get_payload_json (AgentMessage *self)
{
  gpointer content;

  g_return_val_if_fail (self != NULL, NULL);

  content = message_payload_get_content (self);
  if (_agent_payload_is_text (content))
    return _agent_payload_to_text (content)->text;
  if (_agent_payload_is_bytes (content))
    return _agent_payload_bytes_get_json (_agent_payload_to_bytes (content));

  return content != NULL ? message_payload_make_json (self, content) : NULL;
}

/**
 * agent_message_dup_payload_json:
 * @self: A message.
 *
 * Gets a copy of the payload of a message as JSON text.
 *
 * If the payload was given as text, this is the same text. See [func@AgentBus.payload_to_json] for the
 * conversion of other payloads.
 *
 * This may be called from any thread.
 *
 * Returns: (transfer full) (nullable): JSON text, or %NULL if the message has no payload
 *
 * Since: 0.1
 */
char *
agent_message_dup_payload_json (AgentMessage *self)
{
  gpointer content;

  g_return_val_if_fail (self != NULL, NULL);

  content = message_payload_get_content (self);
  if (_agent_payload_is_text (content))
    return g_strndup (_agent_payload_to_text (content)->text, _agent_payload_to_text (content)->length);

  return content != NULL ? agent_payload_to_json (message_payload_get_variant (content)) : NULL;
}
