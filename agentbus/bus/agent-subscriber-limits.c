/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-subscriber-private.h"

/* The limits of a subscriber's data channel, which may change while messages come. */

/**
 * agent_subscriber_get_capacity: (get-property capacity)
 * @self: a subscriber
 *
 * Gets how many messages may wait in the data channel.
 *
 * Returns: a number of messages; 0 for the capacity of the bus
 *
 * Since: 0.1
 */
guint
agent_subscriber_get_capacity (AgentSubscriber *self)
{
  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), 0);

  return _agent_subscription_get_limits (_agent_subscriber_get_subscription (self)).capacity;
}

/**
 * agent_subscriber_set_capacity: (set-property capacity)
 * @self: a subscriber
 * @capacity: how many messages may wait in the data channel; 0 for the capacity of the bus
 *
 * Changes how many messages may wait in the data channel.
 *
 * May be called from any thread, and while messages come. To lower the capacity drops nothing: what is queued stays, and the
 * channel is full until less is queued.
 *
 * Since: 0.1
 */
void
agent_subscriber_set_capacity (AgentSubscriber *self,
                               guint            capacity)
{
  g_return_if_fail (AGENT_IS_SUBSCRIBER (self));

  if (_agent_subscription_change_limits (_agent_subscriber_get_subscription (self), _agent_limits_set_capacity, capacity))
    g_object_notify (G_OBJECT (self), "capacity");
}

/**
 * agent_subscriber_get_max_bytes: (get-property max-bytes)
 * @self: a subscriber
 *
 * Gets how many bytes may wait in the data channel.
 *
 * Returns: a number of bytes; 0 for any number
 *
 * Since: 0.1
 */
guint64
agent_subscriber_get_max_bytes (AgentSubscriber *self)
{
  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), 0);

  return _agent_subscription_get_limits (_agent_subscriber_get_subscription (self)).max_bytes;
}

/**
 * agent_subscriber_set_max_bytes: (set-property max-bytes)
 * @self: a subscriber
 * @max_bytes: how many bytes may wait in the data channel; 0 for any number
 *
 * Changes how many bytes may wait in the data channel.
 *
 * May be called from any thread, and while messages come. To lower the limit drops nothing. Where there was no limit before,
 * the bytes that are queued already do not count.
 *
 * Since: 0.1
 */
void
agent_subscriber_set_max_bytes (AgentSubscriber *self,
                                guint64          max_bytes)
{
  g_return_if_fail (AGENT_IS_SUBSCRIBER (self));

  if (_agent_subscription_change_limits (_agent_subscriber_get_subscription (self), _agent_limits_set_max_bytes, max_bytes))
    g_object_notify (G_OBJECT (self), "max-bytes");
}

/**
 * agent_subscriber_get_max_age: (get-property max-age)
 * @self: a subscriber
 *
 * Gets how old a data message may be when it is first in line.
 *
 * Returns: milliseconds; 0 for any age
 *
 * Since: 0.1
 */
guint
agent_subscriber_get_max_age (AgentSubscriber *self)
{
  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), 0);

  return _agent_subscription_get_limits (_agent_subscriber_get_subscription (self)).max_age;
}

/**
 * agent_subscriber_set_max_age: (set-property max-age)
 * @self: a subscriber
 * @max_age: milliseconds; 0 for any age
 *
 * Changes how old a data message may be when it is first in line.
 *
 * May be called from any thread, and while messages come. What is queued already falls under the new limit.
 *
 * Since: 0.1
 */
void
agent_subscriber_set_max_age (AgentSubscriber *self,
                              guint            max_age)
{
  g_return_if_fail (AGENT_IS_SUBSCRIBER (self));

  if (_agent_subscription_change_limits (_agent_subscriber_get_subscription (self), _agent_limits_set_max_age, max_age))
    g_object_notify (G_OBJECT (self), "max-age");
}
