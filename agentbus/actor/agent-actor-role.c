/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-role-private.h"
#include "actor/agent-task-error-private.h"
#include "agent-bus-error.h"
#include "base/agent-cancel-source-private.h"
#include "base/agent-clock-private.h"
#include "bus/agent-group-private.h"
#include "bus/agent-subscriber-private.h"

/* --- Beginning --- */

static void
role_on_time_over (gpointer data,
                   gint64   now)
{
  AgentRole *self = data;

  _agent_role_undo (self,
                    g_error_new (AGENT_BUS_ERROR,
                                 AGENT_BUS_ERROR_TIMED_OUT,
                                 "'%s' did not finish in time what it has, and goes on",
                                 agent_subscriber_get_name (AGENT_SUBSCRIBER (self->from))));
}

static gboolean
role_on_cancelled (gpointer data)
{
  _agent_role_undo (data, g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "The hand-over was cancelled"));
  return G_SOURCE_REMOVE;
}

/* A holder that leaves, or a flush that is cancelled, is heard of elsewhere. Takes a reference. */
static void
role_on_flushed (GObject      *source,
                 GAsyncResult *result,
                 gpointer      data)
{
  AgentRole *self = data;
  gboolean   flushed = agent_bus_flush_finish (AGENT_BUS (source), result, NULL);

  g_mutex_lock (&self->lock);
  self->flushed = flushed;
  g_mutex_unlock (&self->lock);

  if (flushed)
    _agent_actor_add_chore (self->from, AGENT_CHORE_ROLE);
  _agent_role_unref (self);
}

/* The sources may be dispatched, and another thread may end the hand-over, before this returns. */
static void
role_watch (AgentRole    *self,
            GMainContext *context,
            GCancellable *cancellable)
{
  gint64 due = _agent_clock_now () + agent_bus_get_shutdown_timeout (self->bus) * G_GINT64_CONSTANT (1000);

  g_mutex_lock (&self->lock);
  if (self->phase == AGENT_ROLE_DRAINING)
    {
      self->timer = _agent_timer_source_new (
          context, "[agentbus] hand-over", role_on_time_over, _agent_role_ref (self), _agent_role_unref);
      _agent_timer_source_set_time (self->timer, due);
    }
  if (self->phase == AGENT_ROLE_DRAINING && cancellable != NULL)
    {
      self->cancelled = _agent_cancel_source_new (cancellable);
      g_source_set_static_name (self->cancelled, "[agentbus] hand-over");
      g_source_set_callback (self->cancelled, role_on_cancelled, _agent_role_ref (self), _agent_role_unref);
      g_source_attach (self->cancelled, context);
    }
  g_mutex_unlock (&self->lock);
}

static gboolean
role_has_mailboxes (AgentRole *self,
                    GError   **error)
{
  const char *group;

  if (self->from_mailbox == NULL || self->to_mailbox == NULL)
    {
      g_propagate_error (error, _agent_task_error_new_left (self->from_mailbox == NULL ? self->from : self->to));
      return FALSE;
    }

  group = _agent_mailbox_get_group (self->from_mailbox);
  if (group != NULL && self->from_mailbox->owner == self->to_mailbox->owner &&
      g_strcmp0 (group, _agent_mailbox_get_group (self->to_mailbox)) == 0)
    return TRUE;

  g_set_error (error,
               AGENT_BUS_ERROR,
               AGENT_BUS_ERROR_NOT_FOUND,
               "'%s' and '%s' are not in the same group of the same bus",
               _agent_mailbox_get_name (self->from_mailbox),
               _agent_mailbox_get_name (self->to_mailbox));
  return FALSE;
}

static gboolean
role_claim_both (AgentRole *self)
{
  if (!_agent_role_claim (self, self->from))
    return FALSE;
  if (_agent_role_claim (self, self->to))
    return TRUE;

  _agent_role_release (self, self->from);
  return FALSE;
}

