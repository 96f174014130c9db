/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-error.h"
#include "base/agent-utf8-private.h"
#include "bus/agent-bus-private.h"
#include "bus/agent-ending-private.h"
#include "bus/agent-monitor-owner-private.h"
#include "bus/agent-monitors-private.h"
#include "bus/agent-subscriber-private.h"

/* Made at first use. */
static AgentMonitors *
monitors_get (AgentBus *self)
{
  AgentMonitors *monitors = g_atomic_pointer_get (&self->monitors);

  if (monitors != NULL)
    return monitors;

  monitors = _agent_monitors_new (_agent_monitor_owner_new (self->owner));
  if (g_atomic_pointer_compare_and_exchange (&self->monitors, NULL, monitors))
    return monitors;

  _agent_monitors_free (monitors);
  return g_atomic_pointer_get (&self->monitors);
}

/**
 * agent_bus_add_monitor:
 * @self: a bus
 * @subscriber: a subscriber that is on no bus
 * @filter: (nullable) (array zero-terminated=1): names of messages, none of them empty, or %NULL for all
 * @error: return location for an error
 *
 * Has a subscriber see all that is sent on the bus.
 *
 * From now on @subscriber gets a copy of every message, also of those with a target and of those that are dropped. It gets it
 * in its own context and with its own priority, as any message: by the handler of the signal, by the virtual function, or by
 * [method@AgentBus.Subscriber.receive_async]. [method@AgentBus.Message.get_fate] tells how many subscribers accepted the message,
 * or why it was dropped. What happens to it later is told by [signal@AgentBus.Bus::dropped].
 *
 * A monitor is no subscriber of the bus. It takes no name: other monitors and a subscriber may have the same one. No message
 * is sent to it, no figures of the bus count it, and no signal tells that it comes or goes. It stays when the bus is stopped, and sees
 * what is sent to a stopped bus. Copies are not sent: a monitor does not see what other monitors get.
 *
 * No sender waits for a monitor. All copies come through its data channel, also those of system messages, so they come in the
 * order in which each thread has sent the messages, and the channel is bounded: what finds no room is dropped, as
 * [property@AgentBus.Subscriber:overflow] says, and counted only by [property@AgentBus.Subscriber:n-dropped]. A copy is never kept
 * because the message is reliable, it does not expire with the message, and no copy ends the work on another.
 *
 * Each message is seen once: when it is sent; when it goes in, if it is sent by [method@AgentBus.Bus.send_async] or by a
 * [class@AgentBus.RouterDispatcher]; and when a dispatcher gives it up, if it never went in. What
 * [method@AgentBus.Bus.try_send] refuses is not sent, and not seen. A message may be seen after the answer to it, if the answer was
 * sent by another thread: the [sequence number](method.Message.get_seq.html) tells the order.
 *
 * A @filter has the names that [method@AgentBus.Message.get_name] returns, as `cancel` or that of a custom message. With an empty
 * list nothing is seen. A handler that sends messages on the bus should have one: it sees those, too.
 *
 * ```c
 * static void
 * on_seen (AgentSubscriber *monitor,
 *          AgentMessage    *message,
 *          gpointer         user_data)
 * {
 *   AgentDropReason reason;
 *   guint n_accepted;
 *
 *   agent_message_get_fate (message, &n_accepted, &reason);
 *   if (n_accepted == 0)
 *     // prints: cancel: no-target
 *     g_print ("%s: %s\n", agent_message_get_name (message),
 *              agent_drop_reason_to_string (reason));
 * }
 *
 * g_autoptr (AgentSubscriber) monitor = agent_subscriber_new ("monitor");
 *
 * g_signal_connect (monitor, "message", G_CALLBACK (on_seen), NULL);
 * agent_bus_add_monitor (bus, monitor, NULL, &error);
 * agent_bus_send (bus, agent_message_new_cancel ("ui", "nobody", NULL));
 * ```
 *
 * May be called from any thread. The bus keeps a reference to the subscriber until [method@AgentBus.Bus.remove_monitor]. As long
 * as there is no monitor, a send costs what it always costs.
 *
 * Fails with %AGENT_BUS_ERROR_EXISTS if @subscriber is on a bus or is a monitor, or has not left yet.
 *
 * Returns: whether it is a monitor now
 *
 * Since: 0.1
 */
gboolean
agent_bus_add_monitor (AgentBus          *self,
                       AgentSubscriber   *subscriber,
                       const char *const *filter,
                       GError           **error)
{
  AgentMonitors *monitors;
  AgentMailbox  *mailbox;
  gboolean       added;

  g_return_val_if_fail (AGENT_IS_BUS (self), FALSE);
  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (subscriber), FALSE);
  g_return_val_if_fail (agent_subscriber_get_name (subscriber) != NULL, FALSE);
  g_return_val_if_fail (*agent_subscriber_get_name (subscriber) != '\0', FALSE);
  g_return_val_if_fail (_agent_utf8_are_names (filter), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  monitors = monitors_get (self);
  mailbox = _agent_subscriber_new_mailbox (subscriber, _agent_monitors_get_owner (monitors), self->capacity);
  _agent_mailbox_attach (mailbox, agent_subscriber_get_main_context (subscriber), agent_subscriber_get_priority (subscriber));
  added = _agent_subscriber_claim (subscriber, mailbox, error);
  if (added)
    {
      _agent_monitors_add (monitors, mailbox, subscriber, filter);
      g_atomic_int_inc (&self->n_monitors);
    }
  else
    {
      _agent_mailbox_withdraw (mailbox);
    }
  _agent_mailbox_unref (mailbox);

  return added;
}

static void
monitors_end (AgentBus     *self,
              AgentMailbox *mailbox)
{
  g_autoptr (AgentBus) bus = g_object_ref (self);
  GPtrArray *mailboxes = g_ptr_array_new_with_free_func ((GDestroyNotify) _agent_mailbox_unref);

  g_ptr_array_add (mailboxes, mailbox);
  /* A message or a subscriber that is freed here may hold the last reference to the bus. */
  _agent_mailbox_close (mailbox, FALSE);
  _agent_ending_begin (mailboxes, agent_bus_get_shutdown_timeout (self), self->context, NULL);
}

/**
 * agent_bus_remove_monitor:
 * @self: a bus
 * @subscriber: a subscriber
 *
 * Ends what [method@AgentBus.Bus.add_monitor] has begun.
 *
 * No more copies come in, and those that are queued are discarded. A handler that is running, or a delivery that was deferred,
 * may finish. Then the subscriber may be used again, on this bus or on another one.
 *
 * May be called from any thread, also from the monitor's own handler. Does nothing if @subscriber is no monitor of this bus.
 *
 * Since: 0.1
 */
void
agent_bus_remove_monitor (AgentBus        *self,
                          AgentSubscriber *subscriber)
{
  AgentMonitors *monitors;
  AgentMailbox  *mailbox = NULL;

  g_return_if_fail (AGENT_IS_BUS (self));
  g_return_if_fail (AGENT_IS_SUBSCRIBER (subscriber));

  monitors = g_atomic_pointer_get (&self->monitors);
  if (monitors != NULL)
    mailbox = _agent_monitors_remove (monitors, subscriber);
  if (mailbox == NULL)
    return;

  g_atomic_int_add (&self->n_monitors, -1);
  monitors_end (self, mailbox);
}
