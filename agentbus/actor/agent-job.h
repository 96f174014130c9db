/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#if !defined(AGENT_INSIDE) && !defined(AGENT_COMPILATION)
#error "Only <agentbus/agentbus.h> can be included directly."
#endif

#include <agentbus/message/agent-message.h>

G_BEGIN_DECLS

#define AGENT_TYPE_JOB (agent_job_get_type ())

AGENT_AVAILABLE_IN_0_1
G_DECLARE_FINAL_TYPE (AgentJob, agent_job, AGENT, JOB, GObject)

AGENT_AVAILABLE_IN_0_1
AgentMessage *agent_job_get_message        (AgentJob           *self);
AGENT_AVAILABLE_IN_0_1
const char   *agent_job_get_id             (AgentJob           *self);
AGENT_AVAILABLE_IN_0_1
const char   *agent_job_get_task_name      (AgentJob           *self);
AGENT_AVAILABLE_IN_0_1
const char   *agent_job_get_requester      (AgentJob           *self);
AGENT_AVAILABLE_IN_0_1
GVariant     *agent_job_get_payload        (AgentJob           *self);
AGENT_AVAILABLE_IN_0_1
GCancellable *agent_job_get_cancellable    (AgentJob           *self);
AGENT_AVAILABLE_IN_0_1
gboolean      agent_job_is_cancelled       (AgentJob           *self);
AGENT_AVAILABLE_IN_0_1
gboolean      agent_job_has_ended          (AgentJob           *self);
AGENT_AVAILABLE_IN_0_1
gint          agent_job_get_remaining_time (AgentJob           *self);

AGENT_AVAILABLE_IN_0_1
gboolean      agent_job_update             (AgentJob           *self,
                                            GVariant           *update);
AGENT_AVAILABLE_IN_0_1
gboolean      agent_job_send_chunk         (AgentJob           *self,
                                            GVariant           *payload);
AGENT_AVAILABLE_IN_0_1
void          agent_job_send_chunk_async   (AgentJob           *self,
                                            GVariant           *payload,
                                            GCancellable       *cancellable,
                                            GAsyncReadyCallback callback,
                                            gpointer            user_data);
AGENT_AVAILABLE_IN_0_1
gboolean      agent_job_send_chunk_finish  (AgentJob           *self,
                                            GAsyncResult       *result,
                                            GError            **error);
AGENT_AVAILABLE_IN_0_1
gboolean      agent_job_complete           (AgentJob           *self,
                                            GVariant           *response);
AGENT_AVAILABLE_IN_0_1
gboolean      agent_job_complete_json      (AgentJob           *self,
                                            const char         *text,
                                            GError            **error);
AGENT_AVAILABLE_IN_0_1
gboolean      agent_job_fail               (AgentJob           *self,
                                            const GError       *error);
AGENT_AVAILABLE_IN_0_1
gboolean      agent_job_fail_message       (AgentJob           *self,
                                            const char         *message);
AGENT_AVAILABLE_IN_0_1
gboolean      agent_job_fail_details       (AgentJob           *self,
                                            GVariant           *details);

G_END_DECLS