/* From here on, whatever happens to one of the two is heard of. */
static gboolean
role_begin (AgentRole *self,
            GError   **error)
{
  if (!role_has_mailboxes (self, error))
    return FALSE;

  if (role_claim_both (self))
    {
      if (_agent_groups_begin_hand_over (_agent_directory_get_groups (self->bus->directory),
                                         _agent_mailbox_get_group (self->from_mailbox),
                                         self->from_mailbox,
                                         self->to_mailbox))
        return TRUE;
      _agent_role_release (self, self->from);
      _agent_role_release (self, self->to);
    }

  g_set_error (error,
               AGENT_BUS_ERROR,
               AGENT_BUS_ERROR_EXISTS,
               "'%s' is not the holder, '%s' is already, or another hand-over is under way",
               _agent_mailbox_get_name (self->from_mailbox),
               _agent_mailbox_get_name (self->to_mailbox));
  return FALSE;
}

static AgentRole *
role_new (AgentBus   *bus,
          AgentActor *from,
          AgentActor *to,
          GVariant   *args,
          GTask      *task)
{
  AgentRole *self = g_new0 (AgentRole, 1);

  g_atomic_ref_count_init (&self->ref_count);
  g_mutex_init (&self->lock);
  self->bus = g_object_ref (bus);
  self->from = g_object_ref (from);
  self->to = g_object_ref (to);
  self->from_mailbox = _agent_actor_ref_mailbox (from);
  self->to_mailbox = _agent_actor_ref_mailbox (to);
  self->args = args != NULL ? g_variant_ref (args) : NULL;
  self->flush = g_cancellable_new ();
  self->task = g_object_ref (task);

  return self;
}

/* Nothing has begun. One of the two may have left after it was claimed: if that has ended the hand-over, or does in this moment,
 * the task returns from there. Takes @error. */
static void
role_fail (AgentRole *self,
           GError    *error)
{
  GTask *task = NULL;

  g_mutex_lock (&self->lock);
  if (self->phase != AGENT_ROLE_RETURNING && self->phase != AGENT_ROLE_OVER)
    {
      self->phase = AGENT_ROLE_OVER;
      task = g_steal_pointer (&self->task);
    }
  g_mutex_unlock (&self->lock);

  if (task != NULL)
    g_task_return_error (task, error);
  else
    g_error_free (error);
  g_clear_object (&task);
}

static void
role_start (AgentBus   *bus,
            AgentActor *from,
            AgentActor *to,
            GVariant   *args,
            GTask      *task)
{
  AgentRole *self = role_new (bus, from, to, args, task);
  GError    *error = NULL;

  if (role_begin (self, &error))
    {
      role_watch (self, g_task_get_context (task), g_task_get_cancellable (task));
      agent_bus_flush_async (
          bus, _agent_mailbox_get_name (self->from_mailbox), self->flush, role_on_flushed, _agent_role_ref (self));
    }
  else
    {
      role_fail (self, error);
    }
  _agent_role_unref (self);
}

