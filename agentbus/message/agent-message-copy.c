/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-message-private.h"

/* How a message is copied: to be sent once more, or on its way to a subscriber. */

/* All but what _agent_message_get_options() returns. */
static void
message_copy_rest (AgentMessage *self,
                   AgentMessage *copy)
{
  copy->retained = self->retained;
  copy->cause = self->cause;
  copy->trace = g_strdup (self->trace);
  copy->topic = g_strdup (self->topic);
  copy->epoch = self->epoch != NULL ? _agent_epoch_ref (self->epoch) : NULL;
  copy->own_epoch = self->own_epoch;
}

/* A copy with other @parts, whose content it gets a reference to. Returns NULL if a name is not valid UTF-8. */
static AgentMessage *
message_copy_with_parts (AgentMessage      *self,
                         AgentMessageParts *parts)
{
  AgentMessageOptions options = _agent_message_get_options (self);
  AgentMessage       *copy;

  parts->content = _agent_message_ref_content (self->type, parts->content);
  copy = _agent_message_new_from_parts (parts);
  if (copy == NULL)
    return NULL;

  copy->ttl = options.ttl;
  copy->reliable = options.reliable;
  copy->error_reply = options.error_reply;
  message_copy_rest (self, copy);
  return copy;
}

/* @target: (nullable). Returns NULL if a name is not valid UTF-8. */
static AgentMessage *
message_copy_as (AgentMessage *self,
                 const char   *source,
                 const char   *target)
{
  AgentMessageParts parts = _agent_message_get_parts (self);
  AgentMessage     *copy;

  parts.source = source;
  parts.target = target;
  copy = message_copy_with_parts (self, &parts);
  if (copy != NULL && source == _agent_message_string (self, self->source))
    copy->remote = self->remote;
  return copy;
}

/* The same request, not sent, as another task. */
AgentMessage *
_agent_message_copy_as_task (AgentMessage *self,
                             const char   *source,
                             const char   *task_id)
{
  AgentMessageParts parts = _agent_message_get_parts (self);

  parts.source = source;
  parts.task_id = task_id;
  return message_copy_with_parts (self, &parts);
}

/* A message is sent only once: if the application sends one again, the bus sends this copy. */
AgentMessage *
_agent_message_copy_unsent (AgentMessage *self)
{
  return message_copy_as (
      self, _agent_message_string (self, self->source), _agent_message_string (self, self->target));
}

/* Marks @message as sent, and returns it. A message that was sent before stays as it is, and a copy of it is returned instead.
 * Takes @message. */
AgentMessage *
_agent_message_take_unsent (AgentMessage *message)
{
  AgentMessage *copy;

  /* A thread that has the only reference needs no locked instruction. */
  if (g_atomic_int_get (&message->ref_count) == 1 && !message->sent)
    {
      message->sent = TRUE;
      return message;
    }
  if (g_atomic_int_compare_and_exchange (&message->sent, FALSE, TRUE))
    return message;

  copy = _agent_message_copy_unsent (message);
  copy->sent = TRUE;
  agent_message_unref (message);
  return copy;
}

/* The same message, which was sent, with another target. Only this one goes on to a subscriber. */
AgentMessage *
_agent_message_copy_sent (AgentMessage *self,
                          const char   *target)
{
  AgentMessage *copy = message_copy_as (self, _agent_message_string (self, self->source), target);

  copy->sent = g_atomic_int_get (&self->sent);
  copy->seq = self->seq;
  copy->sent_at = self->sent_at;
  copy->origin = self->origin;

  return copy;
}

/* The same message, which is on its way, with another number: it takes the place of @self. */
AgentMessage *
_agent_message_copy_numbered (AgentMessage *self,
                              guint64       seq)
{
  AgentMessage *copy = _agent_message_copy_unsent (self);

  copy->sent = g_atomic_int_get (&self->sent);
  copy->origin = self->origin;
  copy->grouped = self->grouped;
  copy->sent_at = self->sent_at;
  copy->seq = seq;

  return copy;
}

/* The copy of a message, which was sent, for monitors. */
AgentMessage *
_agent_message_copy_with_fate (AgentMessage   *self,
                               guint           n_accepted,
                               AgentDropReason reason)
{
  AgentMessageFate  fate = { .n_accepted = n_accepted, .reason = reason, .options = _agent_message_get_options (self) };
  AgentMessageParts parts = _agent_message_get_parts (self);
  AgentMessage     *copy;

  parts.content = _agent_message_ref_content (self->type, parts.content);
  parts.room = sizeof fate;
  copy = _agent_message_new_from_parts (&parts);
  message_copy_rest (self, copy);
  copy->sent = AGENT_SENT_STAMPED | AGENT_SENT_COPY;
  copy->seq = self->seq;
  copy->sent_at = self->sent_at;
  *(AgentMessageFate *) (copy + 1) = fate;

  return copy;
}

/**
 * agent_message_copy:
 * @self: A message.
 *
 * Copies a message, to be sent once more.
 *
 * The copy has not been sent, whether the message was or not, so its options may be set. It has the same type, name,
 * channel, source and target, carries the same, and has the same ttl, trace, cause, and the same values of reliable and
 * error-reply. Payloads and frames are shared. It has no sequence number and no time of sending: so a ttl begins anew.
 *
 * [method@AgentBus.Message.copy_full] makes a copy with another source and target.
 *
 * Returns: (transfer full): a new message
 *
 * Since: 0.1
 */
AgentMessage *
agent_message_copy (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return _agent_message_copy_unsent (self);
}

/**
 * agent_message_copy_full:
 * @self: A message.
 * @source: (nullable): The name of the sender, not empty, or %NULL for that of the message.
 * @target: (nullable): The name of the receiver, not empty, or %NULL for everybody but the source.
 *
 * Copies a message as [method@AgentBus.Message.copy] does, but for another source or target.
 *
 * Returns: (transfer full): a new message
 *
 * Since: 0.1
 */
AgentMessage *
agent_message_copy_full (AgentMessage *self,
                         const char   *source,
                         const char   *target)
{
  g_return_val_if_fail (self != NULL, NULL);
  g_return_val_if_fail (source == NULL || *source != '\0', NULL);
  g_return_val_if_fail (target == NULL || *target != '\0', NULL);

  return message_copy_as (self, source != NULL ? source : _agent_message_string (self, self->source), target);
}
