/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-error.h"
#include "bus/agent-group-offer-private.h"

/* How a message is sent that the sender keeps if it is not accepted. */

static gboolean
try_send_check (AgentBus     *self,
                AgentMessage *message,
                GError      **error)
{
  if (agent_message_get_target (message) == NULL)
    g_set_error (error,
                 AGENT_BUS_ERROR,
                 AGENT_BUS_ERROR_INVALID_MESSAGE,
                 "Message '%s' has no target, so nobody can be asked whether there is room for it",
                 agent_message_get_name (message));
  else if (!_agent_directory_is_open (self->directory))
    g_set_error_literal (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CLOSED, "The bus is stopped");
  else if (g_str_equal (agent_message_get_target (message), agent_message_get_source (message)))
    _agent_bus_set_no_target (agent_message_get_target (message), error);
  else if (_agent_message_is_stale (message))
    g_set_error (error,
                 AGENT_BUS_ERROR,
                 AGENT_BUS_ERROR_STALE,
                 "The conversation of message '%s' to '%s' has gone on",
                 agent_message_get_name (message),
                 agent_message_get_target (message));
  else
    return TRUE;

  return FALSE;
}

/* Sends @message to its target if that accepts it.
 *
 * @unsent: as in _agent_bus_conclude_offer() */
gboolean
_agent_bus_offer_to_target (AgentBus     *self,
                            AgentMessage *message,
                            AgentSender  *sender,
                            AgentUnsent  *unsent,
                            GError      **error)
{
  const char      *target = agent_message_get_target (message);
  AgentSnapshot   *snapshot;
  AgentMailbox    *mailbox;
  AgentMessage    *offered;
  AgentOfferResult result;

  if (!try_send_check (self, message, error))
    return FALSE;

  snapshot = _agent_directory_get_snapshot (self->directory, sender);
  mailbox = _agent_snapshot_lookup (snapshot, target, message->hash);
  if (mailbox == NULL && !_agent_groups_contains (_agent_directory_get_groups (self->directory), target))
    {
      _agent_bus_set_no_target (target, error);
      return FALSE;
    }

  offered = _agent_bus_begin_offer (message, sender);
  if (mailbox == NULL)
    return _agent_group_offer (self, offered, sender, unsent, error);

  result = _agent_bus_offer_now (self, mailbox, offered, sender);
  return _agent_bus_conclude_offer (mailbox, offered, result, unsent, error);
}

/**
 * agent_bus_try_send:
 * @self: a bus
 * @message: (transfer none): a message with a target
 * @error: where an error goes
 *
 * Sends a message to its target if there is room for it.
 *
 * This is [method@AgentBus.Bus.send] for a sender that wants to do something else with a message for which there is no room.
 * If it fails, nothing was sent: @message may be changed and sent again, no statistics count it, and no signal tells of it.
 *
 * It fails with %AGENT_BUS_ERROR_FULL if the data channel of the target is full, with %AGENT_BUS_ERROR_NOT_FOUND if there is no
 * such subscriber or the target is the source, and with %AGENT_BUS_ERROR_CLOSED if the bus is stopped or the target is leaving
 * it. A message without a target is %AGENT_BUS_ERROR_INVALID_MESSAGE. A message of the data channel is %AGENT_BUS_ERROR_STALE if
 * its conversation has gone on; if that goes on later, the message is dropped when its turn comes. A system message and a
 * [reliable](method.Message.set_reliable.html) one always find room. At a subscriber with %AGENT_OVERFLOW_DROP_OLDEST, room
 * is made, and what gives way is dropped.
 *
 * Of a group, the member that [method@AgentBus.Bus.send] would choose is asked. What goes to all members is sent when one of them
 * has room; for the others it is as with any send.
 *
 * Never waits for a subscriber, and may be called from any thread.
 *
 * ```c
 * g_autoptr (AgentMessage) message =
 *   agent_message_new_custom ("level", AGENT_CHANNEL_DATA, "ui", "nobody",
 *                             NULL);
 * g_autoptr (GError) error = NULL;
 *
 * if (!agent_bus_try_send (bus, message, &error))
 *   // prints: There is no subscriber 'nobody' to send to
 *   g_print ("%s\n", error->message);
 * ```
 *
 * Returns: whether the message was sent
 *
 * Since: 0.1
 */
gboolean
agent_bus_try_send (AgentBus     *self,
                    AgentMessage *message,
                    GError      **error)
{
  AgentSender *sender;
  gboolean     sent;

  g_return_val_if_fail (AGENT_IS_BUS (self), FALSE);
  g_return_val_if_fail (message != NULL, FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  sender = _agent_sender_get ();
  sent = _agent_bus_offer_to_target (self, message, sender, NULL, error);
  _agent_sender_collect (sender);

  return sent;
}
