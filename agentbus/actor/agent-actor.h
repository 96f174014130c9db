/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#if !defined(AGENT_INSIDE) && !defined(AGENT_COMPILATION)
#error "Only <agentbus/agentbus.h> can be included directly."
#endif

#include <agentbus/actor/agent-job.h>
#include <agentbus/actor/agent-task.h>
#include <agentbus/bus/agent-subscriber.h>
#include <agentbus/router/agent-router-dispatcher.h>

G_BEGIN_DECLS

#define AGENT_TYPE_ACTOR (agent_actor_get_type ())

AGENT_AVAILABLE_IN_0_1
G_DECLARE_DERIVABLE_TYPE (AgentActor, agent_actor, AGENT, ACTOR, AgentSubscriber)

/**
 * AgentActorClass:
 * @parent_class: The parent class.
 * @task_request: Does one job; see [signal@AgentBus.Actor::task-request].
 * @activated: The actor has become active; see [signal@AgentBus.Actor::activated].
 * @deactivated: The actor is not active any more; see [signal@AgentBus.Actor::deactivated].
 * @cancelled: The actor is cancelled; see [signal@AgentBus.Actor::cancelled].
 * @ended: The actor has left; see [signal@AgentBus.Actor::ended].
 *
 * The class of [class@AgentBus.Actor].
 *
 * Since: 0.1
 */
struct _AgentActorClass
{
  AgentSubscriberClass parent_class;

  void (*task_request) (AgentActor *self,
                        AgentJob   *job);
  void (*activated)    (AgentActor *self,
                        GVariant   *args);
  void (*deactivated)  (AgentActor *self);
  void (*cancelled)    (AgentActor *self,
                        const char *reason);
  void (*ended)        (AgentActor *self,
                        const char *reason);

  /*< private >*/
  gpointer _reserved[8];
};

AGENT_AVAILABLE_IN_0_1
AgentActor            *agent_actor_new                 (const char            *name) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
const char            *agent_actor_get_parent          (AgentActor            *self);
AGENT_AVAILABLE_IN_0_1
char                  *agent_actor_dup_runner          (AgentActor            *self) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
gboolean               agent_actor_is_active           (AgentActor            *self);
AGENT_AVAILABLE_IN_0_1
gboolean               agent_actor_is_bridged          (AgentActor            *self);
AGENT_AVAILABLE_IN_0_1
AgentActorState        agent_actor_get_state           (AgentActor            *self);
AGENT_AVAILABLE_IN_0_1
gboolean               agent_actor_get_keep_frames     (AgentActor            *self);
AGENT_AVAILABLE_IN_0_1
guint                  agent_actor_get_max_jobs        (AgentActor            *self);
AGENT_AVAILABLE_IN_0_1
void                   agent_actor_set_max_jobs        (AgentActor            *self,
                                                        guint                  max_jobs);
AGENT_AVAILABLE_IN_0_1
guint                  agent_actor_get_max_pending     (AgentActor            *self);
AGENT_AVAILABLE_IN_0_1
void                   agent_actor_set_max_pending     (AgentActor            *self,
                                                        guint                  max_pending);
AGENT_AVAILABLE_IN_0_1
guint                  agent_actor_get_wait_for_target (AgentActor            *self);
AGENT_AVAILABLE_IN_0_1
void                   agent_actor_set_wait_for_target (AgentActor            *self,
                                                        guint                  wait_for_target);
AGENT_AVAILABLE_IN_0_1
AgentRouterDispatcher *agent_actor_dup_dispatcher      (AgentActor            *self) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
void                   agent_actor_set_dispatcher      (AgentActor            *self,
                                                        AgentRouterDispatcher *dispatcher);
AGENT_AVAILABLE_IN_0_1
guint                  agent_actor_get_n_jobs          (AgentActor            *self);
AGENT_AVAILABLE_IN_0_1
guint                  agent_actor_get_n_tasks         (AgentActor            *self);
AGENT_AVAILABLE_IN_0_1
GVariant              *agent_actor_get_statistics      (AgentActor            *self) G_GNUC_WARN_UNUSED_RESULT;

AGENT_AVAILABLE_IN_0_1
AgentTask             *agent_actor_request             (AgentActor            *self,
                                                        const char            *target,
                                                        const char            *task_name,
                                                        GVariant              *payload);
AGENT_AVAILABLE_IN_0_1
AgentTask             *agent_actor_request_full        (AgentActor            *self,
                                                        AgentMessage          *request,
                                                        AgentJob              *job);

AGENT_AVAILABLE_IN_0_1
void                   agent_actor_hand_over_async     (AgentActor            *from,
                                                        AgentActor            *to,
                                                        GVariant              *args,
                                                        GCancellable          *cancellable,
                                                        GAsyncReadyCallback    callback,
                                                        gpointer               user_data);
AGENT_AVAILABLE_IN_0_1
gboolean               agent_actor_hand_over_finish    (AgentActor            *from,
                                                        GAsyncResult          *result,
                                                        GError               **error);

AGENT_AVAILABLE_IN_0_1
void                   agent_actor_end_async           (AgentActor            *self,
                                                        const char            *reason,
                                                        GCancellable          *cancellable,
                                                        GAsyncReadyCallback    callback,
                                                        gpointer               user_data);
AGENT_AVAILABLE_IN_0_1
gboolean               agent_actor_end_finish          (AgentActor            *self,
                                                        GAsyncResult          *result,
                                                        GError               **error);

G_END_DECLS
