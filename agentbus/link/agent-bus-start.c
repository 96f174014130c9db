/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "link/agent-link-private.h"

/* How a bus is started and stopped, with its transport if it has one. */

static void
start_link (AgentBus *self,
            GTask    *task)
{
  /* If it is cancelled too late, the bus is connected all the same, and says so. */
  g_task_set_check_cancellable (task, FALSE);
  if (g_atomic_pointer_get (&self->link) == NULL)
    _agent_link_start (self, task);
  else if (agent_transport_get_state (self->transport) == AGENT_TRANSPORT_STATE_CONNECTING)
    g_task_return_new_error (task, AGENT_BUS_ERROR, AGENT_BUS_ERROR_EXISTS, "The bus is being started already");
  else
    g_task_return_boolean (task, TRUE);
}

/**
 * agent_bus_start_async:
 * @self: a bus
 * @cancellable: (nullable): a cancellable
 * @callback: (scope async) (nullable): called when the bus runs
 * @user_data: data for @callback
 *
 * Makes a stopped bus usable again. A new bus runs from the start.
 *
 * If the bus has a [property@AgentBus.Bus:transport], this opens it, unless it is open: until then, the bus knows only its
 * own process. When it has succeeded, the other nodes begin to appear: see [signal@AgentBus.Transport::appeared] and
 * [method@AgentBus.Bus.watch_name]. If it fails, with an error of the transport, the bus runs without, and may be started again.
 *
 * Since: 0.1
 */
