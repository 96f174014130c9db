/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "bus/agent-room-private.h"

/* How a message is sent that waits for room. */

/* Made at first use. */
static AgentRoom *
send_async_get_room (AgentBus *self)
{
  AgentRoom *room = g_atomic_pointer_get (&self->room);

  if (room != NULL)
    return room;

  room = _agent_room_new (self);
  if (g_atomic_pointer_compare_and_exchange (&self->room, NULL, room))
    return room;

  _agent_room_free (room, self);
  return g_atomic_pointer_get (&self->room);
}

/* Takes @task. */
static void
send_async_to_target (AgentBus     *self,
                      AgentMessage *message,
                      AgentSender  *sender,
                      GTask        *task)
{
  AgentUnsent unsent = { NULL, NULL };
  GError     *error = NULL;
  gboolean    sent = _agent_bus_offer_to_target (self, message, sender, &unsent, &error);

  if (unsent.offered != NULL)
    {
      _agent_room_wait (send_async_get_room (self), unsent.mailbox, unsent.offered, task);
      _agent_mailbox_unref (unsent.mailbox);
      return;
    }

  if (sent)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, error);
  g_object_unref (task);
}

/**
 * agent_bus_send_async:
 * @self: a bus
 * @message: (transfer none): a message with a target
 * @cancellable: (nullable): a cancellable
 * @callback: (nullable) (scope async) (closure user_data): called when the message is in the channel of its target, or will not
 *   get there
 * @user_data: data for @callback
 *
 * Sends a message to its target, and waits for room if there is none.
 *
 * Those who wait at one subscriber are served in the order in which they came. While anybody waits,
 * [method@AgentBus.Bus.send] and [method@AgentBus.Bus.try_send] find the data channel full; a reliable message still goes in.
 * The place of a message in the order is the moment when it goes in, and that is also when it gets its sequence number. Its
 * time to live counts from the call.
 *
 * At a subscriber with %AGENT_OVERFLOW_DROP_OLDEST nobody waits as long as older messages can give way: room is made.
 *
 * A message for one member of a group waits at the member that was chosen, and goes to another one if that leaves. What goes to
 * all members does not wait.
 *
 * It fails as [method@AgentBus.Bus.try_send] does, but for a full channel. It also fails with %AGENT_BUS_ERROR_TIMED_OUT
 * if the message expires before there is room, with %AGENT_BUS_ERROR_STALE also if its conversation goes on before, and with
 * %G_IO_ERROR_CANCELLED. If it fails, nothing was sent: @message may be changed and sent again, and no statistics count it.
 * Until then it must not be changed.
 *
 * May be called from any thread. @callback is called in the thread-default context of the call.
 *
 * ```c
 * static void
 * on_sent (GObject      *source,
 *          GAsyncResult *result,
 *          gpointer      user_data)
 * {
 *   g_autoptr (GError) error = NULL;
 *
 *   if (!agent_bus_send_finish (AGENT_BUS (source), result, &error))
 *     // prints: There is no subscriber 'nobody' to send to
 *     g_print ("%s\n", error->message);
 * }
 *
 * g_autoptr (AgentMessage) message =
 *   agent_message_new_custom ("level", AGENT_CHANNEL_DATA, "ui", "nobody",
 *                             NULL);
 *
 * agent_bus_send_async (bus, message, NULL, on_sent, NULL);
 * ```
 *
 * Since: 0.1
 */
void
agent_bus_send_async (AgentBus           *self,
                      AgentMessage       *message,
                      GCancellable       *cancellable,
                      GAsyncReadyCallback callback,
                      gpointer            user_data)
{
  AgentSender *sender;
  GTask       *task;

  g_return_if_fail (AGENT_IS_BUS (self));
  g_return_if_fail (message != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, agent_bus_send_async);
  g_task_set_check_cancellable (task, FALSE);
  if (g_task_return_error_if_cancelled (task))
    {
      g_object_unref (task);
      return;
    }

  sender = _agent_sender_get ();
  send_async_to_target (self, message, sender, task);
  _agent_sender_collect (sender);
}

/**
 * agent_bus_send_finish:
 * @self: a bus
 * @result: what the callback got
 * @error: where an error goes
 *
 * Finishes what [method@AgentBus.Bus.send_async] has started.
 *
 * Returns: whether the message was sent
 *
 * Since: 0.1
 */
gboolean
agent_bus_send_finish (AgentBus     *self,
                       GAsyncResult *result,
                       GError      **error)
{
  g_return_val_if_fail (AGENT_IS_BUS (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
