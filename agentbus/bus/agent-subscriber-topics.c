/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-error.h"
#include "bus/agent-subscriber-private.h"
#include "message/agent-topic-private.h"

/**
 * agent_subscriber_accepts_all:
 * @self: a subscriber
 *
 * Tells whether the subscriber takes broadcasts with any name, that is, whether [property@AgentBus.Subscriber:accepts] is
 * %NULL. Some languages cannot tell %NULL from an empty list. May be called from any thread.
 *
 * Returns: %TRUE if it takes all names
 *
 * Since: 0.1
 */
gboolean
agent_subscriber_accepts_all (AgentSubscriber *self)
{
  g_auto (GStrv) accepts = NULL;

  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), FALSE);

  accepts = _agent_subscription_dup_accepts (_agent_subscriber_get_subscription (self));
  return accepts == NULL;
}

/**
 * agent_subscriber_add_topic:
 * @self: a subscriber
 * @pattern: a pattern for topics
 * @error: return location for an error
 *
 * Adds a pattern: the subscriber gets the broadcasts whose topics match it.
 *
 * A pattern has tokens as a topic has, see [func@AgentBus.topic_is_valid], with a dot between them. The token `*` stands for
 * any one token. The token `>`, which has to be the last one, stands for one or more tokens. So `audio.*.1` and `audio.>` match
 * `audio.mic.1`, but neither matches `audio`.
 *
 * A broadcast comes once, also if several patterns match it. [property@AgentBus.Subscriber:accepts] holds for broadcasts with a
 * topic, too: the subscriber gets those that have a matching topic and a name that it takes. Broadcasts without a topic come
 * as if there were no patterns.
 *
 * May be called from any thread, at any time. The patterns stay when the subscriber leaves the bus, and hold again when it is
 * subscribed the next time. To add a pattern that the subscriber has already does nothing.
 *
 * Fails with %AGENT_BUS_ERROR_INVALID_TOPIC if it is no pattern.
 *
 * ```c
 * g_autoptr (AgentSubscriber) meter = agent_subscriber_new ("meter");
 * g_auto (GStrv) topics = NULL;
 *
 * agent_subscriber_add_topic (meter, "audio.*.>", &error);
 * topics = agent_subscriber_list_topics (meter);
 * g_print ("%s\n", topics[0]); // prints: audio.*.>
 * ```
 *
 * Returns: whether the subscriber has the pattern now
 *
 * Since: 0.1
 */
gboolean
agent_subscriber_add_topic (AgentSubscriber *self,
                            const char      *pattern,
                            GError         **error)
{
  AgentTopic  topic;
  const char *problem;

  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), FALSE);
  g_return_val_if_fail (pattern != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  problem = _agent_topic_split_pattern (&topic, pattern);
  if (problem != NULL)
    {
      g_autofree char *shown = g_utf8_make_valid (pattern, -1);

      g_set_error (
          error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_INVALID_TOPIC, "The pattern '%.80s' %s", shown, problem);
      return FALSE;
    }

  _agent_subscription_add_pattern (_agent_subscriber_get_subscription (self), pattern);
  return TRUE;
}

/**
 * agent_subscriber_remove_topic:
 * @self: a subscriber
 * @pattern: a pattern for topics
 *
 * Removes a pattern that was added with [method@AgentBus.Subscriber.add_topic].
 *
 * May be called from any thread. What was sent before stays in the queue.
 *
 * Returns: whether the subscriber had the pattern
 *
 * Since: 0.1
 */
gboolean
agent_subscriber_remove_topic (AgentSubscriber *self,
                               const char      *pattern)
{
  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), FALSE);
  g_return_val_if_fail (pattern != NULL, FALSE);

  return _agent_subscription_remove_pattern (_agent_subscriber_get_subscription (self), pattern);
}

/**
 * agent_subscriber_list_topics:
 * @self: a subscriber
 *
 * Lists the patterns of a subscriber, in the order of their bytes. May be called from any thread.
 *
 * Returns: (transfer full) (array zero-terminated=1): the patterns
 *
 * Since: 0.1
 */
char **
agent_subscriber_list_topics (AgentSubscriber *self)
{
  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), NULL);

  return _agent_subscription_list_patterns (_agent_subscriber_get_subscription (self));
}
