/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-actor-private.h"
#include "actor/agent-actor-signals-private.h"
#include "actor/agent-actor-tree-private.h"
#include "actor/agent-patient-private.h"
#include "agent-bus-error.h"
#include "base/agent-clock-private.h"
#include "base/agent-utf8-private.h"
#include "bus/agent-bus-private.h"
#include "bus/agent-subscriber-private.h"

/*
 * How an actor ends with its children: first all its children end, each with its own children first, and then the actor
 * finishes the work that it has accepted and leaves. One deadline holds for the whole tree.
 *
 * Several may end the same actor at once; all of them wait for the same end.
 */

/* The end of one actor, as long as it is under way. The callbacks come in the context in which the first of those who want
 * the end has asked for it. Another thread may iterate that while this one still asks the children. */
typedef struct
{
  AgentActor *actor;      /* (owned) */
  char       *reason;     /* (nullable) */
  gint64      due;        /* µs */
  guint       n_children; /* (actor's lock) how many have not ended */
  GError     *error;      /* (actor's lock until all children have ended) (nullable) of a child that did not end in time */
} ActorEnd;

static void end_begin (AgentActor *actor,
                       const char *reason,
                       gint64      due,
                       GTask      *task);

static void
end_free (ActorEnd *self)
{
  g_object_unref (self->actor);
  g_free (self->reason);
  g_clear_error (&self->error);
  g_free (self);
}

/* Takes @patient. */
static void
end_return (ActorEnd     *self,
            AgentPatient *patient)
{
  g_autoptr (GTask) task = _agent_patient_end (patient);

  if (task == NULL)
    return;
  if (self->error != NULL)
    g_task_return_error (task, g_error_copy (self->error));
  else
    g_task_return_boolean (task, TRUE);
}

/* Tells all who wait. Takes @self. */
static void
end_finish (ActorEnd *self)
{
  AgentActorCore *core = _agent_actor_get_core (self->actor);
  GSList         *waiting;

  g_mutex_lock (&core->lock);
  waiting = g_slist_reverse (g_steal_pointer (&core->ends));
  core->is_ending = FALSE;
  g_mutex_unlock (&core->lock);

  for (GSList *l = waiting; l != NULL; l = l->next)
    end_return (self, l->data);
  g_slist_free (waiting);
  end_free (self);
}

/* One whose children took all the time that there was is not to blame, nor is one that was not to finish. */
static void
end_note_error (ActorEnd *self,
                GError   *error)
{
  AgentActorCore *core = _agent_actor_get_core (self->actor);
  gboolean        gave_up;

  if (self->error != NULL)
    return;

  g_mutex_lock (&core->lock);
  gave_up = core->gave_up;
  core->is_stuck = !gave_up && g_error_matches (error, AGENT_BUS_ERROR, AGENT_BUS_ERROR_TIMED_OUT);
  g_mutex_unlock (&core->lock);

  if (!gave_up)
    self->error = g_error_copy (error);
}

static void
end_on_left (GObject      *source,
             GAsyncResult *result,
             gpointer      user_data)
{
  ActorEnd *self = user_data;
  g_autoptr (GError) error = NULL;

  if (!agent_bus_unsubscribe_full_finish (AGENT_BUS (source), result, &error))
    end_note_error (self, error);

  end_finish (self);
}

/* All children have ended, or their time is over. Somebody else may have taken the actor off the bus meanwhile, and it may be
 * leaving still; then another one may have its name. */
static void
end_leave (ActorEnd *self)
{
  g_autoptr (AgentBus) bus = agent_subscriber_dup_bus (AGENT_SUBSCRIBER (self->actor));
  AgentMailbox *mailbox = _agent_actor_ref_mailbox (self->actor);
  gint64        left = MAX (self->due - _agent_clock_now (), 0) / 1000;

  if (bus != NULL && mailbox != NULL)
    _agent_bus_end_subscription (bus, mailbox, AGENT_LEAVE_FLAGS_DRAIN, (guint) left, end_on_left, self);
  else
    end_finish (self);
  g_clear_pointer (&mailbox, _agent_mailbox_unref);
}

static void
end_one_more (ActorEnd *self)
{
  AgentActorCore *core = _agent_actor_get_core (self->actor);

  g_mutex_lock (&core->lock);
  self->n_children++;
  g_mutex_unlock (&core->lock);
}

/* The last one has the actor leave. Takes @error: (nullable). */
static void
end_one_less (ActorEnd *self,
              GError   *error)
{
  AgentActorCore *core = _agent_actor_get_core (self->actor);
  gboolean        last;

  g_mutex_lock (&core->lock);
  if (self->error == NULL)
    self->error = g_steal_pointer (&error);
  last = --self->n_children == 0;
  g_mutex_unlock (&core->lock);

  g_clear_error (&error);
  if (last)
    end_leave (self);
}

