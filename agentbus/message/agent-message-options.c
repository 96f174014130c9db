/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-message-private.h"
#include "message/agent-message.h"

#include "base/agent-utf8-private.h"

/* The options that a sender may set before it sends a message. They do not change after that, so no lock is needed to
 * read them. */

/**
 * agent_message_get_ttl:
 * @self: A message.
 *
 * Gets how long after it was sent a message may still be delivered.
 *
 * Returns: milliseconds, or 0 for no limit
 *
 * Since: 0.1
 */
guint
agent_message_get_ttl (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return _agent_message_get_options (self).ttl;
}

/**
 * agent_message_set_ttl:
 * @self: A message that has not been sent.
 * @ttl: Milliseconds, or 0 for no limit.
 *
 * Sets how long after it was sent a message may still be delivered.
 *
 * A message that is older when it is first in its channel is dropped, and counted as expired.
 *
 * Since: 0.1
 */
void
agent_message_set_ttl (AgentMessage *self,
                       guint         ttl)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (!g_atomic_int_get (&self->sent));

  self->ttl = ttl;
}

/**
 * agent_message_is_reliable:
 * @self: A message.
 *
 * Tells whether a message is kept even when the data channel is full.
 *
 * Returns: %TRUE if the message is never dropped for lack of room
 *
 * Since: 0.1
 */
gboolean
agent_message_is_reliable (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return _agent_message_get_options (self).reliable;
}

/**
 * agent_message_set_reliable:
 * @self: A message that has not been sent.
 * @reliable: Whether the message must not be dropped for lack of room.
 *
 * Sets whether a message is kept even when the data channel is full.
 *
 * A reliable message stays in order with the other data messages. When its subscriber leaves the bus, it is handled
 * before. Messages of the system channel are never dropped for lack of room.
 *
 * Since: 0.1
 */
void
agent_message_set_reliable (AgentMessage *self,
                            gboolean      reliable)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (!g_atomic_int_get (&self->sent));

  self->reliable = reliable != FALSE;
}

/**
 * agent_message_wants_error_reply:
 * @self: A message.
 *
 * Tells whether the source of a message gets an error reply if the message is not handled.
 *
 * Returns: %TRUE if an AGENT_ERROR is sent back then, or if a TASK_RESPONSE is, since the message is the request of an actor
 *
 * Since: 0.1
 */
gboolean
agent_message_wants_error_reply (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return _agent_message_get_options (self).error_reply != AGENT_ERROR_REPLY_NONE;
}

/**
 * agent_message_set_error_reply:
 * @self: A message that has not been sent.
 * @error_reply: Whether the source gets an error reply.
 *
 * Sets whether the source of a message gets an error reply if the message is not handled.
 *
 * The bus then sends an AGENT_ERROR to the source for each subscriber that did not handle the message, because the
 * subscriber had no room, dropped the message for a newer one, left the bus, or failed, or because the message expired. It
 * sends one too if there was no subscriber. A [class@AgentBus.RouterDispatcher] does the same when it gives up a message.
 * The error comes from the target of the message, or from the subscriber that lost it, or else from "agentbus". It has the
 * task id of the message, and the message as its cause.
 *
 * No error is sent if the message was handled without an error, if the source is not on the bus, if the bus does not run,
 * or if the message is itself an AGENT_ERROR.
 *
 * Since: 0.1
 */
void
agent_message_set_error_reply (AgentMessage *self,
                               gboolean      error_reply)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (!g_atomic_int_get (&self->sent));

  if (error_reply)
    self->error_reply |= AGENT_ERROR_REPLY_ERROR;
  else
    self->error_reply &= (guint8) ~AGENT_ERROR_REPLY_ERROR;
}

/* Makes a TASK_REQUEST that was not sent a request that gets exactly one answer. */
void
_agent_message_set_request (AgentMessage *self)
{
  g_assert (self->type == AGENT_MESSAGE_TYPE_TASK_REQUEST && !g_atomic_int_get (&self->sent));

  self->error_reply = AGENT_ERROR_REPLY_ERROR | AGENT_ERROR_REPLY_TASK;
}

/**
 * agent_message_get_cause:
 * @self: A message.
 *
 * Gets the sequence number of the message that caused this one.
 *
 * Each bus numbers messages by itself. So for a message from another process this is 0, unless it answers a request of this one, or
 * tells of its progress: then it is the number of the request.
 *
 * Returns: the [method@AgentBus.Message.get_seq] of the cause, or 0 for none
 *
 * Since: 0.1
 */
guint64
agent_message_get_cause (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->cause;
}

/**
 * agent_message_set_cause:
 * @self: A message that has not been sent.
 * @cause: The message that this one answers, or that is the reason for this one.
 *
 * Sets which message caused this one.
 *
 * The sequence number of @cause is copied, so @cause should have been sent before. If this message has
 * no trace, the trace of @cause is copied too. If [method@AgentBus.Message.set_conversation] is not called, before or after
 * this, the message belongs to the conversation of @cause, and to the same epoch of it.
 *
 * Since: 0.1
 */
void
agent_message_set_cause (AgentMessage *self,
                         AgentMessage *cause)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (cause != NULL);
  g_return_if_fail (!g_atomic_int_get (&self->sent));

  self->cause = cause->seq;
  if (self->trace == NULL)
    self->trace = g_strdup (cause->trace);
  _agent_message_inherit_conversation (self, cause);
}

/**
 * agent_message_get_trace:
 * @self: A message.
 *
 * Gets the trace that a message carries for distributed tracing.
 *
 * Returns: (transfer none) (nullable): the trace, or %NULL for none
 *
 * Since: 0.1
 */
const char *
agent_message_get_trace (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->trace;
}

/**
 * agent_message_set_trace:
 * @self: A message that has not been sent.
 * @trace: (nullable): The trace, usually a `traceparent` as the W3C defines it, or %NULL for none.
 *
 * Sets the trace that a message carries for distributed tracing.
 *
 * The bus carries the trace, and does not read it.
 *
 * Since: 0.1
 */
void
agent_message_set_trace (AgentMessage *self,
                         const char   *trace)
{
  g_autofree char *old = NULL;

  g_return_if_fail (self != NULL);
  g_return_if_fail (!g_atomic_int_get (&self->sent));
  g_return_if_fail (trace == NULL || _agent_utf8_is_string (trace));

  /* @trace may be the trace of this message. */
  old = self->trace;
  self->trace = g_strdup (trace);
}
