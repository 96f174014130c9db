/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#if !defined(AGENT_INSIDE) && !defined(AGENT_COMPILATION)
#error "Only <agentbus/agentbus.h> can be included directly."
#endif

#include <agentbus/message/agent-message.h>

G_BEGIN_DECLS

#define AGENT_TYPE_TASK (agent_task_get_type ())

AGENT_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (AgentTask, agent_task, AGENT, TASK, GObject)

AGENT_AVAILABLE_IN_0_1
const char     *agent_task_get_id         (AgentTask          *self);
AGENT_AVAILABLE_IN_0_1
const char     *agent_task_get_target     (AgentTask          *self);
AGENT_AVAILABLE_IN_0_1
const char     *agent_task_get_task_name  (AgentTask          *self);
AGENT_AVAILABLE_IN_0_1
AgentTaskStatus agent_task_get_status     (AgentTask          *self);
AGENT_AVAILABLE_IN_0_1
gboolean        agent_task_has_finished   (AgentTask          *self);
AGENT_AVAILABLE_IN_0_1
GVariant       *agent_task_get_response   (AgentTask          *self);
AGENT_AVAILABLE_IN_0_1
const char     *agent_task_get_response_json
                                          (AgentTask          *self);
AGENT_AVAILABLE_IN_0_1
const GError   *agent_task_get_error      (AgentTask          *self);
AGENT_AVAILABLE_IN_0_1
guint           agent_task_get_timeout    (AgentTask          *self);
AGENT_AVAILABLE_IN_0_1
void            agent_task_set_timeout    (AgentTask          *self,
                                           guint               timeout);
AGENT_AVAILABLE_IN_0_1
guint64         agent_task_get_n_missed   (AgentTask          *self);

AGENT_AVAILABLE_IN_0_1
void            agent_task_cancel         (AgentTask          *self,
                                           const char         *reason);
AGENT_AVAILABLE_IN_0_1
void            agent_task_request_update (AgentTask          *self);
AGENT_AVAILABLE_IN_0_1
void            agent_task_set_reads_by_hand
                                          (AgentTask          *self,
                                           gboolean            by_hand);
AGENT_AVAILABLE_IN_0_1
void            agent_task_mark_read      (AgentTask          *self,
                                           guint               n_chunks);
AGENT_AVAILABLE_IN_0_1
void            agent_task_wait_async     (AgentTask          *self,
                                           GCancellable       *cancellable,
                                           GAsyncReadyCallback callback,
                                           gpointer            user_data);
AGENT_AVAILABLE_IN_0_1
GVariant       *agent_task_wait_finish    (AgentTask          *self,
                                           GAsyncResult       *result,
                                           GError            **error) G_GNUC_WARN_UNUSED_RESULT;

G_END_DECLS