/**
 * agent_actor_hand_over_async:
 * @from: the actor that holds a role
 * @to: the actor that holds it next
 * @args: (nullable): what @to gets with [signal@AgentBus.Actor::activated], of any type; a floating reference is taken
 * @cancellable: (nullable): ends the operation, and undoes it if @from has not finished yet
 * @callback: (scope async) (nullable) (closure user_data): called when @to is active, or when the hand-over is undone
 * @user_data: data for @callback
 *
 * Hands a role over to another actor, without loss.
 *
 * A role is a [property@AgentBus.Subscriber:group] of which one member is [property@AgentBus.Actor:active]: what is sent to the
 * name of the group goes to this one, the holder. Both actors are members of the same group. They may live in different threads.
 *
 * 1. What is sent to the role from now on waits at @to, within the limits of its channel.
 * 2. @from finishes what it has: what is queued for it, what it has in hand, and its jobs.
 * 3. @from is deactivated.
 * 4. @to is activated with @args. Then it gets what has waited, in its order.
 *
 * At no time are both active. The messages of one sender stay in order.
 *
 * If @from does not finish within the [property@AgentBus.Bus:shutdown-timeout] of the bus, or if the operation is cancelled
 * before it has, the hand-over is undone: @from goes on as if nothing had been asked, and gets what has waited. After that point
 * the hand-over goes on to its end. If @from leaves, it keeps the role until it has left; then @to is activated, and
 * gets what @from had not begun with before what has waited. If @to leaves, the hand-over is undone; if @from is deactivated by
 * then, it is activated again, without arguments.
 *
 * A message `activate` that comes for @to before its turn is not heard, and a message `deactivate` for the one that is active
 * counts when the hand-over is over.
 *
 * May be called from any thread. To get the result, iterate the calling thread's default context, in which the deadline is
 * kept.
 *
 * ```c
 * static void
 * on_activated (AgentActor *actor,
 *               GVariant   *args,
 *               gpointer    user_data)
 * {
 *   // prints: second goes on with step 7
 *   g_print ("%s goes on with step %d\n",
 *            agent_subscriber_get_name (AGENT_SUBSCRIBER (actor)),
 *            g_variant_get_int32 (args));
 * }
 *
 * g_autoptr (AgentActor) first =
 *   g_object_new (AGENT_TYPE_ACTOR,
 *                 "name", "first", "group", "planner", NULL);
 * g_autoptr (AgentActor) second =
 *   g_object_new (AGENT_TYPE_ACTOR, "name", "second",
 *                 "group", "planner", "active", FALSE, NULL);
 *
 * g_signal_connect (second, "activated", G_CALLBACK (on_activated), NULL);
 * agent_bus_subscribe (bus, AGENT_SUBSCRIBER (first), &error);
 * agent_bus_subscribe (bus, AGENT_SUBSCRIBER (second), &error);
 * agent_actor_hand_over_async (first, second, g_variant_new_int32 (7),
 *                              NULL, NULL, NULL);
 * ```
 *
 * Since: 0.1
 */
void
agent_actor_hand_over_async (AgentActor         *from,
                             AgentActor         *to,
                             GVariant           *args,
                             GCancellable       *cancellable,
                             GAsyncReadyCallback callback,
                             gpointer            user_data)
{
  g_autoptr (GVariant) owned_args = NULL;
  g_autoptr (AgentBus) bus = NULL;
  g_autoptr (GTask) task = NULL;

  g_return_if_fail (AGENT_IS_ACTOR (from));
  g_return_if_fail (AGENT_IS_ACTOR (to));
  g_return_if_fail (from != to);
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  owned_args = args != NULL ? g_variant_ref_sink (args) : NULL;
  bus = agent_subscriber_dup_bus (AGENT_SUBSCRIBER (from));
  task = g_task_new (from, cancellable, callback, user_data);
  g_task_set_source_tag (task, agent_actor_hand_over_async);
  g_task_set_check_cancellable (task, FALSE);
  if (g_task_return_error_if_cancelled (task))
    return;

  if (bus != NULL)
    role_start (bus, from, to, owned_args, task);
  else
    g_task_return_error (task, _agent_task_error_new_left (from));
}

/**
 * agent_actor_hand_over_finish:
 * @from: the actor that has held the role
 * @result: the result
 * @error: where an error goes
 *
 * Gets the result of [method@AgentBus.Actor.hand_over_async].
 *
 * Fails with %AGENT_BUS_ERROR_NOT_FOUND if the two are not in the same group of the same bus, with %AGENT_BUS_ERROR_EXISTS if
 * @from was not active, @to was, or another hand-over was under way, with %AGENT_BUS_ERROR_CLOSED if one of them was on no bus
 * or @to has left, with %AGENT_BUS_ERROR_TIMED_OUT, or with %G_IO_ERROR_CANCELLED. In all these cases @to was not activated.
 *
 * Returns: %TRUE if @to is the holder now
 *
 * Since: 0.1
 */
gboolean
agent_actor_hand_over_finish (AgentActor   *from,
                              GAsyncResult *result,
                              GError      **error)
{
  g_return_val_if_fail (AGENT_IS_ACTOR (from), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, from), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
