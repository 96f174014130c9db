/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "agent-bus-error.h"
#include "bus/agent-bus-private.h"
#include "bus/agent-ending-private.h"
#include "bus/agent-subscriber-private.h"

static gboolean
members_add (AgentBus        *self,
             AgentSubscriber *subscriber,
             AgentMailbox    *mailbox,
             GError         **error)
{
  AgentSubscription *subscription = _agent_subscriber_get_subscription (subscriber);

  _agent_subscriber_attach (subscriber, mailbox);
  if (_agent_subscriber_claim (subscriber, mailbox, error))
    {
      _agent_subscription_bring_accepts (subscription, mailbox);
      if (_agent_subscription_join (subscription, self, mailbox, error))
        {
          _agent_subscription_bring_patterns (subscription, self, mailbox);
          return TRUE;
        }
      _agent_subscription_unclaim (subscription);
    }

  _agent_mailbox_withdraw (mailbox);
  return FALSE;
}

/* Only what is on a bus under its name has rules: a monitor of the same type has none. (transfer full) */
static AgentMailbox *
members_new_mailbox (AgentBus                   *self,
                     AgentSubscriber            *subscriber,
                     const AgentSubscriberRules *rules)
{
  AgentMailbox *mailbox = _agent_subscriber_new_mailbox (subscriber, &self->owner->base, self->capacity);

  if (rules != NULL)
    _agent_mailbox_add_inbox (mailbox, &rules->mailbox);
  if (rules != NULL && rules->prepare != NULL)
    rules->prepare (subscriber, mailbox);

  return mailbox;
}

/**
 * agent_bus_subscribe:
 * @self: a bus
 * @subscriber: a subscriber that is on no bus
 * @error: return location for an error
 *
 * Puts a subscriber on the bus: it gets the messages that are sent from now on.
 *
 * May be called from any thread. The bus keeps a reference to the subscriber.
 *
 * Fails with %AGENT_BUS_ERROR_EXISTS if the name is in use by a subscriber or a group, if the name of its group is that of a
 * subscriber, or if the subscriber has not left its last bus yet, and
 * with %AGENT_BUS_ERROR_CLOSED if the bus is stopped.
 *
 * Returns: whether it is subscribed
 *
 * Since: 0.1
 */
gboolean
agent_bus_subscribe (AgentBus        *self,
                     AgentSubscriber *subscriber,
                     GError         **error)
{
  const AgentSubscriberRules *rules;
  AgentMailbox               *mailbox;
  gboolean                    added;

  g_return_val_if_fail (AGENT_IS_BUS (self), FALSE);
  g_return_val_if_fail (AGENT_IS_SUBSCRIBER (subscriber), FALSE);
  g_return_val_if_fail (_agent_subscriber_is_named (subscriber), FALSE);
  g_return_val_if_fail (error == NULL || *error == NULL, FALSE);

  rules = _agent_subscriber_get_rules (subscriber);
  mailbox = members_new_mailbox (self, subscriber, rules);
  added = members_add (self, subscriber, mailbox, error);
  if (added)
    {
      _agent_mailbox_watches_tell (&self->owner->base.watches, mailbox, AGENT_MAILBOX_SUBSCRIBED);
      _agent_bus_report_subscribed (self->report, subscriber);
      if (rules != NULL && rules->subscribed != NULL)
        rules->subscribed (subscriber, self);
    }
  _agent_mailbox_unref (mailbox);
  return added;
}

static void
members_end (AgentBus       *self,
             GPtrArray      *mailboxes,
             AgentLeaveFlags flags,
             guint           timeout,
             GTask          *task)
{
  g_autoptr (AgentBus) bus = g_object_ref (self);

  /* A message or a subscriber that is freed here may hold the last reference to the bus. */
  for (guint i = 0; i < mailboxes->len; i++)
    _agent_mailbox_close (mailboxes->pdata[i], (flags & AGENT_LEAVE_FLAGS_DRAIN) != 0);

  _agent_ending_begin (mailboxes, timeout, self->context, task);
}

/* FALSE: there is no such subscriber, and @task is still the caller's. */
static gboolean
members_end_by_name (AgentBus       *self,
                     const char     *name,
                     AgentLeaveFlags flags,
                     guint           timeout,
                     GTask          *task)
{
  AgentMailbox *mailbox = _agent_directory_remove (self->directory, name);
  GPtrArray    *mailboxes;

  if (mailbox == NULL)
    return FALSE;

  mailboxes = g_ptr_array_new_with_free_func ((GDestroyNotify) _agent_mailbox_unref);
  g_ptr_array_add (mailboxes, mailbox);
  members_end (self, mailboxes, flags, timeout, task);
  return TRUE;
}

