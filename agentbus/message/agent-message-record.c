/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-message-record-private.h"

#include "message/agent-info.h"
#include "message/agent-payload-text-private.h"
#include "message/agent-wire-private.h"

#include <string.h>

/* An agent may announce only itself, so the source must be the agent in the description. */
static gboolean
record_check_ready (AgentMessage *message,
                    GError      **error)
{
  if (message->type != AGENT_MESSAGE_TYPE_AGENT_READY)
    return TRUE;

  if (strcmp (agent_message_get_source (message), agent_info_get_name (message->content)) != 0)
    return _agent_wire_refuse (error, "Field “source” is not the agent in “info”");

  return TRUE;
}

/* The text was checked. It is copied, so that the message does not keep the memory of all that was read for it. */
static gboolean
record_take_json (AgentMessageRecord *self,
                  GError            **error)
{
  if (self->json == NULL)
    return TRUE;

  if (self->parts.content != NULL)
    {
      _agent_message_payload_free (self->parts.content);
      return _agent_wire_refuse (error, "Fields “payload” and “payload-json” are both there");
    }

  self->parts.content =
      _agent_payload_from_text (_agent_payload_text_new (self->json, strlen (self->json)));

  return TRUE;
}

/* The message goes to the living conversation of the id. */
static void
record_set_conversation (AgentMessage           *message,
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
record_make (const AgentMessageRecord *self)
{
  AgentMessage *message = _agent_message_new_from_parts (&self->parts);

  message->seq = self->seq;
  message->sent_at = self->sent_at;
  message->ttl = self->ttl;
  message->reliable = self->reliable;
  message->error_reply = (self->error_reply ? AGENT_ERROR_REPLY_ERROR : 0) |
                         (self->request ? AGENT_ERROR_REPLY_TASK : 0);
  message->cause = self->cause;
  message->trace = g_strdup (self->trace);
  message->topic = g_strdup (self->topic);
  message->retained = self->retained;

  return message;
}

/* The fields were checked, each by itself. The message takes the content, in any case. */
AgentMessage *
_agent_message_record_make (AgentMessageRecord *self,
                            GError            **error)
{
  g_autoptr (AgentMessage) message = NULL;

  if (!record_take_json (self, error))
    return NULL;

  message = record_make (self);
  if (!record_check_ready (message, error))
    return NULL;

  record_set_conversation (message, &self->conversation);
  return g_steal_pointer (&message);
}
