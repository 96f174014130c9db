/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#if !defined(AGENT_INSIDE) && !defined(AGENT_COMPILATION)
#error "Only <agentbus/agentbus.h> can be included directly."
#endif

#include <agentbus/actor/agent-actor.h>

G_BEGIN_DECLS

#define AGENT_TYPE_TASK_GROUP (agent_task_group_get_type ())

AGENT_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (AgentTaskGroup, agent_task_group, AGENT, TASK_GROUP, GObject)

AGENT_AVAILABLE_IN_0_1
AgentTaskGroup *agent_task_group_new          (AgentActor         *actor) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentActor     *agent_task_group_get_actor    (AgentTaskGroup     *self);
AGENT_AVAILABLE_IN_0_1
gboolean        agent_task_group_get_collect  (AgentTaskGroup     *self);
AGENT_AVAILABLE_IN_0_1
void            agent_task_group_set_collect  (AgentTaskGroup     *self,
                                               gboolean            collect);
AGENT_AVAILABLE_IN_0_1
guint           agent_task_group_get_timeout  (AgentTaskGroup     *self);
AGENT_AVAILABLE_IN_0_1
void            agent_task_group_set_timeout  (AgentTaskGroup     *self,
                                               guint               timeout);
AGENT_AVAILABLE_IN_0_1
guint           agent_task_group_get_n_open   (AgentTaskGroup     *self);
AGENT_AVAILABLE_IN_0_1
const GError   *agent_task_group_get_error    (AgentTaskGroup     *self);
AGENT_AVAILABLE_IN_0_1
gboolean        agent_task_group_has_failed   (AgentTaskGroup     *self);

AGENT_AVAILABLE_IN_0_1
AgentTask      *agent_task_group_request      (AgentTaskGroup     *self,
                                               const char         *target,
                                               const char         *task_name,
                                               GVariant           *payload);
AGENT_AVAILABLE_IN_0_1
AgentTask      *agent_task_group_request_full (AgentTaskGroup     *self,
                                               AgentMessage       *request,
                                               AgentJob           *job);
AGENT_AVAILABLE_IN_0_1
void            agent_task_group_request_many (AgentTaskGroup     *self,
                                               const char * const *targets,
                                               const char         *task_name,
                                               GVariant           *payload);
AGENT_AVAILABLE_IN_0_1
void            agent_task_group_add          (AgentTaskGroup     *self,
                                               AgentTask          *task);
AGENT_AVAILABLE_IN_0_1
GPtrArray      *agent_task_group_list_tasks   (AgentTaskGroup     *self) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
GStrv           agent_task_group_list_names   (AgentTaskGroup     *self) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentTask      *agent_task_group_lookup       (AgentTaskGroup     *self,
                                               const char         *name);

AGENT_AVAILABLE_IN_0_1
void            agent_task_group_cancel       (AgentTaskGroup     *self,
                                               const char         *reason);
AGENT_AVAILABLE_IN_0_1
void            agent_task_group_wait_async   (AgentTaskGroup     *self,
                                               GCancellable       *cancellable,
                                               GAsyncReadyCallback callback,
                                               gpointer            user_data);
AGENT_AVAILABLE_IN_0_1
gboolean        agent_task_group_wait_finish  (AgentTaskGroup     *self,
                                               GAsyncResult       *result,
                                               GError            **error);

G_END_DECLS