/**
 * agent_bus_unsubscribe:
 * @self: a bus
 * @name: the name of a subscriber
 *
 * Takes a subscriber off the bus, as [method@AgentBus.Bus.unsubscribe_async] does, without waiting for the end.
 *
 * The deadline is kept in the bus's own context.
 *
 * May be called from any thread, also from the subscriber's own handler. Does nothing if there is no such
 * subscriber.
 *
 * Since: 0.1
 */
void
agent_bus_unsubscribe (AgentBus   *self,
                       const char *name)
{
  g_return_if_fail (AGENT_IS_BUS (self));
  g_return_if_fail (name != NULL);

  members_end_by_name (self, name, AGENT_LEAVE_FLAGS_NONE, agent_bus_get_shutdown_timeout (self), NULL);
}

static void
members_unsubscribe (AgentBus           *self,
                     const char         *name,
                     AgentLeaveFlags     flags,
                     guint               timeout,
                     GCancellable       *cancellable,
                     GAsyncReadyCallback callback,
                     gpointer            user_data,
                     gpointer            tag)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, tag);
  if (members_end_by_name (self, name, flags, timeout, task))
    return;

  g_task_return_new_error (
      task, AGENT_BUS_ERROR, AGENT_BUS_ERROR_NOT_FOUND, "There is no subscriber named '%s'", name);
  g_object_unref (task);
}

/**
 * agent_bus_unsubscribe_async:
 * @self: a bus
 * @name: the name of a subscriber
 * @cancellable: (nullable): ends the operation; the subscriber leaves all the same
 * @callback: (scope async) (nullable): called when the subscriber has left
 * @user_data: data for @callback
 *
 * Takes a subscriber off the bus.
 *
 * At once, the name is free, no more messages come in, and queued data is discarded and counted, unless it is reliable. A
 * handler that is running, or a delivery that was deferred, may finish, and the queued system messages and the reliable data
 * are delivered. Then the operation is complete: no handler of the subscription runs any more.
 *
 * [method@AgentBus.Bus.unsubscribe_full_async] can have all data delivered before.
 *
 * If that takes longer than [property@AgentBus.Bus:shutdown-timeout], the remaining messages are discarded and counted,
 * and the operation fails with %AGENT_BUS_ERROR_TIMED_OUT. A handler that hangs at that moment cannot be stopped, but no
 * other handler begins.
 *
 * May be called from any thread, also from the subscriber's own handler. To get the result, iterate the calling thread's
 * default context, in which the deadline is kept, too. A handler may do that itself: then the other subscribers leave
 * meanwhile, and only its own subscriber does not leave in time.
 *
 * Since: 0.1
 */
