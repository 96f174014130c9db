/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-bus-request.h"

#include "actor/agent-bus-requester-private.h"
#include "actor/agent-task-private.h"
#include "agent-bus-error.h"

/* Requests of those who are no actor. */

typedef struct
{
  GTask             *result;    /* (owned) */
  AgentBusRequester *requester; /* has this request open */
  AgentTask         *task;      /* (owned) */
  gulong             handler;   /* of the cancellable; 0 for none */
} BusRequest;

/* Takes @self. */
static void
bus_request_return (BusRequest *self)
{
  const GError *error = agent_task_get_error (self->task);

  if (error == NULL)
    g_task_return_pointer (
        self->result, _agent_task_dup_answer (self->task), (GDestroyNotify) agent_message_unref);
  else if (!g_error_matches (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_CANCELLED) ||
           !g_task_return_error_if_cancelled (self->result))
    g_task_return_error (self->result, g_error_copy (error));

  g_object_unref (self->result);
  g_object_unref (self->task);
  g_free (self);
}

/* The actor of the requester has left, or somebody else has taken it off the bus. */
static void
bus_request_on_left (GObject      *source,
                     GAsyncResult *result,
                     gpointer      user_data)
{
  BusRequest *self = user_data;

  agent_bus_unsubscribe_finish (AGENT_BUS (source), result, NULL);
  _agent_bus_requester_free (self->requester);
  bus_request_return (self);
}

/* The last request is told when the actor has left. After that, the context may not be iterated any more. */
static void
bus_request_leave (BusRequest *self)
{
  AgentSubscriber *actor = AGENT_SUBSCRIBER (_agent_bus_requester_get_actor (self->requester));

  g_main_context_push_thread_default (agent_subscriber_get_main_context (actor));
  agent_bus_unsubscribe_async (g_task_get_source_object (self->result),
                               agent_subscriber_get_name (actor),
                               NULL,
                               bus_request_on_left,
                               self);
  g_main_context_pop_thread_default (agent_subscriber_get_main_context (actor));
}

/* An AgentTaskEndFunc, in the context of the request. */
static void
bus_request_on_end (AgentTask *task,
                    gpointer   data)
{
  BusRequest *self = data;

  if (self->handler != 0)
    g_cancellable_disconnect (g_task_get_cancellable (self->result), self->handler);

  if (_agent_bus_requester_put (self->requester))
    bus_request_leave (self);
  else
    bus_request_return (self);
}

static void
bus_request_do_nothing (gpointer data)
{
}

static void
bus_request_on_cancelled (GCancellable *cancellable,
                          gpointer      user_data)
{
  agent_task_cancel (user_data, NULL);
}

/* Takes @result and @message. The task cannot have been told to be finished before this returns to the context, if it is this
 * thread that iterates it. If it is another one, the handler is connected before the end is watched. */
static void
bus_request_start (AgentBusRequester *requester,
                   AgentMessage      *message,
                   GTask             *result)
{
  GCancellable *cancellable = g_task_get_cancellable (result);
  BusRequest   *self = g_new0 (BusRequest, 1);

  self->result = result;
  self->requester = requester;
  self->task = agent_actor_request_full (_agent_bus_requester_get_actor (requester), message, NULL);
  if (cancellable != NULL)
    self->handler = g_cancellable_connect (
        cancellable, G_CALLBACK (bus_request_on_cancelled), g_object_ref (self->task), g_object_unref);
  if (!_agent_task_watch_end (self->task, bus_request_on_end, self, bus_request_do_nothing))
    bus_request_on_end (self->task, self);
}

/* Takes @message and @result. */
static void
bus_request_begin (AgentBus     *bus,
                   AgentMessage *message,
                   GTask        *result)
{
  AgentBusRequester *requester = NULL;
  GError            *error = NULL;

  if (!g_task_return_error_if_cancelled (result))
    {
      requester = _agent_bus_requester_get (bus, g_task_get_context (result), &error);
      if (requester == NULL)
        g_task_return_error (result, error);
    }

  if (requester != NULL)
    {
      bus_request_start (requester, message, result);
      return;
    }
  agent_message_unref (message);
  g_object_unref (result);
}

/**
 * agent_bus_request_async:
 * @self: a bus
 * @message: (transfer full): a `task-request` message that is not sent yet, with a target
 * @timeout: how many milliseconds it may take, or 0 for the time to live of @message
 * @cancellable: (nullable): cancels the task
 * @callback: (scope async) (closure user_data): called when the task has ended
 * @user_data: (nullable): data for @callback
 *
 * Requests something of somebody, and waits for the answer: the same as [method@AgentBus.Actor.request_full], for who is no actor.
 *
 * The message gets an id and a source of its own. Payload, conversation and trace stay. Updates and chunks of the worker are not
 * heard.
 *
 * The target is the name of a worker or of a group. The operation fails with the error of the task, which the page
 * [Tasks](tasks.html) lists: among others %AGENT_BUS_ERROR_NOT_FOUND if nobody is there, %AGENT_BUS_ERROR_FULL if there is no
 * room, %AGENT_BUS_ERROR_TIMED_OUT, %AGENT_BUS_ERROR_CLOSED if the worker leaves or the bus is stopped, and the error of a
 * worker that fails. If @cancellable is cancelled, the worker is told to stop, and the operation fails with
 * %G_IO_ERROR_CANCELLED.
 *
 * The bus is kept until the operation has ended. Meanwhile it has a subscriber more, whose name begins with `:requests-`.
 *
 * May be called from any thread. @callback is called in the thread-default context of the call.
 *
 * ```c
 * static void
 * on_answered (GObject      *source,
 *              GAsyncResult *result,
 *              gpointer      user_data)
 * {
 *   g_autoptr (GError) error = NULL;
 *   g_autoptr (AgentMessage) answer =
 *     agent_bus_request_finish (AGENT_BUS (source), result, &error);
 *
 *   if (answer == NULL)
 *     // prints: There is no 'worker' to do the task
 *     g_print ("%s\n", error->message);
 * }
 *
 * AgentMessage *request =
 *   agent_message_new_task_request ("main", "worker", "1", "sum",
 *                                   g_variant_new ("(ii)", 1, 2));
 *
 * agent_bus_request_async (bus, request, 2000, NULL, on_answered, NULL);
 * ```
 *
 * Since: 0.1
 */
void
agent_bus_request_async (AgentBus           *self,
                         AgentMessage       *message,
                         guint               timeout,
                         GCancellable       *cancellable,
                         GAsyncReadyCallback callback,
                         gpointer            user_data)
{
  GTask *result;

  g_return_if_fail (AGENT_IS_BUS (self));
  g_return_if_fail (message != NULL);
  g_return_if_fail (agent_message_get_message_type (message) == AGENT_MESSAGE_TYPE_TASK_REQUEST);
  g_return_if_fail (agent_message_get_target (message) != NULL);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  result = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (result, agent_bus_request_async);
  g_task_set_check_cancellable (result, FALSE);
  if (timeout != 0)
    agent_message_set_ttl (message, timeout);
  bus_request_begin (self, message, result);
}

/**
 * agent_bus_request_finish:
 * @self: a bus
 * @result: what the callback got
 * @error: where an error goes
 *
 * Finishes what [method@AgentBus.Bus.request_async] has started.
 *
 * Returns: (transfer full): the `task-response` of the worker, whose payload is the answer, or %NULL with an error
 *
 * Since: 0.1
 */
AgentMessage *
agent_bus_request_finish (AgentBus     *self,
                          GAsyncResult *result,
                          GError      **error)
{
  g_return_val_if_fail (AGENT_IS_BUS (self), NULL);
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