static void
end_on_child_ended (GObject      *source,
                    GAsyncResult *result,
                    gpointer      user_data)
{
  GError *error = NULL;

  agent_actor_end_finish (AGENT_ACTOR (source), result, &error);
  end_one_less (user_data, error);
}

/* One that is ending already is an ancestor, in a tree that has a circle, or was ended by somebody else. The first must not
 * be waited for, and the second ends all the same. */
static void
end_child (ActorEnd   *self,
           AgentActor *child)
{
  GTask *task = g_task_new (child, NULL, end_on_child_ended, self);

  end_one_more (self);
  end_begin (child, self->reason, self->due, task);
}

/* FALSE: the end is under way already, and @task waits for it. Takes @task. */
static gboolean
end_join (AgentActor *actor,
          const char *reason,
          GTask      *task)
{
  AgentActorCore *core = _agent_actor_get_core (actor);
  AgentPatient   *patient = _agent_patient_new (task);
  gboolean        first;

  g_mutex_lock (&core->lock);
  first = !core->is_ending;
  core->is_ending = TRUE;
  if (first)
    core->is_stuck = core->gave_up = FALSE;
  core->ends = g_slist_prepend (core->ends, patient);
  if (core->reason == NULL)
    core->reason = g_strdup (reason);
  g_mutex_unlock (&core->lock);

  return first;
}

/* Takes @task, which returns when @actor has left. */
static void
end_begin (AgentActor *actor,
           const char *reason,
           gint64      due,
           GTask      *task)
{
  g_autoptr (GPtrArray) children = NULL;
  ActorEnd *self;

  if (!end_join (actor, reason, task))
    return;

  self = g_new0 (ActorEnd, 1);
  self->actor = g_object_ref (actor);
  self->reason = g_strdup (reason);
  self->due = due;

  /* One more until all are asked. */
  self->n_children = 1;
  children = _agent_actor_tree_list_children (actor);
  for (guint i = 0; i < children->len; i++)
    {
      AgentActor *child = children->pdata[i];

      if (!_agent_actor_read_flag (child, &_agent_actor_get_core (child)->is_ending))
        end_child (self, child);
    }
  end_one_less (self, NULL);
}

/**
 * agent_actor_end_async:
 * @self: an actor
 * @reason: (nullable): why, for [signal@AgentBus.Actor::ended]
 * @cancellable: (nullable): ends the operation; the actor ends all the same
 * @callback: (scope async) (nullable) (closure user_data): called when the actor has left
 * @user_data: data for @callback
 *
 * Ends the actor, as a message `end` does.
 *
 * First its children end: the actors of the same bus whose [property@AgentBus.Actor:parent] it is, each with its own children
 * first. Then the actor finishes the work that it has accepted, and leaves the bus. If all that takes longer than the
 * [property@AgentBus.Bus:shutdown-timeout] of the bus, those that have not ended are abandoned.
 *
 * The callback comes in the calling thread's default context, which has to be iterated for the tree to end.
 *
 * Since: 0.1
 */
void
agent_actor_end_async (AgentActor         *self,
                       const char         *reason,
                       GCancellable       *cancellable,
                       GAsyncReadyCallback callback,
                       gpointer            user_data)
{
  g_autoptr (AgentBus) bus = NULL;
  GTask *task;

  g_return_if_fail (AGENT_IS_ACTOR (self));
  g_return_if_fail (reason == NULL || _agent_utf8_is_string (reason));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));

  task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, agent_actor_end_async);
  bus = agent_subscriber_dup_bus (AGENT_SUBSCRIBER (self));
  if (bus == NULL)
    {
      g_task_return_new_error (task,
                               AGENT_BUS_ERROR,
                               AGENT_BUS_ERROR_CLOSED,
                               "Actor '%s' is on no bus",
                               agent_subscriber_get_name (AGENT_SUBSCRIBER (self)));
      g_object_unref (task);
      return;
    }

  end_begin (self, reason, _agent_clock_now () + agent_bus_get_shutdown_timeout (bus) * G_GINT64_CONSTANT (1000), task);
}

/**
 * agent_actor_end_finish:
 * @self: an actor
 * @result: the result
 * @error: where an error goes
 *
 * Gets the result of [method@AgentBus.Actor.end_async].
 *
 * Returns: %TRUE if the actor and its children have left in time, or %FALSE with %AGENT_BUS_ERROR_TIMED_OUT,
 *   %AGENT_BUS_ERROR_CLOSED if it is on no bus, or %G_IO_ERROR_CANCELLED
 *
 * Since: 0.1
 */