void
agent_bus_unsubscribe_async (AgentBus           *self,
                             const char         *name,
                             GCancellable       *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer            user_data)
{
  g_return_if_fail (AGENT_IS_BUS (self));
  g_return_if_fail (name != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  members_unsubscribe (
      self, name, AGENT_LEAVE_FLAGS_NONE, agent_bus_get_shutdown_timeout (self), cancellable, callback, user_data, agent_bus_unsubscribe_async);
}

/**
 * agent_bus_unsubscribe_finish:
 * @self: a bus
 * @result: the result that the callback got
 * @error: return location for an error
 *
 * Ends [method@AgentBus.Bus.unsubscribe_async].
 *
 * Fails with %AGENT_BUS_ERROR_NOT_FOUND if there was no such subscriber, and with %AGENT_BUS_ERROR_TIMED_OUT if it
 * took too long to leave.
 *
 * Returns: whether the subscriber left in time
 *
 * Since: 0.1
 */
gboolean
agent_bus_unsubscribe_finish (AgentBus     *self,
                              GAsyncResult *result,
                              GError      **error)
{
  g_return_val_if_fail (AGENT_IS_BUS (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * agent_bus_unsubscribe_full_async:
 * @self: a bus
 * @name: the name of a subscriber
 * @flags: how it leaves
 * @cancellable: (nullable): ends the operation; the subscriber leaves all the same
 * @callback: (scope async) (nullable): called when the subscriber has left
 * @user_data: data for @callback
 *
 * Takes a subscriber off the bus, as [method@AgentBus.Bus.unsubscribe_async] does, or without loss.
 *
 * With %AGENT_LEAVE_FLAGS_DRAIN the name is free at once, too, and no more messages come in, but all that is queued is
 * handled, data and system messages, before the subscriber leaves. A pause of the subscriber is over. If it has no handler,
 * but messages were received from it, it leaves when the last one is received. If nobody listens to it, all is discarded and
 * counted.
 *
 * The deadline is the same: what is not handled by then is discarded and counted.
 *
 * Since: 0.1
 */
void
agent_bus_unsubscribe_full_async (AgentBus           *self,
                                  const char         *name,
                                  AgentLeaveFlags     flags,
                                  GCancellable       *cancellable,
                                  GAsyncReadyCallback callback,
                                  gpointer            user_data)
{
  g_return_if_fail (AGENT_IS_BUS (self));
  g_return_if_fail (name != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  members_unsubscribe (self, name, flags, agent_bus_get_shutdown_timeout (self), cancellable, callback, user_data, agent_bus_unsubscribe_full_async);
}

/* As agent_bus_unsubscribe_full_async(), for just this subscription, which may be leaving already, and with a deadline of its
 * own in milliseconds. Ended by agent_bus_unsubscribe_full_finish().
 *
 * @callback: (nullable) */
void
_agent_bus_end_subscription (AgentBus           *self,
                             AgentMailbox       *mailbox,
                             AgentLeaveFlags     flags,
                             guint               timeout,
                             GAsyncReadyCallback callback,
                             gpointer            user_data)
{
  GTask     *task = callback != NULL ? g_task_new (self, NULL, callback, user_data) : NULL;
  GPtrArray *mailboxes = g_ptr_array_new_with_free_func ((GDestroyNotify) _agent_mailbox_unref);

  if (task != NULL)
    g_task_set_source_tag (task, agent_bus_unsubscribe_full_async);
  g_ptr_array_add (mailboxes, _agent_mailbox_ref (mailbox));
  if (_agent_directory_remove_mailbox (self->directory, mailbox))
    members_end (self, mailboxes, flags, timeout, task);
  else
    _agent_ending_begin (mailboxes, timeout, self->context, task);
}

/**
 * agent_bus_unsubscribe_full_finish:
 * @self: a bus
 * @result: the result that the callback got
 * @error: return location for an error
 *
 * Ends [method@AgentBus.Bus.unsubscribe_full_async].
 *
 * Fails with %AGENT_BUS_ERROR_NOT_FOUND if there was no such subscriber, and with %AGENT_BUS_ERROR_TIMED_OUT if it
 * took too long to leave.
 *
 * Returns: whether the subscriber left in time
 *
 * Since: 0.1
 */
gboolean
agent_bus_unsubscribe_full_finish (AgentBus     *self,
                                   GAsyncResult *result,
                                   GError      **error)
{
  g_return_val_if_fail (AGENT_IS_BUS (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * agent_bus_lookup:
 * @self: a bus
 * @name: a name
 *
 * Finds a subscriber by its name. May be called from any thread.
 *
 * Returns: (transfer full) (nullable): the subscriber, or %NULL
 *
 * Since: 0.1
 */
AgentSubscriber *
agent_bus_lookup (AgentBus   *self,
                  const char *name)
{
  AgentMailbox    *mailbox;
  AgentSubscriber *subscriber;

  g_return_val_if_fail (AGENT_IS_BUS (self), NULL);
  g_return_val_if_fail (name != NULL, NULL);

  mailbox = _agent_directory_lookup (self->directory, name);
  if (mailbox == NULL)
    return NULL;

  subscriber = _agent_mailbox_dup_subscriber (mailbox);
  _agent_mailbox_unref (mailbox);
  return subscriber;
}

void
_agent_bus_open (AgentBus *self)
{
  _agent_directory_open (self->directory);
}

/* All subscribers leave, and none may come until the bus is opened. Takes @task: (nullable). */
void
_agent_bus_stop (AgentBus       *self,
                 AgentLeaveFlags flags,
                 GTask          *task)
{
  members_end (self, _agent_directory_close (self->directory), flags, agent_bus_get_shutdown_timeout (self), task);
  g_ptr_array_unref (_agent_retained_clear (self->owner->retained));
}
