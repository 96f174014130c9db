/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-message-private.h"
#include "message/agent-message.h"

/* Which conversation a message belongs to, and in which epoch of it. */

/* @epoch: (transfer full) (nullable) */
static void
conversation_stamp (AgentMessage *self,
                    AgentEpoch   *epoch)
{
  AgentEpoch *old = self->epoch;

  self->epoch = epoch;
  g_clear_pointer (&old, _agent_epoch_unref);
}

/* The message takes the epoch of its @cause, unless it was told its conversation. */
void
_agent_message_inherit_conversation (AgentMessage *self,
                                     AgentMessage *cause)
{
  if (!self->own_epoch && self->epoch != cause->epoch)
    conversation_stamp (self, cause->epoch != NULL ? _agent_epoch_ref (cause->epoch) : NULL);
}

/**
 * agent_message_get_conversation:
 * @self: A message.
 *
 * Gets the conversation that a message belongs to.
 *
 * Returns: (transfer none) (nullable): the conversation, or %NULL for none
 *
 * Since: 0.1
 */
AgentConversation *
agent_message_get_conversation (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->epoch != NULL ? self->epoch->conversation : NULL;
}

/**
 * agent_message_get_epoch:
 * @self: A message.
 *
 * Gets the epoch of its conversation that a message was made in.
 *
 * Returns: the epoch, or 0 if the message belongs to no conversation
 *
 * Since: 0.1
 */
guint64
agent_message_get_epoch (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->epoch != NULL ? self->epoch->number : 0;
}

/**
 * agent_message_set_conversation:
 * @self: A message that has not been sent.
 * @conversation: (nullable): The conversation, or %NULL for none.
 *
 * Sets which conversation a message belongs to, and stamps the message with the current epoch of it.
 *
 * When [method@AgentBus.Conversation.advance] is called after this, a message of the data channel is stale. It is not
 * delivered any more, also if it is sent only then. It is dropped when its turn comes, with the reason
 * %AGENT_DROP_REASON_STALE.
 *
 * A message that has a cause and was not told its conversation has the conversation *and the epoch* of its cause: see
 * [method@AgentBus.Message.set_cause]. The order of the two calls does not matter.
 *
 * Since: 0.1
 */
void
agent_message_set_conversation (AgentMessage      *self,
                                AgentConversation *conversation)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (conversation == NULL || AGENT_IS_CONVERSATION (conversation));
  g_return_if_fail (!g_atomic_int_get (&self->sent));

  self->own_epoch = TRUE;
  conversation_stamp (self, conversation != NULL ? _agent_epoch_enter (conversation) : NULL);
}
