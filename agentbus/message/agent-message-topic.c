/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-message-private.h"
#include "message/agent-topic-private.h"

#include "base/agent-utf8-private.h"

/**
 * agent_topic_is_valid:
 * @topic: a text
 *
 * Tells whether a text is a topic.
 *
 * A topic has between one and 32 tokens, with dots between them: `audio.mic.1`. A token is not empty, and has no blanks and no
 * control characters; neither `*` nor `>` alone is a token. The text has to be UTF-8.
 *
 * Call it for a topic that comes from outside of the program before you give it to [method@AgentBus.Message.set_topic].
 *
 * Returns: %TRUE if it is a topic
 *
 * Since: 0.1
 */
gboolean
agent_topic_is_valid (const char *topic)
{
  AgentTopic tokens;

  g_return_val_if_fail (topic != NULL, FALSE);

  return _agent_utf8_is_string (topic) && _agent_topic_split (&tokens, topic) == NULL;
}

/**
 * agent_message_get_topic:
 * @self: a message
 *
 * Gets the topic of a message.
 *
 * Returns: (transfer none) (nullable): the topic, or %NULL for none
 *
 * Since: 0.1
 */
const char *
agent_message_get_topic (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  return self->topic;
}

/**
 * agent_message_set_topic:
 * @self: a message that has not been sent
 * @topic: (nullable): a topic, see [func@AgentBus.topic_is_valid], or %NULL for none
 *
 * Sets the topic of a message to all.
 *
 * A message with a topic goes to the subscribers that have a pattern for it ([method@AgentBus.Subscriber.add_topic]), once to
 * each of them, and to nobody else. A message that has a target goes to its target, whatever its topic is.
 *
 * ```c
 * AgentMessage *level = agent_message_new_custom ("level", AGENT_CHANNEL_DATA,
 *                                                 "mic", NULL, NULL);
 *
 * agent_message_set_topic (level, "audio.mic.1");
 * g_print ("%s\n", agent_message_get_topic (level)); // prints: audio.mic.1
 * agent_bus_send (bus, level);
 * ```
 *
 * Since: 0.1
 */
void
agent_message_set_topic (AgentMessage *self,
                         const char   *topic)
{
  g_autofree char *old = NULL;

  g_return_if_fail (self != NULL);
  g_return_if_fail (!g_atomic_int_get (&self->sent));
  g_return_if_fail (topic == NULL || agent_topic_is_valid (topic));

  /* @topic may be the topic of this message. */
  old = self->topic;
  self->topic = g_strdup (topic);
}

/**
 * agent_message_is_retained:
 * @self: a message
 *
 * Tells whether the bus keeps a message for subscribers that come later.
 *
 * Returns: %TRUE if the bus keeps it
 *
 * Since: 0.1
 */
gboolean
agent_message_is_retained (AgentMessage *self)
{
  g_return_val_if_fail (self != NULL, FALSE);

  return self->retained;
}

/**
 * agent_message_set_retained:
 * @self: a message that has not been sent
 * @retained: whether the bus keeps it
 *
 * Sets whether the bus keeps a message for subscribers that come later.
 *
 * The bus keeps the last retained message of each topic. A subscriber gets a copy of it when it adds a pattern that matches
 * the topic ([method@AgentBus.Subscriber.add_topic]), or is subscribed with such a pattern, before anything that is sent on
 * this topic later. The copy has a new sequence number, and the time of the first send. It is not given to its own source,
 * nor if its time to live is over, nor if the subscriber has another pattern for this topic already or does not accept the
 * name. It counts as offered to the subscriber, like a message that is sent to it, and is dropped if there is no room for it.
 *
 * The bus keeps it until the next retained message of the topic, until `agent_bus_clear_retained()`, or until the bus is
 * stopped. It keeps those of 10,000 topics; when there is one more, it forgets the topic with the oldest message.
 *
 * This has no effect for a message without a topic, or with a target. A retained message that no subscriber takes when it is
 * sent counts as dropped with the reason %AGENT_DROP_REASON_NO_TARGET, as any other, although it may be given to somebody
 * later.
 *
 * Since: 0.1
 */
void
agent_message_set_retained (AgentMessage *self,
                            gboolean      retained)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (!g_atomic_int_get (&self->sent));

  self->retained = retained != FALSE;
}
