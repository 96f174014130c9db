/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "config.h"

#include "message/agent-wire-private.h"

/* Other versions rely on this form: rows may be added to these tables, but no row may change, and the order must stay. */

#define TYPE(NAME) (1u << AGENT_MESSAGE_TYPE_##NAME)
#define TYPES(FIRST, LAST) (TYPE (LAST) | (TYPE (LAST) - TYPE (FIRST)))

#define ALL TYPES (FRAME, HAND_OFF)
#define TASKS TYPES (TASK_REQUEST, TASK_STREAM_END)
#define ROUTED (TYPES (REQUEST_INFERENCE, SHUTDOWN) | TYPE (HAND_OFF))
#define PAYLOADS (TYPE (ACTIVATE) | TYPE (CUSTOM) | ROUTED | (TASKS & ~(TYPE (TASK_UPDATE_REQUEST) | TYPE (TASK_CANCEL))))
#define RESPONSES (TYPE (TASK_RESPONSE) | TYPE (TASK_RESPONSE_URGENT))

#define IN_MESSAGE(member) G_STRUCT_OFFSET (AgentMessageRecord, member)

/* clang-format off */

/* The last four rows have the same place in the record, and each type of message has at most one of them. They must be
 * the last: the record owns what they read, and would leak it if a field after them were refused. */
static const AgentWireField message_fields[] = {
  { "source",      &_agent_wire_string,        IN_MESSAGE (parts.source),    ALL, 0, .filled = TRUE },
  { "target",      &_agent_wire_string,        IN_MESSAGE (parts.target),    ROUTED, ALL & ~TYPE (AGENT_READY), .filled = TRUE },
  { "seq",         &_agent_wire_uint64,        IN_MESSAGE (seq),             0, ALL },
  { "sent-at",     &_agent_wire_time,          IN_MESSAGE (sent_at),         0, ALL },
  { "ttl",         &_agent_wire_uint32,        IN_MESSAGE (ttl),             0, ALL },
  { "reliable",    &_agent_wire_boolean,       IN_MESSAGE (reliable),        0, ALL },
  { "error-reply", &_agent_wire_boolean,       IN_MESSAGE (error_reply),     0, ALL },
  { "cause",       &_agent_wire_uint64,        IN_MESSAGE (cause),           0, ALL },
  { "trace",       &_agent_wire_string,        IN_MESSAGE (trace),           0, ALL },
  { "topic",       &_agent_wire_topic,         IN_MESSAGE (topic),           0, ALL, .filled = TRUE },
  { "retained",    &_agent_wire_boolean,       IN_MESSAGE (retained),        0, ALL },
  { "conversation", &_agent_wire_conversation, IN_MESSAGE (conversation),    0, ALL },
  { "name",        &_agent_wire_custom_name,   IN_MESSAGE (parts.label),     TYPE (CUSTOM), 0, .filled = TRUE },
  { "channel",     &_agent_wire_channel,       IN_MESSAGE (parts.channel),   0, TYPE (CUSTOM), .get_type = agent_channel_get_type },
  { "runner",      &_agent_wire_string,        IN_MESSAGE (parts.label),     TYPE (AGENT_REGISTRY), 0 },
  { "task-id",     &_agent_wire_string,        IN_MESSAGE (parts.task_id),   TASKS, TYPE (AGENT_ERROR), .filled = TRUE },
  { "task-name",   &_agent_wire_string,        IN_MESSAGE (parts.label),     0, TYPE (TASK_REQUEST) },
  { "reason",      &_agent_wire_string,        IN_MESSAGE (parts.reason),    TYPE (AGENT_ERROR), TYPE (END) | TYPE (CANCEL) | TYPE (TASK_CANCEL) },
  { "status",      &_agent_wire_enum,          IN_MESSAGE (parts.status),    0, RESPONSES, .get_type = agent_task_status_get_type },
  { "direction",   &_agent_wire_enum,          IN_MESSAGE (parts.direction), 0, TYPE (FRAME), .get_type = agent_frame_direction_get_type },
  { "request",     &_agent_wire_boolean,       IN_MESSAGE (request),         0, TYPE (TASK_REQUEST) },
  { "error",       &_agent_wire_string,        IN_MESSAGE (parts.label),     0, RESPONSES },
  { "error-text",  &_agent_wire_string,        IN_MESSAGE (parts.reason),    0, RESPONSES },
  { "chunk",       &_agent_wire_string,        IN_MESSAGE (parts.label),     0, TYPE (TASK_STREAM_DATA) },
  { "payload-json", &_agent_wire_json,          IN_MESSAGE (json),            0, PAYLOADS },
  { "payload",     &_agent_wire_payload,       IN_MESSAGE (parts.content),   0, PAYLOADS },
  { "frame",       &_agent_wire_content_frame, IN_MESSAGE (parts.content),   TYPE (FRAME), 0 },
  { "info",        &_agent_wire_content_info,  IN_MESSAGE (parts.content),   TYPE (AGENT_READY), 0 },
  { "infos",       &_agent_wire_content_infos, IN_MESSAGE (parts.content),   TYPE (AGENT_REGISTRY), 0 },
};

/* clang-format on */

G_STATIC_ASSERT (G_N_ELEMENTS (message_fields) <= AGENT_WIRE_N_FIELDS_MAX);

const AgentWireTable _agent_wire_message = { message_fields, G_N_ELEMENTS (message_fields) };
