/* SPDX-License-Identifier: LGPL-2.1-or-later */

#pragma once

#if !defined(AGENT_INSIDE) && !defined(AGENT_COMPILATION)
#error "Only <agentbus/agentbus.h> can be included directly."
#endif

#include <agentbus/agent-enums.h>

G_BEGIN_DECLS

#define AGENT_TYPE_MESSAGE (agent_message_get_type ())

AGENT_AVAILABLE_IN_0_1
GType              agent_message_get_type                (void);

AGENT_AVAILABLE_IN_0_1
AgentMessage      *agent_message_new_frame               (const char         *source,
                                                          const char         *target,
                                                          AgentFrame         *frame,
                                                          AgentFrameDirection direction) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentMessage      *agent_message_new_activate            (const char         *source,
                                                          const char         *target,
                                                          GVariant           *args) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentMessage      *agent_message_new_deactivate          (const char         *source,
                                                          const char         *target) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentMessage      *agent_message_new_end                 (const char         *source,
                                                          const char         *target,
                                                          const char         *reason) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentMessage      *agent_message_new_cancel              (const char         *source,
                                                          const char         *target,
                                                          const char         *reason) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentMessage      *agent_message_new_agent_ready         (AgentInfo          *info) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentMessage      *agent_message_new_agent_registry      (const char         *source,
                                                          const char         *target,
                                                          const char         *runner,
                                                          GPtrArray          *infos) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentMessage      *agent_message_new_agent_error         (const char         *source,
                                                          const char         *target,
                                                          const char         *error) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentMessage      *agent_message_new_task_request        (const char         *source,
                                                          const char         *target,
                                                          const char         *task_id,
                                                          const char         *task_name,
                                                          GVariant           *payload) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentMessage      *agent_message_new_task_response       (const char         *source,
                                                          const char         *target,
                                                          const char         *task_id,
                                                          AgentTaskStatus     status,
                                                          GVariant           *response) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentMessage      *agent_message_new_task_response_urgent
                                                         (const char         *source,
                                                          const char         *target,
                                                          const char         *task_id,
                                                          AgentTaskStatus     status,
                                                          GVariant           *response) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentMessage      *agent_message_new_task_update         (const char         *source,
                                                          const char         *target,
                                                          const char         *task_id,
                                                          GVariant           *update) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentMessage      *agent_message_new_task_update_urgent  (const char         *source,
                                                          const char         *target,
                                                          const char         *task_id,
                                                          GVariant           *update) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentMessage      *agent_message_new_task_update_request (const char         *source,
                                                          const char         *target,
                                                          const char         *task_id) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentMessage      *agent_message_new_task_cancel         (const char         *source,
                                                          const char         *target,
                                                          const char         *task_id,
                                                          const char         *reason) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentMessage      *agent_message_new_task_stream_start   (const char         *source,
                                                          const char         *target,
                                                          const char         *task_id,
                                                          GVariant           *data) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentMessage      *agent_message_new_task_stream_data    (const char         *source,
                                                          const char         *target,
                                                          const char         *task_id,
                                                          GVariant           *data) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentMessage      *agent_message_new_task_stream_end     (const char         *source,
                                                          const char         *target,
                                                          const char         *task_id,
                                                          GVariant           *data) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentMessage      *agent_message_new_routed              (AgentMessageType    type,
                                                          const char         *source,
                                                          const char         *actor_id,
                                                          GVariant           *payload) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentMessage      *agent_message_new_custom              (const char         *name,
                                                          AgentChannel        channel,
                                                          const char         *source,
                                                          const char         *target,
                                                          GVariant           *payload) G_GNUC_WARN_UNUSED_RESULT;

AGENT_AVAILABLE_IN_0_1
AgentMessage      *agent_message_copy                    (AgentMessage       *self) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentMessage      *agent_message_copy_full               (AgentMessage       *self,
                                                          const char         *source,
                                                          const char         *target) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentMessage      *agent_message_ref                     (AgentMessage       *self);
AGENT_AVAILABLE_IN_0_1
void               agent_message_unref                   (AgentMessage       *self);

AGENT_AVAILABLE_IN_0_1
AgentMessageType   agent_message_get_message_type        (AgentMessage       *self);
AGENT_AVAILABLE_IN_0_1
const char        *agent_message_get_name                (AgentMessage       *self);
AGENT_AVAILABLE_IN_0_1
AgentChannel       agent_message_get_channel             (AgentMessage       *self);
AGENT_AVAILABLE_IN_0_1
const char        *agent_message_get_source              (AgentMessage       *self);
AGENT_AVAILABLE_IN_0_1
const char        *agent_message_get_target              (AgentMessage       *self);
AGENT_AVAILABLE_IN_0_1
guint64            agent_message_get_seq                 (AgentMessage       *self);
AGENT_AVAILABLE_IN_0_1
gint64             agent_message_get_sent_at             (AgentMessage       *self);
AGENT_AVAILABLE_IN_0_1
GVariant          *agent_message_get_payload             (AgentMessage       *self);
AGENT_AVAILABLE_IN_0_1
gboolean           agent_message_set_payload_json        (AgentMessage       *self,
                                                          const char         *text,
                                                          GError            **error);
