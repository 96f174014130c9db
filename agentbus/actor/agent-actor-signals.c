/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "actor/agent-actor-signals-private.h"

/* The signals of an actor: how they are installed, asked for handlers, and emitted. */

enum
{
  ACTIVATED,
  DEACTIVATED,
  CANCELLED,
  ENDED,
  TASK_REQUEST,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

static void
signals_install_life (AgentActorClass *klass)
{
  /**
   * AgentActorClass::activated:
   * @self: the actor
   * @args: (nullable): what the message `activate` has brought
   *
   * The class handler of [signal@AgentBus.Actor::activated], which is called after those that are connected.
   *
   * Since: 0.1
   */

  /**
   * AgentActorClass::deactivated:
   * @self: the actor
   *
   * The class handler of [signal@AgentBus.Actor::deactivated], which is called after those that are connected.
   *
   * Since: 0.1
   */

  /**
   * AgentActorClass::cancelled:
   * @self: the actor
   * @reason: (nullable): why
   *
   * The class handler of [signal@AgentBus.Actor::cancelled], which is called after those that are connected.
   *
   * Since: 0.1
   */

  /**
   * AgentActorClass::ended:
   * @self: the actor
   * @reason: (nullable): why
   *
   * The class handler of [signal@AgentBus.Actor::ended], which is called after those that are connected.
   *
   * Since: 0.1
   */

  /**
   * AgentActor::activated:
   * @self: the actor
   * @args: (nullable): what the message `activate` has brought
   *
   * A message `activate` has come. The actor is active, and may have been before.
   *
   * Since: 0.1
   */
  signals[ACTIVATED] = g_signal_new ("activated",
                                     G_TYPE_FROM_CLASS (klass),
                                     G_SIGNAL_RUN_LAST,
                                     G_STRUCT_OFFSET (AgentActorClass, activated),
                                     NULL,
                                     NULL,
                                     g_cclosure_marshal_VOID__VARIANT,
                                     G_TYPE_NONE,
                                     1,
                                     G_TYPE_VARIANT);

  /**
   * AgentActor::deactivated:
   * @self: the actor
   *
   * A message `deactivate` has come. The actor is not active, and may not have been before.
   *
   * Since: 0.1
   */
  signals[DEACTIVATED] = g_signal_new ("deactivated",
                                       G_TYPE_FROM_CLASS (klass),
                                       G_SIGNAL_RUN_LAST,
                                       G_STRUCT_OFFSET (AgentActorClass, deactivated),
                                       NULL,
                                       NULL,
                                       g_cclosure_marshal_VOID__VOID,
                                       G_TYPE_NONE,
                                       0);

  /**
   * AgentActor::cancelled:
   * @self: the actor
   * @reason: (nullable): why
   *
   * A message `cancel` has come. The actor leaves at once: what is queued is discarded, and its jobs are cancelled.
   *
   * Since: 0.1
   */
  signals[CANCELLED] = g_signal_new ("cancelled",
                                     G_TYPE_FROM_CLASS (klass),
                                     G_SIGNAL_RUN_LAST,
                                     G_STRUCT_OFFSET (AgentActorClass, cancelled),
                                     NULL,
                                     NULL,
                                     g_cclosure_marshal_VOID__STRING,
                                     G_TYPE_NONE,
                                     1,
                                     G_TYPE_STRING);

  /**
   * AgentActor::ended:
   * @self: the actor
   * @reason: (nullable): why, as the message `end` or `cancel` has said
   *
   * The actor has left its bus: all its jobs are answered and all its tasks have finished. It may be subscribed again when the
   * operation that has made it leave has finished.
   *
   * Since: 0.1
   */
  signals[ENDED] = g_signal_new ("ended",
                                 G_TYPE_FROM_CLASS (klass),
                                 G_SIGNAL_RUN_LAST,
                                 G_STRUCT_OFFSET (AgentActorClass, ended),
                                 NULL,
                                 NULL,
                                 g_cclosure_marshal_VOID__STRING,
                                 G_TYPE_NONE,
                                 1,
                                 G_TYPE_STRING);
}

static void
signals_install_request (AgentActorClass *klass)
{
  /**
   * AgentActorClass::task_request:
   * @self: the actor
   * @job: what is requested
   *
   * Does a job. A subclass implements it to do all tasks, whatever their name; it is called after the handlers that are
   * connected to [signal@AgentBus.Actor::task-request].
   *
   * Since: 0.1
   */

  /**
   * AgentActor::task-request:
   * @self: the actor
   * @job: what is requested
   *
   * Somebody has requested something of the actor.
   *
   * The detail is the name of the task: `task-request::sum`. Answer with [method@AgentBus.Job.complete] or
   * [method@AgentBus.Job.fail]. A handler that goes on after it has returned keeps a reference to @job; if nobody does, and
   * there is no answer, the job fails. At most [property@AgentBus.Actor:max-jobs] jobs are worked on at a time, and the others
   * wait. A task for which there is no handler is answered with %AGENT_BUS_ERROR_NOT_FOUND.
   *
   * Since: 0.1
   */
  signals[TASK_REQUEST] = g_signal_new ("task-request",
                                        G_TYPE_FROM_CLASS (klass),
                                        G_SIGNAL_RUN_LAST | G_SIGNAL_DETAILED,
                                        G_STRUCT_OFFSET (AgentActorClass, task_request),
                                        NULL,
                                        NULL,
                                        g_cclosure_marshal_VOID__OBJECT,
                                        G_TYPE_NONE,
                                        1,
                                        AGENT_TYPE_JOB);
  g_signal_set_va_marshaller (signals[TASK_REQUEST], G_TYPE_FROM_CLASS (klass), g_cclosure_marshal_VOID__OBJECTv);
}

void
_agent_actor_install_signals (AgentActorClass *klass)
{
  signals_install_life (klass);
  signals_install_request (klass);
}

/* --- In the actor's context --- */

/* Names come from strangers, so no quark is made for them: a name that somebody listens to has one. */
static GQuark
signals_get_detail (const char *task_name)
{
  return task_name != NULL ? g_quark_try_string (task_name) : 0;
}

/* Whether a handler is connected with just this detail, or with none if it is 0. */
static gboolean
signals_has_handler (AgentActor *self,
                     GQuark      detail)
{
  return g_signal_has_handler_pending (self, signals[TASK_REQUEST], detail, FALSE);
}

/* Whether somebody does tasks of this name: (nullable). */
gboolean
_agent_actor_does_task (AgentActor *self,
                        const char *task_name)
{
  GQuark detail = signals_get_detail (task_name);

  return AGENT_ACTOR_GET_CLASS (self)->task_request != NULL || signals_has_handler (self, 0) ||
         (detail != 0 && signals_has_handler (self, detail));
}

void
_agent_actor_emit_request (AgentActor *self,
                           AgentJob   *job,
                           const char *task_name)
{
  g_signal_emit (self, signals[TASK_REQUEST], signals_get_detail (task_name), job);
}

void
_agent_actor_emit_activated (AgentActor *self,
                             GVariant   *args)
{
  g_signal_emit (self, signals[ACTIVATED], 0, args);
}

void
_agent_actor_emit_deactivated (AgentActor *self)
{
  g_signal_emit (self, signals[DEACTIVATED], 0);
}

void
_agent_actor_emit_cancelled (AgentActor *self,
                             const char *reason)
{
  g_signal_emit (self, signals[CANCELLED], 0, reason);
}

void
_agent_actor_emit_ended (AgentActor *self,
                         const char *reason)
{
  g_signal_emit (self, signals[ENDED], 0, reason);
}

void
_agent_actor_notify_state (AgentActor *self)
{
  g_object_notify (G_OBJECT (self), "state");
}

void
_agent_actor_notify_active (AgentActor *self)
{
  g_object_notify (G_OBJECT (self), "active");
}
