/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-subscriber-private.h"

/**
 * agent_subscriber_get_n_queued: (get-property n-queued)
 * @self: a subscriber
 *
 * Gets how many messages wait, in both channels.
 *
 * Returns: a number of messages
 *
 * Since: 0.1
 */
guint64
agent_subscriber_get_n_queued (AgentSubscriber *self)
{
  AgentLedger ledger;

  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), 0);

  _agent_subscriber_get_ledger (self, &ledger);
  return ledger.queued;
}

/**
 * agent_subscriber_get_n_delivered: (get-property n-delivered)
 * @self: a subscriber
 *
 * Gets how many messages were given to the subscriber.
 *
 * A message counts from the moment its handler begins.
 *
 * Returns: a number of messages
 *
 * Since: 0.1
 */
guint64
agent_subscriber_get_n_delivered (AgentSubscriber *self)
{
  AgentLedger ledger;

  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), 0);

  _agent_subscriber_get_ledger (self, &ledger);
  return ledger.delivered;
}

/**
 * agent_subscriber_get_n_dropped: (get-property n-dropped)
 * @self: a subscriber
 *
 * Gets how many messages for the subscriber were dropped, for any reason.
 *
 * [method@AgentBus.Bus.get_statistics] has the numbers by reason.
 *
 * Returns: a number of messages
 *
 * Since: 0.1
 */
guint64
agent_subscriber_get_n_dropped (AgentSubscriber *self)
{
  AgentLedger ledger;

  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (self), 0);

  _agent_subscriber_get_ledger (self, &ledger);
  return _agent_ledger_get_dropped (&ledger);
}