AGENT_AVAILABLE_IN_0_1
gboolean           agent_message_has_payload_json        (AgentMessage       *self);
AGENT_AVAILABLE_IN_0_1
const char        *agent_message_get_payload_json        (AgentMessage       *self);
AGENT_AVAILABLE_IN_0_1
char              *agent_message_dup_payload_json        (AgentMessage       *self) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentFrame        *agent_message_get_frame               (AgentMessage       *self);
AGENT_AVAILABLE_IN_0_1
AgentFrameDirection
                   agent_message_get_direction           (AgentMessage       *self);
AGENT_AVAILABLE_IN_0_1
const char        *agent_message_get_reason              (AgentMessage       *self);
AGENT_AVAILABLE_IN_0_1
const char        *agent_message_get_task_id             (AgentMessage       *self);
AGENT_AVAILABLE_IN_0_1
const char        *agent_message_get_task_name           (AgentMessage       *self);
AGENT_AVAILABLE_IN_0_1
AgentTaskStatus    agent_message_get_status              (AgentMessage       *self);
AGENT_AVAILABLE_IN_0_1
GError            *agent_message_dup_error               (AgentMessage       *self) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentInfo         *agent_message_get_info                (AgentMessage       *self);
AGENT_AVAILABLE_IN_0_1
GPtrArray         *agent_message_get_infos               (AgentMessage       *self);
AGENT_AVAILABLE_IN_0_1
const char        *agent_message_get_runner              (AgentMessage       *self);

AGENT_AVAILABLE_IN_0_1
guint              agent_message_get_ttl                 (AgentMessage       *self);
AGENT_AVAILABLE_IN_0_1
void               agent_message_set_ttl                 (AgentMessage       *self,
                                                          guint               ttl);
AGENT_AVAILABLE_IN_0_1
gboolean           agent_message_is_reliable             (AgentMessage       *self);
AGENT_AVAILABLE_IN_0_1
void               agent_message_set_reliable            (AgentMessage       *self,
                                                          gboolean            reliable);
AGENT_AVAILABLE_IN_0_1
gboolean           agent_message_wants_error_reply       (AgentMessage       *self);
AGENT_AVAILABLE_IN_0_1
void               agent_message_set_error_reply         (AgentMessage       *self,
                                                          gboolean            error_reply);
AGENT_AVAILABLE_IN_0_1
guint64            agent_message_get_cause               (AgentMessage       *self);
AGENT_AVAILABLE_IN_0_1
void               agent_message_set_cause               (AgentMessage       *self,
                                                          AgentMessage       *cause);
AGENT_AVAILABLE_IN_0_1
AgentConversation *agent_message_get_conversation        (AgentMessage       *self);
AGENT_AVAILABLE_IN_0_1
guint64            agent_message_get_epoch               (AgentMessage       *self);
AGENT_AVAILABLE_IN_0_1
void               agent_message_set_conversation        (AgentMessage       *self,
                                                          AgentConversation  *conversation);
AGENT_AVAILABLE_IN_0_1
const char        *agent_message_get_trace               (AgentMessage       *self);
AGENT_AVAILABLE_IN_0_1
void               agent_message_set_trace               (AgentMessage       *self,
                                                          const char         *trace);

AGENT_AVAILABLE_IN_0_1
gboolean           agent_topic_is_valid                  (const char         *topic);
AGENT_AVAILABLE_IN_0_1
const char        *agent_message_get_topic               (AgentMessage       *self);
AGENT_AVAILABLE_IN_0_1
void               agent_message_set_topic               (AgentMessage       *self,
                                                          const char         *topic);
AGENT_AVAILABLE_IN_0_1
gboolean           agent_message_is_retained             (AgentMessage       *self);
AGENT_AVAILABLE_IN_0_1
void               agent_message_set_retained            (AgentMessage       *self,
                                                          gboolean            retained);

AGENT_AVAILABLE_IN_0_1
gboolean           agent_message_get_fate                (AgentMessage       *self,
                                                          guint              *n_accepted,
                                                          AgentDropReason    *reason);

AGENT_AVAILABLE_IN_0_1
GVariant          *agent_message_to_variant              (AgentMessage       *self) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
AgentMessage      *agent_message_new_from_variant        (GVariant           *variant,
                                                          GError            **error) G_GNUC_WARN_UNUSED_RESULT;
AGENT_AVAILABLE_IN_0_1
char              *agent_message_to_string               (AgentMessage       *self) G_GNUC_WARN_UNUSED_RESULT;

G_DEFINE_AUTOPTR_CLEANUP_FUNC (AgentMessage, agent_message_unref)

G_END_DECLS