gboolean
agent_actor_end_finish (AgentActor   *self,
                        GAsyncResult *result,
                        GError      **error)
{
  g_return_val_if_fail (AGENT_IS_ACTOR (self), FALSE);
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/* --- Messages, in the actor's context --- */

/* The callbacks of the operations have to come in the actor's context, whether or not it is the default of this thread. */
void
_agent_actor_begin_end (AgentActor *self,
                        const char *reason)
{
  GMainContext *context = agent_subscriber_get_main_context (AGENT_SUBSCRIBER (self));

  g_main_context_push_thread_default (context);
  agent_actor_end_async (self, reason, NULL, NULL, NULL);
  g_main_context_pop_thread_default (context);
}

static void
end_cancel_child (AgentActor *self,
                  AgentBus   *bus,
                  AgentActor *child,
                  const char *reason)
{
  g_autoptr (AgentMessage) message = agent_message_new_cancel (agent_subscriber_get_name (AGENT_SUBSCRIBER (self)),
                                                               agent_subscriber_get_name (AGENT_SUBSCRIBER (child)),
                                                               reason);

  agent_bus_try_send (bus, message, NULL);
}

/* The children are cancelled, and the actor leaves without finishing anything. */
void
_agent_actor_begin_cancel (AgentActor *self,
                           const char *reason)
{
  AgentActorCore *core = _agent_actor_get_core (self);
  AgentMailbox   *mailbox = _agent_actor_ref_mailbox (self);

  g_autoptr (AgentBus) bus = agent_subscriber_dup_bus (AGENT_SUBSCRIBER (self));
  g_autoptr (GPtrArray) children = _agent_actor_tree_list_children (self);

  g_mutex_lock (&core->lock);
  if (core->reason == NULL)
    core->reason = g_strdup (reason);
  g_mutex_unlock (&core->lock);

  _agent_actor_emit_cancelled (self, reason);
  for (guint i = 0; bus != NULL && i < children->len; i++)
    end_cancel_child (self, bus, children->pdata[i], reason);
  if (bus != NULL && mailbox != NULL)
    {
      /* It may be draining already. */
      _agent_bus_end_subscription (
          bus, mailbox, AGENT_LEAVE_FLAGS_NONE, agent_bus_get_shutdown_timeout (bus), NULL, NULL);
      _agent_actor_close_jobs (self, mailbox);
    }
  g_clear_pointer (&mailbox, _agent_mailbox_unref);
}

/* --- For the runner --- */

/* Whether the actor did not end in time the last time. In any thread. */
gboolean
_agent_actor_is_stuck (AgentActor *self)
{
  return _agent_actor_read_flag (self, &_agent_actor_get_core (self)->is_stuck);
}

/* Cancels the actor as soon as its context is iterated, whether or not it is ending. In any thread. */
void
_agent_actor_cancel (AgentActor *self,
                     const char *reason)
{
  AgentActorCore *core = _agent_actor_get_core (self);

  g_mutex_lock (&core->lock);
  if (core->reason == NULL)
    core->reason = g_strdup (reason);
  g_mutex_unlock (&core->lock);

  _agent_actor_add_chore (self, AGENT_CHORE_CANCEL);
}

/* The actor is leaving already, so that no message reaches it: what it has not finished is abandoned. */
static void
end_abandon (AgentActor *self,
             const char *reason)
{
  AgentActorCore *core = _agent_actor_get_core (self);
  AgentMailbox   *mailbox = _agent_actor_ref_last_mailbox (self);

  g_mutex_lock (&core->lock);
  core->gave_up = TRUE;
  g_mutex_unlock (&core->lock);

  _agent_actor_emit_cancelled (self, reason);
  _agent_mailbox_abandon (mailbox);
  _agent_mailbox_unref (mailbox);
}

/* In the actor's context, outside of its handlers. */
void
_agent_actor_cancel_now (AgentActor *self)
{
  AgentActorCore  *core = _agent_actor_get_core (self);
  AgentActorState  state;
  g_autofree char *reason = NULL;

  g_mutex_lock (&core->lock);
  state = core->state;
  reason = g_strdup (core->reason);
  g_mutex_unlock (&core->lock);

  if (state == AGENT_ACTOR_STATE_READY)
    _agent_actor_begin_cancel (self, reason);
  else if (state == AGENT_ACTOR_STATE_ENDING)
    end_abandon (self, reason);
}