void
agent_bus_start_async (AgentBus           *self,
                       GCancellable       *cancellable,
                       GAsyncReadyCallback callback,
                       gpointer            user_data)
{
  g_autoptr (GTask) task = NULL;

  g_return_if_fail (AGENT_IS_BUS (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, agent_bus_start_async);
  _agent_bus_open (self);
  if (self->transport == NULL)
    g_task_return_boolean (task, TRUE);
  else
    start_link (self, task);
}

/**
 * agent_bus_start_finish:
 * @self: a bus
 * @result: the result that the callback got
 * @error: return location for an error
 *
 * Ends [method@AgentBus.Bus.start_async].
 *
 * Returns: whether the bus runs
 *
 * Since: 0.1
 */
gboolean
agent_bus_start_finish (AgentBus     *self,
                        GAsyncResult *result,
                        GError      **error)
{
  g_return_val_if_fail (AGENT_IS_BUS (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/* How a bus with a link is stopped: first its subscribers leave, then the transport is closed. */
typedef struct
{
  AgentLink *link;  /* (owned) */
  GError    *error; /* (owned) (nullable) of the subscribers */
} LinkedStop;

static void
linked_stop_free (gpointer data)
{
  LinkedStop *self = data;

  _agent_link_unref (self->link);
  g_clear_error (&self->error);
  g_free (self);
}

static void
stop_on_closed (GObject      *object,
                GAsyncResult *result,
                gpointer      user_data)
{
  g_autoptr (GTask) task = user_data;
  LinkedStop *stop = g_task_get_task_data (task);

  _agent_link_join (stop->link);
  if (stop->error != NULL)
    g_task_return_error (task, g_steal_pointer (&stop->error));
  else
    g_task_return_boolean (task, TRUE);
}

static void
stop_on_left (GObject      *object,
              GAsyncResult *result,
              gpointer      user_data)
{
  AgentBus   *self = AGENT_BUS (object);
  GTask      *task = user_data;
  LinkedStop *stop = g_task_get_task_data (task);

  g_task_propagate_boolean (G_TASK (result), &stop->error);
  _agent_link_stop (
      stop->link, agent_bus_get_shutdown_timeout (self), g_task_new (self, NULL, stop_on_closed, task));
}

/* (transfer full) (nullable) */
static AgentLink *
stop_take_link (AgentBus *self)
{
  AgentLink *link = g_atomic_pointer_get (&self->link);

  return link != NULL && g_atomic_pointer_compare_and_exchange (&self->link, link, NULL) ? link : NULL;
}

static void
stop_begin (AgentBus           *self,
            AgentLeaveFlags     flags,
            GCancellable       *cancellable,
            GAsyncReadyCallback callback,
            gpointer            user_data,
            gpointer            tag)
{
  GTask      *task = g_task_new (self, cancellable, callback, user_data);
  AgentLink  *link = stop_take_link (self);
  LinkedStop *stop;

  g_task_set_source_tag (task, tag);
  if (link == NULL)
    {
      _agent_bus_stop (self, flags, task);
      return;
    }

  stop = g_new0 (LinkedStop, 1);
  stop->link = link;
  g_task_set_task_data (task, stop, linked_stop_free);
  _agent_bus_stop (self, flags, g_task_new (self, NULL, stop_on_left, task));
}

/**
 * agent_bus_stop_async:
 * @self: a bus
 * @cancellable: (nullable): ends the operation; the bus stops all the same
 * @callback: (scope async) (nullable): called when all subscribers have left
 * @user_data: data for @callback
 *
 * Takes all subscribers off the bus at once, as [method@AgentBus.Bus.unsubscribe_async] does with one, under one
 * deadline for all.
 *
 * If the bus has a transport, what was handed over to it is sent then, under the same deadline again, and it is closed.
 *
 * From then on, until [method@AgentBus.Bus.start_async], subscribing fails, and messages that are sent are dropped with
 * the reason %AGENT_DROP_REASON_CLOSED.
 *
 * May be called from any thread, also from a handler. To get the result, iterate the calling thread's default context,
 * in which the deadline is kept, too.
 *
 * ```c
 * static void
 * on_stopped (GObject *bus, GAsyncResult *result, gpointer user_data)
 * {
 *   g_autoptr (GError) error = NULL;
 *
 *   if (agent_bus_stop_finish (AGENT_BUS (bus), result, &error))
 *     g_print ("all have left\n"); // prints: all have left
 *   else
 *     g_warning ("%s", error->message);
 * }
 *
 * agent_bus_stop_async (bus, NULL, on_stopped, NULL);
 * ```
 *
 * Since: 0.1
 */
void
agent_bus_stop_async (AgentBus           *self,
                      GCancellable       *cancellable,
                      GAsyncReadyCallback callback,
                      gpointer            user_data)
{
  g_return_if_fail (AGENT_IS_BUS (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  stop_begin (self, AGENT_LEAVE_FLAGS_NONE, cancellable, callback, user_data, agent_bus_stop_async);
}

/**
 * agent_bus_stop_finish:
 * @self: a bus
 * @result: the result that the callback got
 * @error: return location for an error
 *
 * Ends [method@AgentBus.Bus.stop_async].
 *
 * Fails with %AGENT_BUS_ERROR_TIMED_OUT if a subscriber took too long to leave.
 *
 * Returns: whether all left in time
 *
 * Since: 0.1
 */
gboolean
agent_bus_stop_finish (AgentBus     *self,
                       GAsyncResult *result,
                       GError      **error)
{
  g_return_val_if_fail (AGENT_IS_BUS (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/**
 * agent_bus_stop_full_async:
 * @self: a bus
 * @flags: how its subscribers leave
 * @cancellable: (nullable): ends the operation; the bus stops all the same
 * @callback: (scope async) (nullable): called when all subscribers have left
 * @user_data: data for @callback
 *
 * Takes all subscribers off the bus, as [method@AgentBus.Bus.stop_async] does, or without loss: with
 * %AGENT_LEAVE_FLAGS_DRAIN as [method@AgentBus.Bus.unsubscribe_full_async] does with one, under one deadline for all.
 *
 * What a handler sends meanwhile is dropped with the reason %AGENT_DROP_REASON_CLOSED. For agents that answer one another,
 * flush the bus first: see [method@AgentBus.Bus.flush_async].
 *
 * ```c
 * static void
 * on_update (AgentSubscriber *worker, AgentMessage *message, gpointer user_data)
 * {
 *   g_print ("%s\n", agent_message_get_task_id (message)); // prints: 42
 * }
 *
 * static void
 * on_stopped (GObject *bus, GAsyncResult *result, gpointer user_data)
 * {
 *   if (agent_bus_stop_full_finish (AGENT_BUS (bus), result, NULL))
 *     g_print ("nothing was lost\n"); // prints: nothing was lost
 * }
 *
 * g_autoptr (AgentSubscriber) worker = agent_subscriber_new ("worker");
 *
 * g_signal_connect (worker, "message", G_CALLBACK (on_update), NULL);
 * agent_bus_subscribe (bus, worker, &error);
 * agent_bus_send (bus, agent_message_new_task_update ("ui", "worker", "42",
 *                                                     NULL));
 * agent_bus_stop_full_async (bus, AGENT_LEAVE_FLAGS_DRAIN, NULL, on_stopped,
 *                            NULL);
 * ```
 *
 * Since: 0.1
 */
void
agent_bus_stop_full_async (AgentBus           *self,
                           AgentLeaveFlags     flags,
                           GCancellable       *cancellable,
                           GAsyncReadyCallback callback,
                           gpointer            user_data)
{
  g_return_if_fail (AGENT_IS_BUS (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  stop_begin (self, flags, cancellable, callback, user_data, agent_bus_stop_full_async);
}

/**
 * agent_bus_stop_full_finish:
 * @self: a bus
 * @result: the result that the callback got
 * @error: return location for an error
 *
 * Ends [method@AgentBus.Bus.stop_full_async].
 *
 * Fails with %AGENT_BUS_ERROR_TIMED_OUT if a subscriber took too long to leave.
 *
 * Returns: whether all left in time
 *
 * Since: 0.1
 */
gboolean
agent_bus_stop_full_finish (AgentBus     *self,
                            GAsyncResult *result,
                            GError      **error)
{
  g_return_val_if_fail (AGENT_IS_BUS (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
