/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-message-private.h"
#include "message/agent-message.h"

#include "base/agent-utf8-private.h"

/* What a sender may ask for before sending. Reading needs no lock: nothing here changes after that. */

/**
 * agent_message_get_ttl:
 * @self: A message.
 *
 * Gets how long after sending a message is still worth delivering.
 *
 * Returns: milliseconds, or 0 for ever
 *
 * Since: 0.1
 */
guint
agent_message_get_ttl (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->ttl;
}

/**
 * agent_message_set_ttl:
 * @self: A message that has not been sent.
 * @ttl: Milliseconds after sending, or 0 for ever.
 *
 * Sets how long after sending a message is still worth delivering.
 *
 * When its turn comes later than that, it is dropped and counted as expired.
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
 * Returns: %TRUE if it is never dropped for lack of room
 *
 * Since: 0.1
 */
gboolean
agent_message_is_reliable (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return self->reliable;
}

/**
 * agent_message_set_reliable:
 * @self: A message that has not been sent.
 * @reliable: Whether it must not be dropped for lack of room.
 *
 * Sets whether a message is kept even when the data channel is full.
 *
 * It keeps its place among the other data messages. Messages of the system channel are never
 * dropped anyway.
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
 * Tells whether the sender of a message wants to know if it comes to nothing.
 *
 * Returns: %TRUE if an AGENT_ERROR is to be sent back
 *
 * Since: 0.1
 */
gboolean
agent_message_wants_error_reply (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return self->error_reply;
}

/**
 * agent_message_set_error_reply:
 * @self: A message that has not been sent.
 * @error_reply: Whether the sender wants to know if it comes to nothing.
 *
 * Sets whether the sender of a message wants to know if it comes to nothing.
 *
 * Then an AGENT_ERROR is sent over the bus to the message's source for each subscriber that did not handle it: since it
 * had no room, dropped it for a newer one, left, or failed, since the message expired, or since there was nobody. A
 * [class@AgentBus.RouterDispatcher] does the same when it gives up a message. The error comes from the target of the
 * message, or from the subscriber that lost it, or else from "agentbus"; it has the message's task id, and the message as
 * its cause.
 *
 * Nothing is sent when the message was handled without an error, when the source is not on the bus or the bus does not
 * run, or about an AGENT_ERROR.
 *
 * Since: 0.1
 */
void
agent_message_set_error_reply (AgentMessage *self,
                               gboolean      error_reply)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (!g_atomic_int_get (&self->sent));

  self->error_reply = error_reply != FALSE;
}

/**
 * agent_message_get_cause:
 * @self: A message.
 *
 * Gets the sequence number of the message that caused this one.
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
 * @cause: The message that this one answers, or that made it necessary.
 *
 * Remembers which message caused this one.
 *
 * The sequence number of @cause is copied, so it should have been sent. Its trace is taken over
 * too, unless this message has one of its own.
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
}

/**
 * agent_message_get_trace:
 * @self: A message.
 *
 * Gets what a message carries for distributed tracing.
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
 * @trace: (nullable): What to carry, meant for a `traceparent` as the W3C defines it, or %NULL for
 * nothing.
 *
 * Sets what a message carries for distributed tracing.
 *
 * The bus does not look into it.
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

  /* @trace may be this message's own. */
  old = self->trace;
  self->trace = g_strdup (trace);
}
